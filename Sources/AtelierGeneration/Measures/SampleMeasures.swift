// What drawn pictures are measured by beside Fréchet's distance: kernel distance, precision, recall,
// nearest neighbours.

import AtelierEngine
import AtelierKernels

/// Distances between the rows of tables of features.
enum FeatureDistances {
  /// Squared Euclidean distances [rows of x, rows of y].
  static func squared(_ x: Tensor, _ y: Tensor, kernels: Kernels) -> [Float] {
    table(x, y, kernels: kernels) { x, y, count in
      var lanes = SIMD8<Float>()
      let whole = count / 8 * 8
      for index in stride(from: 0, to: whole, by: 8) {
        let difference = eight(x + index) - eight(y + index)
        lanes += difference * difference
      }
      var sum = lanes.sum()
      for index in whole..<count { sum += (x[index] - y[index]) * (x[index] - y[index]) }
      return sum
    }
  }

  /// Inner products [rows of x, rows of y].
  static func products(_ x: Tensor, _ y: Tensor, kernels: Kernels) -> [Float] {
    table(x, y, kernels: kernels) { x, y, count in
      var lanes = SIMD8<Float>()
      let whole = count / 8 * 8
      for index in stride(from: 0, to: whole, by: 8) {
        lanes += eight(x + index) * eight(y + index)
      }
      var sum = lanes.sum()
      for index in whole..<count { sum += x[index] * y[index] }
      return sum
    }
  }

  private static func eight(_ pointer: UnsafePointer<Float>) -> SIMD8<Float> {
    UnsafeRawPointer(pointer).loadUnaligned(as: SIMD8<Float>.self)
  }

  @inline(__always)
  private static func table(
    _ x: Tensor, _ y: Tensor, kernels: Kernels,
    _ value: (UnsafePointer<Float>, UnsafePointer<Float>, Int) -> Float
  ) -> [Float] {
    let (rows, columns) = (x.shape.batch, y.shape.batch)
    let size = x.count / rows
    precondition(y.count / columns == size, "features of one kind are compared")
    var result = [Float](repeating: 0, count: rows * columns)
    result.withUnsafeMutableBufferPointer { result in
      x.elements.withUnsafeBufferPointer { x in
        y.elements.withUnsafeBufferPointer { y in
          guard let left = x.baseAddress, let right = y.baseAddress else { return }
          kernels.pool.parallelFor(rows) { row in
            for column in 0..<columns {
              result[row * columns + column] = value(
                left + row * size, right + column * size, size)
            }
          }
        }
      }
    }
    return result
  }
}

/// Measures of drawn against real pictures by their features [N, dimension].
package enum SampleMeasures {
  /// The kernel distance (Bińkowski and others 2018): the unbiased squared mean discrepancy under
  /// (x·y / dimension + 1)³, the mean over as many blocks of `block` pictures as there are, at most
  /// ten.
  package static func kernelDistance(
    _ drawn: Tensor, _ real: Tensor, block: Int = 1000, kernels: Kernels
  ) -> Double {
    let count = min(drawn.shape.batch, real.shape.batch)
    let size = min(block, count)
    let blocks = min(10, count / size)
    let dimension = Float(drawn.shape.channels)
    func mean(_ x: Tensor, _ y: Tensor, isSame: Bool) -> Double {
      let products = FeatureDistances.products(x, y, kernels: kernels)
      var sum = 0.0
      for row in 0..<size {
        for column in 0..<size where !isSame || row != column {
          let base = Double(products[row * size + column] / dimension + 1)
          sum += base * base * base
        }
      }
      return sum / Double(isSame ? size * (size - 1) : size * size)
    }
    var total = 0.0
    for index in 0..<blocks {
      let rows = index * size..<(index + 1) * size
      let (x, y) = (drawn.slice(rows), real.slice(rows))
      total += mean(x, x, isSame: true) + mean(y, y, isSame: true) - 2 * mean(x, y, isSame: false)
    }
    return total / Double(blocks)
  }

  /// Precision and recall (Kynkäänniemi and others 2019): the share of drawn pictures within the
  /// reach of a real one, and of real pictures within the reach of a drawn one; a picture reaches as
  /// far as its `neighbors`-th nearest of its own kind.
  package static func precisionAndRecall(
    _ drawn: Tensor, _ real: Tensor, neighbors: Int = 3, kernels: Kernels
  ) -> (precision: Double, recall: Double) {
    func share(of points: Tensor, near centers: Tensor) -> Double {
      let own = FeatureDistances.squared(centers, centers, kernels: kernels)
      let count = centers.shape.batch
      // The nearest of all is the picture itself.
      let reach = (0..<count).map { row in
        own[row * count..<(row + 1) * count].sorted()[min(neighbors, count - 1)]
      }
      let across = FeatureDistances.squared(points, centers, kernels: kernels)
      let rows = points.shape.batch
      let inside = (0..<rows).count { row in
        (0..<count).contains { across[row * count + $0] <= reach[$0] }
      }
      return Double(inside) / Double(rows)
    }
    return (share(of: drawn, near: real), share(of: real, near: drawn))
  }

  /// The indices of the `count` rows of `y` nearest to each row of `x`, nearest first.
  package static func nearest(
    _ x: Tensor, in y: Tensor, count: Int, kernels: Kernels
  ) -> [[(index: Int, distance: Float)]] {
    let distances = FeatureDistances.squared(x, y, kernels: kernels)
    let columns = y.shape.batch
    return (0..<x.shape.batch).map { row in
      var best: [(index: Int, distance: Float)] = []
      for column in 0..<columns {
        let distance = distances[row * columns + column]
        if best.count == count, let last = best.last, distance >= last.distance { continue }
        let place = best.firstIndex { $0.distance > distance } ?? best.count
        best.insert((column, distance), at: place)
        if best.count > count { best.removeLast() }
      }
      return best
    }
  }
}

extension Tensor {
  /// Some rows in a row.
  func slice(_ rows: Range<Int>) -> Tensor {
    let length = count / shape.batch
    return Tensor(
      shape.withBatch(rows.count),
      Array(elements[rows.lowerBound * length..<rows.upperBound * length]))
  }
}
