// A job's events and its report on the terminal: notes, progress, tables, failures, the exit code.

import ArgumentParser
import Atelier
import Foundation

/// Shows events as they come.
final class ConsoleListener {
  private let settings: CommandSettings
  private let training = ProgressListener(
    style: .current, write: Console.write, clock: { Date().timeIntervalSinceReferenceDate })
  private let style = ProgressListener.Style.current
  private var hasNoted = false
  private var lastLine = Date()
  private var isLineOpen = false
  private var hasComplained = false

  init(_ settings: CommandSettings) { self.settings = settings }

  func handle(_ event: JobEvent) {
    switch event {
    case .remark(let text): if !settings.quiet { line { Console.remark(text) } }
    case .note(let text):
      hasNoted = true
      if !settings.quiet, !settings.json { line { Console.print(text) } }
    case .result(let text):
      hasNoted = true
      if !settings.json { line { Console.print(text) } }
    case .row(let value):
      guard settings.json else { return }
      hasNoted = true
      do {
        let text = try JSONText.line(value)
        line { Console.print(text) }
      } catch { complain(error) }
    case .progress(let progress):
      // Where every result has its line, a line of progress would only be in the way.
      if !settings.quiet, !hasNoted { show(progress) }
    case .training(let event): if !settings.quiet { training.handle(event) }
    case .forecast(let text): training.remark = { text }
    case .saved, .stopped: break
    }
  }

  /// Tells once that the events cannot be written.
  func complain(_ error: any Error) {
    if !hasComplained { Console.complain(ErrorLine.text(error)) }
    hasComplained = true
  }

  /// Ends the line of progress.
  func end() { line {} }

  private func line(_ say: () -> Void) {
    if isLineOpen { Console.remark("") }
    isLineOpen = false
    say()
  }

  private func show(_ progress: JobProgress) {
    guard progress.done > 0 else { return }
    let text = Self.text(progress)
    switch style {
    case .terminal(let columns):
      let share = progress.total.map { Double(progress.done) / Double(max($0, 1)) }
      let bar = share.map { ProgressText.bar($0, width: 16) + "▏ " } ?? ""
      Console.write("\r" + String((bar + text).prefix(max(columns - 1, 1))) + "\u{1B}[K")
      isLineOpen = true
    case .plain(let seconds):
      guard Date().timeIntervalSince(lastLine) >= seconds else { return }
      Console.remark(text)
    }
    lastLine = Date()
  }

  /// Counts, rate and time left.
  private static func text(_ progress: JobProgress) -> String {
    let unit = progress.unit
    var parts = [
      "\(progress.done) \(unit)", "\(ProgressText.number(progress.rate, digits: 3)) \(unit)/s",
    ]
    if let total = progress.total, total > 0 {
      let share = min(1, Double(progress.done) / Double(total))
      parts[0] = "\(progress.done)/\(total) \(unit) (\(Int(share * 100))%)"
    }
    if let left = progress.remainingSeconds { parts.append("\(ProgressText.duration(left)) left") }
    return parts.joined(separator: " · ")
  }
}

/// Prints reports.
struct ReportPrinter {
  /// Whether to print JSON or to say nothing.
  let settings: CommandSettings
  /// Knows the signal that interrupted the work.
  let interrupt: InterruptFlag

  /// Prints a report; throws `ExitCode` for an interrupt or failed inputs, and the report's own
  /// fault.
  func tell(_ report: Report) throws {
    if settings.json {
      if let value = report.value { Console.print(try JSONText.pretty(value)) }
    } else {
      for block in report.blocks {
        switch block {
        case .text(let text): Console.print(text)
        case .table(let table): Console.print(table.text)
        case .note(let text): if !settings.quiet { Console.print(text) }
        }
      }
    }
    for failure in report.failures { Console.complain(failure.error) }
    if let lines = report.continuation {
      for line in lines { Console.remark(line) }
      throw ExitCode(128 + (interrupt.signalNumber ?? 2))
    }
    if let fault = report.fault { throw fault }
    guard let first = report.failures.first else { return }
    let isMissing = report.failures.contains { $0.kind == .missing }
    throw ExitCode((isMissing ? InputFailure.Kind.missing : first.kind).exitCode)
  }
}
