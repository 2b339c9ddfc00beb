// The roofline's loops do what they say; its rates are complete. No time is asserted.

import AtelierKernels
import Foundation
import Testing

@Suite struct RooflineTests {
  @Test(arguments: InstructionSet.available)
  func everySumTendsToOne(_ instructionSet: InstructionSet) {
    let loops = RooflineLoops(instructionSet)
    let sums = loops.operations / 2
    #expect(sums % 4 == 0 && sums > 0)
    // No round leaves the start: 0, 0.25, 0.5 and so on, each in as many lanes as a vector has.
    let vector: Int =
      switch instructionSet {
      case .baseline: 4
      case .avx2: 8
      case .avx512: 16
      }
    let count = sums / vector
    #expect(loops.multiplyAdds(rounds: 0) == Float(vector * count * (count - 1)) / 8)
    #expect(loops.multiplyAdds(rounds: 1) == Float(sums) * (3 * Float(count - 1) / 32 + 0.25))
    let rest = loops.multiplyAdds(rounds: 200)
    #expect(abs(rest - Float(sums)) < 1e-4 * Float(sums))
  }

  @Test func dotProductsCountAllPairs() {
    guard let operations = RooflineLoops.bfloat16Operations else {
      #expect(RooflineLoops.bfloat16(rounds: 3) == 0)
      return print("SKIPPED: this CPU has no bfloat16 dot products")
    }
    #expect(RooflineLoops.bfloat16(rounds: 0) == 0)
    #expect(RooflineLoops.bfloat16(rounds: 5) == Float(5 * operations / 2))
  }

  /// Counts that fill no vector, no step of the loop, and several.
  @Test(arguments: InstructionSet.available, [0, 1, 15, 16, 127, 128, 1000])
  func loopsTouchEveryElementOnce(_ instructionSet: InstructionSet, _ count: Int) throws {
    let loops = RooflineLoops(instructionSet)
    let size = 1024
    let memory = UnsafeMutableRawPointer.allocate(byteCount: 12 * size, alignment: 64)
    defer { memory.deallocate() }
    let x = memory.bindMemory(to: Float.self, capacity: 3 * size)
    let (y, z) = (x + size, x + 2 * size)
    for index in 0..<size {
      x[index] = Float(index % 13)
      y[index] = -1
      z[index] = Float(index % 7)
    }
    func row() -> [Float] { Array(UnsafeBufferPointer(start: y, count: size)) }
    func expected(_ value: (Int) -> Float) -> [Float] {
      (0..<size).map { $0 < count ? value($0) : -1 }
    }
    #expect(loops.read(x, count) == (0..<count).reduce(0) { $0 + Float($1 % 13) })
    loops.copy(x, y, count)
    #expect(row() == expected { Float($0 % 13) })
    loops.triad(x, 2, z, y, count)
    #expect(row() == expected { Float($0 % 13 + 2 * ($0 % 7)) })
    loops.write(5, y, count)
    #expect(row() == expected { _ in 5 })
  }

  @Test func rooflineHasEveryLimit() throws {
    let kernels = Kernels(pool: ThreadPool(threads: 2))
    let quick = RooflineProtocol(roundSeconds: 0, rounds: 2, arrayBytes: 1 << 16)
    let rates = kernels.roofline(quick)
    let arithmetic = rates.filter { $0.kind == .multiplyAdd }
    #expect(arithmetic.map(\.instructionSet) == InstructionSet.available)
    let last: [RooflineRate.Kind] = [
      .cacheRead, .memoryRead, .memoryWrite, .memoryCopy, .memoryTriad,
    ]
    #expect(rates.suffix(5).map(\.kind) == last)
    let extra = RooflineLoops.bfloat16Operations == nil ? 0 : 1
    #expect(rates.count == arithmetic.count + extra + 5)
    for rate in rates {
      #expect(rate.threads == 2)
      #expect(rate.oneThread > 0 && rate.oneThread.isFinite)
      #expect(rate.allThreads > 0 && rate.allThreads.isFinite)
      #expect(rate.unit == (last.contains(rate.kind) ? "GB/s" : "GFLOP/s"))
    }
    let peak = kernels.peakGigaflops(quick)
    #expect(peak > 0 && peak.isFinite)
  }

  @Test func oneThreadIsAllOfOne() throws {
    let kernels = Kernels(pool: ThreadPool(threads: 1), instructionSet: .baseline)
    let quick = RooflineProtocol(roundSeconds: 0, rounds: 2, arrayBytes: 1)
    for rate in kernels.roofline(quick) { #expect(rate.oneThread == rate.allThreads) }
  }

  @Test func ratesAreWrittenWithTheseKeys() throws {
    let text =
      #"{"all_threads":2.5,"instruction_set":"baseline","kind":"memory-copy","#
      + #""one_thread":1.5,"threads":2,"unit":"GB/s"}"#
    let rate = try JSONDecoder().decode(RooflineRate.self, from: Data(text.utf8))
    #expect(rate.kind == .memoryCopy && rate.oneThread == 1.5 && rate.allThreads == 2.5)
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    #expect(String(decoding: try encoder.encode(rate), as: UTF8.self) == text)
  }
}
