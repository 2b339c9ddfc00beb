// The figures of instance segmentation over a set: average precision and recall as COCO defines them.

import AtelierDatasets
import AtelierWorkbench

/// Gathers pictures with true objects and detections, and tells the figures; only how detections
/// fared is kept, no masks, so a set of any size can be measured.
public struct InstanceEvaluation: Sendable {
  /// The names of the classes in the order of their indices.
  public let classNames: [String]
  /// How many detections of one class count in a picture; the surest are kept.
  public let detectionLimit: Int

  /// What has been matched: kind, class, size → pictures.
  private var matches: [OverlapKind: [[[MatchedDetections]]]] = [:]
  private var contest = ContestScore()
  private var panoptic: PanopticQuality
  private var pictures = 0
  private var objects = 0
  private var detections = 0

  /// Starts without pictures; at least one detection of a class counts in a picture, and COCO's
  /// figures are those of 100.
  ///
  /// Panoptic quality is that of detections of a score from `sureScore` on.
  public init(classNames: [String], detectionLimit: Int = 100, sureScore: Double = 0.5) {
    precondition(detectionLimit >= 1, "a limit of at least one detection")
    panoptic = PanopticQuality(classes: classNames.count, leastScore: sureScore)
    self.classNames = classNames
    self.detectionLimit = detectionLimit
    for kind in OverlapKind.allCases {
      matches[kind] = classNames.map { _ in ObjectSize.allCases.map { _ in [] } }
    }
  }

  /// Adds a picture with what was found, in any order; of equally sure ones the first counts first;
  /// classes must have names, and all masks one size.
  public mutating func add(truth: [EncodedObject], detections: [EncodedObject]) {
    pictures += 1
    objects += truth.reduce(0) { $0 + ($1.isCrowd ? 0 : 1) }
    self.detections += detections.count
    contest.add(truth: truth, detections: detections)
    panoptic.add(truth: truth, detections: detections)
    for classIndex in classNames.indices {
      let wanted = truth.filter { $0.classIndex == classIndex }
      let found = detections.filter { $0.classIndex == classIndex }
      if wanted.isEmpty && found.isEmpty { continue }
      for kind in OverlapKind.allCases {
        let table = OverlapTable(
          truth: wanted, detections: found, kind: kind, limit: detectionLimit)
        for size in ObjectSize.allCases {
          guard let match = table.match(size) else { continue }
          matches[kind]?[classIndex][size.rawValue].append(match)
        }
      }
    }
  }

  /// The figures of all pictures so far, with what the set is called for the protocol.
  public func report(data: String) -> InstanceReport {
    let masks = curves(.masks)
    let boxes = curves(.boxes)
    return InstanceReport(
      protocol: "COCO average precision over IoU 0.50:0.05:0.95, 101 recalls, mean over classes "
        + "with objects, at most \(detectionLimit) detections a class and picture; \(data): "
        + "\(pictures) pictures, \(objects) objects, \(detections) detections",
      pictures: pictures, objects: objects, detections: detections,
      masks: Self.figures(masks), boxes: Self.figures(boxes),
      classes: classNames.enumerated().map { index, name in
        InstanceReport.ClassFigures(
          name: name, objects: (matches[.masks]?[index][0] ?? []).reduce(0) { $0 + $1.objects },
          masks: Self.figures([masks[index]]), boxes: Self.figures([boxes[index]]))
      },
      contest: contest.report, panoptic: panoptic.report, calibrationError: reliability.error)
  }

  /// How often detections of each score meet an object of their class by half.
  package var reliability: Reliability {
    var reliability = Reliability(bins: 10)
    for picture in (matches[.masks] ?? []).flatMap({ $0[ObjectSize.all.rawValue] }) {
      for (index, score) in picture.scores.enumerated() where !picture.isIgnored[index] {
        reliability.add(Float(score), isRight: picture.isMatched[index])
      }
    }
    return reliability
  }

  /// The curves of every class, by size.
  private func curves(_ kind: OverlapKind) -> [[PrecisionCurves?]] {
    (matches[kind] ?? []).map { sizes in sizes.map { PrecisionCurves($0, limit: detectionLimit) } }
  }

