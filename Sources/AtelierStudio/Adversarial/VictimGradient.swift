// The gradient of an attack's loss to the pictures, through a victim that stays as it is.

import AtelierEngine
import AtelierInterchange
import AtelierKernels

/// A victim under attack by its gradients: logits and the gradient to the pictures.
final class VictimGradient {
  /// Pictures at once.
  let batch: Int
  private let program: Program

  /// Plans the program.
  ///
  /// - Parameters:
  ///   - model: A classifier.
  ///   - loss: What the attack makes small.
  ///   - isTargeted: Whether labels are to be reached.
  ///   - batch: Pictures at once.
  ///   - kernels: Instruction set and threads.
  /// - Throws: `StudioError` when the model does not classify.
  init(
    _ model: Model, loss: AttackLoss, isTargeted: Bool, batch: Int, kernels: Kernels
  ) throws {
    self.batch = batch
    let shape = try Classifier.inputShape(model).withBatch(batch)
    let network = model.graph.specialized(for: .infer)
    let graph = try Graph.trace { builder in
      let pictures = builder.input("input", shape)
      let labels = builder.input("target", [batch])
      guard
        let logits = builder.call(network, ["input": pictures], isTrainable: false)["output"]
      else { return }
      builder.output("logits", logits)
      // The mean over the batch times its size: each picture's own gradient.
      builder.output("loss", Float(batch) * loss(logits, labels, isTargeted: isTargeted))
    }
    program = try Program(
      graph.differentiated(withRespectToInputs: ["input"]), parameters: model.store(),
      kernels: kernels)
  }

  /// Runs the victim forward and back.
  ///
  /// - Parameters:
  ///   - pictures: [n, …] in [0, 1], n at most `batch`.
  ///   - labels: One class a picture.
  /// - Returns: The gradient of each picture's loss, and the logits [n, classes].
  /// - Throws: `DataFault` when a label is outside the classes.
  func callAsFunction(
    _ pictures: Tensor, _ labels: [Int]
  ) throws -> (gradient: Tensor, logits: Tensor) {
    let count = labels.count
    try program.withInput("input") { target in
      for index in target.indices {
        target[index] = index < pictures.count ? pictures.elements[index] : 0
      }
    }
    try program.withInput("target") { target in
      for index in target.indices { target[index] = index < count ? Float(labels[index]) : 0 }
    }
    try program.run()
    let gradient = try program.output("gradient of input")
    let logits = try program.output("logits")
    return (
      Tensor(pictures.shape, Array(gradient.elements.prefix(pictures.count))),
      Tensor(
        [count, logits.shape.channels],
        Array(logits.elements.prefix(count * logits.shape.channels)))
    )
  }
}
