// How the gradients of a program are cut into buckets that are summed, and sent, one after the other.

import AtelierEngine

/// Part of a parameter's gradient, and where it lies among all that is summed.
package struct GradientPiece: Hashable {
  /// The first float in the store and in the gradient block.
  package var store: Int
  /// The first float in the summed blocks.
  package var place: Int
  package var count: Int
}

/// Pieces that are exchanged together.
package struct GradientBucket: Hashable {
  package var pieces: [GradientPiece]
  /// The floats in the summed blocks, padding between pieces included.
  package var range: Range<Int>
  /// The program's step after which all of it is there; nil for the end of the run.
  package var readyStep: Int?
  /// Whether it holds running statistics, which are never rounded.
  package var isStatistic: Bool

  /// The part of the range that one of several ranks adds up; whole cache lines.
  package func segment(_ rank: Int, of count: Int) -> Range<Int> {
    func bound(_ rank: Int) -> Int {
      rank == count ? range.count : (rank * range.count / count + 15) / 16 * 16
    }
    let first = min(bound(rank), range.count)
    return range.lowerBound + first..<range.lowerBound
      + max(first, min(bound(rank + 1), range.count))
  }
}

/// The gradients of a step, in the order in which its program computes them.
package struct GradientLayout: Hashable {
  package let buckets: [GradientBucket]
  /// The floats of a summed block.
  package let count: Int

  /// Cuts up what a program computes: gradients of parameters, and statistics that it moves.
  ///
  /// `limit` is the most floats of a bucket, `gradients` when each is there (nil: at the end).
  package init(
    gradients: [(entry: ParameterStore.Entry, step: Int?)], statistics: [ParameterStore.Entry],
    limit: Int
  ) {
    var maker = Maker(limit: limit)
    let ordered = gradients.sorted {
      let (left, right) = ($0.step ?? Int.max, $1.step ?? Int.max)
      return left != right ? left < right : $0.entry.offset < $1.entry.offset
    }
    for (entry, step) in ordered { maker.append(entry, step, isStatistic: false) }
    for entry in statistics { maker.append(entry, nil, isStatistic: true) }
    maker.close()
    (buckets, count) = (maker.buckets, maker.end)
  }

  private struct Maker {
    let limit: Int
    var buckets: [GradientBucket] = []
    var pieces: [GradientPiece] = []
    var step: Int? = 0
    var isStatistic = false
    var start = 0
    var end = 0

    mutating func append(_ entry: ParameterStore.Entry, _ step: Int?, isStatistic: Bool) {
      if isStatistic != self.isStatistic { close() }
      self.isStatistic = isStatistic
      var done = 0
      while done < entry.shape.count {
        if end - start >= limit { close() }
        let count = min(entry.shape.count - done, limit - (end - start))
        pieces.append(GradientPiece(store: entry.offset + done, place: end, count: count))
        done += count
        end = (end + count + 15) / 16 * 16
        self.step = step
      }
    }

    mutating func close() {
      guard !pieces.isEmpty else { return }
      buckets.append(
        GradientBucket(
          pieces: pieces, range: start..<end, readyStep: step, isStatistic: isStatistic))
      pieces = []
      start = end
    }
  }
}
