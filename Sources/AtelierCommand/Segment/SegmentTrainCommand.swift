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
  private static let networkList = Catalogue.list(for: .segment)

  @OptionGroup var folder: TrainingRunOptions

  @OptionGroup(title: "TRAINING OPTIONS") var training: SegmentTrainingOptions
  @OptionGroup(title: "GENERAL OPTIONS") var arithmetic: PrecisionOptions
  @OptionGroup(title: "GENERAL OPTIONS") var global: GlobalOptions

  func run() throws {
    let isForObjects =
      training.network == SegmentTrainingOptions.objectsNetwork
      || folder.resume && (try? MaskRCNNTraining.request(of: folder.folder)) != nil
    if isForObjects {
      return try training.objects().train(
        folder, fixedOptions: training.fixedOptionsGiven, arithmetic, global)
    }
    let request = try folder.request(
      fixedOptions: training.fixedOptionsGiven, new: training.request,
      stored: SegmentationTraining.request,
      files: { SegmentTrainingOptions.files($0.data, $0.validation) },
      limits: training.applyLimits)
    let interrupt = InterruptFlag.catchingSignals()
    let report = try SegmentationTraining.run(
      request, in: folder.folder, isResuming: folder.resume,
      listeners: global.quiet ? [] : [ProgressListener()], interrupt: interrupt,
      kernels: arithmetic.kernels(global))
    try TrainingEnding(command: "segment", run: folder, global: global).tell(report, interrupt)
  }
}
