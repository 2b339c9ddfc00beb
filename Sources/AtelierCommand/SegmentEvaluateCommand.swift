// `atelier segment evaluate`: accuracies, intersection over union, the confusion matrix.

import ArgumentParser
import Atelier
import Foundation

/// Measures a semantic model.
struct SegmentEvaluateCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "evaluate",
    abstract: "Print accuracies, mIoU, the table of classes and the confusion matrix.",
    discussion: """
      The set is laid out as for training; of a set with parts the test part is taken. Pictures \
      are taken whole, at their own size.

      EXAMPLES
        atelier segment evaluate --model m.safetensors --data camvid
        atelier segment evaluate --model m.safetensors --data camvid --part val --json
        atelier segment evaluate --model m.safetensors --data scenes --picture confusion.png
      """)

  @Option(help: ArgumentHelp("The model file.", valueName: "file"))
  var model: String

  @Option(help: ArgumentHelp("The set: pictures and masks.", valueName: "dir"))
  var data: String

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
  }

  func run() throws {
    try Reading.checkPresent([model, data])
    let segmenter = try Segmenter(
      ModelFile.read(from: URL(fileURLWithPath: model)), kernels: arithmetic.kernels(global))
    guard
      let set = try SegmentedImages.read(
        URL(fileURLWithPath: data), part: SegmentationPart(rawValue: part) ?? .test,
        palette: segmenter.palette, channels: segmenter.channels)
    else { throw StudioError(.data, "\(data): the set has no \(part) part") }
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
