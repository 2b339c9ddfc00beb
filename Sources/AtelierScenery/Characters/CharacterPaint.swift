// The colours of a face at rest, painted once into a texture: skin, freckles, folds, brows, beard.

import Foundation

/// The painted skin of one character over turn and tilt, with smaller copies for small pictures.
struct FacePaint {
  static let width = 640
  static let height = 640
  static let turnReach = CharacterMesh.faceTurn
  /// Red, green, blue (linear light) and gloss; each copy has half the size of the one before.
  private var levels: [(width: Int, height: Int, texels: [SIMD4<Float>])] = []

  /// Where a full beard grows: 1 inside, 0 outside, soft between; `p` is on the skull at rest.
  static func beardCover(_ p: Place, _ character: FictionalCharacter) -> Float {
    let ax = abs(p.x)
    let y = p.y
    // The cheek line falls from the ear to the corner of the mouth.
    let line = mix(-0.44, -0.2, smoothstep(0.22, 0.66, ax))
    var cover = smoothstep(0.09, -0.07, y - line)
    let moustache = smoothstep(-0.39, -0.43, y) * smoothstep(0.34, 0.26, ax)
    cover = max(cover * smoothstep(0.14, 0.22, ax + 2.2 * max(0, -0.6 - y)), moustache)
    let lips = length(Point(ax / (character.mouthWidth * 1.02), (y + 0.545) / 0.085))
    cover *= smoothstep(0.92, 1.08, lips)
    // A bare patch at each side below the lower lip.
    cover *= 1 - 0.75 * bump((ax - 0.1) / 0.05, (y + 0.67) / 0.035)
    return cover * smoothstep(-0.35, -0.1, p.z + 0.2)
  }

  /// Where cropped hair grows: positive inside, in head units from the hairline.
  static func croppedCover(_ p: Place) -> Float {
    let ax = abs(p.x)
    let temple = 0.07 * bump((ax - 0.42) / 0.14, 0)
    let frontal = p.y - 0.56 - temple + 0.28 * smoothstep(0.42, 0.7, ax)
    let behind = 0.12 - p.z
    let side = min(behind, p.y + 0.18)
    return smoothMaximum(min(frontal, 0.4), min(side, p.y + 0.3 - 1.2 * max(p.z, -0.6)), 0.08)
  }

  init(_ character: FictionalCharacter) {
    let shape = FaceShape(character: character)
    let painter = FacePainter(character)
    var texels = [SIMD4<Float>](repeating: .zero, count: Self.width * Self.height)
    texels.withUnsafeMutableBufferPointer { buffer in
      nonisolated(unsafe) let target = buffer
      DispatchQueue.concurrentPerform(iterations: Self.height) { row in
        let tilt = (Float(row) + 0.5) / Float(Self.height) * .pi
        for column in 0..<Self.width {
          let turn = (2 * (Float(column) + 0.5) / Float(Self.width) - 1) * Self.turnReach
          let p = shape.skull(FaceShape.direction(turn: turn, tilt: tilt))
          target[row * Self.width + column] = painter.texel(p, turn: turn, tilt: tilt)
        }
      }
    }
    levels = [(Self.width, Self.height, texels)]
    while let last = levels.last, last.width > 80 { levels.append(Self.halved(last)) }
  }

  private static func halved(
    _ level: (width: Int, height: Int, texels: [SIMD4<Float>])
  ) -> (width: Int, height: Int, texels: [SIMD4<Float>]) {
    let width = level.width / 2
    let height = level.height / 2
    var texels = [SIMD4<Float>](repeating: .zero, count: width * height)
    for y in 0..<height {
      for x in 0..<width {
        let base = 2 * y * level.width + 2 * x
        let upper = level.texels[base] + level.texels[base + 1]
        let lower = level.texels[base + level.width] + level.texels[base + level.width + 1]
        texels[y * width + x] = (upper + lower) * 0.25
      }
    }
    return (width, height, texels)
  }

  /// The level whose texels are about as large as a sample of `step` head units.
  func level(step: Float) -> Int {
    let texel = Float.pi / Float(Self.height)
    return min(max(Int((log2(step / texel) + 0.35).rounded(.down)), 0), levels.count - 1)
  }

  /// Calls `body` with a level's size and texels.
  func with<R>(level: Int, _ body: (Int, Int, UnsafeBufferPointer<SIMD4<Float>>) -> R) -> R {
    let chosen = levels[level]
    return chosen.texels.withUnsafeBufferPointer { body(chosen.width, chosen.height, $0) }
  }

