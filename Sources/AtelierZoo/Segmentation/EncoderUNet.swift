// A U-Net whose way down is another network's layers, such as those of a trained classifier.
//
// Ronneberger, Fischer, Brox: U-Net: Convolutional Networks for Biomedical Image Segmentation
// (2015); the way down of VGG-16 and of ResNets: Iglovikov, Shvets: TernausNet (2018).

import AtelierEngine
import AtelierKernels

/// Pictures down through an encoder, up through transposed convolutions with a skip at each scale.
public struct EncoderUNet: Sendable {
  /// The layers of the way down, from pictures to their smallest features.
  public var encoder: Graph
  /// Outputs a pixel.
  public var classes: Int
  /// Filters at the picture's own scale; twice as many at each smaller one, up to eight times.
  public var width: Int
  /// What stands before the names of the encoder's layers and parameters.
  public static let encoderPrefix = "encoder/"

  /// Describes a network; the encoder has an input `input` and ends with a picture of features.
  public init(encoder: Graph, classes: Int, width: Int = 16) {
    self.encoder = encoder
    self.classes = classes
    self.width = width
  }

  /// The numbers of which heights and widths must be multiples: those of five halvings.
  public var granularity: Int { 32 }

  /// Deep encoders see hundreds of pixels; further away hardly anything matters.
  public var receptiveRadius: Int { 256 }

  /// The graph for a batch of pictures with sides that are multiples of `granularity`.
  ///
  /// - Returns: A graph with input `input` [batch, height, width, channels] in [0, 1] and output
  ///   `output` [batch, height, width, classes], the logits.
  /// - Throws: `ShapeError` when the encoder makes nothing smaller, or does not take the pictures.
  public func graph(batch: Int = 1, height: Int, width columns: Int) throws(ShapeError) -> Graph {
    guard let input = encoder.input(named: "input"), encoder.values[input].shape.rank == 4 else {
      throw ShapeError("an encoder takes pictures; this one has no input of them")
    }
    let channels = encoder.values[input].shape.channels
    return try Graph.trace { builder in
      let image = builder.input("input", [batch, height, columns, channels])
      // The last features of each scale.
      var levels: [Int: SymbolicTensor] = [:]
      _ = builder.call(encoder, ["input": image], prefix: Self.encoderPrefix) { _, features in
        let shape = features.shape
        guard shape.rank == 4, shape.channels > 4, height % shape.height == 0 else {
          return features
        }
        let scale = height / shape.height
        if scale.nonzeroBitCount == 1, shape.width * scale == columns { levels[scale] = features }
        return features
      }
      guard var scale = levels.keys.max(), scale > 1, var x = levels[scale] else {
        builder.fail("the encoder leaves no smaller features of pictures of \(height)x\(columns)")
        return
      }
      while scale > 1 {
        scale /= 2
        let filters = min(width * scale, 8 * width)
        x = TransposedConvolution2D(
          filters: filters, kernel: 2, stride: 2, padding: .valid, name: "grow\(scale)")(x)
        if let skip = levels[scale] { x = concatenate(x, skip) }
        for half in ["first", "second"] {
          x = normalizedConvolution(x, filters, "up\(scale)/\(half)")
        }
      }
      builder.output("output", Convolution2D(filters: classes, kernel: 1, name: "head")(x))
    }
  }
}
