// The loop: limits, recovery from values that are not finite, early stopping, several programs,
// data and its errors.

import AtelierEngine
import AtelierTraining
import Foundation
import TestSupport
import Testing

#if canImport(Glibc)
import Glibc
#elseif canImport(Darwin)
import Darwin
#endif

@Suite struct LimitTests {
  @Test func stepsEpochsAndMinutes() throws {
    func run(
      _ configuration: TrainingConfiguration, stepsPerEpoch: Int? = nil
    ) throws -> StopReport {
      let training = try SmallTraining(
        .adam(), configuration, source: smallBatches(stepsPerEpoch: stepsPerEpoch))
      var time = 100.0
      training.loop.clock = {
        time += 1
        return time
      }
      return try training.loop.run()
    }
    #expect(try run(TrainingConfiguration(steps: 3)).reason == .finished)
    #expect(try run(TrainingConfiguration(steps: 0)).step == 0)
    #expect(try run(TrainingConfiguration(epochs: 2), stepsPerEpoch: 4).step == 8)
    #expect(try run(TrainingConfiguration(steps: 5, epochs: 2), stepsPerEpoch: 4).step == 5)
    let timed = try run(TrainingConfiguration(minutes: 1))
    #expect(timed.reason == .timeUp)
    #expect((5...60).contains(timed.step) && timed.seconds >= 60)
    #expect(
      errorText { _ = try run(TrainingConfiguration(epochs: 2)) }
        == "training: 2 epochs were asked for, but the data has none; give steps or minutes")
    #expect(
      errorText { _ = try run(TrainingConfiguration(steps: 2, snapshotInterval: 0)) }
        == "training: expected a snapshot interval of at least 1; received 0")
  }

  @Test func eventsComeInOrder() throws {
    let training = try SmallTraining(
      .adam(),
      TrainingConfiguration(
        steps: 4, validationInterval: 2, previewInterval: 4, monitor: Monitor("score", .maximum)))
    let recorder = Recorder()
    var previews: [Int] = []
    training.loop.listeners = [recorder, PreviewListener { previews.append($0) }]
    training.loop.validate = { _ in ["score": 1] }
    try training.loop.run()
    let kinds = recorder.events.map { event in
      switch event {
      case .preview(let report): "preview \(report.step)"
      case .started: "started"
      case .step(let report): "step \(report.step)"
      case .validated: "validated"
      case .improved: "improved"
      case .previewDue: "preview"
      case .saved: "saved"
      case .warning: "warning"
      case .stopped: "stopped"
      }
    }
    #expect(
      kinds == [
        "started", "step 1", "step 2", "validated", "improved", "step 3", "step 4", "validated",
        "preview", "stopped",
      ])
    #expect(previews == [4])
    let report = try #require(recorder.steps.last)
    #expect(report.totalSteps == 4 && report.progress == 1 && report.remainingSeconds == 0)
    #expect(report.gradientNorm > 0 && report.learningRate == 0.001)
    #expect(report.values == ["loss": report.loss])
    guard case .started(let start) = recorder.events[0] else { throw GoldenError("no start") }
    #expect(start.trainedParameters == 3 * 3 * 2 * 4 + 4 + 8 + 3 * 3 * 4 * 2 + 2)
  }

  @Test func dropoutDrawsAnewInEveryStep() throws {
    // The same batch and weights that do not move: only the mask can change the loss.
    let batch = try smallBatches().batch(step: 0)
    let training = try SmallTraining(
      .sgd(learningRate: 0), TrainingConfiguration(steps: 4),
      source: ClosureBatchSource { _ in batch })
    let recorder = Recorder()
    training.loop.listeners = [recorder]
    try training.loop.run()
    #expect(Set(recorder.steps.map(\.loss)).count == 4)
  }

  @Test func theAverageTakesInEveryStepOnce() throws {
    let training = try SmallTraining(
      .adam(learningRate: 0.01), TrainingConfiguration(steps: 5, averageDecay: 0.9))
    let store = training.store
    let check = try MovingAverage(
      of: store, entries: training.step.optimizers[0].entries, decay: 0.9)
    training.loop.listeners = [ClosureListener { if case .step = $0 { check.update() } }]
    try training.loop.run()
    let average = try #require(training.loop.average)
    #expect(bits(average.values()) == bits(check.values()))
    #expect(average.updates == 5)
    #expect(bits(average.values()) != bits(store.snapshot()))
  }

  @Test func anInterruptSavesAndStops() throws {
    try withScratchFolder { url in
      let folder = try RunFolder.create(at: url, configuration: ["a": 1])
      let training = try SmallTraining(.adam(), TrainingConfiguration(seed: 5), folder: folder)
      let interrupt = training.loop.interrupt
      let recorder = Recorder()
      training.loop.listeners = [
        recorder,
        ClosureListener { if case .step(let report) = $0, report.step == 3 { interrupt.raise() } },
      ]
      let report = try training.loop.run()
      #expect(report.reason == .interrupted && report.step == 3)
      #expect(folder.hasState)
      #expect(
        recorder.events.contains(
          .saved(SavedFile(kind: .state, path: folder.stateURL.relativePath, step: 3))))
    }
  }

  @Test(.timeLimit(.minutes(1))) func aSignalRaisesTheFlag() {
    let flag = InterruptFlag.catchingSignals()
    #expect(!flag.isRaised && flag.signalNumber == nil)
    // To the process: the thread of a test may have signals blocked.
    kill(getpid(), SIGTERM)
    while !flag.isRaised { usleep(1000) }
    #expect(flag.isRaised && flag.signalNumber == SIGTERM)
    #expect(!InterruptFlag().isRaised)
    InterruptFlag.releaseSignals()
  }
}

