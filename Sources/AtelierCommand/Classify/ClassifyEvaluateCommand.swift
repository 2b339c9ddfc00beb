// `atelier classify evaluate`: accuracy, top-k, the table of classes, the confusion matrix.

import ArgumentParser
import Atelier
import Foundation

/// Measures a classifier.
struct ClassifyEvaluateCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "evaluate",
    abstract: "Print accuracy, the table of classes and the confusion matrix over a test set.",
    discussion: """
      The test set: a folder of IDX files (.gz too; the t10k part is taken), of CIFAR's binary \
      files (the test part), or of one folder a class (below test, where there is one). Several \
      models are an ensemble.

      EXAMPLES
        atelier classify evaluate --model m.safetensors --data fashion-mnist
        atelier classify evaluate --model a.safetensors b.safetensors --data mnist \\
          --json
        atelier classify evaluate --model m.safetensors --data animals \\
          --picture confusion.png
      """)

  @Option(help: ArgumentHelp("The test set.", valueName: "dir"))
  var data: String

  @Option(help: ArgumentHelp("The part of a set with parts: test or training.", valueName: "part"))
  var part = DataPart.test.rawValue

  @Option(help: ArgumentHelp("How many of the likeliest classes may be right.", valueName: "k"))
  var top = 3

  @Option(help: ArgumentHelp("Draw the confusion matrix.", valueName: "file"))
  var picture: String?

  @OptionGroup var models: ClassifierOptions
  @OptionGroup(title: "GENERAL OPTIONS") var arithmetic: PrecisionOptions
  @OptionGroup(title: "GENERAL OPTIONS") var global: GlobalOptions

  func validate() throws {
    guard top >= 1 else { throw ValidationError("--top takes at least 1; received \(top)") }
    guard DataPart(rawValue: part) != nil else {
      throw ValidationError("--part takes test or training; received \(part)")
    }
  }

  func run() throws {
    let classifier = try models.load(arithmetic.kernels(global))
    try Reading.checkPresent([data])
    let images = try LabeledImages.read(
      URL(fileURLWithPath: data), part: DataPart(rawValue: part) ?? .test, form: classifier.form)
    let report = try ClassificationEvaluation.run(classifier, on: images, top: top)
    if let picture {
      let title = "\(images.name): accuracy \(NumberText.fixed(100 * report.accuracy, 2)) %"
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
      "accuracy \(NumberText.fixed(100 * report.accuracy, 2)) %, top \(report.top) "
        + "\(NumberText.fixed(100 * report.topAccuracy, 2)) %, loss "
        + "\(NumberText.fixed(report.loss, 4)), \(NumberText.fixed(report.imagesPerSecond, 0)) "
        + "images/s")
    Console.print("protocol: \(report.protocol)")
    if let picture { Console.print("picture: \(picture)") }
  }

  /// One row a class.
  static func classTable(_ report: ClassificationReport) -> String {
    var table = TextTable(["class", "pictures", "correct", "precision", "recall", "F1"])
    for row in report.classes {
      table.append(
        [row.name, "\(row.count)", "\(row.correct)"]
          + [row.precision, row.recall, row.f1].map { NumberText.fixed($0, 4) })
    }
    return table.text
  }

  /// The whole matrix of up to twenty classes; of more the pairs that are confused most.
  static func confusionText(_ report: ClassificationReport) -> String {
    guard report.classes.count <= 20 else {
      var table = TextTable(["class", "taken for", "pictures"], leftColumns: 2)
      for pair in report.confusedPairs(20) {
        table.append([pair.class, pair.takenFor, "\(pair.count)"])
      }
      return table.text
    }
    // Columns carry the numbers of the classes, which keeps them narrow.
    var table = TextTable(
      ["class \\ taken for"] + report.classes.indices.map { "(\($0))" })
    for (index, row) in report.confusion.enumerated() {
      table.append(["(\(index)) \(report.classes[index].name)"] + row.map(String.init))
    }
    return table.text
  }
}
