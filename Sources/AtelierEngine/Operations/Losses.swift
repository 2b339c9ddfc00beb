// Losses: each gives a scalar, and its gradient operation takes the scalar's upstream gradient.

import AtelierKernels

/// The mean of an element-wise loss: squared, absolute, Huber, Charbonnier or binary cross-entropy of logits.
///
/// Inputs: prediction and target of equal shape. Output: a scalar.
public struct PointwiseLossOperation: Operation {
  public static let kind = "pointwise-loss"
  /// Which loss.
  public var loss: PointwiseLoss

  public func outputShapes(_ inputs: [Shape]) throws(ShapeError) -> [Shape] {
    try expectInputs(inputs, 2)
    try expectEqual(inputs[0], inputs[1], "a target")
    return [.scalar]
  }

  public func run(_ context: borrowing ExecutionContext) {
    let count = context.shapes.inputs[0].count
    let sum = context.kernels.pointwiseLoss(
      loss, prediction: context.input(0), target: context.input(1), count: count)
    context.output[0] = Float(sum / Double(count))
  }

  public func differentiate(_ context: inout Derivation) throws(ShapeError) -> [ValueID?] {
    let (inputs, operation) = (context.inputs, PointwiseLossGradient(loss: loss))
    let gradient =
      context.isNeeded[0] ? try context.one(operation, inputs + [context.upstream]) : nil
    guard context.isNeeded[1] else { return [gradient, nil] }
    // All but binary cross-entropy depend on the difference alone, so the target's gradient is the negative.
    guard loss != .binaryCrossEntropy else {
      throw ShapeError("binary cross-entropy has no gradient to its target")
    }
    return [gradient, try context.one(operation, [inputs[1], inputs[0], context.upstream])]
  }
}

/// The gradient of a pointwise loss to its prediction.
///
/// Inputs: prediction, target, upstream scalar.
public struct PointwiseLossGradient: Operation {
  public static let kind = "pointwise-loss-gradient"
  /// Which loss.
  public var loss: PointwiseLoss
  public var inPlaceInputs: [Int] { [0] }

  public func outputShapes(_ inputs: [Shape]) throws(ShapeError) -> [Shape] {
    try expectInputs(inputs, 3)
    try expectEqual(inputs[0], inputs[1], "a target")
    try expectScalars(inputs[2...])
    return [inputs[0]]
  }

  public func run(_ context: borrowing ExecutionContext) {
    let count = context.shapes.inputs[0].count
    context.kernels.pointwiseLossGradient(
      loss, prediction: context.input(0), target: context.input(1),
      scale: context.input(2)[0] / Float(count), context.output, count: count)
  }
}

/// Softmax cross-entropy with one class index per row, optionally weighted by class and focal (Lin and others 2017).
///
/// Inputs: logits [..., C], labels [...] or [..., 1] with class indices stored as floats and, when weighted, class weights [C].
/// Outputs: the loss, the weighted mean over the rows that count; and the sum of their weights.
/// A label outside 0..<C that is not the ignored one is a data fault.
public struct SparseCrossEntropy: Operation {
  public static let kind = "sparse-cross-entropy"
  /// Whether class weights follow.
  public var isWeighted = false
  /// Rows with this label do not count.
  public var ignoreLabel: Int?
  /// The focusing exponent; 0 is plain cross-entropy.
  public var focalGamma: Float = 0

  public func outputShapes(_ inputs: [Shape]) throws(ShapeError) -> [Shape] {
    try expectInputs(inputs, isWeighted ? 3 : 2)
    try expectLabels(inputs, "logits")
    if isWeighted { try expectEqual([inputs[0].channels], inputs[2], "class weights") }
    return [.scalar, .scalar]
  }

  public func workspaceCount(_ shapes: NodeShapes, _ kernels: Kernels) -> Int { 1 }

  public func kernelCase(_ shapes: NodeShapes) -> KernelCase? {
    let (rows, channels) = shapes.inputs[0].matrix
    return .crossEntropy(rows: rows, channels: channels)
  }

  public func run(_ context: borrowing ExecutionContext) {
    let (rows, channels) = context.shapes.inputs[0].matrix
    let result = context.kernels.softmaxCrossEntropy(
      logits: context.input(0), labels: context.input(1),
      classWeights: isWeighted ? context.input(2) : nil, ignoreLabel: ignoreLabel,
      focalGamma: focalGamma, rows: rows, channels: channels)
    context.output[0] = result.weight > 0 ? Float(result.loss / result.weight) : 0
    context.output(1)?[0] = Float(result.weight)
    if result.invalid > 0 {
      context.report("\(result.invalid) labels lie outside the classes 0..<\(channels)")
    }
  }

