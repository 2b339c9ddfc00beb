// The table of operators: which of them become what.

import AtelierEngine
import AtelierKernels
import Foundation

extension ONNXImporter {
  /// The activations that are one operator without attributes.
  private static let activations: [String: Activation] = [
    "Relu": .relu, "Sigmoid": .sigmoid, "Tanh": .tanh, "HardSwish": .hardSwish,
    "Softplus": .softplus, "Exp": .exponential, "Sqrt": .squareRoot, "Log": .logarithm,
    "Abs": .absolute, "Erf": .errorFunction,
  ]

  /// Operators that only constants go through, or that constants may go through.
  private static let folded: Set<String> = [
    "Shape", "Size", "Constant", "ConstantOfShape", "Range", "Where", "Not", "Floor", "Ceil",
    "Round", "Mod", "Equal", "Less", "Greater", "LessOrEqual", "GreaterOrEqual", "And", "Or",
    "NonZero", "ReduceProd",
  ]

  private static let known: Set<String> = [
    "Conv", "ConvTranspose", "MaxPool", "AveragePool", "GlobalAveragePool", "GlobalMaxPool",
    "MaxUnpool", "LeakyRelu", "PRelu", "Elu", "Celu", "Selu", "HardSigmoid", "Gelu", "Clip",
    "ThresholdedRelu", "Softsign", "Mish", "Swish",
    "Add", "Sub", "Mul", "Div", "Sum", "Max", "Min", "Mean", "Neg", "Reciprocal", "Pow", "MatMul",
    "Gemm", "Concat", "Split", "Slice", "Pad", "Reshape", "Flatten", "Transpose", "Squeeze",
    "Unsqueeze", "Expand", "Tile", "Gather", "GatherND", "ScatterND", "BatchNormalization",
    "InstanceNormalization", "GroupNormalization", "LayerNormalization", "LRN", "Softmax",
    "LogSoftmax", "ReduceMean", "ReduceSum", "ReduceMax", "ReduceMin", "ReduceL2",
    "ReduceSumSquare", "Resize", "Upsample", "DepthToSpace", "SpaceToDepth", "Dropout",
    "Identity", "Cast", "CastLike", "RNN", "LSTM", "GRU",
  ]

  /// Whether there is a translation of a node's operator.
  func isKnown(_ node: ONNXNode) -> Bool {
    node.domain.isEmpty
      && (Self.activations[node.type] != nil || Self.folded.contains(node.type)
        || Self.known.contains(node.type))
  }

  /// The results of a node.
  mutating func translate(_ call: ONNXCall) throws -> [ONNXValue] {
    guard isKnown(call.node) else { throw ONNXRefusal("is not supported") }
    if let results = try places(call) { return results }
    if let constants = try fold(call) { return constants.map { .constant($0) } }
    if Self.folded.contains(call.type) {
      throw ONNXRefusal("is taken only where its inputs are known before the network runs")
    }
    if let activation = Self.activations[call.type] {
      return [try activated(call, activation)]
    }
    return try translateLayer(call)
  }

