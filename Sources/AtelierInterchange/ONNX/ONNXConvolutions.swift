// Convolutions, poolings and unpoolings.

import AtelierEngine
import AtelierKernels

/// The window of a convolution or pooling as the file gives it, rows and columns.
private struct ONNXWindow {
  var kernel: [Int]
  var strides: [Int]
  var dilations: [Int]
  var padding: Padding

  var stride: Extent { Extent(strides[0], strides[1]) }
  var dilation: Extent { Extent(dilations[0], dilations[1]) }
}

extension ONNXImporter {
  /// An image of two axes beside batch and channels; one of one axis becomes one row high.
  private func widened(_ value: ArrangedValue) throws -> (value: ArrangedValue, isLine: Bool) {
    switch value.axes.count {
    case 4: return (value, false)
    case 3:
      var wide = value
      wide.axes.insert([], at: 2)
      return (wide, true)
    default:
      throw ONNXRefusal("expected an image of one or two axes, received \(value.dimensions)")
    }
  }

  /// A result of `widened` with its axis of one row left out again.
  private func narrowed(_ value: ArrangedValue, _ isLine: Bool) -> ONNXValue {
    var result = value
    if isLine { result.axes.remove(at: 2) }
    return .arranged(result)
  }

  /// Window, strides, dilations and padding of a node on an image of these rows and columns.
  private func window(
    _ call: ONNXCall, kernel: [Int], size: [Int], isLine: Bool
  ) throws -> ONNXWindow {
    let count = isLine ? 1 : 2
    func both(_ values: [Int], _ standard: Int) -> [Int] {
      isLine ? [standard] + values : values
    }
    var result = ONNXWindow(
      kernel: kernel, strides: both(try call.sizes("strides", count, 1), 1),
      dilations: both(try call.sizes("dilations", count, 1), 1), padding: .valid)
    guard (result.strides + result.dilations + kernel).allSatisfy({ $0 >= 1 }) else {
      throw ONNXRefusal("windows, strides and dilations are positive")
    }
    switch try call.text("auto_pad", "NOTSET") {
    case "VALID": break
    case "SAME_UPPER": result.padding = .same
    case "SAME_LOWER":
      let parts = (0..<2).map { axis -> (Int, Int) in
        let stride = result.strides[axis]
        let output = (size[axis] + stride - 1) / stride
        let reach = (kernel[axis] - 1) * result.dilations[axis] + 1
        let total = max((output - 1) * stride + reach - size[axis], 0)
        return (total - total / 2, total / 2)
      }
      result.padding = .explicit(
        top: parts[0].0, bottom: parts[0].1, left: parts[1].0, right: parts[1].1)
    case "NOTSET", "":
      let pads = try call.sizes("pads", 2 * count, 0)
      result.padding =
        isLine
        ? .explicit(top: 0, bottom: 0, left: pads[0], right: pads[1])
        : .explicit(top: pads[0], bottom: pads[2], left: pads[1], right: pads[3])
    default: throw ONNXRefusal("has an auto_pad that is not known")
    }
    return result
  }

  /// A convolution's or its adjoint's weights: axes as here, input channels as they lie.
  private mutating func weights(
    _ call: ONNXCall, order: [Int], isLine: Bool, inputAxis: Int, channels: [Int]?
  ) throws -> ValueID {
    if case .constant(let constant) = try input(call, 1) {
      var sizes = constant.dimensions
      if isLine { sizes.insert(1, at: min(2, sizes.count)) }
      guard sizes.count == 4 else {
        throw ONNXRefusal("expected weights of rank 4, received \(constant.dimensions)")
      }
      var tensor = constant.reshaped(sizes).transposed(order)
      if let channels { tensor = tensor.gathered(inputAxis, channels) }
      return try parameter(
        tensor, from: source(call, 1), "weight",
        arrangement: "\(order) \(channels?.hashValue ?? 0)")
    }
    var value = try arranged(call, 1)
    if isLine { value.axes.insert([], at: min(2, value.axes.count)) }
    guard value.axes.count == 4 else { throw ONNXRefusal("expected weights of rank 4") }
    let turned = value.transposed(order)
    let placed = try place(turned, turned.sequence, turned.dimensions)
    guard let channels else { return placed }
    return try one(GatherOperation(axis: inputAxis, places: channels), [placed], isHelper: true)
  }

