// Nearest and bed-of-nails unpooling with their adjoints, sum pooling and subsampling: four linear maps in two pairs.

import AtelierKernels

/// Nearest-neighbour unpooling: each value is repeated over its window; [N, h, w, C] gives [N, h · wh, w · ww, C].
public struct NearestUnpoolOperation: Operation {
  public static let kind = "nearest-unpool-2d"
  /// The window that each value fills.
  public var window: Extent

  /// Makes an unpooling.
  public init(window: Extent) { self.window = window }

  /// [N, h · wh, w · ww, C]
  public func outputShapes(_ inputs: [Shape]) throws(ShapeError) -> [Shape] {
    try expectInputs(inputs, 1)
    return [try window.enlarged(inputs[0])]
  }

  public func run(_ context: borrowing ExecutionContext) {
    let small = context.shapes.inputs[0]
    context.kernels.nearestUnpool(
      context.input(0), context.output, batch: small.batch, height: small.height,
      width: small.width, channels: small.channels, windowHeight: window.height,
      windowWidth: window.width)
  }

  public func differentiate(
    _ context: inout DifferentiationContext
  ) throws(ShapeError) -> [ValueID?] {
    guard let upstream = context.upstream[0] else { return [nil] }
    return [try context.one(SumPool(window: window), [upstream])]
  }
}

/// Sum over disjoint windows: the adjoint of nearest-neighbour unpooling.
public struct SumPool: Operation {
  public static let kind = "sum-pool-2d"
  /// The window that is summed.
  public var window: Extent

  /// Makes a sum pooling.
  public init(window: Extent) { self.window = window }

  /// [N, H / wh, W / ww, C]
  public func outputShapes(_ inputs: [Shape]) throws(ShapeError) -> [Shape] {
    try expectInputs(inputs, 1)
    return [try window.reduced(inputs[0])]
  }

  public func run(_ context: borrowing ExecutionContext) {
    let small = context.shapes.outputs[0]
    context.kernels.sumPool(
      context.input(0), context.output, batch: small.batch, height: small.height,
      width: small.width, channels: small.channels, windowHeight: window.height,
      windowWidth: window.width)
  }

  public func differentiate(
    _ context: inout DifferentiationContext
  ) throws(ShapeError) -> [ValueID?] {
    guard let upstream = context.upstream[0] else { return [nil] }
    return [try context.one(NearestUnpoolOperation(window: window), [upstream])]
  }
}

/// Bed-of-nails unpooling: each value in the top-left corner of its window, zeros elsewhere.
public struct BedOfNailsUnpoolOperation: Operation {
  public static let kind = "bed-of-nails-unpool-2d"
  /// The window of each value.
  public var window: Extent

  /// Makes an unpooling.
  public init(window: Extent) { self.window = window }

  /// [N, h · wh, w · ww, C]
  public func outputShapes(_ inputs: [Shape]) throws(ShapeError) -> [Shape] {
    try expectInputs(inputs, 1)
    return [try window.enlarged(inputs[0])]
  }

  public func run(_ context: borrowing ExecutionContext) {
    let small = context.shapes.inputs[0]
    context.kernels.bedOfNailsUnpool(
      context.input(0), context.output, batch: small.batch, height: small.height,
      width: small.width, channels: small.channels, windowHeight: window.height,
      windowWidth: window.width)
  }

  public func differentiate(
    _ context: inout DifferentiationContext
  ) throws(ShapeError) -> [ValueID?] {
    guard let upstream = context.upstream[0] else { return [nil] }
    return [try context.one(Subsample(window: window), [upstream])]
  }
}

/// The top-left value of each window: the adjoint of bed-of-nails unpooling.
public struct Subsample: Operation {
  public static let kind = "subsample-2d"
  /// The window of which one value is kept.
  public var window: Extent

  /// Makes a subsampling.
  public init(window: Extent) { self.window = window }

  /// [N, H / wh, W / ww, C]
  public func outputShapes(_ inputs: [Shape]) throws(ShapeError) -> [Shape] {
    try expectInputs(inputs, 1)
    return [try window.reduced(inputs[0])]
  }

  public func run(_ context: borrowing ExecutionContext) {
    let small = context.shapes.outputs[0]
    context.kernels.subsample(
      context.input(0), context.output, batch: small.batch, height: small.height,
      width: small.width, channels: small.channels, windowHeight: window.height,
      windowWidth: window.width)
  }

  public func differentiate(
    _ context: inout DifferentiationContext
  ) throws(ShapeError) -> [ValueID?] {
    guard let upstream = context.upstream[0] else { return [nil] }
    return [try context.one(BedOfNailsUnpoolOperation(window: window), [upstream])]
  }
}

extension Extent {
  /// An image shape with each pixel grown to this window.
  func enlarged(_ shape: Shape) throws(ShapeError) -> Shape {
    guard shape.rank == 4, height > 0, width > 0 else {
      throw ShapeError("unpooling takes an image batch and a positive window; received \(shape)")
    }
    return [shape.batch, shape.height * height, shape.width * width, shape.channels]
  }

  /// An image shape with each window shrunk to one pixel; the sizes must divide.
  func reduced(_ shape: Shape) throws(ShapeError) -> Shape {
    guard shape.rank == 4, height > 0, width > 0, shape.height % height == 0,
      shape.width % width == 0
    else {
      throw ShapeError(
        "expected an image batch with sizes divisible by \(height)×\(width); received \(shape)")
    }
    return [shape.batch, shape.height / height, shape.width / width, shape.channels]
  }
}
