// The walk over an ONNX graph: every node becomes operations of the engine, a constant, or a line of what is not taken.

import AtelierEngine
import AtelierFiles
import AtelierKernels
import Foundation

/// What is known of a name of the file.
enum ONNXValue {
  /// Numbers.
  case constant(ConstantTensor)
  /// A value of the graph.
  case arranged(ArrangedValue)
  /// The places that a max pooling took its values from, which an unpooling alone can read.
  case switches(ONNXPool)
  /// The result of a node that was refused.
  case unknown
}

/// A max pooling, as the unpooling that mirrors it needs it.
struct ONNXPool {
  /// What is known of the places, while a file computes with them.
  enum Places {
    /// Flat over the whole tensor, as MaxPool gives them.
    case flat
    /// Flat over their plane.
    case inPlane
    /// The places at which planes begin.
    case planeStarts
  }

  let attributes: PoolAttributes
  let input: ValueID
  let switches: ValueID
  let pooled: [Int]
  var places = Places.flat
}

/// The graph that grows out of a file.
struct ONNXImporter {
  let file: ONNXFile
  let version: Int
  var numbers: ONNXNumbers
  var graph = Graph()
  var values: [String: ONNXValue] = [:]
  var initializers: [String: ONNXTensor] = [:]
  /// The numbers of the graph's parameters by name.
  var parameters: [String: Tensor] = [:]
  /// The parameters made of an initializer in one arrangement.
  var shared: [String: ValueID] = [:]
  var notes: [String] = []
  private(set) var refusals: [String] = []
  private var names: [String: Int] = [:]
  /// Bytes of constants and parameters so far.
  private var bytes = 0
  private var streams: UInt64 = 0
  /// The node at work: its name, and how many operations it has become.
  private var nodeName = ""
  private var nodeType = ""
  private var operations = 0
  /// How many nodes and outputs read each name.
  private(set) var readers: [String: Int] = [:]

  init(_ file: ONNXFile, folder: URL?) throws(FileError) {
    self.file = file
    numbers = ONNXNumbers(file, folder: folder)
    version = file.operatorSets[""] ?? 1
    guard (3...13).contains(file.irVersion), (7...28).contains(version) else {
      throw FileError(
        file: file.name,
        message: "expected ONNX of IR 3 to 13 and opset 7 to 28, received IR \(file.irVersion) "
          + "and opset \(version)")
    }
    guard !file.graph.hasSparseInitializers else {
      throw FileError(file: file.name, message: "sparse initializers are not read")
    }
    for tensor in file.graph.initializers { initializers[tensor.name] = tensor }
    for node in file.graph.nodes { for name in node.inputs { readers[name, default: 0] += 1 } }
    for output in file.graph.outputs { readers[output.name, default: 0] += 1 }
  }

  /// Translates all nodes; refusals are collected, so that all of them can be told at once.
  mutating func run() {
    for node in file.graph.nodes {
      let label = node.name.isEmpty ? node.outputs.first ?? "" : node.name
      (nodeName, nodeType, operations) = (unique(label.isEmpty ? node.type : label), node.type, 0)
      // What stands behind a refused node is not at fault itself.
      if node.inputs.contains(where: { if case .unknown? = values[$0] { true } else { false } }) {
        if !isKnown(node) { refuse(node, "is not supported") }
        for output in node.outputs { values[output] = .unknown }
        continue
      }
      do {
        let call = ONNXCall(node: node)
        let results = try translate(call)
        for (name, result) in zip(node.outputs, results) where !name.isEmpty {
          values[name] = result
        }
        for name in node.outputs.dropFirst(results.count) where readers[name] != nil {
          throw ONNXRefusal("its output \(quoted(name)) is not supported")
        }
      } catch {
        let text =
          switch error {
          case let refusal as ONNXRefusal: refusal.text
          case let error as FileError: error.message
          case let error as ShapeError: error.description
          default: "\(error)"
          }
        refuse(node, text)
        for output in node.outputs { values[output] = .unknown }
      }
    }
  }

  private mutating func refuse(_ node: ONNXNode, _ text: String) {
    let name = node.name.isEmpty ? node.outputs.first ?? "" : node.name
    let type = node.domain.isEmpty ? node.type : "\(node.domain).\(node.type)"
    refusals.append("\(fitForLine(type, limit: 80) { _ in "?" }) \(quoted(name)): \(text)")
  }

