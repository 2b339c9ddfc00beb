// The folding of nodes whose inputs are all known: arithmetic of shapes, weights that are moved before use.

import AtelierEngine
import AtelierFiles

extension ONNXImporter {
  /// The results of a node that constants alone go into, or of which only sizes are asked; nil for
  /// all others.
  mutating func fold(_ call: ONNXCall) throws -> [ConstantTensor]? {
    switch call.type {
    case "Shape", "Size":
      let sizes: [Int]
      switch try input(call, 0) {
      case .constant(let constant): sizes = constant.dimensions
      case .arranged(let value): sizes = value.dimensions
      default: return nil
      }
      if call.type == "Size" { return [.scalar(sizes.reduce(1, *))] }
      let rank = sizes.count
      func bound(_ value: Int) -> Int { min(max(value < 0 ? value + rank : value, 0), rank) }
      let start = bound(try call.integer("start", 0))
      let end = bound(try call.integer("end", rank))
      return [.row(start < end ? Array(sizes[start..<end]) : [])]
    case "Constant": return [try literal(call)]
    default: break
    }
    var inputs: [ConstantTensor] = []
    for index in call.node.inputs.indices where call.has(index) {
      guard case .constant(let constant) = try input(call, index) else { return nil }
      inputs.append(constant)
    }
    guard !inputs.isEmpty else { return nil }
    let results = try folded(call, inputs)
    for result in results ?? [] {
      try reserve(result.count, bytesEach: result.integers == nil ? 4 : 8)
    }
    return results
  }

  /// The number of a constant node.
  private mutating func literal(_ call: ONNXCall) throws -> ConstantTensor {
    for (name, attribute) in call.node.attributes {
      switch (name, attribute) {
      case ("value", .tensor(let tensor)): return try numbers.constant(tensor)
      case ("value_int", .integer(let value)): return .scalar(value)
      case ("value_ints", .integers(let values)): return .row(values)
      case ("value_float", .float(let value)):
        return ConstantTensor(dimensions: [], numbers: .floats([value]))
      case ("value_floats", .floats(let values)):
        return ConstantTensor(dimensions: [values.count], numbers: .floats(values))
      default: continue
      }
    }
    throw ONNXRefusal("has no number that is read")
  }

  /// Throws when a result of these sizes would be more than the file can need.
  private func admit(_ sizes: [Int]) throws -> Int {
    var count = 1
    for size in sizes {
      let (next, isTooLarge) = count.multipliedReportingOverflow(by: size)
      guard size >= 0, !isTooLarge, next <= max(1 << 20, numbers.byteCount / 4) else {
        throw ONNXRefusal("makes a constant of the sizes \(sizes.prefix(8))")
      }
      count = next
    }
    return count
  }

  private mutating func folded(
    _ call: ONNXCall, _ inputs: [ConstantTensor]
  ) throws -> [ConstantTensor]? {
    let first = inputs[0]
    if let function = FoldedArithmetic.function(call.type) {
      var result = first
      for other in inputs.dropFirst() {
        guard let sizes = ConstantTensor.common(result.dimensions, other.dimensions) else {
          throw ONNXRefusal("sizes \(result.dimensions) and \(other.dimensions) do not fit")
        }
        _ = try admit(sizes)
        guard let next = result.combined(other, sizes, function.integers, function.floats) else {
          return nil
        }
        result = next
      }
      return [result]
    }
    if let function = FoldedArithmetic.unary(call.type) {
      let isWhole = ["Neg", "Abs", "Floor", "Ceil", "Round", "Relu"].contains(call.type)
      let type = call.type
      return [first.mapped(isWhole ? { Self.whole(type, $0) } : nil, function)]
    }
    switch call.type {
    case "Identity", "Dropout": return [first]
    case "Not":
      return [first.mapped({ $0 == 0 ? 1 : 0 }, { $0 == 0 ? 1 : 0 })]
    case "Cast": return [try cast(first, to: try call.integer("to", 1))]
    case "CastLike":
      return [try cast(first, to: inputs.last?.integers == nil ? 1 : 7)]
    case "ConstantOfShape": return [try filled(call, first)]
    case "Range": return [try range(inputs)]
    case "Where": return try chosen(inputs)
    case "Reshape", "Flatten", "Squeeze", "Unsqueeze":
      let sizes = try foldedSizes(call, first.dimensions)
      guard sizes.reduce(1, { $0.multipliedReportingOverflow(by: $1).partialValue }) == first.count
      else { throw ONNXRefusal("\(first.dimensions) cannot be reshaped to \(sizes)") }
      return [first.reshaped(sizes)]
    case "Transpose": return [first.transposed(try order(call, rank: first.dimensions.count))]
    case "Concat": return [try joined(inputs, try call.integer("axis", 0))]
    case "Gather": return [try foldedGather(call, first, inputs)]
    case "Slice":
      var result = first
      for (axis, places) in try foldedSlices(call, first.dimensions) {
        result = result.gathered(axis, places)
      }
      return [result]
    case "Split": return try foldedSplit(call, first)
    case "Expand", "Tile":
      guard let second = inputs.dropFirst().first?.integers else { return nil }
      return [try foldedRepeat(call, first, second)]
    case "ReduceProd":
      guard let integers = first.integers else { return nil }
      return [.scalar(integers.reduce(1, &*))]
    default: return nil
    }
  }

