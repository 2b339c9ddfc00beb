// Max, average and global pooling, their switches and gradients, against the reference and the
// adjoint law.

import AtelierKernels
import Testing

/// The sizes of a pooling but for its channels.
struct PoolCase: CustomTestStringConvertible, Sendable {
  let input: (Int, Int)
  let output: (Int, Int)
  let window: (Int, Int)
  let stride: (Int, Int)
  let padding: (Int, Int)

  init(
    _ input: (Int, Int), to output: (Int, Int), window: (Int, Int), stride: (Int, Int),
    padding: (Int, Int) = (0, 0)
  ) {
    self.input = input
    self.output = output
    self.window = window
    self.stride = stride
    self.padding = padding
  }

  var testDescription: String {
    "\(input) to \(output), window \(window), stride \(stride), padding \(padding)"
  }

  func geometry(batch: Int = 2, channels: Int) -> PoolGeometry {
    PoolGeometry(
      batch: batch, inputHeight: input.0, inputWidth: input.1, channels: channels,
      outputHeight: output.0, outputWidth: output.1, windowHeight: window.0, windowWidth: window.1,
      strideHeight: stride.0, strideWidth: stride.1, paddingTop: padding.0, paddingLeft: padding.1)
  }

  static let all: [PoolCase] = [
    PoolCase((6, 8), to: (3, 4), window: (2, 2), stride: (2, 2)),
    PoolCase((7, 5), to: (3, 2), window: (2, 2), stride: (2, 2)),
    PoolCase((7, 5), to: (4, 3), window: (2, 2), stride: (2, 2)),
    PoolCase((1, 1), to: (1, 1), window: (2, 2), stride: (2, 2)),
    PoolCase((6, 6), to: (4, 4), window: (2, 2), stride: (2, 2), padding: (1, 1)),
    PoolCase((10, 11), to: (3, 3), window: (3, 3), stride: (3, 3)),
    PoolCase((5, 9), to: (2, 9), window: (3, 1), stride: (3, 1)),
    PoolCase((9, 7), to: (5, 4), window: (3, 3), stride: (2, 2), padding: (1, 1)),
    PoolCase((5, 6), to: (5, 6), window: (3, 3), stride: (1, 1), padding: (1, 1)),
    PoolCase((6, 7), to: (5, 6), window: (2, 2), stride: (1, 1)),
    PoolCase((6, 9), to: (7, 6), window: (2, 3), stride: (1, 2), padding: (1, 2)),
    PoolCase((9, 9), to: (3, 3), window: (2, 2), stride: (3, 3)),
    PoolCase((2, 2), to: (4, 4), window: (1, 1), stride: (1, 1), padding: (1, 1)),
    PoolCase((4, 3), to: (1, 1), window: (9, 9), stride: (1, 1), padding: (3, 3)),
    PoolCase((4, 4), to: (4, 3), window: (2, 2), stride: (2, 2)),
  ]

  /// Large enough that the work is cut into many parts.
  static let large: [PoolCase] = [
    PoolCase((65, 67), to: (32, 33), window: (2, 2), stride: (2, 2)),
    PoolCase((65, 67), to: (33, 34), window: (3, 3), stride: (2, 2), padding: (1, 1)),
    PoolCase((61, 50), to: (60, 49), window: (2, 2), stride: (1, 1)),
  ]
}

@Suite struct PoolingKernelTests {
  private func pooled(
    _ kernels: Kernels, _ g: PoolGeometry, _ x: [Float]
  ) -> (values: [Float], switches: [Int32]) {
    var values: [Float] = []
    let switches = SpatialTesting.switchOutput(g.outputCount) { switches in
      values = SpatialTesting.output(g.outputCount) {
        kernels.maxPool(g, x, $0, switches: switches)
      }
    }
    return (values, switches)
  }

  private func scattered(
    _ kernels: Kernels, _ g: PoolGeometry, _ y: [Float], _ switches: [Int32]
  ) -> (values: [Float], outOfRange: Int) {
    var count = -1
    let values = SpatialTesting.output(g.inputCount) {
      count = kernels.scatterSwitches(g, y, switches: switches, $0)
    }
    return (values, count)
  }

  private func gathered(
    _ kernels: Kernels, _ g: PoolGeometry, _ x: [Float], _ switches: [Int32]
  ) -> (values: [Float], outOfRange: Int) {
    var count = -1
    let values = SpatialTesting.output(g.outputCount) {
      count = kernels.gatherSwitches(g, x, switches: switches, $0)
    }
    return (values, count)
  }

