// The faces of a picture: boxes from brow to chin, and the eyes in them.

import AtelierImages
import AtelierKernels

/// A face in a picture.
public struct FoundFace: Sendable, Hashable {
  /// A square from brow to chin; it may reach beyond the picture.
  public var box: DetectionBox
  /// The eyes; nil where no plausible pair was found.
  public var eyes: EyePair?
  /// How many windows were accepted there.
  public var neighbors: Int
  /// By how much the best window passed the cascade's last stage.
  public var score: Float

  /// A face by its box, as from a file of boxes; the detector's figures are 0 then.
  public init(
    box: DetectionBox, eyes: EyePair? = nil, neighbors: Int = 0, score: Float = 0
  ) {
    self.box = box
    self.eyes = eyes
    self.neighbors = neighbors
    self.score = score
  }

  /// How sure the detector is, in [0, 1): n windows give n / (n + 8).
  public var confidence: Double { Double(neighbors) / Double(neighbors + 8) }

  /// Whether a second sign speaks for the face: its eyes, or more than 13 accepted windows.
  ///
  /// The number was fitted: it drops all 10 boxes that 26 photographs without people gave, and 4 of
  /// 400 faces in narrow gray portraits.
  public var isConfirmed: Bool { eyes != nil || neighbors > 13 }
}

/// Finds faces and their eyes by OpenCV's cascades.
///
/// A picture is searched by `haarcascade_frontalface_alt2`, and where that finds nothing in finer
/// steps and by `haarcascade_frontalface_default`; the picture is continued beyond its edges, so
/// that faces which fill it are found.
public struct FaceFinder: Sendable {
  /// By what part of their size the cascades' boxes are moved down; their size is kept.
  ///
  /// Fitted to the boxes of two sets of faces, which come from another cascade: by set, the median
  /// ratio of sizes was 0.98 to 1.02 and the shift 0.002 to 0.011.
  static let downwardShift = 0.01

  /// The picture goes on beyond its edges by this part of its shorter side.
  private static let border = 0.125

  private let main: CascadeDetector
  private let second: CascadeDetector
  private let eyeFinder: EyeFinder

  /// Reads the cascades.
  ///
  /// - Parameter library: Where they are.
  /// - Throws: `StudioError` when one is missing or damaged.
  public init(library: CascadeLibrary = CascadeLibrary()) throws {
    main = CascadeDetector(try library.cascade("haarcascade_frontalface_alt2"))
    second = CascadeDetector(try library.cascade("haarcascade_frontalface_default"))
    eyeFinder = EyeFinder(
      detectors: [
        CascadeDetector(try library.cascade("haarcascade_eye_tree_eyeglasses")),
        CascadeDetector(try library.cascade("haarcascade_eye")),
      ])
  }

  /// The faces of a picture, the most certain first; the same for every number of threads.
  ///
  /// - Parameters:
  ///   - image: The picture.
  ///   - smallest: The smallest face's width in pixels; nil for a tenth of the picture's shorter
  ///     side, at least 20.
  ///   - findsEyes: Whether eyes are searched too.
  ///   - pool: The threads that share the work.
  /// - Returns: The faces.
  public func faces(
    in image: ByteImage, smallest: Double? = nil, findsEyes: Bool = true,
    pool: ThreadPool = .shared
  ) -> [FoundFace] {
    let gray = DetectionPicture.gray(image)
    let shorter = Double(min(image.width, image.height))
    let border = Int((Self.border * shorter).rounded())
    let padded = Self.padded(gray, image.size, by: border)
    let size = PixelSize(width: image.width + 2 * border, height: image.height + 2 * border)
    let least = smallest ?? max(20, shorter / 10)
    let passes: [(detector: CascadeDetector, step: Double, neighbors: Int)] = [
      (main, 1.1, 3), (main, 1.04, 3), (second, 1.05, 6),
    ]
    for pass in passes {
      let options = DetectionOptions(
        scaleFactor: pass.step, minimumNeighbors: pass.neighbors, smallest: least)
      let found = pass.detector.detections(gray: padded, size: size, options: options, pool: pool)
        .map { detection in
          var box = detection.box.corrected(scale: 1, right: 0, down: Self.downwardShift)
          box.x -= Double(border)
          box.y -= Double(border)
          return FoundFace(box: box, neighbors: detection.neighbors, score: detection.score)
        }
      if found.isEmpty { continue }
      guard findsEyes else { return found }
      return found.map { face in
        var face = face
        face.eyes = eyes(gray: gray, size: image.size, box: face.box, pool: pool)
        return face
      }
    }
    return []
  }

  /// The eyes in a face's box, as for boxes from a file.
  ///
  /// - Parameters:
  ///   - image: The picture.
  ///   - box: A box from brow to chin.
  ///   - pool: The threads that share the work.
  /// - Returns: The eyes; nil where no plausible pair is found.
  public func eyes(
    in image: ByteImage, box: DetectionBox, pool: ThreadPool = .shared
  ) -> EyePair? {
    eyes(gray: DetectionPicture.gray(image), size: image.size, box: box, pool: pool)
  }

  private func eyes(
    gray: [UInt8], size: PixelSize, box: DetectionBox, pool: ThreadPool
  ) -> EyePair? {
    // A box from a file can be anything; one with no area in the picture has no eyes.
    let picture = DetectionBox(
      x: 0, y: 0, width: Double(size.width), height: Double(size.height))
    guard box.width.isFinite, box.height.isFinite, box.width > 0, box.height > 0,
      box.width <= 2 * picture.width, box.height <= 2 * picture.height,
      box.intersection(picture) >= 0.25 * box.area
    else { return nil }
    return eyeFinder.eyes(gray: gray, size: size, box: box, pool: pool)
  }

  /// The picture with its outermost pixels repeated on all sides.
  private static func padded(_ gray: [UInt8], _ size: PixelSize, by border: Int) -> [UInt8] {
    if border == 0 { return gray }
    var result: [UInt8] = []
    result.reserveCapacity((size.width + 2 * border) * (size.height + 2 * border))
    for y in -border..<size.height + border {
      let row = min(max(y, 0), size.height - 1) * size.width
      result += repeatElement(gray[row], count: border)
      result += gray[row..<(row + size.width)]
      result += repeatElement(gray[row + size.width - 1], count: border)
    }
    return result
  }
}
