// What is fuzzed: each target reads bytes as one of the house's readers does, and may only throw.

import AtelierEngine
import AtelierFiles
import AtelierImages
import AtelierKernels
import AtelierVision
import Foundation

@testable import AtelierDatasets
@testable import AtelierInterchange
@testable import AtelierTraining

/// One reader.
struct FuzzTarget {
  /// The name, as `ATELIER_FUZZ` gives it.
  let name: String
  /// Whether inputs are JSON, which is changed as such.
  var isJSON = false
  /// Reads an input.
  let read: @Sendable (_ data: Data) throws -> Void
}

/// All targets by name.
enum FuzzTargets {
  /// Where readers of files find the input.
  private static let folder: URL = {
    let folder = FileManager.default.temporaryDirectory.appending(path: "atelier-fuzz-\(getpid())")
    try? FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    return folder
  }()

  static let all: [FuzzTarget] = [
    FuzzTarget(name: "json", isJSON: true) { data in
      var reader = StrictJSONReader([UInt8](data))
      try reader.skipValue()
      _ = reader.isAtEnd()
    },
    FuzzTarget(name: "markup") { _ = try MarkupTree([UInt8]($0)) },
    FuzzTarget(name: "cascade") { _ = try CascadeFile.parse([UInt8]($0), file: "cascade.xml") },
    FuzzTarget(name: "coco", isJSON: true) { try objects($0) },
    FuzzTarget(name: "onnx") { data in
      let imported = try ONNXImport(data, name: "network.onnx")
      try plan(imported.model)
    },
    FuzzTarget(name: "pickle") { _ = try PyTorchFile.read($0, name: "weights.pth") },
    FuzzTarget(name: "keras") { _ = try KerasFile.read($0, name: "weights.h5") },
    FuzzTarget(name: "arrays") { _ = try NumPyArchive($0, name: "arrays.npz") },
    FuzzTarget(name: "safetensors") { data in
      let file = try SafetensorsFile(data: data, name: "model.safetensors")
      for entry in file.entries { _ = try? file.tensor(named: entry.name) }
    },
    FuzzTarget(name: "model", isJSON: true) { try model($0) },
    FuzzTarget(name: "state", isJSON: true) { try state($0) },
    FuzzTarget(name: "idx") { data in
      let file = try written(data, "images.gz")
      _ = try IDXFile(file, rank: data.count.isMultiple(of: 2) ? 3 : 1, limit: 1 << 20)
    },
    FuzzTarget(name: "classes") { _ = try ClassList(reading: written($0, "classes.txt")) },
    FuzzTarget(name: "pictures") { data in
      let picture = try ImageFile.decode(data, name: "picture", limits: .init(samples: 1 << 20))
      precondition(picture.samples.count == picture.width * picture.height * picture.channels)
    },
  ]

  private static func written(_ data: Data, _ name: String) throws -> URL {
    let file = folder.appending(path: name)
    try data.write(to: file)
    return file
  }

  /// A COCO file, and the masks of its objects.
  private static func objects(_ data: Data) throws {
    let document = try COCODocument(json: [UInt8](data), name: "coco.json")
    precondition(document.annotations.count <= data.count)
  }

  /// A model file of which the input is the JSON `{"graph": …, "information": …}`: the header, the
  /// zeros behind it and the seal are made to fit, as no blind change would make them.
  private static func model(_ data: Data) throws {
    let json = try JSONSerialization.jsonObject(with: data)
    guard let object = json as? [String: Any] else { return }
    var file = SafetensorsFile(
      metadata: ["format": "atelier", "format_version": "1"], name: "model")
    for key in ["graph", "information"] {
      guard let part = object[key] else { continue }
      let text = try JSONSerialization.data(withJSONObject: part, options: [.fragmentsAllowed])
      file.metadata[key] = String(decoding: text, as: UTF8.self)
    }
    let graph = object["graph"] as? [String: Any]
    for case let parameter as [String: Any] in graph?["parameters"] as? [Any] ?? [] {
      guard let name = parameter["name"] as? String, let sizes = parameter["shape"] as? [Int],
        sizes.allSatisfy({ 0...4096 ~= $0 }), sizes.count < 9,
        sizes.reduce(1, { min($0 * $1, 1 << 20) }) < 1 << 18
      else { continue }
      try? file.append(name, Tensor(Shape(sizes)))
    }
    let read = try ModelFile.read(data: try file.sealed.encoded(), name: "model.safetensors")
    try plan(read)
  }

  /// Plans a model for the sizes that it has, as using it does.
  private static func plan(_ model: Model) throws {
    let graph = model.graph.specialized(for: .infer)
    let count = graph.values.reduce(0) { min($0 + $1.shape.count, 1 << 40) }
    // A plan is told before it is taken; here none that takes long.
    guard count < 1 << 20, graph.nodes.count < 2000 else { return }
    _ = try Program(graph, parameters: model.store(), kernels: kernels)
  }

  private static let kernels = Kernels(pool: ThreadPool(threads: 1))

  private static let slots = ["first_moment", "second_moment", "velocity"].map {
    "optimizers/0/\($0)"
  }

  private static func guarded(_ name: String) -> String { "guard/" + name }

  /// The state of a training, of which the input is the JSON of its numbers.
  private static func state(_ data: Data) throws {
    var file = SafetensorsFile(
      metadata: [
        "format": "atelier-training-state-1", "state": String(decoding: data, as: UTF8.self),
      ], name: "state")
    for name in ["parameters", "average", "best"] + slots + ["parameters", "average"].map(guarded)
      + slots.map(guarded)
    { try file.append(name, Tensor([4], [1, 2, 3, 4])) }
    let url = folder.appending(path: "state.safetensors")
    try file.sealed.encoded().write(to: url)
    _ = try TrainingState(readingFrom: url)
  }
}
