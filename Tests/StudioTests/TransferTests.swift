// Transfer learning: what is taken over, what rests and keeps its statistics, features on disk.

import AtelierClassification
import AtelierDatasets
import AtelierEngine
import AtelierFiles
import AtelierImages
import AtelierInterchange
import AtelierKernels
import AtelierTraining
import AtelierWorkbench
import AtelierZoo
import Foundation
import TestSupport
import Testing

@Suite("Transfer learning", .serialized)
struct TransferTests {
  /// A model with parameters from a seed.
  private func model(_ graph: Graph, seed: UInt64 = 5) throws -> Model {
    try Model(
      graph: graph, store: ParameterStore(for: [graph], seed: seed),
      information: ModelInformation(
        task: "classify", architecture: "source", classNames: ["one", "two", "three"]))
  }

  private func residual() throws -> Model {
    try model(
      ClassifierArchitecture(
        .resnet20, classes: 3, height: 16, width: 16, channels: 1, mean: [0.3], deviation: [0.2]
      ).graph())
  }

  @Test("words of modes and heads", arguments: ["features", "partial:3", "fine-tune"])
  func words(_ word: String) throws {
    #expect(try TransferMode(word: word).word == word)
    #expect(try TransferHead(word: "flatten:50") == .flattened(50))
    #expect(throws: FieldError.self) { try TransferMode(word: "partial:0") }
    #expect(throws: FieldError.self) { try TransferHead(word: "flatten") }
  }

