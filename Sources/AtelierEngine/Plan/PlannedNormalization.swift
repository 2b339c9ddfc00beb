// What plans make of batch normalizations in training form: statistics alone, where the readers
// normalize, and statistics from what the convolution before tells.

import AtelierKernels

/// A batch normalization in training form whose statistics come from moments of x's parts, which
/// the convolution before tells; x is read once then.
///
/// Inputs and outputs are those of the operation, then the moments [parts, 2 C + 1].
public struct NormalizationByMoments: PlannedOperation {
  public static let kind = BatchNormalizationOperation.kind
  /// What it computes.
  public let operation: BatchNormalizationOperation
  public var movedInputs: [Int] { operation.movedInputs }

  public func outputShapes(_ inputs: [Shape]) throws(ShapeError) -> [Shape] {
    let shapes = try operation.outputShapes(inputs.dropLast())
    if let moments = inputs.last { try expectMoments(moments, of: inputs[0]) }
    return shapes
  }

  public func workspaceCount(_ shapes: NodeShapes, _ kernels: Kernels) -> Int {
    operation.workspaceCount(shapes, kernels)
  }

  public func run(_ context: borrowing ExecutionContext) {
    operation.run(context, moments: context.shapes.inputs.count - 1)
  }

  public func kernelCase(_ shapes: NodeShapes) -> KernelCase? { operation.kernelCase(shapes) }
}

/// The statistics of a batch normalization whose result the next convolutions work out for themselves.
///
/// Inputs: x [..., C], running mean and running variance [C], which move as those of `BatchNormalizationOperation` do, and moments of
/// x's parts when the convolution before tells them.
/// Outputs: the batch's mean and inverse deviation [C].
public struct BatchStatistics: PlannedOperation {
  public static let kind = "batch-statistics"
  /// The normalization.
  let operation: BatchNormalizationOperation
  /// Whether the moments of x's parts follow, so that x itself is not read.
  var hasMoments = false
  public var shapeOnlyInputs: [Int] { hasMoments ? [0] : [] }
  public var movedInputs: [Int] { [1, 2] }

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
      moments: hasMoments ? 3 : nil, momentum: operation.momentum, epsilon: operation.epsilon)
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
