// Pictures with masks: lists of classes, palette, gray and colour masks, layouts, and what is
// refused, by the name of the file.

import AtelierDatasets
import AtelierEngine
import AtelierImages
import Foundation
import Testing

/// A folder of its own under the temporary directory, removed at the end.
struct MaskShelf: ~Copyable {
  let url: URL

  init() throws {
    url = FileManager.default.temporaryDirectory
      .appendingPathComponent("atelier-masks-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
  }

  deinit { try? FileManager.default.removeItem(at: url) }

  /// The place of a file, its folder made.
  func path(_ name: String) throws -> URL {
    let file = url.appendingPathComponent(name)
    try FileManager.default.createDirectory(
      at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
    return file
  }

  func text(_ name: String, _ text: String) throws {
    try Data(text.utf8).write(to: try path(name))
  }

  /// A colour picture of 4×3.
  func picture(_ name: String, width: Int = 4, height: Int = 3) throws {
    try ImageFile.write(
      ByteImage(width: width, height: height, channels: 3) { samples in
        for index in samples.indices { samples[index] = UInt8(index * 5 % 251) }
      }, to: try path(name))
  }

  /// A gray PNG of labels, 4 wide.
  func gray(_ name: String, _ labels: [UInt8], width: Int = 4) throws {
    try ImageFile.write(
      ByteImage(width: width, height: labels.count / width, channels: 1, samples: labels),
      to: try path(name))
  }

  /// The line of the error that `body` throws, without this folder's path; nil when it throws none.
  func line(_ body: () throws -> Void) -> String? {
    do {
      try body()
      return nil
    } catch {
      return "\(error)".replacingOccurrences(of: url.path + "/", with: "")
        .replacingOccurrences(of: url.path, with: "DIR")
        .replacingOccurrences(of: url.relativePath, with: "DIR")
    }
  }
}

private let labels: [UInt8] = [0, 1, 2, 3, 3, 2, 1, 0, 0, 0, 1, 3]
private let list = "# remarks\n0 Sky 10 20 30\n1 Old wall 128 0 0\n2 Road 1 2 3\n3 Void 0 0 0\n"

@Suite struct ClassListTests {
  @Test func aListNamesClassesAndWhatDoesNotCount() throws {
    let shelf = try MaskShelf()
    try shelf.text("classes.txt", list)
    let classes = try ClassList(reading: shelf.path("classes.txt"))
    #expect(classes.palette.names == ["Sky", "Old wall", "Road"])
    #expect(classes.palette.entries.map(\.color) == [[10, 20, 30], [128, 0, 0], [1, 2, 3]])
    try shelf.text("plain.txt", "sky\nunlabelled\nroad\n")
    #expect(try ClassList(reading: shelf.path("plain.txt")).palette.names == ["sky", "road"])
    try shelf.text("colors.txt", "sky 9 8 7\nroad 6 5 4\n")
    #expect(
      try ClassList(reading: shelf.path("colors.txt")).palette.entries.map(\.color)
        == [[9, 8, 7], [6, 5, 4]])
  }

  @Test func colorsThatAreMadeUpAreVOCs() {
    // The first colours of PASCAL VOC's own table.
    #expect(
      (0..<6).map(ClassPalette.standardColor)
        == [[0, 0, 0], [128, 0, 0], [0, 128, 0], [128, 128, 0], [0, 0, 128], [128, 0, 128]])
    #expect(ClassPalette.standardColor(15) == [192, 128, 128])
    #expect(Set((0..<255).map(ClassPalette.standardColor)).count == 255)
  }

  @Test(arguments: [
    ("0 a 1 2 3\n0 b 4 5 6\n", "classes.txt: two classes have the index 0"),
    ("0 a 1 2 3\n1 b 1 2 3\n", "classes.txt: two classes have the colour [1, 2, 3]"),
    (
      "0 a 1 2 3\n1 a 4 5 6\n",
      "classes.txt: expected 2 to 255 classes of different names; received a, a"
    ),
    (
      "0 a 1 2 3\n1 void 4 5 6\n",
      "classes.txt: expected 2 to 255 classes of different names; received a"
    ),
    (
      "0 a 1 2 300\n1 b 4 5 6\n",
      "classes.txt: expected INDEX NAME RED GREEN BLUE with numbers of 0 to 255; received "
        + "'0 a 1 2 300'"
    ),
    ("# nothing\n", "classes.txt: expected 1 to 256 classes, one a line; received 0"),
  ])
  func aListThatMakesNoSenseIsRefused(_ text: String, _ expected: String) throws {
    let shelf = try MaskShelf()
    try shelf.text("classes.txt", text)
    let line = shelf.line { _ = try ClassList(reading: shelf.path("classes.txt")) }
    #expect(line?.hasSuffix(expected) == true, "\(line ?? "none")")
  }
}

