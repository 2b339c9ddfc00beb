// The picture as a value: conversions and whole-pixel geometry.

import AtelierImages
import Foundation
import Testing

@Suite("Image")
struct ImageTests {
  @Test("bytes to floats and back is the same; floats round and clamp")
  func conversions() {
    let all = ByteImage(width: 256, height: 1, channels: 1, samples: (0...255).map { UInt8($0) })
    #expect(all.floats.bytes == all)
    #expect(all.words.bytes == all)
    let odd = FloatImage(
      width: 6, height: 1, channels: 1,
      samples: [-0.5, 1.5, .nan, .infinity, 0.5, 0.4999 / 255])
    #expect(odd.bytes.samples == [0, 255, 0, 255, 128, 0])
    #expect(odd.words.samples == [0, 65535, 0, 65535, 32768, 128])
  }

  @Test("gray stored in colour has no colour; one other sample is one") func colorless() {
    var generator = Generator(seed: 2)
    for channels in 1...4 {
      let gray = generator.image(5, 4, channels <= 2 ? channels : channels - 2)
      var image = gray.withChannels(channels)
      #expect(image.isColorless)
      guard channels >= 3 else { continue }
      image[4, 3, 2] ^= 1
      #expect(!image.isColorless)
      image[4, 3, 2] ^= 1
      image[0, 0, 0] ^= 1
      #expect(!image.isColorless)
    }
  }

  @Test("luma as Pillow's")
  func luma() throws {
    let image = try ImageFile.read(Fixture.path("small.ppm"))
    #expect(image.gray.samples == (try Fixture.bytes("luma")))
    #expect(UInt8.luma(255, 255, 255) == 255)
    #expect(UInt16.luma(65535, 65535, 65535) == 65535)
  }

  @Test("channels come and go", arguments: 1...4, 1...4)
  func channels(from: Int, to: Int) {
    var generator = Generator(seed: 1)
    let image = generator.image(5, 4, from)
    let result = image.withChannels(to)
    #expect(result.channels == to)
    #expect(result.size == image.size)
    if from % 2 == 0, to % 2 == 0 {
      #expect(result.channel(to - 1) == image.channel(from - 1))
    } else if to % 2 == 0 {
      #expect(result.channel(to - 1).samples.allSatisfy { $0 == 255 })
    }
    if from <= 2, to >= 3 { #expect(result.channel(2) == image.channel(0)) }
    if from >= 3, to >= 3 { #expect(result.channel(1) == image.channel(1)) }
  }

  @Test("flattening weighs by alpha")
  func flattening() {
    let image = ByteImage(
      width: 3, height: 1, channels: 2, samples: [100, 255, 100, 0, 100, 51])
    #expect(image.flattened(over: 200).samples == [100, 200, 180])
  }

  @Test("symmetries move corners as EXIF says and undo each other", arguments: Orientation.allCases)
  func symmetries(orientation: Orientation) {
    var generator = Generator(seed: 2)
    let image = generator.image(5, 3, 3)
    let turned = image.oriented(orientation)
    #expect(turned.oriented(orientation.inverse) == image)
    let letters = ByteImage(width: 2, height: 2, channels: 1, samples: Array("abcd".utf8))
    let expected: [Orientation: String] = [
      .upright: "abcd", .mirrored: "badc", .halfTurn: "dcba", .flipped: "cdab",
      .transposed: "acbd", .quarterTurn: "cadb", .antiTransposed: "dbca",
      .quarterTurnBack: "bdac",
    ]
    #expect(letters.oriented(orientation).samples == Array((expected[orientation] ?? "").utf8))
  }

  @Test("crop, paste and pad")
  func cropping() {
    var generator = Generator(seed: 4)
    let image = generator.image(9, 7, 3)
    let part = image.cropped(x: 2, y: 1, width: 4, height: 5)
    #expect(part[3, 4, 2] == image[5, 5, 2])
    var canvas = ByteImage(width: 9, height: 7, channels: 3)
    canvas.paste(part, x: 2, y: 1)
    #expect(canvas.cropped(x: 2, y: 1, width: 4, height: 5) == part)
    canvas.paste(image, x: -3, y: 2)
    #expect(canvas[0, 2, 0] == image[3, 0, 0])
    canvas.paste(image, x: 100, y: 100)
    let padded = image.padded(left: 2, top: 10, right: 3, bottom: 1)
    #expect(padded.size == PixelSize(width: 14, height: 18))
    #expect(padded[0, 10, 1] == image[2, 0, 1])
    #expect(padded[2, 0, 0] == image[0, 2, 0])
    #expect(padded.cropped(x: 2, y: 10, width: 9, height: 7) == image)
    let edges = image.padded(left: 1, top: 0, right: 0, bottom: 2, mirrored: false)
    #expect(edges[0, 8, 0] == image[0, 6, 0])
  }

  @Test("samples change in place")
  func samples() {
    var image = FloatImage(width: 3, height: 2, channels: 2, filledWith: 0.25)
    image[2, 1, 1] = 1
    image.samples[0] = 0.5
    let sum: Float = image.samples.reduce(0, +)
    #expect(sum == 4)
  }
}
