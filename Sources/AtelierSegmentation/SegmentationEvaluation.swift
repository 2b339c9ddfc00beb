// The measure of a semantic model: accuracies, intersection over union, one row a class, and which
// class's pixels are taken for which.

import AtelierDatasets
import AtelierImages
import AtelierWorkbench
import Foundation

/// What an evaluation found; encodes to the JSON that `--json` prints.
public struct SegmentationReport: Sendable, Hashable, Codable {
  /// One class's figures.
  public struct Row: Sendable, Hashable, Codable {
    public var name: String
    /// Pixels of the class.
    public var pixels: Int
    /// The share of its pixels that were found; 0 when there are none.
    public var accuracy: Double
    /// The share of the pixels taken for this class that are of it; 0 when none was.
    public var precision: Double
    /// Its pixels that were found over all that are of it or were taken for it; 0 when there are
    /// none.
    public var iou: Double
  }

  /// How the figures came about.
  public var `protocol`: String
  public var pictures: Int
  /// Pixels that count.
  public var pixels: Int
  /// The share of those whose class was found.
  public var globalAccuracy: Double
  /// The mean over classes of the share of their pixels that were found.
  public var classAccuracy: Double
  /// The mean over classes of intersection over union.
  public var meanIoU: Double
  /// Pictures a second, reading apart.
  public var picturesPerSecond: Double
  /// The classes in the order of the outputs.
  public var classes: [Row]
  /// Pixels by class (rows) and by the class they were taken for (columns).
  public var confusion: [[Int]]
  /// The F1 measure of the classes' borders; nil where it was not asked for.
  public var boundaryF1: Double?
  /// How far probabilities are from the share of pixels that are right; nil where not asked for.
  public var calibrationError: Double?

  enum CodingKeys: String, CodingKey {
    case `protocol`, pictures, pixels, classes, confusion
    case globalAccuracy = "global_accuracy"
    case classAccuracy = "class_accuracy"
    case meanIoU = "miou"
    case picturesPerSecond = "pictures_per_second"
    case boundaryF1 = "boundary_f1"
    case calibrationError = "calibration_error"
  }
}

/// What is measured of a semantic model beside the confusion matrix.
final class SegmentationExtras {
  /// The F1 measure of borders.
  fileprivate(set) var borders: BoundaryScore
  /// How far probabilities can be trusted.
  fileprivate(set) var reliability = Reliability()
  /// Told of every picture with its labels and its own mean IoU.
  var see: ((SegmentedImage, LabelMap, Double) throws -> Void)?

  init(classes: Int) { borders = BoundaryScore(classes: classes) }

  /// Takes a picture in.
  fileprivate func add(
    _ found: SemanticSegmentation, _ item: SegmentedImage, _ names: [String]
  ) throws {
    borders.add(found.labels, truth: item.labels)
    for (index, label) in item.labels.labels.enumerated() where Int(label) < names.count {
      reliability.add(
        found.confidence.samples[index], isRight: found.labels.labels[index] == label)
    }
    guard let see else { return }
    var own = SegmentationTally(classes: names.count)
    own.add(found.labels, truth: item.labels)
    try see(item, found.labels, own.report(names).meanIoU)
  }
}

/// Measures semantic models.
public enum SegmentationEvaluation {
  /// Measures a model on a set, with the number of pictures that are done as progress; every pixel
  /// gets a class, whatever threshold the options have; throws `DatasetError` when a class of the
  /// set is none of the model's.
  public static func run(
    _ segmenter: Segmenter, on set: SegmentedImages, options: Segmenter.Options = .init(),
    progress: (Int) -> Void = { _ in }
  ) throws -> SegmentationReport {
    try run(segmenter, on: set, options: options, extras: nil, progress: progress)
  }