  /// A texel between texels.
  @inline(__always)
  static func sample(
    _ texels: UnsafeBufferPointer<SIMD4<Float>>, _ width: Int, _ height: Int, turn: Float,
    tilt: Float
  ) -> SIMD4<Float> {
    let x = clamp((turn / turnReach + 1) * 0.5 * Float(width) - 0.5, 0, Float(width) - 1.001)
    let y = clamp(tilt / .pi * Float(height) - 0.5, 0, Float(height) - 1.001)
    let column = Int(x)
    let row = Int(y)
    let fx = x - Float(column)
    let fy = y - Float(row)
    let base = row * width + column
    let top = texels[base] * (1 - fx) + texels[base + 1] * fx
    let bottom = texels[base + width] * (1 - fx) + texels[base + width + 1] * fx
    return top * (1 - fy) + bottom * fy
  }
}

/// Paints one place of the skin at rest.
struct FacePainter {
  let character: FictionalCharacter
  private let skin: Color
  private let blush: Color
  private let brow: Color
  private let beard: Color
  private let hair: Color
  private let mottle: Noise
  private let strands: Noise

  init(_ character: FictionalCharacter) {
    self.character = character
    skin = rgb(character.skin)
    blush = rgb(character.blush)
    brow = rgb(character.brow)
    beard = rgb(character.beardColor)
    hair = rgb(character.hair)
    mottle = Noise(character.seed, 1)
    strands = Noise(character.seed, 2)
  }

  func texel(_ p: Place, turn: Float, tilt: Float) -> SIMD4<Float> {
    let ax = abs(p.x)
    let y = p.y
    let c = character
    let place = Point(turn, tilt)
    var color = skin * (1 + 0.06 * mottle.fbm(place * 9, 4) + 0.035 * mottle(place * 90))
    var warm = 0.75 * bump((ax - 0.4) / 0.2, (y + 0.24) / 0.17)
    warm += 0.6 * bump(ax / (0.12 * c.noseWidth), (y + 0.28) / 0.1)
    warm += 0.25 * bump(ax / 0.2, (y + 0.86) / 0.12) + 0.3 * bump((ax - 0.68) / 0.1, y / 0.3)
    color = mix(color, blush * 0.9, clamp(c.blushStrength * warm * 0.75))
    color = freckled(color, place, ax, y, p.z)
    var gloss =
      0.55 + 0.5 * bump(ax / 0.1, (y + 0.1) / 0.3) + 0.3 * bump(ax / 0.35, (y - 0.5) / 0.2)
    // Light reaches sockets, folds and the wings of the nose less.
    var open: Float = 1
    open *= 1 - 0.3 * bump((ax - c.eyeSpacing + 0.1) / 0.09, (y - 0.06) / 0.09)
    open *= 1 - 0.2 * bump((ax - c.eyeSpacing) / 0.16, (y - 0.13) / 0.05)
    open *= 1 - 0.16 * bump((ax - c.eyeSpacing) / 0.14, (y + 0.06) / 0.03) * (0.4 + c.wrinkles)
    open *= 1 - 0.35 * bump((ax - 0.155 * c.noseWidth) / 0.025, (y + 0.33) / 0.05)
    open *= 1 - 0.3 * bump(ax / 0.13, (y + 0.385) / 0.025)
    open *= 1 - 0.75 * bump((ax - 0.056 * c.noseWidth) / (0.032 * c.noseWidth), (y + 0.362) / 0.017)
    open *= 1 - 0.22 * bump(ax / 0.16, (y + 0.68) / 0.035)
    open *= 1 - folds(ax, y, place)
    color *= Color(open, pow(open, 1.12), pow(open, 1.2))
    browed(&color, ax, y, p)
    bearded(&color, &gloss, p, place)
    if c.hairStyle == .cropped {
      let under = smoothstep(-0.05, 0.04, FacePaint.croppedCover(p) + 0.03 * strands(place * 40))
      color = mix(color, hair * 0.35, under * 0.8)
      gloss *= 1 - under
    } else {
      let under = smoothstep(-0.03, 0.1, CharacterMesh.partedEdge(y) - p.z)
      color *= 1 - 0.35 * under
    }
    return SIMD4(color, gloss)
  }

