// Files that are not what they say: truncated, damaged, hostile, or of a kind that is refused.

import AtelierImages
import Foundation
import Testing

@Suite("Damage")
struct DamageTests {
  static let pictures = [
    "gray1.png", "rgb8.png", "rgb16.png", "palette8-alpha.png", "rgb8-interlaced.png",
    "palette4-interlaced.png", "jpeg-rgb.jpg", "jpeg-progressive.jpg", "jpeg-gray.jpg",
  ]

  @Test("cut anywhere it is refused, but for a JPEG's end marker", arguments: pictures)
  func truncation(name: String) throws {
    let data = try Fixture.data(name)
    let whole = try ImageFile.decode(data, name: name)
    var shortest = data.count
    for length in 0..<data.count {
      guard let image = try? ImageFile.decode(data.prefix(length), name: name) else { continue }
      shortest = min(shortest, length)
      if image != whole { Issue.record("\(name) cut at \(length) is another picture") }
    }
    // Of the last byte before the marker there may be no bit that the picture needs.
    let fewest = name.hasSuffix(".jpg") ? data.count - 3 : data.count
    #expect(shortest >= fewest)
  }

  @Test("harmless faults of a JPEG are read and told")
  func harmless() throws {
    try Fixture.inTemporaryFolder { folder in
      let path = folder + "/a.jpg"
      let data = try Fixture.data("jpeg-420.jpg")
      let whole = try ImageFile.decode(data, name: "whole")
      let body = data.dropLast(2)
      let end = data.suffix(2)
      let tables = try #require(data.range(of: Data([0xff, 0xdb]))).lowerBound
      let cases: [(String, Data)] = [
        ("stray bytes before a marker", body + Data(count: 7) + end),
        ("stray bytes before a marker", data[..<tables] + Data([1, 2, 3]) + data[tables...]),
        ("no end marker", Data(body)),
        ("stray bytes before a marker", body + Data(count: 3000) + end),
        ("stray bytes before a marker", body + Data("junk".utf8) + end),
        ("stray bytes before a marker", data[..<tables] + Data(count: 200) + data[tables...]),
        // Nobody knows whether they belong before a marker that is missing.
        ("stray bytes before a marker", body + Data(count: 7)),
      ]
      for (fault, bytes) in cases {
        try bytes.write(to: URL(fileURLWithPath: path))
        let reader = try PictureReader(path)
        let page = try #require(try reader.nextPage())
        #expect(page.image == .bytes(whole))
        #expect(reader.remarks == ["the JPEG has \(fault); it is read all the same"])
      }
      // Bytes that fill before a marker are allowed, and what follows the end is another file's.
      for bytes in [body + [0xff, 0xff, 0xff] + end, data + Data(count: 9), data + data] {
        try bytes.write(to: URL(fileURLWithPath: path))
        let reader = try PictureReader(path)
        #expect(try reader.nextPage()?.image == .bytes(whole))
        #expect(reader.remarks.isEmpty)
      }
      // A progressive picture without its last scan would be a coarse one.
      let progressive = try Fixture.data("jpeg-progressive.jpg")
      let scans = progressive.indices.dropLast().filter {
        progressive[$0] == 0xff && progressive[$0 + 1] == 0xda
      }
      let last = try #require(scans.last)
      let error = #expect(throws: ImageError.self) {
        try ImageFile.decode(progressive[..<last], name: "a.jpg")
      }
      #expect(
        error?.description == "a.jpg: expected a whole JPEG, received Premature end of JPEG file")
    }
  }

  @Test("a file cut short says so in one line")
  func truncatedFile() throws {
    try Fixture.inTemporaryFolder { folder in
      let path = folder + "/cut.jpg"
      try Fixture.data("jpeg-rgb.jpg").prefix(1500).write(to: URL(fileURLWithPath: path))
      let error = #expect(throws: ImageError.self) { try ImageFile.read(path) }
      #expect(
        error?.description
          == "\(path): expected a whole JPEG, received Premature end of JPEG file")
    }
  }

  @Test("what is refused, word for word")
  func refusals() throws {
    try Fixture.inTemporaryFolder { folder in
      let cases: [(String, String)] = [
        (
          Fixture.path("jpeg-cmyk.jpg"), "expected a gray or RGB JPEG, received a CMYK JPEG"
        ),
        (
          Fixture.path("palette-beyond.png"),
          "expected a whole PNG, received a palette index beyond the palette"
        ),
        (
          Fixture.path("make_fixtures.py"),
          "expected a PNG, JPEG, TIFF, WebP, PGM or PPM picture, received data of another kind"
        ),
        (folder + "/none.png", "expected a readable file, received No such file or directory"),
        (folder, "expected a readable file, received Is a directory"),
      ]
      for (path, message) in cases {
        let error = #expect(throws: ImageError.self) { try ImageFile.read(path) }
        #expect(error?.description == "\(path): \(message)")
      }
    }
  }

  @Test("indices of a picture without them are refused")
  func noIndices() throws {
    for name in ["rgb8.png", "gray16.png", "jpeg-gray.jpg", "gray8-key.png"] {
      #expect(throws: ImageError.self) { try ImageFile.readIndices(Fixture.path(name)) }
    }
  }

  @Test("limits hold before memory is taken")
  func limits() throws {
    let limits = ImageLimits(samples: 29 * 19 * 3 - 1)
    let error = #expect(throws: ImageError.self) {
      try ImageFile.read(Fixture.path("rgb8.png"), limits: limits)
    }
    #expect(error?.reason == .tooLarge)
    let exact = ImageLimits(samples: 29 * 19 * 3)
    #expect(try ImageFile.read(Fixture.path("rgb8.png"), limits: exact).width == 29)
  }

  @Test("a header larger than its file can be is refused")
  func implausible() throws {
    var png = [UInt8](try Fixture.data("rgb8.png"))
    png.replaceSubrange(16..<24, with: [0, 0, 40, 0, 0, 0, 40, 0])
    let crc = checksum(png[12..<29])
    for index in 0..<4 { png[29 + index] = UInt8(truncatingIfNeeded: crc >> (24 - 8 * index)) }
    let error = #expect(throws: ImageError.self) {
      try ImageFile.decode(Data(png), name: "bomb.png")
    }
    let message = "bomb.png: expected at least 304828 bytes for 10240x10240 pixels"
    #expect(error?.description.hasPrefix(message) == true)

    var jpeg = [UInt8](try Fixture.data("jpeg-rgb.jpg"))
    let frame = try #require(jpeg.indices.first { jpeg[$0] == 0xff && jpeg[$0 + 1] == 0xc0 })
    jpeg.replaceSubrange(frame + 5..<frame + 9, with: [0x20, 0, 0x20, 0])
    let jpegError = #expect(throws: ImageError.self) {
      try ImageFile.decode(Data(jpeg), name: "bomb.jpg")
    }
    #expect(jpegError?.reason == .damaged)
  }

  @Test("a block of Exif data never leads astray")
  func hostileExif() throws {
    let data = [UInt8](try Fixture.data("jpeg-orientation6.jpg"))
    let marker = Array("Exif".utf8)
    let start = try #require(
      data.indices.first { Array(data[$0..<min($0 + 4, data.count)]) == marker })
    var generator = Generator(seed: 5)
    for _ in 0..<2000 {
      var damaged = data
      for _ in 0..<Int.random(in: 1...4, using: &generator) {
        let place = start + 6 + Int.random(in: 0..<26, using: &generator)
        damaged[place] = UInt8.random(in: 0 ... .max, using: &generator)
      }
      let image = try ImageFile.decode(Data(damaged), name: "exif")
      #expect(image.pixelCount == 24 * 16)
    }
  }

  private func checksum(_ bytes: ArraySlice<UInt8>) -> UInt32 {
    var crc = UInt32.max
    for byte in bytes {
      crc ^= UInt32(byte)
      for _ in 0..<8 { crc = crc & 1 == 1 ? crc >> 1 ^ 0xedb8_8320 : crc >> 1 }
    }
    return ~crc
  }
}

