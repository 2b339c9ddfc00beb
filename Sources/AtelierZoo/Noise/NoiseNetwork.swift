// The generators of adversarial noise as one value, for the command line and for run folders.

import AtelierEngine
import AtelierKernels

/// The networks that draw noise, by name.
public enum NoiseNetwork: String, Sendable, Hashable, Codable, CaseIterable {
  /// Workload E's: strided down, four residual blocks, transposed up.
  case encoderDecoder = "encoder-decoder"
  /// A U-Net with skips.
  case unet
  /// Residual blocks at full size.
  case resnet

  /// The numbers of which heights and widths must be multiples.
  public var granularity: Int { self == .resnet ? 1 : 4 }

  /// The graph for a batch of pictures.
  ///
  /// - Parameter shape: [batch, height, width, channels].
  /// - Returns: A graph with input `input` of that shape in [0, 1] and output `output` of the same
  ///   shape in [−1, 1].
  /// - Throws: `ShapeError` when height or width is no multiple of `granularity`.
  public func graph(_ shape: Shape) throws(ShapeError) -> Graph {
    guard shape.rank == 4, shape.height % granularity == 0, shape.width % granularity == 0 else {
      throw ShapeError(
        "generator \(rawValue): expected heights and widths that are multiples of \(granularity); "
          + "received \(shape)")
    }
    return try Graph.trace { builder in
      let image = builder.input("input", shape)
      let layer: any Layer =
        switch self {
        case .encoderDecoder: NoiseGenerator()
        case .unet: NoiseUNet()
        case .resnet: NoiseResNet()
        }
      builder.output("output", layer(image))
    }
  }
}

/// A U-Net of widths 16, 32, 64 with batch normalization that ends in tanh.
public struct NoiseUNet: Layer {
  /// Makes the network.
  public init() {}

  /// [N, H, W, C] gives the same shape, values in [−1, 1].
  public func callAsFunction(_ image: SymbolicTensor) -> SymbolicTensor {
    let widths = [16, 32, 64]
    var skips: [SymbolicTensor] = []
    var x = image
    for (level, width) in widths.enumerated() {
      x = block(x, width, "down\(level)")
      if level < widths.count - 1 {
        skips.append(x)
        x = MaxPool2D(name: "pool\(level)")(x)
      }
    }
    for (level, skip) in skips.enumerated().reversed() {
      let grown = TransposedConvolution2D(
        filters: widths[level], kernel: 2, stride: 2, padding: .valid, name: "grow\(level)")(x)
      x = block(concatenate(grown, skip), widths[level], "up\(level)")
    }
    return Convolution2D(
      filters: image.shape.channels, kernel: 3, activation: .tanh, name: "image")(x)
  }

  private func block(_ input: SymbolicTensor, _ width: Int, _ name: String) -> SymbolicTensor {
    ["first", "second"].reduce(input) { x, half in
      normalizedConvolution(x, width, "\(name)/\(half)", isActive: true)
    }
  }
}

/// Four residual blocks of 32 filters at full size that end in tanh.
public struct NoiseResNet: Layer {
  /// Makes the network.
  public init() {}

  /// [N, H, W, C] gives the same shape, values in [−1, 1].
  public func callAsFunction(_ image: SymbolicTensor) -> SymbolicTensor {
    var x = normalizedConvolution(image, 32, "head", isActive: true)
    for index in 1...4 {
      let inner = normalizedConvolution(x, 32, "res\(index)a", isActive: true)
      x = x + normalizedConvolution(inner, 32, "res\(index)b", isActive: false)
    }
    return Convolution2D(
      filters: image.shape.channels, kernel: 3, activation: .tanh, name: "image")(x)
  }
}

/// A 3×3 convolution without bias, its batch normalization, and a ReLU where asked for.
private func normalizedConvolution(
  _ x: SymbolicTensor, _ filters: Int, _ name: String, isActive: Bool
) -> SymbolicTensor {
  let convolved = Convolution2D(
    filters: filters, kernel: 3, hasBias: false, initializer: .heNormal, name: name)(x)
  let normalized = BatchNormalization(name: "\(name)/norm")(convolved)
  return isActive ? Activate(.relu, name: "\(name)/relu")(normalized) : normalized
}
