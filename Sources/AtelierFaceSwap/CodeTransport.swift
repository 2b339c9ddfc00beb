// The map between two sets of codes: by their moments, then by the transport between the codes.

import AtelierEngine
import AtelierWorkbench

/// Finds the affine map that carries one set of codes to another without pairs.
///
/// Mean and covariance leave a rotation open, and the least transport between normal distributions
/// guesses it. Codes of poses are not normal, so the codes themselves say more: mapped codes are
/// assigned to the other person's one to one at the least total distance, the map is fitted to
/// these pairs, and since a fit to uncertain pairs shrinks, mean and covariance are carried over
/// once more. It is what aligns words of two languages without a dictionary (Grave, Joulin and
/// Berthet: Unsupervised Alignment of Embeddings with Wasserstein Procrustes, 2019), with an affine
/// map in place of a rotation and one round: more rounds fit the accidents of the sample.
package enum CodeTransport {
  /// The codes that are assigned at once; an assignment's time grows with the third power.
  private static let part = 1000

  /// The map between sets of at least two codes of `size` numbers: by moments where one set holds
  /// fewer than two codes for each number of a code, else the refined one.
  package static func map(from: [Float], to: [Float], size: Int) -> CodeMap {
    let (source, target) = (CodeStatistics(from, size: size), CodeStatistics(to, size: size))
    let first = source.map(to: target)
    guard min(from.count, to.count) / size >= 2 * size else { return first }
    let pull = pull(from, to, by: first, source, target)
    // Ridge regression: the covariance is shrunk already.
    let correction = SquareMatrix.product(source.power(-1), pull, size: size)
    let fitted = CodeMap(
      matrix: zip(first.matrix, correction).map { $0 + $1 }, offset: first.offset)
    return fitted.followed(by: CodeStatistics(fitted(from), size: size).map(to: target))
  }

  /// How much each number of a code goes with what the map leaves over, pair by pair: size × size.
  private static func pull(
    _ from: [Float], _ to: [Float], by map: CodeMap, _ source: CodeStatistics,
    _ target: CodeStatistics
  ) -> [Double] {
    let size = source.size
    let counts = (from: from.count / size, to: to.count / size)
    let mapped = map(from)
    // Distances in units of the target's spread: small movements count as much as the head's.
    let whiten = CodeMap(matrix: target.power(-0.5), offset: [Double](repeating: 0, count: size))
    let (one, other) = (whiten(mapped), whiten(to))
    let part = min(part, counts.from, counts.to)
    let parts = (max(counts.from, counts.to) + part - 1) / part
    let orders = (places(counts.from), places(counts.to))
    var pull = [Double](repeating: 0, count: size * size)
    for first in stride(from: 0, to: parts * part, by: part) {
      let rows = (first..<first + part).map { orders.0[$0 % counts.from] }
      let columns = (first..<first + part).map { orders.1[$0 % counts.to] }
      let costs = distances(one, rows, other, columns, size: size)
      let taken = OptimalAssignment.columns(costs: costs, size: part)
      for (row, column) in zip(rows, taken) {
        let (x, y) = (row * size, columns[column] * size)
        SquareMatrix.add(
          (0..<size).map { Double(from[x + $0]) - source.mean[$0] },
          (0..<size).map { Double(to[y + $0]) - Double(mapped[x + $0]) },
          times: 1 / Double(parts * part), to: &pull)
      }
    }
    return pull
  }

  /// A shuffled order; the same for sets of one size, so that a set is assigned to itself.
  private static func places(_ count: Int) -> [Int] {
    var generator = RandomGenerator(seed: 0x7061_6972)
    return generator.permutation(count)
  }

  /// The squared distances of some codes to others less each row's square, which changes no choice.
  private static func distances(
    _ one: [Float], _ rows: [Int], _ other: [Float], _ columns: [Int], size: Int
  ) -> [Float] {
    let squares = columns.map { column in
      (0..<size).reduce(Float(0)) { $0 + other[column * size + $1] * other[column * size + $1] }
    }
    let transposed = (0..<size * columns.count).map { place in
      other[columns[place % columns.count] * size + place / columns.count]
    }
    var costs: [Float] = []
    costs.reserveCapacity(rows.count * columns.count)
    var sums = squares
    for row in rows {
      sums = squares
      sums.withUnsafeMutableBufferPointer { sums in
        transposed.withUnsafeBufferPointer { transposed in
          for index in 0..<size {
            let value = 2 * one[row * size + index]
            let numbers = UnsafeBufferPointer(
              rebasing: transposed[index * sums.count..<(index + 1) * sums.count])
            for place in 0..<sums.count { sums[place] -= value * numbers[place] }
          }
        }
      }
      costs += sums
    }
    return costs
  }
}
