// `classify evaluate`: accuracy, top-k, the table of classes, the confusion matrix.

import AtelierDatasets
import AtelierWorkbench
import Foundation

/// Which classifier is measured on what.
public struct ClassifyEvaluateRequest: JobRequest, Hashable {
  public var data = ""
  public var part = DataPart.test
  public var top = 3
  public var picture: String?
  public var model: [String] = []

  public init() {}

  public static var form: Form<Self> {
    Form(
      Self(),
      fields: [
        Field("data", \.data, "The test set", value: "dir", kind: .source).demanded,
        Field("part", \.part, "The part of a set with parts: test or training", value: "part"),
        Field("top", \.top, "How many of the likeliest classes may be right", value: "k", .from(1)),
        Field("picture", \.picture, "Draw the confusion matrix", value: "file", kind: .output),
        .classifiers(\.model),
      ])
  }
}

extension DataPart: ChoiceValue {}

/// Measures a classifier.
public enum ClassifyEvaluate: Job {
  public static let workshop = "classify"
  public static let name = "evaluate"
  public static let summary =
    "Print accuracy, the table of classes and the confusion matrix over a test set."
  public static let guide = """
    The test set: a folder of IDX files (.gz too; the t10k part is taken), of CIFAR's binary \
    files (the test part), or of one folder a class (below test, where there is one). Several \
    models are an ensemble.

    EXAMPLES
      atelier classify evaluate --model m.safetensors --data fashion-mnist
      atelier classify evaluate --model a.safetensors b.safetensors --data mnist \\
        --json
      atelier classify evaluate --model m.safetensors --data animals \\
        --picture confusion.png
    """

  public static func run(_ request: ClassifyEvaluateRequest, in place: JobPlace) throws -> Report {
    let classifier = try Classifier(files: request.model, in: place)
    let images = try LabeledImages.read(
      URL(fileURLWithPath: request.data), part: request.part, form: classifier.form)
    for remark in images.remarks() { place.remark(remark) }
    let found = try ClassificationEvaluation.run(classifier, on: images, top: request.top)
    func percent(_ share: Double) -> String { NumberText.fixed(100 * share, 2) + " %" }
    return try Report(
      found, [found.classTable, found.confusionTable],
      "accuracy \(percent(found.accuracy)), top \(found.top) \(percent(found.topAccuracy)), loss "
        + "\(NumberText.fixed(found.loss, 4)), \(NumberText.fixed(found.imagesPerSecond, 0)) images/s",
      protocol: found.protocol,
      matrix: ConfusionPicture.draw(
        found, title: "\(images.name): accuracy \(percent(found.accuracy))"),
      to: request.picture, in: place)
  }
}

extension ClassificationReport {
  /// One row a class.
  var classTable: Table {
    var table = Table(["class", "pictures", "correct", "precision", "recall", "F1"])
    for row in classes {
      table.append(
        [row.name, "\(row.count)", "\(row.correct)"]
          + [row.precision, row.recall, row.f1].map { NumberText.fixed($0, 4) })
    }
    return table
  }

  /// The whole matrix of up to twenty classes; of more the pairs that are confused most.
  var confusionTable: Table {
    guard classes.count <= 20 else {
      var table = Table(["class", "taken for", "pictures"], leftColumns: 2)
      for pair in confusedPairs(20) { table.append([pair.class, pair.takenFor, "\(pair.count)"]) }
      return table
    }
    return Table("class \\ taken for", classes.map(\.name), confusion) { $0.map(String.init) }
  }
}
