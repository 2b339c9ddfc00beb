// Faces brought to one place and size: the eyes onto fixed points, and the way back.

import AtelierDatasets
import AtelierImages
import AtelierVision
import AtelierWorkbench

/// A face cut out of its picture.
public struct AlignedFace: Sendable, Hashable {
  /// What the crop was laid by.
  public enum Basis: String, Sendable, Codable {
    /// Eyes, nose and mouth; turned upright.
    case points
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

  /// An alignment by its map from the picture to the crop; nil when that has no inverse.
  public init?(basis: Basis, matrix: AffineMap) {
    guard let inverse = matrix.inverse else { return nil }
    self.basis = basis
    self.matrix = matrix
    self.inverse = inverse
  }
}

/// Lays faces into crops as `FaceLayout` says.
///
/// The face from brow to chin covers the middle 160 of 256 pixels, as in the original face swap,
/// and the eyes lie at (96, 112) and (160, 112); other sizes are in proportion.
public struct FaceAligner: Sendable, Hashable {
  /// Columns and rows of a crop.
  public let size: Int

  /// An aligner for square crops of `size` pixels, at least 1.
  public init(size: Int = 256) {
    precondition(size > 0, "a crop needs a positive size")
    self.size = size
  }

  /// How a face is laid into the crop: by its five points, without them by its eyes, or else by its
  /// box; nil without extent.
  public func alignment(of face: FoundFace) -> AlignedFace? {
    let whole = AffineMap.scaling(Double(size))
    let places = [FaceLayout.eyes.left, FaceLayout.eyes.right].map { whole($0) }
    let matrix: AffineMap?
    if let points = face.points {
      matrix = .similarity(from: points.all, to: FaceLayout.points.map { whole($0) })
      return matrix.flatMap { AlignedFace(basis: .points, matrix: $0) }
    }
    if let eyes = face.eyes {
      matrix = .similarity(
        from: [eyes.left, eyes.right].map { PlanePoint($0.x, $0.y) }, to: places)
    } else {
      // A square about the box's middle, so that nothing is squeezed.
      let extent = max(face.box.width, face.box.height)
      let box = AffineMap.scaling(
        extent, x: face.box.centerX - extent / 2, y: face.box.centerY - extent / 2)
      matrix = box.inverse?.followed(by: FaceLayout.faceBox).followed(by: whole)
    }
    return matrix.flatMap { AlignedFace(basis: face.eyes == nil ? .box : .eyes, matrix: $0) }
  }

  /// From parts of the face's box, brow to chin, to pixels of the crop.
  public var faceBox: AffineMap { FaceLayout.faceBox.followed(by: .scaling(Double(size))) }

  /// The crop of a face, `size` by `size`; beyond the picture's edges its outermost pixels.
  public func crop(_ image: ByteImage, _ alignment: AlignedFace) -> ByteImage {
    image.sampled(through: alignment.inverse, width: size, height: size)
  }
}