  /// The sizes of a node's weights, four of them.
  private mutating func weightSizes(_ call: ONNXCall, isLine: Bool) throws -> [Int] {
    var sizes: [Int]
    switch try input(call, 1) {
    case .constant(let constant): sizes = constant.dimensions
    default: sizes = try arranged(call, 1).dimensions
    }
    if isLine { sizes.insert(1, at: min(2, sizes.count)) }
    guard sizes.count == 4, sizes.allSatisfy({ $0 > 0 }) else {
      throw ONNXRefusal("expected weights of an image's rank, received \(sizes)")
    }
    return sizes
  }

  mutating func convolution(_ call: ONNXCall) throws -> ONNXValue {
    let (x, isLine) = try widened(try arranged(call, 0))
    let sizes = try weightSizes(call, isLine: isLine)
    let groups = try call.integer("group", 1)
    guard groups >= 1, groups <= 1 << 24 else { throw ONNXRefusal("has \(groups) groups") }
    let window = try window(
      call, kernel: [sizes[2], sizes[3]], size: Array(x.dimensions[2...]), isLine: isLine)
    let (image, channels) = try image(x, inOrder: groups > 1)
    let weight = try weights(
      call, order: [2, 3, 1, 0], isLine: isLine, inputAxis: 2, channels: channels)
    var inputs = [image, weight]
    if call.has(2) {
      inputs.append(try vector(call, 2, "bias", count: sizes[0], channels: nil))
    }
    let attributes = ConvolutionAttributes(
      strides: window.stride, padding: window.padding, dilation: window.dilation, groups: groups)
    let result = try one(ConvolutionOperation(attributes, hasBias: inputs.count == 3), inputs)
    return narrowed(arranged(image: result), isLine)
  }

  mutating func transposedConvolution(_ call: ONNXCall) throws -> ONNXValue {
    let (x, isLine) = try widened(try arranged(call, 0))
    let sizes = try weightSizes(call, isLine: isLine)
    let groups = try call.integer("group", 1)
    guard groups >= 1, groups <= 1 << 24 else { throw ONNXRefusal("has \(groups) groups") }
    let size = Array(x.dimensions[2...])
    let window = try window(call, kernel: [sizes[2], sizes[3]], size: size, isLine: isLine)
    let count = isLine ? 1 : 2
    func both(_ values: [Int]) -> [Int] { isLine ? [0] + values : values }
    var extra = both(try call.sizes("output_padding", count, 0))
    let automatic = try call.text("auto_pad", "NOTSET")
    var wanted =
      call.node.attributes["output_shape"] == nil
      ? nil : try call.sizes("output_shape", count, 0)
    if isLine { wanted = wanted.map { [1] + $0 } }
    var pads: [(before: Int, after: Int)] = [(0, 0), (0, 0)]
    if case .explicit(let top, let bottom, let left, let right) = window.padding {
      pads = [(top, bottom), (left, right)]
    }
    if automatic.hasPrefix("SAME"), wanted == nil {
      wanted = (0..<2).map { size[$0] * window.strides[$0] }
    }
    if let wanted {
      for axis in 0..<2 {
        let full =
          window.strides[axis] * (size[axis] - 1) + extra[axis]
          + (window.kernel[axis] - 1) * window.dilations[axis] + 1
        let total = full - wanted[axis]
        // A result larger than what is painted gets rows of zeros below.
        extra[axis] += max(-total, 0)
        let removed = max(total, 0)
        let before = automatic == "SAME_UPPER" ? removed / 2 : removed - removed / 2
        pads[axis] = (before, removed - before)
      }
    }
    let (image, channels) = try image(x, inOrder: groups > 1)
    let weight = try weights(
      call, order: [2, 3, 1, 0], isLine: isLine, inputAxis: 3, channels: channels)
    var inputs = [image, weight]
    if call.has(2) {
      inputs.append(try vector(call, 2, "bias", count: sizes[1] * groups, channels: nil))
    }
    let attributes = ConvolutionAttributes(
      strides: window.stride,
      padding: .explicit(
        top: pads[0].before, bottom: pads[0].after, left: pads[1].before, right: pads[1].after),
      dilation: window.dilation, groups: groups)
    let result = try one(
      TransposedConvolutionOperation(
        attributes, outputPadding: Extent(extra[0], extra[1]), hasBias: inputs.count == 3), inputs)
    return narrowed(arranged(image: result), isLine)
  }

