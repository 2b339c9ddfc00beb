// Files of many kinds against tifffile and Pillow, and what is written again of them.

import AtelierImages
import Foundation
import Testing

/// A file of `Tests/Fixtures/files` as its script lists it.
struct ListedFile: Decodable, Sendable, CustomTestStringConvertible {
  let name: String
  let kind: String
  let width: Int
  let height: Int
  let channels: Int
  let pages: Int
  let planes: Int

  var testDescription: String { name }
  var path: String { Self.folder.appendingPathComponent(name).path }

  static let folder = Fixture.folder.deletingLastPathComponent().appendingPathComponent("files")
  static let all: [ListedFile] =
    (try? JSONDecoder().decode(
      [ListedFile].self, from: Data(contentsOf: folder.appendingPathComponent("files.json")))) ?? []

  /// The expected pictures, page by page, each followed by its planes.
  func expected() throws -> [StoredImage] {
    let raw = try Data(contentsOf: Self.folder.appendingPathComponent(name + ".raw"))
    var place = raw.startIndex
    return (0..<pages * (1 + planes)).map { index in
      let channels = index % (1 + planes) == 0 ? channels : 1
      func image<Sample: ImageSample & BitwiseCopyable>(_ kind: Sample.Type) -> Image<Sample> {
        let count = width * height * channels
        let bytes = count * MemoryLayout<Sample>.stride
        defer { place += bytes }
        return raw[place..<place + bytes].withUnsafeBytes { source in
          Image(width: width, height: height, channels: channels) { target in
            for index in 0..<count {
              target[index] = source.loadUnaligned(
                fromByteOffset: index * MemoryLayout<Sample>.stride, as: Sample.self)
            }
          }
        }
      }
      return switch kind {
      case "bytes": .bytes(image(UInt8.self))
      case "words": .words(image(UInt16.self))
      default: .floats(image(Float.self))
      }
    }
  }
}

/// All pages of a file.
func pages(of path: String) throws -> (pages: [PicturePage], reader: PictureReader) {
  let reader = try PictureReader(path)
  var pages: [PicturePage] = []
  while let page = try reader.nextPage() { pages.append(page) }
  return (pages, reader)
}

@Suite("File kinds")
struct FileKindsTests {
  @Test("the list of fixtures is there")
  func list() {
    let counts = [".tif": 32, ".webp": 7, ".png": 52, ".jpg": 10]
    for (ending, count) in counts {
      #expect(ListedFile.all.count { $0.name.hasSuffix(ending) } == count, "\(ending)")
    }
  }

  @Test("read as tifffile and Pillow read it", arguments: ListedFile.all)
  func reading(file: ListedFile) throws {
    let (pages, reader) = try pages(of: file.path)
    #expect(reader.pageCount == file.pages)
    #expect(pages.flatMap { [$0.image] + $0.planes } == (try file.expected()))
    let information = try ImageFile.information(file.path)
    #expect(information.size == PixelSize(width: file.width, height: file.height))
    #expect(information.channels == file.channels)
  }

  @Test("in memory as from a file", arguments: ListedFile.all)
  func memory(file: ListedFile) throws {
    let data = try Data(contentsOf: URL(fileURLWithPath: file.path))
    #expect(try ImageFile.decode(data, name: file.name) == ImageFile.read(file.path))
  }

  @Test("written again it has the same pages, type and compression", arguments: ListedFile.all)
  func writing(file: ListedFile) throws {
    // Lossy kinds come back near, which other tests look at.
    guard file.name.hasSuffix(".tif"), file.name != "jpeg.tif" else { return }
    try Fixture.inTemporaryFolder { folder in
      let (former, _) = try pages(of: file.path)
      let path = folder + "/again.tif"
      let writer = try PictureWriter(path)
      for page in former { try writer.append(page) }
      try writer.finish()
      #expect(writer.lost == [])
      let (again, reader) = try pages(of: path)
      #expect(reader.pageCount == file.pages)
      for (page, other) in zip(former, again) {
        #expect(page.planes == other.planes)
        // Where samples were widened, libtiff chose the strips.
        var storage = other.storage
        if page.storage?.stripRows == nil { storage?.stripRows = nil }
        #expect(page.storage == storage)
        #expect(page.image == other.image)
        #expect(page.metadata.resolution == other.metadata.resolution)
        #expect(page.metadata.upright(page.image.size) == other.metadata.upright(page.image.size))
      }
    }
  }

