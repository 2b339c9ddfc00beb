// Pictures sampled through affine maps.

import Foundation

/// How a picture is read between its pixels.
public enum Interpolation: String, Sendable, CaseIterable, Codable {
  /// From the 2×2 pixels around.
  case bilinear
  /// From the 4×4 pixels around, a = −0.5 (Keys 1981); sharper when a small picture is enlarged.
  case bicubic
}

extension Image {
  /// A picture each of whose pixels is read from this one where `map` says; beyond the border its
  /// edge goes on.
  ///
  /// The map goes from the new picture to this one, so nothing has to be inverted here. Where it
  /// makes the picture smaller, a new sample is the mean of up to 8×8 readings spread evenly over
  /// the new pixel, so that nothing aliases. Without `isAntialiased` there is one reading, at the
  /// pixel's centre.
  ///
  /// - Precondition: the new size is positive.
  @_specialize(where Sample == UInt8)
  @_specialize(where Sample == Float)
  public func sampled(
    through map: AffineMap, width newWidth: Int, height newHeight: Int,
    interpolation: Interpolation = .bilinear, isAntialiased: Bool = true
  ) -> Image {
    let m = map.elements.map { Float($0) }
    let reach = max(hypot(m[0], m[3]), hypot(m[1], m[4]))
    // Beyond 8 the readings lie apart, but a picture is not made to be so small.
    let parts = isAntialiased && reach > 1 ? Int(min((reach - 1e-6).rounded(.up), 8)) : 1
    let step = 1 / Float(parts)
    let share = step * step / Sample.full.number
    return Image(width: newWidth, height: newHeight, channels: channels) { target in
      storage.withUnsafeBufferPointer { source in
        let reader = PlaneReader(source: source, width: width, height: height, channels: channels)
        var place = 0
        for row in 0..<newHeight {
          for column in 0..<newWidth {
            var sum = SIMD4<Float>.zero
            for part in 0..<parts * parts {
              let x = Float(column) + (Float(part % parts) + 0.5) * step
              let y = Float(row) + (Float(part / parts) + 0.5) * step
              let u = m[0] * x + m[1] * y + m[2] - 0.5
              let v = m[3] * x + m[4] * y + m[5] - 0.5
              sum += interpolation == .bilinear ? reader.bilinear(u, v) : reader.bicubic(u, v)
            }
            for channel in 0..<channels {
              target[place + channel] = Sample(unit: sum[channel] * share)
            }
            place += channels
          }
        }
      }
    }
  }
}

/// Reads a picture between its pixels; here pixel centres are whole numbers.
private struct PlaneReader<Sample: ImageSample> {
  let source: UnsafeBufferPointer<Sample>
  let width: Int
  let height: Int
  let channels: Int

  /// A coordinate limited to the picture; NaN becomes the first pixel.
  @inline(__always)
  private func limited(_ value: Float, _ count: Int) -> Float {
    value > 0 ? (value < Float(count - 1) ? value : Float(count - 1)) : 0
  }

  /// The sample at a place of the storage as a number.
  @inline(__always)
  private func number(_ index: Int) -> Float { source[index].number }

  @inline(__always)
  func bilinear(_ u: Float, _ v: Float) -> SIMD4<Float> {
    let (x, y) = (limited(u, width), limited(v, height))
    let (left, top) = (Int(x), Int(y))
    let (fx, fy) = (x - Float(left), y - Float(top))
    let right = min(left + 1, width - 1)
    let upper = top * width
    let lower = min(top + 1, height - 1) * width
    var result = SIMD4<Float>.zero
    for channel in 0..<channels {
      let a = number((upper + left) * channels + channel)
      let b = number((upper + right) * channels + channel)
      let c = number((lower + left) * channels + channel)
      let d = number((lower + right) * channels + channel)
      let first = a + fx * (b - a)
      let second = c + fx * (d - c)
      result[channel] = first + fy * (second - first)
    }
    return result
  }

  @inline(__always)
  private func keys(_ t: Float) -> SIMD4<Float> {
    let squared = t * t
    let cubed = squared * t
    return SIMD4(
      -0.5 * cubed + squared - 0.5 * t, 1.5 * cubed - 2.5 * squared + 1,
      -1.5 * cubed + 2 * squared + 0.5 * t, 0.5 * cubed - 0.5 * squared)
  }

  @inline(__always)
  func bicubic(_ u: Float, _ v: Float) -> SIMD4<Float> {
    let (x, y) = (limited(u, width), limited(v, height))
    let (left, top) = (Int(x), Int(y))
    let across = keys(x - Float(left))
    let down = keys(y - Float(top))
    var result = SIMD4<Float>.zero
    for channel in 0..<channels {
      var sum: Float = 0
      for j in 0..<4 {
        let row = max(0, min(height - 1, top + j - 1)) * width
        var line: Float = 0
        for i in 0..<4 {
          let column = max(0, min(width - 1, left + i - 1))
          line += across[i] * number((row + column) * channels + channel)
        }
        sum += down[j] * line
      }
      result[channel] = sum
    }
    return result
  }
}
