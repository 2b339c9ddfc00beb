// How one pass of a convolution runs: the one place where its algorithm is chosen.

import CKernels

/// One pass of a convolution, with the algorithm that is best for its sizes.
///
/// The choice is a function of the sizes, the instruction set and the precision, never of a
/// measurement or of the threads, so packed weights and results do not depend on either. Make it
/// once, while planning; what it needs and what else it can do follow from it.
public struct ConvolutionPlan: @unchecked Sendable {
  enum Algorithm {
    /// Few pixels and many weights, which are read as they are.
    case deep(DeepPlan)
    case winograd(WinogradPlan)
    /// Winograd's form of weights that are packed block by block while it runs.
    case blocks(WinogradBlocks)
    case direct(ConvolutionStencils, ConvolutionPartition)
  }

  /// The sizes of the convolution.
  public let geometry: ConvolutionGeometry
  /// Which of its two linear maps this is.
  public let pass: ConvolutionPass
  let kernels: Kernels
  private(set) var algorithm: Algorithm

  /// Chooses the algorithm of a pass on these kernels.
  ///
  /// Where one packing of the weights serves many runs, as through the steps of a recurrence, they
  /// are packed however few pixels a run has.
  public init(
    _ geometry: ConvolutionGeometry, _ pass: ConvolutionPass, _ kernels: Kernels,
    runsOften: Bool = false
  ) {
    (self.geometry, self.pass, self.kernels) = (geometry, pass, kernels)
    let table = kernels.convolutionTable.pointee
    if let plan = WinogradPlan(geometry, pass: pass, table: table) {
      algorithm = .winograd(plan)
    } else if !runsOften, let plan = DeepPlan(geometry, pass: pass, table: table) {
      algorithm = .deep(plan)
    } else {
      let set = ConvolutionStencils(geometry, pass: pass, table: table)
      algorithm = .direct(set, ConvolutionPartition(set, tile: table.tile))
    }
  }

  /// The same pass with its weights packed block by block while it runs; nil where it cannot.
  ///
  /// Worth it where they change before each run, since nothing of them is kept.
  public var packingInRun: ConvolutionPlan? {
    guard case .winograd(let plan) = algorithm, let blocks = WinogradBlocks(plan, byTile: false)
    else { return nil }
    var result = self
    result.algorithm = .blocks(blocks)
    return result
  }

  /// The algorithm in a word or two, as plans are drawn.
  public var name: String {
    switch algorithm {
    case .deep: "unpacked weights"
    case .winograd: "Winograd"
    case .blocks: "Winograd in blocks"
    case .direct(let set, let partition):
      switch set.form {
      case .depthwise: "depthwise"
      case .dots: "dot products"
      case .blocks: partition.usesPatches ? "patches" : "rows"
      }
    }
  }

  /// The number of floats that the packed weights take; 0 where the pass reads the weights as they
  /// are, and then they are passed instead of packed ones.
  public var packedCount: Int {
    switch algorithm {
    case .deep, .blocks: 0
    case .winograd(let plan): plan.packedCount
    case .direct(let set, _): set.packedCount
    }
  }

  /// The number of floats of scratch memory that the pass takes with its kernels' pool.
  public var workspaceCount: Int {
    let threads = kernels.pool.threads
    return switch algorithm {
    case .deep(let plan): threads * plan.scratch
    case .blocks(let plan): plan.workspaceCount(threads: threads)
    case .winograd(let plan): threads * Kernels.paddedScratch(plan.scratch)
    case .direct(_, let partition): threads * Kernels.paddedScratch(partition.scratch)
    }
  }

  /// The number of parts of which a forward pass can tell mean and deviation while it stores them;
  /// nil when it cannot.
  public var momentParts: Int? {
    if case .winograd(let plan) = algorithm, pass == .forward { plan.batches } else { nil }
  }

  /// Whether a forward pass can store the maxima of its output's 2×2 windows too.
  public var canPool: Bool {
    geometry.outputHeight % 2 == 0 && geometry.outputWidth % 2 == 0 && momentParts != nil
  }

  /// Whether a forward pass can normalize its input and, unless `restStart` is 0, read the channels
  /// from there on from a second tensor.
  public func canLoad(restStart: Int = 0) -> Bool {
    if case .winograd = algorithm { pass == .forward && canSplit(restStart) } else { false }
  }

  /// Whether an input gradient can be stored in two tensors, the second from channel `restStart` on.
  public func canStoreApart(restStart: Int) -> Bool {
    pass == .inputGradient && canSplit(restStart)
  }

  /// Whether images may lie in two tensors.
  private func canSplit(_ restStart: Int) -> Bool {
    switch algorithm {
    case .winograd, .blocks: kernels.splits(geometry, at: restStart)
    case .deep, .direct: false
    }
  }