  @Test(
    "the samples of a stack without compression stand one behind the other, as ImageJ reads them")
  func contiguous() throws {
    try Fixture.inTemporaryFolder { folder in
      let path = folder + "/stack.tif"
      let (former, _) = try pages(of: ListedFile.folder.path + "/imagej.tif")
      let writer = try PictureWriter(path)
      for page in former { try writer.append(page) }
      try writer.finish()
      let data = try Data(contentsOf: URL(fileURLWithPath: path))
      let samples = try Data(
        contentsOf: ListedFile.folder.appendingPathComponent("imagej.tif.raw"))
      #expect(data.prefix(2) == Data("II".utf8))
      #expect(data.dropFirst(8).prefix(samples.count) == samples)
    }
  }

  @Test("a page of JPEG comes back as one")
  func jpegInside() throws {
    try Fixture.inTemporaryFolder { folder in
      let path = folder + "/again.tif"
      let page = try #require(
        try PictureReader(ListedFile.folder.path + "/jpeg.tif").nextPage())
      let writer = try PictureWriter(path, options: .init(quality: 95))
      try writer.append(page)
      try writer.finish()
      let again = try #require(try PictureReader(path).nextPage())
      #expect(again.storage?.compression == 7)
      #expect(try Metrics.psnr(page.image.bytes, again.image.bytes) > 34)
    }
  }

  @Test("WebP keeps alpha bit for bit, and all without loss at quality 100")
  func webp() throws {
    try Fixture.inTemporaryFolder { folder in
      var generator = Generator(seed: 4)
      for (channels, quality) in [(3, 100), (4, 100), (4, 80), (1, 100)] {
        let image =
          quality == 100
          ? generator.image(31, 23, channels) : generator.smoothImage(31, 23, channels)
        let path = folder + "/a.webp"
        try ImageFile.write(image, to: path, options: .init(quality: quality))
        let again = try ImageFile.read(path)
        if quality == 100 { #expect(again == image.withChannels(channels == 1 ? 3 : channels)) }
        if channels == 4 { #expect(again.channel(3) == image.channel(3)) }
        #expect(try ImageFile.information(path).isLossless == (quality == 100))
      }
    }
  }

  @Test("numbers outside [0, 1] are shown in their range")
  func shown() throws {
    let image = FloatImage(width: 3, height: 1, channels: 1, samples: [-100, .nan, 300])
    #expect(image.shownRange == -100...300)
    #expect(StoredImage.floats(image).bytes.samples == [0, 0, 255])
    let usual = FloatImage(width: 2, height: 1, channels: 1, samples: [0.25, 0.5])
    #expect(StoredImage.floats(usual).bytes.samples == [64, 128])
    let back = image.shown.rescaled(from: 0...1, to: image.shownRange)
    #expect(back.samples[0] == -100 && back.samples[2] == 300)
  }

  @Test("one page is all that other formats take")
  func onePage() throws {
    try Fixture.inTemporaryFolder { folder in
      let writer = try PictureWriter(folder + "/a.png")
      let page = PicturePage(.bytes(ByteImage(width: 2, height: 2, channels: 1)))
      try writer.append(page)
      let error = #expect(throws: ImageError.self) { try writer.append(page) }
      #expect(
        error?.description
          == "\(folder)/a.png: expected one page; a .tif holds several, received more")
    }
  }
}

@Suite("Damaged TIFF and WebP files")
struct FileDamageTests {
  @Test("cut anywhere it is refused or still whole", arguments: ["rgb8-lzw.tif", "lossless.webp"])
  func cut(name: String) throws {
    let file = try #require(ListedFile.all.first { $0.name == name })
    let data = try Data(contentsOf: URL(fileURLWithPath: file.path))
    let whole = try ImageFile.decode(data, name: name)
    var refused = 0
    for length in 0..<data.count {
      do {
        let image = try ImageFile.decode(data.prefix(length), name: name)
        #expect(image == whole, "\(name) cut at \(length)")
      } catch is ImageError {
        refused += 1
      }
    }
    #expect(refused > data.count * 9 / 10)
  }

