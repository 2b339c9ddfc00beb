// The moving average of weights: often better than the weights themselves.

import AtelierEngine
import AtelierKernels

/// A warmed-up exponential moving average of the weights that a training moves (Polyak and Juditsky
/// 1992).
///
/// The decay of update n (from 0) is min(decay, (n + 1) / (n + 10)), so that the start is soon
/// forgotten. Statistics such as running means are averaged too; frozen weights and constants are
/// as they are in the store.
public final class MovingAverage {
  /// The decay that the warm-up ends at, in 0..<1.
  public let decay: Double
  /// Whether early updates decay less.
  public let isWarmedUp: Bool
  /// How many updates were made.
  public private(set) var updates = 0
  private let store: ParameterStore
  private let kernels: Kernels
  private let ranges: [Range<Int>]
  private let average: UnsafeMutablePointer<Float>

  /// Starts an average at the present weights of the `entries` and at the store's statistics.
  ///
  /// - Throws: `TrainingError` for a decay out of 0..<1.
  public init(
    of store: ParameterStore, entries: [ParameterStore.Entry], decay: Double,
    isWarmedUp: Bool = true, kernels: Kernels = Kernels()
  ) throws(TrainingError) {
    guard (0..<1).contains(decay) else {
      throw TrainingError("moving average: expected a decay in 0..<1; received \(decay)")
    }
    self.store = store
    self.decay = decay
    self.isWarmedUp = isWarmedUp
    self.kernels = kernels
    let moved = Set(entries.map(\.name))
    var ranges: [Range<Int>] = []
    for entry in store.entries where entry.role == .statistic || moved.contains(entry.name) {
      if let last = ranges.last, entry.offset - last.upperBound < 16 {
        ranges[ranges.count - 1] = last.lowerBound..<entry.range.upperBound
      } else {
        ranges.append(entry.range)
      }
    }
    self.ranges = ranges
    let memory = UnsafeMutableRawPointer.allocate(
      byteCount: max(store.count, 16) * 4, alignment: 64)
    average = memory.initializeMemory(as: Float.self, from: store.pointer, count: store.count)
  }

  deinit { UnsafeMutableRawPointer(average).deallocate() }

  /// Takes in the present weights.
  public func update() {
    let warm = Double(updates + 1) / Double(updates + 10)
    let decay = Float(isWarmedUp ? min(decay, warm) : decay)
    for range in ranges {
      kernels.movingAverage(
        average + range.lowerBound, parameters: store.pointer + range.lowerBound, decay: decay,
        count: range.count)
    }
    updates += 1
  }

  /// Exchanges weights and average while `body` runs, so that every program of the store sees the
  /// average.
  public func withAverage<Result>(_ body: () throws -> Result) rethrows -> Result {
    exchange()
    defer { exchange() }
    return try body()
  }

  /// Makes the average the weights.
  public func apply() {
    for range in ranges {
      (store.pointer + range.lowerBound).update(
        from: average + range.lowerBound, count: range.count)
    }
    store.touch()
  }

  private func exchange() {
    let weights = store.pointer
    for range in ranges {
      for index in range {
        let weight = weights[index]
        weights[index] = average[index]
        average[index] = weight
      }
    }
    store.touch()
  }

  /// A copy of the average, laid out like the store.
  public func values() -> [Float] {
    Array(UnsafeBufferPointer(start: average, count: store.count))
  }

  /// Puts a copy back.
  ///
  /// Precondition: as many floats as the store has.
  public func restore(_ values: [Float], updates: Int) {
    precondition(
      values.count == store.count, "an average has \(store.count) floats; received \(values.count)")
    average.update(from: values, count: store.count)
    self.updates = updates
  }
}
