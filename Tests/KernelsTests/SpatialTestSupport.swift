// What the tests of the spatial kernels share: kernels of every kind, seeded data, guarded outputs,
// exact comparison.

import AtelierKernels
import Testing

enum SpatialTesting {
  /// Channel counts below, at and above the widths of the vectors.
  static let channelCounts = [1, 3, 5, 16, 17, 64]

  private static let pools = [1, 2, 3, 8].map { ThreadPool(threads: $0) }

  /// Values that guard an output on either side; a sanitizer sees more where there are none.
  #if SANITIZED
  private static let margin = 0
  #else
  private static let margin = 32
  #endif

  /// Every available instruction set, each with 1, 2, 3 and 8 threads.
  static let kernels: [Kernels] = InstructionSet.available.flatMap { instructionSet in
    pools.map { Kernels(pool: $0, instructionSet: instructionSet) }
  }

  /// One-threaded kernels of every available instruction set.
  static let serialKernels: [Kernels] = InstructionSet.available.map {
    Kernels(pool: pools[0], instructionSet: $0)
  }

  /// Steps of a linear congruential generator (Knuth's MMIX constants), top 24 bits.
  static func integers(_ count: Int, seed: Int, below bound: Int) -> [Int] {
    var state = UInt64(truncatingIfNeeded: seed) &* 0x9E37_79B9_7F4A_7C15 &+ 1
    return (0..<count).map { _ in
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return Int(state >> 40) % bound
    }
  }

  /// Values in [−1, 1).
  static func floats(_ count: Int, seed: Int) -> [Float] {
    integers(count, seed: seed, below: 1 << 24).map { Float($0) / Float(1 << 23) - 1 }
  }

  /// Small whole numbers of both signs and both zeros, so that ties are common and sums are exact.
  static func wholes(_ count: Int, seed: Int) -> [Float] {
    integers(count, seed: seed, below: 8).map { $0 == 0 ? -0.0 : Float($0 - 4) }
  }

  /// What `body` writes into memory that held NaN before; records an issue when it writes beside
  /// it.
  static func output(
    _ count: Int, sourceLocation: SourceLocation = #_sourceLocation,
    _ body: (UnsafeMutablePointer<Float>) -> Void
  ) -> [Float] {
    var memory = [Float](repeating: .nan, count: count + 2 * margin)
    for index in 0..<margin {
      memory[index] = 77
      memory[margin + count + index] = 77
    }
    memory.withUnsafeMutableBufferPointer { buffer in
      if let base = buffer.baseAddress { body(base + margin) }
    }
    let guards = memory[..<margin] + memory[(margin + count)...]
    #expect(
      guards.allSatisfy { $0 == 77 }, "wrote outside the output", sourceLocation: sourceLocation)
    return Array(memory[margin..<margin + count])
  }

  /// The same for switches.
  static func switchOutput(
    _ count: Int, _ body: (UnsafeMutablePointer<Int32>) -> Void
  ) -> [Int32] {
    var memory = [Int32](repeating: Int32.min, count: count + margin)
    memory.withUnsafeMutableBufferPointer { buffer in
      if let base = buffer.baseAddress { body(base) }
    }
    #expect(memory[count...].allSatisfy { $0 == Int32.min }, "wrote outside the switches")
    return Array(memory[..<count])
  }

  /// Records an issue where two results differ in any bit, naming the first difference.
  static func expectSameBits(
    _ actual: [Float], _ expected: [Float], _ label: String,
    sourceLocation: SourceLocation = #_sourceLocation
  ) {
    #expect(actual.count == expected.count, "\(label): counts", sourceLocation: sourceLocation)
    let difference = zip(actual, expected).enumerated().first { _, pair in
      pair.0.bitPattern != pair.1.bitPattern && !(pair.0.isNaN && pair.1.isNaN)
    }
    if let difference {
      let values = difference.element
      Issue.record(
        "\(label): element \(difference.offset) is \(values.0), expected \(values.1)",
        sourceLocation: sourceLocation)
    }
  }

  /// Records an issue unless ⟨Ax, y⟩ = ⟨x, Aᵀy⟩ within the rounding of Float, measured by the
  /// products' absolute sum.
  static func expectAdjoint(
    _ ax: [Float], _ y: [Float], _ x: [Float], _ aty: [Float], _ label: String,
    sourceLocation: SourceLocation = #_sourceLocation
  ) {
    var left = 0.0
    var right = 0.0
    var size = 0.0
    for (a, b) in zip(ax, y) {
      left += Double(a) * Double(b)
      size += abs(Double(a) * Double(b))
    }
    for (a, b) in zip(x, aty) {
      right += Double(a) * Double(b)
      size += abs(Double(a) * Double(b))
    }
    #expect(
      abs(left - right) <= 4e-7 * size, "\(label): \(left) against \(right)",
      sourceLocation: sourceLocation)
    #expect(size > 0, "\(label): nothing was compared", sourceLocation: sourceLocation)
  }
}

extension Kernels {
  /// The kernels' kind for messages.
  var spatialLabel: String { "\(instructionSet.rawValue), \(pool.threads) threads" }
}
