// Animals of many hairs: a tabby cat's face, a zebra's flank.

import AtelierEngine
import Foundation

extension SampleScenes {
  /// One hair that bends a little, lighter towards its tip.
  private static func hair(
    _ canvas: inout Canvas, _ generator: inout RandomGenerator, from root: Point, angle: Float,
    long: Float, wide: Float, color: Color
  ) {
    let bend = generator.uniform(-0.35...0.35)
    let direction = Point(cos(angle), sin(angle))
    let side = Point(-direction.y, direction.x)
    let tip = root + direction * long + side * (bend * long)
    let tone = generator.uniform(0.7...1.2)
    canvas.curve(
      root, root + direction * (long * 0.55), tip, widths: (wide, wide * 0.35),
      colors: (color * (0.6 * tone), color * (1.2 * tone)), opacity: 0.9, pieces: 2)
  }

  /// The flank of a zebra: stripes that fork and bend, short hair, a dark mane.
  static func zebra(_ canvas: inout Canvas, _ seed: UInt64) {
    var generator = RandomGenerator(seed: seed, 15)
    let noise = Noise(seed, 1)
    let turn = generator.uniform(-0.5...0.5)
    func stripe(_ p: Point) -> Float {
      let q = rotated(p, turn)
      let bend = 0.34 * noise(q * 1.6 + Point(3, 1)) + 0.13 * noise(q * 3.4)
      let spread = 1 + 0.35 * noise(q * 0.8 + Point(8, 8))
      return sin((q.x + bend) * 34 * spread + 1.4 * noise(Point(q.y * 2.6, q.x)))
        + 0.25 * noise(q * 14)
    }
    canvas.shade { _ in rgb(0x6A6058) }
    let count = Int(30_000 * min(canvas.aspect, 2))
    let scale = max(1, 0.0024 / canvas.pixel * 0.8)
    let hairs = Int(Float(count) * min(scale, 1.3))
    for index in 0..<hairs {
      // From the lower edge up: hair lies over the hair behind it.
      let y = 1.04 - 1.1 * Float(index) / Float(hairs)
      let root = Point(
        generator.uniform(-0.03...1.03) * canvas.aspect, y + generator.uniform(0...0.02))
      let dark = smoothstep(-0.12, 0.2, stripe(root))
      let white = mix(rgb(0xE9DFCC), rgb(0xC8AE8C), clamp(0.4 + 0.6 * noise(root * 2)))
      let color = mix(white, rgb(0x1E1814), dark)
      // The body is round: light from the upper left, shade towards the lower right.
      let bulge = root / Point(canvas.aspect, 1) - Point(0.42, 0.36)
      let light = 1.12 - 1.15 * dot(bulge, bulge) + 0.12 * noise(root * 3)
      let angle = 1.15 + 0.7 * noise(root * 1.5 + Point(1, 7)) + generator.uniform(-0.28...0.28)
      hair(
        &canvas, &generator, from: root, angle: angle, long: generator.uniform(0.018...0.034),
        wide: 0.0034, color: color * light)
    }
  }

  /// A tabby cat that looks at the viewer.
  static func cat(_ canvas: inout Canvas, _ seed: UInt64) {
    var generator = RandomGenerator(seed: seed, 16)
    let noise = Noise(seed, 1)
    let coats: [(Color, Color, Color)] = [
      (rgb(0xC98A4C), rgb(0x7A4218), rgb(0xF6E6D0)), (rgb(0x9A8E80), rgb(0x3A332C), rgb(0xECE4D8)),
      (rgb(0x7E8086), rgb(0x33343A), rgb(0xE6E6E8)),
    ]
    let coat = coats[generator.index(below: coats.count)]
    let center = Point(canvas.aspect / 2, 0.56)
    canvas.shade { p in
      let glow = exp(-length(p - Point(0.2, 0.2)) * 1.6)
      let drape = noise.fbm(Point(p.x * 5 + noise(p * 2), p.y * 0.8), 4)
      return mix(rgb(0x1E2A30), rgb(0x7E98A0), clamp(0.15 + glow + 0.2 * drape))
    }
    canvas.blur(0.01)
    body(&canvas, &generator, noise, coat, center)
    for side in [-1, 1] as [Float] { ear(&canvas, &generator, coat, center, side) }
    face(&canvas, &generator, noise, coat, center)
    for side in [-1, 1] as [Float] {
      eye(&canvas, &generator, center + Point(side * 0.135, -0.045))
    }
    muzzle(&canvas, &generator, coat, center)
  }

  /// How much of a place of the face (in units of its half width) the dark stripes cover.
  private static func tabby(_ q: Point, _ noise: Noise) -> Float {
    let x = abs(q.x)
    let bend = 0.16 * noise(q * 4)
    // The M on the forehead, then the stripes of the cheeks that run to the ears.
    let brow =
      sin((x + bend * 0.4) * 21 + 0.6) * smoothstep(-0.25, -0.5, q.y) * smoothstep(0.62, 0.3, x)
    let cheek = sin((q.y * 1.1 + 0.4 * x + bend) * 17) * smoothstep(0.4, 0.68, x)
    let bridge =
      smoothstep(0.1, 0.04, abs(x - 0.2)) * smoothstep(0.25, 0.0, q.y) * smoothstep(-0.5, -0.2, q.y)
    return max(smoothstep(0.1, 0.75, max(brow, cheek * 0.9)), 0.5 * bridge)
  }