  private static func whole(_ type: String, _ value: Int) -> Int {
    switch type {
    case "Neg": 0 &- value
    case "Abs": value == .min ? .max : abs(value)
    case "Relu": max(value, 0)
    default: value
    }
  }

  private func cast(_ value: ConstantTensor, to type: Int) throws -> ConstantTensor {
    guard let type = ONNXType(rawValue: type), type != .text else {
      throw ONNXRefusal("casts to the type \(type)")
    }
    if type.isFloat {
      return ConstantTensor(dimensions: value.dimensions, numbers: .floats(value.floats))
    }
    if let integers = value.integers {
      let result = type == .bool ? integers.map { $0 == 0 ? 0 : 1 } : integers
      return ConstantTensor(dimensions: value.dimensions, numbers: .integers(result))
    }
    let whole = value.floats.map { float in
      type == .bool ? (float == 0 ? 0 : 1) : Int(exactly: float.rounded(.towardZero)) ?? 0
    }
    return ConstantTensor(dimensions: value.dimensions, numbers: .integers(whole))
  }

  private mutating func filled(
    _ call: ONNXCall, _ sizes: ConstantTensor
  ) throws -> ConstantTensor {
    guard let sizes = sizes.integers else { throw ONNXRefusal("expected sizes") }
    let count = try admit(sizes)
    var value = ConstantTensor(dimensions: [1], numbers: .floats([0]))
    if case .tensor(let tensor)? = call.node.attributes["value"] {
      value = try numbers.constant(tensor)
    }
    guard value.count == 1 else { throw ONNXRefusal("expected one number to fill with") }
    return value.reshaped([1]).gathered(0, [Int](repeating: 0, count: count)).reshaped(sizes)
  }

  private func range(_ inputs: [ConstantTensor]) throws -> ConstantTensor {
    guard inputs.count == 3, inputs.allSatisfy({ $0.count == 1 }) else {
      throw ONNXRefusal("expected three numbers")
    }
    if let start = inputs[0].integers?[0], let end = inputs[1].integers?[0],
      let step = inputs[2].integers?[0], step != 0
    {
      let span = end.subtractingReportingOverflow(start).partialValue
      _ = try admit([max(span / step, 0) + 1])
      return .row(Array(stride(from: start, to: end, by: step)))
    }
    let values = inputs.map { $0.floats[0] }
    guard values.allSatisfy(\.isFinite), values[2] != 0,
      (values[1] - values[0]) / values[2] < 65_536
    else { throw ONNXRefusal("expected three finite numbers") }
    let row = Array(stride(from: values[0], to: values[1], by: values[2]))
    return ConstantTensor(dimensions: [row.count], numbers: .floats(row))
  }

  private func chosen(_ inputs: [ConstantTensor]) throws -> [ConstantTensor]? {
    guard inputs.count == 3,
      let inner = ConstantTensor.common(inputs[1].dimensions, inputs[2].dimensions),
      let sizes = ConstantTensor.common(inputs[0].dimensions, inner)
    else { throw ONNXRefusal("its sizes do not fit") }
    _ = try admit(sizes)
    guard let condition = inputs[0].expanded(sizes)?.floats, let a = inputs[1].expanded(sizes),
      let b = inputs[2].expanded(sizes)
    else { return nil }
    if let x = a.integers, let y = b.integers {
      return [
        ConstantTensor(
          dimensions: sizes,
          numbers: .integers(condition.indices.map { condition[$0] != 0 ? x[$0] : y[$0] }))
      ]
    }
    let (x, y) = (a.floats, b.floats)
    return [
      ConstantTensor(
        dimensions: sizes,
        numbers: .floats(condition.indices.map { condition[$0] != 0 ? x[$0] : y[$0] }))
    ]
  }

