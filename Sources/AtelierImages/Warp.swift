// Pictures carried over by affine maps.

import Foundation

extension Image {
  /// The picture carried over by a map; beyond its edges it goes on with its outermost pixels.
  ///
  /// Each new sample is the mean of bilinear samples spread evenly over the new pixel: one where
  /// the picture is enlarged or kept, up to 8 by 8 where it is reduced.
  ///
  /// - Parameters:
  ///   - transform: From this picture to the new one.
  ///   - newWidth: Columns of the new picture, at least 1.
  ///   - newHeight: Rows of the new picture, at least 1.
  /// - Returns: The new picture; nil when the map has no inverse.
  @_specialize(where Sample == UInt8)
  @_specialize(where Sample == Float)
  public func warped(
    by transform: AffineMap, width newWidth: Int, height newHeight: Int
  ) -> Image? {
    guard let back = transform.inverse else { return nil }
    // Never more than 8: beyond, the samples lie apart, but a picture is not made to be so small.
    let m = back.elements
    let (a, b, c, d, e, f) = (m[0], m[1], m[2], m[3], m[4], m[5])
    let reach = max(hypot(a, d), hypot(b, e))
    let parts = Int(min(max((reach - 1e-9).rounded(.up), 1), 8))
    return Image(width: newWidth, height: newHeight, channels: channels) { target in
      samples.withUnsafeBufferPointer { source in
        var sums = [Float](repeating: 0, count: channels)
        let share = 1 / Float(parts * parts)
        for y in 0..<newHeight {
          for x in 0..<newWidth {
            for channel in 0..<channels { sums[channel] = 0 }
            for part in 0..<parts * parts {
              let column = Double(x) + (Double(part % parts) + 0.5) / Double(parts)
              let row = Double(y) + (Double(part / parts) + 0.5) / Double(parts)
              let point = SIMD2(a * column + b * row + c, d * column + e * row + f)
              addSample(at: point, of: source, to: &sums)
            }
            let place = (y * newWidth + x) * channels
            for channel in 0..<channels {
              target[place + channel] = Sample(unit: sums[channel] * share)
            }
          }
        }
      }
    }
  }

  /// Adds what lies at a point, interpolated between the four pixels around it.
  @inline(__always)
  private func addSample(
    at point: SIMD2<Double>, of source: UnsafeBufferPointer<Sample>, to sums: inout [Float]
  ) {
    let x = min(max(point.x - 0.5, 0), Double(width - 1))
    let y = min(max(point.y - 0.5, 0), Double(height - 1))
    let (left, top) = (Int(x), Int(y))
    let (right, bottom) = (min(left + 1, width - 1), min(top + 1, height - 1))
    let (across, down) = (Float(x - Double(left)), Float(y - Double(top)))
    for channel in 0..<channels {
      let topLeft = source[(top * width + left) * channels + channel].unit
      let topRight = source[(top * width + right) * channels + channel].unit
      let bottomLeft = source[(bottom * width + left) * channels + channel].unit
      let bottomRight = source[(bottom * width + right) * channels + channel].unit
      let upper = topLeft + (topRight - topLeft) * across
      let lower = bottomLeft + (bottomRight - bottomLeft) * across
      sums[channel] += upper + (lower - upper) * down
    }
  }
}
