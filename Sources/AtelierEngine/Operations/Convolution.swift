// Convolution, its adjoint the transposed convolution, and the weight gradient that both share.
//
// One pair of linear maps serves four purposes: convolution forward is the input gradient of the transposed convolution and
// the other way round, so each differentiates into the other.

import AtelierKernels

/// Convolution (cross-correlation, as all deep-learning libraries mean it): [N, H, W, C] with weights [kh, kw, C / groups, K] gives [N, H', W', K].
///
/// Inputs: input, weights, then what the epilogue names, then gamma, beta, mean and variance when a normalization is folded in.
/// Rank-2 input [N, C] with weights [C, K] is a dense layer: a 1×1 convolution over N pixels.
public struct ConvolutionOperation: Operation {
  public static let kind = "convolution-2d"
  public var treatsSamplesAlone: Bool { true }
  /// Stride, padding, dilation, groups.
  public var attributes: ConvolutionAttributes
  /// What happens to the sums before they are stored.
  public var epilogue: FusedEpilogue
  /// The epsilon of a batch normalization in inference form that is folded into the weights; nil when there is none.
  public var foldedNormalization: Float?
  /// What is done to the input while it is loaded; its inputs follow all others.
  public var loading: InputLoading?
  /// When set, a second output gives mean [K], squared deviations [K] and number of pixels of so many parts of the result.
  public var momentParts: Int?
  /// Whether a second output gives the maxima [N, H' / 2, W' / 2, K] of the result's 2×2 windows; not together with moments.
  public var poolsResult = false
  /// Whether the weights change before each run and are packed while it runs.
  public var packsInRun = false

  // What plans add does not stand in model files.
  private enum CodingKeys: String, CodingKey {
    case attributes, epilogue, foldedNormalization
  }

  /// Makes a convolution.
  public init(_ attributes: ConvolutionAttributes = .init(), epilogue: FusedEpilogue = .init()) {
    self.attributes = attributes
    self.epilogue = epilogue
  }

  /// The result [N, H', W', K], or [N, K] for a dense layer.
  public func outputShapes(_ inputs: [Shape]) throws(ShapeError) -> [Shape] {
    let first = 2 + epilogue.inputCount
    try expectInputs(inputs, loadingStart + (loading?.inputCount ?? 0))
    let geometry = try attributes.geometry(input: loaded(inputs), weights: inputs[1])
    let result: Shape =
      inputs[0].rank == 2
      ? [inputs[0].batch, geometry.outputChannels]
      : [
        geometry.batch, geometry.outputHeight, geometry.outputWidth, geometry.outputChannels,
      ]
    try epilogue.check(inputs[2..<first], result: result)
    try epilogue.checkFolded(inputs[first..<loadingStart], result: result)
    if let momentParts { return [result, [momentParts, 2 * result.channels + 1]] }
    if poolsResult { return [result, try PoolAttributes(window: 2).pooledShape(result)] }
    return [result]
  }

  /// Where the inputs of `loading` start.
  private var loadingStart: Int { 2 + epilogue.inputCount + (foldedNormalization == nil ? 0 : 4) }

  /// The shape of the input that is convolved.
  private func loaded(_ inputs: [Shape]) throws(ShapeError) -> Shape {
    try loading?.shape(of: inputs[0], inputs[loadingStart...]) ?? inputs[0]
  }

  /// The sizes of the convolution, of the pieces of its input together.
  public func geometry(_ shapes: NodeShapes) -> ConvolutionGeometry {
    var geometry = checked { () throws(ShapeError) in
      try attributes.geometry(input: loaded(shapes.inputs), weights: shapes.inputs[1])
    }
    geometry.packsInRun = packsInRun
    return geometry
  }

  public func workspaceCount(_ shapes: NodeShapes, _ kernels: Kernels) -> Int {
    (loading?.workspaceCount(shapes.inputs[0]) ?? 0)
      + kernels.convolutionWorkspaceCount(geometry(shapes), pass: .forward)
  }

