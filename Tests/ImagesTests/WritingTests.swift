// Round trips of everything that is written, and what happens when writing fails.

import AtelierImages
import Foundation
import Testing

@Suite("Writing")
struct WritingTests {
  @Test("8-bit PNG round trip", arguments: 1...4)
  func pngBytes(channels: Int) throws {
    var generator = Generator(seed: UInt64(channels))
    for (width, height) in [(1, 1), (7, 5), (64, 33)] {
      let image = generator.image(width, height, channels)
      let data = try ImageFile.encodePNG(image)
      #expect(try ImageFile.decode(data, name: "memory") == image)
    }
  }

  @Test("16-bit PNG round trip", arguments: 1...4)
  func pngWords(channels: Int) throws {
    var generator = Generator(seed: UInt64(channels))
    let samples = (0..<13 * 9 * channels).map { _ in
      UInt16.random(in: 0 ... .max, using: &generator)
    }
    let image = WordImage(width: 13, height: 9, channels: channels, samples: samples)
    try Fixture.inTemporaryFolder { folder in
      try ImageFile.write(image, to: folder + "/words.png")
      #expect(try ImageFile.readWords(folder + "/words.png") == image)
      #expect(try ImageFile.information(folder + "/words.png").bitDepth == 16)
    }
  }

  @Test("palette PNG round trip, with and without transparency")
  func palette() throws {
    var generator = Generator(seed: 3)
    for opaque in [true, false] {
      let palette = (0..<11).map { index in
        SIMD4<UInt8>(UInt8(index * 20), 7, 255 - UInt8(index), opaque ? 255 : UInt8(index * 23))
      }
      let indices = ByteImage(
        width: 17, height: 6, channels: 1,
        samples: (0..<102).map { _ in UInt8.random(in: 0..<11, using: &generator) })
      let image = IndexedImage(indices: indices, palette: palette)
      let data = try ImageFile.encodePNG(image)
      #expect(try ImageFile.decodeIndices(data, name: "memory") == image)
      #expect(try ImageFile.decode(data, name: "memory").channels == (opaque ? 3 : 4))
    }
    let beyond = IndexedImage(
      indices: ByteImage(width: 1, height: 1, channels: 1, samples: [2]),
      palette: [SIMD4(0, 0, 0, 255), SIMD4(9, 9, 9, 255)])
    let error = #expect(throws: ImageError.self) { try ImageFile.encodePNG(beyond) }
    #expect(error?.description == "PNG: expected indices below the palette's 2, received 2")
  }

  @Test("JPEG keeps a smooth picture", arguments: [(1, 95), (3, 95), (1, 75), (3, 75)])
  func jpeg(channels: Int, quality: Int) throws {
    let image = Generator(seed: 0).smoothImage(61, 47, channels)
    let options = ImageWriteOptions(quality: quality)
    let decoded = try ImageFile.decode(
      try ImageFile.encodeJPEG(image, options: options), name: "memory")
    #expect(decoded.size == image.size)
    #expect(decoded.channels == channels)
    #expect(try Metrics.psnr(image, decoded) > (quality >= 90 ? 42 : 32))
  }

  @Test("colour is kept at full resolution from quality 90 on")
  func chroma() throws {
    let image = Generator(seed: 0).smoothImage(32, 32, 3)
    func sampling(_ quality: Int) throws -> UInt8 {
      let data = [UInt8](
        try ImageFile.encodeJPEG(image, options: ImageWriteOptions(quality: quality)))
      let frame = try #require(data.indices.first { data[$0] == 0xff && data[$0 + 1] == 0xc0 })
      return data[frame + 11]
    }
    #expect(try sampling(90) == 0x11)
    #expect(try sampling(89) == 0x22)
  }

