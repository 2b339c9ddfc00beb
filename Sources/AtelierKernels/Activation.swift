// The activation functions, as a description that graphs store and kernels run.

/// An element-wise activation function.
public enum Activation: Hashable, Sendable, Codable {
  /// x
  case identity
  /// max(0, x)
  case relu
  /// min(max(0, x), limit); ReLU6 where `limit` is 6 (Krizhevsky 2010)
  case cappedReLU(limit: Float)
  /// x where x > 0, slope · x elsewhere; `slope` in [0, 1)
  case leakyReLU(slope: Float)
  /// x where x > 0, alpha · (eˣ − 1) elsewhere (Clevert et al. 2015)
  case elu(alpha: Float)
  /// x · sigmoid(x) (Elfwing et al. 2017)
  case silu
  /// x · Φ(x), the exact form with the error function (Hendrycks and Gimpel 2016)
  case gelu
  /// 1 / (1 + e⁻ˣ)
  case sigmoid
  /// tanh(x)
  case tanh
  /// x · clamp(x / 6 + 1/2, 0, 1) (Howard and others 2019)
  case hardSwish
  /// x · ½ (1 + tanh(√(2/π) (x + 0.044715 x³))), GELU's approximation
  case tanhGELU
  /// log(1 + eˣ)
  case softplus
  /// eˣ
  case exponential
  /// √x
  case squareRoot
  /// The natural logarithm of x.
  case logarithm
  /// |x|
  case absolute
  /// The error function of x.
  case errorFunction

  /// Whether the derivative is a function of the activation's output alone (else its input is needed).
  public var differentiatesFromOutput: Bool {
    switch self {
    case .identity, .relu, .cappedReLU, .leakyReLU, .elu, .sigmoid, .tanh, .exponential,
      .squareRoot:
      true
    case .silu, .gelu, .hardSwish, .tanhGELU, .softplus, .logarithm, .absolute, .errorFunction:
      false
    }
  }

  /// The slope on the negative side when the function is piecewise linear through zero, else nil.
  public var negativeSlope: Float? {
    switch self {
    case .identity: 1
    case .relu: 0
    case .leakyReLU(let slope): slope
    default: nil
    }
  }
}
