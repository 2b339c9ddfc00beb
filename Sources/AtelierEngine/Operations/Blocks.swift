// Moving blocks of numbers: concatenation and slices of channels, padding and cropping, reshaping.

import AtelierKernels

/// Channels of several tensors side by side: [..., C1], [..., C2], … give [..., C1 + C2 + …].
public struct ConcatenateOperation: Operation {
  public static let kind = "concatenate"
  public var treatsSamplesAlone: Bool { true }

  public func outputShapes(_ inputs: [Shape]) throws(ShapeError) -> [Shape] {
    guard let first = inputs.first, first.rank >= 1 else {
      throw ShapeError("concatenate takes at least one tensor; received \(inputs.count)")
    }
    for shape in inputs
    where Array(shape.dimensions.dropLast()) != Array(first.dimensions.dropLast()) {
      throw ShapeError("concatenate expects equal sizes but for the channels; received \(inputs)")
    }
    return [Shape(first.dimensions.dropLast() + [inputs.reduce(0) { $0 + $1.channels }])]
  }

  public func run(_ context: borrowing ExecutionContext) {
    let total = context.shapes.outputs[0].channels
    var start = 0
    for (index, shape) in context.shapes.inputs.enumerated() {
      copyChannels(
        context, from: context.input(index), fromStart: 0, fromChannels: shape.channels,
        to: context.output, toStart: start, toChannels: total, channels: shape.channels,
        pixels: shape.count / shape.channels)
      start += shape.channels
    }
  }

  public func differentiate(_ context: inout Derivation) throws(ShapeError) -> [ValueID?] {
    var start = 0
    var gradients: [ValueID?] = []
    for (index, input) in context.inputs.enumerated() {
      let channels = context.shape(input).channels
      gradients.append(
        context.isNeeded[index]
          ? try context.one(ChannelSlice(start: start, count: channels), [context.upstream]) : nil)
      start += channels
    }
    return gradients
  }
}

/// A range of channels: [..., C] gives [..., count].
public struct ChannelSlice: Operation {
  public static let kind = "channel-slice"
  public var treatsSamplesAlone: Bool { true }
  /// The first channel.
  public var start: Int
  /// The number of channels.
  public var count: Int

  /// Makes a slice.
  public init(start: Int, count: Int) {
    self.start = start
    self.count = count
  }

  public func outputShapes(_ inputs: [Shape]) throws(ShapeError) -> [Shape] {
    try expectInputs(inputs, 1)
    guard inputs[0].rank >= 1, start >= 0, count > 0, start <= inputs[0].channels - count else {
      throw ShapeError(
        "channels \(start)..<\(start + count) expected in \(inputs[0].channels) channels")
    }
    return [Shape(inputs[0].dimensions.dropLast() + [count])]
  }

  public func run(_ context: borrowing ExecutionContext) {
    let shape = context.shapes.inputs[0]
    copyChannels(
      context, from: context.input(0), fromStart: start, fromChannels: shape.channels,
      to: context.output, toStart: 0, toChannels: count, channels: count,
      pixels: shape.count / shape.channels)
  }

  public func differentiate(_ context: inout Derivation) throws(ShapeError) -> [ValueID?] {
    let total = context.shape(context.inputs[0]).channels
    return [try context.one(ChannelEmbed(start: start, total: total), [context.upstream])]
  }
}

/// Channels put into a wider tensor of zeros: the adjoint of a channel slice.
public struct ChannelEmbed: Operation {
  public static let kind = "channel-embed"
  /// The first channel to fill.
  public var start: Int
  /// The number of channels of the result.
  public var total: Int

  /// Makes an embedding.
  public init(start: Int, total: Int) {
    self.start = start
    self.total = total
  }

  public func outputShapes(_ inputs: [Shape]) throws(ShapeError) -> [Shape] {
    try expectInputs(inputs, 1)
    guard inputs[0].rank >= 1, start >= 0, start <= total - inputs[0].channels else {
      throw ShapeError("\(inputs[0].channels) channels from \(start) do not fit into \(total)")
    }
    return [Shape(inputs[0].dimensions.dropLast() + [total])]
  }

