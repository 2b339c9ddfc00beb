// Conifers: a misty forest, and the tree lines of other scenes.

import AtelierEngine
import Foundation

extension SampleScenes {
  /// A spruce: a trunk and drooping, needled branches, lit from the left.
  static func conifer(
    _ canvas: inout Canvas, _ generator: inout RandomGenerator, foot: Point, height: Float,
    color: Color, light: Color
  ) {
    let width = height * generator.uniform(0.17...0.24)
    let whorls = Int(clamp(height / canvas.pixel / 3, 12, 44))
    canvas.stroke(
      foot, foot - Point(0, height * 0.96), widths: (height * 0.022, height * 0.004),
      colors: (color * 0.7, color))
    for whorl in 0..<whorls {
      // From the foot up, so that upper branches cover lower ones.
      let part = 1 - (Float(whorl) + 0.6 * generator.uniform()) / Float(whorls)
      let y = foot.y - height * (1 - part * 0.9)
      let reach = width * (0.08 + 0.92 * pow(part, 0.8)) * generator.uniform(0.7...1.15)
      for side in [-1, 1] as [Float] {
        for _ in 0..<2 {
          let long = reach * generator.uniform(0.55...1)
          let drop = long * generator.uniform(0.25...0.6)
          let start = Point(foot.x, y)
          let end = start + Point(side * long, drop)
          let lit = side < 0 ? 0.75 : 0.2
          let tone = mix(color, light, Float(lit) * generator.uniform(0.3...1))
          canvas.curve(
            start, start + Point(side * long * 0.6, drop * 0.25), end,
            widths: (height * (0.012 + 0.026 * part), height * 0.009),
            colors: (color * 0.85, tone), pieces: whorls > 30 ? 3 : 1)
          guard height / canvas.pixel > 60 else { continue }
          for needle in 1...5 {
            let t = Float(needle) / 5
            let place = start + Point(side * long * t, drop * t * t)
            let hang = Point(side * 0.2, 1) * (height * generator.uniform(0.012...0.03))
            canvas.stroke(
              place, place + hang, widths: (height * 0.008, height * 0.003),
              colors: (tone * 0.9, tone))
          }
        }
      }
    }
    canvas.stroke(
      foot - Point(0, height * 0.9), foot - Point(0, height),
      widths: (height * 0.012, height * 0.003), colors: (color, mix(color, light, 0.5)))
  }

  /// A line of spruces along a height of the picture.
  static func conifers(
    _ canvas: inout Canvas, _ generator: inout RandomGenerator, along level: Float,
    height: ClosedRange<Float>, count: Int, color: Color, light: Color
  ) {
    for _ in 0..<count {
      let x = generator.uniform(-0.03...1.03) * canvas.aspect
      let tall = generator.uniform(height) * (0.7 + 0.5 * generator.uniform())
      conifer(
        &canvas, &generator, foot: Point(x, level + 0.004), height: tall, color: color,
        light: light)
    }
  }

