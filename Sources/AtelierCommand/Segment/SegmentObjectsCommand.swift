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
        atelier segment train-objects --data nuclei --microscope --run nuclei \\
          --minutes 60
        atelier segment train-objects --run shapes --resume --minutes 60
      """)

  @OptionGroup var folder: TrainingRunOptions

  @OptionGroup(title: "TRAINING OPTIONS") var training: SegmentMaskRCNNTraining
  @OptionGroup(title: "GENERAL OPTIONS") var arithmetic: PrecisionOptions
  @OptionGroup(title: "GENERAL OPTIONS") var global: GlobalOptions

  func run() throws {
    try training.train(
      folder, fixedOptions: training.fixedOptionsGiven, arithmetic, global)
  }
}
