// When Winograd's F(4×4, 3×3) runs a convolution instead of the direct algorithm, and how its tiles
// are cut into parts.

import CKernels

/// One pass of a convolution in Winograd's form; nil where the direct algorithm is the better one.
///
/// It serves 3×3 kernels of stride 1, and 5×5 and 6×6 kernels of stride 2 as four convolutions of
/// stride 1. The choice is a function of the sizes alone, so packed weights and results never
/// depend on a measurement.
struct WinogradPlan {
  /// Below this many channels the transforms cost more than the products save.
  static let fewestChannels = 16
  /// The transforms of source and result beside the products.
  private static let transformCost = 1.25
  /// Multiply-adds in the time in which memory gives or takes a byte; a transformed weight, four
  /// bytes, is written and read once.
  private static let multiplyAddsPerByte = 8.6
  /// Tiles that a thread transforms at a time: their 36 planes should stay in the second-level
  /// cache.
  private static let tilesHeld = 48
  /// The same for sources of many channels: floats of one of the 36 planes.
  private static let planeFloats = 24_576
  private static let fewestHeld = 24
  private static let enoughParts = 8
  /// Tiles of the largest image whose tiles are ordered by kind: a part holds whole images then.
  private static let mostOrdered = 16

  var sizes: ck_winograd
  let block: Int
  let vector: Int
  /// Operands in a float: 1, or a pair of bfloat16.
  let perFloat: Int
  let blocks: Int
  let batches: Int
  let blocksPerPart: Int
  let blockParts: Int

  init?(_ g: ConvolutionGeometry, pass: ConvolutionPass, table: ck_convolution_table) {
    guard let sizes = Self.sizes(g, pass: pass, block: table.block) else { return nil }
    self.sizes = sizes
    block = table.block
    vector = table.vector
    perFloat = table.per_float
    blocks = sizes.dst_step * sizes.dst_step * ((sizes.dst_c + block - 1) / block)
    let tiles = sizes.batch * sizes.tiles_y * sizes.tiles_x
    let held = max(
      Self.fewestHeld, min(Self.tilesHeld, Self.planeFloats / Self.sourceChannels(sizes)))
    // An even number of batches: two threads then end together.
    let wanted = (tiles + held - 1) / held
    let even = wanted < 16 ? (wanted + 1) / 2 * 2 : wanted
    self.sizes.tile_batch = Self.whole((tiles + even - 1) / even, sizes)
    batches = (tiles + self.sizes.tile_batch - 1) / self.sizes.tile_batch
    let parts = min(blocks, max(1, Self.enoughParts / batches))
    blocksPerPart = (blocks + parts - 1) / parts
    blockParts = (blocks + blocksPerPart - 1) / blocksPerPart
  }

  /// The sizes of a pass in Winograd's form, or nil.
  private static func sizes(
    _ g: ConvolutionGeometry, pass: ConvolutionPass, block: Int
  ) -> ck_winograd? {
    let stride = g.strideHeight
    guard stride == 1 && g.kernelHeight == 3 || stride == 2 && [5, 6].contains(g.kernelHeight),
      g.kernelHeight == g.kernelWidth && g.strideWidth == stride && g.dilationHeight == 1
        && g.dilationWidth == 1 && g.groups == 1
        && min(g.inputChannels, g.outputChannels) >= fewestChannels
    else { return nil }
    let forward = pass == .forward
    // Whole blocks belong to one phase of the result.
    guard forward || stride == 1 || g.inputChannels % block == 0 else { return nil }
    // A phase of the input gradient ends where its rows end.
    let (padY, padX) = (g.paddingTop % stride, g.paddingLeft % stride)
    let height = forward ? g.outputHeight : (g.inputHeight - 1 + padY) / stride + 1
    let width = forward ? g.outputWidth : (g.inputWidth - 1 + padX) / stride + 1
    let tilesHigh = (height + 3) / 4
    let tilesWide = (width + 3) / 4
    let tiles = g.batch * tilesHigh * tilesWide
    // At most 1.7 times the pixels may be computed: beyond that the saving is gone.
    guard tilesHigh * tilesWide * 160 <= height * width * 17, tiles > 0 else { return nil }
    let channelPairs = Double(stride * stride * g.inputChannels * g.outputChannels)
    let products = 36 * Double(tiles) * channelPairs
    let weightTraffic = 36 * channelPairs * 8 * multiplyAddsPerByte
    guard transformCost * products + weightTraffic < Double(g.multiplyAdds) else { return nil }
    let ordered =
      (forward || stride == 1) && (height % 4 != 0 || width % 4 != 0)
      && tilesHigh * tilesWide <= mostOrdered
    return ck_winograd(
      batch: g.batch, src_h: forward ? g.inputHeight : g.outputHeight,
      src_w: forward ? g.inputWidth : g.outputWidth,
      src_c: forward ? g.inputChannels : g.outputChannels,
      dst_h: forward ? g.outputHeight : g.inputHeight,
      dst_w: forward ? g.outputWidth : g.inputWidth,
      dst_c: forward ? g.outputChannels : g.inputChannels,
      pad_y: forward ? g.paddingTop : 2 - g.paddingTop / stride,
      pad_x: forward ? g.paddingLeft : 2 - g.paddingLeft / stride, tiles_y: tilesHigh,
      tiles_x: tilesWide, tile_batch: 0, ordered: ordered ? 1 : 0, stride: stride,
      kernel: g.kernelHeight, src_step: forward ? stride : 1, dst_step: forward ? 1 : stride,
      dst_y0: forward ? 0 : padY, dst_x0: forward ? 0 : padX, split: 0, src_rest: nil,
      dst_rest: nil, pooled: nil, scale: nil, shift: nil, slope: 1)
  }

