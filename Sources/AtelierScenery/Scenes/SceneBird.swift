// A robin on a mossy branch.

import AtelierEngine
import Foundation

extension SampleScenes {
  /// Feather upon feather, a bright eye, thin legs, a garden out of focus.
  static func bird(_ canvas: inout Canvas, _ seed: UInt64) {
    var generator = RandomGenerator(seed: seed, 17)
    let noise = Noise(seed, 1)
    let isAutumn = generator.uniform() < 0.5
    let far = isAutumn ? (rgb(0x5A4A28), rgb(0xD8A85A)) : (rgb(0x2E4A34), rgb(0xA8C07A))
    canvas.shade { p in
      mix(far.0, far.1, clamp(0.45 + 0.55 * noise.warped(p * 1.7, 3, by: 0.6) - 0.3 * (p.y - 0.5)))
    }
    for _ in 0..<40 {
      canvas.disc(
        Point(generator.uniform() * canvas.aspect, generator.uniform()),
        generator.uniform(0.03...0.1), mix(far.0, far.1 * 1.3, generator.uniform()),
        softness: 0.02, opacity: 0.3)
    }
    canvas.blur(0.022)
    let perch = Point(canvas.aspect * 0.5, 0.8)
    tail(&canvas, &generator, perch)
    branch(&canvas, &generator, noise, perch)
    plumage(&canvas, &generator, noise, perch)
    wing(&canvas, &generator, perch)
    head(&canvas, perch)
    legs(&canvas, perch)
  }

  private static func branch(
    _ canvas: inout Canvas, _ generator: inout RandomGenerator, _ noise: Noise, _ perch: Point
  ) {
    @Sendable func middle(_ x: Float) -> Float {
      perch.y + 0.035 + 0.05 * sin(x * 2.3 + 1) - 0.06 * (x - perch.x)
    }
    let octaves = canvas.octaves(30, most: 6)
    canvas.filter { p, color in
      let half = 0.042 + 0.008 * noise.fbm(Point(p.x * 7, 1), 3) - 0.008 * p.x
      let across = (p.y - middle(p.x)) / half
      guard abs(across) < 1.02 else { return color }
      let bark = noise.ridged(Point(p.x * 9, p.y * 34 + 2 * noise(p * 6)), octaves)
      let round = max(0, 1 - across * across).squareRoot()
      let light = 0.28 + 0.75 * clamp(0.55 - 0.75 * across) * round + 0.1
      var wood = mix(rgb(0x241A12), rgb(0x8A7458), clamp(bark * 1.2 - 0.2)) * light
      let moss = smoothstep(0.0, 0.5, -across + 0.9 * noise.fbm(p * 9, 4) - 0.25)
      let tuft = 0.6 + 0.6 * noise.fbm(p * 90, 3)
      wood = mix(wood, mix(rgb(0x3A4E16), rgb(0xA8B848), clamp(tuft)) * (light + 0.15), moss)
      return mix(color, wood, smoothstep(1.02, 0.98, abs(across)))
    }
    for _ in 0..<700 {
      let x = generator.uniform() * canvas.aspect
      let root = Point(x, middle(x) - 0.036)
      guard noise.fbm(root * 9, 4) > -0.1 else { continue }
      let tip = root + Point(generator.uniform(-0.008...0.008), -generator.uniform(0.004...0.016))
      canvas.stroke(
        root, tip, widths: (0.003, 0.0012),
        colors: (rgb(0x3A4E16), mix(rgb(0x7A8C30), rgb(0xC8CC60), generator.uniform())))
    }
    for _ in 0..<9 {
      let x = generator.uniform() * canvas.aspect
      let root = Point(x, middle(x) + 0.02)
      let tip = root + Point(generator.uniform(-0.08...0.08), generator.uniform(0.05...0.12))
      canvas.curve(
        root, root + Point(0.02, 0.03), tip, widths: (0.009, 0.003),
        colors: (rgb(0x3A2A1C), rgb(0x5A4630)))
    }
  }

