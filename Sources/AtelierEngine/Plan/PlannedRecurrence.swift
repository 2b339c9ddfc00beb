// Recurrences as plans run them: the algorithm of their products, and memory for what nobody keeps.

import AtelierKernels

/// A recurrence as a plan runs it.
public struct PlannedRecurrence: PlannedOperation {
  public static let kind = RecurrentOperation.kind
  /// What it computes.
  public let operation: RecurrentOperation
  let sizes: RecurrentSizes
  /// The product of a step.
  let product: ConvolutionPlan

  init(_ operation: RecurrentOperation, _ sizes: RecurrentSizes, _ kernels: Kernels) {
    self.operation = operation
    self.sizes = sizes
    product = ConvolutionPlan(
      sizes.product(rows: sizes.batch), .forward, kernels, runsOften: true)
  }

  public var algorithm: String? { product.name }

  public func outputShapes(_ inputs: [Shape]) throws(ShapeError) -> [Shape] {
    try operation.outputShapes(inputs)
  }

  /// Packed weights, a state of zeros, and a step of sums, kept values and cells.
  public func workspaceCount(_ shapes: NodeShapes, _ kernels: Kernels) -> Int {
    packedCount + heldCount + product.workspaceCount
  }

  private var packedCount: Int { product.packedCount.wholeLines }
  private var heldCount: Int {
    (3 * sizes.state + sizes.batch * (sizes.sums + 4 * sizes.units)).wholeLines
  }

  public func multiplyAdds(_ shapes: NodeShapes) -> Int { operation.multiplyAdds(shapes) }

  public func run(_ context: borrowing ExecutionContext) {
    let (kernels, cell) = (context.kernels, operation.cell)
    let (batch, units, state) = (sizes.batch, sizes.units, sizes.state)
    var weights = context.input(1)
    let zeros = context.scratch + packedCount
    // Where nobody keeps them, values and cells of a step are written over those of the last one;
    // cells need the ones before them, so two take turns.
    let spare = (cells: zeros + state, kept: zeros + 3 * state)
    let sums = spare.kept + 4 * state
    let workspace = zeros + heldCount
    if product.packedCount > 0 {
      product.pack(weights: weights, into: context.scratch)
      weights = UnsafePointer(context.scratch)
    }
    zeros.update(repeating: 0, count: state)
    let y = context.output
    for (turn, step) in sizes.order.enumerated() {
      let before = sizes.before(step)
      let previous = UnsafePointer(before.map { y + $0 * state } ?? zeros)
      let x = context.input(0) + step * batch * sizes.sums
      let values = cell.kept > 0 ? context.output(1) : nil
      let kept = values.map { $0 + step * 4 * state } ?? spare.kept
      func multiply(_ epilogue: ConvolutionEpilogue, _ result: UnsafeMutablePointer<Float>) {
        product.run(
          previous, weights: weights, epilogue: epilogue, result: result, workspace: workspace)
      }
      switch cell {
      case .tanh, .relu:
        multiply(
          ConvolutionEpilogue(addend: x, activation: cell == .relu ? .relu : .tanh),
          y + step * state)
      case .lstm:
        multiply(ConvolutionEpilogue(addend: x), kept)
        let tape = context.output(2)
        let cells = tape.map { $0 + step * state } ?? (spare.cells + turn % 2 * state)
        let other = spare.cells + (turn + 1) % 2 * state
        let old = before.map { step in tape.map { $0 + step * state } ?? other } ?? zeros
        kernels.lstmStep(
          before: old, gates: kept, cells: cells, y: y + step * state, rows: batch, units: units)
      case .gru:
        multiply(ConvolutionEpilogue(bias: context.input(2)), sums)
        kernels.gruStep(
          x: x, recurrent: sums, before: previous, gates: kept, y: y + step * state, rows: batch,
          units: units)
      }
    }
  }
}

/// The gradient of a recurrence as a plan runs it.
public struct PlannedRecurrentGradient: PlannedOperation {
  public static let kind = RecurrentGradient.kind
  /// What it computes.
  public let operation: RecurrentGradient
  let sizes: RecurrentSizes
  /// The gradient of a step's state, and that of the recurrent weights over all steps.
  let product: ConvolutionPlan
  let weightGradient: WeightGradientPlan?

  init(_ operation: RecurrentGradient, _ sizes: RecurrentSizes, _ kernels: Kernels) {
    self.operation = operation
    self.sizes = sizes
    product = ConvolutionPlan(
      sizes.product(rows: sizes.batch), .inputGradient, kernels, runsOften: true)
    weightGradient =
      sizes.steps > 1
      ? WeightGradientPlan(sizes.product(rows: (sizes.steps - 1) * sizes.batch), kernels) : nil
  }

  public var algorithm: String? { product.name }

  public func outputShapes(_ inputs: [Shape]) throws(ShapeError) -> [Shape] {
    try operation.outputShapes(inputs)
  }

