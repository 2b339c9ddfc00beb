// Ten steps of every optimizer against PyTorch (Ftrl: Keras' formula), clipping and averages.

import AtelierEngine
import AtelierTraining
import TestSupport
import Testing

/// A store with one weight of each size, and a gradient block beside it.
final class Bench {
  let store: ParameterStore
  let gradients: UnsafeMutablePointer<Float>

  init(_ sizes: [Int]) throws {
    let graph = try Graph.trace { builder in
      let input = builder.input("input", [1, 1])
      for (index, size) in sizes.enumerated() {
        let layer = Dense(units: size, hasBias: false, name: "weight\(index)")
        builder.output("output\(index)", layer(input))
      }
    }
    store = try ParameterStore(for: [graph], seed: 1)
    gradients = .allocate(capacity: store.count)
    gradients.initialize(repeating: 0, count: store.count)
  }

  deinit { gradients.deallocate() }

  func values(_ index: Int) -> [Float] {
    Array(
      UnsafeBufferPointer(
        start: store.pointer + store.entries[index].offset,
        count: store.entries[index].shape.count))
  }

  func set(_ index: Int, _ values: [Float]) {
    (store.pointer + store.entries[index].offset).update(from: values, count: values.count)
  }

  func setGradient(_ index: Int, _ values: [Float]) {
    (gradients + store.entries[index].offset).update(from: values, count: values.count)
  }
}

private func kind(of golden: GoldenCase) throws -> OptimizerKind? {
  func number(_ name: String) throws -> Double { try golden.double(name) }
  switch golden.operation {
  case "sgd":
    return .sgd(
      momentum: try number("momentum"), nesterov: try golden.bool("nesterov"),
      weightDecay: try number("weight_decay"), dampening: try number("dampening"))
  case "adagrad":
    return .adagrad(
      rateDecay: try number("lr_decay"),
      initialAccumulator: try number("initial_accumulator_value"),
      epsilon: try number("epsilon"), weightDecay: try number("weight_decay"))
  case "adadelta":
    return .adadelta(
      rho: try number("rho"), epsilon: try number("epsilon"),
      weightDecay: try number("weight_decay"))
  case "rmsprop":
    return .rmsprop(
      alpha: try number("rho"), epsilon: try number("epsilon"),
      momentum: try number("momentum"), isCentered: try golden.bool("centered"),
      weightDecay: try number("weight_decay"))
  case "adam":
    return .adam(
      beta1: try number("beta1"), beta2: try number("beta2"), epsilon: try number("epsilon"),
      weightDecay: try number("weight_decay"))
  case "adamw":
    return .adamW(
      beta1: try number("beta1"), beta2: try number("beta2"), epsilon: try number("epsilon"),
      weightDecay: try number("weight_decay"))
  case "nadam":
    return .nadam(
      beta1: try number("beta1"), beta2: try number("beta2"), epsilon: try number("epsilon"),
      momentumDecay: try number("momentum_decay"), weightDecay: try number("weight_decay"))
  case "ftrl":
    return .ftrl(
      ratePower: try number("learning_rate_power"),
      initialAccumulator: try number("initial_accumulator_value"), l1: try number("l1"),
      l2: try number("l2"))
  default: return nil
  }
}

private let goldenCases = Result { try GoldenCases.load("optimizers") }

