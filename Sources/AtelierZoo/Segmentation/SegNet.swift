// SegNet: VGG-16's convolutions down, max unpooling up, no skips; and its small form of 7×7 ones.
//
// Badrinarayanan, Kendall, Cipolla: SegNet: A Deep Convolutional Encoder-Decoder Architecture for
// Image Segmentation (2015).

import AtelierEngine
import AtelierKernels

/// An encoder of normalized convolutions and max pools, and a decoder that mirrors it.
///
/// All four unpoolings have exactly the same number of weights: `transposed` replaces an unpooling
/// and the convolution after it by one transposed convolution of stride 2.
public struct SegNet: SegmentationLayer, Hashable, Codable {
  /// Outputs a pixel.
  public var classes: Int
  /// Filters of each convolution of each stage, outermost first.
  public var stages: [[Int]]
  /// The side of the kernels.
  public var kernel: Int
  /// Whether the decoder's convolutions end in a ReLU.
  public var hasDecoderActivation: Bool
  /// How the decoder enlarges.
  public var unpooling: Unpooling

  /// SegNet-Basic: four stages of one 7×7 convolution, no ReLU in the decoder.
  public static func basic(classes: Int, width: Int = 64, unpooling: Unpooling = .max) -> SegNet {
    SegNet(
      classes: classes, stages: [[Int]](repeating: [width], count: 4), kernel: 7,
      hasDecoderActivation: false, unpooling: unpooling)
  }

  /// SegNet: the thirteen 3×3 convolutions of VGG-16 and their mirror.
  public static func vgg16(classes: Int, width: Int = 64, unpooling: Unpooling = .max) -> SegNet {
    let stages = [(2, 1), (2, 2), (3, 4), (3, 8), (3, 8)].map { count, factor in
      [Int](repeating: factor * width, count: count)
    }
    return SegNet(
      classes: classes, stages: stages, kernel: 3, hasDecoderActivation: true,
      unpooling: unpooling)
  }

  /// The numbers of which heights and widths must be multiples.
  public var granularity: Int { 1 << stages.count }

  /// The kernels of both sides at each stage's scale, and the windows of pooling and unpooling.
  public var receptiveRadius: Int {
    stages.enumerated().reduce(0) { sum, stage in
      sum + (2 * stage.element.count * (kernel / 2) + 2) << stage.offset
    }
  }

  /// Pictures [N, H, W, C] give logits [N, H, W, classes].
  public func callAsFunction(_ image: SymbolicTensor) -> SymbolicTensor {
    var x = image
    for (stage, filters) in stages.enumerated() {
      for (index, count) in filters.enumerated() {
        x = normalizedConvolution(
          x, count, kernel: kernel, "encoder\(stage + 1)/\(index + 1)")
      }
      x = MaxPool2D(name: "pool\(stage + 1)")(x)
    }
    for stage in stages.indices.reversed() { x = decoderStage(x, stage) }
    return Convolution2D(filters: classes, kernel: 1, name: "head")(x)
  }

  /// Enlarges, then as many convolutions as the encoder's stage; the last feeds the stage before.
  private func decoderStage(_ input: SymbolicTensor, _ stage: Int) -> SymbolicTensor {
    var filters = Array(stages[stage].dropFirst())
    filters.append(stage == 0 ? stages[0][0] : stages[stage - 1].last ?? classes)
    let name = "decoder\(stage + 1)"
    var x = input
    var made = 0
    if let unpooled = unpooling.unpooled(x, level: stage + 1) {
      x = unpooled
    } else {
      made = 1
      x = TransposedConvolution2D(
        filters: filters.removeFirst(), kernel: Extent(kernel), stride: 2, hasBias: false,
        name: "\(name)/1")(x)
      x = normalized(x, "\(name)/1", isActive: hasDecoderActivation)
    }
    for (index, count) in filters.enumerated() {
      x = normalizedConvolution(
        x, count, kernel: kernel, "\(name)/\(made + index + 1)", isActive: hasDecoderActivation)
    }
    return x
  }
}