  @Test("texts of a JPEG come back, XMP apart from comments")
  func jpegTexts() throws {
    try Fixture.inTemporaryFolder { folder in
      let path = "\(folder)/a.jpg"
      let texts = [
        "Software": "Atelier", "Comment": "drawn: by nobody, süß",
        ImageWriteOptions.xmpKey: "<x:xmpmeta xmlns:x=\"adobe:ns:meta/\"/>",
      ]
      let image = ByteImage(width: 9, height: 7, channels: 3, filledWith: 80)
      try ImageFile.write(image, to: path, options: ImageWriteOptions(metadata: texts))
      #expect(try ImageFile.metadata(path) == texts)
      let bytes = [UInt8](try Data(contentsOf: URL(fileURLWithPath: path)))
      let head = Array("http://ns.adobe.com/xap/1.0/\0<x:xmpmeta".utf8)
      #expect(bytes.indices.contains { bytes[$0...].starts(with: head) })
      #expect(throws: ImageError.self) {
        try ImageFile.write(
          image, to: path,
          options: ImageWriteOptions(metadata: ["k": String(repeating: "v", count: 65_000)]))
      }
      #expect(try ImageFile.metadata(path) == texts)
    }
  }

  @Test("metadata round trip")
  func metadata() throws {
    let texts = ["Title": "plain", "Note": "gr\u{fc}n \u{3c3} = 25", "Empty": ""]
    let image = ByteImage(width: 2, height: 2, channels: 1)
    try Fixture.inTemporaryFolder { folder in
      let path = folder + "/texts.png"
      try ImageFile.write(image, to: path, options: ImageWriteOptions(metadata: texts))
      #expect(try ImageFile.metadata(path) == texts)
      for key in ["", " x", "\u{e9}", String(repeating: "k", count: 80)] {
        #expect(throws: ImageError.self, "key \(key)") {
          try ImageFile.write(image, to: path, options: ImageWriteOptions(metadata: [key: "v"]))
        }
      }
      #expect(try ImageFile.metadata(path) == texts)
    }
  }

  @Test("what cannot be written leaves nothing behind")
  func failures() throws {
    let gray = ByteImage(width: 2, height: 2, channels: 1)
    let clear = ByteImage(width: 2, height: 2, channels: 4)
    try Fixture.inTemporaryFolder { folder in
      #expect(throws: ImageError.self) { try ImageFile.write(gray, to: folder + "/a.bmp") }
      #expect(throws: ImageError.self) { try ImageFile.write(clear, to: folder + "/a.jpg") }
      #expect(throws: ImageError.self) { try ImageFile.write(gray.words, to: folder + "/a.jpg") }
      let error = #expect(throws: ImageError.self) {
        try ImageFile.write(gray, to: folder + "/none/a.png")
      }
      #expect(
        error?.description
          == "\(folder)/none/a.png: expected a writable file, received No such file or directory")
      #expect(try FileManager.default.contentsOfDirectory(atPath: folder).isEmpty)
      try ImageFile.write(gray, to: folder + "/a.PNG")
      #expect(try FileManager.default.contentsOfDirectory(atPath: folder) == ["a.PNG"])
    }
  }

  @Test("a picture in strips, to PNG and JPEG", arguments: ["png", "jpg"])
  func strips(format: String) throws {
    let image = Generator(seed: 0).smoothImage(40, 31, 3)
    try Fixture.inTemporaryFolder { folder in
      let path = folder + "/strips." + format
      let writer = try ImageRowWriter(path, size: image.size, channels: 3)
      for start in stride(from: 0, to: 31, by: 8) {
        try writer.write(image.cropped(x: 0, y: start, width: 40, height: min(8, 31 - start)))
      }
      #expect(!FileManager.default.fileExists(atPath: path))
      try writer.finish()
      let whole = folder + "/whole." + format
      try ImageFile.write(image, to: whole)
      #expect(
        try Data(contentsOf: URL(fileURLWithPath: path))
          == Data(contentsOf: URL(fileURLWithPath: whole)))
    }
  }

  @Test("strips that do not fit are refused and nothing stays")
  func unfinishedStrips() throws {
    try Fixture.inTemporaryFolder { folder in
      do {
        let size = PixelSize(width: 4, height: 4)
        let writer = try ImageRowWriter(folder + "/a.png", size: size, channels: 1)
        #expect(throws: ImageError.self) {
          try writer.write(ByteImage(width: 5, height: 1, channels: 1))
        }
        #expect(throws: ImageError.self) {
          try writer.write(ByteImage(width: 4, height: 5, channels: 1))
        }
        try writer.write(ByteImage(width: 4, height: 3, channels: 1))
        #expect(throws: ImageError.self) { try writer.finish() }
      }
      #expect(try FileManager.default.contentsOfDirectory(atPath: folder).isEmpty)
    }
  }
}
