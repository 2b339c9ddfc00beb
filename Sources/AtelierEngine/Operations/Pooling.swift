// Max pooling with switches, max unpooling through them, and average pooling; each with its gradient.

import AtelierKernels

/// Window, stride and padding of a pooling operation.
public struct PoolAttributes: Sendable, Hashable, Codable {
  /// The window's size.
  public var window: Extent
  /// The step between windows.
  public var stride: Extent
  /// The border, which never wins a maximum.
  public var padding: Padding
  /// Whether a last window that lies within input and border only in part counts too (PyTorch's
  /// `ceil_mode`), if it begins before the border below or to the right.
  public var roundsUp = false

  /// Makes attributes; the stride is the window unless given.
  public init(
    window: Extent, stride: Extent? = nil, padding: Padding = .valid, roundsUp: Bool = false
  ) {
    self.window = window
    self.stride = stride ?? window
    self.padding = padding
    self.roundsUp = roundsUp
  }

  /// The sizes for an input [N, H, W, C].
  func geometry(_ input: Shape) throws(ShapeError) -> PoolGeometry {
    guard min(window.height, window.width, stride.height, stride.width) > 0 else {
      throw ShapeError("window and stride are positive")
    }
    let (top, bottom, left, right) = padding.resolved(input, kernel: window, stride: stride)
    guard min(top, bottom, left, right) >= 0 else { throw ShapeError("padding is not negative") }
    // So every window holds a pixel of the input.
    guard max(top, bottom) < window.height, max(left, right) < window.width else {
      throw ShapeError(
        "padding must be smaller than the window of \(window.height)×\(window.width); received \(top), \(bottom), \(left), \(right)"
      )
    }
    let height = input.height + top + bottom - window.height
    let width = input.width + left + right - window.width
    guard height >= 0, width >= 0 else {
      throw ShapeError(
        "a window of \(window.height)×\(window.width) does not fit the padded input of \(input.height + top + bottom)×\(input.width + left + right)"
      )
    }
    return PoolGeometry(
      batch: input.batch, inputHeight: input.height, inputWidth: input.width,
      channels: input.channels,
      outputHeight: places(height, stride.height, last: input.height + top),
      outputWidth: places(width, stride.width, last: input.width + left),
      windowHeight: window.height, windowWidth: window.width,
      strideHeight: stride.height, strideWidth: stride.width, paddingTop: top, paddingLeft: left)
  }

  /// The windows along an axis with `room` places for their begin, the last one before `last`.
  private func places(_ room: Int, _ stride: Int, last: Int) -> Int {
    let whole = room / stride + 1
    return roundsUp && room % stride != 0 && whole * stride < last ? whole + 1 : whole
  }

  /// The sizes for an input that tracing has accepted.
  func checkedGeometry(_ input: Shape) -> PoolGeometry {
    checked { () throws(ShapeError) in try geometry(input) }
  }

  func pooledShape(_ input: Shape) throws(ShapeError) -> Shape {
    let geometry = try geometry(input)
    return [input.batch, geometry.outputHeight, geometry.outputWidth, input.channels]
  }

  /// Checks that `pooled` and `switches` are what pooling `mirror` gives.
  func check(pooled: Shape, switches: Shape, mirror: Shape) throws(ShapeError) {
    let expected = try pooledShape(mirror)
    guard pooled == expected, switches == expected else {
      throw ShapeError(
        "the mirror pool of an input \(mirror) gives \(expected); received values \(pooled) and switches \(switches)"
      )
    }
  }
}

extension PoolAttributes {
  private enum Key: String, CodingKey { case window, stride, padding, roundsUp }

  /// Reads attributes; files of before there was `roundsUp` have none.
  public init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: Key.self)
    self.init(
      window: try container.decode(Extent.self, forKey: .window),
      stride: try container.decode(Extent.self, forKey: .stride),
      padding: try container.decode(Padding.self, forKey: .padding),
      roundsUp: try container.decodeIfPresent(Bool.self, forKey: .roundsUp) ?? false)
  }

  /// Writes attributes; `roundsUp` only where it holds, so that older programs read all others.
  public func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: Key.self)
    try container.encode(window, forKey: .window)
    try container.encode(stride, forKey: .stride)
    try container.encode(padding, forKey: .padding)
    if roundsUp { try container.encode(true, forKey: .roundsUp) }
  }
}