  mutating func refuse(_ text: String) { refusals.append(text) }

  // MARK: - Names

  /// A name that no layer has yet, without what file systems and people stumble over.
  mutating func unique(_ name: String) -> String {
    var base = fitForLine(String(name.drop { $0 == "/" }), limit: 200) { _ in "?" }
    base = base.replacingOccurrences(of: "::", with: ".")
    if base.isEmpty { base = "value" }
    let number = names[base, default: 0]
    names[base] = number + 1
    if number == 0 { return base }
    return unique("\(base)_\(number)")
  }

  mutating func newStream() -> UInt64 {
    streams += 1
    return streams
  }

  /// Counts memory of constants and parameters, which a file of its size cannot need more of.
  mutating func reserve(_ count: Int, bytesEach: Int = 4) throws(ONNXRefusal) {
    let (size, isTooLarge) = count.multipliedReportingOverflow(by: bytesEach)
    guard !isTooLarge, size <= Self.spare(numbers.byteCount) - bytes else {
      throw ONNXRefusal("its constants are larger than a file of this size has numbers for")
    }
    bytes += size
  }

  private static func spare(_ fileBytes: Int) -> Int { max(16 << 20, 3 * fileBytes) }

  // MARK: - Appending to the graph

  /// Appends an operation of the node at work; the first one that is not a helper is its layer.
  mutating func append(
    _ operation: any AtelierEngine.Operation, _ inputs: [ValueID], isHelper: Bool = false
  ) throws(ShapeError) -> [ValueID] {
    let name = operations == 0 ? nodeName : "\(nodeName)/\(operations)"
    operations += 1
    guard graph.nodes.count < 16_000 else {
      throw ShapeError("the graph would have more than 16,000 operations")
    }
    return try graph.append(
      operation, inputs, name: name, layerType: isHelper ? nil : nodeType)
  }

  /// Appends an operation with one result.
  mutating func one(
    _ operation: any AtelierEngine.Operation, _ inputs: [ValueID], isHelper: Bool = false
  ) throws(ShapeError) -> ValueID {
    try append(operation, inputs, isHelper: isHelper)[0]
  }

  func shape(_ value: ValueID) -> Shape { graph.values[value].shape }

  /// The same numbers under another shape.
  mutating func regroup(_ value: ValueID, _ sizes: [Int]) throws(ShapeError) -> ValueID {
    let present = shape(value).dimensions
    if present == sizes { return value }
    if present.first == sizes.first, !sizes.isEmpty, (present.first ?? 0) > 0 {
      return try one(ReshapeOperation(Array(sizes.dropFirst())), [value], isHelper: true)
    }
    return try one(RegroupOperation(Shape(sizes)), [value], isHelper: true)
  }

  /// The numbers of a value in an order of its factors, under a shape.
  mutating func place(
    _ value: ArrangedValue, _ order: [Int], _ sizes: [Int]
  ) throws(ShapeError) -> ValueID {
    if order == Array(value.factors.indices) { return try regroup(value.value, sizes) }
    if let shuffled = try pixelShuffle(value, order, sizes) { return shuffled }
    // Factors that stay neighbours are one axis of the transposition.
    var runs: [(first: Int, size: Int)] = []
    var last = -2
    for factor in order {
      if factor == last + 1, !runs.isEmpty {
        runs[runs.count - 1].size *= value.factors[factor]
      } else {
        runs.append((factor, value.factors[factor]))
      }
      last = factor
    }
    let sorted = runs.indices.sorted { runs[$0].first < runs[$1].first }
    let lying = try regroup(value.value, sorted.map { runs[$0].size })
    let axes = runs.indices.map { run in sorted.firstIndex(of: run) ?? 0 }
    let turned = try one(TransposeOperation(order: axes), [lying], isHelper: true)
    return try regroup(turned, sizes)
  }

