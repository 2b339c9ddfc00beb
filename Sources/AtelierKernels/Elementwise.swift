// The element-wise kernels: activations and their gradients, binary operators, scaling, clamping,
// filling and copying.

import CKernels

/// An operator on two tensors of the same shape.
public enum BinaryOperator: String, Codable, Sendable {
  /// x + y
  case add
  /// x − y
  case subtract
  /// x · y
  case multiply
  /// x / y
  case divide
  /// The larger of x and y.
  case maximum
}

extension Activation {
  /// The activation's code and parameter in the C kernels.
  var code: (kind: Int32, parameter: Float) {
    switch self {
    case .identity: (Int32(CK_IDENTITY), 0)
    case .relu: (Int32(CK_RELU), 0)
    case .cappedReLU(let limit): (Int32(CK_CAPPED_RELU), limit)
    case .leakyReLU(let slope): (Int32(CK_LEAKY_RELU), slope)
    case .elu(let alpha): (Int32(CK_ELU), alpha)
    case .silu: (Int32(CK_SILU), 0)
    case .gelu: (Int32(CK_GELU), 0)
    case .sigmoid: (Int32(CK_SIGMOID), 0)
    case .tanh: (Int32(CK_TANH), 0)
    case .hardSwish: (Int32(CK_HARD_SWISH), 0)
    case .tanhGELU: (Int32(CK_TANH_GELU), 0)
    case .softplus: (Int32(CK_SOFTPLUS), 0)
    case .exponential: (Int32(CK_EXP), 0)
    case .squareRoot: (Int32(CK_SQRT), 0)
    case .logarithm: (Int32(CK_LOG), 0)
    case .absolute: (Int32(CK_ABS), 0)
    case .errorFunction: (Int32(CK_ERF), 0)
    }
  }
}

extension BinaryOperator {
  var code: Int32 {
    switch self {
    case .add: Int32(CK_ADD)
    case .subtract: Int32(CK_SUBTRACT)
    case .multiply: Int32(CK_MULTIPLY)
    case .divide: Int32(CK_DIVIDE)
    case .maximum: Int32(CK_MAXIMUM)
    }
  }
}

extension Kernels {
  /// Applies `activation` to each of `count` values; `y` may be `x`.
  public func activationForward(
    _ activation: Activation, _ x: UnsafePointer<Float>, _ y: UnsafeMutablePointer<Float>,
    count: Int
  ) {
    let (kind, parameter) = activation.code
    forEachChunk(of: count) { elementwise.pointee.activation(kind, parameter, x + $0, y + $0, $1) }
  }

  /// Multiplies `dy` by the derivative of `activation`; `dx` may be `dy` or `saved`.
  ///
  /// `saved` is the activation's output where `differentiatesFromOutput`, else its input.
  public func activationGradient(
    _ activation: Activation, saved: UnsafePointer<Float>, _ dy: UnsafePointer<Float>,
    _ dx: UnsafeMutablePointer<Float>, count: Int
  ) {
    let kernel = elementwise.pointee.activation_gradient
    let (kind, parameter) = activation.code
    forEachChunk(of: count) { kernel(kind, parameter, saved + $0, dy + $0, dx + $0, $1) }
  }

  /// Combines two tensors element by element; `out` may be `x` or `y`.
  public func binary(
    _ operation: BinaryOperator, _ x: UnsafePointer<Float>, _ y: UnsafePointer<Float>,
    _ out: UnsafeMutablePointer<Float>, count: Int
  ) {
    let code = operation.code
    forEachChunk(of: count) { elementwise.pointee.binary(code, x + $0, y + $0, out + $0, $1) }
  }

  /// y = scale · x + shift; `y` may be `x`.
  public func affine(
    _ x: UnsafePointer<Float>, scale: Float, shift: Float, _ y: UnsafeMutablePointer<Float>,
    count: Int
  ) {
    forEachChunk(of: count) { elementwise.pointee.affine(x + $0, scale, shift, y + $0, $1) }
  }

  /// y += scale · x.
  public func accumulate(
    _ x: UnsafePointer<Float>, scale: Float, into y: UnsafeMutablePointer<Float>, count: Int
  ) {
    forEachChunk(of: count) { elementwise.pointee.blend(x + $0, scale, 1, y + $0, $1) }
  }

  /// Limits every value to `lower...upper`; not-a-number passes and `y` may be `x`.
  public func clamp(
    _ x: UnsafePointer<Float>, lower: Float, upper: Float, _ y: UnsafeMutablePointer<Float>,
    count: Int
  ) {
    forEachChunk(of: count) { elementwise.pointee.clamp(x + $0, lower, upper, y + $0, $1) }
  }

  /// Passes the gradient where the clamp's input lies in `lower...upper`, zero elsewhere; `dx` may
  /// be `dy`.
  public func clampGradient(
    _ x: UnsafePointer<Float>, lower: Float, upper: Float, _ dy: UnsafePointer<Float>,
    _ dx: UnsafeMutablePointer<Float>, count: Int
  ) {
    let kernel = elementwise.pointee.clamp_gradient
    forEachChunk(of: count) { kernel(x + $0, lower, upper, dy + $0, dx + $0, $1) }
  }

  /// Adds one value per channel to [pixels, channels]; `y` may be `x`.
  public func addChannels(
    _ x: UnsafePointer<Float>, bias: UnsafePointer<Float>, _ y: UnsafeMutablePointer<Float>,
    pixels: Int, channels: Int
  ) {
    let rows = ChannelRows(channels: channels)
    withUnsafeTemporaryAllocation(of: Float.self, capacity: rows.width) { table in
      rows.fill(table) { bias[$0] }
      let widened = table.read
      forEachPart(rows.parts(of: pixels * channels)) { _, start, count in
        elementwise.pointee.row_add(x + start, widened, y + start, count, rows.width)
      }
    }
  }

  /// Sets `count` values.
  public func fill(_ value: Float, _ y: UnsafeMutablePointer<Float>, count: Int) {
    forEachChunk(of: count) { elementwise.pointee.fill(value, y + $0, $1) }
  }

  /// Copies `count` values; the two must not overlap unless they are the same.
  public func copy(_ x: UnsafePointer<Float>, _ y: UnsafeMutablePointer<Float>, count: Int) {
    guard x != UnsafePointer(y) else { return }
    forEachChunk(of: count) { (y + $0).update(from: x + $0, count: $1) }
  }
}
