// Exif blocks: which way up the camera was held, and what is mended in them when a picture is written.

import Foundation

/// A block of Exif data: a TIFF structure as it stands behind "Exif\0\0" in a JPEG.
///
/// A block is mended in place and never laid out anew: makers' notes hold offsets of their own.
package struct ExifBlock {
  private(set) var data: Data

  /// Takes a block, with or without the letters `Exif` in front.
  package init(_ data: Data) {
    let start = Array("Exif\0\0".utf8)
    let isMarked = data.count >= 6 && data.prefix(6).elementsEqual(start)
    self.data = Data(isMarked ? data.dropFirst(6) : data)
  }

  /// The orientation tag of the first directory, a short or a long number; upright without one or
  /// when damaged.
  package var orientation: Orientation {
    data.withUnsafeBytes { bytes in
      guard let reader = TagReader(TagSource(bytes)), let table = reader.table(at: reader.first),
        let place = table.places.first(where: { $0.tag == 0x0112 }),
        let value = Self.number(place, reader)
      else { return .upright }
      return Orientation(rawValue: value) ?? .upright
    }
  }

  /// The first value of an entry as a whole number.
  private static func number(_ place: TagReader.Place, _ reader: TagReader) -> Int? {
    guard [1, 3, 4].contains(place.kind), place.count == 1, let data = reader.values(place) else {
      return nil
    }
    return TagDirectory.Entry(tag: place.tag, kind: place.kind, data: data).number
  }

  /// The block of a picture that stands upright and has another size: the orientation is 1, the size
  /// tags say the size, the thumbnail is gone.
  ///
  /// A block that cannot be read is kept as it is.
  package func mended(size: PixelSize) -> Data {
    let found = data.withUnsafeBytes { bytes -> Edits? in
      guard let reader = TagReader(TagSource(bytes)) else { return nil }
      return edits(reader, size)
    }
    guard let edits = found else { return data }
    var result = data
    for (offset, bytes) in edits.writes {
      result.replaceSubrange(
        result.startIndex + offset..<result.startIndex + offset + bytes.count, with: bytes)
    }
    // The end of a directory may lie beyond that of the block.
    for range in edits.cleared.map({ $0.clamped(to: 0..<result.count) }) {
      result.resetBytes(
        in: result.startIndex + range.lowerBound..<result.startIndex + range.upperBound)
    }
    // The thumbnail mostly is the last thing in the block.
    if let end = edits.end { result = result.prefix(end) }
    return Data(result)
  }

  private struct Edits {
    var writes: [(offset: Int, bytes: [UInt8])] = []
    var cleared: [Range<Int>] = []
    var end: Int?
  }

  private func edits(_ reader: TagReader, _ size: PixelSize) -> Edits? {
    guard let table = reader.table(at: reader.first) else { return nil }
    let writer = TagWriter(isBigEndian: reader.isBigEndian)
    var edits = Edits()
    func set(_ place: TagReader.Place, _ value: Int) {
      let width = TagDirectory.width(of: place.kind)
      guard place.count >= 1, [1, 3, 4].contains(place.kind), value < 1 << (8 * width) else {
        return
      }
      edits.writes.append((place.offset, writer.number(value, bytes: width)))
    }
    for place in table.places {
      switch place.tag {
      case 0x0100: set(place, size.width)
      case 0x0101: set(place, size.height)
      case 0x0112: set(place, 1)
      case 0x8769:
        guard let offset = Self.number(place, reader), let inner = reader.table(at: offset) else {
          continue
        }
        for place in inner.places {
          if place.tag == 0xa002 { set(place, size.width) }
          if place.tag == 0xa003 { set(place, size.height) }
        }
      default: break
      }
    }
    if table.next != 0 { removeThumbnail(table, reader, &edits) }
    return edits
  }

  /// Unlinks the second directory and clears what it holds and points to.
  private func removeThumbnail(
    _ table: TagReader.Table, _ reader: TagReader, _ edits: inout Edits
  ) {
    edits.writes.append((table.nextField, [UInt8](repeating: 0, count: reader.isWide ? 8 : 4)))
    guard let second = reader.table(at: table.next) else { return }
    edits.cleared.append(table.next..<second.nextField + 4)
    func number(_ tag: UInt16) -> Int? {
      second.places.first { $0.tag == tag }.flatMap { Self.number($0, reader) }
    }
    guard let start = number(0x0201), let length = number(0x0202), start >= 8, length > 0,
      start <= data.count, length <= data.count - start
    else { return }
    edits.cleared.append(start..<start + length)
    let isLast = start + length >= data.count - 3
    if isLast, start >= second.nextField + 4 || start + length <= table.next { edits.end = start }
  }

  /// The directories of the block, for files that hold them in another way.
  package var directory: TagDirectory? {
    data.withUnsafeBytes { bytes in
      TagReader(TagSource(bytes)).flatMap { $0.directory(at: $0.first) }
    }
  }
}
