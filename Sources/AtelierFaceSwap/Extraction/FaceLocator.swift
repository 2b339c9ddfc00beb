// Where the faces of a picture are: searched, read from boxes or alignments, or the picture itself.

import AtelierImages
import AtelierKernels
import AtelierVision
import AtelierWorkbench

/// A face of a picture and how it lies in a crop.
public struct LocatedFace: Sendable, Hashable {
  /// The face from brow to chin, in pixels of the picture.
  public let box: PlaneBox
  /// The eyes, where they were found.
  public let eyes: EyePair?
  /// Eyes, nose and mouth, where the detector tells them.
  public let points: FacePoints?
  /// How sure the detector was, in [0, 1]; 1 for faces from a file.
  public let confidence: Double
  /// From the picture to the crop and back.
  public let alignment: AlignedFace

  /// A face; see the properties.
  package init(
    box: PlaneBox, eyes: EyePair?, points: FacePoints? = nil, confidence: Double,
    alignment: AlignedFace
  ) {
    self.box = box
    self.eyes = eyes
    self.points = points
    self.confidence = confidence
    self.alignment = alignment
  }
}

/// Finds the faces of pictures and of films' frames, the same for every number of threads.
public struct FaceLocator: Sendable {
  /// Where faces come from.
  public enum Origin: Sendable {
    /// From a search.
    case search(any FaceDetector)
    /// From boxes; their eyes are searched where there is a finder.
    case boxes(BoxTable, (any FaceDetector)?)
    /// From the alignments of a former extraction.
    case alignments(FaceAlignments)
    /// Each picture is an aligned crop.
    case crops
  }

  /// What is asked of a face.
  public struct Options: Sendable, Hashable, Codable {
    /// The smallest face's width in pixels; nil for a tenth of the picture's shorter side.
    public var smallest: Double?
    /// The most faces of a picture, the most certain first; nil for all.
    public var mostFaces: Int?
    /// The least confidence, in [0, 1].
    public var leastConfidence = 0.0
    /// Whether crops are laid by the eyes where these are found; otherwise by the boxes alone.
    public var usesEyes = true
    /// Whether crops are laid by five points where the detector tells them.
    public var usesPoints = true

    /// All faces, laid by their eyes.
    public init() {}
  }

  /// Where faces come from.
  public let origin: Origin
  /// What is asked of them.
  public let options: Options
  /// How faces lie in crops.
  public let aligner: FaceAligner

  private var entries = SourceTable<LocatedFace>()

  /// Describes a way to find faces.
  public init(_ origin: Origin, options: Options = Options(), aligner: FaceAligner = .init()) {
    self.origin = origin
    self.options = options
    self.aligner = aligner
    guard case .alignments(let list) = origin else { return }
    let scale = AffineMap.scaling(Double(aligner.size) / Double(list.cropSize))
    for face in list.faces {
      let matrix = face.matrix.followed(by: scale)
      guard let alignment = AlignedFace(basis: face.basis, matrix: matrix) else { continue }
      entries.append(
        LocatedFace(
          box: face.box, eyes: face.eyes, points: face.points, confidence: face.confidence,
          alignment: alignment),
        to: face.source, frame: face.frame)
    }
  }

  /// The faces of a picture, or of a film's frame from 0, that meet the options, the most certain
  /// first.
  ///
  /// The search begins near `former`, the faces of a film's frame shortly before, and is less
  /// thorough where there were none. Throws when a network that looks for them cannot be run.
  public func faces(
    in image: ByteImage, of path: String, frame: Int? = nil, former: [PlaneBox]? = nil,
    pool: ThreadPool = .shared
  ) throws -> [LocatedFace] {
    let found: [LocatedFace]
    switch origin {
    case .search(let finder):
      let near = try former.flatMap {
        $0.isEmpty ? nil : try finder.faces(in: image, near: $0, pool: pool)
      }
      let faces =
        try near
        ?? finder.faces(
          in: image, smallest: options.smallest, isThorough: former?.isEmpty != true, pool: pool)
      found = faces.compactMap { located($0, confidence: $0.confidence) }
    case .boxes(let table, let finder):
      found = try table.boxes(of: path, frame: frame).compactMap { box in
        let eyes = options.usesEyes ? try finder?.eyes(in: image, box: box, pool: pool) : nil
        return located(FoundFace(box: box, eyes: eyes), confidence: 1)
      }
    case .alignments: found = entries[path, frame]
    case .crops: found = crop(image).map { [$0] } ?? []
    }
    let kept = found.filter { $0.confidence >= options.leastConfidence }
    return options.mostFaces.map { Array(kept.prefix($0)) } ?? kept
  }

  private func located(_ face: FoundFace, confidence: Double) -> LocatedFace? {
    var face = face
    if !options.usesEyes { face.eyes = nil }
    if !options.usesEyes || !options.usesPoints { face.points = nil }
    return aligner.alignment(of: face).map {
      LocatedFace(
        box: face.box, eyes: face.eyes, points: face.points, confidence: confidence, alignment: $0)
    }
  }

  /// The whole picture as a crop, its shorter side filled.
  private func crop(_ image: ByteImage) -> LocatedFace? {
    let side = Double(min(image.width, image.height))
    let left = (Double(image.width) - side) / 2
    let top = (Double(image.height) - side) / 2
    let scale = Double(aligner.size) / side
    let matrix = AffineMap.scaling(scale, x: -scale * left, y: -scale * top)
    guard let alignment = AlignedFace(basis: .box, matrix: matrix) else { return nil }
    let face = aligner.faceBox.followed(by: alignment.inverse)
    let (first, last) = (face(PlanePoint(0, 0)), face(PlanePoint(1, 1)))
    let box = PlaneBox(x: first.x, y: first.y, width: last.x - first.x, height: last.y - first.y)
    return LocatedFace(box: box, eyes: nil, confidence: 1, alignment: alignment)
  }
}