  // MARK: - Pooling

  private func poolWindow(
    _ call: ONNXCall, _ x: ArrangedValue, _ isLine: Bool
  ) throws -> (ONNXWindow, PoolAttributes) {
    guard call.node.attributes["kernel_shape"] != nil else {
      throw ONNXRefusal("lacks its kernel_shape")
    }
    let kernel = try call.sizes("kernel_shape", isLine ? 1 : 2, 1)
    let window = try window(
      call, kernel: isLine ? [1] + kernel : kernel, size: Array(x.dimensions[2...]), isLine: isLine)
    let attributes = PoolAttributes(
      window: Extent(window.kernel[0], window.kernel[1]), stride: window.stride,
      padding: window.padding, roundsUp: try call.integer("ceil_mode", 0) != 0)
    return (window, attributes)
  }

  mutating func maxPool(_ call: ONNXCall) throws -> [ONNXValue] {
    let (x, isLine) = try widened(try arranged(call, 0))
    let (window, attributes) = try poolWindow(call, x, isLine)
    if window.dilations != [1, 1] {
      return [narrowed(try dilatedMaxima(call, x, window, attributes), isLine)]
    }
    let isIndexed = call.node.outputs.count > 1 && !call.node.outputs[1].isEmpty
    let (image, channels) = try image(x, inOrder: isIndexed)
    let results = try append(MaxPoolOperation(attributes), [image])
    var pooled = arranged(image: results[0])
    if channels != nil { pooled = rearranged(pooled, like: x) }
    guard isIndexed else { return [narrowed(pooled, isLine)] }
    guard try call.integer("storage_order", 0) == 0 else {
      throw ONNXRefusal("counts its places by columns")
    }
    let pool = ONNXPool(
      attributes: attributes, input: image, switches: results[1], pooled: pooled.dimensions)
    return [narrowed(pooled, isLine), .switches(pool)]
  }

  /// Maxima of windows with gaps: the largest of the image's places at each offset of the window.
  private mutating func dilatedMaxima(
    _ call: ONNXCall, _ x: ArrangedValue, _ window: ONNXWindow, _ attributes: PoolAttributes
  ) throws -> ArrangedValue {
    let isBordered =
      switch window.padding {
      case .valid: false
      case .same: true
      case .explicit(let top, let bottom, let left, let right): max(top, bottom, left, right) > 0
      }
    guard !isBordered, !attributes.roundsUp, call.node.outputs.count == 1,
      window.kernel.reduce(1, { $0.multipliedReportingOverflow(by: $1).partialValue }) <= 64
    else { throw ONNXRefusal("has dilated windows with a border or places") }
    var result: ArrangedValue?
    for offset in 0..<window.kernel[0] * window.kernel[1] {
      var value = x
      for (axis, step) in [offset / window.kernel[1], offset % window.kernel[1]].enumerated() {
        let reach = (window.kernel[axis] - 1) * window.dilations[axis] + 1
        let size = x.dimensions[2 + axis]
        guard reach <= size, size <= 1 << 20 else {
          throw ONNXRefusal("has a window larger than its image")
        }
        let places = (0...(size - reach) / window.strides[axis]).map {
          $0 * window.strides[axis] + step * window.dilations[axis]
        }
        value = try picked(value, 2 + axis, places)
      }
      result = try result.map { try combined(.maximum, $0, value) } ?? value
    }
    return result ?? x
  }

  /// An image's result whose channels still lie in the order of `source`, channel for channel.
  private func rearranged(_ image: ArrangedValue, like source: ArrangedValue) -> ArrangedValue {
    let channels = source.axes[1]
    let lying = channels.sorted()
    guard let last = image.axes[1].first else { return image }
    var result = image
    result.factors.removeLast()
    result.factors += lying.map { source.factors[$0] }
    result.axes[1] = channels.map { last + (lying.firstIndex(of: $0) ?? 0) }
    return result
  }

