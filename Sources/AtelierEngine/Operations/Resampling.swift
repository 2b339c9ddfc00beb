// Bilinear resizing, pixel shuffle and space-to-depth, with their adjoints.

import AtelierKernels

/// Bilinear resizing with half-pixel centres and clamped edges: [N, H, W, C] gives [N, H · factor, W · factor, C].
public struct BilinearResizeOperation: Operation {
  public static let kind = "bilinear-resize-2d"
  public var treatsSamplesAlone: Bool { true }
  /// The sizes of an output.
  public enum Target: Sendable, Hashable, Codable {
    /// The input's sizes times these.
    case factor(Extent)
    /// These sizes.
    case size(Extent)
  }

  /// How the output size follows from the input.
  public var target: Target

  /// Makes a resizing.
  public init(_ target: Target) { self.target = target }

  public func outputShapes(_ inputs: [Shape]) throws(ShapeError) -> [Shape] {
    try expectInputs(inputs, 1)
    switch target {
    case .factor(let factor): return [try factor.enlarged(inputs[0])]
    case .size(let size):
      guard inputs[0].rank == 4, size.height > 0, size.width > 0 else {
        throw ShapeError("resizing takes an image batch and positive sizes; received \(inputs[0])")
      }
      return [[inputs[0].batch, size.height, size.width, inputs[0].channels]]
    }
  }

  public func run(_ context: borrowing ExecutionContext) {
    let (input, output) = (context.shapes.inputs[0], context.shapes.outputs[0])
    context.kernels.resizeBilinear(
      context.input(0), context.output, batch: input.batch, inputHeight: input.height,
      inputWidth: input.width, outputHeight: output.height, outputWidth: output.width,
      channels: input.channels)
  }

  public func differentiate(_ context: inout Derivation) throws(ShapeError) -> [ValueID?] {
    [try context.one(BilinearResizeGradient(), [context.upstream, context.inputs[0]])]
  }
}

/// The adjoint of bilinear resizing; the second input gives only the shape.
public struct BilinearResizeGradient: Operation {
  public static let kind = "bilinear-resize-gradient"
  public var shapeOnlyInputs: [Int] { [1] }

  public func outputShapes(_ inputs: [Shape]) throws(ShapeError) -> [Shape] {
    try expectInputs(inputs, 2)
    for shape in inputs { try expectImage(shape) }
    guard inputs[0].batch == inputs[1].batch, inputs[0].channels == inputs[1].channels else {
      throw ShapeError("expected a gradient for \(inputs[1]); received \(inputs[0])")
    }
    return [inputs[1]]
  }

  public func run(_ context: borrowing ExecutionContext) {
    let (input, output) = (context.shapes.inputs[1], context.shapes.inputs[0])
    context.kernels.resizeBilinearGradient(
      context.input(0), context.output, batch: input.batch, inputHeight: input.height,
      inputWidth: input.width, outputHeight: output.height, outputWidth: output.width,
      channels: input.channels)
  }
}

/// Pixel shuffle (Shi and others 2016): [N, h, w, b · b · C] gives [N, h · b, w · b, C].
///
/// Input channel (dy · b + dx) · C + c goes to row dy and column dx of its block (ONNX DepthToSpace, mode DCR), so a
/// whole pixel moves at once.
public struct PixelShuffleOperation: Operation {
  public static let kind = "pixel-shuffle-2d"
  public var treatsSamplesAlone: Bool { true }
  /// The block's side b.
  public var block: Int

  public func outputShapes(_ inputs: [Shape]) throws(ShapeError) -> [Shape] {
    try expectInputs(inputs, 1)
    let shape = inputs[0]
    guard shape.rank == 4, block > 0, shape.channels % (block * block) == 0 else {
      throw ShapeError(
        "pixel shuffle expects an image batch with channels divisible by \(block * block); received \(shape)"
      )
    }
    return [
      [shape.batch, shape.height * block, shape.width * block, shape.channels / (block * block)]
    ]
  }

  public func run(_ context: borrowing ExecutionContext) {
    let (small, large) = (context.shapes.inputs[0], context.shapes.outputs[0])
    context.kernels.pixelShuffle(
      Extent(block).unpooling(small, channels: large.channels), context.input(0), context.output)
  }

  public func differentiate(_ context: inout Derivation) throws(ShapeError) -> [ValueID?] {
    [try context.one(SpaceToDepthOperation(block: block), [context.upstream])]
  }
}

/// Space-to-depth: the inverse and the adjoint of pixel shuffle.
public struct SpaceToDepthOperation: Operation {
  public static let kind = "space-to-depth-2d"
  public var treatsSamplesAlone: Bool { true }
  /// The block's side b.
  public var block: Int

  /// [N, H / b, W / b, b · b · C].
  public func outputShapes(_ inputs: [Shape]) throws(ShapeError) -> [Shape] {
    try expectInputs(inputs, 1)
    let small = try Extent(block).reduced(inputs[0])
    return [[small.batch, small.height, small.width, small.channels * block * block]]
  }

  public func run(_ context: borrowing ExecutionContext) {
    let (small, large) = (context.shapes.outputs[0], context.shapes.inputs[0])
    context.kernels.spaceToDepth(
      Extent(block).unpooling(small, channels: large.channels), context.input(0), context.output)
  }

  public func differentiate(_ context: inout Derivation) throws(ShapeError) -> [ValueID?] {
    [try context.one(PixelShuffleOperation(block: block), [context.upstream])]
  }
}
