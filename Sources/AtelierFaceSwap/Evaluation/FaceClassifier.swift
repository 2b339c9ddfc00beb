// A small classifier that tells A from B, trained apart from the swap that it judges.

import AtelierDatasets
import AtelierEngine
import AtelierFiles
import AtelierKernels
import AtelierTraining
import AtelierWorkbench
import AtelierZoo

/// Tells A from B by the middle of the face.
///
/// Everything outside an ellipse is gray, and crops are recoloured in training, so that neither the
/// wall behind a person nor the tint of a sitting gives the person away.
final class FaceClassifier {
  private let program: Program
  private let ellipse: [Float]

  private static let batch = 16

  /// Trains on batches of A and of B, of one side and size; `faceScale` is the size of the face's
  /// box, brow to chin, against what they show.
  ///
  /// Throws `StudioError` when the weights do not stay finite.
  init(
    _ faces: [SwapFace: FaceBatches], faceScale: Double, steps: Int = 400, seed: UInt64,
    kernels: Kernels
  ) throws {
    guard let a = faces[.a], let b = faces[.b], a.side == b.side, a.batchSize == b.batchSize else {
      throw StudioError(.usage, "a classifier of A and B needs crops of both")
    }
    let side = a.side
    let ellipse = Self.ellipse(side: side, faceScale: Float(faceScale))
    self.ellipse = ellipse
    let training = try Self.graph(batch: 2 * a.batchSize, side: side).training(
      loss: .crossEntropy(), target: [2 * a.batchSize, 1])
    let used = try Self.graph(batch: Self.batch, side: side).specialized(for: .infer)
    let store = try ParameterStore(for: [training], seed: seed)
    program = try Program(used, parameters: store, kernels: kernels)
    let source = ClosureBatchSource { step in
      let inputs = [a, b].map { $0.batch(step: step).target }
      let pictures = inputs.flatMap { Self.masked($0, by: ellipse) }
      let labels = inputs.enumerated().flatMap { label, input in
        [Float](repeating: Float(label), count: input.shape.batch)
      }
      let shape = inputs[0].shape.withBatch(labels.count)
      return ["input": Tensor(shape, pictures), "target": Tensor([labels.count, 1], labels)]
    }
    let step = try TrainingStep(
      program: Program(training, parameters: store, kernels: kernels),
      optimizer: .adam(
        learningRate: 1e-3, schedule: .cosine(total: steps, minimum: 1e-5)), kernels: kernels)
    let loop = try TrainingLoop(
      [step], source: source, configuration: TrainingConfiguration(steps: steps), kernels: kernels)
    let report = try loop.run()
    try StudioError.unless(
      report.reason == .finished, .data, "the classifier of A and B did not come to finite weights")
  }

  /// Four convolutions of stride 2, their mean, two logits.
  private static func graph(batch: Int, side: Int) throws(ShapeError) -> Graph {
    try Graph.trace { builder in
      var x = builder.input("input", [batch, side, side, 3])
      for (level, filters) in [16, 32, 64, 64].enumerated() {
        x = Convolution2D(
          filters: filters, kernel: 3, stride: 2, padding: .symmetric(1), activation: .relu,
          name: "down\(level + 1)")(x)
      }
      x = Dense(units: 2, name: "logits")(Flatten(name: "flatten")(x))
      builder.output("output", x)
    }
  }

  /// 1 in the middle of the picture, 0 outside the ellipse.
  private static func ellipse(side: Int, faceScale: Float) -> [Float] {
    let middle = (Float(side) - 1) / 2
    let face = faceScale * Float(side)
    return (0..<side * side).map { place in
      let x = (Float(place % side) - middle) / (0.42 * face)
      let y = (Float(place / side) - middle) / (0.5 * face)
      return x * x + y * y < 1 ? 1 : 0
    }
  }

  private static func masked(_ pictures: Tensor, by ellipse: [Float]) -> [Float] {
    var values = pictures.elements
    for index in values.indices where ellipse[index / 3 % ellipse.count] == 0 {
      values[index] = 0.5
    }
    return values
  }

  /// The share, 0...1, of faces [n, side, side, 3] that are taken for a person.
  func share(_ pictures: Tensor, calledBy face: SwapFace) throws -> Double {
    let count = pictures.shape.batch
    var called = 0
    try program.run(Self.masked(pictures, by: ellipse), of: count) { present in
      let logits = try program.output("output").elements
      for index in 0..<present {
        let person: SwapFace = logits[2 * index + 1] > logits[2 * index] ? .b : .a
        if person == face { called += 1 }
      }
    }
    return Double(called) / Double(max(count, 1))
  }
}