  @Test(arguments: PoolCase.all, SpatialTesting.channelCounts)
  func maxPoolMatchesTheReference(_ sizes: PoolCase, _ channels: Int) {
    let g = sizes.geometry(channels: channels)
    var poisoned = SpatialTesting.floats(g.inputCount, seed: 2)
    for index in SpatialTesting.integers(g.inputCount / 7 + 1, seed: 3, below: g.inputCount) {
      poisoned[index] = [.nan, .infinity, -.infinity][index % 3]
    }
    for x in [
      SpatialTesting.wholes(g.inputCount, seed: 1), poisoned,
      [Float](repeating: -.infinity, count: g.inputCount),
    ] {
      let expected = Reference.maxPool(g, x)
      for kernels in SpatialTesting.serialKernels {
        let actual = pooled(kernels, g, x)
        SpatialTesting.expectSameBits(actual.values, expected.values, kernels.spatialLabel)
        #expect(actual.switches == expected.switches, "\(kernels.spatialLabel)")
        let alone = SpatialTesting.output(g.outputCount) {
          kernels.maxPool(g, x, $0, switches: nil)
        }
        SpatialTesting.expectSameBits(
          alone, expected.values, "without switches, \(kernels.spatialLabel)")
      }
    }
  }

  @Test func tiesAndNaNAndPaddingAreDecidedAsDocumented() {
    let g = PoolGeometry(
      batch: 1, inputHeight: 2, inputWidth: 6, channels: 1, outputHeight: 1, outputWidth: 3,
      windowHeight: 2, windowWidth: 2, strideHeight: 2, strideWidth: 2)
    let x: [Float] = [1, 2, .nan, 0, -3, -2, 2, 2, 5, .nan, -2, -9]
    for kernels in SpatialTesting.serialKernels {
      let actual = pooled(kernels, g, x)
      #expect(actual.switches == [1, 2, 5])
      #expect(actual.values[0] == 2 && actual.values[1].isNaN && actual.values[2] == -2)
    }
    // Negative values at the border: zero padding would have won.
    let padded = PoolGeometry(
      batch: 1, inputHeight: 1, inputWidth: 1, channels: 1, outputHeight: 3, outputWidth: 1,
      windowHeight: 2, windowWidth: 2, strideHeight: 1, strideWidth: 1, paddingTop: 1,
      paddingLeft: 1)
    for kernels in SpatialTesting.serialKernels {
      let actual = pooled(kernels, padded, [-5])
      #expect(actual.values == [-5, -5, 0])
      #expect(actual.switches == [0, 0, -1])
    }
  }

  @Test(arguments: PoolCase.all, SpatialTesting.channelCounts)
  func switchesScatterAndGatherAsTheReference(_ sizes: PoolCase, _ channels: Int) {
    let g = sizes.geometry(channels: channels)
    let y = SpatialTesting.floats(g.outputCount, seed: 4).map { $0 > 0.9 ? -0.0 : $0 }
    let x = SpatialTesting.floats(g.inputCount, seed: 5)
    let own = Reference.maxPool(g, x).switches
    let plane = g.inputHeight * g.inputWidth
    // Any pixel of the plane: many duplicates, most outside their windows.
    let strays = SpatialTesting.integers(g.outputCount, seed: 6, below: plane).map { Int32($0) }
    // Mostly true switches, with values beyond every bound among them.
    let hostile = zip(own, SpatialTesting.integers(g.outputCount, seed: 7, below: 40)).map {
      let bad: [Int32] = [.min, .max, -2, Int32(plane), -1, Int32(plane - 1)]
      return $1 < bad.count ? bad[$1] : $0
    }
    let outOfRange = [own.map { $0 == -1 ? -1 : $0 }, own.map { $0 + Int32(plane) + 1 }]
    for (name, switches) in [
      ("own", own), ("strays", strays), ("hostile", hostile), ("own again", outOfRange[0]),
      ("beyond", outOfRange[1]),
    ] {
      let down = Reference.scatterSwitches(g, y, switches: switches)
      let up = Reference.gatherSwitches(g, x, switches: switches)
      for kernels in SpatialTesting.serialKernels {
        let label = "\(name), \(kernels.spatialLabel)"
        let scatter = scattered(kernels, g, y, switches)
        SpatialTesting.expectSameBits(scatter.values, down.values, "scatter, \(label)")
        #expect(scatter.outOfRange == down.outOfRange, "\(label)")
        let gather = gathered(kernels, g, x, switches)
        SpatialTesting.expectSameBits(gather.values, up.values, "gather, \(label)")
        #expect(gather.outOfRange == up.outOfRange, "\(label)")
      }
    }
  }

  @Test(arguments: PoolCase.all, SpatialTesting.channelCounts)
  func averagePoolAndItsGradientMatchTheReference(_ sizes: PoolCase, _ channels: Int) {
    let g = sizes.geometry(channels: channels)
    let x = SpatialTesting.floats(g.inputCount, seed: 8)
    let dy = SpatialTesting.floats(g.outputCount, seed: 9)
    for includes in [false, true] {
      let up = Reference.averagePool(g, x, countIncludesPadding: includes)
      let down = Reference.averagePoolGradient(g, dy, countIncludesPadding: includes)
      SpatialTesting.expectAdjoint(up, dy, x, down, "reference")
      for kernels in SpatialTesting.serialKernels {
        let average = SpatialTesting.output(g.outputCount) {
          kernels.averagePool(g, x, $0, countIncludesPadding: includes)
        }
        SpatialTesting.expectSameBits(average, up, "\(kernels.spatialLabel), \(includes)")
        let gradient = SpatialTesting.output(g.inputCount) {
          kernels.averagePoolGradient(g, dy, $0, countIncludesPadding: includes)
        }
        SpatialTesting.expectSameBits(gradient, down, "\(kernels.spatialLabel), \(includes)")
        SpatialTesting.expectAdjoint(average, dy, x, gradient, kernels.spatialLabel)
      }
    }
  }

