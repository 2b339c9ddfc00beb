// Separable blurs of float pictures, and the unsharp mask that is made of one.

import Foundation

/// What lies beyond a picture's border when it is blurred.
public enum BlurBorder: Sendable, Hashable {
  /// The nearest edge pixel goes on; for pictures.
  case edge
  /// Zeros; for masks, which end at the border.
  case zero
}

/// The weights of a symmetric one-dimensional blur, summing to 1.
public struct BlurKernel: Sendable, Hashable {
  /// Weights from −radius to radius, all at least 0.
  public let weights: [Float]

  /// The number of weights on each side of the middle.
  public var radius: Int { weights.count / 2 }

  private init(_ values: [Double]) {
    let sum = values.reduce(0, +)
    weights = values.map { Float($0 / sum) }
  }

  /// A Gaussian cut off at three deviations; `sigma` is in pixels, 0 blurs nothing.
  public static func gaussian(sigma: Float) -> BlurKernel {
    guard sigma > 0.05 else { return BlurKernel([1]) }
    let deviation = Double(min(sigma, 1000))
    let radius = Int((3 * deviation).rounded(.up))
    return BlurKernel((-radius...radius).map { exp(-0.5 * pow(Double($0) / deviation, 2)) })
  }

  /// Equal weights of 2 · radius + 1 pixels.
  public static func box(radius: Int) -> BlurKernel {
    BlurKernel([Double](repeating: 1, count: 2 * max(0, min(radius, 4096)) + 1))
  }

  /// A squared cosine that ends after `radius` pixels: smooth, and nothing reaches farther.
  public static func raisedCosine(radius: Int) -> BlurKernel {
    let radius = max(0, min(radius, 4096))
    return BlurKernel(
      (-radius...radius).map { pow(cos(Double.pi * Double($0) / Double(2 * radius + 2)), 2) })
  }
}

extension Image where Sample == Float {
  /// The picture blurred along rows and columns.
  public func blurred(_ kernel: BlurKernel, border: BlurBorder = .edge) -> FloatImage {
    guard kernel.radius > 0 else { return self }
    return blurredDown(kernel, border).blurredAcross(kernel, border)
  }

  private func blurredAcross(_ kernel: BlurKernel, _ border: BlurBorder) -> FloatImage {
    let (radius, length) = (kernel.radius, rowLength)
    let margin = radius * channels
    var line = [Float](repeating: 0, count: length + 2 * margin)
    return FloatImage(width: width, height: height, channels: channels) { target in
      storage.withUnsafeBufferPointer { source in
        line.withUnsafeMutableBufferPointer { line in
          for row in 0..<height {
            let origin = row * length
            for index in 0..<length { line[margin + index] = source[origin + index] }
            if border == .edge {
              for index in 0..<margin {
                line[index] = source[origin + index % channels]
                line[margin + length + index] =
                  source[origin + length - channels + index % channels]
              }
            }
            for index in 0..<length { target[origin + index] = 0 }
            for (tap, weight) in kernel.weights.enumerated() {
              let start = tap * channels
              for index in 0..<length { target[origin + index] += weight * line[start + index] }
            }
          }
        }
      }
    }
  }

  private func blurredDown(_ kernel: BlurKernel, _ border: BlurBorder) -> FloatImage {
    let (radius, length) = (kernel.radius, rowLength)
    return FloatImage(width: width, height: height, channels: channels) { target in
      storage.withUnsafeBufferPointer { source in
        for row in 0..<height {
          let place = row * length
          for index in 0..<length { target[place + index] = 0 }
          for (tap, weight) in kernel.weights.enumerated() {
            var other = row + tap - radius
            if other < 0 || other >= height {
              if border == .zero { continue }
              other = max(0, min(height - 1, other))
            }
            let origin = other * length
            for index in 0..<length { target[place + index] += weight * source[origin + index] }
          }
        }
      }
    }
  }

  /// The picture with its difference to a blurred copy added, limited to [0, 1]; an amount of 1 is
  /// strong, sigma is in pixels.
  public func unsharpMasked(amount: Float, sigma: Float = 1) -> FloatImage {
    guard amount != 0 else { return self }
    let blurred = blurred(.gaussian(sigma: sigma))
    var result = self
    result.storage.withUnsafeMutableBufferPointer { samples in
      blurred.storage.withUnsafeBufferPointer { blurred in
        for index in 0..<samples.count {
          let value = samples[index] + amount * (samples[index] - blurred[index])
          samples[index] = value > 0 ? (value < 1 ? value : 1) : 0
        }
      }
    }
    return result
  }
}
