// The sea at sunset, and the night sky.

import AtelierEngine
import Foundation

extension SampleScenes {
  /// Waves in perspective that mirror a low sun, a sailing boat, far rocks.
  static func sea(_ canvas: inout Canvas, _ seed: UInt64) {
    var generator = RandomGenerator(seed: seed, 5)
    let level = generator.uniform(0.4...0.48)
    let sky = Sky(
      noise: Noise(seed, 1), zenith: rgb(0x2C4A86), horizon: rgb(0xFFB070), cloud: rgb(0xFFC9A0),
      shade: rgb(0x6E5A78), sun: Point(generator.uniform(0.3...0.7) * canvas.aspect, level - 0.075),
      light: rgb(0xFFA045) * 0.8, cover: 0.55, level: level, octaves: canvas.octaves(4, most: 7))
    let waves = Noise(seed, 2)
    let foam = Noise(seed, 3)
    let middle = canvas.aspect / 2
    let octaves = canvas.octaves(12, most: 6)
    canvas.shade { p in
      guard p.y > level else { return sky(p) }
      return water(p, level: level, middle: middle, sky, waves, foam, octaves)
    }
    rocks(&canvas, Noise(seed, 4), level: level, sky.sun.x > middle ? 0 : canvas.aspect)
    let boat = Point(sky.sun.x + (sky.sun.x > middle ? -0.24 : 0.24), level + 0.045)
    sail(&canvas, boat, size: 0.15)
    gulls(&canvas, &generator, below: level)
  }

  private static func water(
    _ p: Point, level: Float, middle: Float, _ sky: Sky, _ waves: Noise, _ foam: Noise,
    _ octaves: Int
  ) -> Color {
    let distance = 0.1 / (p.y - level + 0.0015)
    let place = Point((p.x - middle) * distance * 6, distance * 9)
    func height(_ q: Point) -> Float {
      let swell = waves(Point(q.x * 0.25, q.y * 0.6))
      return 0.6 * swell + 0.5 * waves.fbm(Point(q.x, q.y * 1.5), octaves, gain: 0.55)
    }
    let epsilon = 0.02 + 0.01 * distance
    let here = height(place)
    let slopeX = (height(place + Point(epsilon, 0)) - here) / epsilon
    let slopeY = (height(place + Point(0, epsilon)) - here) / epsilon
    // Far waves are smaller than a pixel: only their mean tilt remains.
    let fade = 1 / (1 + 0.12 * distance)
    let rise = clamp(0.5 * (p.y - level) + 0.05 + 0.12 * slopeY * fade, 0.005, 0.4)
    let mirrored = Point(p.x + 0.09 * slopeX * fade, level - rise * 0.9)
    let seen = sky(mirrored)
    let facing = clamp(0.45 - 0.5 * slopeY * fade)
    let body = mix(rgb(0x0A2233), rgb(0x1C5560), clamp(0.4 + 0.5 * here))
    var color = mix(body, seen * 0.85, 0.35 + 0.5 * (1 - facing))
    let across = abs(p.x - sky.sun.x + 0.05 * slopeX)
    let spread: Float = 0.002 + 0.05 * (p.y - level)
    let facet: Float = 0.45 + 0.9 * slopeX * slopeX + 0.5 * slopeY
    let glint: Float = exp(-across * across / spread) * smoothstep(0.15, 0.95, facet)
    color += rgb(0xFFC070) * (1.5 * glint * (0.25 + 0.75 * fade))
    let crest = smoothstep(0.62, 0.95, here + 0.25 * foam.fbm(place * 3, 4))
    color = mix(color, rgb(0xF6DCC8) * 0.9, crest * 0.75 * smoothstep(0.02, 0.25, p.y - level))
    return mix(color, sky(Point(p.x, level - 0.01)), 0.75 * exp(-(p.y - level) * 55))
  }

