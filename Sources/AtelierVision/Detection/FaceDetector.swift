// What finds faces: cascades, or a network that came in from outside.

import AtelierImages
import AtelierKernels

/// Five points of a face in pixels of the picture, as most detectors and aligners of today have them.
public struct FacePoints: Sendable, Hashable, Codable {
  /// The eye on the picture's left.
  public var leftEye: PlanePoint
  /// The eye on the picture's right.
  public var rightEye: PlanePoint
  /// The tip of the nose.
  public var nose: PlanePoint
  /// The corner of the mouth on the picture's left.
  public var leftMouth: PlanePoint
  /// The corner of the mouth on the picture's right.
  public var rightMouth: PlanePoint

  /// Five points.
  public init(
    leftEye: PlanePoint, rightEye: PlanePoint, nose: PlanePoint, leftMouth: PlanePoint,
    rightMouth: PlanePoint
  ) {
    self.leftEye = leftEye
    self.rightEye = rightEye
    self.nose = nose
    self.leftMouth = leftMouth
    self.rightMouth = rightMouth
  }

  /// The points in the order of their names above.
  public var all: [PlanePoint] { [leftEye, rightEye, nose, leftMouth, rightMouth] }

  /// The two eyes.
  public var eyes: EyePair {
    EyePair(leftX: leftEye.x, leftY: leftEye.y, rightX: rightEye.x, rightY: rightEye.y)
  }
}

/// Finds the faces of pictures, the same for every number of threads.
public protocol FaceDetector: Sendable {
  /// The faces of a picture, the most certain first.
  ///
  /// - Parameters:
  ///   - image: The picture, without alpha.
  ///   - smallest: The smallest face's width in pixels; nil for a tenth of the shorter side.
  ///   - isThorough: Whether more is tried where nothing is found.
  ///   - pool: The threads.
  /// - Returns: The faces, each with what the detector tells of it.
  /// - Throws: `StudioError` when a network cannot be run on the picture.
  func faces(
    in image: ByteImage, smallest: Double?, isThorough: Bool, pool: ThreadPool
  ) throws -> [FoundFace]

  /// The faces of a film's frame near those of a frame before, in their order; nil when all of the
  /// frame must be searched.
  func faces(in image: ByteImage, near boxes: [PlaneBox], pool: ThreadPool) throws -> [FoundFace]?

  /// The eyes in a face's box from brow to chin, as from a file; nil without a plausible pair.
  func eyes(in image: ByteImage, box: PlaneBox, pool: ThreadPool) throws -> EyePair?
}

extension FaceFinder: FaceDetector {
  public func faces(
    in image: ByteImage, smallest: Double?, isThorough: Bool, pool: ThreadPool
  ) -> [FoundFace] {
    faces(in: image, smallest: smallest, findsEyes: true, isThorough: isThorough, pool: pool)
      .filter(\.isConfirmed)
  }
}
