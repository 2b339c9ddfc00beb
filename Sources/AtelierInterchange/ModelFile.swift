// Model files: safetensors with the graph and the information as JSON in the metadata. One file is one model.

import AtelierEngine
import Foundation

/// Reading and writing of models.
///
/// Any tool that knows safetensors can read the weights. The metadata holds `format` = `atelier`, `format_version` = `1`,
/// `graph` (JSON of `Graph`) and `information` (JSON of `ModelInformation`).
public enum ModelFile {
  /// The value of `format`.
  static let format = "atelier"
  /// The newest version that this code reads.
  static let version = 1
  /// No size or attribute in a graph may be larger, so that the shape rules cannot overflow.
  static let largestNumber = 1 << 28
  /// No tensor of a graph may have more elements.
  static let largestTensor = 1 << 34

  /// Writes a model beside the path and renames it.
  ///
  /// - Throws: `FileError` when the file cannot be written; `SafetensorsError` when the model has a name twice.
  public static func write(_ model: Model, to url: URL) throws {
    try file(of: model).write(to: url)
  }

  /// The bytes of a model's file.
  static func file(of model: Model) throws -> SafetensorsFile {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    func json(_ value: some Encodable) throws -> String {
      String(decoding: try encoder.encode(value), as: UTF8.self)
    }
    var file = SafetensorsFile(metadata: [
      "format": format, "format_version": String(version), "graph": try json(model.graph),
      "information": try json(model.information),
    ])
    for parameter in model.graph.parameters {
      if let tensor = model.parameters[parameter.name] {
        try file.append(parameter.name, tensor)
      }
    }
    return file
  }

  /// Reads a model and checks everything in it.
  ///
  /// - Throws: `SafetensorsError` naming the file and what is wrong: not safetensors, not Atelier's, a newer version, a graph that no
  ///   tracing could have made, parameters missing or of another shape.
  public static func read(from url: URL) throws(SafetensorsError) -> Model {
    try model(in: try SafetensorsFile.read(from: url))
  }

  /// Reads a model from memory.
  ///
  /// - Throws: `SafetensorsError` as `read(from:)` does.
  public static func read(data: Data, name: String) throws(SafetensorsError) -> Model {
    try model(in: try SafetensorsFile(data: data, name: name))
  }

  private static func model(in file: SafetensorsFile) throws(SafetensorsError) -> Model {
    func fail(_ message: String) -> SafetensorsError {
      SafetensorsError(file: file.name, reason: .mismatched, message: message)
    }
    guard file.metadata["format"] == format else {
      throw fail("expected a model of Atelier (metadata format = atelier), received other weights")
    }
    guard let text = file.metadata["format_version"], let number = Int(text), number == version
    else {
      throw fail(
        "expected format version \(version), received \(file.metadata["format_version"] ?? "none")")
    }
    guard let graphText = file.metadata["graph"], let informationText = file.metadata["information"]
    else { throw fail("expected the metadata graph and information, received one of them at most") }
    let graph: Graph
    let information: ModelInformation
    do {
      try checkNumbers(JSONSerialization.jsonObject(with: Data(graphText.utf8)))
      graph = try JSONDecoder().decode(Graph.self, from: Data(graphText.utf8))
      information = try JSONDecoder().decode(
        ModelInformation.self, from: Data(informationText.utf8))
      try checkSizes(graph)
      try graph.validate()
    } catch let error as ShapeError {
      throw fail(error.description)
    } catch {
      throw fail("expected a graph and information as JSON, received \(short(error))")
    }
    guard information.granularity > 0, information.granularity <= 4096,
      information.receptiveRadius >= 0, information.receptiveRadius <= 65_536
    else { throw fail("granularity or receptive radius is out of range") }
    var parameters: [String: Tensor] = [:]
    for parameter in graph.parameters where parameter.role != .constant {
      parameters[parameter.name] = try file.tensor(named: parameter.name, shape: parameter.shape)
    }
    return Model(graph: graph, parameters: parameters, information: information)
  }

  /// A decoding error in one line.
  private static func short(_ error: any Error) -> String {
    switch error as? DecodingError {
    case .keyNotFound(let key, _): "no key \(key.stringValue)"
    case .typeMismatch(_, let context), .valueNotFound(_, let context), .dataCorrupted(let context):
      context.debugDescription + " at "
        + context.codingPath.map(\.stringValue).joined(separator: ".")
    default: "something else"
    }
  }

  /// Throws when a number of the JSON is too large for the shape rules' arithmetic.
  private static func checkNumbers(_ object: Any) throws {
    switch object {
    case let list as [Any]: for element in list { try checkNumbers(element) }
    case let dictionary as [String: Any]:
      for element in dictionary.values { try checkNumbers(element) }
    case let number as NSNumber:
      guard abs(number.doubleValue) <= Double(largestNumber) else {
        throw ShapeError("the graph holds the number \(number), beyond \(largestNumber)")
      }
    default: break
    }
  }

  /// Throws when a tensor would be too large to count.
  private static func checkSizes(_ graph: Graph) throws(ShapeError) {
    for shape in graph.values.map(\.shape) + graph.parameters.map(\.shape) {
      var count = 1
      for size in shape.dimensions {
        let (product, isTooLarge) = count.multipliedReportingOverflow(by: size)
        guard !isTooLarge, product <= largestTensor else {
          throw ShapeError("the graph holds a tensor of shape \(shape)")
        }
        count = product
      }
    }
    for parameter in graph.parameters {
      if case .values(let values) = parameter.initializer,
        values.count != parameter.shape.count
      {
        throw ShapeError(
          "constant \(parameter.name) of shape \(parameter.shape) has \(values.count) numbers")
      }
    }
  }
}
