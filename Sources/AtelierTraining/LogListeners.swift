// Training events into files, which are cut back to the saved state when a run resumes.

import AtelierFiles
import Foundation

/// Writes every event as one line of JSON.
public final class JSONLinesListener: TrainingListener {
  /// A training is worth more than its log.
  public var isBeside: Bool { true }

  private let url: URL
  private let interval: Int
  private var writer: JSONLinesWriter?

  /// Makes a listener that writes every so many steps; other events are always written.
  public init(_ url: URL, every interval: Int = 1) {
    self.url = url
    self.interval = max(interval, 1)
  }

  /// Opens the log where the saved state left it.
  public func prepare(step: Int, checkpoint: String?) throws {
    // A new training begins an empty log; a listener that is new to a resumed one keeps what is
    // there.
    writer = try JSONLinesWriter(
      url, keeping: step == 0 ? 0 : try checkpoint.map { try position($0, url) })
  }

  /// Appends a line.
  public func handle(_ event: TrainingEvent) throws {
    if case .step(let report) = event, report.step % interval != 0 { return }
    if let record = EventRecord(event) { try writer?.append(record) }
  }

  /// The length of the log.
  public func checkpoint() throws -> String? {
    try writer?.sync()
    return writer.map { "\($0.length)" }
  }
}

/// The JSON form of an event; what does not apply is left out.
public struct EventRecord: Sendable, Encodable {
  private var event: String
  private var step: Int?
  private var totalSteps: Int?
  private var loss: Double?
  private var smoothedLoss: Double?
  private var values: [String: Double]?
  private var learningRate: Double?
  private var gradientNorm: Double?
  private var imagesPerSecond: Double?
  private var seconds: Double?
  private var metrics: [String: Double]?
  private var metric: String?
  private var value: Double?
  private var former: Double?
  private var reason: String?
  private var text: String?
  private var best: Double?
  private var bestStep: Int?
  private var remainingSeconds: Double?
  private var file: String?
  private var kind: String?
  private var cells: [PreviewCell]?

  /// Makes the record of an event; nil for what is only a question to listeners.
  public init?(_ event: TrainingEvent) {
    switch event {
    case .started(let report):
      self.event = report.step == 0 ? "started" : "resumed"
      step = report.step
      totalSteps = report.totalSteps
      seconds = report.seconds
    case .step(let report):
      self.event = "step"
      step = report.step
      loss = report.loss
      smoothedLoss = report.smoothedLoss
      // A single loss is there already.
      values = report.values.count > 1 ? report.values : nil
      learningRate = report.learningRate
      gradientNorm = report.gradientNorm
      imagesPerSecond = report.imagesPerSecond
      seconds = report.seconds
      remainingSeconds = report.remainingSeconds
    case .validated(let report):
      self.event = "validated"
      step = report.step
      metrics = report.metrics
      seconds = report.duration
    case .improved(let report):
      self.event = "improved"
      step = report.step
      metric = report.metric
      value = report.value
      former = report.former
    case .warning(let step, let text):
      self.event = "warning"
      self.step = step
      self.text = text
    case .stopped(let report):
      self.event = "stopped"
      step = report.step
      seconds = report.seconds
      reason = report.reason.rawValue
      best = report.best
      bestStep = report.bestStep
    case .preview(let report):
      self.event = "preview"
      step = report.step
      file = report.path
      cells = report.cells
    case .saved(let report):
      self.event = "saved"
      step = report.step
      file = report.path
      kind = report.kind.rawValue
    case .previewDue: return nil
    }
  }
}

/// Writes loss, rate, gradient norm and speed of every step as a row; validations as rows too.
public final class CSVListener: TrainingListener {
  /// A training is worth more than its log.
  public var isBeside: Bool { true }

  private let url: URL
  private let metrics: [String]
  private let interval: Int
  private var writer: CSVLogWriter?

  /// Makes a listener that writes every so many steps; the validation metrics named get columns.
  public init(_ url: URL, metrics: [String] = [], every interval: Int = 1) {
    self.url = url
    self.metrics = metrics
    self.interval = max(interval, 1)
  }

