// Residual blocks that draw and judge pictures.
//
// Gulrajani, Ahmed, Arjovsky, Dumoulin, Courville: Improved Training of Wasserstein GANs (2017), in
// the form of Miyato and others (2018).

import AtelierEngine
import AtelierKernels

extension GeneratorArchitecture {
  /// [N, latent + classes] gives pictures in [−1, 1].
  func residualPicture(_ code: SymbolicTensor) -> SymbolicTensor {
    let widths = Array(widths.reversed())
    let (rows, columns) = (height >> levels, width >> levels)
    let dense = Dense(units: rows * columns * widths[0], name: "seed")
    var x = Reshape([rows, columns, widths[0]])(dense(code))
    for (index, filters) in widths.enumerated() { x = upBlock(x, filters, "up\(index + 1)") }
    x = Activate(.relu)(BatchNormalization(name: "picture_norm")(x))
    return Convolution2D(filters: channels, kernel: 3, activation: .tanh, name: "picture")(x)
  }

  /// Twice the size: the convolutions beside an enlarged copy.
  private func upBlock(_ x: SymbolicTensor, _ filters: Int, _ name: String) -> SymbolicTensor {
    let active = Activate(.relu)(BatchNormalization(name: "\(name)a_norm")(x))
    let grown = Convolution2D(
      filters: filters, kernel: 3, hasBias: false, initializer: .heNormal, name: "\(name)a")(
        NearestUnpool2D()(active))
    let again = Activate(.relu)(BatchNormalization(name: "\(name)b_norm")(grown))
    let change = Convolution2D(
      filters: filters, kernel: 3, initializer: .heNormal, name: "\(name)b")(
        again)
    // 1×1 and copying change places freely; the smaller picture is cheaper.
    let copy = Convolution2D(filters: filters, kernel: 1, hasBias: false, name: "\(name)_copy")(x)
    return change + NearestUnpool2D()(copy)
  }

  /// Pictures in [−1, 1] give [N, features].
  func residualFeatures(_ picture: SymbolicTensor, isSpectral: Bool) -> SymbolicTensor {
    var x = picture
    for (index, filters) in widths.enumerated() {
      x = downBlock(x, filters, "down\(index + 1)", isFirst: index == 0, isSpectral)
    }
    x = Activate(.relu)(x)
    let pixels = Float(x.shape.height * x.shape.width)
    // The sum over the pixels, as the papers have it.
    return pixels * GlobalAveragePool2D()(x)
  }

  /// Half the size: the convolutions beside an averaged copy; the first sees raw pixels.
  private func downBlock(
    _ x: SymbolicTensor, _ filters: Int, _ name: String, isFirst: Bool, _ isSpectral: Bool
  ) -> SymbolicTensor {
    func convolution(_ kernel: Extent, _ part: String) -> Convolution2D {
      Convolution2D(filters: filters, kernel: kernel, initializer: .heNormal, name: name + part)
        .spectrallyNormalized(isSpectral)
    }
    let begin = isFirst ? x : Activate(.relu)(x)
    let inner = convolution(3, "a")(begin)
    let change = AveragePool2D()(convolution(3, "b")(Activate(.relu)(inner)))
    return change + convolution(1, "_copy")(AveragePool2D()(x))
  }
}