@Suite struct OptimizerGoldenTests {
  @Test func theFixtureHasEveryOptimizer() throws {
    let operations = Set(try goldenCases.get().map(\.operation))
    for kind in OptimizerKind.defaults { #expect(operations.contains(kind.name), "\(kind.name)") }
  }

  @Test(arguments: (try? goldenCases.get()) ?? []) func tenSteps(_ golden: GoldenCase) throws {
    guard let kind = try kind(of: golden) else { return }
    let rate = try golden.double("learning_rate")
    let rates =
      golden.hasAttribute("learning_rates")
      ? try golden.doubles("learning_rates") : [Double](repeating: rate, count: 10)
    let bench = try Bench([23])
    bench.set(0, try golden.tensor(key: "shared/initial").elements)
    let gradients = try golden.tensor(key: "shared/gradients").elements
    let expected = try golden.tensor("output").elements
    let optimizer = try OptimizerState(
      Optimizer(kind, learningRate: rate), store: bench.store, entries: bench.store.entries)
    for step in 0..<10 {
      bench.setGradient(0, Array(gradients[step * 23..<(step + 1) * 23]))
      optimizer.step(gradients: bench.gradients, learningRate: rates[step])
      expectEveryClose(
        bench.values(0), Array(expected[step * 23..<(step + 1) * 23]), tolerance: 1e-4,
        floor: 1e-2, "\(golden.name) step \(step)")
    }
    #expect(optimizer.counters.steps == 10)
  }

  @Test(arguments: try GoldenCases.load("optimizers", operation: "clip_global_norm"))
  func clipping(_ golden: GoldenCase) throws {
    let bench = try Bench([23, 90, 1])
    for index in 0..<3 {
      bench.set(index, [Float](repeating: 0, count: bench.store.entries[index].shape.count))
      bench.setGradient(index, try golden.tensor("gradient\(index)").elements)
    }
    // With rate 1 from zero, SGD makes minus the clipped gradient of the parameters.
    let optimizer = try OptimizerState(
      Optimizer(.sgd(), normLimit: try golden.double("limit")), store: bench.store,
      entries: bench.store.entries)
    let norm = optimizer.step(gradients: bench.gradients, learningRate: 1)
    expectClose([Float(norm)], try golden.tensor("output").elements, tolerance: 1e-6)
    for index in 0..<3 {
      expectClose(
        bench.values(index).map { -$0 }, try golden.tensor("clipped\(index)").elements,
        tolerance: 1e-5, "gradient \(index)")
    }
  }

  @Test(arguments: try GoldenCases.load("optimizers", operation: "moving_average"))
  func average(_ golden: GoldenCase) throws {
    let bench = try Bench([23])
    bench.set(0, try golden.tensor(key: "shared/initial").elements)
    let average = try MovingAverage(
      of: bench.store, entries: bench.store.entries, decay: try golden.double("decay"),
      isWarmedUp: false)
    let weights = try golden.tensor(key: "shared/gradients").elements
    let expected = try golden.tensor("output").elements
    for step in 0..<10 {
      bench.set(0, Array(weights[step * 23..<(step + 1) * 23]))
      average.update()
      average.withAverage {
        expectClose(
          bench.values(0), Array(expected[step * 23..<(step + 1) * 23]), tolerance: 1e-5)
      }
      #expect(bench.values(0) == Array(weights[step * 23..<(step + 1) * 23]))
    }
  }

  @Test func theAverageWarmsUp() throws {
    let bench = try Bench([1])
    bench.set(0, [0])
    let average = try MovingAverage(
      of: bench.store, entries: bench.store.entries, decay: 0.25)
    bench.set(0, [1])
    var expected: Float = 0
    for update in 0..<6 {
      average.update()
      let decay = Float(min(0.25, Double(update + 1) / Double(update + 10)))
      expected = decay * expected + (1 - decay)
      average.withAverage { expectClose(bench.values(0), [expected], tolerance: 1e-6) }
    }
    average.apply()
    expectClose(bench.values(0), [expected], tolerance: 1e-6)
  }
}

@Suite struct OptimizerLayoutTests {
  @Test func neighboursAreSweptTogether() throws {
    let bench = try Bench([23, 90, 1])
    let all = try OptimizerState(.adam(), store: bench.store, entries: bench.store.entries)
    #expect(all.state().map(\.values.count) == [32 + 96 + 16, 32 + 96 + 16])
    let two = try OptimizerState(
      .adam(), store: bench.store, entries: [bench.store.entries[2], bench.store.entries[0]])
    #expect(two.entries.map(\.name) == ["weight0/weight", "weight2/weight"])
    #expect(two.state().map(\.values.count) == [48, 48])
  }

  @Test(arguments: OptimizerKind.defaults + [.sgd(momentum: 0.9), .rmsprop(momentum: 0.9)])
  func sweepsMoveWhatSingleParametersWould(_ kind: OptimizerKind) throws {
    // The whole in one sweep, and its parts by three optimizers of their own.
    let whole = try Bench([23, 90, 1])
    let parts = try Bench([23, 90, 1])
    let start = (0..<3).map { whole.values($0) }
    let one = try OptimizerState(
      Optimizer(kind, learningRate: 0.1), store: whole.store, entries: whole.store.entries)
    let many = try parts.store.entries.map {
      try OptimizerState(Optimizer(kind, learningRate: 0.1), store: parts.store, entries: [$0])
    }
    for step in 0..<3 {
      for index in 0..<3 {
        let count = whole.store.entries[index].shape.count
        let gradient = Tensor.random([count], seed: UInt64(10 * step + index)).elements
        whole.setGradient(index, gradient)
        parts.setGradient(index, gradient)
      }
      one.step(gradients: whole.gradients, learningRate: 0.1)
      for optimizer in many { optimizer.step(gradients: parts.gradients, learningRate: 0.1) }
    }
    for index in 0..<3 {
      expectClose(whole.values(index), parts.values(index), tolerance: 1e-6)
      #expect(whole.values(index) != start[index])
    }
    // Nothing but the parameters has changed: the padding between them is still zero.
    let padding = Set(0..<whole.store.count).subtracting(whole.store.entries.flatMap(\.range))
    #expect(padding.allSatisfy { whole.store.pointer[$0] == 0 })
  }