  private func joined(_ parts: [ConstantTensor], _ axis: Int) throws -> ConstantTensor {
    let sizes = parts[0].dimensions
    let axis = try self.axis(axis, rank: sizes.count)
    guard !sizes.isEmpty,
      parts.allSatisfy({ part in
        part.dimensions.count == sizes.count
          && sizes.indices.allSatisfy { $0 == axis || part.dimensions[$0] == sizes[$0] }
      })
    else { throw ONNXRefusal("sizes \(parts.map(\.dimensions)) cannot be joined") }
    var joined = sizes
    joined[axis] = parts.reduce(0) { $0 + $1.dimensions[axis] }
    _ = try admit(joined)
    let outer = sizes[..<axis].reduce(1, *)
    let isWhole = parts.allSatisfy { $0.integers != nil }
    var (integers, floats): ([Int], [Float]) = ([], [])
    for block in 0..<outer {
      for part in parts {
        let width = part.count / max(outer, 1)
        let range = block * width..<(block + 1) * width
        if isWhole, let values = part.integers {
          integers += values[range]
        } else {
          floats += part.floats[range]
        }
      }
    }
    return ConstantTensor(
      dimensions: joined, numbers: isWhole ? .integers(integers) : .floats(floats))
  }

  private func foldedGather(
    _ call: ONNXCall, _ first: ConstantTensor, _ inputs: [ConstantTensor]
  ) throws -> ConstantTensor {
    guard inputs.count == 2, let places = inputs[1].integers else {
      throw ONNXRefusal("expected places")
    }
    let axis = try self.axis(try call.integer("axis", 0), rank: first.dimensions.count)
    guard !first.dimensions.isEmpty else { throw ONNXRefusal("gathers from a single number") }
    let size = first.dimensions[axis]
    let positive = places.map { $0 < 0 ? $0 &+ size : $0 }
    guard positive.allSatisfy({ (0..<size).contains($0) }) else {
      throw ONNXRefusal("takes places outside an axis of \(size)")
    }
    var sizes = first.dimensions
    sizes.replaceSubrange(axis...axis, with: inputs[1].dimensions)
    _ = try admit(sizes)
    return first.gathered(axis, positive).reshaped(sizes)
  }

  private mutating func foldedSplit(
    _ call: ONNXCall, _ first: ConstantTensor
  ) throws -> [ConstantTensor] {
    let axis = try self.axis(try call.integer("axis", 0), rank: first.dimensions.count)
    guard !first.dimensions.isEmpty else { throw ONNXRefusal("splits a single number") }
    let count = call.node.outputs.count
    var sizes = try call.integers("split")
    if call.has(1) { sizes = try integers(call, 1, "sizes") }
    let size = first.dimensions[axis]
    let part = (size + count - 1) / max(count, 1)
    let parts = sizes ?? (0..<count).map { max(min(part, size - $0 * part), 0) }
    guard parts.count == count, parts.allSatisfy({ (0...size).contains($0) }),
      parts.reduce(0, &+) == size
    else { throw ONNXRefusal("an axis of \(size) cannot be split into \(parts.prefix(16))") }
    var start = 0
    return parts.map { size in
      start += size
      return first.gathered(axis, Array(start - size..<start))
    }
  }

  private func foldedRepeat(
    _ call: ONNXCall, _ first: ConstantTensor, _ sizes: [Int]
  ) throws -> ConstantTensor {
    if call.type == "Expand" {
      guard let common = ConstantTensor.common(first.dimensions, sizes) else {
        throw ONNXRefusal("\(first.dimensions) cannot be repeated to \(sizes)")
      }
      _ = try admit(common)
      return first.expanded(common) ?? first
    }
    guard sizes.count == first.dimensions.count, sizes.allSatisfy({ $0 >= 0 && $0 <= 1 << 24 })
    else {
      throw ONNXRefusal("expected a number for each axis of \(first.dimensions)")
    }
    _ = try admit(zip(sizes, first.dimensions).map { $0 * $1 })
    var result = first
    for (axis, count) in sizes.enumerated() {
      let size = result.dimensions[axis]
      result = result.gathered(axis, (0..<count).flatMap { _ in 0..<size })
    }
    return result
  }
}
