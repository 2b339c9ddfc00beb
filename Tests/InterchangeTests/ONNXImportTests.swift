// Networks of .onnx files: PyTorch's exports against ONNX Runtime, networks of the engine there and
// back, and files that are no networks.

import AtelierEngine
import AtelierFiles
import AtelierInterchange
import AtelierKernels
import Foundation
import Testing

@Suite("Networks from ONNX")
struct ONNXImportTests {
  static let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
    .deletingLastPathComponent().appendingPathComponent("Fixtures/onnx")
  static let networks = [
    "classifier-old", "classifier-new", "shuffled-old", "shuffled-new", "unpooled-new",
    "normalized-old", "normalized-new", "channels-old", "channels-new", "recurrent-old",
    "recurrent-new",
  ]

  private func read(_ name: String) throws -> ONNXImport {
    var options = ONNXImport.Options()
    options.renames = false
    return try ONNXImport(Self.folder.appendingPathComponent(name + ".onnx"), options)
  }

  @Test("PyTorch's exports give what ONNX Runtime gives", arguments: networks)
  func exports(_ name: String) throws {
    let archive = try NumPyArchive(Self.folder.appendingPathComponent(name + ".npz"))
    let rows = try ModelComparison(try read(name)).run(archive)
    #expect(rows.map(\.name) == ["y"])
    for row in rows { #expect(row.difference < 1e-5, "\(row.name)") }
  }

  @Test("images stay as they lie: no numbers move where PyTorch moves none")
  func transpositions() throws {
    func moves(_ name: String) throws -> Int {
      try read(name).model.graph.nodes.filter { $0.operation is TransposeOperation }.count
    }
    #expect(try moves("classifier-old") == 0)
    #expect(try moves("classifier-new") == 0)
    #expect(try moves("unpooled-new") == 0)
    #expect(try moves("normalized-new") == 0)
  }

  @Test("an imported network survives its own file and is trained on", arguments: networks)
  func ordinary(_ name: String) throws {
    let imported = try read(name)
    let bytes = try ModelBytes.of(imported.model)
    let again = try ModelFile.read(data: bytes, name: name)
    #expect(again.graph == imported.model.graph)
    let training = try imported.model.graph.extended { builder, symbols in
      if let y = symbols["y"] { builder.output("loss", (y * y).mean()) }
    }.specialized(for: .train).differentiated()
    #expect(!training.parameterGradients.isEmpty)
    #expect(
      training.parameterGradients.count
        == imported.model.graph.parameters.filter(\.isTrainable).count)
  }