  /// Means over classes; those without objects of a size have no part in its figures.
  private static func figures(_ classes: [[PrecisionCurves?]]) -> InstanceReport.Figures {
    func mean(_ size: ObjectSize, _ value: (PrecisionCurves) -> Double) -> Double? {
      let values = classes.compactMap { $0[size.rawValue] }.map(value)
      return values.isEmpty ? nil : values.reduce(0, +) / Double(values.count)
    }
    return InstanceReport.Figures(
      ap: mean(.all) { $0.precision() }, ap50: mean(.all) { $0.precision(at: 0) },
      ap75: mean(.all) { $0.precision(at: 5) }, apSmall: mean(.small) { $0.precision() },
      apMedium: mean(.medium) { $0.precision() }, apLarge: mean(.large) { $0.precision() },
      ar1: mean(.all) { $0.recall(1) }, ar10: mean(.all) { $0.recall(10) },
      ar: mean(.all) { $0.recall(nil) }, arSmall: mean(.small) { $0.recall(nil) },
      arMedium: mean(.medium) { $0.recall(nil) }, arLarge: mean(.large) { $0.recall(nil) })
  }
}

/// Precision against recall of one class and one range of sizes, at every threshold.
private struct PrecisionCurves {
  /// For each threshold the mean of the precisions at recalls 0, 0.01 … 1.
  private let averages: [Double]
  /// The recall reached by threshold, with at most 1, 10 and all detections a picture.
  private let recalls: [Int: [Double]]
  private let limit: Int

  /// Gathers a class's pictures; nil when no object counts.
  init?(_ pictures: [MatchedDetections], limit: Int) {
    let objects = pictures.reduce(0) { $0 + $1.objects }
    guard objects > 0 else { return nil }
    self.limit = limit
    var recalls: [Int: [Double]] = [:]
    for most in [1, 10] {
      recalls[most] = OverlapThresholds.all.indices.map {
        Double(Self.ranked(pictures, $0, most).reduce(0) { $0 + ($1 ? 1 : 0) }) / Double(objects)
      }
    }
    var averages: [Double] = []
    var reached: [Double] = []
    for threshold in OverlapThresholds.all.indices {
      let hits = Self.ranked(pictures, threshold, limit)
      let (average, recall) = Self.average(hits, objects: objects)
      averages.append(average)
      reached.append(recall)
    }
    recalls[limit] = reached
    self.averages = averages
    self.recalls = recalls
  }

  /// Which detections of all pictures are right, surest first, without those that do not count.
  private static func ranked(
    _ pictures: [MatchedDetections], _ threshold: Int, _ most: Int
  ) -> [Bool] {
    var entries: [(score: Double, place: Int, isRight: Bool)] = []
    var place = 0
    for picture in pictures {
      let count = picture.scores.count
      for index in 0..<min(count, most) {
        let entry = threshold * count + index
        if !picture.isIgnored[entry] {
          entries.append((picture.scores[index], place, picture.isMatched[entry]))
        }
        place += 1
      }
    }
    return entries.sorted { (-$0.score, $0.place) < (-$1.score, $1.place) }.map(\.isRight)
  }

  /// The mean over 101 recalls of the best precision at that recall or beyond, and the recall reached.
  private static func average(_ hits: [Bool], objects: Int) -> (Double, Double) {
    var recalls: [Double] = []
    var precisions: [Double] = []
    var right = 0
    for (index, isRight) in hits.enumerated() {
      if isRight { right += 1 }
      recalls.append(Double(right) / Double(objects))
      precisions.append(Double(right) / (Double(index + 1) + Double.ulpOfOne))
    }
    for index in stride(from: precisions.count - 1, to: 0, by: -1) {
      precisions[index - 1] = max(precisions[index - 1], precisions[index])
    }
    var sum = 0.0
    var place = 0
    for step in 0...100 {
      let recall = step == 100 ? 1 : Double(step) * 0.01
      while place < recalls.count, recalls[place] < recall { place += 1 }
      if place == recalls.count { break }
      sum += precisions[place]
    }
    return (sum / 101, recalls.last ?? 0)
  }

  /// The mean over all thresholds, or the value at one.
  func precision(at threshold: Int? = nil) -> Double {
    threshold.map { averages[$0] } ?? averages.reduce(0, +) / Double(averages.count)
  }

  /// The recall with at most so many detections a picture, mean over thresholds.
  func recall(_ most: Int?) -> Double {
    let values = recalls[most ?? limit] ?? []
    return values.reduce(0, +) / Double(max(values.count, 1))
  }
}
