// The roofline of this machine: what its arithmetic and its memory can do at best, measured with
// the loops of ck_roofline.c (Williams, Waterman and Patterson 2009).

import CKernels

#if canImport(Glibc)
import Glibc
#elseif canImport(Darwin)
import Darwin
#endif

/// One limit of the machine.
public struct RooflineRate: Sendable, Hashable, Codable {
  /// What is measured.
  public enum Kind: String, Sendable, Hashable, Codable, CaseIterable {
    /// Float32 multiply-adds in registers; a multiply-add counts as two operations.
    case multiplyAdd = "multiply-add"
    /// Dot products of bfloat16 pairs into float32 sums.
    case bfloat16 = "bfloat16-dot-product"
    /// Reading half of the level 2 cache again and again.
    case cacheRead = "l2-read"
    /// Reading an array that is far larger than the last cache.
    case memoryRead = "memory-read"
    /// Writing one; the fetch of each line before it is written is not counted.
    case memoryWrite = "memory-write"
    /// Reading one and writing another; both count.
    case memoryCopy = "memory-copy"
    /// Reading two and writing a third; all count.
    case memoryTriad = "memory-triad"
  }

  /// What is measured.
  public var kind: Kind
  /// The instruction set that measured it.
  public var instructionSet: InstructionSet
  /// `GFLOP/s` or `GB/s`, in billions.
  public var unit: String
  /// What one thread does alone.
  public var oneThread: Double
  /// What all threads of the pool do together.
  public var allThreads: Double
  /// The threads of the pool.
  public var threads: Int

  enum CodingKeys: String, CodingKey {
    case kind, unit, threads
    case instructionSet = "instruction_set"
    case oneThread = "one_thread"
    case allThreads = "all_threads"
  }
}

/// How a roofline is measured.
///
/// A limit is what the machine can do, so of all rounds the fastest counts.
public struct RooflineProtocol: Sendable, Hashable {
  /// How long a round takes at least, in seconds.
  public var roundSeconds: Double
  /// How many rounds are timed.
  public var rounds: Int
  /// The bytes of each of the three arrays in memory; nil for four times the last cache, 64 to
  /// 256 MiB, and at most an eighth of the machine's memory.
  public var arrayBytes: Int?

  /// Describes a measurement.
  ///
  /// Short rounds, and many: one of them is likely to have the cores for itself.
  public init(roundSeconds: Double = 0.005, rounds: Int = 30, arrayBytes: Int? = nil) {
    self.roundSeconds = roundSeconds
    self.rounds = rounds
    self.arrayBytes = arrayBytes
  }

  /// The floats of an array, a multiple of 16.
  var arrayCount: Int {
    let cache = 4 * Int(ck_roofline_cache_bytes(3))
    let installed = sysconf(Int32(_SC_PHYS_PAGES)) * sysconf(Int32(_SC_PAGESIZE))
    let bytes = arrayBytes ?? min(max(cache, 64 << 20), 256 << 20, max(installed / 8, 1 << 20))
    return max(bytes / 64, 1) * 16
  }
}

extension Kernels {
  /// The most that this instruction set and all threads of the pool do: billions of float32
  /// operations a second, a multiply-add counted as two.
  public func peakGigaflops(_ measurement: RooflineProtocol = .init()) -> Double {
    Self.fastest(measurement) { Self.multiplyAdd(instructionSet, pool, $0) } / 1e9
  }

  /// The roofline of this machine: arithmetic of every instruction set that it has, caches and memory.
  public func roofline(_ measurement: RooflineProtocol = .init()) -> [RooflineRate] {
    var rates = InstructionSet.available.map { arithmetic(.multiplyAdd, $0, measurement) }
    if RooflineLoops.bfloat16Operations != nil {
      rates.append(arithmetic(.bfloat16, .avx512, measurement))
    }
    rates.append(cacheRead(measurement))
    return rates + memory(measurement)
  }

