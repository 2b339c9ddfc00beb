// Recurrent layers: equal to PyTorch's with every gradient, in both directions, with and without their tapes.

import AtelierEngine
import AtelierKernels
import Foundation
import TestSupport
import Testing

/// What PyTorch gives; Fixtures/golden/make_recurrent.py wrote it.
private struct RecurrentGolden: Decodable {
  struct Parameter: Decodable {
    let value: [Float]
    let gradient: [Float]
  }

  let cell: RecurrentCell
  let batch: Int
  let steps: Int
  let features: Int
  let units: Int
  let isBidirectional: Bool
  let x: [Float]
  let y: [Float]
  let projection: [Float]
  let dx: [Float]
  let parameters: [String: Parameter]

  static func all() throws -> [RecurrentGolden] {
    struct File: Decodable { let cases: [RecurrentGolden] }
    let file = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
      .deletingLastPathComponent().appendingPathComponent("Fixtures/golden/recurrent.json")
    return try JSONDecoder().decode(File.self, from: Data(contentsOf: file)).cases
  }

  var label: String {
    "\(cell) \(batch)x\(steps)x\(features)->\(units)\(isBidirectional ? " both" : "")"
  }

  func layer(returnsSequence: Bool) -> Recurrent {
    Recurrent(
      cell, units: units, returnsSequence: returnsSequence, isBidirectional: isBidirectional,
      name: "recurrent")
  }
}

@Suite("Recurrent layers")
struct RecurrentTests {
  private func graph(_ item: RecurrentGolden, returnsSequence: Bool) throws -> Graph {
    try Graph.trace { builder in
      let x = builder.input("x", [item.batch, item.steps, item.features])
      let y = item.layer(returnsSequence: returnsSequence)(x)
      builder.output("y", y)
      let projection = builder.input("projection", y.shape)
      builder.output("loss", Float(y.shape.count) * (y * projection).mean())
    }
  }

  private func store(_ graph: Graph, _ item: RecurrentGolden) throws -> ParameterStore {
    let store = try ParameterStore(for: [graph], seed: 1)
    #expect(Set(store.entries.map(\.name)) == Set(item.parameters.keys), "\(item.label)")
    for entry in store.entries {
      let golden = try #require(item.parameters[entry.name])
      try store.set(entry.name, Tensor(entry.shape, golden.value))
    }
    return store
  }

  @Test("equal to PyTorch's, forward and every gradient, on each instruction set")
  func golden() throws {
    let cases = try RecurrentGolden.all()
    #expect(cases.count == 8)
    for item in cases {
      let graph = try graph(item, returnsSequence: true)
      let whole = try graph.differentiated(withRespectToInputs: ["x"])
      for set in InstructionSet.available {
        let program = try Program(
          whole, parameters: store(whole, item), kernels: Kernels(instructionSet: set))
        try program.setInput("x", Tensor([item.batch, item.steps, item.features], item.x))
        let y = try program.output("y").shape
        #expect(y == [item.batch, item.steps, 1, item.units * (item.isBidirectional ? 2 : 1)])
        try program.setInput("projection", Tensor(y, item.projection))
        try program.run()
        let label = "\(item.label) \(set)"
        expectClose(try program.output("y").elements, item.y, tolerance: 2e-6, label)
        let dx = try program.output("gradient of x").elements
        expectClose(dx, item.dx, tolerance: 5e-6, label)
        for entry in program.trainedEntries {
          let golden = try #require(item.parameters[entry.name])
          let gradient = try #require(program.gradient(of: entry.name)).elements
          expectClose(gradient, golden.gradient, tolerance: 5e-6, "\(label) \(entry.name)")
        }
      }
    }
  }

  @Test("the last state is the sequence's end, of the way back its begin, with tapes and without")
  func lastState() throws {
    for item in try RecurrentGolden.all() {
      let graph = try graph(item, returnsSequence: false)
      let both = [graph.specialized(for: .infer), try graph.differentiated()]
      for graph in both {
        let program = try Program(graph, parameters: store(graph, item))
        try program.setInput("x", Tensor([item.batch, item.steps, item.features], item.x))
        let shape = try program.output("y").shape
        try program.setInput("projection", Tensor(shape, repeating: 1))
        try program.run()
        let width = item.units * (item.isBidirectional ? 2 : 1)
        var expected: [Float] = []
        for sample in 0..<item.batch {
          for channel in 0..<width {
            let step = channel < item.units ? item.steps - 1 : 0
            expected.append(item.y[(sample * item.steps + step) * width + channel])
          }
        }
        expectClose(try program.output("y").elements, expected, tolerance: 2e-6, item.label)
      }
    }
  }

  @Test("rows of an image are steps; another batch keeps the graph")
  func images() throws {
    let network = Sequential(input: .image(height: 6, width: 5, channels: 2)) {
      Recurrent(.lstm, units: 3, returnsSequence: true)
      Recurrent(.gru, units: 4)
      Dense(units: 2)
    }
    let graph = try network.graph()
    let output = try #require(graph.output(named: "output"))
    #expect(graph.values[output].shape == [1, 2])
    // 10 · 12 + 3 · 12 + 12, then 3 · 12 + 4 · 12 + 12 + 12, then 4 · 2 + 2.
    #expect(graph.parameterCount == 168 + 108 + 10)
    let larger = try graph.reshaped(["input": [7, 6, 5, 2]])
    #expect(larger.values[output].shape == [7, 2])
    #expect(try network.summary().contains("lstm (LSTM)"))
  }

  @Test("shapes that do not fit are refused in words")
  func refusals() {
    func line(_ body: (GraphBuilder) -> Void) -> String {
      errorLine { _ = try Graph.trace(body) } ?? ""
    }
    #expect(
      line { _ = Recurrent(.lstm, units: 3)($0.input("x", [2, 3])) }
        .contains("expected units and sequences [N, T, F] or images; received 3 and [2, 3]"))
    #expect(
      line {
        let sums = $0.input("x", [5, 2, 12])
        $0.output("y", sums.applying(RecurrentOperation(.lstm), with: [$0.input("u", [4, 12])]))
      }.contains("lstm expects recurrent weights [H, 4 · H]; received [4, 12]"))
    #expect(
      line {
        let sums = $0.input("x", [5, 2, 3, 12])
        $0.output("y", sums.applying(RecurrentOperation(.lstm), with: [$0.input("u", [3, 12])]))
      }.contains("steps first; received [5, 2, 3, 12]"))
  }
}
