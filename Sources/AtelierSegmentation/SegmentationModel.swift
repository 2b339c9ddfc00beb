// A segmentation model of either kind behind one face: classes for pixels, or objects with masks.

import AtelierDatasets
import AtelierFiles
import AtelierImages
import AtelierInterchange
import AtelierKernels
import AtelierWorkbench
import Foundation

/// A model that segments pictures, whatever its kind; used by one thread at a time.
public enum SegmentationModel {
  /// A class for every pixel.
  case semantic(Segmenter)
  /// Objects, each with a mask of its own.
  case objects(any ObjectSegmenter)

  /// How a picture is segmented.
  public struct Options: Sendable {
    /// Mirroring and tiles of a semantic model.
    public var semantic = Segmenter.Options()
    /// The least score of an object, or the least probability of a pixel's class; nil for what is
    /// usual: 0 for pixels, for objects what the model says.
    public var threshold: Float?
    /// The most objects of a picture: as many as a 16-bit picture can number.
    public var most = 65_535
    /// The names of the classes to keep; nil for all.
    public var classes: [String]?

    public init() {}
  }

  /// Reads a model file; throws `SafetensorsError` when it cannot be read, `StudioError` when it is
  /// a model of something else.
  public init(contentsOf url: URL, kernels: Kernels = Kernels()) throws {
    let model = try ModelFile.read(from: url)
    if model.information.architecture == StarModel.architecture {
      self = .objects(try StarSegmenter(StarModel(model, name: url.relativePath), kernels: kernels))
    } else if model.information.task == MaskRCNNModel.task {
      self = .objects(
        try MaskRCNNSegmenter(MaskRCNNModel(model, name: url.relativePath), kernels: kernels))
    } else {
      self = .semantic(try Segmenter(model, kernels: kernels))
    }
  }

  /// Names and colours of the labels; those of objects begin with the background.
  public var palette: ClassPalette {
    switch self {
    case .semantic(let segmenter): segmenter.palette
    case .objects(let segmenter): .objects(segmenter.classNames)
    }
  }

  /// Whether the model sees pictures with their contrast stretched to the full range.
  var stretchesContrast: Bool {
    if case .objects(let segmenter) = self { segmenter.stretchesContrast } else { false }
  }

  /// Labels, confidence and objects of a picture of any size and channels; throws `StudioError` of
  /// kind `usage` for a class that the model does not know, `ShapeError` when there is no memory
  /// for the picture.
  public func outcome(
    of picture: ByteImage, _ options: Options = Options()
  ) throws -> SegmentationOutcome {
    let kept = try options.classes.map { Set(try $0.map(palette.names.index(ofClass:))) }
    switch self {
    case .semantic(let segmenter):
      var semantic = options.semantic
      semantic.threshold = options.threshold ?? 0
      var found = try segmenter.segment(picture, semantic)
      if let kept { found = found.keeping(kept) }
      return SegmentationOutcome(
        labels: found.labels, confidence: found.confidence, palette: palette)
    case .objects(let segmenter):
      var look = ObjectLook()
      look.selection.score = options.threshold ?? segmenter.usualScore
      look.selection.limit = options.most
      look.isFlipAveraged = options.semantic.isFlipAveraged
      look.scales = options.semantic.scales
      look.tileSize = options.semantic.tileSize
      let objects = try segmenter.objects(in: picture, look).filter {
        kept?.contains($0.classIndex + 1) ?? true
      }
      return try SegmentationOutcome(objects: objects, size: picture.size)
    }
  }
}

extension SegmentationOutcome {
  /// Name, pixels and mean confidence of each label that has pixels, most pixels first.
  public func shares(_ palette: ClassPalette) -> [(name: String, pixels: Int, confidence: Double)] {
    let found = SemanticSegmentation(labels: labels, confidence: confidence)
    return zip(palette.names, found.classShares(palette.count))
      .map { (name: $0, pixels: $1.pixels, confidence: $1.confidence) }
      .filter { $0.pixels > 0 }.sorted { $0.pixels > $1.pixels }
  }
}
