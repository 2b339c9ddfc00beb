// Model files: the same bits back, readable by others, and one clear line for every broken
// invariant.

import AtelierEngine
import AtelierInterchange
import Foundation
import TestSupport
import Testing

/// A change of a sample's graph and what the error must say.
struct BrokenGraph: CustomTestStringConvertible, Sendable {
  /// Where and what; values are JSON texts, "" takes the place away.
  let changes: [(path: String, json: String)]
  let expected: String
  let graph: String
  let testDescription: String

  init(
    _ name: String, _ changes: [(String, String)], _ expected: String, graph: String = "autoencoder"
  ) {
    testDescription = name
    self.changes = changes.map { (path: $0.0, json: $0.1) }
    self.expected = expected
    self.graph = graph
  }

  func file() throws -> SafetensorsFile {
    try modelFile(graph == "mover" ? SampleModels.mover() : SampleModels.autoencoder())
      .changingGraph { tree in
        for change in changes {
          let path = change.path.split(separator: ".").map { part in
            Int(part).map { JSONStep.index($0) }
              ?? part.split(separator: "=").dropFirst().first.map { name in
                .index(Self.node(String(name), in: tree))
              } ?? JSONStep.key(String(part))
          }
          let value = try? JSONSerialization.jsonObject(
            with: Data(change.json.utf8), options: [.fragmentsAllowed])
          tree.set(path, to: value)
        }
      }
  }

  /// The index of the node of this name.
  private static func node(_ name: String, in tree: JSONTree) -> Int {
    let nodes = (tree.root as? [String: Any])?["nodes"] as? [[String: Any]] ?? []
    return nodes.firstIndex { $0["name"] as? String == name } ?? -1
  }

  private static let stride = "nodes.name=first.attributes.attributes.stride.height"
  private static let padding = "nodes.name=first.attributes.attributes.padding"

