// Progress over many pictures: one line that is redrawn on a terminal, plain lines now and then in a log.

import Atelier
import Foundation

/// Shows how many pictures are done, how fast, and how long the others will take.
final class WorkProgress {
  private let unit: String
  private let style: ProgressListener.Style
  private let isQuiet: Bool
  private let start = Date()
  private var last: Date?
  private var isLineOpen = false

  /// Makes a progress line.
  ///
  /// - Parameters:
  ///   - unit: What is counted, such as `pictures`.
  ///   - isQuiet: Whether nothing is shown.
  init(_ unit: String, isQuiet: Bool) {
    self.unit = unit
    self.isQuiet = isQuiet
    style = .current
  }

  /// Shows that `done` of `total` are done; the total may be unknown.
  func show(_ done: Int, _ total: Int?) {
    guard !isQuiet, done > 0 else { return }
    let now = Date()
    let text = Self.line(unit, done, total, seconds: now.timeIntervalSince(start))
    switch style {
    case .terminal(let columns):
      let bar = total.map { ProgressText.bar(Double(done) / Double(max($0, 1)), width: 16) + "▏ " }
      Console.write("\r" + String(((bar ?? "") + text).prefix(max(columns - 1, 1))) + "\u{1B}[K")
      isLineOpen = true
    case .plain(let seconds):
      guard now.timeIntervalSince(last ?? start) >= seconds else { return }
      Console.remark(text)
    }
    last = now
  }

  /// Ends the line.
  func end() {
    if isLineOpen { Console.remark("") }
    isLineOpen = false
  }

  /// Counts, rate and time left.
  static func line(_ unit: String, _ done: Int, _ total: Int?, seconds: Double) -> String {
    let rate = seconds > 0 ? Double(done) / seconds : 0
    var parts = ["\(done) \(unit)", "\(ProgressText.number(rate, digits: 3)) \(unit)/s"]
    if let total, total > 0 {
      let share = min(1, Double(done) / Double(total))
      parts[0] = "\(done)/\(total) \(unit) (\(Int(share * 100))%)"
      if rate > 0, total >= done {
        parts.append("\(ProgressText.duration(Double(total - done) / rate)) left")
      }
    }
    return parts.joined(separator: " · ")
  }
}
