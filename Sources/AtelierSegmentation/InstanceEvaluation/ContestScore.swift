// The score of the Data Science Bowl 2018 for pictures of nuclei, and the overlap of all foreground.

import AtelierDatasets
import AtelierWorkbench

/// Gathers pictures and tells the contest's mean score; classes play no part in it.
///
/// At IoU thresholds 0.5, 0.55 … 0.95 a detection is right when it meets a true object with an
/// overlap above the threshold, each object at most once; the score is TP / (TP + FP + FN), mean over
/// thresholds, then over pictures (Caicedo et al. 2019).
struct ContestScore: Sendable {
  /// Each the nearest number to its decimals, so that an overlap of exactly 9/10 is not above 0.9.
  private static let thresholds = (10..<20).map { (step: Int) -> Double in Double(step) / 20 }

  private var scores: [Double] = []
  private var halfScores: [Double] = []
  private var foreground = (common: 0, union: 0)

  /// Adds a picture; crowds are left out.
  mutating func add(truth: [EncodedObject], detections: [EncodedObject]) {
    let truth = truth.filter { !$0.isCrowd }
    let values = Self.values(truth, detections)
    scores.append(values.reduce(0, +) / Double(values.count))
    halfScores.append(values[0])
    addForeground(truth.map(\.mask), detections.map(\.mask))
  }

  /// The score of one picture; crowds are left out.
  static func score(truth: [EncodedObject], detections: [EncodedObject]) -> Double {
    let values = values(truth.filter { !$0.isCrowd }, detections)
    return values.reduce(0, +) / Double(values.count)
  }

  /// TP / (TP + FP + FN) at each threshold.
  private static func values(_ truth: [EncodedObject], _ detections: [EncodedObject]) -> [Double] {
    let pairs = pairs(truth, detections)
    return thresholds.map { threshold in
      let right = pairs.reduce(0) { $0 + ($1 > threshold ? 1 : 0) }
      let all = truth.count + detections.count - right
      return all == 0 ? 1 : Double(right) / Double(all)
    }
  }

  /// The overlaps of pairs of a detection and an object, each in one pair at most, largest overlaps first.
  private static func pairs(_ truth: [EncodedObject], _ detections: [EncodedObject]) -> [Double] {
    let overlaps = OverlapTable.overlaps(detections, truth, .masks)
    let order = overlaps.indices.filter { overlaps[$0] > 0.5 }
      .sorted { (-overlaps[$0], $0) < (-overlaps[$1], $1) }
    var isUsed = [Bool](repeating: false, count: detections.count)
    var isTaken = [Bool](repeating: false, count: truth.count)
    var result: [Double] = []
    for place in order {
      let (detection, object) = place.quotientAndRemainder(dividingBy: truth.count)
      guard !isUsed[detection], !isTaken[object] else { continue }
      isUsed[detection] = true
      isTaken[object] = true
      result.append(overlaps[place])
    }
    return result
  }

  private mutating func addForeground(_ truth: [RunLengthMask], _ found: [RunLengthMask]) {
    let one = truth.isEmpty ? nil : RunLengthMask.union(truth)
    let two = found.isEmpty ? nil : RunLengthMask.union(found)
    let common = one.flatMap { one in two.map { one.intersection($0) } } ?? 0
    foreground.common += common
    foreground.union += (one?.area ?? 0) + (two?.area ?? 0) - common
  }

  /// The means over the pictures; nil without pictures.
  var report: InstanceReport.Contest? {
    guard !scores.isEmpty else { return nil }
    return InstanceReport.Contest(
      score: scores.reduce(0, +) / Double(scores.count),
      score50: halfScores.reduce(0, +) / Double(halfScores.count),
      foregroundIoU: foreground.union == 0
        ? 1 : Double(foreground.common) / Double(foreground.union))
  }
}
