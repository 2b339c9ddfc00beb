// Histograms of oriented gradients as a step of a graph: pictures in, features of blocks out.

import AtelierKernels

/// Histograms of oriented gradients (Dalal and Triggs 2005): [N, H, W, C] gives [N, blocks down, blocks across, features].
///
/// It has no gradient: a bin changes at once. Networks learn behind it, and nothing before it does.
public struct OrientedGradientsOperation: Operation {
  public static let kind = "oriented-gradients"
  public var treatsSamplesAlone: Bool { true }
  /// Its numbers.
  public var numbers: OrientedGradients

  /// Makes histograms.
  public init(_ numbers: OrientedGradients) { self.numbers = numbers }

  public func outputShapes(_ inputs: [Shape]) throws(ShapeError) -> [Shape] {
    let image = try onlyImage(inputs)
    guard numbers.isSound else {
      throw ShapeError(
        "histograms take 1 to 64 orientations, cells and blocks of a side of 1 to 256; received "
          + "\(numbers.orientations), \(numbers.cell) and \(numbers.block)")
    }
    let (down, across) = (numbers.blocks(image.height), numbers.blocks(image.width))
    guard down > 0, across > 0 else {
      let side = numbers.cell * numbers.block
      throw ShapeError(
        "histograms of blocks of \(numbers.block) cells of \(numbers.cell) pixels take pictures of "
          + "at least \(side)x\(side); received \(image.height)x\(image.width)")
    }
    return [[image.batch, down, across, numbers.features]]
  }

  public func run(_ context: borrowing ExecutionContext) {
    let image = context.shapes.inputs[0]
    context.kernels.orientedGradients(
      numbers, context.input(0), context.output, batch: image.batch, height: image.height,
      width: image.width, channels: image.channels)
  }
}

/// Histograms of oriented gradients: [N, H, W, C] gives [N, blocks down, blocks across, features].
public typealias GradientHistograms = ParameterlessLayer<OrientedGradientsOperation>

extension ParameterlessLayer<OrientedGradientsOperation> {
  /// Describes histograms of oriented gradients.
  public init(_ numbers: OrientedGradients = OrientedGradients(), name: String? = nil) {
    self.init("GradientHistograms", name, OrientedGradientsOperation(numbers))
  }
}
