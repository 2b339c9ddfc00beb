// Parameters that move as soon as their gradient is complete become what they become together.

import AtelierEngine
import AtelierTraining
import TestSupport
import Testing

@Suite("Gradients handed over")
struct GradientMoverTests {
  private static let optimizers: [Optimizer] = [
    .adam(learningRate: 0.01), Optimizer(.adamW(), learningRate: 0.01, decaysOnlyMatrices: true),
    Optimizer(.nadam(), learningRate: 0.01, valueLimit: 0.02),
    Optimizer(.sgd(momentum: 0.9, nesterov: true), learningRate: 0.05),
    Optimizer(.rmsprop(), learningRate: 0.01),
  ]

  @Test("the same bits and the same losses, with faults on the way", arguments: optimizers)
  func sameBits(_ optimizer: Optimizer) throws {
    func train(_ handsOver: Bool) throws -> (SmallTraining, Recorder) {
      let recorder = Recorder()
      let training = try SmallTraining(
        optimizer, TrainingConfiguration(steps: 9, snapshotInterval: 2, seed: 5),
        source: smallBatches(poisonedSteps: [3]), handsGradientsOver: handsOver)
      training.loop.listeners = [recorder]
      try training.loop.run()
      return (training, recorder)
    }
    let (together, singly) = (try train(false), try train(true))
    #expect(bits(together.0.store.snapshot()) == bits(singly.0.store.snapshot()))
    #expect(together.1.warnings == singly.1.warnings && singly.1.warnings.count == 1)
    #expect(together.1.steps.map(\.loss) == singly.1.steps.map(\.loss))
    for (one, other) in zip(together.1.steps, singly.1.steps) {
      #expect(abs(one.gradientNorm - other.gradientNorm) <= 1e-9 * one.gradientNorm)
    }
    let states = [together, singly].map { $0.0.step.optimizers[0].state().map { bits($0.values) } }
    #expect(states[0] == states[1])
  }

  @Test(
    "a gradient that is not finite moves nothing and is told by its sum of squares",
    arguments: [Float.nan, .infinity, -.infinity])
  func notFinite(_ fault: Float) throws {
    let training = try SmallTraining(
      .adam(learningRate: 0.01), TrainingConfiguration(steps: 1), handsGradientsOver: true)
    let (store, optimizer) = (training.store, training.step.optimizers[0])
    let numbers = optimizer.beginStep(learningRate: 0.01)
    for entry in optimizer.entries {
      let start = store.snapshot()
      var gradient = [Float](repeating: 0.5, count: entry.shape.count)
      gradient[entry.shape.count - 1] = fault
      let moved = gradient.withUnsafeMutableBufferPointer { gradient in
        gradient.baseAddress.map { optimizer.move(entry, by: $0, in: numbers) }
      }
      #expect(moved?.isFinite == false)
      #expect(bits(store.snapshot()) == bits(start))
    }
    #expect(optimizer.state().allSatisfy { $0.values.allSatisfy { $0 == 0 } })
  }

  @Test("what needs all gradients at once is refused") func refused() throws {
    #expect(
      errorText {
        _ = try SmallTraining(
          Optimizer(.adam(), learningRate: 0.01, normLimit: 1), TrainingConfiguration(steps: 1),
          handsGradientsOver: true)
      }
        == "training step train: its program hands gradients over one by one; shards, ranks and a "
        + "norm limit need all of them at once")
    #expect(
      errorText {
        _ = try SmallTraining(
          .adam(learningRate: 0.01), TrainingConfiguration(steps: 1, shards: 2),
          handsGradientsOver: true)
      }?.contains("hands gradients over") == true)
  }
}
