// Calls of the same layers on several inputs, joined to one: which are, and that nothing changes.

import AtelierEngine
import AtelierKernels
import TestSupport
import Testing

@Suite("Shared calls")
struct SharedCallsTests {
  private let image: Shape = [2, 8, 8, 3]

  /// One encoder on both faces, a decoder for each, as a face swap has them.
  private func faces(_ names: [String] = ["a", "b"]) throws -> Graph {
    let down = Convolution2D(
      filters: 8, kernel: 3, stride: 2, activation: .leakyReLU(slope: 0.1), name: "down")
    let narrow = Dense(units: 6, name: "narrow")
    let wide = Dense(units: 4 * 4 * 8, name: "wide")
    return try Graph.trace { builder in
      var losses: [SymbolicTensor] = []
      for name in names {
        let face = builder.input(name, image)
        let code = Reshape([4, 4, 8])(wide(narrow(Flatten()(down(face)))))
        let result = TransposedConvolution2D(
          filters: 3, kernel: 2, stride: 2, name: "decoder_\(name)")(code)
        builder.output("output_\(name)", result)
        losses.append(Loss.absoluteError(result, face))
      }
      builder.output("loss", losses.dropFirst().reduce(losses[0]) { $0 + $1 })
    }.specialized(for: .train)
  }

  private func kinds(_ graph: Graph) -> [String] {
    graph.nodes.map { type(of: $0.operation).kind }
  }

  @Test("the encoder runs once, the decoders each on their own") func joined() throws {
    let before = try faces()
    let after = try before.joiningSharedCalls()
    #expect(kinds(before).filter { $0 == "convolution-2d" }.count == 6)
    #expect(kinds(after).filter { $0 == "convolution-2d" }.count == 3)
    #expect(kinds(after).filter { $0 == "transposed-convolution-2d" }.count == 2)
    #expect(kinds(after).filter { $0 == "join-batches" }.count == 1)
    #expect(kinds(after).filter { $0 == "split-batch" }.count == 1)
    #expect(after.parameters == before.parameters)
    #expect(after.inputs.map(\.name) == ["a", "b"])
    #expect(after.outputs.map(\.name) == before.outputs.map(\.name))
    let first = try #require(after.nodes.first { $0.name == "down" })
    #expect(after.shapes(of: first).outputs == [[4, 4, 4, 8]])
  }

  @Test("results and gradients stay", arguments: [["a", "b"], ["a", "b", "c"]])
  func results(_ names: [String]) throws {
    let graph = try faces(names)
    let graphs = [graph, try graph.joiningSharedCalls()].map { graph in
      Result { try graph.differentiated() }
    }
    let plain = try graphs[0].get()
    let joined = try graphs[1].get()
    let store = try ParameterStore(for: [plain, joined], seed: 4)
    let programs = try [plain, joined].map { try Program($0, parameters: store) }
    for program in programs {
      for (index, name) in names.enumerated() {
        try program.setInput(name, Tensor.random(image, seed: UInt64(index + 1)))
      }
      try program.run()
    }
    for name in names {
      #expect(
        try programs[0].output("output_\(name)") == programs[1].output("output_\(name)"))
    }
    for entry in programs[0].trainedEntries {
      let gradients = try programs.map { try #require($0.gradient(of: entry.name)) }
      let error = zip(gradients[0].elements, gradients[1].elements).map { abs($0 - $1) }.max() ?? 1
      #expect(error < 1e-5, "\(entry.name): \(error)")
    }
  }

  @Test("a layer after itself is not joined") func recurrent() throws {
    let layer = Dense(units: 3)
    let graph = try Graph.trace { builder in
      builder.output("y", layer(layer(builder.input("x", [1, 3]))))
    }
    #expect(try graph.joiningSharedCalls() == graph)
  }

  @Test("batch statistics keep calls apart") func statistics() throws {
    let norm = BatchNormalization(name: "norm")
    let graph = try Graph.trace { builder in
      for name in ["a", "b"] { builder.output("y\(name)", norm(builder.input(name, [2, 3]))) }
    }.specialized(for: .train)
    #expect(try graph.joiningSharedCalls() == graph)
  }

  @Test("batches of different sizes of sample are refused") func shapes() {
    let error = #expect(throws: ShapeError.self) {
      try Graph.trace { builder in
        _ = joinBatches([builder.input("a", [1, 2]), builder.input("b", [1, 3])])
      }
    }
    #expect(error?.description.contains("expects samples of equal sizes") == true)
    let cut = #expect(throws: ShapeError.self) {
      try Graph.trace { builder in
        _ = builder.input("a", [3, 2]).splitBatch(sizes: [1, 1])
      }
    }
    #expect(cut?.description.contains("cannot be cut into [1, 1] samples") == true)
  }
}
