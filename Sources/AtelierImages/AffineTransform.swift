// Affine maps of the plane and pictures carried over by them.

import Foundation

/// A map of the plane by a matrix of 2 rows and 3 columns: x' = a x + b y + c, y' = d x + e y + f.
///
/// Coordinates run over a picture's area: the left edge of the first pixel is 0, its centre 0.5.
public struct AffineTransform2D: Sendable, Hashable, Codable {
  /// Row by row: a, b, c, d, e, f.
  public var a: Double
  /// What y adds to x'.
  public var b: Double
  /// The shift of x'.
  public var c: Double
  /// What x adds to y'.
  public var d: Double
  /// What y adds to y'.
  public var e: Double
  /// The shift of y'.
  public var f: Double

  /// A map by its matrix, row by row.
  public init(_ a: Double, _ b: Double, _ c: Double, _ d: Double, _ e: Double, _ f: Double) {
    self.a = a
    self.b = b
    self.c = c
    self.d = d
    self.e = e
    self.f = f
  }

  /// The map that changes nothing.
  public static let identity = AffineTransform2D(1, 0, 0, 0, 1, 0)

  /// The turn, uniform scaling and shift that carries two points to two others.
  ///
  /// - Parameters:
  ///   - source: Two points.
  ///   - target: Where they go.
  /// - Returns: The map; nil when the two points of either side are the same or no numbers.
  public static func similarity(
    from source: (first: SIMD2<Double>, second: SIMD2<Double>),
    to target: (first: SIMD2<Double>, second: SIMD2<Double>)
  ) -> AffineTransform2D? {
    let from = source.second - source.first
    let to = target.second - target.first
    let length = (from * from).sum()
    guard length > 0, (to * to).sum() > 0, length.isFinite else { return nil }
    // The quotient of the two differences as complex numbers.
    let real = (from * to).sum() / length
    let imaginary = (from.x * to.y - from.y * to.x) / length
    let result = AffineTransform2D(
      real, -imaginary, target.first.x - real * source.first.x + imaginary * source.first.y,
      imaginary, real, target.first.y - imaginary * source.first.x - real * source.first.y)
    return result.c.isFinite && result.f.isFinite ? result : nil
  }

  /// Where a point goes.
  public func callAsFunction(_ point: SIMD2<Double>) -> SIMD2<Double> {
    SIMD2(a * point.x + b * point.y + c, d * point.x + e * point.y + f)
  }

  /// By what an area is multiplied; below 0 for a mirrored one.
  public var determinant: Double { a * e - b * d }

  /// The map back; nil when there is none.
  public var inverse: AffineTransform2D? {
    let area = determinant
    guard area != 0, area.isFinite else { return nil }
    return AffineTransform2D(
      e / area, -b / area, (b * f - e * c) / area, -d / area, a / area, (d * c - a * f) / area)
  }
}

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
    by transform: AffineTransform2D, width newWidth: Int, height newHeight: Int
  ) -> Image? {
    guard let back = transform.inverse else { return nil }
    // Never more than 8: beyond, the samples lie apart, but a picture is not made to be so small.
    let reach = max(hypot(back.a, back.d), hypot(back.b, back.e))
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
              addSample(at: back(SIMD2(column, row)), of: source, to: &sums)
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
