// What the tests of the element-wise families share: kernels on every instruction set and thread
// count, seeded values, comparison.

import AtelierKernels
import Testing

/// Runs a kernel on every instruction set and thread count and compares it with its reference twin.
enum ElementSupport {
  private static let pools = [1, 2, 3, 8].map { ThreadPool(threads: $0) }

  /// Element counts around the vector widths, around the one-thread limit and over several chunks.
  static let counts = [1, 3, 4, 7, 8, 15, 16, 17, 33, 100, 1000, 16_384, 16_385, 70_001]

  /// Pixels and channels: thin, odd, wide, wider than one block of columns, and over several parts.
  static let grids: [Grid] = [
    Grid(1, 1), Grid(5, 3), Grid(7, 16), Grid(33, 17), Grid(1000, 3), Grid(9001, 12),
    Grid(513, 64), Grid(70, 300), Grid(10, 2100), Grid(21, 2100), Grid(30_001, 3), Grid(2501, 33),
    Grid(50_000, 1), Grid(66_000, 4),
  ]

  struct Grid: CustomTestStringConvertible, Sendable {
    let pixels: Int
    let channels: Int
    init(_ pixels: Int, _ channels: Int) {
      self.pixels = pixels
      self.channels = channels
    }
    var count: Int { pixels * channels }
    var testDescription: String { "\(pixels)×\(channels)" }
  }

  /// Kernels of every instruction set on one thread.
  static var each: [Kernels] {
    InstructionSet.available.map { Kernels(pool: pools[0], instructionSet: $0) }
  }

  /// Seeded values, uniform in `range`.
  static func values(
    _ count: Int, seed: UInt64, in range: ClosedRange<Float> = -3...3
  ) -> [Float] {
    var state = seed &* 0x9E37_79B9_7F4A_7C15 &+ 1
    return (0..<count).map { _ in
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      let unit = Float(state >> 40) / 16_777_216
      return range.lowerBound + unit * (range.upperBound - range.lowerBound)
    }
  }

  /// Expects a sum to have the same bits, all of a Double's, on 1, 2, 3 and 8 threads.
  static func expectSameBits(
    sourceLocation: SourceLocation = #_sourceLocation, _ sum: (Kernels) -> Double
  ) {
    for set in InstructionSet.available {
      let sums = pools.map { sum(Kernels(pool: $0, instructionSet: set)).bitPattern }
      #expect(Set(sums).count == 1, "\(set) differs", sourceLocation: sourceLocation)
    }
  }

  /// Compares `kernel` on every instruction set with `reference`, and its bits over 1, 2, 3 and 8
  /// threads.
  static func verify(
    relative: Float = 0, absolute: Float = 0, reference: [Float],
    sourceLocation: SourceLocation = #_sourceLocation, kernel: (Kernels) -> [Float]
  ) {
    for set in InstructionSet.available {
      let alone = kernel(Kernels(pool: pools[0], instructionSet: set))
      expectClose(
        alone, reference, relative: relative, absolute: absolute, what: set.rawValue,
        sourceLocation: sourceLocation)
      for pool in pools.dropFirst() {
        let shared = kernel(Kernels(pool: pool, instructionSet: set))
        let same = zip(alone, shared).allSatisfy { $0.bitPattern == $1.bitPattern }
        #expect(
          same && alone.count == shared.count, "\(set) differs on \(pool.threads) threads",
          sourceLocation: sourceLocation)
      }
    }
  }

  /// Expects every value within absolute + relative · |expected|; infinities and not-a-number must
  /// agree.
  static func expectClose(
    _ values: [Float], _ expected: [Float], relative: Float, absolute: Float, what: String,
    sourceLocation: SourceLocation = #_sourceLocation
  ) {
    #expect(values.count == expected.count, sourceLocation: sourceLocation)
    var worst = (excess: Float(0), index: -1)
    for i in 0..<min(values.count, expected.count) {
      let (a, b) = (values[i], expected[i])
      if a == b || (a.isNaN && b.isNaN) { continue }
      let bound = absolute + relative * abs(b)
      let excess = a.isFinite && b.isFinite ? abs(a - b) - bound : .infinity
      if excess > 0 && excess > worst.excess { worst = (excess, i) }
    }
    #expect(
      worst.index < 0,
      """
      \(what): at \(worst.index) of \(values.count) \(worst.index < 0 ? 0 : values[worst.index]) \
      instead of \(worst.index < 0 ? 0 : expected[worst.index])
      """, sourceLocation: sourceLocation)
  }

  /// An array of `count` values that `body` writes; it starts as not-a-number so that a gap shows.
  static func made(_ count: Int, _ body: (UnsafeMutablePointer<Float>) -> Void) -> [Float] {
    let memory = UnsafeMutablePointer<Float>.allocate(capacity: max(count, 1))
    defer { memory.deallocate() }
    memory.initialize(repeating: .nan, count: max(count, 1))
    body(memory)
    return Array(UnsafeBufferPointer(start: memory, count: count))
  }

  /// What `body` makes of a copy of `start`.
  static func changed(_ start: [Float], _ body: (UnsafeMutablePointer<Float>) -> Void) -> [Float] {
    made(start.count) { memory in
      for i in start.indices { memory[i] = start[i] }
      body(memory)
    }
  }
}
