// Training of a Mask R-CNN: pictures with objects in, a run folder with a model out.

import AtelierEngine
import AtelierImages
import AtelierKernels
import AtelierTraining
import Foundation

/// Trains Mask R-CNNs.
public enum MaskRCNNTraining {
  /// What a validation measures, besides the losses of a step.
  static let metrics = ["mask_ap", "mask_ap50", "box_ap"]

  /// Trains in a run folder, or goes on there.
  ///
  /// - Parameters:
  ///   - request: What to train; must equal the stored one when resuming, but for its limits.
  ///   - run: The run folder.
  ///   - isResuming: Whether the folder holds a run to go on with.
  ///   - listeners: Who is told, besides the run folder's own logs.
  ///   - interrupt: Asks to save and stop.
  ///   - kernels: Instruction set and threads.
  /// - Returns: Why it ended and what was reached.
  /// - Throws: `StudioError`, `TrainingError`, `DatasetError`, each with one clear line.
  public static func run(
    _ request: MaskRCNNTrainingRequest, in run: URL, isResuming: Bool,
    listeners: [any TrainingListener] = [], interrupt: InterruptFlag = InterruptFlag(),
    kernels: Kernels = Kernels()
  ) throws -> StopReport {
    let session = try MaskRCNNSession(request, kernels: kernels)
    let folder = try request.folder(at: run, isResuming: isResuming)
    let loop = try session.loop(in: folder)
    loop.interrupt = interrupt
    loop.listeners =
      folder.logs(metrics) + [folder.previews { try session.preview(step: $0) }] + listeners
    return try loop.run()
  }

  /// Reads the request of a run folder.
  ///
  /// - Throws: `TrainingError` when the folder holds no run of a Mask R-CNN.
  public static func request(of run: URL) throws -> MaskRCNNTrainingRequest {
    try MaskRCNNTrainingRequest(ofRun: run)
  }
}
