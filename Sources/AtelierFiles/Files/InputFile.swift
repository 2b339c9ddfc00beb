// Files that are read: regular ones only, of a limited size, and text without the mark before it.

import Foundation

/// Reading of whole files that people give.
public enum InputFile {
  /// What a path leads to that is no regular file and no folder, in words; nil for those two and
  /// where nothing is.
  ///
  /// To open a pipe would wait for somebody who writes, for ever.
  public static func otherKind(_ path: String) -> String? {
    var status = stat()
    guard stat(path, &status) == 0 else { return nil }
    switch status.st_mode & S_IFMT {
    case S_IFREG, S_IFDIR: return nil
    case S_IFIFO: return "a pipe"
    case S_IFSOCK: return "a socket"
    default: return "a device"
    }
  }

  /// The bytes of a regular file of at most `limit` bytes.
  /// - Throws: `FileError` without a code for what is none or too large, with one for what the
  ///   system does not give.
  public static func data(_ url: URL, limit: Int) throws(FileError) -> Data {
    // Without O_NONBLOCK, opening a named pipe waits for a writer.
    let descriptor = open(url.path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard descriptor >= 0 else { throw FileError(url, "read", code: errno) }
    defer { close(descriptor) }
    var status = stat()
    guard fstat(descriptor, &status) == 0 else { throw FileError(url, "read", code: errno) }
    guard status.st_mode & S_IFMT == S_IFREG else {
      throw FileError(
        file: url.relativePath,
        message: "expected a file, received \(otherKind(url.path) ?? "a folder")")
    }
    let size = Int(status.st_size)
    guard size <= limit else {
      throw FileError(
        file: url.relativePath, message: "expected at most \(limit) bytes, received \(size)")
    }
    let (bytes, code) = AtomicFile.read(descriptor, at: 0, count: size)
    guard code == 0 else { throw FileError(url, "read", code: code) }
    return Data(bytes)
  }
}

extension RangeReplaceableCollection where Element == UInt8 {
  /// The bytes without the mark that some editors put before text in UTF-8, which says nothing.
  package var withoutByteOrderMark: Self {
    starts(with: [0xEF, 0xBB, 0xBF]) ? Self(dropFirst(3)) : self
  }
}
