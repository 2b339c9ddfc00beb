// One pass of block matching over a picture, cut into tiles that threads share.

import AtelierKernels

/// One pass: groups found in the guide's first plane, filtered in all planes, and averaged.
struct BlockMatchingPass {
  let settings: BlockMatchingProfile.Pass
  /// The noise's deviation in the planes' units.
  let sigma: Float
  let noisy: BlockMatchingPlanes
  /// Where similar blocks are looked for, and what the Wiener filter believes.
  let guide: BlockMatchingPlanes

  /// The reference blocks of one piece of work: from which column and row to which.
  struct Tile {
    var columns: ArraySlice<Int>
    var rows: ArraySlice<Int>
  }

  /// Pixels that a tile's reference blocks span.
  static let tileSide = 72

  init(
    _ settings: BlockMatchingProfile.Pass, sigma: Float, noisy: BlockMatchingPlanes,
    guide: BlockMatchingPlanes
  ) {
    self.settings = settings
    self.sigma = sigma
    self.noisy = noisy
    self.guide = guide
  }

  /// The filtered planes.
  func run(on pool: ThreadPool) -> BlockMatchingPlanes {
    settings.transform.side <= 8
      ? run(on: pool, with: BlockMatchingWorker<SIMD8<Float>>.init)
      : run(on: pool, with: BlockMatchingWorker<SIMD16<Float>>.init)
  }

  private func run<Row: BlockRow>(
    on pool: ThreadPool, with make: (BlockMatchingPass) -> BlockMatchingWorker<Row>
  ) -> BlockMatchingPlanes {
    let sums = BlockMatchingPlanes(width: noisy.width, height: noisy.height, count: noisy.count)
    let weights = BlockMatchingPlanes(width: noisy.width, height: noisy.height, count: noisy.count)
    let tiles = tiles()
    // Each worker keeps its tile's sums to itself; they are added in the order of the tiles,
    // whichever thread was first.
    let workers = (0..<min(4 * pool.threads, 64, tiles.count)).map { _ in make(self) }
    for first in stride(from: 0, to: tiles.count, by: workers.count) {
      let count = min(workers.count, tiles.count - first)
      pool.parallelFor(count) { workers[$0].filter(tiles[first + $0]) }
      for worker in workers[..<count] { worker.add(to: sums, weights) }
    }
    sums.divide(by: weights)
    return sums
  }

  private func tiles() -> [Tile] {
    let columns = references(noisy.width)
    let rows = references(noisy.height)
    let most = max(Self.tileSide / settings.step, 1)
    return stride(from: 0, to: rows.count, by: most).flatMap { row in
      stride(from: 0, to: columns.count, by: most).map { column in
        Tile(
          columns: columns[column..<min(column + most, columns.count)],
          rows: rows[row..<min(row + most, rows.count)])
      }
    }
  }

  /// Where reference blocks start along a side; the last one touches the border.
  private func references(_ length: Int) -> [Int] {
    let last = length - settings.transform.side
    return Array(stride(from: 0, to: last, by: settings.step)) + [last]
  }
}
