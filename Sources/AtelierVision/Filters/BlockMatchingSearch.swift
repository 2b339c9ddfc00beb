// Which blocks of a picture are similar: all around each reference block are compared.

/// Finds the groups of a tile's reference blocks, a row of them at a time.
///
/// Used by one thread at a time.
final class BlockMatchingSearch<Row: BlockRow> {
  private let pass: BlockMatchingPass
  private let settings: BlockMatchingProfile.Pass
  private let side: Int
  private let most: Int
  /// The largest sum of squared differences of similar blocks.
  private let limit: Float
  private var columns: ArraySlice<Int> = []
  /// Per reference block: the places and differences found, the nearest first, their number, and
  /// below which difference a block is of use.
  private let places: UnsafeMutablePointer<Int>
  private let differences: UnsafeMutablePointer<Float>
  private let counts: UnsafeMutablePointer<Int>
  private let bounds: UnsafeMutablePointer<Float>
  /// Squared differences, summed over the rows of a block, column by column.
  private let line: UnsafeMutablePointer<Float>

  init(_ pass: BlockMatchingPass) {
    self.pass = pass
    settings = pass.settings
    side = settings.transform.side
    most = settings.groupSize
    // An orthonormal luminance is the root of three times the mean of the colours.
    limit = settings.largestDifference * Float(side * side * pass.noisy.count)
    // One more than the tile's share: the last one that touches the border.
    let references = BlockMatchingPass.tileSide / settings.step + 1
    places = .allocate(capacity: references * most)
    differences = .allocate(capacity: references * most)
    counts = .allocate(capacity: references)
    bounds = .allocate(capacity: references)
    line = .allocate(capacity: BlockMatchingPass.tileSide + side + 2 * Row.scalarCount)
    line.initialize(
      repeating: 0, count: BlockMatchingPass.tileSide + side + 2 * Row.scalarCount)
  }

  deinit {
    places.deallocate()
    differences.deallocate()
    counts.deallocate()
    bounds.deallocate()
    line.deallocate()
  }

  /// Makes ready for the reference blocks of a tile.
  func prepare(_ tile: BlockMatchingPass.Tile) {
    columns = tile.columns
  }

  /// Where the blocks of a reference's group start, in the planes' samples: a power of two of them,
  /// the reference itself first.
  func places(of reference: Int) -> UnsafeBufferPointer<Int> {
    var count = 1
    while 2 * count <= counts[reference] { count *= 2 }
    return UnsafeBufferPointer(start: places + reference * most, count: count)
  }

  /// Finds the groups of the tile's reference blocks in a row.
  func find(row: Int) {
    for (reference, column) in columns.enumerated() {
      places[reference * most] = row * pass.guide.stride + column
      differences[reference * most] = 0
      counts[reference] = 1
      bounds[reference] = limit
    }
    let reach = settings.reach
    let last = (x: pass.guide.width - side, y: pass.guide.height - side)
    for down in max(-reach, -row)...min(reach, last.y - row) {
      for right in -reach...reach where down != 0 || right != 0 {
        // The references whose block, moved that far, still lies in the picture.
        var (first, end) = (columns.startIndex, columns.endIndex)
        while first < end, columns[first] + right < 0 { first += 1 }
        while first < end, columns[end - 1] + right > last.x { end -= 1 }
        guard first < end else { continue }
        compare(first..<end, row, down, right)
      }
    }
  }

  /// Compares pixels: neighbouring reference blocks share the sums of the columns they overlap in.
  private func compare(_ references: Range<Int>, _ row: Int, _ down: Int, _ right: Int) {
    let stride = pass.guide.stride
    let left = columns[references.lowerBound]
    let width = columns[references.upperBound - 1] + side - left
    let here = UnsafePointer(pass.guide.plane(0)) + (row * stride + left)
    let offset = down * stride + right
    for x in Swift.stride(from: 0, to: width, by: Row.scalarCount) {
      var sum = Row.zero
      var source = here + x
      for _ in 0..<side {
        let difference: Row = source.row() - (source + offset).row()
        sum += difference * difference
        source += stride
      }
      UnsafeMutableRawPointer(line + x).storeBytes(of: sum, as: Row.self)
    }
    for index in references {
      let column = columns[index]
      let start = line + (column - left)
      var sum: Float
      if side == 8 {
        let eight: SIMD8<Float> = UnsafePointer(start).row()
        let four = eight.lowHalf + eight.highHalf
        let two = four.lowHalf + four.highHalf
        sum = two.x + two.y
      } else {
        sum = 0
        for x in 0..<side { sum += start[x] }
      }
      let reference = index - columns.startIndex
      if sum < bounds[reference] {
        insert(sum, at: row * stride + column + offset, reference)
      }
    }
  }

  /// Takes a block into a reference's group, in whose order the reference itself stays first.
  @inline(__always)
  private func insert(_ difference: Float, at place: Int, _ reference: Int) {
    let (places, differences) = (places + reference * most, differences + reference * most)
    let count = min(counts[reference] + 1, most)
    counts[reference] = count
    var index = count - 1
    while index > 1, differences[index - 1] > difference {
      differences[index] = differences[index - 1]
      places[index] = places[index - 1]
      index -= 1
    }
    differences[index] = difference
    places[index] = place
    if count == most { bounds[reference] = differences[most - 1] }
  }
}