  private static func rocks(_ canvas: inout Canvas, _ noise: Noise, level: Float, _ anchor: Float) {
    let octaves = canvas.octaves(9, most: 7)
    canvas.filter { p, color in
      let far = abs(p.x - anchor)
      let top =
        level - 0.17 * exp(-far * 5.5) + 0.05 * noise.fbm(Point(p.x * 6, 2), octaves) + 0.12 * far
      guard p.y > top, p.y < level + 0.006 * noise(Point(p.x * 30, 0)) + 0.008, far < 0.42 else {
        return color
      }
      let face = noise.ridged(Point(p.x * 9, p.y * 16), octaves)
      let rock = mix(rgb(0x1C1820), rgb(0x7A5648), clamp(face * 1.1 - 0.25))
      return mix(color, rock, smoothstep(0, 0.004, p.y - top) * 0.94)
    }
  }

  private static func sail(_ canvas: inout Canvas, _ foot: Point, size: Float) {
    let mast = foot - Point(0, size)
    let step = canvas.step
    canvas.paint(from: foot - Point(size, size), to: foot + Point(size, size * 0.2)) { p in
      let q = (p - foot) / size
      let up = -q.y
      let edge = size / step
      let main = min(min(up - 0.13, q.x - 0.02), 0.47 * (1 - up) + 0.02 - q.x)
      let jib = min(min(up - 0.16, -0.03 - q.x), 0.36 * (0.95 - up) + q.x)
      let hull = min(min(0.1 - up, up + 0.02), min(q.x + 0.42 - up * 0.9, 0.5 - q.x + up * 0.4))
      let body = max(max(main, jib), hull)
      let cloth = mix(rgb(0xF4DFC8), rgb(0xB98E78), clamp(0.2 + abs(q.x) * 1.5 + 0.3 * up))
      let color = hull >= max(main, jib) ? mix(rgb(0x2A1A18), rgb(0x6A3A28), up * 8) : cloth
      return (color, clamp(body * edge + 0.5))
    }
    canvas.stroke(
      foot, mast, widths: (size * 0.02, size * 0.012), colors: (rgb(0x2A1C18), rgb(0x3A2A24)))
    for index in 0..<9 {
      let y = foot.y + 0.004 + size * 0.045 * Float(index)
      let long = size * (0.42 - 0.035 * Float(index))
      let shift = size * 0.06 * (index % 2 == 0 ? 1 : -1)
      canvas.stroke(
        Point(foot.x - long + shift, y), Point(foot.x + long + shift, y), widths: (0.003, 0.003),
        colors: (rgb(0x2E2228), rgb(0x6A4A40)), opacity: 0.55)
    }
  }

  private static func gulls(
    _ canvas: inout Canvas, _ generator: inout RandomGenerator, below level: Float
  ) {
    for _ in 0..<6 {
      let place = Point(
        generator.uniform(0.1...0.9) * canvas.aspect, generator.uniform(0.1...level - 0.12))
      let size = generator.uniform(0.014...0.034)
      for side in [-1, 1] as [Float] {
        canvas.curve(
          place, place + Point(side * size * 0.5, -size * 0.55),
          place + Point(side * size, -size * 0.1), widths: (size * 0.16, size * 0.04),
          colors: (rgb(0x2A2630), rgb(0x40383E)))
      }
    }
  }

  /// Stars, the Milky Way and an aurora over a tent between spruces.
  static func night(_ canvas: inout Canvas, _ seed: UInt64) {
    var generator = RandomGenerator(seed: seed, 6)
    let noise = Noise(seed, 1)
    let curtain = Noise(seed, 2)
    let tilt = generator.uniform(0.5...0.9)
    let octaves = canvas.octaves(3, most: 8)
    let middle = Point(canvas.aspect * 0.55, 0.35)
    canvas.shade { p in
      var color = mix(rgb(0x060B1E), rgb(0x1D3A5A), pow(clamp(p.y / 0.85), 1.6))
      let q = rotated(p - middle, -tilt)
      let band = exp(-q.y * q.y * 22)
      let dust = noise.warped(q * 3.2, octaves, by: 0.7)
      let glow = band * (0.55 + 0.6 * noise.fbm(q * 5 + Point(9, 2), octaves))
      let lane = smoothstep(0.05, 0.55, dust) * exp(-q.y * q.y * 90)
      color += mix(rgb(0x5A6A9A), rgb(0xD8B8A8), exp(-q.y * q.y * 60)) * max(glow, 0) * 0.3
      color *= 1 - 0.7 * lane
      let sway = curtain.fbm(Point(p.x * 2.2, 0.4), 4) * 0.16
      let foot = 0.62 + sway
      let above = foot - p.y
      if above > 0 {
        let rays = 0.5 + 0.5 * curtain.fbm(Point(p.x * 26 + sway * 20, p.y * 0.9), 4)
        let shine = exp(-above * 5.5) * smoothstep(0, 0.03, above) * rays
        color += mix(rgb(0x38E890), rgb(0x8A50D8), smoothstep(0.05, 0.34, above)) * shine * 0.4
      }
      return color
    }
    stars(&canvas, &generator, middle: middle, tilt: tilt)
    camp(&canvas, seed, &generator)
  }