  mutating func averagePool(_ call: ONNXCall) throws -> ONNXValue {
    let (x, isLine) = try widened(try arranged(call, 0))
    let (window, given) = try poolWindow(call, x, isLine)
    guard window.dilations == [1, 1] else { throw ONNXRefusal("has dilated windows") }
    var attributes = given
    let counts = try call.integer("count_include_pad", 0) != 0
    var (image, channels) = try image(x)
    // A window that reaches beyond the border is divided by what it has of input and border: with
    // the border laid out, that is what every window has of its input.
    if counts, attributes.roundsUp,
      case .explicit(let top, let bottom, let left, let right) = attributes.padding,
      max(top, bottom, left, right) > 0
    {
      let border = Border(top: top, bottom: bottom, left: left, right: right)
      let unpadded = shape(image)
      image = try one(PadOperation(border, .zero), [image], isHelper: true)
      let places = try MaxPoolOperation(attributes).outputShapes([unpadded])[0]
      attributes.padding = .valid
      // With the border as input, a window may begin in it; such windows are cut off again.
      let pooled = try one(AveragePoolOperation(attributes, countsPadding: false), [image])
      let surplus = Border(
        top: 0, bottom: shape(pooled).height - places.height, left: 0,
        right: shape(pooled).width - places.width)
      let cut = surplus == Border(0) ? pooled : try one(CropOperation(surplus), [pooled])
      return narrowed(
        channels == nil ? arranged(image: cut) : rearranged(arranged(image: cut), like: x), isLine)
    }
    let result = try one(AveragePoolOperation(attributes, countsPadding: counts), [image])
    let pooled = arranged(image: result)
    return narrowed(channels == nil ? pooled : rearranged(pooled, like: x), isLine)
  }

  mutating func globalPool(_ call: ONNXCall, _ reduction: Reduction) throws -> ONNXValue {
    let x = try arranged(call, 0)
    guard x.axes.count > 2 else { throw ONNXRefusal("expected an image") }
    return .arranged(try folded(x, reduction, axes: Array(2..<x.axes.count), keeps: true))
  }

  mutating func maxUnpool(_ call: ONNXCall) throws -> ONNXValue {
    let (x, isLine) = try widened(try arranged(call, 0))
    guard case .switches(let pool) = try input(call, 1) else {
      throw ONNXRefusal("its places do not come from a max pooling of the same network")
    }
    guard x.dimensions == pool.pooled else {
      throw ONNXRefusal("expected values \(pool.pooled), received \(x.dimensions)")
    }
    let mirror = shape(pool.input)
    var wanted: [Int]
    if call.has(2) {
      wanted = try integers(call, 2, "output sizes")
      if isLine { wanted.insert(1, at: min(2, wanted.count)) }
    } else {
      let window = try poolWindow(call, x, isLine).1
      let (stride, size) = (window.stride, window.window)
      var border = (0, 0)
      if case .explicit(let top, let bottom, let left, let right) = window.padding {
        border = (top + bottom, left + right)
      }
      wanted = [
        x.dimensions[0], x.dimensions[1],
        (x.dimensions[2] - 1) * stride.height + size.height - border.0,
        (x.dimensions[3] - 1) * stride.width + size.width - border.1,
      ]
    }
    guard wanted == [mirror.batch, mirror.channels, mirror.height, mirror.width] else {
      throw ONNXRefusal(
        "gives \(wanted), but the pooling that it mirrors had an input \(mirror)")
    }
    let (image, _) = try image(x, inOrder: true)
    let result = try one(MaxUnpoolOperation(pool.attributes), [image, pool.switches, pool.input])
    return narrowed(arranged(image: result), isLine)
  }

