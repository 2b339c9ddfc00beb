// `atelier objects`: training and measuring of Mask R-CNN.

import ArgumentParser
import Atelier
import Foundation

/// The group of commands around Mask R-CNN.
struct SegmentObjectsCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "objects", abstract: "Train and measure Mask R-CNN.",
    subcommands: [SegmentObjectsTrainCommand.self, SegmentObjectsEvaluateCommand.self])
}

/// Trains a Mask R-CNN.
struct SegmentObjectsTrainCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "train", abstract: "Train a Mask R-CNN.",
    discussion: """
      EXAMPLES
        atelier objects train --data shapes --run shapes --minutes 40
        atelier objects train --data nuclei --microscope --run nuclei --minutes 60
        atelier objects train --run shapes --resume --minutes 60
      """)

  @Option(name: .customLong("run"), help: ArgumentHelp("The run folder.", valueName: "folder"))
  var runPath: String

  @Flag(help: "Go on with the run; only limits and intervals may change.")
  var resume = false

  @OptionGroup(title: "TRAINING OPTIONS") var training: SegmentMaskRCNNTraining
  @OptionGroup(title: "GENERAL OPTIONS") var arithmetic: PrecisionOptions
  @OptionGroup(title: "GENERAL OPTIONS") var global: GlobalOptions

  func run() throws {
    let folder = URL(fileURLWithPath: runPath)
    var request = try resume ? MaskRCNNTraining.request(of: folder) : training.request()
    if resume { training.applyLimits(to: &request) }
    let interrupt = InterruptFlag.catchingSignals()
    let report = try MaskRCNNTraining.run(
      request, in: folder, isResuming: resume,
      listeners: global.quiet ? [] : [ProgressListener()], interrupt: interrupt,
      kernels: arithmetic.kernels(global))
    try TrainingEnding(command: "objects", run: runPath, export: nil, global: global)
      .tell(report, interrupt)
  }
}

/// Measures a Mask R-CNN.
struct SegmentObjectsEvaluateCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "evaluate", abstract: "Measure a Mask R-CNN on pictures with objects.",
    discussion: """
      EXAMPLES
        atelier objects evaluate --model shapes/best.safetensors --data shapes --count 300
        atelier objects evaluate --model nuclei/best.safetensors --data nuclei --limit 300
      """)

  @Option(help: ArgumentHelp("The model file.", valueName: "file"))
  var model: String

  @Option(
    help: ArgumentHelp(
      "\"shapes\" for held-out scenes, else a set of pictures with objects, its test part.",
      valueName: "data"))
  var data: String

  @Option(help: ArgumentHelp("The part of the set: train, val, test or all.", valueName: "part"))
  var part = "test"

  @Option(help: ArgumentHelp("Only pictures of this kind.", valueName: "kind"))
  var kind: String?

  @Option(help: ArgumentHelp("How many scenes of shapes.", valueName: "n"))
  var count = 300

  @Option(help: ArgumentHelp("The seed of the scenes.", valueName: "seed"))
  var sceneSeed: UInt64 = 9001

  @Option(help: ArgumentHelp("The most objects of a picture.", valueName: "n"))
  var limit = 100

  @Option(help: ArgumentHelp("The least score (default: 0.01).", valueName: "score"))
  var score: Float?

  @Option(
    help: ArgumentHelp(
      "The largest overlap of two boxes of one class that both stay (default: 0.5).",
      valueName: "overlap"))
  var overlap: Float?

  @OptionGroup(title: "GENERAL OPTIONS") var arithmetic: PrecisionOptions
  @OptionGroup(title: "GENERAL OPTIONS") var global: GlobalOptions

  func run() throws {
    guard limit > 0 else {
      throw StudioError(.usage, "--limit takes at least 1; received \(limit)")
    }
    let segmenter = try MaskRCNNSegmenter(
      MaskRCNNModel(contentsOf: URL(fileURLWithPath: model)), kernels: arithmetic.kernels(global))
    var selection = ObjectSelection.measuring(limit: limit)
    selection.score = score ?? selection.score
    selection.overlap = overlap ?? selection.overlap
    let report = try segmenter.measure(on: pictures(), selection)
    if global.json {
      try Console.print(json: report)
    } else {
      for line in report.lines { Console.print(line) }
    }
  }

  private func pictures() throws -> InstanceData {
    if data == "shapes" {
      return try InstanceData(ShapesScenes(seed: sceneSeed), count: count)
    }
    try Reading.checkPresent([data])
    guard let part = InstancePart(rawValue: part) else {
      throw StudioError(.usage, "expected a part: train, val, test or all; received \(part)")
    }
    let set = try InstanceData.read(URL(fileURLWithPath: data), part: part)
    guard let kind else { return set }
    return try set.filtered(suffix: " \(kind)") { $0.kind == kind }
  }
}
