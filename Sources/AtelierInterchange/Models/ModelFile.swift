// Model files: safetensors with graph and information as JSON in the metadata; one file, one model.

import AtelierEngine
import AtelierFiles
import Foundation

/// Reading and writing of models.
///
/// Any tool that knows safetensors can read the weights. The metadata: `format` = `atelier`,
/// `format_version` = `1`, `graph` (JSON of `Graph`), `information` (JSON of `ModelInformation`).
public enum ModelFile {
  /// The value of `format`.
  static let format = "atelier"
  /// The newest version that this code reads.
  static let version = 1
  /// No size or attribute in a graph may be larger, so that the shape rules cannot overflow.
  static let largestNumber = 1 << 30
  /// No input's sides may have to be multiples of more: a small picture is filled up to that.
  static let largestGranularity = 512
  /// No tensor of a graph may have as many elements, so that no count of work overflows.
  static let largestTensor = 1 << 31
  /// No graph's JSON may be longer, in bytes: reading takes fifty times as much.
  static let longestGraph = 8 << 20
  /// No graph may have more nodes, values or parameters: a plan's time grows with their square.
  static let largestGraph = 1 << 14

  /// How weights are stored.
  public enum WeightForm: Sendable {
    /// As they are, 32 bits each.
    case float32
    /// Large tensors in 16 bits; small ones, such as biases and statistics, as they are, and those
    /// with an element that 16 bits cannot hold.
    case float16
  }

  /// The elements from which on a tensor is large.
  private static let largeCount = 1024
  /// The largest magnitude in 16 bits.
  private static let largestHalf: Float = 65504

  /// Writes a model, with a checksum, beside the path and renames it.
  ///
  /// - Throws: `FileError` when the file cannot be written; `ShapeError` when `read` would refuse
  ///   the graph.
  public static func write(_ model: Model, to url: URL, form: WeightForm = .float32) throws {
    try file(of: model, form: form).sealed.write(to: url)
  }

  /// The bytes of a model's file.
  static func file(of model: Model, form: WeightForm = .float32) throws -> SafetensorsFile {
    try check(model.graph)
    var file = SafetensorsFile(metadata: [
      "format": format, "format_version": String(version),
      "graph": String(decoding: try JSONEncoder.ordered().encode(model.graph), as: UTF8.self),
      "information": String(
        decoding: try JSONEncoder.ordered().encode(model.information), as: UTF8.self),
    ])
    for parameter in model.graph.parameters {
      if let tensor = model.parameters[parameter.name] {
        let fits =
          form == .float16 && tensor.count >= largeCount
          && tensor.elements.allSatisfy { abs($0) <= largestHalf }
        try file.append(
          fits
            ? SafetensorsEntry(name: parameter.name, halfPrecision: tensor)
            : SafetensorsEntry(name: parameter.name, tensor))
      }
    }
    return file
  }

  /// Reads a model and checks everything in it.
  ///
  /// - Throws: `SafetensorsError` naming the file and what is wrong: not safetensors, not
  ///   Atelier's, a newer version, a graph no tracing could have made, parameters missing or of
  ///   another shape.
  public static func read(from url: URL) throws(SafetensorsError) -> Model {
    try model(in: try SafetensorsFile.read(from: url))
  }

  /// Reads a model from memory, as `read(from:)` does.
  public static func read(data: Data, name: String) throws(SafetensorsError) -> Model {
    try model(in: try SafetensorsFile(data: data, name: name))
  }

