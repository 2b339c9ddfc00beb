// Borders around values, and resizing.

import AtelierEngine
import AtelierKernels

extension ONNXImporter {
  mutating func padded(_ call: ONNXCall) throws -> ONNXValue {
    var value = try arranged(call, 0)
    let rank = value.axes.count
    var pads = try call.integers("pads") ?? []
    if version >= 11 || call.has(1) { pads = try integers(call, 1, "border") }
    var axes = Array(0..<rank)
    if call.has(3) {
      axes = []
      for one in try integers(call, 3, "axes") { axes.append(try axis(one, rank: rank)) }
    }
    guard pads.count == 2 * axes.count, pads.allSatisfy({ abs($0) <= 1 << 24 }) else {
      throw ONNXRefusal("expected \(2 * axes.count) borders, received \(pads.prefix(16))")
    }
    let mode = try call.text("mode", "constant")
    var fill: Float = try call.float("value", 0)
    if version >= 11, call.has(2) {
      guard let given = try constant(call, 2)?.floats.first else {
        throw ONNXRefusal("its fill is not known before it runs")
      }
      fill = given
    }
    var borders = [(before: Int, after: Int)](repeating: (0, 0), count: rank)
    for (index, axis) in axes.enumerated() {
      borders[axis] = (pads[index], pads[index + axes.count])
    }
    // What is negative is cut off first.
    for axis in 0..<rank {
      let (before, after) = borders[axis]
      if before < 0 || after < 0 {
        let start = max(-before, 0)
        let count = value.dimensions[axis] - start - max(-after, 0)
        guard count > 0 else { throw ONNXRefusal("cuts off all of an axis") }
        value = try run(value, axis, start: start, count: count)
        borders[axis] = (max(before, 0), max(after, 0))
      }
    }
    let isShifted = mode == "constant" && fill != 0
    if isShifted { value = value.with(try one(AffineOperation(shift: -fill), [value.value])) }
    value = try bordered(value, borders, mode)
    if isShifted { value = value.with(try one(AffineOperation(shift: fill), [value.value])) }
    return .arranged(value)
  }

  private mutating func bordered(
    _ start: ArrangedValue, _ borders: [(before: Int, after: Int)], _ mode: String
  ) throws -> ArrangedValue {
    var value = start
    let rank = value.axes.count
    let modes: [String: PaddingMode] = [
      "constant": .zero, "reflect": .reflect, "edge": .replicate,
    ]
    var axes = Array(0..<rank).filter { borders[$0] != (0, 0) }
    if rank == 4, axes.contains(2) || axes.contains(3), let mode = modes[mode] {
      axes.removeAll { $0 >= 2 }
      let border = Border(
        top: borders[2].before, bottom: borders[2].after, left: borders[3].before,
        right: borders[3].after)
      let (image, channels) = try image(value)
      let bordered = try one(PadOperation(border, mode), [image])
      let result = arranged(image: bordered)
      value = channels == nil ? result : try padded(result, like: value)
    }
    for axis in axes {
      let size = value.dimensions[axis]
      let (before, after) = borders[axis]
      guard mode != "constant" else {
        let (lined, outer, behind) = try lined(value, axis)
        let width = behind.reduce(1) { $0 * lined.factors[$1] }
        let sizes = outer.map { lined.factors[$0] }
        let present = shape(lined.value).dimensions
        let laid =
          present.count > 1 && present.last == size * width
          ? lined.value : try regroup(lined.value, (sizes.isEmpty ? [1] : sizes) + [size * width])
        let result = try one(
          ChannelEmbed(start: before * width, total: (before + size + after) * width), [laid])
        value = resized(lined, axis, result, before + size + after)
        continue
      }
      guard size + before + after <= 1 << 20 else {
        throw ONNXRefusal("makes an axis of \(size + before + after)")
      }
      var places: [Int] = []
      for place in -before..<size + after {
        switch mode {
        case "edge": places.append(min(max(place, 0), size - 1))
        case "wrap": places.append(((place % size) + size) % size)
        case "reflect":
          let period = max(2 * (size - 1), 1)
          let turned = ((place % period) + period) % period
          places.append(turned < size ? turned : period - turned)
        default: throw ONNXRefusal("has the mode \(quotedMode(mode))")
        }
      }
      value = try picked(value, axis, places)
    }
    return value
  }

  private func quotedMode(_ mode: String) -> String { String(mode.prefix(40)) }

  /// An image's result whose channels lie in the order of a source's.
  private mutating func padded(
    _ result: ArrangedValue, like source: ArrangedValue
  ) throws -> ArrangedValue {
    guard let channels = source.permutation(of: [1]) else { return result }
    var back = channels
    for (place, channel) in channels.enumerated() { back[channel] = place }
    return try picked(result, 1, back)
  }

  // MARK: - Resizing