@Suite struct RecoveryTests {
  @Test func aFaultRestoresTheLastGoodStateAndHalvesTheRate() throws {
    // Steps 0 … 3 are good, the snapshot is of step 2; batch 4 is poisoned.
    let training = try SmallTraining(
      .adam(learningRate: 0.01),
      TrainingConfiguration(steps: 5, snapshotInterval: 2, averageDecay: 0.9),
      source: smallBatches(poisonedSteps: [3]))
    let recorder = Recorder()
    training.loop.listeners = [recorder]
    let other = try SmallTraining(
      .adam(learningRate: 0.01), TrainingConfiguration(steps: 2, averageDecay: 0.9))
    try other.loop.run()
    var restored: [Float] = []
    training.loop.listeners.append(
      ClosureListener { if case .warning = $0 { restored = training.store.snapshot() } })
    let report = try training.loop.run()
    #expect(report.reason == .finished)
    #expect(
      recorder.warnings == [
        "the loss is nan at step 4; going on from the weights of step 2 at 0.5 of the learning rate"
      ])
    #expect(bits(restored) == bits(other.store.snapshot()))
    #expect(recorder.steps.map(\.step) == [1, 2, 3, 5])
    #expect(recorder.steps.map(\.learningRate) == [0.01, 0.01, 0.01, 0.005])
    #expect(recorder.steps.allSatisfy { $0.loss.isFinite })
    #expect(areFinite(training.store.snapshot()))
  }

  @Test func itGivesUpWithTheLastGoodStateSaved() throws {
    try withScratchFolder { url in
      let folder = try RunFolder.create(at: url, configuration: ["a": 1])
      let training = try SmallTraining(
        .sgd(learningRate: 0.01), TrainingConfiguration(steps: 50, snapshotInterval: 3, seed: 5),
        source: smallBatches(poisonedSteps: Set(4..<50)), folder: folder)
      let recorder = Recorder()
      training.loop.listeners = [recorder]
      var models: [SavedFile.Kind] = []
      training.loop.writeModel = { store, file, _ in
        models.append(file.kind)
        #expect(areFinite(store.snapshot()))
      }
      let report = try training.loop.run()
      #expect(report.reason == .notFinite && report.step == 9)
      #expect(
        recorder.warnings.last
          == "the loss is nan at step 9; giving up after 5 such faults, with the weights of step 6")
      #expect(models == [.last])
      let other = try SmallTraining(
        .sgd(learningRate: 0.01), TrainingConfiguration(steps: 3, seed: 5))
      try other.loop.run()
      #expect(bits(training.store.snapshot()) == bits(other.store.snapshot()))
      // A person who resumes it, with better data, gets another try.
      let resumed = try SmallTraining(
        .sgd(learningRate: 0.01), TrainingConfiguration(steps: 12, seed: 5), folder: folder)
      let again = try resumed.loop.run()
      #expect(again.reason == .finished)
    }
  }

  @Test func faultsThatAreFarApartDoNotAddUp() throws {
    let training = try SmallTraining(
      .sgd(learningRate: 0.01),
      TrainingConfiguration(steps: 30, snapshotInterval: 2, faultLimit: 2),
      source: smallBatches(poisonedSteps: [3, 8, 13, 18, 23]))
    let recorder = Recorder()
    training.loop.listeners = [recorder]
    #expect(try training.loop.run().reason == .finished)
    #expect(recorder.warnings.count == 5)
  }

  @Test func parametersThatOverflowAreAFaultToo() throws {
    let training = try SmallTraining(
      .sgd(learningRate: 1e38), TrainingConfiguration(steps: 5, faultLimit: 2))
    let recorder = Recorder()
    training.loop.listeners = [recorder]
    #expect(try training.loop.run().reason == .notFinite)
    #expect(areFinite(training.store.snapshot()))
    #expect(recorder.warnings.count == 2)
  }
}