  public func preparedCount(_ shapes: NodeShapes, _ kernels: Kernels) -> Int {
    PackedWeights(geometry(shapes), .forward, foldedNormalization).count(kernels)
  }

  public func prepare(_ context: borrowing ExecutionContext) {
    PackedWeights(geometry(context.shapes), .forward, foldedNormalization)
      .prepare(context, bias: epilogue.hasBias ? 2 : nil, end: loadingStart)
  }

  public func run(_ context: borrowing ExecutionContext) {
    let geometry = geometry(context.shapes)
    let packing = PackedWeights(geometry, .forward, foldedNormalization)
    let reserved = loading?.workspaceCount(context.shapes.inputs[0]) ?? 0
    context.kernels.convolutionForward(
      geometry, input: context.input(0),
      loading: loading?.bound(context, first: loadingStart) ?? ConvolutionLoading(),
      packedWeights: packing.weights(context), epilogue: packing.bound(epilogue, context),
      output: poolsResult ? context.output(0) : context.output,
      moments: momentParts == nil ? nil : context.output(1),
      pooled: poolsResult ? context.output(1) : nil,
      workspace: context.workspace.map { $0 + reserved })
  }

  public func differentiate(
    _ context: inout DifferentiationContext
  ) throws(ShapeError) -> [ValueID?] {
    let inputs = context.node.inputs
    guard let upstream = context.upstream[0] else { return inputs.map { _ in nil } }
    let geometry = try attributes.geometry(
      input: context.shape(inputs[0]), weights: context.shape(inputs[1]))
    let (explicit, outputPadding) = ConvolutionAttributes.explicit(geometry)
    var gradients = [ValueID?](repeating: nil, count: inputs.count)
    let needsBias = epilogue.hasBias && context.isNeeded[2]
    if context.isNeeded[1] {
      let results = try context.append(
        ConvolutionWeightGradient(explicit, weights: context.shape(inputs[1]), hasBias: needsBias),
        [inputs[0], upstream])
      gradients[1] = results[0]
      if needsBias { gradients[2] = results[1] }
    } else if needsBias {
      gradients[2] = try context.one(ChannelSum(), [upstream])
    }
    if context.isNeeded[0] {
      gradients[0] = try context.one(
        TransposedConvolutionOperation(explicit, outputPadding: outputPadding),
        [upstream, inputs[1]])
    }
    return gradients
  }

  public func multiplyAdds(_ shapes: NodeShapes) -> Int { geometry(shapes).multiplyAdds }
}

/// Transposed convolution (Zeiler and others 2010): each value of [N, H', W', K] paints its kernel on [N, H, W, C], overlaps add.
///
/// The exact adjoint of `Convolution2D` with the same attributes and the same weights [kh, kw, C / groups, K], where C are the
/// output channels here. Output size: (in − 1) · stride − padding + dilation · (kernel − 1) + 1 + output padding.
public struct TransposedConvolutionOperation: Operation {
  public static let kind = "transposed-convolution-2d"
  public var treatsSamplesAlone: Bool { true }
  /// Stride, padding, dilation, groups of the convolution whose adjoint this is.
  public var attributes: ConvolutionAttributes
  /// Rows below and columns to the right that the size formula would leave out.
  public var outputPadding: Extent
  /// What happens to the sums before they are stored.
  public var epilogue: FusedEpilogue
  /// The epsilon of a batch normalization in inference form that is folded into the weights; nil when there is none.
  public var foldedNormalization: Float?
  /// When set, the channels from here on are a second output: the gradient of a concatenation.
  public var restStart: Int?
  /// Whether the weights change before each run and are packed while it runs.
  public var packsInRun = false

  // What plans add does not stand in model files.
  private enum CodingKeys: String, CodingKey {
    case attributes, outputPadding, epilogue, foldedNormalization
  }

