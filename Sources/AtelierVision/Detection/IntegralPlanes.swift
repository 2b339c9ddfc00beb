// One level of the pyramid: the picture reduced, and its sums over all rectangles from the corner.

import AtelierImages

/// The sums of a gray picture, each with a row and a column of zeros before it.
///
/// Sums wrap around at 32 bits: a difference of four corners is exact as long as the window's own
/// sum fits, and `CascadeFile` bounds windows so that even their sums of squares do.
package struct IntegralPlanes {
  /// Columns of the picture.
  let width: Int
  /// Rows of the picture.
  let height: Int
  /// Sums in a row, at least width + 1.
  let stride: Int
  /// Sums of the samples, [height + 1, stride].
  package private(set) var sums: [UInt32]
  /// Sums of their squares; empty where not asked for.
  package private(set) var squares: [UInt32] = []
  /// Sums over cones that open upwards from (x − 1, y − 1) by 45 degrees; empty where not asked
  /// for.
  package private(set) var tilted: [UInt32] = []

  /// Sums up a picture of at least one sample [height, width]; stride is at least width + 1.
  package init(
    gray: [UInt8], width: Int, height: Int, stride: Int, needsSquares: Bool, needsTilted: Bool
  ) {
    precondition(gray.count >= width * height && stride > width, "planes that hold the picture")
    self.width = width
    self.height = height
    self.stride = stride
    let count = (height + 1) * stride
    sums = [UInt32](repeating: 0, count: count)
    gray.withUnsafeBufferPointer { gray in
      sums.withUnsafeMutableBufferPointer {
        Self.add(gray, into: $0, width, height, stride) { $0 }
      }
      if needsSquares {
        squares = [UInt32](repeating: 0, count: count)
        squares.withUnsafeMutableBufferPointer {
          Self.add(gray, into: $0, width, height, stride) { $0 &* $0 }
        }
      }
      if needsTilted {
        tilted = [UInt32](repeating: 0, count: count)
        tilted.withUnsafeMutableBufferPointer {
          Self.addCones(gray, into: $0, width, height, stride)
        }
      }
    }
  }

  @inline(__always)
  private static func add(
    _ gray: UnsafeBufferPointer<UInt8>, into sums: UnsafeMutableBufferPointer<UInt32>,
    _ width: Int, _ height: Int, _ stride: Int, _ value: (UInt32) -> UInt32
  ) {
    for y in 0..<height {
      var row: UInt32 = 0
      let place = (y + 1) * stride + 1
      for x in 0..<width {
        row &+= value(UInt32(gray[y * width + x]))
        sums[place + x] = sums[place + x - stride] &+ row
      }
    }
  }

  /// T(x, y) = T(x−1, y−1) + T(x+1, y−1) − T(x, y−2) + I(x−1, y−1) + I(x−1, y−2); beyond the sides
  /// a cone equals one two rows higher inside, which cancels against the third term.
  private static func addCones(
    _ gray: UnsafeBufferPointer<UInt8>, into sums: UnsafeMutableBufferPointer<UInt32>,
    _ width: Int, _ height: Int, _ stride: Int
  ) {
    for y in 1...height {
      let row = y * stride
      let above = row - stride
      for x in 0...width {
        var value: UInt32 = 0
        if x > 0 {
          value = sums[above + x - 1] &+ UInt32(gray[(y - 1) * width + x - 1])
          if y > 1 { value &+= UInt32(gray[(y - 2) * width + x - 1]) }
        }
        if x < width { value &+= sums[above + x + 1] }
        if x > 0, x < width, y > 1 { value &-= sums[above - stride + x] }
        sums[row + x] = value
      }
    }
  }
}

/// Gray pictures for the detector.
enum DetectionPicture {
  /// The luma of a picture, [height, width]; alpha is left out.
  static func gray(_ image: ByteImage) -> [UInt8] {
    let channels = image.channels
    if channels == 1 { return image.samples }
    let count = image.pixelCount
    return [UInt8](unsafeUninitializedCapacity: count) { target, initialized in
      image.samples.withUnsafeBufferPointer { source in
        for pixel in 0..<count {
          let place = pixel * channels
          if channels == 2 {
            target[pixel] = source[place]
          } else {
            // BT.601 in 1 / 256, as cascades were trained on.
            let sum =
              77 * UInt32(source[place]) + 150 * UInt32(source[place + 1])
              + 29 * UInt32(source[place + 2])
            target[pixel] = UInt8(truncatingIfNeeded: (sum + 128) >> 8)
          }
        }
      }
      initialized = count
    }
  }

  /// The picture [height, width] at another size of at least 1 by 1, each new sample from the four
  /// old ones around its centre.
  static func resized(_ gray: [UInt8], from size: PixelSize, to newSize: PixelSize) -> [UInt8] {
    if newSize == size { return gray }
    let columns = taps(from: size.width, to: newSize.width)
    let rows = taps(from: size.height, to: newSize.height)
    let count = newSize.width * newSize.height
    return [UInt8](unsafeUninitializedCapacity: count) { target, initialized in
      gray.withUnsafeBufferPointer { source in
        columns.withUnsafeBufferPointer { columns in
          for (y, row) in rows.enumerated() {
            let upper = Int(row.first) * size.width
            let lower = Int(row.second) * size.width
            for x in 0..<newSize.width {
              let tap = columns[x]
              let (left, right) = (Int(tap.first), Int(tap.second))
              let top =
                UInt32(source[upper + left]) * (2048 - tap.weight)
                + UInt32(source[upper + right]) * tap.weight
              let bottom =
                UInt32(source[lower + left]) * (2048 - tap.weight)
                + UInt32(source[lower + right]) * tap.weight
              let value = top * (2048 - row.weight) + bottom * row.weight
              target[y * newSize.width + x] = UInt8(truncatingIfNeeded: (value + (1 << 21)) >> 22)
            }
          }
        }
      }
      initialized = count
    }
  }

  /// Two old samples and the weight of the second in 1 / 2048.
  private struct Tap {
    var first: Int32
    var second: Int32
    var weight: UInt32
  }

  private static func taps(from oldCount: Int, to newCount: Int) -> [Tap] {
    (0..<newCount).map { index in
      let center = (Double(index) + 0.5) * Double(oldCount) / Double(newCount) - 0.5
      let first = min(max(center.rounded(.down), 0), Double(oldCount - 1))
      let second = min(first + 1, Double(oldCount - 1))
      let weight = min(max((center - first) * 2048, 0), 2048).rounded()
      return Tap(first: Int32(first), second: Int32(second), weight: UInt32(weight))
    }
  }
}
