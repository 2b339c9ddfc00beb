// `segment evaluate`: accuracies, intersection over union and the confusion matrix of classes for
// pixels; average precision of objects.

import AtelierDatasets
import AtelierFiles
import AtelierScenery
import AtelierVision
import AtelierWorkbench
import Foundation

/// Which model, or way without learning, is measured on what.
public struct SegmentEvaluateRequest: JobRequest, Hashable {
  /// Ways without learning.
  public enum Baseline: String, Sendable, Hashable, Codable, ChoiceValue {
    /// Otsu's threshold and the watershed of distances.
    case watershed
  }

  public var model: String?
  public var baseline: Baseline?
  public var data = ""
  public var count = 200
  public var seed: UInt64?
  public var detections = 100
  public var score = ObjectSelection.measuring().score
  public var part = SegmentationPart.test
  public var picture: String?
  public var sheet: String?
  public var reliability: String?
  public var flip = false
  public var scales: [Float] = [1]

  public init() {}

  public static var form: Form<Self> {
    Form(
      Self(),
      fields: [
        Field("model", \.model, SegmentationModel.help, value: "model"),
        Field(
          "baseline", \.baseline, "Measure a way without learning instead of a model: watershed",
          value: "name"),
        Field(
          "data", \.data, "The set: pictures and masks, or \"shapes\"", value: "dir", kind: .source
        ).besides(ShapesScenes.word).demanded,
        Field("count", \.count, "How many scenes of \"shapes\"", value: "n", .from(1, to: 100_000)),
        Field("seed", \.seed, "The seed of the scenes of \"shapes\"", value: "seed")
          .byDefault("one that nothing is trained on"),
        Field(
          "detections", \.detections, "The most objects of a class that count in a picture",
          value: "n", .from(1, to: 100_000)),
        Field(
          "score", \.score, "The least score of an object that counts; 0.5 for the contest's score",
          value: "share"),
        Field("part", \.part, "The part of a set with parts: test, val or train", value: "part"),
        Field("picture", \.picture, "Draw the confusion matrix", value: "file", kind: .output),
        Field(
          "sheet", \.sheet, "Draw the pictures that went worst: picture, truth, found",
          value: "file", kind: .output),
        Field(
          "reliability", \.reliability, "Draw how often what is called so sure is right",
          value: "file", kind: .output),
        .mirrored(\.flip), .sizes(\.scales),
      ])
  }

  public static func check(_ words: FieldWords) throws {
    guard (words["model"] == nil) != (words["baseline"] == nil) else {
      throw FieldError("give either --model or --baseline")
    }
  }

  /// The scenes to measure on; nil where the set is one of files.
  fileprivate var scenes: ShapesScenes? {
    get throws {
      guard data == ShapesScenes.word else { return nil }
      return try ShapesScenes(seed: seed ?? ShapesScenes.testSeed)
    }
  }
}

extension SegmentationPart: ChoiceValue {}

/// Measures a model of either kind.
public enum SegmentEvaluate: Job {
  public static let workshop = "segment"
  public static let name = "evaluate"
  public static let summary =
    "Print accuracies and mIoU of classes, or average precision of objects."
  public static let guide = """
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
    """

  public static func run(_ request: SegmentEvaluateRequest, in place: JobPlace) throws -> Report {
    guard let model = request.model else { return try objects(of: nil, request, place) }
    switch try SegmentationModel(named: model, in: place) {
    case .semantic(let segmenter): return try classes(of: segmenter, request, place)
    case .objects(let segmenter): return try objects(of: segmenter, request, place)
    }
  }

