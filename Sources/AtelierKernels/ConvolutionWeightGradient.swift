// The weight gradient: pixels are cut into a fixed number of parts, whose sums are added up in
// their order.

import CKernels

/// The cut of a weight gradient: a function of the shapes and the instruction set, never of the
/// threads.
struct WeightGradientPartition {
  /// Floats that all partial gradients together may take, unless one alone is larger.
  private static let partialFloats = 6_000_000
  /// Parts of the pixels when memory allows.
  private static let mostPixelParts = 16

  let family: ConvolutionStencils
  /// Whether the sides are exchanged, for few output channels: vectors then run over the input
  /// channels, and the output gradient takes the place of the source (its stencil is that of the
  /// input gradient).
  let exchanged: Bool
  let stencil: ck_conv_stencil
  /// Rows of output, over all images, in a part of the pixels; and how many parts.
  let rowsPerPart: Int
  let pixelParts: Int
  let blocksPerPart: Int
  let blockParts: Int
  /// Rows and columns of output whose sources a thread holds at a time.
  let chunkRows: Int
  let chunkColumns: Int
  /// Floats of one partial gradient, of its bias sums, and of a thread's scratch memory.
  let partialCount: Int
  let biasCount: Int
  let scratch: Int
  /// Whether products multiply pairs of pixels; a kernel of few elements would not earn their
  /// rounding back.
  let isPaired: Bool

  init(_ g: ConvolutionGeometry, table: ck_convolution_table) {
    isPaired = table.per_float == 2 && g.kernelHeight * g.kernelWidth >= 4
    let full = ConvolutionStencils(g, pass: .forward, table: table)
    exchanged = full.form == .dots && g.groups == 1 && g.strideHeight == 1 && g.strideWidth == 1
    // Dot products do not apply here: every result channel belongs to a block.
    let set =
      exchanged
      ? ConvolutionStencils(g, pass: .inputGradient, table: table).inSingles(.blocks)
      : full.inSingles(full.form == .dots ? .blocks : full.form)
    family = set
    var stencil = set.stencils[0]
    self.stencil = stencil
    partialCount = Kernels.paddedScratch(ck_conv_packed_count(&stencil, table.vector, table.block))
    biasCount = Kernels.paddedScratch(g.outputChannels)
    let rows = stencil.batch * stencil.q_h
    let wanted = max(1, min(Self.mostPixelParts, rows, Self.partialFloats / max(partialCount, 1)))
    rowsPerPart = max(1, (rows + wanted - 1) / wanted)
    pixelParts = max(1, (rows + rowsPerPart - 1) / rowsPerPart)
    let blocks = set.channelBlocks
    let wantedBlocks = min(blocks, max(1, 16 / (pixelParts * g.groups)))
    blocksPerPart = set.form == .depthwise ? 1 : (blocks + wantedBlocks - 1) / wantedBlocks
    blockParts = set.form == .depthwise ? 1 : (blocks + blocksPerPart - 1) / blocksPerPart
    guard set.form != .depthwise else {
      (chunkRows, chunkColumns, scratch) = (1, 1, 0)
      return
    }
    let columns = min(stencil.q_w, 256)
    chunkColumns = max(1, columns)
    chunkRows = max(1, min(rowsPerPart, stencil.q_h, 192 / max(columns, 1)))
    let held = blocksPerPart * table.block * chunkRows * chunkColumns + 32
    scratch =
      held + ConvolutionPartition.windowCount(stencil, rows: chunkRows, columns: chunkColumns)
  }

  var groups: Int { family.form == .depthwise ? 1 : stencil.groups }
  var parts: Int { pixelParts * groups * blockParts }
  var sumsCount: Int { pixelParts * (partialCount + biasCount) }

  func part(_ index: Int) -> (pixels: Int, ck_conv_weight_part) {
    let block = index % blockParts * blocksPerPart
    let group = index / blockParts % groups
    let pixels = index / blockParts / groups
    let row = pixels * rowsPerPart
    let part = ck_conv_weight_part(
      q0: row, q1: min(row + rowsPerPart, stencil.batch * stencil.q_h), group: group, kb0: block,
      kb1: min(block + blocksPerPart, family.channelBlocks), chunk_rows: chunkRows,
      chunk_columns: chunkColumns, paired: isPaired ? 1 : 0)
    return (pixels, part)
  }
}

/// The weight gradient of a convolution, with the algorithm that is best for its sizes; chosen as
/// that of a `ConvolutionPlan` is.
public struct WeightGradientPlan: @unchecked Sendable {
  private enum Algorithm {
    case deep(DeepGradientPlan)
    case winograd(WinogradGradientPlan)
    case blocks(WinogradBlocks)
    case direct(WeightGradientPartition)
  }

