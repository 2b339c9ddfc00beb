// Small batches summed in a fixed tree: the same bits here and on any number of ranks.

import AtelierEngine
import AtelierFiles
import AtelierKernels
import AtelierTraining
import Foundation
import TestSupport
import Testing

@Suite struct ShardTreeTests {
  @Test func whoeverAddsWhat() {
    for shards in 1...24 {
      let tree = ShardTree(shards)
      // Additions that are not associative: a text says who was added to whom.
      func ended(_ parts: [Range<Int>]) -> String {
        var stack: [ShardNode] = []
        var texts: [String] = []
        for part in parts {
          var own: [ShardNode] = []
          var sums: [String] = []
          for shard in part {
            sums.append("\(shard)")
            for _ in 0..<tree.push(tree.leaf(shard), on: &own) {
              let right = sums.removeLast()
              sums[sums.count - 1] = "(\(sums[sums.count - 1])+\(right))"
            }
          }
          #expect(own == tree.nodes(part))
          for (node, text) in zip(own, sums) {
            texts.append(text)
            for _ in 0..<tree.push(node, on: &stack) {
              let right = texts.removeLast()
              texts[texts.count - 1] = "(\(texts[texts.count - 1])+\(right))"
            }
          }
        }
        #expect(stack == [tree.root])
        return texts.joined(separator: " ")
      }
      let whole = ended([0..<shards])
      for ranks in 1...shards {
        let parts = (0..<ranks).map { tree.range(rank: $0, of: ranks) }
        #expect(parts.reduce(0) { $0 + $1.count } == shards)
        #expect(ended(parts) == whole)
      }
    }
    #expect(ShardTree(6).sum([1, 2, 3, 4, 5, 6]) == 21)
  }

