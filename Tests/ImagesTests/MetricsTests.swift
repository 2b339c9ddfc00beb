// Metrics against scikit-image, resizing against Pillow.

import AtelierImages
import Foundation
import Testing

@Suite("Metrics")
struct MetricsTests {
  private struct Golden: Decodable {
    let file: String
    let kind: String
    let mse: Double
    let psnr: Double
    let ssim: Double
  }

  @Test("MSE, PSNR and SSIM are scikit-image's")
  func goldens() throws {
    let goldens = try JSONDecoder().decode([Golden].self, from: Fixture.data("metrics.json"))
    #expect(goldens.count == 6)
    let clean = try ImageFile.read(Fixture.path("metric-clean.png"))
    for golden in goldens {
      let degraded = try ImageFile.read(Fixture.path(golden.file))
      let isGray = golden.kind == "gray"
      let (first, second) = isGray ? (clean.channel(0), degraded.channel(0)) : (clean, degraded)
      #expect(try Metrics.meanSquaredError(first, second) == golden.mse, "\(golden)")
      #expect(abs(try Metrics.psnr(first, second) - golden.psnr) < 1e-9, "\(golden)")
      #expect(abs(try Metrics.ssim(first, second) - golden.ssim) < 1e-6, "\(golden)")
      // Floats in [0, 1] give the same figures.
      #expect(abs(try Metrics.psnr(first.floats, second.floats) - golden.psnr) < 1e-4)
      #expect(abs(try Metrics.ssim(first.floats, second.floats) - golden.ssim) < 1e-6)
    }
  }

  @Test("equal pictures, and pictures that cannot be compared")
  func edges() throws {
    var generator = Generator(seed: 9)
    let image = generator.image(30, 20, 3)
    #expect(try Metrics.psnr(image, image) == .infinity)
    #expect(abs(try Metrics.ssim(image, image) - 1) < 1e-6)
    let error = #expect(throws: ImageError.self) { try Metrics.psnr(image, image.gray) }
    #expect(
      error?.description
        == "comparison: expected pictures of one size, 30x20 with 3 channels, received 30x20 with 1"
    )
    #expect(throws: ImageError.self) {
      let small = image.cropped(x: 0, y: 0, width: 10, height: 20)
      return try Metrics.ssim(small, small)
    }
  }
}

@Suite("Resize")
struct ResizeTests {
  @Test(
    "bytes are Pillow's",
    arguments: [ResizeFilter.nearest, .bilinear, .bicubic, .lanczos],
    [(23, 17), (71, 48), (30, 64), (59, 20)])
  func bytes(filter: ResizeFilter, size: (Int, Int)) throws {
    let image = try ImageFile.read(Fixture.path("resize.png"))
    let resized = image.resized(width: size.0, height: size.1, filter: filter)
    let expected = try Fixture.bytes("resize-\(filter.rawValue)-\(size.0)x\(size.1)")
    #expect(resized.samples.count == expected.count)
    let distances = zip(resized.samples, expected).map { abs(Int($0) - Int($1)) }
    #expect(try #require(distances.max()) <= (filter == .nearest ? 0 : 1))
    #expect(distances.filter { $0 > 0 }.count <= expected.count / 100)
  }

  @Test("floats are Pillow's", arguments: [ResizeFilter.bilinear, .bicubic, .lanczos])
  func floats(filter: ResizeFilter) throws {
    let image = try ImageFile.read(Fixture.path("resize.png")).channel(0).floats
    let resized = image.resized(width: 31, height: 55, filter: filter)
    let expected = try Fixture.floats("resize-float-\(filter.rawValue)")
    let largest = zip(resized.samples, expected).map { abs($0 - $1) }.max()
    #expect(try #require(largest) < 2e-6)
  }

  @Test("area is the mean over what a pixel covers")
  func area() throws {
    let image = try ImageFile.read(Fixture.path("resize.png")).floats
    let resized = image.resized(width: 24, height: 13, filter: .area)
    let expected = try Fixture.floats("resize-area")
    let largest = zip(resized.samples, expected).map { abs($0 - $1) }.max()
    #expect(try #require(largest) < 1e-6)
  }

  @Test("a flat picture stays flat at every size", arguments: ResizeFilter.allCases)
  func flat(filter: ResizeFilter) {
    let image = ByteImage(width: 13, height: 9, channels: 3, filledWith: 77)
    for (width, height) in [(1, 1), (2, 40), (40, 3), (13, 1), (100, 100)] {
      let resized = image.resized(width: width, height: height, filter: filter)
      #expect(resized == ByteImage(width: width, height: height, channels: 3, filledWith: 77))
    }
  }

  @Test("fitting keeps the proportions and never enlarges")
  func fitting() {
    let image = ByteImage(width: 400, height: 100, channels: 1)
    #expect(image.fitted(within: 100).size == PixelSize(width: 100, height: 25))
    #expect(image.fitted(within: 1000).size == image.size)
  }
}
