// The figures of anything that finds objects, over a set: all pictures, and each kind of picture apart.

import AtelierDatasets
import AtelierImages
import AtelierWorkbench

/// What looks on while a set is measured.
struct MeasurementWatch {
  /// From which score on a detection counts as found.
  var sureScore = 0.5
  /// Told of every picture with what was found in it.
  var see: ((InstanceData.Item, ByteImage, [EncodedObject]) throws -> Void)?
  /// Told at the end how far scores can be trusted.
  var finish: ((Reliability) throws -> Void)?
}

/// The figures over a set of objects.
public struct InstanceSetReport: Sendable, Codable, Hashable {
  /// What found the objects.
  public var method: String
  /// Over all pictures.
  public var all: InstanceReport
  /// Over the pictures of each kind, where the set tells kinds apart.
  public var kinds: [String: InstanceReport]

  /// The figures as lines of text, protocol first.
  public var lines: [String] {
    func text(_ report: InstanceReport) -> [String] {
      report.table + (report.contest.map { [$0.line] } ?? [])
        + (report.panoptic.map { [$0.line] } ?? [])
        + (report.calibrationError.map {
          ["expected calibration error of the scores: \(InstanceReport.text($0))"]
        } ?? [])
    }
    return ["\(method): \(all.protocol)"] + text(all)
      + kinds.sorted { $0.key < $1.key }.flatMap { ["", $1.protocol] + text($1) }
  }
}

extension InstanceReport.Contest {
  /// The contest's figures with their protocol in one line.
  public var line: String {
    "contest score (TP / (TP + FP + FN), mean over IoU above 0.50:0.05:0.95, then pictures): "
      + "\(InstanceReport.text(score)); above 0.5 alone: \(InstanceReport.text(score50)); "
      + "foreground IoU \(InstanceReport.text(foregroundIoU))"
  }
}

extension InstanceData {
  /// Measures something that finds objects of the set's classes, with the number of pictures so far
  /// as progress; throws what it throws.
  ///
  /// A picture that cannot be read is told to `skip` and does not count; without that, or when none
  /// can be read, `DatasetError` is thrown.
  public func measure(
    _ method: String, detectionLimit: Int = 100, progress: (Int) -> Void = { _ in },
    skip: ((String) -> Void)? = nil, detect: (ByteImage) throws -> [EncodedObject]
  ) throws -> InstanceSetReport {
    try measure(
      method, detectionLimit: detectionLimit, watch: MeasurementWatch(), progress: progress,
      skip: skip, detect: detect)
  }

  /// The same, with somebody who looks on.
  func measure(
    _ method: String, detectionLimit: Int, watch: MeasurementWatch, progress: (Int) -> Void,
    skip: ((String) -> Void)?, detect: (ByteImage) throws -> [EncodedObject]
  ) throws -> InstanceSetReport {
    func evaluation() -> InstanceEvaluation {
      InstanceEvaluation(
        classNames: classNames, detectionLimit: detectionLimit, sureScore: watch.sureScore)
    }
    var all = evaluation()
    var kinds: [String: InstanceEvaluation] = [:]
    var taken = 0
    for (index, item) in items.enumerated() {
      let picture: ByteImage
      do { picture = try item.picture() } catch {
        guard let skip, error.isBrokenFile, taken > 0 || index + 1 < items.count else {
          throw error
        }
        skip(error.description)
        continue
      }
      taken += 1
      let found = try detect(picture)
      all.add(truth: item.objects, detections: found)
      if let kind = item.kind {
        kinds[kind, default: evaluation()].add(truth: item.objects, detections: found)
      }
      try watch.see?(item, picture, found)
      progress(index + 1)
    }
    try watch.finish?(all.reliability)
    var reports: [String: InstanceReport] = [:]
    for (kind, evaluation) in kinds { reports[kind] = evaluation.report(data: "\(name), \(kind)") }
    return InstanceSetReport(method: method, all: all.report(data: name), kinds: reports)
  }
}
