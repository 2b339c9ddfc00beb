// Face-swap networks: exact sizes, shared names, and one graph's numbers in the others.

import AtelierEngine
import AtelierZoo
import Foundation
import TestSupport
import Testing

@Suite("Face swap")
struct FaceSwapTests {
  private func weights(_ graph: Graph, prefix: String = "") -> Int {
    graph.parameters.filter { $0.role == .weight && $0.name.hasPrefix(prefix) }
      .reduce(0) { $0 + $1.shape.count }
  }

  @Test("the original has 82,062,470 parameters")
  func original() throws {
    let graph = try FaceSwapNetwork(.original).reconstructionGraph(batch: 1)
    #expect(weights(graph) == 82_062_470)
    #expect(weights(graph, prefix: FaceSwapNetwork.encoderPrefix) == 69_662_976)
    for face in SwapFace.allCases {
      #expect(weights(graph, prefix: face.parameterPrefix) == 6_199_747)
    }
    let code = try #require(graph.nodes.first { $0.name == "encoder/up512/shuffle" })
    #expect(graph.shapes(of: code).outputs == [[2, 8, 8, 512]])
  }

  @Test("half: the original's formula with half the widths")
  func half() throws {
    func convolution(_ input: Int, _ output: Int, _ kernel: Int) -> Int {
      kernel * kernel * input * output + output
    }
    func count(_ width: Int) -> Int {
      let downs = [3, width, 2 * width, 4 * width, 8 * width]
      var encoder = (0..<4).reduce(0) { $0 + convolution(downs[$1], downs[$1 + 1], 5) }
      let deep = 8 * width
      encoder += 16 * deep * deep + deep + 16 * deep * deep + 16 * deep
      encoder += convolution(deep, 16 * width, 3)
      let ups = [4 * width, 2 * width, width, width / 2]
      let decoder =
        (0..<3).reduce(0) { $0 + convolution(ups[$1], 4 * ups[$1 + 1], 3) }
        + convolution(width / 2, 3, 5)
      return encoder + 2 * decoder
    }
    #expect(count(128) == 82_062_470)
    #expect(weights(try FaceSwapNetwork(.half).reconstructionGraph(batch: 1)) == count(64))
  }

  @Test("slim: under 10 MB, with and without mask", arguments: [64, 128])
  func slim(side: Int) throws {
    let plain = weights(try FaceSwapNetwork(.slim, side: side).reconstructionGraph(batch: 1))
    let masked = weights(
      try FaceSwapNetwork(.slim, side: side, hasMask: true).reconstructionGraph(batch: 1))
    #expect(plain > 1_000_000)
    #expect(masked * 4 < 10_000_000)
    #expect(masked - plain == 2 * (9 * 16 + 1), "one more output channel a decoder")
  }

