// A dahlia close up, before a meadow out of focus.

import AtelierEngine
import Foundation

extension SampleScenes {
  /// Rings of petals with veins and shadows, a seed head in the middle, lights behind.
  static func flower(_ canvas: inout Canvas, _ seed: UInt64) {
    var generator = RandomGenerator(seed: seed, 10)
    let noise = Noise(seed, 1)
    let top = rgb(0x9AA84A)
    canvas.shade { p in
      let shade = noise.fbm(p * 2.2, 4)
      return mix(rgb(0x12261A), mix(rgb(0x3E6030), top, p.x / 1.4), clamp(0.5 + 0.7 * shade))
    }
    for _ in 0..<120 {
      let place = Point(generator.uniform() * canvas.aspect, generator.uniform())
      let tone = generator.uniform()
      let colors = [rgb(0x8FAE4A), rgb(0xD8D890), rgb(0x2E5034), rgb(0xC88A9A)]
      canvas.disc(
        place, generator.uniform(0.015...0.06), colors[generator.index(below: 4)] * (0.4 + tone),
        softness: 0.01, opacity: 0.35)
    }
    canvas.blur(0.016)
    for _ in 0..<34 {
      let place = Point(generator.uniform() * canvas.aspect, generator.uniform(0...0.9))
      canvas.disc(
        place, generator.uniform(0.02...0.045), rgb(0xE8F0B0), softness: 0.006,
        opacity: generator.uniform(0.05...0.2))
    }
    let hues: [(Color, Color, Color)] = [
      (rgb(0xF7D4DC), rgb(0xD03A6E), rgb(0x7A1238)), (rgb(0xFFE9A8), rgb(0xF08A1A), rgb(0x9A2E08)),
      (rgb(0xFFFFFF), rgb(0xE4D6E8), rgb(0x8A6AA8)), (rgb(0xE8B8FF), rgb(0x8A3ACB), rgb(0x3A0E6A)),
    ]
    let palette = hues[generator.index(below: hues.count)]
    let center = Point(
      canvas.aspect * generator.uniform(0.44...0.56), generator.uniform(0.42...0.5))
    stem(&canvas, &generator, center)
    var ring = 0
    var radius: Float = 0.43
    while radius > 0.13 {
      let count = 13 - ring
      let shift = generator.uniform()
      for petal in 0..<count {
        let angle = (Float(petal) + shift + generator.uniform(-0.1...0.1)) / Float(count) * 2 * .pi
        draw(
          petal: palette, on: &canvas, Noise(seed, UInt64(ring * 50 + petal + 9)), center: center,
          angle: angle, long: radius * generator.uniform(0.92...1.06),
          wide: radius * 2.9 / Float(count))
      }
      ring += 1
      radius *= 0.8
    }
    seedHead(&canvas, &generator, center, radius: 0.105)
    drops(&canvas, &generator, center)
  }

  private static func stem(
    _ canvas: inout Canvas, _ generator: inout RandomGenerator, _ center: Point
  ) {
    let foot = Point(center.x + 0.06, 1.05)
    canvas.curve(
      center, Point(center.x, 0.75), foot, widths: (0.03, 0.036),
      colors: (rgb(0x24401E), rgb(0x3A5E28)), pieces: 10)
    canvas.curve(
      center - Point(0.006, 0), Point(center.x - 0.006, 0.75), foot - Point(0.008, 0),
      widths: (0.006, 0.008), colors: (rgb(0x5A7A3A), rgb(0x8AA858)), pieces: 10)
    for side in [-1, 1] as [Float] {
      let root = Point(center.x + 0.02, side < 0 ? 0.9 : 0.97)
      let tip = root + Point(side * generator.uniform(0.3...0.4), -generator.uniform(0.06...0.16))
      let d = tip - root
      let long = length(d)
      canvas.paint(
        from: Point(min(root.x, tip.x), min(root.y, tip.y) - 0.1),
        to: Point(max(root.x, tip.x), max(root.y, tip.y) + 0.1)
      ) { p in
        let along = dot(p - root, d) / (long * long)
        let across = ((p.x - root.x) * d.y - (p.y - root.y) * d.x) / long
        guard along > 0, along < 1 else { return (.zero, 0) }
        let half = 0.06 * pow(sin(Float.pi * pow(along, 0.7)), 0.9)
        let vein = abs((along * 9 + abs(across) * 40).truncatingRemainder(dividingBy: 1) - 0.5)
        let rib = smoothstep(0.003, 0.001, abs(across))
        var color = mix(rgb(0x1E3E1C), rgb(0x6A9444), clamp(0.45 + across * 7 * side))
        color = mix(color, rgb(0xA8C080), 0.35 * max(rib, smoothstep(0.08, 0.02, vein)))
        return (color, smoothstep(0, 0.003, half - abs(across)))
      }
    }
  }

