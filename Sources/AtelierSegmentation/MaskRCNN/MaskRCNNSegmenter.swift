// A trained Mask R-CNN at work: pictures of any size in, objects with masks out, and the four outputs of segmentation.

import AtelierDatasets
import AtelierFiles
import AtelierImages
import AtelierKernels
import AtelierWorkbench

/// A Mask R-CNN, ready for pictures of any size, a few programs of which are kept; used by one
/// thread at a time.
public final class MaskRCNNSegmenter {
  public let model: MaskRCNNModel
  private let detector: MaskRCNNDetector

  /// The longest side that the network sees unless told otherwise; larger pictures are shrunk to it.
  public static let usualLimit = 1024

  /// Takes a model; throws `ShapeError` when there is no memory for its weights.
  public init(_ model: MaskRCNNModel, kernels: Kernels = Kernels()) throws {
    self.model = model
    detector = try model.detector(kernels: kernels)
  }

  /// Finds the objects of a picture of any size and channels, surest first, in its own pixels, also
  /// where a longer side than the longest is shrunk for the network; throws `ShapeError` when there
  /// is no memory for it.
  public func objects(
    in picture: ByteImage, _ options: ObjectSelection = ObjectSelection(),
    longestSide: Int = MaskRCNNSegmenter.usualLimit
  ) throws -> [MaskedObject] {
    try detector.objects(in: picture, model.reading, options, longestSide: longestSide)
  }
}

extension MaskRCNNSegmenter: ObjectSegmenter {
  public var methodName: String { "Mask R-CNN" }
  public var classNames: [String] { model.classNames }
  public var usualScore: Float { ObjectSelection().score }
  public var stretchesContrast: Bool { model.reading.stretchesContrast }
  public func objects(in picture: ByteImage, _ look: ObjectLook) throws -> [EncodedObject] {
    try StudioError.unless(
      !look.isFlipAveraged && look.scales == [1], .usage,
      "--flip and --scales are for star networks and for classes of pixels; a Mask R-CNN looks once"
    )
    return try objects(in: picture, look.selection).map { EncodedObject($0) }
  }
}
