// The grids of a person: face, ears, neck, hair and clothes as vertices and triangles in head space.

import Foundation

/// What a triangle is made of.
enum Material: UInt8 {
  case face, ear, neck, hair, cloth
}

/// The vertices and triangles of one character; only the face's change with the expression.
struct CharacterMesh {
  /// Where each vertex is, in head space.
  var places: [Place] = []
  /// The outward normal of each vertex, in head space.
  var normals: [Place] = []
  /// Two coordinates on the surface and the share (0...1) in which the vertex follows the head.
  var surface: [SIMD4<Float>] = []
  /// Three vertices a triangle.
  var triangles: [SIMD3<Int32>] = []
  /// The first triangle of each material; sorted.
  var parts: [(material: Material, triangles: Range<Int>)] = []

  static let faceRows = 168
  static let faceColumns = 148
  /// The turn of the face's last column, in radians: the back of the head is never seen.
  static let faceTurn: Float = 2.2

  /// The tilt of a face's row: rows are dense between brows and chin.
  static func tilt(_ row: Float) -> Float {
    let t = row / Float(faceRows - 1)
    return .pi * (t - 0.055 * sin(2 * .pi * t)) * 0.985 + 0.02
  }

  /// The turn of a face's column: columns are dense in the middle.
  static func turn(_ column: Float) -> Float {
    let s = 2 * column / Float(faceColumns - 1) - 1
    return faceTurn * (0.62 * s + 0.38 * s * s * s)
  }

  /// Adds a grid of vertices with its triangles; normals come from the grid itself.
  mutating func addGrid(
    _ material: Material, rows: Int, columns: Int,
    _ vertex: (Int, Int) -> (place: Place, surface: SIMD4<Float>)
  ) {
    let base = places.count
    for row in 0..<rows {
      for column in 0..<columns {
        let made = vertex(row, column)
        places.append(made.place)
        surface.append(made.surface)
        normals.append(.zero)
      }
    }
    let first = triangles.count
    for row in 0..<rows - 1 {
      for column in 0..<columns - 1 {
        let a = Int32(base + row * columns + column)
        let b = a + Int32(columns)
        triangles.append(SIMD3(a, b, a + 1))
        triangles.append(SIMD3(a + 1, b, b + 1))
      }
    }
    parts.append((material, first..<triangles.count))
    normals.withUnsafeMutableBufferPointer { normals in
      places.withUnsafeBufferPointer { places in
        Self.gridNormals(
          rows: rows, columns: columns, UnsafeBufferPointer(rebasing: places[base...]),
          UnsafeMutableBufferPointer(rebasing: normals[base...]))
      }
    }
  }

  /// Normals of a grid by central differences; from outside rows run down, columns right.
  static func gridNormals(
    rows: Int, columns: Int, _ places: UnsafeBufferPointer<Place>,
    _ normals: UnsafeMutableBufferPointer<Place>
  ) {
    for row in 0..<rows {
      let up = max(row - 1, 0) * columns
      let down = min(row + 1, rows - 1) * columns
      for column in 0..<columns {
        let left = max(column - 1, 0)
        let right = min(column + 1, columns - 1)
        let across = places[row * columns + right] - places[row * columns + left]
        let along = places[down + column] - places[up + column]
        normals[row * columns + column] = normalized(cross(along, across))
      }
    }
  }

  @inline(__always)
  static func cross(_ a: Place, _ b: Place) -> Place {
    Place(a.y * b.z - a.z * b.y, a.z * b.x - a.x * b.z, a.x * b.y - a.y * b.x)
  }

  init(_ character: FictionalCharacter) {
    let shape = FaceShape(character: character)
    addGrid(.face, rows: Self.faceRows, columns: Self.faceColumns) { row, column in
      let turn = Self.turn(Float(column))
      let tilt = Self.tilt(Float(row))
      let d = FaceShape.direction(turn: turn, tilt: tilt)
      var p = shape.skull(d)
      let front = smoothstep(0.02, 0.4, d.z)
      p.z += shape.relief(p, front: front)
      if character.beard > 0 {
        p += d * Place(1, 0.7, 1) * (0.03 * character.beard * FacePaint.beardCover(p, character))
      }
      return (p, SIMD4(turn, tilt, 1, front))
    }
    addNeck(character)
    addTorso()
    switch character.hairStyle {
    case .long: addLongHair(character, shape)
    case .cropped:
      for side in [-1, 1] as [Float] { addEar(side, character) }
      addCroppedHair(character, shape)
    }
  }

  /// How much a place follows the head: all of it above the chin, none at the shoulders.
  static func follow(_ y: Float) -> Float { smoothstep(-1.65, -0.85, y) }

  private mutating func addNeck(_ character: FictionalCharacter) {
    let broad = character.headWidth * (character.beard > 0 ? 0.56 : 0.47)
    addGrid(.neck, rows: 28, columns: 48) { row, column in
      let turn = mix(-2.4, 2.4, Float(column) / 47)
      let y = mix(-0.45, -1.95, Float(row) / 27)
      let flare = smoothstep(-1.2, -1.85, y)
      var p = Place(sin(turn) * (broad + 0.3 * flare), y, cos(turn) * (0.36 + 0.06 * flare) - 0.16)
      // The two cords from the ears to the pit of the neck.
      let cord = abs(turn) - mix(1.2, 0.2, smoothstep(-0.7, -1.6, y))
      p.z += 0.03 * bump(cord / 0.16, 0)
      return (p, SIMD4(turn, y, Self.follow(y), 0))
    }
  }

