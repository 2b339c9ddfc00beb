// Small networks, data and folders that the training tests share.

import AtelierEngine
import AtelierKernels
import AtelierTraining
import Foundation
import TestSupport

/// A convolutional network with all that a training has to remember: running statistics and
/// dropout.
func smallNetwork() -> Sequential {
  Sequential(input: .image(height: 6, width: 6, channels: 2)) {
    Convolution2D(filters: 4, kernel: 3, activation: .relu, name: "first")
    BatchNormalization(name: "normalize")
    Dropout(0.25, name: "drop")
    Convolution2D(filters: 2, kernel: 3, name: "last")
  }
}

/// Batches of noise whose target is a fixed function of them.
func smallBatches(
  stepsPerEpoch: Int? = nil, poisonedSteps: Set<Int> = []
) -> ClosureBatchSource {
  ClosureBatchSource(stepsPerEpoch: stepsPerEpoch) { step in
    let input = Tensor.random([4, 6, 6, 2], seed: 100 + UInt64(step))
    var target = Tensor(input.shape, input.elements.map { 0.5 * $0 - 0.25 * $0 * $0 })
    if poisonedSteps.contains(step) { target.elements[3] = .nan }
    return ["input": input, "target": target]
  }
}

/// Everything of one small training.
struct SmallTraining {
  let store: ParameterStore
  let step: TrainingStep
  let loop: TrainingLoop

  init(
    _ optimizer: Optimizer, _ configuration: TrainingConfiguration,
    source: any BatchSource = smallBatches(), folder: RunFolder? = nil, seed: UInt64 = 5,
    handsGradientsOver: Bool = false
  ) throws {
    let graph = try smallNetwork().graph(batch: 4)
    store = try ParameterStore(for: [graph], seed: seed)
    let program = try Program(
      try graph.training(loss: .squaredError), parameters: store, seed: seed,
      handsGradientsOver: handsGradientsOver)
    step = try TrainingStep(program: program, optimizer: optimizer)
    loop = try TrainingLoop([step], source: source, configuration: configuration, folder: folder)
    loop.clock = { 0 }
  }
}

/// The bits of floats, so that comparisons see every one of them.
func bits(_ values: [Float]) -> [UInt32] { values.map(\.bitPattern) }

/// Whether all values are finite.
func areFinite(_ values: [Float]) -> Bool { values.allSatisfy(\.isFinite) }

/// Keeps every event.
final class Recorder: TrainingListener {
  private(set) var events: [TrainingEvent] = []

  func handle(_ event: TrainingEvent) { events.append(event) }

  var steps: [StepReport] {
    events.compactMap { if case .step(let report) = $0 { report } else { nil } }
  }

  var warnings: [String] {
    events.compactMap { if case .warning(_, let text) = $0 { text } else { nil } }
  }

  var validations: [ValidationReport] {
    events.compactMap { if case .validated(let report) = $0 { report } else { nil } }
  }
}

/// The text of the error that `body` throws, nil when it throws none.
func errorText(_ body: () throws -> Void) -> String? {
  do {
    try body()
    return nil
  } catch {
    return "\(error)"
  }
}
