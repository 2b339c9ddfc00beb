// Operators that move numbers: reshaping, shuffles, slices and joins.

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
  mutating func lined(
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
  mutating func joined(_ parts: [ArrangedValue], _ axis: Int) throws -> ArrangedValue {
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
  mutating func run(
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
  func resized(
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
  func dropped(_ value: ArrangedValue, _ axis: Int) -> ArrangedValue {
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
      guard size <= 1 << 20 else { throw ONNXRefusal("cuts an axis of \(size)") }
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
  mutating func picked(
    _ value: ArrangedValue, _ axis: Int, _ places: [Int]
  ) throws -> ArrangedValue {
    guard !places.isEmpty, places.count <= 1 << 20 else {
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

  /// Places of several axes at once, each counted along the first axes of the value.
  mutating func gatheredPlaces(_ call: ONNXCall) throws -> ONNXValue {
    let value = try arranged(call, 0)
    guard try call.integer("batch_dims", 0) == 0 else {
      throw ONNXRefusal("takes other places for each picture (batch_dims)")
    }
    guard let indices = try constant(call, 1), let numbers = indices.integers else {
      throw ONNXRefusal("its places are not known before it runs")
    }
    let sizes = value.dimensions
    guard let depth = indices.dimensions.last, (1...sizes.count).contains(depth) else {
      throw ONNXRefusal("takes places along more axes than there are")
    }
    let (leading, rest) = (sizes[..<depth], sizes[depth...])
    let places = try stride(from: 0, to: numbers.count, by: depth).map { start in
      try leading.enumerated().reduce(0) { place, axis in
        let number = numbers[start + axis.offset]
        let index = number < 0 ? number + axis.element : number
        guard (0..<axis.element).contains(index) else {
          throw ONNXRefusal("takes places outside an axis of \(axis.element)")
        }
        return place * axis.element + index
      }
    }
    let flat = try reshaped(value, [leading.reduce(1, *)] + rest)
    let picked = try picked(flat, 0, places)
    return .arranged(try reshaped(picked, indices.dimensions.dropLast() + rest))
  }
}
