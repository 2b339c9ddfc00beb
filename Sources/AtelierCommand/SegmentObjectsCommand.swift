// `atelier segment train-objects`: training of Mask R-CNN.

import ArgumentParser
import Atelier
import Foundation

/// Trains a Mask R-CNN.
struct SegmentObjectsCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "train-objects", abstract: "Train a Mask R-CNN: a mask for every object.",
    discussion: """
      EXAMPLES
        atelier segment train-objects --data shapes --run shapes --minutes 40
        atelier segment train-objects --data nuclei --microscope --run nuclei --minutes 60
        atelier segment train-objects --run shapes --resume --minutes 60
      """)

  @Option(name: .customLong("run"), help: ArgumentHelp("The run folder.", valueName: "folder"))
  var runPath: String

  @Flag(help: "Go on with the run; only limits and intervals may change.")
  var resume = false

  @Option(help: ArgumentHelp("Copy the best model here at the end.", valueName: "file"))
  var export: String?

  @OptionGroup(title: "TRAINING OPTIONS") var training: SegmentMaskRCNNTraining
  @OptionGroup(title: "GENERAL OPTIONS") var arithmetic: PrecisionOptions
  @OptionGroup(title: "GENERAL OPTIONS") var global: GlobalOptions

  func run() throws {
    let folder = URL(fileURLWithPath: runPath)
    var request = try resume ? MaskRCNNTraining.request(of: folder) : training.request()
    if resume { training.applyLimits(to: &request) }
    try SegmentMaskRCNNTraining.run(
      request, in: runPath, isResuming: resume, export: export, arithmetic, global)
  }
}
