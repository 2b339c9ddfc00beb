// Fruit on a table by a window, traced with shadows and shine.

import AtelierEngine
import Foundation

/// What a ray meets in the still life.
private enum Fruit: Int, Sendable {
  case apple, orange, pear, grape, lemon
}

/// One fruit: where it stands, how large it is.
private struct Piece: Sendable {
  var kind: Fruit
  var center: Color
  var radius: Float
  var hue: Float

  /// The distance of a point from the skin (a bound from below is enough).
  func distance(_ p: Color) -> Float {
    var q = (p - center) / radius
    let away = length(q)
    if away > 2.2 { return (away - 1.3) * radius }
    switch kind {
    case .orange, .grape: return (away - 1) * radius
    case .apple:
      let ring = (q.x * q.x + q.z * q.z).squareRoot() - 0.36
      let squeeze = 1 + 0.1 * q.y
      return ((ring * ring * squeeze * squeeze + q.y * q.y).squareRoot() - 0.68) * radius * 0.9
    case .pear:
      let belly = away - 0.88
      let neck = length(q - Color(0.1, 0.95, 0)) - 0.42
      let blend = clamp(0.5 + 0.5 * (neck - belly) / 0.55)
      return (mix(neck, belly, blend) - 0.55 * blend * (1 - blend)) * radius * 0.9
    case .lemon:
      q.x *= 0.76
      let round = length(q) - 0.82
      let tips = length(Color(abs(q.x) - 0.8, q.y, q.z)) - 0.14
      let blend = clamp(0.5 + 0.5 * (tips - round) / 0.2)
      return (mix(tips, round, blend) - 0.2 * blend * (1 - blend)) * radius * 0.85
    }
  }
}

/// The whole arrangement.
private struct Table: Sendable {
  var pieces: [Piece]
  var noise: Noise
  var toLight: Color
  var cloth: Color
  var wall: Color
  var octaves: Int

  func nearest(_ p: Color) -> (distance: Float, index: Int) {
    var best: Float = 1e9
    var which = 0
    for index in pieces.indices {
      let distance = pieces[index].distance(p)
      if distance < best {
        best = distance
        which = index
      }
    }
    return (best, which)
  }

  func hit(_ origin: Color, _ ray: Color, limit: Float) -> (at: Float, index: Int)? {
    var t: Float = 0
    // Only the slab that holds fruit is marched through.
    if origin.y > 1.7, ray.y < 0 { t = (1.7 - origin.y) / ray.y }
    for _ in 0..<56 {
      let p = origin + ray * t
      let (distance, index) = nearest(p)
      if distance < 0.0015 { return (t, index) }
      t += distance
      if t > limit || (ray.y > 0 && p.y > 1.8) { return nil }
    }
    return nil
  }

  /// The light that reaches a point: 0 in full shade, with a soft edge.
  func light(_ p: Color) -> Float {
    var open: Float = 1
    var t: Float = 0.03
    for _ in 0..<22 {
      let distance = nearest(p + toLight * t).distance
      open = min(open, 7 * distance / t)
      if open < 0.01 { return 0 }
      t += max(distance, 0.025)
      if t > 4 { break }
    }
    return smoothstep(0, 1, open)
  }