  @Test func roundingIsToTheNearest() {
    let cases: [(Float, Float)] = [
      (1, 1), (1 + 1 / 256, 1), (1 + 3 / 256, 1 + 1 / 64), (-1 - 1.01 / 256, -1 - 1 / 128),
      (.infinity, .infinity), (.greatestFiniteMagnitude, .infinity), (0, 0),
    ]
    for (value, wanted) in cases { #expect(GradientArithmetic.rounded(value) == wanted) }
    #expect(GradientArithmetic.rounded(.nan).isNaN)
    #expect(GradientArithmetic.rounded(Float(bitPattern: 0x7F80_0001)).isNaN)
  }

  @Test func layoutsCoverAllOnce() throws {
    let graph = try smallNetwork().graph(batch: 1)
    let store = try ParameterStore(for: [graph], seed: 1)
    let program = try Program(graph.training(loss: .squaredError), parameters: store)
    #expect(program.movedEntries.count == 2)
    #expect(program.movedEntries.allSatisfy { $0.role == .statistic })
    for limit in [16, 40, 1 << 20] {
      let layout = GradientLayout(
        gradients: program.gradientSteps, statistics: program.movedEntries, limit: limit)
      var covered = [Int](repeating: 0, count: store.count)
      for bucket in layout.buckets {
        #expect(bucket.range.count <= limit + 15)
        for piece in bucket.pieces {
          for index in piece.store..<piece.store + piece.count { covered[index] += 1 }
        }
        for ranks in 1...5 {
          let segments = (0..<ranks).map { bucket.segment($0, of: ranks) }
          #expect(segments.flatMap { Array($0) } == Array(bucket.range))
        }
      }
      for entry in program.trainedEntries + program.movedEntries {
        #expect(entry.range.allSatisfy { covered[$0] == 1 })
      }
      // Buckets come in the order in which the backward pass makes them.
      let ready = layout.buckets.filter { !$0.isStatistic }.map { $0.readyStep ?? Int.max }
      #expect(ready == ready.sorted())
    }
  }
}

/// What a training with shards leaves.
private struct Outcome: Equatable {
  var parameters: [UInt32]
  var average: [UInt32]
  var losses: [UInt64]
  var values: [[String: UInt64]]
  var norms: [UInt64]
}

@Suite struct ShardTests {
  /// The same on one process, or on `ranks` of them, each with its own of everything.
  private func outcomes(
    shards: Int, ranks: Int, threads: Int = 1, steps: Int = 7, bucket: Int? = nil,
    _ precision: GradientPrecision = .float32, poisoned: Set<Int> = [],
    folder: URL? = nil, validates: Bool = false
  ) throws -> [Outcome] {
    try onRanks(ranks) { group in
      let graph = try smallNetwork().graph(batch: 4)
      let kernels = Kernels(pool: ThreadPool(threads: threads))
      let store = try ParameterStore(for: [graph], seed: 5)
      let program = try Program(
        try graph.training(loss: .squaredError), parameters: store, kernels: kernels, seed: 5)
      let step = try TrainingStep(
        program: program, optimizer: .adam(learningRate: 0.01), kernels: kernels)
      var configuration = TrainingConfiguration(
        steps: steps, averageDecay: 0.9, shards: shards, gradientPrecision: precision, seed: 5)
      (configuration.saveInterval, configuration.snapshotInterval) = (3, 2)
      if validates {
        configuration.validationInterval = 2
        configuration.monitor = Monitor("score", .minimum, patience: 2, restoresBest: true)
      }
      let run = try folder.flatMap { url -> RunFolder? in
        let own = (group?.rank ?? 0) == 0 ? url : url.appending(path: "rank-\(group?.rank ?? 0)")
        if FileManager.default.fileExists(atPath: own.appending(path: "configuration.json").path) {
          return try RunFolder.open(at: own)
        }
        let made = try RunFolder.create(at: own, configuration: configuration)
        // As the front end does: others get a copy of what rank 0 has.
        let state = url.appending(path: "state.safetensors")
        if own != url, FileManager.default.fileExists(atPath: state.path) {
          try FileManager.default.copyItem(at: state, to: made.stateURL)
        }
        return made
      }
      let loop = try TrainingLoop(
        [step], source: smallBatches(poisonedSteps: poisoned), configuration: configuration,
        folder: run, kernels: kernels, group: group)
      if validates {
        // What the others would measure is never asked for.
        loop.validate = { store in
          ["score": (group?.rank ?? 0) == 0 ? Double(store.pointer[0]) : .nan]
        }
      }
      let recorder = Recorder()
      loop.listeners = [recorder]
      try loop.run()
      let reports = recorder.steps
      return Outcome(
        parameters: bits(store.snapshot()), average: bits(loop.average?.values() ?? []),
        losses: reports.map(\.loss.bitPattern),
        values: reports.map { $0.values.mapValues(\.bitPattern) },
        norms: reports.map(\.gradientNorm.bitPattern))
    }
  }

  @Test func oneShardIsTheStepAsItWas() throws {
    let training = try SmallTraining(
      .adam(learningRate: 0.01),
      TrainingConfiguration(steps: 7, averageDecay: 0.9, seed: 5))
    let recorder = Recorder()
    training.loop.listeners = [recorder]
    try training.loop.run()
    let outcome = try outcomes(shards: 1, ranks: 1)[0]
    #expect(outcome.parameters == bits(training.store.snapshot()))
    #expect(outcome.losses == recorder.steps.map(\.loss.bitPattern))
  }

  @Test(arguments: [1, 2, 4, 6, 16])
  func anyRanksAndThreadsGiveTheSameBits(shards: Int) throws {
    let alone = try outcomes(shards: shards, ranks: 1)[0]
    #expect(areFinite(alone.parameters.map { Float(bitPattern: $0) }))
    for (ranks, threads) in [(1, 2), (2, 1), (3, 1), (4, 2), (5, 1), (8, 1)] where ranks <= shards {
      for outcome in try outcomes(shards: shards, ranks: ranks, threads: threads) {
        #expect(outcome == alone, "\(ranks) ranks of \(threads) threads")
      }
    }
  }

