// Faces brought to one place and size: the eyes onto fixed points, and the way back.

import AtelierImages

/// A face cut out of its picture.
public struct AlignedFace: Sendable, Hashable {
  /// What the crop was laid by.
  public enum Basis: String, Sendable, Codable {
    /// The two eyes; turned upright.
    case eyes
    /// The box alone, because no plausible pair of eyes was found; not turned.
    case box
  }

  /// What the crop was laid by.
  public let basis: Basis
  /// From the picture to the crop, both in pixels.
  public let matrix: AffineMap
  /// From the crop to the picture, for pasting back.
  public let inverse: AffineMap

  /// An alignment by its map.
  ///
  /// - Parameters:
  ///   - basis: What the crop was laid by.
  ///   - matrix: From the picture to the crop; nil comes out when it has no inverse.
  public init?(basis: Basis, matrix: AffineMap) {
    guard let inverse = matrix.inverse else { return nil }
    self.basis = basis
    self.matrix = matrix
    self.inverse = inverse
  }
}

/// Where the parts of a face lie in a crop.
///
/// The face from brow to chin covers the middle 160 of 256 pixels, as in the original face swap,
/// and the eyes lie at (96, 112) and (160, 112); other sizes are in proportion.
public struct FaceAligner: Sendable, Hashable {
  /// Columns and rows of a crop.
  public let size: Int

  /// Where the eyes lie in a box, as parts of its size.
  private static let eyeRow = 0.4
  private static let eyeColumns = (left: 0.3, right: 0.7)
  /// The face's part of the crop.
  private static let faceShare = 160.0 / 256

  /// An aligner for square crops of `size` pixels, at least 1.
  public init(size: Int = 256) {
    precondition(size > 0, "a crop needs a positive size")
    self.size = size
  }

  /// How a face is laid into the crop: by its eyes, or without them by its box.
  ///
  /// - Parameter face: The face.
  /// - Returns: The map and its inverse; nil for a box or eyes without extent.
  public func alignment(of face: FoundFace) -> AlignedFace? {
    let side = Self.faceShare * Double(size)
    let margin = (Double(size) - side) / 2
    let left = PlanePoint(margin + Self.eyeColumns.left * side, margin + Self.eyeRow * side)
    let right = PlanePoint(margin + Self.eyeColumns.right * side, margin + Self.eyeRow * side)
    let matrix: AffineMap?
    if let eyes = face.eyes {
      matrix = .similarity(
        from: [eyes.left, eyes.right].map { PlanePoint($0.x, $0.y) }, to: [left, right])
    } else {
      // A square about the box's middle, so that nothing is squeezed.
      let extent = max(face.box.width, face.box.height)
      let (x, y) = (face.box.centerX - extent / 2, face.box.centerY - extent / 2)
      let row = y + Self.eyeRow * extent
      matrix = .similarity(
        from: [
          PlanePoint(x + Self.eyeColumns.left * extent, row),
          PlanePoint(x + Self.eyeColumns.right * extent, row),
        ], to: [left, right])
    }
    return matrix.flatMap { AlignedFace(basis: face.eyes == nil ? .box : .eyes, matrix: $0) }
  }

  /// From what a network sees to the crop: the face itself, brow to chin, as `side` by `side` pixels.
  ///
  /// - Parameter side: The network's side in pixels, at least 1.
  /// - Returns: The map; it has an inverse.
  public func faceMap(side: Int) -> AffineMap {
    let face = Self.faceShare * Double(size)
    let margin = (Double(size) - face) / 2
    return .scaling(face / Double(side), x: margin, y: margin)
  }

  /// The crop of a face.
  ///
  /// - Parameters:
  ///   - image: The picture.
  ///   - alignment: Where the face lies, from `alignment(of:)`.
  /// - Returns: `size` by `size` pixels; beyond the picture's edges its outermost pixels.
  public func crop(_ image: ByteImage, _ alignment: AlignedFace) -> ByteImage {
    image.sampled(through: alignment.inverse, width: size, height: size)
  }
}
