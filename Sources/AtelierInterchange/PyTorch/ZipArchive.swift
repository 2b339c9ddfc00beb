// The list of files in a zip archive whose files are stored as they are, as PyTorch writes them.
//
// Format: PKWARE's APPNOTE.TXT 6.3.10, sections 4.3 and 4.5.3 (64-bit sizes).

import AtelierFiles
import Foundation

/// Names of an archive's files and where their bytes lie.
struct ZipArchive {
  /// The range of each file's bytes; those of a compressed one are nil.
  private(set) var entries: [String: Range<Int>?] = [:]
  private let file: String

  /// Whether bytes begin as an archive does.
  static func isArchive(_ data: Data) -> Bool { data.starts(with: [0x50, 0x4B, 0x03, 0x04]) }

  /// Reads the directory at an archive's end.
  init(_ data: Data, file: String) throws(FileError) {
    self.file = file
    let directory = try Self.directory(data, file: file)
    var reader = ByteReader(data, directory.range, file: file)
    for _ in 0..<directory.count { try readEntry(&reader) }
  }

  /// The bytes of a file of the archive; throws when it is not there or compressed.
  func range(of name: String) throws(FileError) -> Range<Int> {
    guard let entry = entries[name] else {
      throw FileError(file: file, message: "expected the archive's file \(quoted(name))")
    }
    guard let entry else {
      throw FileError(
        file: file,
        message: "expected files stored as PyTorch writes them, received \(quoted(name)) compressed"
      )
    }
    return entry
  }

  /// Where the directory lies and how many entries it has.
  private static func directory(
    _ data: Data, file: String
  ) throws(FileError) -> (range: Range<Int>, count: Int) {
    let tail = 22
    let first = max(data.count - tail - 65_535, 0)
    var place = data.count - tail
    while place >= first, !data[place...].starts(with: [0x50, 0x4B, 0x05, 0x06]) { place -= 1 }
    guard place >= first else {
      throw FileError(
        file: file, message: "expected an archive's directory at the end; the file is truncated")
    }
    var reader = ByteReader(data, place + 10..<data.count, file: file)
    var count = Int(try reader.integer(UInt16.self))
    var length = Int(try reader.integer(UInt32.self))
    var start = Int(try reader.integer(UInt32.self))
    // 64-bit sizes stand in a record of their own, which the 20 bytes before this one point to.
    if place >= 20, data[(place - 20)...].starts(with: [0x50, 0x4B, 0x06, 0x07]) {
      var locator = ByteReader(data, place - 12..<place, file: file)
      let record = try locator.count(UInt64.self)
      guard record <= data.count - 56 else {
        throw locator.fault("the archive's directory lies beyond the file's end")
      }
      var wide = ByteReader(data, record + 32..<data.count, file: file)
      count = try wide.count(UInt64.self)
      length = try wide.count(UInt64.self)
      start = try wide.count(UInt64.self)
    }
    guard start <= data.count, length <= data.count - start, count <= length / 46 else {
      throw FileError(
        file: file,
        message: "the archive's directory of \(count) files does not lie in the file's bytes")
    }
    return (start..<start + length, count)
  }

  private mutating func readEntry(_ reader: inout ByteReader) throws(FileError) {
    guard try reader.integer(UInt32.self) == 0x0201_4B50 else {
      throw reader.fault("expected an entry of the archive's directory")
    }
    _ = try reader.skip(6)
    let method = try reader.integer(UInt16.self)
    _ = try reader.skip(8)
    var stored = Int(try reader.integer(UInt32.self))
    var size = Int(try reader.integer(UInt32.self))
    let nameLength = Int(try reader.integer(UInt16.self))
    let extraLength = Int(try reader.integer(UInt16.self))
    let commentLength = Int(try reader.integer(UInt16.self))
    _ = try reader.skip(8)
    var start = Int(try reader.integer(UInt32.self))
    let name = try reader.text(nameLength)
    var extra = ByteReader(reader.data, try reader.skip(extraLength), file: file)
    _ = try reader.skip(commentLength)
    while extra.remaining >= 4 {
      let kind = try extra.integer(UInt16.self)
      let length = Int(try extra.integer(UInt16.self))
      var field = ByteReader(reader.data, try extra.skip(length), file: file)
      guard kind == 1 else { continue }
      let all = Int(UInt32.max)
      if size == all { size = try field.count(UInt64.self) }
      if stored == all { stored = try field.count(UInt64.self) }
      if start == all { start = try field.count(UInt64.self) }
    }
    guard method == 0, stored == size else {
      entries[name] = .some(nil)
      return
    }
    guard start <= reader.data.count else {
      throw reader.fault("the file \(quoted(name)) of the archive lies beyond its end")
    }
    var local = ByteReader(reader.data, start..<reader.data.count, file: file)
    guard try local.integer(UInt32.self) == 0x0403_4B50 else {
      throw local.fault("expected the archive's file \(quoted(name))")
    }
    _ = try local.skip(22)
    let names = Int(try local.integer(UInt16.self))
    _ = try local.skip(Int(try local.integer(UInt16.self)) + names)
    entries[name] = .some(try local.skip(size))
  }
}
