// One program of a training and the optimizers that it feeds; a training is a list of these.

import AtelierEngine
import AtelierKernels

/// A program that computes a loss and gradients, and the optimizers that move parameters by them.
///
/// The steps of a list run one after the other on the same batch. Joint training: one step whose
/// optimizer moves everything. Alternating or antagonist training: two steps, each of which moves
/// its own group. Frozen: the group is left out.
public struct TrainingStep {
  /// The name in reports and before the names of its inputs; no slash.
  public let name: String
  /// A differentiated graph with the scalar output `loss`.
  public let program: Program
  /// What moves the parameters.
  public let optimizers: [OptimizerState]

  /// Makes a step of optimizers that exist; two steps may share one.
  ///
  /// - Throws: `TrainingError` when the program has no loss, lacks a gradient, or two optimizers
  ///   move one parameter.
  public init(
    name: String, program: Program, optimizers: [OptimizerState]
  ) throws(TrainingError) {
    self.name = name
    self.program = program
    self.optimizers = optimizers
    guard let loss = program.plan.graph.output(named: "loss"),
      program.plan.graph.values[loss].shape.count == 1
    else { throw TrainingError("training step \(name): expected a scalar output named loss") }
    let trained = Set(program.trainedEntries.map(\.name))
    var moved: Set<String> = []
    for optimizer in optimizers {
      guard optimizer.store === program.parameters else {
        throw TrainingError("training step \(name): program and optimizer have different stores")
      }
      for entry in optimizer.entries {
        guard trained.contains(entry.name) else {
          throw TrainingError(
            "training step \(name): the program has no gradient of \(entry.name), "
              + "which \(optimizer.optimizer.kind.name) is to move"
          )
        }
        guard moved.insert(entry.name).inserted else {
          throw TrainingError("training step \(name): two optimizers move \(entry.name)")
        }
      }
    }
  }

  /// Makes a step with one optimizer of its own, which moves the trained parameters that `isMoved`.
  ///
  /// - Throws: `TrainingError` when the program has no loss or nothing is to be moved.
  public init(
    name: String = "train", program: Program, optimizer: Optimizer,
    kernels: Kernels = Kernels(), moving isMoved: (ParameterStore.Entry) -> Bool = { _ in true }
  ) throws(TrainingError) {
    let state = try OptimizerState(
      optimizer, store: program.parameters, entries: program.trainedEntries.filter(isMoved),
      kernels: kernels)
    try self.init(name: name, program: program, optimizers: [state])
  }
}

extension Graph {
  /// The graph that trains this one: training forms, a loss against a new input, and gradients.
  ///
  /// The batch size is the one that this graph was traced with. The new input `target` has the
  /// output's own shape unless told otherwise; the outputs are `loss` and `output`.
  /// - Throws: `ShapeError` when there is no such output or the loss does not take the shapes.
  public func training(
    loss: Loss, of output: String = "output", target: Shape? = nil
  ) throws(ShapeError) -> Graph {
    guard self.output(named: output) != nil else {
      throw ShapeError("the graph has no output named \(output) to train")
    }
    let extended = try specialized(for: .train).extended { builder, symbols in
      guard let prediction = symbols[output] else { return }
      let wanted = builder.input("target", target ?? prediction.shape)
      builder.output("loss", loss(prediction, wanted))
      builder.output(output, prediction)
    }
    return try extended.differentiated()
  }
}
