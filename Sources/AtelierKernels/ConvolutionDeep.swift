// Few pixels and many weights: dense layers and convolutions of small planes read their weights
// unpacked, since a packed copy would cost more memory traffic than the product.

import CKernels

/// One pass as a product of unpacked weights, cut into parts; nil where packed weights serve better.
///
/// A dense layer comes as a 1×1 convolution of a single row: N samples are N pixels.
struct DeepPlan {
  /// Below this many weights packing is cheap.
  private static let fewestWeights = 16_384
  /// The same where the source must be gathered for each group of result channels.
  private static let fewestGatheredWeights = 262_144
  /// Above this many pixels packing is cheap beside the product.
  private static let mostPixels = 1024
  /// Planes of at least this width run in rows.
  private static let leastRowWidth = 6
  private static let pixelsHeld = 512
  /// Source channels that are packed at a time, as in C.
  static let depth = 256
  /// Floats of running sums that stay in the second-level cache.
  private static let sumFloats = 131_072
  private static let wantedParts = 32

  /// The stencils of the pass: one, or one for each stride phase.
  let family: ConvolutionStencils
  let isPointwise: Bool
  /// Result pixels of the largest stencil.
  let pixels: Int
  let blocks: Int
  let blocksPerPart: Int
  let blockParts: Int
  let pixelsPerPart: Int
  let pixelParts: Int

  init?(_ g: ConvolutionGeometry, pass: ConvolutionPass, table: ck_convolution_table) {
    guard
      g.groups == 1 && g.weightCount >= Self.fewestWeights
        && min(g.inputChannels, g.outputChannels) >= table.vector
    else { return nil }
    isPointwise =
      g.kernelHeight == 1 && g.kernelWidth == 1 && g.strideHeight == 1 && g.strideWidth == 1
      && g.paddingTop == 0 && g.paddingLeft == 0 && g.inputHeight == g.outputHeight
      && g.inputWidth == g.outputWidth
    let forward = pass == .forward
    let height = forward ? g.outputHeight : (g.inputHeight + g.strideHeight - 1) / g.strideHeight
    let width = forward ? g.outputWidth : (g.inputWidth + g.strideWidth - 1) / g.strideWidth
    pixels = g.batch * height * width
    guard pixels > 0, pixels <= Self.mostPixels else { return nil }
    let isSmall = width < Self.leastRowWidth && g.weightCount >= Self.fewestGatheredWeights
    guard isPointwise || isSmall else { return nil }
    family = ConvolutionStencils(g, pass: pass, table: table).inSingles(.blocks)
    blocks = family.channelBlocks
    pixelParts = (pixels + Self.pixelsHeld - 1) / Self.pixelsHeld
    pixelsPerPart = (pixels + pixelParts - 1) / pixelParts
    let fitting = max(1, Self.sumFloats / (pixelsPerPart * table.block))
    // Fewer and larger groups of blocks where each of them gathers the source again.
    let wanted = isPointwise ? Self.wantedParts : Self.wantedParts / 4
    blocksPerPart = max(1, min(fitting, blocks / wanted))
    blockParts = (blocks + blocksPerPart - 1) / blocksPerPart
  }

  /// Floats of a thread's packed weights, running sums and gathered source.
  var scratch: Int {
    Kernels.paddedScratch(
      Self.depth * family.block + blocksPerPart * pixelsPerPart * family.block
        + (isPointwise ? 0 : pixelsPerPart * Self.depth))
  }
}

/// The weight gradient of few pixels.
struct DeepGradientPlan {
  private static let pixelsHeld = 512

  let plan: DeepPlan
  let channels: Int
  let results: Int
  let taps: Int
  let tapsWide: Int
  /// Source channels in a part, and how many such parts a tap has.
  let channelsPerPart: Int
  let channelParts: Int

  /// Cuts the weight gradient of a convolution whose forward pass is `plan`.
  init(_ plan: DeepPlan) {
    self.plan = plan
    let g = plan.family.geometry
    channels = g.inputChannels
    results = g.outputChannels
    tapsWide = g.kernelWidth
    taps = g.kernelHeight * g.kernelWidth
    // Enough parts for several threads where there is one tap.
    let wanted = max((channels + DeepPlan.depth - 1) / DeepPlan.depth, taps == 1 ? 16 : 1)
    channelsPerPart = ((channels + wanted - 1) / wanted + 11) / 12 * 12
    channelParts = (channels + channelsPerPart - 1) / channelsPerPart
  }

  var rowsHeld: Int { min(plan.pixels, Self.pixelsHeld) }
  /// Floats of the packed gradient.
  var packedCount: Int { Kernels.paddedScratch(plan.blocks * plan.family.block * plan.pixels) }
  /// Floats of a thread's gathered source.
  var scratch: Int { Kernels.paddedScratch(rowsHeld * channelsPerPart) }
}

extension Kernels {
  /// Runs a pass on unpacked weights [kh, kw, C, K].
  func runDeep(_ plan: DeepPlan, _ call: ConvolutionCall) {
    let table = convolutionTable.pointee
    let g = plan.family.geometry
    let forward = plan.family.pass == .forward
    pool.parallelFor(lanes: plan.pixelParts * plan.blockParts) { index, lane in
      var ending = call.epilogue
      var view = ck_conv_weights(
        values: call.weights, kernel_w: g.kernelWidth,
        tap_pitch: g.inputChannels * g.outputChannels,
        step_c: forward ? g.outputChannels : 1, step_k: forward ? 1 : g.outputChannels)
      let pixel = index % plan.pixelParts * plan.pixelsPerPart
      let block = index / plan.pixelParts * plan.blocksPerPart
      for var stencil in plan.family.stencils {
        table.deep(
          &stencil, &ending, &view, pixel, pixel + plan.pixelsPerPart, block,
          min(block + plan.blocksPerPart, plan.blocks), call.source, call.result,
          call.scratch + lane * plan.scratch)
      }
    }
  }

  /// The weight and bias gradients; each part owns whole rows, so nothing is summed twice.
  func runDeepGradient(_ deep: DeepGradientPlan, _ call: WeightGradientCall) {
    let table = convolutionTable.pointee
    let plan = deep.plan
    pool.parallelFor(plan.blocks) { block in
      table.deep_pack_gradient(
        call.outputGradient, plan.pixels, deep.results, block,
        call.workspace + block * plan.family.block * plan.pixels, call.biasGradient)
    }
    let buffers = call.workspace + deep.packedCount
    pool.parallelFor(lanes: deep.taps * deep.channelParts) { index, lane in
      var stencil = plan.family.stencils[0]
      let tap = index / deep.channelParts
      let channel = index % deep.channelParts * deep.channelsPerPart
      table.deep_weight(
        &stencil, tap / deep.tapsWide, tap % deep.tapsWide, channel,
        min(channel + deep.channelsPerPart, deep.channels), deep.rowsHeld, call.input,
        call.workspace, call.weightGradient + tap * deep.channels * deep.results,
        buffers + lane * deep.scratch)
    }
  }
}
