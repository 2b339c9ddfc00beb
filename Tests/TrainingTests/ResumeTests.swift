// A training that was stopped or killed and went on ends with the bits of the one that never
// stopped.

import AtelierEngine
import AtelierInterchange
import AtelierTraining
import Foundation
import TestSupport
import Testing

/// An error that ends a training without a save, as a kill would.
private struct Killed: Error {}

@Suite struct ResumeTests {
  static let optimizers: [Optimizer] =
    OptimizerKind.defaults.map { Optimizer($0, learningRate: 0.01) }
    + [
      .sgd(learningRate: 0.01, momentum: 0.9, nesterov: true),
      Optimizer(.rmsprop(momentum: 0.9, isCentered: true), learningRate: 0.001),
      Optimizer(
        .adamW(), learningRate: 0.02,
        schedule: .warmUp(
          steps: 3, then: .reduceOnPlateau(factor: 0.5, patience: 1, threshold: 0.5)),
        normLimit: 0.5, valueLimit: 0.1, decaysOnlyMatrices: true),
    ]

  /// What a finished training leaves.
  struct Outcome: Equatable {
    var parameters: [UInt32]
    var average: [UInt32]
    var optimizer: [[UInt32]]
    var counters: OptimizerState.Counters
    var plateau: PlateauState
    var table: String
    var stateParameters: [UInt32]
  }

  static let configuration = TrainingConfiguration(
    steps: 20, validationInterval: 3, saveInterval: 5, snapshotInterval: 4, averageDecay: 0.9,
    monitor: Monitor("score", .maximum), seed: 5)