  /// Packs `weights` [kh, kw, C / groups, K] into the order in which the kernels read them.
  ///
  /// - Parameters:
  ///   - weights: The weights [kh, kw, C / groups, K].
  ///   - outputScale: A factor [K] of each filter (a folded batch normalization); only for a
  ///     forward pass whose packed count is not 0.
  ///   - packed: Memory of `packedCount` floats.
  public func pack(
    weights: UnsafePointer<Float>, outputScale: UnsafePointer<Float>? = nil,
    into packed: UnsafeMutablePointer<Float>
  ) {
    precondition(outputScale == nil || pass == .forward, "only the forward pass has a scale")
    switch algorithm {
    case .deep, .blocks:
      precondition(outputScale == nil, "weights that are not packed cannot be scaled")
    case .winograd(let plan):
      kernels.packWinograd(
        plan, geometry, pass: pass, weights: weights, outputScale: outputScale, packed: packed)
    case .direct(let set, _):
      kernels.packDirect(set, weights: weights, outputScale: outputScale, packed: packed)
    }
  }

  /// Runs the pass: the convolution of an input [N, H, W, C] into an output [N, H', W', K], or its
  /// adjoint from there to the gradient of the input, which is also the forward pass of a
  /// transposed convolution; every pixel is written.
  ///
  /// - Parameters:
  ///   - source: The input, or the gradient of the output; the first of two tensors that `loading`
  ///     joins.
  ///   - loading: How the input is put together; `canLoad` says what is possible.
  ///   - weights: The packed weights, or the weights themselves where `packedCount` is 0.
  ///   - epilogue: What is done to each sum before it is stored.
  ///   - result: The output, or the gradient of the input; nil when its maxima alone are needed.
  ///   - rest: Where its last channels lie, when that is elsewhere; `canStoreApart` says whether
  ///     that is possible.
  ///   - moments: Where mean [K], sum of squared deviations [K] and number of the output's pixels
  ///     are written for each of `momentParts`; nil when nobody needs them.
  ///   - pooled: Where the maxima [N, H' / 2, W' / 2, K] of the output's 2×2 windows are written;
  ///     nil when nobody needs them; `canPool` says whether that is possible.
  ///   - workspace: Memory of `workspaceCount` floats; may be nil when that is 0.
  public func run(
    _ source: UnsafePointer<Float>, loading: ConvolutionLoading = ConvolutionLoading(),
    weights: UnsafePointer<Float>, epilogue: ConvolutionEpilogue = ConvolutionEpilogue(),
    result: UnsafeMutablePointer<Float>?, rest: ConvolutionRest? = nil,
    moments: UnsafeMutablePointer<Float>? = nil, pooled: UnsafeMutablePointer<Float>? = nil,
    workspace: UnsafeMutablePointer<Float>?
  ) {
    precondition(
      loading.isPlain || canLoad(restStart: loading.restStart),
      "this convolution reads its input as it is")
    precondition(
      rest.map { canStoreApart(restStart: $0.start) } ?? true,
      "this convolution stores its result in one tensor")
    precondition(moments == nil || momentParts != nil, "this convolution gives no moments")
    precondition(pooled == nil || canPool, "this convolution does not pool")
    let isStored =
      if case .winograd = algorithm { pooled != nil || result != nil } else { result != nil }
    precondition(isStored, "this convolution needs an output")
    let call = ConvolutionCall(
      source: source, loading: loading, weights: weights, epilogue: ck_conv_epilogue(epilogue),
      result: result, rest: rest, moments: moments, pooled: pooled, workspace: workspace)
    switch algorithm {
    case .winograd(let plan): kernels.runWinograd(plan, call)
    case .blocks(let plan): kernels.runWinogradBlocks(plan, geometry, pass, call)
    case .deep(let plan): kernels.runDeep(plan, call)
    case .direct(let set, let partition): kernels.runDirect(set, partition, call)
    }
  }
}

/// The tensors of one run, as `ConvolutionPlan.run` takes them.
struct ConvolutionCall {
  let source: UnsafePointer<Float>
  let loading: ConvolutionLoading
  let weights: UnsafePointer<Float>
  let epilogue: ck_conv_epilogue
  let result: UnsafeMutablePointer<Float>?
  let rest: ConvolutionRest?
  let moments: UnsafeMutablePointer<Float>?
  let pooled: UnsafeMutablePointer<Float>?
  let workspace: UnsafeMutablePointer<Float>?

  /// The workspace of an algorithm that always takes one.
  var scratch: UnsafeMutablePointer<Float> {
    guard let workspace else { preconditionFailure("this convolution needs a workspace") }
    return workspace
  }
}

/// What fixes a plan: its sizes, its algorithm and the kernels that it was made for.
extension ConvolutionPlan: Hashable {
  private var key: [AnyHashable] { [geometry, pass, name] + kernels.key }

  public static func == (left: Self, right: Self) -> Bool { left.key == right.key }

  public func hash(into hasher: inout Hasher) { hasher.combine(key) }
}

extension Kernels {
  /// What the choice of an algorithm and the sizes of its memory depend on.
  var key: [AnyHashable] { [instructionSet, precision, pool.threads] }

  /// Whether Winograd's form can read or write its image in two tensors.
  func splits(_ g: ConvolutionGeometry, at restStart: Int) -> Bool {
    g.strideHeight == 1 && restStart % convolutionTable.pointee.vector == 0
  }
}
