// Convolutions as plans run them: the algorithm, what they do for their neighbours while they load
// and store, and the packed weights.

import AtelierKernels

/// A planned form that can put its image together while it loads it.
protocol LoadingOperation: PlannedOperation {
  /// What is done to the image while it is loaded; its inputs follow all others.
  var loading: InputLoading? { get set }
  var inputs: ConvolutionInputs { get set }
  /// Whether the image can be normalized and, unless `restStart` is 0, read from two tensors.
  func canLoad(restStart: Int) -> Bool
}

extension LoadingOperation {
  /// The same with a loading.
  func withLoading(_ loading: InputLoading) -> Self {
    var result = self
    result.loading = loading
    result.inputs.roles += loading.roles
    return result
  }
}

/// A convolution, or its adjoint, as a plan runs it.
///
/// Inputs are those of the operation and then those of `loading`. A second output may follow the result: see `Second`.
public struct PlannedConvolution<Described: ConvolutionDescription>: LoadingOperation {
  /// What a second output is.
  public enum Second: Sendable, Hashable {
    /// Mean [K], squared deviations [K] and number of pixels of so many parts of the result, for a batch normalization.
    case moments(parts: Int)
    /// The maxima [N, H' / 2, W' / 2, K] of the result's 2×2 windows.
    case maxima
    /// The channels from here on, which the first output then lacks: the gradient of a concatenation.
    case rest(start: Int)
  }

  public static var kind: String { Described.kind }
  /// What it computes.
  public let operation: Described
  /// How it does.
  public private(set) var plan: ConvolutionPlan
  public internal(set) var loading: InputLoading?
  /// What is stored beside the result; nil where nothing is.
  public internal(set) var second: Second?
  var inputs: ConvolutionInputs

  init(_ operation: Described, _ geometry: ConvolutionGeometry, _ kernels: Kernels) {
    self.operation = operation
    plan = ConvolutionPlan(geometry, Described.pass, kernels)
    inputs = ConvolutionInputs(roles: operation.roles)
  }

  public var algorithm: String? { plan.name }

  func canLoad(restStart: Int) -> Bool { loading == nil && plan.canLoad(restStart: restStart) }

  /// The same with its weights packed block by block while it runs; nil where it cannot, or where it does more than convolve.
  var packingInRun: Self? {
    guard operation.foldedNormalization == nil, loading == nil, let blocks = plan.packingInRun
    else { return nil }
    if case .rest? = second {} else if second != nil { return nil }
    var result = self
    result.plan = blocks
    return result
  }

  /// The operation's result, and the second output.
  public func outputShapes(_ inputs: [Shape]) throws(ShapeError) -> [Shape] {
    let own = operation.roles.count
    try expectInputs(inputs, self.inputs.roles.count)
    let image = try loading?.shape(of: inputs[0], inputs[own...]) ?? inputs[0]
    let result = try operation.outputShapes([image] + inputs[1..<own])[0]
    switch second {
    case nil: return [result]
    case .moments(let parts): return [result, [parts, 2 * result.channels + 1]]
    case .maxima: return [result, try PoolAttributes(window: 2).pooledShape(result)]
    case .rest(let start):
      return [start, result.channels - start].map { Shape(result.dimensions.dropLast() + [$0]) }
    }
  }

  public func workspaceCount(_ shapes: NodeShapes, _ kernels: Kernels) -> Int {
    (loading?.workspaceCount(shapes.inputs[0]) ?? 0) + plan.workspaceCount
  }

  public func run(_ context: borrowing ExecutionContext) {
    let reserved = loading?.workspaceCount(context.shapes.inputs[0]) ?? 0
    let packed = packedCount
    let epsilon = operation.foldedNormalization
    let weights: UnsafePointer<Float> =
      packed > 0
      ? UnsafePointer(context.prepared)
      : epsilon == nil
        ? inputs.required(.weights, context) : UnsafePointer(context.prepared + channels)
    let epilogue = ConvolutionEpilogue(
      bias: epsilon == nil
        ? inputs.pointer(.bias, context) : UnsafePointer(context.prepared + packed),
      addend: inputs.pointer(.addend, context), activation: operation.epilogue.activation,
      mask: inputs.pointer(.mask, context), maskSlope: operation.epilogue.maskSlope ?? 0)
    var rest: ConvolutionRest?
    var (moments, maxima): (UnsafeMutablePointer<Float>?, UnsafeMutablePointer<Float>?)
    switch second {
    case nil: break
    case .moments: moments = context.output(1)
    case .maxima: maxima = context.output(1)
    case .rest(let start):
      guard let tensor = context.output(1) else {
        preconditionFailure("layer \(context.name) is cut although nobody reads its second part")
      }
      rest = ConvolutionRest(start: start, tensor: tensor)
    }
    plan.run(
      context.input(0), loading: inputs.bound(loading, context), weights: weights,
      epilogue: epilogue, result: maxima == nil ? context.output : context.output(0), rest: rest,
      moments: moments, pooled: maxima, workspace: context.workspace.map { $0 + reserved })
  }