  private static func feather(
    _ canvas: inout Canvas, from root: Point, to tip: Point, wide: Float, color: Color, edge: Color
  ) {
    let d = tip - root
    let long = length(d)
    let reach = Point(wide, wide)
    let low = Point(min(root.x, tip.x), min(root.y, tip.y)) - reach
    let high = Point(max(root.x, tip.x), max(root.y, tip.y)) + reach
    let sharpness = 1 / canvas.step
    canvas.paint(from: low, to: high) { p in
      let along = dot(p - root, d) / (long * long)
      guard along > 0, along < 1 else { return (color, 0) }
      let across = ((p.x - root.x) * d.y - (p.y - root.y) * d.x) / long
      let half = wide / 2 * pow(1 - pow(along, 4), 0.6) * (0.7 + 0.3 * along)
      let inside = half - abs(across)
      let barb = sin(along * long * 900 + abs(across) * 500) * 0.08
      let shaft = smoothstep(0.0016, 0.0006, abs(across))
      var tone = color * (1 + barb) * (0.75 + 0.5 * along) * (1 + across / wide * 0.7)
      tone = mix(tone, edge, smoothstep(wide * 0.16, 0, inside) * 0.65)
      tone = mix(tone, color * 0.4, shaft * 0.7)
      return (tone, clamp(inside * sharpness + 0.5))
    }
  }

  private static func tail(
    _ canvas: inout Canvas, _ generator: inout RandomGenerator, _ perch: Point
  ) {
    for index in 0..<6 {
      let spread = Float(index) * 0.022
      feather(
        &canvas, from: perch + Point(-0.15, -0.16),
        to: perch + Point(-0.44 + spread * 0.7, -0.015 + spread * 1.5), wide: 0.05,
        color: mix(rgb(0x3A2C1C), rgb(0x5E4A30), Float(index) / 5), edge: rgb(0x8A7450))
    }
  }

  /// The colour of the robin at a place, in units of the body.
  private static func robin(_ q: Point, _ noise: Noise) -> Color {
    let wobble = 0.05 * noise(q * 9)
    let breast = smoothstep(
      0.44, 0.34, length((q - Point(0.47, -0.38)) * Point(0.95, 0.72)) + wobble)
    let belly = smoothstep(0.1, -0.1, (q.x * -0.75 - q.y * 0.8) + 0.15 + wobble)
    var color = mix(rgb(0x6E5C3E), rgb(0x8A7A58), clamp(0.5 + noise(q * 5)))
    color = mix(color, mix(rgb(0xE9E2D4), rgb(0xBDB29C), clamp(0.5 + noise(q * 3))), belly)
    let rim = smoothstep(0.52, 0.42, length((q - Point(0.45, -0.4)) * Point(0.95, 0.72)) + wobble)
    color = mix(color, rgb(0x8A94A0), rim * 0.7)
    return mix(color, mix(rgb(0xC8501A), rgb(0xEE8A34), clamp(0.5 + noise(q * 6))), breast)
  }

  private static func plumage(
    _ canvas: inout Canvas, _ generator: inout RandomGenerator, _ noise: Noise, _ perch: Point
  ) {
    let scale: Float = 0.3
    let body = perch + Point(-0.005, -0.235)
    let head = Point(0.5, -0.76)
    canvas.disc(perch + Point(0.0, 0.01), 0.1, rgb(0x0E0C06), softness: 0.12, opacity: 0.5)
    for index in 0..<5200 {
      // From the tail to the beak, so that each feather covers the root of the one behind.
      let part = Float(index) / 5200
      let along = mix(-0.85, 0.98, part) + generator.uniform(-0.12...0.12)
      let across = generator.uniform(-1...1)
      let q = Point(along * 0.92 + across * 0.32, -along * 0.62 + across * 0.75 + 0.05)
      let inBody = length(rotated(q, 0.62) * Point(1.08, 1.42)) < 1
      let inHead = length((q - head) * Point(1, 1.06)) < 0.44
      guard inBody || inHead else { continue }
      let root = body + q * scale
      var angle: Float = 2.55 + 0.35 * across + generator.uniform(-0.2...0.2)
      if inHead, !inBody { angle = 2.7 - 0.5 * (q.y - head.y) + generator.uniform(-0.2...0.2) }
      let long = inHead ? generator.uniform(0.016...0.028) : generator.uniform(0.028...0.05)
      let tip = root + Point(cos(angle), sin(angle)) * long
      let middle = inHead && !inBody ? head : Point(0, 0)
      let side = q - middle
      let light = clamp(0.92 - 0.5 * side.y - 0.22 * side.x, 0.4, 1.35)
      let color = robin(q, noise) * (light * generator.uniform(0.85...1.12))
      canvas.stroke(
        root, tip, widths: (0.009, 0.0025), colors: (color * 0.78, color * 1.1), opacity: 0.85)
    }
  }