  private static func stars(
    _ canvas: inout Canvas, _ generator: inout RandomGenerator, middle: Point, tilt: Float
  ) {
    for index in 0..<1500 {
      var place = Point(generator.uniform() * canvas.aspect, generator.uniform(0...0.85))
      if index % 2 == 0 {
        let along = generator.uniform(-1...1)
        let across = 0.22 * (generator.uniform() + generator.uniform() - 1)
        place = middle + rotated(Point(along, across), tilt)
      }
      let bright = pow(generator.uniform(), 7)
      let warm = generator.uniform()
      let tint = mix(rgb(0xAFC6FF), rgb(0xFFDCB4), warm)
      let size = canvas.pixel * (0.3 + 0.45 * bright)
      canvas.disc(
        place, size, tint * (0.4 + 3 * bright), softness: size, opacity: 0.2 + 0.8 * bright)
      if bright > 0.6 { canvas.disc(place, size * 2.4, tint, softness: size * 4, opacity: 0.1) }
    }
  }

  private static func camp(
    _ canvas: inout Canvas, _ seed: UInt64, _ generator: inout RandomGenerator
  ) {
    let hills = Noise(seed, 4)
    let octaves = canvas.octaves(6, most: 7)
    let tent = Point(canvas.aspect * 0.62, 0.9)
    canvas.filter { p, color in
      var result = color
      for layer in 0..<3 {
        let depth = Float(layer)
        let top =
          0.66 + 0.09 * depth
          + 0.075 * hills.fbm(Point(p.x * (2.2 - 0.4 * depth) + depth * 9, depth), octaves)
        if p.y > top {
          let base = mix(rgb(0x16263C), rgb(0x070A0E), depth / 2)
          let rough = hills.fbm(p * Point(30, 55), 4)
          let warmth = exp(-length(p - tent) * 7) * depth
          result = base * (1 + 0.5 * rough) + rgb(0xFF9A40) * (0.09 * warmth * (1 + rough))
        }
      }
      return result
    }
    for side in [0, 1] as [Float] {
      for _ in 0..<9 {
        let edge = pow(generator.uniform(), 1.6) * 0.3 * canvas.aspect
        let x = side == 0 ? edge - 0.02 : canvas.aspect - edge * 0.75 + 0.02
        conifer(
          &canvas, &generator, foot: Point(x, generator.uniform(0.88...0.98)),
          height: generator.uniform(0.25...0.5), color: rgb(0x05080A), light: rgb(0x14241E))
      }
    }
    canvas.paint(from: tent - Point(0.14, 0.13), to: tent + Point(0.14, 0.03)) { p in
      let q = (p - tent) / 0.11
      let inside = min(-q.y + 0.02, 1 + q.y - abs(q.x) * 0.92)
      let seam = smoothstep(0.03, 0.0, abs(q.x - 0.25 * (1 + q.y)))
      let glow = exp(-length(q - Point(-0.05, -0.25)) * 1.6)
      let cloth = mix(rgb(0xB8481C), rgb(0xFFD27A) * 1.5, glow) * (1 - 0.55 * seam)
      return (cloth, clamp(inside * 60 + 0.5))
    }
  }
}