  @Test(arguments: PoolCase.all, SpatialTesting.channelCounts)
  func gatherIsTheAdjointOfScatter(_ sizes: PoolCase, _ channels: Int) {
    let g = sizes.geometry(channels: channels)
    let x = SpatialTesting.floats(g.inputCount, seed: 10)
    let y = SpatialTesting.floats(g.outputCount, seed: 11)
    for kernels in SpatialTesting.serialKernels {
      let pool = pooled(kernels, g, x)
      let gather = gathered(kernels, g, x, pool.switches)
      SpatialTesting.expectSameBits(gather.values, pool.values, "gathered maxima")
      let scatter = scattered(kernels, g, y, pool.switches)
      #expect(gather.outOfRange == 0 && scatter.outOfRange == 0)
      SpatialTesting.expectAdjoint(gather.values, y, x, scatter.values, kernels.spatialLabel)
    }
  }

  @Test(arguments: PoolCase.large, [3, 17, 64])
  func everyNumberOfThreadsGivesTheSameBits(_ sizes: PoolCase, _ channels: Int) {
    let g = sizes.geometry(channels: channels)
    let x = SpatialTesting.floats(g.inputCount, seed: 12)
    let y = SpatialTesting.floats(g.outputCount, seed: 13)
    let expected = Reference.maxPool(g, x)
    let plane = g.inputHeight * g.inputWidth
    let strays = SpatialTesting.integers(g.outputCount, seed: 14, below: plane + 3).map {
      Int32($0)
    }
    let down = Reference.scatterSwitches(g, y, switches: expected.switches)
    let strayDown = Reference.scatterSwitches(g, y, switches: strays)
    let average = Reference.averagePool(g, x, countIncludesPadding: false)
    let averageDown = Reference.averagePoolGradient(g, y, countIncludesPadding: false)
    for kernels in SpatialTesting.kernels {
      let label = kernels.spatialLabel
      let pool = pooled(kernels, g, x)
      SpatialTesting.expectSameBits(pool.values, expected.values, label)
      #expect(pool.switches == expected.switches, "\(label)")
      let scatter = scattered(kernels, g, y, pool.switches)
      SpatialTesting.expectSameBits(scatter.values, down.values, label)
      let stray = scattered(kernels, g, y, strays)
      SpatialTesting.expectSameBits(stray.values, strayDown.values, label)
      #expect(stray.outOfRange == strayDown.outOfRange && stray.outOfRange > 0, "\(label)")
      let gather = gathered(kernels, g, x, strays)
      #expect(gather.outOfRange == strayDown.outOfRange, "\(label)")
      SpatialTesting.expectSameBits(
        SpatialTesting.output(g.outputCount) {
          kernels.averagePool(g, x, $0, countIncludesPadding: false)
        }, average, label)
      SpatialTesting.expectSameBits(
        SpatialTesting.output(g.inputCount) {
          kernels.averagePoolGradient(g, y, $0, countIncludesPadding: false)
        }, averageDown, label)
    }
  }

  @Test(arguments: [1, 7, 255, 256, 257, 3000], SpatialTesting.channelCounts)
  func globalAverageMatchesTheReference(_ pixels: Int, _ channels: Int) {
    let x = SpatialTesting.floats(3 * pixels * channels, seed: 15)
    let dy = SpatialTesting.floats(3 * channels, seed: 16)
    let expected = Reference.globalAveragePool(x, batch: 3, pixels: pixels, channels: channels)
    let expectedGradient = Reference.globalAveragePoolGradient(
      dy, batch: 3, pixels: pixels, channels: channels)
    var first: [Float]?
    for kernels in SpatialTesting.kernels {
      let mean = SpatialTesting.output(3 * channels) {
        kernels.globalAveragePool(x, $0, batch: 3, pixels: pixels, channels: channels)
      }
      for (actual, wanted) in zip(mean, expected) {
        #expect(abs(actual - wanted) <= 1e-6, "\(kernels.spatialLabel)")
      }
      SpatialTesting.expectSameBits(mean, first ?? mean, kernels.spatialLabel)
      first = mean
      let gradient = SpatialTesting.output(x.count) {
        kernels.globalAveragePoolGradient(dy, $0, batch: 3, pixels: pixels, channels: channels)
      }
      SpatialTesting.expectSameBits(gradient, expectedGradient, kernels.spatialLabel)
      SpatialTesting.expectAdjoint(mean, dy, x, gradient, kernels.spatialLabel)
    }
  }
}