  private static func body(
    _ canvas: inout Canvas, _ generator: inout RandomGenerator, _ noise: Noise,
    _ coat: (Color, Color, Color), _ center: Point
  ) {
    for index in 0..<9000 {
      let part = Float(index) / 9000
      // The upper hair last, so that it lies over the lower.
      let y = mix(1.06, center.y + 0.14, part)
      let half = 0.30 + 0.34 * smoothstep(center.y, 1.05, y)
      let x = generator.uniform(-half...half)
      let root = Point(center.x + x, y)
      let chest = smoothstep(0.26, 0.1, abs(x) + 0.04 * noise(root * 9))
      let band = smoothstep(0.1, 0.6, sin((y + 0.25 * abs(x)) * 48 + 2 * noise(root * 5)))
      let color = mix(mix(coat.0, coat.1, 0.75 * band), coat.2, chest)
      let light = 1.05 - 0.9 * max(0, x) - 0.5 * (y - 0.8)
      hair(
        &canvas, &generator, from: root,
        angle: Float.pi / 2 + x * 0.7 + generator.uniform(-0.3...0.3),
        long: generator.uniform(0.03...0.07), wide: 0.004, color: color * light)
    }
  }

  private static func ear(
    _ canvas: inout Canvas, _ generator: inout RandomGenerator, _ coat: (Color, Color, Color),
    _ center: Point, _ side: Float
  ) {
    let tip = center + Point(side * 0.30, -0.47)
    let inner = center + Point(side * 0.075, -0.25)
    let outer = center + Point(side * 0.335, -0.12)
    func place(_ a: Float, _ b: Float) -> Point {
      // a runs from the base to the tip, b from the inner to the outer edge.
      let left = inner + (tip - inner) * a
      let right = outer + (tip - outer) * a
      let round = Point(side * (b - 0.5) * 0.07, -0.02) * sin(a * Float.pi)
      return left + (right - left) * b + round
    }
    for index in 0..<1500 {
      let a = pow(1 - Float(index) / 1500, 1.0) * generator.uniform(0.9...1)
      let b = generator.uniform()
      let root = place(a, b)
      let rim = max(smoothstep(0.22, 0.06, min(b, 1 - b)), smoothstep(0.78, 0.95, a))
      let pink = mix(rgb(0xB87868), rgb(0x6A3A34), smoothstep(0.7, 0.1, a))
      let color = mix(pink, mix(coat.0, coat.1, 0.4), rim)
      let light = side < 0 ? 1.05 : 0.85
      hair(
        &canvas, &generator, from: root,
        angle: -Float.pi / 2 + side * 0.35 + (b - 0.5) * side * 1.2,
        long: generator.uniform(0.015...0.032), wide: 0.004, color: color * Float(light))
    }
    for _ in 0..<60 {
      let root = place(generator.uniform(0...0.25), generator.uniform(0.05...0.4))
      hair(
        &canvas, &generator, from: root, angle: -Float.pi / 2 + side * generator.uniform(0.1...0.9),
        long: generator.uniform(0.06...0.13), wide: 0.0028, color: coat.2)
    }
  }

  private static func face(
    _ canvas: inout Canvas, _ generator: inout RandomGenerator, _ noise: Noise,
    _ coat: (Color, Color, Color), _ center: Point
  ) {
    let half: Float = 0.335
    let count = 17_000
    for index in 0..<count {
      // From the rim to the nose: hair grows outwards, and the inner hair lies on the outer.
      let radius = (1 - Float(index) / Float(count)).squareRoot()
      let turn = generator.uniform(0...2 * .pi)
      var q = Point(cos(turn), sin(turn)) * radius
      q.y *= q.y > 0 ? 0.86 : 0.92
      q.x *= 1 + 0.08 * smoothstep(0, 0.6, q.y)
      let root = center + q * half
      let away = q - Point(0, 0.2)
      let angle = atan2(away.y, away.x) + generator.uniform(-0.25...0.25)
      let dark = tabby(q, noise)
      let pale = max(
        smoothstep(0.36, 0.2, length((q - Point(0, 0.42)) * Point(0.72, 1))),
        smoothstep(0.1, 0.02, abs(abs(q.x) - 0.4) - 0.06)
          * smoothstep(0.06, 0.02, abs(q.y + 0.33) - 0.02))
      var color = mix(coat.0, coat.1, 0.85 * dark)
      color = mix(color, coat.2, max(pale, 0.8 * smoothstep(0.55, 0.8, q.y)))
      let light = 1.08 - 0.42 * q.x - 0.22 * q.y - 0.25 * radius * radius + 0.1 * noise(q * 3)
      let long = mix(0.016, 0.05, radius * radius) * generator.uniform(0.8...1.25)
      hair(
        &canvas, &generator, from: root, angle: angle, long: long,
        wide: mix(0.003, 0.0042, radius), color: color * light)
    }
  }

