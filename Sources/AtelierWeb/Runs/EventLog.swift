// Reading of a run's event log while somebody writes it: whole lines from a byte on, or word that
// it began anew.

import AtelierFiles
import Foundation

/// Where a reader of a log is: the bytes before, and a mark by which a log that was cut is seen.
package struct LogPosition: Codable, Hashable, Sendable {
  /// The bytes that were read, whole lines all of them.
  package var offset = 0
  /// The hash of the last bytes before the offset; 0 at the start.
  package var mark: UInt64 = 0

  package init() {}

  /// The start, or a place of which only the offset is known.
  package init(offset: Int, mark: UInt64 = 0) {
    self.offset = offset
    self.mark = mark
  }
}

/// What came since a position.
package enum LogNews: Equatable, Sendable {
  /// Nothing.
  case same
  /// Whole lines, and the position behind them.
  case lines([UInt8], LogPosition)
  /// The log is no longer what was read: it is to be read from its start.
  case reset
}

/// A log of one JSON object per line.
package struct EventLog: Sendable {
  /// The file.
  package let url: URL
  /// How many bytes a mark looks at.
  private static let markLength = 64

  package init(_ url: URL) { self.url = url }

  /// Reads whole lines from a position, at most about `limit` bytes; a missing file is empty.
  ///
  /// A resumed training cuts its log back to the saved state, and may be past the old length when
  /// anybody looks: hence the mark.
  package func news(since position: LogPosition, limit: Int = 1 << 20) -> LogNews {
    let descriptor = open(url.path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard descriptor >= 0 else { return position.offset == 0 ? .same : .reset }
    defer { close(descriptor) }
    var status = stat()
    guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else { return .same }
    let size = Int(status.st_size)
    if size < position.offset { return .reset }
    if position.offset > 0 {
      let before = Self.before(position.offset, descriptor)
      guard before.last == UInt8(ascii: "\n") else { return .reset }
      if position.mark != 0, position.mark != Self.mark(before) { return .reset }
    }
    guard size > position.offset else { return .same }
    var length = min(size - position.offset, limit)
    while true {
      var (bytes, _) = AtomicFile.read(descriptor, at: position.offset, count: length)
      if let end = bytes.lastIndex(of: UInt8(ascii: "\n")) {
        bytes.removeSubrange((end + 1)...)
        let offset = position.offset + bytes.count
        return .lines(
          bytes, .init(offset: offset, mark: Self.mark(Self.before(offset, descriptor))))
      }
      // A line longer than the limit must not stop the reader for ever.
      guard length < size - position.offset, length < 64 << 20 else { return .same }
      length = min(size - position.offset, length * 4)
    }
  }

  private static func before(_ offset: Int, _ descriptor: Int32) -> [UInt8] {
    let start = max(0, offset - markLength)
    return AtomicFile.read(descriptor, at: start, count: offset - start).bytes
  }

  private static func mark(_ bytes: [UInt8]) -> UInt64 { max(ContentHash.xxh64(bytes), 1) }
}
