// The classifiers: sizes as the papers have them, connections, normalization, errors.

import AtelierEngine
import AtelierZoo
import TestSupport
import Testing

@Suite("Classifiers")
struct ClassifierTests {
  @Test("parameter counts of the papers")
  func counts() throws {
    #expect(try ClassifierArchitecture(.lenet).graph().parameterCount == 2578)
    #expect(try ClassifierArchitecture(.lenet5).graph().parameterCount == 61_706)
    #expect(try ClassifierArchitecture(.course).graph().parameterCount == 1_897_226)
    #expect(try ClassifierArchitecture(.strided).graph().parameterCount == 166_406)
    #expect(try ClassifierArchitecture(.thresholds).graph().parameterCount == 439_802)
    let residual = try ClassifierArchitecture(.resnet20, height: 32, width: 32, channels: 3)
      .graph()
    #expect(residual.trainableParameterCount == 269_722)
    // Two running statistics for each of 7 · 16 + 6 · 32 + 6 · 64 features.
    #expect(residual.parameterCount - residual.trainableParameterCount == 2 * 688)
    let convolutions = residual.nodes.filter {
      $0.layerType == "Conv2D" || $0.layerType == "Dense"
    }
    #expect(convolutions.count == 20)
  }

  @Test("the course's network says its size in its summary") func summary() throws {
    let summary = try ClassifierArchitecture(.course).graph().summary(title: "course")
    #expect(summary.contains("Total params: 1,897,226"))
  }

  @Test("a pixel below every threshold of its network changes nothing") func thresholds() throws {
    let graph = try ClassifierArchitecture(.thresholds).graph()
    let store = try ParameterStore(for: [graph], seed: 3)
    // Ramps from 0.5 and 0.75 upwards alone.
    try store.set("thresholds/weight", Tensor([1, 1, 1, 8], [Float](repeating: 1, count: 8)))
    try store.set(
      "thresholds/bias", Tensor([8], (0..<8).map { $0 % 2 == 0 ? -0.5 : -0.75 }))
    let program = try Program(graph.specialized(for: .infer), parameters: store)
    func answer(_ value: Float) throws -> [Float] {
      try program.setInput("input", Tensor([1, 28, 28, 1], [Float](repeating: value, count: 784)))
      try program.run()
      return try program.output("output").elements
    }
    #expect(try answer(0) == answer(0.49))
    #expect(try answer(0.49) != answer(0.51))
  }

  @Test("LeNet's second maps read one or two first maps each, as table 1 says")
  func connections() throws {
    // Rows: the first maps. Each x of the paper's table is a connection.
    let table = [
      "xxx.xx......", ".xxxxx......", "......xxx.xx", ".......xxxxx",
    ]
    let graph = try ClassifierArchitecture(.lenet).graph()
    let maps = try graph.extended { builder, symbols in
      guard let input = symbols["input"] else { return }
      let parts = builder.call(graph, ["input": input]) { name, value in
        if name == "h3" { builder.output("h3", value) }
        return value
      }
      #expect(!parts.isEmpty)
    }
    let wanted = maps.specialized(for: .infer)
    let store = try ParameterStore(for: [wanted], seed: 4)
    let program = try Program(wanted, parameters: store)
    try program.setInput("input", .random([1, 28, 28, 1], seed: 1))
    try program.run()
    let before = try program.output("h3")
    for (map, row) in table.enumerated() {
      // Another coefficient of one first map changes the maps that read it, and no other.
      let old = try #require(store["h2/bias"])
      var bias = old
      bias.elements[map] += 1
      try store.set("h2/bias", bias)
      try program.run()
      let after = try program.output("h3")
      let changed = (0..<12).map { channel in
        stride(from: channel, to: before.count, by: 12).contains {
          before.elements[$0] != after.elements[$0]
        }
      }
      #expect(changed == row.map { $0 == "x" }, "map \(map + 1)")
      try store.set("h2/bias", old)
    }
  }

