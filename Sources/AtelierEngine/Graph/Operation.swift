// What every operation of a graph is: a value with attributes, one shape rule, one way to run and one way to differentiate.

import AtelierKernels

/// One step of a graph, described by its attributes alone.
///
/// Everything else is a function of the description: the shape rule is the same one that validation, differentiation,
/// planning and execution call. A new operation is one file in `Operations/`, one line in `OperationRegistry`, one line in the
/// contract tests, and a kernel where none fits yet.
public protocol Operation: Sendable, Hashable, Codable {
  /// The name in model files, for example `convolution-2d`.
  static var kind: String { get }

  /// The shapes of the outputs, in order, that inputs of these shapes give.
  ///
  /// - Throws: `ShapeError` saying what was expected and what was received.
  func outputShapes(_ inputs: [Shape]) throws(ShapeError) -> [Shape]

  /// Inputs of which only the shape is used, so that their memory need not be kept.
  var shapeOnlyInputs: [Int] { get }

  /// Inputs that a run moves, such as running statistics.
  var movedInputs: [Int] { get }

  /// Inputs whose memory output 0 may take over when nobody else needs it and the counts agree.
  var inPlaceInputs: [Int] { get }

  /// Whether output 0 is input 0 under another shape, so that nothing runs.
  var isView: Bool { get }

  /// Whether gradients of outputs other than the first are passed on too.
  var differentiatesEveryOutput: Bool { get }

  /// Whether each sample of the results depends on the same sample of the inputs alone (parameters
  /// apart), so that two batches may run as one.
  var treatsSamplesAlone: Bool { get }

  /// What runs in its place: made once, while planning; itself where there is nothing to choose.
  func planned(_ shapes: NodeShapes, _ kernels: Kernels) throws(ShapeError) -> any Operation

  /// Floats of scratch memory while the operation runs.
  func workspaceCount(_ shapes: NodeShapes, _ kernels: Kernels) -> Int

  /// Floats of memory for what is derived from parameters alone, such as packed weights; kept between runs while they rest.
  func preparedCount(_ shapes: NodeShapes, _ kernels: Kernels) -> Int

  /// Fills the prepared memory from the parameters.
  func prepare(_ context: borrowing ExecutionContext)

  /// Computes the outputs.
  func run(_ context: borrowing ExecutionContext)

  /// Appends the nodes that compute the gradients of the inputs: a value for each, nil where there is none or nobody needs it.
  ///
  /// - Throws: `ShapeError` when the operation has no gradient.
  func differentiate(_ context: inout Derivation) throws(ShapeError) -> [ValueID?]

  /// The kernel that most of a run's time goes to; nil for the kinds that are not timed alone.
  func kernelCase(_ shapes: NodeShapes) -> KernelCase?

  /// Multiply-adds of one run, for the summary and the profile; 0 where memory traffic is all that counts.
  func multiplyAdds(_ shapes: NodeShapes) -> Int
}

/// What holds unless an operation says otherwise.
extension Operation {
  public var shapeOnlyInputs: [Int] { [] }
  public var movedInputs: [Int] { [] }
  public var inPlaceInputs: [Int] { [] }
  public var isView: Bool { false }
  public var differentiatesEveryOutput: Bool { false }
  public var treatsSamplesAlone: Bool { false }
  public func planned(
    _ shapes: NodeShapes, _ kernels: Kernels
  ) throws(ShapeError) -> any Operation { self }
  public func workspaceCount(_ shapes: NodeShapes, _ kernels: Kernels) -> Int { 0 }
  public func preparedCount(_ shapes: NodeShapes, _ kernels: Kernels) -> Int { 0 }
  public func prepare(_ context: borrowing ExecutionContext) {}
  public func kernelCase(_ shapes: NodeShapes) -> KernelCase? { nil }
  public func multiplyAdds(_ shapes: NodeShapes) -> Int { 0 }
  /// Refuses by default: gradient operations are not differentiated again.
  public func differentiate(_ context: inout Derivation) throws(ShapeError) -> [ValueID?] {
    throw ShapeError("operation \(Self.kind) has no gradient")
  }

  /// Whether two operations are of the same type with the same attributes.
  func equals(_ other: any Operation) -> Bool { (other as? Self) == self }

  /// The output shapes, when their elements can be counted; errors name the layer.
  func countableShapes(_ inputs: [Shape], layer: String) throws(ShapeError) -> [Shape] {
    do throws(ShapeError) {
      let shapes = try outputShapes(inputs)
      for shape in shapes where !shape.isCountable {
        throw ShapeError("\(Self.kind) gives the shape \(shape), which is too large")
      }
      return shapes
    } catch {
      throw ShapeError("layer \(layer): \(error.description)")
    }
  }

  /// Throws unless there are as many inputs as the operation takes.
  func expectInputs(_ inputs: [Shape], _ count: Int) throws(ShapeError) {
    guard inputs.count == count else {
      throw ShapeError("\(Self.kind) takes \(count) inputs; received \(inputs.count)")
    }
  }

  /// Throws unless the input is an image batch [batch, height, width, channels].
  func expectImage(_ shape: Shape) throws(ShapeError) {
    guard shape.rank == 4 else {
      throw ShapeError(
        "\(Self.kind) expects an image batch [batch, height, width, channels]; received \(shape)")
    }
  }

  /// The only input's shape; throws unless there is one input, and it is an image batch.
  func onlyImage(_ inputs: [Shape]) throws(ShapeError) -> Shape {
    try expectInputs(inputs, 1)
    try expectImage(inputs[0])
    return inputs[0]
  }

  /// Throws unless input 1 has a label for each row of input 0, which is called `what`.
  func expectLabels(_ inputs: [Shape], _ what: String) throws(ShapeError) {
    let rows = inputs[0].count / max(inputs[0].channels, 1)
    guard inputs[1].count == rows else {
      throw ShapeError("expected \(rows) labels for \(what) \(inputs[0]); received \(inputs[1])")
    }
  }

  /// Throws unless the shapes are of one element each.
  func expectScalars(_ shapes: ArraySlice<Shape>) throws(ShapeError) {
    for shape in shapes where shape.count != 1 {
      throw ShapeError("\(Self.kind) expects a scalar; received \(shape)")
    }
  }

  /// Throws unless the second shape equals the first.
  func expectEqual(_ expected: Shape, _ received: Shape, _ what: String) throws(ShapeError) {
    guard expected == received else {
      throw ShapeError("\(Self.kind) expects \(what) of shape \(expected); received \(received)")
    }
  }
}

/// The shapes around one node.
public struct NodeShapes: Sendable {
  /// One shape per input.
  public let inputs: [Shape]
  /// One shape per output.
  public let outputs: [Shape]
}

/// The identity of a value in a graph: its index in `Graph.values`.
public typealias ValueID = Int
