// One node while it is translated: its attributes and inputs with what the standard says where they are left out.

import AtelierEngine
import AtelierFiles

/// A node and how its attributes are read.
struct ONNXCall {
  let node: ONNXNode

  var type: String { node.type }

  /// Whether there is an input at a place; a name of no letters stands for none.
  func has(_ index: Int) -> Bool {
    node.inputs.indices.contains(index) && !node.inputs[index].isEmpty
  }

  func integer(_ name: String, _ standard: Int) throws(ONNXRefusal) -> Int {
    switch node.attributes[name] {
    case nil: return standard
    case .integer(let value)?: return value
    default: throw ONNXRefusal("attribute \(name) is not a whole number")
    }
  }

  func float(_ name: String, _ standard: Float) throws(ONNXRefusal) -> Float {
    switch node.attributes[name] {
    case nil: return standard
    case .float(let value)?: return value
    case .integer(let value)?: return Float(value)
    default: throw ONNXRefusal("attribute \(name) is not a number")
    }
  }

  func text(_ name: String, _ standard: String) throws(ONNXRefusal) -> String {
    switch node.attributes[name] {
    case nil: return standard
    case .text(let value)?: return value
    default: throw ONNXRefusal("attribute \(name) is not a text")
    }
  }

  func texts(_ name: String) throws(ONNXRefusal) -> [String]? {
    switch node.attributes[name] {
    case nil: return nil
    case .texts(let values)?: return values
    default: throw ONNXRefusal("attribute \(name) is not a list of texts")
    }
  }

  func integers(_ name: String) throws(ONNXRefusal) -> [Int]? {
    switch node.attributes[name] {
    case nil: return nil
    case .integers(let values)?:
      guard values.allSatisfy({ abs($0) <= 1 << 40 || $0 == .min || $0 == .max }) else {
        throw ONNXRefusal("attribute \(name) has the numbers \(values.prefix(8))")
      }
      return values
    default: throw ONNXRefusal("attribute \(name) is not a list of whole numbers")
    }
  }

  /// A list of `count` sizes of images, each in a range that no arithmetic overflows.
  func sizes(_ name: String, _ count: Int, _ standard: Int) throws(ONNXRefusal) -> [Int] {
    guard let values = try integers(name) else { return [Int](repeating: standard, count: count) }
    guard values.count == count, values.allSatisfy({ abs($0) <= 1 << 24 }) else {
      throw ONNXRefusal("expected \(count) numbers as \(name), received \(values.prefix(8))")
    }
    return values
  }
}

extension ONNXImporter {
  /// What is known of an input.
  mutating func input(_ call: ONNXCall, _ index: Int) throws -> ONNXValue {
    guard call.has(index) else { throw ONNXRefusal("lacks its input \(index)") }
    let name = call.node.inputs[index]
    if let value = values[name] { return value }
    guard let tensor = initializers[name] else {
      throw ONNXRefusal("reads \(quoted(name)), which nothing gives")
    }
    let constant = try numbers.constant(tensor)
    // Small ones are looked at again and again; large ones become parameters.
    if constant.count <= 1024 { values[name] = .constant(constant) }
    return .constant(constant)
  }

  /// The numbers of an input, nil when they are not known.
  mutating func constant(_ call: ONNXCall, _ index: Int) throws -> ConstantTensor? {
    if case .constant(let constant) = try input(call, index) { return constant }
    return nil
  }

  /// The initializer that an input is, if it is one.
  func source(_ call: ONNXCall, _ index: Int) -> String? {
    let name = call.node.inputs[index]
    return initializers[name] == nil ? nil : name
  }

  /// The whole numbers of an input, which must be known and few.
  mutating func integers(_ call: ONNXCall, _ index: Int, _ what: String) throws -> [Int] {
    guard let constant = try constant(call, index) else {
      throw ONNXRefusal("its \(what) are not known before it runs")
    }
    guard let integers = constant.integers, integers.count <= 1 << 16 else {
      throw ONNXRefusal("expected whole numbers as \(what)")
    }
    return integers
  }

  /// The value of an input; known numbers become a parameter.
  mutating func arranged(_ call: ONNXCall, _ index: Int) throws -> ArrangedValue {
    switch try input(call, index) {
    case .arranged(let value): return value
    case .constant(let constant):
      let sizes = constant.dimensions.isEmpty ? [1] : constant.dimensions
      let value = try parameter(
        constant.reshaped(sizes), from: source(call, index), "constant_\(index)",
        arrangement: "as it is")
      return ArrangedValue(
        value, dimensions: constant.dimensions, order: Array(constant.dimensions.indices),
        isBatched: false)
    case .switches: throw ONNXRefusal("reads places of a max pooling, which MaxUnpool alone can")
    case .unknown: throw ONNXRefusal("reads what was refused")
    }
  }

  /// A vector of `count` elements, such as a bias, its channels in the order `channels`.
  mutating func vector(
    _ call: ONNXCall, _ index: Int, _ suffix: String, count: Int, channels: [Int]?,
    role: Graph.Role = .weight
  ) throws -> ValueID {
    if let constant = try constant(call, index) {
      guard constant.count == count else {
        throw ONNXRefusal("expected \(count) numbers as \(suffix), received \(constant.dimensions)")
      }
      var row = constant.reshaped([count])
      if let channels { row = row.gathered(0, channels) }
      return try parameter(
        row, from: source(call, index), suffix,
        arrangement: channels == nil ? "vector" : "vector \(channels.hashValue)", role: role)
    }
    let value = try arranged(call, index)
    guard value.count == count else {
      throw ONNXRefusal("expected \(count) numbers as \(suffix), received \(value.dimensions)")
    }
    let row = try place(value, value.sequence, [count])
    guard let channels else { return row }
    return try one(GatherOperation(axis: 0, places: channels), [row], isHelper: true)
  }

  /// An axis counted from the end where it is negative.
  func axis(_ axis: Int, rank: Int) throws(ONNXRefusal) -> Int {
    let result = axis < 0 ? axis + rank : axis
    guard (0..<max(rank, 1)).contains(result) else {
      throw ONNXRefusal("axis \(axis) is none of \(rank)")
    }
    return result
  }

  /// Axes counted from the end where they are negative, in rising order.
  func axes(_ axes: [Int], rank: Int) throws(ONNXRefusal) -> [Int] {
    var result: [Int] = []
    for one in axes { result.append(try axis(one, rank: rank)) }
    guard Set(result).count == result.count else { throw ONNXRefusal("axes \(axes) stand twice") }
    return result.sorted()
  }
}
