// The figures of anything that finds objects, over a set: all pictures, and each kind of picture apart.

import AtelierDatasets
import AtelierImages
import AtelierWorkbench

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
    var all = InstanceEvaluation(classNames: classNames, detectionLimit: detectionLimit)
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
        kinds[
          kind, default: InstanceEvaluation(classNames: classNames, detectionLimit: detectionLimit)
        ].add(truth: item.objects, detections: found)
      }
      progress(index + 1)
    }
    var reports: [String: InstanceReport] = [:]
    for (kind, evaluation) in kinds { reports[kind] = evaluation.report(data: "\(name), \(kind)") }
    return InstanceSetReport(method: method, all: all.report(data: name), kinds: reports)
  }
}
