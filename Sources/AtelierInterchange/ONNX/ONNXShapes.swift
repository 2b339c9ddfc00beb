// Operators that move numbers: reshaping, slices, joins, borders, resizing; and the folding of constants.

import AtelierEngine
import AtelierKernels

extension ONNXImporter {
  // MARK: - Sizes

  /// The sizes that Reshape, Flatten, Squeeze or Unsqueeze gives `present`.
  mutating func foldedSizes(_ call: ONNXCall, _ present: [Int]) throws -> [Int] {
    switch call.type {
    case "Flatten":
      let axis = try call.integer("axis", 1)
      let first = axis < 0 ? axis + present.count : axis
      guard (0...present.count).contains(first) else { throw ONNXRefusal("has the axis \(axis)") }
      return [present[..<first].reduce(1, *), present[first...].reduce(1, *)]
    case "Squeeze", "Unsqueeze":
      var axes = try call.integers("axes")
      if call.has(1) { axes = try integers(call, 1, "axes") }
      if call.type == "Unsqueeze" {
        let chosen = try self.axes(axes ?? [], rank: present.count + (axes?.count ?? 0))
        var result = present
        for axis in chosen { result.insert(1, at: axis) }
        return result
      }
      let chosen = try axes.map { try self.axes($0, rank: present.count) }
      guard chosen?.allSatisfy({ present[$0] == 1 }) ?? true else {
        throw ONNXRefusal("axes \(axes ?? []) of \(present) are not of one element")
      }
      return present.indices.filter { axis in
        chosen.map { !$0.contains(axis) } ?? (present[axis] != 1)
      }.map { present[$0] }
    default:
      var sizes = try integers(call, 1, "sizes")
      let allowsZero = try call.integer("allowzero", 0) != 0
      guard sizes.count <= 16, sizes.allSatisfy({ (-1...1 << 40).contains($0) }),
        sizes.filter({ $0 == -1 }).count <= 1
      else { throw ONNXRefusal("cannot be reshaped to \(sizes.prefix(16))") }
      for axis in sizes.indices where sizes[axis] == 0 && !allowsZero {
        guard axis < present.count else { throw ONNXRefusal("keeps an axis that is not there") }
        sizes[axis] = present[axis]
      }
      if let free = sizes.firstIndex(of: -1) {
        sizes[free] = 1
        let (known, whole) = (product(sizes), present.reduce(1, *))
        guard let known, known > 0, whole % known == 0 else {
          throw ONNXRefusal("\(present) cannot be reshaped to \(sizes)")
        }
        sizes[free] = whole / known
      }
      return sizes
    }
  }

  /// The product of sizes, nil where it is too large to count.
  private func product(_ sizes: [Int]) -> Int? {
    var result = 1
    for size in sizes {
      let (next, isTooLarge) = result.multipliedReportingOverflow(by: size)
      guard !isTooLarge, next >= 0, next <= 1 << 40 else { return nil }
      result = next
    }
    return result
  }

  mutating func reshaped(_ call: ONNXCall) throws -> ONNXValue {
    let value = try arranged(call, 0)
    return .arranged(try reshaped(value, try foldedSizes(call, value.dimensions)))
  }

  mutating func shuffled(_ call: ONNXCall) throws -> ONNXValue {
    let value = try arranged(call, 0)
    let block = try call.integer("blocksize", 1)
    let sizes = value.dimensions
    guard sizes.count == 4, (1...4096).contains(block) else {
      throw ONNXRefusal("expected an image and a block, received \(sizes) and \(block)")
    }
    let (batch, channels, height, width) = (sizes[0], sizes[1], sizes[2], sizes[3])
    if call.type == "SpaceToDepth" {
      guard height % block == 0, width % block == 0 else {
        throw ONNXRefusal("\(sizes) does not divide into blocks of \(block)")
      }
      let parts = try reshaped(
        value, [batch, channels, height / block, block, width / block, block]
      ).transposed([0, 3, 5, 1, 2, 4])
      return .arranged(
        try reshaped(
          parts, [batch, channels * block * block, height / block, width / block]))
    }
    guard channels % (block * block) == 0 else {
      throw ONNXRefusal("\(sizes) does not divide into blocks of \(block)")
    }
    let rest = channels / (block * block)
    let isColumnFirst = try call.text("mode", "DCR") == "DCR"
    let parts =
      isColumnFirst
      ? try reshaped(value, [batch, block, block, rest, height, width])
        .transposed([0, 3, 4, 1, 5, 2])
      : try reshaped(value, [batch, rest, block, block, height, width])
        .transposed([0, 1, 4, 2, 5, 3])
    return .arranged(try reshaped(parts, [batch, rest, height * block, width * block]))
  }