  @Test("sides that a design does not take, and no face, are refused")
  func errors() {
    func text(_ body: () throws -> Graph) -> String {
      do {
        _ = try body()
        return "(no error)"
      } catch { return "\(error)" }
    }
    #expect(
      text { try FaceSwapNetwork(.original, side: 128).previewGraph(batch: 1) }
        == "original takes faces of 64 pixels; received 128")
    #expect(
      text { try FaceSwapNetwork(.slim, side: 96).conversionGraph(batch: 1, to: .a) }
        == "slim takes faces of 64 or 128 pixels; received 96")
    #expect(
      text { try FaceSwapNetwork(.slim).trainingGraph(batch: 1, faces: []) }
        == "a face swap trains on a, b or both; received []")
  }

  @Test("one store serves all graphs, which agree", arguments: [false, true])
  func oneStore(hasMask: Bool) throws {
    let network = FaceSwapNetwork(.slim, hasMask: hasMask)
    let training = try network.trainingGraph(batch: 2)
    let store = try ParameterStore(for: [training], seed: 3)
    let faces = SwapFace.allCases.map { face in
      Tensor.uniform([2, 64, 64, 3], in: 0...1, seed: face == .a ? 1 : 2)
    }
    let both = try Program(network.reconstructionGraph(batch: 2), parameters: store)
    try both.setInput("a", faces[0])
    try both.setInput("b", faces[1])
    try both.run()
    let preview = try Program(network.previewGraph(batch: 2), parameters: store)
    try preview.setInput("input", faces[0])
    try preview.run()
    for face in SwapFace.allCases {
      let conversion = try Program(
        network.conversionGraph(batch: 2, to: face), parameters: store)
      try conversion.setInput("input", faces[0])
      try conversion.run()
      let output = try conversion.output("output")
      #expect(output.shape == [2, 64, 64, 3])
      #expect(output.elements.allSatisfy { $0 > 0 && $0 < 1 })
      #expect(try preview.output("output_\(face.rawValue)") == output)
      if face == .a {
        expectClose(
          try both.output("output_a").elements, output.elements, tolerance: 1e-6)
      }
      guard hasMask else { continue }
      #expect(try conversion.output("mask").shape == [2, 64, 64, 1])
      #expect(
        try preview.output("mask_\(face.rawValue)") == (try conversion.output("mask")))
    }
    #expect(
      try preview.output("output_a").elements != (try preview.output("output_b").elements))
  }

  @Test("the joined training graph has the separate one's loss and gradients")
  func joined() throws {
    let network = FaceSwapNetwork(.slim, hasMask: true)
    let graphs = try [true, false].map {
      try network.trainingGraph(batch: 1, loss: .mixed, joins: $0)
    }
    #expect(graphs[0].nodes.count < graphs[1].nodes.count)
    #expect(graphs[0].parameters.map(\.name) == graphs[1].parameters.map(\.name))
    let store = try ParameterStore(for: graphs, seed: 5)
    let programs = try graphs.map { try Program($0, parameters: store) }
    for program in programs {
      for (index, input) in program.inputs.enumerated() {
        try program.setInput(
          input.name, Tensor.uniform(input.shape, in: 0...1, seed: UInt64(index + 1)))
      }
      try program.run()
    }
    let losses = try programs.map { try $0.scalar("loss") }
    #expect(abs(losses[0] - losses[1]) < 1e-5 * losses[0])
    #expect(try programs[0].scalar("loss_a") > 0)
    #expect(programs[0].trainedEntries == programs[1].trainedEntries)
    for entry in programs[0].trainedEntries {
      let gradients = try programs.map { try #require($0.gradient(of: entry.name)).elements }
      expectClose(gradients[0], gradients[1], tolerance: 1e-2, entry.name)
    }
  }

  @Test("the cycle's loss is that of the swapped faces, and errors are absolute ones")
  func cycle() throws {
    let network = FaceSwapNetwork(.slim)
    let plain = try network.trainingGraph(batch: 2, loss: .mixed)
    let cycled = try network.trainingGraph(batch: 2, loss: .mixed, cycleWeight: 0.25)
    #expect(cycled.inputs.map(\.name).contains("swapped_a"))
    #expect(!plain.inputs.map(\.name).contains("swapped_a"))
    let store = try ParameterStore(for: [plain, cycled], seed: 5)
    #expect(weights(plain) == weights(cycled))
    let shape = Shape([2, 64, 64, 3])
    var tensors: [String: Tensor] = [:]
    for (index, name) in ["a", "b", "target_a", "target_b"].enumerated() {
      tensors[name] = Tensor.uniform(shape, in: 0...1, seed: UInt64(index + 1))
    }
    // Where the swapped faces are the faces, the cycle's loss is theirs again.
    tensors["swapped_a"] = tensors["a"]
    tensors["swapped_b"] = tensors["b"]
    let programs = try [plain, cycled].map { try Program($0, parameters: store) }
    for program in programs {
      for input in program.inputs {
        try program.setInput(input.name, try #require(tensors[input.name]))
      }
      try program.run()
    }
    let losses = try programs.map { try $0.scalar("loss") }
    #expect(abs(losses[1] - 1.25 * losses[0]) < 1e-4 * losses[1])
    let drawn = try programs[0].output("output_a").elements
    let wanted = try #require(tensors["target_a"]).elements
    let error = zip(drawn, wanted).reduce(0) { $0 + abs($1.0 - $1.1) } / Float(drawn.count)
    #expect(abs(try programs[0].scalar("error_a") - error) < 1e-5)
    #expect(try programs[0].scalar("loss_a") > error + 0.1, "the dissimilarity joins")
    // Other swapped faces, another loss.
    let other = try #require(tensors["b"])
    try programs[1].setInput("swapped_a", other)
    try programs[1].run()
    #expect(try programs[1].scalar("loss") != losses[1])
    #expect(try programs[1].scalar("loss_a") == programs[0].scalar("loss_a"))
  }

  @Test("a priority adds the errors of eyes and mouth as often as it says")
  func priority() throws {
    let network = FaceSwapNetwork(.slim)
    let factor: Float = 4
    let graphs = [
      try network.trainingGraph(batch: 1, loss: .mixed),
      try network.trainingGraph(batch: 1, loss: .mixed, featurePriority: factor),
    ]
    #expect(!graphs[0].inputs.map(\.name).contains("features_a"))
    let store = try ParameterStore(for: graphs, seed: 5)
    let programs = try graphs.map { try Program($0, parameters: store) }
    var tensors: [String: Tensor] = [:]
    for program in programs {
      for input in program.inputs {
        let tensor = Tensor.uniform(
          input.shape, in: 0...1, seed: UInt64(input.name.utf8.reduce(0) { $0 + Int($1) }))
        tensors[input.name] = tensor
        try program.setInput(input.name, tensor)
      }
      try program.run()
    }
    var wanted = try programs[0].scalar("loss")
    for face in ["a", "b"] {
      let drawn = try programs[0].output("output_\(face)").elements
      let target = try #require(tensors["target_\(face)"]).elements
      let features = try #require(tensors["features_\(face)"]).elements
      let sum = drawn.indices.reduce(0.0) {
        $0 + Double(abs(drawn[$1] - target[$1]) * features[$1])
      }
      wanted += (factor - 1) * Float(sum / Double(drawn.count))
    }
    let received = try programs[1].scalar("loss")
    #expect(abs(received - wanted) < 1e-4 * wanted)
    #expect(try programs[1].scalar("error_a") == programs[0].scalar("error_a"))
  }

  @Test("sequential mode: B's step has no gradient of the frozen encoder")
  func sequential() throws {
    let network = FaceSwapNetwork(.slim)
    let first = try network.trainingGraph(batch: 1, faces: [.a])
    let second = try network.trainingGraph(batch: 1, faces: [.b], isEncoderFrozen: true)
    let store = try ParameterStore(for: [first, second], seed: 1)
    let names = try [first, second].map { graph in
      try Program(graph, parameters: store).trainedEntries.map(\.name)
    }
    #expect(names[0].contains { $0.hasPrefix("encoder/") })
    #expect(names[0].contains { $0.hasPrefix("a/") })
    #expect(!names[0].contains { $0.hasPrefix("b/") })
    #expect(names[1].allSatisfy { $0.hasPrefix("b/") })
    #expect(!names[1].isEmpty)
    #expect(second.inputs.map(\.name) == ["b", "target_b"])
  }

  @Test("steps against the gradient lower the loss")
  func learning() throws {
    let graph = try FaceSwapNetwork(.slim).trainingGraph(batch: 2)
    let store = try ParameterStore(for: [graph], seed: 1)
    let program = try Program(graph, parameters: store)
    for (index, name) in ["a", "b"].enumerated() {
      let face = Tensor.uniform([2, 64, 64, 3], in: 0.6...0.8, seed: UInt64(index))
      try program.setInput(name, face)
      try program.setInput("target_\(name)", face)
    }
    var losses: [Float] = []
    for _ in 0..<16 {
      try program.run()
      losses.append(try program.scalar("loss"))
      for entry in program.trainedEntries {
        for index in entry.range {
          let gradient = program.gradients[index]
          store.pointer[index] -= gradient == 0 ? 0 : (gradient > 0 ? 2e-4 : -2e-4)
        }
      }
      store.touch()
    }
    #expect(losses.allSatisfy { $0.isFinite })
    #expect((losses.min() ?? 1) < 0.9 * losses[0], "\(losses)")
  }

  @Test("a description survives JSON, and each design says what it is")
  func description() throws {
    for design in FaceSwapNetwork.Design.allCases {
      let network = FaceSwapNetwork(design, hasMask: true)
      let data = try JSONEncoder().encode(network)
      #expect(try JSONDecoder().decode(FaceSwapNetwork.self, from: data) == network)
    }
  }
}
