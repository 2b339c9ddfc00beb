// Directories of tags as TIFF files and Exif blocks hold them: read with no offset trusted.

import Foundation

/// One directory of tags, its values in little-endian order whatever the file's.
package struct TagDirectory: Sendable, Equatable {
  /// One tag with its values.
  package struct Entry: Sendable, Equatable {
    /// The tag's number.
    package var tag: UInt16
    /// The type of its values as TIFF numbers them: 1 byte, 2 text, 3 short, 4 long, 5 rational.
    package var kind: UInt16
    /// The values, little-endian.
    package var data: [UInt8]
    /// What the tag points to, where that is a directory of its own (Exif, GPS).
    package var directory: TagDirectory?

    /// A tag with its values.
    package init(tag: UInt16, kind: UInt16, data: [UInt8], directory: TagDirectory? = nil) {
      self.tag = tag
      self.kind = kind
      self.data = data
      self.directory = directory
    }

    /// The number of values.
    package var count: Int { data.count / max(1, TagDirectory.width(of: kind)) }

    /// The first value as a number, where it is a whole one.
    package var number: Int? {
      switch kind {
      case 1, 3, 4, 13, 16:
        let width = TagDirectory.width(of: kind)
        guard data.count >= width else { return nil }
        return data.prefix(width).reversed().reduce(0) { $0 << 8 | Int($1) & 0xff }
      default: return nil
      }
    }
  }

  /// The entries in the order of their tags.
  package var entries: [Entry] = []

  /// A directory of entries in the order of their tags.
  package init(entries: [Entry] = []) { self.entries = entries }

  /// The entry of a tag.
  package subscript(tag: UInt16) -> Entry? {
    get { entries.first { $0.tag == tag } }
    set {
      entries.removeAll { $0.tag == tag }
      guard let newValue else { return }
      entries.insert(newValue, at: entries.firstIndex { $0.tag > tag } ?? entries.endIndex)
    }
  }

  /// Bytes of a value of one type; 0 for a type that is not known.
  static func width(of kind: UInt16) -> Int {
    switch kind {
    case 1, 2, 6, 7: 1
    case 3, 8: 2
    case 4, 9, 11, 13: 4
    case 5, 10, 12, 16, 17, 18: 8
    default: 0
    }
  }

  /// Bytes that are turned over between byte orders: a rational is two numbers of four.
  static func unit(of kind: UInt16) -> Int { kind == 5 || kind == 10 ? 4 : width(of: kind) }

  /// The tags that point to directories of their own: Exif, GPS, interoperability.
  static let pointers: Set<UInt16> = [0x8769, 0x8825, 0xa005]
}

/// Where tags are read from: a file or bytes in memory.
struct TagSource {
  /// The number of bytes.
  let count: Int
  private let read: (_ offset: Int, _ count: Int) -> [UInt8]?

  /// Bytes in memory, which must outlive the source.
  init(_ bytes: UnsafeRawBufferPointer) {
    count = bytes.count
    read = { [UInt8](bytes[$0..<$0 + $1]) }
  }

  /// An open file.
  init(_ file: FileHandle) throws {
    count = Int(try file.seekToEnd())
    read = { offset, count in
      guard (try? file.seek(toOffset: UInt64(offset))) != nil,
        let data = try? file.read(upToCount: count), data.count == count
      else { return nil }
      return [UInt8](data)
    }
  }

  /// A range of bytes; nil where the source does not hold them.
  func bytes(_ offset: Int, _ length: Int) -> [UInt8]? {
    guard offset >= 0, length >= 0, offset <= count, length <= count - offset else { return nil }
    return length == 0 ? [] : read(offset, length)
  }
}

/// Reads directories out of a source.
struct TagReader {
  /// Whether numbers are big-endian.
  let isBigEndian: Bool
  /// Whether offsets have eight bytes (BigTIFF).
  let isWide: Bool
  /// Where the first directory lies.
  let first: Int
  private let source: TagSource

  /// Where one entry of a directory stands.
  struct Place {
    var tag: UInt16
    var kind: UInt16
    var count: Int
    /// Where its first value lies.
    var offset: Int
    /// The bytes of all of its values.
    var length: Int { count * TagDirectory.width(of: kind) }
  }

