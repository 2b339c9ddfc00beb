// Eigenvalues and eigenvectors of small symmetric matrices: Householder's tridiagonal form, then QL.
//
// The steps are those of tred2 and tql2 (Bowdler, Martin, Reinsch and Wilkinson 1968, "The QR and QL
// algorithms for symmetric matrices"; EISPACK). A library's LAPACK would do it, too, but takes hundreds of
// megabytes for itself and waits for ever where the system does not give them.

#if canImport(Glibc)
import Glibc
#elseif canImport(Darwin)
import Darwin
#endif

/// Eigenvalues of symmetric matrices.
public enum SymmetricEigenvalues {
  /// The eigenvalues of a symmetric matrix [size, size], size at least 1, in ascending order.
  public static func of(_ matrix: [Double], size: Int) -> [Double] {
    solve(matrix, size, withVectors: false).values
  }

  /// The same with the eigenvectors, of length 1, as the rows of a matrix [size, size] in the same order.
  public static func withVectors(
    of matrix: [Double], size: Int
  ) -> (values: [Double], vectors: [Double]) {
    solve(matrix, size, withVectors: true)
  }

  private static func solve(
    _ matrix: [Double], _ size: Int, withVectors: Bool
  ) -> (values: [Double], vectors: [Double]) {
    precondition(size > 0 && matrix.count == size * size, "expected \(size)×\(size) numbers")
    var columns = matrix
    var diagonal = [Double](repeating: 0, count: size)
    var beside = diagonal
    columns.withUnsafeMutableBufferPointer { columns in
      diagonal.withUnsafeMutableBufferPointer { diagonal in
        beside.withUnsafeMutableBufferPointer { beside in
          var work = Tridiagonal(
            size: size, columns: columns, diagonal: diagonal, beside: beside,
            keepsVectors: withVectors)
          work.reduce()
          work.iterate()
        }
      }
    }
    let order = diagonal.indices.sorted { (diagonal[$0], $0) < (diagonal[$1], $1) }
    let vectors = withVectors ? order.flatMap { columns[$0 * size..<($0 + 1) * size] } : []
    return (order.map { diagonal[$0] }, vectors)
  }
}

/// A symmetric matrix on its way to its eigenvalues; columns lie one after the other.
private struct Tridiagonal {
  let size: Int
  let columns: UnsafeMutableBufferPointer<Double>
  let diagonal: UnsafeMutableBufferPointer<Double>
  /// What stands beside the diagonal: element i beside element i - 1, while iterating beside i + 1.
  let beside: UnsafeMutableBufferPointer<Double>
  let keepsVectors: Bool

  /// The element at a row and a column.
  private subscript(row: Int, column: Int) -> Double {
    get { columns[column * size + row] }
    nonmutating set { columns[column * size + row] = newValue }
  }

  /// Brings the matrix into tridiagonal form by reflections, the last row first.
  mutating func reduce() {
    for column in 0..<size { diagonal[column] = self[size - 1, column] }
    for row in stride(from: size - 1, to: 0, by: -1) {
      let scale = (0..<row).reduce(0) { $0 + abs(diagonal[$1]) }
      guard scale > 0 else {
        beside[row] = diagonal[row - 1]
        for column in 0..<row {
          diagonal[column] = self[row - 1, column]
          (self[row, column], self[column, row]) = (0, 0)
        }
        diagonal[row] = 0
        continue
      }
      diagonal[row] = reflect(row, scale)
    }
    if keepsVectors {
      accumulate()
    } else {
      // The diagonal was left in the matrix.
      for row in 0..<size - 1 { diagonal[row] = self[row, row] }
      diagonal[size - 1] = self[size - 1, size - 1]
    }
    beside[0] = 0
  }

