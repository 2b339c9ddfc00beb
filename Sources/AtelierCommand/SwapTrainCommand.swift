// `atelier swap train`: builds a training request or reads it from a run folder, and runs it.

import ArgumentParser
import Atelier
import Foundation

/// Trains a face swap.
struct SwapTrainCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "train",
    abstract: "Train a face swap on crops of two people, or on the two fictional characters.",
    discussion: """
      Crops are square, aligned, of one size a person, as swap extract writes them. The run folder \
      holds the best and the last model, all that a resume needs, logs (CSV, JSON lines, \
      TensorBoard), previews, a timelapse of fixed faces and the curve of the error. Ctrl-C saves; \
      --resume goes on as if nothing had happened.

      NETWORKS
      \(networkList)

      EXAMPLES
        atelier swap train --a anna --b ben --network slim --run mine --minutes 60
        atelier swap train --a anna --b ben --network original --run course --steps 10000
        atelier swap train --characters 4000 --network slim --mask --run drawn --minutes 30
        atelier swap train --run mine --resume --minutes 120
      """)

  private static var networkList: String {
    FaceSwapNetwork.Design.allCases.map { "  \($0.rawValue):\n    \($0.summary)" }
      .joined(separator: "\n")
  }

  @Option(name: .customLong("run"), help: ArgumentHelp("The run folder.", valueName: "folder"))
  var runPath: String

  @Flag(help: "Go on with the run; only limits and intervals may change.")
  var resume = false

  @Option(
    help: ArgumentHelp("Copy the last model here at the end.", valueName: "file"))
  var export: String?

  @OptionGroup(title: "TRAINING OPTIONS") var training: SwapTrainingOptions
  @OptionGroup(title: "AUGMENTATION") var augmentation: AugmentationOptions
  @OptionGroup(title: "GENERAL OPTIONS") var arithmetic: PrecisionOptions
  @OptionGroup(title: "GENERAL OPTIONS") var global: GlobalOptions

  func run() throws {
    let folder = URL(fileURLWithPath: runPath)
    let request = try resume ? resumedRequest(folder) : newRequest(folder)
    if let poses = request.characterPoses {
      global.remark("drawing \(poses) poses of each character")
    }
    let interrupt = InterruptFlag.catchingSignals()
    let report = try FaceSwapTraining.run(
      request, in: folder, isResuming: resume,
      progress: global.quiet ? nil : ProgressListener(), interrupt: interrupt,
      kernels: arithmetic.kernels(global))
    try finish(report, interrupt)
  }

  private func newRequest(_ folder: URL) throws -> FaceSwapTrainingRequest {
    let configuration = folder.appendingPathComponent("configuration.json").path
    guard !FileManager.default.fileExists(atPath: configuration) else {
      throw StudioError(
        .cannotCreate,
        "\(runPath): expected a new folder; it holds a run already (--resume goes on)")
    }
    var request = try training.request()
    request.augmentation = augmentation.augmentation
    return request
  }

  private func resumedRequest(_ folder: URL) throws -> FaceSwapTrainingRequest {
    let given = training.fixedOptionsGiven + augmentation.optionsGiven
    guard given.isEmpty else {
      throw StudioError(
        .usage,
        "--resume goes on with the run's own settings; leave out \(given.joined(separator: ", "))")
    }
    try Reading.checkPresent([runPath])
    var request = try FaceSwapTraining.request(of: folder)
    try Reading.checkPresent(request.a + request.b + request.validationA + request.validationB)
    training.applyLimits(to: &request)
    return request
  }

  /// What the end of a training looks like as JSON.
  private struct Ending: Encodable {
    let run: String
    let reason: String
    let step: Int
    let seconds: Double
    let best: Double?
    let bestStep: Int?
    let error: Double
    let goal: Double
    let goalSeconds: Double?
    let goalStep: Int?
    let bestModel: String?
    let lastModel: String?

    enum CodingKeys: String, CodingKey {
      case run, reason, step, seconds, best, error, goal
      case bestStep = "best_step"
      case goalSeconds = "goal_seconds"
      case goalStep = "goal_step"
      case bestModel = "best_model"
      case lastModel = "last_model"
    }
  }

  private func finish(_ report: FaceSwapTrainingReport, _ interrupt: InterruptFlag) throws {
    let (stop, forecast) = (report.stop, report.forecast)
    let best = present("best.safetensors")
    let last = present("last.safetensors")
    if global.json {
      try Console.print(
        json: Ending(
          run: runPath, reason: stop.reason.rawValue, step: stop.step, seconds: stop.seconds,
          best: stop.best, bestStep: stop.bestStep, error: forecast.smoothed, goal: forecast.goal,
          goalSeconds: forecast.reachedSeconds, goalStep: forecast.reachedStep, bestModel: best,
          lastModel: last))
    }
    if stop.reason == .interrupted {
      Console.remark("saved at step \(stop.step); this goes on with it:")
      Console.remark("  atelier swap train --run \(Reading.quoted(runPath)) --resume")
      throw ExitCode(128 + (interrupt.signalNumber ?? 2))
    }
    guard stop.reason != .notFinite else {
      throw StudioError(
        .data,
        "the training gave up at step \(stop.step): values were not finite; "
          + "try a smaller --learning-rate")
    }
    global.say("error:      \(ProgressText.number(forecast.smoothed)); \(forecast.text)")
    if let best { global.say("best model: \(best)") }
    if let last { global.say("last model: \(last)") }
    if let export, let last {
      try AtomicFile.write(
        try Data(contentsOf: URL(fileURLWithPath: last)), to: URL(fileURLWithPath: export))
      global.say("exported:   \(export)")
    }
  }

  /// The path of a file in the run folder, nil when it is not there.
  private func present(_ name: String) -> String? {
    let path = (runPath as NSString).appendingPathComponent(name)
    return FileManager.default.fileExists(atPath: path) ? path : nil
  }
}
