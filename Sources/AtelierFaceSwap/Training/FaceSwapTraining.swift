// Training of a face swap: crops of two people in, a run folder with a model out.

import AtelierEngine
import AtelierFiles
import AtelierInterchange
import AtelierKernels
import AtelierTraining
import AtelierWorkbench
import AtelierZoo
import Foundation

/// Trains face swaps; a sequential training keeps its first stage in the folder `first` of the run.
public enum FaceSwapTraining: TrainingJob {
  public static let workshop = "swap"
  public static let name = "train"
  public static let summary =
    "Train a face swap on crops of two people, or on the two fictional characters."
  public static let guide = """
    Crops are square, aligned, of one size a person, as swap extract writes them. The run folder \
    holds the best and the last model, all that a resume needs, logs (CSV, JSON lines, \
    TensorBoard), previews, a timelapse of fixed faces and the curve of the error. Ctrl-C saves; \
    --resume goes on as if nothing had happened.

    NETWORKS
    \(Catalogue.list(for: .swap))

    EXAMPLES
      atelier swap train --a anna --b ben --network slim --run mine --minutes 60
      atelier swap train --a anna --b ben --network original --run course \\
        --steps 10000
      atelier swap train --characters 4000 --network slim --mask --run drawn \\
        --minutes 30
      atelier swap train --run mine --resume --minutes 120
    """

  /// The first stage's mathematics.
  public static func task(
    _ request: FaceSwapTrainingRequest, isResuming: Bool, kernels: Kernels
  ) throws -> FaceSwapTask {
    try request.validate()
    return try FaceSwapTask(
      request, stage: request.stages[0], faces: FaceSwapFaces(request, pool: kernels.pool),
      startingFrom: isResuming ? [:] : start(request), kernels: kernels)
  }

  public static func run(_ request: FaceSwapTrainingRequest, in place: JobPlace) throws -> Report {
    guard let run = place.run else { throw StudioError(.usage, "a training needs a run folder") }
    if let poses = request.characterPoses {
      place.remark("drawing \(poses) poses of each character")
    }
    let (stop, forecast) = try stages(
      request, in: run.url, isResuming: run.resume, listeners: [place.listener],
      interrupt: place.interrupt, kernels: place.kernels, arguments: place.arguments
    ) { place.send(.forecast($0)) }
    // The last model counts: no validation knows how good a swap looks.
    return try TrainingEnd(
      job: path, run: run, stop: stop,
      lines: ["error:      \(ProgressText.number(forecast.smoothed)); \(forecast.text)"],
      further: [
        ("error", forecast.smoothed), ("goal", forecast.goal),
        ("goal_seconds", forecast.reachedSeconds), ("goal_step", forecast.reachedStep),
      ], takesLast: true
    ).report()
  }

  /// Trains in a run folder, or goes on there; the report is that of the stage that runs last.
  @discardableResult public static func run(
    _ request: FaceSwapTrainingRequest, in run: URL, isResuming: Bool,
    listeners: [any TrainingListener] = [], interrupt: InterruptFlag = InterruptFlag(),
    kernels: Kernels = Kernels(), arguments: FieldWords = [:]
  ) throws -> StopReport {
    try stages(
      request, in: run, isResuming: isResuming, listeners: listeners, interrupt: interrupt,
      kernels: kernels, arguments: arguments
    ).stop
  }

  /// Trains one stage after the other; what ended the last one, and when the goal was or will be
  /// reached.
  private static func stages(
    _ request: FaceSwapTrainingRequest, in run: URL, isResuming: Bool,
    listeners: [any TrainingListener], interrupt: InterruptFlag, kernels: Kernels,
    arguments: FieldWords, forecast tell: @escaping (String) -> Void = { _ in }
  ) throws -> (stop: StopReport, forecast: ErrorForecast) {
    try request.validate()
    let share = try request.perShard()
    let faces = try FaceSwapFaces(share, pool: kernels.pool)
    // Before the folder is made, so that a request that cannot run leaves none behind.
    _ = try request.network.previewGraph(batch: 1)
    var start = try isResuming ? [:] : self.start(request)
    let about = AboutRun(job: path, arguments: arguments)
    let folder = try request.folder(at: run, isResuming: isResuming, about: about)
    func trained(
      _ stage: FaceSwapStage, in folder: RunFolder
    ) throws -> (stop: StopReport, forecast: ErrorForecast) {
      let task = try FaceSwapTask(
        share, stage: stage, faces: faces, startingFrom: start, kernels: kernels)
      task.tellForecast = tell
      let stop = try train(
        task, in: folder, listeners: listeners, interrupt: interrupt, kernels: kernels)
      return (stop, task.forecast)
    }
    let stages = request.stages
    // Once the last stage has begun, the first one is over.
    if stages.count == 2, !folder.hasState {
      let place = run.appending(path: "first")
      let isThere = FileManager.default.fileExists(
        atPath: place.appending(path: "configuration.json").path)
      let first = try request.folder(at: place, isResuming: isResuming && isThere, about: about)
      let result = try trained(stages[0], in: first)
      guard result.stop.reason != .interrupted, result.stop.reason != .notFinite else {
        return result
      }
      // What it made: the encoder, and A's decoder, which goes into the model as it is.
      let learnt = [FaceSwapNetwork.encoderPrefix, SwapFace.a.parameterPrefix]
      start = try ModelFile.read(from: first.lastModelURL).parameters.filter { entry in
        learnt.contains { entry.key.hasPrefix($0) }
      }
    }
    return try trained(stages[stages.count - 1], in: folder)
  }

  /// The weights that the request starts with; empty when it starts with none.
  private static func start(_ request: FaceSwapTrainingRequest) throws -> [String: Tensor] {
    try StudioError.unless(
      !request.freezesEncoder || request.encoderFrom ?? request.startFrom != nil, .usage,
      "a frozen encoder must come from somewhere: give --encoder-from, too")
    var tensors = try request.startFrom.map { try weights($0, for: request.network) } ?? [:]
    if let path = request.encoderFrom {
      let encoder = try weights(path, for: request.network).filter {
        $0.key.hasPrefix(FaceSwapNetwork.encoderPrefix)
      }
      tensors.merge(encoder) { $1 }
    }
    return tensors
  }

  /// The weights of a model of the same design; a mask head that the network has not is left out.
  private static func weights(
    _ path: String, for wanted: FaceSwapNetwork
  ) throws -> [String: Tensor] {
    let model = try FaceSwapModel(contentsOf: ShippedModels.file(of: path))
    let given = model.network
    try StudioError.unless(
      given.design == wanted.design && given.side == wanted.side, .data,
      "\(path): expected a model of \(wanted.design.rawValue) at \(wanted.side) pixels; "
        + "received \(given.design.rawValue) at \(given.side)")
    let names = Set(try wanted.previewGraph(batch: 1).parameters.map(\.name))
    return model.model.parameters.filter { names.contains($0.key) }
  }
}