  /// A number of tiles, filled up to whole images where these are ordered by kind.
  static func whole(_ tiles: Int, _ sizes: ck_winograd) -> Int {
    guard sizes.ordered != 0 else { return tiles }
    let image = sizes.tiles_y * sizes.tiles_x
    return (tiles + image - 1) / image * image
  }

  /// Channels of the source, those of all phases together.
  static func sourceChannels(_ sizes: ck_winograd) -> Int {
    sizes.src_step * sizes.src_step * sizes.src_c
  }

  var parts: Int { batches * blockParts }

  /// The floats of a matrix with a row for each channel and the padded result channels in blocks.
  static func paddedResults(_ results: Int, vector: Int, block: Int) -> Int {
    let tail = results % block
    return results - tail + (tail == 0 ? 0 : tail <= vector ? vector : block)
  }

  /// The floats of one row of packed weights: source channels, or pairs of them.
  var sourceFloats: Int { (Self.sourceChannels(sizes) + perFloat - 1) / perFloat }

  /// Result channels of all phases, padded.
  var resultFloats: Int {
    sizes.dst_step * sizes.dst_step * Self.paddedResults(sizes.dst_c, vector: vector, block: block)
  }

  var packedCount: Int { 36 * sourceFloats * resultFloats }

  /// The floats of 36 transformed planes, as `plane_pitch` and `tile_pitch` lay them out.
  static func planesCount(tiles: Int, channels: Int, vector: Int) -> Int {
    let whole = (channels + vector - 1) / vector * vector
    return 36 * (tiles * (whole + vector) + 80)
  }

  var scratch: Int {
    Self.planesCount(tiles: sizes.tile_batch, channels: sourceFloats, vector: vector)
      + Self.planesCount(tiles: sizes.tile_batch, channels: block, vector: vector)
      + Self.sourceChannels(sizes) + 2 * vector + 64
  }
}

extension Kernels {
  /// Packs the weights of a pass in Winograd's form.
  func packWinograd(
    _ plan: WinogradPlan, _ g: ConvolutionGeometry, pass: ConvolutionPass,
    weights: UnsafePointer<Float>, outputScale: UnsafePointer<Float>?,
    packed: UnsafeMutablePointer<Float>
  ) {
    let table = convolutionTable.pointee
    let forward = pass == .forward
    pool.parallelFor(plan.blocks) { kb in
      var sizes = plan.sizes
      table.winograd_weights(
        &sizes, weights, g.inputChannels * g.outputChannels, forward ? g.outputChannels : 1,
        forward ? 1 : g.outputChannels, forward ? 0 : 1, outputScale, kb,
        packed + kb * plan.block * 36 * plan.sourceFloats)
    }
  }

  /// Runs all parts of a pass in Winograd's form.
  func runWinograd(_ plan: WinogradPlan, _ call: ConvolutionCall) {
    let table = convolutionTable.pointee
    let scratch = Self.paddedScratch(plan.scratch)
    let tiles = plan.sizes.batch * plan.sizes.tiles_y * plan.sizes.tiles_x
    var bound = plan.sizes
    call.loading.bind(&bound)
    if let rest = call.rest { (bound.split, bound.dst_rest) = (rest.start, rest.tensor) }
    bound.pooled = call.pooled
    pool.parallelFor(lanes: plan.parts) { [bound] index, lane in
      var sizes = bound
      var ending = call.epilogue
      let batch = index / plan.blockParts
      let first = batch * sizes.tile_batch
      let block = index % plan.blockParts * plan.blocksPerPart
      table.winograd_tiles(
        &sizes, &ending, first, min(first + sizes.tile_batch, tiles), block,
        min(block + plan.blocksPerPart, plan.blocks), call.source, call.weights, call.result,
        call.scratch + lane * scratch, call.moments.map { $0 + batch * (2 * sizes.dst_c + 1) })
    }
  }
}

/// The weight gradient of a convolution in Winograd's form.
struct WinogradGradientPlan {
  /// Floats that all partial gradients together may take, unless one alone is larger.
  private static let partialFloats = 3_000_000
  private static let mostTileParts = 16
  private static let enoughParts = 4

