// `atelier classify train`: builds a training request or reads it from a run folder, and runs it.

import ArgumentParser
import Atelier
import Foundation

/// Trains a classifier.
struct ClassifyTrainCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "train",
    abstract: "Train a classifier on pictures with classes.",
    discussion: """
      The data: a folder of IDX files (.gz too), of CIFAR's binary files, or of one folder a \
      class; of a set with parts the training part. The model file keeps the class names and the \
      normalization. Ctrl-C saves; --resume goes on as if nothing had happened.

      NETWORKS
      \(networkList)

      EXAMPLES
        atelier classify train --data fashion-mnist --network course --run mine
        atelier classify train --data animals --size 64x64 --network resnet-20 \\
          --flip --shift 6 --run animals --epochs 40
        atelier classify train --run mine --resume --epochs 20
      """)

  /// The networks with a line each; a paragraph of its own would be wrapped in the help.
  private static let networkList = Catalogue.list(for: .classify)

  @OptionGroup var folder: TrainingRunOptions

  @OptionGroup(title: "TRAINING OPTIONS") var training: ClassifierTrainingOptions
  @OptionGroup(title: "GENERAL OPTIONS") var arithmetic: PrecisionOptions
  @OptionGroup(title: "GENERAL OPTIONS") var global: GlobalOptions

  func run() throws {
    let request = try folder.request(
      fixedOptions: training.fixedOptionsGiven, new: training.request,
      stored: ClassificationTraining.request,
      files: { [$0.data] + [$0.validation].compactMap { $0 } }, limits: training.applyLimits)
    let interrupt = InterruptFlag.catchingSignals()
    let report = try ClassificationTraining.run(
      request, in: folder.folder, isResuming: folder.resume,
      listeners: global.quiet ? [] : [ProgressListener()], interrupt: interrupt,
      kernels: arithmetic.kernels(global))
    try TrainingEnding(command: "classify", run: folder, global: global).tell(report, interrupt)
  }
}