  public func multiplyAdds(_ shapes: NodeShapes) -> Int { plan.geometry.multiplyAdds }

  public func kernelCase(_ shapes: NodeShapes) -> KernelCase? {
    Described.pass == .forward ? .convolution(plan.geometry) : .inputGradient(plan.geometry)
  }
}

/// The packed weights and, with a folded normalization, the folded bias and the scaled weights.
extension PlannedConvolution {
  /// Channels of the result.
  private var channels: Int {
    Described.pass == .forward ? plan.geometry.outputChannels : plan.geometry.inputChannels
  }

  /// Floats of packed weights, rounded to cache lines; 0 where the kernel reads the weights as they are.
  private var packedCount: Int { (plan.packedCount + 15) / 16 * 16 }

  public func preparedCount(_ shapes: NodeShapes, _ kernels: Kernels) -> Int {
    operation.foldedNormalization == nil
      ? packedCount : packedCount + channels + plan.geometry.weightCount
  }

  public func prepare(_ context: borrowing ExecutionContext) {
    let packed = context.prepared
    let weights = inputs.required(.weights, context)
    guard let epsilon = operation.foldedNormalization else {
      return plan.pack(weights: weights, into: packed)
    }
    let (gamma, beta) = (inputs.required(.gamma, context), inputs.required(.beta, context))
    let (mean, variance) = (inputs.required(.mean, context), inputs.required(.variance, context))
    let bias = inputs.pointer(.bias, context)
    let shift = packed + packedCount
    let scaled = shift + channels
    let geometry = plan.geometry
    let perGroup = geometry.inputChannels / geometry.groups
    let filters = geometry.outputChannels
    var scales = [Float](repeating: 0, count: channels)
    for channel in 0..<channels {
      scales[channel] = gamma[channel] / (variance[channel] + epsilon).squareRoot()
      shift[channel] = beta[channel] + ((bias?[channel] ?? 0) - mean[channel]) * scales[channel]
    }
    for index in 0..<geometry.weightCount {
      let filter = index % filters
      let channel =
        Described.pass == .forward
        ? filter : index / filters % perGroup + filter / (filters / geometry.groups) * perGroup
      scaled[index] = weights[index] * scales[channel]
    }
    if shift != packed { plan.pack(weights: UnsafePointer(scaled), into: packed) }
  }
}

/// A weight gradient as a plan runs it: inputs are those of the operation and then those of `loading`.
public struct PlannedWeightGradient: LoadingOperation {
  public static let kind = ConvolutionWeightGradient.kind
  /// What it computes.
  public let operation: ConvolutionWeightGradient
  /// How it does.
  public let plan: WeightGradientPlan
  public internal(set) var loading: InputLoading?
  var inputs = ConvolutionInputs(roles: [.image, .upstream])

  init(
    _ operation: ConvolutionWeightGradient, _ geometry: ConvolutionGeometry, _ kernels: Kernels
  ) {
    self.operation = operation
    plan = WeightGradientPlan(geometry, kernels)
  }

  public var algorithm: String? { plan.name }

  func canLoad(restStart: Int) -> Bool { loading == nil && plan.canLoad(restStart: restStart) }

  public func outputShapes(_ inputs: [Shape]) throws(ShapeError) -> [Shape] {
    try expectInputs(inputs, self.inputs.roles.count)
    let image = try loading?.shape(of: inputs[0], inputs[2...]) ?? inputs[0]
    return try operation.outputShapes([image, inputs[1]])
  }

  public func workspaceCount(_ shapes: NodeShapes, _ kernels: Kernels) -> Int {
    (loading?.workspaceCount(shapes.inputs[0]) ?? 0) + plan.workspaceCount
  }

  public func run(_ context: borrowing ExecutionContext) {
    let reserved = loading?.workspaceCount(context.shapes.inputs[0]) ?? 0
    plan.run(
      input: context.input(0), loading: inputs.bound(loading, context),
      outputGradient: inputs.required(.upstream, context), weightGradient: context.output,
      biasGradient: operation.hasBias ? context.output(1) : nil,
      workspace: context.workspace.map { $0 + reserved })
  }

  public func multiplyAdds(_ shapes: NodeShapes) -> Int { plan.geometry.multiplyAdds }

  public func kernelCase(_ shapes: NodeShapes) -> KernelCase? { .weightGradient(plan.geometry) }
}
