// ResNet-18 and ResNet-50 for photographs, layer names as in torchvision.
//
// He, Zhang, Ren, Sun: Deep Residual Learning for Image Recognition (2015), table 1; the stride of
// a bottleneck is in its 3×3 convolution, as torchvision has it ("version 1.5").

import AtelierEngine
import AtelierKernels

/// ResNets of four stages: 11,689,512 parameters with 18 layers, 25,557,032 with 50, for 1,000
/// classes.
public struct ResidualPhotographClassifier: Layer {
  /// The outputs.
  public var classes: Int
  /// The blocks of each stage.
  public var blocks: [Int]
  /// Whether a block narrows its features around the 3×3 convolution, and widens them fourfold.
  public var hasBottlenecks: Bool

  /// 18 layers: two 3×3 convolutions a block.
  public static func layers18(classes: Int) -> Self {
    Self(classes: classes, blocks: [2, 2, 2, 2], hasBottlenecks: false)
  }
  /// 50 layers: 1×1, 3×3 and 1×1 a block.
  public static func layers50(classes: Int) -> Self {
    Self(classes: classes, blocks: [3, 4, 6, 3], hasBottlenecks: true)
  }

  /// [N, H, W, C] gives logits [N, classes].
  public func callAsFunction(_ image: SymbolicTensor) -> SymbolicTensor {
    var x = convolution(image, 64, kernel: 7, stride: 2, "conv1", "bn1")
    x = Activate(.relu, name: "relu")(x)
    x = MaxPool2D(window: 3, stride: 2, padding: .symmetric(1), name: "maxpool")(x)
    for (stage, count) in blocks.enumerated() {
      for block in 0..<count {
        let isLast = stage == blocks.count - 1 && block == count - 1
        x = residual(
          x, 64 << stage, stride: stage > 0 && block == 0 ? 2 : 1, "layer\(stage + 1)/\(block)",
          relu: isLast ? TransferParts.lastFeatures : "layer\(stage + 1)/\(block)/relu")
      }
    }
    return Dense(units: classes, name: "fc")(GlobalAveragePool2D(name: "avgpool")(x))
  }

  private func residual(
    _ input: SymbolicTensor, _ width: Int, stride: Int, _ name: String, relu: String
  ) -> SymbolicTensor {
    let kernels = hasBottlenecks ? [1, 3, 1] : [3, 3]
    let filters = hasBottlenecks ? 4 * width : width
    var x = input
    for (index, kernel) in kernels.enumerated() {
      let isLast = index == kernels.count - 1
      let strides = index == (hasBottlenecks ? 1 : 0)
      x = convolution(
        x, isLast ? filters : width, kernel: kernel, stride: strides ? stride : 1,
        "\(name)/conv\(index + 1)", "\(name)/bn\(index + 1)")
      if !isLast { x = Activate(.relu, name: "\(name)/relu\(index + 1)")(x) }
    }
    var shortcut = input
    if stride > 1 || input.shape.channels != filters {
      shortcut = convolution(
        input, filters, kernel: 1, stride: stride, "\(name)/downsample/0", "\(name)/downsample/1")
    }
    return Activate(.relu, name: relu)(x + shortcut)
  }

  private func convolution(
    _ x: SymbolicTensor, _ filters: Int, kernel: Int, stride: Int, _ name: String, _ norm: String
  ) -> SymbolicTensor {
    let result = Convolution2D(
      filters: filters, kernel: Extent(kernel), stride: Extent(stride),
      padding: .symmetric(kernel / 2), hasBias: false, initializer: .heNormal, name: name)(x)
    return BatchNormalization(name: norm)(result)
  }
}