  func skin(_ piece: Piece, _ p: Color, _ normal: Color) -> (
    color: Color, bump: Color, gloss: Float
  ) {
    let q = (p - piece.center) / piece.radius
    let turn = atan2(q.z, q.x)
    let speckle = noise.fbm(Point(turn * 7, q.y * 9), octaves)
    switch piece.kind {
    case .apple:
      let streak = noise.fbm(Point(turn * 9, q.y * 1.2 + piece.hue * 9), 4)
      let blush = smoothstep(-0.5, 0.5, streak + 0.9 * normal.x + piece.hue - 0.3)
      let dots = smoothstep(0.25, 0.12, noise.cells(Point(turn * 6, q.y * 9)).first)
      var color = mix(rgb(0xC8B43C), rgb(0xA81C1A), blush) * (1 + 0.15 * speckle)
      color = mix(color, rgb(0xE8D8A0), 0.3 * dots)
      let stem = smoothstep(0.3, 0, (q.x * q.x + q.z * q.z).squareRoot()) * max(0, q.y)
      return (mix(color, rgb(0x6A6A20), stem), .zero, 0.6)
    case .orange:
      let pore = noise.cells(Point(turn * 14, q.y * 15))
      let bump = Color(pore.offset.x, pore.offset.y, 0) * smoothstep(0.5, 0.1, pore.first) * 0.5
      return (mix(rgb(0xE0700C), rgb(0xF59A1E), clamp(0.5 + 0.6 * speckle)), bump, 0.35)
    case .pear:
      let freckle = smoothstep(0.22, 0.1, noise.cells(Point(turn * 11, q.y * 13)).first)
      let blush = smoothstep(0.1, 0.9, -normal.x + 0.4 * speckle)
      let color = mix(rgb(0xB5B83A), rgb(0xC07A34), 0.7 * blush) * (1 + 0.12 * speckle)
      return (mix(color, rgb(0x7A6A2A), 0.5 * freckle), .zero, 0.25)
    case .grape:
      let bloom = clamp(0.4 + 0.5 * noise.fbm(Point(turn * 2 + piece.hue * 40, q.y * 2), 3))
      let color = mix(rgb(0x3A1440), rgb(0x5E2A50), piece.hue)
      return (mix(color, rgb(0x8A86B0), 0.35 * bloom), .zero, 0.7)
    case .lemon:
      let pore = noise.cells(Point(turn * 11, q.x * 12))
      let bump = Color(pore.offset.y, 0, pore.offset.x) * smoothstep(0.5, 0.1, pore.first) * 0.4
      return (mix(rgb(0xE5C21E), rgb(0xF6E05A), clamp(0.5 + 0.6 * speckle)), bump, 0.4)
    }
  }

  func shade(_ p: Color, _ ray: Color, _ index: Int) -> Color {
    let piece = pieces[index]
    let epsilon: Float = 0.004
    let here = piece.distance(p)
    var normal = normalized(
      Color(
        piece.distance(p + Color(epsilon, 0, 0)) - here,
        piece.distance(p + Color(0, epsilon, 0)) - here,
        piece.distance(p + Color(0, 0, epsilon)) - here))
    let (color, bump, gloss) = skin(piece, p, normal)
    normal = normalized(normal + bump)
    let facing = dot(normal, toLight)
    let lit = facing > 0 ? facing * light(p + normal * 0.012) : 0
    let sky = 0.5 + 0.5 * normal.y
    let contact = smoothstep(-0.1, 0.5, p.y) * 0.6 + 0.4
    let direct: Color = rgb(0xFFF0D8) * (1.5 * lit)
    let ambient: Color = rgb(0x8A93A8) * (0.35 * sky * contact)
    var result: Color = color * (direct + ambient)
    let bounce: Float = 0.3 * max(0, -normal.y + 0.3)
    result += color * cloth * bounce
    // Light that enters soft fruit comes out beyond the terminator.
    result += color * color * (0.25 * smoothstep(-0.45, 0.25, facing) * (1 - lit))
    let half = normalized(toLight - ray)
    let shine = pow(max(0, dot(normal, half)), 70) * (lit > 0.02 ? 1 : 0)
    let rim = pow(1 - max(0, -dot(normal, ray)), 4)
    return result + Color(repeating: gloss * (1.1 * shine + 0.12 * rim))
  }

