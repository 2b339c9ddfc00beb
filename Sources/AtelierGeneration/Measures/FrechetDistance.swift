// How far two sets of feature vectors lie apart: Fréchet's distance of their normal distributions.
//
// Heusel and others: GANs Trained by a Two Time-Scale Update Rule Converge to a Local Nash
// Equilibrium (2017).

import AtelierEngine
import AtelierKernels

/// Mean and covariance of feature vectors.
package struct FeatureStatistics: Sendable {
  /// Numbers of a vector.
  package let dimension: Int
  /// [dimension].
  package let mean: [Double]
  /// [dimension, dimension], divided by the vectors' number less one.
  package let covariance: [Double]

  /// Of vectors [N, dimension], at least two.
  package init(_ features: Tensor, kernels: Kernels) {
    let (count, size) = (features.shape.batch, features.shape.channels)
    precondition(count >= 2, "statistics take at least two vectors")
    dimension = size
    var mean = [Double](repeating: 0, count: size)
    for row in 0..<count {
      for column in 0..<size { mean[column] += Double(features.elements[row * size + column]) }
    }
    for column in 0..<size { mean[column] /= Double(count) }
    self.mean = mean
    var centered = [Double](repeating: 0, count: count * size)
    for row in 0..<count {
      for column in 0..<size {
        centered[row * size + column] =
          Double(features.elements[row * size + column]) - mean[column]
      }
    }
    var covariance = [Double](repeating: 0, count: size * size)
    covariance.withUnsafeMutableBufferPointer { sums in
      centered.withUnsafeBufferPointer { centered in
        // A thread has whole rows of the result, so that sums have one order.
        kernels.pool.parallelFor(size) { line in
          for row in 0..<count {
            let factor = centered[row * size + line]
            if factor == 0 { continue }
            for column in line..<size {
              sums[line * size + column] += factor * centered[row * size + column]
            }
          }
        }
      }
    }
    for line in 0..<size {
      for column in line..<size {
        let value = covariance[line * size + column] / Double(count - 1)
        covariance[line * size + column] = value
        covariance[column * size + line] = value
      }
    }
    self.covariance = covariance
  }

  /// |μ₁ − μ₂|² + tr(Σ₁ + Σ₂ − 2 √(Σ₁ Σ₂)), at least 0.
  package func frechetDistance(to other: FeatureStatistics) -> Double {
    precondition(dimension == other.dimension, "features of one kind are compared")
    let size = dimension
    var distance = 0.0
    for index in 0..<size {
      let difference = mean[index] - other.mean[index]
      distance += difference * difference
      distance += covariance[index * size + index] + other.covariance[index * size + index]
    }
    // √Σ₁ Σ₂ √Σ₁ is symmetric and has the eigenvalues of Σ₁ Σ₂.
    let (values, vectors) = SymmetricEigenvalues.withVectors(of: covariance, size: size)
    let roots = values.map { max($0, 0).squareRoot() }
    var turned = [Double](repeating: 0, count: size * size)
    for row in 0..<size {
      for inner in 0..<size {
        let factor = roots[row] * vectors[row * size + inner]
        if factor == 0 { continue }
        for column in 0..<size {
          turned[row * size + column] += factor * other.covariance[inner * size + column]
        }
      }
    }
    var middle = [Double](repeating: 0, count: size * size)
    for row in 0..<size {
      for column in 0..<size {
        var sum = 0.0
        for inner in 0..<size {
          sum += turned[row * size + inner] * vectors[column * size + inner]
        }
        middle[row * size + column] = sum * roots[column]
      }
    }
    for row in 0..<size {
      for column in 0..<row {
        let value = 0.5 * (middle[row * size + column] + middle[column * size + row])
        (middle[row * size + column], middle[column * size + row]) = (value, value)
      }
    }
    let trace = SymmetricEigenvalues.of(middle, size: size).reduce(0) {
      $0 + max($1, 0).squareRoot()
    }
    return max(distance - 2 * trace, 0)
  }
}

/// The mean Euclidean distance of different vectors of a set [N, dimension] to each other.
package func meanDistance(_ features: Tensor) -> Double {
  let (count, size) = (features.shape.batch, features.shape.channels)
  guard count > 1 else { return 0 }
  var total = 0.0
  for first in 0..<count {
    for second in 0..<first {
      var sum: Float = 0
      for index in 0..<size {
        let difference =
          features.elements[first * size + index] - features.elements[second * size + index]
        sum += difference * difference
      }
      total += Double(sum.squareRoot())
    }
  }
  return total / Double(count * (count - 1) / 2)
}