  /// The sizes of the convolution.
  public let geometry: ConvolutionGeometry
  private let kernels: Kernels
  private let algorithm: Algorithm

  /// Chooses the algorithm on these kernels.
  public init(_ geometry: ConvolutionGeometry, _ kernels: Kernels) {
    self.geometry = geometry
    self.kernels = kernels
    let table = kernels.convolutionTable.pointee
    if let plan = WinogradPlan(geometry, pass: .forward, table: table) {
      let blocks = WinogradBlocks(plan, byTile: true)
      algorithm = blocks.map { .blocks($0) } ?? .winograd(WinogradGradientPlan(plan))
    } else if let plan = DeepPlan(geometry, pass: .forward, table: table) {
      algorithm = .deep(DeepGradientPlan(plan))
    } else {
      algorithm = .direct(WeightGradientPartition(geometry, table: table))
    }
  }

  /// The algorithm in a word or two, as plans are drawn.
  public var name: String {
    switch algorithm {
    case .deep: "few pixels"
    case .winograd: "Winograd"
    case .blocks: "Winograd in blocks"
    case .direct(let partition): partition.family.form == .depthwise ? "depthwise" : "rows"
    }
  }

  /// The number of floats of scratch memory that the weight gradient takes with its kernels' pool.
  public var workspaceCount: Int {
    let threads = kernels.pool.threads
    switch algorithm {
    case .deep(let plan): return plan.packedCount + threads * plan.scratch
    case .blocks(let plan): return plan.workspaceCount(threads: threads)
    case .winograd(let plan): return plan.workspaceCount(threads: threads)
    case .direct(let partition):
      return 32 + partition.sumsCount + threads * Kernels.paddedScratch(partition.scratch)
    }
  }

  /// Whether the input can be normalized while it is loaded and, unless `restStart` is 0, its
  /// channels from there on be read from a second tensor.
  public func canLoad(restStart: Int = 0) -> Bool {
    switch algorithm {
    case .winograd, .blocks: kernels.splits(geometry, at: restStart)
    case .deep, .direct: false
    }
  }

  /// Computes the gradients of a convolution's weights and bias; both are overwritten.
  ///
  /// - Parameters:
  ///   - input: The input [N, H, W, C] of the forward pass, or the first of two tensors.
  ///   - loading: How the input is put together; `canLoad` says what is possible.
  ///   - outputGradient: The gradient of the output [N, H', W', K].
  ///   - weightGradient: The gradient of the weights [kh, kw, C / groups, K].
  ///   - biasGradient: The sums of `outputGradient` over all pixels [K], or nil.
  ///   - workspace: Memory of `workspaceCount` floats.
  public func run(
    input: UnsafePointer<Float>, loading: ConvolutionLoading = ConvolutionLoading(),
    outputGradient: UnsafePointer<Float>, weightGradient: UnsafeMutablePointer<Float>,
    biasGradient: UnsafeMutablePointer<Float>?, workspace: UnsafeMutablePointer<Float>?
  ) {
    guard let workspace else { preconditionFailure("the weight gradient needs a workspace") }
    precondition(
      loading.isPlain || canLoad(restStart: loading.restStart),
      "this weight gradient reads whole tensors")
    let call = WeightGradientCall(
      input: input, loading: loading, outputGradient: outputGradient,
      weightGradient: weightGradient, biasGradient: biasGradient, workspace: workspace)
    switch algorithm {
    case .deep(let plan): kernels.runDeepGradient(plan, call)
    case .blocks(let plan): kernels.runWinogradGradientBlocks(plan, call)
    case .winograd(let plan): kernels.runWinogradGradient(plan, call)
    case .direct(let partition): kernels.runDirectGradient(partition, geometry, call)
    }
  }
}

/// The tensors of one run, as `WeightGradientPlan.run` takes them.
struct WeightGradientCall {
  let input: UnsafePointer<Float>
  let loading: ConvolutionLoading
  let outputGradient: UnsafePointer<Float>
  let weightGradient: UnsafeMutablePointer<Float>
  let biasGradient: UnsafeMutablePointer<Float>?
  let workspace: UnsafeMutablePointer<Float>
}

/// What fixes a plan: its sizes and the kernels that it was made for.
extension WeightGradientPlan: Hashable {
  public static func == (left: Self, right: Self) -> Bool {
    left.geometry == right.geometry && left.kernels.key == right.kernels.key
  }

  public func hash(into hasher: inout Hasher) {
    hasher.combine(geometry)
    hasher.combine(kernels.key)
  }
}

