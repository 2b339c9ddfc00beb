// What the tests of model files share: graphs with every kind of operation, and model files with
// changed JSON inside.

import AtelierEngine
import AtelierInterchange
import AtelierKernels
import Foundation
import TestSupport
import Testing

/// Networks that between them hold nearly every operation.
enum SampleModels {
  /// An autoencoder of the common layers: [1, 8, 8, 2] in and out.
  static func autoencoder() throws -> Graph {
    try Sequential(input: .image(height: 8, width: 8, channels: 2)) {
      Convolution2D(filters: 4, kernel: 3, hasBias: false, name: "first")
      BatchNormalization(name: "normalize")
      Activate(.relu, name: "activate")
      MaxPool2D(name: "pool")
      Convolution2D(
        filters: 4, kernel: 3, stride: 1, dilation: 2, groups: 2,
        activation: .leakyReLU(slope: 0.1),
        name: "wide")
      GroupNormalization(groups: 2, name: "groups")
      Dropout(0.25, name: "drop")
      MaxUnpool2D(mirroring: "pool", name: "unpool")
      Convolution2D(filters: 2, kernel: 3, name: "last")
    }.graph()
  }

  /// Everything that moves and resizes, the input's sizes kept in the end: [2, 8, 8, 4].
  static func mover() throws -> Graph {
    try Graph.trace { builder in
      let input = builder.input("input", [2, 8, 8, 4])
      let map = builder.input("map", [2, 8, 8, 1])
      let half = AveragePool2D(name: "average")(input)
      let up = NearestUnpool2D(window: 2, name: "nearest")(half)
      let nails = BedOfNailsUnpool2D(window: 2, name: "nails")(half)
      let smooth = BilinearUpsample2D(factor: 2, name: "bilinear")(half)
      let deep = SpaceToDepth2D(block: 2, name: "deep")(input)
      let flat = PixelShuffle2D(block: 2, name: "shuffle")(deep)
      let grown = TransposedConvolution2D(
        filters: 4, kernel: 3, stride: 2, outputPadding: 0, name: "grow")(half)
      let wide = Pad2D(Border(2), mode: .reflect, name: "pad")(grown)
      let cut = Crop2D(Border(2), name: "crop")(wide)
      let sum = up + nails * smooth - flat / (cut + 2)
      let joined = concatenate(sum, map, name: "join")
      let result = Convolution2D(
        filters: 4, kernel: 2, stride: 1, padding: .explicit(top: 1, bottom: 0, left: 0, right: 1),
        name: "mix")(joined)
      builder.output("output", Softmax(name: "softmax")(result).clamped(0...1))
      let vector = Flatten(name: "flatten")(GlobalAveragePool2D(name: "global")(result))
      builder.output(
        "classes",
        Dense(units: 3, name: "dense")(
          Reshape([2, 2], name: "reshape")(vector)
            .applying(ReshapeOperation(nil), name: "again")))
    }
  }

  /// A graph that trains: with a loss, constants and gradient operations.
  static func training() throws -> Graph {
    try Sequential(input: .image(height: 4, width: 4, channels: 2)) {
      Convolution2D(filters: 2, kernel: 3, hasBias: false, name: "first")
      BatchNormalization(name: "normalize")
      MaxPool2D(name: "pool")
      GroupNormalization(groups: 2, name: "groups")
      MaxUnpool2D(mirroring: "pool", name: "unpool")
    }.graph().extended { builder, values in
      guard let output = values["output"] else { return builder.fail("no output") }
      let target = builder.input("target", output.shape)
      let loss = Loss.sum([
        .init(weight: 1, loss: .charbonnier(epsilon: 1e-3)),
        .init(weight: 0.5, loss: .squaredError),
      ])
      builder.output("loss", loss(output, target))
      builder.output("output", output)
    }.specialized(for: .train).differentiated()
  }

  /// A model of a graph, its parameters from a seed.
  static func model(_ graph: Graph) throws -> Model {
    try Model(
      graph: graph, store: ParameterStore(for: [graph], seed: 7),
      information: ModelInformation(
        task: "denoise", architecture: "sample", granularity: 2, receptiveRadius: 12,
        classNames: ["a", "b\n\"c\""], training: ["noise": "σ 25"], figures: ["psnr": 29.25]))
  }
}

/// A step into a JSON tree.
enum JSONStep {
  case key(String)
  case index(Int)
}

extension JSONStep: ExpressibleByStringLiteral, ExpressibleByIntegerLiteral {
  init(stringLiteral value: String) { self = .key(value) }
  init(integerLiteral value: Int) { self = .index(value) }
}

