// Operations on each element by itself: activations, arithmetic of two tensors, scaling, clamping, and the mean.

import AtelierKernels

/// An activation function, element by element.
public struct ActivationOperation: Operation {
  public static let kind = "activation"
  public var treatsSamplesAlone: Bool { true }
  /// Which function.
  public var activation: Activation
  public var inPlaceInputs: [Int] { [0] }

  public func outputShapes(_ inputs: [Shape]) throws(ShapeError) -> [Shape] {
    try expectInputs(inputs, 1)
    return inputs
  }

  public func run(_ context: borrowing ExecutionContext) {
    context.kernels.activationForward(
      activation, context.input(0), context.output, count: context.shapes.inputs[0].count)
  }

  public func differentiate(_ context: inout Derivation) throws(ShapeError) -> [ValueID?] {
    if activation == .identity { return [context.upstream] }
    let saved = activation.differentiatesFromOutput ? context.outputs[0] : context.inputs[0]
    return [try context.one(ActivationGradient(activation: activation), [context.upstream, saved])]
  }
}

/// The gradient of an activation: upstream times the derivative at the saved output (or input).
public struct ActivationGradient: Operation {
  public static let kind = "activation-gradient"
  /// Which function.
  public var activation: Activation
  public var inPlaceInputs: [Int] { [0] }

  public func outputShapes(_ inputs: [Shape]) throws(ShapeError) -> [Shape] {
    try expectInputs(inputs, 2)
    try expectEqual(inputs[0], inputs[1], "a saved tensor")
    return [inputs[0]]
  }

  public func run(_ context: borrowing ExecutionContext) {
    context.kernels.activationGradient(
      activation, saved: context.input(1), context.input(0), context.output,
      count: context.shapes.inputs[0].count)
  }

  /// Linear in the upstream gradient; of the pieces of a (leaky) ReLU the second derivative is zero.
  public func differentiate(_ context: inout Derivation) throws(ShapeError) -> [ValueID?] {
    guard activation.negativeSlope != nil || !context.isNeeded[1] else {
      throw ShapeError("the gradient of \(activation) has no gradient to what it was taken at")
    }
    let gradient =
      context.isNeeded[0] ? try context.one(self, [context.upstream, context.inputs[1]]) : nil
    return [gradient, nil]
  }
}

/// Arithmetic of two tensors of equal shape.
public struct BinaryOperation: Operation {
  public static let kind = "binary"
  /// Which operator.
  public var `operator`: BinaryOperator
  public var inPlaceInputs: [Int] { [0, 1] }

  /// Makes an operation.
  public init(_ operator: BinaryOperator) { self.operator = `operator` }

  public func outputShapes(_ inputs: [Shape]) throws(ShapeError) -> [Shape] {
    try expectInputs(inputs, 2)
    guard inputs[0] == inputs[1] else {
      throw ShapeError(
        "\(`operator`.rawValue) expects equal shapes; received \(inputs[0]) and \(inputs[1])")
    }
    return [inputs[0]]
  }

  public func run(_ context: borrowing ExecutionContext) {
    context.kernels.binary(
      `operator`, context.input(0), context.input(1), context.output,
      count: context.shapes.inputs[0].count)
  }

  public func differentiate(_ context: inout Derivation) throws(ShapeError) -> [ValueID?] {
    let inputs = context.inputs
    var gradients: [ValueID?] = [nil, nil]
    switch `operator` {
    case .add: gradients = [context.upstream, context.upstream]
    case .subtract:
      gradients[0] = context.upstream
      if context.isNeeded[1] {
        gradients[1] = try context.one(AffineOperation(scale: -1), [context.upstream])
      }
    case .multiply:
      for index in 0..<2 where context.isNeeded[index] {
        gradients[index] = try context.one(
          BinaryOperation(.multiply), [context.upstream, inputs[1 - index]])
      }
    case .divide:
      if context.isNeeded[0] {
        gradients[0] = try context.one(BinaryOperation(.divide), [context.upstream, inputs[1]])
      }
      if context.isNeeded[1] {
        let product = try context.one(
          BinaryOperation(.multiply), [context.upstream, context.outputs[0]])
        let quotient = try context.one(BinaryOperation(.divide), [product, inputs[1]])
        gradients[1] = try context.one(AffineOperation(scale: -1), [quotient])
      }
    case .maximum:
      // max(a, b) = b + relu(a − b), so the derivative is the step of a − b.
      let saved = [context.upstream, try context.one(BinaryOperation(.subtract), inputs)]
      let step = ActivationGradient(activation: .relu)
      if context.isNeeded[0] { gradients[0] = try context.one(step, saved) }
      if context.isNeeded[1] {
        let left = try context.one(step, saved)
        gradients[1] = try context.one(BinaryOperation(.subtract), [context.upstream, left])
      }
    }
    return gradients
  }
}

/// scale · x + shift.
public struct AffineOperation: Operation {
  public static let kind = "affine"
  public var treatsSamplesAlone: Bool { true }
  /// The factor.
  public var scale: Float
  /// What is added.
  public var shift: Float
  public var inPlaceInputs: [Int] { [0] }

  /// Makes a scaling.
  public init(scale: Float = 1, shift: Float = 0) {
    self.scale = scale
    self.shift = shift
  }

  public func outputShapes(_ inputs: [Shape]) throws(ShapeError) -> [Shape] {
    try expectInputs(inputs, 1)
    return inputs
  }

  public func run(_ context: borrowing ExecutionContext) {
    context.kernels.affine(
      context.input(0), scale: scale, shift: shift, context.output,
      count: context.shapes.inputs[0].count)
  }