  public func run(_ context: borrowing ExecutionContext) {
    let shape = context.shapes.inputs[0]
    context.kernels.fill(0, context.output, count: context.shapes.outputs[0].count)
    copyChannels(
      context, from: context.input(0), fromStart: 0, fromChannels: shape.channels,
      to: context.output, toStart: start, toChannels: total, channels: shape.channels,
      pixels: shape.count / shape.channels)
  }

  public func differentiate(_ context: inout Derivation) throws(ShapeError) -> [ValueID?] {
    let count = context.shape(context.inputs[0]).channels
    return [try context.one(ChannelSlice(start: start, count: count), [context.upstream])]
  }
}

/// Copies a run of channels of every pixel between tensors of different widths.
private func copyChannels(
  _ context: borrowing ExecutionContext, from: UnsafePointer<Float>, fromStart: Int,
  fromChannels: Int, to: UnsafeMutablePointer<Float>, toStart: Int, toChannels: Int,
  channels: Int, pixels: Int
) {
  // Rows of 256 pixels let the kernel share them between threads whatever the image's form.
  let width = min(pixels, 256)
  let rows = pixels / width
  for (first, height, columns) in [(0, rows, width), (rows * width, 1, pixels - rows * width)]
  where columns > 0 && height > 0 {
    context.kernels.copyBlock(
      from: from, sourceStart: first * fromChannels + fromStart,
      sourceStrides: (0, columns * fromChannels, fromChannels), to: to,
      destinationStart: first * toChannels + toStart,
      destinationStrides: (0, columns * toChannels, toChannels), batch: 1, height: height,
      width: columns, channels: channels, accumulate: false)
  }
}

/// Rows and columns to add around an image, or to take away from it.
public struct Border: Sendable, Hashable, Codable {
  /// Rows above.
  public var top: Int
  /// Rows below.
  public var bottom: Int
  /// Columns to the left.
  public var left: Int
  /// Columns to the right.
  public var right: Int

  /// Makes a border.
  public init(top: Int, bottom: Int, left: Int, right: Int) {
    self.top = top
    self.bottom = bottom
    self.left = left
    self.right = right
  }

  /// Makes a border of the same width on all sides.
  public init(_ amount: Int) { self.init(top: amount, bottom: amount, left: amount, right: amount) }

  var isNotNegative: Bool { min(top, bottom, left, right) >= 0 }
}

/// Padding: [N, H, W, C] gives [N, top + H + bottom, left + W + right, C].
public struct PadOperation: Operation {
  public static let kind = "pad-2d"
  public var treatsSamplesAlone: Bool { true }
  /// What is added.
  public var border: Border
  /// With which values.
  public var mode: PaddingMode = .zero

  public func outputShapes(_ inputs: [Shape]) throws(ShapeError) -> [Shape] {
    let shape = try onlyImage(inputs)
    guard border.isNotNegative else { throw ShapeError("a border is not negative") }
    if mode == .reflect {
      guard max(border.top, border.bottom) < shape.height,
        max(border.left, border.right) < shape.width
      else {
        throw ShapeError("a reflected border must be smaller than the image; received \(shape)")
      }
    }
    return [
      [
        shape.batch, shape.height + border.top + border.bottom,
        shape.width + border.left + border.right, shape.channels,
      ]
    ]
  }

  public func run(_ context: borrowing ExecutionContext) {
    let shape = context.shapes.inputs[0]
    context.kernels.pad(
      context.input(0), context.output, batch: shape.batch, inputHeight: shape.height,
      inputWidth: shape.width, channels: shape.channels, top: border.top, bottom: border.bottom,
      left: border.left, right: border.right, mode: mode)
  }

