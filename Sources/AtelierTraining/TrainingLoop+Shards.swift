// A step over several small batches, here or on several ranks, and what ranks tell each other.

import AtelierEngine
import AtelierFiles
import AtelierKernels
import Foundation

extension TrainingLoop {
  /// Whether this process decides, tells and writes.
  var isFirst: Bool { (group?.rank ?? 0) == 0 }

  /// The sums of every step over its shards, and the shards that are made here.
  static func sums(
    _ steps: [TrainingStep], _ configuration: TrainingConfiguration, _ group: (any RankGroup)?,
    _ kernels: Kernels
  ) throws(TrainingError) -> ([GradientSum], Range<Int>) {
    let shards = configuration.shards
    guard shards > 1 || group != nil else { return ([], 0..<1) }
    if let group, group.count > shards {
      throw TrainingError(
        "\(shards) shards are work for at most \(shards) ranks; received \(group.count) ranks")
    }
    var sums: [GradientSum] = []
    for step in steps {
      do throws(ShapeError) {
        sums.append(
          try GradientSum(
            step, shards: shards, group: group, precision: configuration.gradientPrecision,
            kernels: kernels))
      } catch {
        throw TrainingError("\(error)", error.isMemory ? .noMemory : .usage)
      }
    }
    return (sums, ShardTree(shards).range(rank: group?.rank ?? 0, of: group?.count ?? 1))
  }

  // MARK: - One step

  /// The batches with the inputs that depend on the weights; where that fails on one of several
  /// ranks the step's first program says so, because the others wait for it there.
  func deriveInputs(of batches: [[String: Tensor]], step: Int) throws -> [[String: Tensor]] {
    failure = nil
    guard let derivedInputs else { return batches }
    do {
      return try zip(own, batches).map { shard, batch in
        let further = try derivedInputs(step * configuration.shards + shard, batch)
        return batch.merging(further) { $1 }
      }
    } catch {
      guard group != nil else { throw error }
      failure = error
      return batches
    }
  }

  /// Runs a step's program for every shard, leaves the mean of the gradients in it, and gives the
  /// means of its scalar outputs.
  func runShards(
    of place: Int, on batches: [[String: Tensor]], step index: Int
  ) throws -> [String: Double] {
    let step = steps[place]
    let shards = configuration.shards
    let names = scalarNames(of: step)
    func run(_ shard: Int) throws -> [Float] {
      if let failure = self.failure { throw failure }
      try setInputs(of: step, from: batches[shard - own.lowerBound])
      try step.program.run(step: UInt64(index * shards + shard))
      return try names.map { try step.program.scalar($0) }
    }
    guard !sums.isEmpty else {
      return Dictionary(uniqueKeysWithValues: zip(names, try run(0).map { Double($0) }))
    }
    var scalars: [Float] = []
    let failed = try sums[place].run { scalars += try run($0) }
    if let group {
      let bytes = scalars.flatMap { value in withUnsafeBytes(of: value.bitPattern) { Array($0) } }
      scalars = try group.agree(failed.map { .failure($0) } ?? .success(bytes))
        .flatMap { Self.floats($0) }
    } else if let failed {
      throw failed
    }
    let tree = ShardTree(shards)
    return Dictionary(
      uniqueKeysWithValues: names.enumerated().map { number, name in
        let values = (0..<shards).map { Double(scalars[$0 * names.count + number]) }
        return (name, tree.sum(values) / Double(shards))
      })
  }

  private func scalarNames(of step: TrainingStep) -> [String] {
    let graph = step.program.plan.graph
    return graph.outputs.filter { graph.values[$0.value].shape.count == 1 }.map(\.name)
  }

  private static func floats(_ bytes: [UInt8]) -> [Float] {
    bytes.withUnsafeBytes { bytes in
      (0..<bytes.count / 4).map {
        Float(bitPattern: bytes.loadUnaligned(fromByteOffset: 4 * $0, as: UInt32.self))
      }
    }
  }

  // MARK: - What ranks agree on

  /// Before each step rank 0 says whether it is made and how far the training is, and everyone
  /// whether its batches are there.
  func decide(_ batches: Result<[[String: Tensor]], any Error>) throws -> StopReport.Reason? {
    guard let group else { return nil }
    let reasons: [StopReport.Reason] = [.timeUp, .interrupted]
    var bytes: [UInt8] = []
    if isFirst {
      let place = ownReasonToStop().flatMap { reasons.firstIndex(of: $0) }
      bytes = [UInt8((place ?? -1) + 1)]
      bytes += withUnsafeBytes(of: (progress ?? .nan).bitPattern) { Array($0) }
    }
    let told = try group.agree(batches.map { _ in bytes })[0]
    guard told.count == 9 else { throw TrainingError("rank 0 told \(told.count) bytes, not 9") }
    let value = told.withUnsafeBytes {
      Double(bitPattern: $0.loadUnaligned(fromByteOffset: 1, as: UInt64.self))
    }
    decidedProgress = value.isNaN ? nil : value
    return told[0] == 0 ? nil : reasons[Int(told[0]) - 1]
  }

  /// What a validation measures; rank 0 does it for all.
  func measure() throws -> [String: Double] {
    guard let group else { return try validate?(store) ?? [:] }
    // As bits, because JSON has no infinity.
    let bytes = try group.fromFirst {
      let bits = (try validate?(store) ?? [:]).mapValues(\.bitPattern)
      return Array(try JSONEncoder().encode(bits))
    }
    return try JSONDecoder().decode([String: UInt64].self, from: Data(bytes))
      .mapValues { Double(bitPattern: $0) }
  }

  /// Takes the saved state over; several ranks make sure that all begin with the same.
  func begin() throws {
    guard let group else { return try resume() }
    let marks = try group.agree(
      Result {
        try resume()
        var marks = [counters.step, totalSteps ?? -1, Self.mark(sums.map(\.layout))]
        marks.append(Self.mark(store.pointer, store.count))
        marks += try source.batch(step: 0).sorted { $0.key < $1.key }.map { entry in
          entry.value.elements.withUnsafeBufferPointer { values in
            values.baseAddress.map { Self.mark($0, values.count) } ?? 0
          }
        }
        return marks.flatMap { mark in withUnsafeBytes(of: mark) { Array($0) } }
      })
    guard let other = marks.indices.first(where: { marks[$0] != marks[0] }) else { return }
    let place = zip(marks[0], marks[other]).enumerated().first { $0.element.0 != $0.element.1 }
    let what =
      switch (place?.offset ?? 0) / 8 {
      case 0, 1: "another step or length"
      case 2: "another plan"
      case 3: "other weights"
      default: "other data"
      }
    group.isOver = true
    throw TrainingError(
      "\(group.name(of: other)) begins with \(what) than rank 0: the same program and the same "
        + "files are needed on all machines", .data)
  }

  /// A number for the bits of floats.
  private static func mark(_ values: UnsafePointer<Float>, _ count: Int) -> Int {
    var hash: UInt64 = 0xCBF2_9CE4_8422_2325
    for index in 0..<count {
      hash = (hash ^ UInt64(values[index].bitPattern)) &* 0x100_0000_01B3
    }
    return Int(truncatingIfNeeded: hash)
  }

  /// A number for the order in which gradients are exchanged; equal in every process.
  private static func mark(_ layouts: [GradientLayout]) -> Int {
    let numbers = layouts.flatMap { layout in
      layout.buckets.flatMap { bucket in
        bucket.pieces.flatMap { [$0.store, $0.place, $0.count] } + [bucket.range.count]
      }
    }
    return numbers.reduce(0) { ($0 &* 0x100_0000_01B3) ^ $1 }
  }
}
