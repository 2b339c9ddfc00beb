// A trained Mask R-CNN at work: pictures of any size in, objects with masks out, and the four outputs of segmentation.

import AtelierDatasets
import AtelierEngine
import AtelierImages
import AtelierKernels
import AtelierZoo
import Foundation

/// A Mask R-CNN, ready for pictures of any size.
///
/// Used by one thread at a time. Programs are planned once per picture size and a few are kept.
public final class MaskRCNNSegmenter {
  /// What the model is.
  public let model: MaskRCNNModel
  private let detector: MaskRCNNDetector

  /// The longest side that the network sees unless told otherwise; larger pictures are shrunk to it.
  public static let usualLimit = 1024

  /// Takes a model.
  ///
  /// - Parameters:
  ///   - model: The model.
  ///   - kernels: Instruction set and threads.
  /// - Throws: `ShapeError` when there is no memory for its weights.
  public init(_ model: MaskRCNNModel, kernels: Kernels = Kernels()) throws {
    self.model = model
    detector = try model.detector(kernels: kernels)
  }

  /// Finds the objects of a picture.
  ///
  /// - Parameters:
  ///   - picture: Any size and any channels; alpha is laid over white.
  ///   - options: Which objects.
  ///   - longestSide: A picture with a longer side is shrunk to this one for the network; boxes and masks come in the picture's
  ///     own pixels all the same.
  /// - Returns: The objects, surest first.
  /// - Throws: `ShapeError` when there is no memory for the picture.
  public func objects(
    in picture: ByteImage, _ options: ObjectSelection = ObjectSelection(),
    longestSide: Int = MaskRCNNSegmenter.usualLimit
  ) throws -> [MaskedObject] {
    try detector.objects(in: picture, model.reading, options, longestSide: longestSide)
  }
}
