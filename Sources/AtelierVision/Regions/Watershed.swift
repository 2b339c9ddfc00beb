// Flooding of a picture from seeds: each pixel goes to the seed whose water reaches it first.
//
// Meyer 1994, "Topographic distance and watershed lines": priority flooding without lines.

import AtelierImages

/// The watershed of a height field.
package enum Watershed {
  /// How finely heights are told apart.
  private static let levels = 4096

  /// Floods a field from seeds, lowest pixels first, within a mask; all have one size.
  ///
  /// Differences of heights below 1/4096 of the range do not count. Seeds are by pixel, row by row,
  /// -1 for none, and so is the result: -1 outside and where no water comes.
  package static func flood(_ heights: FloatImage, seeds: [Int], mask: BinaryMask) -> [Int] {
    precondition(
      heights.size == mask.size && seeds.count == mask.pixels.count, "fields of other sizes")
    let low = heights.samples.min() ?? 0
    let range = max((heights.samples.max() ?? 0) - low, .leastNormalMagnitude)
    let scale = Float(levels - 1) / range
    let height = heights.samples.map { Int(($0 - low) * scale) }
    var owners = [Int](repeating: -1, count: seeds.count)
    // Pixels to go on from, by level; in a level first come, first served.
    var queues = [[Int]](repeating: [], count: levels)
    for (place, seed) in seeds.enumerated() where seed >= 0 && mask.pixels[place] {
      owners[place] = seed
      queues[height[place]].append(place)
    }
    let (width, count) = (mask.width, mask.pixels.count)
    for level in 0..<levels {
      var next = 0
      while next < queues[level].count {
        let place = queues[level][next]
        next += 1
        let x = place % width
        for (isInside, neighbour) in [
          (x > 0, place - 1), (x < width - 1, place + 1), (place >= width, place - width),
          (place + width < count, place + width),
        ] where isInside && mask.pixels[neighbour] && owners[neighbour] < 0 {
          owners[neighbour] = owners[place]
          // Water that has risen does not sink again.
          queues[max(level, height[neighbour])].append(neighbour)
        }
      }
      queues[level] = []
    }
    return owners
  }
}
