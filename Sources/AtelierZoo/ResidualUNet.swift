// DRUNet's form: residual blocks, strided down, transposed up, a noise-level map.
//
// Zhang, Li, Zuo, Zhang, Van Gool, Timofte: Plug-and-Play Image Restoration with Deep Denoiser
// Prior (2021).

import AtelierEngine
import AtelierKernels

/// A residual U-Net without biases that adds its correction to the image.
///
/// Inputs: `input` [N, H, W, channels] in [0, 1] and `noise` [N, H, W, 1], the map of the noise's
/// deviation on the same scale.
public struct ResidualUNet: Architecture {
  public static let name = "residual-unet"
  /// Image channels: 1 gray, 3 RGB.
  public var channels: Int
  /// Filters of each level, outermost first.
  public var widths: [Int]
  /// Residual blocks a level and side.
  public var blocks: Int

  /// Describes a residual U-Net; DRUNet itself has widths 64, 128, 256, 512 and 4 blocks.
  public init(channels: Int, widths: [Int] = [32, 64, 128], blocks: Int = 2) {
    self.channels = channels
    self.widths = widths
    self.blocks = blocks
  }

  public var granularity: Int { 1 << (widths.count - 1) }

  /// Two 3×3 kernels a block and side at each level's scale, plus head, tail and resampling.
  public var receptiveRadius: Int {
    widths.indices.reduce(2) { sum, level in
      sum + (level == widths.count - 1 ? 1 : 2) * (2 * blocks + 1) << level
    }
  }

  public func graph(batch: Int, height: Int, width: Int) throws(ShapeError) -> Graph {
    try checkLevels()
    return try Graph.trace { builder in
      let image = builder.input("input", [batch, height, width, channels])
      let noise = builder.input("noise", [batch, height, width, 1])
      builder.output("output", denoised(image, noise: noise))
    }
  }

  func checkLevels() throws(ShapeError) {
    if widths.isEmpty { throw ShapeError("a U-Net has at least one level") }
  }

  /// The image with its correction added.
  func denoised(_ image: SymbolicTensor, noise: SymbolicTensor) -> SymbolicTensor {
    var x = convolution(widths[0], "head")(concatenate(image, noise))
    var skips: [SymbolicTensor] = []
    for level in widths.indices.dropLast() {
      x = residualBlocks(x, widths[level], "down\(level + 1)")
      skips.append(x)
      x = Convolution2D(
        filters: widths[level + 1], kernel: 2, stride: 2, padding: .valid, hasBias: false,
        initializer: .scaledUniform(gain: 1 / 3), name: "shrink\(level + 1)")(x)
    }
    x = residualBlocks(x, widths[widths.count - 1], "middle")
    for level in widths.indices.dropLast().reversed() {
      let grown = TransposedConvolution2D(
        filters: widths[level], kernel: 2, stride: 2, padding: .valid, hasBias: false,
        initializer: .scaledUniform(gain: 1 / 3), name: "grow\(level + 1)")(x)
      x = residualBlocks(grown + skips[level], widths[level], "up\(level + 1)")
    }
    return image + convolution(channels, "tail")(x)
  }

  /// A 3×3 convolution without bias, started small: variance 1 / (3 · in), PyTorch's default, so
  /// that residual sums stay tame.
  private func convolution(
    _ filters: Int, _ name: String, activation: Activation = .identity
  ) -> Convolution2D {
    Convolution2D(
      filters: filters, kernel: 3, hasBias: false, activation: activation,
      initializer: .scaledUniform(gain: 1 / 3), name: name)
  }

  private func residualBlocks(
    _ input: SymbolicTensor, _ filters: Int, _ name: String
  ) -> SymbolicTensor {
    (1...max(blocks, 1)).reduce(input) { x, block in
      let inner = convolution(filters, "\(name)/block\(block)/first", activation: .relu)(x)
      return x + convolution(filters, "\(name)/block\(block)/second")(inner)
    }
  }
}
