// Tensors of any rank with their axes in another order, repeated, gathered or taken together.

import AtelierKernels

/// Axes in another order: axis i of the result is axis `order[i]` of the input.
public struct TransposeOperation: Operation {
  public static let kind = "transpose"
  /// The input's axes in the order of the result's.
  public var order: [Int]
  public var treatsSamplesAlone: Bool { order.first == 0 }

  /// Makes a transposition.
  public init(order: [Int]) { self.order = order }

  public func outputShapes(_ inputs: [Shape]) throws(ShapeError) -> [Shape] {
    try expectInputs(inputs, 1)
    guard order.sorted() == Array(0..<inputs[0].rank) else {
      throw ShapeError("transpose expects an order of all axes of \(inputs[0]); received \(order)")
    }
    return [Shape(order.map { inputs[0][$0] })]
  }

  public func run(_ context: borrowing ExecutionContext) {
    let strides = StridedLayout.strides(context.shapes.inputs[0].dimensions)
    let layout = StridedLayout(
      sizes: context.shapes.outputs[0].dimensions, first: order.map { strides[$0] })
    context.kernels.gather(layout, context.input(0), context.output)
  }

  public func differentiate(_ context: inout Derivation) throws(ShapeError) -> [ValueID?] {
    var back = order
    for (axis, source) in order.enumerated() { back[source] = axis }
    return [try context.one(TransposeOperation(order: back), [context.upstream])]
  }
}

/// The same numbers under any other shape, the batch axis included.
public struct RegroupOperation: Operation {
  public static let kind = "regroup"
  /// The sizes of the result.
  public var shape: Shape
  public var isView: Bool { true }

  /// Makes a reshaping to a shape.
  public init(_ shape: Shape) { self.shape = shape }

  public func outputShapes(_ inputs: [Shape]) throws(ShapeError) -> [Shape] {
    try expectInputs(inputs, 1)
    guard shape.isCountable, shape.count == inputs[0].count else {
      throw ShapeError("regroup to \(shape) does not fit the elements of \(inputs[0])")
    }
    return [shape]
  }

  public func run(_ context: borrowing ExecutionContext) {}

  public func differentiate(_ context: inout Derivation) throws(ShapeError) -> [ValueID?] {
    [try context.one(RegroupOperation(context.shape(context.inputs[0])), [context.upstream])]
  }
}

/// Axes of one element repeated to these sizes; the gradient is the sum over them.
public struct ExpandOperation: Operation {
  public static let kind = "expand"
  /// The sizes of the result.
  public var shape: Shape

  /// Makes a repetition to a shape.
  public init(_ shape: Shape) { self.shape = shape }

  public func outputShapes(_ inputs: [Shape]) throws(ShapeError) -> [Shape] {
    try expectInputs(inputs, 1)
    guard inputs[0].rank == shape.rank,
      zip(inputs[0].dimensions, shape.dimensions).allSatisfy({ $0 == $1 || $0 == 1 && $1 > 0 })
    else { throw ShapeError("expand to \(shape) does not fit \(inputs[0])") }
    return [shape]
  }

  public func run(_ context: borrowing ExecutionContext) {
    let layout = StridedLayout(
      sizes: shape.dimensions, first: repeatedStrides(context.shapes.inputs[0], in: shape))
    context.kernels.gather(layout, context.input(0), context.output)
  }

  public func differentiate(_ context: inout Derivation) throws(ShapeError) -> [ValueID?] {
    let input = context.shape(context.inputs[0])
    return [try context.summed(context.upstream, to: input)]
  }
}

/// The strides of a tensor under the axes of a larger one: 0 where it is repeated.
func repeatedStrides(_ shape: Shape, in larger: Shape) -> [Int] {
  let strides = StridedLayout.strides(shape.dimensions)
  return shape.dimensions.indices.map { shape[$0] == larger[$0] ? strides[$0] : 0 }
}

extension Derivation {
  /// A gradient summed over the axes along which a tensor of `shape` was repeated.
  mutating func summed(_ gradient: ValueID, to shape: Shape) throws(ShapeError) -> ValueID {
    let from = self.shape(gradient)
    let axes = shape.dimensions.indices.filter { shape[$0] != from[$0] }
    return axes.isEmpty
      ? gradient : try one(ReduceOperation(.sum, axes: axes), [gradient])
  }
}

/// The sum, mean or maximum over some axes, which become axes of one element.
public struct ReduceOperation: Operation {
  public static let kind = "reduce"
  /// What is taken.
  public var reduction: Reduction
  /// The axes, in rising order.
  public var axes: [Int]
  public var treatsSamplesAlone: Bool { !axes.contains(0) }

  /// Makes a reduction.
  public init(_ reduction: Reduction, axes: [Int]) {
    self.reduction = reduction
    self.axes = axes
  }

  public func outputShapes(_ inputs: [Shape]) throws(ShapeError) -> [Shape] {
    try expectInputs(inputs, 1)
    let rank = inputs[0].rank
    guard Set(axes).count == axes.count, axes == axes.sorted(),
      axes.allSatisfy({ (0..<rank).contains($0) }), inputs[0].count > 0
    else { throw ShapeError("reduce expects axes of \(inputs[0]); received \(axes)") }
    return [Shape((0..<rank).map { axes.contains($0) ? 1 : inputs[0][$0] })]
  }

