// How noisy a picture is, from the picture alone.
//
// Chen, Zhu, Heng: An Efficient Statistical Method for Image Noise Level Estimation (2015): the covariance of small patches has
// a few large eigenvalues from the picture's structure, and the rest scatter around the noise's variance.

import AtelierEngine
import AtelierImages

/// Estimates the deviation of white Gaussian noise.
public enum NoiseEstimator {
  private static let side = 8
  private static let mostPatches = 60_000

  /// The noise's deviation in units of 8-bit values, from a picture of one channel.
  ///
  /// - Parameter image: One channel; at least 16 pixels on each side, else the result is 0.
  public static func sigma(of image: ByteImage) -> Float {
    guard image.channels == 1, min(image.width, image.height) >= 2 * side else { return 0 }
    return sigma(samples: image.samples.map(Float.init), width: image.width, height: image.height)
  }

  /// The noise's deviation in the samples' own units.
  ///
  /// - Parameters:
  ///   - samples: One channel, row-major.
  ///   - width: Columns, at least 16.
  ///   - height: Rows, at least 16.
  public static func sigma(samples: [Float], width: Int, height: Int) -> Float {
    let eigenvalues = SymmetricEigenvalues.of(
      covariance(samples: samples, width: width, height: height), size: side * side)
    // The noise's variance is where the mean of the remaining eigenvalues meets their median.
    let sorted = eigenvalues.sorted()
    var count = sorted.count
    while count > 1 {
      let mean = sorted[0..<count].reduce(0, +) / Double(count)
      if mean <= sorted[(count - 1) / 2] || isBalanced(sorted[0..<count], mean) {
        return Float(max(mean, 0).squareRoot())
      }
      count -= 1
    }
    return Float(max(sorted[0], 0).squareRoot())
  }

  /// Whether as many eigenvalues lie above the mean as below it.
  private static func isBalanced(_ values: ArraySlice<Double>, _ mean: Double) -> Bool {
    let above = values.reduce(0) { $0 + ($1 > mean ? 1 : 0) }
    let below = values.reduce(0) { $0 + ($1 < mean ? 1 : 0) }
    return above >= below
  }

  /// The covariance of the picture's 8×8 patches, at most 60,000 of them evenly spread.
  private static func covariance(samples: [Float], width: Int, height: Int) -> [Double] {
    let size = side * side
    let (columns, rows) = (width - side + 1, height - side + 1)
    let stride = max(columns * rows / mostPatches, 1)
    var sum = [Double](repeating: 0, count: size)
    var products = [Double](repeating: 0, count: size * size)
    // Sums of 64 products in single precision run at vector speed; doubles take them up before they lose digits.
    var block = [Float](repeating: 0, count: size * size)
    var patch = [Float](repeating: 0, count: size)
    var count = 0
    for position in Swift.stride(from: 0, to: columns * rows, by: stride) {
      let (x, y) = (position % columns, position / columns)
      for row in 0..<side {
        for column in 0..<side {
          patch[row * side + column] = samples[(y + row) * width + x + column]
        }
      }
      for i in 0..<size {
        sum[i] += Double(patch[i])
        let value = patch[i]
        for j in 0...i { block[i * size + j] += value * patch[j] }
      }
      count += 1
      if count % 64 == 0 { flush(&block, into: &products) }
    }
    flush(&block, into: &products)
    var result = products
    for i in 0..<size {
      for j in 0...i {
        let value =
          products[i * size + j] / Double(count) - sum[i] * sum[j] / Double(count * count)
        result[i * size + j] = value
        result[j * size + i] = value
      }
    }
    return result
  }

  private static func flush(_ block: inout [Float], into products: inout [Double]) {
    for index in block.indices {
      products[index] += Double(block[index])
      block[index] = 0
    }
  }
}

/// Eigenvalues of small symmetric matrices by Jacobi's method (1846).
enum SymmetricEigenvalues {
  /// The eigenvalues in no particular order.
  ///
  /// - Parameters:
  ///   - matrix: size × size, row-major, symmetric.
  ///   - size: Rows and columns.
  static func of(_ matrix: [Double], size: Int) -> [Double] {
    var a = matrix
    for _ in 0..<30 {
      var offDiagonal = 0.0
      var diagonal = 0.0
      for i in 0..<size {
        diagonal += a[i * size + i] * a[i * size + i]
        for j in 0..<i { offDiagonal += a[i * size + j] * a[i * size + j] }
      }
      if offDiagonal <= 1e-22 * diagonal { break }
      for p in 0..<size - 1 {
        for q in p + 1..<size { rotate(&a, p, q, size) }
      }
    }
    return (0..<size).map { a[$0 * size + $0] }
  }

  /// One rotation that makes the element (p, q) zero.
  private static func rotate(_ a: inout [Double], _ p: Int, _ q: Int, _ size: Int) {
    let apq = a[p * size + q]
    guard apq != 0 else { return }
    let theta = (a[q * size + q] - a[p * size + p]) / (2 * apq)
    let t = (theta >= 0 ? 1.0 : -1) / (abs(theta) + (theta * theta + 1).squareRoot())
    let c = 1 / (t * t + 1).squareRoot()
    let s = t * c
    for k in 0..<size {
      let (akp, akq) = (a[k * size + p], a[k * size + q])
      a[k * size + p] = c * akp - s * akq
      a[k * size + q] = s * akp + c * akq
    }
    for k in 0..<size {
      let (apk, aqk) = (a[p * size + k], a[q * size + k])
      a[p * size + k] = c * apk - s * aqk
      a[q * size + k] = s * apk + c * aqk
    }
  }
}