  @Test(
    "every network's graph is the same function of the batch",
    arguments: ClassifierNetwork.allCases.filter {
      // Their dense layers read 6×6 features and more, of larger pictures.
      ![.alexnet, .vgg16, .vgg16Normalized].contains($0)
    })
  func batches(_ network: ClassifierNetwork) throws {
    let architecture = ClassifierArchitecture(
      network, classes: 7, height: 36, width: 32, channels: 3, mean: [0.1, 0.2, 0.3],
      deviation: [0.5, 0.6, 0.7])
    let graph = try architecture.graph(batch: 2).specialized(for: .infer)
    try graph.validate()
    #expect(graph.output(named: "output").map { graph.values[$0].shape } == [2, 7])
    let store = try ParameterStore(for: [graph], seed: 1)
    let both = Tensor.uniform([2, 36, 32, 3], in: 0...1, seed: 2)
    func run(_ graph: Graph, _ input: Tensor) throws -> [Float] {
      let program = try Program(graph, parameters: store)
      try program.setInput("input", input)
      try program.run()
      return try program.output("output").elements
    }
    let rows = try run(graph, both)
    let single = try architecture.graph().specialized(for: .infer)
    for index in 0..<2 {
      let one = Tensor([1, 36, 32, 3], Array(both.elements[index * 3456..<(index + 1) * 3456]))
      expectClose(
        try run(single, one), Array(rows[index * 7..<(index + 1) * 7]), tolerance: 1e-4)
    }
    // Normalization in front is normalization in the graph.
    var plain = architecture
    (plain.mean, plain.deviation) = ([], [])
    var normalized = both
    for index in normalized.elements.indices {
      let channel = index % 3
      normalized.elements[index] =
        (both.elements[index] - architecture.mean[channel]) / architecture.deviation[channel]
    }
    let bare = try plain.graph(batch: 2).specialized(for: .infer)
    expectClose(try run(bare, normalized), rows, tolerance: 1e-4)
  }

  @Test("what does not fit is named") func errors() throws {
    func text(_ architecture: ClassifierArchitecture) -> String? {
      do throws(ShapeError) {
        _ = try architecture.graph()
        return nil
      } catch { return error.description }
    }
    #expect(
      text(ClassifierArchitecture(.course, classes: 1))
        == "a classifier needs at least two classes; received 1")
    #expect(
      text(ClassifierArchitecture(.lenet, height: 8, width: 8))?.hasPrefix("layer h3") == true)
    #expect(
      text(ClassifierArchitecture(.course, mean: [0.5], deviation: [0]))
        == "layer standardization: expected 1 means and deviations above 0; received [0.5] and [0.0]"
    )
    #expect(
      text(ClassifierArchitecture(.course, channels: 3, mean: [0.5], deviation: [1]))
        == "layer standardization: expected 3 means and deviations above 0; received [0.5] and [1.0]"
    )
  }

  @Test("the noise generator keeps shapes, stays in [−1, 1] and has workload E's size")
  func generator() throws {
    let graph = try Graph.trace { builder in
      let input = builder.input("input", [2, 12, 8, 3])
      builder.output("output", NoiseGenerator()(input))
    }
    let gray = try Graph.trace { builder in
      builder.output("output", NoiseGenerator()(builder.input("input", [1, 28, 28, 1])))
    }
    let inner = 8 * 9 * 64 * 64 + 9 * (16 + 16 * 32 + 32 * 64 + 64 * 32 + 32 * 16 + 16) + 1
    let scales = 2 * (16 + 32 + 64 + 8 * 64 + 32 + 16)
    #expect(gray.trainableParameterCount == inner + scales)
    let program = try Program(
      graph.specialized(for: .train), parameters: ParameterStore(for: [graph], seed: 2))
    try program.setInput("input", .uniform([2, 12, 8, 3], in: 0...1, seed: 5))
    try program.run()
    let output = try program.output("output")
    #expect(output.shape == [2, 12, 8, 3])
    #expect(output.elements.allSatisfy { abs($0) <= 1 } && Set(output.elements).count > 500)
  }
}