  /// One process's part of a training: goes on in the folder until the end, an interrupt or a kill.
  private func run(
    _ optimizer: Optimizer, in url: URL, interruptAt: Int? = nil, killAt: Int? = nil,
    poisoned: Set<Int> = [], warn: @escaping (String) -> Void = { _ in }
  ) throws -> Outcome? {
    let folder =
      FileManager.default.fileExists(atPath: url.appending(path: "configuration.json").path)
      ? try RunFolder.open(at: url)
      : try RunFolder.create(at: url, configuration: Self.configuration)
    let training = try SmallTraining(
      optimizer, Self.configuration, source: smallBatches(poisonedSteps: poisoned),
      folder: folder)
    training.loop.validate = { store in
      ["score": Double(store.snapshot().reduce(0) { $0 + abs($1) })]
    }
    let interrupt = training.loop.interrupt
    training.loop.listeners = [
      CSVListener(folder.tableURL, metrics: ["score"]),
      JSONLinesListener(folder.eventsURL),
      TensorBoardListener(folder.url, host: "host", wallTime: { 1 }),
      ClosureListener { event in
        if case .warning(_, let text) = event { warn(text) }
        guard case .step(let report) = event else { return }
        if report.step == interruptAt { interrupt.raise() }
        if report.step == killAt { throw Killed() }
      },
    ]
    do {
      let report = try training.loop.run()
      guard report.reason != .interrupted else { return nil }
    } catch is Killed {
      return nil
    }
    let state = training.step.optimizers[0]
    let saved = try SafetensorsFile.read(from: folder.stateURL)
    return Outcome(
      parameters: bits(training.store.snapshot()),
      average: bits(try #require(training.loop.average).values()),
      optimizer: state.state().map { bits($0.values) }, counters: state.counters,
      plateau: state.plateau,
      table: try String(contentsOf: folder.tableURL, encoding: .utf8),
      stateParameters: bits(try saved.tensor(named: "parameters").elements))
  }

  @Test(arguments: optimizers) func interruptedEqualsUninterrupted(_ optimizer: Optimizer) throws {
    let whole = try withScratchFolder { try run(optimizer, in: $0) }
    let expected = try #require(whole)
    #expect(expected.parameters == expected.stateParameters)
    #expect(expected.parameters != expected.average)
    for stops in [[1], [5], [7, 8], [12, 19]] {
      try withScratchFolder { url in
        for stop in stops {
          let outcome = try run(optimizer, in: url, interruptAt: stop)
          #expect(outcome == nil)
        }
        let outcome = try run(optimizer, in: url)
        #expect(outcome == expected, "stopped after \(stops)")
      }
    }
  }

  @Test(arguments: [optimizers[4], optimizers[10]])
  func killedEqualsUninterrupted(_ optimizer: Optimizer) throws {
    let whole = try withScratchFolder { try run(optimizer, in: $0) }
    let expected = try #require(whole)
    for kills in [[2], [6, 9], [10, 11, 20], [14, 4]] {
      try withScratchFolder { url in
        for kill in kills { _ = try run(optimizer, in: url, killAt: kill) }
        let outcome = try run(optimizer, in: url)
        #expect(outcome == expected, "killed at \(kills)")
      }
    }
  }

  @Test func recoveryFromFaultsIsResumedToo() throws {
    let optimizer = Optimizer.adam(learningRate: 0.01)
    let poisoned: Set<Int> = [6, 11]
    let whole = try withScratchFolder { try run(optimizer, in: $0, poisoned: poisoned) }
    let expected = try #require(whole)
    let clean = try withScratchFolder { try run(optimizer, in: $0) }
    #expect(clean != expected)
    for stops in [[6], [7], [11], [5, 10, 12]] {
      try withScratchFolder { url in
        for stop in stops {
          _ = try run(optimizer, in: url, interruptAt: stop, poisoned: poisoned)
        }
        let outcome = try run(optimizer, in: url, poisoned: poisoned)
        #expect(outcome == expected, "stopped after \(stops)")
      }
    }
  }

  @Test func theLogsOfAResumeHaveEveryStepOnce() throws {
    try withScratchFolder { url in
      _ = try run(.adam(), in: url, killAt: 8)
      // What a kill may leave: a torn line at the end.
      let events = url.appending(path: "events.jsonl")
      try (try String(contentsOf: events, encoding: .utf8) + "{\"event\":\"st").write(
        to: events, atomically: true, encoding: .utf8)
      _ = try run(.adam(), in: url)
      let lines = try String(contentsOf: events, encoding: .utf8).split(separator: "\n")
      let steps = lines.filter { $0.contains("\"event\":\"step\"") }
      #expect(steps.count == 20)
      #expect(lines.filter { $0.contains("\"event\":\"resumed\"") }.count == 1)
      #expect(lines.last?.contains("\"reason\":\"finished\"") == true)
      let rows = try String(contentsOf: url.appending(path: "log.csv"), encoding: .utf8)
        .split(separator: "\n").dropFirst()
      let numbers = rows.map { Int($0.prefix { $0 != "," }) }
      // Twenty steps, validations after 3, 6, … 18 and at the end.
      #expect(numbers.compactMap { $0 }.count == 27)
      #expect(numbers.compactMap { $0 } == numbers.compactMap { $0 }.sorted())
      let names = try FileManager.default.contentsOfDirectory(atPath: url.path)
      #expect(names.filter { $0.hasPrefix("events.out.tfevents") }.count == 1)
    }
  }

  /// Logs and pictures stand beside a training: without them it goes on to the same bits.
  @Test(arguments: ["events.jsonl", "events.out.tfevents", "log.csv", "previews", "all"])
  func aDamagedLogIsSaidOnce(_ damaged: String) throws {
    try withScratchFolder { whole in
      let expected = try #require(try run(.adam(), in: whole))
      try withScratchFolder { url in
        _ = try run(.adam(), in: url, interruptAt: 8)
        for name in try names(in: url) where damaged == "all" || name.hasPrefix(damaged) {
          guard !name.hasPrefix("state"), !name.hasPrefix("configuration") else { continue }
          let file = url.appending(path: name)
          switch name {
          case "events.jsonl": try Data("{\"event\":\"started\"}\n".utf8).write(to: file)
          case "log.csv": try Data("step,other\n1,2\n".utf8).write(to: file)
          default: try FileManager.default.removeItem(at: file)
          }
        }
        var warnings: [String] = []
        let outcome = try #require(try run(.adam(), in: url) { warnings.append($0) })
        #expect(outcome.parameters == expected.parameters && outcome.average == expected.average)
        #expect(outcome.optimizer == expected.optimizer)
        let logs = ["events.jsonl", "events.out.tfevents", "log.csv"]
        for log in logs where damaged == "all" || damaged == log {
          #expect(warnings.filter { $0.contains(log) }.count == 1, "\(log): \(warnings)")
        }
        #expect(damaged != "previews" || warnings.isEmpty)
        #expect(try names(in: url).contains("previews"))
      }
    }
  }

  @Test func aLostStateIsNoReasonToBeginAnew() throws {
    try withScratchFolder { url in
      let folder = try RunFolder.create(at: url, configuration: ["a": 1])
      func train() throws {
        let training = try SmallTraining(
          .adam(), TrainingConfiguration(steps: 2, seed: 5), folder: folder)
        training.loop.listeners = [JSONLinesListener(folder.eventsURL)]
        try training.loop.run()
      }
      try train()
      try FileManager.default.removeItem(at: folder.stateURL)
      let path = folder.stateURL.relativePath
      let events = try Data(contentsOf: folder.eventsURL)
      #expect(
        errorText { try train() }
          == "\(path): the state of this run is missing, but events.jsonl says that it was saved; "
          + "put it back, or begin another run (--start-from takes the weights)")
      try Data("the model".utf8).write(to: folder.lastModelURL)
      #expect(errorText { try train() }?.contains("but last.safetensors is there") == true)
      #expect(try Data(contentsOf: folder.lastModelURL) == Data("the model".utf8))
      #expect(try Data(contentsOf: folder.eventsURL) == events)
    }
  }

