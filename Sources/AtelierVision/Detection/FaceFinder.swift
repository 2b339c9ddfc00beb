// The faces of a picture: boxes from brow to chin, and the eyes in them.

import AtelierImages
import AtelierKernels

/// A face in a picture.
public struct FoundFace: Sendable, Hashable {
  /// A square from brow to chin; it may reach beyond the picture.
  public var box: PlaneBox
  /// The eyes; nil where no plausible pair was found.
  public var eyes: EyePair?
  /// Eyes, nose and mouth, where the detector tells them.
  public var points: FacePoints?
  /// How many windows were accepted there.
  public var neighbors: Int
  /// By how much the best window passed the cascade's last stage.
  public var score: Float

  /// A face by its box, as from a file of boxes; the detector's figures are 0 then.
  public init(box: PlaneBox, eyes: EyePair? = nil, neighbors: Int = 0, score: Float = 0) {
    self.box = box
    self.eyes = eyes
    self.neighbors = neighbors
    self.score = score
  }

  /// A face that a network has found, `probability` in [0, 1].
  public init(box: PlaneBox, points: FacePoints?, probability: Double) {
    self.init(box: box, eyes: points?.eyes)
    self.points = points
    self.probability = probability
  }

  private var probability: Double?

  /// How sure the detector is, in [0, 1]: as a network says, or n windows give n / (n + 8).
  public var confidence: Double { probability ?? Double(neighbors) / Double(neighbors + 8) }

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

  /// The part around a face in which it is searched in the next frame, as a factor of its size.
  private static let reach = 1.6
  /// The picture goes on beyond its edges by this part of its shorter side.
  private static let border = 0.125

  private let main: CascadeDetector
  private let second: CascadeDetector
  private let eyeFinder: EyeFinder

  /// Reads the cascades.
  ///
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
  /// The smallest face is `smallest` pixels wide, by default a tenth of the picture's shorter side,
  /// at least 20. When `isThorough`, finer steps and another cascade follow where nothing is found,
  /// which takes several times as long.
  public func faces(
    in image: ByteImage, smallest: Double? = nil, findsEyes: Bool = true, isThorough: Bool = true,
    pool: ThreadPool = .shared
  ) -> [FoundFace] {
    let gray = DetectionPicture.gray(image)
    let shorter = Double(min(image.width, image.height))
    let border = Int((Self.border * shorter).rounded())
    let size = PixelSize(width: image.width + 2 * border, height: image.height + 2 * border)
    let padded = Self.cut(gray, image.size, x: -border, y: -border, size)
    let least = smallest ?? max(20, shorter / 10)
    let passes: [(detector: CascadeDetector, step: Double, neighbors: Int)] = [
      (main, 1.1, 3), (main, 1.04, 3), (second, 1.05, 6),
    ]
    for pass in isThorough ? passes : Array(passes.prefix(1)) {
      let options = DetectionOptions(
        scaleFactor: pass.step, minimumNeighbors: pass.neighbors, smallest: least)
      let found = pass.detector.detections(gray: padded, size: size, options: options, pool: pool)
        .map { face($0, right: Double(-border), down: Double(-border)) }
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

  /// The faces of a film's frame near those of a frame before, in their order.
  ///
  /// Only the surroundings of each box are searched, for sizes like its own. Of what is found there
  /// the nearest in place and size counts.
  ///
  /// - Returns: A confirmed face for each box; nil when one is lost, so that all of the frame must
  ///   be searched.
  public func faces(
    in image: ByteImage, near boxes: [PlaneBox], pool: ThreadPool = .shared
  ) -> [FoundFace]? {
    let gray = DetectionPicture.gray(image)
    var faces: [FoundFace] = []
    for box in boxes {
      let around = box.corrected(scale: Self.reach, right: 0, down: 0)
      let (left, top) = (Int(around.x.rounded(.down)), Int(around.y.rounded(.down)))
      let size = PixelSize(
        width: Int(around.width.rounded(.up)), height: Int(around.height.rounded(.up)))
      guard size.width >= 24, size.height >= 24, size.width <= 2 * image.width,
        size.height <= 2 * image.height
      else { return nil }
      let part = Self.cut(gray, image.size, x: left, y: top, size)
      let options = DetectionOptions(
        scaleFactor: 1.1, minimumNeighbors: 3, smallest: box.width / 1.3, largest: box.width * 1.3)
      let found = main.detections(gray: part, size: size, options: options, pool: pool)
      let candidates = found.map { face($0, right: Double(left), down: Double(top)) }
      guard
        var best = candidates.max(by: {
          $0.box.intersectionOverUnion(box) < $1.box.intersectionOverUnion(box)
        }), best.box.intersectionOverUnion(box) >= 0.4
      else { return nil }
      best.eyes = eyes(gray: gray, size: image.size, box: best.box, pool: pool)
      guard best.isConfirmed else { return nil }
      faces.append(best)
    }
    return faces
  }

  /// What a detector has found in a part of the picture that begins at a pixel.
  private func face(_ detection: Detection, right: Double, down: Double) -> FoundFace {
    var box = detection.box.corrected(scale: 1, right: 0, down: Self.downwardShift)
    box.x += right
    box.y += down
    return FoundFace(box: box, neighbors: detection.neighbors, score: detection.score)
  }

  /// The eyes in a face's box from brow to chin, as from a file; nil without a plausible pair.
  public func eyes(in image: ByteImage, box: PlaneBox, pool: ThreadPool = .shared) -> EyePair? {
    eyes(gray: DetectionPicture.gray(image), size: image.size, box: box, pool: pool)
  }

  private func eyes(gray: [UInt8], size: PixelSize, box: PlaneBox, pool: ThreadPool) -> EyePair? {
    // A box from a file can be anything; one with no area in the picture has no eyes.
    let picture = PlaneBox(x: 0, y: 0, width: Double(size.width), height: Double(size.height))
    guard box.width.isFinite, box.height.isFinite, box.width > 0, box.height > 0,
      box.width <= 2 * picture.width, box.height <= 2 * picture.height,
      box.intersection(picture) >= 0.25 * box.area
    else { return nil }
    return eyeFinder.eyes(gray: gray, size: size, box: box, pool: pool)
  }

  /// A part of a picture; beyond the picture's edges its outermost pixels are repeated.
  private static func cut(
    _ gray: [UInt8], _ size: PixelSize, x: Int, y: Int, _ part: PixelSize
  ) -> [UInt8] {
    let before = min(max(0, -x), part.width)
    let after = min(max(0, x + part.width - size.width), part.width)
    var result: [UInt8] = []
    result.reserveCapacity(part.width * part.height)
    for line in y..<y + part.height {
      let row = min(max(line, 0), size.height - 1) * size.width
      result += repeatElement(gray[row], count: before)
      if before + after < part.width {
        result += gray[(row + x + before)..<(row + x + part.width - after)]
      }
      result += repeatElement(gray[row + size.width - 1], count: min(after, part.width - before))
    }
    return result
  }
}
