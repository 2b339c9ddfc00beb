// Collaborative filtering of one tile's groups, and the tile's share of the average.

/// Filters tiles one by one, each into sums of its own.
///
/// Used by one thread at a time; allocates nothing while it filters.
final class BlockMatchingWorker<Row: BlockRow> {
  private let pass: BlockMatchingPass
  private let side: Int
  private let search: BlockMatchingSearch<Row>
  private let transform: BlockRowTransform<Row>
  /// The window's rows.
  private let window: UnsafeMutablePointer<Row>
  /// The coefficients of a group: block by block, row by row.
  private let group: UnsafeMutablePointer<Row>
  /// Those of the guide at the same places.
  private let guided: UnsafeMutablePointer<Row>
  /// What the tile adds to the picture, plane by plane, and by what weights.
  private let sums: UnsafeMutablePointer<Float>
  private let weights: UnsafeMutablePointer<Float>
  private let capacity: (width: Int, height: Int)
  /// The pixels that the present tile can reach.
  private var area = (x: 0, y: 0, width: 0, height: 0)

  init(_ pass: BlockMatchingPass) {
    self.pass = pass
    let settings = pass.settings
    side = settings.transform.side
    search = BlockMatchingSearch(pass)
    transform = BlockRowTransform(settings.transform)
    let line = BlockTransform.kaiserWindow(side: side, beta: settings.windowBeta).map { Float($0) }
    window = .allocate(capacity: side)
    for row in 0..<side {
      window[row] = Row.zero
      for column in 0..<side { window[row][column] = line[row] * line[column] }
    }
    group = .allocate(capacity: settings.groupSize * side)
    guided = .allocate(capacity: settings.groupSize * side)
    let reached = BlockMatchingPass.tileSide + 2 * settings.reach + side
    capacity = (reached + Row.scalarCount, reached)
    let count = pass.noisy.count * capacity.width * capacity.height
    sums = .allocate(capacity: count)
    weights = .allocate(capacity: count)
  }

  deinit {
    window.deallocate()
    group.deallocate()
    guided.deallocate()
    sums.deallocate()
    weights.deallocate()
  }

  /// Filters the groups of a tile's reference blocks; the sums of the tile before are gone.
  func filter(_ tile: BlockMatchingPass.Tile) {
    guard let left = tile.columns.first, let right = tile.columns.last,
      let top = tile.rows.first, let bottom = tile.rows.last
    else { return }
    let reach = pass.settings.reach
    area.x = max(left - reach, 0)
    area.y = max(top - reach, 0)
    area.width = min(right + reach + side, pass.noisy.width) - area.x
    area.height = min(bottom + reach + side, pass.noisy.height) - area.y
    let count = pass.noisy.count * capacity.width * capacity.height
    sums.initialize(repeating: 0, count: count)
    weights.initialize(repeating: 0, count: count)
    search.prepare(tile)
    for row in tile.rows {
      search.find(row: row)
      for reference in 0..<tile.columns.count {
        let places = search.places(of: reference)
        for plane in 0..<pass.noisy.count {
          let weight: Float
          switch pass.settings.shrinkage {
          case .hardThreshold(let multiple):
            weight = threshold(places, plane, multiple * pass.sigma)
          case .wiener: weight = weigh(places, plane)
          }
          add(places, plane, weight)
        }
      }
    }
  }

  /// Adds the tile's sums and weights to those of the picture.
  func add(to picture: BlockMatchingPlanes, _ total: BlockMatchingPlanes) {
    for plane in 0..<picture.count {
      for y in 0..<area.height {
        let source = (plane * capacity.height + y) * capacity.width
        let target = (area.y + y) * picture.stride + area.x
        let (values, shares) = (picture.plane(plane) + target, total.plane(plane) + target)
        for x in 0..<area.width {
          values[x] += sums[source + x]
          shares[x] += weights[source + x]
        }
      }
    }
  }

  /// Loads the blocks of a plane, transformed along all three axes.
  private func load(
    _ places: UnsafeBufferPointer<Int>, of planes: BlockMatchingPlanes, _ plane: Int,
    into blocks: UnsafeMutablePointer<Row>
  ) {
    let source = planes.plane(plane)
    for (index, place) in places.enumerated() {
      transform.forward(source + place, stride: planes.stride, into: blocks + index * side)
    }
    var distance = 1
    while distance < places.count {
      haar(blocks, count: places.count, distance)
      distance *= 2
    }
  }

  /// One level of the Haar transform across blocks, which is its own inverse.
  private func haar(_ blocks: UnsafeMutablePointer<Row>, count: Int, _ distance: Int) {
    let scale = Row(repeating: Float(0.5).squareRoot())
    for first in stride(from: 0, to: count, by: 2 * distance) {
      let (one, other) = (blocks + first * side, blocks + (first + distance) * side)
      for row in 0..<side {
        let (a, b) = (one[row], other[row])
        one[row] = (a + b) * scale
        other[row] = (a - b) * scale
      }
    }
  }

  /// Drops the coefficients below a limit and goes back to blocks; the weight is the less the more
  /// noise remains.
  private func threshold(
    _ places: UnsafeBufferPointer<Int>, _ plane: Int, _ limit: Float
  ) -> Float {
    load(places, of: pass.noisy, plane, into: group)
    let size = side * Row.scalarCount
    var kept: Int32 = 0
    for index in 0..<places.count {
      let block = group + index * side
      let count = block.withMemoryRebound(to: Float.self, capacity: size) { values in
        // Scalars, because compilers see through this loop and not through masks of rows.
        var count: Int32 = 0
        for place in 0..<size {
          let isLarge = abs(values[place]) >= limit
          values[place] = isLarge ? values[place] : 0
          count &+= isLarge ? 1 : 0
        }
        return count
      }
      kept += count
      // Most of a smooth region's coefficients are zero, and so is what becomes of them.
      if count > 0 { transform.inverse(block) }
    }
    restore(places.count)
    return 1 / Float(max(kept, 1))
  }

  /// Weighs the coefficients by the guide's and goes back to blocks; the weight is the less the
  /// more noise remains.
  private func weigh(_ places: UnsafeBufferPointer<Int>, _ plane: Int) -> Float {
    load(places, of: pass.noisy, plane, into: group)
    load(places, of: pass.guide, plane, into: guided)
    let variance = Row(repeating: max(pass.sigma * pass.sigma, .leastNormalMagnitude))
    var squares = Row.zero
    for index in 0..<places.count * side {
      let energy = guided[index] * guided[index]
      let share = energy / (energy + variance)
      group[index] *= share
      squares += share * share
    }
    for index in 0..<places.count { transform.inverse(group + index * side) }
    restore(places.count)
    return 1 / max(squares.sum(), 1e-10)
  }

  /// Undoes the transform across blocks.
  private func restore(_ count: Int) {
    var distance = count / 2
    while distance > 0 {
      haar(group, count: count, distance)
      distance /= 2
    }
  }

  /// Adds the group's blocks to the tile's sums.
  private func add(_ places: UnsafeBufferPointer<Int>, _ plane: Int, _ weight: Float) {
    let start = plane * capacity.height * capacity.width
    for (index, place) in places.enumerated() {
      let (y, x) = place.quotientAndRemainder(dividingBy: pass.noisy.stride)
      var target = start + (y - area.y) * capacity.width + x - area.x
      for row in 0..<side {
        let share = window[row] * weight
        (sums + target).accumulate(share * group[index * side + row])
        (weights + target).accumulate(share)
        target += capacity.width
      }
    }
  }
}
