// Batch, group and instance normalization with their gradients, and dropout.

import AtelierKernels

/// Batch normalization (Ioffe and Szegedy 2015): (x − μ) / √(σ² + ε) · γ + β per channel.
///
/// Inputs: x [..., C], gamma, beta, running mean and running variance [C]. Outputs: the result, the mean and the inverse deviation used [C].
/// In training form μ and σ² are the batch's and the running statistics move in place:
/// running = (1 − momentum) · running + momentum · batch, the variance unbiased (as PyTorch has it). Else the running ones are used.
public struct BatchNormalizationOperation: Operation {
  public static let kind = "batch-normalization"
  /// Added to the variance.
  public var epsilon: Float = 1e-5
  /// The weight of the new batch in the running statistics.
  public var momentum: Float = 0.1
  /// Identity, ReLU or leaky ReLU, fused.
  public var activation: Activation = .identity
  /// Whether the batch's own statistics are used; a graph of a model says false, a plan for training sets it.
  public var isTraining = false
  public var movedInputs: [Int] { isTraining ? [3, 4] : [] }

  /// x's shape, [C], [C].
  public func outputShapes(_ inputs: [Shape]) throws(ShapeError) -> [Shape] {
    try expectInputs(inputs, 5)
    guard inputs[0].rank >= 2 else { throw ShapeError("expected a batch; received \(inputs[0])") }
    try expectSlope(of: activation)
    let vector: Shape = [inputs[0].channels]
    for shape in inputs[1..<5] { try expectEqual(vector, shape, "channel vectors") }
    return [inputs[0], vector, vector]
  }

  /// Room for mean, variance and inverse deviation when nobody reads them.
  public func workspaceCount(_ shapes: NodeShapes, _ kernels: Kernels) -> Int {
    3 * shapes.inputs[0].channels
  }

  public func kernelCase(_ shapes: NodeShapes) -> KernelCase? {
    let (pixels, channels) = shapes.inputs[0].matrix
    return isTraining
      ? .batchNormalization(pixels: pixels, channels: channels, activation: activation) : nil
  }

  public func run(_ context: borrowing ExecutionContext) { run(context, moments: nil) }

  /// Runs with the moments of x's parts, input `moments`, where a plan has them told.
  func run(_ context: borrowing ExecutionContext, moments: Int?) {
    let (pixels, channels) = context.shapes.inputs[0].matrix
    let variance = context.scratch
    let mean = context.output(1) ?? context.scratch + channels
    let inverse = context.output(2) ?? context.scratch + 2 * channels
    if isTraining {
      moveStatistics(
        context, mean: mean, variance: variance, inverse: inverse, running: 3,
        moments: moments, momentum: momentum, epsilon: epsilon)
    } else {
      mean.update(from: context.input(3), count: channels)
      for channel in 0..<channels {
        inverse[channel] = 1 / (context.input(4)[channel] + epsilon).squareRoot()
      }
    }
    context.kernels.batchNormalizationForward(
      context.input(0), mean: UnsafePointer(mean), inverseDeviation: UnsafePointer(inverse),
      gamma: context.input(1), beta: context.input(2), activation: activation, context.output,
      pixels: pixels, channels: channels)
  }

  public func differentiate(_ context: inout Derivation) throws(ShapeError) -> [ValueID?] {
    let (inputs, outputs) = (context.inputs, context.outputs)
    let results = try context.append(
      BatchNormalizationGradient(activation: activation, isTraining: isTraining),
      [context.upstream, inputs[0], inputs[1], outputs[1], outputs[2]]
        + (activation == .identity ? [] : [inputs[2]]))
    return (0..<3).map { context.isNeeded[$0] ? results[$0] : nil } + [nil, nil]
  }
}

/// Works out a batch's mean, biased variance and inverse deviation of input 0, from the moments that input `moments` holds where it
/// is given, and moves the running ones, inputs `running` and the next.
func moveStatistics(
  _ context: borrowing ExecutionContext, mean: UnsafeMutablePointer<Float>,
  variance: UnsafeMutablePointer<Float>, inverse: UnsafeMutablePointer<Float>, running: Int,
  moments: Int?, momentum: Float, epsilon: Float
) {
  let (pixels, channels) = context.shapes.inputs[0].matrix
  if let moments {
    context.kernels.batchStatistics(
      moments: context.input(moments), parts: context.shapes.inputs[moments].batch, mean: mean,
      variance: variance, channels: channels)
  } else {
    context.kernels.batchStatistics(
      context.input(0), mean: mean, variance: variance, pixels: pixels, channels: channels)
  }
  let runningMean = context.mutableInput(running)
  let runningVariance = context.mutableInput(running + 1)
  let unbiased = Float(pixels) / Float(max(pixels - 1, 1))
  for channel in 0..<channels {
    runningMean[channel] += momentum * (mean[channel] - runningMean[channel])
    runningVariance[channel] += momentum * (variance[channel] * unbiased - runningVariance[channel])
    inverse[channel] = 1 / (variance[channel] + epsilon).squareRoot()
  }
}