@Suite struct MaskFileTests {
  private let size = PixelSize(width: 4, height: 3)
  private let expected: [UInt8] = [0, 1, 2, 255, 255, 2, 1, 0, 0, 0, 1, 255]

  @Test func palettesGraysAndColorsSayTheSame() throws {
    let shelf = try MaskShelf()
    try shelf.text("classes.txt", list)
    let classes = try ClassList(reading: shelf.path("classes.txt"))
    try shelf.gray("gray.png", labels)
    let indices = ByteImage(width: 4, height: 3, channels: 1, samples: labels)
    let palette = [SIMD4<UInt8>](repeating: SIMD4(9, 9, 9, 255), count: 4)
    try ImageFile.write(
      IndexedImage(indices: indices, palette: palette), to: shelf.path("palette.png").path)
    let colors: [[UInt8]] = [[10, 20, 30], [128, 0, 0], [1, 2, 3], [0, 0, 0]]
    let colored = labels.flatMap { colors[Int($0)] }
    try ImageFile.write(
      ByteImage(width: 4, height: 3, channels: 3, samples: colored), to: shelf.path("color.png"))
    for name in ["gray.png", "palette.png", "color.png"] {
      let map = try MaskFile.read(shelf.path(name).path, classes: classes, size: size)
      #expect(map.labels == expected, "\(name)")
    }
    // Without a list the stored values are the classes.
    for name in ["gray.png", "palette.png"] {
      #expect(
        try MaskFile.read(shelf.path(name).path, classes: nil, size: size).labels == labels)
    }
  }

  @Test func whatIsNoMaskIsRefusedByName() throws {
    let shelf = try MaskShelf()
    try shelf.text("classes.txt", list)
    let classes = try ClassList(reading: shelf.path("classes.txt"))
    try shelf.gray("label.png", [0, 1, 2, 3, 4, 2, 1, 0, 0, 0, 1, 3])
    try shelf.gray("small.png", [0, 1, 2, 3])
    try ImageFile.write(
      ByteImage(width: 4, height: 3, channels: 3, filledWith: 77), to: shelf.path("color.png"))
    try ImageFile.write(
      ByteImage(width: 4, height: 3, channels: 3, filledWith: 77), to: shelf.path("lossy.jpg"))
    try ImageFile.write(
      WordImage(width: 4, height: 3, channels: 1), to: shelf.path("deep.png").path)
    func line(_ name: String, _ classes: ClassList?) -> String? {
      shelf.line {
        _ = try MaskFile.read(shelf.path(name).path, classes: classes, size: size)
      }
    }
    #expect(
      line("label.png", classes)
        == "label.png: the pixel at 0, 1 has label 4; there are 3 classes")
    #expect(
      line("small.png", classes)
        == "small.png: expected a mask of the picture's size 4x3; received 4x1")
    #expect(
      line("color.png", classes)
        == "color.png: the pixel at 0, 0 has the colour 77 77 77, which no class has")
    #expect(
      line("lossy.jpg", classes)
        == "lossy.jpg: expected a mask as PNG, which loses nothing; received JPEG")
    let forms =
      "expected a palette PNG, a gray PNG of at most 8 bits, or colours with a classes.txt that "
      + "explains them; received"
    #expect(line("deep.png", classes) == "deep.png: \(forms) 1 channels of 16 bits")
    #expect(
      line("color.png", nil) == "color.png: \(forms) 3 channels of 8 bits and no classes.txt")
    #expect(
      line("none.png", nil)
        == "not usable as a mask: none.png: expected a readable file, received No such file or "
        + "directory")
  }

  /// 5,000 files that were masks once: none may do more than be refused or read.
  @Test func mutatedMasksNeverCrash() throws {
    let shelf = try MaskShelf()
    try shelf.text("classes.txt", list)
    let classes = try ClassList(reading: shelf.path("classes.txt"))
    try shelf.gray("gray.png", labels)
    let indices = ByteImage(width: 4, height: 3, channels: 1, samples: labels)
    let palette = [SIMD4<UInt8>](repeating: SIMD4(9, 9, 9, 255), count: 4)
    try ImageFile.write(
      IndexedImage(indices: indices, palette: palette), to: shelf.path("palette.png").path)
    try shelf.picture("color.png")
    let files = try ["gray.png", "palette.png", "color.png"].map {
      try [UInt8](Data(contentsOf: shelf.path($0)))
    }
    let place = try shelf.path("mutated.png")
    var generator = RandomGenerator(seed: 5)
    var (read, refused) = (0, 0)
    for round in 0..<5000 {
      var bytes = files[round % 3]
      switch generator.index(below: 4) {
      case 0: bytes.removeLast(generator.index(below: bytes.count))
      case 1: bytes.removeSubrange(8..<8 + generator.index(below: bytes.count - 8))
      default: break
      }
      for _ in 0..<1 + generator.index(below: 4) where !bytes.isEmpty {
        bytes[generator.index(below: bytes.count)] = UInt8(generator.index(below: 256))
      }
      // Checksums of chunks would refuse nearly everything: half of the files get right ones.
      if generator.index(below: 2) == 0 { Self.repairChecksums(&bytes) }
      try Data(bytes).write(to: place)
      do throws(DatasetError) {
        let map = try MaskFile.read(
          place.path, classes: round % 2 == 0 ? classes : nil, size: size)
        #expect(map.size == size)
        read += 1
      } catch {
        #expect(!error.description.contains("\n"))
        refused += 1
      }
    }
    #expect(read > 50 && refused > 1000, "\(read) read, \(refused) refused")
  }

  /// Writes the right checksum behind each chunk of a PNG, as far as its lengths make sense.
  private static func repairChecksums(_ bytes: inout [UInt8]) {
    var start = 8
    while start + 12 <= bytes.count {
      let length = bytes[start..<start + 4].reduce(0) { $0 << 8 | Int($1) }
      guard length <= bytes.count - start - 12 else { return }
      var sum: UInt32 = 0xFFFF_FFFF
      for byte in bytes[start + 4..<start + 8 + length] {
        sum ^= UInt32(byte)
        for _ in 0..<8 { sum = sum & 1 == 1 ? sum >> 1 ^ 0xEDB8_8320 : sum >> 1 }
      }
      sum ^= 0xFFFF_FFFF
      for index in 0..<4 {
        bytes[start + 8 + length + index] = UInt8(truncatingIfNeeded: sum >> (24 - 8 * index))
      }
      start += 12 + length
    }
  }
}

