// Distributions of codes, and the affine maps that carry one to another.

import AtelierKernels
import AtelierWorkbench
import Foundation

/// An affine map of codes, x ↦ x · matrix + offset.
package struct CodeMap: Sendable {
  /// size × size, row by row.
  package var matrix: [Double]
  /// As many numbers as a code has.
  package var offset: [Double]

  /// Takes the numbers of a map.
  package init(matrix: [Double], offset: [Double]) {
    self.matrix = matrix
    self.offset = offset
  }

  /// Maps codes, one after the other, each of `offset.count` numbers.
  package func callAsFunction(_ codes: [Float]) -> [Float] {
    let size = offset.count
    precondition(codes.count % size == 0, "whole codes")
    var mapped = [Float](repeating: 0, count: codes.count)
    for first in stride(from: 0, to: codes.count, by: size) {
      var sums = offset
      sums.withUnsafeMutableBufferPointer { sums in
        matrix.withUnsafeBufferPointer { matrix in
          for row in 0..<size {
            let value = Double(codes[first + row])
            for column in 0..<size { sums[column] += value * matrix[row * size + column] }
          }
        }
      }
      for column in 0..<size { mapped[first + column] = Float(sums[column]) }
    }
    return mapped
  }

  /// This map and then another, as one.
  package func followed(by next: CodeMap) -> CodeMap {
    let size = offset.count
    return CodeMap(
      matrix: SquareMatrix.product(matrix, next.matrix, size: size),
      offset: (0..<size).map { column -> Double in
        var sum = next.offset[column]
        for row in 0..<size { sum += offset[row] * next.matrix[row * size + column] }
        return sum
      })
  }
}

/// The mean and the covariance of codes.
package struct CodeStatistics: Sendable {
  /// The numbers of a code.
  package let size: Int
  /// The mean code.
  package let mean: [Double]
  /// size × size, shrunk towards a ball so that few codes of many numbers have an inverse, too.
  package let covariance: [Double]

  /// Measures at least two codes, one after the other, of `size` numbers each.
  package init(_ codes: [Float], size: Int) {
    let count = codes.count / size
    precondition(count > 1 && codes.count == count * size, "whole codes, at least two")
    var mean = [Double](repeating: 0, count: size)
    for index in codes.indices { mean[index % size] += Double(codes[index]) / Double(count) }
    var covariance = [Double](repeating: 0, count: size * size)
    var centered = mean
    for first in stride(from: 0, to: codes.count, by: size) {
      for index in 0..<size { centered[index] = Double(codes[first + index]) - mean[index] }
      SquareMatrix.add(centered, centered, times: 1 / Double(count - 1), to: &covariance)
    }
    // Few codes say little beyond the covariance's size (Ledoit and Wolf 2004, simple weight).
    let share = max(0.05, Double(size) / Double(size + count))
    let ball = (0..<size).reduce(0) { $0 + covariance[$1 * size + $1] } / Double(size)
    for index in covariance.indices { covariance[index] *= 1 - share }
    for index in 0..<size { covariance[index * size + index] += share * ball + 1e-12 }
    self.size = size
    self.mean = mean
    self.covariance = covariance
  }

  /// The map that carries this normal distribution to another with the least transport.
  ///
  /// The matrix is C⁻½ (C½ D C½)½ C⁻½ for covariances C and D (Knott and Smith 1984); it is
  /// symmetric.
  package func map(to other: CodeStatistics) -> CodeMap {
    precondition(size == other.size, "codes of one size")
    func product(_ first: [Double], _ second: [Double]) -> [Double] {
      SquareMatrix.product(first, second, size: size)
    }
    let (root, inverse) = (power(0.5), power(-0.5))
    let middle = SquareMatrix.power(product(product(root, other.covariance), root), 0.5, size: size)
    let matrix = product(product(inverse, middle), inverse)
    let offset = (0..<size).map { column -> Double in
      var sum = 0.0
      for row in 0..<size { sum += mean[row] * matrix[row * size + column] }
      return other.mean[column] - sum
    }
    return CodeMap(matrix: matrix, offset: offset)
  }

  /// A power of the covariance, size × size.
  func power(_ exponent: Double) -> [Double] {
    SquareMatrix.power(covariance, exponent, size: size)
  }
}

/// What maps of codes need of square matrices, row by row.
enum SquareMatrix {
  static func product(_ first: [Double], _ second: [Double], size: Int) -> [Double] {
    var result = [Double](repeating: 0, count: size * size)
    for row in 0..<size {
      for inner in 0..<size {
        let value = first[row * size + inner]
        for column in 0..<size {
          result[row * size + column] += value * second[inner * size + column]
        }
      }
    }
    return result
  }

  /// A power of a symmetric matrix without negative eigenvalues.
  static func power(_ matrix: [Double], _ exponent: Double, size: Int) -> [Double] {
    // Rounding leaves products of symmetric matrices a little uneven.
    let even = matrix.indices.map { (matrix[$0] + matrix[$0 % size * size + $0 / size]) / 2 }
    let (values, vectors) = SymmetricEigenvalues.withVectors(of: even, size: size)
    let least = max(values.last ?? 0, 1e-300) * 1e-12
    var scaled = vectors
    for row in 0..<size {
      let factor = pow(max(values[row], least), exponent)
      for column in 0..<size { scaled[row * size + column] *= factor }
    }
    let transposed = (0..<size * size).map { vectors[$0 % size * size + $0 / size] }
    return product(transposed, scaled, size: size)
  }

  /// Adds the product of a column and a row, times a number.
  static func add(
    _ column: [Double], _ row: [Double], times factor: Double, to matrix: inout [Double]
  ) {
    let size = row.count
    matrix.withUnsafeMutableBufferPointer { matrix in
      row.withUnsafeBufferPointer { row in
        for (index, value) in column.enumerated() {
          let scaled = value * factor
          for place in 0..<size { matrix[index * size + place] += scaled * row[place] }
        }
      }
    }
  }
}
