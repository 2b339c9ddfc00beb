// Recurrence as one operation over all steps, with its own gradient: products of a step at a time, all else fused.

import AtelierKernels

/// A recurrent layer's way through time, its first step from a state of zeros.
///
/// Inputs: the input's sums x·W + b [T, N, ..., sums · H], recurrent weights U [H, sums · H] and, for gated recurrent units, the
/// bias [3 · H] of h·U. Outputs: the states [T, N, ..., H]; what the gradient needs beside them: kept values [T, N, 4 · H] and, for
/// long short-term memory, the cells [T, N, H]. A plan runs it as `PlannedRecurrence`.
public struct RecurrentOperation: Operation {
  public static let kind = "recurrence"
  /// What a step does.
  public var cell: RecurrentCell
  /// Whether it goes from the last step to the first.
  public var isReversed: Bool

  /// Makes a recurrence.
  public init(_ cell: RecurrentCell, isReversed: Bool = false) {
    self.cell = cell
    self.isReversed = isReversed
  }

  public func outputShapes(_ inputs: [Shape]) throws(ShapeError) -> [Shape] {
    try expectInputs(inputs, cell == .gru ? 3 : 2)
    let sizes = try sizes(inputs[0], inputs[1])
    if cell == .gru { try expectEqual([sizes.sums], inputs[2], "a recurrent bias") }
    let states = Shape(inputs[0].dimensions.dropLast() + [sizes.units])
    let kept: [Shape] = cell.kept > 0 ? [[sizes.steps, sizes.batch, cell.kept * sizes.units]] : []
    let cells: [Shape] = cell == .lstm ? [[sizes.steps, sizes.batch, sizes.units]] : []
    return [states] + kept + cells
  }

  /// The sizes for sums and recurrent weights of these shapes.
  func sizes(_ sums: Shape, _ weights: Shape) throws(ShapeError) -> RecurrentSizes {
    guard weights.rank == 2, weights[0] > 0, weights[1] == cell.sums * weights[0] else {
      throw ShapeError(
        "\(cell.rawValue) expects recurrent weights [H, \(cell.sums) · H]; received \(weights)")
    }
    guard sums.rank >= 3, sums[0] > 0, sums[1] > 0, sums.channels == weights[1],
      sums.count == sums[0] * sums[1] * sums.channels
    else {
      throw ShapeError(
        "\(cell.rawValue) expects sums [T, N, \(weights[1])], steps first; received \(sums)")
    }
    return RecurrentSizes(
      steps: sums[0], batch: sums[1], units: weights[0], sums: weights[1], isReversed: isReversed)
  }

  public func planned(
    _ shapes: NodeShapes, _ kernels: Kernels
  ) throws(ShapeError) -> any Operation {
    PlannedRecurrence(self, try sizes(shapes.inputs[0], shapes.inputs[1]), kernels)
  }

  public func run(_ context: borrowing ExecutionContext) {
    preconditionFailure("layer \(context.name) runs in its planned form")
  }

  public func multiplyAdds(_ shapes: NodeShapes) -> Int {
    shapes.inputs[0].count * shapes.inputs[1][0]
  }

  public func differentiate(_ context: inout Derivation) throws(ShapeError) -> [ValueID?] {
    let results = try context.append(
      RecurrentGradient(recurrence: self),
      [context.upstream, context.inputs[1]] + context.outputs)
    return context.isNeeded.indices.map { context.isNeeded[$0] ? results[$0] : nil }
  }
}

/// The gradient of a recurrence, from the last step to the first.
///
/// Inputs: the upstream gradient [T, N, ..., H], recurrent weights, and the outputs of the recurrence. Outputs: the gradients of
/// the input's sums, of the recurrent weights and, for gated recurrent units, of their bias.
public struct RecurrentGradient: Operation {
  public static let kind = "recurrence-gradient"
  /// The recurrence.
  public var recurrence: RecurrentOperation

  public func outputShapes(_ inputs: [Shape]) throws(ShapeError) -> [Shape] {
    let cell = recurrence.cell
    try expectInputs(inputs, 3 + (cell.kept > 0 ? 1 : 0) + (cell == .lstm ? 1 : 0))
    let sums = Shape(inputs[0].dimensions.dropLast() + [inputs[1].channels])
    let bias: Shape = [inputs[1].channels]
    let saved = try recurrence.outputShapes([sums, inputs[1]] + (cell == .gru ? [bias] : []))
    for (expected, received) in zip(saved, inputs[2...]) {
      try expectEqual(expected, received, "what the recurrence gave")
    }
    try expectEqual(saved[0], inputs[0], "a gradient")
    return [sums, inputs[1]] + (cell == .gru ? [bias] : [])
  }

  public func planned(
    _ shapes: NodeShapes, _ kernels: Kernels
  ) throws(ShapeError) -> any Operation {
    let sums = shapes.outputs[0]
    return PlannedRecurrentGradient(
      self, try recurrence.sizes(sums, shapes.inputs[1]), kernels)
  }

  public func run(_ context: borrowing ExecutionContext) {
    preconditionFailure("layer \(context.name) runs in its planned form")
  }

  public func multiplyAdds(_ shapes: NodeShapes) -> Int {
    2 * shapes.outputs[0].count * shapes.inputs[1][0]
  }
}

/// The sizes of a recurrence.
struct RecurrentSizes: Sendable, Hashable {
  let steps: Int
  let batch: Int
  let units: Int
  /// Sums of a sample: the width of the recurrent weights.
  let sums: Int
  let isReversed: Bool

  /// The steps in the order in which they are taken.
  var order: [Int] { isReversed ? Array((0..<steps).reversed()) : Array(0..<steps) }

  /// The step before a step; nil for the first.
  func before(_ step: Int) -> Int? {
    let other = isReversed ? step + 1 : step - 1
    return (0..<steps).contains(other) ? other : nil
  }

  /// Floats of one step's state.
  var state: Int { batch * units }

  /// The product of `rows` states and the recurrent weights, as a dense layer.
  func product(rows: Int) -> ConvolutionGeometry {
    ConvolutionGeometry(
      batch: 1, inputHeight: 1, inputWidth: rows, inputChannels: units, outputHeight: 1,
      outputWidth: rows, outputChannels: sums, kernelHeight: 1, kernelWidth: 1)
  }
}
