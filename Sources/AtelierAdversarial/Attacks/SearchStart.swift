// Where searches for adversarial noise begin, and the stripes and squares that some begin with.
//
// Andriushchenko, Croce, Flammarion, Hein: Square Attack (2020), whose noise the squares are.

import AtelierClassification
import AtelierEngine
import AtelierWorkbench

/// Where PGD begins within its limit.
///
/// A network that cuts its values off has plateaus, on which gradients vanish: what a uniform start
/// does not find from there, one at the limit's corners may.
public enum SearchStart: String, Sendable, Hashable, Codable, CaseIterable {
  /// Every sample evenly within the limit (Madry and others 2017).
  case uniform
  /// Every sample at the limit: stripes of one column with squares of all sizes over them.
  case squares
  /// One or the other by lot, picture by picture.
  case mixed

  /// Adds the noise of a start to one of the pictures [N, height, width, channels], which are clean
  /// there, not yet moved into [0, 1].
  package func addNoise(
    to noisy: inout Tensor, around clean: Tensor, row: Int, radius: Float,
    _ generator: inout RandomGenerator
  ) {
    switch self {
    case .uniform:
      let length = noisy.count / max(noisy.shape.batch, 1)
      for index in row * length..<(row + 1) * length {
        noisy.elements[index] += generator.uniform(-radius...radius)
      }
    case .squares:
      let noise = SquareNoise(shape: noisy.shape, radius: radius)
      noise.addStripes(to: &noisy, row: row, &generator)
      // Four squares of each size, down to a size by lot: noise as Square has it early and late.
      let sizes = generator.index(below: SquareNoise.sizes + 1)
      for size in 0..<4 * sizes {
        noise.setSquare(
          in: &noisy, around: clean, row: row,
          share: SquareNoise.firstShare / Float(1 << (size / 4)), &generator)
      }
    case .mixed:
      let kind: Self = generator.uniform() < 0.5 ? .uniform : .squares
      kind.addNoise(to: &noisy, around: clean, row: row, radius: radius, &generator)
    }
  }
}

/// Stripes and squares of noise at the limit, one sign a channel.
struct SquareNoise {
  /// The share of the pixels that the first squares take.
  static let firstShare: Float = 0.3
  /// How often that share is halved at most.
  static let sizes = 6

  /// Of the pictures, [N, height, width, channels].
  var shape: Shape
  /// The limit of each sample.
  var radius: Float

  /// Adds vertical stripes of one column to a picture.
  func addStripes(to noisy: inout Tensor, row: Int, _ generator: inout RandomGenerator) {
    for column in 0..<shape.width {
      for channel in 0..<shape.channels {
        let change: Float = generator.uniform() < 0.5 ? -radius : radius
        for y in 0..<shape.height { noisy.elements[place(row, y, column, channel)] += change }
      }
    }
  }

  /// Puts a square somewhere in a picture: the clean samples, moved by the limit.
  func setSquare(
    in noisy: inout Tensor, around clean: Tensor, row: Int, share: Float,
    _ generator: inout RandomGenerator
  ) {
    let side = side(share)
    let left = generator.index(below: shape.width - side + 1)
    let top = generator.index(below: shape.height - side + 1)
    for channel in 0..<shape.channels {
      let change: Float = generator.uniform() < 0.5 ? -radius : radius
      for y in top..<top + side {
        for x in left..<left + side {
          let index = place(row, y, x, channel)
          noisy.elements[index] = clean.elements[index] + change
        }
      }
    }
  }

  /// The side of a square that takes a share of the pixels.
  private func side(_ share: Float) -> Int {
    let side = Int((share * Float(shape.height * shape.width)).squareRoot().rounded())
    return min(max(side, 1), min(shape.height, shape.width))
  }

  private func place(_ row: Int, _ y: Int, _ x: Int, _ channel: Int) -> Int {
    ((row * shape.height + y) * shape.width + x) * shape.channels + channel
  }
}
