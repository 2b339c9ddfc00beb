// The planes that block matching works on: one a channel, in units of 8-bit values, padded for
// vectors.

import AtelierImages

/// Channels of a picture, plane by plane.
///
/// Written by one thread, or by several that share no row.
final class BlockMatchingPlanes {
  let width: Int
  let height: Int
  let count: Int
  /// Samples from a row to the next: a vector may be read from any sample of a row.
  let stride: Int
  let samples: UnsafeMutablePointer<Float>

  /// Planes of zeros.
  init(width: Int, height: Int, count: Int) {
    self.width = width
    self.height = height
    self.count = count
    stride = width + 16
    samples = .allocate(capacity: count * height * stride)
    samples.initialize(repeating: 0, count: count * height * stride)
  }

  /// The colours of a picture: gray, or an orthonormal luminance and two differences.
  ///
  /// Beyond its right and lower border the last pixels are repeated up to `leastSide`.
  convenience init(_ image: FloatImage, leastSide: Int) {
    let count = image.isGray ? 1 : 3
    self.init(
      width: max(image.width, leastSide), height: max(image.height, leastSide), count: count)
    image.samples.withUnsafeBufferPointer { source in
      for y in 0..<height {
        let line = min(y, image.height - 1) * image.rowLength
        for x in 0..<width {
          let pixel = line + min(x, image.width - 1) * image.channels
          let target = samples + (y * stride + x)
          if count == 1 {
            target[0] = 255 * source[pixel]
          } else {
            let color = SIMD3(source[pixel], source[pixel + 1], source[pixel + 2]) * 255
            target[0] = (color * Self.luminance).sum()
            target[height * stride] = (color * Self.redBlue).sum()
            target[2 * height * stride] = (color * Self.greenOther).sum()
          }
        }
      }
    }
  }

  deinit { samples.deallocate() }

  /// The first sample of a plane.
  func plane(_ index: Int) -> UnsafeMutablePointer<Float> { samples + index * height * stride }

  /// The planes as a picture of the original's size and channels, with its alpha.
  func image(like original: FloatImage) -> FloatImage {
    var result = original
    let channels = original.channels
    result.samples.withUnsafeMutableBufferPointer { target in
      for y in 0..<original.height {
        for x in 0..<original.width {
          let pixel = (y * original.width + x) * channels
          let source = samples + (y * stride + x)
          if count == 1 {
            target[pixel] = source[0] / 255
          } else {
            let color =
              source[0] * Self.luminance + source[height * stride] * Self.redBlue
              + source[2 * height * stride] * Self.greenOther
            for channel in 0..<3 { target[pixel + channel] = color[channel] / 255 }
          }
        }
      }
    }
    return result
  }

  /// Divides every sample by the weight at its place, which is positive.
  func divide(by weights: BlockMatchingPlanes) {
    for row in 0..<count * height {
      for index in row * stride..<row * stride + width {
        samples[index] /= weights.samples[index]
      }
    }
  }

  private static let luminance = SIMD3<Float>(repeating: 1 / Float(3).squareRoot())
  private static let redBlue = SIMD3<Float>(1, 0, -1) / Float(2).squareRoot()
  private static let greenOther = SIMD3<Float>(1, -2, 1) / Float(6).squareRoot()
}