  private mutating func addTorso() {
    addGrid(.cloth, rows: 36, columns: 72) { row, column in
      let turn = mix(-2.6, 2.6, Float(column) / 71)
      let t = Float(row) / 35
      let open = t * 1.15
      let wide = 0.43 + 1.25 * open
      let deep = 0.47 + 0.55 * smoothstep(0, 1, open) * 0.9
      let side = sin(turn) * sin(turn)
      // The collar is a rolled edge: up, over, and down along the shoulders.
      let roll = 0.06 * sin(.pi * clamp(t * 9)) + 0.02 * smoothstep(0.02, 0.12, t)
      let fall = mix(0.75, 0.26, side) * pow(open, 1.2) + 0.9 * smoothstep(0.8, 1.25, open)
      let y = -1.36 - 0.17 * (1 - side) * cos(turn) - fall + roll
      return (
        Place(sin(turn) * (wide + roll * 0.4), y, cos(turn) * (deep + roll * 0.4) - 0.18),
        SIMD4(turn, t, 0, 0)
      )
    }
  }

  private mutating func addEar(_ side: Float, _ character: FictionalCharacter) {
    addGrid(.ear, rows: 20, columns: 22) { row, column in
      // Rings about the ear's middle: a rim, a trough, the bowl.
      let r = Float(row) / 19
      let angle = 2 * Float.pi * Float(column) / 21 * side
      let lobe = 1 - 0.28 * smoothstep(0, -1, sin(angle))
      let back = cos(angle) * 0.125 * r * lobe
      let up = sin(angle) * 0.2 * r
      let rim =
        0.05 * bump((r - 0.82) / 0.16, 0) - 0.035 * bump(r / 0.42, 0)
        + 0.025 * bump((r - 0.52) / 0.1, 0) * smoothstep(-0.2, 0.4, sin(angle))
      let outward = 0.012 + 0.34 * (back + 0.11) + rim - 0.12 * smoothstep(0.9, 1, r)
      let p = Place(
        side * (character.headWidth * 0.985 + outward), -0.06 + up, -0.12 - back - 0.12 * up)
      return (p, SIMD4(r, angle, 1, 0))
    }
  }

  /// The front edge of parted hair at a height: hair is where z is smaller.
  static func partedEdge(_ y: Float) -> Float {
    let crown = max(y - 0.62, 0) * 1.1
    return y > 0
      ? mix(0.34, 0.605, smoothstep(0, 0.74, y)) + crown
      : mix(0.34, 0.44, smoothstep(-0.1, -1.1, y))
  }

  private mutating func addLongHair(_ character: FictionalCharacter, _ shape: FaceShape) {
    let wave = Noise(character.seed, 31)
    let rows = 110
    addGrid(.hair, rows: rows, columns: 120) { row, column in
      let turn = mix(-Float.pi, Float.pi, Float(column) / 119)
      let t = Float(row) / Float(rows - 1)
      let round = min(t / 0.5, 1) * (Float.pi / 2 + 0.06)
      let d = FaceShape.direction(turn: turn, tilt: round)
      var p = shape.skull(d)
      let falling = max(t - 0.5, 0) / 0.5
      p.y -= falling * 1.75
      let edge = Self.partedEdge(p.y)
      let behind = edge - p.z
      // Near its edge the hair lies on the forehead; further back it stands off.
      let body = smoothstep(-0.05, 0.4, behind)
      let parting = 1 - 0.55 * bump(p.x / 0.07, 0) * smoothstep(0.2, 0.6, d.y)
      var off = 0.035 + character.hairVolume * body * parting
      let sway = wave.fbm(Point(p.z * 2.2 + (p.x < 0 ? 9 : 0), p.y * 1.6), 3)
      off += 0.05 * sway * smoothstep(0.6, -0.6, p.y) * body
      off +=
        0.018 * sin(p.y * 9 + 5 * wave(Point(p.z * 2, p.x < 0 ? 3 : 7)))
        * smoothstep(0.2, -0.7, p.y)
      p += Place(d.x, d.y * 0.9, d.z) * off
      // Locks draw in under the jaw and come forward over the shoulders.
      let tuck = smoothstep(-0.35, -0.95, p.y)
      p.x *= 1 - 0.1 * tuck + 0.16 * smoothstep(-1.1, -1.7, p.y)
      return (p, SIMD4(behind, p.y, Self.follow(p.y + 0.35), p.x))
    }
  }

  private mutating func addCroppedHair(_ character: FictionalCharacter, _ shape: FaceShape) {
    let curl = Noise(character.seed, 32)
    addGrid(.hair, rows: 84, columns: 128) { row, column in
      let turn = mix(-Float.pi, Float.pi, Float(column) / 127)
      let tilt = Float(row) / 83 * 2.0
      let d = FaceShape.direction(turn: turn, tilt: tilt)
      let p = shape.skull(d)
      let cover = FacePaint.croppedCover(p)
      let body = smoothstep(-0.02, 0.22, cover)
      let lump = curl.fbm(Point(turn * 5, tilt * 6), 3)
      let off = 0.004 + character.hairVolume * body * (1 + 0.22 * lump) * mix(0.6, 1, max(d.y, 0))
      return (p + d * off, SIMD4(cover, turn, 1, tilt))
    }
  }
}
