// A black-box attack by random squares, which asks the victim only for its answers.
//
// Andriushchenko, Croce, Flammarion, Hein: Square Attack (2020), the L∞ form.

import AtelierEngine

/// Random search: a square of one sign a channel is kept where it lowers the margin.
struct SquareAttack {
  private let classifier: Classifier
  private let budget: NoiseBudget
  private let isTargeted: Bool
  private let queries: Int
  /// The share of the pixels that the first squares take.
  private let firstShare: Float = 0.3

  init(_ classifier: Classifier, _ budget: NoiseBudget, isTargeted: Bool, queries: Int) throws {
    guard case .infinity = budget else {
      throw StudioError(.usage, "the Square attack is for an L-infinity limit")
    }
    self.classifier = classifier
    self.budget = budget
    self.isTargeted = isTargeted
    self.queries = queries
  }

  /// - Returns: The pictures with the lowest margin that was found.
  func run(
    _ clean: Tensor, _ labels: [Int], _ generator: inout RandomGenerator
  ) throws -> Tensor {
    let shape = clean.shape
    var best = clean
    // The first noise: vertical stripes of one column.
    for row in 0..<shape.batch {
      for column in 0..<shape.width {
        for channel in 0..<shape.channels {
          let sign: Float = generator.uniform() < 0.5 ? -1 : 1
          for y in 0..<shape.height {
            best.elements[place(shape, row, y, column, channel)] += sign * budget.radius
          }
        }
      }
    }
    budget.project(&best, around: clean)
    var margins = try self.margins(best, labels)
    for query in 0..<queries where margins.contains(where: { $0 > 0 }) {
      let share = firstShare * Self.fraction(query, of: queries)
      let side = Self.side(share, shape)
      var tried = best
      for row in 0..<shape.batch where margins[row] > 0 {
        let left = generator.index(below: shape.width - side + 1)
        let top = generator.index(below: shape.height - side + 1)
        for channel in 0..<shape.channels {
          let change: Float = generator.uniform() < 0.5 ? -budget.radius : budget.radius
          for y in top..<top + side {
            for x in left..<left + side {
              let index = place(shape, row, y, x, channel)
              tried.elements[index] = clean.elements[index] + change
            }
          }
        }
      }
      budget.project(&tried, around: clean)
      let found = try self.margins(tried, labels)
      let length = clean.count / shape.batch
      for row in 0..<shape.batch where margins[row] > 0 && found[row] < margins[row] {
        let range = row * length..<(row + 1) * length
        best.elements.replaceSubrange(range, with: tried.elements[range])
        margins[row] = found[row]
      }
    }
    return best
  }

  /// The paper's schedule: the share is halved at fixed parts of ten thousand queries, scaled here.
  private static func fraction(_ query: Int, of queries: Int) -> Float {
    let position = query * 10_000 / max(queries, 1)
    let halvings = [10, 50, 200, 500, 1000, 2000, 4000, 6000, 8000].count { position > $0 }
    return 1 / Float(1 << halvings)
  }

  private static func side(_ share: Float, _ shape: Shape) -> Int {
    let side = Int((share * Float(shape.height * shape.width)).squareRoot().rounded())
    return min(max(side, 1), min(shape.height, shape.width))
  }

  private func place(_ shape: Shape, _ row: Int, _ y: Int, _ x: Int, _ channel: Int) -> Int {
    ((row * shape.height + y) * shape.width + x) * shape.channels + channel
  }

  /// How far each picture is from being turned; at most 0 when it is.
  private func margins(_ pictures: Tensor, _ labels: [Int]) throws -> [Float] {
    let logits = try classifier.logits(pictures)
    let classes = logits.shape.channels
    return labels.indices.map { row in
      let own = logits.elements[row * classes + labels[row]]
      var other = -Float.infinity
      for index in 0..<classes where index != labels[row] {
        other = max(other, logits.elements[row * classes + index])
      }
      return isTargeted ? other - own : own - other
    }
  }
}
