// Which detections of one picture meet which true objects: COCO's greedy matching, class by class.
//
// Lin et al. 2014, "Microsoft COCO: Common Objects in Context"; the rules of crowds, sizes and ties
// are those of the COCO API's `cocoeval.py`, which this follows to the last bit.

import AtelierDatasets
import AtelierImages
import AtelierWorkbench

/// What overlaps are measured on.
public enum OverlapKind: String, Sendable, Codable, CaseIterable {
  case masks
  case boxes
}

/// The sizes of objects that figures are told apart by.
enum ObjectSize: Int, CaseIterable {
  case all, small, medium, large

  /// The areas in pixels, both ends included.
  var areas: ClosedRange<Double> {
    switch self {
    case .all: 0...1e10
    case .small: 0...1024
    case .medium: 1024...9216
    case .large: 9216...1e10
    }
  }
}

/// The overlaps from which a detection counts as right.
enum OverlapThresholds {
  /// 0.5, 0.55 … 0.95, as the reference computes them.
  static let all: [Double] = {
    let step: Double = (0.95 - 0.5) / 9
    return (0..<9).map { (index: Int) -> Double in Double(index) * step + 0.5 } + [0.95]
  }()
}

/// How the detections of one class in one picture fared against true objects of one range of sizes.
struct MatchedDetections {
  /// The scores, highest first.
  var scores: [Double] = []
  /// For each threshold and detection, whether it met an object: threshold · detections + detection.
  var isMatched: [Bool] = []
  /// For each threshold and detection, whether it counts neither as right nor as wrong.
  var isIgnored: [Bool] = []
  /// How many true objects count.
  var objects = 0
}

/// The overlaps of the detections of one class in one picture with its true objects.
struct OverlapTable {
  private let truth: [EncodedObject]
  private let detections: [EncodedObject]
  private let kind: OverlapKind
  /// Detection · objects + object.
  private let overlaps: [Double]

  /// Computes the overlaps of the surest detections of one class, as many as count, with its true
  /// objects.
  init(truth: [EncodedObject], detections: [EncodedObject], kind: OverlapKind, limit: Int) {
    // Of equally sure ones the first stands first.
    let order = detections.indices.sorted {
      (-detections[$0].score, $0) < (-detections[$1].score, $1)
    }
    let kept = order.prefix(limit).map { detections[$0] }
    self.truth = truth
    self.detections = kept
    self.kind = kind
    overlaps = Self.overlaps(kept, truth, kind)
  }

  /// The overlaps of detections with objects: detection · objects + object; with a crowd, the part of the detection inside it.
  static func overlaps(
    _ detections: [EncodedObject], _ truth: [EncodedObject], _ kind: OverlapKind
  ) -> [Double] {
    var result: [Double] = []
    result.reserveCapacity(detections.count * truth.count)
    if kind == .boxes {
      for detection in detections {
        for object in truth {
          result.append(boxOverlap(detection.box, object.box, isCrowd: object.isCrowd))
        }
      }
      return result
    }
    let detectedBounds = detections.map(\.mask.bounds)
    let trueBounds = truth.map(\.mask.bounds)
    let detectedAreas = detections.map(\.mask.area)
    let trueAreas = truth.map(\.mask.area)
    for (i, detection) in detections.enumerated() {
      for (j, object) in truth.enumerated() {
        guard let one = detectedBounds[i], let two = trueBounds[j], one.intersection(two) > 0 else {
          result.append(0)
          continue
        }
        let common = detection.mask.intersection(object.mask)
        let whole = object.isCrowd ? detectedAreas[i] : detectedAreas[i] + trueAreas[j] - common
        result.append(common == 0 ? 0 : Double(common) / Double(whole))
      }
    }
    return result
  }

  private static func boxOverlap(_ one: PlaneBox, _ two: PlaneBox, isCrowd: Bool) -> Double {
    let common = one.intersection(two)
    guard common > 0 else { return 0 }
    return common / (isCrowd ? one.area : one.area + two.area - common)
  }

  /// Matches detections with objects of one range of sizes; nil where there is neither.
  func match(_ size: ObjectSize) -> MatchedDetections? {
    guard !truth.isEmpty || !detections.isEmpty else { return nil }
    let isIgnored = truth.map { $0.isCrowd || !size.areas.contains($0.area) }
    // Objects that count come first; the sort must keep the order of equals.
    let order = truth.indices.filter { !isIgnored[$0] } + truth.indices.filter { isIgnored[$0] }
    var result = MatchedDetections()
    result.scores = detections.map(\.score)
    result.objects = isIgnored.reduce(0) { $0 + ($1 ? 0 : 1) }
    for threshold in OverlapThresholds.all {
      var isTaken = [Bool](repeating: false, count: truth.count)
      for detection in detections.indices {
        let place = best(detection, threshold, order, isIgnored, isTaken)
        if let place { isTaken[place] = true }
        result.isMatched.append(place != nil)
        if let place {
          result.isIgnored.append(isIgnored[place])
        } else {
          result.isIgnored.append(!size.areas.contains(area(detections[detection])))
        }
      }
    }
    return result
  }

  /// The object that a detection meets at a threshold: the one with the largest overlap that is left.
  private func best(
    _ detection: Int, _ threshold: Double, _ order: [Int], _ isIgnored: [Bool], _ isTaken: [Bool]
  ) -> Int? {
    var least = min(threshold, 1 - 1e-10)
    var match: Int?
    for place in order {
      // A crowd may be met by many.
      if isTaken[place] && !truth[place].isCrowd { continue }
      // Whoever met an object that counts does not turn to those that do not.
      if let match, !isIgnored[match], isIgnored[place] { break }
      let overlap = overlaps[detection * truth.count + place]
      if overlap < least { continue }
      least = overlap
      match = place
    }
    return match
  }

  private func area(_ detection: EncodedObject) -> Double {
    kind == .masks ? Double(detection.mask.area) : detection.box.area
  }
}