  // MARK: - Along one axis

  /// A value with an axis' factors side by side in the file's order: the sizes of what lies before,
  /// of the axis, and of what lies behind, and the arrangement.
  private mutating func lined(
    _ value: ArrangedValue, _ axis: Int, like order: [Int]? = nil
  ) throws -> (value: ArrangedValue, before: [Int], behind: [Int]) {
    let own = value.axes[axis]
    guard let first = own.first else {
      // An axis of one element lies where the file has it among the others' numbers: innermost.
      return (value, Array(value.factors.indices), [])
    }
    if own == Array(first..<first + own.count) {
      return (
        value, Array(0..<first), Array((first + own.count)..<value.factors.count)
      )
    }
    let order = value.order(endingWith: [axis]).filter { !own.contains($0) } + own
    let sizes = order.map { value.factors[$0] }
    let placed = moved(value, order, try place(value, order, sizes))
    return (placed, Array(0..<order.count - own.count), [])
  }

  mutating func concatenated(_ call: ONNXCall) throws -> ONNXValue {
    var parts: [ArrangedValue] = []
    for index in call.node.inputs.indices { parts.append(try arranged(call, index)) }
    guard let lead = parts.first(where: { $0.isBatched }) ?? parts.first else {
      throw ONNXRefusal("joins nothing")
    }
    let axis = try axis(try call.integer("axis", version < 4 ? 1 : 0), rank: lead.axes.count)
    for part in parts {
      guard part.axes.count == lead.axes.count,
        part.dimensions.indices.allSatisfy({
          $0 == axis || part.dimensions[$0] == lead.dimensions[$0]
        })
      else {
        throw ONNXRefusal("sizes \(parts.map(\.dimensions)) cannot be joined along \(axis)")
      }
    }
    if parts.count == 1 { return .arranged(lead) }
    return .arranged(try joined(parts, axis))
  }

  /// Values side by side along an axis.
  private mutating func joined(_ parts: [ArrangedValue], _ axis: Int) throws -> ArrangedValue {
    let sizes = parts[0].dimensions
    let rank = sizes.count
    // The order of axes in which most numbers lie already: image or file.
    let isImage =
      rank == 4
      && parts.contains {
        $0.axes[3].last.map { $0 + 1 } != $0.factors.count
          && $0.factors.count > 1
      }
    let order = isImage ? [0, 2, 3, 1] : Array(0..<rank)
    let position = order.firstIndex(of: axis) ?? 0
    let behind = order[(position + 1)...].reduce(1) { $0 * sizes[$1] }
    var placed: [ValueID] = []
    var total = 0
    let isPlain = position == rank - 1
    for part in parts {
      let factors = order.flatMap { part.axes[$0] }
      let size = part.dimensions[axis]
      total += size
      let full = order.map { part.dimensions[$0] }
      let laid = try place(part, factors, full)
      placed.append(
        isPlain
          ? laid : try regroup(laid, Array(full[..<position]) + [size * behind]))
    }
    if position == 0 {
      // Whole samples one after the other are rows of one.
      placed = try placed.map { try regroup($0, [1, shape($0).count]) }
    }
    let result = try one(ConcatenateOperation.standard, placed)
    var joined = sizes
    joined[axis] = total
    return ArrangedValue(
      result, dimensions: joined, order: order, isBatched: order[0] == 0 && axis != 0)
  }