  private static func model(in file: SafetensorsFile) throws(SafetensorsError) -> Model {
    func fail(_ message: String) -> SafetensorsError {
      SafetensorsError(file: file.name, reason: .mismatched, message: oneLine(message))
    }
    guard file.metadata["format"] == format else {
      throw fail("expected a model of Atelier (metadata format = atelier), received other weights")
    }
    guard let text = file.metadata["format_version"], let number = Int(text), number == version
    else {
      throw fail(
        "expected format version \(version), received "
          + (file.metadata["format_version"].map(quoted) ?? "none"))
    }
    guard let graphText = file.metadata["graph"], let informationText = file.metadata["information"]
    else { throw fail("expected the metadata graph and information, received one of them at most") }
    guard graphText.utf8.count <= longestGraph else {
      throw fail(
        "expected a graph of at most \(longestGraph) bytes, received \(graphText.utf8.count)")
    }
    let graph: Graph
    let information: ModelInformation
    let decoder = JSONDecoder.readingNonFinite
    do {
      graph = try decoder.decode(Graph.self, from: Data(graphText.utf8))
      information = try decoder.decode(ModelInformation.self, from: Data(informationText.utf8))
      try check(graph)
    } catch let error as ShapeError {
      throw fail(error.description)
    } catch {
      throw fail("expected a graph and information as JSON, received \(short(error))")
    }
    guard information.granularity > 0, information.granularity <= largestGranularity,
      information.receptiveRadius >= 0, information.receptiveRadius <= 65_536
    else { throw fail("granularity or receptive radius is out of range") }
    var parameters: [String: Tensor] = [:]
    for parameter in graph.parameters where parameter.role != .constant {
      let tensor = try file.tensor(named: parameter.name, shape: parameter.shape)
      // What a network computes with it would be no number either.
      guard !tensor.holdsNaN else {
        throw fail("the parameter \(parameter.name) holds what is no number (NaN)")
      }
      parameters[parameter.name] = tensor
    }
    return Model(
      graph: graph, parameters: parameters, information: information, file: file.name)
  }

  /// Throws `ShapeError` when a graph is one that no tracing could have made, or too large to plan.
  private static func check(_ graph: Graph) throws {
    // The decoded graph is looked at, not the text: a key that stands there twice could show one
    // number here and give another.
    if let number = try NumberSearch.first(beyond: Double(largestNumber), in: graph) {
      throw ShapeError("the graph holds the number \(number), beyond \(largestNumber)")
    }
    try checkSizes(graph)
    try checkInitializers(graph)
    try graph.validate()
  }

  /// A decoding error in one line.
  private static func short(_ error: any Error) -> String {
    switch error as? DecodingError {
    case .keyNotFound(let key, let context): "no key \(key.stringValue)" + place(context)
    case .typeMismatch(_, let context), .valueNotFound(_, let context), .dataCorrupted(let context):
      context.debugDescription + place(context)
    default: "something else"
    }
  }

  /// Where in the JSON an error is.
  private static func place(_ context: DecodingError.Context) -> String {
    context.codingPath.isEmpty
      ? "" : " at " + context.codingPath.map(\.stringValue).joined(separator: ".")
  }

  /// A message made fit for a line: names from the file may hold anything, at any length.
  private static func oneLine(_ message: String) -> String {
    fitForLine(message, limit: 400) { _ in "?" }
  }

  /// Throws when there is too much of something, or a tensor would be too large to count.
  private static func checkSizes(_ graph: Graph) throws(ShapeError) {
    for count in [graph.nodes.count, graph.values.count, graph.parameters.count]
    where count > largestGraph {
      throw ShapeError("the graph has \(count) parts of a kind; at most \(largestGraph) are read")
    }
    for shape in graph.values.map(\.shape) + graph.parameters.map(\.shape) {
      var count = 1
      for size in shape.dimensions {
        let (product, isTooLarge) = count.multipliedReportingOverflow(by: size)
        guard !isTooLarge, product < largestTensor else {
          throw ShapeError("the graph holds a tensor of shape \(shape)")
        }
        count = product
      }
    }
  }

  /// Throws when a parameter could not start as the graph says, or a constant is not in the file
  /// number by number.
  private static func checkInitializers(_ graph: Graph) throws(ShapeError) {
    for parameter in graph.parameters {
      switch parameter.initializer {
      case .values(let values):
        guard values.count == parameter.shape.count else {
          throw ShapeError(
            "constant \(parameter.name) of shape \(parameter.shape) has \(values.count) numbers")
        }
        continue
      case .scaledUniform(let scale), .uniform(let scale), .normal(let scale),
        .orthogonal(let scale):
        guard scale >= 0, scale < .infinity else {
          throw ShapeError("parameter \(parameter.name) has an initializer of scale \(scale)")
        }
      default: break
      }
      guard parameter.role != .constant else {
        throw ShapeError("constant \(parameter.name) has no numbers")
      }
    }
  }
}
