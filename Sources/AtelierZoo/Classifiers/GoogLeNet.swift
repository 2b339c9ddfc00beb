// GoogLeNet for photographs: nine inception blocks, layer names as in torchvision.
//
// Szegedy, Liu, Jia and others: Going Deeper with Convolutions (2014), with batch normalization and
// 3×3 kernels where the paper has 5×5, as in torchvision and its source.

import AtelierEngine
import AtelierKernels

/// 6,624,904 parameters for 1,000 classes; the two side outputs of the training are left out.
public struct GoogLeNet: Layer {
  /// The outputs.
  public var classes: Int

  /// The filters of an inception block's branches.
  private struct Widths {
    var one: Int
    var three: (Int, Int)
    var five: (Int, Int)
    var pool: Int
  }

  private static let stages: [[Widths]] = [
    [
      Widths(one: 64, three: (96, 128), five: (16, 32), pool: 32),
      Widths(one: 128, three: (128, 192), five: (32, 96), pool: 64),
    ],
    [
      Widths(one: 192, three: (96, 208), five: (16, 48), pool: 64),
      Widths(one: 160, three: (112, 224), five: (24, 64), pool: 64),
      Widths(one: 128, three: (128, 256), five: (24, 64), pool: 64),
      Widths(one: 112, three: (144, 288), five: (32, 64), pool: 64),
      Widths(one: 256, three: (160, 320), five: (32, 128), pool: 128),
    ],
    [
      Widths(one: 256, three: (160, 320), five: (32, 128), pool: 128),
      Widths(one: 384, three: (192, 384), five: (48, 128), pool: 128),
    ],
  ]

  /// [N, H, W, C] gives logits [N, classes].
  public func callAsFunction(_ image: SymbolicTensor) -> SymbolicTensor {
    var x = convolution(image, 64, kernel: 7, stride: 2, "conv1")
    x = pooled(x, "maxpool1")
    x = convolution(x, 64, kernel: 1, "conv2")
    x = convolution(x, 192, kernel: 3, "conv3")
    x = pooled(x, "maxpool2")
    for (stage, blocks) in Self.stages.enumerated() {
      for (block, widths) in blocks.enumerated() {
        let letter = "abcde".dropFirst(block).prefix(1)
        let isLast = stage == 2 && block == blocks.count - 1
        x = inception(
          x, widths, "inception\(stage + 3)\(letter)",
          joined: isLast ? TransferParts.lastFeatures : nil)
      }
      if stage < 2 { x = pooled(x, "maxpool\(stage + 3)", window: stage == 0 ? 3 : 2) }
    }
    x = Dropout(0.2, name: "dropout")(GlobalAveragePool2D(name: "avgpool")(x))
    return Dense(units: classes, name: "fc")(x)
  }

  /// A pool whose last window may reach beyond the border, as PyTorch's `ceil_mode` has it.
  private func pooled(_ x: SymbolicTensor, _ name: String, window: Int = 3) -> SymbolicTensor {
    MaxPool2D(
      window: Extent(window), stride: 2, padding: .explicit(top: 0, bottom: 1, left: 0, right: 1),
      name: name)(x)
  }

  private func inception(
    _ x: SymbolicTensor, _ widths: Widths, _ name: String, joined: String?
  ) -> SymbolicTensor {
    let one = convolution(x, widths.one, kernel: 1, "\(name)/branch1")
    var three = convolution(x, widths.three.0, kernel: 1, "\(name)/branch2/0")
    three = convolution(three, widths.three.1, kernel: 3, "\(name)/branch2/1")
    var five = convolution(x, widths.five.0, kernel: 1, "\(name)/branch3/0")
    five = convolution(five, widths.five.1, kernel: 3, "\(name)/branch3/1")
    var pool = MaxPool2D(
      window: 3, stride: 1, padding: .symmetric(1), name: "\(name)/branch4/0")(x)
    pool = convolution(pool, widths.pool, kernel: 1, "\(name)/branch4/1")
    return concatenate([one, three, five, pool], name: joined ?? name)
  }

  private func convolution(
    _ x: SymbolicTensor, _ filters: Int, kernel: Int, stride: Int = 1, _ name: String
  ) -> SymbolicTensor {
    var x = Convolution2D(
      filters: filters, kernel: Extent(kernel), stride: Extent(stride),
      padding: .symmetric(kernel / 2), hasBias: false, initializer: .heNormal,
      name: "\(name)/conv")(x)
    x = BatchNormalization(epsilon: 1e-3, name: "\(name)/bn")(x)
    return Activate(.relu, name: "\(name)/relu")(x)
  }
}