  /// A directory's entries, and where its pointer to the next one lies and points.
  struct Table {
    var places: [Place]
    var next: Int
    var nextField: Int
  }

  /// No directory keeps more bytes than these.
  private static let most = 64 << 20

  /// Reads the header; nil when it is none.
  init?(_ source: TagSource) {
    guard let head = source.bytes(0, 8) else { return nil }
    switch (head[0], head[1]) {
    case (0x49, 0x49): isBigEndian = false
    case (0x4d, 0x4d): isBigEndian = true
    default: return nil
    }
    self.source = source
    let version = Self.number(head[2..<4], isBigEndian)
    isWide = version == 43
    guard version == 42 || version == 43 else { return nil }
    guard isWide else {
      first = Self.number(head[4..<8], isBigEndian)
      return
    }
    guard let place = source.bytes(8, 8) else { return nil }
    first = Self.number(place[0..<8], isBigEndian)
  }

  private static func number(_ bytes: ArraySlice<UInt8>, _ isBigEndian: Bool) -> Int {
    // What does not fit an offset is no offset: the mask keeps it positive and beyond every end.
    let value =
      isBigEndian
      ? bytes.reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
      : bytes.reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
    return Int(min(value, UInt64(Int.max)))
  }

  /// The table of a directory; nil where there is none.
  func table(at offset: Int) -> Table? {
    let (head, step) = isWide ? (8, 20) : (2, 12)
    let field = isWide ? 8 : 4
    guard offset >= 8, let bytes = source.bytes(offset, head) else { return nil }
    let count = Self.number(bytes[0..<head], isBigEndian)
    guard count <= 65535, let rows = source.bytes(offset + head, count * step) else { return nil }
    let places = (0..<count).compactMap { index -> Place? in
      let row = index * step
      var place = Place(
        tag: UInt16(Self.number(rows[row..<row + 2], isBigEndian)),
        kind: UInt16(Self.number(rows[row + 2..<row + 4], isBigEndian)),
        count: Self.number(rows[row + 4..<row + 4 + field], isBigEndian),
        offset: offset + head + row + 4 + field)
      let width = TagDirectory.width(of: place.kind)
      guard width > 0, place.count <= source.count / width else { return nil }
      if place.length > field {
        place.offset = Self.number(rows[row + 4 + field..<row + 4 + 2 * field], isBigEndian)
      }
      guard place.offset <= source.count, place.length <= source.count - place.offset else {
        return nil
      }
      return place
    }
    let nextField = offset + head + count * step
    let next = source.bytes(nextField, field).map { Self.number($0[0..<field], isBigEndian) } ?? 0
    return Table(places: places, next: next, nextField: nextField)
  }

  /// The values of an entry in little-endian order; nil where they cannot be read.
  func values(_ place: Place) -> [UInt8]? {
    guard var data = source.bytes(place.offset, place.length) else { return nil }
    if isBigEndian { data.turnOver(by: TagDirectory.unit(of: place.kind)) }
    return data
  }

  /// A directory with the directories that it points to, but for tags that are left out.
  func directory(at offset: Int, without left: Set<UInt16> = []) -> TagDirectory? {
    var room = Self.most
    return directory(at: offset, left, depth: 0, &room)
  }

  private func directory(
    at offset: Int, _ left: Set<UInt16>, depth: Int, _ room: inout Int
  ) -> TagDirectory? {
    guard let table = table(at: offset) else { return nil }
    var result = TagDirectory()
    var seen: Set<UInt16> = left
    for place in table.places where seen.insert(place.tag).inserted && place.length <= room {
      guard let data = values(place) else { continue }
      room -= place.length
      var entry = TagDirectory.Entry(tag: place.tag, kind: place.kind, data: data)
      if TagDirectory.pointers.contains(place.tag) {
        guard depth < 2, let target = entry.number,
          let inner = directory(at: target, [], depth: depth + 1, &room)
        else { continue }
        entry.directory = inner
      }
      result.entries.append(entry)
    }
    result.entries.sort { $0.tag < $1.tag }
    return result
  }
}

extension [UInt8] {
  /// Turns each group of bytes over, which changes the byte order of numbers of that width.
  mutating func turnOver(by width: Int) {
    guard width > 1 else { return }
    for start in stride(from: 0, through: count - width, by: width) {
      self[start..<start + width].reverse()
    }
  }
}
