// The thread pool: every part runs once, whatever calls it and from where.

import AtelierKernels
import Testing

#if canImport(Glibc)
import Glibc
#elseif canImport(Darwin)
import Darwin
#endif

@Suite struct ThreadPoolTests {
  /// Runs `count` parts and says how often each ran.
  private func runs(_ pool: ThreadPool, _ count: Int) -> [Int] {
    let counts = UnsafeMutableBufferPointer<Int>.allocate(capacity: count)
    counts.initialize(repeating: 0)
    defer { counts.deallocate() }
    pool.parallelFor(count) { counts[$0] += 1 }
    return Array(counts)
  }

  @Test(arguments: [1, 2, 3, 8], [0, 1, 2, 7, 1000])
  func runsEveryPartOnce(_ threads: Int, _ count: Int) {
    let pool = ThreadPool(threads: threads)
    for _ in 0..<50 {
      #expect(runs(pool, count) == [Int](repeating: 1, count: count))
    }
  }

  @Test func countsItsThreads() {
    #expect(ThreadPool(threads: 3).threads == 3)
    #expect(ThreadPool(threads: 0).threads == 1)
    #expect(ThreadPool.shared.threads >= 1)
  }

  @Test func nestedCallsRun() {
    let pool = ThreadPool(threads: 3)
    let counts = UnsafeMutableBufferPointer<Int>.allocate(capacity: 12 * 10)
    counts.initialize(repeating: 0)
    defer { counts.deallocate() }
    pool.parallelFor(12) { outer in
      pool.parallelFor(10) { inner in counts[outer * 10 + inner] += 1 }
    }
    #expect(counts.allSatisfy { $0 == 1 })
  }

  @Test func callersDoNotDisturbEachOther() async {
    let pool = ThreadPool(threads: 2)
    await withTaskGroup(of: Bool.self) { group in
      for _ in 0..<4 {
        group.addTask {
          (0..<200).allSatisfy { _ in
            self.runs(pool, 37) == [Int](repeating: 1, count: 37)
          }
        }
      }
      for await right in group { #expect(right) }
    }
  }

  @Test func wakesFromSleep() {
    let pool = ThreadPool(threads: 4)
    for _ in 0..<20 {
      #expect(runs(pool, 16) == [Int](repeating: 1, count: 16))
      usleep(2000)
    }
  }

  @Test func endsItsThreads() {
    for round in 0..<100 {
      let pool = ThreadPool(threads: 1 + round % 5)
      #expect(runs(pool, 3) == [1, 1, 1])
    }
  }
}