  @Test("VGG-16 with 50 units counts as Keras counts it") func counts() throws {
    let whole = try ClassifierArchitecture(
      .vgg16, classes: 2, height: 224, width: 224, channels: 3
    ).graph()
    // The convolutions alone, so that no dense layer's 120 million numbers are made.
    let last = try #require(whole.nodes.last { whole.values[$0.outputs[0]].shape.rank == 4 })
    let source = try whole.cut(after: last.name).extended { builder, symbols in
      guard let features = symbols["output"] else { return }
      builder.output("output", Dense(units: 3)(GlobalAveragePool2D()(features)))
    }
    var form = TransferForm()
    form.head = .flattened(50)
    let network = try TransferNetwork(
      model(source), form, classes: 2, picture: [1, 224, 224, 3], name: "vgg16")
    #expect(
      network.counts
        == "total params: 15,969,240; trainable params: 1,254,552, 1,254,552 of them in the head; "
        + "non-trainable params: 14,714,688")
    #expect(network.resting?.parameterCount == 14_714_688)
    #expect(network.learning.parameterCount == 1_254_552)
  }

  @Test(
    "the parts one after the other are the whole",
    arguments: [
      (TransferMode.features, TransferHead.means), (.features, .flattened(8)),
      (.partial(3), .means), (.partial(7), .flattened(4)), (.fineTune, .means),
    ])
  func parts(_ mode: TransferMode, _ head: TransferHead) throws {
    var form = TransferForm()
    (form.mode, form.head) = (mode, head)
    let network = try TransferNetwork(
      residual(), form, classes: 4, picture: [1, 16, 16, 1], name: "residual")
    let store = try ParameterStore(
      for: [network.whole], seed: 2, startingFrom: network.parameters)
    func run(_ graph: Graph, _ input: Tensor) throws -> Tensor {
      let program = try Program(graph.specialized(for: .infer), parameters: store)
      try program.setInput("input", input)
      try program.run()
      return try program.output("output")
    }
    let picture = Tensor.uniform([1, 16, 16, 1], in: 0...1, seed: 4)
    let whole = try run(network.whole, picture)
    let features = try network.resting.map { try run($0, picture) } ?? picture
    expectClose(try run(network.learning, features).elements, whole.elements, tolerance: 1e-5)
    #expect((network.resting == nil) == (mode == .fineTune))
    // The head and the last layers move; nothing of what rests does.
    let moving = Set(network.whole.parameters.filter(\.isTrainable).map(\.name))
    let resting = Set((network.resting?.parameters ?? []).map(\.name))
    #expect(moving.isDisjoint(with: resting))
    #expect(moving.contains("head/output/weight"))
    #expect(moving.contains("stage3/block3/second/weight") == (mode != .features))
    #expect(moving.contains("stem/weight") == (mode == .fineTune))
  }

  private func request(_ data: URL, _ source: URL) -> ClassificationTrainingRequest {
    var request = ClassificationTrainingRequest()
    request.data = data.path
    request.transfer.model = source.path
    request.batch = 10
    request.holdOut = 15
    request.learningRate = 1e-3
    request.epochs = 8
    return request
  }

  @Test(
    "bars are told apart by layers that learnt them; what rests stays to the bit",
    arguments: ["features", "partial:2", "fine-tune"])
  func training(_ mode: String) throws {
    try withScratchFolder { folder in
      setenv("ATELIER_CACHE", folder.appending(path: "cache").path, 1)
      defer { unsetenv("ATELIER_CACHE") }
      let data = folder.appending(path: "bars")
      try writeBars(in: data, count: 30, seed: 1)
      try writeBars(in: folder.appending(path: "others"), count: 20, seed: 2)
      // The source has learnt the same classes.
      var first = ClassificationTrainingRequest(data: data.path, network: .resnet20)
      first.form = PictureForm(width: 16, height: 16, mode: .gray)
      (first.batch, first.epochs, first.learningRate, first.holdOut) = (10, 20, 3e-3, 15)
      _ = try ClassificationTraining.run(
        first, in: folder.appending(path: "first"), isResuming: false)
      let source = folder.appending(path: "first").appending(path: "last.safetensors")
      var request = request(data, source)
      request.transfer.mode = try TransferMode(word: mode)
      request.augmentation.isFlipped = mode == "features"
      var remarks: [String] = []
      let run = folder.appending(path: "run")
      _ = try ClassificationTraining.run(
        request, in: run, isResuming: false, remark: { remarks.append($0) })
      let before = try ModelFile.read(from: source).parameters
      let model = try ModelFile.read(from: run.appending(path: "last.safetensors"))
      for (name, tensor) in before where model.parameters[name] != nil {
        // Running means and variances of what rests stay, too.
        let rests =
          mode == "features" || (mode != "fine-tune" && !name.hasPrefix("stage3/block3"))
        #expect((model.parameters[name] == tensor) == rests, "\(mode): \(name)")
      }
      #expect(remarks.contains { $0.contains("trainable params") })
      #expect(remarks.contains { $0.contains("computed, kept in") } == (mode != "fine-tune"))
      let test = try LabeledImages.read(
        folder.appending(path: "others"), part: .test, form: first.form)
      let found = try ClassificationEvaluation.run(Classifier([model]), on: test)
      print("transfer \(mode): accuracy \(found.accuracy) on 60 pictures")
      #expect(found.accuracy >= 0.85)
      // What the training measured on features is what the whole model gives.
      let other = folder.appending(path: "again")
      var again: [String] = []
      _ = try ClassificationTraining.run(
        request, in: other, isResuming: false, remark: { again.append($0) })
      #expect(again.contains { $0.contains(": kept in") } == (mode != "fine-tune"))
      #expect(
        try Data(contentsOf: other.appending(path: "last.safetensors"))
          == Data(contentsOf: run.appending(path: "last.safetensors")))
    }
  }

  @Test("a model without pictures of features is refused") func refused() throws {
    let graph = try Graph.trace { builder in
      builder.output("output", Dense(units: 3)(builder.input("input", [1, 4])))
    }
    let source = try model(graph)
    #expect(throws: StudioError.self) {
      try TransferNetwork(
        source, TransferForm(), classes: 2, picture: [1, 2, 2, 1], name: "vectors")
    }
    var form = TransferForm()
    form.mode = .partial(40)
    let residual = try residual()
    #expect(
      errorLine {
        _ = try TransferNetwork(
          residual, form, classes: 2, picture: [1, 16, 16, 1], name: "residual")
      } == "--mode partial:40: residual has 19 layers with weights")
  }
}
