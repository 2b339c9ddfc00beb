// Draws fictional people: a pose in, a picture with its mask, landmarks and box out.

import AtelierDatasets
import AtelierImages
import Foundation

/// Where parts of a face are, in pixels: x right, y down, (0, 0) the upper left corner.
public struct FaceLandmarks: Hashable, Codable, Sendable {
  /// The eyeball's front at the picture's left.
  public var leftEye: SIMD2<Float>
  /// The eyeball's front at the picture's right.
  public var rightEye: SIMD2<Float>
  /// The tip of the nose.
  public var noseTip: SIMD2<Float>
  /// The corner of the mouth at the picture's left.
  public var leftMouth: SIMD2<Float>
  /// The corner of the mouth at the picture's right.
  public var rightMouth: SIMD2<Float>
  /// The middle of the upper lip's lower edge.
  public var upperLip: SIMD2<Float>
  /// The middle of the lower lip's upper edge.
  public var lowerLip: SIMD2<Float>
  /// The chin.
  public var chin: SIMD2<Float>

  /// All of them, in the order of the properties.
  public var all: [SIMD2<Float>] {
    [leftEye, rightEye, noseTip, leftMouth, rightMouth, upperLip, lowerLip, chin]
  }
}

/// A drawn face and what is known of it.
public struct CharacterPicture: Sendable {
  /// The picture, [size, size, 3], sRGB-coded values in [0, 1].
  public let image: FloatImage
  /// Where skin, eyes and mouth are, [size, size, 1]: 1 inside, 0 outside, soft at the edge.
  public let mask: FloatImage
  /// Where the parts of the face are.
  public let landmarks: FaceLandmarks
  /// The face from mid-forehead to chin; depends on the pose only.
  public let box: PlaneBox
}

/// Draws one fictional character in any pose; making one takes a moment, drawing is fast.
public struct CharacterRenderer: Sendable {
  /// The picture sizes that can be drawn, in pixels per side.
  public static let sizes = 32...1024
  /// Who is drawn.
  public let character: FictionalCharacter
  let mesh: CharacterMesh
  let paint: FacePaint
  private let shape: FaceShape
  /// The z of the eyeballs' middle.
  private let eyeDepth: Float

  /// Prepares the meshes and the painted skin of a character.
  public init(_ character: FictionalCharacter) {
    self.character = character
    mesh = CharacterMesh(character)
    paint = FacePaint(character)
    shape = FaceShape(character: character)
    let columns = CharacterMesh.faceColumns
    var nearest: (distance: Float, depth: Float) = (9, 0.6)
    for index in 0..<CharacterMesh.faceRows * columns {
      let p = mesh.places[index]
      let distance = length(Point(p.x - character.eyeSpacing, p.y - FaceCurves.eyeLevel))
      if p.z > 0, distance < nearest.distance { nearest = (distance, p.z) }
    }
    eyeDepth = nearest.depth + 0.03 - FaceCurves.eyeRadius
  }

  /// Draws a pose as RGB, [size, size, 3]; the same pose and size give the same bytes.
  /// - Throws: `DatasetError` when the size is out of range.
  public func render(_ pose: CharacterPose, size: Int) throws -> ByteImage {
    try picture(pose, size: size).image.bytes
  }

  /// Draws a pose, whose values are clamped to their ranges, and tells where the face is.
  ///
  /// The size, in `sizes`, is in pixels per side.
  ///
  /// - Throws: `DatasetError` when the size is out of range.
  public func picture(_ pose: CharacterPose, size: Int) throws -> CharacterPicture {
    guard Self.sizes.contains(size) else {
      throw DatasetError(
        "a character's picture has \(Self.sizes.lowerBound)...\(Self.sizes.upperBound) pixels "
          + "per side; received \(size)")
    }
    let pose = pose.clamped
    let factor = size <= 80 ? 4 : 2
    let scene = PosedCharacter(self, pose, samples: size * factor)
    let drawn = scene.drawn(factor: factor)
    return CharacterPicture(
      image: drawn.image, mask: drawn.mask, landmarks: scene.landmarks(scale: 1 / Float(factor)),
      box: Self.box(pose, size: size))
  }

  /// Where the parts of the face are, in pixels of a picture of a size, without drawing it.
  public func landmarks(_ pose: CharacterPose, size: Int) -> FaceLandmarks {
    PosedCharacter(self, pose.clamped, samples: size).landmarks(scale: 1)
  }

  /// The box in pixels about the face from mid-forehead to chin; the same for every character.
  public static func box(_ pose: CharacterPose, size: Int) -> PlaneBox {
    let camera = CharacterCamera(pose.clamped, samples: size)
    var low = Point(repeating: .infinity)
    var high = Point(repeating: -.infinity)
    for row in 0...16 {
      for column in 0...24 {
        let turn = mix(-1.25, 1.25, Float(column) / 24)
        let d = FaceShape.direction(turn: turn, tilt: mix(1.0, 2.85, Float(row) / 16))
        let lower = smoothstep(0.15, -1, d.y)
        let p = Place(d.x * 0.72 * (1 - 0.25 * lower), d.y, d.z * 0.78 + 0.22 * lower)
        let screen = camera.projected(camera.turned(p))
        low = pointwiseMin(low, screen)
        high = pointwiseMax(high, screen)
      }
    }
    // In profile the tip of the nose stands out of the rest.
    let nose = camera.projected(camera.turned(Place(0, -0.275, 1.08)))
    low = pointwiseMin(low, nose)
    high = pointwiseMax(high, nose)
    let extent = high - low
    return PlaneBox(
      x: Double(low.x), y: Double(low.y), width: Double(extent.x), height: Double(extent.y))
  }

  /// The face's vertices as an expression has them, with their normals, in head space.
  func expressedFace(_ curves: FaceCurves) -> (places: [Place], normals: [Place]) {
    let count = CharacterMesh.faceRows * CharacterMesh.faceColumns
    var places = [Place](repeating: .zero, count: count)
    var normals = places
    mesh.places.withUnsafeBufferPointer { rest in
      mesh.surface.withUnsafeBufferPointer { surface in
        for index in 0..<count {
          let front = surface[index].w
          var p = shape.moved(rest[index], front: front, curves)
          p.z = shape.expressed(p, front: front, curves)
          places[index] = p
        }
      }
    }
    places.withUnsafeBufferPointer { source in
      normals.withUnsafeMutableBufferPointer { target in
        CharacterMesh.gridNormals(
          rows: CharacterMesh.faceRows, columns: CharacterMesh.faceColumns, source, target)
      }
    }
    return (places, normals)
  }

  /// The curves of a pose for this character's eyes.
  func curves(_ pose: CharacterPose) -> FaceCurves {
    FaceCurves(character, pose, eyeDepth: eyeDepth)
  }
}