  private static func draw(
    petal palette: (Color, Color, Color), on canvas: inout Canvas, _ noise: Noise, center: Point,
    angle: Float, long: Float, wide: Float
  ) {
    let direction = Point(cos(angle), sin(angle))
    let side = Point(-direction.y, direction.x)
    let root = center + direction * (long * 0.05)
    let end = center + direction * (long * 1.02)
    let reach = Point(wide / 2 + 0.03, wide / 2 + 0.03)
    let low = pointwiseMin(root, end) - reach
    let high = pointwiseMax(root, end) + reach
    let octaves = canvas.octaves(60, most: 4)
    let edge = 1 / canvas.step
    let sun = normalized(Color(-0.5, -0.65, 0.6))
    for pass in 0..<2 {
      // First the shadow on the petals below, then the petal.
      let shift = pass == 0 ? Point(0.008, 0.013) : Point(0, 0)
      canvas.paint(from: low, to: high) { p in
        let q = p - center - shift
        let u = dot(q, direction) / long
        guard u > 0.05, u < 1.02 else { return (.zero, 0) }
        let v = dot(q, side) / wide
        let notch = 0.035 * cos(v * 9) + 0.02 * noise(Point(v * 4, 2))
        let profile = 0.5 * pow(sin(Float.pi * pow(clamp(u / (1 + notch)), 1.5)), 0.62)
        let inside = (profile - abs(v)) * wide
        if pass == 0 { return (rgb(0x140510), 0.42 * smoothstep(-0.012, 0.012, inside)) }
        guard inside > -1 / edge else { return (.zero, 0) }
        let across = v / max(profile, 0.02)
        let streak = noise.fbm(Point(across * 9, u * 1.6), octaves)
        let vein = smoothstep(0.3, 0.9, sin(across * 26 + streak * 2.5) * 0.5 + 0.5)
        var color = mix(palette.1, palette.0, smoothstep(0.3, 1, u + 0.12 * streak))
        color = mix(palette.2, color, smoothstep(0.05, 0.5, u))
        let veined: Float = 1 - 0.16 * vein * smoothstep(1, 0.4, u) + 0.07 * streak
        color *= veined
        // The petal is a trough that bends down at its tip.
        let bend = mix(0.75, -0.9, smoothstep(0.25, 1.0, u))
        let slope = side * (across * 0.8) + direction * (-bend * 0.6)
        let normal = normalized(Color(slope.x, slope.y, 1))
        let light = 0.42 + 0.78 * max(0, dot(normal, sun))
        let rim = smoothstep(0.006, 0.0, inside) * 0.12
        return (color * light + rgb(0xFFF4E8) * rim, clamp(inside * edge + 0.5))
      }
    }
  }

  private static func seedHead(
    _ canvas: inout Canvas, _ generator: inout RandomGenerator, _ center: Point, radius: Float
  ) {
    canvas.disc(
      center + Point(0.006, 0.01), radius * 1.08, rgb(0x1A0A04), softness: 0.03, opacity: 0.7)
    let count = 420
    for index in 0..<count {
      // Phyllotaxis (Vogel 1979), from the rim inwards so that inner florets cover outer ones.
      let part = 1 - Float(index) / Float(count)
      let angle = Float(count - index) * 2.399_963
      let place = center + Point(cos(angle), sin(angle)) * (radius * part.squareRoot())
      let size = radius * mix(0.045, 0.062, part) * generator.uniform(0.85...1.15)
      let base = mix(rgb(0x5A7A1C), mix(rgb(0xB8640E), rgb(0xE8B41E), generator.uniform()), part)
      let dome = 0.6 + 0.5 * clamp(dot(Point(-0.6, -0.7), (place - center) / radius) + 0.4)
      canvas.disc(place + Point(size, size) * 0.4, size, rgb(0x241004), softness: size)
      canvas.disc(place, size, base * dome, softness: size * 0.7)
      canvas.disc(
        place - Point(size, size) * 0.35, size * 0.4, rgb(0xFFF0A0) * dome, softness: size * 0.6,
        opacity: 0.8)
    }
  }

  private static func drops(
    _ canvas: inout Canvas, _ generator: inout RandomGenerator, _ center: Point
  ) {
    for _ in 0..<26 {
      let angle = generator.uniform(0...6.28)
      let place = center + Point(cos(angle), sin(angle)) * generator.uniform(0.16...0.29)
      let size = generator.uniform(0.005...0.013)
      let behind = canvas.color(at: place)
      canvas.disc(
        place + Point(size, size) * 0.5, size, behind * 0.35, softness: size, opacity: 0.7)
      canvas.paint(from: place - Point(size, size) * 1.2, to: place + Point(size, size) * 1.2) {
        p in
        let q = (p - place) / size
        let inside = 1 - length(q)
        let lens = 0.62 + 0.55 * clamp(dot(q, Point(0.6, 0.7)) + 0.3)
        let shine = smoothstep(0.3, 0.12, length(q - Point(-0.38, -0.42)))
        return (behind * lens + Color(repeating: 1.2 * shine), smoothstep(0, 0.2, inside))
      }
    }
  }
}