  private func folds(_ ax: Float, _ y: Float, _ place: Point) -> Float {
    let c = character
    guard c.wrinkles > 0 else { return 0 }
    let cheek = segmentDistance(Point(ax, y), Point(0.17, -0.34), Point(0.29, -0.54)).distance
    var depth = 0.3 * bump(cheek / 0.018, 0)
    for line in 0..<3 {
      let level = 0.4 + 0.075 * Float(line) + 0.012 * mottle(Point(place.x * 4, Float(line) * 3))
      depth += 0.16 * bump((y - level) / 0.011, ax / 0.4)
    }
    for line in -1...1 {
      let corner = Point(c.eyeSpacing + c.eyeWidth + 0.03, 0.045)
      let end = corner + Point(0.1, 0.05 * Float(line) + 0.01)
      depth += 0.2 * bump(segmentDistance(Point(ax, y), corner, end).distance / 0.008, 0)
    }
    return clamp(depth * c.wrinkles)
  }

  private func freckled(
    _ color: Color, _ place: Point, _ ax: Float, _ y: Float, _ z: Float
  ) -> Color {
    let c = character
    guard c.freckles > 0 else { return color }
    var area = bump((ax - 0.3) / 0.26, (y + 0.16) / 0.17) + 0.8 * bump(ax / 0.2, (y + 0.12) / 0.15)
    area += 0.3 * bump(ax / 0.5, (y - 0.42) / 0.25) + 0.08
    var result = color
    for (scale, size) in [(26, 0.2), (44, 0.24)] as [(Float, Float)] {
      let spot = strands.cells(place * Point(scale, scale), jitter: 0.95)
      let chance = strands.random(spot.cell.x, spot.cell.y &+ Int(scale) * 1009)
      let radius = size * (0.55 + 0.6 * strands.random(spot.cell.x &+ 77, spot.cell.y))
      let strength = clamp(area * 1.25) * c.freckles - 0.62 * chance
      let cover = smoothstep(radius, radius * 0.35, spot.first) * clamp(strength * 2.6)
      result = mix(result, color * Color(0.68, 0.45, 0.31), cover * 0.85)
    }
    return result
  }

  private func browed(_ color: inout Color, _ ax: Float, _ y: Float, _ p: Place) {
    let c = character
    let start: Float = 0.11
    let end: Float = c.eyeSpacing + c.eyeWidth + 0.075
    let t = (ax - start) / (end - start)
    guard t > -0.2, t < 1.15, p.z > 0 else { return }
    let arch = 0.225 + c.browArch * 0.085 * sin(.pi * pow(clamp(t), 1.35) * 0.86) - 0.012 * t
    let thick = (0.022 + 0.034 * c.browThickness) * (1 - 0.72 * smoothstep(0.3, 1.1, t))
    let across = (y - arch) / thick
    // Hairs lean outwards: upright at the nose, lying along the brow at its end.
    let lean = mix(0.5, 2.2, clamp(t))
    let side = p.x < 0 ? Float(40) : 0
    let hairs = strands(Point((ax - (y - arch) * lean) * 105 + side, (y - arch) * 26))
    let edge = 1 - abs(across) + 0.3 * hairs
    let ends = smoothstep(-0.08, 0.14, t + 0.06 * hairs) * smoothstep(1.08, 0.8, t + 0.05 * hairs)
    let cover = smoothstep(-0.1, 0.75, edge) * ends * (0.78 + 0.2 * hairs)
    color = mix(color, brow * (0.75 + 0.35 * hairs), clamp(cover) * 0.92)
  }

  private func bearded(_ color: inout Color, _ gloss: inout Float, _ p: Place, _ place: Point) {
    let c = character
    guard c.beard > 0 else { return }
    let fray = 0.3 * strands(place * 55) + 0.25 * strands(place * 22)
    let cover = FacePaint.beardCover(p, c)
    let full = smoothstep(0.2, 0.95, cover + fray * smoothstep(0, 0.2, cover)) * c.beard
    guard full > 0 else { return }
    let curl = strands.ridged(place * Point(34, 30), 3)
    let fine = strands(place * Point(110, 75))
    let dark = smoothstep(0.25, 0.6, abs(p.x)) * 0.25
    let tone = beard * (0.22 + 1.05 * curl + 0.3 * fine) * (1 - dark)
    color = mix(color, mix(tone, skin * 0.45, 0.12), full * 0.96)
    gloss *= 1 - 0.85 * full
  }
}
