// Batches prepared on the side, in order, while the program runs.

import Foundation

/// Prepares the batches of steps n, n + 1, … on a background thread and hands them out in order.
///
/// A batch must be a function of its step alone; then what comes out is the same, bit for bit, as
/// calling the function directly, and a training resumes at any step without stored state. At most
/// `depth` batches wait at any time.
public final class BatchPrefetcher<Batch: Sendable>: Sendable {
  private let queue: PrefetchQueue<Batch>

  /// Starts preparing.
  ///
  /// - Parameters:
  ///   - first: The step of the first batch.
  ///   - end: The step after the last batch; nil prepares for ever.
  ///   - depth: The largest number of batches that wait; at least 1.
  ///   - prepare: Makes the batch of a step, on the background thread.
  public init(
    startingAt first: Int = 0, endingBefore end: Int? = nil, depth: Int = 2,
    prepare: @escaping @Sendable (Int) throws -> Batch
  ) {
    let queue = PrefetchQueue<Batch>(next: first, end: end, depth: max(depth, 1))
    self.queue = queue
    // The thread holds the queue, not the prefetcher: dropping the prefetcher ends the thread.
    let thread = Thread { queue.produce(prepare) }
    thread.name = "atelier.batches"
    thread.start()
  }

  deinit { queue.cancel() }

  /// The next batch in order, waiting for it if it is not ready; nil after the last.
  ///
  /// - Throws: The error of `prepare`, once the batches before it are handed out and on every later
  ///   call; `CancellationError` after `cancel()`.
  public func next() throws -> Batch? { try queue.take() }

  /// Stops preparing and returns at once.
  ///
  /// Waiting and later calls of `next()` throw `CancellationError`.
  public func cancel() { queue.cancel() }

  /// Whether the background thread has ended (by the last batch, an error or cancellation).
  public var isStopped: Bool { queue.isStopped }

  /// Cancels and waits until the background thread has ended; at most the time of one batch.
  public func stop() { queue.cancelAndWait() }
}

/// The state between the two threads; every field is guarded by the condition.
private final class PrefetchQueue<Batch: Sendable>: @unchecked Sendable {
  private let condition = NSCondition()
  private var ready: [Batch] = []
  private var next: Int
  private let end: Int?
  private let depth: Int
  private var failure: (any Error)?
  private var isCancelled = false
  private var isFinished = false

  init(next: Int, end: Int?, depth: Int) {
    self.next = next
    self.end = end
    self.depth = depth
  }

  var isStopped: Bool {
    condition.lock()
    defer { condition.unlock() }
    return isFinished
  }

  /// The background thread: one batch after another until the end, an error or cancellation.
  func produce(_ prepare: @Sendable (Int) throws -> Batch) {
    while let step = nextStep() {
      // A pool per batch, so that Foundation's temporaries do not pile up on platforms that have
      // them.
      let result = pooled { Result { try prepare(step) } }
      guard deliver(result) else { break }
    }
    condition.lock()
    isFinished = true
    condition.broadcast()
    condition.unlock()
  }

  private func pooled<Value>(_ body: () -> Value) -> Value {
    #if canImport(ObjectiveC)
    autoreleasepool { body() }
    #else
    body()
    #endif
  }

  private func nextStep() -> Int? {
    condition.lock()
    defer { condition.unlock() }
    while ready.count >= depth, !isCancelled { condition.wait() }
    if isCancelled { return nil }
    if let end, next >= end { return nil }
    defer { next += 1 }
    return next
  }

  private func deliver(_ result: Result<Batch, any Error>) -> Bool {
    condition.lock()
    defer { condition.unlock() }
    defer { condition.broadcast() }
    if isCancelled { return false }
    switch result {
    case .success(let batch):
      ready.append(batch)
      return true
    case .failure(let error):
      failure = error
      return false
    }
  }

  func take() throws -> Batch? {
    condition.lock()
    defer { condition.unlock() }
    while true {
      if isCancelled { throw CancellationError() }
      if !ready.isEmpty {
        defer { condition.broadcast() }
        return ready.removeFirst()
      }
      if let failure { throw failure }
      if isFinished { return nil }
      condition.wait()
    }
  }

  func cancel() {
    condition.lock()
    isCancelled = true
    ready = []
    condition.broadcast()
    condition.unlock()
  }

  func cancelAndWait() {
    cancel()
    condition.lock()
    while !isFinished { condition.wait() }
    condition.unlock()
  }
}
