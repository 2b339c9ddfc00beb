// Affine maps and what they do to pictures, against results found by hand.

import AtelierImages
import Testing

struct WarpTests {
  @Test func `a similarity carries its points exactly`() throws {
    // A quarter turn clockwise, doubled: exact in binary.
    let map = try #require(
      AffineMap.similarity(
        from: [PlanePoint(1, 2), PlanePoint(3, 2)], to: [PlanePoint(10, 20), PlanePoint(10, 24)]))
    #expect(map == AffineMap(a: 0, b: -2, c: 14, d: 2, e: 0, f: 18))
    #expect(map(PlanePoint(3, 2)) == PlanePoint(10, 24))
    #expect(map.determinant == 4)
    let inverse = try #require(map.inverse)
    #expect(inverse(PlanePoint(10, 24)) == PlanePoint(3, 2))
    #expect(inverse(map(PlanePoint(-5, 8))) == PlanePoint(-5, 8))
  }

  @Test func `points without extent have no similarity`() {
    let point = PlanePoint(1, 1)
    let other = PlanePoint(2, 1)
    #expect(AffineMap.similarity(from: [point, point], to: [point, other]) == nil)
    #expect(AffineMap.similarity(from: [point, other], to: [point, point])?.inverse == nil)
    #expect(
      AffineMap.similarity(from: [point, PlanePoint(.nan, 0)], to: [point, other]) == nil)
    #expect(AffineMap(a: 1, b: 2, c: 0, d: 2, e: 4, f: 0).inverse == nil)
  }

  @Test func `warps by whole pixels, halves and turns are exact`() throws {
    let image = ByteImage(
      width: 4, height: 2, channels: 1, samples: [0, 10, 20, 30, 40, 50, 60, 70])
    let same = image.sampled(through: .identity, width: 4, height: 2)
    #expect(same == image)
    let shifted = image.sampled(through: .scaling(1, x: -1), width: 4, height: 2)
    #expect(shifted.samples == [0, 0, 10, 20, 40, 40, 50, 60])
    let halved = image.sampled(through: .scaling(2), width: 2, height: 1)
    #expect(halved.samples == [25, 45])
    // The mean of 4×4 readings: the first row once, the last one and what is below it three times.
    let mean = image.sampled(through: .scaling(4), width: 1, height: 1)
    #expect(mean.samples == [45])
    // A whole number of readings a pixel lies on the pixels' middles: the mean of just these.
    var generator = UInt32(5)
    let noise = ByteImage(
      width: 15, height: 15, channels: 1,
      samples: (0..<225).map { _ in
        generator = generator &* 1_664_525 &+ 1_013_904_223
        return UInt8(generator >> 24)
      })
    for factor in [3, 5] {
      let small = noise.sampled(
        through: .scaling(Double(factor)), width: 15 / factor, height: 15 / factor)
      for y in 0..<small.height {
        for x in 0..<small.width {
          let sum = (0..<factor * factor).reduce(0) {
            $0 + Int(noise[x * factor + $1 % factor, y * factor + $1 / factor, 0])
          }
          let mean = Double(sum) / Double(factor * factor)
          #expect(abs(Double(small[x, y, 0]) - mean) <= 0.51, "\(factor)")
        }
      }
    }
    let single = image.sampled(
      through: .scaling(4), width: 1, height: 1, isAntialiased: false)
    #expect(single.samples == [55])
    let turned = image.sampled(
      through: AffineMap(a: 0, b: 1, c: 0, d: -1, e: 0, f: 2), width: 2, height: 4)
    #expect(turned.samples == [40, 0, 50, 10, 60, 20, 70, 30])
    let between = image.sampled(through: .scaling(1, x: -0.5), width: 4, height: 1)
    #expect(between.samples == [0, 5, 15, 25])
  }

  @Test func `sharpness ignores brightness and falls with blur`() {
    var state: UInt32 = 7
    let noise = (0..<1024).map { _ in
      state = state &* 1_664_525 &+ 1_013_904_223
      return UInt8(state >> 25)
    }
    let image = ByteImage(width: 32, height: 32, channels: 1, samples: noise)
    let brighter = ByteImage(width: 32, height: 32, channels: 1, samples: noise.map { $0 + 100 })
    #expect(abs(image.sharpness - brighter.sharpness) < 1e-9)
    #expect(image.sharpness > 15 && image.sharpness < 25)
    let blurred = image.resized(width: 8, height: 8, filter: .area)
      .resized(width: 32, height: 32, filter: .bilinear)
    #expect(blurred.sharpness < 0.2 * image.sharpness)
    #expect(ByteImage(width: 9, height: 9, channels: 3).sharpness == 0)
    #expect(ByteImage(width: 2, height: 9, channels: 1).sharpness == 0)
  }
}
