// What goes with a picture in a PNG: chunks read and written.

import CImageCodecs
import Foundation

/// The chunks of a PNG that go with its picture.
enum PNGMetadata {
  /// Chunks that are kept as they are: colour, scale, texts.
  private static let kept: Set<String> = [
    "gAMA", "cHRM", "sRGB", "cICP", "mDCV", "mDCv", "cLLI", "cLLi", "oFFs", "pCAL", "sCAL", "bKGD",
    "tEXt", "zTXt", "iTXt",
  ]
  /// No profile is larger.
  private static let mostProfile = 64 << 20
  /// All deflated texts of a file together are no longer; what is beyond is kept as it stands.
  private static let mostText = 16 << 20

  /// What the chunks say; throws for want of memory, which no chunk is to be lost for.
  static func read(
    _ reader: OpaquePointer, name file: String, keepsBackground: Bool
  ) throws(ImageError) -> ImageMetadata {
    var metadata = ImageMetadata()
    var index: Int32 = 0
    var room = mostText
    while true {
      var name = [CChar](repeating: 0, count: 5)
      var bytes: UnsafePointer<UInt8>?
      var count = 0
      let status = ci_reader_chunk(reader, index, &name, &bytes, &count)
      index += 1
      if status == CI_UNSUPPORTED { break }
      guard status != CI_NO_MEMORY else {
        throw ImageError(
          .noMemory, name: file, expected: "memory for what goes with the picture",
          received: "none")
      }
      guard status == CI_OK, let bytes else { continue }
      let text = String(decoding: name.prefix(4).map { UInt8(bitPattern: $0) }, as: UTF8.self)
      let chunk = ImageMetadata.Chunk(name: text, data: Data(bytes: bytes, count: count))
      take(chunk, &metadata, keepsBackground, &room)
    }
    metadata.orientation = metadata.exif.map { ExifBlock($0).orientation } ?? .upright
    return metadata
  }

  private static func take(
    _ chunk: ImageMetadata.Chunk, _ metadata: inout ImageMetadata, _ keepsBackground: Bool,
    _ room: inout Int
  ) {
    let bytes = [UInt8](chunk.data)
    switch chunk.name {
    case "eXIf": metadata.exif = ExifBlock(chunk.data).data
    case "iCCP":
      guard let end = bytes.firstIndex(of: 0), end + 2 <= bytes.count else { return }
      metadata.profile = inflated(chunk.data.dropFirst(end + 2))
    case "pHYs":
      guard bytes.count == 9 else { return }
      func long(_ start: Int) -> Double {
        Double(bytes[start..<start + 4].reduce(0) { $0 << 8 | Int($1) })
      }
      metadata.resolution = .init(x: long(0), y: long(4), unit: bytes[8] == 1 ? .meter : .none)
    case "bKGD" where !keepsBackground: return
    case "acTL": metadata.dropped.append("all but the first picture of the animation")
    case "caBX": metadata.dropped.append("content credentials, which vouch for the file as it was")
    case _ where chunk.isText && takeText(chunk, &metadata, &room): return
    case _ where kept.contains(chunk.name): metadata.chunks.append(chunk)
    default: return
    }
  }

  /// Takes what stands in a text and has a place of its own: XMP, and Exif as hexadecimal digits.
  private static func takeText(
    _ chunk: ImageMetadata.Chunk, _ metadata: inout ImageMetadata, _ room: inout Int
  ) -> Bool {
    guard let (key, value) = text(chunk, &room) else { return false }
    switch key {
    case ImageWriteOptions.xmpKey:
      metadata.xmp = Data(value.utf8)
      return true
    case "Raw profile type exif", "Raw profile type APP1":
      guard let data = hexadecimal(value), data.prefix(4).elementsEqual("Exif".utf8) else {
        return false
      }
      if metadata.exif == nil { metadata.exif = ExifBlock(data).data }
      return true
    default:
      metadata.texts[key] = value
      return false
    }
  }

  /// The bytes of a profile that ImageMagick writes as a text: a name, a count, hexadecimal digits.
  private static func hexadecimal(_ text: String) -> Data? {
    let lines = text.split(separator: "\n", omittingEmptySubsequences: true)
    guard lines.count >= 3, let count = Int(lines[1].trimmingCharacters(in: .whitespaces)) else {
      return nil
    }
    let digits = lines.dropFirst(2).joined().utf8.compactMap { Character(.init($0)).hexDigitValue }
    guard digits.count == 2 * count else { return nil }
    return Data((0..<count).map { UInt8(digits[2 * $0] << 4 | digits[2 * $0 + 1]) })
  }