  private var packedCount: Int { product.packedCount.wholeLines }
  private var cell: RecurrentCell { operation.recurrence.cell }
  /// Whether the gradient of h·U is another one than that of x·W.
  private var isApart: Bool { cell == .gru }

  /// Packed weights, a state of zeros, the gradients of state and cells, those of h·U where they are
  /// apart, and what the products need.
  public func workspaceCount(_ shapes: NodeShapes, _ kernels: Kernels) -> Int {
    packedCount + heldCount + max(product.workspaceCount, weightGradient?.workspaceCount ?? 0)
  }

  private var heldCount: Int {
    (3 * sizes.state + (isApart ? sizes.steps * sizes.batch * sizes.sums : 0)).wholeLines
  }

  public func multiplyAdds(_ shapes: NodeShapes) -> Int { operation.multiplyAdds(shapes) }

  public func run(_ context: borrowing ExecutionContext) {
    var weights = context.input(1)
    let zeros = context.scratch + packedCount
    let (dState, dCells) = (zeros + sizes.state, zeros + 2 * sizes.state)
    let apart = dCells + sizes.state
    let workspace = zeros + heldCount
    if product.packedCount > 0 {
      product.pack(weights: weights, into: context.scratch)
      weights = UnsafePointer(context.scratch)
    }
    zeros.update(repeating: 0, count: 3 * sizes.state)
    let dRecurrent = isApart ? apart : context.output
    let order = sizes.order
    for step in order.reversed() {
      let from = UnsafePointer(dRecurrent + step * sizes.batch * sizes.sums)
      gradient(
        of: step, context, zeros: zeros, dState: dState, dCells: dCells, dRecurrent: dRecurrent)
      guard sizes.before(step) != nil else { continue }
      // What comes past the product is in the gradient of the state already.
      product.run(
        from, weights: weights, epilogue: ConvolutionEpilogue(addend: isApart ? dState : nil),
        result: dState, workspace: workspace)
    }
    weightGradients(context, dRecurrent, workspace)
  }

  /// The gradients of a step's sums; that of its state comes in without the upstream gradient.
  private func gradient(
    of step: Int, _ context: borrowing ExecutionContext, zeros: UnsafeMutablePointer<Float>,
    dState: UnsafeMutablePointer<Float>, dCells: UnsafeMutablePointer<Float>,
    dRecurrent: UnsafeMutablePointer<Float>
  ) {
    let (kernels, state, batch) = (context.kernels, sizes.state, sizes.batch)
    let before = sizes.before(step)
    func previous(_ all: UnsafePointer<Float>) -> UnsafePointer<Float> {
      before.map { all + $0 * state } ?? UnsafePointer(zeros)
    }
    let own = step * batch * sizes.sums
    kernels.accumulate(context.input(0) + step * state, scale: 1, into: dState, count: state)
    switch cell {
    case .tanh, .relu:
      kernels.activationGradient(
        cell == .relu ? .relu : .tanh, saved: context.input(2) + step * state, dState,
        context.output + own, count: state)
    case .lstm:
      kernels.lstmStepGradient(
        gates: context.input(3) + step * 4 * state, before: previous(context.input(4)),
        cells: context.input(4) + step * state, dy: dState, dCells: dCells,
        dGates: context.output + own, rows: batch, units: sizes.units)
    case .gru:
      kernels.gruStepGradient(
        gates: context.input(3) + step * 4 * state, before: previous(context.input(2)),
        dState: dState, dX: context.output + own, dRecurrent: dRecurrent + own, rows: batch,
        units: sizes.units)
    }
  }

  /// The gradients of the recurrent weights: states times the gradients of the sums that they went
  /// into, over all steps at once; and of the recurrent bias.
  private func weightGradients(
    _ context: borrowing ExecutionContext, _ dRecurrent: UnsafeMutablePointer<Float>,
    _ workspace: UnsafeMutablePointer<Float>
  ) {
    let row = sizes.batch * sizes.sums
    if let dWeights = context.output(1) {
      if let weightGradient {
        let (states, sums) =
          sizes.isReversed ? (sizes.state, 0) : (0, row)
        weightGradient.run(
          input: context.input(2) + states, outputGradient: UnsafePointer(dRecurrent + sums),
          weightGradient: dWeights, biasGradient: nil, workspace: workspace)
      } else {
        dWeights.update(repeating: 0, count: sizes.units * sizes.sums)
      }
    }
    if isApart, let dBias = context.output(2) {
      context.kernels.channelSum(
        UnsafePointer(dRecurrent), dBias, pixels: sizes.steps * sizes.batch, channels: sizes.sums)
    }
  }
}

extension Int {
  /// So many floats in whole cache lines.
  fileprivate var wholeLines: Int { (self + 15) / 16 * 16 }
}
