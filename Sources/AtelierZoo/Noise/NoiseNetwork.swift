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

  /// The graph from `input` of a shape [batch, height, width, channels] in [0, 1] to `output` of
  /// the same shape in [−1, 1].
  ///
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
  /// [N, H, W, C] gives the same shape, values in [−1, 1].
  public func callAsFunction(_ image: SymbolicTensor) -> SymbolicTensor {
    noiseImage(uNetLevels(image, [16, 32, 64], initializer: .heNormal), of: image)
  }
}

/// Four residual blocks of 32 filters at full size that end in tanh.
public struct NoiseResNet: Layer {
  /// [N, H, W, C] gives the same shape, values in [−1, 1].
  public func callAsFunction(_ image: SymbolicTensor) -> SymbolicTensor {
    func convolution(
      _ x: SymbolicTensor, _ name: String, isActive: Bool = true
    ) -> SymbolicTensor {
      normalizedConvolution(x, 32, initializer: .heNormal, name, isActive: isActive)
    }
    var x = convolution(image, "head")
    for index in 1...4 {
      let inner = convolution(x, "res\(index)a")
      x = x + convolution(inner, "res\(index)b", isActive: false)
    }
    return noiseImage(x, of: image)
  }
}