  func background(_ origin: Color, _ ray: Color) -> Color {
    let t = ray.y < -1e-4 ? -origin.y / ray.y : 1e9
    let p = origin + ray * t
    guard t < 1e8, p.z < 3.2 else {
      let wallAt = origin + ray * ((3.2 - origin.z) / max(ray.z, 1e-3))
      let plaster = noise.fbm(Point(wallAt.x, wallAt.y) * 2.2, octaves + 2)
      let beam = exp(-pow((wallAt.x + 1.6 - wallAt.y * 0.5) * 0.45, 2))
      return wall * (0.35 + 0.8 * beam) * (1 + 0.16 * plaster)
    }
    let thread = Point(p.x * 30, p.z * 30)
    let isEven = (Int(thread.x.rounded(.down)) + Int(thread.y.rounded(.down))) & 1 == 0
    let check =
      smoothstep(-0.08, 0.08, sin(p.x * 7)) * 0.5 + smoothstep(-0.08, 0.08, sin(p.z * 7)) * 0.5
    let fade = exp(-0.12 * t)
    var color = mix(rgb(0xE6DECB), cloth, check) * (isEven ? 1 + 0.12 * fade : 1 - 0.12 * fade)
    let fold = noise.fbm(Point(p.x * 0.9 + p.z * 0.5, p.z * 0.35), 3)
    let foldNext = noise.fbm(Point(p.x * 0.9 + 0.1 + p.z * 0.5, p.z * 0.35), 3)
    color *= 1 + 0.9 * (fold - foldNext)
    let near = nearest(Color(p.x, 0.06, p.z)).distance
    let contact = 0.3 + 0.7 * smoothstep(-0.05, 0.45, near)
    let lit = light(p + Color(0, 0.004, 0)) * toLight.y
    return color * (rgb(0xFFF0D8) * (1.35 * lit) + rgb(0x8A93A8) * (0.4 * contact))
  }
}

extension SampleScenes {
  /// Apples, oranges, a pear, a lemon and grapes on a checked cloth.
  static func stillLife(_ canvas: inout Canvas, _ seed: UInt64) {
    var generator = RandomGenerator(seed: seed, 9)
    func near(_ x: Float, _ z: Float, _ radius: Float, _ kind: Fruit) -> Piece {
      let lift: Float = kind == .apple ? 0.7 : kind == .pear ? 0.86 : kind == .lemon ? 0.8 : 1
      let place = Color(
        x + generator.uniform(-0.08...0.08), radius * lift, z + generator.uniform(-0.1...0.1))
      return Piece(kind: kind, center: place, radius: radius, hue: generator.uniform())
    }
    var pieces = [
      near(-0.95, 0.35, 0.52, .apple), near(0.1, 0.75, 0.5, .orange),
      near(-0.35, 1.35, 0.55, .pear), near(-0.15, -0.35, 0.36, .lemon),
      near(-1.75, 0.95, 0.47, .orange), near(1.55, 1.1, 0.5, .apple),
    ]
    let bunch = Point(0.98, 0.02)
    for index in 0..<17 {
      let layer = index / 8
      let angle = Float(index) * 2.4
      let spread: Float = index % 8 == 0 ? 0.05 : 0.34 - 0.13 * Float(layer)
      pieces.append(
        Piece(
          kind: .grape,
          center: Color(
            bunch.x + cos(angle) * spread * 1.25, 0.16 + 0.23 * Float(layer),
            bunch.y + sin(angle) * spread),
          radius: generator.uniform(0.15...0.175), hue: generator.uniform()))
    }
    let isGreen = generator.uniform() < 0.5
    let table = Table(
      pieces: pieces, noise: Noise(seed, 2), toLight: normalized(Color(-0.72, 0.72, -0.42)),
      cloth: isGreen ? rgb(0x5A7A52) : rgb(0x9C4A3C), wall: isGreen ? rgb(0x6E5A46) : rgb(0x4E5A5E),
      octaves: canvas.octaves(20, most: 5))
    let aspect = canvas.aspect
    let eye = Color(0, 1.55, -4.3)
    canvas.shade { p in
      let ray = normalized(Color((p.x - aspect / 2) * 0.98, 0.42 - p.y * 0.98 - 0.16, 1.35))
      if let hit = table.hit(eye, ray, limit: 9) {
        return table.shade(eye + ray * hit.at, ray, hit.index)
      }
      return table.background(eye, ray)
    }
    func project(_ q: Color) -> Point {
      let d = (q - eye) / (q.z - eye.z) * 1.35
      return Point(d.x / 0.98 + aspect / 2, (0.26 - d.y) / 0.98)
    }
    for piece in pieces where piece.kind == .apple || piece.kind == .pear {
      let top = piece.kind == .apple ? Color(0, 0.62, 0) : Color(0.1, 1.34, 0)
      let start = project(piece.center + top * piece.radius)
      let end = start + Point(0.016, -0.05)
      canvas.curve(
        start, start + Point(0.0, -0.03), end, widths: (0.008, 0.006),
        colors: (rgb(0x3A2816), rgb(0x7A5A34)))
    }
  }
}
