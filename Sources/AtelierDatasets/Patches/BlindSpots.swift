// Blind spots: pixels that a network does not see and is asked to guess from those around them.

import AtelierEngine

/// Which pixels of noisy patches are hidden from a network, and what stands in their place.
///
/// Each square cell of a patch has one spot at a random place. What belongs to the spot gives way to
/// values of pixels around it, and the middle is what the network is asked for: where noise tells
/// nothing of its neighbours, the best guess is the picture without noise. Krull, Buchholz, Jug:
/// Noise2Void (2019). Noise that is correlated needs spots wider than its correlation: Broaddus,
/// Krull, Weigert, Schmidt, Myers: Removing Structured Noise with Self-Supervised Blind-Spot
/// Networks (2020).
public struct BlindSpots: Sendable, Hashable {
  /// The largest radius.
  public static let mostRadius = 8
  /// How far a spot reaches about its middle, in pixels: 0 for the middle alone.
  public let radius: Int

  /// Describes spots of a radius in 0...`mostRadius`.
  public init(radius: Int = 0) {
    precondition((0...Self.mostRadius).contains(radius), "a radius of blind spots")
    self.radius = radius
  }

  /// The least side of a patch that has a spot.
  public var leastPatch: Int { 2 * reach + 2 }

  /// How far the values come from that stand in a spot.
  private var reach: Int { radius + 2 }

  /// The cells along a side of a patch.
  ///
  /// One pixel of 25 teaches more a step than the paper's one of 64, and hides as little from others.
  private func cells(_ side: Int) -> Int { max(side / max(5, 4 * radius + 4), 1) }

  /// The share of a patch's pixels that are asked for.
  public func share(of side: Int) -> Float {
    let cells = cells(side)
    return Float(cells * cells) / Float(side * side)
  }

  /// Hides spots of every patch of a batch, [batch, height, width, channels].
  ///
  /// - Parameters:
  ///   - patches: The noisy patches.
  ///   - seed: The seed.
  ///   - step: The step; another gets other spots.
  /// - Returns: The patches with their spots hidden, and a mask of the same shape that is 1 at the
  ///   middle of each spot and 0 elsewhere.
  public func hide(
    _ patches: Tensor, seed: UInt64, step: Int
  ) -> (hidden: Tensor, mask: Tensor) {
    let shape = patches.shape
    let count = shape.count / shape.batch
    var hidden = patches.elements
    var mask = [Float](repeating: 0, count: shape.count)
    for index in 0..<shape.batch {
      var generator = RandomGenerator(
        seed: seed, Stream.spots, UInt64(bitPattern: Int64(step)), UInt64(index))
      for (row, column) in middles(shape.height, shape.width, &generator) {
        hide(row, column, of: patches.elements, from: index * count, shape, in: &hidden, &generator)
        let first = index * count + (row * shape.width + column) * shape.channels
        for channel in 0..<shape.channels { mask[first + channel] = 1 }
      }
    }
    return (Tensor(shape, hidden), Tensor(shape, mask))
  }

  /// A place in every cell.
  private func middles(
    _ height: Int, _ width: Int, _ generator: inout RandomGenerator
  ) -> [(row: Int, column: Int)] {
    let (rows, columns) = (cells(height), cells(width))
    var places: [(row: Int, column: Int)] = []
    for y in 0..<rows {
      let (top, bottom) = (y * height / rows, (y + 1) * height / rows)
      for x in 0..<columns {
        let (left, right) = (x * width / columns, (x + 1) * width / columns)
        places.append(
          (
            top + generator.index(below: bottom - top),
            left + generator.index(below: right - left)
          ))
      }
    }
    return places
  }

  /// Puts values from around a spot into each of its pixels.
  private func hide(
    _ row: Int, _ column: Int, of source: [Float], from start: Int, _ shape: Shape,
    in hidden: inout [Float], _ generator: inout RandomGenerator
  ) {
    let (height, width, channels) = (shape.height, shape.width, shape.channels)
    let (rows, columns) = (
      max(row - reach, 0)...min(row + reach, height - 1),
      max(column - reach, 0)...min(column + reach, width - 1)
    )
    for y in max(row - radius, 0)...min(row + radius, height - 1) {
      for x in max(column - radius, 0)...min(column + radius, width - 1) {
        var (fromRow, fromColumn) = (y, x)
        repeat {
          fromRow = rows.lowerBound + generator.index(below: rows.count)
          fromColumn = columns.lowerBound + generator.index(below: columns.count)
        } while abs(fromRow - row) <= radius && abs(fromColumn - column) <= radius
        for channel in 0..<channels {
          hidden[start + (y * width + x) * channels + channel] =
            source[start + (fromRow * width + fromColumn) * channels + channel]
        }
      }
    }
  }
}
