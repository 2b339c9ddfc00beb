// What each operation of the engine is in ONNX.

import AtelierEngine
import AtelierKernels

extension ONNXWriter {
  /// Writes a node of the graph.
  mutating func write(_ node: Graph.Node) throws(ShapeError) {
    let result: String
    let output = node.outputs[0]
    switch node.operation {
    case let operation as ConvolutionOperation: result = try convolution(operation, node)
    case let operation as TransposedConvolutionOperation: result = try transposed(operation, node)
    case let operation as MaxPoolOperation: return try maxPool(operation, node)
    case let operation as MaxUnpoolOperation: result = try maxUnpool(operation, node)
    case let operation as AveragePoolOperation:
      result = one(
        "AveragePool", [try name(node.inputs[0])], node.name,
        try pooling(operation.attributes)
          + [.integer("count_include_pad", operation.countIncludesPadding ? 1 : 0)])
    case is GlobalAveragePoolOperation:
      let mean = one("GlobalAveragePool", [try name(node.inputs[0])], node.name + "/mean")
      result = one("Flatten", [mean], node.name)
    case let operation as ActivationOperation:
      result = try activation(operation.activation, try name(node.inputs[0]), node.name)
      pass(flatOf: node.inputs[0], to: output)
    case let operation as BinaryOperation:
      result = try binary(operation.operator, node)
    case let operation as AffineOperation:
      result = affine(operation, try name(node.inputs[0]), node.name)
      pass(flatOf: node.inputs[0], to: output)
    case let operation as ClampOperation:
      result = one(
        "Clip",
        [
          try name(node.inputs[0]), scalar(node.name + "/lower", operation.lower),
          scalar(node.name + "/upper", operation.upper),
        ], node.name)
    case is DropoutOperation:
      names[output] = try name(node.inputs[0])
      return pass(flatOf: node.inputs[0], to: output)
    case is SoftmaxOperation:
      result = one(
        "Softmax", [try name(node.inputs[0])], node.name,
        [.integer("axis", channelAxis(shape(output)))])
    case is MeanOperation:
      result = one("ReduceMean", [try name(node.inputs[0])], node.name, [.integer("keepdims", 0)])
    default: result = try writeMoving(node)
    }
    names[output] = result
  }

  /// The axis of the channels there.
  func channelAxis(_ shape: Shape) -> Int { shape.rank == 4 ? 1 : max(shape.rank - 1, 0) }

  /// A value that keeps the order of a flattened image.
  private mutating func pass(flatOf input: ValueID, to output: ValueID) {
    flattened[output] = flattened[input]
  }

