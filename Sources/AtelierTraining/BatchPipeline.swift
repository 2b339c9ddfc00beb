// The thread that prepares batches while the program runs.

import AtelierEngine
import AtelierFiles
import Foundation

/// Prepares batches in order on a thread of its own; every field is guarded by the condition.
final class BatchPipeline: @unchecked Sendable {
  private let condition = NSCondition()
  private var ready: [Result<[[String: Tensor]], any Error>] = []
  private var isCancelled = false
  private var isFinished = false
  private let depth: Int
  private let shards: Int
  private let own: Range<Int>

  /// Starts preparing the steps `first..<end`, of which at most `depth` (at least 1) wait.
  ///
  /// Of each step these are the batches of some of its shards: the source's batches by number are
  /// those of all shards of the first step, then those of the second. Throws where the system has no
  /// room for a thread.
  init(
    _ source: any BatchSource, shards: Int = 1, own: Range<Int> = 0..<1, from first: Int,
    before end: Int?, depth: Int
  ) throws(StudioError) {
    self.depth = max(depth, 1)
    (self.shards, self.own) = (shards, own)
    try OwnThread.start(for: "the batches") { [self] in produce(source, first, end) }
  }

  private func produce(_ source: any BatchSource, _ first: Int, _ end: Int?) {
    var step = first
    while step < end ?? Int.max, waitForRoom() {
      guard deliver(batches(source, step)) else { break }
      step += 1
    }
    condition.lock()
    isFinished = true
    condition.broadcast()
    condition.unlock()
  }

  private func batches(
    _ source: any BatchSource, _ step: Int
  ) -> Result<[[String: Tensor]], any Error> {
    Result { try own.map { try source.batch(step: step * shards + $0) } }
  }

  private func waitForRoom() -> Bool {
    condition.lock()
    defer { condition.unlock() }
    while ready.count >= depth, !isCancelled { condition.wait() }
    return !isCancelled
  }

  private func deliver(_ result: Result<[[String: Tensor]], any Error>) -> Bool {
    condition.lock()
    defer { condition.unlock() }
    ready.append(result)
    condition.broadcast()
    if case .failure = result { return false }
    return !isCancelled
  }

  /// The batches of the next step, or the source's error once those before it are handed out.
  func next() throws -> [[String: Tensor]] {
    condition.lock()
    defer { condition.unlock() }
    while ready.isEmpty, !isFinished { condition.wait() }
    guard let result = ready.first else {
      throw TrainingError("the batches have come to their end")
    }
    if case .success = result { ready.removeFirst() }
    condition.broadcast()
    return try result.get()
  }

  /// Stops the thread and waits for its end: at most the time of one batch.
  func stop() {
    condition.lock()
    defer { condition.unlock() }
    isCancelled = true
    condition.broadcast()
    while !isFinished { condition.wait() }
    ready = []
  }
}