  /// Arithmetic with the places of a max pooling, as PyTorch's newer exporter writes unpooling: in
  /// the plane of the pooling, in that of the unpooling, and then scattered; nil where a node has
  /// nothing to do with places.
  mutating func places(_ call: ONNXCall) throws -> [ONNXValue]? {
    var pools: [(index: Int, pool: ONNXPool)] = []
    for index in call.node.inputs.indices where call.has(index) {
      if case .switches(let pool)? = values[call.node.inputs[index]] { pools.append((index, pool)) }
    }
    guard let (first, source) = pools.first, call.type != "MaxUnpool" else { return nil }
    var pool = source
    switch call.type {
    case "Slice" where pool.attributes.window == Extent(1, 1):
      pool.places = .planeStarts
    case "Sub" where pools.count == 2 && first == 0:
      guard case .planeStarts = pools[1].pool.places, case .flat = pool.places else {
        throw ONNXRefusal("computes with the places of a max pooling")
      }
      pool.places = .inPlane
    case "Add" where pools.count == 1:
      let size = shape(pool.input)
      let starts = try constant(call, 1 - first)?.integers
      guard case .inPlane = pool.places, let starts,
        starts.enumerated().allSatisfy({ $0.element == $0.offset * size.height * size.width })
      else { throw ONNXRefusal("computes with the places of a max pooling") }
      pool.places = .flat
    case "Reshape", "Unsqueeze", "Squeeze", "Identity", "Cast", "Flatten": break
    case "ScatterND" where first == 1: return [try scatteredUnpool(call, pool)]
    default: throw ONNXRefusal("computes with the places of a max pooling")
    }
    return [.switches(pool)]
  }

  /// Values scattered to the flat places of a max pooling, zeros elsewhere.
  private mutating func scatteredUnpool(
    _ call: ONNXCall, _ pool: ONNXPool
  ) throws -> ONNXValue {
    let mirror = shape(pool.input)
    guard case .flat = pool.places, let zeros = try constant(call, 0),
      zeros.count == mirror.count, zeros.floats.allSatisfy({ $0 == 0 })
    else {
      throw ONNXRefusal("expected zeros of the size of the pooling that it mirrors, \(mirror)")
    }
    let x = try arranged(call, 2)
    let (image, _) = try image(try reshaped(x, pool.pooled), inOrder: true)
    let result = try one(MaxUnpoolOperation(pool.attributes), [image, pool.switches, pool.input])
    return .arranged(try reshaped(arranged(image: result), [mirror.count]))
  }

  /// ScatterND of whole parts along the first axis, at known places: put there, or combined with
  /// what is there, one after the other where a place comes more than once.
  mutating func replaced(_ call: ONNXCall) throws -> ArrangedValue {
    var data = try arranged(call, 0)
    guard let indices = try constant(call, 1), let places = indices.integers,
      indices.dimensions.last == 1, indices.dimensions.count == 2, !data.axes.isEmpty,
      !places.isEmpty, places.count <= 4096
    else {
      throw ONNXRefusal("is taken for whole parts at known places, and as an unpooling")
    }
    let size = data.dimensions[0]
    let known = places.map { $0 < 0 ? $0 + size : $0 }
    guard known.allSatisfy({ (0..<size).contains($0) }) else {
      throw ONNXRefusal("has a place outside an axis of \(size)")
    }
    let updates = try arranged(call, 2)
    guard updates.axes.count == data.axes.count,
      updates.dimensions == [places.count] + data.dimensions.dropFirst()
    else { throw ONNXRefusal("\(updates.dimensions) are no parts of \(data.dimensions)") }
    let reduction = try call.text("reduction", "none")
    let operators: [String: BinaryOperator] = [
      "add": .add, "mul": .multiply, "max": .maximum, "min": .maximum,
    ]
    guard reduction == "none" || operators[reduction] != nil else {
      throw ONNXRefusal("combines in a way that is not known")
    }
    // Each round has a place once.
    var rounds: [[Int]] = []
    var seen: [Int: Int] = [:]
    for (index, place) in known.enumerated() {
      let round = seen[place, default: 0]
      seen[place] = round + 1
      if round == rounds.count { rounds.append([]) }
      rounds[round].append(index)
    }
    guard rounds.count <= 64 else { throw ONNXRefusal("has a place more than 64 times") }
    for round in rounds {
      var parts = try picked(updates, 0, round)
      if let binary = operators[reduction] {
        var present = try picked(data, 0, round.map { known[$0] })
        if reduction == "min" {
          present = present.with(try one(AffineOperation(scale: -1), [present.value]))
          parts = parts.with(try one(AffineOperation(scale: -1), [parts.value]))
        }
        parts = try combined(binary, present, parts)
        if reduction == "min" {
          parts = parts.with(try one(AffineOperation(scale: -1), [parts.value]))
        }
      }
      var sources = Array(0..<size)
      for (index, update) in round.enumerated() { sources[known[update]] = size + index }
      data = try picked(try joined([data, parts], 0), 0, sources)
    }
    return data
  }
}