  /// Operations that move numbers or resize, and normalizations.
  private mutating func writeMoving(_ node: Graph.Node) throws(ShapeError) -> String {
    let output = shape(node.outputs[0])
    switch node.operation {
    case is ConcatenateOperation:
      var inputs: [String] = []
      for input in node.inputs { inputs.append(try name(input)) }
      return one("Concat", inputs, node.name, [.integer("axis", channelAxis(output))])
    case let operation as ChannelSlice:
      let axis = channelAxis(output)
      return slice(
        try name(node.inputs[0]), node.name, [operation.start],
        [operation.start + operation.count], [axis])
    case let operation as ChannelEmbed:
      var pads = [Int](repeating: 0, count: 2 * output.rank)
      let axis = channelAxis(output)
      pads[axis] = operation.start
      pads[axis + output.rank] =
        operation.total - operation.start - shape(node.inputs[0]).channels
      return one(
        "Pad", [try name(node.inputs[0]), integers(node.name + "/border", pads)], node.name)
    case let operation as PadOperation: return try pad(operation, node)
    case let operation as CropOperation:
      let border = operation.border
      let large = shape(node.inputs[0])
      // Ends from the far side, so that other sizes are cut alike.
      let ends = [
        border.bottom == 0 ? Int(Int32.max) : -border.bottom,
        border.right == 0 ? Int(Int32.max) : -border.right,
      ]
      _ = large
      return slice(
        try name(node.inputs[0]), node.name, [border.top, border.left], ends, [2, 3])
    case is ReshapeOperation: return try reshape(node)
    case is JoinBatches:
      var inputs: [String] = []
      for input in node.inputs { inputs.append(try name(input)) }
      return one("Concat", inputs, node.name, [.integer("axis", 0)])
    case is BatchNormalizationOperation, is GroupNormalizationOperation:
      return try normalization(node)
    case let operation as NearestUnpoolOperation:
      return try scaled(node, operation.window, "nearest", "asymmetric")
    case let operation as BedOfNailsUnpoolOperation:
      var taps = [Float](repeating: 0, count: operation.window.height * operation.window.width)
      taps[0] = 1
      let channels = output.channels
      let weights = Tensor(
        [channels, 1, operation.window.height, operation.window.width],
        (0..<channels).flatMap { _ in taps })
      return one(
        "ConvTranspose", [try name(node.inputs[0]), constant(node.name + "/nails", weights)],
        node.name,
        [
          .integer("group", channels),
          .integers("strides", [operation.window.height, operation.window.width]),
          .integers("kernel_shape", [operation.window.height, operation.window.width]),
        ])
    case let operation as Subsample:
      return one(
        "MaxPool", [try name(node.inputs[0])], node.name,
        [
          .integers("kernel_shape", [1, 1]),
          .integers("strides", [operation.window.height, operation.window.width]),
        ])
    case let operation as SumPool:
      let sizes = [operation.window.height, operation.window.width]
      let mean = one(
        "AveragePool", [try name(node.inputs[0])], node.name + "/mean",
        [.integers("kernel_shape", sizes), .integers("strides", sizes)])
      return affine(AffineOperation(scale: Float(sizes[0] * sizes[1])), mean, node.name)
    case let operation as BilinearResizeOperation:
      switch operation.target {
      case .factor(let factor): return try scaled(node, factor, "linear", "half_pixel")
      case .size(let size):
        return try sized(
          node, size, "linear", [.text("coordinate_transformation_mode", "half_pixel")])
      }
    case let operation as PixelShuffleOperation:
      return one(
        "DepthToSpace", [try name(node.inputs[0])], node.name,
        [.integer("blocksize", operation.block), .text("mode", "DCR")])
    case let operation as SpaceToDepthOperation:
      return one(
        "SpaceToDepth", [try name(node.inputs[0])], node.name,
        [.integer("blocksize", operation.block)])
    case let operation as RegionAlignOperation: return try regionAlign(operation, node)
    default: return try writeForeign(node)
    }
  }

  mutating func slice(
    _ input: String, _ layer: String, _ starts: [Int], _ ends: [Int], _ axes: [Int],
    steps: [Int]? = nil
  ) -> String {
    var inputs = [
      input, integers(layer + "/begins", starts), integers(layer + "/ends", ends),
      integers(layer + "/axes", axes),
    ]
    if let steps { inputs.append(integers(layer + "/steps", steps)) }
    return one("Slice", inputs, layer)
  }

  // MARK: - Convolutions

  /// The attributes of a convolution's window but for its border.
  private func window(_ attributes: ConvolutionAttributes, _ weights: Shape) -> [Attribute] {
    [
      .integers("kernel_shape", [weights[0], weights[1]]),
      .integers("strides", [attributes.stride.height, attributes.stride.width]),
      .integers("dilations", [attributes.dilation.height, attributes.dilation.width]),
      .integer("group", attributes.groups),
    ]
  }

  private func plain(_ epilogue: FusedEpilogue, _ folded: Float?) throws(ShapeError) {
    guard !epilogue.hasAddend, epilogue.activation == .identity, epilogue.maskSlope == nil,
      folded == nil
    else { throw ShapeError("is fused already; write the network as it was built") }
  }

  private mutating func convolution(
    _ operation: ConvolutionOperation, _ node: Graph.Node
  ) throws(ShapeError) -> String {
    try plain(operation.epilogue, operation.foldedNormalization)
    let weights = shape(node.inputs[1])
    if weights.rank == 2 { return try dense(operation.epilogue.hasBias, node) }
    let image = shape(node.inputs[0])
    var inputs = [try name(node.inputs[0])]
    inputs.append(
      constant(
        parameterName(node.inputs[1]), try transposed(try numbers(node.inputs[1]), [3, 2, 0, 1])))
    if operation.epilogue.hasBias { inputs.append(try name(node.inputs[2])) }
    let attributes = operation.attributes
    var border: Attribute
    switch attributes.padding {
    case .valid: border = .integers("pads", [0, 0, 0, 0])
    case .explicit(let top, let bottom, let left, let right):
      border = .integers("pads", [top, left, bottom, right])
    case .same where attributes.stride == Extent(1, 1) || !writing.isDynamic:
      let (top, bottom) = same(
        image.height, weights[0], attributes.stride.height, attributes.dilation.height)
      let (left, right) = same(
        image.width, weights[1], attributes.stride.width, attributes.dilation.width)
      border = .integers("pads", [top, left, bottom, right])
    case .same: border = .text("auto_pad", "SAME_UPPER")
    }
    return one("Conv", inputs, node.name, window(attributes, weights) + [border])
  }