/// Max pooling: [N, H, W, C] gives the maxima [N, H', W', C] and the switches that say where each came from.
///
/// A switch is the flat index row · W + column within the input plane, stored as a 32-bit integer in a float's place.
/// Ties go to the first in row-major order.
public struct MaxPoolOperation: Operation {
  public static let kind = "max-pool-2d"
  public var treatsSamplesAlone: Bool { true }
  /// Window, stride, padding.
  public var attributes: PoolAttributes

  public func outputShapes(_ inputs: [Shape]) throws(ShapeError) -> [Shape] {
    let pooled = try attributes.pooledShape(try onlyImage(inputs))
    return [pooled, pooled]
  }

  public func kernelCase(_ shapes: NodeShapes) -> KernelCase? {
    .maxPool(attributes.checkedGeometry(shapes.inputs[0]))
  }

  public func run(_ context: borrowing ExecutionContext) {
    let geometry = attributes.checkedGeometry(context.shapes.inputs[0])
    let switches = context.output(1).map {
      UnsafeMutableRawPointer($0).assumingMemoryBound(to: Int32.self)
    }
    context.kernels.maxPool(geometry, context.input(0), context.output, switches: switches)
  }

  public func differentiate(_ context: inout Derivation) throws(ShapeError) -> [ValueID?] {
    try context.first(
      MaxUnpoolOperation(attributes), [context.upstream, context.outputs[1], context.inputs[0]])
  }
}

/// Max unpooling (Zeiler and Fergus 2014; SegNet, Badrinarayanan and others 2017): puts each value where the mirror pool's switch says, zero elsewhere.
///
/// Inputs: values [N, H', W', C], switches of the same shape, and the mirror pool's input [N, H, W, C], of which only the shape is used,
/// so odd sizes come back exactly. Values that share a switch add up, which makes this the exact adjoint of picking by switches and
/// the gradient of max pooling. Switches out of range are a data fault, checked in every build.
public struct MaxUnpoolOperation: Operation {
  public static let kind = "max-unpool-2d"
  /// Window, stride and padding of the mirror pool.
  public var attributes: PoolAttributes
  public var shapeOnlyInputs: [Int] { [2] }

  /// Makes the unpooling that mirrors a max pooling of these attributes.
  public init(_ attributes: PoolAttributes) { self.attributes = attributes }

  public func outputShapes(_ inputs: [Shape]) throws(ShapeError) -> [Shape] {
    try expectInputs(inputs, 3)
    for shape in inputs { try expectImage(shape) }
    // The values may have passed layers since the pool; only their number of channels must have come back.
    try attributes.check(pooled: inputs[0], switches: inputs[1], mirror: inputs[2])
    return [inputs[2]]
  }

  public func kernelCase(_ shapes: NodeShapes) -> KernelCase? {
    .maxUnpool(attributes.checkedGeometry(shapes.inputs[2]))
  }

  public func run(_ context: borrowing ExecutionContext) {
    let geometry = attributes.checkedGeometry(context.shapes.inputs[2])
    runSwitches(context, geometry) {
      context.kernels.scatterSwitches(geometry, context.input(0), switches: $0, context.output)
    }
  }

  public func differentiate(_ context: inout Derivation) throws(ShapeError) -> [ValueID?] {
    try context.first(SwitchGather(attributes), [context.upstream, context.inputs[1]])
  }
}

/// Runs `body`, which counts faults, with the switches that input 1 holds, and reports the faults.
private func runSwitches(
  _ context: borrowing ExecutionContext, _ geometry: PoolGeometry,
  _ body: (UnsafePointer<Int32>) -> Int
) {
  let faults = context.input(1).withMemoryRebound(
    to: Int32.self, capacity: context.shapes.inputs[1].count, body)
  if faults > 0 {
    context.report(
      "\(faults) switches lie outside the plane of \(geometry.inputHeight)×\(geometry.inputWidth)")
  }
}

/// Picks the values at the switches: [N, H, W, C] gives [N, H', W', C]; the adjoint of max unpooling.
public struct SwitchGather: Operation {
  public static let kind = "switch-gather-2d"
  /// Window, stride and padding of the mirror pool.
  public var attributes: PoolAttributes

  /// Makes the picking that mirrors a max pooling of these attributes.
  public init(_ attributes: PoolAttributes) { self.attributes = attributes }

  public func outputShapes(_ inputs: [Shape]) throws(ShapeError) -> [Shape] {
    try expectInputs(inputs, 2)
    try expectImage(inputs[0])
    try attributes.check(pooled: inputs[1], switches: inputs[1], mirror: inputs[0])
    return [inputs[1]]
  }

