// The attributes that convolution and transposed convolution share, and the one place where sizes follow from them.

import AtelierKernels

/// How the border of a convolution or pooling window is treated.
public enum Padding: Sendable, Hashable, Codable {
  /// Zeros so that the output size is ⌈input / stride⌉, the odd one below and to the right (as Keras and TensorFlow have it).
  case same
  /// No padding.
  case valid
  /// These many rows and columns.
  case explicit(top: Int, bottom: Int, left: Int, right: Int)

  /// The same padding on all sides, as PyTorch has it.
  public static func symmetric(_ amount: Int) -> Padding {
    .explicit(top: amount, bottom: amount, left: amount, right: amount)
  }

  /// The rows above and below and the columns left and right of an input.
  func resolved(
    _ input: Shape, kernel: Extent, stride: Extent, dilation: Extent = 1
  ) -> (top: Int, bottom: Int, left: Int, right: Int) {
    let (top, bottom) = resolved(
      input: input.height, kernel: kernel.height, stride: stride.height, dilation: dilation.height,
      isVertical: true)
    let (left, right) = resolved(
      input: input.width, kernel: kernel.width, stride: stride.width, dilation: dilation.width,
      isVertical: false)
    return (top, bottom, left, right)
  }

  /// The padding before and after along one axis: vertical when `isVertical`.
  func resolved(
    input: Int, kernel: Int, stride: Int, dilation: Int, isVertical: Bool
  ) -> (before: Int, after: Int) {
    switch self {
    case .valid: return (0, 0)
    case .explicit(let top, let bottom, let left, let right):
      return isVertical ? (top, bottom) : (left, right)
    case .same:
      let output = (input + stride - 1) / stride
      let total = max((output - 1) * stride + (kernel - 1) * dilation + 1 - input, 0)
      return (total / 2, total - total / 2)
    }
  }
}

/// A height and a width, from one number or from two.
public struct Extent: Sendable, Hashable, Codable, ExpressibleByIntegerLiteral {
  /// The vertical size.
  public var height: Int
  /// The horizontal size.
  public var width: Int

  /// Makes an extent of two sizes.
  public init(_ height: Int, _ width: Int) {
    self.height = height
    self.width = width
  }

  /// Makes a square extent.
  public init(_ size: Int) { self.init(size, size) }

  /// Makes a square extent.
  public init(integerLiteral value: Int) { self.init(value, value) }
}

/// Stride, padding, dilation and groups of a convolution or of its adjoint.
public struct ConvolutionAttributes: Sendable, Hashable, Codable {
  /// The step between windows.
  public var stride: Extent = 1
  /// The border.
  public var padding: Padding = .valid
  /// The step between kernel elements.
  public var dilation: Extent = 1
  /// How many separate channel groups there are.
  public var groups: Int = 1

  /// The geometry of the convolution of an input [N, H, W, C] with weights [kh, kw, C / groups, K]; rank 2 is a dense layer.
  func geometry(input: Shape, weights: Shape) throws(ShapeError) -> ConvolutionGeometry {
    if input.rank == 2, weights.rank == 2 {
      guard input.channels == weights[0] else {
        throw ShapeError("expected \(weights[0]) input features; received \(input.channels)")
      }
      return ConvolutionGeometry(
        batch: 1, inputHeight: 1, inputWidth: input.batch, inputChannels: weights[0],
        outputHeight: 1, outputWidth: input.batch, outputChannels: weights[1],
        kernelHeight: 1, kernelWidth: 1)
    }
    try check(input: input, weights: weights)
    guard input.channels == weights[2] * groups else {
      throw ShapeError("expected \(weights[2] * groups) input channels; received \(input.channels)")
    }
    guard weights[3] % groups == 0 else {
      throw ShapeError("\(weights[3]) filters do not divide into \(groups) groups")
    }
    let (top, bottom, left, right) = padding.resolved(
      input, kernel: Extent(weights[0], weights[1]), stride: stride, dilation: dilation)
    let height = input.height + top + bottom - (weights[0] - 1) * dilation.height - 1
    let width = input.width + left + right - (weights[1] - 1) * dilation.width - 1
    guard height >= 0, width >= 0 else {
      throw ShapeError(
        "a kernel of \(weights[0])×\(weights[1]) (dilation \(dilation.height)×\(dilation.width)) does not fit the padded input of \(input.height + top + bottom)×\(input.width + left + right)"
      )
    }
    return ConvolutionGeometry(
      batch: input.batch, inputHeight: input.height, inputWidth: input.width,
      inputChannels: input.channels, outputHeight: height / stride.height + 1,
      outputWidth: width / stride.width + 1, outputChannels: weights[3], kernelHeight: weights[0],
      kernelWidth: weights[1], strideHeight: stride.height, strideWidth: stride.width,
      paddingTop: top, paddingLeft: left, dilationHeight: dilation.height,
      dilationWidth: dilation.width, groups: groups)
  }