  /// A run of an axis' places.
  private mutating func run(
    _ value: ArrangedValue, _ axis: Int, start: Int, count: Int
  ) throws -> ArrangedValue {
    if start == 0, count == value.dimensions[axis] { return value }
    let (lined, before, behind) = try lined(value, axis)
    let width = behind.reduce(1) { $0 * lined.factors[$1] }
    let sizes = before.map { lined.factors[$0] }
    let whole = lined.dimensions[axis] * width
    let present = shape(lined.value).dimensions
    // Rows and columns of an image are cut off its border.
    if value.axes.count == 4, axis >= 2, lined.isBatched, present.count == 4,
      present == [0, 2, 3, 1].map({ lined.dimensions[$0] }), lined.axes[axis].count == 1
    {
      let rest = lined.dimensions[axis] - start - count
      let border =
        axis == 2
        ? Border(top: start, bottom: rest, left: 0, right: 0)
        : Border(top: 0, bottom: 0, left: start, right: rest)
      var cut = lined.with(try one(CropOperation(border), [lined.value]))
      cut.factors[cut.axes[axis][0]] = count
      if count == 1 { cut = dropped(cut, axis) }
      return cut
    }
    let isPlain = present.last == whole && present.count > 1
    let laid =
      isPlain ? lined.value : try regroup(lined.value, (sizes.isEmpty ? [1] : sizes) + [whole])
    let cut = try one(ChannelSlice(start: start * width, count: count * width), [laid])
    return resized(lined, axis, cut, count)
  }

  /// The arrangement with an axis of another size, made of one factor.
  private func resized(
    _ value: ArrangedValue, _ axis: Int, _ result: ValueID, _ count: Int
  ) -> ArrangedValue {
    var whole = value
    let own = value.axes[axis]
    guard let first = own.first else {
      // The axis lies innermost, where it had one element.
      whole.factors.append(count)
      whole.axes[axis] = [whole.factors.count - 1]
      whole.value = result
      return whole
    }
    // Factors of the axis that lie side by side become one.
    whole.factors.removeSubrange((first + 1)..<first + own.count)
    whole.factors[first] = count
    whole.axes = value.axes.map { factors in
      factors.compactMap {
        $0 > first && $0 < first + own.count ? nil : $0 > first ? $0 - own.count + 1 : $0
      }
    }
    whole.value = result
    return count == 1 ? dropped(whole, axis) : whole
  }

  /// The arrangement without the factor of an axis that has one element now.
  private func dropped(_ value: ArrangedValue, _ axis: Int) -> ArrangedValue {
    guard let factor = value.axes[axis].first, !(value.isBatched && factor == 0) else {
      return value
    }
    var result = value
    result.factors.remove(at: factor)
    result.axes = value.axes.map {
      $0.compactMap { $0 == factor ? nil : $0 > factor ? $0 - 1 : $0 }
    }
    return result
  }

  mutating func split(_ call: ONNXCall) throws -> [ONNXValue] {
    let value = try arranged(call, 0)
    let axis = try axis(try call.integer("axis", 0), rank: value.axes.count)
    let size = value.dimensions[axis]
    let count = call.node.outputs.count
    var sizes = try call.integers("split")
    if call.has(1) { sizes = try integers(call, 1, "sizes") }
    if sizes == nil {
      let part = (size + count - 1) / max(count, 1)
      sizes = (0..<count).map { max(min(part, size - $0 * part), 0) }
    }
    guard let sizes, sizes.count == count, sizes.allSatisfy({ (1...size).contains($0) }),
      sizes.reduce(0, &+) == size
    else { throw ONNXRefusal("an axis of \(size) cannot be split into \(sizes ?? [])") }
    var start = 0
    var results: [ONNXValue] = []
    for size in sizes {
      results.append(.arranged(try run(value, axis, start: start, count: size)))
      start += size
    }
    return results
  }

