// A file that grows at its end, shared by the log writers: a failed write leaves no torn record.

import Foundation
import Synchronization

/// An open file to which whole records are appended, from any thread.
final class AppendingFile: Sendable {
  /// How an `AppendingFile` comes to its file.
  enum Opening {
    /// The file must not exist yet.
    case new
    /// The file is made when it is not there and goes on when it is.
    case newOrExisting
    /// The file must exist.
    case existing
  }

  let url: URL
  private let descriptor: Int32
  private let size: Mutex<Int>

  /// Opens or makes a file; its content stays.
  init(_ url: URL, _ opening: Opening) throws(FileError) {
    var flags = O_RDWR | O_CLOEXEC | O_NONBLOCK
    switch opening {
    case .new: flags |= O_CREAT | O_EXCL
    case .newOrExisting: flags |= O_CREAT
    case .existing: break
    }
    let descriptor = open(url.path, flags, 0o666)
    guard descriptor >= 0 else { throw FileError(url, "open", code: errno) }
    var status = stat()
    let code = fstat(descriptor, &status) == 0 ? 0 : errno
    guard code == 0, status.st_mode & S_IFMT == S_IFREG else {
      close(descriptor)
      guard code == 0 else { throw FileError(url, "open", code: code) }
      throw FileError(
        file: url.relativePath, message: "expected a file, received a folder or device")
    }
    self.url = url
    self.descriptor = descriptor
    size = Mutex(Int(status.st_size))
  }

  deinit { close(descriptor) }

  /// The bytes of the file: where the next record starts.
  var length: Int { size.withLock { $0 } }

  /// Appends one record whole; when that fails, the file has its former length.
  func append(_ record: Data) throws(FileError) {
    let code: Int32 = size.withLock { size in
      guard lseek(descriptor, off_t(size), SEEK_SET) >= 0 else { return errno }
      let code = AtomicFile.writeAll(record, to: descriptor)
      if code == 0 {
        size += record.count
      } else {
        _ = ftruncate(descriptor, off_t(size))
      }
      return code
    }
    guard code == 0 else { throw FileError(url, "append", code: code) }
  }

  /// Cuts the file after its first `length` bytes.
  ///
  /// Precondition: not negative and not past the end.
  func truncate(to length: Int) throws(FileError) {
    let code: Int32 = size.withLock { size in
      precondition(0...size ~= length, "cannot cut \(size) bytes to \(length)")
      guard ftruncate(descriptor, off_t(length)) == 0 else { return errno }
      size = length
      return 0
    }
    guard code == 0 else { throw FileError(url, "cut", code: code) }
  }

  /// Reads `count` bytes at `offset`.
  ///
  /// Precondition: the range lies in the file.
  func read(at offset: Int, count: Int) throws(FileError) -> [UInt8] {
    let (bytes, code) = AtomicFile.read(descriptor, at: offset, count: count)
    guard bytes.count == count else { throw FileError(url, "read", code: code == 0 ? EIO : code) }
    return bytes
  }

  /// Syncs the file to the medium.
  func sync() throws(FileError) {
    let code = AtomicFile.synced(descriptor)
    guard code == 0 else { throw FileError(url, "sync", code: code) }
  }

  /// The length up to and with the last newline: what remains when a torn last line is cut.
  func lengthOfWholeLines() throws(FileError) -> Int {
    var end = length
    while end > 0 {
      let start = max(0, end - 4096)
      let block = try read(at: start, count: end - start)
      if let newline = block.lastIndex(of: UInt8(ascii: "\n")) { return start + newline + 1 }
      end = start
    }
    return 0
  }
}