  private static func eye(
    _ canvas: inout Canvas, _ generator: inout RandomGenerator, _ place: Point
  ) {
    let size: Float = 0.068
    let iris = [rgb(0x8FB03A), rgb(0xD09A2A), rgb(0x5E9AA0)][Int(place.y * 1000) % 3]
    let slant: Float = place.x > canvas.aspect / 2 ? -0.22 : 0.22
    let spokes = Noise(generator.next())
    let sharpness = size / canvas.step
    canvas.paint(from: place - Point(size, size) * 1.4, to: place + Point(size, size) * 1.4) { p in
      let q = rotated((p - place) / size, -slant)
      let lids = min(1.08 - q.x * q.x * 0.82 - pow(abs(q.y) * 1.18, 1.7), 1.15 - abs(q.x))
      let rim = clamp((lids + 0.24) * sharpness * 0.5)
      guard rim > 0 else { return (.zero, 0) }
      let r = length(q)
      let fiber = spokes.fbm(Point(atan2(q.y, q.x) * 9, r * 2), 3)
      var color = mix(iris * 1.35, iris * 0.45, smoothstep(0.35, 1.05, r + 0.2 * fiber))
      color = mix(rgb(0xE8D070), color, smoothstep(0.25, 0.6, r + 0.15 * fiber))
      color *= 0.5 + 0.6 * smoothstep(-1.0, 0.1, q.y)
      let pupil = length(q * Point(3.1, 1.12)) - 0.88
      color = mix(rgb(0x050506), color, smoothstep(-0.1, 0.1, pupil))
      color = mix(rgb(0x0E0A08), color, smoothstep(-0.02, 0.14, lids))
      let window = smoothstep(0.27, 0.2, length((q - Point(-0.34, -0.36)) * Point(1, 1.25)))
      color += Color(0.95, 1, 1.05) * (1.1 * window)
      color += Color(repeating: 0.25 * smoothstep(0.16, 0.05, length(q - Point(0.4, 0.42))))
      return (color, rim)
    }
  }

  private static func muzzle(
    _ canvas: inout Canvas, _ generator: inout RandomGenerator, _ coat: (Color, Color, Color),
    _ center: Point
  ) {
    let nose = center + Point(0, 0.095)
    for side in [-1, 1] as [Float] {
      canvas.curve(
        nose + Point(0, 0.02), nose + Point(side * 0.004, 0.075), nose + Point(side * 0.075, 0.07),
        widths: (0.007, 0.003), colors: (rgb(0x2E1A16), rgb(0x4A342C)), pieces: 8)
    }
    canvas.paint(from: nose - Point(0.06, 0.05), to: nose + Point(0.06, 0.05)) { p in
      let q = (p - nose) / 0.04
      let inside = min(
        0.62 + q.y * 0.2 - abs(q.y + 0.05) * 0.2, 0.95 - abs(q.x) - 0.75 * max(q.y, -0.5))
      let wing = min(inside, q.y + 0.62 - 0.18 * q.x * q.x)
      let hole = smoothstep(
        0.2, 0.1, length((p - nose) / 0.04 - Point(q.x < 0 ? -0.42 : 0.42, 0.12)))
      var color = mix(rgb(0xD08A80), rgb(0x8E4A44), clamp(0.5 + 0.6 * q.y))
      color = mix(color, rgb(0x24100E), hole)
      color += Color(repeating: 0.3 * smoothstep(0.35, 0.1, length(q - Point(-0.15, -0.34))))
      return (color, smoothstep(0, 0.12, wing))
    }
    for side in [-1, 1] as [Float] {
      for row in 0..<4 {
        let dots = nose + Point(side * (0.05 + 0.012 * Float(row)), 0.028 + 0.013 * Float(row))
        canvas.disc(dots, 0.0036, rgb(0x3A2A22), softness: 0.003, opacity: 0.7)
        let reach = Point(side * generator.uniform(0.3...0.4), generator.uniform(-0.13...0.12))
        canvas.curve(
          dots, dots + Point(reach.x * 0.5, reach.y * 0.5 - 0.03), dots + reach + Point(0, 0.03),
          widths: (0.0034, 0.0009), colors: (rgb(0xFFFFFF), rgb(0xE8E8F0)), pieces: 10)
      }
      for _ in 0..<3 {
        let root = center + Point(side * 0.12, -0.13)
        canvas.curve(
          root, root + Point(side * 0.04, -0.12),
          root + Point(side * generator.uniform(0.08...0.2), -0.22),
          widths: (0.0026, 0.0008), colors: (rgb(0xFFFFFF), rgb(0xE0E0E8)), opacity: 0.8, pieces: 8)
      }
    }
  }
}
