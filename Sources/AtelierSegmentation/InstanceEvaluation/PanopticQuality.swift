// Panoptic quality: how many objects are found, and how well, in one figure.
//
// Kirillov, He, Girshick, Rother, Dollár: Panoptic Segmentation (2019).

import AtelierDatasets
import AtelierWorkbench

/// Gathers pictures and tells panoptic quality, class by class.
struct PanopticQuality: Sendable {
  /// From which score on a detection counts.
  let leastScore: Double
  private var overlaps: [Double]
  private var right: [Int]
  private var wrong: [Int]
  private var missed: [Int]

  init(classes: Int, leastScore: Double) {
    self.leastScore = leastScore
    overlaps = [Double](repeating: 0, count: classes)
    right = [Int](repeating: 0, count: classes)
    wrong = right
    missed = right
  }

  /// Adds a picture: a detection meets an object when they overlap by more than one half, which at
  /// most one can; detections that lie in a crowd are neither right nor wrong.
  mutating func add(truth: [EncodedObject], detections: [EncodedObject]) {
    for index in overlaps.indices {
      let objects = truth.filter { $0.classIndex == index && !$0.isCrowd }
      let crowds = truth.filter { $0.classIndex == index && $0.isCrowd }
      let found = detections.filter { $0.classIndex == index && $0.score >= leastScore }
      let table = OverlapTable.overlaps(found, objects, .masks)
      var isTaken = [Bool](repeating: false, count: objects.count)
      for (detection, object) in found.enumerated() {
        let row = objects.indices.map { table[detection * objects.count + $0] }
        if let best = row.indices.filter({ !isTaken[$0] }).max(by: { row[$0] < row[$1] }),
          row[best] > 0.5
        {
          isTaken[best] = true
          right[index] += 1
          overlaps[index] += row[best]
        } else if !crowds.contains(where: {
          2 * $0.mask.intersection(object.mask) > object.mask.area
        }) {
          wrong[index] += 1
        }
      }
      missed[index] += isTaken.reduce(0) { $0 + ($1 ? 0 : 1) }
    }
  }

  /// The means over the classes that have objects or detections; nil without any.
  var report: InstanceReport.Panoptic? {
    let shown = overlaps.indices.filter { right[$0] + wrong[$0] + missed[$0] > 0 }
    guard !shown.isEmpty else { return nil }
    func mean(_ value: (Int) -> Double) -> Double {
      shown.reduce(0) { $0 + value($1) } / Double(shown.count)
    }
    let recognition = { (index: Int) -> Double in
      let weight = Double(right[index]) + Double(wrong[index] + missed[index]) / 2
      return Double(right[index]) / weight
    }
    let segmentation = { (index: Int) -> Double in
      right[index] == 0 ? 0 : overlaps[index] / Double(right[index])
    }
    return InstanceReport.Panoptic(
      leastScore: leastScore, quality: mean { segmentation($0) * recognition($0) },
      segmentation: mean(segmentation), recognition: mean(recognition))
  }
}

extension InstanceReport.Panoptic {
  /// The figures with their protocol in one line.
  public var line: String {
    "panoptic quality \(InstanceReport.text(quality)) = segmentation "
      + "\(InstanceReport.text(segmentation)) x recognition \(InstanceReport.text(recognition)) "
      + "(objects of a score from \(InstanceReport.text(leastScore)) on, overlaps above 0.5)"
  }
}
