// The reference twins of the element-wise kernels, reductions and dropout, computed in Double.

#if canImport(Glibc)
import Glibc
#elseif canImport(Darwin)
import Darwin
#endif

extension Reference {
  /// The value of `activation` at `x`.
  public static func value(_ activation: Activation, at x: Double) -> Double {
    switch activation {
    case .identity: x
    case .relu: max(x, 0)
    case .cappedReLU(let limit): min(max(x, 0), Double(limit))
    case .leakyReLU(let slope): x > 0 ? x : Double(slope) * x
    case .elu(let alpha): x > 0 ? x : Double(alpha) * expm1(x)
    case .silu: x / (1 + exp(-x))
    case .gelu: 0.5 * x * erfc(-x / 2.0.squareRoot())
    case .sigmoid: 1 / (1 + exp(-x))
    case .tanh: tanh(x)
    case .hardSwish: x * min(max(x / 6 + 0.5, 0), 1)
    case .tanhGELU: x / (1 + exp(-gelu(angle: x)))
    case .softplus: max(x, 0) + log1p(exp(-abs(x)))
    case .exponential: exp(x)
    case .squareRoot: x.squareRoot()
    case .logarithm: log(x)
    case .absolute: abs(x)
    case .errorFunction: erf(x)
    }
  }

  /// Twice what the tanh of GELU's approximation is taken of.
  private static func gelu(angle x: Double) -> Double {
    2 * (2 / Double.pi).squareRoot() * (x + 0.044715 * x * x * x)
  }

  /// The derivative of `activation`, from its output where that suffices, else from its input.
  public static func slope(_ activation: Activation, saved: Double) -> Double {
    switch activation {
    case .identity: return 1
    case .relu: return saved > 0 ? 1 : 0
    case .cappedReLU(let limit): return saved > 0 && saved < Double(limit) ? 1 : 0
    case .leakyReLU(let slope): return saved > 0 ? 1 : Double(slope)
    case .elu(let alpha): return saved > 0 ? 1 : saved + Double(alpha)
    case .silu:
      let sigmoid = 1 / (1 + exp(-saved))
      return sigmoid * (1 + saved * (1 - sigmoid))
    case .gelu:
      let density = exp(-0.5 * saved * saved) / (2 * Double.pi).squareRoot()
      return 0.5 * erfc(-saved / 2.0.squareRoot()) + saved * density
    case .sigmoid: return saved * (1 - saved)
    case .tanh: return 1 - saved * saved
    case .hardSwish: return saved <= -3 ? 0 : saved >= 3 ? 1 : saved / 3 + 0.5
    case .tanhGELU:
      let gate = 1 / (1 + exp(-gelu(angle: saved)))
      let slope = 2 * (2 / Double.pi).squareRoot() * (1 + 3 * 0.044715 * saved * saved)
      return gate + saved * gate * (1 - gate) * slope
    case .softplus: return 1 / (1 + exp(-saved))
    case .exponential: return saved
    case .squareRoot: return 0.5 / saved
    case .logarithm: return 1 / saved
    case .absolute: return saved > 0 ? 1 : saved < 0 ? -1 : 0
    case .errorFunction: return 2 / Double.pi.squareRoot() * exp(-saved * saved)
    }
  }

  /// Applies `activation` to each of `count` values.
  public static func activationForward(
    _ activation: Activation, _ x: UnsafePointer<Float>, _ y: UnsafeMutablePointer<Float>,
    count: Int
  ) {
    for i in 0..<count { y[i] = Float(value(activation, at: Double(x[i]))) }
  }

  /// Multiplies `dy` by the derivative of `activation`; `saved` as the kernel of the same name
  /// says.
  public static func activationGradient(
    _ activation: Activation, saved: UnsafePointer<Float>, _ dy: UnsafePointer<Float>,
    _ dx: UnsafeMutablePointer<Float>, count: Int
  ) {
    for i in 0..<count { dx[i] = Float(Double(dy[i]) * slope(activation, saved: Double(saved[i]))) }
  }

