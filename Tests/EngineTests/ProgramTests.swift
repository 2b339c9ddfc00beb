// Programs at work: shared parameters, inputs and outputs by name, runs that repeat, prepared weights
// that follow the store.

import AtelierEngine
import AtelierKernels
import Foundation
import TestSupport
import Testing

@Suite("Program")
struct ProgramTests {
  private func graph(_ body: (GraphBuilder) -> Void) throws -> Graph { try Graph.trace(body) }

  // MARK: Sharing

  @Test("two decoders share the encoder: one store, one set of numbers") func sharedEncoder() throws
  {
    let encoder = Sequential {
      Convolution2D(filters: 5, kernel: 3, stride: 2, activation: .relu, name: "encoder")
    }
    let input: Shape = [1, 6, 6, 3]
    func face(_ name: String) throws -> Graph {
      try graph { builder in
        let code = encoder(builder.input("x", input))
        let y = TransposedConvolution2D(filters: 3, kernel: 2, stride: 2, name: name)(code)
        builder.output("y", y)
        builder.output("loss", Loss.squaredError(y, builder.input("target", input)))
      }.differentiated()
    }
    let graphs = try [face("decoderA"), face("decoderB")]
    let store = try ParameterStore(for: graphs, seed: 2)
    #expect(
      store.entries.map(\.name) == [
        "encoder/weight", "encoder/bias", "decoderA/weight", "decoderA/bias", "decoderB/weight",
        "decoderB/bias",
      ])
    let programs = try graphs.map { try Program($0, parameters: store) }
    let x = Tensor.random(input, seed: 3)
    for program in programs {
      try program.setInput("x", x)
      try program.run()
    }
    let before = try programs[1].output("y")
    // One step of A moves the encoder under B, too.
    for entry in programs[0].trainedEntries {
      for index in entry.range { store.pointer[index] -= 0.1 * programs[0].gradients[index] }
    }
    store.touch(programs[0].trainedEntries.map(\.name))
    try programs[1].run()
    #expect(try programs[1].output("y") != before)
    #expect(programs[0].trainedEntries.map(\.name) == Array(store.entries.map(\.name).prefix(4)))
    #expect(programs[1].gradient(of: "decoderA/weight") == nil)
  }

  @Test("a layer called twice has one set of parameters, a new layer its own") func calledTwice()
    throws
  {
    let twice = try graph { builder in
      let layer = Dense(units: 3)
      let copy = layer
      builder.output("y", copy(layer(builder.input("x", [1, 3]))))
    }
    #expect(twice.nodes.count == 2)
    #expect(twice.parameters.map(\.name) == ["dense/weight", "dense/bias"])
    let two = try graph { builder in
      builder.output("y", Dense(units: 3)(Dense(units: 3)(builder.input("x", [1, 3]))))
    }
    #expect(
      two.parameters.map(\.name)
        == ["dense/weight", "dense/bias", "dense_1/weight", "dense_1/bias"])
  }

  @Test("a training program moves the statistics that an inference program uses")
  func statistics() throws {
    let network = try graph { builder in
      let y = BatchNormalization(epsilon: 0, momentum: 0.1, name: "norm")(
        builder.input("x", [2, 1]))
      builder.output("y", y)
    }
    let store = try ParameterStore(for: [network], seed: 0)
    let training = try Program(network.specialized(for: .train), parameters: store)
    let inference = try Program(network.specialized(for: .infer), parameters: store)
    try training.setInput("x", Tensor([2, 1], [1, 3]))
    try training.run()
    // The batch: mean 2, biased variance 1, unbiased 2.
    #expect(try training.output("y").elements == [-1, 1])
    #expect(store["norm/running_mean"]?.elements == [0.2])
    #expect(store["norm/running_variance"]?.elements == [1.1])
    try inference.setInput("x", Tensor([2, 1], [1.3, 0.2]))
    try inference.run()
    let expected = [1.1 / Float(1.1).squareRoot(), 0]
    expectClose(try inference.output("y").elements, expected, tolerance: 1e-6)
    // An inference program leaves them alone.
    #expect(store["norm/running_mean"]?.elements == [0.2])
    try training.run()
    #expect(abs((store["norm/running_mean"]?.elements[0] ?? 0) - 0.38) < 1e-6)
  }

  @Test("a folded normalization follows the statistics that another program moves")
  func foldedStatistics() throws {
    let network = try graph { builder in
      let x = Convolution2D(filters: 4, kernel: 3)(builder.input("x", [2, 5, 5, 3]))
      builder.output("y", BatchNormalization()(x))
    }
    let store = try ParameterStore(for: [network], seed: 0)
    let training = try Program(network.specialized(for: .train), parameters: store)
    let inference = try Program(network.specialized(for: .infer), parameters: store)
    #expect(inference.plan.graph.nodes.count == 1 && inference.plan.keepsPrepared == [true])
    for program in [training, inference] {
      try program.setInput("x", .random([2, 5, 5, 3], seed: 1))
    }
    try inference.run()
    let before = try inference.output("y")
    try training.run()
    try inference.run()
    let after = try inference.output("y")
    #expect(after != before)
    let plain = try Program(
      network.specialized(for: .infer), parameters: store, isFused: false)
    try plain.setInput("x", .random([2, 5, 5, 3], seed: 1))
    try plain.run()
    expectClose(after, try plain.output("y"), tolerance: 1e-5)
  }

  @Test("a sum of losses weighs its terms") func lossSum() throws {
    let terms: [Loss] = [.squaredError, .absoluteError]
    let weighted = Loss.sum([
      .init(weight: 0.25, loss: terms[0]), .init(weight: 3, loss: terms[1]),
    ])
    let network = try graph { builder in
      let (x, y) = (builder.input("x", [2, 3]), builder.input("y", [2, 3]))
      builder.output("sum", weighted(x, y))
      for (index, term) in terms.enumerated() { builder.output("\(index)", term(x, y)) }
    }
    let inputs = ["x": Tensor([2, 3], [0, 1, 2, 3, 4, 5]), "y": Tensor([2, 3], repeating: 1)]
    let results = try outputs(of: network, inputs)
    // Differences −1, 0, 1, 2, 3, 4: squares sum to 31, magnitudes to 11.
    #expect(results["0"]?.elements == [Float(31) / 6])
    #expect(results["1"]?.elements == [Float(11) / 6])
    expectClose(
      try #require(results["sum"]).elements, [31 / 24 + 5.5], tolerance: 1e-6)
  }

  // MARK: Inputs and outputs

  @Test("wrong names and shapes are refused, word for word") func names() throws {
    let network = try graph { builder in
      let x = builder.input("x", [1, 4])
      builder.output("y", Dense(units: 2)(x) + Dense(units: 2)(builder.input("z", [1, 4])))
    }
    let store = try ParameterStore(for: [network], seed: 0)
    let program = try Program(network, parameters: store)
    func text(_ body: () throws(ShapeError) -> Void) -> String { shapeError(body) }
    #expect(
      text { () throws(ShapeError) in try program.setInput("x", Tensor([1, 5])) }
        == "input x has shape [1, 4]; received [1, 5]")
    #expect(
      text { () throws(ShapeError) in try program.setInput("w", Tensor([1, 4])) }
        == "there is no input named w; there are [\"x\", \"z\"]")
    #expect(
      text { () throws(ShapeError) in try program.withInput("w") { _ in } }
        == "there is no input named w; there are [\"x\", \"z\"]")
    #expect(
      text { () throws(ShapeError) in _ = try program.output("loss") }
        == "there is no output named loss; there are [\"y\"]")
    #expect(
      text { () throws(ShapeError) in _ = try program.scalar("x") }
        == "there is no output named x; there are [\"y\"]")
    #expect(program.inputs.map(\.name) == ["x", "z"])
    #expect(program.inputs.map(\.shape) == [[1, 4], [1, 4]])
    #expect(program.gradient(of: "dense/weight") == nil)
    #expect(program.trainedEntries.isEmpty)
  }

  @Test("a store that does not fit is refused") func stores() throws {
    let small = try graph { $0.output("y", Dense(units: 2, name: "d")($0.input("x", [1, 4]))) }
    let large = try graph { $0.output("y", Dense(units: 3, name: "d")($0.input("x", [1, 4]))) }
    let store = try ParameterStore(for: [small], seed: 0)
    func text(_ body: () throws(ShapeError) -> Void) -> String { shapeError(body) }
    #expect(
      text { () throws(ShapeError) in _ = try Program(large, parameters: store) }
        == "the parameter store has no parameter d/weight of shape [4, 3]")
    #expect(
      text { () throws(ShapeError) in _ = try ParameterStore(for: [small, large], seed: 0) }
        == "parameter d/weight is shared with shape [4, 2]; received [4, 3]")
    #expect(
      text { () throws(ShapeError) in try store.set("d/scale", Tensor([2])) }
        == "there is no parameter named d/scale")
    #expect(
      text { () throws(ShapeError) in try store.set("d/bias", Tensor([3])) }
        == "parameter d/bias has shape [2]; received [3]")
    #expect(store["d/scale"] == nil)
  }

  @Test("a parameter's start depends on seed and name alone") func initialization() throws {
    func network(_ first: Bool) throws -> Graph {
      try graph { builder in
        var x = builder.input("x", [1, 4])
        if first { x = Dense(units: 4, name: "first")(x) }
        builder.output("y", Dense(units: 2, name: "last")(x))
      }
    }
    let short = try ParameterStore(for: [network(false)], seed: 5)
    let long = try ParameterStore(for: [network(true)], seed: 5)
    let other = try ParameterStore(for: [network(false)], seed: 6)
    #expect(short["last/weight"] == long["last/weight"])
    #expect(short["last/weight"] != other["last/weight"])
    #expect(short.entries.allSatisfy { $0.offset % 16 == 0 })
  }

  // MARK: Runs

  /// A network with a bit of everything.
  private func everything() throws -> Graph {
    try graph { builder in
      var x = builder.input("x", [2, 8, 9, 3])
      x = Convolution2D(filters: 16, kernel: 3, activation: .relu)(x)
      let pooled = MaxPool2D(name: "pool")(BatchNormalization()(x))
      let inner = Dropout(0.2)(Convolution2D(filters: 16, kernel: 3, activation: .silu)(pooled))
      let back = MaxUnpool2D(mirroring: "pool")(inner)
      let y = Convolution2D(filters: 3, kernel: 3)(concatenate(back, x))
      builder.output("y", y)
      builder.output("loss", Loss.squaredError(y, builder.input("target", y.shape)))
    }
  }

  @Test("running twice gives the same bits") func twice() throws {
    let network = try everything().specialized(for: .train).differentiated()
    let store = try ParameterStore(for: [network], seed: 1)
    let start = store.snapshot()
    let program = try Program(network, parameters: store, seed: 9)
    try program.setInput("x", .random([2, 8, 9, 3], seed: 2))
    try program.setInput("target", .random([2, 8, 9, 3], seed: 3))
    var results: [[Tensor?]] = []
    for _ in 0..<3 {
      store.restore(start)
      try program.run(step: 4)
      results.append(
        [try program.output("y"), try program.output("loss")]
          + program.trainedEntries.map { program.gradient(of: $0.name) })
    }
    #expect(results[1] == results[0])
    #expect(results[2] == results[0])
  }

  @Test("a training packs large weights while it runs, to the same bits; a prediction keeps them")
  func packing() throws {
    let network = try graph { builder in
      let x = Convolution2D(filters: 256, kernel: 3, name: "wide")(
        builder.input("x", [8, 8, 8, 16]))
      let y = Convolution2D(filters: 512, kernel: 3, name: "large")(x)
      let last = TransposedConvolution2D(filters: 256, kernel: 3, name: "back")(y)
      builder.output("loss", Loss.squaredError(last, builder.input("target", last.shape)))
    }
    let training = try network.specialized(for: .train).differentiated()
    func run(_ isFused: Bool) throws -> (Program, [Tensor?]) {
      let store = try ParameterStore(for: [network], seed: 3)
      let program = try Program(training, parameters: store, isFused: isFused)
      try program.setInput("x", .random([8, 8, 8, 16], seed: 4))
      try program.setInput("target", .random([8, 8, 8, 256], seed: 5))
      try program.run()
      return (program, store.entries.map { program.gradient(of: $0.name) })
    }
    func packed(_ plan: Plan, _ name: String) -> [Bool] {
      zip(plan.graph.nodes, plan.prepared).filter { $0.0.name.hasPrefix(name) }
        .filter {
          ["convolution-2d", "transposed-convolution-2d"].contains(type(of: $0.0.operation).kind)
        }
        .map { $0.1 == nil }
    }
    let (late, results) = try run(true)
    let (early, expected) = try run(false)
    #expect(results == expected && !results.contains(nil))
    #expect(
      packed(late.plan, "large") == [true, true] && packed(late.plan, "back") == [true, true])
    #expect(packed(late.plan, "wide") == [false])
    #expect(packed(early.plan, "large") == [false, false])
    #expect(2 * late.plan.arenaCount < early.plan.arenaCount)
    let prediction = Plan(network.specialized(for: .infer))
    #expect(packed(prediction, "large") == [false] && prediction.keepsPrepared.contains(true))
  }

  @Test("what was prepared follows the store: set, touch, restore") func prepared() throws {
    let network = try everything().specialized(for: .infer)
    let store = try ParameterStore(for: [network], seed: 1)
    let program = try Program(network, parameters: store)
    #expect(program.plan.keepsPrepared.contains(true))
    let x = Tensor.random([2, 8, 9, 3], seed: 2)
    try program.setInput("x", x)
    func expectFresh(_ comment: Comment) throws {
      try program.run()
      let fresh = try Program(network, parameters: store)
      try fresh.setInput("x", x)
      try fresh.run()
      #expect(try program.output("y") == fresh.output("y"), comment)
    }
    try expectFresh("at the start")
    let start = store.snapshot()
    let first = try program.output("y")
    try store.set("conv2d/weight", .random([3, 3, 3, 16], seed: 4, scale: 0.1))
    try expectFresh("after set")
    #expect(try program.output("y") != first)
    let entry = try #require(store.entry(named: "conv2d_2/weight"))
    store.pointer[entry.offset + 5] += 1
    store.touch([entry.name])
    try expectFresh("after touch")
    store.pointer[entry.offset + 6] += 1
    store.touch()
    try expectFresh("after touching all")
    store.restore(start)
    try expectFresh("after restore")
    #expect(try program.output("y") == first)
  }

  @Test("a program calls onStep after each step, views apart") func steps() throws {
    let network = try graph { builder in
      let x = Activate(.relu)(builder.input("x", [1, 4]))
      builder.output("y", Activate(.tanh)(Flatten()(x)))
    }
    let program = try Program(network, parameters: try ParameterStore(for: [network], seed: 0))
    var seen: [Int] = []
    program.onStep = { seen.append($0) }
    try program.run()
    #expect(seen == [0, 2])
  }

  @Test("a fault ends the run with an error; the next run is free of it") func fault() throws {
    let network = try graph { builder in
      let logits = builder.input("x", [1, 3])
      builder.output("loss", Loss.crossEntropy()(logits, builder.input("label", [1, 1])))
    }
    let program = try Program(network, parameters: try ParameterStore(for: [network], seed: 0))
    try program.setInput("label", Tensor([1, 1], [5]))
    #expect(throws: DataFault("layer loss: 1 labels lie outside the classes 0..<3")) {
      try program.run()
    }
    try program.setInput("label", Tensor([1, 1], [2]))
    try program.run()
    expectClose([try program.scalar("loss")], [Float(1.0986123)], tolerance: 1e-6)
  }

  // MARK: Memory

  // In a process of its own, so that other tests' memory does not count.
  @Test("200 runs leave no memory behind") func memory() async {
    await #expect(processExitsWith: .success) {
      let network = try Graph.trace { builder in
        var x = builder.input("x", [2, 16, 16, 8])
        for _ in 0..<3 { x = Convolution2D(filters: 8, kernel: 3, activation: .relu)(x) }
        let y = BatchNormalization()(Dropout(0.1)(x))
        builder.output("loss", Loss.squaredError(y, builder.input("target", y.shape)))
      }.specialized(for: .train).differentiated()
      let store = try ParameterStore(for: [network], seed: 1)
      let kernels = Kernels(pool: ThreadPool(threads: 2))
      let program = try Program(network, parameters: store, kernels: kernels)
      for step in UInt64(0)..<20 { try program.run(step: step) }
      let before = residentPages()
      for step in UInt64(0)..<200 { try program.run(step: step) }
      let growth = residentPages() - before
      // Pages of 4 KiB or more: less than 1 MiB of 4 KiB pages.
      if growth >= 256 { exit(1) }
    }
  }
}

/// The pages of this process that lie in memory; 0 where the system does not tell in this way.
func residentPages() -> Int {
  guard let text = try? String(contentsOfFile: "/proc/self/statm", encoding: .utf8) else {
    return 0
  }
  let fields = text.split(separator: " ")
  return fields.count > 1 ? Int(fields[1]) ?? 0 : 0
}

@Suite("Tensors") struct TensorTests {
  @Test("a NaN of either sign and any payload is found wherever it stands, infinity is none")
  func holdsNaN() {
    for count in [1, 7, 16, 33] {
      var elements: [Float] = (0..<count).map { [-.infinity, .infinity, -0, 3][$0 % 4] }
      #expect(!Tensor([count], elements).holdsNaN)
      for index in 0..<count {
        let former = elements[index]
        for bits: UInt32 in [0x7FC0_0000, 0xFFC0_0000, 0x7F80_0001, 0xFFFF_FFFF] {
          elements[index] = Float(bitPattern: bits)
          #expect(Tensor([count], elements).holdsNaN, "\(bits) at \(index) of \(count)")
        }
        elements[index] = former
      }
    }
    #expect(!Tensor([0], []).holdsNaN)
  }
}
