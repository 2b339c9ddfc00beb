// The structural similarity index, as its paper defines it.
//
// Wang, Bovik, Sheikh, Simoncelli: Image Quality Assessment: From Error Visibility to Structural
// Similarity, IEEE Transactions on Image Processing, 2004.

import Foundation

extension Metrics {
  /// The structural similarity of two pictures: 1 for equal ones, near 0 for unrelated ones.
  ///
  /// An 11 × 11 Gaussian window of σ 1.5, K = (0.01, 0.03), L the peak, only windows that lie
  /// wholly in the picture, and the mean over channels. Rows are filtered as they come, so the
  /// memory is a few rows whatever the picture.
  ///
  /// - Throws: `ImageError` when the shapes differ or a side is shorter than 11 pixels.
  public static func ssim<Sample: ImageSample>(
    _ first: Image<Sample>, _ second: Image<Sample>
  ) throws -> Double {
    try checkSameShape(first, second)
    guard min(first.width, first.height) >= 11 else {
      throw ImageError(
        .argument, name: "SSIM", expected: "pictures of at least 11x11 pixels",
        received: "\(first.size)")
    }
    var total = 0.0
    var rows = SimilarityRows(width: first.width)
    for channel in 0..<first.channels {
      for y in 0..<first.height {
        load(first, y, channel, into: &rows.first)
        load(second, y, channel, into: &rows.second)
        rows.filterAcross(slot: y % 11)
        if y >= 10 { total += rows.similarity(lastRow: y) }
      }
    }
    let windows = (first.width - 10) * (first.height - 10) * first.channels
    return total / Double(windows)
  }

  /// One row of one channel on the scale of bytes, less 128: that keeps squares small, and
  /// variances do not change by it.
  private static func load<Sample: ImageSample>(
    _ image: Image<Sample>, _ y: Int, _ channel: Int, into row: inout [Float]
  ) {
    let channels = image.channels
    let origin = y * image.rowLength + channel
    image.samples.withUnsafeBufferPointer { source in
      row.withUnsafeMutableBufferPointer { target in
        for x in 0..<target.count { target[x] = source[origin + x * channels].unit * 255 - 128 }
      }
    }
  }
}

/// The last eleven rows of the five filtered quantities: x, y, x², y², x·y.
private struct SimilarityRows {
  var first: [Float]
  var second: [Float]
  private let count: Int
  /// The rows, [slot, quantity, count].
  private var ring: [Float]
  private var product: [Float]
  /// One filtered row, [quantity, count].
  private var column: [Float]
  private let weights: [Float]

  init(width: Int) {
    count = width - 10
    first = [Float](repeating: 0, count: width)
    second = first
    product = first
    ring = [Float](repeating: 0, count: 11 * 5 * count)
    column = [Float](repeating: 0, count: 5 * count)
    let exponentials: [Double] = (-5...5).map { (place: Int) in
      let square = Double(place * place)
      return exp(-square / (2 * 1.5 * 1.5))
    }
    let sum = exponentials.reduce(0, +)
    weights = exponentials.map { Float($0 / sum) }
  }

  mutating func filterAcross(slot: Int) {
    let width = first.count
    for quantity in 0..<5 {
      first.withUnsafeBufferPointer { x in
        second.withUnsafeBufferPointer { y in
          product.withUnsafeMutableBufferPointer { target in
            switch quantity {
            case 0: for index in 0..<width { target[index] = x[index] }
            case 1: for index in 0..<width { target[index] = y[index] }
            case 2: for index in 0..<width { target[index] = x[index] * x[index] }
            case 3: for index in 0..<width { target[index] = y[index] * y[index] }
            default: for index in 0..<width { target[index] = x[index] * y[index] }
            }
          }
        }
      }
      filterRow(into: (slot * 5 + quantity) * count)
    }
  }

  /// The window is symmetric, so equal weights share one multiplication.
  private mutating func filterRow(into offset: Int) {
    let (w0, w1, w2) = (weights[0], weights[1], weights[2])
    let (w3, w4, w5) = (weights[3], weights[4], weights[5])
    let count = count
    product.withUnsafeBufferPointer { source in
      ring.withUnsafeMutableBufferPointer { target in
        for x in 0..<count {
          let far = w0 * (source[x] + source[x + 10]) + w1 * (source[x + 1] + source[x + 9])
          let middle = w2 * (source[x + 2] + source[x + 8]) + w3 * (source[x + 3] + source[x + 7])
          let near = w4 * (source[x + 4] + source[x + 6]) + w5 * source[x + 5]
          target[offset + x] = far + middle + near
        }
      }
    }
  }

  /// The sum of the index over one row of windows, whose last picture row is `lastRow`.
  mutating func similarity(lastRow: Int) -> Double {
    let length = 5 * count
    let weights = weights
    ring.withUnsafeBufferPointer { source in
      column.withUnsafeMutableBufferPointer { target in
        for index in 0..<length { target[index] = 0 }
        for tap in 0..<11 {
          let offset = (lastRow - 10 + tap) % 11 * length
          let weight = weights[tap]
          for index in 0..<length { target[index] += weight * source[offset + index] }
        }
      }
    }
    let first: Float = 0.01 * 255 * 0.01 * 255
    let second: Float = 0.03 * 255 * 0.03 * 255
    let count = count
    return column.withUnsafeBufferPointer { values in
      var total = 0.0
      for index in 0..<count {
        let (x, y) = (values[index], values[count + index])
        let varianceX = values[2 * count + index] - x * x
        let varianceY = values[3 * count + index] - y * y
        let covariance = values[4 * count + index] - x * y
        let (meanX, meanY) = (x + 128, y + 128)
        let top = (2 * meanX * meanY + first) * (2 * covariance + second)
        let bottom = (meanX * meanX + meanY * meanY + first) * (varianceX + varianceY + second)
        total += Double(top / bottom)
      }
      return total
    }
  }
}
