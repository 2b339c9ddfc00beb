// Reading of every kind of PNG and JPEG against what Pillow reads.

import AtelierImages
import Foundation
import Testing

@Suite("Reading")
struct ReadingTests {
  @Test(
    "8-bit samples of every PNG kind",
    arguments: [
      ("gray1", 1), ("gray2", 1), ("gray4", 1), ("gray8", 1), ("graya8", 2), ("rgb8", 3),
      ("rgba8", 4), ("palette1", 3), ("palette2", 3), ("palette4", 3), ("palette8-alpha", 4),
      ("gray8-key", 2), ("rgb8-interlaced", 3),
    ])
  func pngBytes(name: String, channels: Int) throws {
    let image = try ImageFile.read(Fixture.path(name + ".png"))
    #expect(image.size == PixelSize(width: 29, height: 19))
    #expect(image.channels == channels)
    #expect(image.samples == (try Fixture.bytes(name)))
    let decoded = try ImageFile.decode(try Fixture.data(name + ".png"), name: name)
    #expect(decoded == image)
    let words = try ImageFile.readWords(Fixture.path(name + ".png"))
    #expect(words.samples == image.samples.map { UInt16($0) * 257 })
  }

  @Test(
    "16-bit samples, also rounded to bytes",
    arguments: [
      ("gray16", 1), ("graya16", 2), ("rgb16", 3), ("rgba16", 4), ("rgb16-interlaced", 3),
    ])
  func pngWords(name: String, channels: Int) throws {
    let expected = try Fixture.words(name)
    let image = try ImageFile.readWords(Fixture.path(name + ".png"))
    #expect(image.channels == channels)
    #expect(image.samples == expected)
    let bytes = try ImageFile.read(Fixture.path(name + ".png"))
    let rounded = expected.map { UInt8((Int($0) * 255 + 32767) / 65535) }
    #expect(bytes.samples == rounded)
    let floats = try ImageFile.readFloats(Fixture.path(name + ".png"))
    #expect(floats.samples == expected.map { Float($0) / 65535 })
  }

  @Test(
    "stored indices of palette and gray files",
    arguments: [
      ("palette1", "palette1-indices"), ("palette2", "palette2-indices"),
      ("palette4", "palette4-indices"), ("palette8-alpha", "palette4-indices"),
      ("palette4-interlaced", "palette4-indices"), ("gray1", "gray1-indices"),
      ("gray2", "gray2-indices"), ("gray4", "gray4-indices"), ("gray8", "gray8"),
    ])
  func indices(name: String, expected: String) throws {
    let image = try ImageFile.readIndices(Fixture.path(name + ".png"))
    #expect(image.indices.samples == (try Fixture.bytes(expected)))
    let colors = ["palette1": 2, "palette2": 4][name] ?? (name.hasPrefix("palette") ? 16 : 0)
    #expect(image.palette.count == colors)
    if name == "palette8-alpha" { #expect(image.palette[3].w == 7) }
    if name == "palette4" { #expect(image.colored.samples == (try Fixture.bytes("palette4"))) }
  }

  @Test("an interlaced palette expands as the plain one does")
  func interlacedPalette() throws {
    let image = try ImageFile.read(Fixture.path("palette4-interlaced.png"))
    #expect(image == (try ImageFile.read(Fixture.path("palette4.png"))))
    #expect(try ImageFile.information(Fixture.path("palette4-interlaced.png")).isMultipass)
  }

  @Test(
    "JPEG kinds to the byte",
    arguments: [
      ("jpeg-rgb", 3), ("jpeg-420", 3), ("jpeg-progressive", 3), ("jpeg-gray", 1),
    ])
  func jpeg(name: String, channels: Int) throws {
    let image = try ImageFile.read(Fixture.path(name + ".jpg"))
    #expect(image.size == PixelSize(width: 53, height: 37))
    #expect(image.channels == channels)
    let expected = try Fixture.bytes(name)
    // Pillow brings its own libjpeg-turbo, which may round its colour conversion differently.
    let largest = zip(image.samples, expected).map { abs(Int($0) - Int($1)) }.max()
    #expect(try #require(largest) <= 2)
  }

  @Test("EXIF orientations stand upright", arguments: 1...8)
  func orientation(number: Int) throws {
    let path = Fixture.path("jpeg-orientation\(number).jpg")
    let image = try ImageFile.read(path)
    let expected = try Fixture.bytes("jpeg-orientation\(number)")
    let size = number >= 5 ? PixelSize(width: 16, height: 24) : PixelSize(width: 24, height: 16)
    #expect(image.size == size)
    #expect(try ImageFile.size(path) == size)
    #expect(try ImageFile.information(path).orientation.rawValue == number)
    let largest = zip(image.samples, expected).map { abs(Int($0) - Int($1)) }.max()
    #expect(try #require(largest) <= 2)
    #expect(image.samples.count == expected.count)
  }

  @Test("P5 and P6")
  func anymaps() throws {
    let image = try ImageFile.read(Fixture.path("small.ppm"))
    #expect(image.samples == (try Fixture.bytes("small-ppm")))
    #expect(image.gray.samples == (try Fixture.bytes("luma")))
    let words = Data("P5 2 1 1000 ".utf8) + Data([0x03, 0xe8, 0x01, 0xf4])
    #expect(try ImageFile.decodeWords(words, name: "words").samples == [65535, 32768])
    #expect(throws: ImageError.self) {
      try ImageFile.decode(Data("P6 9 9 255 abc".utf8), name: "short")
    }
    #expect(throws: ImageError.self) {
      try ImageFile.decode(Data("P6 999999999 999999999 255 abc".utf8), name: "huge")
    }
  }

  @Test("the content decides and not the name")
  func contentDecides() throws {
    try Fixture.inTemporaryFolder { folder in
      let path = folder + "/picture.jpg"
      try Fixture.data("rgb8.png").write(to: URL(fileURLWithPath: path))
      #expect(try ImageFile.information(path).format == .png)
    }
  }

  @Test("information of a header")
  func information() throws {
    let palette = try ImageFile.information(Fixture.path("palette8-alpha.png"))
    #expect(palette.hasPalette)
    #expect(palette.channels == 4)
    #expect(palette.bitDepth == 8)
    #expect(try ImageFile.information(Fixture.path("gray1.png")).bitDepth == 1)
    #expect(try ImageFile.information(Fixture.path("jpeg-progressive.jpg")).isMultipass)
  }

  @Test("texts before and behind the picture")
  func texts() throws {
    let texts = try ImageFile.metadata(Fixture.path("texts.png"))
    #expect(
      texts == [
        "Title": "Caf\u{e9}", "Long": String(repeating: "again ", count: 50),
        "Author": "Zo\u{eb} \u{3a9}mega",
      ])
    #expect(try ImageFile.metadata(Fixture.path("jpeg-rgb.jpg")).isEmpty)
  }

  @Test(
    "strips are the whole",
    arguments: [
      "rgb8.png", "rgb8-interlaced.png", "palette4.png",
      "jpeg-420.jpg", "jpeg-progressive.jpg", "jpeg-orientation6.jpg", "small.ppm",
    ])
  func strips(name: String) throws {
    let whole = try ImageFile.read(Fixture.path(name))
    let reader = try ImageRowReader(Fixture.path(name))
    var samples: [UInt8] = []
    while let strip = try reader.next(5) {
      #expect(strip.width == whole.width)
      samples += strip.samples
    }
    #expect(samples == whole.samples)
    #expect(reader.rowsLeft == 0)
  }
}
