// Local response normalization over neighbouring channels, and its gradient.

#if canImport(Glibc)
import Glibc
#elseif canImport(Darwin)
import Darwin
#endif

/// The numbers of a local response normalization.
public struct LocalResponse: Sendable, Hashable, Codable {
  /// Channels in a neighbourhood; of an even number one more lies above than below.
  public var size: Int
  /// The weight of the mean of squares.
  public var alpha: Float = 1e-4
  /// The exponent.
  public var beta: Float = 0.75
  /// What is added.
  public var bias: Float = 1

  /// Makes numbers; those left out are the ones of the paper.
  public init(size: Int, alpha: Float = 1e-4, beta: Float = 0.75, bias: Float = 1) {
    (self.size, self.alpha, self.beta, self.bias) = (size, alpha, beta, bias)
  }

  /// The channels whose squares channel `channel` of `channels` is divided by.
  func neighbours(_ channel: Int, _ channels: Int) -> Range<Int> {
    max(0, channel - (size - 1) / 2)..<min(channels, channel + size / 2 + 1)
  }
}

extension Kernels {
  /// y = x / (bias + alpha / size · Σ x²)^beta over neighbouring channels of [pixels, channels].
  public func localResponse(
    _ numbers: LocalResponse, _ x: UnsafePointer<Float>, _ y: UnsafeMutablePointer<Float>,
    pixels: Int, channels: Int
  ) {
    forRowBlocks(pixels, elementsPerRow: channels * 16) { start, end in
      for pixel in start..<end {
        let from = x + pixel * channels
        for channel in 0..<channels {
          let sum = Self.squares(numbers, from, channel, channels)
          y[pixel * channels + channel] = from[channel] * powf(sum, -numbers.beta)
        }
      }
    }
  }

  /// bias + alpha / size · Σ x² over the neighbours of a channel.
  private static func squares(
    _ numbers: LocalResponse, _ x: UnsafePointer<Float>, _ channel: Int, _ channels: Int
  ) -> Float {
    var sum: Float = 0
    for other in numbers.neighbours(channel, channels) { sum += x[other] * x[other] }
    return numbers.bias + numbers.alpha / Float(numbers.size) * sum
  }

  /// The gradient of local response normalization to x; `dx` may be neither x nor `dy`.
  public func localResponseGradient(
    _ numbers: LocalResponse, _ x: UnsafePointer<Float>, _ dy: UnsafePointer<Float>,
    _ dx: UnsafeMutablePointer<Float>, pixels: Int, channels: Int
  ) {
    let factor = 2 * numbers.alpha * numbers.beta / Float(numbers.size)
    forRowBlocks(pixels, elementsPerRow: channels * 32) { start, end in
      withUnsafeTemporaryAllocation(of: Float.self, capacity: channels) { weights in
        for pixel in start..<end {
          let (from, up) = (x + pixel * channels, dy + pixel * channels)
          let to = dx + pixel * channels
          for channel in 0..<channels {
            let sum = Self.squares(numbers, from, channel, channels)
            let power = powf(sum, -numbers.beta)
            to[channel] = up[channel] * power
            weights[channel] = factor * up[channel] * from[channel] * power / sum
          }
          for channel in 0..<channels {
            for other in numbers.neighbours(channel, channels) {
              to[other] -= weights[channel] * from[other]
            }
          }
        }
      }
    }
  }
}