  private mutating func translateLayer(_ call: ONNXCall) throws -> [ONNXValue] {
    switch call.type {
    case "Conv": return [try convolution(call)]
    case "ConvTranspose": return [try transposedConvolution(call)]
    case "MaxPool": return try maxPool(call)
    case "AveragePool": return [try averagePool(call)]
    case "GlobalAveragePool": return [try globalPool(call, .mean)]
    case "GlobalMaxPool": return [try globalPool(call, .maximum)]
    case "MaxUnpool": return [try maxUnpool(call)]
    case "ScatterND":
      return [.arranged(try replaced(call))]
    case "Gemm": return [try generalProduct(call)]
    case "MatMul": return [try matrixProduct(call)]
    case "BatchNormalization": return [try batchNormalization(call)]
    case "InstanceNormalization": return [try instanceNormalization(call)]
    case "GroupNormalization": return [try groupNormalization(call)]
    case "LayerNormalization": return try layerNormalization(call)
    case "LRN": return [try localResponse(call)]
    case "RNN", "LSTM", "GRU": return try recurrence(call)
    case "Softmax", "LogSoftmax": return [try softmax(call)]
    case "Resize", "Upsample": return [try resize(call)]
    case "ReduceMean", "ReduceSum", "ReduceMax", "ReduceMin", "ReduceL2", "ReduceSumSquare":
      return [try reduced(call)]
    case "Concat": return [try concatenated(call)]
    case "Split": return try split(call)
    case "Slice": return [try sliced(call)]
    case "Gather": return [try gathered(call)]
    case "GatherND": return [try gatheredPlaces(call)]
    case "Pad": return [try padded(call)]
    case "Expand", "Tile": return [try repeated(call)]
    case "Reshape", "Flatten", "Squeeze", "Unsqueeze": return [try reshaped(call)]
    case "Transpose":
      let value = try arranged(call, 0)
      return [.arranged(value.transposed(try order(call, rank: value.axes.count)))]
    case "DepthToSpace", "SpaceToDepth": return [try shuffled(call)]
    case "Add", "Sub", "Mul", "Div", "Sum", "Max", "Min", "Mean", "Neg", "Reciprocal", "Pow":
      return [try arithmetic(call)]
    case "Dropout":
      let value = try arranged(call, 0)
      let rate: Float =
        try call.has(1)
        ? constant(call, 1)?.floats.first ?? 0.5 : try call.float("ratio", 0.5)
      if rate != 0, call.has(2), try constant(call, 2)?.integers?.first != 0 {
        throw ONNXRefusal("drops values while it infers")
      }
      guard rate >= 0, rate < 1 else { return [.arranged(value)] }
      let stream = newStream()
      return [.arranged(value.with(try one(DropoutOperation(rate, stream), [value.value])))]
    case "Identity": return [try input(call, 0)]
    case "Cast", "CastLike":
      let type = call.type == "Cast" ? try call.integer("to", 1) : 1
      guard ONNXType(rawValue: type)?.isFloat == true else {
        throw ONNXRefusal("makes whole numbers of what is known only while it runs")
      }
      return [try input(call, 0)]
    default: return [try parameterActivated(call)]
    }
  }

  /// The order of a transposition's axes.
  func order(_ call: ONNXCall, rank: Int) throws -> [Int] {
    let order = try call.integers("perm") ?? Array((0..<rank).reversed())
    guard order.sorted() == Array(0..<rank) else {
      throw ONNXRefusal("expected an order of \(rank) axes, received \(order)")
    }
    return order
  }

  /// An activation of an input.
  mutating func activated(_ call: ONNXCall, _ activation: Activation) throws -> ONNXValue {
    let value = try arranged(call, 0)
    return .arranged(value.with(try one(ActivationOperation(activation), [value.value])))
  }

  /// Activations with attributes, and those that are made of several operations.
  private mutating func parameterActivated(_ call: ONNXCall) throws -> ONNXValue {
    let value = try arranged(call, 0)
    func activation() throws -> Activation? {
      switch call.type {
      case "LeakyRelu":
        let slope = try call.float("alpha", 0.01)
        return slope >= 0 && slope < 1 ? .leakyReLU(slope: slope) : nil
      case "Elu", "Celu": return .elu(alpha: try call.float("alpha", 1))
      case "Gelu":
        return try call.text("approximate", "none") == "tanh" ? .tanhGELU : .gelu
      case "Swish": return try call.float("alpha", 1) == 1 ? .silu : nil
      default: return nil
      }
    }
    let isScaled = call.type == "Celu" ? try call.float("alpha", 1) != 1 : false
    if !isScaled, let activation = try activation() {
      return .arranged(value.with(try one(ActivationOperation(activation), [value.value])))
    }
    let x = value.value
    switch call.type {
    case "PRelu": return .arranged(try parametricReLU(call, value))
    case "Clip": return .arranged(value.with(try clipped(call, x)))
    case "HardSigmoid":
      let line = AffineOperation(
        scale: try call.float("alpha", 0.2), shift: try call.float("beta", 0.5))
      let inner = try one(line, [x])
      return .arranged(value.with(try one(ClampOperation(lower: 0, upper: 1), [inner])))
    case "LeakyRelu":
      let slope = try call.float("alpha", 0.01)
      return .arranged(value.with(try bent(x, slope)))
    case "Softsign":
      let size = try one(ActivationOperation(.absolute), [x])
      let below = try one(AffineOperation(shift: 1), [size])
      return .arranged(value.with(try one(BinaryOperation(.divide), [x, below])))
    case "Mish":
      let inner = try one(ActivationOperation(.softplus), [x])
      let gate = try one(ActivationOperation(.tanh), [inner])
      return .arranged(value.with(try one(BinaryOperation(.multiply), [x, gate])))
    case "Celu":
      let alpha = try call.float("alpha", 1)
      let inner = try one(AffineOperation(scale: 1 / alpha), [x])
      let bent = try one(ActivationOperation(.elu(alpha: 1)), [inner])
      return .arranged(value.with(try one(AffineOperation(scale: alpha), [bent])))
    case "Selu":
      let alpha = try call.float("alpha", 1.673_263_2)
      let inner = try one(ActivationOperation(.elu(alpha: alpha)), [x])
      let gamma = try call.float("gamma", 1.050_701)
      return .arranged(value.with(try one(AffineOperation(scale: gamma), [inner])))
    default: throw ONNXRefusal("is not supported with these attributes")
    }
  }