@Suite struct SegmentationFolderTests {
  /// A pair of picture and mask.
  private func pair(_ shelf: borrowing MaskShelf, _ images: String, _ masks: String) throws {
    try shelf.picture("\(images)/a.jpg")
    try shelf.gray("\(masks)/a.png", labels)
  }

  @Test(arguments: [
    ("train", "trainannot", "val", "valannot"),
    ("train/images", "train/masks", "val/images", "val/masks"),
    ("images/train", "labels/train", "images/val", "labels/val"),
    ("training/pictures", "training/annotations", "valid/pictures", "valid/annotations"),
  ])
  func aPartIsFound(_ images: String, _ masks: String, _ other: String, _ otherMasks: String)
    throws
  {
    let shelf = try MaskShelf()
    try pair(shelf, images, masks)
    try pair(shelf, other, otherMasks)
    try shelf.text("classes.txt", list)
    let set = try #require(try SegmentedImages.read(shelf.url, part: .training))
    #expect(set.count == 1 && set.items[0].name == "a.jpg" && set.channels == 3)
    #expect(set.palette.names == ["Sky", "Old wall", "Road"])
    #expect(set.name == "\(shelf.url.lastPathComponent) train")
    #expect(try SegmentedImages.read(shelf.url, part: .validation)?.count == 1)
    #expect(try SegmentedImages.read(shelf.url, part: .test) == nil)
  }

