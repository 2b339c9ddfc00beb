// What goes with a picture, from file to file: Exif, XMP, profile, resolution, chunks, tags.

import AtelierImages
import Foundation
import Testing

@Suite("Metadata")
struct MetadataTests {
  /// An Exif block by hand: camera, orientation, a maker's note, sizes, and a thumbnail behind.
  static func block(orientation: Int, isBigEndian: Bool = false, isLong: Bool = false) -> Data {
    let writer = TagWriter(isBigEndian: isBigEndian)
    func number(_ value: Int, _ bytes: Int) -> [UInt8] { writer.number(value, bytes: bytes) }
    func entry(_ tag: Int, _ kind: Int, _ count: Int, _ value: [UInt8]) -> [UInt8] {
      number(tag, 2) + number(kind, 2) + number(count, 4) + value
        + [UInt8](repeating: 0, count: 4 - value.count)
    }
    let note = Array("NOTE with offsets".utf8) + [0]
    let thumbnail = [0xff, 0xd8] + [UInt8](repeating: 7, count: 98)
    let exif = 8 + 2 + 3 * 12 + 4
    let noteAt = exif + 2 + 3 * 12 + 4
    let second = noteAt + note.count
    let thumbnailAt = second + 2 + 2 * 12 + 4
    var bytes: [UInt8] = isBigEndian ? [0x4d, 0x4d, 0, 42] : [0x49, 0x49, 42, 0]
    bytes += number(8, 4) + number(3, 2) + entry(0x010f, 2, 4, Array("Cam".utf8) + [0])
    bytes +=
      isLong
      ? entry(0x0112, 4, 1, number(orientation, 4)) : entry(0x0112, 3, 1, number(orientation, 2))
    bytes += entry(0x8769, 4, 1, number(exif, 4)) + number(second, 4)
    bytes += number(3, 2) + entry(0x927c, 7, note.count, number(noteAt, 4))
    bytes += entry(0xa002, 4, 1, number(31, 4)) + entry(0xa003, 3, 1, number(23, 2)) + number(0, 4)
    bytes += note + number(2, 2) + entry(0x0201, 4, 1, number(thumbnailAt, 4))
    bytes += entry(0x0202, 4, 1, number(thumbnail.count, 4)) + number(0, 4) + thumbnail
    return Data(bytes)
  }

  /// A file of 31 by 23 pixels with all that its format holds.
  static func write(_ format: String, in folder: String, orientation: Int) throws -> String {
    let path = folder + "/source." + format
    var options = ImageWriteOptions(quality: 95, metadata: ["Title": "Caf\u{e9}"])
    var carried = ImageMetadata()
    carried.profile = Data((0..<70_000).map { UInt8(truncatingIfNeeded: $0 * $0 >> 3) })
    carried.xmp = Data("<x:xmpmeta tiff:Orientation=\"\(orientation)\"/>".utf8)
    carried.resolution = .init(x: 300, y: 150, unit: .inch)
    options.carried = carried
    try ImageFile.write(Generator(seed: 3).smoothImage(31, 23, 3), to: path, options: options)
    // The writer mends what is turned, so an orientation is put in behind its back.
    try Self.set(block(orientation: orientation), in: path)
    return path
  }

  /// Puts an Exif block into a file, or an orientation into a TIFF.
  static func set(_ exif: Data, in path: String) throws {
    let url = URL(fileURLWithPath: path)
    var data = try Data(contentsOf: url)
    switch url.pathExtension {
    case "png":
      var chunk = Data(TagWriter(isBigEndian: true).number(exif.count, bytes: 4))
      chunk += Data("eXIf".utf8) + exif
      chunk += Data(
        TagWriter(isBigEndian: true).number(Int(checksum(chunk.dropFirst(4))), bytes: 4))
      data.insert(contentsOf: chunk, at: 33)
    case "jpg":
      let size = TagWriter(isBigEndian: true).number(exif.count + 8, bytes: 2)
      data.insert(contentsOf: Data([0xff, 0xe1] + size) + Data("Exif\0\0".utf8) + exif, at: 2)
    case "webp":
      var bits = WebPContainer(data).chunks
      #expect(bits.first?.name == "VP8X")
      bits.removeAll { $0.name == "EXIF" }
      var picture = Data("WEBP".utf8)
      func add(_ name: String, _ bytes: Data) {
        picture += Data(name.utf8) + Data(TagWriter().number(bytes.count, bytes: 4)) + bytes
        if bytes.count % 2 == 1 { picture.append(0) }
      }
      for chunk in bits {
        var bytes = chunk.data
        if chunk.name == "VP8X" { bytes[bytes.startIndex] |= 8 }
        add(chunk.name, bytes)
      }
      add("EXIF", exif)
      data = Data("RIFF".utf8) + Data(TagWriter().number(picture.count, bytes: 4)) + picture
    default: return
    }
    try data.write(to: url)
  }

