// What an .onnx file says, as far as networks need it; tensors stay where they lie in the file.
//
// Format: https://github.com/onnx/onnx/blob/main/onnx/onnx.proto

import AtelierFiles
import Foundation

/// The parts of an .onnx file.
struct ONNXFile {
  /// No file may have more parts (nodes, attributes, tensors, names), so that memory follows its size.
  static let mostParts = 1 << 16

  let name: String
  let data: Data
  var irVersion = 0
  /// The version of each operator set by domain; the standard one has the name "".
  var operatorSets: [String: Int] = [:]
  var producer = ""
  var graph = ONNXGraph()
  var hasFunctions = false

  /// Reads the parts of a file's bytes.
  ///
  /// - Throws: `FileError` with the byte where the bytes break the format.
  init(_ data: Data, name: String) throws(FileError) {
    (self.data, self.name) = (data, name)
    var parser = ONNXParser(parts: 0)
    var found = ONNXContents()
    do {
      try data.withUnsafeBytes { bytes in
        found = try parser.model(ProtobufReader(bytes, 0..<bytes.count, file: name))
      }
    } catch let error as FileError {
      throw error
    } catch {
      throw FileError(file: name, message: "cannot be read: \(error)")
    }
    (irVersion, operatorSets, producer) = (found.irVersion, found.operatorSets, found.producer)
    (graph, hasFunctions) = (found.graph, found.hasFunctions)
    guard found.hasGraph else {
      throw FileError(file: name, message: "expected a network as ONNX, received no graph")
    }
  }
}

/// What is read of a model message.
struct ONNXContents {
  var irVersion = 0
  var operatorSets: [String: Int] = [:]
  var producer = ""
  var graph = ONNXGraph()
  var hasGraph = false
  var hasFunctions = false
}

/// Nodes, tensors and names of a graph.
struct ONNXGraph {
  var nodes: [ONNXNode] = []
  var initializers: [ONNXTensor] = []
  var inputs: [ONNXPort] = []
  var outputs: [ONNXPort] = []
  var hasSparseInitializers = false
}

/// An input or an output with what is said of its shape.
struct ONNXPort {
  var name = ""
  /// The code of its elements' type.
  var type = 0
  /// Its sizes, nil where they are free; nil when nothing is said.
  var dimensions: [Int?]?
}

/// One operator at work.
struct ONNXNode {
  var name = ""
  var type = ""
  var domain = ""
  var inputs: [String] = []
  var outputs: [String] = []
  var attributes: [String: ONNXAttribute] = [:]
}

/// The value of an attribute.
enum ONNXAttribute {
  case float(Float)
  case integer(Int)
  case text(String)
  case tensor(ONNXTensor)
  case floats([Float])
  case integers([Int])
  case texts([String])
  /// A graph or something else that no supported operator has.
  case other
}

/// A tensor's description; its numbers lie in the file or beside it.
struct ONNXTensor {
  var name = ""
  var dimensions: [Int] = []
  /// The code of its elements' type.
  var type = 0
  /// The bytes of the numbers in their own form.
  var raw: Range<Int>?
  /// Pieces of the repeated field that holds the numbers otherwise, packed as the field has them.
  var pieces: [Range<Int>] = []
  /// The field of the pieces.
  var field = 0
  /// Where else the numbers are: keys of `external_data`.
  var external: [String: String]?
}

/// The parser of messages, which counts the parts that it has met.
struct ONNXParser {
  var parts: Int

  private mutating func count(_ reader: ProtobufReader) throws(FileError) {
    parts += 1
    guard parts <= ONNXFile.mostParts else {
      throw reader.fault("the file has more than \(ONNXFile.mostParts) parts")
    }
  }

  /// ModelProto.
  mutating func model(_ source: ProtobufReader) throws(FileError) -> ONNXContents {
    var (reader, result) = (source, ONNXContents())
    while let field = try reader.next() {
      switch field.number {
      case 1: result.irVersion = try reader.integer(field)
      case 2: result.producer = try reader.text(field)
      case 7:
        guard !result.hasGraph else { throw reader.fault("there are two graphs") }
        result.hasGraph = true
        result.graph = try graph(try reader.message(field))
      case 8:
        try count(reader)
        var (part, domain, version) = (try reader.message(field), "", 1)
        while let field = try part.next() {
          switch field.number {
          case 1: domain = try part.text(field)
          case 2: version = try part.integer(field)
          default: try part.skip(field)
          }
        }
        result.operatorSets[domain == "ai.onnx" ? "" : domain] = version
      case 25:
        result.hasFunctions = true
        try reader.skip(field)
      default: try reader.skip(field)
      }
    }
    return result
  }

  /// GraphProto.
  private mutating func graph(_ source: ProtobufReader) throws(FileError) -> ONNXGraph {
    var (reader, result) = (source, ONNXGraph())
    while let field = try reader.next() {
      switch field.number {
      case 1: result.nodes.append(try node(try reader.message(field)))
      case 5: result.initializers.append(try tensor(try reader.message(field)))
      case 11: result.inputs.append(try port(try reader.message(field)))
      case 12: result.outputs.append(try port(try reader.message(field)))
      case 15:
        result.hasSparseInitializers = true
        try reader.skip(field)
      default: try reader.skip(field)
      }
    }
    return result
  }