  private static func latin(_ bytes: some Sequence<UInt8>) -> String {
    var scalars = String.UnicodeScalarView()
    scalars.append(contentsOf: bytes.map { Unicode.Scalar($0) })
    return String(scalars)
  }

  /// The key of a text chunk.
  private static func key(_ chunk: ImageMetadata.Chunk) -> String? {
    chunk.data.firstIndex(of: 0).map { latin(chunk.data[..<$0]) }
  }

  /// The key and the value of a text chunk, which takes its room.
  private static func text(
    _ chunk: ImageMetadata.Chunk, _ room: inout Int
  ) -> (key: String, value: String)? {
    let bytes = [UInt8](chunk.data)
    guard let end = bytes.firstIndex(of: 0) else { return nil }
    func opened(_ data: Data) -> Data? {
      guard room > 0 else { return nil }
      let text = inflated(data, most: room)
      // A text that does not end in the room has cost as much.
      room -= text?.count ?? room
      return text
    }
    let key = latin(bytes[..<end])
    let rest = bytes[(end + 1)...]
    switch chunk.name {
    case "tEXt": return (key, latin(rest))
    case "zTXt":
      return opened(Data(rest.dropFirst())).map { (key, latin($0)) }
    default:
      guard rest.count >= 4 else { return nil }
      let isDeflated = rest[rest.startIndex] == 1
      let parts = rest.dropFirst(2).split(
        separator: 0, maxSplits: 2, omittingEmptySubsequences: false)
      guard parts.count == 3 else { return nil }
      let value = isDeflated ? opened(Data(parts[2])) : Data(parts[2])
      return value.map { (key, String(decoding: $0, as: UTF8.self)) }
    }
  }

  private static func inflated(_ data: Data, most: Int = mostProfile) -> Data? {
    let data = Data(data)
    var out: UnsafeMutablePointer<UInt8>?
    var count = 0
    let status = data.withUnsafeBytes {
      ci_inflate(
        $0.baseAddress?.assumingMemoryBound(to: UInt8.self), $0.count, most, &out, &count)
    }
    guard status == CI_OK, let out else { return nil }
    defer { ci_free(out) }
    return Data(bytes: out, count: count)
  }

  private static func deflated(_ data: Data) -> Data? {
    var out: UnsafeMutablePointer<UInt8>?
    var count = 0
    let status = data.withUnsafeBytes {
      ci_deflate($0.baseAddress?.assumingMemoryBound(to: UInt8.self), $0.count, &out, &count)
    }
    guard status == CI_OK, let out else { return nil }
    defer { ci_free(out) }
    return Data(bytes: out, count: count)
  }

  /// The chunks to write for metadata, but for texts whose keys are written otherwise.
  static func chunks(_ metadata: ImageMetadata, without keys: Set<String>) -> [ImageMetadata.Chunk]
  {
    var result: [ImageMetadata.Chunk] = []
    func append(_ name: String, _ bytes: some Sequence<UInt8>) {
      result.append(.init(name: name, data: Data(bytes)))
    }
    let big = TagWriter(isBigEndian: true)
    if let profile = metadata.profile, let packed = deflated(profile) {
      append("iCCP", Array("ICC profile".utf8) + [0, 0] + packed)
    }
    // A profile overrules these, and must not stand beside the chunk that says sRGB.
    let colors = metadata.chunks.filter { !$0.isText }
    result += colors.filter { metadata.profile == nil || $0.name != "sRGB" }
    if let resolution = metadata.resolution?.counted(along: .meter) {
      let numbers = [resolution.x, resolution.y].map {
        Int(min(max(0, $0.rounded()), 2_147_483_647))
      }
      append(
        "pHYs",
        numbers.flatMap { big.number($0, bytes: 4) } + [resolution.unit == .none ? 0 : 1])
    }
    if let exif = metadata.exif { append("eXIf", exif) }
    if let xmp = metadata.xmp, !keys.contains(ImageWriteOptions.xmpKey) {
      append("iTXt", Array(ImageWriteOptions.xmpKey.utf8) + [0, 0, 0, 0, 0] + xmp)
    }
    let stored = metadata.chunks.filter(\.isText)
    result += stored.filter { chunk in key(chunk).map { !keys.contains($0) } ?? true }
    let known = Set(stored.compactMap { key($0) }).union(keys)
    for (key, value) in metadata.texts.sorted(by: { $0.key < $1.key }) where !known.contains(key) {
      guard 1...79 ~= key.utf8.count, key.utf8.allSatisfy({ 32...126 ~= $0 }) else { continue }
      append("iTXt", Array(key.utf8) + [0, 0, 0, 0, 0] + Array(value.utf8).filter { $0 != 0 })
    }
    return result
  }
}
