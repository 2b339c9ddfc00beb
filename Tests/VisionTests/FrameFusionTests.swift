// Frames averaged along their motion: how much noise goes, and that nothing else does.

import AtelierDatasets
import AtelierImages
import AtelierKernels
import AtelierScenery
import AtelierVision
import Foundation
import TestSupport
import Testing

struct FrameFusionTests {
  private static let sigma: Float = 12

  /// A window of a large scene, from a column and row on, with its own noise.
  private func frame(
    x: Int = 24, y: Int = 24, noise seed: UInt64?, _ kind: SceneKind = .wall
  ) throws -> ByteImage {
    var image = try scene(kind, width: 176, height: 128, seed: 3, isGray: false)
      .cropped(x: x, y: y, width: 118, height: 75).floats
    if let seed {
      NoiseModel.addProtocolNoise(
        to: &image.samples, sigma: Self.sigma, seed: seed, imageIndex: 0)
    }
    return image.bytes
  }

  /// The root of the mean squared difference, of 255, a margin left out.
  private func deviation(_ first: FloatImage, _ second: ByteImage, margin: Int = 20) -> Double {
    var (sum, count) = (0.0, 0.0)
    for row in margin..<second.height - margin {
      for index in (row * second.width + margin) * 3..<((row + 1) * second.width - margin) * 3 {
        let difference = 255 * Double(first.samples[index]) - Double(second.samples[index])
        sum += difference * difference
        count += 1
      }
    }
    return (sum / count).squareRoot()
  }

  @Test(arguments: [(0, 0), (5, -3), (-14, 11)])
  func `what moves as a whole is averaged along its way`(_ x: Int, _ y: Int) throws {
    let clean = try frame(noise: nil)
    let noisy = try frame(noise: 1)
    let others = try [frame(x: 24 + x, y: 24 + y, noise: 2), frame(x: 24 - x, y: 24 - y, noise: 3)]
    let fused = FrameFusion(sigma: Self.sigma).fused(noisy, with: others)
    let (before, after) = (deviation(noisy.floats, clean), deviation(fused.image, clean))
    print(String(format: "motion %d, %d: deviation %.2f to %.2f", x, y, before, after))
    // Three frames leave the deviation over the root of three where all of them are trusted.
    #expect(after < 0.68 * before)
    let middle = fused.shares.samples[fused.shares.width * 9 + 14]
    #expect(middle < 0.7 && middle > 0.4)
    #expect(fused.shares.width == 30 && fused.shares.height == 19)
  }

  @Test func `what is not there a moment later stays as it is`() throws {
    let noisy = try frame(noise: 1)
    let other = ByteImage(
      width: noisy.width, height: noisy.height, channels: 3,
      samples: [UInt8](repeating: 255, count: noisy.samples.count))
    let fused = FrameFusion(sigma: 2).fused(noisy, with: [other])
    #expect(fused.shares.samples.allSatisfy { $0 == 1 })
    for (index, value) in fused.image.samples.enumerated() {
      #expect(abs(value * 255 - Float(noisy.samples[index])) < 1e-3)
    }
  }

  @Test func `the bits do not depend on the threads`() throws {
    let frames = try (1...3).map { try frame(x: 20 + 2 * $0, noise: UInt64($0)) }
    let fusion = FrameFusion(sigma: Self.sigma)
    let one = fusion.fused(frames[1], with: [frames[0], frames[2]], pool: ThreadPool(threads: 1))
    let two = fusion.fused(frames[1], with: [frames[0], frames[2]], pool: ThreadPool(threads: 2))
    #expect(one.image == two.image && one.shares == two.shares)
  }

  @Test(arguments: [(1, 1), (3, 2), (16, 5)])
  func `small frames are frames`(_ width: Int, _ height: Int) {
    let picture = ByteImage(
      width: width, height: height, channels: 3,
      samples: (0..<width * height * 3).map { UInt8(truncatingIfNeeded: $0 &* 37) })
    let fused = FrameFusion(sigma: 5).fused(picture, with: [picture, picture])
    for (index, value) in fused.image.samples.enumerated() {
      #expect(abs(value * 255 - Float(picture.samples[index])) < 1e-3)
    }
  }
}
