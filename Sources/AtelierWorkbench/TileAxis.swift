// How pictures that are too large for one program are cut into tiles.

/// How one side of a picture is cut into tiles of equal size that overlap by twice the margin.
package struct TileAxis {
  /// One tile: where it starts, and the pixels of the picture that it is responsible for.
  package struct Tile: Equatable {
    package let start: Int
    package let keep: Range<Int>
  }

  /// The size of every tile.
  package let size: Int
  /// The tiles from left to right.
  package let tiles: [Tile]

  /// Cuts `length` pixels into tiles of at most `tile`, whose results are not sure nearer than
  /// `margin` to a cut; both are multiples of the granularity, as starts and sizes are.
  package init(_ length: Int, tile: Int, margin: Int, granularity: Int) {
    let padded = (length + granularity - 1) / granularity * granularity
    guard padded > tile else {
      size = padded
      tiles = [Tile(start: 0, keep: 0..<length)]
      return
    }
    // As few tiles as fit, then as small as those can be: what overlaps is computed twice.
    let count = (padded - 2 * margin + tile - 2 * margin - 1) / (tile - 2 * margin)
    let even = (padded + (count - 1) * 2 * margin + count - 1) / count
    size = (even + granularity - 1) / granularity * granularity
    let step = size - 2 * margin
    let starts = (0..<count - 1).map { $0 * step } + [padded - size]
    var first = 0
    var tiles: [Tile] = []
    for (index, start) in starts.enumerated() {
      let end = index == count - 1 ? length : start + size - margin
      tiles.append(Tile(start: start, keep: first..<end))
      first = end
    }
    self.tiles = tiles
  }
}
