// How a training's end is told: lines, the value of --json, the copied model.

import AtelierFiles
import AtelierTraining
import Foundation

/// The end of a training.
package struct TrainingEnd {
  /// Workshop and verb, such as `classify train`.
  package let job: String
  package let run: RunPlace
  package let stop: StopReport
  /// Lines before those of the models.
  package var lines: [String] = []
  /// Further entries of the JSON value.
  package var further: [(String, (any Encodable & Sendable)?)] = []
  /// Whether the last model counts rather than the best.
  package var takesLast = false

  package init(
    job: String, run: RunPlace, stop: StopReport, lines: [String] = [],
    further: [(String, (any Encodable & Sendable)?)] = [], takesLast: Bool = false
  ) {
    self.job = job
    self.run = run
    self.stop = stop
    self.lines = lines
    self.further = further
    self.takesLast = takesLast
  }

  /// The report, with a fault when values were not finite; copies the model where that was asked
  /// for.
  package func report() throws -> Report {
    let best = present("best.safetensors")
    let last = present("last.safetensors")
    let entries: [(String, (any Encodable & Sendable)?)] = [
      ("run", run.run), ("reason", stop.reason.rawValue), ("step", stop.step),
      ("seconds", stop.seconds), ("best", stop.best), ("best_step", stop.bestStep),
      ("best_model", best), ("last_model", last),
    ]
    var report = Report(value: JSONEntries(entries + further))
    if stop.reason == .interrupted {
      report.continuation = [
        "saved at step \(stop.step); this goes on with it:",
        "  atelier \(job) --run \(ShellWord.quoted(run.run)) --resume",
      ]
      return report
    }
    guard stop.reason != .notFinite else {
      report.fault = StudioError(
        .data,
        "the training gave up at step \(stop.step): values were not finite; "
          + "try a smaller --learning-rate")
      return report
    }
    for line in lines { report.note(line) }
    if let best { report.note("best model: \(best)") }
    if let last { report.note("last model: \(last)") }
    report.files = [best, last].compactMap { $0 }
    if let export = run.export, let model = takesLast ? last : best ?? last {
      let data = try Data(contentsOf: URL(fileURLWithPath: model))
      try AtomicFile.write(data, to: URL(fileURLWithPath: export))
      report.note("exported:   \(export)")
    }
    return report
  }

  /// The path of a file in the run folder, nil when it is not there.
  private func present(_ name: String) -> String? {
    let path = (run.run as NSString).appendingPathComponent(name)
    return FileManager.default.fileExists(atPath: path) ? path : nil
  }
}
