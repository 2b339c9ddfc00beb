// ResNet-20 for small colour pictures: nine residual blocks in three stages.
//
// He, Zhang, Ren, Sun: Deep Residual Learning for Image Recognition (2015), section 4.2.

import AtelierEngine
import AtelierKernels

/// The paper's CIFAR network: 6 · `blocks` + 2 layers, shortcuts without parameters (option A).
///
/// With three blocks a stage and ten classes of RGB pictures it learns 269,722 numbers.
public struct ResidualClassifier: Layer {
  /// The outputs.
  public var classes: Int
  /// Residual blocks in each of the three stages; 3 is ResNet-20.
  public var blocks = 3

  /// [N, H, W, C] gives logits [N, classes].
  public func callAsFunction(_ image: SymbolicTensor) -> SymbolicTensor {
    var x = residualConvolution(image, 16, "stem")
    for (stage, filters) in [16, 32, 64].enumerated() {
      for block in 1...max(blocks, 1) {
        let stride = stage > 0 && block == 1 ? 2 : 1
        x = residual(x, filters, stride, "stage\(stage + 1)/block\(block)")
      }
    }
    return Dense(units: classes, name: "output")(GlobalAveragePool2D(name: "mean")(x))
  }

  private func residual(
    _ input: SymbolicTensor, _ filters: Int, _ stride: Int, _ name: String
  ) -> SymbolicTensor {
    var x = residualConvolution(input, filters, stride: stride, "\(name)/first")
    x = residualConvolution(x, filters, "\(name)/second", isActive: false)
    var shortcut = input
    if stride > 1 {
      // Every second pixel, and zeros for the new channels on both sides.
      shortcut = AveragePool2D(window: 1, stride: 2, name: "\(name)/subsample")(shortcut)
      shortcut = shortcut.applying(
        ChannelEmbed(start: (filters - input.shape.channels) / 2, total: filters),
        name: "\(name)/widen")
    }
    return Activate(.relu, name: "\(name)/relu")(x + shortcut)
  }
}
