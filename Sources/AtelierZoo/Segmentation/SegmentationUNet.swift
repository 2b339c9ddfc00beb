// The U-Net for semantic segmentation: max pooling down, transposed convolution up, skips.
//
// Ronneberger, Fischer, Brox: U-Net: Convolutional Networks for Biomedical Image Segmentation
// (2015); batch normalization: Ioffe and Szegedy (2015).

import AtelierEngine
import AtelierKernels

/// A U-Net with batch normalization that keeps the picture's size.
public struct SegmentationUNet: SegmentationLayer, Hashable, Codable {
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
    Convolution2D(filters: classes, kernel: 1, name: "head")(uNetLevels(image, widths))
  }
}

/// A U-Net's levels: pairs of normalized 3×3 convolutions, max pooling down, transposed convolution
/// up, skips at every level; the result has the first of the widths.
func uNetLevels(
  _ image: SymbolicTensor, _ widths: [Int], initializer: Initializer? = nil
) -> SymbolicTensor {
  func block(_ input: SymbolicTensor, _ filters: Int, _ name: String) -> SymbolicTensor {
    ["first", "second"].reduce(input) { x, half in
      normalizedConvolution(x, filters, initializer: initializer, "\(name)/\(half)")
    }
  }
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
  return x
}

/// A convolution without bias, batch normalization and, unless told otherwise, a ReLU.
func normalizedConvolution(
  _ input: SymbolicTensor, _ filters: Int, kernel: Int = 3, stride: Int = 1,
  padding: Padding = .same, initializer: Initializer? = nil, _ name: String, isActive: Bool = true
) -> SymbolicTensor {
  let convolved = Convolution2D(
    filters: filters, kernel: Extent(kernel, kernel), stride: Extent(stride, stride),
    padding: padding, hasBias: false, initializer: initializer, name: name)(input)
  return normalized(convolved, name, isActive: isActive)
}

/// The normalized 3×3 convolution of residual networks, padded by one pixel, started as He and
/// others.
func residualConvolution(
  _ input: SymbolicTensor, _ filters: Int, stride: Int = 1, _ name: String, isActive: Bool = true
) -> SymbolicTensor {
  normalizedConvolution(
    input, filters, stride: stride, padding: .symmetric(1), initializer: .heNormal, name,
    isActive: isActive)
}

/// Batch normalization and, unless told otherwise, a ReLU.
func normalized(
  _ input: SymbolicTensor, _ name: String, isActive: Bool = true
) -> SymbolicTensor {
  let x = BatchNormalization(name: "\(name)/norm")(input)
  return isActive ? Activate(.relu, name: "\(name)/relu")(x) : x
}
