// An optimizer at work: bound to parameters of a store, with its arrays laid out like them.

import AtelierEngine
import AtelierKernels

/// An optimizer bound to the parameters that it moves.
///
/// Parameters that lie side by side in the store, padding included, are moved in one sweep.
public final class OptimizerState {
  /// Neighbouring parameters that one kernel call moves.
  struct Sweep: Equatable {
    /// The first float in the store and in the gradient block.
    var offset: Int
    /// The floats of the sweep, padding between parameters included.
    var count: Int
    /// The first float in each of the optimizer's arrays.
    var stateOffset: Int
    /// Whether weight decay applies.
    var decays: Bool
  }

  /// The numbers beside the arrays that a saved state needs.
  public struct Counters: Sendable, Hashable, Codable {
    /// How many steps were made.
    public var steps = 0
    /// The product of Nadam's momenta so far.
    public var momentumProduct = 1.0

    /// The counters before the first step.
    public init() {}
  }

  /// All that steps change beside the parameters.
  public struct Snapshot: Sendable, Hashable {
    var arrays: [[Float]]
    var counters: Counters
  }

  /// The optimizer's description.
  public let optimizer: Optimizer
  /// The parameters that it moves, in the order of the store.
  public let entries: [ParameterStore.Entry]
  /// The store of the parameters.
  public let store: ParameterStore
  /// The steps so far.
  public internal(set) var counters = Counters()
  /// What the plateau rule remembers.
  public internal(set) var plateau = PlateauState()
  let kernels: Kernels
  let sweeps: [Sweep]
  /// One array per slot of the rule, each of `stateCount` floats.
  let arrays: [UnsafeMutablePointer<Float>]
  let stateCount: Int
  private let names: [String]

  /// Binds an optimizer to some of a store's weights.
  ///
  /// - Throws: `TrainingError` for numbers that make no sense, no entries, or entries that are not
  ///   weights of the store.
  public init(
    _ optimizer: Optimizer, store: ParameterStore, entries: [ParameterStore.Entry],
    kernels: Kernels = Kernels()
  ) throws(TrainingError) {
    try optimizer.validate()
    guard !entries.isEmpty else {
      throw TrainingError(
        "optimizer \(optimizer.kind.name) has nothing to move: "
          + "no parameter of its group is trainable")
    }
    for entry in entries {
      guard store.entry(named: entry.name) == entry, entry.role == .weight else {
        throw TrainingError(
          "optimizer \(optimizer.kind.name) was given \(entry.name), "
            + "which is no weight of the store")
      }
    }
    self.optimizer = optimizer
    self.store = store
    self.kernels = kernels
    self.entries = entries.sorted { $0.offset < $1.offset }
    names = self.entries.map(\.name)
    sweeps = Self.sweeps(
      self.entries, store: store, decaysOnlyMatrices: optimizer.decaysOnlyMatrices)
    let stateCount = sweeps.last.map { Self.padded($0.stateOffset + $0.count) } ?? 0
    self.stateCount = stateCount
    arrays = optimizer.kind.slots.indices.map { index in
      let start = index == 0 ? optimizer.kind.initialValue : 0
      return UnsafeMutableRawPointer.allocate(byteCount: max(stateCount, 16) * 4, alignment: 64)
        .initializeMemory(as: Float.self, repeating: start, count: stateCount)
    }
  }

  deinit { for array in arrays { UnsafeMutableRawPointer(array).deallocate() } }

  /// Joins neighbours; only padding may lie between two parameters of a sweep.
  static func sweeps(
    _ entries: [ParameterStore.Entry], store: ParameterStore, decaysOnlyMatrices: Bool
  ) -> [Sweep] {
    var sweeps: [Sweep] = []
    for entry in entries where entry.shape.count > 0 {
      let decays = !decaysOnlyMatrices || entry.shape.rank > 1
      if let last = sweeps.last, last.decays == decays,
        padded(last.offset + last.count) == entry.offset
      {
        sweeps[sweeps.count - 1].count = entry.range.upperBound - last.offset
      } else {
        let stateOffset = sweeps.last.map { padded($0.stateOffset + $0.count) } ?? 0
        sweeps.append(
          Sweep(
            offset: entry.offset, count: entry.shape.count, stateOffset: stateOffset,
            decays: decays))
      }
    }
    return sweeps
  }