  /// One reflection, kept in a column; gives half the square of its vector's length.
  private func reflect(_ row: Int, _ scale: Double) -> Double {
    var square = 0.0
    for index in 0..<row {
      diagonal[index] /= scale
      square += diagonal[index] * diagonal[index]
    }
    let last = diagonal[row - 1]
    let length = last > 0 ? -square.squareRoot() : square.squareRoot()
    beside[row] = scale * length
    square -= last * length
    diagonal[row - 1] = last - length
    for index in 0..<row { beside[index] = 0 }
    for column in 0..<row {
      let factor = diagonal[column]
      self[column, row] = factor
      var sum = beside[column] + self[column, column] * factor
      let start = column * size
      for index in column + 1..<max(row, column + 1) {
        sum += columns[start + index] * diagonal[index]
        beside[index] += columns[start + index] * factor
      }
      beside[column] = sum
    }
    var product = 0.0
    for index in 0..<row {
      beside[index] /= square
      product += beside[index] * diagonal[index]
    }
    let half = product / (2 * square)
    for index in 0..<row { beside[index] -= half * diagonal[index] }
    for column in 0..<row {
      let (first, second) = (diagonal[column], beside[column])
      let start = column * size
      for index in column..<row {
        columns[start + index] -= first * beside[index] + second * diagonal[index]
      }
      diagonal[column] = self[row - 1, column]
      self[row, column] = 0
    }
    return square
  }

  /// Multiplies the reflections; the columns become their product.
  private func accumulate() {
    for row in 0..<size - 1 {
      self[size - 1, row] = self[row, row]
      self[row, row] = 1
      let square = diagonal[row + 1]
      let kept = (row + 1) * size
      if square != 0 {
        for index in 0...row { diagonal[index] = columns[kept + index] / square }
        for column in 0...row {
          let start = column * size
          var sum = 0.0
          for index in 0...row { sum += columns[kept + index] * columns[start + index] }
          for index in 0...row { columns[start + index] -= sum * diagonal[index] }
        }
      }
      for index in 0...row { columns[kept + index] = 0 }
    }
    for column in 0..<size {
      diagonal[column] = self[size - 1, column]
      self[size - 1, column] = 0
    }
    self[size - 1, size - 1] = 1
  }

  /// Turns until nothing stands beside the diagonal, one eigenvalue after the other.
  mutating func iterate() {
    for index in 1..<max(size, 1) { beside[index - 1] = beside[index] }
    beside[size - 1] = 0
    var shift = 0.0
    var largest = 0.0
    for place in 0..<size {
      largest = max(largest, abs(diagonal[place]) + abs(beside[place]))
      let least = 0x1p-52 * largest
      var end = place
      while end < size - 1, abs(beside[end]) > least { end += 1 }
      // Three or four rounds are usual; what is not finite never ends by itself.
      var rounds = 0
      while end > place, abs(beside[place]) > least, rounds < 64 {
        shift += turn(place, end)
        rounds += 1
      }
      diagonal[place] += shift
      beside[place] = 0
    }
  }

  /// One implicit QL step between two places; gives by how much the diagonal was shifted.
  private func turn(_ place: Int, _ end: Int) -> Double {
    let start = diagonal[place]
    let ratio = (diagonal[place + 1] - start) / (2 * beside[place])
    let root = ratio < 0 ? -hypot(ratio, 1) : hypot(ratio, 1)
    diagonal[place] = beside[place] / (ratio + root)
    diagonal[place + 1] = beside[place] * (ratio + root)
    let next = diagonal[place + 1]
    let shift = start - diagonal[place]
    for index in place + 2..<max(size, place + 2) { diagonal[index] -= shift }
    var value = diagonal[end]
    var (cosine, formerCosine, olderCosine) = (1.0, 1.0, 1.0)
    let first = beside[place + 1]
    var (sine, formerSine) = (0.0, 0.0)
    for index in stride(from: end - 1, through: place, by: -1) {
      (olderCosine, formerCosine, formerSine) = (formerCosine, cosine, sine)
      let (scaled, kept) = (cosine * beside[index], cosine * value)
      let length = hypot(value, beside[index])
      beside[index + 1] = sine * length
      sine = beside[index] / length
      cosine = value / length
      value = cosine * diagonal[index] - sine * scaled
      diagonal[index + 1] = kept + sine * (cosine * scaled + sine * diagonal[index])
      guard keepsVectors else { continue }
      let (one, two) = (index * size, (index + 1) * size)
      for row in 0..<size {
        let element = columns[two + row]
        columns[two + row] = sine * columns[one + row] + cosine * element
        columns[one + row] = cosine * columns[one + row] - sine * element
      }
    }
    value = -sine * formerSine * olderCosine * first * beside[place] / next
    beside[place] = sine * value
    diagonal[place] = cosine * value
    return shift
  }
}
