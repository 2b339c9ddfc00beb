// Resizing of every kind that other frameworks have: which places a pixel is blended from, and how.

import AtelierKernels

/// Where a place of the resized axis lies on the original one (the names of ONNX's Resize).
public enum ResizeCoordinates: String, Sendable, Hashable, Codable {
  /// Centres of pixels on centres: (x + ½) / scale − ½.
  case halfPixel
  /// The same, but 0 when the resized axis has one place.
  case pytorchHalfPixel
  /// First on first and last on last.
  case alignCorners
  /// x / scale.
  case asymmetric
  /// Half pixel with both ends treated alike where the scale does not give the size exactly.
  case halfPixelSymmetric
}

/// How a value between places follows from them.
public enum ResizeMethod: Sendable, Hashable, Codable {
  /// How nearest places are found.
  public enum Rounding: String, Sendable, Hashable, Codable {
    /// To the nearest, halves down.
    case halfDown
    /// To the nearest, halves up.
    case halfUp
    /// Down.
    case down
    /// Up.
    case up
  }

  /// The nearest place.
  case nearest(Rounding)
  /// The two places around it.
  case linear
  /// The four places around it by Keys's cubic with this coefficient (1981).
  case cubic(coefficient: Float)
}

/// Resizing: [N, H, W, C] gives [N, H', W', C].
public struct ResizeOperation: Operation {
  public static let kind = "resize-2d"
  public var treatsSamplesAlone: Bool { true }

  /// The sizes of a result.
  public enum Target: Sendable, Hashable, Codable {
    /// The input's sizes times these, rounded down.
    case scale(height: Float, width: Float)
    /// These sizes.
    case size(Extent)
  }

  /// How the output size follows from the input.
  public var target: Target
  /// How values are blended.
  public var method: ResizeMethod
  /// How places lie on each other.
  public var coordinates: ResizeCoordinates
  /// Whether a smaller result is smoothed, its taps stretched by the scale.
  public var isSmoothed: Bool
  /// Whether places outside weigh nothing, instead of repeating the edge.
  public var excludesOutside: Bool

  /// Makes a resizing.
  public init(
    _ target: Target, method: ResizeMethod = .linear, coordinates: ResizeCoordinates = .halfPixel,
    isSmoothed: Bool = false, excludesOutside: Bool = false
  ) {
    (self.target, self.method, self.coordinates) = (target, method, coordinates)
    (self.isSmoothed, self.excludesOutside) = (isSmoothed, excludesOutside)
  }

  public func outputShapes(_ inputs: [Shape]) throws(ShapeError) -> [Shape] {
    let image = try onlyImage(inputs)
    let size: Extent
    switch target {
    case .size(let given): size = given
    case .scale(let height, let width):
      guard height > 0, width > 0, height < 1_048_576, width < 1_048_576 else {
        throw ShapeError("resizing takes positive scales; received \(height) and \(width)")
      }
      size = Extent(
        Int((Float(image.height) * height).rounded(.down)),
        Int((Float(image.width) * width).rounded(.down)))
    }
    guard size.height > 0, size.width > 0, image.height > 0, image.width > 0 else {
      throw ShapeError("resizing of \(image) to \(size.height)×\(size.width) leaves nothing")
    }
    return [[image.batch, size.height, size.width, image.channels]]
  }

  /// The taps of both axes.
  func taps(_ input: Shape, _ output: Shape) -> (rows: ResampleTaps, columns: ResampleTaps) {
    var scales: (Float?, Float?) = (nil, nil)
    if case .scale(let height, let width) = target { scales = (height, width) }
    return (
      taps(input.height, output.height, scale: scales.0),
      taps(input.width, output.width, scale: scales.1)
    )
  }

  /// The taps of an axis; the scale is that of the sizes unless it was given.
  package func taps(_ input: Int, _ output: Int, scale given: Float?) -> ResampleTaps {
    let scale = given.map(Double.init) ?? Double(output) / Double(input)
    var indices: [Int] = []
    var weights: [Float] = []
    let axis = ResizedAxis(self, input: input, output: output, scale: scale)
    for place in 0..<output {
      for (index, weight) in axis.taps(place) {
        indices.append(min(max(index, 0), input - 1))
        weights.append(Float(weight))
      }
    }
    return ResampleTaps(width: axis.width, indices: indices, weights: weights)
  }

  public func run(_ context: borrowing ExecutionContext) {
    let (input, output) = (context.shapes.inputs[0], context.shapes.outputs[0])
    let (rows, columns) = taps(input, output)
    context.kernels.resample(
      context.input(0), context.output, batch: input.batch, height: input.height,
      width: input.width, channels: input.channels, rows: rows, columns: columns)
  }

  public func differentiate(_ context: inout Derivation) throws(ShapeError) -> [ValueID?] {
    [try context.one(ResizeGradient(resize: self), [context.upstream, context.inputs[0]])]
  }
}

