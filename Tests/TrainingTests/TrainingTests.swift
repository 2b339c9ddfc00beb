// The short way to train, and what it leaves.

import AtelierEngine
import AtelierTraining
import TestSupport
import Testing

@Suite struct TrainingTests {
  @Test func eventsStreamAndTheModelLearns() async throws {
    let training = try Training(
      smallNetwork(), loss: .squaredError, optimizer: .adam(learningRate: 0.01), seed: 4)
    let start = training.parameters.snapshot()
    var steps: [StepReport] = []
    var reason: StopReport.Reason?
    for try await event in training.run(on: smallBatches(stepsPerEpoch: 15), epochs: 4) {
      if case .step(let report) = event { steps.append(report) }
      if case .stopped(let report) = event { reason = report.reason }
    }
    #expect(steps.map(\.step) == Array(1...60) && reason == .finished)
    let (first, last) = (try #require(steps.first), try #require(steps.last))
    #expect(last.smoothedLoss < first.smoothedLoss)
    #expect(training.parameters.snapshot() != start)
  }

  @Test func errorsEndTheStream() async throws {
    let training = try Training(smallNetwork(), loss: .squaredError, optimizer: .adam())
    await #expect(throws: TrainingError("the batches lack target; they have [\"input\"]")) {
      let source = ClosureBatchSource { _ in ["input": Tensor([4, 6, 6, 2])] }
      for try await _ in training.run(on: source, steps: 1) {}
    }
    await #expect(throws: TrainingError.self) {
      for try await _ in training.run(on: smallBatches(), epochs: 1) {}
    }
    // An error leaves it fit for another run.
    var count = 0
    for try await event in training.run(on: smallBatches(), steps: 2) {
      if case .step = event { count += 1 }
    }
    #expect(count == 2)
  }

  @Test func theTrainingGraphNamesItsParts() throws {
    let graph = try smallNetwork().graph(batch: 3)
    let training = try graph.training(loss: .absoluteError)
    #expect(training.inputs.map(\.name) == ["input", "target"])
    #expect(Set(training.outputs.map(\.name)) == ["loss", "output"])
    #expect(training.parameterGradients.count == 6)
    #expect(
      errorText { _ = try graph.training(loss: .squaredError, of: "mask") }
        == "the graph has no output named mask to train")
  }
}
