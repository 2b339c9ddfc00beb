// All that a training needs to go on bit for bit: a value, and its file.

import AtelierEngine
import AtelierFiles
import AtelierInterchange
import Foundation

/// Weights, optimizer arrays and average at one step.
struct TrainingSnapshot: Hashable {
  var step: Int
  var parameters: [Float]
  var optimizers: [OptimizerState.Snapshot]
  var average: [Float]?
  var averageUpdates: Int
}

/// The numbers of a training beside the arrays.
struct TrainingCounters: Hashable, Codable {
  /// The steps made.
  var step = 0
  /// The seconds of training.
  var seconds = 0.0
  /// The caller's seed.
  var seed: UInt64 = 0
  /// Halved whenever values were not finite.
  var learningRateScale = 1.0
  /// Faults in a row.
  var faults = 0
  /// The steps made when the last fault came.
  var lastFaultStep = 0
  /// Weighted sum of losses and of weights, whose quotient is the smoothed loss.
  var lossSum = 0.0
  var lossWeight = 0.0
  /// The best value of the monitored metric, and its step.
  var best: Double?
  var bestStep: Int?
  /// Validations in a row without an improvement.
  var badValidations = 0
  /// The steps made at the last validation.
  var validatedStep: Int?
  /// The small batches of a step; nil for one, as where none are told apart.
  var shards: Int?
  /// What the last validation measured, so that a model saved after a resume names it too.
  var lastMetrics: [String: Double]?

  /// The exponential average of the loss.
  var smoothedLoss: Double { lossWeight > 0 ? lossSum / lossWeight : 0 }

  /// Takes in a loss; the weights of older ones fall by 0.98 a step.
  mutating func smooth(_ loss: Double) {
    lossSum = 0.98 * lossSum + loss
    lossWeight = 0.98 * lossWeight + 1
  }
}

/// The saved state of a training: one file, so that it is there whole or not at all.
///
/// safetensors with the numbers as JSON under `state` in the metadata, and the arrays as flat
/// tensors: `parameters`, `average`, `optimizers/I/SLOT`, the same under `guard/` when the last
/// good snapshot is of another step, and `best`.
struct TrainingState: Hashable {
  /// What must fit when the training goes on.
  struct Layout: Hashable, Codable {
    struct Parameter: Hashable, Codable {
      var name: String
      var shape: Shape
    }

    var parameters: [Parameter]
    var optimizers: [OptimizerKind]
  }

  var layout: Layout
  var counters: TrainingCounters
  var plateaus: [PlateauState]
  var current: TrainingSnapshot
  var lastGood: TrainingSnapshot
  var best: [Float]?
  /// The listeners' checkpoints by identifier.
  var listeners: [String: String]

  private static let format = "atelier-training-state-1"

  private struct SnapshotNumbers: Codable {
    var step: Int
    var counters: [OptimizerState.Counters]
    var averageUpdates: Int

    init(_ snapshot: TrainingSnapshot) {
      step = snapshot.step
      counters = snapshot.optimizers.map(\.counters)
      averageUpdates = snapshot.averageUpdates
    }
  }

  private struct Numbers: Codable {
    var layout: Layout
    var counters: TrainingCounters
    var plateaus: [PlateauState]
    var current: SnapshotNumbers
    var lastGood: SnapshotNumbers
    var listeners: [String: String]

    /// What no training could have saved, in one line; nil where all is in its range.
    var fault: String? {
      func check<Number: Comparable>(
        _ name: String, _ value: Number?, _ range: ClosedRange<Number>
      ) -> String? {
        guard let value, !range.contains(value) else { return nil }
        return "expected \(name) of \(range.lowerBound) to \(range.upperBound), received \(value)"
      }
      // Products of a step and a batch stay far below what 64 bits hold.
      let counts = 0...1 << 48
      let whole = -Double.greatestFiniteMagnitude...Double.greatestFiniteMagnitude
      let faults: [String?] =
        [
          check("a step", counters.step, counts),
          check("seconds", counters.seconds, 0...1e12),
          check("a scale of the learning rate", counters.learningRateScale, 0...1),
          check("faults", counters.faults, counts),
          check("the step of a fault", counters.lastFaultStep, counts),
          check("a sum of losses", counters.lossSum, whole),
          check("a weight of losses", counters.lossWeight, 0...100),
          check("a best step", counters.bestStep, counts),
          check("validations", counters.badValidations, counts),
          check("the step of a validation", counters.validatedStep, counts),
          check("the snapshot's step", current.step, counters.step...max(counters.step, 0)),
          check("the guard's step", lastGood.step, 0...max(counters.step, 0)),
        ]
        + [current, lastGood].flatMap { snapshot in
          [check("updates of the average", snapshot.averageUpdates, counts)]
            + snapshot.counters.flatMap {
              [
                check("an optimizer's steps", $0.steps, counts),
                check("a product of momenta", $0.momentumProduct, 0...1),
              ]
            }
        } + plateaus.flatMap { $0.faults.map { Optional($0) } }
      return faults.compactMap(\.self).first
    }
  }