@Suite struct EarlyStoppingTests {
  private func train(
    _ scores: [Double], _ monitor: Monitor, validationInterval: Int? = 1
  ) throws -> (StopReport, Recorder, SmallTraining, [[UInt32]]) {
    let training = try SmallTraining(
      .adam(learningRate: 0.01),
      TrainingConfiguration(
        steps: scores.count, validationInterval: validationInterval, averageDecay: 0.5,
        monitor: monitor))
    var weights: [[UInt32]] = []
    training.loop.validate = { store in
      weights.append(bits(store.snapshot()))
      return ["score": scores[weights.count - 1]]
    }
    let recorder = Recorder()
    training.loop.listeners = [recorder]
    return (try training.loop.run(), recorder, training, weights)
  }

  @Test func itStopsWhenNothingImproves() throws {
    let (report, recorder, training, weights) = try train(
      [1, 3, 2, 2.5, 9, 9], Monitor("score", .maximum, patience: 2, restoresBest: true))
    #expect(
      report == StopReport(reason: .earlyStopping, step: 4, seconds: 0, best: 3, bestStep: 2))
    #expect(recorder.validations.count == 4)
    // The best weights are those that were measured: the averaged ones.
    #expect(bits(training.store.snapshot()) == weights[1])
  }

  @Test func modesAndDeltas() throws {
    let small = Monitor("score", .minimum, minimumDelta: 0.5, patience: 2)
    #expect(try train([5, 4.6, 4.6, 1, 1], small).0.step == 3)
    #expect(try train([5, 4.4, .nan, 4.3], small).0.reason == .earlyStopping)
    let (report, _, _, _) = try train([1, 2, 3], Monitor("score", .maximum, patience: 2))
    #expect(report.reason == .finished && report.best == 3 && report.bestStep == 3)
  }

  @Test func withoutIntervalsItValidatesOnceAtTheEnd() throws {
    let (report, recorder, _, _) = try train(
      [7, 7, 7], Monitor("score", .maximum), validationInterval: nil)
    #expect(recorder.validations.map(\.step) == [3])
    #expect(report.best == 7)
  }

  @Test func aMetricThatIsNotThereIsNamed() throws {
    #expect(
      errorText { _ = try train([1, 2], Monitor("psnr", .maximum)) }
        == "the validation was to give psnr; received [\"score\", \"training_loss\"]")
  }

  @Test func thePlateauScheduleWarnsAndNeedsAMonitor() throws {
    let optimizer = Optimizer(
      .adam(), learningRate: 0.01,
      schedule: .reduceOnPlateau(factor: 0.5, patience: 0, threshold: 0))
    #expect(
      errorText { _ = try SmallTraining(optimizer, TrainingConfiguration(steps: 2)) }
        == "the plateau schedule needs a monitored metric")
    let training = try SmallTraining(
      optimizer,
      TrainingConfiguration(
        steps: 3, validationInterval: 1, monitor: Monitor("score", .maximum)))
    training.loop.validate = { _ in ["score": 1] }
    let recorder = Recorder()
    training.loop.listeners = [recorder]
    try training.loop.run()
    #expect(recorder.steps.map(\.learningRate) == [0.01, 0.01, 0.005])
    #expect(
      recorder.warnings.first == "score is on a plateau: learning rate reduced to 0.005")
  }
}

@Suite struct SeveralProgramsTests {
  /// Two networks on one store: `left` and `right` share nothing but the input.
  private func graph(_ name: String, isTrainable: Bool = true) throws -> Graph {
    try Graph.trace { builder in
      let input = builder.input("input", [4, 6, 6, 2])
      builder.scope(name) {
        let layer = Convolution2D(
          filters: 2, kernel: 3, isTrainable: isTrainable, name: "paint")
        builder.output("output", layer(input))
      }
    }
  }

