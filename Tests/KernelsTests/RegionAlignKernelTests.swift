// ROI align and its scatter form against the reference and the adjoint law.

import AtelierKernels
import Testing

/// Features and boxes of one comparison.
struct RegionCase: CustomTestStringConvertible, Sendable {
  let size: (Int, Int)
  let bins: (Int, Int)
  let scale: Float
  let samples: Int

  var testDescription: String { "\(bins) bins of \(size), scale \(scale), \(samples) samples" }

  static let all: [RegionCase] = [
    RegionCase(size: (5, 6), bins: (2, 3), scale: 1, samples: 2),
    RegionCase(size: (1, 1), bins: (3, 1), scale: 1, samples: 2),
    RegionCase(size: (9, 4), bins: (7, 7), scale: 0.25, samples: 2),
    RegionCase(size: (8, 8), bins: (1, 1), scale: 1, samples: 8),
    RegionCase(size: (16, 33), bins: (14, 14), scale: 0.5, samples: 1),
  ]

  func geometry(channels: Int) -> RegionGeometry {
    RegionGeometry(
      batch: 3, height: size.0, width: size.1, channels: channels, outputHeight: bins.0,
      outputWidth: bins.1, samples: samples, scale: scale)
  }

  /// Boxes inside, across the border, outside, and of images that are not there.
  var boxes: [Float] {
    let places = SpatialTesting.floats(4 * 9, seed: 61)
    let (high, wide) = (Float(size.0) / scale, Float(size.1) / scale)
    var boxes: [Float] = []
    for box in 0..<9 {
      let at = places[4 * box..<4 * box + 4].map { $0 + 0.5 }
      boxes += [
        Float([0, 2, -1, 1, 1, 3, 2, 0, 2][box]), min(at[0], at[2]) * wide,
        min(at[1], at[3]) * high, max(at[0], at[2]) * wide, max(at[1], at[3]) * high,
      ]
    }
    return boxes + [1, -5 * wide, 0, -4 * wide, high, 1, 0, 0, wide, high]
  }
}

@Suite struct RegionAlignKernelTests {
  private func check(_ kernels: [Kernels], _ regions: RegionCase, channels: Int) {
    let g = regions.geometry(channels: channels)
    let boxes = regions.boxes
    let count = boxes.count / 5
    let x = SpatialTesting.floats(3 * g.height * g.width * channels, seed: 62)
    let dy = SpatialTesting.floats(
      count * g.outputHeight * g.outputWidth * channels, seed: 63)
    let expected = Reference.regionAlign(g, x, boxes: boxes)
    let expectedGradient = Reference.regionAlignGradient(g, dy, boxes: boxes)
    for kernels in kernels {
      let label = kernels.spatialLabel
      let y = SpatialTesting.output(dy.count) {
        kernels.regionAlign(g, x, boxes: boxes, regions: count, $0)
      }
      let dx = SpatialTesting.output(x.count) {
        kernels.regionAlignGradient(g, dy, boxes: boxes, regions: count, $0)
      }
      SpatialTesting.expectSameBits(y, expected, label)
      SpatialTesting.expectSameBits(dx, expectedGradient, label)
      SpatialTesting.expectAdjoint(y, dy, x, dx, label)
    }
  }

  @Test(arguments: RegionCase.all, SpatialTesting.channelCounts)
  func regionsMatchTheReferenceAndTheAdjointLaw(_ regions: RegionCase, _ channels: Int) {
    check(SpatialTesting.serialKernels, regions, channels: channels)
  }

  @Test(arguments: RegionCase.all)
  func everyNumberOfThreadsGivesTheSameBits(_ regions: RegionCase) {
    check(SpatialTesting.kernels, regions, channels: 100)
  }
}