  /// Makes a transposed convolution.
  public init(
    _ attributes: ConvolutionAttributes, outputPadding: Extent = 0,
    epilogue: FusedEpilogue = .init()
  ) {
    self.attributes = attributes
    self.outputPadding = outputPadding
    self.epilogue = epilogue
  }

  /// The result [N, H, W, C], or [N, C] for a dense layer's gradient.
  public func outputShapes(_ inputs: [Shape]) throws(ShapeError) -> [Shape] {
    let first = 2 + epilogue.inputCount
    try expectInputs(inputs, first + (foldedNormalization == nil ? 0 : 4))
    let geometry = try attributes.adjointGeometry(
      input: inputs[0], weights: inputs[1], outputPadding: outputPadding)
    let result: Shape =
      inputs[0].rank == 2
      ? [inputs[0].batch, geometry.inputChannels]
      : [geometry.batch, geometry.inputHeight, geometry.inputWidth, geometry.inputChannels]
    try epilogue.check(inputs[2..<first], result: result)
    try epilogue.checkFolded(inputs[first...], result: result)
    guard let restStart else { return [result] }
    guard restStart > 0, restStart < result.channels else {
      throw ShapeError("\(result.channels) channels cannot be cut at \(restStart)")
    }
    return [restStart, result.channels - restStart].map {
      Shape(result.dimensions.dropLast() + [$0])
    }
  }

  /// The sizes of the convolution whose adjoint this is.
  public func geometry(_ shapes: NodeShapes) -> ConvolutionGeometry {
    var geometry = checked { () throws(ShapeError) in
      try attributes.adjointGeometry(
        input: shapes.inputs[0], weights: shapes.inputs[1], outputPadding: outputPadding)
    }
    geometry.packsInRun = packsInRun
    return geometry
  }

  public func workspaceCount(_ shapes: NodeShapes, _ kernels: Kernels) -> Int {
    kernels.convolutionWorkspaceCount(geometry(shapes), pass: .inputGradient)
  }

  public func preparedCount(_ shapes: NodeShapes, _ kernels: Kernels) -> Int {
    PackedWeights(geometry(shapes), .inputGradient, foldedNormalization).count(kernels)
  }

  public func prepare(_ context: borrowing ExecutionContext) {
    PackedWeights(geometry(context.shapes), .inputGradient, foldedNormalization)
      .prepare(context, bias: epilogue.hasBias ? 2 : nil, end: context.shapes.inputs.count)
  }

  public func run(_ context: borrowing ExecutionContext) {
    let geometry = geometry(context.shapes)
    let packing = PackedWeights(geometry, .inputGradient, foldedNormalization)
    context.kernels.convolutionInputGradient(
      geometry, outputGradient: context.input(0), packedWeights: packing.weights(context),
      epilogue: packing.bound(epilogue, context), inputGradient: context.output,
      rest: restStart.map { start in
        guard let tensor = context.output(1) else {
          preconditionFailure("layer \(context.name) is cut although nobody reads its second part")
        }
        return ConvolutionRest(start: start, tensor: tensor)
      }, workspace: context.workspace)
  }

  public func differentiate(
    _ context: inout DifferentiationContext
  ) throws(ShapeError) -> [ValueID?] {
    let inputs = context.node.inputs
    guard let upstream = context.upstream[0] else { return inputs.map { _ in nil } }
    let geometry = try attributes.adjointGeometry(
      input: context.shape(inputs[0]), weights: context.shape(inputs[1]),
      outputPadding: outputPadding)
    let (explicit, unread) = ConvolutionAttributes.explicit(geometry)
    var gradients = [ValueID?](repeating: nil, count: inputs.count)
    if epilogue.hasBias, context.isNeeded[2] {
      gradients[2] = try context.one(ChannelSum(), [upstream])
    }
    // Output padding of a whole stride or more (dilation allows it) would give the convolution windows that painted nothing.
    let surplus = Border(
      top: 0, bottom: unread.height / attributes.stride.height * attributes.stride.height, left: 0,
      right: unread.width / attributes.stride.width * attributes.stride.width)
    let painted =
      surplus == Border(0) ? upstream : try context.one(CropOperation(surplus), [upstream])
    if context.isNeeded[1] {
      gradients[1] = try context.one(
        ConvolutionWeightGradient(explicit, weights: context.shape(inputs[1]), hasBias: false),
        [painted, inputs[0]])
    }
    if context.isNeeded[0] {
      gradients[0] = try context.one(ConvolutionOperation(explicit), [painted, inputs[1]])
    }
    return gradients
  }