extension Kernels {
  /// Runs the weight gradient with the direct algorithm.
  fileprivate func runDirectGradient(
    _ partition: WeightGradientPartition, _ g: ConvolutionGeometry, _ call: WeightGradientCall
  ) {
    let table = convolutionTable.pointee
    let (input, outputGradient) = (call.input, call.outputGradient)
    let partials = call.workspace
    let biases = partials + partition.pixelParts * partition.partialCount
    let buffers = biases + partition.pixelParts * partition.biasCount
    let scratch = Self.paddedScratch(partition.scratch)
    pool.parallelFor(lanes: partition.parts) { index, lane in
      var stencil = partition.stencil
      var (pixels, part) = partition.part(index)
      let partial = partials + pixels * partition.partialCount
      let bias = call.biasGradient == nil ? nil : biases + pixels * partition.biasCount
      if partition.exchanged {
        table.weight_rows(
          &stencil, &part, outputGradient, input, partial, nil, buffers + lane * scratch)
        if let bias, part.kb0 == 0 {
          sumChannels(g, outputGradient, part: pixels, of: partition.pixelParts, bias)
        }
      } else if partition.family.form == .depthwise {
        table.weight_depthwise(&stencil, &part, input, outputGradient, partial, bias)
      } else {
        table.weight_rows(
          &stencil, &part, input, outputGradient, partial, bias, buffers + lane * scratch)
      }
    }
    if partition.exchanged {
      finishExchanged(g, partition, partials, call.weightGradient)
    } else {
      finish(g, partition, table, partials, call.weightGradient)
    }
    if let sums = call.biasGradient {
      Self.addParts(
        biases, partition.pixelParts, pitch: partition.biasCount, count: g.outputChannels, to: sums)
    }
  }

  /// Adds the partial sums of each of `count` elements up in the order of the parts, `pitch` floats
  /// apart.
  static func addParts(
    _ partials: UnsafePointer<Float>, _ parts: Int, pitch: Int, count: Int,
    to sums: UnsafeMutablePointer<Float>
  ) {
    for at in 0..<count {
      var sum = partials[at]
      for part in 1..<max(parts, 1) { sum += partials[part * pitch + at] }
      sums[at] = sum
    }
  }

  /// Adds the partial gradients up in the order of the parts.
  private func finish(
    _ g: ConvolutionGeometry, _ partition: WeightGradientPartition, _ table: ck_convolution_table,
    _ partials: UnsafePointer<Float>, _ weightGradient: UnsafeMutablePointer<Float>
  ) {
    if partition.family.form == .depthwise {
      return Self.addParts(
        partials, partition.pixelParts, pitch: partition.partialCount, count: g.weightCount,
        to: weightGradient)
    }
    let rows = g.kernelHeight * g.kernelWidth * g.inputChannels / g.groups
    let step = 32
    let cuts = (rows + step - 1) / step
    pool.parallelFor(cuts * g.groups) { index in
      var stencil = partition.stencil
      let row = index % cuts * step
      table.weight_finish(
        &stencil, row, min(row + step, rows), index / cuts, partials, partition.pixelParts,
        partition.partialCount, weightGradient)
    }
  }

  /// The bias sums of one part of the output gradient's pixels.
  private func sumChannels(
    _ g: ConvolutionGeometry, _ outputGradient: UnsafePointer<Float>, part: Int, of parts: Int,
    _ sums: UnsafeMutablePointer<Float>
  ) {
    let pixels = g.batch * g.outputHeight * g.outputWidth
    let first = pixels * part / parts
    ck_conv_channel_sums(
      outputGradient + first * g.outputChannels, pixels * (part + 1) / parts - first,
      g.outputChannels, sums)
  }

  /// Adds exchanged partial gradients [block][tap][k][c of the block] up and puts them in the order
  /// of the weights.
  private func finishExchanged(
    _ g: ConvolutionGeometry, _ partition: WeightGradientPartition,
    _ partials: UnsafePointer<Float>, _ weightGradient: UnsafeMutablePointer<Float>
  ) {
    let s = partition.stencil
    let block = partition.family.block
    let rows = s.taps_y * s.taps_x * g.outputChannels
    for row in 0..<rows {
      let k = row % g.outputChannels
      let tap = row / g.outputChannels
      let i = s.kernel_y + tap / s.taps_x * s.kernel_step_y
      let j = s.kernel_x + tap % s.taps_x * s.kernel_step_x
      for c in 0..<g.inputChannels {
        let inBlock = g.inputChannels - c / block * block
        let width = inBlock <= partition.family.vector ? partition.family.vector : block
        let at = c / block * block * rows + row * width + c % block
        var sum: Float = 0
        for part in 0..<partition.pixelParts { sum += partials[part * partition.partialCount + at] }
        weightGradient[((i * g.kernelWidth + j) * g.inputChannels + c) * g.outputChannels + k] = sum
      }
    }
  }
}
