// Every optimizer makes the loss of a small network fall.

import AtelierEngine
import AtelierKernels
import AtelierTraining
import Foundation
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

  /// Both precisions train a network that takes noise out of smooth pictures.
  ///
  /// Its inner convolutions run in Winograd's form. Both start from the same weights and see the
  /// same batches; the loss of the last steps may differ by a twentieth, and both must have fallen
  /// to a quarter.
  @Test func bfloat16ConvergesAsFloat32() throws {
    let half = Kernels(pool: ThreadPool(threads: 2), precision: .bfloat16)
    if half.precision != .bfloat16 {
      print("bfloat16ConvergesAsFloat32: no AVX512-BF16 here; float32 is compared with itself")
    }
    let whole = try denoisingLosses(Kernels(pool: ThreadPool(threads: 2)))
    let rounded = try denoisingLosses(half)
    #expect(rounded.last < 0.25 * rounded.first && whole.last < 0.25 * whole.first)
    #expect(abs(rounded.last / whole.last - 1) < 0.05, "\(rounded.last) to \(whole.last)")
    // The first losses differ in digits that only rounding changes.
    #expect(abs(rounded.first / whole.first - 1) < 0.02)
    #expect((rounded.first == whole.first) == (half.precision == .float32))
  }

  /// The mean loss of the first and of the last ten steps.
  private func denoisingLosses(_ kernels: Kernels) throws -> (first: Float, last: Float) {
    let model = Sequential(input: .image(height: 24, width: 24, channels: 1)) {
      Convolution2D(filters: 24, kernel: 3, activation: .relu)
      Convolution2D(filters: 24, kernel: 3, activation: .relu)
      Convolution2D(filters: 24, kernel: 3, activation: .relu)
      Convolution2D(filters: 1, kernel: 3)
    }
    let graph = try model.graph(batch: 4)
    let store = try ParameterStore(for: [graph], seed: 3)
    let program = try Program(
      try graph.training(loss: .squaredError), parameters: store, kernels: kernels)
    let source = ClosureBatchSource { step in
      let shape: Shape = [4, 24, 24, 1]
      let noise = Tensor.random(shape, seed: UInt64(step))
      let clean = (0..<4 * 24 * 24).map { index in
        let (y, x) = (index / 24 % 24, index % 24)
        return Float(0.5 + 0.4 * sin(Double(x * (1 + step % 3) + 2 * y + index / 576) / 5))
      }
      let noisy = zip(clean, noise.elements).map { $0 + 0.2 * ($1 - 0.5) }
      return ["input": Tensor(shape, noisy), "target": Tensor(shape, clean)]
    }
    let loop = try TrainingLoop(
      [try TrainingStep(program: program, optimizer: .adam(learningRate: 0.003))], source: source,
      configuration: TrainingConfiguration(steps: 150))
    let recorder = Recorder()
    loop.listeners = [recorder]
    _ = try loop.run()
    let losses = recorder.steps.map { Float($0.loss) }
    func mean(_ part: ArraySlice<Float>) -> Float { part.reduce(0, +) / Float(part.count) }
    return (mean(losses.prefix(10)), mean(losses.suffix(10)))
  }
}