  public func multiplyAdds(_ shapes: NodeShapes) -> Int { geometry(shapes).multiplyAdds }
}

/// The gradient of the weights of a convolution: the sum over positions of upstream gradient times input.
///
/// Inputs: the convolution's input [N, H, W, C] and the gradient of its output [N, H', W', K]. Outputs: [kh, kw, C / groups, K] and,
/// with a bias, [K]. For a transposed convolution the two inputs change places.
public struct ConvolutionWeightGradient: Operation {
  public static let kind = "convolution-weight-gradient"
  /// The attributes with explicit padding.
  public var attributes: ConvolutionAttributes
  /// The shape of the weights.
  public var weights: Shape
  /// Whether the bias gradient is asked for too.
  public var hasBias: Bool
  /// What is done to the input while it is loaded; its inputs follow the gradient.
  public var loading: InputLoading?

  // What plans add does not stand in model files.
  private enum CodingKeys: String, CodingKey {
    case attributes, weights, hasBias
  }

  init(_ attributes: ConvolutionAttributes, weights: Shape, hasBias: Bool) {
    self.attributes = attributes
    self.weights = weights
    self.hasBias = hasBias
  }

  /// The shapes of the weights and of the bias.
  public func outputShapes(_ inputs: [Shape]) throws(ShapeError) -> [Shape] {
    try expectInputs(inputs, 2 + (loading?.inputCount ?? 0))
    let geometry = try attributes.geometry(input: loaded(inputs), weights: weights)
    let output: Shape = [
      geometry.batch, geometry.outputHeight, geometry.outputWidth, geometry.outputChannels,
    ]
    guard output.isCountable, output.count == inputs[1].count else {
      throw ShapeError("expected a gradient of the elements of \(output); received \(inputs[1])")
    }
    return hasBias ? [weights, [geometry.outputChannels]] : [weights]
  }

  /// The shape of the convolution's input.
  private func loaded(_ inputs: [Shape]) throws(ShapeError) -> Shape {
    try loading?.shape(of: inputs[0], inputs[2...]) ?? inputs[0]
  }

  /// The sizes of the convolution.
  public func geometry(_ shapes: NodeShapes) -> ConvolutionGeometry {
    checked { () throws(ShapeError) in
      try attributes.geometry(input: loaded(shapes.inputs), weights: weights)
    }
  }

  public func workspaceCount(_ shapes: NodeShapes, _ kernels: Kernels) -> Int {
    (loading?.workspaceCount(shapes.inputs[0]) ?? 0)
      + kernels.convolutionWeightGradientWorkspaceCount(geometry(shapes))
  }

  public func run(_ context: borrowing ExecutionContext) {
    let reserved = loading?.workspaceCount(context.shapes.inputs[0]) ?? 0
    context.kernels.convolutionWeightGradient(
      geometry(context.shapes), input: context.input(0),
      loading: loading?.bound(context, first: 2) ?? ConvolutionLoading(),
      outputGradient: context.input(1), weightGradient: context.output,
      biasGradient: hasBias ? context.output(1) : nil,
      workspace: context.workspace.map { $0 + reserved })
  }

  public func multiplyAdds(_ shapes: NodeShapes) -> Int { geometry(shapes).multiplyAdds }
}

/// Sum over all axes but the last: [..., C] gives [C]; the gradient of a bias.
public struct ChannelSum: Operation {
  public static let kind = "channel-sum"

  /// [C].
  public func outputShapes(_ inputs: [Shape]) throws(ShapeError) -> [Shape] {
    try expectInputs(inputs, 1)
    return [[inputs[0].channels]]
  }

