// The generator of adversarial noise: an encoder, residual blocks and a decoder, as workload E.
//
// The form of AdvGAN's generator: Xiao, Li, Zhu, He, Liu, Song: Generating Adversarial Examples
// with Adversarial Networks (2018); batch normalization in place of instance normalization.

import AtelierEngine
import AtelierKernels

/// Draws a pattern in [−1, 1] for each image; heights and widths are multiples of 4.
public struct NoiseGenerator: Layer {
  /// Residual blocks between encoder and decoder.
  public var blocks: Int

  /// Describes a generator; four blocks are workload E's.
  public init(blocks: Int = 4) { self.blocks = blocks }

  /// [N, H, W, C] gives the same shape, values in [−1, 1].
  public func callAsFunction(_ image: SymbolicTensor) -> SymbolicTensor {
    var x = image
    for (index, (filters, stride)) in [(16, 1), (32, 2), (64, 2)].enumerated() {
      let name = "head\(index + 1)"
      x = normalizedConvolution(x, filters, stride: stride, padding: .symmetric(1), name)
    }
    for index in 1...max(blocks, 1) {
      let inner = normalizedConvolution(x, 64, padding: .symmetric(1), "res\(index)a")
      let outer = normalizedConvolution(
        inner, 64, padding: .symmetric(1), "res\(index)b", isActive: false)
      x = x + outer
    }
    for filters in [32, 16] {
      let grown = TransposedConvolution2D(
        filters: filters, kernel: 3, stride: 2, padding: .symmetric(1), outputPadding: 1,
        hasBias: false, name: "tail\(filters)")(x)
      x = normalized(grown, "tail\(filters)")
    }
    return noiseImage(x, of: image)
  }
}

/// The last convolution of every generator: the image's channels in [−1, 1].
func noiseImage(_ x: SymbolicTensor, of image: SymbolicTensor) -> SymbolicTensor {
  Convolution2D(filters: image.shape.channels, kernel: 3, activation: .tanh, name: "image")(x)
}