  public func run(_ context: borrowing ExecutionContext) {
    let shape = context.shapes.inputs[0]
    let strides = StridedLayout.strides(shape.dimensions)
    let others = shape.dimensions.indices.filter { !axes.contains($0) }
    func layout(_ axes: [Int]) -> StridedLayout {
      StridedLayout(sizes: axes.map { shape[$0] }, first: axes.map { strides[$0] })
    }
    context.kernels.reduce(
      reduction, kept: layout(others), reduced: layout(axes), context.input(0), context.output)
  }

  public func differentiate(_ context: inout Derivation) throws(ShapeError) -> [ValueID?] {
    let input = context.inputs[0]
    let shape = context.shape(input)
    let spread = try context.one(ExpandOperation(shape), [context.upstream])
    switch reduction {
    case .sum: return [spread]
    case .mean:
      let count = axes.reduce(1) { $0 * shape[$1] }
      return [try context.one(AffineOperation(scale: 1 / Float(count)), [spread])]
    case .maximum:
      let largest = try context.one(ExpandOperation(shape), [context.outputs[0]])
      return [try context.one(MaximumMask(), [spread, input, largest])]
    }
  }
}

/// A gradient where a tensor equals its maximum, zero elsewhere: inputs gradient, tensor, maximum.
public struct MaximumMask: Operation {
  public static let kind = "maximum-mask"
  public var inPlaceInputs: [Int] { [0] }

  public func outputShapes(_ inputs: [Shape]) throws(ShapeError) -> [Shape] {
    try expectInputs(inputs, 3)
    try expectEqual(inputs[0], inputs[1], "the tensor")
    try expectEqual(inputs[0], inputs[2], "the maximum")
    return [inputs[0]]
  }

  public func run(_ context: borrowing ExecutionContext) {
    let (gradient, tensor, largest) = (context.input(0), context.input(1), context.input(2))
    for index in 0..<context.shapes.inputs[0].count {
      context.output[index] = tensor[index] == largest[index] ? gradient[index] : 0
    }
  }
}

/// Some places of an axis, in any order and number.
public struct GatherOperation: Operation {
  public static let kind = "gather"
  /// The axis.
  public var axis: Int
  /// The places that the result has, in its order.
  public var places: [Int]
  public var treatsSamplesAlone: Bool { axis > 0 }

  /// Makes a gathering.
  public init(axis: Int, places: [Int]) {
    self.axis = axis
    self.places = places
  }

  public func outputShapes(_ inputs: [Shape]) throws(ShapeError) -> [Shape] {
    try expectInputs(inputs, 1)
    guard (0..<inputs[0].rank).contains(axis), !places.isEmpty,
      places.allSatisfy({ (0..<inputs[0][axis]).contains($0) })
    else { throw ShapeError("gather expects places of axis \(axis) of \(inputs[0])") }
    var sizes = inputs[0].dimensions
    sizes[axis] = places.count
    return [Shape(sizes)]
  }

  public func run(_ context: borrowing ExecutionContext) {
    let (from, to) = (context.input(0), context.output)
    forPlaces(of: context.shapes.inputs[0]) { place, index, count in
      (to + index).update(from: from + place, count: count)
    }
  }

  /// Calls `body` with the start of each place that is gathered, where it goes, and the run's length.
  func forPlaces(of shape: Shape, _ body: (_ place: Int, _ index: Int, _ count: Int) -> Void) {
    let inner = shape.dimensions[(axis + 1)...].reduce(1, *)
    for outer in 0..<shape.dimensions[..<axis].reduce(1, *) {
      for (index, place) in places.enumerated() {
        body(
          (outer * shape[axis] + place) * inner, (outer * places.count + index) * inner, inner)
      }
    }
  }

  public func differentiate(_ context: inout Derivation) throws(ShapeError) -> [ValueID?] {
    let size = context.shape(context.inputs[0])[axis]
    return [
      try context.one(ScatterSum(axis: axis, places: places, size: size), [context.upstream])
    ]
  }
}

/// What was gathered added to where it came from: the adjoint of gathering.
public struct ScatterSum: Operation {
  public static let kind = "scatter-sum"
  /// The axis.
  public var axis: Int
  /// The places of the result to which those of the input are added.
  public var places: [Int]
  /// The size of the result's axis.
  public var size: Int

  /// Makes a sum at places.
  public init(axis: Int, places: [Int], size: Int) {
    self.axis = axis
    self.places = places
    self.size = size
  }

  public func outputShapes(_ inputs: [Shape]) throws(ShapeError) -> [Shape] {
    try expectInputs(inputs, 1)
    guard (0..<inputs[0].rank).contains(axis), inputs[0][axis] == places.count,
      places.allSatisfy({ (0..<size).contains($0) })
    else { throw ShapeError("scatter-sum expects \(places.count) places; received \(inputs[0])") }
    var sizes = inputs[0].dimensions
    sizes[axis] = size
    return [Shape(sizes)]
  }

  public func run(_ context: borrowing ExecutionContext) {
    let (from, to) = (context.input(0), context.output)
    let shape = context.shapes.outputs[0]
    context.kernels.fill(0, to, count: shape.count)
    GatherOperation(axis: axis, places: places).forPlaces(of: shape) { place, index, count in
      for element in 0..<count { to[place + element] += from[index + element] }
    }
  }

  public func differentiate(_ context: inout Derivation) throws(ShapeError) -> [ValueID?] {
    [try context.one(GatherOperation(axis: axis, places: places), [context.upstream])]
  }
}
