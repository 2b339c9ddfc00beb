// What a job tells while it runs: progress, metrics, previews, files; any front end or log listens.

import AtelierFiles
import AtelierKernels
import AtelierTraining
import Foundation

/// Something that happened in a job.
public enum JobEvent: Sendable {
  /// Something the user should know that does not end the job.
  case remark(String)
  /// A line of what was done, such as one picture's.
  case note(String)
  /// A line of results, which is wanted also where only results are.
  case result(String)
  /// A row of results for programs, which is wanted as soon as it is there.
  case row(any Encodable & Sendable)
  /// How far the work is.
  case progress(JobProgress)
  /// A file was written.
  case saved(String)
  /// An event of a training.
  case training(TrainingEvent)
  /// One more part of a training's line of progress, such as when a goal will be reached.
  case forecast(String?)
  /// The job ended, with the reason.
  case stopped(String)
}

/// How far a job is.
public struct JobProgress: Sendable, Hashable, Encodable {
  /// What is counted, such as `pictures`.
  public var unit: String
  /// How many are done.
  public var done: Int
  /// How many there are; nil when that is not known.
  public var total: Int?
  /// How many are done in a second.
  public var rate: Double
  /// The seconds that are probably left; nil when that is not known.
  public var remainingSeconds: Double?
}

/// Counts work and tells a place's listener of it.
public final class ProgressCounter {
  private let unit: String
  private let clock = Date()
  private let send: (JobEvent) -> Void

  /// Starts counting in a unit, such as `pictures`, and tells a place.
  public init(_ unit: String, _ place: JobPlace) {
    self.unit = unit
    send = place.send
  }

  /// Tells that `done` of `total` are done; the total may be unknown.
  public func show(_ done: Int, _ total: Int?) {
    let seconds = max(Date().timeIntervalSince(clock), 1e-9)
    let rate = Double(done) / seconds
    let left = total.flatMap { done > 0 && $0 >= done ? Double($0 - done) / rate : nil }
    send(
      .progress(
        JobProgress(unit: unit, done: done, total: total, rate: rate, remainingSeconds: left)))
  }
}

/// Where a job runs and whom it tells: kernels, a listener, a way to stop it.
public struct JobPlace {
  /// Instruction set, threads and precision.
  public var kernels: Kernels
  /// Asks to save and stop.
  public var interrupt: InterruptFlag
  /// Hears every event, on the thread that works and in order.
  public var send: (JobEvent) -> Void
  /// Where a training runs; nil for other jobs.
  public var run: RunPlace?
  /// What a job on several ranks says passes here.
  package var relay: EventRelay?
  /// What the front end was given.
  public var arguments: FieldWords = [:]

  /// Makes a place.
  public init(
    kernels: Kernels = Kernels(), interrupt: InterruptFlag = InterruptFlag(),
    send: @escaping (JobEvent) -> Void = { _ in }
  ) {
    self.kernels = kernels
    self.interrupt = interrupt
    self.send = send
  }

  /// Hands the events of a training on.
  package var listener: any TrainingListener { ClosureListener { [send] in send(.training($0)) } }

  /// Tells something that the user should know.
  public func remark(_ text: String) { send(.remark(text)) }
  /// Tells what was done.
  public func note(_ text: String) { send(.note(text)) }
  /// Tells a result.
  public func result(_ text: String) { send(.result(text)) }
  /// Tells a row of results to programs.
  public func row(_ value: some Encodable & Sendable) { send(.row(value)) }
}

/// Writes a job's events into a file, a line of JSON each.
public final class EventFile {
  private let writer: JSONLinesWriter

  /// Begins an empty file; throws `FileError` when it cannot be written.
  public init(_ path: String) throws {
    writer = try JSONLinesWriter(URL(fileURLWithPath: path), keeping: 0)
  }

  /// Appends an event; throws `FileError` when it cannot be written.
  public func append(_ event: JobEvent) throws {
    func line(_ name: String, _ entries: (String, (any Encodable & Sendable)?)...) throws {
      try writer.append(JSONEntries([("event", name)] + entries))
    }
    switch event {
    case .remark(let text): try line("remark", ("text", text))
    case .note(let text): try line("note", ("text", text))
    case .result(let text): try line("result", ("text", text))
    case .row(let value): try line("row", ("value", value))
    case .forecast(let text): try line("forecast", ("text", text))
    case .saved(let file): try line("saved", ("file", file))
    case .stopped(let reason): try line("stopped", ("reason", reason))
    case .training(let event): if let record = EventRecord(event) { try writer.append(record) }
    case .progress(let progress):
      try line(
        "progress", ("unit", progress.unit), ("done", progress.done), ("total", progress.total),
        ("rate", progress.rate), ("remainingSeconds", progress.remainingSeconds))
    }
  }

  /// Makes sure that all is on disk.
  public func finish() throws { try writer.sync() }
}