  /// The file of the state.
  func file() throws -> SafetensorsFile {
    let numbers = Numbers(
      layout: layout, counters: counters, plateaus: plateaus, current: SnapshotNumbers(current),
      lastGood: SnapshotNumbers(lastGood), listeners: listeners)
    let encoder = JSONEncoder.ordered()
    let text = String(decoding: try encoder.encode(numbers), as: UTF8.self)
    var file = SafetensorsFile(metadata: ["format": Self.format, "state": text], name: "state")
    try append(current, under: "", to: &file)
    if lastGood.step != current.step { try append(lastGood, under: "guard/", to: &file) }
    if let best { try file.append("best", Tensor([best.count], best)) }
    return file
  }

  private func append(
    _ snapshot: TrainingSnapshot, under prefix: String, to file: inout SafetensorsFile
  ) throws {
    func append(_ name: String, _ values: [Float]) throws {
      try file.append(prefix + name, Tensor([values.count], values))
    }
    try append("parameters", snapshot.parameters)
    if let average = snapshot.average { try append("average", average) }
    for (index, optimizer) in snapshot.optimizers.enumerated() {
      for (slot, array) in zip(layout.optimizers[index].slots, optimizer.arrays) {
        try append("optimizers/\(index)/\(slot)", array)
      }
    }
  }
}

extension TrainingState {
  /// Reads a state.
  ///
  /// - Throws: `SafetensorsError` or `TrainingError` that names the file.
  init(readingFrom url: URL) throws {
    let file = try SafetensorsFile.read(from: url)
    guard file.metadata["format"] == Self.format, let text = file.metadata["state"] else {
      throw TrainingError(
        "\(file.name): expected the state of a training (\(Self.format)); "
          + "received another model file", .data)
    }
    guard
      let numbers = try? JSONDecoder.readingNonFinite.decode(Numbers.self, from: Data(text.utf8))
    else {
      throw TrainingError(
        "\(file.name): the numbers of the training's state cannot be read", .data)
    }
    guard numbers.current.counters.count == numbers.layout.optimizers.count,
      numbers.lastGood.counters.count == numbers.layout.optimizers.count,
      numbers.plateaus.count == numbers.layout.optimizers.count
    else {
      throw TrainingError(
        "\(file.name): expected the numbers of every optimizer; some are missing", .data)
    }
    if let fault = numbers.fault {
      throw TrainingError("\(file.name): the numbers of the training's state: \(fault)", .data)
    }
    layout = numbers.layout
    counters = numbers.counters
    plateaus = numbers.plateaus
    listeners = numbers.listeners
    current = try Self.snapshot(numbers.current, numbers.layout, under: "", in: file)
    lastGood =
      numbers.lastGood.step == numbers.current.step
      ? current
      : try Self.snapshot(numbers.lastGood, numbers.layout, under: "guard/", in: file)
    best = file.entry(named: "best") == nil ? nil : try file.tensor(named: "best").elements
  }

  private static func snapshot(
    _ numbers: SnapshotNumbers, _ layout: Layout, under prefix: String, in file: SafetensorsFile
  ) throws -> TrainingSnapshot {
    let optimizers = try zip(layout.optimizers, numbers.counters).enumerated().map { index, pair in
      OptimizerState.Snapshot(
        arrays: try pair.0.slots.map {
          try file.tensor(named: "\(prefix)optimizers/\(index)/\($0)").elements
        }, counters: pair.1)
    }
    let average = prefix + "average"
    return TrainingSnapshot(
      step: numbers.step, parameters: try file.tensor(named: prefix + "parameters").elements,
      optimizers: optimizers,
      average: file.entry(named: average) == nil
        ? nil : try file.tensor(named: average).elements,
      averageUpdates: numbers.averageUpdates)
  }
}
