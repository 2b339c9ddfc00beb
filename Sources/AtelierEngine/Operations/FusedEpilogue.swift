// What a fused convolution reads beside image and weights, and what each of its inputs is for.

import AtelierKernels

/// The parts of a convolution's epilogue that a node carries; the flags say which extra inputs follow.
public struct FusedEpilogue: Sendable, Hashable, Codable {
  /// A bias [channels] follows.
  public var hasBias = false
  /// A tensor of the result's shape to add follows.
  public var hasAddend = false
  /// Applied to the sum.
  public var activation: Activation = .identity
  /// When set, the output of a (leaky) ReLU with this slope follows, and its gradient is taken.
  public var maskSlope: Float?

  /// What the inputs that follow are for.
  var roles: [ConvolutionRole] {
    (hasBias ? [.bias] : []) + (hasAddend ? [.addend] : []) + (maskSlope == nil ? [] : [.mask])
  }
}

/// What an input of a fused convolution is for.
///
/// Whatever adds, reads or moves inputs asks for their roles; nobody counts them.
public enum ConvolutionRole: Sendable, Hashable {
  case image, weights
  /// The gradient of the output, of a weight gradient.
  case upstream
  /// Of the epilogue.
  case bias, addend, mask
  /// Of a batch normalization that is folded into the weights.
  case gamma, beta, mean, variance
  /// The second of two tensors that are read as one.
  case rest
  /// Of a batch normalization of the image, worked out while it is loaded.
  case loadedMean, loadedInverseDeviation, loadedGamma, loadedBeta

  /// The vectors of a folded normalization, as `BatchNormalizationOperation` has them.
  static let normalization: [ConvolutionRole] = [.gamma, .beta, .mean, .variance]
  /// The vectors of a normalization while loading.
  static let loadedNormalization: [ConvolutionRole] = [
    .loadedMean, .loadedInverseDeviation, .loadedGamma, .loadedBeta,
  ]

  /// Checks what stands beside image and weights against the result's shape.
  func check(_ shape: Shape, result: Shape) throws(ShapeError) {
    switch self {
    case .bias where shape != [result.channels]:
      throw ShapeError("expected a bias of shape [\(result.channels)]; received \(shape)")
    case .addend where shape != result, .mask where shape != result:
      throw ShapeError("expected a tensor of the result's shape \(result); received \(shape)")
    case .gamma where shape != [result.channels], .beta where shape != [result.channels],
      .mean where shape != [result.channels], .variance where shape != [result.channels]:
      throw ShapeError("expected channel vectors of shape [\(result.channels)]; received \(shape)")
    default: break
    }
  }
}