  @Test func weightDecayLeavesVectorsAloneWhenAsked() throws {
    let graph = try smallNetwork().graph(batch: 1)
    for isExempt in [false, true] {
      let store = try ParameterStore(for: [graph], seed: 3)
      for entry in store.entries where entry.role == .weight {
        try store.set(entry.name, Tensor(entry.shape, repeating: 1))
      }
      let gradients = [Float](repeating: 0, count: store.count)
      let optimizer = try OptimizerState(
        Optimizer(.sgd(weightDecay: 0.5), decaysOnlyMatrices: isExempt), store: store,
        entries: store.entries.filter { $0.role == .weight })
      var copy = gradients
      copy.withUnsafeMutableBufferPointer { buffer in
        if let base = buffer.baseAddress { optimizer.step(gradients: base, learningRate: 0.5) }
      }
      #expect(store["first/weight"]?.elements.allSatisfy { $0 == 0.75 } == true)
      let expected: Float = isExempt ? 1 : 0.75
      for name in ["first/bias", "normalize/gamma", "normalize/beta"] {
        #expect(store[name]?.elements.allSatisfy { $0 == expected } == true, "\(name)")
      }
      #expect(store["normalize/running_variance"]?.elements.allSatisfy { $0 == 1 } == true)
    }
  }

  @Test func valuesAreClippedBeforeTheNorm() throws {
    let bench = try Bench([3])
    bench.set(0, [0, 0, 0])
    bench.setGradient(0, [-4, 0.5, 30])
    let optimizer = try OptimizerState(
      Optimizer(.sgd(), valueLimit: 2), store: bench.store, entries: bench.store.entries)
    let norm = optimizer.step(gradients: bench.gradients, learningRate: 1, gradientScale: 0.5)
    #expect(bench.values(0) == [2, -0.25, -2])
    expectClose([Float(norm)], [Float((229.0625).squareRoot())], tolerance: 1e-6)
    let both = try OptimizerState(
      Optimizer(.sgd(), normLimit: 1, valueLimit: 2), store: bench.store,
      entries: bench.store.entries)
    bench.set(0, [0, 0, 0])
    bench.setGradient(0, [-4, 0, 30])
    both.step(gradients: bench.gradients, learningRate: 1)
    expectClose(
      bench.values(0), [Float(0.5).squareRoot(), 0, -Float(0.5).squareRoot()], tolerance: 1e-5)
  }

  @Test func numbersThatMakeNoSenseAreRefused() throws {
    let bench = try Bench([1])
    func text(_ optimizer: Optimizer) -> String? {
      errorText {
        _ = try OptimizerState(optimizer, store: bench.store, entries: bench.store.entries)
      }
    }
    #expect(
      text(.adam(learningRate: -1))
        == "optimizer adam: expected a learning rate of at least 0; received -1.0")
    #expect(
      text(Optimizer(.adam(beta1: 1))) == "optimizer adam: expected a beta1 in 0..<1; received 1.0")
    #expect(
      text(Optimizer(.sgd(nesterov: true)))
        == "optimizer sgd: Nesterov's form needs a momentum above 0 and no dampening; "
        + "received 0.0 and 0.0"
    )
    #expect(
      text(.adam(schedule: .step(size: 0, gamma: 0.5)))
        == "schedule: expected a step size of at least 1; received 0")
    #expect(
      errorText { _ = try OptimizerState(.adam(), store: bench.store, entries: []) }
        == "optimizer adam has nothing to move: no parameter of its group is trainable")
    let other = try Bench([2])
    #expect(
      errorText {
        _ = try OptimizerState(.adam(), store: bench.store, entries: other.store.entries)
      } == "optimizer adam was given weight0/weight, which is no weight of the store")
    #expect(text(Optimizer(.ftrl())) == nil)
  }

  @Test func optimizersAreCodableByName() throws {
    for kind in OptimizerKind.defaults {
      #expect(OptimizerKind(named: kind.name) == kind)
    }
    #expect(OptimizerKind(named: "AdamW") == .adamW())
    #expect(OptimizerKind(named: "lion") == nil)
  }
}
