// Standard output and standard error of a process, which may be full, broken or closed.

import Foundation
import Synchronization

/// The two ways out of a process.
///
/// No failure of theirs ends it: what fails on standard output is
/// kept for the end, what fails on standard error is lost.
public enum StandardStreams {
  private static let failure = Atomic<Int32>(0)

  /// The system's error number of the first write on standard output that failed; 0 for none.
  public static var outputFailure: Int32 { failure.load(ordering: .relaxed) }

  /// Opens the null device where the descriptors 0, 1 or 2 are closed, or the next file that is
  /// opened would take their number and get what is said to the user.
  public static func secure() {
    for descriptor in STDIN_FILENO...STDERR_FILENO where fcntl(descriptor, F_GETFD) < 0 {
      // The system gives the lowest free number, which is this one.
      _ = open("/dev/null", descriptor == STDIN_FILENO ? O_RDONLY : O_WRONLY)
    }
  }

  /// Writes a text on standard output.
  public static func writeOutput(_ text: String) {
    let code = AtomicFile.writeAll(Data(text.utf8), to: STDOUT_FILENO)
    if code != 0 { _ = failure.compareExchange(expected: 0, desired: code, ordering: .relaxed) }
  }

  /// Writes a text on standard error.
  public static func writeError(_ text: String) {
    _ = AtomicFile.writeAll(Data(text.utf8), to: STDERR_FILENO)
  }
}
