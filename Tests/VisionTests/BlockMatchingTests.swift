// Block matching: transforms that invert, pictures that stay, equal bits on any threads, and how
// much noise goes.

import AtelierDatasets
import AtelierImages
import AtelierKernels
import AtelierScenery
import AtelierVision
import Foundation
import TestSupport
import Testing

struct BlockTransformTests {
  private static let transforms: [(name: String, transform: BlockTransform)] = [
    ("wavelet 8", .biorthogonal(side: 8)), ("wavelet 16", .biorthogonal(side: 16)),
    ("cosine 8", .cosine(side: 8)), ("cosine 11", .cosine(side: 11)),
  ]

  /// The product of two square matrices.
  private func product(_ left: [Double], _ right: [Double], _ side: Int) -> [Double] {
    (0..<side * side).map { place in
      (0..<side).reduce(0) {
        $0 + left[place / side * side + $1] * right[$1 * side + place % side]
      }
    }
  }

  @Test(arguments: transforms.indices)
  func `a transform and its inverse make one`(_ index: Int) {
    let (name, transform) = Self.transforms[index]
    let side = transform.side
    let one = product(transform.forward, transform.inverse, side)
    for place in one.indices {
      #expect(abs(one[place] - (place / side == place % side ? 1 : 0)) < 1e-12, "\(name) \(place)")
    }
  }

  @Test func `the cosine transform is orthonormal`() {
    let transform = BlockTransform.cosine(side: 11)
    for row in 0..<11 {
      for column in 0..<11 {
        #expect(transform.forward[row * 11 + column] == transform.inverse[column * 11 + row])
      }
    }
  }

  @Test func `the wavelet is that of the authors' program`() {
    let transform = BlockTransform.biorthogonal(side: 8)
    // The mean, the coarsest difference, one of the second level and one of the finest.
    let expected: [(row: Int, line: [Double])] = [
      (0, [Double](repeating: 0.343550200747110, count: 8)),
      (
        1,
        [
          0.225454819240296, 0.461645582253923, 0.461645582253923, 0.225454819240296,
          -0.225454819240296, -0.461645582253923, -0.461645582253923, -0.225454819240296,
        ]
      ),
      (
        2,
        [
          0.569359398342840, 0.402347308162280, -0.402347308162280, -0.569359398342840,
          -0.083506045090280, 0.083506045090280, -0.083506045090280, 0.083506045090280,
        ]
      ),
      (4, [0.707106781186550, -0.707106781186550, 0, 0, 0, 0, 0, 0]),
    ]
    for (row, line) in expected {
      for (column, value) in line.enumerated() {
        #expect(abs(transform.forward[row * 8 + column] - value) < 1e-9, "\(row), \(column)")
      }
    }
  }

  @Test func `the window falls to both ends`() {
    let window = BlockTransform.kaiserWindow(side: 8, beta: 2)
    // One over the modified Bessel function of order zero at 2.
    #expect(abs(window[0] - 1 / 2.279585302336067) < 1e-12)
    #expect(zip(window, window.reversed()).allSatisfy { abs($0 - $1) < 1e-15 })
    #expect(window[0] < window[1] && window[1] < window[2] && window[2] < window[3])
    #expect(window[3] < 1)
    #expect(BlockTransform.kaiserWindow(side: 5, beta: 0) == [1, 1, 1, 1, 1])
  }
}

struct BlockMatchingTests {
  private static let sizes = [
    PixelSize(width: 1, height: 1), PixelSize(width: 5, height: 3), PixelSize(width: 8, height: 9),
    PixelSize(width: 12, height: 40), PixelSize(width: 90, height: 77),
  ]

  @Test(arguments: sizes, [Float(0.001), 25, 60, 255])
  func `a picture of one value stays`(_ size: PixelSize, _ sigma: Float) {
    for channels in 1...4 {
      let flat = FloatImage(
        width: size.width, height: size.height, channels: channels, filledWith: 0.75)
      let result = BlockMatching.denoised(flat, sigma: sigma)
      #expect(result.size == flat.size && result.channels == channels)
      // The Wiener filter takes from the mean what noise has of its energy: the less the more
      // blocks there are.
      let mean = 255 * 0.75 * 8 * Float(size.width > 64 ? 32 : 1).squareRoot()
      let bound = 0.75 * (sigma / mean) * (sigma / mean) + 5e-6
      #expect(largestDifference(flat, result) <= bound, "\(size), \(channels) channels")
    }
  }