  static let wiring: [BrokenGraph] = [
    .init("cycle", [("nodes.name=first.inputs.0", "20")], "before it is computed"),
    .init("reads itself", [("nodes.name=activate.inputs.0", "9")], "hostile: "),
    .init("reads value 2^30", [("nodes.0.inputs.0", "1073741824")], "which does not exist"),
    .init("reads value -1", [("nodes.0.inputs.0", "-1")], "which does not exist"),
    .init("writes value -1", [("nodes.0.outputs.0", "-1")], "names node 0 that does not write it"),
    .init("writes the input", [("nodes.0.outputs.0", "0")], "names node 0 that does not write it"),
    .init("no inputs", [("nodes.0.inputs", "[]")], "convolution-2d takes 2 inputs; received 0"),
    .init("no outputs", [("nodes.0.outputs", "[]")], "that does not write it"),
    .init(
      "unknown operation", [("nodes.0.kind", "\"rm\\n-rf\"")],
      "names an operation that is not known here: rm?-rf"),
    .init("kind a number", [("nodes.0.kind", "7")], "Expected to decode String"),
    .init("no nodes", [("nodes", "")], "no key nodes"),
    .init("no operation", [("nodes.0.attributes", "")], "keyed decoding container"),
    .init("source of a parameter", [("values.1.source.parameter._0", "99")], "names parameter 99"),
    .init("output beyond", [("outputs.0.value", "5000")], "names value 5000, which does not exist"),
    .init(
      "name twice", [("parameters.0.name", "\"last/bias\"")], "parameter names are not unique"),
    .init(
      "output twice", [("outputs", #"[{"name":"a","value":0},{"name":"a","value":0}]"#)],
      "output names are not unique"),
    .init(
      "gradient of another shape",
      [("parameterGradients", #"[{"parameter":0,"value":0}]"#)], "has no gradient of its shape"),
    .init(
      "gradient of nothing",
      [("parameterGradients", #"[{"parameter":-1,"value":0}]"#)], "has no gradient of its shape"),
  ]

  static let sizes: [BrokenGraph] = [
    .init("shape changed", [("values.0.shape.1", "9")], "the graph says"),
    .init("empty shape", [("values.0.shape.1", "0")], "has the empty shape"),
    .init("negative shape", [("values.0.shape.1", "-8")], "no negative sizes"),
    .init("shape 2^31", [("values.0.shape.1", "2147483648")], "holds the number 2147483648"),
    .init("shape 2^64", [("values.0.shape.1", "18446744073709551616")], "hostile: "),
    .init("shape a fraction", [("values.0.shape.1", "8.5")], "hostile: "),
    .init(
      "shape overflows", [("values.0.shape", "[1073741824,1073741824,1073741824,1073741824]")],
      "holds a tensor of shape"),
    .init("shape 2^31 elements", [("values.0.shape", "[1,32768,32768,2]")], "holds a tensor"),
    .init("rank 1", [("values.0.shape", "[128]")], "expected an image batch"),
    .init(
      "parameter 2^31 elements", [("parameters.0.shape", "[1048576,2048]")],
      "holds a tensor of shape [1048576, 2048]"),
    .init("weights of another shape", [("parameters.0.shape.0", "5")], "that does not fit"),
    .init(
      "constant of the wrong count",
      [("parameters.0.initializer", #"{"values":{"_0":[1,2,3]}}"#)], "has 3 numbers"),
    .init("constant without numbers", [("parameters.0.role", "\"constant\"")], "has no numbers"),
    .init(
      "initializer of a negative bound",
      [("parameters.0.initializer", #"{"uniform":{"bound":-1}}"#)], "initializer of scale -1"),
    .init(
      "initializer not a number",
      [("parameters.0.initializer", #"{"normal":{"deviation":"nan"}}"#)], "initializer of scale nan"
    ),
    .init(
      "weight not in the file",
      [("parameters.0.name", "\"elsewhere\"")], "expected a tensor \"elsewhere\""),
  ]

  static let attributes: [BrokenGraph] = [
    .init("stride 0", [(stride, "0")], "layer first: stride, dilation and groups are positive"),
    .init("stride -1", [(stride, "-1")], "stride, dilation and groups are positive"),
    .init("stride 2^27", [(stride, "134217728")], "a stride is at most 128"),
    .init("stride 2^53", [(stride, "9007199254740992")], "holds the number 9007199254740992"),
    .init(
      "negative padding",
      [(padding, #"{"explicit":{"top":-1,"bottom":0,"left":0,"right":0}}"#)],
      "padding is not negative"),
    .init(
      "padding 2^27",
      [(padding, #"{"explicit":{"top":134217728,"bottom":134217728,"left":0,"right":0}}"#)],
      "the graph says"),
    .init("padding unknown", [(padding, #"{"circular":{}}"#)], "hostile: "),
    .init(
      "groups 0", [("nodes.name=wide.attributes.attributes.groups", "0")],
      "stride, dilation and groups are positive"),
    .init(
      "groups 2^28", [("nodes.name=wide.attributes.attributes.groups", "268435456")],
      "expected 536870912 input channels"),
    .init(
      "dilation 2^28",
      [
        ("nodes.name=wide.attributes.attributes.dilation.height", "268435456"),
        ("nodes.name=wide.attributes.attributes.padding", #"{"valid":{}}"#),
      ], "does not fit the padded input"),
    .init(
      "window 2^27", [("nodes.name=pool.attributes.attributes.window.height", "134217728")],
      "a window of 134217728×2 does not fit"),
    .init(
      "window 2^27 in padding",
      [
        ("nodes.name=pool.attributes.attributes.window.height", "134217728"),
        (
          "nodes.name=pool.attributes.attributes.padding",
          #"{"explicit":{"top":134217728,"bottom":134217728,"left":0,"right":0}}"#
        ),
      ], "padding must be smaller than the window"),
    .init(
      "pool stride 0", [("nodes.name=pool.attributes.attributes.stride.width", "0")],
      "window and stride are positive"),
    .init(
      "epilogue of more inputs", [("nodes.name=first.attributes.epilogue.hasAddend", "true")],
      "takes 3 inputs; received 2"),
    .init(
      "fold without vectors", [("nodes.name=first.attributes.foldedNormalization", "0.1")],
      "takes 6 inputs"),
    .init(
      "normalization with gelu",
      [("nodes.name=normalize.attributes.activation", #"{"gelu":{}}"#)],
      "a normalization takes in (leaky) ReLU alone"),
    .init(
      "3 groups", [("nodes.name=groups.attributes.groups", "3")], "do not divide into 3 groups"),
    .init(
      "-2 groups", [("nodes.name=groups.attributes.groups", "-2")], "do not divide into -2 groups"),
    .init("dropout 1", [("nodes.name=drop.attributes.rate", "1")], "lies in [0, 1); received 1.0"),
    .init(
      "kernel larger than anything",
      [
        ("values.1.shape.0", "1073741824"), ("parameters.0.shape.0", "1073741824"),
      ], "holds a tensor"),
    .init(
      "reshape to negative sizes", [("nodes.name=reshape.attributes.target", "[-2,-2]")],
      "layer reshape: reshape to [2, -2, -2]", graph: "mover"),
    .init(
      "reshape overflows",
      [("nodes.name=reshape.attributes.target", "[1073741824,1073741824,1073741824]")],
      "layer reshape: reshape to", graph: "mover"),
    .init(
      "pixel shuffle 2^27", [("nodes.name=shuffle.attributes.block", "134217728")],
      "pixel shuffle expects", graph: "mover"),
    .init(
      "pixel shuffle 0", [("nodes.name=shuffle.attributes.block", "0")], "pixel shuffle expects",
      graph: "mover"),
    .init(
      "space-to-depth 2^27", [("nodes.name=deep.attributes.block", "134217728")],
      "sizes divisible by", graph: "mover"),
    .init(
      "unpooling 2^30", [("nodes.name=nearest.attributes.window.height", "1073741824")],
      "layer nearest", graph: "mover"),
    .init(
      "unpooling -1", [("nodes.name=nails.attributes.window.height", "-1")], "a positive window",
      graph: "mover"),
    .init(
      "transposed stride 2^27",
      [("nodes.name=grow.attributes.attributes.stride.height", "134217728")],
      "a stride is at most 128", graph: "mover"),
    .init(
      "output padding -1", [("nodes.name=grow.attributes.outputPadding.height", "-1")],
      "output padding must be smaller", graph: "mover"),
    .init(
      "border 2^30", [("nodes.name=pad.attributes.border.top", "1073741824")],
      "a reflected border must be smaller", graph: "mover"),
    .init(
      "border -1", [("nodes.name=pad.attributes.border.top", "-1")], "a border is not negative",
      graph: "mover"),
    .init(
      "crop of 2^30", [("nodes.name=crop.attributes.border.top", "1073741824")], "leaves nothing",
      graph: "mover"),
    .init(
      "crop of -1", [("nodes.name=crop.attributes.border.top", "-1")], "leaves nothing",
      graph: "mover"),
  ]
}

/// The same bits back, and one line for what is not a model.
struct ModelFileTests {
  @Test(arguments: ["autoencoder", "mover", "training"])
  func `a model comes back to the bit and computes the same bits`(_ name: String) throws {
    let graph =
      switch name {
      case "mover": try SampleModels.mover()
      case "training": try SampleModels.training()
      default: try SampleModels.autoencoder()
      }
    let model = try SampleModels.model(graph)
    try withScratchFolder { folder in
      let url = folder.appending(path: "model.safetensors")
      try ModelFile.write(model, to: url)
      let read = try ModelFile.read(from: url)
      #expect(read.graph == graph)
      #expect(read.information == model.information)
      #expect(Set(read.parameters.keys) == Set(model.parameters.keys))
      for (key, tensor) in model.parameters {
        #expect(read.parameters[key]?.shape == tensor.shape)
        #expect(
          read.parameters[key]?.elements.map(\.bitPattern) == tensor.elements.map(\.bitPattern))
      }
      #expect(try outputs(of: read) == outputs(of: model))
      // Written again, the file has the same bytes.
      let again = folder.appending(path: "again.safetensors")
      try ModelFile.write(read, to: again)
      #expect(try Data(contentsOf: again) == Data(contentsOf: url))
    }
  }

  /// The bits of all outputs for inputs of a seed.
  private func outputs(of model: Model) throws -> [String: [UInt32]] {
    let program = try Program(
      model.graph.specialized(for: .infer), parameters: model.store())
    for (index, input) in program.inputs.enumerated() {
      try program.setInput(input.name, .random(input.shape, seed: UInt64(index)))
    }
    try program.run()
    var result: [String: [UInt32]] = [:]
    for output in model.graph.outputs {
      result[output.name] = try program.output(output.name).elements.map(\.bitPattern)
    }
    return result
  }

  @Test func `large weights are stored in 16 bits where they fit`() throws {
    let graph = try Graph.trace { builder in
      let input = builder.input("input", [1, 4, 4, 16])
      let first = Convolution2D(filters: 64, kernel: 1, name: "first")(input)
      builder.output("output", Convolution2D(filters: 32, kernel: 1, name: "second")(first))
    }
    let store = try ParameterStore(for: [graph], seed: 5)
    var large = try #require(store["second/weight"])
    large.elements[7] = 65505
    try store.set("second/weight", large)
    let model = try Model(
      graph: graph, store: store,
      information: ModelInformation(task: "denoise", architecture: "unet"))
    let folder = FileManager.default.temporaryDirectory
    let url = folder.appendingPathComponent("atelier-half-\(UUID().uuidString).safetensors")
    defer { try? FileManager.default.removeItem(at: url) }
    try ModelFile.write(model, to: url, form: .float16)
    let file = try SafetensorsFile.read(from: url)
    #expect(file.entry(named: "first/weight")?.type == .float16)
    #expect(file.entry(named: "first/bias")?.type == .float32)
    #expect(file.entry(named: "second/weight")?.type == .float32)
    let read = try ModelFile.read(from: url)
    #expect(read.parameters["second/weight"] == large)
    let own = try #require(model.parameters["first/weight"]?.elements)
    let stored = try #require(read.parameters["first/weight"]?.elements)
    #expect(own != stored)
    for (one, other) in zip(own, stored) { #expect(abs(one - other) <= abs(one) / 2048) }
    try ModelFile.write(model, to: url)
    #expect(try ModelFile.read(from: url).parameters == model.parameters)
  }

  @Test func `parameters of a store that do not fit are refused`() throws {
    let graph = try SampleModels.autoencoder()
    let other = try ParameterStore(for: [SampleModels.mover()], seed: 1)
    let information = ModelInformation(task: "denoise", architecture: "sample")
    let error = #expect(throws: ShapeError.self) {
      try Model(graph: graph, store: other, information: information)
    }
    #expect(error?.description == "the store has no parameter first/weight of shape [3, 3, 2, 4]")
  }

  @Test func `infinite figures are kept`() throws {
    var model = try SampleModels.model(SampleModels.autoencoder())
    model.information.figures = ["psnr": .infinity, "loss": -.infinity]
    try withScratchFolder { folder in
      let url = folder.appending(path: "model.safetensors")
      try ModelFile.write(model, to: url)
      #expect(try ModelFile.read(from: url).information == model.information)
    }
  }

  @Test func `Python reads the weights and the metadata`() throws {
    let python = ProcessInfo.processInfo.environment["ATELIER_PYTHON"] ?? "python3"
    guard try run(python, ["-c", "import numpy, safetensors"]).status == 0 else {
      print(
        "SKIPPED: a model read by Python; \(python) has no safetensors and numpy "
          + "(set ATELIER_PYTHON to one that has)")
      return
    }
    let script = """
      import json, sys
      from safetensors import safe_open
      with safe_open(sys.argv[1], framework="numpy") as file:
          metadata = file.metadata()
          graph = json.loads(metadata["graph"])
          information = json.loads(metadata["information"])
          for parameter in graph["parameters"]:
              assert list(file.get_tensor(parameter["name"]).shape) == parameter["shape"]
          total = sum(file.get_tensor(name).astype("f8").sum() for name in file.keys())
          print(metadata["format"], metadata["format_version"], information["task"],
                len(graph["nodes"]), len(list(file.keys())), "%.4f" % total)
      """
    let model = try SampleModels.model(SampleModels.autoencoder())
    let sum = model.parameters.values.reduce(0.0) {
      $0 + $1.elements.reduce(0.0) { $0 + Double($1) }
    }
    try withScratchFolder { folder in
      let url = folder.appending(path: "model.safetensors")
      try ModelFile.write(model, to: url)
      let result = try run(python, ["-c", script, url.path])
      let expected =
        "atelier 1 denoise \(model.graph.nodes.count) \(model.parameters.count) "
        + String(format: "%.4f", sum) + "\n"
      #expect(result.output == expected)
      #expect(result.status == 0)
    }
  }

  private func run(_ python: String, _ arguments: [String]) throws -> (
    status: Int32, output: String
  ) {
    let process = Process()
    process.executableURL = URL(filePath: "/usr/bin/env")
    process.arguments = [python] + arguments
    let pipe = Pipe()
    process.standardOutput = pipe
    process.standardError = FileHandle.nullDevice
    try process.run()
    let output = pipe.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    return (process.terminationStatus, String(decoding: output, as: UTF8.self))
  }

  @Test(arguments: BrokenGraph.wiring + BrokenGraph.sizes + BrokenGraph.attributes)
  func `a broken graph is refused in one line`(_ broken: BrokenGraph) throws {
    let file = try broken.file()
    let text = try #require(modelFailure(file), "the file was read")
    #expect(text.hasPrefix("hostile: "), "\(text)")
    #expect(text.contains(broken.expected), "\(text)")
    #expect(!text.contains { $0.isNewline })
    #expect(text.count < 500)
  }

  @Test func `what is not a model of this version is refused in one line`() throws {
    let file = try modelFile(SampleModels.autoencoder())
    #expect(modelFailure(file) == nil)
    func text(_ change: (inout SafetensorsFile) -> Void) -> String? {
      var copy = file
      change(&copy)
      return modelFailure(copy)
    }
    #expect(
      text { $0.metadata = [:] }
        == "hostile: expected a model of Atelier (metadata format = atelier), received other weights"
    )
    #expect(
      text { $0.metadata["format_version"] = "2\n" }
        == #"hostile: expected format version 1, received "2\u{a}""#)
    #expect(
      text { $0.metadata["format_version"] = nil }
        == "hostile: expected format version 1, received none")
    #expect(
      text { $0.metadata["graph"] = nil }
        == "hostile: expected the metadata graph and information, received one of them at most")
    let brackets = String(repeating: "[", count: 100_000)
    for json in ["", "{", "[]", "null", "{\"nodes\":[]}", "\u{0}\n", brackets] {
      for key in ["graph", "information"] {
        let line = try #require(text { $0.metadata[key] = json }, "\(key) \(json.prefix(20))")
        #expect(line.hasPrefix("hostile: expected a graph and information as JSON, received "))
        #expect(!line.contains { $0.isNewline })
      }
    }
    for (key, value) in [
      ("granularity", "0"), ("granularity", "-8"), ("granularity", "4097"),
      ("receptiveRadius", "-1"), ("receptiveRadius", "65537"),
    ] {
      var tree = try JSONTree(try #require(file.metadata["information"]))
      tree.set([.key(key)], to: Int(value))
      let json = try tree.text
      #expect(
        text { $0.metadata["information"] = json }
          == "hostile: granularity or receptive radius is out of range")
    }
  }

  @Test func `missing, wrongly shaped and wrongly typed parameters are refused`() throws {
    let file = try modelFile(SampleModels.autoencoder())
    func text(_ entries: [SafetensorsEntry]) throws -> String? {
      var copy = SafetensorsFile(metadata: file.metadata)
      for entry in entries { try copy.append(entry) }
      return modelFailure(copy)
    }
    let rest = file.entries.filter { $0.name != "last/bias" }
    #expect(try text(file.entries) == nil)
    #expect(
      try text(rest)
        == "hostile: expected a tensor \"last/bias\", received none among \(rest.count)")
    #expect(
      try text(rest + [SafetensorsEntry(name: "last/bias", Tensor([3]))])
        == "hostile: tensor \"last/bias\": expected the shape [2], received [3]")
    #expect(
      try text(rest + [SafetensorsEntry(name: "last/bias", bytes: [1, 2])])
        == "hostile: tensor \"last/bias\": expected F32, F16, BF16 or F64, received U8")
  }

  @Test func `two nodes that write one value are refused`() throws {
    let file = try modelFile(SampleModels.autoencoder())
    let tree = try JSONTree(try #require(file.metadata["graph"]))
    let kinds = try #require(tree.value(at: ["nodes"]) as? [[String: Any]]).map {
      $0["name"] as? String
    }
    let place = try #require(kinds.firstIndex(of: "activate"))
    let own = try #require(tree.value(at: ["nodes", .index(place), "outputs", 0]) as? Int)
    let other = try #require(tree.value(at: ["nodes", 0, "outputs", 0]) as? Int)
    let broken = try file.changingGraph { tree in
      tree.set(["nodes", .index(place), "outputs", 0], to: other)
      tree.set(["values", .index(own), "source"], to: ["input": ["_0": "another"]])
    }
    #expect(
      modelFailure(broken)
        == "hostile: layer activate writes value \(other), which has another source")
  }

  @Test func `too many parts and a key that stands twice are refused`() throws {
    let file = try modelFile(SampleModels.autoencoder())
    let value = try JSONTree(try #require(file.metadata["graph"])).value(at: ["values", 0])
    let many = try file.changingGraph {
      $0.set(["values"], to: [Any](repeating: value, count: 20_000))
    }
    #expect(
      modelFailure(many)?.contains("the graph has 20000 parts of a kind; at most 16384") == true)
    var twice = file
    twice.metadata["graph"] = file.metadata["graph"]?.replacingOccurrences(
      of: #""groups":1"#, with: #""groups":1,"groups":4611686018427387904,"groups":1"#)
    let before = twice.metadata["graph"]
    #expect(before != file.metadata["graph"])
    // Whichever of them counts, nothing traps.
    _ = modelFailure(twice)
  }

  @Test func `a model that could not be read is not written`() throws {
    let graph = try Graph.trace { builder in
      let input = builder.input("input", [1, 2])
      builder.output("output", input + 4e9)
    }
    let model = try Model(
      graph: graph, store: ParameterStore(for: [graph], seed: 0),
      information: ModelInformation(task: "denoise", architecture: "sample"))
    try withScratchFolder { folder in
      let url = folder.appending(path: "model.safetensors")
      #expect(throws: ShapeError.self) { try ModelFile.write(model, to: url) }
      let left = try names(in: folder)
      #expect(left.isEmpty)
    }
  }
}
