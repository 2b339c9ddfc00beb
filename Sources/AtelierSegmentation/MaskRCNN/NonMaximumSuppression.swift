// Of boxes that show the same thing, the best one stays.

import AtelierWorkbench
import AtelierZoo

/// Greedy non-maximum suppression.
package enum NonMaximumSuppression {
  /// The indices of the at most `limit` boxes that stay, best first: each in the order of its
  /// score, of equal ones the earlier first, unless it overlaps one that stays already by more than
  /// the threshold.
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
