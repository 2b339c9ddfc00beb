// Padding with its adjoint and strided block copies, against the reference.

import AtelierKernels
import Testing

/// The sizes of a padding but for its channels.
struct PadCase: CustomTestStringConvertible, Sendable {
  let input: (Int, Int)
  let vertical: (Int, Int)
  let horizontal: (Int, Int)

  init(_ input: (Int, Int), _ top: Int, _ bottom: Int, _ left: Int, _ right: Int) {
    self.input = input
    vertical = (top, bottom)
    horizontal = (left, right)
  }

  var testDescription: String { "\(input), rows \(vertical), columns \(horizontal)" }
  var output: (Int, Int) {
    (
      input.0 + vertical.0 + vertical.1,
      input.1 + horizontal.0 + horizontal.1
    )
  }

  static let all: [PadCase] = [
    PadCase((4, 5), 1, 1, 1, 1),
    PadCase((4, 5), 0, 0, 0, 0),
    PadCase((3, 7), 2, 0, 0, 3),
    PadCase((5, 2), 0, 4, 1, 0),
    PadCase((1, 1), 2, 1, 1, 2),
    PadCase((2, 3), 5, 4, 7, 6),
    PadCase((1, 4), 0, 3, 9, 0),
  ]
}

/// One block copy: sizes, strides and starts within a source and a destination.
struct BlockCase: CustomTestStringConvertible, Sendable {
  let testDescription: String
  let size: (Int, Int, Int)
  /// The whole image [H, W, C] that the block is read from, and the block's place in it.
  let source: (Int, Int, Int)
  let sourceOrigin: (Int, Int, Int)
  let destination: (Int, Int, Int)
  let destinationOrigin: (Int, Int, Int)

  /// A block of `channels` · (1 whole) channels and its surroundings.
  static func cases(channels c: Int) -> [BlockCase] {
    [
      BlockCase(
        testDescription: "whole", size: (4, 5, c), source: (4, 5, c), sourceOrigin: (0, 0, 0),
        destination: (4, 5, c), destinationOrigin: (0, 0, 0)),
      BlockCase(
        testDescription: "crop", size: (3, 2, c), source: (6, 7, c), sourceOrigin: (2, 3, 0),
        destination: (3, 2, c), destinationOrigin: (0, 0, 0)),
      BlockCase(
        testDescription: "into a frame", size: (3, 4, c), source: (3, 4, c),
        sourceOrigin: (0, 0, 0), destination: (7, 6, c), destinationOrigin: (2, 1, 0)),
      BlockCase(
        testDescription: "concatenate", size: (5, 3, c), source: (5, 3, c),
        sourceOrigin: (0, 0, 0), destination: (5, 3, c + 7), destinationOrigin: (0, 0, 5)),
      BlockCase(
        testDescription: "slice", size: (5, 3, c), source: (5, 3, c + 4), sourceOrigin: (0, 0, 3),
        destination: (5, 3, c), destinationOrigin: (0, 0, 0)),
      BlockCase(
        testDescription: "large", size: (65, 33, c), source: (65, 35, c + 1),
        sourceOrigin: (0, 1, 1), destination: (66, 33, c + 2), destinationOrigin: (1, 0, 1)),
    ]
  }
}

@Suite struct BlocksKernelTests {
  private func check(
    _ kernels: [Kernels], _ sizes: PadCase, _ mode: PaddingMode, batch: Int, channels: Int
  ) {
    let x = SpatialTesting.floats(batch * sizes.input.0 * sizes.input.1 * channels, seed: 41)
    let dy = SpatialTesting.floats(batch * sizes.output.0 * sizes.output.1 * channels, seed: 42)
    let expected = Reference.pad(
      x, batch: batch, inputHeight: sizes.input.0, inputWidth: sizes.input.1, channels: channels,
      top: sizes.vertical.0, bottom: sizes.vertical.1, left: sizes.horizontal.0,
      right: sizes.horizontal.1, mode: mode)
    let expectedGradient = Reference.padGradient(
      dy, batch: batch, inputHeight: sizes.input.0, inputWidth: sizes.input.1, channels: channels,
      top: sizes.vertical.0, bottom: sizes.vertical.1, left: sizes.horizontal.0,
      right: sizes.horizontal.1, mode: mode)
    for kernels in kernels {
      let label = "\(mode), \(kernels.spatialLabel)"
      let up = SpatialTesting.output(dy.count) {
        kernels.pad(
          x, $0, batch: batch, inputHeight: sizes.input.0, inputWidth: sizes.input.1,
          channels: channels, top: sizes.vertical.0, bottom: sizes.vertical.1,
          left: sizes.horizontal.0, right: sizes.horizontal.1, mode: mode)
      }
      SpatialTesting.expectSameBits(up, expected, label)
      let down = SpatialTesting.output(x.count) {
        kernels.padGradient(
          dy, $0, batch: batch, inputHeight: sizes.input.0, inputWidth: sizes.input.1,
          channels: channels, top: sizes.vertical.0, bottom: sizes.vertical.1,
          left: sizes.horizontal.0, right: sizes.horizontal.1, mode: mode)
      }
      SpatialTesting.expectSameBits(down, expectedGradient, label)
      SpatialTesting.expectAdjoint(up, dy, x, down, label)
    }
  }

