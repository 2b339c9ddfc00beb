// Convolution forward and its adjoint: packing of the weights and the run of all parts on the pool.

import CKernels

extension Kernels {
  /// The convolution family of this instruction set and precision.
  var convolutionTable: UnsafePointer<ck_convolution_table> {
    let code: Int32 =
      switch instructionSet {
      case .baseline: 0
      case .avx2: 1
      case .avx512: precision == .bfloat16 ? 3 : 2
      }
    return ck_convolution_kernels(code)
  }

  /// The number of floats that the packed weights of a pass take; 0 where the pass reads the
  /// weights as they are (few pixels and many weights, as in dense layers, or where it packs them
  /// itself), and then they are passed instead of packed ones.
  public func convolutionPackedCount(_ g: ConvolutionGeometry, pass: ConvolutionPass) -> Int {
    let table = convolutionTable.pointee
    if DeepPlan(g, pass: pass, table: table) != nil { return 0 }
    if g.packsInRun, WinogradBlocks(g, pass: pass, table: table) != nil { return 0 }
    if let plan = WinogradPlan(g, pass: pass, table: table) { return plan.packedCount }
    return ConvolutionStencils(g, pass: pass, table: table).packedCount
  }

  /// Packs `weights` [kh, kw, C / groups, K] for one pass into the order in which its kernels read
  /// them.
  ///
  /// - Parameters:
  ///   - g: The sizes of the convolution.
  ///   - pass: The pass that will read the packed weights.
  ///   - weights: The weights [kh, kw, C / groups, K].
  ///   - outputScale: A factor [K] of each filter (a folded batch normalization); only for a
  ///   forward pass whose
  ///     packed count is not 0.
  ///   - packed: Memory of `convolutionPackedCount` floats.
  public func packConvolutionWeights(
    _ g: ConvolutionGeometry, pass: ConvolutionPass, weights: UnsafePointer<Float>,
    outputScale: UnsafePointer<Float>?, packed: UnsafeMutablePointer<Float>
  ) {
    precondition(outputScale == nil || pass == .forward, "only the forward pass has a scale")
    if convolutionPackedCount(g, pass: pass) == 0 {
      precondition(outputScale == nil, "weights that are not packed cannot be scaled")
      return
    }
    if let plan = WinogradPlan(g, pass: pass, table: convolutionTable.pointee) {
      packWinograd(
        plan, g, pass: pass, weights: weights, outputScale: outputScale, packed: packed)
      return
    }
    let set = ConvolutionStencils(g, pass: pass, table: convolutionTable.pointee)
    withStencils(set) { stencils in
      let blocks = set.channelBlocks
      pool.parallelFor(stencils.count * g.groups * blocks) { index in
        var stencil = stencils[index / (g.groups * blocks)]
        let block = index % blocks
        ck_conv_pack(
          &stencil, pass == .forward ? 0 : 1, g.kernelWidth, g.inputChannels / g.groups,
          g.outputChannels, set.vector, set.block, index / blocks % g.groups, block, block + 1,
          weights, outputScale, packed)
      }
    }
  }

  /// The number of floats of scratch memory that a pass takes with this pool.
  public func convolutionWorkspaceCount(_ g: ConvolutionGeometry, pass: ConvolutionPass) -> Int {
    let table = convolutionTable.pointee
    if let plan = DeepPlan(g, pass: pass, table: table) {
      return pool.threads * plan.scratch
    }
    if g.packsInRun, let plan = WinogradBlocks(g, pass: pass, table: table) {
      return plan.workspaceCount(threads: pool.threads)
    }
    if let plan = WinogradPlan(g, pass: pass, table: table) {
      return pool.threads * Self.paddedScratch(plan.scratch)
    }
    let set = ConvolutionStencils(g, pass: pass, table: table)
    return withStencils(set) { stencils in
      pool.threads
        * Self.paddedScratch(
          ConvolutionPartition(set, stencils, tile: table.tile).scratch)
    }
  }

