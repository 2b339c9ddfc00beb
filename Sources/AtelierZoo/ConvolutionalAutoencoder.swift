// The course's denoising autoencoder: max pooling down, mirrored unpooling up, no skips.
//
// Vincent, Larochelle, Bengio, Manzagol: Extracting and Composing Robust Features with Denoising
// Autoencoders (2008); unpooling through switches: Zeiler and Fergus, Visualizing and Understanding
// Convolutional Networks (2014).

import AtelierEngine
import AtelierKernels

/// An encoder of convolutions and max pools and a decoder that mirrors it.
///
/// All four unpoolings have exactly the same number of parameters: `transposed` replaces an
/// unpooling and the 3×3 convolution after it by one 3×3 transposed convolution of stride 2.
public struct ConvolutionalAutoencoder: Architecture {
  public static let name = "autoencoder"
  /// Image channels: 1 gray, 3 RGB.
  public var channels: Int
  /// Filters of each encoder level, outermost first.
  public var widths: [Int]
  /// How the decoder enlarges.
  public var unpooling: Unpooling

  /// Describes an autoencoder.
  public init(channels: Int, widths: [Int] = [32, 64, 128], unpooling: Unpooling = .max) {
    self.channels = channels
    self.widths = widths
    self.unpooling = unpooling
  }

  public var granularity: Int { 1 << widths.count }

  /// Each level adds two 3×3 kernels at its scale, and a pooling window.
  public var receptiveRadius: Int { 4 * (1 << widths.count) }

  public func graph(batch: Int, height: Int, width: Int) throws(ShapeError) -> Graph {
    guard !widths.isEmpty else { throw ShapeError("an autoencoder has at least one level") }
    return try Graph.trace { builder in
      var x = builder.input("input", [batch, height, width, channels])
      for (level, filters) in widths.enumerated() {
        x = Convolution2D(
          filters: filters, kernel: 3, activation: .relu, name: "encoder\(level + 1)")(x)
        x = MaxPool2D(name: "pool\(level + 1)")(x)
      }
      for level in widths.indices.reversed() {
        let filters = level == 0 ? channels : widths[level - 1]
        x = decoderLevel(x, level: level + 1, filters: filters, isLast: level == 0)
      }
      builder.output("output", x)
    }
  }

  private func decoderLevel(
    _ input: SymbolicTensor, level: Int, filters: Int, isLast: Bool
  ) -> SymbolicTensor {
    let activation: Activation = isLast ? .identity : .relu
    let name = "decoder\(level)"
    guard let x = unpooling.unpooled(input, level: level) else {
      return TransposedConvolution2D(
        filters: filters, kernel: 3, stride: 2, padding: .same, activation: activation, name: name
      )(input)
    }
    return Convolution2D(filters: filters, kernel: 3, activation: activation, name: name)(x)
  }
}