  private static func checksum(_ bytes: Data) -> UInt32 {
    var crc = UInt32.max
    for byte in bytes {
      crc ^= UInt32(byte)
      for _ in 0..<8 { crc = crc & 1 == 1 ? crc >> 1 ^ 0xedb8_8320 : crc >> 1 }
    }
    return ~crc
  }

  static let pairs = ["png", "jpg", "webp"].flatMap { from in
    ["png", "jpg", "webp", "tif"].map { (from, $0) }
  }

  @Test("turned, carried and mended, from format to format", arguments: pairs)
  func carried(from: String, to: String) throws {
    try Fixture.inTemporaryFolder { folder in
      let source = try Self.write(from, in: folder, orientation: 6)
      let stored = try ImageFile.attached(source)
      #expect(stored.orientation == .quarterTurn)
      #expect(try ImageFile.size(source) == PixelSize(width: 23, height: 31))
      let page = try #require(try PictureReader(source).nextPage())
      let target = folder + "/target." + to
      let writer = try PictureWriter(target, options: .init(quality: 100))
      try writer.append(page)
      try writer.finish()
      let isPlain = from == "webp" || to != "webp"
      #expect(writer.lost == (isPlain ? [] : ["texts"]))
      let again = try ImageFile.attached(target)
      #expect(again.orientation == .upright)
      #expect(try ImageFile.size(target) == PixelSize(width: 23, height: 31))
      if to == "png" || to == "tif" { #expect(try ImageFile.stored(target) == page.image) }
      #expect(again.profile == stored.profile)
      #expect(again.profile?.count == 70_000)
      #expect(again.xmp == Data("<x:xmpmeta tiff:Orientation=\"1\"/>".utf8))
      if from != "webp", to != "webp" {
        let resolution = try #require(again.resolution).counted(along: .inch)
        #expect(abs(resolution.x - 150) < 0.02 && abs(resolution.y - 300) < 0.02)
        if to != "tif" { #expect(again.texts["Title"] == "Caf\u{e9}") }
      }
      let exif = try #require(again.exif)
      let directory = try #require(ExifBlock(exif).directory)
      #expect(directory[0x010f]?.data == Array("Cam".utf8) + [0])
      let inner = try #require(directory[0x8769]?.directory)
      #expect(inner[0xa002]?.number == 23)
      #expect(inner[0xa003]?.number == 31)
      #expect(inner[0x927c]?.data.starts(with: "NOTE with offsets".utf8) == true)
    }
  }

  @Test("every orientation turns, in each format", arguments: ["png", "jpg", "webp"], 2...8)
  func everyOrientation(format: String, number: Int) throws {
    try Fixture.inTemporaryFolder { folder in
      let upright = try ImageFile.read(Self.write(format, in: folder, orientation: 1))
      let turned = try ImageFile.read(Self.write(format, in: folder, orientation: number))
      let orientation = try #require(Orientation(rawValue: number))
      #expect(turned == upright.oriented(orientation))
    }
  }

  @Test("a maker's note stays at its place, the thumbnail goes")
  func mended() throws {
    for isBigEndian in [false, true] {
      let block = Self.block(orientation: 8, isBigEndian: isBigEndian)
      let mended = ExifBlock(block).mended(size: PixelSize(width: 23, height: 31))
      let note = Data("NOTE with offsets".utf8)
      #expect(mended.range(of: note)?.lowerBound == block.range(of: note)?.lowerBound)
      #expect(mended.count == block.count - 100)
      #expect(ExifBlock(mended).orientation == .upright)
      #expect(ExifBlock(block).orientation == .quarterTurnBack)
    }
  }

  @Test("a PNG's orientation counts as short and as long", arguments: [false, true])
  func pngOrientation(isLong: Bool) throws {
    try Fixture.inTemporaryFolder { folder in
      let path = folder + "/a.png"
      let image = Generator(seed: 1).smoothImage(31, 23, 3)
      for orientation in 1...8 {
        for isBigEndian in [false, true] {
          try ImageFile.write(image, to: path)
          let block = Self.block(
            orientation: orientation, isBigEndian: isBigEndian, isLong: isLong)
          try Self.set(block, in: path)
          let turn = try #require(Orientation(rawValue: orientation))
          #expect(try ImageFile.read(path) == image.oriented(turn))
        }
      }
    }
  }

  @Test("chunks of a PNG stay as they are; what says nothing new is not missed")
  func chunks() throws {
    try Fixture.inTemporaryFolder { folder in
      var page = PicturePage(.bytes(ByteImage(width: 4, height: 4, channels: 3)))
      page.metadata.chunks = [
        .init(name: "gAMA", data: Data([0, 0, 0xd6, 0xd8])),
        .init(name: "cHRM", data: Data((0..<32).map { UInt8($0) })),
        .init(name: "tEXt", data: Data("Key\0value".utf8)),
      ]
      func write(_ name: String) throws -> (metadata: ImageMetadata, lost: [String]) {
        let writer = try PictureWriter(folder + "/" + name)
        try writer.append(page)
        try writer.finish()
        return (try ImageFile.attached(folder + "/" + name), writer.lost)
      }
      let png = try write("a.png")
      #expect(png.metadata.chunks == page.metadata.chunks)
      let jpeg = try write("a.jpg")
      #expect(jpeg.lost == ["gamma", "primaries"])
      page.metadata.chunks.append(.init(name: "sRGB", data: Data([0])))
      let plain = try write("b.jpg")
      #expect(plain.lost == [])
    }
  }

  @Test("nothing is carried where nothing is to be")
  func stripped() throws {
    try Fixture.inTemporaryFolder { folder in
      for format in ["png", "jpg", "webp", "tif"] {
        let source = try Self.write(format, in: folder, orientation: 3)
        let target = folder + "/target." + format
        let writer = try PictureWriter(target, options: .init(carried: ImageMetadata()))
        try writer.append(try #require(try PictureReader(source).nextPage()))
        try writer.finish()
        #expect(writer.lost == [])
        #expect(try ImageFile.attached(target).isEmpty)
      }
    }
  }

  @Test("tags of a TIFF that nobody knows stay, in both byte orders", arguments: [false, true])
  func tags(isWide: Bool) throws {
    try Fixture.inTemporaryFolder { folder in
      for isBigEndian in [false, true] {
        var page = PicturePage(.words(WordImage(width: 5, height: 3, channels: 1)))
        var storage = TIFFStorage()
        (storage.bits, storage.isBigEndian, storage.isWide) = (16, isBigEndian, isWide)
        page.storage = storage
        page.metadata.tags[270] = .text(270, "ImageJ=1.53\nunit=micron")
        page.metadata.tags[282] = .rational(282, 4.7)
        page.metadata.tags[283] = .rational(283, 4.7)
        page.metadata.tags[65000] = .init(tag: 65000, kind: 12, data: Array(0..<24))
        let path = folder + "/a.tif"
        let writer = try PictureWriter(path)
        for _ in 0..<3 { try writer.append(page) }
        try writer.finish()
        let reader = try PictureReader(path)
        #expect(reader.pageCount == 3)
        while let again = try reader.nextPage() {
          #expect(again.metadata.tags == page.metadata.tags)
          #expect(again.metadata.resolution?.x == 4.7)
          #expect(again.image == page.image)
        }
        let png = try PictureWriter(folder + "/a.png")
        try png.append(page)
        #expect(png.lost == ["TIFF tags 65000"])
      }
    }
  }

  @Test("damaged blocks never lead astray")
  func hostile() throws {
    var generator = Generator(seed: 9)
    for round in 0..<20000 {
      var block = Self.block(orientation: 6, isBigEndian: round % 2 == 0)
      for _ in 0..<Int.random(in: 1...5, using: &generator) {
        let place = Int.random(in: 0..<block.count, using: &generator)
        block[place] = UInt8.random(in: 0 ... .max, using: &generator)
      }
      if round % 5 == 0 { block = block.prefix(Int.random(in: 0..<block.count, using: &generator)) }
      let mended = ExifBlock(block).mended(size: PixelSize(width: 5, height: 4))
      #expect(mended.count <= block.count)
      _ = ExifBlock(block).directory
      _ = PhotoshopResources.withoutThumbnails(Data("8BIM".utf8) + block)
    }
  }
}