  /// The convolution of `input` [N, H, W, C] into `output` [N, H', W', K].
  ///
  /// - Parameters:
  ///   - g: The sizes of the convolution.
  ///   - input: The input [N, H, W, C], or the first of two tensors that `loading` joins.
  ///   - loading: How the input is put together; `convolutionLoads` says what is possible.
  ///   - packedWeights: The weights, packed for the forward pass.
  ///   - epilogue: What is done to each sum before it is stored.
  ///   - output: The output [N, H', W', K]; nil when its maxima alone are needed.
  ///   - moments: Where mean [K], sum of squared deviations [K] and number of the output's pixels
  ///     are written for each of `convolutionMomentParts`; nil when nobody needs them.
  ///   - pooled: Where the maxima [N, H' / 2, W' / 2, K] of the output's 2×2 windows are written;
  ///     nil when nobody needs them; `convolutionPools` says whether that is possible.
  ///   - workspace: Memory of `convolutionWorkspaceCount` floats; may be nil when that is 0.
  public func convolutionForward(
    _ g: ConvolutionGeometry, input: UnsafePointer<Float>,
    loading: ConvolutionLoading = ConvolutionLoading(), packedWeights: UnsafePointer<Float>,
    epilogue: ConvolutionEpilogue, output: UnsafeMutablePointer<Float>?,
    moments: UnsafeMutablePointer<Float>? = nil, pooled: UnsafeMutablePointer<Float>? = nil,
    workspace: UnsafeMutablePointer<Float>?
  ) {
    run(
      g, pass: .forward, source: input, loading: loading, packed: packedWeights,
      epilogue: epilogue, result: output, rest: nil, moments: moments, pooled: pooled,
      workspace: workspace)
  }

  /// The adjoint of `convolutionForward`, which is also the forward pass of a transposed
  /// convolution.
  ///
  /// - Parameters:
  ///   - g: The sizes of the convolution.
  ///   - outputGradient: The gradient of the output [N, H', W', K].
  ///   - packedWeights: The weights, packed for the input gradient.
  ///   - epilogue: What is done to each sum before it is stored; its channels are the C input
  ///   channels.
  ///   - inputGradient: The gradient of the input [N, H, W, C]; every pixel is written.
  ///   - rest: Where its last channels lie, when that is elsewhere; `inputGradientSplits` says
  ///     whether that is possible.
  ///   - workspace: Memory of `convolutionWorkspaceCount` floats; may be nil when that is 0.
  public func convolutionInputGradient(
    _ g: ConvolutionGeometry, outputGradient: UnsafePointer<Float>,
    packedWeights: UnsafePointer<Float>, epilogue: ConvolutionEpilogue,
    inputGradient: UnsafeMutablePointer<Float>, rest: ConvolutionRest? = nil,
    workspace: UnsafeMutablePointer<Float>?
  ) {
    run(
      g, pass: .inputGradient, source: outputGradient, loading: ConvolutionLoading(),
      packed: packedWeights, epilogue: epilogue, result: inputGradient, rest: rest,
      moments: nil, pooled: nil, workspace: workspace)
  }

