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

  func geometry(channels: Int, batch: Int = 2) -> Reference.UnpoolGeometry {
    Reference.UnpoolGeometry(
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
    _ g: Reference.UnpoolGeometry, _ kernels: [Kernels], up: Kernel, down: Kernel,
    upTwin: (Reference.UnpoolGeometry, [Float]) -> [Float],
    downTwin: (Reference.UnpoolGeometry, [Float]) -> [Float], smallCount: Int,
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

  private func checkAll(_ g: Reference.UnpoolGeometry, _ kernels: [Kernels]) {
    check(
      g, kernels,
      up: { $0.nearestUnpool($1, $2, g) }, down: { $0.sumPool($1, $2, g) },
      upTwin: Reference.nearestUnpool, downTwin: Reference.sumPool, smallCount: g.smallCount)
    check(
      g, kernels,
      up: { $0.bedOfNailsUnpool($1, $2, g) }, down: { $0.subsample($1, $2, g) },
      upTwin: Reference.bedOfNailsUnpool, downTwin: Reference.subsample, smallCount: g.smallCount)
    guard g.windowHeight == g.windowWidth else { return }
    check(
      g, kernels,
      up: { $0.pixelShuffle($1, $2, g) }, down: { $0.spaceToDepth($1, $2, g) },
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
      let actual = SpatialTesting.output(36) { kernels.nearestUnpool(Self.example, $0, g) }
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
      let actual = SpatialTesting.output(36) { kernels.bedOfNailsUnpool(Self.example, $0, g) }
      #expect(actual == expected, "\(kernels.spatialLabel)")
      let back = SpatialTesting.output(9) { kernels.subsample(actual, $0, g) }
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
      let large = SpatialTesting.output(16) { kernels.pixelShuffle(x, $0, g) }
      #expect(large == expected, "\(kernels.spatialLabel)")
      let back = SpatialTesting.output(16) { kernels.spaceToDepth(large, $0, g) }
      #expect(back == x, "\(kernels.spatialLabel)")
    }
  }
}

extension Kernels {
  fileprivate typealias Input = UnsafePointer<Float>
  fileprivate typealias Output = UnsafeMutablePointer<Float>

  fileprivate func nearestUnpool(_ x: Input, _ y: Output, _ g: Reference.UnpoolGeometry) {
    nearestUnpool(
      x, y, batch: g.batch, height: g.height, width: g.width, channels: g.channels,
      windowHeight: g.windowHeight, windowWidth: g.windowWidth)
  }

  fileprivate func sumPool(_ y: Input, _ x: Output, _ g: Reference.UnpoolGeometry) {
    sumPool(
      y, x, batch: g.batch, height: g.height, width: g.width, channels: g.channels,
      windowHeight: g.windowHeight, windowWidth: g.windowWidth)
  }

  fileprivate func bedOfNailsUnpool(_ x: Input, _ y: Output, _ g: Reference.UnpoolGeometry) {
    bedOfNailsUnpool(
      x, y, batch: g.batch, height: g.height, width: g.width, channels: g.channels,
      windowHeight: g.windowHeight, windowWidth: g.windowWidth)
  }

  fileprivate func subsample(_ y: Input, _ x: Output, _ g: Reference.UnpoolGeometry) {
    subsample(
      y, x, batch: g.batch, height: g.height, width: g.width, channels: g.channels,
      windowHeight: g.windowHeight, windowWidth: g.windowWidth)
  }

  fileprivate func pixelShuffle(_ x: Input, _ y: Output, _ g: Reference.UnpoolGeometry) {
    pixelShuffle(
      x, y, batch: g.batch, height: g.height, width: g.width, channels: g.channels,
      block: g.windowHeight)
  }

  fileprivate func spaceToDepth(_ y: Input, _ x: Output, _ g: Reference.UnpoolGeometry) {
    spaceToDepth(
      y, x, batch: g.batch, height: g.height, width: g.width, channels: g.channels,
      block: g.windowHeight)
  }
}