  /// The rate of arithmetic in registers.
  private func arithmetic(
    _ kind: RooflineRate.Kind, _ instructionSet: InstructionSet, _ measurement: RooflineProtocol
  ) -> RooflineRate {
    rate(kind, instructionSet, unit: "GFLOP/s", measurement) { pool, repeats in
      if kind == .multiplyAdd { return Self.multiplyAdd(instructionSet, pool, repeats) }
      Self.onEveryThread(pool) { _ in RooflineLoops.bfloat16(rounds: 1000 * repeats) }
      return Double(RooflineLoops.bfloat16Operations ?? 0) * 1000 * Double(repeats * pool.threads)
    }
  }

  /// Runs thousands of rounds of multiply-adds on every thread, each a few microseconds, and gives
  /// the number of operations.
  private static func multiplyAdd(
    _ instructionSet: InstructionSet, _ pool: ThreadPool, _ repeats: Int
  ) -> Double {
    let loops = RooflineLoops(instructionSet)
    onEveryThread(pool) { _ in loops.multiplyAdds(rounds: 1000 * repeats) }
    return Double(loops.operations) * 1000 * Double(repeats * pool.threads)
  }

  /// Runs one part on every thread at the same time; without the meeting, a thread that is late
  /// would find its part done by another.
  private static func onEveryThread(_ pool: ThreadPool, _ body: (Int) -> Void) {
    var arrived: Int32 = 0
    withUnsafeMutablePointer(to: &arrived) { arrived in
      pool.parallelFor(pool.threads) { index in
        ck_roofline_meet(arrived, Int32(clamping: pool.threads))
        body(index)
      }
    }
  }

  /// The rate of reading what fits into the level 2 cache of each thread.
  private func cacheRead(_ measurement: RooflineProtocol) -> RooflineRate {
    let cache = Int(ck_roofline_cache_bytes(2))
    let count = (cache > 0 ? min(max(cache / 2, 64 << 10), 4 << 20) : 256 << 10) / 64 * 16
    let loops = RooflineLoops(instructionSet)
    return withArray(count * pool.threads) { array in
      loops.write(1, array, count * pool.threads)
      return rate(.cacheRead, instructionSet, unit: "GB/s", measurement) { pool, repeats in
        Self.onEveryThread(pool) { index in
          for _ in 0..<repeats { loops.read(array + index * count, count) }
        }
        return Double(4 * count * repeats * pool.threads)
      }
    }
  }

  /// The rates of the memory behind the last cache.
  private func memory(_ measurement: RooflineProtocol) -> [RooflineRate] {
    let count = measurement.arrayCount
    let loops = RooflineLoops(instructionSet)
    // A sweep of the whole array takes many times as long as a round of arithmetic.
    let sweeps = RooflineProtocol(
      roundSeconds: measurement.roundSeconds, rounds: min(measurement.rounds, 10))
    return withArray(3 * count) { first in
      let (second, third) = (first + count, first + 2 * count)
      // Pages are only there once they have been written.
      Self.sweep(pool, 3 * count, 1) { loops.write(1, first + $0, $1) }
      func measure(
        _ kind: RooflineRate.Kind, streams: Int, _ body: (Int, Int) -> Void
      ) -> RooflineRate {
        rate(kind, instructionSet, unit: "GB/s", sweeps) { pool, repeats in
          Self.sweep(pool, count, repeats, body)
          return Double(4 * streams * count * repeats)
        }
      }
      return [
        measure(.memoryRead, streams: 1) { loops.read(first + $0, $1) },
        measure(.memoryWrite, streams: 1) { loops.write(2, second + $0, $1) },
        measure(.memoryCopy, streams: 2) { loops.copy(first + $0, second + $0, $1) },
        measure(.memoryTriad, streams: 3) {
          loops.triad(first + $0, 0.5, second + $0, third + $0, $1)
        },
      ]
    }
  }

  /// Calls `body(start, count)` for equal pieces of an array of `count` floats, one a thread.
  private static func sweep(
    _ pool: ThreadPool, _ count: Int, _ repeats: Int, _ body: (Int, Int) -> Void
  ) {
    onEveryThread(pool) { index in
      // Pieces begin at cache lines.
      let first = count / 16 * index / pool.threads * 16
      let end = count / 16 * (index + 1) / pool.threads * 16
      for _ in 0..<repeats { body(first, end - first) }
    }
  }

