// A black-box attack by random squares, which asks the victim only for its answers.
//
// Andriushchenko, Croce, Flammarion, Hein: Square Attack (2020), the L∞ form.

import AtelierClassification
import AtelierEngine
import AtelierFiles
import AtelierWorkbench

/// Random search: a square of one sign a channel is kept where it lowers the margin.
struct SquareAttack {
  private let classifier: Classifier
  private let budget: NoiseBudget
  private let isTargeted: Bool
  private let queries: Int

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
  func run(_ clean: Tensor, _ labels: [Int], _ generator: inout RandomGenerator) throws -> Tensor {
    let noise = SquareNoise(shape: clean.shape, radius: budget.radius)
    let rows = 0..<clean.shape.batch
    var best = clean
    for row in rows { noise.addStripes(to: &best, row: row, &generator) }
    budget.project(&best, around: clean)
    var margins = try self.margins(best, labels)
    for query in 0..<queries where margins.contains(where: { $0 > 0 }) {
      let share = SquareNoise.firstShare * Self.fraction(query, of: queries)
      var tried = best
      for row in rows where margins[row] > 0 {
        noise.setSquare(in: &tried, around: clean, row: row, share: share, &generator)
      }
      budget.project(&tried, around: clean)
      let found = try self.margins(tried, labels)
      let length = clean.count / rows.count
      for row in rows where margins[row] > 0 && found[row] < margins[row] {
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

  /// How far each picture is from being turned; at most 0 when it is.
  private func margins(_ pictures: Tensor, _ labels: [Int]) throws -> [Float] {
    let logits = try classifier.logits(pictures)
    return labels.indices.map { row in
      let lead = logits.lead(of: labels[row], row: row)
      return isTargeted ? -lead : lead
    }
  }
}
