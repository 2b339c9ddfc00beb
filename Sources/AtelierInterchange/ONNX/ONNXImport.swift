// A network of an .onnx file as a model: what the file says, and what had to be guessed.

import AtelierEngine
import AtelierFiles
import Foundation

/// A network read from an .onnx file.
///
/// Its images are [N, H, W, C] as everywhere here; weights are moved once, while reading. The graph is
/// an ordinary one: it is summarised, planned, fused and trained on.
package struct ONNXImport: Sendable {
  /// What is told of an input or an output.
  package struct Port: Sendable, Hashable, Codable {
    /// The name in the file.
    package let name: String
    /// The name in the model.
    package let modelName: String
    /// The sizes in the file, those that were free fixed.
    package let sizes: [Int]
    /// The axes of the file in the order in which the model has them: [0, 2, 3, 1] of an image.
    package let order: [Int]
  }

  /// How a network is read.
  package struct Options: Sendable {
    /// Sizes of inputs by name, as the file orders them.
    package var shapes: [String: [Int]] = [:]
    /// Rows, columns and channels of the first input, where the file leaves them free.
    package var image: (height: Int, width: Int, channels: Int?)?
    /// Whether a single input and a single output are called `input` and `output`, as all networks here.
    package var renames = true

    /// Makes options that change nothing.
    package init() {}
  }

  /// The model; its information says where it comes from.
  package let model: Model
  /// The inputs in the file's order.
  package let inputs: [Port]
  /// The outputs in the file's order.
  package let outputs: [Port]
  /// What was guessed or left out, a line each.
  package let notes: [String]

  /// Reads a file.
  ///
  /// - Parameters:
  ///   - url: The file; tensors may lie in files beside it.
  ///   - options: Sizes that the file leaves free, and names.
  /// - Throws: `FileError`, in one line: the bytes break the format, sizes are free that nobody gave,
  ///   or operators are not supported, and then all of them by node.
  package init(_ url: URL, _ options: Options = Options()) throws(FileError) {
    try self.init(
      try ONNXFile.bytes(of: url), name: url.relativePath,
      folder: url.deletingLastPathComponent(), options)
  }

  /// The bytes of a regular file; throws `FileError` that says what it is otherwise.
  package static func data(of url: URL) throws(FileError) -> Data { try ONNXFile.bytes(of: url) }

  /// Reads a file's bytes; `folder` is where tensors may lie beside it.
  package init(
    _ data: Data, name: String, folder: URL? = nil, _ options: Options = Options()
  ) throws(FileError) {
    let file = try ONNXFile(data, name: name)
    var importer = try ONNXImporter(file, folder: folder)
    var reading = ONNXPorts(options)
    do {
      try reading.addInputs(&importer)
      importer.run()
      try reading.addOutputs(&importer)
    } catch let error as FileError {
      throw error
    } catch let error as ONNXRefusal {
      throw FileError(file: name, message: error.text)
    } catch {
      throw FileError(file: name, message: "\(error)")
    }
    if !importer.refusals.isEmpty {
      let list = importer.refusals.prefix(200).joined(separator: "; ")
      throw FileError(
        file: name, message: "\(importer.refusals.count) nodes cannot be taken: \(list)")
    }
    (inputs, outputs, notes) = (reading.inputs, reading.outputs, importer.notes)
    let graph = importer.graph
    do {
      try graph.validate()
    } catch {
      throw FileError(file: name, message: error.description)
    }
    let title = URL(fileURLWithPath: name).deletingPathExtension().lastPathComponent
    var information = ModelInformation(
      task: "imported", architecture: fitForLine(title, limit: 80) { _ in "?" },
      preprocessing: "as the file expects")
    information.training["source"] =
      "ONNX opset \(importer.version) of \(file.producer.isEmpty ? "an unnamed tool" : fitForLine(file.producer, limit: 80) { _ in "?" })"
    model = Model(graph: graph, parameters: importer.parameters, information: information)
  }
}

/// Inputs and outputs while a file is read.
private struct ONNXPorts {
  let options: ONNXImport.Options
  var inputs: [ONNXImport.Port] = []
  var outputs: [ONNXImport.Port] = []
  /// Whether the file has images as they are here.
  private var isTurned = false

  init(_ options: ONNXImport.Options) { self.options = options }