  /// The store starts each parameter at a multiple of 16 floats.
  private static func padded(_ count: Int) -> Int { (count + 15) / 16 * 16 }

  /// The learning rate after `step` steps, `progress` in 0...1 through the training.
  public func learningRate(step: Int, progress: Double = 0) -> Double {
    optimizer.schedule.learningRate(
      base: optimizer.learningRate, step: step, progress: progress, plateauRate: plateau.rate)
  }

  /// The Euclidean norm of the gradients of the parameters that it moves, times `scale`.
  public func gradientNorm(_ gradients: UnsafePointer<Float>, scale: Float = 1) -> Double {
    let squares = sweeps.reduce(0.0) {
      $0 + kernels.sumOfSquares(gradients + $1.offset, count: $1.count)
    }
    return squares.squareRoot() * Double(abs(scale))
  }

  /// Moves the parameters and gives the norm of the scaled gradients before clipping.
  ///
  /// The gradients are laid out like the store; clipping by value changes them, and they are
  /// multiplied with `gradientScale` as they are read. `norm` is what `gradientNorm` gave for them,
  /// when the caller has it already.
  @discardableResult
  public func step(
    gradients: UnsafeMutablePointer<Float>, learningRate: Double, gradientScale: Float = 1,
    norm: Double? = nil
  ) -> Double {
    let total = norm ?? gradientNorm(gradients, scale: gradientScale)
    var scale = gradientScale
    var clippedNorm = total
    if let limit = optimizer.valueLimit, gradientScale != 0 {
      let bound = Float(limit) / abs(gradientScale)
      for sweep in sweeps {
        kernels.clamp(
          gradients + sweep.offset, lower: -bound, upper: bound, gradients + sweep.offset,
          count: sweep.count)
      }
      if optimizer.normLimit != nil { clippedNorm = gradientNorm(gradients, scale: gradientScale) }
    }
    if let limit = optimizer.normLimit { scale *= Float(min(1, limit / (clippedNorm + 1e-6))) }
    update(gradients: gradients, learningRate: learningRate, scale: scale)
    store.touch(names)
    return total
  }

  /// Whether the parameters that it moves are all finite.
  public var movesFiniteParameters: Bool {
    sweeps.allSatisfy { kernels.allFinite(store.pointer + $0.offset, count: $0.count) }
  }

  // MARK: - State

  /// The arrays by name, for the saved state; each as long as the sweeps together.
  public func state() -> [(name: String, values: [Float])] {
    zip(optimizer.kind.slots, arrays).map { name, array in
      (name, Array(UnsafeBufferPointer(start: array, count: stateCount)))
    }
  }

  /// A copy of arrays and counters.
  public func snapshot() -> Snapshot { Snapshot(arrays: state().map(\.values), counters: counters) }

  /// Puts a copy back.
  ///
  /// Precondition: it came from an optimizer of the same rule and parameters.
  public func restore(_ snapshot: Snapshot) {
    precondition(
      snapshot.arrays.map(\.count) == arrays.map { _ in stateCount },
      "an optimizer's snapshot has \(arrays.count) arrays of \(stateCount) floats")
    for (array, values) in zip(arrays, snapshot.arrays) {
      array.update(from: values, count: stateCount)
    }
    counters = snapshot.counters
  }

  /// Tells the plateau rule a metric and gives the new rate when it was reduced, else nil.
  @discardableResult
  public func observe(_ metric: Double, mode: Monitor.Mode) -> Double? {
    plateau.observe(
      metric, mode: mode, schedule: optimizer.schedule, base: optimizer.learningRate)
  }
}