  @Test func roundedGradientsGiveTheSameBitsToo() throws {
    let alone = try outcomes(shards: 6, ranks: 1, .bfloat16)[0]
    let plain = try outcomes(shards: 6, ranks: 1)[0]
    #expect(alone.parameters != plain.parameters)
    for ranks in 2...6 {
      for outcome in try outcomes(shards: 6, ranks: ranks, .bfloat16) { #expect(outcome == alone) }
    }
  }

  @Test func shardsAreTheMeanOfTheirBatches() throws {
    // One step of plain descent, by hand: the mean of the gradients of four batches.
    let graph = try smallNetwork().graph(batch: 4)
    let store = try ParameterStore(for: [graph], seed: 5)
    let program = try Program(graph.training(loss: .squaredError), parameters: store, seed: 5)
    let start = store.snapshot()
    var sum = [Double](repeating: 0, count: store.count)
    for shard in 0..<4 {
      for (name, tensor) in try smallBatches().batch(step: shard) {
        try program.setInput(name, tensor)
      }
      try program.run(step: UInt64(shard))
      for entry in program.trainedEntries {
        for index in entry.range { sum[index] += Double(program.gradients[index]) }
      }
      for entry in program.movedEntries {
        for index in entry.range { sum[index] += Double(store.pointer[index]) }
      }
      store.restore(start)
    }
    let step = try TrainingStep(program: program, optimizer: .sgd(learningRate: 1))
    let loop = try TrainingLoop(
      [step], source: smallBatches(), configuration: TrainingConfiguration(steps: 1, shards: 4))
    try loop.run()
    for entry in program.trainedEntries {
      for index in entry.range {
        #expect(abs(Double(store.pointer[index]) - Double(start[index]) + sum[index] / 4) < 1e-5)
      }
    }
    for entry in program.movedEntries {
      for index in entry.range {
        #expect(abs(Double(store.pointer[index]) - sum[index] / 4) < 1e-6)
      }
    }
  }

  @Test func poisonOnOneRankIsEveryonesFault() throws {
    // Number 9 is the second shard of the third step of four.
    let alone = try outcomes(shards: 4, ranks: 1, poisoned: [9])[0]
    #expect(areFinite(alone.parameters.map { Float(bitPattern: $0) }))
    #expect(alone.losses.count == 6)
    for ranks in [2, 4] {
      for outcome in try outcomes(shards: 4, ranks: ranks, poisoned: [9]) {
        #expect(outcome == alone)
      }
    }
  }

  @Test func theFirstRankValidatesForAll() throws {
    let alone = try outcomes(shards: 4, ranks: 1, steps: 20, validates: true)[0]
    for outcome in try outcomes(shards: 4, ranks: 3, steps: 20, validates: true) {
      #expect(outcome == alone)
    }
  }

  @Test func aResumeOnOtherRanksGoesOnBitForBit() throws {
    let whole = try outcomes(shards: 6, ranks: 1, steps: 9)[0]
    for ranks in [[1, 4], [3, 1], [2, 5]] {
      let folder = FileManager.default.temporaryDirectory.appending(path: "shards-\(UUID())")
      defer { try? FileManager.default.removeItem(at: folder) }
      _ = try outcomes(shards: 6, ranks: ranks[0], steps: 4, folder: folder)
      for index in 1..<8 {
        try? FileManager.default.removeItem(at: folder.appending(path: "rank-\(index)"))
      }
      for outcome in try outcomes(shards: 6, ranks: ranks[1], steps: 9, folder: folder) {
        #expect(outcome.parameters == whole.parameters)
        #expect(outcome.average == whole.average)
        #expect(outcome.losses == Array(whole.losses.suffix(5)))
      }
    }
  }

  @Test func aRunKeepsItsShards() throws {
    let folder = FileManager.default.temporaryDirectory.appending(path: "shards-\(UUID())")
    defer { try? FileManager.default.removeItem(at: folder) }
    _ = try outcomes(shards: 2, ranks: 1, steps: 4, folder: folder)
    let text = errorText {
      _ = try outcomes(shards: 4, ranks: 1, steps: 9, folder: folder)
    }
    #expect(text?.hasSuffix("the run has 2 shards; received 4") == true)
  }

  @Test func moreRanksThanShardsAreRefused() {
    let text = errorText { _ = try outcomes(shards: 2, ranks: 3) }
    #expect(text?.contains("2 shards are work for at most 2 ranks; received 3 ranks") == true)
  }

  /// What each rank says of a training in which something fails on some.
  private func texts(
    ranks: Int,
    source: @escaping @Sendable (_ rank: Int) -> any BatchSource = { _ in smallBatches() },
    change: @escaping @Sendable (_ rank: Int, TrainingLoop) -> Void
  ) throws -> [String] {
    try onRanks(ranks) { group in
      let rank = group?.rank ?? 0
      let training = try SmallTraining(.adam(learningRate: 0.01), TrainingConfiguration())
      let loop = try TrainingLoop(
        [training.step], source: source(rank),
        configuration: TrainingConfiguration(steps: 30, validationInterval: 4, shards: 4),
        group: group)
      loop.validate = { _ in [:] }
      change(rank, loop)
      return errorText { try loop.run() } ?? ""
    }
  }

  struct Broken: Error, CustomStringConvertible { var description: String { "it is broken" } }

  @Test func aFailureOfOneEndsAllWithItsText() throws {
    // Data, inputs from weights, a validation, a listener of the first rank.
    @Sendable func broken(_ rank: Int) -> any BatchSource {
      ClosureBatchSource { step in
        if rank == 2, step > 20 { throw Broken() }
        return try smallBatches().batch(step: step)
      }
    }
    let data = try texts(ranks: 3, source: broken) { _, _ in }
    #expect(data == ["rank 2: it is broken", "rank 2: it is broken", "it is broken"])
    let derived = try texts(ranks: 3) { rank, loop in
      loop.derivedInputs = { number, _ in
        if rank == 1, number > 20 { throw Broken() }
        return [:]
      }
    }
    #expect(derived == ["rank 1: it is broken", "it is broken", "rank 1: it is broken"])
    let validation = try texts(ranks: 2) { _, loop in loop.validate = { _ in throw Broken() } }
    #expect(validation == ["it is broken", "rank 0: it is broken"])
    let listener = try texts(ranks: 2) { rank, loop in
      guard rank == 0 else { return }
      loop.listeners = [
        ClosureListener { event in
          if case .step(let report) = event, report.step == 3 { throw Broken() }
        }
      ]
    }
    #expect(listener == ["it is broken", "rank 0: it is broken"])
  }

  @Test func otherDataIsFoundAtTheStart() throws {
    @Sendable func other(_ rank: Int) -> any BatchSource {
      ClosureBatchSource { step in try smallBatches().batch(step: rank == 1 ? step + 1 : step) }
    }
    let found = try texts(ranks: 3, source: other) { _, _ in }
    for text in found { #expect(text.hasPrefix("rank 1 begins with other data than rank 0")) }
  }

  @Test func theFirstRanksInterruptEndsAll() throws {
    let steps = try onRanks(3) { group in
      let training = try SmallTraining(.adam(learningRate: 0.01), TrainingConfiguration())
      let loop = try TrainingLoop(
        [training.step], source: smallBatches(),
        configuration: TrainingConfiguration(minutes: 1000, shards: 4), group: group)
      if group?.rank == 0 {
        loop.listeners = [
          ClosureListener { [interrupt = loop.interrupt] event in
            if case .step(let report) = event, report.step == 5 { interrupt.raise() }
          }
        ]
      }
      let stop = try loop.run()
      return "\(stop.reason) \(stop.step)"
    }
    #expect(steps == ["interrupted 5", "interrupted 5", "interrupted 5"])
  }
}
