// The measure of a classifier: accuracy, top-k, one row a class, and who is taken for whom.

import AtelierDatasets
import AtelierEngine
import AtelierImages
import AtelierWorkbench
import Foundation

/// What an evaluation found; encodes to the JSON that `--json` prints.
public struct ClassificationReport: Sendable, Hashable, Codable {
  /// One class's figures.
  public struct Row: Sendable, Hashable, Codable {
    public var name: String
    /// Pictures of the class.
    public var count: Int
    /// Pictures of the class that were found.
    public var correct: Int
    /// The share of the pictures taken for this class that are of it; 0 when none was.
    public var precision: Double
    /// The share of the class's pictures that were found; 0 when there are none.
    public var recall: Double
    /// The harmonic mean of precision and recall.
    public var f1: Double
  }

  /// How the figures came about.
  public var `protocol`: String
  public var count: Int
  /// The share of pictures whose likeliest class is right.
  public var accuracy: Double
  /// How many of the likeliest classes `topAccuracy` looks at.
  public var top: Int
  /// The share of pictures whose class is among the likeliest `top`.
  public var topAccuracy: Double
  /// The mean of minus the logarithm of the right class's probability.
  public var loss: Double
  /// Pictures a second, reading apart.
  public var imagesPerSecond: Double
  /// The classes in the order of the outputs.
  public var classes: [Row]
  /// Pictures by class (rows) and by the class they were taken for (columns).
  public var confusion: [[Int]]

  enum CodingKeys: String, CodingKey {
    case `protocol`, count, accuracy, top, loss, classes, confusion
    case topAccuracy = "top_accuracy"
    case imagesPerSecond = "images_per_second"
  }

  /// The pairs that are confused most: at most `limit`, the most frequent first.
  public func confusedPairs(_ limit: Int) -> [(class: String, takenFor: String, count: Int)] {
    confusion.indices.flatMap { row in
      confusion[row].indices.filter { $0 != row && confusion[row][$0] > 0 }.map {
        (class: classes[row].name, takenFor: classes[$0].name, count: confusion[row][$0])
      }
    }.sorted { $0.count > $1.count }.prefix(limit).map { $0 }
  }
}

/// Measures classifiers.
public enum ClassificationEvaluation {
  /// Measures a classifier on pictures of its size and channels, with the share that is done as
  /// progress; throws `StudioError` when size, channels or classes differ, `DatasetError` for
  /// names.
  public static func run(
    _ classifier: Classifier, on images: LabeledImages, top: Int = 5,
    progress: (Double) -> Void = { _ in }
  ) throws -> ClassificationReport {
    try classifier.expect(images, "model")
    let set = try images.ordered(as: classifier.classNames)
    var tally = ClassificationTally(names: classifier.classNames, top: top)
    let start = Date()
    let chunk = 1000
    for first in stride(from: 0, to: set.count, by: chunk) {
      let range = first..<min(first + chunk, set.count)
      let probabilities = try classifier.probabilities(set.tensor(range))
      tally.add(probabilities, labels: set.labels[range])
      progress(Double(range.upperBound) / Double(set.count))
    }
    let seconds = Date().timeIntervalSince(start)
    var report = tally.report
    report.imagesPerSecond = Double(set.count) / max(seconds, 1e-9)
    report.protocol =
      "\(set.name), all \(set.count) pictures, \(set.size), "
      + (set.channels == 1 ? "gray" : "RGB") + ", pixel / 255"
      + (classifier.models.count > 1
        ? "; mean probability of \(classifier.models.count) models" : "; one model")
      + ", no test-time augmentation; precision, recall and F1 per class"
    return report
  }
}

/// Counts of right and wrong while pictures come in.
struct ClassificationTally {
  private let names: [String]
  private let top: Int
  private var confusion: [[Int]]
  private var topCount = 0
  private var lossSum = 0.0
  private var count = 0

  init(names: [String], top: Int) {
    self.names = names
    self.top = max(1, min(top, names.count))
    confusion = names.map { _ in [Int](repeating: 0, count: names.count) }
  }

  /// Takes in the probabilities [N, classes] of pictures and their classes.
  mutating func add(_ probabilities: Tensor, labels: some Sequence<Int>) {
    for (row, label) in labels.enumerated() {
      let values = probabilities.answers(row)
      let ranked = Classifier.ranked(values)
      confusion[label][ranked[0]] += 1
      if ranked.prefix(top).contains(label) { topCount += 1 }
      // The smallest normal number stands for a probability that underflowed to zero.
      lossSum -= log(Double(max(values[values.startIndex + label], .leastNormalMagnitude)))
      count += 1
    }
  }

  var report: ClassificationReport {
    let rows = names.indices.map { index in
      let (correct, own, taken) = confusion.counts(of: index)
      return ClassificationReport.Row(
        name: names[index], count: own, correct: correct, precision: share(correct, taken),
        recall: share(correct, own), f1: share(2 * correct, own + taken))
    }
    return ClassificationReport(
      protocol: "", count: count, accuracy: share(rows.reduce(0) { $0 + $1.correct }, count),
      top: top, topAccuracy: share(topCount, count), loss: lossSum / Double(max(count, 1)),
      imagesPerSecond: 0, classes: rows, confusion: confusion)
  }
}

extension ConfusionPicture {
  /// Draws a report's matrix, RGB; each row's colours are shares of that class.
  public static func draw(_ report: ClassificationReport, title: String) -> ByteImage {
    draw(names: report.classes.map(\.name), report.confusion, title: title) { count, _ in
      "\(count)"
    }
  }
}