/// One axis of a resizing.
private struct ResizedAxis {
  let resize: ResizeOperation
  let input: Int
  let output: Int
  let scale: Double
  /// By how much the taps are stretched.
  let stretch: Double
  /// Taps a place.
  let width: Int

  init(_ resize: ResizeOperation, input: Int, output: Int, scale: Double) {
    (self.resize, self.input, self.output, self.scale) = (resize, input, output, scale)
    let isSmoothed: Bool
    let reach: Double
    switch resize.method {
    case .nearest: (isSmoothed, reach) = (false, 0.5)
    case .linear: (isSmoothed, reach) = (resize.isSmoothed && scale < 1, 1)
    case .cubic: (isSmoothed, reach) = (resize.isSmoothed && scale < 1, 2)
    }
    stretch = isSmoothed ? 1 / scale : 1
    width = isSmoothed ? 2 * Int((reach * stretch).rounded(.up)) : Int(2 * reach)
  }

  /// Where a place lies on the original axis.
  private func position(_ place: Int) -> Double {
    let x = Double(place)
    switch resize.coordinates {
    case .halfPixel: return (x + 0.5) / scale - 0.5
    case .pytorchHalfPixel: return output > 1 ? (x + 0.5) / scale - 0.5 : 0
    case .alignCorners:
      let span = scale * Double(input) - 1
      // The size may have been rounded down; first and last still meet.
      let whole = output > 1 ? Double(output - 1) : span
      return output > 1 ? x * Double(input - 1) / (whole > 0 ? whole : 1) : 0
    case .asymmetric: return x / scale
    case .halfPixelSymmetric:
      let adjusted = Double(output) / (scale * Double(input))
      let centre = Double(input) / 2
      return centre * (1 - adjusted) + (x + 0.5) / scale - 0.5
    }
  }

  /// The places that a place is blended from, with weights of sum 1; some lie outside.
  func taps(_ place: Int) -> [(Int, Double)] {
    let position = position(place)
    if case .nearest(let rounding) = resize.method { return [(nearest(position, rounding), 1)] }
    let first = Int(position.rounded(.down)) - width / 2 + 1
    var result: [(Int, Double)] = []
    for index in first..<first + width {
      let isOutside = index < 0 || index >= input
      let weight = isOutside && resize.excludesOutside ? 0 : self.weight(Double(index) - position)
      result.append((index, weight))
    }
    let sum = result.reduce(0) { $0 + $1.1 }
    return sum == 0 ? result : result.map { ($0.0, $0.1 / sum) }
  }

  private func nearest(_ position: Double, _ rounding: ResizeMethod.Rounding) -> Int {
    switch rounding {
    case .halfDown: Int((position - 0.5).rounded(.up))
    case .halfUp: Int((position + 0.5).rounded(.down))
    case .down: Int(position.rounded(.down))
    case .up: Int(position.rounded(.up))
    }
  }

  private func weight(_ distance: Double) -> Double {
    let x = abs(distance) / stretch
    guard case .cubic(let coefficient) = resize.method else { return max(0, 1 - x) }
    let a = Double(coefficient)
    if x < 1 { return ((a + 2) * x - (a + 3)) * x * x + 1 }
    return x < 2 ? ((a * x - 5 * a) * x + 8 * a) * x - 4 * a : 0
  }
}

/// The adjoint of a resizing; the second input gives only the shape.
public struct ResizeGradient: Operation {
  public static let kind = "resize-gradient"
  /// What was resized.
  public var resize: ResizeOperation
  public var shapeOnlyInputs: [Int] { [1] }

  public func outputShapes(_ inputs: [Shape]) throws(ShapeError) -> [Shape] {
    try expectInputs(inputs, 2)
    let resized = try resize.outputShapes([inputs[1]])[0]
    try expectEqual(resized, inputs[0], "a gradient")
    return [inputs[1]]
  }

  public func run(_ context: borrowing ExecutionContext) {
    let (input, output) = (context.shapes.inputs[1], context.shapes.inputs[0])
    let (rows, columns) = resize.taps(input, output)
    context.kernels.resampleGradient(
      context.input(0), context.output, batch: input.batch, height: input.height,
      width: input.width, channels: input.channels, rows: rows, columns: columns)
  }
}

extension ResizeOperation {
  /// Whether the nearest places of an axis are each place as many times after each other.
  package func repeats(_ input: Int, _ output: Int, isVertical: Bool) -> Bool {
    var scale: Float?
    if case .scale(let height, let width) = target { scale = isVertical ? height : width }
    let taps = taps(input, output, scale: scale)
    return output % input == 0 && taps.width == 1
      && taps.indices.enumerated().allSatisfy { $0.element == $0.offset / (output / input) }
  }
}
