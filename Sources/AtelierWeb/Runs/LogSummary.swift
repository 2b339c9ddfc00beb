// What lists show of a run, read out of its events as they are appended.

import Foundation

/// The state of a training by its events.
package struct LogSummary: Codable, Hashable, Sendable {
  /// How far the log was read.
  package var position = LogPosition()
  /// The steps made.
  package var step = 0
  /// The steps at which it ends; nil when time alone limits it.
  package var totalSteps: Int?
  /// The smoothed loss.
  package var loss: Double?
  /// Pictures a second.
  package var rate: Double?
  /// Seconds of training.
  package var seconds: Double?
  /// Seconds that are probably left.
  package var remaining: Double?
  /// The name of the figure that decides what is best.
  package var metric: String?
  /// The best value of that figure.
  package var best: Double?
  /// The step of the best value.
  package var bestStep: Int?
  /// Why it ended; nil while it has not.
  package var reason: String?
  /// The last warning.
  package var warning: String?
  /// The figures of validations, by name.
  package var metrics: [String] = []
  /// The curve of the smoothed loss for a small picture, `Self.sparkLimit` values at most.
  package var spark: [Float] = []
  /// Every how many records one value of the small curve is taken.
  private var sparkStride = 1
  private var sparkCount = 0

  private static let sparkLimit = 48

  package init() {}

  /// Reads what was appended to a log; begins anew when the log did.
  ///
  /// - Returns: Whether anything changed.
  package mutating func read(_ log: EventLog) -> Bool {
    var hasChanged = false
    while true {
      switch log.news(since: position) {
      case .same: return hasChanged
      case .reset:
        self = LogSummary()
        hasChanged = true
      case .lines(let bytes, let next):
        bytes.forEachLine { take($0) }
        position = next
        hasChanged = true
      }
    }
  }

  /// Takes one event.
  mutating func take(_ record: LogRecord) {
    var event = ""
    var entries: [(key: UnsafeBufferPointer<UInt8>, value: UnsafeBufferPointer<UInt8>)] = []
    record.entries { key, value in
      if key.spells("event") {
        event = LogRecord.text(value) ?? ""
      } else {
        entries.append((key, value))
      }
    }
    func number(_ name: StaticString) -> Double? {
      entries.first { $0.key.spells(name) }.flatMap { LogRecord.number($0.value) }
    }
    func text(_ name: StaticString) -> String? {
      entries.first { $0.key.spells(name) }.flatMap { LogRecord.text($0.value) }
    }
    func count(_ name: StaticString) -> Int? {
      entries.first { $0.key.spells(name) }.flatMap { LogRecord.count($0.value) }
    }
    if let step = count("step") { self.step = step }
    switch event {
    case "started", "resumed":
      totalSteps = count("totalSteps")
      (reason, remaining) = (nil, nil)
    case "step":
      loss = number("smoothedLoss") ?? number("loss")
      rate = number("imagesPerSecond")
      seconds = number("seconds")
      remaining = number("remainingSeconds")
      if let loss { draw(Float(loss)) }
    case "validated":
      guard metrics.isEmpty, let found = entries.first(where: { $0.key.spells("metrics") }) else {
        return
      }
      LogRecord(found.value).entries { key, _ in
        metrics.append(String(decoding: key, as: UTF8.self))
      }
    case "improved":
      metric = text("metric")
      best = number("value")
      bestStep = count("step")
    case "warning": warning = text("text")
    case "stopped":
      reason = text("reason")
      seconds = number("seconds") ?? seconds
      if let value = number("best") { (best, bestStep) = (value, count("bestStep") ?? bestStep) }
      remaining = nil
    default: break
    }
  }

  /// Adds a value to the small curve; a long one keeps every second.
  private mutating func draw(_ value: Float) {
    defer { sparkCount += 1 }
    guard sparkCount % sparkStride == 0 else { return }
    spark.append(value)
    guard spark.count > Self.sparkLimit else { return }
    spark = stride(from: 0, to: spark.count, by: 2).map { spark[$0] }
    sparkStride *= 2
  }
}
