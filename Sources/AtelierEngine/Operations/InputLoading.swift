// Inputs that a convolution puts together while it loads them, so that concatenation and batch
// normalization cost no pass over memory of their own.

import AtelierKernels

/// What a convolution, or a weight gradient, does to its input while it loads it.
///
/// The flags say which inputs follow at the end of the node's list: the second of two tensors, or mean, inverse deviation,
/// gamma and beta [C] of a batch normalization.
public struct InputLoading: Sendable, Hashable, Codable {
  /// The input's channels from here on are those of a second tensor, which follows.
  public var restStart: Int?
  /// When set, the input is normalized and what is then negative multiplied by this: 1 without an activation, 0 for ReLU.
  public var normalizedSlope: Float?

  /// The number of inputs that follow.
  var inputCount: Int { (restStart == nil ? 0 : 1) + (normalizedSlope == nil ? 0 : 4) }

  /// Floats of scratch memory for the normalization's factors and summands.
  func workspaceCount(_ input: Shape) -> Int {
    normalizedSlope == nil ? 0 : (2 * input.channels + 15) / 16 * 16
  }

  /// The shape of the input that the convolution sees.
  func shape(of input: Shape, _ following: ArraySlice<Shape>) throws(ShapeError) -> Shape {
    var following = following
    var shape = input
    if let restStart {
      let rest = following.removeFirst()
      guard input.rank == 4, rest.rank == 4, input.channels == restStart,
        input.dimensions.dropLast() == rest.dimensions.dropLast()
      else {
        throw ShapeError(
          "expected image batches of one size, the first of \(restStart) channels; received \(input) and \(rest)"
        )
      }
      shape = Shape(input.dimensions.dropLast() + [input.channels + rest.channels])
    }
    for vector in following where vector != [shape.channels] {
      throw ShapeError("expected channel vectors of shape [\(shape.channels)]; received \(vector)")
    }
    return shape
  }

  /// The tensors of the loading, whose inputs start at `first`; factors and summands are worked out in the workspace.
  func bound(_ context: borrowing ExecutionContext, first: Int) -> ConvolutionLoading {
    var loading = ConvolutionLoading()
    var next = first
    if let restStart {
      (loading.restStart, loading.rest) = (restStart, context.input(next))
      next += 1
    }
    guard let normalizedSlope else { return loading }
    let channels = context.shapes.inputs[next].channels
    let (mean, inverse) = (context.input(next), context.input(next + 1))
    let (gamma, beta) = (context.input(next + 2), context.input(next + 3))
    let scale = context.scratch
    let shift = scale + channels
    for channel in 0..<channels {
      scale[channel] = gamma[channel] * inverse[channel]
      shift[channel] = beta[channel] - mean[channel] * scale[channel]
    }
    (loading.scale, loading.shift) = (UnsafePointer(scale), UnsafePointer(shift))
    loading.slope = normalizedSlope
    return loading
  }
}

/// The statistics of a batch normalization whose result the next convolutions work out for themselves.
///
/// Inputs: x [..., C], running mean and running variance [C], which move as those of `BatchNormalizationOperation` do, and moments of
/// x's parts when the convolution before tells them.
/// Outputs: the batch's mean and inverse deviation [C].
public struct BatchStatistics: Operation {
  public static let kind = "batch-statistics"
  /// Added to the variance.
  public var epsilon: Float
  /// The weight of the new batch in the running statistics.
  public var momentum: Float
  /// Whether the moments of x's parts follow, so that x itself is not read.
  public var hasMoments = false
  public var shapeOnlyInputs: [Int] { hasMoments ? [0] : [] }

  /// Makes the statistics of a normalization with this epsilon and momentum.
  public init(epsilon: Float, momentum: Float) {
    self.epsilon = epsilon
    self.momentum = momentum
  }

  /// [C], [C].
  public func outputShapes(_ inputs: [Shape]) throws(ShapeError) -> [Shape] {
    try expectInputs(inputs, hasMoments ? 4 : 3)
    guard inputs[0].rank >= 2 else { throw ShapeError("expected a batch; received \(inputs[0])") }
    let vector: Shape = [inputs[0].channels]
    for shape in inputs[1..<3] { try expectEqual(vector, shape, "channel vectors") }
    if hasMoments { try expectMoments(inputs[3], of: inputs[0]) }
    return [vector, vector]
  }

  /// Room for the variance and for an inverse deviation that nobody reads.
  public func workspaceCount(_ shapes: NodeShapes, _ kernels: Kernels) -> Int {
    2 * shapes.inputs[0].channels
  }

  public func run(_ context: borrowing ExecutionContext) {
    let channels = context.shapes.inputs[0].channels
    moveStatistics(
      context, mean: context.output, variance: context.scratch,
      inverse: context.output(1) ?? context.scratch + channels, running: 1,
      moments: hasMoments ? 3 : nil, momentum: momentum, epsilon: epsilon)
  }
}

extension Operation {
  /// Throws unless the shape is that of moments of an image's parts: [parts, 2 C + 1].
  func expectMoments(_ shape: Shape, of image: Shape) throws(ShapeError) {
    guard shape.rank == 2, shape.channels == 2 * image.channels + 1 else {
      throw ShapeError(
        "\(Self.kind) expects moments of \(image.channels) channels; received \(shape)")
    }
  }
}

/// Works out a batch's mean, biased variance and inverse deviation of input 0, from the moments that input `moments` holds where it
/// is given, and moves the running ones, inputs `running` and the next.
func moveStatistics(
  _ context: borrowing ExecutionContext, mean: UnsafeMutablePointer<Float>,
  variance: UnsafeMutablePointer<Float>, inverse: UnsafeMutablePointer<Float>, running: Int,
  moments: Int?, momentum: Float, epsilon: Float
) {
  let shape = context.shapes.inputs[0]
  let channels = shape.channels
  let pixels = shape.count / channels
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
    runningVariance[channel] +=
      momentum * (variance[channel] * unbiased - runningVariance[channel])
    inverse[channel] = 1 / (variance[channel] + epsilon).squareRoot()
  }
}
