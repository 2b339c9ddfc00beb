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
    let folder: RunFolder
    if isResuming {
      folder = try RunFolder.open(at: run)
      try folder.expect(request, except: MaskRCNNTrainingRequest.changeable)
      try folder.replaceConfiguration(request)
    } else {
      folder = try RunFolder.create(at: run, configuration: request)
    }
    let loop = try session.loop(in: folder)
    loop.interrupt = interrupt
    loop.listeners =
      [
        JSONLinesListener(folder.eventsURL, every: 10),
        CSVListener(folder.tableURL, metrics: metrics, every: 10),
        TensorBoardListener(folder.url, every: 10),
        PreviewListener { step in
          let name = "step-" + String(format: "%07d", step) + ".png"
          try ImageFile.write(
            session.preview(step: step), to: folder.previewsURL.appending(path: name))
        },
      ] + listeners
    return try loop.run()
  }

  /// Reads the request of a run folder.
  ///
  /// - Throws: `TrainingError` when the folder holds no run of a Mask R-CNN.
  public static func request(of run: URL) throws -> MaskRCNNTrainingRequest {
    try RunFolder.open(at: run).configuration(as: MaskRCNNTrainingRequest.self)
  }
}
