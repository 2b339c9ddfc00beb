// Nearest and bed-of-nails unpooling and the pixel shuffle, against the reference, each other and
// the course's worked examples.

import AtelierKernels
import Testing

/// The sizes of an unpooling but for its channels.
struct UnpoolCase: CustomTestStringConvertible, Sendable {
  let height: Int
  let width: Int
  let window: (Int, Int)

  var testDescription: String { "\(height) × \(width), window \(window)" }

  func geometry(channels: Int, batch: Int = 2) -> UnpoolGeometry {
    UnpoolGeometry(
      batch: batch, height: height, width: width, channels: channels, windowHeight: window.0,
      windowWidth: window.1)
  }

  static let all: [UnpoolCase] = [
    UnpoolCase(height: 3, width: 5, window: (2, 2)),
    UnpoolCase(height: 1, width: 1, window: (2, 2)),
    UnpoolCase(height: 4, width: 3, window: (3, 3)),
    UnpoolCase(height: 2, width: 7, window: (1, 4)),
    UnpoolCase(height: 5, width: 2, window: (3, 2)),
    UnpoolCase(height: 3, width: 3, window: (1, 1)),
    UnpoolCase(height: 2, width: 3, window: (5, 1)),
  ]

  static let large: [UnpoolCase] = [
    UnpoolCase(height: 33, width: 35, window: (2, 2)),
    UnpoolCase(height: 21, width: 17, window: (3, 3)),
  ]
}

@Suite struct UnpoolingKernelTests {
  /// The worked example's input: 3 × 3, one channel.
  private static let example: [Float] = [0.29, 0.47, 0.46, 0.15, 0, 0, 0, 0.57, 1.49]

  private typealias Kernel = (Kernels, UnsafePointer<Float>, UnsafeMutablePointer<Float>) -> Void

  /// Compares a pair of adjoint kernels with their twins.
  private func check(
    _ g: UnpoolGeometry, _ kernels: [Kernels], up: Kernel, down: Kernel,
    upTwin: (UnpoolGeometry, [Float]) -> [Float],
    downTwin: (UnpoolGeometry, [Float]) -> [Float], smallCount: Int,
    sourceLocation: SourceLocation = #_sourceLocation
  ) {
    let x = SpatialTesting.floats(smallCount, seed: 21)
    let y = SpatialTesting.floats(g.largeCount, seed: 22)
    let expectedUp = upTwin(g, x)
    let expectedDown = downTwin(g, y)
    for kernels in kernels {
      let large = SpatialTesting.output(g.largeCount) { up(kernels, x, $0) }
      SpatialTesting.expectSameBits(
        large, expectedUp, kernels.spatialLabel, sourceLocation: sourceLocation)
      let small = SpatialTesting.output(smallCount) { down(kernels, y, $0) }
      SpatialTesting.expectSameBits(
        small, expectedDown, kernels.spatialLabel, sourceLocation: sourceLocation)
      SpatialTesting.expectAdjoint(
        large, y, x, small, kernels.spatialLabel, sourceLocation: sourceLocation)
    }
  }

  private func checkAll(_ g: UnpoolGeometry, _ kernels: [Kernels]) {
    check(
      g, kernels,
      up: { $0.nearestUnpool(g, $1, $2) }, down: { $0.sumPool(g, $1, $2) },
      upTwin: Reference.nearestUnpool, downTwin: Reference.sumPool, smallCount: g.smallCount)
    check(
      g, kernels,
      up: { $0.bedOfNailsUnpool(g, $1, $2) }, down: { $0.subsample(g, $1, $2) },
      upTwin: Reference.bedOfNailsUnpool, downTwin: Reference.subsample, smallCount: g.smallCount)
    guard g.windowHeight == g.windowWidth else { return }
    check(
      g, kernels,
      up: { $0.pixelShuffle(g, $1, $2) }, down: { $0.spaceToDepth(g, $1, $2) },
      upTwin: Reference.pixelShuffle, downTwin: Reference.spaceToDepth, smallCount: g.largeCount)
  }

  @Test(arguments: UnpoolCase.all, SpatialTesting.channelCounts)
  func everyPairMatchesTheReferenceAndTheAdjointLaw(_ sizes: UnpoolCase, _ channels: Int) {
    checkAll(sizes.geometry(channels: channels), SpatialTesting.serialKernels)
  }

  @Test(arguments: UnpoolCase.large, [1, 17, 64])
  func everyNumberOfThreadsGivesTheSameBits(_ sizes: UnpoolCase, _ channels: Int) {
    checkAll(sizes.geometry(channels: channels, batch: 3), SpatialTesting.kernels)
  }

  @Test func nearestGivesTheWorkedExample() {
    let g = UnpoolCase(height: 3, width: 3, window: (2, 2)).geometry(channels: 1, batch: 1)
    let expected: [Float] = [
      0.29, 0.29, 0.47, 0.47, 0.46, 0.46,
      0.29, 0.29, 0.47, 0.47, 0.46, 0.46,
      0.15, 0.15, 0, 0, 0, 0,
      0.15, 0.15, 0, 0, 0, 0,
      0, 0, 0.57, 0.57, 1.49, 1.49,
      0, 0, 0.57, 0.57, 1.49, 1.49,
    ]
    for kernels in SpatialTesting.kernels {
      let actual = SpatialTesting.output(36) { kernels.nearestUnpool(g, Self.example, $0) }
      #expect(actual == expected, "\(kernels.spatialLabel)")
    }
  }

  @Test func bedOfNailsGivesTheWorkedExample() {
    let g = UnpoolCase(height: 3, width: 3, window: (2, 2)).geometry(channels: 1, batch: 1)
    let expected: [Float] = [
      0.29, 0, 0.47, 0, 0.46, 0,
      0, 0, 0, 0, 0, 0,
      0.15, 0, 0, 0, 0, 0,
      0, 0, 0, 0, 0, 0,
      0, 0, 0.57, 0, 1.49, 0,
      0, 0, 0, 0, 0, 0,
    ]
    for kernels in SpatialTesting.kernels {
      let actual = SpatialTesting.output(36) { kernels.bedOfNailsUnpool(g, Self.example, $0) }
      #expect(actual == expected, "\(kernels.spatialLabel)")
      let back = SpatialTesting.output(9) { kernels.subsample(g, actual, $0) }
      #expect(back == Self.example, "\(kernels.spatialLabel)")
    }
  }

  /// ONNX's example of DepthToSpace in mode DCR: channel blocks 0, 9, 18, 27 with two channels
  /// each.
  @Test func pixelShuffleFollowsDepthColumnRowOrder() {
    let g = UnpoolCase(height: 1, width: 2, window: (2, 2)).geometry(channels: 2, batch: 1)
    // Pixel p, channel k holds 10 p + k; channel k = (row · 2 + column) · 2 + c.
    let x: [Float] = (0..<2).flatMap { p in (0..<8).map { Float(10 * p + $0) } }
    let expected: [Float] = [
      0, 1, 2, 3, 10, 11, 12, 13,
      4, 5, 6, 7, 14, 15, 16, 17,
    ]
    for kernels in SpatialTesting.kernels {
      let large = SpatialTesting.output(16) { kernels.pixelShuffle(g, x, $0) }
      #expect(large == expected, "\(kernels.spatialLabel)")
      let back = SpatialTesting.output(16) { kernels.spaceToDepth(g, large, $0) }
      #expect(back == x, "\(kernels.spatialLabel)")
    }
  }
}