  public func kernelCase(_ shapes: NodeShapes) -> KernelCase? {
    .switchGather(attributes.checkedGeometry(shapes.inputs[0]))
  }

  public func run(_ context: borrowing ExecutionContext) {
    let geometry = attributes.checkedGeometry(context.shapes.inputs[0])
    runSwitches(context, geometry) {
      context.kernels.gatherSwitches(geometry, context.input(0), switches: $0, context.output)
    }
  }

  public func differentiate(_ context: inout Derivation) throws(ShapeError) -> [ValueID?] {
    try context.first(
      MaxUnpoolOperation(attributes), [context.upstream, context.inputs[1], context.inputs[0]])
  }
}

/// Average pooling: [N, H, W, C] gives [N, H', W', C].
public struct AveragePoolOperation: Operation {
  public static let kind = "average-pool-2d"
  public var treatsSamplesAlone: Bool { true }
  /// Window, stride, padding.
  public var attributes: PoolAttributes
  /// Whether padding counts as zeros (PyTorch's default) or is left out (Keras).
  public var countIncludesPadding: Bool

  public func outputShapes(_ inputs: [Shape]) throws(ShapeError) -> [Shape] {
    [try attributes.pooledShape(try onlyImage(inputs))]
  }

  public func run(_ context: borrowing ExecutionContext) {
    let geometry = attributes.checkedGeometry(context.shapes.inputs[0])
    context.kernels.averagePool(
      geometry, context.input(0), context.output, countIncludesPadding: countIncludesPadding)
  }

  public func differentiate(_ context: inout Derivation) throws(ShapeError) -> [ValueID?] {
    try context.first(
      AveragePoolGradient(attributes: attributes, countIncludesPadding: countIncludesPadding),
      [context.upstream, context.inputs[0]])
  }
}

/// The gradient of average pooling; the second input gives only the shape.
public struct AveragePoolGradient: Operation {
  public static let kind = "average-pool-gradient"
  /// Window, stride, padding of the pooling.
  public var attributes: PoolAttributes
  /// Whether padding counted.
  public var countIncludesPadding: Bool
  public var shapeOnlyInputs: [Int] { [1] }

  public func outputShapes(_ inputs: [Shape]) throws(ShapeError) -> [Shape] {
    try expectInputs(inputs, 2)
    try expectImage(inputs[1])
    try expectEqual(try attributes.pooledShape(inputs[1]), inputs[0], "a gradient")
    return [inputs[1]]
  }

  public func run(_ context: borrowing ExecutionContext) {
    let geometry = attributes.checkedGeometry(context.shapes.inputs[1])
    context.kernels.averagePoolGradient(
      geometry, context.input(0), context.output, countIncludesPadding: countIncludesPadding)
  }
}

/// The mean over all pixels: [N, H, W, C] gives [N, C].
public struct GlobalAveragePoolOperation: Operation {
  public static let kind = "global-average-pool"
  public var treatsSamplesAlone: Bool { true }

  public func outputShapes(_ inputs: [Shape]) throws(ShapeError) -> [Shape] {
    let image = try onlyImage(inputs)
    return [[image.batch, image.channels]]
  }

  public func run(_ context: borrowing ExecutionContext) {
    let shape = context.shapes.inputs[0]
    context.kernels.globalAveragePool(
      context.input(0), context.output, batch: shape.batch, pixels: shape.height * shape.width,
      channels: shape.channels)
  }

  public func differentiate(_ context: inout Derivation) throws(ShapeError) -> [ValueID?] {
    [try context.one(GlobalAveragePoolGradient(), [context.upstream, context.node.inputs[0]])]
  }
}

/// Spreads [N, C] evenly over the pixels of the second input, of which only the shape is used.
public struct GlobalAveragePoolGradient: Operation {
  public static let kind = "global-average-pool-gradient"
  public var shapeOnlyInputs: [Int] { [1] }

  public func outputShapes(_ inputs: [Shape]) throws(ShapeError) -> [Shape] {
    try expectInputs(inputs, 2)
    try expectImage(inputs[1])
    try expectEqual([inputs[1].batch, inputs[1].channels], inputs[0], "a gradient")
    return [inputs[1]]
  }

  public func run(_ context: borrowing ExecutionContext) {
    let shape = context.shapes.inputs[1]
    context.kernels.globalAveragePoolGradient(
      context.input(0), context.output, batch: shape.batch, pixels: shape.height * shape.width,
      channels: shape.channels)
  }
}
