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
        atelier swap train --a anna --b ben --network original --run course \\
          --steps 10000
        atelier swap train --characters 4000 --network slim --mask --run drawn \\
          --minutes 30
        atelier swap train --run mine --resume --minutes 120
      """)

  private static let networkList = Catalogue.list(for: .swap)

  @OptionGroup var folder: TrainingRunOptions

  @OptionGroup(title: "TRAINING OPTIONS") var training: SwapTrainingOptions
  @OptionGroup(title: "AUGMENTATION") var augmentation: AugmentationOptions
  @OptionGroup(title: "GENERAL OPTIONS") var arithmetic: PrecisionOptions
  @OptionGroup(title: "GENERAL OPTIONS") var global: GlobalOptions

  func run() throws {
    let request = try folder.request(
      fixedOptions: training.fixedOptionsGiven + augmentation.optionsGiven, new: newRequest,
      stored: FaceSwapTraining.request,
      files: { $0.a + $0.b + $0.validationA + $0.validationB }, limits: training.applyLimits)
    if let poses = request.characterPoses {
      global.remark("drawing \(poses) poses of each character")
    }
    let interrupt = InterruptFlag.catchingSignals()
    let report = try FaceSwapTraining.run(
      request, in: folder.folder, isResuming: folder.resume,
      progress: global.quiet ? nil : ProgressListener(), interrupt: interrupt,
      kernels: arithmetic.kernels(global))
    try finish(report, interrupt)
  }

  private func newRequest() throws -> FaceSwapTrainingRequest {
    var request = try training.request()
    request.augmentation = augmentation.augmentation
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
    let ending = TrainingEnding(command: "swap", run: folder, global: global)
    let last = ending.present("last.safetensors")
    if global.json {
      try Console.print(
        json: Ending(
          run: folder.path, reason: stop.reason.rawValue, step: stop.step, seconds: stop.seconds,
          best: stop.best, bestStep: stop.bestStep, error: forecast.smoothed, goal: forecast.goal,
          goalSeconds: forecast.reachedSeconds, goalStep: forecast.reachedStep,
          bestModel: ending.present("best.safetensors"), lastModel: last))
    }
    try ending.checkReason(stop, interrupt)
    global.say("error:      \(ProgressText.number(forecast.smoothed)); \(forecast.text)")
    // The last model counts: no validation knows how good a swap looks.
    try ending.tellModels(exporting: last)
  }
}