  private func same(_ input: Int, _ kernel: Int, _ stride: Int, _ dilation: Int) -> (Int, Int) {
    let output = (input + stride - 1) / stride
    let total = max((output - 1) * stride + (kernel - 1) * dilation + 1 - input, 0)
    return (total / 2, total - total / 2)
  }

  /// The name that a parameter has here.
  func parameterName(_ value: ValueID) -> String {
    if case .parameter(let index) = graph.values[value].source {
      return graph.parameters[index].name
    }
    return "value"
  }

  private mutating func dense(_ hasBias: Bool, _ node: Graph.Node) throws(ShapeError) -> String {
    var weights = try numbers(node.inputs[1])
    if let image = flattened[node.inputs[0]] {
      // Rows of the weights in the order in which the features lie there: [C, H, W].
      let (inner, outer) = (weights.shape[0], weights.shape[1])
      let moved = try transposed(
        Tensor([image.height, image.width, image.channels, outer], weights.elements), [2, 0, 1, 3])
      weights = Tensor([inner, outer], moved.elements)
    }
    var inputs = [
      try name(node.inputs[0]),
      constant(parameterName(node.inputs[1]), try transposed(weights, [1, 0])),
    ]
    if hasBias { inputs.append(try name(node.inputs[2])) }
    return one("Gemm", inputs, node.name, [.integer("transB", 1)])
  }

  private mutating func transposed(
    _ operation: TransposedConvolutionOperation, _ node: Graph.Node
  ) throws(ShapeError) -> String {
    try plain(operation.epilogue, operation.foldedNormalization)
    let weights = shape(node.inputs[1])
    guard weights.rank == 4 else { throw ShapeError("is the adjoint of a dense layer") }
    var inputs = [try name(node.inputs[0])]
    inputs.append(
      constant(
        parameterName(node.inputs[1]), try transposed(try numbers(node.inputs[1]), [3, 2, 0, 1])))
    if operation.epilogue.hasBias { inputs.append(try name(node.inputs[2])) }
    let attributes = operation.attributes
    var extra = [operation.outputPadding.height, operation.outputPadding.width]
    let border: [Int]
    switch attributes.padding {
    case .valid: border = [0, 0, 0, 0]
    case .explicit(let top, let bottom, let left, let right): border = [top, left, bottom, right]
    case .same:
      // The size of the result is a multiple of the input's; what is painted beyond is cut off.
      let reach = [
        (weights[0] - 1) * attributes.dilation.height + 1 - attributes.stride.height,
        (weights[1] - 1) * attributes.dilation.width + 1 - attributes.stride.width,
      ]
      extra = reach.map { max(-$0, 0) }
      let total = reach.map { max($0, 0) }
      border = [
        total[0] / 2, total[1] / 2, total[0] - total[0] / 2, total[1] - total[1] / 2,
      ]
    }
    return one(
      "ConvTranspose", inputs, node.name,
      window(attributes, weights) + [.integers("pads", border), .integers("output_padding", extra)])
  }

  // MARK: - Pooling

  private func pooling(_ attributes: PoolAttributes) throws(ShapeError) -> [Attribute] {
    var result: [Attribute] = [
      .integers("kernel_shape", [attributes.window.height, attributes.window.width]),
      .integers("strides", [attributes.stride.height, attributes.stride.width]),
    ]
    switch attributes.padding {
    case .valid: break
    case .same: result.append(.text("auto_pad", "SAME_UPPER"))
    case .explicit(let top, let bottom, let left, let right):
      result.append(.integers("pads", [top, left, bottom, right]))
    }
    if attributes.roundsUp { result.append(.integer("ceil_mode", 1)) }
    return result
  }

  private mutating func maxPool(
    _ operation: MaxPoolOperation, _ node: Graph.Node
  ) throws(ShapeError) {
    let attributes = try pooling(operation.attributes)
    let result = fresh(node.name)
    var outputs = [result]
    if !nodes(reading: node.outputs[1]).isEmpty {
      let name = fresh(node.name + "/places")
      places[node.outputs[1]] = name
      outputs.append(name)
    }
    self.node("MaxPool", [try name(node.inputs[0])], outputs, attributes)
    names[node.outputs[0]] = result
  }

