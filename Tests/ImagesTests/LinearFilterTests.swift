// Kernels over pictures: equal to SciPy's, in any number of parts, at any precision.

import AtelierFiles
import AtelierImages
import Foundation
import Testing

/// What SciPy makes of pictures; Fixtures/images/make_filters.py wrote it.
private struct FilterFile: Decodable {
  struct Picture: Decodable {
    let width: Int
    let height: Int
    let channels: Int
    let full: Int
    let samples: [Int]

    func image<Sample: ImageSample>(_ sample: (Int) -> Sample) -> Image<Sample> {
      Image(width: width, height: height, channels: channels, samples: samples.map(sample))
    }
  }

  struct Case: Decodable {
    let picture: Int
    let kernels: [String]
    let border: FilterBorder
    let scale: Float
    let offset: Float
    let exact: [Double]

    var settings: FilterSettings {
      var settings = FilterSettings()
      (settings.border, settings.scale, settings.offset) = (border, scale, offset)
      return settings
    }
  }

  let pictures: [Picture]
  let cases: [Case]
}

@Suite("Linear filters")
struct LinearFilterTests {
  @Test("equal to SciPy's ndimage, floats and integers, each border")
  func scipy() throws {
    let file = try JSONDecoder().decode(FilterFile.self, from: Fixture.data("filters.json"))
    #expect(file.cases.count == 88)
    for item in file.cases {
      let filters = try item.kernels.map { try PictureFilter(parsing: $0) }
      let picture = file.pictures[item.picture]
      let full = Double(picture.full)
      let floats = StoredImage.floats(picture.image { Float($0) / Float(full) })
        .filtered(by: filters, item.settings).floats
      let source =
        full == 255
        ? StoredImage.bytes(picture.image { UInt8($0) })
        : StoredImage.words(picture.image { UInt16($0) })
      let result = source.filtered(by: filters, item.settings)
      let stored =
        full == 255 ? result.bytes.samples.map(Int.init) : result.words.samples.map(Int.init)
      for (index, exact) in item.exact.enumerated() {
        let label = "\(item.kernels) \(item.border) \(full) at \(index)"
        #expect(abs(Double(floats.samples[index]) * full - exact) < 4e-5 * full, "\(label)")
        // Halves round up; so near to one that single precision cannot tell, either is right.
        let nearest = Int(min(max((exact + 0.5).rounded(.down), 0), full))
        let isHalf = abs(exact - exact.rounded(.down) - 0.5) < 1e-6 * full
        let isEqual = stored[index] == nearest
        #expect(isEqual || isHalf && abs(stored[index] - nearest) <= 1, "\(label)")
      }
    }
  }

  @Test("sums of whole numbers are exact, and halves round up")
  func halves() throws {
    let image = ByteImage(width: 4, height: 1, channels: 1, samples: [1, 2, 4, 255])
    let mean = PictureFilter(
      name: "mean", kernel: FilterKernel(width: 2, height: 1, weights: [0.5, 0.5]))
    let result = StoredImage.bytes(image).filtered(by: [mean]).bytes
    #expect(result.samples == [1, 2, 3, 130])
  }

  @Test("alpha stays, colours are filtered each for itself")
  func alpha() throws {
    var generator = Generator(seed: 3)
    let colors = ByteImage(
      width: 9, height: 6, channels: 4,
      samples: (0..<216).map { _ in UInt8.random(in: 0...255, using: &generator) })
    let blur = try PictureFilter(parsing: "blur")
    let result = StoredImage.bytes(colors).filtered(by: [blur]).bytes
    #expect(result.channel(3) == colors.channel(3))
    for channel in 0..<3 {
      let one = StoredImage.bytes(colors.channel(channel)).filtered(by: [blur]).bytes
      #expect(result.channel(channel) == one)
    }
  }

  @Test("the same bits however many parts run at once, and in whatever order")
  func parts() throws {
    var generator = Generator(seed: 4)
    let image = StoredImage.words(
      WordImage(
        width: 61, height: 203, channels: 1,
        samples: (0..<61 * 203).map { _ in UInt16.random(in: 0...65535, using: &generator) }))
    let filters = try ["gaussian:1.5", "edges"].map { try PictureFilter(parsing: $0) }
    let forward = image.filtered(by: filters)
    var most = 0
    let backward = image.filtered(by: filters) { count, body in
      most = max(most, count)
      for part in (0..<count).reversed() { body(part) }
    }
    #expect(forward == backward)
    #expect(most > 1)
  }

  @Test("kernels larger than the picture, for each border", arguments: FilterBorder.allCases)
  func large(border: FilterBorder) throws {
    let image = ByteImage(width: 2, height: 1, channels: 1, samples: [10, 30])
    let kernel = FilterKernel(width: 7, height: 3, weights: [Float](repeating: 1, count: 21))
    var settings = FilterSettings()
    settings.border = border
    let result = StoredImage.bytes(image)
      .filtered(by: [PictureFilter(name: "sum", kernel: kernel)], settings).words
    // Columns −3…3 of 10 30: reflected 30 30 10 | 10 30 | 30 10 10, replicated 10 … 30 ….
    let sums: [FilterBorder: [Int]] = [
      .reflect: [450, 390], .replicate: [390, 510], .zero: [40, 40],
    ]
    #expect(result.samples.map { Int($0) / 257 } == sums[border]?.map { min($0, 255) })
  }

  @Test("kernels out of files and words, and what is said of others")
  func parsing() throws {
    try Fixture.inTemporaryFolder { folder in
      let path = folder + "/ridge.txt"
      try Data("0 1 0\n0, 1, 0\r\n 0 1 0\n".utf8).write(to: URL(fileURLWithPath: path))
      let ridge = try PictureFilter(parsing: path)
      #expect(ridge.name == "ridge")
      let same = try FilterKernel(parsing: "0,1,0;0,1,0;0,1,0", name: "")
      #expect(ridge.work == .kernels([same]))
      let broken = folder + "/broken.txt"
      try Data("1 2\n3\n".utf8).write(to: URL(fileURLWithPath: broken))
      expectError("\(broken): expected rows of equally many numbers") {
        _ = try PictureFilter(parsing: broken)
      }
    }
    for (word, text) in [
      ("1,2;3", "received 1 in row 2 after 2"), ("1,x3", "received 'x3'"),
      ("1,inf", "received 'inf'"), ("gaussian:0", "a deviation above 0"),
      ("gaussian:1e9", "of at most 31 pixels"), ("blurr", "expected blur, gaussian:SIGMA"),
      (String(repeating: "1,", count: 300), "1 to 255 rows and columns"),
    ] {
      expectError(text) { _ = try PictureFilter(parsing: word) }
    }
  }

  private func expectError(_ text: String, _ body: () throws -> Void) {
    do {
      try body()
      Issue.record("expected an error that says \(text)")
    } catch {
      #expect("\(error)".contains(text), "\(error)")
      #expect(!"\(error)".contains("\n"))
    }
  }
}