  /// NodeProto.
  private mutating func node(_ source: ProtobufReader) throws(FileError) -> ONNXNode {
    var (reader, result) = (source, ONNXNode())
    try count(reader)
    while let field = try reader.next() {
      switch field.number {
      case 1, 2:
        try count(reader)
        let text = try reader.text(field)
        if field.number == 1 { result.inputs.append(text) } else { result.outputs.append(text) }
      case 3: result.name = try reader.text(field)
      case 4: result.type = try reader.text(field)
      case 5:
        let (name, value) = try attribute(try reader.message(field))
        guard result.attributes.updateValue(value, forKey: name) == nil else {
          throw reader.fault("attribute \(quoted(name)) stands twice", at: field.position)
        }
      case 7:
        let domain = try reader.text(field)
        result.domain = domain == "ai.onnx" ? "" : domain
      default: try reader.skip(field)
      }
    }
    return result
  }

  /// AttributeProto.
  private mutating func attribute(
    _ source: ProtobufReader
  ) throws(FileError) -> (String, ONNXAttribute) {
    var (reader, name, type) = (source, "", 0)
    try count(reader)
    var (float, integer, text): (Float, Int, String) = (0, 0, "")
    var tensor: ONNXTensor?
    var (floats, integers, texts): ([Float], [Int], [String]) = ([], [], [])
    var seen = 0
    while let field = try reader.next() {
      switch field.number {
      case 1: name = try reader.text(field)
      case 2: (float, seen) = (try reader.float(field), 1)
      case 3: (integer, seen) = (try reader.integer(field), 2)
      case 4: (text, seen) = (try reader.text(field), 3)
      case 5: (tensor, seen) = (try self.tensor(try reader.message(field)), 4)
      case 7:
        try reader.floats(field, into: &floats)
        seen = 6
      case 8:
        try reader.integers(field, into: &integers, limit: 1 << 16)
        seen = 7
      case 9:
        try count(reader)
        texts.append(try reader.text(field))
        seen = 8
      case 20: type = try reader.integer(field)
      default: try reader.skip(field)
      }
    }
    switch type == 0 ? seen : type {
    case 1: return (name, .float(float))
    case 2: return (name, .integer(integer))
    case 3: return (name, .text(text))
    case 4: return (name, tensor.map { .tensor($0) } ?? .other)
    case 6: return (name, .floats(floats))
    case 7: return (name, .integers(integers))
    case 8: return (name, .texts(texts))
    default: return (name, .other)
    }
  }

  /// TensorProto.
  private mutating func tensor(_ source: ProtobufReader) throws(FileError) -> ONNXTensor {
    var (reader, result) = (source, ONNXTensor())
    try count(reader)
    while let field = try reader.next() {
      switch field.number {
      case 1: try reader.integers(field, into: &result.dimensions, limit: 32)
      case 2: result.type = try reader.integer(field)
      case 4, 5, 7, 10, 11:
        guard result.pieces.isEmpty || result.field == field.number else {
          throw reader.fault("a tensor has numbers of two kinds", at: field.position)
        }
        result.field = field.number
        let start = reader.position
        if field.wire == .bytes {
          result.pieces.append(try reader.bytes(field))
        } else {
          try reader.skip(field)
          result.pieces.append(start..<reader.position)
        }
        guard result.pieces.count <= 4096 else {
          throw reader.fault("a tensor's numbers are not packed", at: field.position)
        }
      case 8: result.name = try reader.text(field)
      case 9: result.raw = try reader.bytes(field)
      case 13:
        try count(reader)
        var (part, key, value) = (try reader.message(field), "", "")
        while let field = try part.next() {
          switch field.number {
          case 1: key = try part.text(field)
          case 2: value = try part.text(field)
          default: try part.skip(field)
          }
        }
        result.external = result.external ?? [:]
        result.external?[key] = value
      case 14:
        if try reader.integer(field) == 1 { result.external = result.external ?? [:] }
      default: try reader.skip(field)
      }
    }
    return result
  }

  /// ValueInfoProto of a tensor.
  private mutating func port(_ source: ProtobufReader) throws(FileError) -> ONNXPort {
    var (reader, result) = (source, ONNXPort())
    try count(reader)
    while let field = try reader.next() {
      switch field.number {
      case 1: result.name = try reader.text(field)
      case 2:
        var type = try reader.message(field)
        while let field = try type.next() {
          guard field.number == 1 else {
            try type.skip(field)
            continue
          }
          try tensorType(try type.message(field), into: &result)
        }
      default: try reader.skip(field)
      }
    }
    return result
  }

  /// TypeProto.Tensor.
  private mutating func tensorType(
    _ source: ProtobufReader, into port: inout ONNXPort
  ) throws(FileError) {
    var reader = source
    while let field = try reader.next() {
      switch field.number {
      case 1: port.type = try reader.integer(field)
      case 2:
        var shape = try reader.message(field)
        var sizes: [Int?] = []
        while let field = try shape.next() {
          guard field.number == 1 else {
            try shape.skip(field)
            continue
          }
          try count(shape)
          var (part, size): (ProtobufReader, Int?) = (try shape.message(field), nil)
          while let field = try part.next() {
            if field.number == 1 { size = try part.integer(field) } else { try part.skip(field) }
          }
          sizes.append(size)
        }
        port.dimensions = sizes
      default: try reader.skip(field)
      }
    }
  }
}