  /// The places that a slice takes of each axis: axis, first, number, step.
  mutating func foldedSlices(
    _ call: ONNXCall, _ present: [Int]
  ) throws -> [(axis: Int, places: [Int])] {
    func list(_ index: Int, _ name: String) throws -> [Int]? {
      if version < 10 { return try call.integers(name) }
      return call.has(index) ? try integers(call, index, name) : nil
    }
    guard let starts = try list(1, "starts"), let ends = try list(2, "ends") else {
      throw ONNXRefusal("lacks its begins and ends")
    }
    let axes = try list(3, "axes") ?? Array(starts.indices)
    let steps = try list(4, "steps") ?? [Int](repeating: 1, count: starts.count)
    guard starts.count == ends.count, axes.count == starts.count, steps.count == starts.count else {
      throw ONNXRefusal("has \(starts.count) begins, \(ends.count) ends, \(axes.count) axes")
    }
    var result: [(axis: Int, places: [Int])] = []
    for index in starts.indices {
      let axis = try axis(axes[index], rank: present.count)
      let size = present[axis]
      let step = steps[index]
      guard step != 0, abs(step) <= 1 << 40 else { throw ONNXRefusal("has the step \(step)") }
      func clamped(_ value: Int, _ lower: Int, _ upper: Int) -> Int {
        let place = value < 0 ? value.addingReportingOverflow(size).partialValue : value
        return min(max(place, lower), upper)
      }
      let places: [Int]
      if step > 0 {
        let (first, end) = (clamped(starts[index], 0, size), clamped(ends[index], 0, size))
        places = Array(stride(from: first, to: end, by: step))
      } else {
        let first = clamped(starts[index], 0, size - 1)
        // An end before the begin of the axis is before its first place.
        let end = ends[index] < -size ? -1 : clamped(ends[index], -1, size - 1)
        places = Array(stride(from: first, to: end, by: step))
      }
      result.append((axis, places))
    }
    return result
  }

  /// Some places of an axis, in any order.
  private mutating func picked(
    _ value: ArrangedValue, _ axis: Int, _ places: [Int]
  ) throws -> ArrangedValue {
    guard !places.isEmpty, places.count <= 1 << 24 else {
      throw ONNXRefusal("takes \(places.count) places of an axis")
    }
    if zip(places, places.dropFirst()).allSatisfy({ $1 == $0 + 1 }) {
      return try run(value, axis, start: places[0], count: places.count)
    }
    let (lined, before, behind) = try lined(value, axis)
    let inner = behind.reduce(1) { $0 * lined.factors[$1] }
    let outer = before.map { lined.factors[$0] }
    let laid = try regroup(lined.value, outer + [lined.dimensions[axis], inner])
    let result = try one(GatherOperation(axis: outer.count, places: places), [laid])
    return resized(lined, axis, result, places.count)
  }

  mutating func sliced(_ call: ONNXCall) throws -> ONNXValue {
    var value = try arranged(call, 0)
    for (axis, places) in try foldedSlices(call, value.dimensions) {
      value = try picked(value, axis, places)
    }
    return .arranged(value)
  }

  mutating func gathered(_ call: ONNXCall) throws -> ONNXValue {
    let value = try arranged(call, 0)
    let axis = try axis(try call.integer("axis", 0), rank: value.axes.count)
    guard let indices = try constant(call, 1), let places = indices.integers else {
      throw ONNXRefusal("its places are not known before it runs")
    }
    let size = value.dimensions[axis]
    let positive = places.map { $0 < 0 ? $0 + size : $0 }
    guard positive.allSatisfy({ (0..<size).contains($0) }) else {
      throw ONNXRefusal("takes places outside an axis of \(size)")
    }
    let picked = try picked(value, axis, positive)
    var sizes = value.dimensions
    sizes.replaceSubrange(axis...axis, with: indices.dimensions)
    return .arranged(try reshaped(picked, sizes))
  }

  // MARK: - Borders

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
