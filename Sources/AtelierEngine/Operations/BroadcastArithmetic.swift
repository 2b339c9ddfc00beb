// Arithmetic of tensors that are repeated along axes of one element, products of matrices, and the learnt slope.

import AtelierKernels

/// Arithmetic of two tensors of equal rank; an axis of one element is repeated to the other's size.
public struct BroadcastBinaryOperation: Operation {
  public static let kind = "broadcast-binary"
  /// Which operator.
  public var `operator`: BinaryOperator

  /// Makes an operation.
  public init(_ operator: BinaryOperator) { self.operator = `operator` }

  public func outputShapes(_ inputs: [Shape]) throws(ShapeError) -> [Shape] {
    try expectInputs(inputs, 2)
    guard inputs[0].rank == inputs[1].rank else {
      throw ShapeError(
        "\(`operator`.rawValue) expects equal ranks; received \(inputs[0]) and \(inputs[1])")
    }
    var sizes: [Int] = []
    for (x, y) in zip(inputs[0].dimensions, inputs[1].dimensions) {
      guard x == y || x == 1 || y == 1 else {
        throw ShapeError(
          "\(`operator`.rawValue) cannot repeat \(inputs[0]) and \(inputs[1]) to one size")
      }
      sizes.append(x == 1 ? y : x)
    }
    return [Shape(sizes)]
  }

  public func run(_ context: borrowing ExecutionContext) {
    let output = context.shapes.outputs[0]
    let layout = StridedLayout(
      sizes: output.dimensions, first: repeatedStrides(context.shapes.inputs[0], in: output),
      second: repeatedStrides(context.shapes.inputs[1], in: output))
    context.kernels.binary(
      `operator`, layout, context.input(0), context.input(1), context.output)
  }

  public func differentiate(_ context: inout Derivation) throws(ShapeError) -> [ValueID?] {
    let inputs = context.inputs
    let shapes = [context.shape(inputs[0]), context.shape(inputs[1])]
    let (up, result) = (context.upstream, context.outputs[0])
    var gradients: [ValueID?] = [nil, nil]
    for index in 0..<2 where context.isNeeded[index] {
      let whole: ValueID
      switch (`operator`, index) {
      case (.add, _), (.subtract, 0): whole = up
      case (.subtract, _): whole = try context.one(AffineOperation(scale: -1), [up])
      case (.multiply, _):
        whole = try context.one(Self(.multiply), [up, inputs[1 - index]])
      case (.divide, 0): whole = try context.one(Self(.divide), [up, inputs[1]])
      case (.divide, _):
        let product = try context.one(BinaryOperation(.multiply), [up, result])
        let quotient = try context.one(Self(.divide), [product, inputs[1]])
        whole = try context.one(AffineOperation(scale: -1), [quotient])
      case (.maximum, _):
        // max(a, b) = b + relu(a − b), so the derivative is the step of a − b.
        let difference = try context.one(Self(.subtract), inputs)
        let step = ActivationGradient(activation: .relu)
        let left = try context.one(step, [up, difference])
        whole = index == 0 ? left : try context.one(BinaryOperation(.subtract), [up, left])
      }
      gradients[index] = try context.summed(whole, to: shapes[index])
    }
    return gradients
  }
}

/// Products of matrices: [B, M, K] and [B, K, N] give [B, M, N].
public struct MatrixProductOperation: Operation {
  public static let kind = "matrix-product"
  public var treatsSamplesAlone: Bool { true }

  /// Makes a product.
  public init() {}

  public func outputShapes(_ inputs: [Shape]) throws(ShapeError) -> [Shape] {
    try expectInputs(inputs, 2)
    guard inputs[0].rank == 3, inputs[1].rank == 3, inputs[0][0] == inputs[1][0],
      inputs[0][2] == inputs[1][1]
    else {
      throw ShapeError(
        "expected matrices [B, M, K] and [B, K, N]; received \(inputs[0]) and \(inputs[1])")
    }
    return [[inputs[0][0], inputs[0][1], inputs[1][2]]]
  }

  public func run(_ context: borrowing ExecutionContext) {
    let (a, b) = (context.shapes.inputs[0], context.shapes.inputs[1])
    context.kernels.matrixProduct(
      context.input(0), context.input(1), context.output, batch: a[0], rows: a[1], inner: a[2],
      columns: b[2])
  }

  public func multiplyAdds(_ shapes: NodeShapes) -> Int {
    shapes.outputs[0].count * shapes.inputs[0][2]
  }

  public func differentiate(_ context: inout Derivation) throws(ShapeError) -> [ValueID?] {
    let turned = TransposeOperation(order: [0, 2, 1])
    var gradients: [ValueID?] = [nil, nil]
    if context.isNeeded[0] {
      let right = try context.one(turned, [context.inputs[1]])
      gradients[0] = try context.one(Self(), [context.upstream, right])
    }
    if context.isNeeded[1] {
      let left = try context.one(turned, [context.inputs[0]])
      gradients[1] = try context.one(Self(), [left, context.upstream])
    }
    return gradients
  }
}

