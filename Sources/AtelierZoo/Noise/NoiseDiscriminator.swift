// The judge of AdvGAN: tells pictures with noise from pictures without.
//
// Xiao, Li, Zhu, He, Liu, Song: Generating Adversarial Examples with Adversarial Networks (2018),
// the form of its public reimplementations without batch normalization.

import AtelierEngine
import AtelierKernels

/// Convolutions 4×4 with stride 2 of 8, 16 and 32 filters and one dense output.
public struct NoiseDiscriminator: Layer {
  /// [N, H, W, C] gives [N, 1]: near 1 for a picture that looks clean, near 0 for one with noise.
  public func callAsFunction(_ image: SymbolicTensor) -> SymbolicTensor {
    var x = image
    for (index, filters) in [8, 16, 32].enumerated() {
      x = Convolution2D(
        filters: filters, kernel: 4, stride: 2, padding: .symmetric(1),
        activation: .leakyReLU(slope: 0.2), name: "judge\(index + 1)")(x)
    }
    return Dense(units: 1, name: "verdict")(Flatten()(x))
  }

  /// The graph from `input` of the shape [batch, height, width, channels] to `output` [batch, 1].
  ///
  /// - Throws: `ShapeError` when the pictures are too small.
  public static func graph(_ shape: Shape) throws(ShapeError) -> Graph {
    try Graph.trace { builder in
      builder.output("output", NoiseDiscriminator()(builder.input("input", shape)))
    }
  }
}