  private mutating func maxUnpool(
    _ operation: MaxUnpoolOperation, _ node: Graph.Node
  ) throws(ShapeError) -> String {
    guard let switches = places[node.inputs[1]] else {
      throw ShapeError("its switches do not come from a max pooling of this network")
    }
    let mirror = shape(node.inputs[2])
    let size =
      writing.isDynamic
      ? one("Shape", [try name(node.inputs[2])], node.name + "/size")
      : integers(
        node.name + "/size", [mirror.batch, mirror.channels, mirror.height, mirror.width])
    let attributes = operation.attributes
    var values: [Attribute] = [
      .integers("kernel_shape", [attributes.window.height, attributes.window.width]),
      .integers("strides", [attributes.stride.height, attributes.stride.width]),
    ]
    if case .explicit(let top, let bottom, let left, let right) = attributes.padding {
      values.append(.integers("pads", [top, left, bottom, right]))
    }
    return one("MaxUnpool", [try name(node.inputs[0]), switches, size], node.name, values)
  }

  // MARK: - Element by element

  mutating func affine(_ operation: AffineOperation, _ input: String, _ layer: String) -> String {
    var result = input
    if operation.scale != 1 || operation.shift == 0 {
      let name = operation.shift == 0 ? layer : layer + "/scaled"
      result = one("Mul", [result, scalar(layer + "/scale", operation.scale)], name)
    }
    if operation.shift != 0 {
      result = one("Add", [result, scalar(layer + "/shift", operation.shift)], layer)
    }
    return result
  }

  private mutating func binary(
    _ binary: BinaryOperator, _ node: Graph.Node
  ) throws(ShapeError) -> String {
    let types: [BinaryOperator: String] = [
      .add: "Add", .subtract: "Sub", .multiply: "Mul", .divide: "Div", .maximum: "Max",
    ]
    guard flattened[node.inputs[0]] == flattened[node.inputs[1]] else {
      throw ShapeError("joins a flattened image with something else")
    }
    flattened[node.outputs[0]] = flattened[node.inputs[0]]
    return one(
      types[binary] ?? "Add", [try name(node.inputs[0]), try name(node.inputs[1])], node.name)
  }

  private mutating func activation(
    _ activation: Activation, _ x: String, _ layer: String
  ) throws(ShapeError) -> String {
    switch activation {
    case .identity: return x
    case .relu: return one("Relu", [x], layer)
    case .cappedReLU(let limit):
      return one(
        "Clip", [x, scalar(layer + "/lower", 0), scalar(layer + "/upper", limit)], layer)
    case .leakyReLU(let slope): return one("LeakyRelu", [x], layer, [.float("alpha", slope)])
    case .elu(let alpha): return one("Elu", [x], layer, [.float("alpha", alpha)])
    case .sigmoid: return one("Sigmoid", [x], layer)
    case .tanh: return one("Tanh", [x], layer)
    case .softplus: return one("Softplus", [x], layer)
    case .exponential: return one("Exp", [x], layer)
    case .squareRoot: return one("Sqrt", [x], layer)
    case .logarithm: return one("Log", [x], layer)
    case .absolute: return one("Abs", [x], layer)
    case .errorFunction: return one("Erf", [x], layer)
    case .silu:
      return one("Mul", [x, one("Sigmoid", [x], layer + "/gate")], layer)
    case .hardSwish:
      if writing.operatorSet >= 14 { return one("HardSwish", [x], layer) }
      let gate = one(
        "HardSigmoid", [x], layer + "/gate", [.float("alpha", 1 / 6), .float("beta", 0.5)])
      return one("Mul", [x, gate], layer)
    case .gelu, .tanhGELU:
      let isExact = activation == .gelu
      if writing.operatorSet >= 20 {
        return one("Gelu", [x], layer, isExact ? [] : [.text("approximate", "tanh")])
      }
      var inner: String
      if isExact {
        inner = affine(AffineOperation(scale: Float(0.5).squareRoot()), x, layer + "/inner")
        inner = one("Erf", [inner], layer + "/erf")
      } else {
        let square = one("Mul", [x, x], layer + "/square")
        let factor = affine(
          AffineOperation(scale: 0.044715 * 0.797_884_56, shift: 0.797_884_56), square,
          layer + "/factor")
        inner = one("Tanh", [one("Mul", [x, factor], layer + "/angle")], layer + "/tanh")
      }
      let gate = affine(AffineOperation(scale: 0.5, shift: 0.5), inner, layer + "/gate")
      return one("Mul", [x, gate], layer)
    }
  }
}
