// `atelier segment train`: builds a training request or reads it from a run folder, and runs it.

import ArgumentParser
import Atelier
import Foundation

/// Trains a semantic network.
struct SegmentTrainCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "train",
    abstract: "Train a network on pictures and masks.",
    discussion: """
      The data: CamVid's folders (train and trainannot, val and valannot), train/images and \
      train/masks, or images and masks. A mask is a PNG of its picture's name and size: palette \
      or gray, whose stored values are the classes, or colours. classes.txt beside the folders \
      lists INDEX NAME RED GREEN BLUE a line; 255 and classes named void do not count. Ctrl-C \
      saves; --resume goes on as if nothing had happened.

      NETWORKS
      \(networkList)
        mask-rcnn:
          a mask for every object; more options: segment train-objects --help

      EXAMPLES
        atelier segment train --data camvid --network unet --run mine --minutes 30
        atelier segment train --data shapes --network mask-rcnn --run it --minutes 60
        atelier segment train --data scenes --network unet --width 24 --levels 5 \\
          --run wide --steps 20000
        atelier segment train --run mine --resume --minutes 60
      """)

  /// The networks with a line each; a paragraph of its own would be wrapped in the help.
  private static var networkList: String {
    SegmentationNetwork.allCases.map { "  \($0.rawValue):\n    \($0.summary)" }
      .joined(separator: "\n")
  }

  @Option(name: .customLong("run"), help: ArgumentHelp("The run folder.", valueName: "folder"))
  var runPath: String

  @Flag(help: "Go on with the run; only limits and intervals may change.")
  var resume = false

  @Option(help: ArgumentHelp("Copy the best model here at the end.", valueName: "file"))
  var export: String?

  @OptionGroup(title: "TRAINING OPTIONS") var training: SegmentTrainingOptions
  @OptionGroup(title: "GENERAL OPTIONS") var arithmetic: PrecisionOptions
  @OptionGroup(title: "GENERAL OPTIONS") var global: GlobalOptions

  func run() throws {
    let folder = URL(fileURLWithPath: runPath)
    if let request = try objectsRequest(folder) {
      return try SegmentMaskRCNNTraining.run(
        request, in: runPath, isResuming: resume, export: export, arithmetic, global)
    }
    let request = try resume ? resumedRequest(folder) : newRequest(folder)
    let interrupt = InterruptFlag.catchingSignals()
    let report = try SegmentationTraining.run(
      request, in: folder, isResuming: resume,
      listeners: global.quiet ? [] : [ProgressListener()], interrupt: interrupt,
      kernels: arithmetic.kernels(global))
    try TrainingEnding(command: "segment", run: runPath, export: export, global: global)
      .tell(report, interrupt)
  }

  /// The request of a training for objects, where that is asked for or is what the folder holds.
  private func objectsRequest(_ folder: URL) throws -> MaskRCNNTrainingRequest? {
    if resume {
      guard var request = try? MaskRCNNTraining.request(of: folder) else { return nil }
      try refuseFixedOptions()
      try training.objects().applyLimits(to: &request)
      return request
    }
    guard training.network == SegmentTrainingOptions.objectsNetwork else { return nil }
    return try training.objects().request()
  }

  private func refuseFixedOptions() throws {
    let given = training.fixedOptionsGiven
    guard given.isEmpty else {
      throw StudioError(
        .usage,
        "--resume goes on with the run's own settings; leave out \(given.joined(separator: ", "))")
    }
  }

  private func newRequest(_ folder: URL) throws -> SegmentationTrainingRequest {
    let configuration = folder.appendingPathComponent("configuration.json").path
    guard !FileManager.default.fileExists(atPath: configuration) else {
      throw StudioError(
        .cannotCreate,
        "\(runPath): expected a new folder; it holds a run already (--resume goes on)")
    }
    return try training.request()
  }

  private func resumedRequest(_ folder: URL) throws -> SegmentationTrainingRequest {
    try refuseFixedOptions()
    try Reading.checkPresent([runPath])
    var request = try SegmentationTraining.request(of: folder)
    try Reading.checkPresent(SegmentTrainingOptions.files(request.data, request.validation))
    training.applyLimits(to: &request)
    return request
  }
}