  private static func wing(
    _ canvas: inout Canvas, _ generator: inout RandomGenerator, _ perch: Point
  ) {
    let shoulder = perch + Point(0.025, -0.315)
    canvas.disc(shoulder + Point(-0.08, 0.1), 0.1, rgb(0x1A140C), softness: 0.12, opacity: 0.35)
    for index in 0..<9 {
      let t = Float(index) / 8
      feather(
        &canvas, from: shoulder + Point(-0.05 - 0.02 * t, 0.075 - 0.05 * t),
        to: perch + Point(-0.315 + 0.09 * t * t, -0.09 - 0.075 * t + 0.02), wide: 0.036,
        color: mix(rgb(0x4A3822), rgb(0x6A5634), t), edge: rgb(0xA8946A))
    }
    for row in 0..<4 {
      for index in 0..<8 {
        let t = Float(index) / 7
        let start = shoulder + Point(-0.01 - 0.03 * Float(3 - row) - 0.02 * t, -0.01 + 0.105 * t)
        let long = Point(-0.075, 0.045 - 0.03 * t) * (1.2 - 0.13 * Float(row))
        feather(
          &canvas, from: start, to: start + long, wide: 0.03,
          color: mix(rgb(0x5E4C30), rgb(0x86724C), generator.uniform()), edge: rgb(0xB09A6C))
      }
    }
  }

  private static func head(_ canvas: inout Canvas, _ perch: Point) {
    let eye = perch + Point(0.165, -0.485)
    canvas.disc(eye, 0.0255, rgb(0x6A4A2A), softness: 0.01, opacity: 0.7)
    canvas.disc(eye, 0.0205, rgb(0x0A0807), softness: 0.003)
    canvas.disc(eye + Point(0.003, 0.006), 0.012, rgb(0x3A2416), softness: 0.012)
    canvas.disc(eye - Point(0.006, 0.007), 0.0052, Color(repeating: 1.6), softness: 0.003)
    let root = perch + Point(0.252, -0.468)
    for (index, drop) in [(0, -0.004), (1, 0.010)] as [(Int, Float)] {
      canvas.curve(
        root + Point(-0.012, drop), root + Point(0.03, drop - 0.002),
        root + Point(index == 0 ? 0.062 : 0.055, 0.008), widths: (0.02, 0.003),
        colors: (rgb(0x3A322A), rgb(0x15110E)), pieces: 8)
    }
    canvas.stroke(
      root + Point(0.0, -0.006), root + Point(0.045, -0.001), widths: (0.004, 0.001),
      colors: (rgb(0xA89C8C), rgb(0x5A5048)))
  }

  private static func legs(_ canvas: inout Canvas, _ perch: Point) {
    for x in [-0.01, 0.055] as [Float] {
      let knee = perch + Point(x, -0.065)
      let foot = perch + Point(x + 0.015, 0.022)
      canvas.stroke(knee, foot, widths: (0.013, 0.01), colors: (rgb(0x5A4028), rgb(0x9A7850)))
      for toe in [-0.035, 0.02, 0.042] as [Float] {
        canvas.curve(
          foot, foot + Point(toe * 0.6, -0.006), foot + Point(toe, 0.014), widths: (0.0085, 0.004),
          colors: (rgb(0x9A7850), rgb(0x4A3624)), pieces: 5)
      }
    }
  }
}