  @Test func aFinishedTrainingCanBeMadeLonger() throws {
    try withScratchFolder { url in
      let folder = try RunFolder.create(at: url, configuration: ["steps": 4])
      for steps in [4, 4, 9] {
        let training = try SmallTraining(
          .adam(), TrainingConfiguration(steps: steps, seed: 5), folder: folder)
        let recorder = Recorder()
        training.loop.listeners = [recorder]
        let report = try training.loop.run()
        #expect(report.step == steps)
        #expect(training.loop.step == steps)
        #expect(recorder.steps.last?.step ?? steps == steps)
      }
    }
  }

  @Test func aStateOfAnotherTrainingIsRefused() throws {
    try withScratchFolder { url in
      let folder = try RunFolder.create(at: url, configuration: ["a": 1])
      let configuration = TrainingConfiguration(steps: 2, seed: 5)
      try SmallTraining(.adam(), configuration, folder: folder).loop.run()
      let path = folder.stateURL.relativePath
      func text(_ optimizer: Optimizer, _ configuration: TrainingConfiguration) -> String? {
        errorText { try SmallTraining(optimizer, configuration, folder: folder).loop.run() }
      }
      #expect(
        text(.sgd(), configuration)
          == "\(path): the state was made by [\"adam\"]; "
          + "received [\"sgd\"] or other settings of them"
      )
      #expect(
        text(.adam(), TrainingConfiguration(steps: 2, seed: 6))
          == "\(path): the run has the seed 5; received 6")
      #expect(
        text(.adam(), TrainingConfiguration(steps: 2, averageDecay: 0.9, seed: 5))
          == "\(path): the run has no moving average; received one")
      let graph = try Sequential(input: .vector(2)) { Dense(units: 3, name: "head") }.graph()
      let store = try ParameterStore(for: [graph], seed: 5)
      let program = try Program(try graph.training(loss: .squaredError), parameters: store)
      let loop = try TrainingLoop(
        [try TrainingStep(program: program, optimizer: .adam())], source: smallBatches(),
        configuration: configuration, folder: folder)
      #expect(
        errorText { try loop.run() }
          == "\(path): the state is of another network: "
          + "it has no parameter head/weight of shape [2, 3]"
      )
      try SafetensorsFile(metadata: ["a": "b"]).write(to: folder.stateURL)
      #expect(
        text(.adam(), configuration)
          == "\(path): expected the state of a training (atelier-training-state-1); "
          + "received another model file"
      )
      try Data([1, 2, 3]).write(to: folder.stateURL)
      #expect(text(.adam(), configuration)?.contains("\(path) at byte 0") == true)
    }
  }
}
