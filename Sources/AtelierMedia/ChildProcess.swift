// Another program as a child of this one: bytes into it, bytes out of it, its last words in an error.

import AtelierFiles
import Foundation

/// A running program; used by one thread at a time.
final class ChildProcess {
  /// Where its input comes from or its output goes.
  enum Channel {
    /// Nothing goes there.
    case nothing
    /// This program is at the other end.
    case pipe
  }

  private let process = Process()
  private let input: Pipe?
  private let output: Pipe?
  private let name: String
  /// What it says to standard error: a file, because a pipe that nobody empties would stop it.
  private let words: URL
  private var isInputOpen = false

  /// Starts a program.
  /// - Throws: `StudioError` when it cannot be started.
  init(_ path: String, _ arguments: [String], input: Channel, output: Channel) throws {
    name = (path as NSString).lastPathComponent
    words = FileManager.default.temporaryDirectory.appendingPathComponent(
      "atelier-\(UUID().uuidString).log")
    self.input = input == .pipe ? Pipe() : nil
    self.output = output == .pipe ? Pipe() : nil
    process.executableURL = URL(fileURLWithPath: path)
    process.arguments = arguments
    process.standardInput = self.input as Any? ?? FileHandle.nullDevice
    process.standardOutput = self.output as Any? ?? FileHandle.nullDevice
    do {
      try Data().write(to: words)
      process.standardError = try FileHandle(forWritingTo: words)
      try process.run()
    } catch {
      throw StudioError(.missingInput, "\(path): cannot be started: \(error.localizedDescription)")
    }
    isInputOpen = self.input != nil
  }

  deinit {
    if process.isRunning { process.terminate() }
    try? FileManager.default.removeItem(at: words)
  }

  /// Fills a buffer from the program's output; gives the number of bytes, fewer at its end.
  func read(into target: UnsafeMutableRawBufferPointer) -> Int {
    guard let descriptor = output?.fileHandleForReading.fileDescriptor else { return 0 }
    var filled = 0
    while filled < target.count {
      let rest = UnsafeMutableRawBufferPointer(rebasing: target[filled...])
      let count = Foundation.read(descriptor, rest.baseAddress, rest.count)
      if count < 0, errno == EINTR { continue }
      if count <= 0 { break }
      filled += count
    }
    return filled
  }

  /// All that the program writes.
  /// - Throws: `StudioError` when it is more than `limit` bytes.
  func allOutput(limit: Int) throws -> Data {
    var data = Data()
    var part = [UInt8](repeating: 0, count: 1 << 16)
    while true {
      let count = part.withUnsafeMutableBytes { read(into: $0) }
      data += part[..<count]
      guard data.count <= limit else {
        throw StudioError(.data, "\(name) wrote more than \(limit) bytes")
      }
      if count < part.count { return data }
    }
  }

  /// Writes all bytes to the program's input; gives whether the program took them.
  func write(_ bytes: UnsafeRawBufferPointer) -> Bool {
    guard let descriptor = input?.fileHandleForWriting.fileDescriptor else { return false }
    // A child that ends early must show as a failed write, not end this program; what the program
    // itself makes of the signal, and hands on to its children, is not this thread's to change.
    var pipe = sigset_t()
    sigemptyset(&pipe)
    sigaddset(&pipe, SIGPIPE)
    var before = sigset_t()
    pthread_sigmask(SIG_BLOCK, &pipe, &before)
    defer {
      #if os(Linux)
      var none = timespec()
      if sigismember(&before, SIGPIPE) == 0 { while sigtimedwait(&pipe, nil, &none) > 0 {} }
      #endif
      pthread_sigmask(SIG_SETMASK, &before, nil)
    }
    var written = 0
    while written < bytes.count {
      let rest = UnsafeRawBufferPointer(rebasing: bytes[written...])
      let count = Foundation.write(descriptor, rest.baseAddress, rest.count)
      if count < 0, errno == EINTR { continue }
      if count <= 0 { return false }
      written += count
    }
    return true
  }

  /// Ends the program's input and waits for its end; gives its exit status.
  @discardableResult
  func wait() -> Int32 {
    if isInputOpen {
      try? input?.fileHandleForWriting.close()
      isInputOpen = false
    }
    process.waitUntilExit()
    return process.terminationReason == .exit ? process.terminationStatus : -1
  }

  /// Ends the program.
  func stop() {
    // A program that waits for its output to be read would wait for ever, and this one for it.
    try? output?.fileHandleForReading.close()
    if process.isRunning { process.terminate() }
    wait()
  }

  /// The last line that the program wrote to standard error, in brackets; empty without one.
  var lastWords: String {
    let text = (try? Data(contentsOf: words)).map {
      String(decoding: $0.suffix(4096), as: UTF8.self)
    }
    let line = text?.split(whereSeparator: \.isNewline).last.map {
      $0.trimmingCharacters(in: .whitespaces)
    }
    return line.map { $0.isEmpty ? "" : " (\(name): \($0.prefix(300)))" } ?? ""
  }
}
