// Processes by number and start, so that a studio that starts again finds its children and no
// strangers.

import Foundation

/// Looks at processes.
package enum Processes {
  /// When a process began, in a form that is only compared; nil when it is gone or has ended.
  package static func start(_ process: Int32) -> String? {
    guard process > 1 else { return nil }
    guard let text = try? String(contentsOfFile: "/proc/\(process)/stat", encoding: .utf8) else {
      // Where there is no such list, the number alone has to do.
      #if os(Linux)
      return nil
      #else
      return kill(process, 0) == 0 ? "?" : nil
      #endif
    }
    // The name in parentheses may hold anything.
    guard let end = text.lastIndex(of: ")") else { return nil }
    let words = text[text.index(after: end)...].split(separator: " ")
    guard words.count > 19, words[0] != "Z", words[0] != "X" else { return nil }
    return String(words[19])
  }

  /// Whether the process of a job lives.
  package static func lives(_ job: StudioJob) -> Bool {
    guard let process = job.process, let start = start(process) else { return false }
    return job.processStart == nil || job.processStart == start
  }

  /// Sends a signal to a job's process, or to all of its session.
  package static func signal(_ job: StudioJob, _ number: Int32, toAll: Bool = false) -> Bool {
    guard lives(job), let process = job.process else { return false }
    return kill(toAll ? -process : process, number) == 0
  }
}
