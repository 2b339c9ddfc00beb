// A model as an .onnx file that other frameworks run: images [N, C, H, W] in and out.

import AtelierEngine
import AtelierFiles
import AtelierKernels
import Foundation

/// How a network is written.
package struct ONNXWriting: Sendable, Hashable {
  /// The operator set, 13 to 22.
  package var operatorSet = 17
  /// Whether batch, rows and columns of inputs are left free.
  package var isDynamic = false
  /// Whether large weights are stored in 16 bits, and widened where they are read.
  package var isHalf = false

  /// Makes the choices unless said otherwise: opset 17, fixed sizes, 32 bits.
  package init() {}
}

/// Writes graphs as ONNX.
package enum ONNXExport {
  /// The bytes of a model's file.
  ///
  /// - Throws: `ShapeError` naming every layer that ONNX has no operator for.
  package static func bytes(
    of model: Model, _ writing: ONNXWriting = ONNXWriting()
  ) throws(ShapeError) -> Data {
    guard (13...22).contains(writing.operatorSet) else {
      throw ShapeError("ONNX is written in opsets 13 to 22; received \(writing.operatorSet)")
    }
    var writer = ONNXWriter(model, writing)
    try writer.run()
    return Data(writer.file())
  }
}

/// The file while it grows.
struct ONNXWriter {
  let model: Model
  let graph: Graph
  let writing: ONNXWriting
  /// The name of each value of the graph in the file.
  var names: [String?]
  private var nodes: [[UInt8]] = []
  private var initializers: [[UInt8]] = []
  private var used = Set<String>()
  /// The tensors that stand in the file, by name.
  private var stored = Set<String>()
  /// Values that are flat there in the order [C, H, W] of an image here [H, W, C].
  var flattened: [ValueID: Shape] = [:]
  private var problems: [String] = []
  /// The names of switches as flat places, by the value that has them here.
  var places: [ValueID: String] = [:]
  private let readers: [[Int]]

  init(_ model: Model, _ writing: ONNXWriting) {
    self.model = model
    self.writing = writing
    graph = model.graph
    names = graph.values.map { _ in nil }
    var readers = [[Int]](repeating: [], count: graph.values.count)
    for (index, node) in graph.nodes.enumerated() {
      for input in node.inputs { readers[input].append(index) }
    }
    self.readers = readers
  }

  /// The nodes that read a value.
  func nodes(reading value: ValueID) -> [Graph.Node] { readers[value].map { graph.nodes[$0] } }

  func shape(_ value: ValueID) -> Shape { graph.values[value].shape }

  mutating func run() throws(ShapeError) {
    for (name, value) in graph.inputs { names[value] = fresh(name) }
    for node in graph.nodes {
      do throws(ShapeError) {
        try write(node)
      } catch {
        problems.append("\(node.name) (\(type(of: node.operation).kind)): \(error.description)")
      }
    }
    guard problems.isEmpty else {
      throw ShapeError(
        "\(problems.count) layers cannot be written as ONNX: \(problems.joined(separator: "; "))")
    }
    for output in graph.outputs {
      guard let name = names[output.value] else {
        throw ShapeError("output \(output.name) is not computed by a layer that ONNX has")
      }
      // An output keeps its name, whatever the layer behind it is called.
      if name != output.name {
        node("Identity", [name], [used.insert(output.name).inserted ? output.name : name])
      }
    }
  }

  // MARK: - Names and nodes

  /// A name that nothing else in the file has.
  mutating func fresh(_ name: String) -> String {
    var result = name
    var number = 1
    while !used.insert(result).inserted {
      result = "\(name)_\(number)"
      number += 1
    }
    return result
  }

  /// The name of a value in the file; parameters are stored as they are when they are first read.
  mutating func name(_ value: ValueID) throws(ShapeError) -> String {
    if let name = names[value] { return name }
    guard case .parameter(let index) = graph.values[value].source else {
      throw ShapeError("reads a value that was not written")
    }
    let parameter = graph.parameters[index]
    let tensor = try numbers(value)
    let sizes = tensor.shape
    let name =
      sizes.rank == 4
      ? constant(parameter.name, try transposed(tensor, [0, 3, 1, 2]))
      : constant(parameter.name, tensor)
    names[value] = name
    return name
  }

  /// The numbers of a parameter.
  func numbers(_ value: ValueID) throws(ShapeError) -> Tensor {
    guard case .parameter(let index) = graph.values[value].source else {
      throw ShapeError("expected a parameter, received a value that is computed")
    }
    let parameter = graph.parameters[index]
    if let tensor = model.parameters[parameter.name] { return tensor }
    guard case .values(let values) = parameter.initializer else {
      throw ShapeError("parameter \(parameter.name) has no numbers")
    }
    return Tensor(parameter.shape, values)
  }

  func transposed(_ tensor: Tensor, _ order: [Int]) throws(ShapeError) -> Tensor {
    let moved = ConstantTensor(
      dimensions: tensor.shape.dimensions, numbers: .floats(tensor.elements)
    ).transposed(order)
    return Tensor(Shape(moved.dimensions), moved.floats)
  }

