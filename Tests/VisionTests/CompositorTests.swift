// Poisson cloning against a dense solve, and faces laid back into frames.

import AtelierImages
import AtelierVision
import Foundation
import TestSupport
import Testing

@Suite("Seamless cloning")
struct SeamlessCloningTests {
  /// A region with a hole, a thin arm and an island.
  private func region(_ width: Int, _ height: Int) -> FloatImage {
    var mask = FloatImage(width: width, height: height, channels: 1)
    for y in 1..<height - 1 {
      for x in 1..<width - 1 {
        let isDisc = (x - 5) * (x - 5) + (y - 5) * (y - 5) < 16 && !(x == 5 && y == 4)
        if isDisc || y == 6 || (x == width - 2 && y == 2) { mask[x, y, 0] = 1 }
      }
    }
    return mask
  }

  /// Δf = Δsource inside with f = background outside, by Gaussian elimination in double precision.
  private func dense(
    _ source: FloatImage, _ background: FloatImage, _ mask: FloatImage
  ) -> FloatImage {
    let (width, count) = (mask.width, mask.pixelCount)
    var rows = [[Double]](repeating: [Double](repeating: 0, count: count + 1), count: count)
    for pixel in 0..<count {
      guard mask.samples[pixel] > 0.5 else {
        rows[pixel][pixel] = 1
        rows[pixel][count] = Double(background.samples[pixel])
        continue
      }
      rows[pixel][pixel] = 4
      var right = 4 * Double(source.samples[pixel])
      for near in [pixel - 1, pixel + 1, pixel - width, pixel + width] {
        rows[pixel][near] = -1
        right -= Double(source.samples[near])
      }
      rows[pixel][count] = right
    }
    for pivot in 0..<count {
      for row in 0..<count where row != pivot && rows[row][pivot] != 0 {
        let factor = rows[row][pivot] / rows[pivot][pivot]
        for column in pivot...count { rows[row][column] -= factor * rows[pivot][column] }
      }
    }
    return FloatImage(
      width: width, height: mask.height, channels: 1,
      samples: (0..<count).map { Float(rows[$0][count] / rows[$0][$0]) })
  }

  @Test("equals a dense solve", arguments: [(13, 12), (12, 13), (17, 11)])
  func exact(width: Int, height: Int) throws {
    let source = colorPicture(width, height, seed: 1).channel(0)
    let background = colorPicture(width, height, seed: 2).channel(1)
    let mask = region(width, height)
    let result = try SeamlessCloning.clone(
      source, onto: background, within: mask, tolerance: 1e-7)
    #expect(largestDifference(result, dense(source, background, mask)) < 1e-5)
  }

  @Test("a source with the background's gradients gives the background")
  func constantDifference() throws {
    let background = colorPicture(80, 61, seed: 3)
    var source = background
    for index in source.samples.indices { source.samples[index] += index % 3 == 1 ? 0.3 : -0.2 }
    let mask = FaceMask.ellipse.picture(width: 80, height: 61)
    let result = try SeamlessCloning.clone(
      source, onto: background, within: mask, tolerance: 1e-6)
    #expect(largestDifference(result, background) < 1e-4)
    #expect(try SeamlessCloning.clone(background, onto: background, within: mask) == background)
  }

  @Test("the correction is harmonic on large regions, also at the usual tolerance")
  func harmonic() throws {
    let (source, background) = (colorPicture(256, 256, seed: 4), colorPicture(256, 256, seed: 5))
    let mask = FaceMask.ellipse.picture(width: 256, height: 256)
    let exact = try SeamlessCloning.clone(
      source, onto: background, within: mask, tolerance: 1e-7)
    var worst: Float = 0
    for y in 60..<196 {
      for x in 60..<196 {
        func correction(_ i: Int, _ j: Int) -> Float { exact[i, j, 0] - source[i, j, 0] }
        let near =
          correction(x - 1, y) + correction(x + 1, y) + correction(x, y - 1)
          + correction(x, y + 1)
        worst = max(worst, abs(4 * correction(x, y) - near))
      }
    }
    #expect(worst < 1e-5)
    let usual = try SeamlessCloning.clone(source, onto: background, within: mask)
    #expect(largestDifference(usual, exact) < 0.5 / 255)
    #expect(usual == (try SeamlessCloning.clone(source, onto: background, within: mask)))
  }

