// `model export`: a model or a network of the catalogue as a file that other frameworks run or read.

import AtelierEngine
import AtelierFiles
import AtelierInterchange
import AtelierWorkbench
import Foundation

/// What a model is written as.
public enum ModelExportFormat: String, Sendable, Hashable, Codable, ChoiceValue {
  /// A network that other frameworks run.
  case onnx
  /// Weights under the names of one PyTorch module a layer, and the Python that makes and loads them.
  case torch
}

/// Which model is written, and how.
public struct ModelExportRequest: JobRequest, Hashable {
  public var choice = ModelChoice()
  public var output = ""
  public var operatorSet = 17
  public var dynamic = false
  public var half = false
  public var format = ModelExportFormat.onnx

  public init() {}

  public static var form: Form<Self> {
    Form(
      ModelChoice.form.fields.map { $0.within(\.choice) } + [
        .output(\.output, "The ONNX file", value: "file"),
        Field(
          "opset", \.operatorSet, "The version of ONNX's operators", value: "n", .from(13, to: 22)),
        Field(flag: "dynamic", \.dynamic, "Leave batch, height and width of inputs free"),
        Field(flag: "float16", \.half, "Store large weights in 16 bits"),
        Field(
          "format", \.format,
          "onnx, or torch: weights as PyTorch lays them out in FILE.safetensors, and FILE.py that "
            + "loads them",
          value: "format"),
      ])
  }

  public mutating func complete(with words: FieldWords) throws {
    let ending = (output as NSString).pathExtension.lowercased()
    let own = format == .onnx ? "onnx" : "safetensors"
    guard ending == own else {
      throw FieldError(
        "expected a result FILE.\(own) of the format \(format.rawValue); received \(output)")
    }
    guard format == .onnx || !(half || dynamic || words["opset"] != nil) else {
      throw FieldError("--opset, --dynamic and --float16 are for the format onnx")
    }
  }
}

extension ModelChoice {
  /// The model for the asked size; a network by name has its seeded first weights.
  func loadModel(seed: UInt64 = 1) throws -> (model: Model, isFresh: Bool) {
    let (graph, title, information) = try load()
    guard let information else {
      let store = try ParameterStore(for: [graph], seed: seed)
      return (
        try Model(
          graph: graph, store: store,
          information: ModelInformation(task: "untrained", architecture: title)), true
      )
    }
    let read = try ModelFile.read(from: ShippedModels.file(of: model))
    return (
      try Model(graph: graph, numbers: read.parameters, information: information), false
    )
  }
}

/// Writes models as ONNX.
public enum ModelExport: Job {
  public static let workshop = "model"
  public static let name = "export"
  public static let summary = "Write a model as ONNX, for other frameworks to run."
  public static let guide = """
    Inputs and outputs are [batch, channels, height, width] there, as everywhere in ONNX, with \
    the names that they have here. Max unpooling is written as MaxUnpool with its places. Class \
    names and what pictures have to be stand in the file's metadata.

    EXAMPLES
      atelier model export denoise-gray -o denoise.onnx --size 128x128
      atelier model export runs/mine/best.safetensors -o mine.onnx --dynamic
      atelier model export segnet-basic --size 360x480 --channels 3 -o segnet.onnx
    """
  public static let takesPrecision = false

  public static func run(_ request: ModelExportRequest, in place: JobPlace) throws -> Report {
    let (model, isFresh) = try request.choice.loadModel()
    if request.format == .torch { return try writeLayers(model, request) }
    var writing = ONNXWriting()
    writing.operatorSet = request.operatorSet
    writing.isDynamic = request.dynamic
    writing.isHalf = request.half
    let bytes: Data
    do {
      bytes = try ONNXExport.bytes(of: model, writing)
    } catch {
      throw StudioError(.data, "\(request.choice.model): \(error.description)")
    }
    guard bytes.count < 1 << 31 else {
      throw StudioError(
        .data, "\(request.choice.model): \(bytes.count) bytes are more than an ONNX file can have")
    }
    try AtomicFile.write(bytes, to: URL(fileURLWithPath: request.output))
    var report = Report(
      value: JSONEntries([
        ("file", request.output), ("bytes", bytes.count), ("opset", request.operatorSet),
        ("layers", model.graph.nodes.count), ("untrained", isFresh),
      ]))
    report.files = [request.output]
    report.note(
      "\(request.output): \(bytes.count) bytes, opset \(request.operatorSet)"
        + (isFresh ? "; the weights are the network's first ones, untrained" : ""))
    return report
  }

  /// Writes the weights for PyTorch, and beside them the Python that loads them.
  private static func writeLayers(
    _ model: Model, _ request: ModelExportRequest
  ) throws -> Report {
    let file = URL(fileURLWithPath: request.output)
    let layers = try TorchLayers(model, fileName: file.lastPathComponent)
    let script = file.deletingPathExtension().appendingPathExtension("py")
    // A script of someone else's may have this name.
    let former = try? String(contentsOf: script, encoding: .utf8)
    try StudioError.unless(
      !FileManager.default.fileExists(atPath: script.path)
        || former?.hasPrefix(TorchLayers.firstWords) == true, .cannotCreate,
      "\(script.relativePath): there is such a file, and the Python that loads the weights would "
        + "replace it; name another result with -o")
    try layers.file.write(to: file)
    try AtomicFile.write(Data((layers.snippet + "\n").utf8), to: script)
    var report = Report(
      value: JSONEntries([("file", request.output), ("script", script.relativePath)]))
    report.files = [request.output, script.relativePath]
    report.say(layers.snippet)
    return report
  }
}
