// DCGAN's halves: transposed convolutions that draw, strided convolutions that judge.
//
// Radford, Metz, Chintala: Unsupervised Representation Learning with Deep Convolutional Generative
// Adversarial Networks (2015).

import AtelierEngine
import AtelierKernels

extension GeneratorArchitecture {
  private static let start = Initializer.normal(deviation: 0.02)

  /// [N, latent + classes] gives pictures in [−1, 1].
  func stridedPicture(_ code: SymbolicTensor) -> SymbolicTensor {
    let widths = Array(widths.reversed())
    let (rows, columns) = (height >> levels, width >> levels)
    let dense = Dense(
      units: rows * columns * widths[0], hasBias: false, initializer: Self.start, name: "seed")
    var x = Reshape([rows, columns, widths[0]])(dense(code))
    x = Activate(.relu)(BatchNormalization(name: "seed_norm")(x))
    for (index, filters) in widths.dropFirst().enumerated() {
      let grown = TransposedConvolution2D(
        filters: filters, kernel: 4, stride: 2, padding: .symmetric(1), hasBias: false,
        initializer: Self.start, name: "up\(index + 1)")
      x = Activate(.relu)(BatchNormalization(name: "up\(index + 1)_norm")(grown(x)))
    }
    return TransposedConvolution2D(
      filters: channels, kernel: 4, stride: 2, padding: .symmetric(1), activation: .tanh,
      initializer: Self.start, name: "picture")(x)
  }

  /// Pictures in [−1, 1] give [N, features].
  func stridedFeatures(
    _ picture: SymbolicTensor, _ normalization: CriticNormalization
  ) -> SymbolicTensor {
    var x = picture
    for (index, filters) in widths.enumerated() {
      let name = "down\(index + 1)"
      // Where a normalization follows, the bias would be taken away again; DCGAN's first has none.
      let isNormalized = normalization == .batch && index > 0
      x = Convolution2D(
        filters: filters, kernel: 4, stride: 2, padding: .symmetric(1), hasBias: !isNormalized,
        initializer: normalization == .batch ? Self.start : .heNormal, name: name
      ).spectrallyNormalized(normalization == .spectral)(x)
      if isNormalized { x = BatchNormalization(name: "\(name)_norm")(x) }
      x = Activate(.leakyReLU(slope: 0.2))(x)
    }
    return Flatten()(x)
  }
}