  /// The geometry of the convolution whose adjoint maps an input [N, H', W', K] to an output [N, H, W, C].
  func adjointGeometry(
    input: Shape, weights: Shape, outputPadding: Extent
  ) throws(ShapeError) -> ConvolutionGeometry {
    if input.rank == 2, weights.rank == 2 {
      guard input.channels == weights[1] else {
        throw ShapeError("expected \(weights[1]) input features; received \(input.channels)")
      }
      return try geometry(input: [input.batch, weights[0]], weights: weights)
    }
    try check(input: input, weights: weights)
    guard input.channels == weights[3] else {
      throw ShapeError("expected \(weights[3]) input channels; received \(input.channels)")
    }
    guard weights[3] % groups == 0 else {
      throw ShapeError("\(weights[3]) input channels do not divide into \(groups) groups")
    }
    guard outputPadding.height >= 0, outputPadding.width >= 0,
      outputPadding.height < max(stride.height, dilation.height),
      outputPadding.width < max(stride.width, dilation.width)
    else {
      throw ShapeError(
        "output padding must be smaller than stride or dilation; received \(outputPadding.height)×\(outputPadding.width)"
      )
    }
    let (height, top) = adjointSize(
      input.height, kernel: weights[0], outputPadding: outputPadding.height, isVertical: true)
    let (width, left) = adjointSize(
      input.width, kernel: weights[1], outputPadding: outputPadding.width, isVertical: false)
    guard height > 0, width > 0 else {
      throw ShapeError("the output would be \(height)×\(width); padding is too large")
    }
    return ConvolutionGeometry(
      batch: input.batch, inputHeight: height, inputWidth: width,
      inputChannels: weights[2] * groups, outputHeight: input.height, outputWidth: input.width,
      outputChannels: weights[3], kernelHeight: weights[0], kernelWidth: weights[1],
      strideHeight: stride.height, strideWidth: stride.width, paddingTop: top, paddingLeft: left,
      dilationHeight: dilation.height, dilationWidth: dilation.width, groups: groups)
  }

  /// The output size of the transposed convolution along one axis and its padding before.
  private func adjointSize(
    _ input: Int, kernel: Int, outputPadding: Int, isVertical: Bool
  ) -> (size: Int, before: Int) {
    let stride = isVertical ? stride.height : stride.width
    let dilation = isVertical ? dilation.height : dilation.width
    let full = (input - 1) * stride + (kernel - 1) * dilation + 1 + outputPadding
    if case .same = padding {
      let size = input * stride
      let total = max((input - 1) * stride + (kernel - 1) * dilation + 1 - size, 0)
      return (size, total / 2)
    }
    let (before, after) = padding.resolved(
      input: 0, kernel: kernel, stride: stride, dilation: dilation, isVertical: isVertical)
    return (full - before - after, before)
  }

  /// The explicit form that gives `geometry` again, and the output padding that its adjoint needs.
  static func explicit(
    _ geometry: ConvolutionGeometry
  ) -> (attributes: ConvolutionAttributes, outputPadding: Extent) {
    func after(
      _ input: Int, _ output: Int, _ kernel: Int, _ stride: Int, _ dilation: Int, _ before: Int
    ) -> (after: Int, outputPadding: Int) {
      let used = (output - 1) * stride + (kernel - 1) * dilation + 1 - before
      // What the last window reads beyond the input is padding; what no window reads is output padding of the adjoint.
      return (max(used - input, 0), max(input - used, 0))
    }
    let vertical = after(
      geometry.inputHeight, geometry.outputHeight, geometry.kernelHeight, geometry.strideHeight,
      geometry.dilationHeight, geometry.paddingTop)
    let horizontal = after(
      geometry.inputWidth, geometry.outputWidth, geometry.kernelWidth, geometry.strideWidth,
      geometry.dilationWidth, geometry.paddingLeft)
    let attributes = ConvolutionAttributes(
      stride: Extent(geometry.strideHeight, geometry.strideWidth),
      padding: .explicit(
        top: geometry.paddingTop, bottom: vertical.after, left: geometry.paddingLeft,
        right: horizontal.after),
      dilation: Extent(geometry.dilationHeight, geometry.dilationWidth), groups: geometry.groups)
    return (attributes, Extent(vertical.outputPadding, horizontal.outputPadding))
  }

  private func check(input: Shape, weights: Shape) throws(ShapeError) {
    guard weights.rank == 4, weights.dimensions.allSatisfy({ $0 > 0 }) else {
      throw ShapeError("weights are [height, width, in, out]; received \(weights)")
    }
    guard stride.height > 0, stride.width > 0, dilation.height > 0, dilation.width > 0, groups > 0
    else { throw ShapeError("stride, dilation and groups are positive") }
    // The adjoint has a kernel of its own for each phase of the stride.
    guard max(stride.height, stride.width) <= 128 else {
      throw ShapeError("a stride is at most 128; received \(stride.height)×\(stride.width)")
    }
    if case .explicit(let top, let bottom, let left, let right) = padding {
      guard min(top, bottom, left, right) >= 0 else {
        throw ShapeError("padding is not negative; received \(top), \(bottom), \(left), \(right)")
      }
    }
    guard input.rank == 4 else {
      throw ShapeError(
        "expected an image batch [batch, height, width, channels]; received \(input)")
    }
  }
}