/// Throws unless the activation is one that a normalization can carry.
private func expectSlope(of activation: Activation) throws(ShapeError) {
  guard activation.negativeSlope != nil else {
    throw ShapeError("a normalization takes in (leaky) ReLU alone; received \(activation)")
  }
}

/// The gradients of batch normalization to x, gamma and beta.
///
/// Inputs: upstream, x, gamma, the mean and inverse deviation used and, with a fused activation, beta,
/// from which the sign of the activation's input follows.
public struct BatchNormalizationGradient: Operation {
  public static let kind = "batch-normalization-gradient"
  /// The fused activation.
  public var activation: Activation
  /// Whether the statistics depended on x.
  public var isTraining: Bool
  public var inPlaceInputs: [Int] { [0] }

  /// x's shape, [C], [C].
  public func outputShapes(_ inputs: [Shape]) throws(ShapeError) -> [Shape] {
    try expectInputs(inputs, activation == .identity ? 5 : 6)
    try expectSlope(of: activation)
    try expectEqual(inputs[0], inputs[1], "x")
    let vector: Shape = [inputs[0].channels]
    for shape in inputs[2..<5] { try expectEqual(vector, shape, "channel vectors") }
    if inputs.count == 6 { try expectEqual(vector, inputs[5], "beta") }
    return [inputs[0], vector, vector]
  }

  public func workspaceCount(_ shapes: NodeShapes, _ kernels: Kernels) -> Int {
    3 * shapes.inputs[0].channels
  }

  public func kernelCase(_ shapes: NodeShapes) -> KernelCase? {
    let (pixels, channels) = shapes.inputs[0].matrix
    return isTraining
      ? .batchNormalizationGradient(pixels: pixels, channels: channels, activation: activation)
      : nil
  }

  public func run(_ context: borrowing ExecutionContext) {
    let (pixels, channels) = context.shapes.inputs[0].matrix
    let dGamma = context.output(1) ?? context.scratch
    let dBeta = context.output(2) ?? context.scratch + channels
    if isTraining {
      context.kernels.batchNormalizationGradient(
        context.input(1), dy: context.input(0), mean: context.input(3),
        inverseDeviation: context.input(4), gamma: context.input(2),
        beta: activation == .identity ? nil : context.input(5), activation: activation,
        dx: context.output, dGamma: dGamma, dBeta: dBeta, pixels: pixels, channels: channels)
      return
    }
    runFrozen(context, dGamma: dGamma, dBeta: dBeta, pixels: pixels, channels: channels)
  }

  /// With fixed statistics the normalization is linear: dx = dy · γ / √(σ² + ε).
  private func runFrozen(
    _ context: borrowing ExecutionContext, dGamma: UnsafeMutablePointer<Float>,
    dBeta: UnsafeMutablePointer<Float>, pixels: Int, channels: Int
  ) {
    let (mean, inverse, gamma) = (context.input(3), context.input(4), context.input(2))
    let x = context.input(1)
    let dx = context.output
    if UnsafePointer(dx) != context.input(0) {
      context.kernels.copy(context.input(0), dx, count: pixels * channels)
    }
    if let slope = activation.negativeSlope, slope != 1 {
      let beta = context.input(5)
      for index in 0..<pixels * channels {
        let channel = index % channels
        let scale = gamma[channel] * inverse[channel]
        if x[index] * scale + (beta[channel] - mean[channel] * scale) <= 0 { dx[index] *= slope }
      }
    }
    if context.output(1) != nil || context.output(2) != nil {
      for channel in 0..<channels {
        var (sum, product) = (0.0, 0.0)
        for pixel in 0..<pixels {
          let index = pixel * channels + channel
          sum += Double(dx[index])
          product += Double(dx[index]) * Double((x[index] - mean[channel]) * inverse[channel])
        }
        dBeta[channel] = Float(sum)
        dGamma[channel] = Float(product)
      }
    }
    context.kernels.pool.parallelFor((pixels + 255) / 256) { block in
      for pixel in block * 256..<min(block * 256 + 256, pixels) {
        for channel in 0..<channels {
          dx[pixel * channels + channel] *= gamma[channel] * inverse[channel]
        }
      }
    }
  }
}

/// Group normalization (Wu and He 2018); with as many groups as channels it is instance normalization (Ulyanov and others 2016).
///
/// Inputs: x [N, ..., C], gamma and beta [C]. Outputs: the result, mean and inverse deviation [N, groups].
public struct GroupNormalizationOperation: Operation {
  public static let kind = "group-normalization"
  /// The number of groups; 0 stands for one a channel (instance normalization).
  public var groups: Int
  /// Added to the variance.
  public var epsilon: Float = 1e-5

  func groupCount(_ shape: Shape) -> Int { groups == 0 ? shape.channels : groups }

