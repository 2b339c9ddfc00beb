// Every optimizer makes the loss of a small network fall.

import AtelierEngine
import AtelierKernels
import AtelierTraining
import TestSupport
import Testing

@Suite struct ConvergenceTests {
  /// Each with a rate that suits it here.
  static let optimizers: [Optimizer] = [
    .sgd(learningRate: 0.05), .sgd(learningRate: 0.02, momentum: 0.9),
    .sgd(learningRate: 0.02, momentum: 0.9, nesterov: true),
    Optimizer(.adagrad(), learningRate: 0.05), Optimizer(.adadelta(), learningRate: 5),
    Optimizer(.rmsprop(), learningRate: 0.005),
    Optimizer(.rmsprop(momentum: 0.5, isCentered: true), learningRate: 0.003),
    .adam(learningRate: 0.01), .adamW(learningRate: 0.01),
    Optimizer(.nadam(), learningRate: 0.01), Optimizer(.ftrl(), learningRate: 0.1),
  ]

  @Test(arguments: optimizers) func theLossFalls(_ optimizer: Optimizer) throws {
    let model = Sequential(input: .vector(3)) {
      Dense(units: 16, activation: .tanh)
      Dense(units: 1)
    }
    let graph = try model.graph(batch: 32)
    let store = try ParameterStore(for: [graph], seed: 2)
    let program = try Program(try graph.training(loss: .squaredError), parameters: store)
    let source = ClosureBatchSource { step in
      let input = Tensor.random([32, 3], seed: UInt64(step))
      let target = (0..<32).map { row in
        let x = input.elements[3 * row..<3 * row + 3].map { $0 }
        return x[0] - 0.5 * x[1] + 0.3 * x[2] * x[2]
      }
      return ["input": input, "target": Tensor([32, 1], target)]
    }
    let loop = try TrainingLoop(
      [try TrainingStep(program: program, optimizer: optimizer)], source: source,
      configuration: TrainingConfiguration(steps: 400))
    let recorder = Recorder()
    loop.listeners = [recorder]
    #expect(try loop.run().reason == .finished)
    let losses = recorder.steps.map(\.loss)
    let first = losses.prefix(5).reduce(0, +) / 5
    let last = losses.suffix(5).reduce(0, +) / 5
    #expect(losses.count == 400)
    #expect(last < 0.35 * first, "\(optimizer.kind): \(first) to \(last)")
  }
}
