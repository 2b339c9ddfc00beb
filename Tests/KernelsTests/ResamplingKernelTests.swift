// Bilinear resizing and its scatter form, against the reference, the adjoint law and values from
// PyTorch.

import AtelierKernels
import Testing

/// The two sizes of a resize.
struct ResizeCase: CustomTestStringConvertible, Sendable {
  let input: (Int, Int)
  let output: (Int, Int)

  init(_ input: (Int, Int), to output: (Int, Int)) {
    self.input = input
    self.output = output
  }

  var testDescription: String { "\(input) to \(output)" }

  static let all: [ResizeCase] = [
    ResizeCase((4, 5), to: (8, 10)),
    ResizeCase((8, 10), to: (4, 5)),
    ResizeCase((5, 7), to: (5, 7)),
    ResizeCase((3, 3), to: (7, 5)),
    ResizeCase((7, 9), to: (3, 4)),
    ResizeCase((1, 1), to: (4, 6)),
    ResizeCase((1, 6), to: (5, 1)),
    ResizeCase((9, 2), to: (1, 7)),
    ResizeCase((2, 3), to: (31, 2)),
    ResizeCase((11, 2), to: (2, 600)),
    ResizeCase((2, 1), to: (3, 2100)),
    ResizeCase((2, 300), to: (700, 299)),
    ResizeCase((5, 40), to: (2, 3)),
    ResizeCase((1, 300), to: (2, 2000)),
  ]

  static let large: [ResizeCase] = [
    ResizeCase((33, 35), to: (66, 70)),
    ResizeCase((67, 65), to: (31, 40)),
    ResizeCase((40, 40), to: (37, 83)),
  ]
}

@Suite struct ResamplingKernelTests {
  private func resized(
    _ kernels: Kernels, _ x: [Float], _ sizes: ResizeCase, batch: Int, channels: Int
  ) -> [Float] {
    SpatialTesting.output(batch * sizes.output.0 * sizes.output.1 * channels) {
      kernels.resizeBilinear(
        x, $0, batch: batch, inputHeight: sizes.input.0, inputWidth: sizes.input.1,
        outputHeight: sizes.output.0, outputWidth: sizes.output.1, channels: channels)
    }
  }

  private func gradient(
    _ kernels: Kernels, _ dy: [Float], _ sizes: ResizeCase, batch: Int, channels: Int
  ) -> [Float] {
    SpatialTesting.output(batch * sizes.input.0 * sizes.input.1 * channels) {
      kernels.resizeBilinearGradient(
        dy, $0, batch: batch, inputHeight: sizes.input.0, inputWidth: sizes.input.1,
        outputHeight: sizes.output.0, outputWidth: sizes.output.1, channels: channels)
    }
  }

  private func check(_ kernels: [Kernels], _ sizes: ResizeCase, batch: Int, channels: Int) {
    let x = SpatialTesting.floats(batch * sizes.input.0 * sizes.input.1 * channels, seed: 31)
    let dy = SpatialTesting.floats(batch * sizes.output.0 * sizes.output.1 * channels, seed: 32)
    let expected = Reference.resizeBilinear(
      x, batch: batch, inputHeight: sizes.input.0, inputWidth: sizes.input.1,
      outputHeight: sizes.output.0, outputWidth: sizes.output.1, channels: channels)
    let expectedGradient = Reference.resizeBilinearGradient(
      dy, batch: batch, inputHeight: sizes.input.0, inputWidth: sizes.input.1,
      outputHeight: sizes.output.0, outputWidth: sizes.output.1, channels: channels)
    for kernels in kernels {
      let label = kernels.spatialLabel
      let up = resized(kernels, x, sizes, batch: batch, channels: channels)
      SpatialTesting.expectSameBits(up, expected, label)
      let down = gradient(kernels, dy, sizes, batch: batch, channels: channels)
      SpatialTesting.expectSameBits(down, expectedGradient, label)
      SpatialTesting.expectAdjoint(up, dy, x, down, label)
    }
  }

  @Test(arguments: ResizeCase.all, SpatialTesting.channelCounts)
  func resizeMatchesTheReferenceAndTheAdjointLaw(_ sizes: ResizeCase, _ channels: Int) {
    check(SpatialTesting.serialKernels, sizes, batch: 2, channels: channels)
  }

  @Test(arguments: ResizeCase.large, [3, 17])
  func everyNumberOfThreadsGivesTheSameBits(_ sizes: ResizeCase, _ channels: Int) {
    check(SpatialTesting.kernels, sizes, batch: 3, channels: channels)
  }

  /// torch.nn.functional.interpolate([[1, 2, 4], [8, 16, 32]], size, mode="bilinear",
  /// align_corners=False), PyTorch 2.13.
  @Test func resizeGivesTheValuesOfPyTorch() {
    let x: [Float] = [1, 2, 4, 8, 16, 32]
    let goldens: [(ResizeCase, [Float])] = [
      (
        ResizeCase((2, 3), to: (3, 5)),
        [
          1.0, 1.4000001, 2.0, 3.2000003, 4.0, 4.5, 6.3000002, 9.0, 14.4000015, 18.0, 8.0,
          11.2000008, 16.0, 25.6000023, 32.0,
        ]
      ),
      (
        ResizeCase((2, 3), to: (4, 6)),
        [
          1.0, 1.25, 1.75, 2.5, 3.5, 4.0, 2.75, 3.4375, 4.8125, 6.875, 9.625, 11.0, 6.25, 7.8125,
          10.9375, 15.625, 21.875, 25.0, 8.0, 10.0, 14.0, 20.0, 28.0, 32.0,
        ]
      ),
      (ResizeCase((2, 3), to: (1, 2)), [5.625, 15.75]),
      (ResizeCase((2, 3), to: (5, 1)), [2.0, 3.4000001, 9.0, 14.6000004, 16.0]),
    ]
    for kernels in SpatialTesting.serialKernels {
      for (sizes, expected) in goldens {
        let actual = resized(kernels, x, sizes, batch: 1, channels: 1)
        #expect(actual.count == expected.count)
        for (value, wanted) in zip(actual, expected) {
          #expect(abs(value - wanted) <= 4e-7 * abs(wanted), "\(sizes), \(kernels.spatialLabel)")
        }
      }
      // The gradient of sum(y · [0, 1, …, 14]) of the first case.
      let down = gradient(
        kernels, (0..<15).map { Float($0) }, ResizeCase((2, 3), to: (3, 5)), batch: 1, channels: 1)
      for (value, wanted) in zip(down, [4.9, 9.9, 12.7, 20.9, 27.9, 28.7] as [Float]) {
        #expect(abs(value - wanted) <= 4e-7 * wanted, "\(kernels.spatialLabel)")
      }
    }
  }

  @Test func resizingToTheSameSizeIsTheIdentityEvenBesideNaN() {
    let x: [Float] = [1, .nan, 3, -0.0, 5, 6]
    for kernels in SpatialTesting.serialKernels {
      let same = resized(kernels, x, ResizeCase((2, 3), to: (2, 3)), batch: 1, channels: 1)
      #expect(zip(same, x).allSatisfy { $0 == $1 || ($0.isNaN && $1.isNaN) }, "\(same)")
    }
  }
}