  /// A transposition that is a pixel shuffle or a space-to-depth of an image; nil when it is neither.
  private mutating func pixelShuffle(
    _ value: ArrangedValue, _ order: [Int], _ sizes: [Int]
  ) throws(ShapeError) -> ValueID? {
    let factors = value.factors
    guard value.isBatched, sizes.count == 4, factors.count == 5 || factors.count == 6,
      Array(order.prefix(2)) == [0, 1], Array(order.dropFirst(5)) == Array(5..<factors.count)
    else { return nil }
    let channels = factors.count == 6 ? factors[5] : 1
    guard Array(order[2..<5]) == [3, 2, 4] else { return nil }
    let (rows, columns) = (factors[1], factors[2])
    let block = factors[4]
    if factors[3] == block, sizes == [factors[0], rows * block, columns * block, channels] {
      let image = try regroup(value.value, [factors[0], rows, columns, block * block * channels])
      return try one(PixelShuffleOperation(block), [image])
    }
    if columns == block, sizes == [factors[0], rows, factors[3], block * block * channels] {
      let image = try regroup(
        value.value, [factors[0], rows * block, factors[3] * block, channels])
      return try one(SpaceToDepthOperation(block), [image])
    }
    return nil
  }

  /// The value with its numbers in the foreign order, each axis of above one element a factor.
  mutating func settled(_ value: ArrangedValue) throws(ShapeError) -> ArrangedValue {
    let sizes = value.dimensions
    let moved = try place(value, value.sequence, sizes.isEmpty ? [1] : sizes)
    return ArrangedValue(
      moved, dimensions: sizes, order: Array(sizes.indices),
      isBatched: value.isBatched && value.axes.first == [0])
  }

  /// The foreign sizes changed, numbers moved where that must be.
  mutating func reshaped(_ value: ArrangedValue, _ sizes: [Int]) throws -> ArrangedValue {
    guard value.count == sizes.reduce(1, { $0.multipliedReportingOverflow(by: $1).partialValue })
    else { throw ONNXRefusal("\(value.dimensions) cannot be reshaped to \(sizes)") }
    if let result = value.reshaped(sizes) { return result }
    if let result = try settled(value).reshaped(sizes) { return result }
    throw ONNXRefusal("\(value.dimensions) cannot be reshaped to \(sizes)")
  }

  /// An image [N, H, W, C] and, where its channels lie in another order, the foreign index of each.
  mutating func image(
    _ value: ArrangedValue, inOrder: Bool = false
  ) throws -> (value: ValueID, channels: [Int]?) {
    guard value.axes.count == 4 else {
      throw ONNXRefusal("expected an image of rank 4, received \(value.dimensions)")
    }
    let axes = value.axes
    let order = axes[0] + axes[2] + axes[3] + (inOrder ? axes[1] : axes[1].sorted())
    let sizes = value.dimensions
    let placed = try place(value, order, [sizes[0], sizes[2], sizes[3], sizes[1]])
    return (placed, inOrder ? nil : value.permutation(of: [1]))
  }

  /// An image's result as a value [N, C, H, W] of the file.
  func arranged(image value: ValueID) -> ArrangedValue {
    let sizes = shape(value).dimensions
    return ArrangedValue(
      value, dimensions: [sizes[0], sizes[3], sizes[1], sizes[2]], order: [0, 2, 3, 1],
      isBatched: true)
  }

  // MARK: - Parameters

  /// A parameter of the graph.
  ///
  /// The initializer that it is made of keeps its name, and the same arrangement of one is one
  /// parameter; `suffix` says what those are for that have no name worth keeping.
  mutating func parameter(
    _ tensor: ConstantTensor, from source: String?, _ suffix: String, arrangement: String,
    role: Graph.Role = .weight
  ) throws -> ValueID {
    let key = source.map { "\($0) \(arrangement) \(tensor.dimensions)" }
    if let key, let value = shared[key] { return value }
    try reserve(tensor.count)
    let isNamed = source.map { !$0.contains("::") && !$0.hasPrefix("val_") } ?? false
    let name = unique(isNamed ? source ?? "" : "\(nodeName)/\(suffix)")
    let sizes = Shape(tensor.dimensions)
    let value = graph.appendParameter(
      read: name, sizes, role: role, isTrainable: role == .weight && source != nil)
    parameters[name] = Tensor(sizes, tensor.floats)
    if let key { shared[key] = value }
    return value
  }
}