  mutating func resize(_ call: ONNXCall) throws -> ONNXValue {
    let x = try arranged(call, 0)
    guard x.axes.count == 4 else {
      throw ONNXRefusal("expected an image of rank 4, received \(x.dimensions)")
    }
    let sizes = x.dimensions
    let axes =
      try call.integers("axes").map { try $0.map { try axis($0, rank: 4) } }
      ?? [0, 1, 2, 3]
    var scales: [Float]?
    var target: [Int]?
    if call.type == "Upsample" || version < 11 {
      if case .floats(let values)? = call.node.attributes["scales"] {
        scales = values
      } else {
        scales = try constant(call, 1)?.floats
      }
    } else {
      if call.has(2) { scales = try constant(call, 2)?.floats }
      if scales?.isEmpty ?? true, call.has(3) {
        scales = nil
        target = try integers(call, 3, "sizes")
      }
    }
    guard (scales?.count ?? target?.count) == axes.count else {
      throw ONNXRefusal("its sizes are not known before it runs")
    }
    var factor: [Float] = [1, 1, 1, 1]
    var wanted = sizes
    for (index, axis) in axes.enumerated() {
      if let scales { factor[axis] = scales[index] }
      if let target { wanted[axis] = target[index] }
    }
    if target != nil { try keepAspect(call, axes, sizes, &wanted) }
    guard factor[0] == 1, factor[1] == 1, wanted[0] == sizes[0], wanted[1] == sizes[1],
      wanted.allSatisfy({ (1...1 << 20).contains($0) })
    else { throw ONNXRefusal("changes batch or channels, or leaves nothing") }
    let (image, _) = try image(x, inOrder: true)
    let operation = try resizing(
      call, scales == nil ? nil : (factor[2], factor[3]), Extent(wanted[2], wanted[3]), image)
    let result = try one(operation, [image])
    return .arranged(arranged(image: result))
  }

  private func keepAspect(
    _ call: ONNXCall, _ axes: [Int], _ sizes: [Int], _ wanted: inout [Int]
  ) throws {
    let policy = try call.text("keep_aspect_ratio_policy", "stretch")
    guard policy != "stretch" else { return }
    let ratios = axes.map { Double(wanted[$0]) / Double(sizes[$0]) }
    guard let ratio = policy == "not_larger" ? ratios.min() : ratios.max() else { return }
    for axis in axes { wanted[axis] = Int((Double(sizes[axis]) * ratio).rounded()) }
  }

  /// The operation of a resizing: one of those with a kernel of their own where it is one.
  private func resizing(
    _ call: ONNXCall, _ scales: (Float, Float)?, _ size: Extent, _ image: ValueID
  ) throws -> any Operation {
    let isOld = call.type == "Upsample" || version < 11
    let coordinates: [String: ResizeCoordinates] = [
      "half_pixel": .halfPixel, "pytorch_half_pixel": .pytorchHalfPixel,
      "align_corners": .alignCorners, "asymmetric": .asymmetric,
      "half_pixel_symmetric": .halfPixelSymmetric,
    ]
    let named =
      isOld
      ? "asymmetric" : try call.text("coordinate_transformation_mode", "half_pixel")
    guard let transformation = coordinates[named] else {
      throw ONNXRefusal("has coordinates of the kind \(String(named.prefix(40)))")
    }
    let method: ResizeMethod
    switch try call.text("mode", "nearest") {
    case "linear", "bilinear": method = .linear
    case "cubic": method = .cubic(coefficient: try call.float("cubic_coeff_a", -0.75))
    default:
      let roundings: [String: ResizeMethod.Rounding] = [
        "round_prefer_floor": .halfDown, "round_prefer_ceil": .halfUp, "floor": .down,
        "ceil": .up,
      ]
      let name = isOld ? "floor" : try call.text("nearest_mode", "round_prefer_floor")
      guard let rounding = roundings[name] else {
        throw ONNXRefusal("rounds in the way \(String(name.prefix(40)))")
      }
      method = .nearest(rounding)
    }
    let resize = ResizeOperation(
      scales.map { .scale(height: $0.0, width: $0.1) } ?? .size(size), method: method,
      coordinates: transformation, isSmoothed: try call.integer("antialias", 0) != 0,
      excludesOutside: try call.integer("exclude_outside", 0) != 0)
    let source = shape(image)
    let result = try resize.outputShapes([source])[0]
    if result.height % source.height == 0, result.width % source.width == 0 {
      let factor = Extent(result.height / source.height, result.width / source.width)
      if case .nearest = method, result.height <= 1 << 14, result.width <= 1 << 14,
        resize.repeats(source.height, result.height, isVertical: true),
        resize.repeats(source.width, result.width, isVertical: false)
      {
        return NearestUnpoolOperation(window: factor)
      }
      if method == .linear, transformation == .halfPixel, !resize.isSmoothed,
        !resize.excludesOutside
      {
        return BilinearResizeOperation(.factor(factor))
      }
    }
    if method == .linear, transformation == .halfPixel, scales == nil, !resize.isSmoothed,
      !resize.excludesOutside
    {
      return BilinearResizeOperation(.size(size))
    }
    return resize
  }
}