  /// Stores a tensor of floats, large ones in 16 bits where that is asked and nothing overflows.
  mutating func constant(_ name: String, _ tensor: Tensor) -> String {
    let name = fresh(name)
    let isHalf =
      writing.isHalf && tensor.count >= 1024
      && tensor.elements.allSatisfy { abs($0) <= 65_504 }
    var message = ProtobufEncoder()
    for size in tensor.shape.dimensions { message.integer(1, Int64(size)) }
    message.integer(2, isHalf ? 10 : 1)
    let stored = isHalf ? fresh(name + "/half") : name
    message.string(8, stored)
    if isHalf {
      message.data(9, Self.bytes(tensor.elements.map { Float16($0).bitPattern }))
    } else {
      message.data(9, Self.bytes(tensor.elements.map(\.bitPattern)))
    }
    initializers.append(message.bytes)
    if isHalf { node("Cast", [stored], [name], [.integer("to", 1)]) }
    return name
  }

  /// Stores whole numbers.
  mutating func integers(_ name: String, _ values: [Int], isScalar: Bool = false) -> String {
    let name = fresh(name)
    var message = ProtobufEncoder()
    if !isScalar { message.integer(1, Int64(values.count)) }
    message.integer(2, 7)
    message.string(8, name)
    message.data(9, Self.bytes(values.map { UInt64(bitPattern: Int64($0)) }))
    initializers.append(message.bytes)
    return name
  }

  /// Stores one float.
  mutating func scalar(_ name: String, _ value: Float) -> String {
    constant(name, Tensor(.scalar, [value]))
  }

  private static func bytes<Bits: FixedWidthInteger>(_ values: [Bits]) -> [UInt8] {
    var result: [UInt8] = []
    result.reserveCapacity(values.count * MemoryLayout<Bits>.size)
    for value in values {
      withUnsafeBytes(of: value.littleEndian) { result.append(contentsOf: $0) }
    }
    return result
  }

  /// An attribute of a node.
  enum Attribute {
    case integer(String, Int)
    case float(String, Float)
    case text(String, String)
    case integers(String, [Int])
  }

  /// Appends a node with outputs of these names.
  mutating func node(
    _ type: String, _ inputs: [String], _ outputs: [String], _ attributes: [Attribute] = []
  ) {
    var message = ProtobufEncoder()
    for input in inputs { message.string(1, input) }
    for output in outputs { message.string(2, output) }
    message.string(3, outputs.first.map { "\($0)/\(type)" } ?? type)
    message.string(4, type)
    for attribute in attributes { message.message(5) { Self.encode(attribute, &$0) } }
    nodes.append(message.bytes)
  }

  private static func encode(_ attribute: Attribute, _ message: inout ProtobufEncoder) {
    switch attribute {
    case .integer(let name, let value):
      message.string(1, name)
      message.integer(3, Int64(value))
      message.integer(20, 2)
    case .float(let name, let value):
      message.string(1, name)
      message.float(2, value)
      message.integer(20, 1)
    case .text(let name, let value):
      message.string(1, name)
      message.string(4, value)
      message.integer(20, 3)
    case .integers(let name, let values):
      message.string(1, name)
      for value in values { message.integer(8, Int64(value)) }
      message.integer(20, 7)
    }
  }

  /// Appends a node with one output, whose name follows from a layer's.
  mutating func one(
    _ type: String, _ inputs: [String], _ layer: String, _ attributes: [Attribute] = []
  ) -> String {
    let name = fresh(layer)
    node(type, inputs, [name], attributes)
    return name
  }

  // MARK: - The file

  /// The bytes of the whole file.
  func file() -> [UInt8] {
    var message = ProtobufEncoder()
    message.integer(1, 8)
    message.string(2, "Atelier")
    message.message(7) { graph in
      for node in nodes { graph.data(1, node) }
      graph.string(2, model.information.architecture)
      for tensor in initializers { graph.data(5, tensor) }
      for (name, value) in self.graph.inputs { port(11, name, value, true, &graph) }
      for output in self.graph.outputs { port(12, output.name, output.value, false, &graph) }
    }
    message.message(8) { set in
      set.string(1, "")
      set.integer(2, Int64(writing.operatorSet))
    }
    let information = model.information
    var properties = [
      ("task", information.task), ("preprocessing", information.preprocessing),
    ]
    if !information.classNames.isEmpty {
      properties.append(("classes", information.classNames.joined(separator: "\n")))
    }
    for (key, value) in properties {
      message.message(14) {
        $0.string(1, key)
        $0.string(2, value)
      }
    }
    return message.bytes
  }

  /// An input or output: its sizes, or names of those that are free.
  private func port(
    _ field: UInt64, _ name: String, _ value: ValueID, _ isInput: Bool,
    _ graph: inout ProtobufEncoder
  ) {
    let shape = self.shape(value)
    let sizes = shape.rank == 4 ? [0, 3, 1, 2].map { shape[$0] } : shape.dimensions
    graph.message(field) { port in
      port.string(1, name)
      port.message(2) { type in
        type.message(1) { tensor in
          tensor.integer(1, 1)
          tensor.message(2) { list in
            for (axis, size) in sizes.enumerated() {
              list.message(1) { dimension in
                let isSpatial = sizes.count == 4 && axis >= 2
                if writing.isDynamic, axis == 0 || isSpatial {
                  let names = ["batch", "", "height", "width"]
                  dimension.string(2, isInput || axis == 0 ? names[axis] : "\(name)_\(names[axis])")
                } else {
                  dimension.integer(1, Int64(size))
                }
              }
            }
          }
        }
      }
    }
  }
}