  /// Runs a pass with the algorithm that its packed weights were made for.
  private func run(
    _ g: ConvolutionGeometry, pass: ConvolutionPass, source: UnsafePointer<Float>,
    loading: ConvolutionLoading, packed: UnsafePointer<Float>, epilogue: ConvolutionEpilogue,
    result: UnsafeMutablePointer<Float>?, rest: ConvolutionRest?,
    moments: UnsafeMutablePointer<Float>?, pooled: UnsafeMutablePointer<Float>?,
    workspace: UnsafeMutablePointer<Float>?
  ) {
    precondition(
      (loading.isPlain && rest == nil) || partsFit(g, pass: pass, restStart: rest?.start ?? 0),
      "this convolution reads and writes whole tensors")
    precondition(
      !g.packsInRun || (loading.isPlain && moments == nil && pooled == nil),
      "a convolution that packs its weights does nothing else")
    precondition(
      moments == nil || convolutionMomentParts(g) != nil, "this convolution gives no moments")
    precondition(pooled == nil || convolutionPools(g), "this convolution does not pool")
    if pooled != nil, let plan = WinogradPlan(g, pass: pass, table: convolutionTable.pointee) {
      runWinograd(
        plan, source: source, loading: loading, packed: packed, epilogue: epilogue,
        result: result, rest: rest, moments: moments, pooled: pooled, workspace: workspace)
      return
    }
    guard let result else { preconditionFailure("this convolution needs an output") }
    if let plan = DeepPlan(g, pass: pass, table: convolutionTable.pointee) {
      runDeep(
        plan, source: source, weights: packed, epilogue: epilogue, result: result,
        workspace: workspace)
    } else if g.packsInRun,
      let plan = WinogradBlocks(g, pass: pass, table: convolutionTable.pointee)
    {
      runWinogradBlocks(
        plan, g, pass: pass, source: source, weights: packed, epilogue: epilogue,
        result: result, rest: rest, workspace: workspace)
    } else if let plan = WinogradPlan(g, pass: pass, table: convolutionTable.pointee) {
      runWinograd(
        plan, source: source, loading: loading, packed: packed, epilogue: epilogue,
        result: result, rest: rest, moments: moments, pooled: nil, workspace: workspace)
    } else {
      runDirect(
        g, pass: pass, source: source, packed: packed, epilogue: epilogue, result: result,
        workspace: workspace)
    }
  }

  /// Runs all parts of a pass with the direct algorithm.
  private func runDirect(
    _ g: ConvolutionGeometry, pass: ConvolutionPass, source: UnsafePointer<Float>,
    packed: UnsafePointer<Float>, epilogue: ConvolutionEpilogue,
    result: UnsafeMutablePointer<Float>, workspace: UnsafeMutablePointer<Float>?
  ) {
    let table = convolutionTable.pointee
    let set = ConvolutionStencils(g, pass: pass, table: table)
    let ending = ck_conv_epilogue(epilogue)
    withStencils(set) { stencils in
      let partition = ConvolutionPartition(set, stencils, tile: table.tile)
      let scratch = Self.paddedScratch(partition.scratch)
      precondition(scratch == 0 || workspace != nil, "this convolution needs a workspace")
      pool.parallelFor(lanes: partition.parts) { index, lane in
        var part = partition.part(index)
        var ending = ending
        let buffer = workspace.map { $0 + lane * scratch }
        for phase in 0..<stencils.count {
          guard let stencil = stencils.baseAddress.map({ $0 + phase }) else { continue }
          if partition.usesPatches {
            table.patches(
              stencil, &ending, &part, part.q0, part.q1, source, packed, result, buffer)
          } else if set.form == .depthwise {
            table.depthwise(stencil, &ending, &part, source, packed, result)
          } else {
            table.rows(stencil, &ending, &part, source, packed, result, buffer)
          }
        }
      }
    }
  }

  /// Calls `body` with the stencils of a pass, which live as long as the call.
  func withStencils<Result>(
    _ set: ConvolutionStencils, _ body: (UnsafeBufferPointer<ck_conv_stencil>) -> Result
  ) -> Result {
    withUnsafeTemporaryAllocation(of: ck_conv_stencil.self, capacity: set.count) { stencils in
      set.fill(stencils)
      return body(UnsafeBufferPointer(stencils))
    }
  }

  /// A lane's scratch size, rounded up so that two threads never write to one cache line.
  static func paddedScratch(_ count: Int) -> Int {
    count == 0 ? 0 : (count + 63) / 32 * 32
  }
}

extension ck_conv_epilogue {
  init(_ epilogue: ConvolutionEpilogue) {
    let (code, parameter) = epilogue.activation.code
    self.init(
      bias: epilogue.bias, addend: epilogue.addend, mask: epilogue.mask,
      mask_slope: epilogue.maskSlope, parameter: parameter, activation: code)
  }
}