  /// Average precision of a model's objects, or of the baseline's.
  private static func objects(
    of segmenter: (any ObjectSegmenter)?, _ request: SegmentEvaluateRequest, _ place: JobPlace
  ) throws -> Report {
    guard request.picture == nil else {
      throw StudioError(
        .usage, "--picture draws which classes of pixels are mixed up; this is about objects")
    }
    let set =
      try request.scenes.map { try InstanceData($0, count: request.count) }
      ?? InstanceData.read(
        URL(fileURLWithPath: request.data),
        part: InstancePart(rawValue: request.part.rawValue) ?? .test)
    for remark in set.remarks() { place.remark(remark) }
    let progress = ProgressCounter("pictures", place)
    func show(_ done: Int) { progress.show(done, set.count) }
    let sheet = ObjectSheet(request, palette: set.palette, in: place)
    let found: InstanceSetReport
    if let segmenter {
      var look = ObjectLook.measuring(limit: request.detections, score: request.score)
      look.isFlipAveraged = request.flip
      look.scales = request.scales
      found = try segmenter.measure(
        on: set, look, watch: sheet.watch(from: Double(segmenter.usualScore)), progress: show,
        skip: place.remark)
    } else {
      found = try WatershedBaseline.measure(
        set, watch: sheet.watch(from: 0), progress: show, skip: place.remark)
    }
    var report = Report(value: found)
    report.say(found.lines.joined(separator: "\n"))
    report.files = sheet.files
    for file in sheet.files { report.say("picture: \(file)") }
    return report
  }

  /// Accuracies of a model that gives pixels classes.
  private static func classes(
    of segmenter: Segmenter, _ request: SegmentEvaluateRequest, _ place: JobPlace
  ) throws -> Report {
    let drawn = try request.scenes.map {
      try SegmentedImages($0, count: request.count, channels: segmenter.channels)
    }
    let part = request.part
    guard
      let set = try drawn
        ?? SegmentedImages.read(
          URL(fileURLWithPath: request.data), part: part, palette: segmenter.palette,
          channels: segmenter.channels)
    else { throw StudioError(.data, "\(request.data): the set has no \(part.rawValue) part") }
    for remark in set.remarks() { place.remark(remark) }
    var options = Segmenter.Options()
    options.isFlipAveraged = request.flip
    options.scales = request.scales
    let progress = ProgressCounter("pictures", place)
    let extras = SegmentationExtras(classes: segmenter.palette.count)
    let sheet = ClassSheet(request, palette: segmenter.palette, watching: extras)
    let found = try SegmentationEvaluation.run(
      segmenter, on: set, options: options, extras: extras
    ) {
      progress.show($0, set.count)
    }
    func percent(_ share: Double) -> String { NumberText.fixed(100 * share, 2) + " %" }
    let further = [
      found.boundaryF1.map {
        "boundary F1 \(percent($0)) within \(percent(BoundaryScore.tolerance)) of the diagonal"
      }, found.calibrationError.map { "expected calibration error \(percent($0))" },
    ].compactMap { $0 }
    var report = try Report(
      found, [found.classTable, found.confusionTable],
      "global accuracy \(percent(found.globalAccuracy)), class accuracy "
        + "\(percent(found.classAccuracy)), mIoU \(percent(found.meanIoU)), "
        + "\(NumberText.fixed(found.picturesPerSecond, 1)) pictures/s\n"
        + further.joined(separator: ", "), protocol: found.protocol,
      matrix: ConfusionPicture.draw(found, title: "\(set.name): mIoU \(percent(found.meanIoU))"),
      to: request.picture, in: place)
    for file in try sheet.written(extras.reliability, in: place) {
      report.files.append(file)
      report.say("picture: \(file)")
    }
    return report
  }
}

extension SegmentationReport {
  /// One row a class.
  var classTable: Table {
    var table = Table(["class", "pixels", "accuracy", "precision", "IoU"])
    for row in classes {
      table.append(
        [row.name, "\(row.pixels)"]
          + [row.accuracy, row.precision, row.iou].map { NumberText.fixed($0, 4) })
    }
    return table
  }

  /// The matrix in hundredths of each class's pixels.
  var confusionTable: Table {
    Table("% of class \\ taken for", classes.map(\.name), confusion) { row in
      let sum = Double(max(row.reduce(0, +), 1))
      return row.map { NumberText.fixed(100 * Double($0) / sum, 1) }
    }
  }
}
