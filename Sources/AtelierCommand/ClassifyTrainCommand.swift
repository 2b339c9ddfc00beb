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
  private static var networkList: String {
    ClassifierNetwork.allCases.map { "  \($0.rawValue):\n    \($0.summary)" }
      .joined(separator: "\n")
  }

  @Option(name: .customLong("run"), help: ArgumentHelp("The run folder.", valueName: "folder"))
  var runPath: String

  @Flag(help: "Go on with the run; only limits and intervals may change.")
  var resume = false

  @Option(help: ArgumentHelp("Copy the best model here at the end.", valueName: "file"))
  var export: String?

  @OptionGroup(title: "TRAINING OPTIONS") var training: ClassifierTrainingOptions
  @OptionGroup(title: "GENERAL OPTIONS") var arithmetic: PrecisionOptions
  @OptionGroup(title: "GENERAL OPTIONS") var global: GlobalOptions

  func run() throws {
    let folder = URL(fileURLWithPath: runPath)
    let request = try resume ? resumedRequest(folder) : newRequest(folder)
    let interrupt = InterruptFlag.catchingSignals()
    let report = try ClassificationTraining.run(
      request, in: folder, isResuming: resume,
      listeners: global.quiet ? [] : [ProgressListener()], interrupt: interrupt,
      kernels: arithmetic.kernels(global))
    try TrainingEnding(command: "classify", run: runPath, export: export, global: global)
      .tell(report, interrupt)
  }

  private func newRequest(_ folder: URL) throws -> ClassificationTrainingRequest {
    let configuration = folder.appendingPathComponent("configuration.json").path
    guard !FileManager.default.fileExists(atPath: configuration) else {
      throw StudioError(
        .cannotCreate,
        "\(runPath): expected a new folder; it holds a run already (--resume goes on)")
    }
    return try training.request()
  }

  private func resumedRequest(_ folder: URL) throws -> ClassificationTrainingRequest {
    let given = training.fixedOptionsGiven
    guard given.isEmpty else {
      throw StudioError(
        .usage,
        "--resume goes on with the run's own settings; leave out \(given.joined(separator: ", "))")
    }
    try Reading.checkPresent([runPath])
    var request = try ClassificationTraining.request(of: folder)
    try Reading.checkPresent([request.data] + (request.validation.map { [$0] } ?? []))
    training.applyLimits(to: &request)
    return request
  }
}