  var sizes: ck_winograd
  let vector: Int
  let block: Int
  /// Operands in a float: 1, or the same channel of two tiles as bfloat16.
  let perFloat: Int
  /// Tiles in a part and how many parts; likewise for blocks of output channels and for input
  /// channels.
  let tilesPerPart: Int
  let tileParts: Int
  let blocks: Int
  let blocksPerPart: Int
  let blockParts: Int
  let channelsPerPart: Int
  let channelParts: Int
  let partialCount: Int

  /// Cuts the weight gradient of a convolution whose forward pass is `plan`.
  init(_ plan: WinogradPlan) {
    sizes = plan.sizes
    vector = plan.vector
    block = plan.block
    perFloat = plan.perFloat
    blocks = plan.blocks
    partialCount = Kernels.paddedScratch(
      36 * WinogradPlan.sourceChannels(sizes) * plan.resultFloats)
    let tiles = sizes.batch * sizes.tiles_y * sizes.tiles_x
    // A large sum is loaded and stored less often when more tiles are held.
    let channels = WinogradPlan.sourceChannels(sizes)
    let held = channels * sizes.dst_c > 96 * 96 ? 96 : 48
    let most = min(
      Self.mostTileParts, Self.partialFloats / max(partialCount, 1), (tiles + held - 1) / held)
    // A power of two: threads then end together.
    var wanted = 1
    while wanted * 2 <= most { wanted *= 2 }
    tilesPerPart = WinogradPlan.whole((tiles + wanted - 1) / wanted, sizes)
    tileParts = (tiles + tilesPerPart - 1) / tilesPerPart
    let rounds = (tilesPerPart + held - 1) / held
    sizes.tile_batch = WinogradPlan.whole((tilesPerPart + rounds - 1) / rounds, sizes)
    // Few parts of the tiles: cut the channels of both sides too, evenly, as each cut repeats
    // transforms.
    var cuts = (Self.enoughParts + tileParts - 1) / tileParts
    let wantedChannels = cuts >= 4 && channels >= 4 * block ? 2 : 1
    cuts /= wantedChannels
    let wantedBlocks = min(blocks, cuts)
    blocksPerPart = (blocks + wantedBlocks - 1) / wantedBlocks
    blockParts = (blocks + blocksPerPart - 1) / blocksPerPart
    channelsPerPart = ((channels + wantedChannels - 1) / wantedChannels + 11) / 12 * 12
    channelParts = (channels + channelsPerPart - 1) / channelsPerPart
  }

  /// Channels of the source, those of all phases together.
  var channels: Int { WinogradPlan.sourceChannels(sizes) }
  var parts: Int { tileParts * blockParts * channelParts }
  var biasCount: Int { Kernels.paddedScratch(sizes.dst_c) }
  var scratch: Int {
    let rows = (sizes.tile_batch + perFloat - 1) / perFloat
    return Kernels.paddedScratch(
      WinogradPlan.planesCount(tiles: rows, channels: channelsPerPart, vector: vector)
        + WinogradPlan.planesCount(tiles: rows, channels: block, vector: vector)
        + channelsPerPart + 64)
  }
  func workspaceCount(threads: Int) -> Int {
    tileParts * (partialCount + biasCount) + threads * scratch
  }
}

extension Kernels {
  /// Runs the weight gradient in Winograd's form.
  func runWinogradGradient(_ plan: WinogradGradientPlan, _ call: WeightGradientCall) {
    let table = convolutionTable.pointee
    let biases = call.workspace + plan.tileParts * plan.partialCount
    let buffers = biases + plan.tileParts * plan.biasCount
    let tiles = plan.sizes.batch * plan.sizes.tiles_y * plan.sizes.tiles_x
    var bound = plan.sizes
    call.loading.bind(&bound)
    pool.parallelFor(lanes: plan.parts) { [bound] index, lane in
      var sizes = bound
      let channel = index % plan.channelParts * plan.channelsPerPart
      let block = index / plan.channelParts % plan.blockParts * plan.blocksPerPart
      let part = index / plan.channelParts / plan.blockParts
      let first = part * plan.tilesPerPart
      // Each bias sum belongs to the part that also has the first input channels.
      let bias = call.biasGradient == nil || channel > 0 ? nil : biases + part * plan.biasCount
      table.winograd_gradient_tiles(
        &sizes, first, min(first + plan.tilesPerPart, tiles), channel,
        min(channel + plan.channelsPerPart, plan.channels), block,
        min(block + plan.blocksPerPart, plan.blocks), call.input, call.outputGradient,
        call.workspace + part * plan.partialCount, bias, buffers + lane * plan.scratch)
    }
    let step = 8
    pool.parallelFor((plan.channels + step - 1) / step) { index in
      var sizes = plan.sizes
      table.winograd_gradient_finish(
        &sizes, index * step, min(index * step + step, plan.channels), 0, plan.blocks,
        call.workspace, plan.tileParts, plan.partialCount, call.weightGradient)
    }
    if let sums = call.biasGradient {
      Self.addParts(
        biases, plan.tileParts, pitch: plan.biasCount, count: plan.sizes.dst_c, to: sums)
    }
  }
}
