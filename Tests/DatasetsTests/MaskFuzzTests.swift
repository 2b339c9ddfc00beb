// 5,000 mutated COCO and mask files: refused in one line or read, never a crash, never a hang.

import AtelierDatasets
import AtelierEngine
import AtelierImages
import AtelierScenery
import Foundation
import TestSupport
import Testing

/// Mutations of the bytes of a file, all from a seed.
private struct Mutator {
  var generator: RandomGenerator

  /// Numbers, texts and marks that parsers stumble over.
  private static let pieces = [
    "-1", "0", "1e308", "-1e308", "1e-320", "99999999999999999999", "4294967296", "NaN", "null",
    "true", "[]", "{}", "[[]]", "[[[[[[[[", "\"", "\\u0000", "\\ud800", "}", "]", ",", "-", ".5",
    "\"counts\":\"ooooooooo\"", "\"size\":[1000000,1000000]", "\"width\":1000000000",
    "[0,0,1e9,0,0,1e9]", "16000", "-0",
  ]

  mutating func text(_ bytes: [UInt8]) -> [UInt8] {
    var result = bytes
    for _ in 0...generator.index(below: 3) {
      let place = generator.index(below: max(1, result.count))
      let end = min(result.count, place + 1 + generator.index(below: 12))
      switch generator.index(below: 6) {
      case 0:
        let piece = Self.pieces[generator.index(below: Self.pieces.count)]
        result.replaceSubrange(place..<end, with: Array(piece.utf8))
      case 1: number(&result, from: place)
      case 2: result[place] = UInt8(generator.index(below: 256))
      case 3: result.removeSubrange(place..<end)
      case 4: result.insert(contentsOf: result[place..<end], at: place)
      default: result.removeSubrange(place...)
      }
      if result.isEmpty { return result }
    }
    return result
  }

  /// Replaces the next number by another one.
  private mutating func number(_ bytes: inout [UInt8], from place: Int) {
    let digits = UInt8(ascii: "0")...UInt8(ascii: "9")
    guard let start = bytes[place...].firstIndex(where: { digits.contains($0) }) else { return }
    let end = bytes[start...].firstIndex { !digits.contains($0) } ?? bytes.count
    let value: String
    switch generator.index(below: 4) {
    case 0: value = "\(generator.index(below: 5))"
    case 1: value = "\(generator.index(below: 1 << 40))"
    case 2: value = "-\(generator.index(below: 300))"
    default: value = "\(generator.uniform(-500...500))"
    }
    bytes.replaceSubrange(start..<end, with: Array(value.utf8))
  }

  mutating func bytes(_ bytes: [UInt8]) -> [UInt8] {
    var result = bytes
    for _ in 0...generator.index(below: 4) where !result.isEmpty {
      let place = generator.index(below: result.count)
      switch generator.index(below: 4) {
      case 0: result[place] = UInt8(generator.index(below: 256))
      case 1: result[place] ^= 1 << UInt8(generator.index(below: 8))
      case 2: result.removeSubrange(place..<min(result.count, place + generator.index(below: 9)))
      default: result.removeSubrange(place...)
      }
    }
    return result
  }
}

@Suite struct MaskFuzzTests {
  /// A small file with polygons, runs, text, a crowd and detections.
  private func source() throws -> [UInt8] {
    let data = try InstanceData(
      ShapesScenes(
        seed: 1, size: PixelSize(width: 24, height: 20), kinds: [.circle, .ring, .cross]),
      count: 3)
    var document = data.coco(form: .polygons)
    for index in document.annotations.indices where index % 3 == 1 {
      let picture = try #require(
        document.pictures.first { $0.id == document.annotations[index].pictureID })
      let mask = try #require(document.annotations[index].segmentation).mask(picture.size)
      document.annotations[index].segmentation = .runs(
        mask.counts.map(Int.init), height: mask.height, width: mask.width)
      document.annotations[index].isCrowd = true
    }
    return [UInt8](document.json(description: "fuzz"))
  }

  @Test func mutatedFilesOfObjectsAreRefusedInOneLine() throws {
    let bytes = try source()
    var mutator = Mutator(generator: RandomGenerator(seed: 77))
    var (read, refused) = (0, 0)
    for round in 0..<4000 {
      let mutated = mutator.text(bytes)
      do {
        let document = try COCODocument(json: mutated, name: "f")
        let objects = try document.objects(file: "f")
        read += 1
        // What is read can be written, and is then the same.
        if round % 8 == 0 {
          let again = try COCODocument(
            json: [UInt8](document.json(description: "")), name: "again")
          #expect(try again.objects(file: "again") == objects, "round \(round)")
        }
      } catch {
        refused += 1
        #expect(error.description.hasPrefix("f: "), "round \(round): \(error)")
        #expect(!error.description.contains("\n"), "round \(round)")
        #expect(error.description.utf8.count < 400, "round \(round)")
      }
    }
    #expect(read > 100 && refused > 1000, "\(read) read, \(refused) refused")
  }

  @Test func mutatedMaskFilesAreRefusedInOneLine() throws {
    try withScratchFolder { folder in
      let size = PixelSize(width: 24, height: 20)
      let scene = try ShapesScenes(seed: 2, size: size).scene(0)
      let numbers = try InstanceLabels(scene.objects.map { EncodedObject($0) }, size: size)
      let palette = try ShapesScenes(seed: 2, size: size).palette
      let sources = try [
        ImageFile.encodePNG(numbers.image), ImageFile.encodePNG(scene.labels.indexed(palette)),
      ].map { [UInt8]($0) }
      for name in ["images", "labels"] {
        try FileManager.default.createDirectory(
          at: folder.appendingPathComponent(name), withIntermediateDirectories: true)
      }
      try ImageFile.write(scene.picture, to: folder.appendingPathComponent("images/a.png"))
      let file = folder.appendingPathComponent("labels/a.png")
      var mutator = Mutator(generator: RandomGenerator(seed: 78))
      var (read, refused) = (0, 0)
      for round in 0..<1000 {
        try Data(mutator.bytes(sources[round % 2])).write(to: file)
        do {
          let data = try InstanceData(labelFolder: folder)
          #expect(data.items[0].objects.allSatisfy { $0.mask.size == size })
          read += 1
        } catch {
          refused += 1
          #expect(error is DatasetError)
          #expect("\(error)".contains("a.png"), "round \(round): \(error)")
          #expect(!"\(error)".contains("\n"), "round \(round)")
        }
      }
      #expect(read > 5 && refused > 500, "\(read) read, \(refused) refused")
    }
  }

  @Test func mutatedTextsOfRunsAreRefused() throws {
    var generator = RandomGenerator(seed: 79)
    for _ in 0..<20_000 {
      var text = Array(RunLengthMask(randomMask(9, 7, using: &generator)).text.utf8)
      let place = generator.index(below: text.count)
      text[place] = UInt8(40 + generator.index(below: 80))
      let mask = try? RunLengthMask(
        width: 9, height: 7, text: String(decoding: text, as: UTF8.self))
      if let mask { #expect(mask.mask.area == mask.area) }
    }
  }
}
