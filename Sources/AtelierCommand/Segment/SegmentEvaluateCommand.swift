// `atelier segment evaluate`: accuracies, intersection over union and the confusion matrix of classes
// for pixels; average precision of objects.

import ArgumentParser
import Atelier
import Foundation

/// Measures a model of either kind.
struct SegmentEvaluateCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "evaluate",
    abstract: "Print accuracies and mIoU of classes, or average precision of objects.",
    discussion: """
      The set is laid out as for training; of a set with parts the test part is taken. Pictures \
      are taken whole, at their own size. Objects are measured as COCO does: AP over the overlaps \
      0.50 to 0.95, of masks and boxes; "shapes" stands for held-out scenes that the project draws.

      EXAMPLES
        atelier segment evaluate --model m.safetensors --data camvid
        atelier segment evaluate --model m.safetensors --data camvid --part val \\
          --json
        atelier segment evaluate --model m.safetensors --data scenes \\
          --picture confusion.png
        atelier segment evaluate --model objects-shapes --data shapes --count 300
        atelier segment evaluate --model segment-shapes --data shapes --count 300
        atelier segment evaluate --baseline watershed --data nuclei
      """)

  @Option(
    help: ArgumentHelp("The model: a file, or the name of one that ships.", valueName: "model"))
  var model: String?

  @Option(
    help: ArgumentHelp(
      "Measure a way without learning instead of a model: watershed.", valueName: "name"))
  var baseline: String?

  @Option(help: ArgumentHelp("The set: pictures and masks, or \"shapes\".", valueName: "dir"))
  var data: String

  @Option(help: ArgumentHelp("How many scenes of \"shapes\".", valueName: "n"))
  var count = 200

  @Option(
    name: .customLong("seed"),
    help: ArgumentHelp(
      "The seed of the scenes of \"shapes\" (default: one that nothing is trained on).",
      valueName: "seed"))
  var sceneSeed: UInt64?

  @Option(
    name: .customLong("detections"),
    help: ArgumentHelp("The most objects of a class that count in a picture.", valueName: "n"))
  var detectionLimit = 100

  @Option(
    help: ArgumentHelp(
      "The least score of an object that counts (default: 0.01); 0.5 for the contest's score.",
      valueName: "share"))
  var score: Float?

  @Option(
    help: ArgumentHelp("The part of a set with parts: test, val or train.", valueName: "part"))
  var part = SegmentationPart.test.rawValue

  @Option(help: ArgumentHelp("Draw the confusion matrix.", valueName: "file"))
  var picture: String?

  @Flag(help: "Look at the mirrored picture, too, and average: twice the time.")
  var flip = false

  @OptionGroup(title: "GENERAL OPTIONS") var arithmetic: PrecisionOptions
  @OptionGroup(title: "GENERAL OPTIONS") var global: GlobalOptions

  func validate() throws {
    guard SegmentationPart(rawValue: part) != nil else {
      throw ValidationError("--part takes test, val or train; received '\(part)'")
    }
    guard (model == nil) != (baseline == nil) else {
      throw ValidationError("give either --model or --baseline")
    }
    guard baseline.map({ $0 == "watershed" }) ?? true else {
      throw ValidationError("--baseline takes watershed; received '\(baseline ?? "")'")
    }
    for (name, value) in [("--count", count), ("--detections", detectionLimit)]
    where !(1...100_000).contains(value) {
      throw ValidationError("\(name) takes 1 to 100000; received \(value)")
    }
  }

  func run() throws {
    guard let model else { return try measureObjects(of: nil) }
    let file = ShippedModels.file(of: model)
    try Reading.checkPresent([file.relativePath])
    switch try SegmentationModel(contentsOf: file, kernels: arithmetic.kernels(global)) {
    case .semantic(let segmenter): try measureClasses(segmenter)
    case .objects(let segmenter): try measureObjects(of: segmenter)
    }
  }

  /// Average precision of a model's objects, or of the baseline's.
  private func measureObjects(of segmenter: MaskRCNNSegmenter?) throws {
    guard picture == nil else {
      throw StudioError(
        .usage, "--picture draws which classes of pixels are mixed up; this is about objects")
    }
    let set = try objects()
    let progress = WorkProgress("pictures", isQuiet: global.quiet)
    func show(_ done: Int) { progress.show(done, set.count) }
    let report: InstanceSetReport
    if let segmenter {
      var selection = ObjectSelection.measuring(limit: detectionLimit)
      selection.score = score ?? selection.score
      report = try segmenter.measure(on: set, selection, progress: show)
    } else {
      report = try WatershedBaseline.measure(set, progress: show)
    }
    progress.end()
    guard !global.json else { return try Console.print(json: report) }
    for line in report.lines { Console.print(line) }
  }

  /// The objects to measure on.
  private func objects() throws -> InstanceData {
    if data == ShapesScenes.word {
      return try InstanceData(scenes(), count: count)
    }
    try Reading.checkPresent([data])
    return try InstanceData.read(
      URL(fileURLWithPath: data), part: InstancePart(rawValue: part) ?? .test)
  }

  /// The scenes to measure on.
  private func scenes() throws -> ShapesScenes {
    try ShapesScenes(seed: sceneSeed ?? ShapesScenes.testSeed)
  }

  /// The pictures with classes to measure on.
  private func classes(_ segmenter: Segmenter) throws -> SegmentedImages {
    if data == ShapesScenes.word {
      return try SegmentedImages(scenes(), count: count, channels: segmenter.channels)
    }
    try Reading.checkPresent([data])
    guard
      let set = try SegmentedImages.read(
        URL(fileURLWithPath: data), part: SegmentationPart(rawValue: part) ?? .test,
        palette: segmenter.palette, channels: segmenter.channels)
    else { throw StudioError(.data, "\(data): the set has no \(part) part") }
    return set
  }

  private func measureClasses(_ segmenter: Segmenter) throws {
    let set = try classes(segmenter)
    var options = Segmenter.Options()
    options.isFlipAveraged = flip
    let progress = WorkProgress("pictures", isQuiet: global.quiet)
    let report = try SegmentationEvaluation.run(segmenter, on: set, options: options) {
      progress.show($0, set.count)
    }
    progress.end()
    if let picture {
      let title = "\(set.name): mIoU \(percent(report.meanIoU))"
      do {
        try ImageFile.write(
          ConfusionPicture.draw(report, title: title), to: picture,
          options: .init(metadata: ["Software": "Atelier"]))
      } catch {
        throw StudioError(.cannotCreate, Failure(error).message)
      }
    }
    guard !global.json else { return try Console.print(json: report) }
    Console.print(Self.classTable(report) + "\n")
    Console.print(Self.confusionText(report) + "\n")
    Console.print(
      "global accuracy \(percent(report.globalAccuracy)), class accuracy "
        + "\(percent(report.classAccuracy)), mIoU \(percent(report.meanIoU)), "
        + "\(NumberText.fixed(report.picturesPerSecond, 1)) pictures/s")
    Console.print("protocol: \(report.protocol)")
    if let picture { Console.print("picture: \(picture)") }
  }

  private func percent(_ share: Double) -> String { NumberText.fixed(100 * share, 2) + " %" }

  /// One row a class.
  static func classTable(_ report: SegmentationReport) -> String {
    var table = TextTable(["class", "pixels", "accuracy", "precision", "IoU"])
    for row in report.classes {
      table.append(
        [row.name, "\(row.pixels)"]
          + [row.accuracy, row.precision, row.iou].map { NumberText.fixed($0, 4) })
    }
    return table.text
  }

  /// The matrix in hundredths of each class's pixels.
  static func confusionText(_ report: SegmentationReport) -> String {
    // Columns carry the numbers of the classes, which keeps them narrow.
    var table = TextTable(
      ["% of class \\ taken for"] + report.classes.indices.map { "(\($0))" })
    for (index, row) in report.confusion.enumerated() {
      let sum = Double(max(row.reduce(0, +), 1))
      table.append(
        ["(\(index)) \(report.classes[index].name)"]
          + row.map { NumberText.fixed(100 * Double($0) / sum, 1) })
    }
    return table.text
  }
}