  /// Combines two tensors element by element.
  public static func binary(
    _ operation: BinaryOperator, _ x: UnsafePointer<Float>, _ y: UnsafePointer<Float>,
    _ out: UnsafeMutablePointer<Float>, count: Int
  ) {
    for i in 0..<count {
      switch operation {
      case .add: out[i] = x[i] + y[i]
      case .subtract: out[i] = x[i] - y[i]
      case .multiply: out[i] = x[i] * y[i]
      case .divide: out[i] = x[i] / y[i]
      case .maximum: out[i] = x[i] < y[i] ? y[i] : x[i]
      }
    }
  }

  /// y = scale · x + shift.
  public static func affine(
    _ x: UnsafePointer<Float>, scale: Float, shift: Float, _ y: UnsafeMutablePointer<Float>,
    count: Int
  ) {
    for i in 0..<count { y[i] = Float(Double(scale) * Double(x[i]) + Double(shift)) }
  }

  /// y += scale · x.
  public static func accumulate(
    _ x: UnsafePointer<Float>, scale: Float, into y: UnsafeMutablePointer<Float>, count: Int
  ) {
    for i in 0..<count { y[i] = Float(Double(y[i]) + Double(scale) * Double(x[i])) }
  }

  /// Limits every value to `lower...upper`.
  public static func clamp(
    _ x: UnsafePointer<Float>, lower: Float, upper: Float, _ y: UnsafeMutablePointer<Float>,
    count: Int
  ) {
    for i in 0..<count { y[i] = x[i] < lower ? lower : (x[i] > upper ? upper : x[i]) }
  }

  /// Passes the gradient where the input lies in `lower...upper`.
  public static func clampGradient(
    _ x: UnsafePointer<Float>, lower: Float, upper: Float, _ dy: UnsafePointer<Float>,
    _ dx: UnsafeMutablePointer<Float>, count: Int
  ) {
    for i in 0..<count { dx[i] = x[i] >= lower && x[i] <= upper ? dy[i] : 0 }
  }

  /// Adds one value per channel.
  public static func addChannels(
    _ x: UnsafePointer<Float>, bias: UnsafePointer<Float>, _ y: UnsafeMutablePointer<Float>,
    pixels: Int, channels: Int
  ) {
    for pixel in 0..<pixels {
      for c in 0..<channels { y[pixel * channels + c] = x[pixel * channels + c] + bias[c] }
    }
  }

  /// Sums over the pixels.
  public static func channelSum(
    _ x: UnsafePointer<Float>, _ sums: UnsafeMutablePointer<Float>, pixels: Int, channels: Int
  ) {
    for c in 0..<channels {
      var sum = 0.0
      for pixel in 0..<pixels { sum += Double(x[pixel * channels + c]) }
      sums[c] = Float(sum)
    }
  }

  /// The sum of all values.
  public static func sum(_ x: UnsafePointer<Float>, count: Int) -> Double {
    (0..<count).reduce(0.0) { $0 + Double(x[$1]) }
  }

  /// The sum of the squares of all values.
  public static func sumOfSquares(_ x: UnsafePointer<Float>, count: Int) -> Double {
    (0..<count).reduce(0.0) { $0 + Double(x[$1]) * Double(x[$1]) }
  }

  /// Whether no value is infinite or not a number.
  public static func allFinite(_ x: UnsafePointer<Float>, count: Int) -> Bool {
    (0..<count).allSatisfy { x[$0].isFinite }
  }

  /// Keeps each value with probability 1 − rate and divides it by that, by the same generator as
  /// the kernel.
  public static func dropout(
    _ x: UnsafePointer<Float>, rate: Float, seed: UInt64, _ y: UnsafeMutablePointer<Float>,
    count: Int
  ) {
    let key = DropoutKey(seed: seed)
    let threshold = DropoutKey.threshold(rate: rate)
    let scale = rate < 1 ? 1 / (1 - rate) : 0
    for i in 0..<count { y[i] = key.random24(at: i) >= threshold ? x[i] * scale : 0 }
  }
}