  /// Spruces in rows that fade into morning mist, ferns in front.
  static func forest(_ canvas: inout Canvas, _ seed: UInt64) {
    var generator = RandomGenerator(seed: seed, 4)
    let noise = Noise(seed, 1)
    let isWarm = generator.uniform() < 0.5
    let mist = isWarm ? rgb(0xE6D9C0) : rgb(0xC9D6DA)
    let sun = Point(generator.uniform(0.25...0.75) * canvas.aspect, 0.2)
    let octaves = canvas.octaves(4, most: 6)
    canvas.shade { p in
      let glow = exp(-length(p - sun) * 2.4)
      let cloud = noise.warped(p * Point(2, 4), octaves, by: 0.5)
      let color = mix(mist * 0.55, mist, clamp(0.5 + 0.45 * cloud + 0.2 * (p.y - 0.4)))
      let away = p - sun
      let angle = atan2(away.x, away.y)
      let shaft =
        smoothstep(-0.2, 0.6, noise(Point(angle * 7, 0.5))) * smoothstep(-0.02, 0.2, away.y)
      return color + rgb(0xFFE6B8) * (0.5 * glow * (1 + 0.5 * shaft))
    }
    let layers = 6
    for layer in 0..<layers {
      let nearness = Float(layer) / Float(layers - 1)
      let level = 0.5 + 0.44 * pow(nearness, 1.3)
      let dark = mix(mist * 0.78, rgb(0x16241A), pow(nearness, 0.7))
      let light = mix(mist * 0.95, isWarm ? rgb(0x6A7038) : rgb(0x3E6048), pow(nearness, 0.8))
      slope(&canvas, noise, level: level, layer: layer, dark: dark, light: light)
      let count = Int(mix(34, 5, nearness) * max(canvas.aspect, 0.6))
      for index in 0..<count {
        let spread = (Float(index) + generator.uniform(0.1...0.9)) / Float(count)
        let x = spread * 1.1 * canvas.aspect - 0.05
        let foot = Point(x, level + ground(noise, x, layer) + 0.01)
        let tall = mix(0.15, 0.78, nearness * nearness) * generator.uniform(0.65...1.1)
        conifer(&canvas, &generator, foot: foot, height: tall, color: dark, light: light)
      }
      drift(&canvas, noise, level: level, layer: layer, mist: mist, amount: 0.5 - 0.42 * nearness)
    }
    ferns(&canvas, &generator)
  }

  private static func ground(_ noise: Noise, _ x: Float, _ layer: Int) -> Float {
    0.05 * noise.fbm(Point(x * 1.6 + Float(layer) * 7.3, Float(layer)), 3)
  }

  private static func slope(
    _ canvas: inout Canvas, _ noise: Noise, level: Float, layer: Int, dark: Color, light: Color
  ) {
    let octaves = canvas.octaves(24, most: 5)
    canvas.filter { p, color in
      let top = level + ground(noise, p.x, layer)
      guard p.y > top else { return color }
      let grass = noise.fbm(Point(p.x * 26, p.y * 60), octaves)
      return mix(dark, light, clamp(0.35 + 0.5 * grass))
    }
  }

  private static func drift(
    _ canvas: inout Canvas, _ noise: Noise, level: Float, layer: Int, mist: Color, amount: Float
  ) {
    canvas.filter { p, color in
      let band = exp(-abs(p.y - level - 0.02) * 7)
      guard band * amount > 0.01 else { return color }
      let swirl = noise.warped(Point(p.x * 1.7 + Float(layer) * 3.1, p.y * 4.5), 4, by: 0.6)
      return mix(color, mist, clamp(amount * band * (0.8 + 0.9 * swirl)))
    }
  }

  private static func ferns(_ canvas: inout Canvas, _ generator: inout RandomGenerator) {
    for _ in 0..<70 {
      let root = Point(
        generator.uniform(-0.02...1.02) * canvas.aspect, generator.uniform(0.93...1.06))
      let tall = generator.uniform(0.08...0.2)
      let lean = generator.uniform(-0.14...0.14)
      let tone = mix(rgb(0x22351A), rgb(0x86963C), generator.uniform())
      for leaf in 1...13 {
        let t = Float(leaf) / 13
        let place = root + Point(lean * t * t, -tall * t * (1 - 0.25 * t))
        let long = tall * 0.26 * sin(Float.pi * (0.12 + 0.86 * t)) + 0.003
        for side in [-1, 1] as [Float] {
          canvas.stroke(
            place, place + Point(side * long, long * 0.35), widths: (0.007, 0.0015),
            colors: (tone * 0.6, tone))
        }
        let before = Float(leaf - 1) / 13
        canvas.stroke(
          root + Point(lean * before * before, -tall * before * (1 - 0.25 * before)), place,
          widths: (0.004, 0.003), colors: (tone * 0.5, tone * 0.6))
      }
    }
  }
}