  /// Makes the graph's inputs of those that are no initializers.
  mutating func addInputs(_ importer: inout ONNXImporter) throws {
    let ports = importer.file.graph.inputs.filter { importer.initializers[$0.name] == nil }
    guard !ports.isEmpty else { throw ONNXRefusal("expected a network with inputs") }
    for (index, port) in ports.enumerated() {
      guard let type = ONNXType(rawValue: port.type), type.isFloat else {
        guard importer.readers[port.name] != nil else { continue }
        throw ONNXRefusal(
          "input \(quoted(port.name)) has elements of type \(port.type); floats are taken alone")
      }
      let sizes = try self.sizes(port, isFirst: index == 0, &importer)
      let order = order(port, sizes, importer)
      let name = options.renames && ports.count == 1 ? "input" : importer.unique(port.name)
      let value = importer.graph.appendInput(
        name, Shape(sizes.isEmpty ? [1] : order.map { sizes[$0] }))
      importer.values[port.name] = .arranged(
        ArrangedValue(
          value, dimensions: sizes, order: order, isBatched: sizes.count >= 2))
      inputs.append(.init(name: port.name, modelName: name, sizes: sizes, order: order))
    }
  }

  /// An input's sizes, those that are free as the caller gives them.
  private func sizes(
    _ port: ONNXPort, isFirst: Bool, _ importer: inout ONNXImporter
  ) throws -> [Int] {
    if let given = options.shapes[port.name] {
      guard given.allSatisfy({ $0 > 0 }), port.dimensions.map({ $0.count == given.count }) ?? true
      else { throw ONNXRefusal("input \(quoted(port.name)) cannot have the sizes \(given)") }
      return given
    }
    guard let dimensions = port.dimensions else {
      throw ONNXRefusal("input \(quoted(port.name)) has no shape; give one with --input")
    }
    var sizes = dimensions
    if isFirst, let image = options.image, sizes.count == 4 {
      (sizes[2], sizes[3]) = (image.height, image.width)
      if let channels = image.channels {
        guard sizes[1] == nil || sizes[1] == channels else {
          throw ONNXRefusal(
            "input \(quoted(port.name)) has \(sizes[1] ?? 0) channels; received \(channels)")
        }
        sizes[1] = channels
      }
    }
    if let batch = sizes.first, (batch ?? 0) <= 0, sizes.count >= 2 {
      sizes[0] = 1
    }
    let known = sizes.compactMap { $0 }.filter { $0 > 0 }
    guard known.count == sizes.count else {
      throw ONNXRefusal(
        "input \(quoted(port.name)) leaves sizes free; give them with --input HxWxC")
    }
    guard known.count <= 8, known.reduce(1.0, { $0 * Double($1) }) <= 2e9 else {
      throw ONNXRefusal("input \(quoted(port.name)) has the sizes \(known.prefix(16))")
    }
    if dimensions != sizes {
      importer.notes.append(
        "input \(quoted(port.name)): free sizes fixed to \(known)")
    }
    return known
  }

  /// How an input's axes lie here: an image as [N, H, W, C], whether the file has it so or not.
  private mutating func order(
    _ port: ONNXPort, _ sizes: [Int], _ importer: ONNXImporter
  ) -> [Int] {
    let plain = Array(sizes.indices)
    guard sizes.count == 4 else { return plain }
    // Networks of other frameworks begin with a transposition from here to there.
    let readers = importer.file.graph.nodes.filter { $0.inputs.contains(port.name) }
    let isTurned = readers.contains { node in
      if node.type == "Transpose", case .integers(let order)? = node.attributes["perm"] {
        return order == [0, 3, 1, 2]
      }
      return false
    }
    self.isTurned = self.isTurned || isTurned
    return isTurned ? plain : [0, 2, 3, 1]
  }

  /// Names the graph's outputs.
  mutating func addOutputs(_ importer: inout ONNXImporter) throws {
    let ports = importer.file.graph.outputs
    guard !ports.isEmpty else { throw ONNXRefusal("expected a network with outputs") }
    var used = Set<String>()
    for port in ports {
      switch importer.values[port.name] {
      case .arranged(let value)?:
        let sizes = value.dimensions
        let isImage = sizes.count == 4 && !(isTurned && value.isInForeignOrder)
        let order = isImage ? [0, 2, 3, 1] : Array(sizes.indices)
        let factors = order.flatMap { value.axes[$0] }
        let laid = try importer.place(
          value, factors, sizes.isEmpty ? [1] : order.map { sizes[$0] })
        var name = options.renames && ports.count == 1 ? "output" : port.name
        while !used.insert(name).inserted { name += "_" }
        importer.graph.appendOutput(name, laid)
        outputs.append(.init(name: port.name, modelName: name, sizes: sizes, order: order))
      case .constant?:
        importer.refuse("output \(quoted(port.name)): does not depend on an input")
      case .unknown?: continue
      case .switches?: importer.refuse("output \(quoted(port.name)): places of a pooling")
      case nil: importer.refuse("output \(quoted(port.name)): no node gives it")
      }
    }
  }
}