/// Parametric ReLU (He and others 2015): x where x > 0, slope · x elsewhere, with a learnt slope a channel.
///
/// Inputs: x [..., C] and slope [C].
public struct ParametricReLUOperation: Operation {
  public static let kind = "parametric-relu"
  public var treatsSamplesAlone: Bool { true }
  public var inPlaceInputs: [Int] { [0] }

  /// Makes the operation.
  public init() {}

  public func outputShapes(_ inputs: [Shape]) throws(ShapeError) -> [Shape] {
    try expectInputs(inputs, 2)
    guard inputs[0].rank >= 1, inputs[1] == [inputs[0].channels] else {
      throw ShapeError("expected a slope a channel of \(inputs[0]); received \(inputs[1])")
    }
    return [inputs[0]]
  }

  public func run(_ context: borrowing ExecutionContext) {
    let (pixels, channels) = context.shapes.inputs[0].matrix
    let (x, slope, y) = (context.input(0), context.input(1), context.output)
    context.kernels.pool.parallelFor((pixels + 255) / 256) { block in
      for pixel in block * 256..<min(block * 256 + 256, pixels) {
        let (from, to) = (x + pixel * channels, y + pixel * channels)
        for channel in 0..<channels {
          let value = from[channel]
          to[channel] = value < 0 ? value * slope[channel] : value
        }
      }
    }
  }

  public func differentiate(_ context: inout Derivation) throws(ShapeError) -> [ValueID?] {
    let results = try context.append(
      ParametricReLUGradient(), [context.upstream] + context.inputs)
    return (0..<2).map { context.isNeeded[$0] ? results[$0] : nil }
  }
}

/// The gradients of parametric ReLU to x and slope; inputs: upstream, x, slope.
public struct ParametricReLUGradient: Operation {
  public static let kind = "parametric-relu-gradient"

  /// x's shape, [C].
  public func outputShapes(_ inputs: [Shape]) throws(ShapeError) -> [Shape] {
    try expectInputs(inputs, 3)
    try expectEqual(inputs[0], inputs[1], "x")
    try expectEqual([inputs[0].channels], inputs[2], "a slope")
    return [inputs[0], inputs[2]]
  }

  public func workspaceCount(_ shapes: NodeShapes, _ kernels: Kernels) -> Int {
    shapes.inputs[0].count
  }

  public func run(_ context: borrowing ExecutionContext) {
    let (pixels, channels) = context.shapes.inputs[0].matrix
    let (dy, x, slope) = (context.input(0), context.input(1), context.input(2))
    let dx = context.output(0) ?? context.scratch
    context.kernels.pool.parallelFor((pixels + 255) / 256) { block in
      for pixel in block * 256..<min(block * 256 + 256, pixels) {
        for channel in 0..<channels {
          let index = pixel * channels + channel
          dx[index] = x[index] < 0 ? dy[index] * slope[channel] : dy[index]
        }
      }
    }
    guard let dSlope = context.output(1) else { return }
    for channel in 0..<channels {
      var sum = 0.0
      for pixel in 0..<pixels where x[pixel * channels + channel] < 0 {
        sum += Double(dy[pixel * channels + channel]) * Double(x[pixel * channels + channel])
      }
      dSlope[channel] = Float(sum)
    }
  }
}

/// Local response normalization over neighbouring channels (Krizhevsky and others 2012).
public struct LocalResponseOperation: Operation {
  public static let kind = "local-response-normalization"
  public var treatsSamplesAlone: Bool { true }
  /// Its numbers.
  public var numbers: LocalResponse

  /// Makes a normalization.
  public init(_ numbers: LocalResponse) { self.numbers = numbers }

  public func outputShapes(_ inputs: [Shape]) throws(ShapeError) -> [Shape] {
    try expectInputs(inputs, 1)
    guard inputs[0].rank >= 2, numbers.size > 0 else {
      throw ShapeError("expected a batch and a positive size; received \(inputs[0])")
    }
    return inputs
  }

  public func run(_ context: borrowing ExecutionContext) {
    let (pixels, channels) = context.shapes.inputs[0].matrix
    context.kernels.localResponse(
      numbers, context.input(0), context.output, pixels: pixels, channels: channels)
  }

  public func differentiate(_ context: inout Derivation) throws(ShapeError) -> [ValueID?] {
    [
      try context.one(
        LocalResponseGradient(numbers: numbers), [context.upstream, context.inputs[0]])
    ]
  }
}

/// The gradient of local response normalization; inputs: upstream, x.
public struct LocalResponseGradient: Operation {
  public static let kind = "local-response-gradient"
  /// The normalization's numbers.
  public var numbers: LocalResponse

  public func outputShapes(_ inputs: [Shape]) throws(ShapeError) -> [Shape] {
    try expectInputs(inputs, 2)
    try expectEqual(inputs[0], inputs[1], "x")
    guard inputs[0].rank >= 1, numbers.size > 0 else {
      throw ShapeError("expected channels and a positive size; received \(inputs[0])")
    }
    return [inputs[0]]
  }

  public func run(_ context: borrowing ExecutionContext) {
    let (pixels, channels) = context.shapes.inputs[0].matrix
    context.kernels.localResponseGradient(
      numbers, context.input(1), context.input(0), context.output, pixels: pixels,
      channels: channels)
  }
}