  public func run(_ context: borrowing ExecutionContext) {
    let shape = context.shapes.inputs[0]
    context.kernels.channelSum(
      context.input(0), context.output, pixels: shape.count / shape.channels,
      channels: shape.channels)
  }
}

/// What a (transposed) convolution keeps ready: packed weights and, with a folded normalization, the folded bias.
private struct PackedWeights {
  let geometry: ConvolutionGeometry
  let pass: ConvolutionPass
  let epsilon: Float?

  init(_ geometry: ConvolutionGeometry, _ pass: ConvolutionPass, _ epsilon: Float?) {
    self.geometry = geometry
    self.pass = pass
    self.epsilon = epsilon
  }

  /// Channels of the result.
  private var channels: Int {
    pass == .forward ? geometry.outputChannels : geometry.inputChannels
  }

  /// Floats of packed weights, rounded to cache lines; 0 where the kernel reads the weights as they are.
  private func packedCount(_ kernels: Kernels) -> Int {
    (kernels.convolutionPackedCount(geometry, pass: pass) + 15) / 16 * 16
  }

  func count(_ kernels: Kernels) -> Int {
    let packed = packedCount(kernels)
    return epsilon == nil ? packed : packed + channels + geometry.weightCount
  }

  /// What the kernel reads: packed weights, or the weights themselves (those with the normalization in them).
  func weights(_ context: borrowing ExecutionContext) -> UnsafePointer<Float> {
    let packed = packedCount(context.kernels)
    if packed > 0 { return UnsafePointer(context.prepared) }
    return epsilon == nil ? context.input(1) : UnsafePointer(context.prepared + channels)
  }

  /// Packs the weights; the vectors of a folded normalization end before input `end`.
  func prepare(_ context: borrowing ExecutionContext, bias: Int?, end: Int) {
    let packed = context.prepared
    guard let epsilon else {
      context.kernels.packConvolutionWeights(
        geometry, pass: pass, weights: context.input(1), outputScale: nil, packed: packed)
      return
    }
    let first = end - 4
    let (gamma, beta) = (context.input(first), context.input(first + 1))
    let (mean, variance) = (context.input(first + 2), context.input(first + 3))
    let shift = packed + packedCount(context.kernels)
    let scaled = shift + channels
    let weights = context.input(1)
    let perGroup = geometry.inputChannels / geometry.groups
    let filters = geometry.outputChannels
    var scales = [Float](repeating: 0, count: channels)
    for channel in 0..<channels {
      scales[channel] = gamma[channel] / (variance[channel] + epsilon).squareRoot()
      let start = bias.map { context.input($0)[channel] } ?? 0
      shift[channel] = beta[channel] + (start - mean[channel]) * scales[channel]
    }
    for index in 0..<geometry.weightCount {
      let filter = index % filters
      let channel =
        pass == .forward
        ? filter
        : index / filters % perGroup + filter / (filters / geometry.groups) * perGroup
      scaled[index] = weights[index] * scales[channel]
    }
    if shift != packed {
      context.kernels.packConvolutionWeights(
        geometry, pass: pass, weights: UnsafePointer(scaled), outputScale: nil, packed: packed)
    }
  }

  /// The epilogue with its tensors; the bias is the folded one where there is one.
  func bound(
    _ epilogue: FusedEpilogue, _ context: borrowing ExecutionContext
  ) -> ConvolutionEpilogue {
    var bound = epilogue.bound(context, first: 2)
    if epsilon != nil {
      bound.bias = UnsafePointer(context.prepared + packedCount(context.kernels))
    }
    return bound
  }
}

/// Runs a shape rule on shapes that tracing has accepted already.
func checked<Result>(_ body: () throws(ShapeError) -> Result) -> Result {
  do throws(ShapeError) {
    return try body()
  } catch {
    preconditionFailure("a validated node breaks its own shape rule: \(error)")
  }
}