  @Test func eachStepMovesItsOwnGroup() throws {
    let graphs = [try graph("left"), try graph("right")]
    let store = try ParameterStore(for: graphs, seed: 1)
    let start = store.snapshot()
    func step(_ index: Int, _ name: String, _ rate: Double) throws -> TrainingStep {
      let program = try Program(
        try graphs[index].training(loss: .squaredError), parameters: store)
      return try TrainingStep(
        name: name, program: program, optimizer: .sgd(learningRate: rate),
        moving: { $0.name.hasPrefix(name) })
    }
    let loop = try TrainingLoop(
      [try step(0, "left", 0.1), try step(1, "right", 0)], source: smallBatches(),
      configuration: TrainingConfiguration(steps: 3))
    let recorder = Recorder()
    loop.listeners = [recorder]
    try loop.run()
    for entry in store.entries {
      let hasMoved = store.snapshot()[entry.range] != start[entry.range]
      #expect(hasMoved == entry.name.hasPrefix("left"), "\(entry.name)")
    }
    let report = try #require(recorder.steps.last)
    #expect(Set(report.values.keys) == ["left/loss", "right/loss"])
    #expect(report.loss == report.values.values.reduce(0, +))
  }

  @Test func whatDoesNotFitIsRefused() throws {
    let graph = try graph("left")
    let store = try ParameterStore(for: [graph], seed: 1)
    let program = try Program(try graph.training(loss: .squaredError), parameters: store)
    #expect(
      errorText {
        _ = try TrainingStep(program: program, optimizer: .sgd(), moving: { _ in false })
      } == "optimizer sgd has nothing to move: no parameter of its group is trainable")
    let plain = try Program(graph, parameters: store)
    #expect(
      errorText { _ = try TrainingStep(name: "a", program: plain, optimizer: .sgd()) }
        == "optimizer sgd has nothing to move: no parameter of its group is trainable")
    let state = try OptimizerState(.sgd(), store: store, entries: store.entries)
    #expect(
      errorText { _ = try TrainingStep(name: "a", program: plain, optimizers: [state]) }
        == "training step a: expected a scalar output named loss")
    #expect(
      errorText { _ = try TrainingStep(name: "a", program: program, optimizers: [state, state]) }
        == "training step a: two optimizers move left/paint/weight")
    let step = try TrainingStep(name: "a", program: program, optimizers: [state])
    #expect(
      errorText {
        _ = try TrainingLoop(
          [step, step], source: smallBatches(), configuration: TrainingConfiguration(steps: 1))
      } == "training step a: expected a name of its own without a slash")
  }
}

@Suite struct BatchTests {
  @Test func batchesAreGivenInOrderAndNotTooFarAhead() throws {
    // The source may be at most the prefetch depth and the batch in work ahead of the steps made.
    let made = Counter()
    let source = ClosureBatchSource { step in
      made.add()
      return try smallBatches().batch(step: step)
    }
    let training = try SmallTraining(
      .adam(), TrainingConfiguration(steps: 12, prefetchDepth: 2), source: source)
    var largest = 0
    training.loop.listeners = [
      ClosureListener {
        if case .step(let report) = $0 { largest = max(largest, made.value - report.step) }
      }
    ]
    try training.loop.run()
    #expect(made.value == 12)
    #expect(largest <= 3)
  }

  @Test func anErrorOfTheDataSavesWhatWasReached() throws {
    try withScratchFolder { url in
      let folder = try RunFolder.create(at: url, configuration: ["a": 1])
      let source = ClosureBatchSource { step in
        if step == 3 { throw GoldenError("picture.png: is torn") }
        return try smallBatches().batch(step: step)
      }
      let training = try SmallTraining(
        .adam(), TrainingConfiguration(steps: 9, seed: 5), source: source, folder: folder)
      #expect(errorText { try training.loop.run() } == "picture.png: is torn")
      #expect(folder.hasState && training.loop.step == 3)
    }
  }

  @Test func batchesThatDoNotFitAreNamed() throws {
    let lacking = ClosureBatchSource { _ in ["input": Tensor([4, 6, 6, 2])] }
    let configuration = TrainingConfiguration(steps: 1)
    #expect(
      errorText { try SmallTraining(.adam(), configuration, source: lacking).loop.run() }
        == "training step train needs a batch with target; received [\"input\"]")
    let wrong = ClosureBatchSource { _ in
      ["input": Tensor([3, 6, 6, 2]), "target": Tensor([4, 6, 6, 2])]
    }
    #expect(
      errorText { try SmallTraining(.adam(), configuration, source: wrong).loop.run() }
        == "training step train: input input has shape [4, 6, 6, 2]; received [3, 6, 6, 2]")
  }
}

/// A number that two threads may count.
final class Counter: @unchecked Sendable {
  private let lock = NSLock()
  private var count = 0

  func add() {
    lock.lock()
    count += 1
    lock.unlock()
  }

  var value: Int {
    lock.lock()
    defer { lock.unlock() }
    return count
  }
}