  /// Lets `body` use memory of `count` floats, aligned to cache lines.
  private func withArray<Result>(
    _ count: Int, _ body: (UnsafeMutablePointer<Float>) -> Result
  ) -> Result {
    let memory = UnsafeMutableRawPointer.allocate(byteCount: 4 * max(count, 1), alignment: 4096)
    defer { memory.deallocate() }
    return body(memory.bindMemory(to: Float.self, capacity: max(count, 1)))
  }

  /// Times `body(pool, repeats)`, which says how many units it did, on one thread and on all.
  private func rate(
    _ kind: RooflineRate.Kind, _ instructionSet: InstructionSet, unit: String,
    _ measurement: RooflineProtocol, _ body: (ThreadPool, Int) -> Double
  ) -> RooflineRate {
    let all = Self.fastest(measurement) { body(pool, $0) }
    let one = pool.threads == 1 ? all : Self.fastest(measurement) { body(Self.alone, $0) }
    return RooflineRate(
      kind: kind, instructionSet: instructionSet, unit: unit, oneThread: one / 1e9,
      allThreads: all / 1e9, threads: pool.threads)
  }

  /// The calling thread alone.
  private static let alone = ThreadPool(threads: 1)

  /// The largest rate of all rounds, in units a second.
  private static func fastest(
    _ measurement: RooflineProtocol, _ body: (_ repeats: Int) -> Double
  ) -> Double {
    let clock = ContinuousClock()
    func round(_ repeats: Int) -> (units: Double, seconds: Double) {
      var units = 0.0
      let time = clock.measure { units = body(repeats) }
      let seconds = Double(time.components.seconds) + Double(time.components.attoseconds) * 1e-18
      return (units, max(seconds, 1e-9))
    }
    // The first rounds also wake the threads and bring the clock frequency up.
    var repeats = 1
    var last = round(repeats)
    while last.seconds < measurement.roundSeconds, repeats < 1 << 24 {
      repeats *= 2
      last = round(repeats)
    }
    var best = last.units / last.seconds
    for _ in 1..<max(measurement.rounds, 2) {
      last = round(repeats)
      best = max(best, last.units / last.seconds)
    }
    return best
  }
}

/// The loops whose time is the roofline, for one instruction set that the machine has.
package struct RooflineLoops: @unchecked Sendable {
  private let loops: UnsafePointer<ck_roofline_loops>

  package init(_ instructionSet: InstructionSet) { loops = ck_roofline(instructionSet.code) }

  /// Operations of a round of multiply-adds.
  package var operations: Int { loops.pointee.operations }

  /// Rounds of multiply-adds; the sum of all sums, each of which tends to 1.
  @discardableResult
  package func multiplyAdds(rounds: Int) -> Float { loops.pointee.multiply_adds(rounds) }

  /// Operations of a round of bfloat16 dot products; nil where the CPU has none.
  package static let bfloat16Operations: Int? =
    ck_roofline_has_bfloat16() == 0 ? nil : ck_roofline_bfloat16_operations()

  /// Rounds of bfloat16 dot products of ones; the sum of all sums.
  @discardableResult
  package static func bfloat16(rounds: Int) -> Float { ck_roofline_bfloat16(rounds) }

  /// The sum of `count` floats.
  @discardableResult
  package func read(_ x: UnsafePointer<Float>, _ count: Int) -> Float {
    loops.pointee.read(x, count)
  }

  /// Writes y = value.
  package func write(_ value: Float, _ y: UnsafeMutablePointer<Float>, _ count: Int) {
    loops.pointee.write(value, y, count)
  }

  /// Writes y = x.
  package func copy(_ x: UnsafePointer<Float>, _ y: UnsafeMutablePointer<Float>, _ count: Int) {
    loops.pointee.copy(x, y, count)
  }

  /// Writes y = x + scale * z.
  package func triad(
    _ x: UnsafePointer<Float>, _ scale: Float, _ z: UnsafePointer<Float>,
    _ y: UnsafeMutablePointer<Float>, _ count: Int
  ) {
    loops.pointee.triad(x, scale, z, y, count)
  }
}
