// Colour transfer and masks of faces: what must hold for every picture.

import AtelierEngine
import AtelierImages
import AtelierVision
import Foundation
import TestSupport
import Testing

@Suite("Colour transfer")
struct ColorTransferTests {
  @Test("a picture given its own colours stays", arguments: ColorTransfer.allCases)
  func identity(_ transfer: ColorTransfer) throws {
    let image = colorPicture(40, 31, seed: 3)
    let mask = FaceMask.ellipse.picture(width: 40, height: 31)
    for mask in [nil, mask] {
      let result = try transfer.apply(to: image, matching: image, mask: mask)
      var inside = result
      // Beyond the mask a histogram need not know a value.
      if let mask, transfer == .histogram {
        for pixel in 0..<mask.pixelCount where mask.samples[pixel] == 0 {
          for channel in 0..<3 {
            inside.samples[pixel * 3 + channel] = image.samples[pixel * 3 + channel]
          }
        }
      }
      #expect(largestDifference(inside, image) < 1e-4)
    }
    let bytes = image.bytes
    let again = try transfer.apply(to: bytes.floats, matching: bytes.floats)
    #expect(again.bytes == bytes)
  }

  @Test("histograms become the reference's")
  func histogram() throws {
    var image = colorPicture(64, 50, seed: 1)
    for index in image.samples.indices { image.samples[index] = 0.7 * image.samples[index] + 0.2 }
    let reference = colorPicture(64, 50, seed: 2).bytes.floats
    let result = try ColorTransfer.histogram.apply(to: image, matching: reference)
    for channel in 0..<3 {
      let received = result.channel(channel).samples.sorted()
      let expected = reference.channel(channel).samples.sorted()
      let error = zip(received, expected).reduce(Float(0)) { max($0, abs($1.0 - $1.1)) }
      let before = image.channel(channel).samples.sorted()
      let start = zip(before, expected).reduce(Float(0)) { max($0, abs($1.0 - $1.1)) }
      #expect(start > 0.03)
      // The tails have few pixels, so a quantile may fall between two of them.
      #expect(error < 0.03, "channel \(channel)")
      let mean = zip(received, expected).reduce(Float(0)) { $0 + abs($1.0 - $1.1) }
      #expect(mean / Float(received.count) < 1.5 / 1024, "channel \(channel)")
    }
  }

  @Test("means, and in Lab deviations, become the reference's within the mask")
  func moments() throws {
    let image = colorPicture(48, 40, seed: 4)
    let reference = colorPicture(48, 40, seed: 5)
    let mask = FaceCompositor(feather: 0.1).refinedMask(width: 48, height: 40)
    func moments(_ picture: FloatImage, lab: Bool) -> [Float] {
      var picture = picture
      if lab { picture.samples.withUnsafeMutableBufferPointer { LabColor.fromRGB($0) } }
      return (0..<3).flatMap { channel -> [Float] in
        var (sum, square, mass) = (0.0, 0.0, 0.0)
        for pixel in 0..<mask.pixelCount {
          let (weight, value) = (
            Double(mask.samples[pixel]), Double(picture.samples[pixel * 3 + channel])
          )
          sum += weight * value
          square += weight * value * value
          mass += weight
        }
        let mean = sum / mass
        return [Float(mean), Float((square / mass - mean * mean).squareRoot())]
      }
    }
    let moved = try ColorTransfer.mean.apply(to: image, matching: reference, mask: mask)
    let (a, b) = (moments(moved, lab: false), moments(reference, lab: false))
    for channel in 0..<3 { #expect(abs(a[2 * channel] - b[2 * channel]) < 1e-4) }
    let matched = try ColorTransfer.reinhard.apply(to: image, matching: reference, mask: mask)
    // Some colours leave the gamut and are clipped, so Lab's statistics come near, not exactly.
    for (received, expected) in zip(moments(matched, lab: true), moments(reference, lab: true)) {
      #expect(abs(received - expected) < 2)
    }
  }

  @Test("sizes that do not fit are refused in one line")
  func errors() {
    let image = colorPicture(8, 8, seed: 1)
    let error = #expect(throws: ImageError.self) {
      try ColorTransfer.mean.apply(to: image, matching: colorPicture(8, 9, seed: 1))
    }
    #expect(
      error?.description
        == "colour transfer's reference: expected 8x8 with 3 channels, received 8x9 with 3")
  }

}

@Suite("Masks of faces")
struct FaceMaskTests {
  private static let shapes: [FaceMask] = [.box, .ellipse, .learned]

  private func learned() -> FloatImage {
    var generator = RandomGenerator(seed: 6)
    return FloatImage(
      width: 20, height: 20, channels: 1,
      samples: (0..<400).map { _ in Float.random(in: -0.2...1.2, using: &generator) })
  }

  @Test("refined masks are within [0, 1] and fade towards the border", arguments: shapes)
  func range(_ shape: FaceMask) {
    for (erosion, feather): (Float, Float) in [(0, 0), (0.1, 0.05), (-0.05, 0.1), (0.3, 0)] {
      let settings = FaceCompositor(mask: shape, erosion: erosion, feather: feather)
      let mask = settings.refinedMask(width: 50, height: 44, learned: learned())
      #expect(mask.size == PixelSize(width: 50, height: 44))
      #expect(mask.samples.allSatisfy { (0...1).contains($0) })
      guard shape != .learned else { continue }
      #expect(mask[25, 22, 0] > 1 - 1e-5)
      for x in 25..<49 { #expect(mask[x + 1, 22, 0] <= mask[x, 22, 0] + 1e-6) }
      if feather > 0 {
        for y in 0..<44 { #expect(mask[0, y, 0] < 0.05 && mask[49, y, 0] < 0.05) }
      }
    }
  }

  @Test("the ellipse is one above its middle and fuller below", arguments: [(80, 60), (61, 90)])
  func ellipse(width: Int, height: Int) {
    let mask = FaceMask.ellipse.picture(width: width, height: height)
    func area(_ rows: Range<Int>) -> Float {
      rows.reduce(0) { sum, y in (0..<width).reduce(sum) { $0 + mask[$1, y, 0] } }
    }
    let quarter = Float(width * height) / 4
    // Half of π and half of 4 Γ(4/3)² / Γ(5/3), for half axes of 1.
    #expect(abs(area(0..<height / 2) / quarter - 1.5708) < 0.01)
    #expect(abs(area(height / 2..<height) / quarter - 1.7666) < 0.01)
    // The corners of a mouth near the lower edge.
    let (x, y) = (Int(0.2 * Float(width)), Int(0.92 * Float(height)))
    #expect(mask[x, y, 0] == 1 && mask[width - 1 - x, y, 0] == 1)
    #expect(mask[x, height - 1 - y, 0] == 0)
  }

  @Test("a mask that is nowhere larger stays nowhere larger; feathers stay within their mask")
  func monotone() {
    let large = FaceMask.learned.picture(width: 40, height: 40, learned: learned())
    var small = large
    for index in small.samples.indices { small.samples[index] *= 0.7 }
    for radius in [1, 3, 8] {
      let (a, b) = (small.feathered(radius: radius), large.feathered(radius: radius))
      #expect(zip(a.samples, b.samples).allSatisfy { $0 <= $1 })
      #expect(zip(b.samples, large.samples).allSatisfy { $0 <= $1 + 1e-6 })
      let (eroded, dilated) = (large.eroded(radius: radius), large.dilated(radius: radius))
      #expect(zip(eroded.samples, large.samples).allSatisfy { $0 <= $1 })
      #expect(zip(dilated.samples, large.samples).allSatisfy { $0 >= $1 })
    }
  }
}
