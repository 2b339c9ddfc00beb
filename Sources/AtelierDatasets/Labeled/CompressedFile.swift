// Bytes of a file, inflated when it is gzip, with a limit that is kept before memory is taken.

import AtelierFiles
import CZlib
import Foundation

/// Reads files that may be compressed.
enum CompressedFile {
  /// What the first bytes of a file say of its length; nil where they do not.
  typealias LengthRule = (_ head: [UInt8]) throws(DatasetError) -> Int?

  /// The bytes of a file, at most `limit`, inflated where they begin with gzip's mark.
  ///
  /// What inflates to more than its own first bytes say is refused at once.
  ///
  /// - Throws: `DatasetError` that names the file: not readable, damaged, truncated, too large.
  static func read(
    _ url: URL, limit: Int, length: LengthRule = { _ in nil }
  ) throws(DatasetError) -> [UInt8] {
    let name = url.relativePath
    let stored = try storedBytes(url, limit: limit)
    guard stored.count >= 2, stored[0] == 0x1F, stored[1] == 0x8B else { return stored }
    return try inflated(stored, limit: limit, name: name, length)
  }

  /// The text of a file in UTF-8, plain or gzip, without a byte order mark.
  /// - Throws: `DatasetError` as `read`, and for what is no text.
  static func text(_ url: URL, limit: Int, of what: String) throws(DatasetError) -> String {
    let bytes = try read(url, limit: limit).withoutByteOrderMark
    guard let text = String(bytes: bytes, encoding: .utf8) else {
      let isWide = bytes.starts(with: [0xFF, 0xFE]) || bytes.starts(with: [0xFE, 0xFF])
      throw DatasetError(
        "\(url.relativePath): expected \(what) as text in UTF-8, received "
          + (isWide ? "text in UTF-16" : "other bytes"))
    }
    return text
  }

  private static func storedBytes(_ url: URL, limit: Int) throws(DatasetError) -> [UInt8] {
    do { return try [UInt8](InputFile.data(url, limit: limit)) } catch {
      throw DatasetError(
        error.code == nil
          ? error.description : "\(url.relativePath): expected a file that can be read")
    }
  }

  /// Inflates one or more gzip members.
  private static func inflated(
    _ stored: [UInt8], limit: Int, name: String, _ length: LengthRule
  ) throws(DatasetError) -> [UInt8] {
    var stream = z_stream()
    // 15 bits of window, and 16 for a gzip wrapper, whose checksum zlib verifies.
    guard inflateInit2_(&stream, 15 + 16, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size)) == Z_OK
    else { throw DatasetError("\(name): there is no memory to inflate it") }
    defer { inflateEnd(&stream) }
    var result: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 1 << 18)
    var position = 0
    var status = Z_OK
    var most = limit
    while true {
      let (consumed, produced) = step(&stream, stored, from: position, &chunk, &status)
      position += consumed
      guard status == Z_OK || status == Z_STREAM_END || status == Z_BUF_ERROR else {
        throw DatasetError("\(name): expected gzip data, received damaged bytes near \(position)")
      }
      guard result.count + produced <= limit else {
        throw DatasetError("\(name): inflates to more than the \(limit) bytes that are allowed")
      }
      let isFirst = result.isEmpty
      result += chunk[0..<produced]
      // Told by the first portion, before any further memory is taken.
      if isFirst, let declared = try length(result), declared < limit {
        most = min(most, declared)
      }
      guard result.count <= most else {
        throw DatasetError("\(name): inflates to more than the \(most) bytes that its header names")
      }
      if status == Z_STREAM_END {
        if position == stored.count { return result }
        inflateReset(&stream)
      } else if consumed == 0, produced == 0 {
        throw DatasetError("\(name): expected gzip data to its end, received a truncated file")
      }
    }
  }

  /// One call of inflate: the bytes that it read and wrote.
  private static func step(
    _ stream: inout z_stream, _ stored: [UInt8], from position: Int, _ chunk: inout [UInt8],
    _ status: inout Int32
  ) -> (consumed: Int, produced: Int) {
    let room = chunk.count
    // The counts of zlib have 32 bits.
    let offered = min(stored.count - position, 1 << 30)
    let result = stored.withUnsafeBufferPointer { source in
      chunk.withUnsafeMutableBufferPointer { target in
        stream.next_in = source.baseAddress.map { UnsafeMutablePointer(mutating: $0 + position) }
        stream.avail_in = UInt32(offered)
        stream.next_out = target.baseAddress
        stream.avail_out = UInt32(room)
        return inflate(&stream, Z_NO_FLUSH)
      }
    }
    status = result
    return (offered - Int(stream.avail_in), room - Int(stream.avail_out))
  }
}
