// The kind and the size of a picture by its first bytes, before anything is decoded.

import Foundation

/// What the head of a picture file says.
package struct PictureHeader: Sendable, Equatable {
  /// The usual ending of such files.
  package var ending: String
  package var width: Int
  package var height: Int

  package init(ending: String, width: Int, height: Int) {
    self.ending = ending
    self.width = width
    self.height = height
  }

  /// How many bytes of a file are looked at.
  package static let length = 256 << 10

  /// Reads a PNG's, JPEG's, WebP's or TIFF's head; nil for what is none of them or too short.
  package init?(_ bytes: [UInt8]) {
    if let header = Self.png(bytes) ?? Self.jpeg(bytes) ?? Self.webp(bytes) ?? Self.tiff(bytes),
      header.width > 0, header.height > 0
    {
      self = header
    } else {
      return nil
    }
  }

  private static func big(_ bytes: [UInt8], _ at: Int, _ count: Int) -> Int {
    bytes[at..<at + count].reduce(0) { $0 << 8 | Int($1) }
  }

  private static func little(_ bytes: [UInt8], _ at: Int, _ count: Int) -> Int {
    bytes[at..<at + count].reversed().reduce(0) { $0 << 8 | Int($1) }
  }

  private static func png(_ bytes: [UInt8]) -> Self? {
    let mark: [UInt8] = [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A]
    guard bytes.count >= 24, bytes.starts(with: mark), bytes[12..<16].elementsEqual("IHDR".utf8)
    else { return nil }
    return Self(ending: "png", width: big(bytes, 16, 4), height: big(bytes, 20, 4))
  }

  private static func jpeg(_ bytes: [UInt8]) -> Self? {
    guard bytes.count > 4, bytes[0] == 0xFF, bytes[1] == 0xD8 else { return nil }
    var at = 2
    while at + 9 < bytes.count {
      guard bytes[at] == 0xFF else { return nil }
      let marker = bytes[at + 1]
      if marker == 0xFF {
        at += 1
        continue
      }
      if marker == 0x01 || (0xD0...0xD8).contains(marker) {
        at += 2
        continue
      }
      if (0xC0...0xCF).contains(marker), ![0xC4, 0xC8, 0xCC].contains(marker) {
        return Self(ending: "jpg", width: big(bytes, at + 7, 2), height: big(bytes, at + 5, 2))
      }
      let length = big(bytes, at + 2, 2)
      guard length >= 2, marker != 0xD9, marker != 0xDA else { return nil }
      at += 2 + length
    }
    return nil
  }

  private static func webp(_ bytes: [UInt8]) -> Self? {
    guard bytes.count >= 30, bytes.starts(with: Array("RIFF".utf8)),
      bytes[8..<12].elementsEqual("WEBP".utf8)
    else { return nil }
    switch String(decoding: bytes[12..<16], as: UTF8.self) {
    case "VP8X":
      return Self(
        ending: "webp", width: little(bytes, 24, 3) + 1, height: little(bytes, 27, 3) + 1)
    case "VP8L":
      let word = little(bytes, 21, 4)
      return Self(ending: "webp", width: word & 0x3FFF + 1, height: word >> 14 & 0x3FFF + 1)
    case "VP8 ":
      return Self(
        ending: "webp", width: little(bytes, 26, 2) & 0x3FFF, height: little(bytes, 28, 2) & 0x3FFF)
    default: return nil
    }
  }

  private static func tiff(_ bytes: [UInt8]) -> Self? {
    guard bytes.count >= 8 else { return nil }
    let isLittle = bytes[0] == 0x49 && bytes[1] == 0x49 && bytes[2] == 42 && bytes[3] == 0
    let isBig = bytes[0] == 0x4D && bytes[1] == 0x4D && bytes[2] == 0 && bytes[3] == 42
    guard isLittle || isBig else { return nil }
    let read = isLittle ? little : big
    let directory = read(bytes, 4, 4)
    // A directory at the file's end is usual, and is beyond what is looked at: the tool judges it.
    guard directory + 2 <= bytes.count else { return Self(ending: "tiff", width: 1, height: 1) }
    var size = (width: 1, height: 1)
    for entry in 0..<read(bytes, directory, 2) {
      let at = directory + 2 + entry * 12
      guard at + 12 <= bytes.count else { break }
      let value = read(bytes, at + 8, read(bytes, at + 2, 2) == 3 ? 2 : 4)
      switch read(bytes, at, 2) {
      case 256: size.width = value
      case 257: size.height = value
      default: break
      }
    }
    return Self(ending: "tiff", width: size.width, height: size.height)
  }
}