  public func differentiate(_ context: inout Derivation) throws(ShapeError) -> [ValueID?] {
    try context.first(
      SparseCrossEntropyGradient(loss: self),
      context.inputs + [context.upstream, context.outputs[1]])
  }
}

/// The gradient of sparse cross-entropy to the logits.
///
/// Inputs: those of the loss, upstream scalar, sum of weights.
public struct SparseCrossEntropyGradient: Operation {
  public static let kind = "sparse-cross-entropy-gradient"
  /// The loss.
  public var loss: SparseCrossEntropy
  public var inPlaceInputs: [Int] { [0] }

  public func outputShapes(_ inputs: [Shape]) throws(ShapeError) -> [Shape] {
    try expectInputs(inputs, loss.isWeighted ? 5 : 4)
    _ = try loss.outputShapes(Array(inputs.dropLast(2)))
    try expectScalars(inputs.suffix(2))
    return [inputs[0]]
  }

  public func kernelCase(_ shapes: NodeShapes) -> KernelCase? {
    let (rows, channels) = shapes.inputs[0].matrix
    return .crossEntropyGradient(rows: rows, channels: channels)
  }

  public func run(_ context: borrowing ExecutionContext) {
    let (rows, channels) = context.shapes.inputs[0].matrix
    let upstream = context.shapes.inputs.count - 2
    let weight = context.input(upstream + 1)[0]
    context.kernels.softmaxCrossEntropyGradient(
      logits: context.input(0), labels: context.input(1),
      classWeights: loss.isWeighted ? context.input(2) : nil, ignoreLabel: loss.ignoreLabel,
      focalGamma: loss.focalGamma, rows: rows, channels: channels,
      scale: weight > 0 ? context.input(upstream)[0] / weight : 0, gradient: context.output)
  }
}

/// Softmax cross-entropy against a target distribution, the mean over rows.
///
/// Inputs: logits and targets [..., C].
public struct CategoricalCrossEntropy: Operation {
  public static let kind = "categorical-cross-entropy"

  public func outputShapes(_ inputs: [Shape]) throws(ShapeError) -> [Shape] {
    try expectInputs(inputs, 2)
    try expectEqual(inputs[0], inputs[1], "target distributions")
    return [.scalar]
  }

  public func run(_ context: borrowing ExecutionContext) {
    let (rows, channels) = context.shapes.inputs[0].matrix
    let sum = context.kernels.categoricalCrossEntropy(
      logits: context.input(0), targets: context.input(1), rows: rows, channels: channels)
    context.output[0] = Float(sum / Double(rows))
  }

  public func differentiate(_ context: inout Derivation) throws(ShapeError) -> [ValueID?] {
    guard !context.isNeeded[1] else {
      throw ShapeError("categorical cross-entropy has no gradient to its targets")
    }
    return try context.first(
      CategoricalCrossEntropyGradient(), context.inputs + [context.upstream])
  }
}

/// The gradient of categorical cross-entropy to the logits.
///
/// Inputs: logits, targets, upstream scalar.
public struct CategoricalCrossEntropyGradient: Operation {
  public static let kind = "categorical-cross-entropy-gradient"
  public var inPlaceInputs: [Int] { [0] }

  public func outputShapes(_ inputs: [Shape]) throws(ShapeError) -> [Shape] {
    try expectInputs(inputs, 3)
    try expectEqual(inputs[0], inputs[1], "target distributions")
    try expectScalars(inputs[2...])
    return [inputs[0]]
  }

  public func run(_ context: borrowing ExecutionContext) {
    let (rows, channels) = context.shapes.inputs[0].matrix
    context.kernels.categoricalCrossEntropyGradient(
      logits: context.input(0), targets: context.input(1), scale: context.input(2)[0] / Float(rows),
      gradient: context.output, rows: rows, channels: channels)
  }
}

/// The margin loss of Carlini and Wagner (2017), the mean over rows.
///
/// Untargeted: max(z_y − max z_other + κ, 0), which falls when the class y is left. Targeted: max(max z_other − z_t + κ, 0).
/// Inputs: logits [..., C] and class indices as floats.
public struct MarginLoss: Operation {
  public static let kind = "margin-loss"
  /// Whether the labels are classes to reach rather than to leave.
  public var isTargeted: Bool
  /// The confidence κ.
  public var kappa: Float

