// The gradient of an attack's loss to the pictures, through a victim that stays as it is.

import AtelierClassification
import AtelierEngine
import AtelierFiles
import AtelierWorkbench

/// A victim under attack by its gradients: logits and the gradient to the pictures.
final class VictimGradient {
  /// Pictures at once.
  let batch: Int
  private let program: Program

  /// Plans the program of a classifier, `input` to `output`, whose parameters others may move;
  /// throws `ShapeError` when the network does not take such a batch.
  init(_ model: RunningModel, loss: AttackLoss, isTargeted: Bool, batch: Int) throws {
    self.batch = batch
    guard let shape = model.inputShape()?.withBatch(batch) else {
      throw StudioError(.data, "the classifier has no input of that name")
    }
    let victim = try model.graph.reshaped(["input": shape]).specialized(for: .infer)
    let graph = try Graph.trace { builder in
      let pictures = builder.input("input", shape)
      let labels = builder.input("target", [batch])
      let answers = builder.call(victim, ["input": pictures], isTrainable: false)
      guard let logits = answers["output"] else { return }
      builder.output("logits", logits)
      // The mean over the batch times its size: each picture's own gradient.
      builder.output("loss", Float(batch) * loss(logits, labels, isTargeted: isTargeted))
    }
    program = try Program(
      graph.differentiated(withRespectToInputs: ["input"]), parameters: model.store,
      kernels: model.kernels)
  }

  /// Steps of `size` against the gradient, from where the at most `batch` pictures in [0, 1] stand:
  /// the inner loop of PGD, one program planned once; throws `DataFault` when a label is outside
  /// the classes.
  func descend(
    _ noisy: inout Tensor, around clean: Tensor, _ labels: [Int], _ budget: NoiseBudget,
    steps: Int, size: Float, smoothing: GradientSmoothing? = nil
  ) throws {
    var smoothing = smoothing
    for _ in 0..<steps {
      // A run may lay other values over its inputs once they were read.
      try setPictures(smoothing?.disturbed(noisy, around: clean, budget) ?? noisy)
      try setLabels(labels)
      try program.run()
      try program.withOutput("gradient of input") { gradient in
        smoothing?.add(gradient)
        guard let sum = smoothing?.sum else {
          return budget.descend(&noisy, gradient, by: size, around: clean)
        }
        sum.withUnsafeBufferPointer { budget.descend(&noisy, $0, by: size, around: clean) }
      }
    }
  }

  private func setPictures(_ pictures: Tensor) throws {
    try program.withInput("input") { target in
      let rest = target.update(fromContentsOf: pictures.elements)
      target[rest...].update(repeating: 0)
    }
  }

  private func setLabels(_ labels: [Int]) throws {
    try program.withInput("target") { target in
      for index in target.indices {
        target[index] = index < labels.count ? Float(labels[index]) : 0
      }
    }
  }

  /// Runs the victim forward and back on at most `batch` pictures in [0, 1]: the gradient of each
  /// picture's loss, and the logits [n, classes]; throws `DataFault` when a label is outside the
  /// classes.
  func callAsFunction(
    _ pictures: Tensor, _ labels: [Int]
  ) throws -> (gradient: Tensor, logits: Tensor) {
    let count = labels.count
    try setPictures(pictures)
    try setLabels(labels)
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
