// Dense layers: matrix products that read their weights unpacked, since a copy would cost more than
// the product.
//
// A dense layer comes as a 1×1 convolution of a single row: N samples are N pixels.

import CKernels

/// A matrix product [rows, channels] × [channels, results] cut into parts; nil where packed weights
/// serve better.
struct DensePlan {
  /// Below this many weights packing is cheap.
  private static let fewestWeights = 16_384
  /// Above this many rows packing is cheap beside the product.
  private static let mostRows = 1024
  private static let rowsHeld = 192
  private static let wantedParts = 32

  let rows: Int
  let channels: Int
  let results: Int
  let blocks: Int
  let block: Int
  let blocksPerPart: Int
  let blockParts: Int
  let rowParts: Int

  init?(_ g: ConvolutionGeometry, pass: ConvolutionPass, table: ck_convolution_table) {
    guard
      g.batch == 1 && g.inputHeight == 1 && g.outputHeight == 1 && g.kernelHeight == 1
        && g.kernelWidth == 1 && g.strideWidth == 1 && g.strideHeight == 1 && g.paddingTop == 0
        && g.paddingLeft == 0 && g.groups == 1 && g.inputWidth == g.outputWidth
        && g.inputWidth <= Self.mostRows && g.weightCount >= Self.fewestWeights
        && min(g.inputChannels, g.outputChannels) >= table.vector
    else { return nil }
    rows = g.inputWidth
    channels = pass == .forward ? g.inputChannels : g.outputChannels
    results = pass == .forward ? g.outputChannels : g.inputChannels
    block = table.block
    blocks = (results + block - 1) / block
    blocksPerPart = max(1, blocks / Self.wantedParts)
    blockParts = (blocks + blocksPerPart - 1) / blocksPerPart
    rowParts = (rows + Self.rowsHeld - 1) / Self.rowsHeld
  }

  /// Floats of the running sums of all rows.
  var sumsCount: Int { Kernels.paddedScratch(rows * blocks * block) }
  /// Floats of a thread's packed piece of the weights.
  var pieceCount: Int { Kernels.paddedScratch(256 * block) }
  /// Floats of a thread's packed block of the output gradient.
  var gradientCount: Int { Kernels.paddedScratch(rows * block) }
  /// The rows of part `index` of `rowParts`.
  func rowRange(_ index: Int) -> Range<Int> {
    rows * index / rowParts..<rows * (index + 1) / rowParts
  }
}

extension Kernels {
  /// Runs a dense layer or its input gradient on unpacked weights [C, K].
  func runDense(
    _ plan: DensePlan, pass: ConvolutionPass, source: UnsafePointer<Float>,
    weights: UnsafePointer<Float>, epilogue: ConvolutionEpilogue,
    result: UnsafeMutablePointer<Float>, workspace: UnsafeMutablePointer<Float>?
  ) {
    guard let workspace else { preconditionFailure("a dense layer needs a workspace") }
    let table = convolutionTable.pointee
    let ending = ck_conv_epilogue(epilogue)
    let forward = pass == .forward
    let buffers = workspace + plan.sumsCount
    pool.parallelFor(lanes: plan.blockParts * plan.rowParts) { index, lane in
      var ending = ending
      let range = plan.rowRange(index % plan.rowParts)
      let block = index / plan.rowParts * plan.blocksPerPart
      table.dense(
        source, weights, forward ? plan.results : 1, forward ? 1 : plan.channels, plan.channels,
        plan.results, plan.rows, range.lowerBound, range.upperBound, block,
        min(block + plan.blocksPerPart, plan.blocks), &ending, workspace, result,
        buffers + lane * plan.pieceCount)
    }
  }

  /// The weight and bias gradients of a dense layer; each part owns whole columns, so nothing is
  /// summed twice.
  func runDenseGradient(
    _ plan: DensePlan, input: UnsafePointer<Float>, outputGradient: UnsafePointer<Float>,
    weightGradient: UnsafeMutablePointer<Float>, biasGradient: UnsafeMutablePointer<Float>?,
    workspace: UnsafeMutablePointer<Float>
  ) {
    let table = convolutionTable.pointee
    pool.parallelFor(lanes: plan.blockParts) { index, lane in
      let block = index * plan.blocksPerPart
      table.dense_weight(
        input, outputGradient, plan.channels, plan.results, plan.rows, block,
        min(block + plan.blocksPerPart, plan.blocks), weightGradient, biasGradient,
        workspace + lane * plan.gradientCount)
    }
  }
}