  /// Opens the table and drops rows beyond the saved state.
  public func prepare(step: Int, checkpoint: String?) throws {
    let columns =
      ["loss", "smoothed_loss", "learning_rate", "gradient_norm", "images_per_second", "seconds"]
      + metrics
    writer =
      step == 0
      ? try CSVLogWriter(url, columns: columns)
      : try CSVLogWriter(resuming: url, columns: columns, through: step)
  }

  /// Appends a row.
  public func handle(_ event: TrainingEvent) throws {
    switch event {
    case .step(let report) where report.step % interval == 0:
      let numbers: [Double?] = [
        report.loss, report.smoothedLoss, report.learningRate, report.gradientNorm,
        report.imagesPerSecond, report.seconds,
      ]
      try writer?.append(step: report.step, numbers + metrics.map { _ in nil })
    case .validated(let report) where !metrics.isEmpty:
      let blank = [Double?](repeating: nil, count: 6)
      try writer?.append(step: report.step, blank + metrics.map { report.metrics[$0] })
    default: break
    }
  }

  /// The step that the state is saved at says enough.
  public func checkpoint() throws -> String? {
    try writer?.sync()
    return nil
  }
}

/// Writes scalars for TensorBoard: `training/…` by step, `validation/…` by validation.
public final class TensorBoardListener: TrainingListener {
  /// A training is worth more than its log.
  public var isBeside: Bool { true }

  private let folder: URL
  private let interval: Int
  private let host: String?
  private let wallTime: () -> Double
  private var writer: TensorBoardWriter?

  /// Makes a listener that writes every so many steps.
  ///
  /// The run's own folder must exist; a new training removes the event files in it. Without a host
  /// it is the system's; `wallTime` gives seconds since 1970.
  public init(
    _ folder: URL, every interval: Int = 1, host: String? = nil,
    wallTime: @escaping () -> Double = { Date().timeIntervalSince1970 }
  ) {
    self.folder = folder
    self.interval = max(interval, 1)
    self.host = host
    self.wallTime = wallTime
  }

  /// The event file's writer once the training began, for pictures.
  public var pictures: TensorBoardWriter? { writer }

  /// Goes on with the saved state's event file, or begins one.
  public func prepare(step: Int, checkpoint: String?) throws {
    if step > 0, let parts = checkpoint?.split(separator: " ", maxSplits: 1), parts.count == 2 {
      let url = folder.appending(path: String(parts[1]))
      writer = try TensorBoardWriter(continuing: url, keeping: try position(parts[0], url))
      return
    }
    if step == 0 {
      // What a training left that was killed before its first save would be drawn beside this one.
      let names = (try? FileManager.default.contentsOfDirectory(atPath: folder.path)) ?? []
      for name in names where name.hasPrefix("events.out.tfevents.") {
        try FileManager.default.removeItem(at: folder.appending(path: name))
      }
    }
    writer = try TensorBoardWriter(folder: folder, host: host, wallTime: wallTime())
  }

  /// Appends scalars.
  public func handle(_ event: TrainingEvent) throws {
    guard let writer else { return }
    switch event {
    case .step(let report) where report.step % interval == 0:
      var scalars: [(tag: String, value: Float)] = [
        ("training/loss", Float(report.loss)),
        ("training/smoothed_loss", Float(report.smoothedLoss)),
        ("training/learning_rate", Float(report.learningRate)),
        ("training/gradient_norm", Float(report.gradientNorm)),
        ("training/images_per_second", Float(report.imagesPerSecond)),
      ]
      for (name, value) in report.values.sorted(by: { $0.key < $1.key }) where name != "loss" {
        scalars.append(("training/\(name)", Float(value)))
      }
      try writer.append(scalars, step: report.step, wallTime: wallTime())
    case .validated(let report):
      let scalars = report.metrics.sorted { $0.key < $1.key }.map {
        (tag: "validation/\($0.key)", value: Float($0.value))
      }
      try writer.append(scalars, step: report.step, wallTime: wallTime())
    default: break
    }
  }

  /// The length and the name of the event file.
  public func checkpoint() throws -> String? {
    try writer?.sync()
    return writer.map { "\($0.length) \($0.url.lastPathComponent)" }
  }
}

/// The length that a checkpoint names.
private func position(_ text: some StringProtocol, _ url: URL) throws -> Int {
  guard let length = Int(text) else {
    throw TrainingError(
      "\(url.relativePath): expected the saved state to give its length; received \(text)")
  }
  return length
}
