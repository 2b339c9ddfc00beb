// The prefetcher: order, bits, errors, cancellation, no thread left behind.

import AtelierDatasets
import Foundation
import Testing

/// What the background thread did, guarded by a lock.
private final class Journal: @unchecked Sendable {
  private let lock = NSLock()
  private var prepared: [Int] = []

  var steps: [Int] {
    lock.lock()
    defer { lock.unlock() }
    return prepared
  }

  func note(_ step: Int) {
    lock.lock()
    prepared.append(step)
    lock.unlock()
  }
}

private struct Spoiled: Error, Equatable {
  var step: Int
}

/// Waits for a condition that another thread brings about; gives up after ten seconds.
private func eventually(_ condition: () -> Bool) -> Bool {
  for _ in 0..<10_000 {
    if condition() { return true }
    Thread.sleep(forTimeInterval: 0.001)
  }
  return false
}

@Suite struct PrefetcherTests {
  @Test(arguments: [1, 2, 5])
  func batchesComeInOrder(depth: Int) throws {
    let prefetcher = BatchPrefetcher(startingAt: 40, endingBefore: 140, depth: depth) { $0 * $0 }
    for step in 40..<140 { #expect(try prefetcher.next() == step * step) }
    #expect(try prefetcher.next() == nil)
    #expect(try prefetcher.next() == nil)
    #expect(eventually { prefetcher.isStopped })
  }

  @Test func noStepsAtAll() throws {
    let prefetcher = BatchPrefetcher(startingAt: 5, endingBefore: 5) { $0 }
    #expect(try prefetcher.next() == nil)
  }

  @Test func noMoreThanDepthWait() throws {
    let journal = Journal()
    let prefetcher = BatchPrefetcher(depth: 3) { step -> Int in
      journal.note(step)
      return step
    }
    #expect(eventually { journal.steps.count == 3 })
    Thread.sleep(forTimeInterval: 0.02)
    #expect(journal.steps == [0, 1, 2])
    #expect(try prefetcher.next() == 0)
    #expect(eventually { journal.steps.count == 4 })
    prefetcher.stop()
    #expect(journal.steps == [0, 1, 2, 3])
  }

  @Test func anErrorComesAfterTheBatchesBeforeItAndStays() throws {
    let prefetcher = BatchPrefetcher(depth: 4) { step -> Int in
      if step == 2 { throw Spoiled(step: step) }
      return step
    }
    #expect(try prefetcher.next() == 0)
    #expect(try prefetcher.next() == 1)
    #expect(throws: Spoiled(step: 2)) { try prefetcher.next() }
    #expect(throws: Spoiled(step: 2)) { try prefetcher.next() }
    #expect(eventually { prefetcher.isStopped })
  }

  @Test func cancellationEndsTheThreadAndLaterCalls() throws {
    let prefetcher = BatchPrefetcher(depth: 2) { $0 }
    #expect(try prefetcher.next() == 0)
    prefetcher.stop()
    #expect(prefetcher.isStopped)
    #expect(throws: CancellationError.self) { try prefetcher.next() }
    prefetcher.cancel()
    prefetcher.stop()
  }

  @Test func cancellationWakesAWaitingConsumer() throws {
    let gate = DispatchSemaphore(value: 0)
    let prefetcher = BatchPrefetcher(depth: 1) { step -> Int in
      gate.wait()
      return step
    }
    let journal = Journal()
    let consumer = Thread {
      do { _ = try prefetcher.next() } catch is CancellationError { journal.note(-1) } catch {}
    }
    consumer.start()
    Thread.sleep(forTimeInterval: 0.01)
    prefetcher.cancel()
    #expect(eventually { journal.steps == [-1] })
    gate.signal()
    #expect(eventually { prefetcher.isStopped })
  }

  @Test func droppingThePrefetcherEndsItsThreadAndFreesItsBatches() throws {
    final class Token: Sendable {}
    final class Watch: @unchecked Sendable { weak var token: Token? }
    let watch = Watch()
    let journal = Journal()
    do {
      let token = Token()
      watch.token = token
      let prefetcher = BatchPrefetcher(depth: 2) { step -> Token in
        journal.note(step)
        return token
      }
      _ = try prefetcher.next()
    }
    #expect(eventually { watch.token == nil }, "the thread still holds its closure")
    #expect(journal.steps.count <= 4)
  }
}