  @Test func `without noise there is nothing to do`() throws {
    let picture = colorPicture(40, 30, seed: 3)
    let isSame = BlockMatching.denoised(picture, sigma: 0) == picture
    #expect(isSame)
    // A little noise changes little.
    #expect(largestDifference(BlockMatching.denoised(picture, sigma: 1e-20), picture) < 1e-5)
  }

  @Test(arguments: [Float(25), 50], [1, 3])
  func `threads do not change bits`(_ sigma: Float, _ channels: Int) throws {
    // More than one tile in both directions, and reference blocks off the step at both borders.
    let clean = try scene(.sea, width: 170, height: 101, isGray: channels == 1)
    let picture = noisy(clean, sigma: sigma, seed: 5)
    let expected = BlockMatching.denoised(picture, sigma: sigma, pool: ThreadPool(threads: 1))
    for threads in [2, 3] {
      let pool = ThreadPool(threads: threads)
      // Kept out of the expectation, which would print both pictures.
      let isSame = BlockMatching.denoised(picture, sigma: sigma, pool: pool) == expected
      #expect(isSame, "\(threads) threads")
    }
    #expect(expected.samples.allSatisfy { $0.isFinite })
  }

  @Test func `alpha stays, and colours do not see it`() throws {
    let clean = try scene(.flower, width: 50, height: 41, isGray: false)
    let picture = noisy(clean, sigma: 20, seed: 2)
    var covered = picture.withAlpha
    for x in 0..<50 { covered[x, 7, 3] = Float(x) / 50 }
    let result = BlockMatching.denoised(covered, sigma: 20)
    #expect(
      largestDifference(result.withoutAlpha, BlockMatching.denoised(picture, sigma: 20)) == 0)
    for y in 0..<41 {
      for x in 0..<50 { #expect(result[x, y, 3] == covered[x, y, 3]) }
    }
  }

  @Test func `a brighter picture gives a brighter result`() throws {
    let clean = try scene(.wall, width: 80, height: 60)
    let picture = noisy(clean, sigma: 15, seed: 4)
    let shifted = FloatImage(
      width: 80, height: 60, channels: 1, samples: picture.samples.map { $0 + 0.5 })
    let result = BlockMatching.denoised(picture, sigma: 15)
    let other = BlockMatching.denoised(shifted, sigma: 15)
    let back = FloatImage(
      width: 80, height: 60, channels: 1, samples: other.samples.map { $0 - 0.5 })
    // Rounding exchanges blocks that are equally far, which moves single pixels a little.
    #expect(rootMeanSquare(result, back) < 1e-3)
    // Nothing is clipped on the way.
    #expect(other.samples.contains { $0 > 1.2 })
  }

  /// Measured once; no instruction set changes the result, and other compilers may round other sums.
  @Test(arguments: [
    (SceneKind.sea, true, Float(25), 31.989), (.flower, true, 50, 27.942),
    (.wall, false, 25, 28.915), (.bird, false, 50, 31.653),
  ])
  func `so much noise goes`(
    _ kind: SceneKind, _ isGray: Bool, _ sigma: Float, _ expected: Double
  ) throws {
    let clean = try scene(kind, width: 192, height: 144, isGray: isGray)
    let result = BlockMatching.denoised(noisy(clean, sigma: sigma, seed: 6), sigma: sigma)
    let psnr = try Metrics.psnr(clean, result.bytes)
    #expect(abs(psnr - expected) < 0.02, "\(kind) at \(sigma): \(psnr)")
  }

  @Test func `published pictures come out as published`() throws {
    guard let path = ProcessInfo.processInfo.environment["ATELIER_DATA"] else {
      print("SKIPPED: block matching on Set12 (set ATELIER_DATA to the folder of the data sets)")
      return
    }
    // Cameraman and house at sigma 25: 29.45 and 32.86 dB (Dabov and others 2007, table 3).
    for (index, published) in [29.45, 32.86].enumerated() {
      let clean = try ImageFile.read("\(path)/denoise-gray/Set12/0\(index + 1).png").gray
      let noisy = noisy(clean, sigma: 25, index: index)
      let result = BlockMatching.denoised(noisy, sigma: 25)
      let psnr = try Metrics.psnr(clean, result.bytes)
      #expect(abs(psnr - published) < 0.12, "0\(index + 1).png: \(psnr)")
    }
  }
}