  @Test("pages that lead in a circle are refused")
  func circle() throws {
    let file = try #require(ListedFile.all.first { $0.name == "gray8.tif" })
    var data = [UInt8](try Data(contentsOf: URL(fileURLWithPath: file.path)))
    let first = Int(data[4]) | Int(data[5]) << 8
    let count = Int(data[first]) | Int(data[first + 1]) << 8
    data.replaceSubrange(first + 2 + 12 * count..<first + 6 + 12 * count, with: data[4..<8])
    let error = #expect(throws: ImageError.self) {
      try ImageFile.decode(Data(data), name: "circle.tif")
    }
    #expect(
      error?.description
        == "circle.tif: expected a whole TIFF, received pages that lead in a circle")
  }

  @Test("30000 mutated TIFF and WebP files: read or refused, in little memory")
  func mutated() throws {
    var generator = Generator(seed: 16)
    let files = ListedFile.all.filter {
      $0.name.hasSuffix(".tif") || $0.name.hasSuffix(".webp")
    }
    let rounds = 30000 / files.count + 1
    var (decoded, refused) = (0, 0)
    for file in files {
      let data = [UInt8](try Data(contentsOf: URL(fileURLWithPath: file.path)))
      for _ in 0..<rounds {
        let mutated = mutate(data, &generator)
        do {
          let image = try ImageFile.decode(Data(mutated), name: file.name)
          #expect(image.samples.count == image.width * image.height * image.channels)
          decoded += 1
        } catch let error as ImageError {
          #expect(error.name == file.name)
          #expect(!error.description.contains("\n"))
          refused += 1
        }
      }
    }
    #expect(decoded + refused >= 30000)
    #expect(refused > 6000)
    #expect(decoded > 1000)
    // A sanitizer keeps what was freed, and the system counts what tests of other modules hold.
    #if !SANITIZED
    let isAmongItsOwn = CommandLine.arguments.contains {
      $0.contains("FileKindsTests") || $0.contains("ImagesTests")
    }
    if isAmongItsOwn { #expect(mostMemory() < 512 << 20) }
    #endif
  }

  /// The most memory that this process has held, in bytes; 0 where the system does not say.
  private func mostMemory() -> Int {
    guard let status = try? String(contentsOfFile: "/proc/self/status", encoding: .utf8),
      let line = status.split(separator: "\n").first(where: { $0.hasPrefix("VmHWM:") }),
      let kilobytes = line.split(separator: " ").dropFirst().first.flatMap({ Int($0) })
    else { return 0 }
    return kilobytes << 10
  }

  private func mutate(_ data: [UInt8], _ generator: inout Generator) -> [UInt8] {
    var result = data
    switch Int.random(in: 0..<6, using: &generator) {
    case 0:
      for _ in 0..<Int.random(in: 1...8, using: &generator) {
        let place = Int.random(in: 0..<result.count, using: &generator)
        result[place] = UInt8.random(in: 0 ... .max, using: &generator)
      }
    case 1: result.removeLast(Int.random(in: 0..<result.count, using: &generator))
    case 2:
      // Headers stand at the beginning of a WebP and mostly at the end of a TIFF.
      let isFirst = Bool.random(using: &generator)
      let place = Int.random(in: 0..<min(200, result.count), using: &generator)
      let at = isFirst ? place : result.count - 1 - place
      result[at] = [0, 1, 0x7f, 0x80, 0xff].randomElement(using: &generator) ?? 0
    case 3:
      let start = Int.random(in: 0..<result.count, using: &generator)
      let end = min(result.count, start + Int.random(in: 1...32, using: &generator))
      result.removeSubrange(start..<end)
    case 4:
      let start = Int.random(in: 0..<result.count, using: &generator)
      let end = min(result.count, start + Int.random(in: 1...64, using: &generator))
      result.insert(contentsOf: result[start..<end], at: start)
    default:
      // A number of four bytes made large.
      let place = Int.random(in: 0..<max(1, result.count - 4), using: &generator)
      for index in place..<min(place + 4, result.count) {
        result[index] = [0xff, 0x7f, 0x3f, 0].randomElement(using: &generator) ?? 0
      }
    }
    return result
  }
}
