// What the region proposal network says, as a few boxes.

import AtelierWorkbench
import AtelierZoo

/// A box with how sure its maker is; larger is surer.
struct ScoredBox: Sendable, Hashable {
  var box: RegionBox
  var score: Float
}

/// How many proposals are read.
struct ProposalLimits: Sendable, Hashable, Codable {
  /// The best anchors of each level that are looked at.
  var before = 300
  /// The largest overlap of two proposals that both stay.
  var overlap: Float = 0.7
  /// The most proposals of a picture.
  var after = 100
}

/// Turns the network's outputs into proposals.
struct ProposalReader: Sendable {
  let grid: AnchorGrid

  /// The same of one picture of a batch.
  func proposals(
    logits: [Float], deltas: [Float], picture: Int = 0, _ limits: ProposalLimits
  ) -> [ScoredBox] {
    let anchors = picture * grid.boxes.count..<(picture + 1) * grid.boxes.count
    return logits.withUnsafeBufferPointer { logits in
      deltas.withUnsafeBufferPointer { deltas in
        proposals(
          logits: .init(rebasing: logits[2 * anchors.lowerBound..<2 * anchors.upperBound]),
          deltas: .init(rebasing: deltas[4 * anchors.lowerBound..<4 * anchors.upperBound]), limits)
      }
    }
  }

  /// The proposals of one picture, inside it and best first, of logits [anchors, 2] (no object,
  /// object) and deltas [anchors, 4]; their scores are differences of logits.
  private func proposals(
    logits: UnsafeBufferPointer<Float>, deltas: UnsafeBufferPointer<Float>, _ limits: ProposalLimits
  ) -> [ScoredBox] {
    var boxes: [RegionBox] = []
    var scores: [Float] = []
    for part in grid.parts {
      for index in Self.best(part.range, logits, count: limits.before) {
        let change = SIMD4(
          deltas[4 * index], deltas[4 * index + 1], deltas[4 * index + 2], deltas[4 * index + 3])
        let box = MaskRCNN.proposalCoding.decode(change, from: grid.boxes[index])
          .clipped(width: Float(grid.width), height: Float(grid.height))
        let score = logits[2 * index + 1] - logits[2 * index]
        guard box.width >= 1, box.height >= 1, score.isFinite else { continue }
        boxes.append(box)
        scores.append(score)
      }
    }
    return NonMaximumSuppression.kept(
      boxes, scores: scores, threshold: limits.overlap, limit: limits.after
    ).map { ScoredBox(box: boxes[$0], score: scores[$0]) }
  }

  /// The anchors of a range with the greatest scores, in their own order.
  private static func best(
    _ range: Range<Int>, _ logits: UnsafeBufferPointer<Float>, count: Int
  ) -> [Int] {
    guard range.count > count else { return Array(range) }
    let scores = range.map { logits[2 * $0 + 1] - logits[2 * $0] }
    let threshold = scores.sorted(by: >)[count - 1]
    var chosen = range.filter { scores[$0 - range.lowerBound] > threshold }
    // Of equal scores at the edge the first ones come along.
    for index in range where scores[index - range.lowerBound] == threshold {
      guard chosen.count < count else { break }
      chosen.append(index)
    }
    return chosen
  }
}
