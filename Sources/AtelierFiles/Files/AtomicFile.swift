// Whole-file writes that a crash cannot tear: written beside, synced, renamed, folder synced.

import Foundation
import Synchronization

/// Replaces files so that at any instant, power failure included, the former or the new is whole.
public enum AtomicFile {
  private static let counter = Atomic<UInt64>(0)
  private static let suffix = ".partial"
  private static let prefix = ".atelier-"

  /// Tells this process's files from a dead one's of the same number (usual in containers).
  private static let token = String(UInt64.random(in: 0...UInt64.max), radix: 36)

  /// Writes `data` beside `url`, syncs it, renames it over `url` and syncs the folder.
  ///
  /// The permissions of a file that is replaced are kept; a symbolic link at `url` is itself
  /// replaced. What is no regular file, such as `/dev/stdout` or a pipe, is written to as it is.
  /// **Throws:** when any step fails; then the former file is untouched and nothing is left
  /// beside it. (Only if the very last step fails, the folder's sync, the new content is
  /// there but may not survive a power failure.)
  public static func write(_ data: Data, to url: URL) throws(FileError) {
    if isStream(url) { return try writeThrough(data, to: url) }
    let pending = PendingFile(url)
    let descriptor = open(pending.path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o666)
    guard descriptor >= 0 else { throw FileError(url, "write", code: errno) }
    var code = writeAll(data, to: descriptor)
    if close(descriptor) != 0, code == 0 { code = errno }
    guard code == 0 else { throw FileError(url, "write", code: code) }
    try pending.finish()
  }

  /// A name in a file's folder that no other process uses, and that fits wherever the file's does.
  static func nameBeside(_ url: URL) -> URL {
    let number = counter.wrappingAdd(1, ordering: .relaxed).newValue
    return url.deletingLastPathComponent()
      .appendingPathComponent("\(prefix)\(getpid())-\(token)-\(number)\(suffix)")
  }

  /// Whether a path leads to a device, a pipe or a socket, which nothing may be renamed over.
  public static func isStream(_ url: URL) -> Bool {
    var status = stat()
    guard stat(url.path, &status) == 0 else { return false }
    return ![S_IFREG, S_IFDIR].contains(status.st_mode & S_IFMT)
  }

  private static func writeThrough(_ data: Data, to url: URL) throws(FileError) {
    let descriptor = open(url.path, O_WRONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw FileError(url, "write", code: errno) }
    var code = writeAll(data, to: descriptor)
    if close(descriptor) != 0, code == 0 { code = errno }
    guard code == 0 else { throw FileError(url, "write", code: code) }
  }

  /// Syncs a folder's entries, so that what happened in it stays so after a power failure.
  public static func syncFolder(_ folder: URL) throws(FileError) {
    let descriptor = open(folder.path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw FileError(folder, "open the folder", code: errno) }
    let code = synced(descriptor)
    close(descriptor)
    // Some file systems cannot sync folders and say so; nothing more can be done there.
    guard code == 0 || code == EINVAL || code == ENOTSUP else {
      throw FileError(folder, "sync the folder", code: code)
    }
  }

  /// Makes a folder, and those above it that are missing, so that they stay after a power failure.
  public static func makeFolder(_ url: URL) throws {
    var made: [URL] = []
    var folder = url.standardizedFileURL
    while !FileManager.default.fileExists(atPath: folder.path), folder.path != "/" {
      made.append(folder)
      folder.deleteLastPathComponent()
    }
    try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
    for folder in made.reversed() { try syncFolder(folder.deletingLastPathComponent()) }
  }

  /// Removes the unfinished files that killed processes left in `folder` and counts them; those of
  /// living processes stay.
  @discardableResult
  public static func removeAbandoned(in folder: URL) -> Int {
    let names = (try? FileManager.default.contentsOfDirectory(atPath: folder.path)) ?? []
    var removed = 0
    for name in names where name.hasPrefix(prefix) && name.hasSuffix(suffix) {
      let parts = name.dropFirst(prefix.count).dropLast(suffix.count).split(separator: "-")
      guard parts.count == 3, let process = pid_t(parts[0]), process > 0 else { continue }
      let isOwn = process == getpid()
      let isAlive = isOwn ? parts[1] == token : (kill(process, 0) == 0 || errno != ESRCH)
      if !isAlive, unlink(folder.appendingPathComponent(name).path) == 0 { removed += 1 }
    }
    return removed
  }

  /// Gives a new file the permissions of the one that it replaces; returns 0 or the error number.
  static func keepPermissions(of url: URL, on descriptor: Int32) -> Int32 {
    var status = stat()
    guard lstat(url.path, &status) == 0, status.st_mode & S_IFMT == S_IFREG else { return 0 }
    return fchmod(descriptor, status.st_mode & 0o777) == 0 ? 0 : errno
  }

  /// Writes every byte; returns 0 or the error number.
  static func writeAll(_ data: Data, to descriptor: Int32) -> Int32 {
    data.withUnsafeBytes { bytes in
      var written = 0
      while written < bytes.count {
        let remaining = UnsafeRawBufferPointer(rebasing: bytes[written...])
        let count = systemWrite(descriptor, remaining.baseAddress, remaining.count)
        if count < 0 {
          if errno == EINTR { continue }
          return errno
        }
        written += count
      }
      return 0
    }
  }

  /// Reads up to `count` bytes at `offset`, fewer at the end of the file or with an error's number.
  package static func read(
    _ descriptor: Int32, at offset: Int, count: Int
  ) -> (bytes: [UInt8], code: Int32) {
    var code: Int32 = 0
    let bytes = [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
      (filled, code) = read(descriptor, at: offset, into: UnsafeMutableRawBufferPointer(buffer))
    }
    return (bytes, code)
  }

  /// Reads bytes at `offset` into memory until it is full; returns how many came before the end of
  /// the file or an error, and that error's number.
  package static func read(
    _ descriptor: Int32, at offset: Int, into memory: UnsafeMutableRawBufferPointer
  ) -> (count: Int, code: Int32) {
    var filled = 0
    while filled < memory.count {
      let received = pread(
        descriptor, memory.baseAddress.map { $0 + filled }, memory.count - filled,
        off_t(offset + filled))
      if received < 0, errno == EINTR { continue }
      guard received > 0 else { return (filled, received < 0 ? errno : 0) }
      filled += received
    }
    return (filled, 0)
  }

  /// Syncs a descriptor to the medium; returns 0 or the error number.
  static func synced(_ descriptor: Int32) -> Int32 {
    #if canImport(Darwin)
    if fcntl(descriptor, F_FULLFSYNC) == 0 { return 0 }
    #endif
    while fsync(descriptor) != 0 {
      if errno != EINTR { return errno }
    }
    return 0
  }
}

/// The system's `write`, under a name that the members called `write` do not hide.
private func systemWrite(_ descriptor: Int32, _ bytes: UnsafeRawPointer?, _ count: Int) -> Int {
  write(descriptor, bytes, count)
}
