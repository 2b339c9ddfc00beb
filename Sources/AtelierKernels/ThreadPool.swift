// A fixed set of threads that runs the parts of a kernel; the threads themselves live in C
// (ck_pool.c).

import CKernels

#if canImport(Glibc)
import Glibc
#elseif canImport(Darwin)
import Darwin
#endif

/// Runs the parts of a kernel on a fixed set of threads.
///
/// The threads persist: they spin for some tens of microseconds after a job and then sleep until
/// the next one. A call from inside a part, or while another thread's job runs, is carried out by
/// the calling thread alone.
public final class ThreadPool: Sendable {
  /// The pool that programs use unless told otherwise: one thread a core, or `ATELIER_THREADS`
  /// (1...256).
  public static let shared: ThreadPool = {
    let wanted = getenv("ATELIER_THREADS").flatMap { Int(String(cString: $0)) }
    if let wanted, (1...256).contains(wanted) { return ThreadPool(threads: wanted) }
    return ThreadPool(threads: Int(ck_pool_available_cores()))
  }()

  /// What is wrong with `ATELIER_THREADS`, in one line.
  public static var environmentFault: String? {
    guard let word = getenv("ATELIER_THREADS").map({ String(cString: $0) }), !word.isEmpty,
      Int(word).map({ (1...256).contains($0) }) != true
    else { return nil }
    return "ATELIER_THREADS: expected a number of 1 to 256; received '\(word)'"
  }

  /// The number of threads that take part, the calling thread included.
  public let threads: Int

  /// Written once at the start; nil only where the system gave no thread, and then work runs
  /// serially.
  nonisolated(unsafe) private let pool: OpaquePointer?

  /// Makes a pool of `threads` threads, the calling thread included (at least 1).
  public init(threads: Int) {
    let pool = threads > 1 ? ck_pool_create(Int32(clamping: threads)) : nil
    self.pool = pool
    self.threads = pool.map { Int(ck_pool_threads($0)) } ?? 1
  }

  deinit { ck_pool_destroy(pool) }

  /// Calls `body` once for every index in `0..<count`, in any order, on any of the threads, and
  /// returns when all are done.
  public func parallelFor(_ count: Int, _ body: (Int) -> Void) {
    parallelFor(lanes: count) { index, _ in body(index) }
  }

  /// As `parallelFor`, and also says which of the pool's `threads` lanes runs the part, so that
  /// parts can share one scratch buffer a lane; what a part computes must not depend on its lane.
  func parallelFor(lanes count: Int, _ body: (_ index: Int, _ lane: Int) -> Void) {
    guard count > 0 else { return }
    guard let pool, count > 1 else {
      for index in 0..<count { body(index, 0) }
      return
    }
    withoutActuallyEscaping(body) { escapable in
      var job = Job(body: escapable)
      withUnsafeMutablePointer(to: &job) { pointer in
        ck_pool_run(
          pool, count,
          { context, index, lane in
            context?.assumingMemoryBound(to: Job.self).pointee.body(index, lane)
          }, pointer)
      }
    }
  }

  /// What C hands back to every part.
  private struct Job { let body: (Int, Int) -> Void }
}
