// Every kernel of the one list of cases against its reference twin, on every instruction set of this
// machine, with the same bits for any number of threads.

import AtelierKernels
import Testing

extension KernelCase: CustomTestStringConvertible {
  public var testDescription: String { "\(name) \(shape)" }

  /// Every kind over ragged sizes.
  static let ragged = convolutions + pools + normalizations + losses

  private static var convolutions: [KernelCase] {
    (ConvolutionCase.all + ConvolutionCase.winograd).map(\.geometry).flatMap { geometry in
      [.convolution(geometry), .inputGradient(geometry), .weightGradient(geometry)] as [KernelCase]
    }
  }

  private static var pools: [KernelCase] {
    PoolCase.all.flatMap { sizes -> [KernelCase] in
      [5, 17].flatMap { channels -> [KernelCase] in
        let geometry = sizes.geometry(channels: channels)
        return [.maxPool(geometry), .maxUnpool(geometry), .switchGather(geometry)]
      }
    }
  }

  private static var normalizations: [KernelCase] {
    // The gradient of one pixel alone is zero but for rounding, which no relative bound takes.
    let grids = ElementSupport.grids.filter { $0.pixels > 1 && $0.count < 50_000 }
    return grids.flatMap { grid -> [KernelCase] in
      let (pixels, channels) = (grid.pixels, grid.channels)
      return [Activation.identity, .leakyReLU(slope: 0.2)].flatMap { activation -> [KernelCase] in
        [
          .batchNormalization(pixels: pixels, channels: channels, activation: activation),
          .batchNormalizationGradient(pixels: pixels, channels: channels, activation: activation),
        ]
      }
    }
  }

  private static var losses: [KernelCase] {
    let grids = LossKernelTests.grids.filter { $0.count < 50_000 }
    let entropies = grids.flatMap { grid -> [KernelCase] in
      [
        .crossEntropy(rows: grid.pixels, channels: grid.channels),
        .crossEntropyGradient(rows: grid.pixels, channels: grid.channels),
      ]
    }
    return entropies + ElementSupport.counts.map { KernelCase.adam(count: $0) }
  }
}

@Suite("Every kernel case")
struct KernelCaseTests {
  private static let pools = [1, 3].map { ThreadPool(threads: $0) }

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
