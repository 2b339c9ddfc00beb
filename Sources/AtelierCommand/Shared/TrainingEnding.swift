// How a training's end is told, for every workshop's `train` command.

import ArgumentParser
import Atelier
import Foundation

/// The end of a training: JSON or lines, the exported model, the exit code.
struct TrainingEnding {
  /// The workshop's command, as in `atelier COMMAND train`.
  let command: String
  /// The run folder as the user named it, and where the best model (or the last one) is copied to.
  let run: TrainingRunOptions
  /// Whether to print JSON or to say nothing.
  let global: GlobalOptions

  /// What `--json` prints.
  private struct Ending: Encodable {
    let run: String
    let reason: String
    let step: Int
    let seconds: Double
    let best: Double?
    let bestStep: Int?
    let bestModel: String?
    let lastModel: String?

    enum CodingKeys: String, CodingKey {
      case run, reason, step, seconds, best
      case bestStep = "best_step"
      case bestModel = "best_model"
      case lastModel = "last_model"
    }
  }

  /// Prints the end and exports the model.
  ///
  /// - Parameters:
  ///   - report: Why the training ended.
  ///   - interrupt: Knows the signal that interrupted it.
  /// - Throws: `ExitCode` when it was interrupted, `StudioError` when values were not finite, and
  ///   what writing the exported model throws.
  func tell(_ report: StopReport, _ interrupt: InterruptFlag) throws {
    let best = present("best.safetensors")
    let last = present("last.safetensors")
    if global.json {
      try Console.print(
        json: Ending(
          run: run.path, reason: report.reason.rawValue, step: report.step, seconds: report.seconds,
          best: report.best, bestStep: report.bestStep, bestModel: best, lastModel: last))
    }
    try checkReason(report, interrupt)
    try tellModels(exporting: best ?? last)
  }

  /// Throws when a training was interrupted, after saying how it goes on, or gave up.
  func checkReason(_ report: StopReport, _ interrupt: InterruptFlag) throws {
    if report.reason == .interrupted {
      Console.remark("saved at step \(report.step); this goes on with it:")
      Console.remark("  atelier \(command) train --run \(Reading.quoted(run.path)) --resume")
      throw ExitCode(128 + (interrupt.signalNumber ?? 2))
    }
    guard report.reason != .notFinite else {
      throw StudioError(
        .data,
        "the training gave up at step \(report.step): values were not finite; "
          + "try a smaller --learning-rate"
      )
    }
  }

  /// Names the models of the run and copies one where that was asked for.
  func tellModels(exporting model: String?) throws {
    if let best = present("best.safetensors") { global.say("best model: \(best)") }
    if let last = present("last.safetensors") { global.say("last model: \(last)") }
    if let export = run.export, let model {
      let data = try Data(contentsOf: URL(fileURLWithPath: model))
      try AtomicFile.write(data, to: URL(fileURLWithPath: export))
      global.say("exported:   \(export)")
    }
  }

  /// The path of a file in the run folder, nil when it is not there.
  func present(_ name: String) -> String? {
    let path = (run.path as NSString).appendingPathComponent(name)
    return FileManager.default.fileExists(atPath: path) ? path : nil
  }
}
