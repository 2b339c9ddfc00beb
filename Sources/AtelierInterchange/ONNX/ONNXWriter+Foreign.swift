// The operations that imported networks have, written back.

import AtelierEngine
import AtelierKernels

extension ONNXWriter {
  /// The axis there of an axis here.
  private func axis(_ axis: Int, _ shape: Shape) -> Int {
    shape.rank == 4 ? [0, 2, 3, 1][axis] : axis
  }

  /// A list by axes there of a list by axes here.
  private func there(_ list: [Int], _ shape: Shape) -> [Int] {
    shape.rank == 4 ? [0, 3, 1, 2].map { list[$0] } : list
  }

  mutating func writeForeign(_ node: Graph.Node) throws(ShapeError) -> String {
    let (input, output) = (shape(node.inputs[0]), shape(node.outputs[0]))
    switch node.operation {
    case let operation as TransposeOperation:
      var order = [Int](repeating: 0, count: operation.order.count)
      for (place, source) in operation.order.enumerated() {
        order[axis(place, output)] = axis(source, input)
      }
      return one("Transpose", [try name(node.inputs[0])], node.name, [.integers("perm", order)])
    case is RegroupOperation: return try regroup(node, input, output)
    case let operation as ExpandOperation:
      let sizes = integers(node.name + "/sizes", there(operation.shape.dimensions, output))
      return one("Expand", [try name(node.inputs[0]), sizes], node.name)
    case let operation as ReduceOperation:
      let axes = operation.axes.map { axis($0, input) }.sorted()
      switch operation.reduction {
      case .sum:
        return one(
          "ReduceSum", [try name(node.inputs[0]), integers(node.name + "/axes", axes)], node.name)
      case .mean, .maximum:
        let type = operation.reduction == .mean ? "ReduceMean" : "ReduceMax"
        if writing.operatorSet >= 18 {
          return one(
            type, [try name(node.inputs[0]), integers(node.name + "/axes", axes)], node.name)
        }
        return one(type, [try name(node.inputs[0])], node.name, [.integers("axes", axes)])
      }
    case let operation as GatherOperation:
      let places = integers(node.name + "/places", operation.places)
      return one(
        "Gather", [try name(node.inputs[0]), places], node.name,
        [.integer("axis", axis(operation.axis, input))])
    case let operation as BroadcastBinaryOperation:
      let types: [BinaryOperator: String] = [
        .add: "Add", .subtract: "Sub", .multiply: "Mul", .divide: "Div", .maximum: "Max",
      ]
      return one(
        types[operation.operator] ?? "Add",
        [try name(node.inputs[0]), try name(node.inputs[1])], node.name)
    case is MatrixProductOperation:
      return one("MatMul", [try name(node.inputs[0]), try name(node.inputs[1])], node.name)
    case is ParametricReLUOperation:
      let slope = try numbers(node.inputs[1])
      let sizes: Shape = input.rank == 4 ? [slope.count, 1, 1] : [slope.count]
      return one(
        "PRelu",
        [
          try name(node.inputs[0]),
          constant(parameterName(node.inputs[1]), Tensor(sizes, slope.elements)),
        ], node.name)
    case let operation as LocalResponseOperation:
      guard input.rank == 4 else { throw ShapeError("normalizes what is no image") }
      let numbers = operation.numbers
      return one(
        "LRN", [try name(node.inputs[0])], node.name,
        [
          .integer("size", numbers.size), .float("alpha", numbers.alpha),
          .float("beta", numbers.beta), .float("bias", numbers.bias),
        ])
    case let operation as ResizeOperation: return try resize(operation, node)
    default: throw ShapeError("ONNX has no operator for it")
    }
  }

  /// A reshaping in the order of here, between the orders of there.
  private mutating func regroup(
    _ node: Graph.Node, _ input: Shape, _ output: Shape
  ) throws(ShapeError) -> String {
    var name = try name(node.inputs[0])
    if input.rank == 4 {
      name = one("Transpose", [name], node.name + "/turned", [.integers("perm", [0, 2, 3, 1])])
    }
    let sizes = integers(node.name + "/sizes", output.dimensions)
    guard output.rank == 4 else { return one("Reshape", [name, sizes], node.name) }
    let shaped = one("Reshape", [name, sizes], node.name + "/flat")
    return one("Transpose", [shaped], node.name, [.integers("perm", [0, 3, 1, 2])])
  }

  private mutating func resize(
    _ operation: ResizeOperation, _ node: Graph.Node
  ) throws(ShapeError) -> String {
    let coordinates: [ResizeCoordinates: String] = [
      .halfPixel: "half_pixel", .pytorchHalfPixel: "pytorch_half_pixel",
      .alignCorners: "align_corners", .asymmetric: "asymmetric",
      .halfPixelSymmetric: "half_pixel_symmetric",
    ]
    var attributes: [Attribute] = [
      .text("coordinate_transformation_mode", coordinates[operation.coordinates] ?? "half_pixel")
    ]
    let mode: String
    switch operation.method {
    case .linear: mode = "linear"
    case .cubic(let coefficient):
      mode = "cubic"
      attributes.append(.float("cubic_coeff_a", coefficient))
    case .nearest(let rounding):
      let roundings: [ResizeMethod.Rounding: String] = [
        .halfDown: "round_prefer_floor", .halfUp: "round_prefer_ceil", .down: "floor",
        .up: "ceil",
      ]
      mode = "nearest"
      attributes.append(.text("nearest_mode", roundings[rounding] ?? "floor"))
    }
    if operation.isSmoothed { attributes.append(.integer("antialias", 1)) }
    if operation.excludesOutside { attributes.append(.integer("exclude_outside", 1)) }
    switch operation.target {
    case .size(let size): return try sized(node, size, mode, attributes)
    case .scale(let height, let width):
      let scales = constant(node.name + "/scales", Tensor([4], [1, 1, height, width]))
      return one(
        "Resize", [try name(node.inputs[0]), "", scales], node.name,
        [.text("mode", mode)] + attributes)
    }
  }
}