@Suite("Fuzz")
struct FuzzTests {
  @Test("7000 mutated PNG files")
  func png() throws {
    let bases = [
      "gray1.png", "rgb8.png", "rgba16.png", "palette8-alpha.png", "rgb8-interlaced.png",
      "gray8-key.png", "texts.png",
    ]
    try fuzz(bases, rounds: 1000, seed: 11)
  }

  @Test("7000 mutated JPEG files")
  func jpeg() throws {
    let bases = [
      "jpeg-rgb.jpg", "jpeg-420.jpg", "jpeg-progressive.jpg", "jpeg-gray.jpg", "jpeg-cmyk.jpg",
      "jpeg-orientation5.jpg", "jpeg-orientation8.jpg",
    ]
    try fuzz(bases, rounds: 1000, seed: 12)
  }

  /// Every mutation is either decoded to a picture of its size or refused with an `ImageError`.
  private func fuzz(_ bases: [String], rounds: Int, seed: UInt64) throws {
    var generator = Generator(seed: seed)
    var decoded = 0
    var refused = 0
    for base in bases {
      let data = [UInt8](try Fixture.data(base))
      for _ in 0..<rounds {
        let mutated = mutate(data, &generator)
        do {
          let limits = ImageLimits(samples: 1 << 22)
          let image = try ImageFile.decode(Data(mutated), name: base, limits: limits)
          #expect(image.samples.count == image.width * image.height * image.channels)
          decoded += 1
        } catch let error as ImageError {
          #expect(error.name == base)
          #expect(!error.description.contains("\n"))
          refused += 1
        }
      }
    }
    #expect(decoded + refused == bases.count * rounds)
    #expect(refused > bases.count * rounds / 4)
    #expect(decoded > 0)
  }

