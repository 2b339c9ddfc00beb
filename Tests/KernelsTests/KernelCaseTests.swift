// Every kernel of the one list of cases against its reference twin, on every instruction set of this
// machine, with the same bits for any number of threads.

import AtelierKernels
import Testing

extension KernelCase: CustomTestStringConvertible {
  public var testDescription: String { "\(name) \(shape)" }

  /// Every kind over ragged sizes.
  static let ragged: [KernelCase] =
    (ConvolutionCase.all + ConvolutionCase.winograd).map(\.geometry).flatMap {
      [.convolution($0), .inputGradient($0), .weightGradient($0)]
    }
    + PoolCase.all.flatMap { sizes in
      [5, 17].map { sizes.geometry(channels: $0) }.flatMap {
        [.maxPool($0), .maxUnpool($0), .switchGather($0)]
      }
    }
    // The gradient of one pixel alone is zero but for rounding, which no relative bound takes.
    + ElementSupport.grids.filter { $0.pixels > 1 && $0.count < 50_000 }.flatMap { grid in
      [Activation.identity, .leakyReLU(slope: 0.2)].flatMap { activation -> [KernelCase] in
        [
          .batchNormalization(
            pixels: grid.pixels, channels: grid.channels, activation: activation),
          .batchNormalizationGradient(
            pixels: grid.pixels, channels: grid.channels, activation: activation),
        ]
      }
    }
    + LossKernelTests.grids.filter { $0.count < 50_000 }.flatMap { grid -> [KernelCase] in
      [
        .crossEntropy(rows: grid.pixels, channels: grid.channels),
        .crossEntropyGradient(rows: grid.pixels, channels: grid.channels),
      ]
    } + ElementSupport.counts.map { .adam(count: $0) }
}

@Suite("Every kernel case")
struct KernelCaseTests {
  private static let pools = [1, 2, 3, 8].map { ThreadPool(threads: $0) }

  @Test(arguments: KernelCase.ragged, InstructionSet.available)
  func equalsItsTwin(_ kernel: KernelCase, _ isa: InstructionSet) {
    var first: [[Float]]?
    for pool in Self.pools {
      let trial = KernelTrial(kernel, Kernels(pool: pool, instructionSet: isa))
      let results = trial.results(ofTwin: false)
      #expect(trial.isIntact, "\(pool.threads) threads wrote outside")
      if let first {
        let isSame = zip(first, results).allSatisfy { $0.map(\.bitPattern) == $1.map(\.bitPattern) }
        #expect(isSame, "\(pool.threads) threads")
        continue
      }
      first = results
      for (index, (result, expected)) in zip(results, trial.results(ofTwin: true)).enumerated() {
        if kernel.tolerance == 0 {
          let isSame = result.map(\.bitPattern) == expected.map(\.bitPattern)
          #expect(isSame, "result \(index)")
        } else {
          #expect(relativeDistance(result, expected) < kernel.tolerance, "result \(index)")
        }
      }
    }
  }
}