  @Test func aSetWithoutPartsIsTakenWhole() throws {
    let shelf = try MaskShelf()
    try pair(shelf, "images", "masks")
    for part in SegmentationPart.allCases {
      let set = try #require(try SegmentedImages.read(shelf.url, part: part, channels: 1))
      #expect(set.items[0].labels.labels == labels && set.channels == 1)
      // Nothing lists the classes: they are counted.
      #expect(set.palette.names == ["0", "1", "2", "3"])
      #expect(set.name == shelf.url.lastPathComponent)
    }
    let model = ClassPalette([
      .init(name: "x", color: [1, 1, 1]), .init(name: "y", color: [2, 2, 2]),
    ])
    #expect(
      shelf.line { _ = try SegmentedImages.read(shelf.url, part: .test, palette: model) }
        == "masks/a.png: the pixel at 2, 0 has label 2; there are 2 classes")
  }

  @Test func whatIsMissingIsNamed() throws {
    let shelf = try MaskShelf()
    #expect(
      shelf.line { _ = try SegmentedImages.read(shelf.url, part: .test) }
        == "DIR: expected train and trainannot, train/images and train/masks, or images and "
        + "masks; there are none of these folders")
    try shelf.picture("images/a.png")
    try shelf.gray("masks/b.png", labels)
    #expect(
      shelf.line { _ = try SegmentedImages.read(shelf.url, part: .test) }
        == "images/a.png: there is no mask masks/a.png")
    try shelf.gray("masks/a.png", [1, 2], width: 2)
    #expect(
      shelf.line { _ = try SegmentedImages.read(shelf.url, part: .test) }
        == "masks/a.png: expected a mask of the picture's size 4x3; received 2x1")
    try shelf.text("images/a.png", "no picture")
    #expect(
      shelf.line { _ = try SegmentedImages.read(shelf.url, part: .test) }
        == "not usable for segmentation: images/a.png: expected a PNG, JPEG, TIFF, WebP, PGM or PPM "
        + "picture, received data of another kind")
    #expect(
      shelf.line {
        _ = try SegmentedImages.read(shelf.url.appendingPathComponent("no"), part: .test)
      } == "no: expected a folder of pictures and masks")
  }

  @Test func aSetThatTakesTooMuchIsRefused() throws {
    let shelf = try MaskShelf()
    try pair(shelf, "images", "masks")
    #expect(
      shelf.line { _ = try SegmentedImages.read(shelf.url, part: .test, memoryLimit: 47) }
        == "images/a.jpg: with this picture the set takes 48 bytes and the limit is 47; use fewer "
        + "or smaller pictures")
    #expect(try SegmentedImages.read(shelf.url, part: .test, memoryLimit: 48)?.count == 1)
  }
}

@Suite struct SegmentedImagesTests {
  private let palette = ClassPalette(
    ["sky", "road", "car"].map { .init(name: $0, color: [1, 2, 3]) })

  private func set(_ maps: [[UInt8]]) throws -> SegmentedImages {
    try SegmentedImages(
      name: "set",
      items: maps.enumerated().map { index, labels in
        SegmentedImage(
          name: "\(index)", image: ByteImage(width: 4, height: 1, channels: 1),
          labels: LabelMap(width: 4, height: 1, labels: labels))
      }, palette: palette)
  }

  @Test func weightsFollowFromFrequencies() throws {
    // sky 4 of 7 that count, road 2 of the 4 of its picture, car 1 of 4.
    let statistics = try set([[0, 1, 1, 2], [0, 0, 0, 255]]).statistics
    #expect(statistics.pixels == [4, 2, 1] && statistics.surroundings == [7, 4, 4])
    #expect(statistics.weights(.none) == nil)
    #expect(statistics.weights(.medianFrequency) == [0.5 * 7 / 4, 1, 2])
    let logarithms = [4.0, 2, 1].map { Float(1 / log(1.1 + $0 / 7)) }
    #expect(statistics.weights(.inverseLogarithm) == logarithms)
    // A class that no picture shows has no weight, nor part in the median.
    let fewer = try set([[0, 1, 1, 1]]).statistics
    #expect(fewer.weights(.medianFrequency) == [2, Float(0.5 / 0.75), 0])
  }

  @Test func aLabelWithoutClassIsRefused() {
    let line = #expect(throws: DatasetError.self) { try set([[0, 1, 2, 255], [0, 0, 0, 3]]) }
    #expect(line?.description == "1: a pixel has label 3; there are 3 classes")
  }

  @Test func partsAreDrawnTheSameWay() throws {
    let all = try set((0..<10).map { [UInt8($0 % 3), 0, 0, 0] })
    let parts = try all.split(holdingOut: 3, seed: 4)
    #expect(parts.rest.count == 7 && parts.held.count == 3)
    let names = (parts.rest.items + parts.held.items).map(\.name)
    #expect(Set(names) == Set((0..<10).map(String.init)))
    #expect(try all.split(holdingOut: 3, seed: 4).held.items == parts.held.items)
    #expect(try all.split(holdingOut: 3, seed: 5).held.items != parts.held.items)
    #expect(throws: DatasetError.self) { try all.split(holdingOut: 10, seed: 1) }
  }

  @Test func classesTakeTheOrderOfAModel() throws {
    let ordered = try set([[0, 1, 2, 255]]).ordered(as: ["car", "bird", "sky", "road"])
    #expect(ordered.items[0].labels.labels == [2, 3, 0, 255])
    #expect(ordered.palette.names == ["car", "bird", "sky", "road"])
    let line = #expect(throws: DatasetError.self) {
      try set([[0, 1, 2, 255]]).ordered(as: ["sky", "road"])
    }
    #expect(
      line?.description == "set: its class 'car' is none of the model's, which are sky, road")
  }
}
