// A residual U-Net with a small network beside it that says how noisy each part of a picture is.
//
// Guo, Yan, Zhang, Zuo, Zhang: Toward Convolutional Blind Denoising of Real Photographs (2019): the
// estimate of the noise is a network and a loss of its own. Here it works on blocks of 4×4 pixels,
// which costs a twentieth, and gives the root of the deviation, so that weak noise counts as well.

import AtelierEngine
import AtelierKernels

/// A denoiser of photographs, which are as noisy as their brightness, their camera and its
/// processing made them.
///
/// Inputs: `input` [N, H, W, channels] in [0, 1] and `noise` [N, H, W, 1], the map of the noise's
/// deviation on the same scale. Outputs: `output`, the picture without its noise, and `level`
/// [N, H / 4, W / 4, 1], the root of the deviation as estimated from `input` alone. The two share
/// nothing: whoever runs them may change the map in between.
public struct BlindUNet: Architecture {
  public static let name = "blind-unet"
  /// How many pixels across a value of `level` stands for.
  public static let levelBlock = 4
  /// How far the estimate looks, in pixels.
  public static let estimateRadius = 24
  /// The weight of the estimate's loss beside the picture's.
  private static let levelWeight: Float = 0.1

  /// Image channels: 1 gray, 3 RGB.
  public var channels: Int
  /// Filters of each level, outermost first.
  public var widths: [Int]
  /// Residual blocks a level and side.
  public var blocks: Int

  /// Describes a blind U-Net.
  public init(channels: Int, widths: [Int] = [32, 64, 128], blocks: Int = 2) {
    self.channels = channels
    self.widths = widths
    self.blocks = blocks
  }

  private var denoiser: ResidualUNet {
    ResidualUNet(channels: channels, widths: widths, blocks: blocks)
  }

  public var granularity: Int { max(denoiser.granularity, Self.levelBlock) }
  public var receptiveRadius: Int { denoiser.receptiveRadius }

  public func graph(batch: Int, height: Int, width: Int) throws(ShapeError) -> Graph {
    try denoiser.checkLevels()
    return try Graph.trace { builder in
      let image = builder.input("input", [batch, height, width, channels])
      let noise = builder.input("noise", [batch, height, width, 1])
      builder.output("output", denoiser.denoised(image, noise: noise))
      builder.output("level", estimate(image))
    }
  }

  /// The graph that trains both at once: the denoiser takes trust · its own estimate + noise.
  ///
  /// Inputs beside `input` and `target`: `trust` and `noise` [N, H, W, 1] and `level` as the graph
  /// gives it. Outputs: `loss` and `output`.
  public func trainingGraph(
    batch: Int, height: Int, width: Int, loss: Loss
  ) throws(ShapeError) -> Graph {
    try denoiser.checkLevels()
    let map: Shape = [batch, height, width, 1]
    let traced = try Graph.trace { builder in
      let image = builder.input("input", [batch, height, width, channels])
      let (noise, trust) = (builder.input("noise", map), builder.input("trust", map))
      let level = estimate(image)
      let deviation = BilinearUpsample2D(
        factor: Extent(Self.levelBlock), name: "estimate/spread")(level * level)
      builder.output("output", denoiser.denoised(image, noise: trust * deviation + noise))
      builder.output("level", level)
    }
    return try traced.specialized(for: .train).extended { builder, symbols in
      guard let output = symbols["output"], let level = symbols["level"] else { return }
      let (target, wanted) = (
        builder.input("target", output.shape), builder.input("level", level.shape)
      )
      builder.output(
        "loss",
        loss(output, target) + Self.levelWeight * Loss.absoluteError(level, wanted))
      builder.output("output", output)
    }.differentiated()
  }

  private func estimate(_ image: SymbolicTensor) -> SymbolicTensor {
    func convolution(_ filters: Int, _ name: String) -> Convolution2D {
      Convolution2D(
        filters: filters, kernel: 3, activation: .relu, initializer: .heNormal,
        name: "estimate/\(name)")
    }
    var x = SpaceToDepth2D(block: 2, name: "estimate/fold")(image)
    x = convolution(32, "fine1")(x)
    x = convolution(32, "fine2")(x)
    x = Convolution2D(
      filters: 64, kernel: 2, stride: 2, padding: .valid, activation: .relu,
      initializer: .heNormal, name: "estimate/shrink")(x)
    for index in 1...3 { x = convolution(64, "coarse\(index)")(x) }
    return Convolution2D(filters: 1, kernel: 3, name: "estimate/level")(x)
  }
}
