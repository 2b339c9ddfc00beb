// Convolution, its adjoint the transposed convolution, and the weight gradient that both share.
//
// One pair of linear maps serves four purposes: convolution forward is the input gradient of the transposed convolution and
// the other way round, so each differentiates into the other.

import AtelierKernels

/// What convolution and its adjoint have in common: inputs, an epilogue and a normalization in the weights.
///
/// Inputs are those that `roles` names, in their order. A plan runs them as `PlannedConvolution`.
public protocol ConvolutionDescription: Operation {
  /// Which map of a convolution it is.
  static var pass: ConvolutionPass { get }
  /// What happens to the sums before they are stored.
  var epilogue: FusedEpilogue { get set }
  /// The epsilon of a batch normalization in inference form that is folded into the weights; nil when there is none.
  var foldedNormalization: Float? { get set }
  /// The sizes of the convolution, for the shapes of input and weights.
  func geometry(_ input: Shape, weights: Shape) throws(ShapeError) -> ConvolutionGeometry
}

extension ConvolutionDescription {
  public var treatsSamplesAlone: Bool { true }

  /// What each input is for.
  public var roles: [ConvolutionRole] {
    [.image, .weights] + epilogue.roles
      + (foldedNormalization == nil ? [] : ConvolutionRole.normalization)
  }

  /// The result [N, H, W, channels], or [N, channels] for a dense layer.
  public func outputShapes(_ inputs: [Shape]) throws(ShapeError) -> [Shape] {
    let roles = roles
    try expectInputs(inputs, roles.count)
    let g = try geometry(inputs[0], weights: inputs[1])
    let image: Shape =
      Self.pass == .forward
      ? [g.batch, g.outputHeight, g.outputWidth, g.outputChannels]
      : [g.batch, g.inputHeight, g.inputWidth, g.inputChannels]
    let result = inputs[0].rank == 2 ? [inputs[0].batch, image.channels] : image
    for (role, shape) in zip(roles, inputs) { try role.check(shape, result: result) }
    return [result]
  }

  public func planned(
    _ shapes: NodeShapes, _ kernels: Kernels
  ) throws(ShapeError) -> any Operation {
    PlannedConvolution(self, try geometry(shapes.inputs[0], weights: shapes.inputs[1]), kernels)
  }

  public func run(_ context: borrowing ExecutionContext) {
    preconditionFailure("layer \(context.name) runs in its planned form")
  }

  public func multiplyAdds(_ shapes: NodeShapes) -> Int {
    checked { () throws(ShapeError) in
      try geometry(shapes.inputs[0], weights: shapes.inputs[1]).multiplyAdds
    }
  }
}

/// Convolution (cross-correlation, as all deep-learning libraries mean it): [N, H, W, C] with weights [kh, kw, C / groups, K] gives [N, H', W', K].
///
/// Inputs: input, weights, then what the epilogue names, then gamma, beta, mean and variance when a normalization is folded in.
/// Rank-2 input [N, C] with weights [C, K] is a dense layer: a 1×1 convolution over N pixels.
public struct ConvolutionOperation: ConvolutionDescription {
  public static let kind = "convolution-2d"
  public static let pass = ConvolutionPass.forward
  /// Stride, padding, dilation, groups.
  public var attributes = ConvolutionAttributes()
  public var epilogue = FusedEpilogue()
  public var foldedNormalization: Float?

  public func geometry(_ input: Shape, weights: Shape) throws(ShapeError) -> ConvolutionGeometry {
    try attributes.geometry(input: input, weights: weights)
  }

  public func differentiate(_ context: inout Derivation) throws(ShapeError) -> [ValueID?] {
    let inputs = context.inputs
    let geometry = try geometry(context.shape(inputs[0]), weights: context.shape(inputs[1]))
    let (explicit, outputPadding) = ConvolutionAttributes.explicit(geometry)
    var gradients = [ValueID?](repeating: nil, count: inputs.count)
    let needsBias = epilogue.hasBias && context.isNeeded[2]
    if context.isNeeded[1] {
      let results = try context.append(
        ConvolutionWeightGradient(
          attributes: explicit, weights: context.shape(inputs[1]), hasBias: needsBias),
        [inputs[0], context.upstream])
      gradients[1] = results[0]
      if needsBias { gradients[2] = results[1] }
    } else if needsBias {
      gradients[2] = try context.one(ChannelSum(), [context.upstream])
    }
    if context.isNeeded[0] {
      gradients[0] = try context.one(
        TransposedConvolutionOperation(attributes: explicit, outputPadding: outputPadding),
        [context.upstream, inputs[1]])
    }
    return gradients
  }
}

