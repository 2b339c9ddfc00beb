// The U-Net for semantic segmentation: pairs of normalized convolutions, max pooling down,
// transposed convolution up, skips at every level.
//
// Ronneberger, Fischer, Brox: U-Net: Convolutional Networks for Biomedical Image Segmentation
// (2015); batch normalization: Ioffe and Szegedy (2015).

import AtelierEngine
import AtelierKernels

/// A U-Net with batch normalization that keeps the picture's size.
public struct SegmentationUNet: Layer, Hashable, Codable {
  /// Outputs a pixel.
  public var classes: Int
  /// Filters of each level, outermost first.
  public var widths: [Int]

  /// Describes a U-Net; the defaults are those of the project's workload D.
  public init(classes: Int, widths: [Int] = [16, 32, 64, 128]) {
    self.classes = classes
    self.widths = widths
  }

  /// The numbers of which heights and widths must be multiples.
  public var granularity: Int { 1 << max(widths.count - 1, 0) }

  /// Two 3×3 kernels a level and side at that level's scale, and a window of pooling and growing.
  public var receptiveRadius: Int {
    widths.indices.reduce(0) { sum, level in
      sum + (level == widths.count - 1 ? 2 : 5) << level
    }
  }

  /// Pictures [N, H, W, C] give logits [N, H, W, classes].
  public func callAsFunction(_ image: SymbolicTensor) -> SymbolicTensor {
    var skips: [SymbolicTensor] = []
    var x = image
    for (level, filters) in widths.enumerated() {
      x = block(x, filters, "down\(level)")
      guard level < widths.count - 1 else { break }
      skips.append(x)
      x = MaxPool2D(name: "pool\(level)")(x)
    }
    for (level, skip) in skips.enumerated().reversed() {
      let grown = TransposedConvolution2D(
        filters: widths[level], kernel: 2, stride: 2, padding: .valid, name: "grow\(level)")(x)
      x = block(concatenate(grown, skip), widths[level], "up\(level)")
    }
    return Convolution2D(filters: classes, kernel: 1, name: "head")(x)
  }

  private func block(_ input: SymbolicTensor, _ filters: Int, _ name: String) -> SymbolicTensor {
    ["first", "second"].reduce(input) { x, half in
      normalizedConvolution(x, filters, kernel: 3, "\(name)/\(half)", activation: .relu)
    }
  }
}

/// A convolution without bias, batch normalization and, where there is one, an activation.
func normalizedConvolution(
  _ input: SymbolicTensor, _ filters: Int, kernel: Extent, _ name: String, activation: Activation
) -> SymbolicTensor {
  let x = Convolution2D(filters: filters, kernel: kernel, hasBias: false, name: name)(input)
  let normalized = BatchNormalization(name: "\(name)/norm")(x)
  return activation == .identity
    ? normalized : Activate(activation, name: "\(name)/relu")(normalized)
}