  private func mutate(_ data: [UInt8], _ generator: inout Generator) -> [UInt8] {
    var result = data
    switch Int.random(in: 0..<5, using: &generator) {
    case 0:
      for _ in 0..<Int.random(in: 1...8, using: &generator) {
        let place = Int.random(in: 0..<result.count, using: &generator)
        result[place] = UInt8.random(in: 0 ... .max, using: &generator)
      }
    case 1:
      result.removeLast(Int.random(in: 0..<result.count, using: &generator))
    case 2:
      let place = Int.random(in: 0..<min(64, result.count), using: &generator)
      result[place] = [0, 1, 0x7f, 0x80, 0xff].randomElement(using: &generator) ?? 0
    case 3:
      let start = Int.random(in: 0..<result.count, using: &generator)
      let end = min(result.count, start + Int.random(in: 1...32, using: &generator))
      result.removeSubrange(start..<end)
    default:
      let start = Int.random(in: 0..<result.count, using: &generator)
      let end = min(result.count, start + Int.random(in: 1...64, using: &generator))
      result.insert(contentsOf: result[start..<end], at: start)
    }
    if Bool.random(using: &generator) { repairChecksums(&result) }
    return result
  }

  /// Lets damaged PNG chunks pass their checksum, so that what lies behind it is reached.
  private func repairChecksums(_ bytes: inout [UInt8]) {
    guard bytes.count > 8, bytes[0] == 0x89 else { return }
    var place = 8
    while place + 12 <= bytes.count {
      let length = bytes[place..<place + 4].reduce(0) { $0 << 8 | Int($1) }
      let end = place + 8 + length
      guard end + 4 <= bytes.count else { return }
      var crc = UInt32.max
      for byte in bytes[place + 4..<end] {
        crc ^= UInt32(byte)
        for _ in 0..<8 { crc = crc & 1 == 1 ? crc >> 1 ^ 0xedb8_8320 : crc >> 1 }
      }
      crc = ~crc
      for index in 0..<4 { bytes[end + index] = UInt8(truncatingIfNeeded: crc >> (24 - 8 * index)) }
      place = end + 4
    }
  }
}