/// Transposed convolution (Zeiler and others 2010): each value of [N, H', W', K] paints its kernel on [N, H, W, C], overlaps add.
///
/// The exact adjoint of `Convolution2D` with the same attributes and the same weights [kh, kw, C / groups, K], where C are the
/// output channels here. Output size: (in − 1) · stride − padding + dilation · (kernel − 1) + 1 + output padding.
public struct TransposedConvolutionOperation: ConvolutionDescription {
  public static let kind = "transposed-convolution-2d"
  public static let pass = ConvolutionPass.inputGradient
  /// Stride, padding, dilation, groups of the convolution whose adjoint this is.
  public var attributes: ConvolutionAttributes
  /// Rows below and columns to the right that the size formula would leave out.
  public var outputPadding: Extent = 0
  public var epilogue = FusedEpilogue()
  public var foldedNormalization: Float?

  public func geometry(_ input: Shape, weights: Shape) throws(ShapeError) -> ConvolutionGeometry {
    try attributes.adjointGeometry(input: input, weights: weights, outputPadding: outputPadding)
  }

  public func differentiate(_ context: inout Derivation) throws(ShapeError) -> [ValueID?] {
    let inputs = context.inputs
    let geometry = try geometry(context.shape(inputs[0]), weights: context.shape(inputs[1]))
    let (explicit, unread) = ConvolutionAttributes.explicit(geometry)
    var gradients = [ValueID?](repeating: nil, count: inputs.count)
    if epilogue.hasBias, context.isNeeded[2] {
      gradients[2] = try context.one(ChannelSum(), [context.upstream])
    }
    // Output padding of a whole stride or more (dilation allows it) would give the convolution windows that painted nothing.
    let surplus = Border(
      top: 0, bottom: unread.height / attributes.stride.height * attributes.stride.height, left: 0,
      right: unread.width / attributes.stride.width * attributes.stride.width)
    let painted =
      surplus == Border(0)
      ? context.upstream : try context.one(CropOperation(border: surplus), [context.upstream])
    if context.isNeeded[1] {
      gradients[1] = try context.one(
        ConvolutionWeightGradient(
          attributes: explicit, weights: context.shape(inputs[1]), hasBias: false),
        [painted, inputs[0]])
    }
    if context.isNeeded[0] {
      gradients[0] = try context.one(
        ConvolutionOperation(attributes: explicit), [painted, inputs[1]])
    }
    return gradients
  }
}

/// The gradient of the weights of a convolution: the sum over positions of upstream gradient times input.
///
/// Inputs: the convolution's input [N, H, W, C] and the gradient of its output [N, H', W', K]. Outputs: [kh, kw, C / groups, K] and,
/// with a bias, [K]. For a transposed convolution the two inputs change places. A plan runs it as `PlannedWeightGradient`.
public struct ConvolutionWeightGradient: Operation {
  public static let kind = "convolution-weight-gradient"
  /// The attributes with explicit padding.
  public var attributes: ConvolutionAttributes
  /// The shape of the weights.
  public var weights: Shape
  /// Whether the bias gradient is asked for too.
  public var hasBias: Bool

  /// The shapes of the weights and of the bias.
  public func outputShapes(_ inputs: [Shape]) throws(ShapeError) -> [Shape] {
    try expectInputs(inputs, 2)
    let geometry = try attributes.geometry(input: inputs[0], weights: weights)
    let output: Shape = [
      geometry.batch, geometry.outputHeight, geometry.outputWidth, geometry.outputChannels,
    ]
    guard output.isCountable, output.count == inputs[1].count else {
      throw ShapeError("expected a gradient of the elements of \(output); received \(inputs[1])")
    }
    return hasBias ? [weights, [geometry.outputChannels]] : [weights]
  }

  public func planned(
    _ shapes: NodeShapes, _ kernels: Kernels
  ) throws(ShapeError) -> any Operation {
    PlannedWeightGradient(
      self, try attributes.geometry(input: shapes.inputs[0], weights: weights), kernels)
  }

  public func run(_ context: borrowing ExecutionContext) {
    preconditionFailure("layer \(context.name) runs in its planned form")
  }

  public func multiplyAdds(_ shapes: NodeShapes) -> Int {
    checked { () throws(ShapeError) in
      try attributes.geometry(input: shapes.inputs[0], weights: weights).multiplyAdds
    }
  }
}

/// Sum over all axes but the last: [..., C] gives [C]; the gradient of a bias.
public struct ChannelSum: Operation {
  public static let kind = "channel-sum"

  public func outputShapes(_ inputs: [Shape]) throws(ShapeError) -> [Shape] {
    try expectInputs(inputs, 1)
    return [[inputs[0].channels]]
  }

  public func run(_ context: borrowing ExecutionContext) {
    let (pixels, channels) = context.shapes.inputs[0].matrix
    context.kernels.channelSum(context.input(0), context.output, pixels: pixels, channels: channels)
  }
}