  /// x where x > 0, slope · x elsewhere, for any slope: relu(x) − slope · relu(−x).
  private mutating func bent(_ x: ValueID, _ slope: Float) throws -> ValueID {
    let positive = try one(ActivationOperation(.relu), [x])
    let turned = try one(AffineOperation(scale: -1), [x])
    let negative = try one(ActivationOperation(.relu), [turned])
    let scaled = try one(AffineOperation(scale: -slope), [negative])
    return try one(BinaryOperation(.add), [positive, scaled])
  }

  private mutating func clipped(_ call: ONNXCall, _ x: ValueID) throws -> ValueID {
    func bound(_ index: Int, _ name: String) throws -> Float? {
      if version < 11 {
        return call.node.attributes[name] == nil ? nil : try call.float(name, 0)
      }
      guard call.has(index) else { return nil }
      guard let value = try constant(call, index)?.floats.first else {
        throw ONNXRefusal("its bounds are not known before it runs")
      }
      return value
    }
    var lower = try bound(1, "min")
    var upper = try bound(2, "max")
    // Farther bounds than model files hold are none.
    if let bound = lower, bound <= -1e9 { lower = nil }
    if let bound = upper, bound >= 1e9 { upper = nil }
    switch (lower, upper) {
    case (nil, nil): return x
    case (0?, nil): return try one(ActivationOperation(.relu), [x])
    case (let lower?, let upper?):
      if lower <= upper { return try one(ClampOperation(lower: lower, upper: upper), [x]) }
      return try one(ClampOperation(lower: upper, upper: upper), [x])
    case (let lower?, nil):
      // No number of a network lies beyond, and model files hold no larger ones.
      return try one(ClampOperation(lower: lower, upper: 1e9), [x])
    case (nil, let upper?): return try one(ClampOperation(lower: -1e9, upper: upper), [x])
    }
  }

  /// PReLU with a slope a channel, or with slopes of any shape that repeats to x's.
  private mutating func parametricReLU(
    _ call: ONNXCall, _ value: ArrangedValue
  ) throws -> ArrangedValue {
    let slopes = try input(call, 1)
    if case .constant(let constant) = slopes, value.axes.count >= 2 {
      let sizes =
        [Int](repeating: 1, count: max(value.axes.count - constant.dimensions.count, 0))
        + constant.dimensions
      let channels = value.dimensions[1]
      let isOfChannels = sizes.enumerated().allSatisfy { $0.offset == 1 || $0.element == 1 }
      if constant.count == 1 || constant.count == channels && isOfChannels {
        let order = value.order(endingWith: [1])
        let placed = try place(
          value, order, [value.count / channels, channels])
        var row = constant.count == 1 ? constant.reshaped([1]) : constant.reshaped([channels])
        if constant.count == 1, channels > 1 {
          row = row.gathered(0, [Int](repeating: 0, count: channels))
        } else if let permutation = value.permutation(of: [1]) {
          row = row.gathered(0, permutation)
        }
        let slope = try parameter(
          row, from: source(call, 1), "slope", arrangement: "\(value.permutation(of: [1]) ?? [])")
        let result = try one(ParametricReLUOperation(), [placed, slope])
        return moved(value, order, result)
      }
    }
    let slope = try arranged(call, 1)
    let positive = value.with(try one(ActivationOperation(.relu), [value.value]))
    let turned = try one(AffineOperation(scale: -1), [value.value])
    let negative = value.with(try one(ActivationOperation(.relu), [turned]))
    let scaled = try combined(.multiply, negative, slope)
    return try combined(.subtract, positive, scaled)
  }

  /// The arrangement of a value whose factors lie in another order now.
  func moved(_ value: ArrangedValue, _ order: [Int], _ result: ValueID) -> ArrangedValue {
    var places = [Int](repeating: 0, count: order.count)
    for (place, factor) in order.enumerated() { places[factor] = place }
    return ArrangedValue(
      result, factors: order.map { value.factors[$0] },
      axes: value.axes.map { $0.map { places[$0] } },
      isBatched: value.isBatched && order.first == 0)
  }
}
