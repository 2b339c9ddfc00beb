// Of boxes that show the same thing, the best one stays.

import AtelierZoo

/// Greedy non-maximum suppression.
package enum NonMaximumSuppression {
  /// Which boxes stay: each in the order of its score, unless it overlaps one that stays already by more than the threshold.
  ///
  /// - Parameters:
  ///   - boxes: The boxes.
  ///   - scores: One a box; of equal ones the earlier box comes first.
  ///   - threshold: The largest intersection over union of two boxes that both stay.
  ///   - limit: The most boxes that stay.
  /// - Returns: Indices of the boxes that stay, best first.
  package static func kept(
    _ boxes: [RegionBox], scores: [Float], threshold: Float, limit: Int
  ) -> [Int] {
    var kept: [Int] = []
    for index in order(scores) {
      guard kept.count < limit else { break }
      let box = boxes[index]
      if kept.allSatisfy({ boxes[$0].intersectionOverUnion(box) <= threshold }) {
        kept.append(index)
      }
    }
    return kept
  }

  /// The indices of scores, greatest first; of equal ones the smaller index comes first.
  static func order(_ scores: [Float]) -> [Int] {
    scores.indices.sorted { (scores[$1], $0) < (scores[$0], $1) }
  }
}
