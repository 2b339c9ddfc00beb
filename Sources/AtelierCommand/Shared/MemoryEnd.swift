// The end of a process that got no memory where nobody could ask first: one line and its exit code.

import Foundation

/// Tells a crash for want of memory from one by a fault.
///
/// Large blocks ask at the door before they are taken, but a small object that gets none ends the
/// process by a signal, of the language or of a library. Systems refuse small blocks where the address
/// space is limited (`ulimit -v`) and nowhere else, so only there are the signals received; a crash
/// with less than `reserve` left is taken for one of memory, any other goes on as it would.
enum MemoryEnd {
  private static let signals = [SIGABRT, SIGSEGV, SIGBUS, SIGILL, SIGTRAP]
  /// In bytes; what is larger is asked for.
  private static let reserve = 48 << 20

  /// The limit of the address space in bytes, for the handler, which may take no memory.
  nonisolated(unsafe) private static var limit = 0
  nonisolated(unsafe) private static var pageSize = 0
  nonisolated(unsafe) private static var line: UnsafeMutableBufferPointer<CChar>?
  nonisolated(unsafe) private static var former: UnsafeMutablePointer<sigaction>?

  /// Receives the signals of crashes where the address space is limited.
  static func tell() {
    #if canImport(Glibc)
    var space = rlimit()
    guard getrlimit(__rlimit_resource_t(RLIMIT_AS.rawValue), &space) == 0, space.rlim_cur < 1 << 44
    else { return }
    limit = Int(space.rlim_cur)
    pageSize = Int(sysconf(Int32(_SC_PAGESIZE)))
    let text =
      "atelier: not enough memory: the address space of \(limit >> 20) MB (ulimit -v) is full\n"
    let bytes = Array(text.utf8CString.dropLast())
    line = .allocate(capacity: bytes.count)
    _ = line?.initialize(from: bytes)
    former = .allocate(capacity: Int(signals.max() ?? 0) + 1)
    for signal in signals {
      var action = sigaction()
      action.__sigaction_handler.sa_handler = { MemoryEnd.end($0) }
      action.sa_flags = Int32(SA_NODEFER)
      sigaction(signal, &action, former.map { $0 + Int(signal) })
    }
    #endif
  }

  /// Ends the process with the line, or as it would have ended; takes no memory.
  private static func end(_ signal: Int32) {
    if let line, isFull {
      _ = Foundation.write(STDERR_FILENO, line.baseAddress, line.count)
      _exit(71)
    }
    guard let former else { _exit(70) }
    sigaction(signal, former + Int(signal), nil)
    raise(signal)
  }

  /// Whether little is left of the address space.
  private static var isFull: Bool {
    let file = open("/proc/self/statm", O_RDONLY)
    guard file >= 0 else { return false }
    defer { close(file) }
    // The first number, in pages; the others make no difference to it.
    var digits: UInt64 = 0
    guard read(file, &digits, 8) > 0 else { return false }
    var pages = 0
    while case let digit = Int(digits & 0xFF) - 48, 0...9 ~= digit {
      pages = pages * 10 + digit
      digits >>= 8
    }
    return limit - pages * pageSize < reserve
  }
}