  @Test("an empty mask, a tiny picture and a full mask are no trouble")
  func edges() throws {
    let (source, background) = (colorPicture(9, 7, seed: 1), colorPicture(9, 7, seed: 2))
    let empty = FloatImage(width: 9, height: 7, channels: 1)
    #expect(try SeamlessCloning.clone(source, onto: background, within: empty) == background)
    let full = FloatImage(width: 9, height: 7, channels: 1, filledWith: 1)
    let result = try SeamlessCloning.clone(source, onto: background, within: full)
    #expect(result[0, 3, 0] == background[0, 3, 0])
    #expect(result[4, 3, 0] != background[4, 3, 0])
    let small = FloatImage(width: 2, height: 2, channels: 1, filledWith: 1)
    #expect(try SeamlessCloning.clone(small, onto: small, within: small) == small)
    #expect(throws: ImageError.self) {
      try SeamlessCloning.clone(source, onto: background, within: small)
    }
  }
}

@Suite("Face compositor")
struct FaceCompositorTests {
  private static let settings: [FaceCompositor] = ColorTransfer.allCases.flatMap { transfer in
    FaceCompositor.Blending.allCases.map {
      FaceCompositor(colorTransfer: transfer, blending: $0)
    }
  }

  /// From a frame to a face turned by 20 degrees at (50, 40), `scale` face pixels a frame pixel.
  private func map(_ scale: Double) -> AffineMap {
    let (cosine, sine) = (scale * cos(0.35), scale * sin(0.35))
    return AffineMap(
      a: cosine, b: sine, c: -50 * cosine - 30 * sine, d: -sine, e: cosine,
      f: 50 * sine - 30 * cosine)
  }

  @Test("the crop itself pasted back changes next to nothing", arguments: settings)
  func roundTrip(_ compositor: FaceCompositor) throws {
    let frame = colorPicture(160, 120, seed: 6).blurred(.gaussian(sigma: 2)).bytes
    let map = map(1)
    let back = try #require(map.inverse)
    let face = frame.floats.sampled(
      through: back, width: 64, height: 64, interpolation: .bicubic)
    var result = frame
    #expect(try compositor.composite(face, into: &result, map: map))
    #expect(try Metrics.psnr(result, frame) > 45)
    var again = frame
    try compositor.composite(face, into: &again, map: map)
    #expect(again == result)
  }

  @Test("only pixels under the mask change, at any scale", arguments: [0.3, 1, 3.5])
  func touched(scale: Double) throws {
    let frame = colorPicture(160, 120, seed: 7).bytes.withAlpha
    let face = FloatImage(width: 48, height: 48, channels: 3, filledWith: 0.9)
    for mask in FaceMask.allCases {
      var result = frame
      let compositor = FaceCompositor(colorTransfer: .none, mask: mask, feather: 0.1)
      #expect(try compositor.composite(face, into: &result, map: map(scale)))
      var changed = 0
      for y in 0..<120 {
        for x in 0..<160 {
          #expect(result[x, y, 3] == 255)
          let place = map(scale)(PlanePoint(Double(x) + 0.5, Double(y) + 0.5))
          let isUnder = (0...48).contains(place.x) && (0...48).contains(place.y)
          if (0..<3).contains(where: { result[x, y, $0] != frame[x, y, $0] }) {
            changed += 1
            #expect(isUnder, "\(x), \(y)")
          }
        }
      }
      #expect(changed > 20)
    }
  }

  @Test("a face beyond the frame touches nothing; gray frames and flat matrices are refused")
  func refusals() throws {
    var frame = colorPicture(30, 30, seed: 1).bytes
    let before = frame
    let face = colorPicture(16, 16, seed: 2)
    let compositor = FaceCompositor()
    #expect(
      try compositor.composite(face, into: &frame, map: .scaling(1, x: 500, y: 0)) == false)
    #expect(frame == before)
    // Over the border: cut off, not a crash.
    for blending in FaceCompositor.Blending.allCases {
      #expect(
        try FaceCompositor(blending: blending).composite(
          face, into: &frame, map: .scaling(1, x: 8, y: -20)))
    }
    #expect(throws: ImageError.self) {
      try compositor.composite(
        face, into: &frame, map: AffineMap(a: 0, b: 0, c: 0, d: 0, e: 0, f: 0))
    }
    var gray = frame.gray
    #expect(throws: ImageError.self) {
      try compositor.composite(face, into: &gray, map: .identity)
    }
  }
}
