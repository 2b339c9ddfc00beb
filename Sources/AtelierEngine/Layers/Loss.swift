// The losses by name, as layers that turn a prediction and a target into a scalar.

import AtelierKernels

#if canImport(Glibc)
import Glibc
#elseif canImport(Darwin)
import Darwin
#endif

/// A loss: what training makes small.
///
/// All are means, so that batch and image size do not change the scale.
public enum Loss: Sendable, Hashable, Codable {
  /// The mean of (prediction − target)².
  case squaredError
  /// The mean of |prediction − target|.
  case absoluteError
  /// Quadratic below `delta`, linear above (Huber 1964).
  case huber(delta: Float)
  /// √(difference² + ε²) (Charbonnier and others 1994).
  case charbonnier(epsilon: Float)
  /// 1 − SSIM with an 11×11 Gaussian window, deviation 1.5, of images in [0, 1] (Wang and others 2004).
  case structuralSimilarity
  /// Sigmoid and cross-entropy of logits against targets in [0, 1].
  case binaryCrossEntropy
  /// Softmax and cross-entropy of logits against class indices.
  case crossEntropy(ignoreLabel: Int? = nil, classWeights: [Float]? = nil)
  /// Cross-entropy with well-classified rows weighted down (Lin and others 2017).
  case focal(gamma: Float, ignoreLabel: Int? = nil)
  /// Softmax and cross-entropy of logits against a target distribution.
  case categoricalCrossEntropy
  /// Soft Dice of probabilities against targets of the same shape (Milletari and others 2016).
  case dice(smooth: Float)
  /// Softmax and soft Dice of logits against class indices.
  case sparseDice(smooth: Float, ignoreLabel: Int? = nil)
  /// Margin between logits (Carlini and Wagner 2017) against class indices.
  case margin(isTargeted: Bool, kappa: Float)
  /// A weighted sum of losses of the same prediction and target.
  case sum([Weighted])

  /// A loss with its weight in a sum.
  public struct Weighted: Sendable, Hashable, Codable {
    /// The factor.
    public var weight: Float
    /// The loss.
    public var loss: Loss

    /// Makes a term of a sum.
    public init(weight: Float, loss: Loss) {
      self.weight = weight
      self.loss = loss
    }
  }

  /// Appends the loss, a scalar, of what a network gives and what it should give: class indices [..., 1] for sparse losses.
  public func callAsFunction(
    _ prediction: SymbolicTensor, _ target: SymbolicTensor
  ) -> SymbolicTensor {
    func apply(_ operation: any Operation, _ extra: [SymbolicTensor] = []) -> SymbolicTensor {
      prediction.applying(operation, with: [target] + extra, name: "loss")
    }
    switch self {
    case .squaredError: return apply(PointwiseLossOperation(loss: .squared))
    case .absoluteError: return apply(PointwiseLossOperation(loss: .absolute))
    case .huber(let delta): return apply(PointwiseLossOperation(loss: .huber(delta: delta)))
    case .charbonnier(let epsilon):
      return apply(PointwiseLossOperation(loss: .charbonnier(epsilon: epsilon)))
    case .binaryCrossEntropy: return apply(PointwiseLossOperation(loss: .binaryCrossEntropy))
    case .structuralSimilarity: return Self.structuralSimilarity(prediction, target)
    case .crossEntropy(let ignoreLabel, let weights):
      let operation = SparseCrossEntropy(isWeighted: weights != nil, ignoreLabel: ignoreLabel)
      guard let weights else { return apply(operation) }
      let constant = prediction.constant("class_weights", [weights.count], .values(weights))
      return apply(operation, [constant])
    case .focal(let gamma, let ignoreLabel):
      return apply(SparseCrossEntropy(ignoreLabel: ignoreLabel, focalGamma: gamma))
    case .categoricalCrossEntropy: return apply(CategoricalCrossEntropy())
    case .dice(let smooth): return apply(DiceLoss(smooth: smooth))
    case .sparseDice(let smooth, let ignoreLabel):
      return Softmax(name: "loss_softmax")(prediction).applying(
        SparseDiceLoss(smooth: smooth, ignoreLabel: ignoreLabel), with: [target], name: "loss")
    case .margin(let isTargeted, let kappa):
      return apply(MarginLoss(isTargeted: isTargeted, kappa: kappa))
    case .sum(let terms):
      guard let first = terms.first else {
        prediction.builder.fail("a sum of losses needs at least one term")
        return prediction
      }
      return terms.dropFirst().reduce(first.weight * first.loss(prediction, target)) {
        $0 + $1.weight * $1.loss(prediction, target)
      }
    }
  }

  /// Built from a depthwise Gaussian convolution and arithmetic, so its gradient follows from theirs.
  private static func structuralSimilarity(
    _ prediction: SymbolicTensor, _ target: SymbolicTensor
  ) -> SymbolicTensor {
    let channels = prediction.shape.channels
    let bell = (0..<11).map { gaussian(Float($0 - 5) / 1.5) }
    let sum = bell.reduce(0, +)
    let line = bell.map { $0 / sum }
    let plane = line.flatMap { row in
      line.flatMap { [Float](repeating: row * $0, count: channels) }
    }
    let window = prediction.constant("ssim_window", [11, 11, 1, channels], .values(plane))
    func blur(_ tensor: SymbolicTensor) -> SymbolicTensor {
      tensor.applying(
        ConvolutionOperation(attributes: ConvolutionAttributes(groups: channels)), with: [window],
        name: "ssim_blur")
    }
    let (first, second): (Float, Float) = (0.01 * 0.01, 0.03 * 0.03)
    let (meanX, meanY) = (blur(prediction), blur(target))
    let (squareX, squareY, product) = (meanX * meanX, meanY * meanY, meanX * meanY)
    let varianceX = blur(prediction * prediction) - squareX
    let varianceY = blur(target * target) - squareY
    let covariance = blur(prediction * target) - product
    let similarity =
      ((2 * product + first) * (2 * covariance + second))
      / ((squareX + squareY + first) * (varianceX + varianceY + second))
    return -1 * similarity.mean() + 1
  }

  private static func gaussian(_ x: Float) -> Float { exp(-x * x / 2) }
}

extension SymbolicTensor {
  /// A fixed tensor that belongs to the graph.
  func constant(_ name: String, _ shape: Shape, _ values: Initializer) -> SymbolicTensor {
    let unique = builder.uniqueName(nil, type: name)
    let value = builder.parameter(
      LayerIdentity(), unique, "constant", shape, values, role: .constant, isTrainable: false)
    return SymbolicTensor(builder: builder, value: value, shape: shape)
  }
}