/// A JSON tree that can be changed at a place.
struct JSONTree {
  var root: Any

  init(_ text: String) throws { root = try JSONSerialization.jsonObject(with: Data(text.utf8)) }

  var text: String {
    get throws {
      let data = try JSONSerialization.data(
        withJSONObject: root, options: [.sortedKeys, .fragmentsAllowed])
      return String(decoding: data, as: UTF8.self)
    }
  }

  /// Puts a value at a place; nil takes it away.
  mutating func set(_ path: [JSONStep], to value: Any?) {
    root = Self.changed(root, path[...]) { _ in value } ?? [String: Any]()
  }

  static func changed(
    _ node: Any, _ path: ArraySlice<JSONStep>, _ change: (Any) -> Any?
  ) -> Any? {
    guard let step = path.first else { return change(node) }
    switch step {
    case .key(let key):
      guard var object = node as? [String: Any] else { return node }
      object[key] = changed(object[key] ?? NSNull(), path.dropFirst(), change)
      return object
    case .index(let index):
      guard var list = node as? [Any], list.indices.contains(index) else { return node }
      if let value = changed(list[index], path.dropFirst(), change) {
        list[index] = value
      } else {
        list.remove(at: index)
      }
      return list
    }
  }

  /// The paths of every value of the tree.
  static func paths(_ node: Any) -> [[JSONStep]] {
    switch node {
    case let object as [String: Any]:
      return [[]]
        + object.keys.sorted().flatMap { key in
          paths(object[key] ?? NSNull()).map { [JSONStep.key(key)] + $0 }
        }
    case let list as [Any]:
      return [[]]
        + list.indices.flatMap { index in paths(list[index]).map { [.index(index)] + $0 } }
    default: return [[]]
    }
  }

  /// The value at a place, null when there is none.
  func value(at path: [JSONStep]) -> Any {
    var node = root
    for step in path {
      switch step {
      case .key(let key): node = (node as? [String: Any])?[key] ?? NSNull()
      case .index(let index):
        guard let list = node as? [Any], list.indices.contains(index) else { return NSNull() }
        node = list[index]
      }
    }
    return node
  }
}

/// The bytes of a model's file, written and read back as a safetensors file that can be changed.
func modelFile(_ graph: Graph) throws -> SafetensorsFile {
  try withScratchFolder { folder in
    let url = folder.appending(path: "model.safetensors")
    try ModelFile.write(SampleModels.model(graph), to: url)
    var file = try SafetensorsFile.read(from: url)
    // Else the checksum would be all that a change is refused for.
    file.metadata["checksum"] = nil
    return file
  }
}

extension SafetensorsFile {
  /// The file with its graph's JSON changed.
  func changingGraph(_ change: (inout JSONTree) -> Void) throws -> SafetensorsFile {
    var result = self
    var tree = try JSONTree(try #require(metadata["graph"]))
    change(&tree)
    result.metadata["graph"] = try tree.text
    return result
  }
}

/// The text of the error that reading a model throws, or nil when it is read.
func modelFailure(_ file: SafetensorsFile) -> String? {
  do throws(SafetensorsError) {
    _ = try ModelFile.read(data: file.encoded(), name: "hostile")
    return nil
  } catch {
    return error.description
  }
}

/// The peak of this process's resident memory in MiB, nil where the system does not say.
func peakMemory() -> Int? {
  guard let status = try? String(contentsOfFile: "/proc/self/status", encoding: .utf8),
    let line = status.split(separator: "\n").first(where: { $0.hasPrefix("VmHWM:") }),
    let kilobytes = line.split(whereSeparator: { !$0.isNumber }).first.flatMap({ Int($0) })
  else { return nil }
  return kilobytes / 1024
}

/// Holds what the process took at most since `before` below a limit, both in MiB, where no tests of
/// other modules run beside: the system counts what they hold, too.
func expectMemory(
  since before: Int?, below limit: Int, _ location: SourceLocation = #_sourceLocation
) {
  guard CommandLine.arguments.contains(where: { $0.contains("InterchangeTests") }),
    let before, let after = peakMemory()
  else { return }
  #expect(after - before < limit, sourceLocation: location)
}

/// The line of the error that reading foreign weights throws, also of every tensor; nil when all is
/// read.
func foreignFault(_ data: Data) -> String? {
  do {
    for tensor in try ForeignWeights.read(data: data, name: "hostile").tensors {
      _ = tensor.tensor()
    }
    return nil
  } catch {
    return "\(error)"
  }
}

/// The same of a file.
func foreignFault(_ url: URL) -> String? {
  (try? Data(contentsOf: url)).map { foreignFault($0) } ?? "cannot be read"
}
