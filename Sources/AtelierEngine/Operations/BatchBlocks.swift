// Batches joined to one and cut apart again: each is the other's gradient.

import AtelierKernels

/// Samples of several tensors one after the other: [N1, ...], [N2, ...], … give [N1 + N2 + …, ...].
public struct JoinBatches: Operation {
  public static let kind = "join-batches"

  /// [N1 + N2 + …, ...].
  public func outputShapes(_ inputs: [Shape]) throws(ShapeError) -> [Shape] {
    guard let first = inputs.first, first.rank >= 1 else {
      throw ShapeError("join-batches takes at least one tensor; received \(inputs.count)")
    }
    let sample = Array(first.dimensions.dropFirst())
    for shape in inputs
    where shape.rank != first.rank || Array(shape.dimensions.dropFirst()) != sample {
      throw ShapeError("join-batches expects samples of equal sizes; received \(inputs)")
    }
    return [Shape([inputs.reduce(0) { $0 + $1.batch }] + sample)]
  }

  public func run(_ context: borrowing ExecutionContext) {
    var start = 0
    for (index, shape) in context.shapes.inputs.enumerated() {
      context.kernels.copy(context.input(index), context.output + start, count: shape.count)
      start += shape.count
    }
  }

  public func differentiate(_ context: inout Derivation) throws(ShapeError) -> [ValueID?] {
    let sizes = context.node.inputs.map { context.shape($0).batch }
    return try context.append(SplitBatch(sizes: sizes), [context.upstream])
  }
}

/// A batch cut into runs of samples: [N1 + N2 + …, ...] gives [N1, ...], [N2, ...] and so on.
public struct SplitBatch: Operation {
  public static let kind = "split-batch"
  public var differentiatesEveryOutput: Bool { true }
  /// The samples of each result.
  public var sizes: [Int]

  /// The runs [N1, ...], [N2, ...] and so on.
  public func outputShapes(_ inputs: [Shape]) throws(ShapeError) -> [Shape] {
    try expectInputs(inputs, 1)
    guard inputs[0].rank >= 1, !sizes.isEmpty,
      sizes.allSatisfy({ (1...inputs[0].batch).contains($0) }),
      sizes.reduce(0, &+) == inputs[0].batch
    else { throw ShapeError("a batch of \(inputs[0]) cannot be cut into \(sizes) samples") }
    return sizes.map { Shape([$0] + inputs[0].dimensions.dropFirst()) }
  }

  public func run(_ context: borrowing ExecutionContext) {
    var start = 0
    for (index, shape) in context.shapes.outputs.enumerated() {
      if let output = context.output(index) {
        context.kernels.copy(context.input(0) + start, output, count: shape.count)
      }
      start += shape.count
    }
  }

  public func differentiate(_ context: inout Derivation) throws(ShapeError) -> [ValueID?] {
    var parts: [ValueID] = []
    for (index, upstream) in context.upstreams.enumerated() {
      if let upstream {
        parts.append(upstream)
      } else {
        let shape = context.shape(context.node.outputs[index])
        parts.append(try context.one(FillOperation(value: 0, shape: shape), []))
      }
    }
    return [try context.one(JoinBatches(), parts)]
  }
}