  @Test(arguments: PadCase.all, SpatialTesting.channelCounts)
  func padAndItsGradientMatchTheReference(_ sizes: PadCase, _ channels: Int) {
    for mode in [PaddingMode.zero, .replicate, .reflect] {
      check(SpatialTesting.serialKernels, sizes, mode, batch: 2, channels: channels)
    }
  }

  @Test(arguments: [PaddingMode.zero, .replicate, .reflect], [3, 17])
  func everyNumberOfThreadsGivesTheSameBits(_ mode: PaddingMode, _ channels: Int) {
    check(SpatialTesting.kernels, PadCase((61, 67), 3, 4, 2, 5), mode, batch: 3, channels: channels)
  }

  /// numpy.pad([1, 2, 3], (4, 3), mode) with modes constant, edge and reflect.
  @Test func modesPadARowAsNumPy() {
    let expected: [(PaddingMode, [Float])] = [
      (.zero, [0, 0, 0, 0, 1, 2, 3, 0, 0, 0]),
      (.replicate, [1, 1, 1, 1, 1, 2, 3, 3, 3, 3]),
      (.reflect, [1, 2, 3, 2, 1, 2, 3, 2, 1, 2]),
    ]
    for kernels in SpatialTesting.serialKernels {
      for (mode, row) in expected {
        let actual = SpatialTesting.output(10) {
          kernels.pad(
            [1, 2, 3], $0, batch: 1, inputHeight: 1, inputWidth: 3, channels: 1, top: 0, bottom: 0,
            left: 4, right: 3, mode: mode)
        }
        #expect(actual == row, "\(mode), \(kernels.spatialLabel)")
      }
    }
  }

  private static func strides(_ image: (Int, Int, Int)) -> (Int, Int, Int) {
    (image.0 * image.1 * image.2, image.1 * image.2, image.2)
  }

  private static func start(_ image: (Int, Int, Int), _ origin: (Int, Int, Int)) -> Int {
    (origin.0 * image.1 + origin.1) * image.2 + origin.2
  }

  @Test(arguments: SpatialTesting.channelCounts, [false, true])
  func copyBlockMatchesTheReference(_ channels: Int, _ accumulate: Bool) {
    for block in BlockCase.cases(channels: channels) {
      let sourceStrides = Self.strides(block.source)
      let destinationStrides = Self.strides(block.destination)
      let sourceStart = Self.start(block.source, block.sourceOrigin)
      let destinationStart = Self.start(block.destination, block.destinationOrigin)
      let x = SpatialTesting.floats(2 * sourceStrides.0, seed: 43)
      let before = SpatialTesting.floats(2 * destinationStrides.0, seed: 44)
      var expected = before
      Reference.copyBlock(
        from: x, sourceStart: sourceStart, sourceStrides: sourceStrides, to: &expected,
        destinationStart: destinationStart, destinationStrides: destinationStrides, batch: 2,
        height: block.size.0, width: block.size.1, channels: block.size.2, accumulate: accumulate)
      for kernels in SpatialTesting.kernels {
        let actual = SpatialTesting.output(before.count) { destination in
          destination.update(from: before, count: before.count)
          kernels.copyBlock(
            from: x, sourceStart: sourceStart, sourceStrides: sourceStrides, to: destination,
            destinationStart: destinationStart, destinationStrides: destinationStrides, batch: 2,
            height: block.size.0, width: block.size.1, channels: block.size.2,
            accumulate: accumulate)
        }
        SpatialTesting.expectSameBits(
          actual, expected, "\(block.testDescription), \(kernels.spatialLabel)")
      }
    }
  }

  @Test func emptyShapesTouchNothing() {
    for kernels in SpatialTesting.kernels {
      let untouched = SpatialTesting.output(1) { memory in
        memory.pointee = 5
        kernels.pad(
          memory, memory, batch: 0, inputHeight: 4, inputWidth: 4, channels: 3, top: 1, bottom: 1,
          left: 1, right: 1, mode: .zero)
        kernels.copyBlock(
          from: memory, sourceStart: 0, sourceStrides: (0, 0, 0), to: memory, destinationStart: 0,
          destinationStrides: (0, 0, 0), batch: 2, height: 0, width: 4, channels: 3,
          accumulate: true)
      }
      #expect(untouched == [5])
    }
  }
}
