// `model import` of an .onnx file: the network itself comes from the file.

import AtelierEngine
import AtelierFiles
import AtelierImages
import AtelierInterchange
import AtelierWorkbench
import AtelierZoo
import Foundation

extension ModelImport {
  /// Whether a file is a network as ONNX, by its name.
  static func isNetwork(_ file: String) -> Bool { file.lowercased().hasSuffix(".onnx") }

  /// Makes a model of an .onnx file.
  static func importNetwork(_ request: ModelImportRequest) throws -> Report {
    try StudioError.unless(
      request.network == nil && request.map.isEmpty, .usage,
      "\(request.file): --network and --map are for weights; ONNX has network and names itself")
    try StudioError.unless(
      FileManager.default.fileExists(atPath: request.file), .missingInput,
      "\(request.file): there is no such file")
    var options = ONNXImport.Options()
    if let input = request.input {
      options.image = (input.size.height, input.size.width, input.channels)
    }
    let imported = try ONNXImport(URL(fileURLWithPath: request.file), options)
    let model = try described(imported, request)
    try ModelFile.write(model, to: URL(fileURLWithPath: request.resultFile))
    var report = Report(
      value: JSONEntries([
        ("file", request.resultFile), ("inputs", imported.inputs), ("outputs", imported.outputs),
        ("layers", model.graph.nodes.count), ("parameters", model.graph.parameterCount),
        ("task", model.information.task), ("notes", imported.notes),
      ]))
    report.files = [request.resultFile]
    var table = Table(["", "name", "size in the file", "size here"], leftColumns: 2)
    for (kind, ports) in [("input", imported.inputs), ("output", imported.outputs)] {
      for port in ports {
        table.append([
          kind, port.name, "\(port.sizes)", "\(port.order.map { port.sizes[$0] })",
        ])
      }
    }
    report.say(table)
    for note in imported.notes { report.note(note) }
    report.note(
      "\(request.resultFile): \(model.graph.nodes.count) layers, "
        + "\(model.graph.parameterCount) numbers, task \(model.information.task)")
    return report
  }

  /// The model with what pictures have to be, and what it is for as far as its sizes tell.
  private static func described(
    _ imported: ONNXImport, _ request: ModelImportRequest
  ) throws -> Model {
    var graph = imported.model.graph
    let input = imported.inputs.count == 1 ? graph.input(named: "input") : nil
    let image = input.map { graph.values[$0].shape }
    let output = imported.outputs.count == 1 ? graph.output(named: "output") : nil
    let result = output.map { graph.values[$0].shape }
    var information = imported.model.information
    if let preprocessing = request.preprocessing {
      guard let image, image.rank == 4 else {
        throw StudioError(.usage, "--preprocess is for networks with one picture as input")
      }
      graph = try prepared(graph, image, preprocessing)
      information.preprocessing = "pixel / 255"
    }
    if let image, let result, image.rank == 4, result.rank == 2 {
      information.task = NetworkTask.classify.rawValue
      information.classNames = try classNames(request, count: result.channels)
    } else if request.classes != nil {
      throw StudioError(.usage, "--classes are for classifiers; \(request.file) is none")
    } else if let image, image == result {
      information.task = NetworkTask.denoise.rawValue
      information.granularity = granularity(graph, image)
      information.receptiveRadius = 32
    }
    return try Model(
      graph: graph, numbers: imported.model.parameters, information: information)
  }

  /// The network behind a standardization of pictures in [0, 1].
  private static func prepared(
    _ graph: Graph, _ image: Shape, _ preprocessing: ImportPreprocessing
  ) throws -> Graph {
    let (mean, deviation) = preprocessing.statistics
    guard image.channels == mean.count else {
      throw StudioError(
        .usage, "--preprocess is for pictures of 3 channels; this network takes \(image.channels)")
    }
    return try Graph.trace { builder in
      var x = builder.input("input", image)
      x = Standardization(mean: mean, deviation: deviation)(x)
      if preprocessing == .caffe {
        x = x.applying(
          GatherOperation(axis: 3, places: [2, 1, 0]), name: "blue_first", layerType: "Gather")
      }
      for (name, tensor) in builder.call(graph, ["input": x]) { builder.output(name, tensor) }
    }
  }

  /// The number of which sizes of pictures must be multiples, found by trying.
  private static func granularity(_ graph: Graph, _ image: Shape) -> Int {
    for step in [1, 2, 4, 8, 16, 32] {
      let size = Shape.image(
        batch: 1, height: 3 * step, width: 5 * step, channels: image.channels)
      if let other = try? graph.reshaped(["input": size]),
        let output = other.output(named: "output"), other.values[output].shape == size
      {
        return step
      }
    }
    return 64
  }
}
