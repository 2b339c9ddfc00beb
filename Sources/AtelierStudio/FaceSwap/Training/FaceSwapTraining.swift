// Training of a face swap: crops of two people in, a run folder with a model out.

import AtelierDatasets
import AtelierEngine
import AtelierImages
import AtelierInterchange
import AtelierKernels
import AtelierTraining
import AtelierZoo
import Foundation

/// How a training of a face swap ended.
public struct FaceSwapTrainingReport: Sendable {
  /// Why it ended and what was reached, of the stage that ran last.
  public let stop: StopReport
  /// When the goal was reached, or will be.
  public let forecast: ErrorForecast
}

/// Trains face swaps.
///
/// The run folder is that of every training; a sequential training keeps its first stage in the folder `first` within.
public enum FaceSwapTraining {
  /// Trains in a run folder, or goes on there.
  ///
  /// - Parameters:
  ///   - request: What to train; must equal the stored one when resuming, but for its limits.
  ///   - run: The run folder.
  ///   - isResuming: Whether the folder holds a run to go on with.
  ///   - listeners: Who is told, besides the run folder's own logs.
  ///   - progress: Shown with the forecast in its line; nil shows none.
  ///   - interrupt: Asks to save and stop.
  ///   - kernels: Instruction set and threads.
  /// - Returns: Why it ended and what was reached.
  /// - Throws: `StudioError`, `TrainingError`, `DatasetError`, each with one clear line.
  public static func run(
    _ request: FaceSwapTrainingRequest, in run: URL, isResuming: Bool,
    listeners: [any TrainingListener] = [], progress: ProgressListener? = nil,
    interrupt: InterruptFlag = InterruptFlag(), kernels: Kernels = Kernels()
  ) throws -> FaceSwapTrainingReport {
    guard request.cycleWeight == 0 || request.mode == .joint else {
      throw StudioError(
        .usage, "the cycle needs both decoders at once: --cycle is for joint mode alone")
    }
    guard request.cycleWeight == 0 || request.augmentation.alignment == .centered else {
      throw StudioError(
        .usage,
        "the cycle needs drawings that lie where their inputs do: leave out --original-alignment")
    }
    if let priority = request.eyesMouthPriority, !(1...100).contains(priority) {
      throw StudioError(
        .usage, "the priority of eyes and mouth must be in 1...100; received \(priority)")
    }
    try request.augmentation.validate()
    let faces = try FaceSwapFaces(request, pool: kernels.pool)
    let stages = request.stages
    // Before the folder is made, so that a request that cannot run leaves none behind.
    _ = try request.network.previewGraph(batch: 1)
    var start = try isResuming ? [:] : self.start(request)
    let folder = try request.folder(at: run, isResuming: isResuming)
    let firstURL = run.appending(path: "first")
    for (index, stage) in stages.enumerated() {
      let isLast = index == stages.count - 1
      if !isLast, folder.hasState {
        continue  // The last stage has begun, so this one is over.
      }
      let isThere = FileManager.default.fileExists(
        atPath: firstURL.appending(path: "configuration.json").path)
      let place =
        isLast ? folder : try request.folder(at: firstURL, isResuming: isResuming && isThere)
      let session = try FaceSwapSession(
        request, stage: stage, faces: faces, startingFrom: start, kernels: kernels)
      let report = try session.run(
        in: place, listeners: listeners, progress: progress, interrupt: interrupt)
      if isLast || report.stop.reason == .interrupted || report.stop.reason == .notFinite {
        return report
      }
      // What the first stage made: the encoder, and A's decoder, which goes into the model as it is.
      let learnt = [FaceSwapNetwork.encoderPrefix, SwapFace.a.parameterPrefix]
      start = try ModelFile.read(from: place.lastModelURL).parameters.filter { entry in
        learnt.contains { entry.key.hasPrefix($0) }
      }
    }
    throw TrainingError("\(run.relativePath): a training has at least one stage")
  }

  /// The weights that the request starts with; empty when it starts with none.
  private static func start(_ request: FaceSwapTrainingRequest) throws -> [String: Tensor] {
    guard !request.freezesEncoder || request.encoderFrom ?? request.startFrom != nil else {
      throw StudioError(
        .usage, "a frozen encoder must come from somewhere: give --encoder-from, too")
    }
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
    let model = try FaceSwapModel(contentsOf: URL(fileURLWithPath: path))
    let given = model.network
    guard given.design == wanted.design, given.side == wanted.side else {
      throw StudioError(
        .data,
        "\(path): expected a model of \(wanted.design.rawValue) at \(wanted.side) pixels; "
          + "received \(given.design.rawValue) at \(given.side)")
    }
    let names = Set(try wanted.previewGraph(batch: 1).parameters.map(\.name))
    return model.model.parameters.filter { names.contains($0.key) }
  }

  /// Reads the request of a run folder.
  ///
  /// - Throws: `TrainingError` when the folder holds no run of a face swap.
  public static func request(of run: URL) throws -> FaceSwapTrainingRequest {
    try FaceSwapTrainingRequest(ofRun: run)
  }
}