  @Test("what is not supported is told at once, by node")
  func refusals() throws {
    var file = ONNXBytes()
    file.node("Loop", ["x"], ["a"], name: "first")
    file.node("Relu", ["a"], ["b"], name: "second")
    file.node("TopK", ["b"], ["c"], name: "third")
    file.node("AveragePool", ["x"], ["d"], name: "fourth")
    file.output("c")
    let text = importError(file.bytes)
    #expect(
      text == "net.onnx: 3 nodes cannot be taken: Loop \"first\": is not supported; "
        + "TopK \"third\": is not supported; AveragePool \"fourth\": lacks its kernel_shape")
  }

  @Test("recurrent layers of forms that are not taken are told")
  func recurrentRefusals() throws {
    var file = ONNXBytes()
    file.node("GRU", ["x", "w", "r"], ["a"], name: "first")
    file.output("a")
    #expect(
      importError(file.bytes)
        == "net.onnx: 1 node cannot be taken: GRU \"first\": expected a hidden_size above 0, "
        + "received 0")
  }

  @Test("sizes that a file leaves free are asked for")
  func freeSizes() throws {
    var file = ONNXBytes(sizes: [nil, 3, nil, nil])
    file.node("Relu", ["x"], ["y"], name: "relu")
    file.output("y")
    #expect(
      importError(file.bytes)
        == "net.onnx: input \"x\" leaves sizes free; give them with --input HxWxC")
    var options = ONNXImport.Options()
    options.image = (4, 5, 3)
    let imported = try ONNXImport(file.bytes, name: "net.onnx", options)
    #expect(imported.model.graph.inputs.map(\.name) == ["input"])
    #expect(imported.inputs[0].sizes == [1, 3, 4, 5])
    #expect(imported.inputs[0].order == [0, 2, 3, 1])
    #expect(imported.notes == ["input \"x\": free sizes fixed to [1, 3, 4, 5]"])
  }

  @Test(
    "numbers beside a file lie in its folder alone",
    arguments: ["../w", "/etc/passwd", "a/../../w"])
  func outside(_ location: String) throws {
    var file = ONNXBytes()
    file.externalTensor("w", [3], location)
    file.node("Add", ["x", "w"], ["y"], name: "add")
    file.output("y")
    #expect(
      importError(file.bytes, folder: Self.folder)
        == "net.onnx: 1 node cannot be taken: Add \"add\": tensor \"w\": its numbers would lie "
        + "outside the model's folder, in \"\(location)\"")
  }

  @Test("bytes that break the format are refused with their place")
  func damaged() throws {
    #expect(
      importError(Data([0x0F]))
        == "net.onnx: expected a field of a protocol buffer, received tag 15 at byte 0")
    #expect(
      importError(Data([0x3A, 0x7F]))
        == "net.onnx: a field of 127 bytes ends outside its message at byte 1")
    #expect(importError(Data([0x08])) == "net.onnx: a number ends early at byte 1")
    #expect(
      importError(Data([0x38, 0x01])) == "net.onnx: field 7 has wire type 0, expected 2 at byte 0")
    #expect(importError(Data()) == "net.onnx: expected a network as ONNX, received no graph")
    var old = ONNXBytes(version: 6)
    old.node("Relu", ["x"], ["y"], name: "relu")
    old.output("y")
    #expect(
      importError(old.bytes)
        == "net.onnx: expected ONNX of IR 3 to 13 and opset 7 to 28, received IR 8 and opset 6")
  }

  @Test("constants larger than the file can have numbers for are refused")
  func largeConstants() throws {
    var file = ONNXBytes()
    file.integers("sizes", [1 << 20, 1 << 20])
    file.node("ConstantOfShape", ["sizes"], ["zeros"], name: "zeros")
    file.node("Add", ["x", "zeros"], ["y"], name: "add")
    file.output("y")
    #expect(
      importError(file.bytes)
        == "net.onnx: 1 node cannot be taken: ConstantOfShape \"zeros\": makes a constant of the "
        + "sizes [1048576, 1048576]")
  }

  @Test("changed bytes end in a network or in one line", arguments: networks)
  func mutations(_ name: String) throws {
    let source = [UInt8](try Data(contentsOf: Self.folder.appendingPathComponent(name + ".onnx")))
    var generator = RandomGenerator(seed: 9)
    for _ in 0..<60 {
      var bytes = source
      for _ in 0..<3 {
        let place = Int(generator.next() % UInt64(bytes.count))
        bytes[place] = UInt8(truncatingIfNeeded: generator.next())
      }
      let text = importError(Data(bytes))
      #expect(!text.contains("\n"))
    }
  }

  /// The error of bytes, or that there was none.
  private func importError(_ data: Data, folder: URL? = nil) -> String {
    do {
      _ = try ONNXImport(data, name: "net.onnx", folder: folder)
      return "(none)"
    } catch {
      return error.description
    }
  }
}

/// The bytes of a model file.
enum ModelBytes {
  static func of(_ model: Model) throws -> Data {
    let url = FileManager.default.temporaryDirectory
      .appendingPathComponent("onnx-\(UUID().uuidString).safetensors")
    defer { try? FileManager.default.removeItem(at: url) }
    try ModelFile.write(model, to: url)
    return try Data(contentsOf: url)
  }
}

/// A small .onnx file, put together field by field.
struct ONNXBytes {
  private var graph = ProtobufEncoder()
  private let version: Int64

  /// Starts a file with an input `x` of these sizes.
  init(sizes: [Int?] = [1, 3, 4, 4], version: Int64 = 17) {
    self.version = version
    port(11, "x", sizes)
  }

  mutating func node(_ type: String, _ inputs: [String], _ outputs: [String], name: String) {
    graph.message(1) { node in
      for input in inputs { node.string(1, input) }
      for output in outputs { node.string(2, output) }
      node.string(3, name)
      node.string(4, type)
    }
  }

  mutating func integers(_ name: String, _ values: [Int64]) {
    graph.message(5) { tensor in
      tensor.integer(1, Int64(values.count))
      tensor.integer(2, 7)
      for value in values { tensor.integer(7, value) }
      tensor.string(8, name)
    }
  }

  mutating func externalTensor(_ name: String, _ sizes: [Int64], _ location: String) {
    graph.message(5) { tensor in
      for size in sizes { tensor.integer(1, size) }
      tensor.integer(2, 1)
      tensor.string(8, name)
      tensor.message(13) { entry in
        entry.string(1, "location")
        entry.string(2, location)
      }
      tensor.integer(14, 1)
    }
  }

  mutating func output(_ name: String) { port(12, name, [1]) }

  private mutating func port(_ field: UInt64, _ name: String, _ sizes: [Int?]) {
    graph.message(field) { port in
      port.string(1, name)
      port.message(2) { type in
        type.message(1) { tensor in
          tensor.integer(1, 1)
          tensor.message(2) { shape in
            for size in sizes {
              shape.message(1) { axis in
                if let size { axis.integer(1, Int64(size)) } else { axis.string(2, "free") }
              }
            }
          }
        }
      }
    }
  }

  var bytes: Data {
    var file = ProtobufEncoder()
    file.integer(1, 8)
    file.data(7, graph.bytes)
    file.message(8) { $0.integer(2, version) }
    return Data(file.bytes)
  }
}
