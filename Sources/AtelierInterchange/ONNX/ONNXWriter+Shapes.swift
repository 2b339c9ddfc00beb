// Borders, reshaping, normalization and resizing in ONNX.

import AtelierEngine
import AtelierKernels

extension ONNXWriter {
  mutating func pad(
    _ operation: PadOperation, _ node: Graph.Node
  ) throws(ShapeError) -> String {
    let border = operation.border
    let modes: [PaddingMode: String] = [
      .zero: "constant", .reflect: "reflect", .replicate: "edge",
    ]
    let pads = [0, 0, border.top, border.left, 0, 0, border.bottom, border.right]
    return one(
      "Pad", [try name(node.inputs[0]), integers(node.name + "/border", pads)], node.name,
      [.text("mode", modes[operation.mode] ?? "constant")])
  }

  mutating func reshape(_ node: Graph.Node) throws(ShapeError) -> String {
    let (input, output) = (shape(node.inputs[0]), shape(node.outputs[0]))
    var name = try name(node.inputs[0])
    let isFlat = output.rank == 2
    if input.rank == 4, input.height * input.width > 1, input.channels > 1 {
      // A dense layer that follows takes the other order of features into its weights.
      let isForDense = isFlat && passesToDense(node.outputs[0])
      if isForDense {
        flattened[node.outputs[0]] = input
      } else {
        name = one("Transpose", [name], node.name + "/turned", [.integers("perm", [0, 2, 3, 1])])
      }
    }
    if isFlat, input.rank == 4 { return one("Flatten", [name], node.name) }
    let sizes = [writing.isDynamic ? 0 : output.batch] + Array(output.dimensions.dropFirst())
    let shaped = one(
      "Reshape", [name, integers(node.name + "/sizes", sizes)],
      output.rank == 4 ? node.name + "/flat" : node.name)
    guard output.rank == 4 else { return shaped }
    return one("Transpose", [shaped], node.name, [.integers("perm", [0, 3, 1, 2])])
  }

  /// Whether all that reads a value, through element-wise layers, are dense layers.
  private func passesToDense(_ value: ValueID) -> Bool {
    guard !graph.outputs.contains(where: { $0.value == value }) else { return false }
    let readers = nodes(reading: value)
    return !readers.isEmpty
      && readers.allSatisfy { reader in
        switch reader.operation {
        case is ConvolutionOperation: reader.inputs[0] == value
        case is DropoutOperation, is ActivationOperation, is AffineOperation:
          passesToDense(reader.outputs[0])
        default: false
        }
      }
  }

  // MARK: - Normalization and resizing

  mutating func normalization(_ node: Graph.Node) throws(ShapeError) -> String {
    let x = try name(node.inputs[0])
    if let operation = node.operation as? BatchNormalizationOperation {
      guard operation.activation == .identity, flattened[node.inputs[0]] == nil else {
        throw ShapeError("normalizes what is fused or flattened")
      }
      var inputs = [x]
      for input in node.inputs.dropFirst() { inputs.append(try name(input)) }
      return one(
        "BatchNormalization", inputs, node.name,
        [.float("epsilon", operation.epsilon), .float("momentum", 1 - operation.momentum)])
    }
    guard let operation = node.operation as? GroupNormalizationOperation else {
      throw ShapeError("is not a normalization")
    }
    let image = shape(node.inputs[0])
    guard image.rank == 4 else { throw ShapeError("normalizes groups of what is no image") }
    let (gamma, beta) = (try numbers(node.inputs[1]), try numbers(node.inputs[2]))
    let channels = image.channels
    let groups = operation.groups == 0 ? channels : operation.groups
    let epsilon: Attribute = .float("epsilon", operation.epsilon)
    if groups == channels {
      return one(
        "InstanceNormalization", [x, try name(node.inputs[1]), try name(node.inputs[2])],
        node.name, [epsilon])
    }
    let grouped = one(
      "Reshape", [x, integers(node.name + "/groups", [0, groups, -1])], node.name + "/grouped")
    let normal = one(
      "InstanceNormalization",
      [
        grouped, constant(node.name + "/ones", Tensor([groups], repeating: 1)),
        constant(node.name + "/zeros", Tensor([groups])),
      ], node.name + "/normal", [epsilon])
    let size = one("Shape", [x], node.name + "/size")
    let back = one("Reshape", [normal, size], node.name + "/back")
    let scaled = one(
      "Mul",
      [back, constant(node.name + "/scale", Tensor([channels, 1, 1], gamma.elements))],
      node.name + "/scaled")
    return one(
      "Add", [scaled, constant(node.name + "/shift", Tensor([channels, 1, 1], beta.elements))],
      node.name)
  }

  mutating func scaled(
    _ node: Graph.Node, _ factor: Extent, _ mode: String, _ coordinates: String
  ) throws(ShapeError) -> String {
    let scales = Tensor([4], [1, 1, Float(factor.height), Float(factor.width)])
    return one(
      "Resize", [try name(node.inputs[0]), "", constant(node.name + "/scales", scales)], node.name,
      [.text("mode", mode), .text("coordinate_transformation_mode", coordinates)]
        + (mode == "nearest" ? [.text("nearest_mode", "floor")] : []))
  }

  mutating func sized(
    _ node: Graph.Node, _ size: Extent, _ mode: String, _ attributes: [Attribute]
  ) throws(ShapeError) -> String {
    guard !writing.isDynamic else {
      throw ShapeError("resizes to fixed sizes; write the network without free sizes")
    }
    let image = shape(node.inputs[0])
    let sizes = integers(
      node.name + "/sizes", [image.batch, image.channels, size.height, size.width])
    return one(
      "Resize", [try name(node.inputs[0]), "", "", sizes], node.name,
      [.text("mode", mode)] + attributes)
  }

  /// ROI align; a box whose image is −1 gives zeros, which ONNX does not know.
  mutating func regionAlign(
    _ operation: RegionAlignOperation, _ node: Graph.Node
  ) throws(ShapeError) -> String {
    guard writing.operatorSet >= 16 else { throw ShapeError("needs opset 16") }
    let boxes = try name(node.inputs[1])
    let layer = node.name
    let corners = slice(boxes, layer + "/corners", [1], [5], [1])
    let image = slice(boxes, layer + "/image", [0], [1], [1])
    let flat = one(
      "Reshape", [image, integers(layer + "/row", [-1])], layer + "/images")
    let zero = scalar(layer + "/zero", 0)
    let valid = one("GreaterOrEqual", [flat, zero], layer + "/valid")
    let mask = one("Cast", [valid], layer + "/weights", [.integer("to", 1)])
    let column = one(
      "Reshape", [mask, integers(layer + "/column", [-1, 1, 1, 1])], layer + "/mask")
    let known = one("Max", [flat, zero], layer + "/known")
    let indices = one("Cast", [known], layer + "/indices", [.integer("to", 7)])
    let aligned = one(
      "RoiAlign", [try name(node.inputs[0]), corners, indices], layer + "/aligned",
      [
        .integer("output_height", operation.size.height),
        .integer("output_width", operation.size.width),
        .integer("sampling_ratio", operation.samples), .float("spatial_scale", operation.scale),
        .text("coordinate_transformation_mode", "half_pixel"), .text("mode", "avg"),
      ])
    return one("Mul", [aligned, column], layer)
  }
}