  public func differentiate(_ context: inout Derivation) throws(ShapeError) -> [ValueID?] {
    if mode == .zero { return [try context.one(CropOperation(border: border), [context.upstream])] }
    return [try context.one(PadGradient(border: border, mode: mode), [context.upstream])]
  }
}

/// The adjoint of padding by replication or reflection: border values are added to where they came from.
public struct PadGradient: Operation {
  public static let kind = "pad-gradient"
  /// What the padding added.
  public var border: Border
  /// How it padded.
  public var mode: PaddingMode

  public func outputShapes(_ inputs: [Shape]) throws(ShapeError) -> [Shape] {
    let shapes = try CropOperation(border: border).outputShapes(inputs)
    // A border that no padding could have made must not reach the kernel.
    _ = try PadOperation(border: border, mode: mode).outputShapes(shapes)
    return shapes
  }

  public func run(_ context: borrowing ExecutionContext) {
    let shape = context.shapes.outputs[0]
    context.kernels.padGradient(
      context.input(0), context.output, batch: shape.batch, inputHeight: shape.height,
      inputWidth: shape.width, channels: shape.channels, top: border.top, bottom: border.bottom,
      left: border.left, right: border.right, mode: mode)
  }
}

/// Cropping: the adjoint of padding with zeros.
public struct CropOperation: Operation {
  public static let kind = "crop-2d"
  public var treatsSamplesAlone: Bool { true }
  /// What is taken away.
  public var border: Border

  public func outputShapes(_ inputs: [Shape]) throws(ShapeError) -> [Shape] {
    let shape = try onlyImage(inputs)
    let height = shape.height - border.top - border.bottom
    let width = shape.width - border.left - border.right
    guard border.isNotNegative, height > 0, width > 0 else {
      throw ShapeError("cropping leaves nothing of \(shape)")
    }
    return [[shape.batch, height, width, shape.channels]]
  }

  public func run(_ context: borrowing ExecutionContext) {
    let (large, small) = (context.shapes.inputs[0], context.shapes.outputs[0])
    let row = large.width * large.channels
    context.kernels.copyBlock(
      from: context.input(0), sourceStart: border.top * row + border.left * large.channels,
      sourceStrides: (large.height * row, row, large.channels), to: context.output,
      destinationStart: 0,
      destinationStrides: (
        small.height * small.width * small.channels, small.width * small.channels, small.channels
      ), batch: small.batch, height: small.height, width: small.width, channels: small.channels,
      accumulate: false)
  }

  public func differentiate(_ context: inout Derivation) throws(ShapeError) -> [ValueID?] {
    [try context.one(PadOperation(border: border), [context.upstream])]
  }
}

/// The same numbers under another shape; the batch axis stays.
public struct ReshapeOperation: Operation {
  public static let kind = "reshape"
  public var treatsSamplesAlone: Bool { true }
  /// The sizes after the batch axis; nil stands for one flat axis.
  public var target: [Int]?
  public var isView: Bool { true }

  /// Makes a reshaping to these sizes after the batch axis; nil flattens.
  public init(_ target: [Int]? = nil) { self.target = target }

  public func outputShapes(_ inputs: [Shape]) throws(ShapeError) -> [Shape] {
    try expectInputs(inputs, 1)
    let shape = inputs[0]
    guard shape.rank >= 1, shape.batch > 0 else {
      throw ShapeError("reshape takes a batch; received \(shape)")
    }
    let result = Shape([shape.batch] + (target ?? [shape.count / shape.batch]))
    guard result.isCountable, result.count == shape.count else {
      throw ShapeError("reshape to \(result) does not fit the \(shape.count) elements of \(shape)")
    }
    return [result]
  }

  public func run(_ context: borrowing ExecutionContext) {}

  public func differentiate(_ context: inout Derivation) throws(ShapeError) -> [ValueID?] {
    let shape = context.shape(context.inputs[0])
    let back = ReshapeOperation(Array(shape.dimensions.dropFirst()))
    return [try context.one(back, [context.upstream])]
  }
}
