// Winograd's convolutions of so many weights that the transformed form, up to six times as large, is
// made and used up one block of result channels after the other.

import CKernels

/// A pass in Winograd's form, block by block; nil where the transformed weights are small enough as a
/// whole.
///
/// All tiles of the source are transformed first; then each thread takes a block, transforms its
/// weights and multiplies while they lie in its caches.
struct WinogradBlocks {
  /// Transformed weights from which on blocks are worth it, in floats: beyond the caches.
  private static let fewestPacked = 4_000_000
  /// There must be blocks for all threads.
  private static let fewestBlocks = 8
  /// Tiles whose transformed source a block of weights meets at a time.
  private static let tilesHeld = 64
  /// Tiles that are transformed in one piece of work; even, as pairs of bfloat16 may hold tiles.
  private static let tilesTransformed = 8

  var sizes: ck_winograd
  let blocks: Int
  let block: Int
  let tiles: Int
  let batches: Int
  /// Pieces of work in which a batch is transformed, and the tiles of one.
  let pieces: Int
  let tilesPerPiece: Int
  /// Floats of a batch's transformed source.
  let batchPitch: Int
  /// Floats of a thread: zeros, the transformed weights or gradient of a block, transformed results.
  let zeros: Int
  let weights: Int
  let results: Int
  /// Whether pairs of bfloat16 hold tiles, as the weight gradient wants them.
  let byTile: Bool

  /// The blocks of a pass, or of a forward pass's weight gradient (`byTile`).
  init?(_ plan: WinogradPlan, byTile: Bool) {
    self.byTile = byTile
    sizes = plan.sizes
    (blocks, block) = (plan.blocks, plan.block)
    tiles = sizes.batch * sizes.tiles_y * sizes.tiles_x
    let channels = WinogradPlan.sourceChannels(sizes)
    guard
      plan.packedCount >= Self.fewestPacked && blocks >= Self.fewestBlocks
        && 2 * tiles <= plan.resultFloats
    else { return nil }
    let wanted = (tiles + Self.tilesHeld - 1) / Self.tilesHeld
    sizes.tile_batch = WinogradPlan.whole((tiles + wanted - 1) / wanted, sizes)
    batches = (tiles + sizes.tile_batch - 1) / sizes.tile_batch
    tilesPerPiece = sizes.ordered != 0 ? sizes.tile_batch : Self.tilesTransformed
    pieces = (sizes.tile_batch + tilesPerPiece - 1) / tilesPerPiece
    let floats = byTile ? channels : plan.sourceFloats
    let rows = byTile ? (sizes.tile_batch + plan.perFloat - 1) / plan.perFloat : sizes.tile_batch
    batchPitch = Kernels.paddedScratch(
      WinogradPlan.planesCount(tiles: rows, channels: floats, vector: plan.vector))
    zeros = Kernels.paddedScratch(channels + 2 * plan.vector)
    weights = Kernels.paddedScratch(36 * floats * plan.block)
    results = Kernels.paddedScratch(
      WinogradPlan.planesCount(tiles: rows, channels: plan.block, vector: plan.vector))
  }

  func workspaceCount(threads: Int) -> Int {
    batches * batchPitch + threads * (zeros + weights + results)
  }

  /// The tiles of a piece of work of the transformation.
  func piece(_ index: Int) -> (batch: Int, tiles: Range<Int>) {
    let batch = index / pieces
    let first = batch * sizes.tile_batch + index % pieces * tilesPerPiece
    let end = min(tiles, (batch + 1) * sizes.tile_batch)
    return (batch, min(first, end)..<min(first + tilesPerPiece, end))
  }
}

extension Kernels {
  /// Runs a pass block by block from unpacked weights [kh, kw, C, K].
  func runWinogradBlocks(
    _ plan: WinogradBlocks, _ g: ConvolutionGeometry, _ pass: ConvolutionPass,
    _ call: ConvolutionCall
  ) {
    let table = convolutionTable.pointee
    var bound = plan.sizes
    if let rest = call.rest { (bound.split, bound.dst_rest) = (rest.start, rest.tensor) }
    let lanes = transformSource(plan, bound, source: call.source, workspace: call.scratch)
    let forward = pass == .forward
    pool.parallelFor(lanes: plan.blocks) { [bound] kb, lane in
      var sizes = bound
      var ending = call.epilogue
      let packed = lanes + lane * (plan.zeros + plan.weights + plan.results) + plan.zeros
      table.winograd_weights(
        &sizes, call.weights, g.inputChannels * g.outputChannels, forward ? g.outputChannels : 1,
        forward ? 1 : g.outputChannels, forward ? 0 : 1, nil, kb, packed)
      for batch in 0..<plan.batches {
        let first = batch * sizes.tile_batch
        table.winograd_products(
          &sizes, &ending, first, min(first + sizes.tile_batch, plan.tiles), kb,
          call.scratch + batch * plan.batchPitch, packed, call.result, packed + plan.weights, nil)
      }
    }
  }

  /// Runs the weight gradient block by block.
  func runWinogradGradientBlocks(_ plan: WinogradBlocks, _ call: WeightGradientCall) {
    let table = convolutionTable.pointee
    var bound = plan.sizes
    call.loading.bind(&bound)
    let lanes = transformSource(plan, bound, source: call.input, workspace: call.workspace)
    let channels = WinogradPlan.sourceChannels(bound)
    pool.parallelFor(lanes: plan.blocks) { [bound] kb, lane in
      var sizes = bound
      let sums = lanes + lane * (plan.zeros + plan.weights + plan.results) + plan.zeros
      table.winograd_gradient_block(
        &sizes, kb, call.workspace, plan.batchPitch, call.outputGradient, sums, call.biasGradient,
        sums + plan.weights)
      table.winograd_gradient_finish(
        &sizes, 0, channels, kb, kb + 1, sums, 1, 0, call.weightGradient)
    }
  }

  /// Transforms all tiles of the source to the beginning of the workspace and returns where the
  /// memory of the threads begins.
  private func transformSource(
    _ plan: WinogradBlocks, _ bound: ck_winograd, source: UnsafePointer<Float>,
    workspace: UnsafeMutablePointer<Float>
  ) -> UnsafeMutablePointer<Float> {
    let table = convolutionTable.pointee
    let lanes = workspace + plan.batches * plan.batchPitch
    pool.parallelFor(lanes: plan.batches * plan.pieces) { index, lane in
      var sizes = bound
      let (batch, tiles) = plan.piece(index)
      if tiles.isEmpty { return }
      let first = batch * sizes.tile_batch
      table.winograd_source(
        &sizes, plan.byTile ? 1 : 0, first, min(sizes.tile_batch, plan.tiles - first),
        tiles.lowerBound, tiles.upperBound, source,
        lanes + lane * (plan.zeros + plan.weights + plan.results),
        workspace + batch * plan.batchPitch)
    }
    return lanes
  }
}