  /// The same, with what is measured beside.
  static func run(
    _ segmenter: Segmenter, on set: SegmentedImages, options: Segmenter.Options,
    extras: SegmentationExtras?, progress: (Int) -> Void
  ) throws -> SegmentationReport {
    let set = try set.ordered(as: segmenter.palette.names)
    var options = options
    options.threshold = 0
    var tally = SegmentationTally(classes: segmenter.palette.count)
    var seconds = 0.0
    for (index, item) in set.items.enumerated() {
      let start = Date()
      let found = try segmenter.segment(item.image, options)
      tally.add(found.labels, truth: item.labels)
      seconds += Date().timeIntervalSince(start)
      try extras?.add(found, item, segmenter.palette.names)
      progress(index + 1)
    }
    var report = tally.report(segmenter.palette.names)
    report.boundaryF1 = extras?.borders.value
    report.calibrationError = extras?.reliability.error
    report.pictures = set.count
    report.picturesPerSecond = Double(set.count) / max(seconds, 1e-9)
    let sizes = Set(set.items.map(\.image.size))
    let size = sizes.count == 1 ? "\(set.items[0].image.size)" : "\(sizes.count) sizes"
    report.protocol =
      "\(set.name), all \(set.count) pictures of \(size) whole, \(set.palette.count) classes, one "
      + "confusion matrix over all pixels but the ignored ones; mIoU and class accuracy are means "
      + "over the classes that the truth shows; "
      + (options.isFlipAveraged ? "mean of picture and mirrored picture" : "one pass a picture")
      + (options.scales == [1]
        ? "" : ", mean over the sizes \(options.scales.map(\.word).joined(separator: ", "))")
    return report
  }
}

/// Counts of pixels by class and by what they were taken for.
struct SegmentationTally {
  private let classes: Int
  private(set) var confusion: [[Int]]

  init(classes: Int) {
    self.classes = classes
    confusion = [[Int]](repeating: [Int](repeating: 0, count: classes), count: classes)
  }

  /// Takes one picture's labels in, every pixel of which has a class; ignored pixels of the truth
  /// do not count.
  mutating func add(_ found: LabelMap, truth: LabelMap) {
    precondition(found.size == truth.size, "labels of two sizes")
    var counts = [Int](repeating: 0, count: 256 * 256)
    found.labels.withUnsafeBufferPointer { found in
      truth.labels.withUnsafeBufferPointer { truth in
        for index in found.indices { counts[Int(truth[index]) &* 256 &+ Int(found[index])] &+= 1 }
      }
    }
    for row in 0..<classes {
      for column in 0..<classes { confusion[row][column] += counts[row * 256 + column] }
    }
  }

  /// The figures of what was counted.
  func report(_ names: [String]) -> SegmentationReport {
    let rows = names.indices.map { index in
      let (correct, own, taken) = confusion.counts(of: index)
      return SegmentationReport.Row(
        name: names[index], pixels: own, accuracy: share(correct, own),
        precision: share(correct, taken), iou: share(correct, own + taken - correct))
    }
    let shown = rows.filter { $0.pixels > 0 }
    func mean(_ value: (SegmentationReport.Row) -> Double) -> Double {
      shown.isEmpty ? 0 : shown.reduce(0) { $0 + value($1) } / Double(shown.count)
    }
    let pixels = rows.reduce(0) { $0 + $1.pixels }
    let correct = confusion.indices.reduce(0) { $0 + confusion[$1][$1] }
    return SegmentationReport(
      protocol: "", pictures: 0, pixels: pixels, globalAccuracy: share(correct, pixels),
      classAccuracy: mean(\.accuracy), meanIoU: mean(\.iou), picturesPerSecond: 0, classes: rows,
      confusion: confusion)
  }
}

extension ConfusionPicture {
  /// Draws a report's matrix, RGB; colours and texts are shares of each class's pixels.
  public static func draw(_ report: SegmentationReport, title: String) -> ByteImage {
    draw(names: report.classes.map(\.name), report.confusion, title: title) { count, sum in
      let percent = 100 * Double(count) / Double(sum)
      return percent < 0.5 ? "" : "\(Int(percent.rounded()))%"
    }
  }
}