  /// x's shape, [N, groups], [N, groups].
  public func outputShapes(_ inputs: [Shape]) throws(ShapeError) -> [Shape] {
    try expectInputs(inputs, 3)
    let shape = inputs[0]
    guard shape.rank >= 2, groups >= 0, shape.channels % groupCount(shape) == 0 else {
      throw ShapeError("\(shape.channels) channels do not divide into \(groups) groups")
    }
    for vector in inputs.dropFirst() { try expectEqual([shape.channels], vector, "vectors") }
    let statistics: Shape = [shape.batch, groupCount(shape)]
    return [shape, statistics, statistics]
  }

  public func workspaceCount(_ shapes: NodeShapes, _ kernels: Kernels) -> Int {
    2 * shapes.outputs[1].count
  }

  public func run(_ context: borrowing ExecutionContext) {
    let shape = context.shapes.inputs[0]
    let statistics = context.shapes.outputs[1].count
    context.kernels.groupNormalizationForward(
      context.input(0), gamma: context.input(1), beta: context.input(2), epsilon: epsilon,
      groups: groupCount(shape), mean: context.output(1) ?? context.scratch,
      inverseDeviation: context.output(2) ?? context.scratch + statistics, context.output,
      batch: shape.batch, pixels: shape.count / shape.batch / shape.channels,
      channels: shape.channels)
  }

  public func differentiate(_ context: inout Derivation) throws(ShapeError) -> [ValueID?] {
    let (inputs, outputs) = (context.inputs, context.outputs)
    let results = try context.append(
      GroupNormalizationGradient(groups: groupCount(context.shape(inputs[0]))),
      [context.upstream, inputs[0], inputs[1], outputs[1], outputs[2]])
    return (0..<3).map { context.isNeeded[$0] ? results[$0] : nil }
  }
}

/// The gradients of group normalization to x, gamma and beta.
public struct GroupNormalizationGradient: Operation {
  public static let kind = "group-normalization-gradient"
  /// The number of groups.
  public var groups: Int

  /// x's shape, [C], [C].
  public func outputShapes(_ inputs: [Shape]) throws(ShapeError) -> [Shape] {
    try expectInputs(inputs, 5)
    try expectEqual(inputs[0], inputs[1], "x")
    let vector: Shape = [inputs[0].channels]
    guard inputs[0].rank >= 2, groups > 0, inputs[0].channels % groups == 0 else {
      throw ShapeError("\(inputs[0].channels) channels do not divide into \(groups) groups")
    }
    try expectEqual(vector, inputs[2], "gamma")
    for shape in inputs[3..<5] { try expectEqual([inputs[0].batch, groups], shape, "statistics") }
    return [inputs[0], vector, vector]
  }

  public func workspaceCount(_ shapes: NodeShapes, _ kernels: Kernels) -> Int {
    2 * shapes.inputs[0].batch * shapes.inputs[0].channels + 2 * shapes.inputs[0].channels
  }

  public func run(_ context: borrowing ExecutionContext) {
    let shape = context.shapes.inputs[0]
    let spare = context.scratch + 2 * shape.batch * shape.channels
    context.kernels.groupNormalizationGradient(
      context.input(1), dy: context.input(0), mean: context.input(3),
      inverseDeviation: context.input(4), gamma: context.input(2), groups: groups,
      dx: context.output, dGamma: context.output(1) ?? spare,
      dBeta: context.output(2) ?? spare + shape.channels, batch: shape.batch,
      pixels: shape.count / shape.batch / shape.channels, channels: shape.channels,
      workspace: context.scratch)
  }
}

/// Dropout (Srivastava and others 2014): while training each value is zero with probability `rate`, else divided by 1 − rate.
///
/// The mask is a function of seed, step and node, so the gradient draws the same one again and nothing is stored.
public struct DropoutOperation: Operation {
  public static let kind = "dropout"
  /// The probability of zero, in [0, 1).
  public var rate: Float
  /// Separates this dropout from others of the same graph; its gradient has the same.
  public var stream: UInt64
  /// Whether values are dropped; a graph of a model says false, a plan for training sets it.
  public var isTraining = false
  public var inPlaceInputs: [Int] { [0] }
  public var isView: Bool { !isTraining }

  public func outputShapes(_ inputs: [Shape]) throws(ShapeError) -> [Shape] {
    try expectInputs(inputs, 1)
    guard rate >= 0, rate < 1 else {
      throw ShapeError("a dropout rate lies in [0, 1); received \(rate)")
    }
    return inputs
  }

  public func run(_ context: borrowing ExecutionContext) {
    context.kernels.dropout(
      context.input(0), rate: rate, seed: context.seed(stream: stream), context.output,
      count: context.shapes.inputs[0].count)
  }

  public func differentiate(_ context: inout Derivation) throws(ShapeError) -> [ValueID?] {
    [isTraining ? try context.one(self, [context.upstream]) : context.upstream]
  }
}