  public func differentiate(_ context: inout Derivation) throws(ShapeError) -> [ValueID?] {
    if scale == 1 { return [context.upstream] }
    return [try context.one(AffineOperation(scale: scale), [context.upstream])]
  }
}

/// x limited to [lower, upper]; the gradient passes where lower ≤ x ≤ upper.
public struct ClampOperation: Operation {
  public static let kind = "clamp"
  public var treatsSamplesAlone: Bool { true }
  /// The least value.
  public var lower: Float
  /// The greatest value.
  public var upper: Float
  public var inPlaceInputs: [Int] { [0] }

  /// Makes a clamping.
  public init(lower: Float, upper: Float) {
    self.lower = lower
    self.upper = upper
  }

  public func outputShapes(_ inputs: [Shape]) throws(ShapeError) -> [Shape] {
    try expectInputs(inputs, 1)
    guard lower <= upper else { throw ShapeError("clamp expects \(lower) ≤ \(upper)") }
    return inputs
  }

  public func run(_ context: borrowing ExecutionContext) {
    context.kernels.clamp(
      context.input(0), lower: lower, upper: upper, context.output,
      count: context.shapes.inputs[0].count)
  }

  public func differentiate(_ context: inout Derivation) throws(ShapeError) -> [ValueID?] {
    try context.first(
      ClampGradient(lower: lower, upper: upper), [context.upstream, context.inputs[0]])
  }
}

/// The gradient of clamping; the second input is what was clamped.
public struct ClampGradient: Operation {
  public static let kind = "clamp-gradient"
  /// The least value.
  public var lower: Float
  /// The greatest value.
  public var upper: Float
  public var inPlaceInputs: [Int] { [0] }

  public func outputShapes(_ inputs: [Shape]) throws(ShapeError) -> [Shape] {
    try expectInputs(inputs, 2)
    try expectEqual(inputs[0], inputs[1], "the clamped tensor")
    return [inputs[0]]
  }

  public func run(_ context: borrowing ExecutionContext) {
    context.kernels.clampGradient(
      context.input(1), lower: lower, upper: upper, context.input(0), context.output,
      count: context.shapes.inputs[0].count)
  }
}

/// A tensor of one value; the start of every differentiation.
public struct FillOperation: Operation {
  public static let kind = "fill"
  /// The value.
  public var value: Float
  /// The tensor's shape.
  public var shape: Shape

  public func outputShapes(_ inputs: [Shape]) throws(ShapeError) -> [Shape] {
    try expectInputs(inputs, 0)
    return [shape]
  }

  public func run(_ context: borrowing ExecutionContext) {
    context.kernels.fill(value, context.output, count: shape.count)
  }
}

/// The mean of all elements, a scalar.
public struct MeanOperation: Operation {
  public static let kind = "mean"

  public func outputShapes(_ inputs: [Shape]) throws(ShapeError) -> [Shape] {
    try expectInputs(inputs, 1)
    return [.scalar]
  }

  public func run(_ context: borrowing ExecutionContext) {
    let count = context.shapes.inputs[0].count
    context.output[0] = Float(context.kernels.sum(context.input(0), count: count) / Double(count))
  }

  public func differentiate(_ context: inout Derivation) throws(ShapeError) -> [ValueID?] {
    [try context.one(Broadcast(), [context.upstream, context.inputs[0]])]
  }
}

/// A scalar divided by the element count, in every element of the second input's shape: the adjoint of the mean.
public struct Broadcast: Operation {
  public static let kind = "broadcast-mean"
  public var shapeOnlyInputs: [Int] { [1] }

  public func outputShapes(_ inputs: [Shape]) throws(ShapeError) -> [Shape] {
    try expectInputs(inputs, 2)
    guard inputs[0].count == 1 else { throw ShapeError("expected a scalar; received \(inputs[0])") }
    return [inputs[1]]
  }

  public func run(_ context: borrowing ExecutionContext) {
    let count = context.shapes.outputs[0].count
    context.kernels.fill(context.input(0)[0] / Float(count), context.output, count: count)
  }
}

/// Softmax over the channels.
public struct SoftmaxOperation: Operation {
  public static let kind = "softmax"
  public var inPlaceInputs: [Int] { [0] }

  public func outputShapes(_ inputs: [Shape]) throws(ShapeError) -> [Shape] {
    try expectInputs(inputs, 1)
    return inputs
  }

  public func run(_ context: borrowing ExecutionContext) {
    let (rows, channels) = context.shapes.inputs[0].matrix
    context.kernels.softmaxForward(
      context.input(0), context.output, rows: rows, channels: channels)
  }

  public func differentiate(_ context: inout Derivation) throws(ShapeError) -> [ValueID?] {
    [try context.one(SoftmaxGradient(), [context.upstream, context.outputs[0]])]
  }
}

/// The gradient of softmax from its output.
public struct SoftmaxGradient: Operation {
  public static let kind = "softmax-gradient"

  public func outputShapes(_ inputs: [Shape]) throws(ShapeError) -> [Shape] {
    try expectInputs(inputs, 2)
    try expectEqual(inputs[0], inputs[1], "the softmax")
    return [inputs[0]]
  }

  public func run(_ context: borrowing ExecutionContext) {
    let (rows, channels) = context.shapes.inputs[0].matrix
    context.kernels.softmaxGradient(
      y: context.input(1), dy: context.input(0), dx: context.output, rows: rows,
      channels: channels)
  }
}
