// ROI align (He and others 2017) and its scatter form, which is its gradient.

import AtelierKernels

/// Reads boxes of feature maps at a fixed number of bins: features [N, H, W, C] and boxes [R, 5] give [R, h, w, C].
///
/// A box is image, left, top, right, bottom in units of 1 / scale pixels of the features; pixel centres lie at half coordinates
/// (torchvision's `aligned=True`). A row whose image is −1 stands for no box: it gives zeros, so a graph of fixed sizes takes any
/// number of boxes up to R, and one ROI align a level of a feature pyramid, each with the others' rows at −1, add up to all. The
/// boxes themselves have no gradient.
public struct RegionAlignOperation: Operation {
  public static let kind = "region-align"
  /// Rows and columns of bins.
  public var size: Extent
  /// Pixels of the features in one unit of the boxes, for example 1/4 on a map of stride 4.
  public var scale: Float
  /// Points along each side of a bin, 1...8.
  public var samples: Int

  /// Makes a ROI align.
  public init(size: Extent, scale: Float, samples: Int = 2) {
    self.size = size
    self.scale = scale
    self.samples = samples
  }

  public func outputShapes(_ inputs: [Shape]) throws(ShapeError) -> [Shape] {
    try expectInputs(inputs, 2)
    try expectImage(inputs[0])
    try expectAttributes(boxes: inputs[1])
    return [[inputs[1].batch, size.height, size.width, inputs[0].channels]]
  }

  private func expectAttributes(boxes: Shape) throws(ShapeError) {
    guard boxes.rank == 2, boxes.channels == 5 else {
      throw ShapeError("\(Self.kind) expects boxes [regions, 5]; received \(boxes)")
    }
    let most = RegionGeometry.mostSamples
    guard size.height > 0, size.width > 0, (1...most).contains(samples), scale > 0,
      scale < .infinity
    else {
      throw ShapeError(
        "\(Self.kind) expects bins, 1...\(most) samples and a scale above 0; received "
          + "\(size.height) × \(size.width), \(samples), \(scale)")
    }
  }

  fileprivate func geometry(_ features: Shape) -> RegionGeometry {
    RegionGeometry(
      batch: features.batch, height: features.height, width: features.width,
      channels: features.channels, outputHeight: size.height, outputWidth: size.width,
      samples: samples, scale: scale)
  }

  public func run(_ context: borrowing ExecutionContext) {
    let features = context.shapes.inputs[0]
    let regions = context.shapes.inputs[1].batch
    let boxes = context.input(1)
    for region in 0..<regions {
      let image = boxes[region * 5]
      let isBox = (1..<5).allSatisfy { boxes[region * 5 + $0].isFinite }
      if !isBox || image != image.rounded() || image < -1 || image >= Float(features.batch) {
        let numbers = (0..<5).map { boxes[region * 5 + $0] }
        context.report(
          "expected a box of finite numbers in one of \(features.batch) images, or image -1; "
            + "received \(numbers)")
        break
      }
    }
    context.kernels.regionAlign(
      geometry(features), context.input(0), boxes: boxes, regions: regions, context.output)
  }

  public func differentiate(_ context: inout Derivation) throws(ShapeError) -> [ValueID?] {
    guard !context.isNeeded[1] else { throw ShapeError("ROI align has no gradient to its boxes") }
    return try context.first(
      RegionAlignGradient(align: self), [context.upstream, context.inputs[1], context.inputs[0]])
  }
}

/// The adjoint of ROI align: each bin is painted on the pixels it was read from.
///
/// Inputs: [R, h, w, C], boxes [R, 5], and the features, of which only the shape is used.
public struct RegionAlignGradient: Operation {
  public static let kind = "region-align-gradient"
  /// The ROI align.
  public var align: RegionAlignOperation
  public var shapeOnlyInputs: [Int] { [2] }

  /// Makes the adjoint of a ROI align.
  public init(align: RegionAlignOperation) { self.align = align }

  public func outputShapes(_ inputs: [Shape]) throws(ShapeError) -> [Shape] {
    try expectInputs(inputs, 3)
    try expectImage(inputs[2])
    let regions = try align.outputShapes([inputs[2], inputs[1]])[0]
    try expectEqual(regions, inputs[0], "regions")
    return [inputs[2]]
  }

  public func run(_ context: borrowing ExecutionContext) {
    context.kernels.regionAlignGradient(
      align.geometry(context.shapes.inputs[2]), context.input(0), boxes: context.input(1),
      regions: context.shapes.inputs[1].batch, context.output)
  }

  public func differentiate(_ context: inout Derivation) throws(ShapeError) -> [ValueID?] {
    guard !context.isNeeded[1] else { throw ShapeError("ROI align has no gradient to its boxes") }
    return try context.first(align, [context.upstream, context.inputs[1]])
  }
}