  public func outputShapes(_ inputs: [Shape]) throws(ShapeError) -> [Shape] {
    try expectInputs(inputs, 2)
    try expectLabels(inputs, "logits")
    return [.scalar]
  }

  public func run(_ context: borrowing ExecutionContext) {
    let (rows, channels) = context.shapes.inputs[0].matrix
    let labels = context.input(1)
    if let row = (0..<rows).first(where: { !(labels[$0] >= 0 && labels[$0] < Float(channels)) }) {
      context.output[0] = 0
      return context.report("label \(labels[row]) lies outside the classes 0..<\(channels)")
    }
    let sum = context.kernels.marginLoss(
      logits: context.input(0), labels: labels, targeted: isTargeted, kappa: kappa, rows: rows,
      channels: channels)
    context.output[0] = Float(sum / Double(rows))
  }

  public func differentiate(_ context: inout Derivation) throws(ShapeError) -> [ValueID?] {
    try context.first(MarginLossGradient(loss: self), context.inputs + [context.upstream])
  }
}

/// The gradient of the margin loss to the logits.
///
/// Inputs: logits, labels, upstream scalar.
public struct MarginLossGradient: Operation {
  public static let kind = "margin-loss-gradient"
  /// The loss.
  public var loss: MarginLoss

  public func outputShapes(_ inputs: [Shape]) throws(ShapeError) -> [Shape] {
    try expectInputs(inputs, 3)
    _ = try loss.outputShapes(Array(inputs.dropLast()))
    try expectScalars(inputs[2...])
    return [inputs[0]]
  }

  public func run(_ context: borrowing ExecutionContext) {
    let (rows, channels) = context.shapes.inputs[0].matrix
    context.kernels.marginLossGradient(
      logits: context.input(0), labels: context.input(1), targeted: loss.isTargeted,
      kappa: loss.kappa, rows: rows, channels: channels,
      scale: context.input(2)[0] / Float(rows), gradient: context.output)
  }
}

/// Soft Dice loss (Milletari and others 2016): 1 − the mean over channels of (2 Σ p·t + s) / (Σ p + Σ t + s).
///
/// Inputs: probabilities and targets [..., C]. Outputs: the loss and the three sums a channel, which the gradient reads.
public struct DiceLoss: Operation {
  public static let kind = "dice-loss"
  /// Added above and below, so that an absent class costs nothing.
  public var smooth: Float

  /// Makes a loss.
  public init(smooth: Float = 1) { self.smooth = smooth }

  public func outputShapes(_ inputs: [Shape]) throws(ShapeError) -> [Shape] {
    try expectInputs(inputs, 2)
    try expectEqual(inputs[0], inputs[1], "targets")
    return [.scalar, [3, inputs[0].channels]]
  }

  public func workspaceCount(_ shapes: NodeShapes, _ kernels: Kernels) -> Int {
    shapes.outputs[1].count
  }

  public func run(_ context: borrowing ExecutionContext) {
    let (rows, channels) = context.shapes.inputs[0].matrix
    context.output[0] = Float(
      context.kernels.diceLoss(
        prediction: context.input(0), target: context.input(1), smooth: smooth, rows: rows,
        channels: channels, sums: context.output(1) ?? context.scratch))
  }

  public func differentiate(_ context: inout Derivation) throws(ShapeError) -> [ValueID?] {
    guard !context.isNeeded[1] else {
      throw ShapeError("the Dice loss has no gradient to its targets")
    }
    return try context.first(
      DiceLossGradient(smooth: smooth), context.inputs + [context.outputs[1], context.upstream])
  }
}

/// The gradient of the Dice loss to the prediction.
///
/// Inputs: prediction, target, sums, upstream scalar.
public struct DiceLossGradient: Operation {
  public static let kind = "dice-loss-gradient"
  /// The loss's smoothing.
  public var smooth: Float

  public func outputShapes(_ inputs: [Shape]) throws(ShapeError) -> [Shape] {
    try expectInputs(inputs, 4)
    try expectEqual(inputs[0], inputs[1], "targets")
    try expectEqual([3, inputs[0].channels], inputs[2], "sums")
    try expectScalars(inputs[3...])
    return [inputs[0]]
  }

  public func run(_ context: borrowing ExecutionContext) {
    let (rows, channels) = context.shapes.inputs[0].matrix
    context.kernels.diceLossGradient(
      prediction: context.input(0), target: context.input(1), smooth: smooth,
      sums: context.input(2), scale: context.input(3)[0], gradient: context.output, rows: rows,
      channels: channels)
  }
}
