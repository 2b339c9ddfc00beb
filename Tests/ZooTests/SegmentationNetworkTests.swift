// The semantic networks: sizes by formula and by the peers' own, shapes, how far an input matters.

import AtelierEngine
import AtelierKernels
import AtelierZoo
import TestSupport
import Testing

/// A small network of every kind.
struct SegmentationCase: Sendable, CustomTestStringConvertible {
  let architecture: SegmentationArchitecture
  var testDescription: String {
    "\(architecture.network.rawValue) \(architecture.unpooling.rawValue)"
  }

  static let all: [SegmentationCase] =
    [
      SegmentationCase(architecture: .init(.unet, classes: 3, width: 4, levels: 3)),
      SegmentationCase(architecture: .init(.unet, classes: 5, channels: 1, width: 3, levels: 2)),
      SegmentationCase(architecture: .init(.fcn, classes: 3, width: 4)),
      SegmentationCase(architecture: .init(.segnet, classes: 4, width: 2)),
    ]
    + Unpooling.allCases.map {
      SegmentationCase(
        architecture: .init(.segnetBasic, classes: 3, width: 4, unpooling: $0))
    }
}

@Suite struct SegmentationNetworkTests {
  /// Weights, running statistics apart.
  private func count(_ architecture: SegmentationArchitecture) throws -> Int {
    let side = 2 * architecture.granularity
    return try architecture.graph(height: side, width: side).parameters
      .filter { $0.role == .weight }.reduce(0) { $0 + $1.shape.count }
  }

  @Test func theUNetIsThePeers() throws {
    // What the PyTorch module of the same description counts.
    #expect(try count(.init(.unet, classes: 11)) == 482_907)
    #expect(try count(.init(.unet, classes: 12)) == 482_924)
  }

  @Test func segNetBasicIsThePapers() throws {
    // Seven 7×7 convolutions of 64 to 64, one of 3 to 64, eight normalizations, a classifier.
    let expected = 49 * 64 * (3 + 7 * 64) + 8 * 2 * 64 + 64 * 11 + 11
    for unpooling in Unpooling.allCases {
      #expect(
        try count(.init(.segnetBasic, classes: 11, unpooling: unpooling)) == expected,
        "\(unpooling.rawValue)")
    }
  }

  @Test func segNetHasVGGsConvolutionsTwice() throws {
    let sizes = [3, 64, 64, 128, 128, 256, 256, 256, 512, 512, 512, 512, 512, 512]
    let encoder = zip(sizes, sizes.dropFirst()).reduce(0) { $0 + 9 * $1.0 * $1.1 }
    // The mirror ends in 64 maps, which a 1×1 convolution classifies.
    let decoder = encoder - 9 * 3 * 64 + 9 * 64 * 64
    let mirrored = sizes.dropFirst().dropLast().reduce(0, +) + 64
    let normalizations = 2 * (sizes.dropFirst().reduce(0, +) + mirrored)
    let expected = encoder + decoder + normalizations + 64 * 11 + 11
    for unpooling in [Unpooling.max, .transposed] {
      #expect(try count(.init(.segnet, classes: 11, unpooling: unpooling)) == expected)
    }
  }

  @Test func theFullyConvolutionalNetworkIsThePapers() throws {
    // 0.65 million, as table 1 of the SegNet paper says.
    let encoder = 49 * 64 * (3 + 3 * 64) + 4 * 2 * 64
    let scores = 5 * (64 * 11 + 11) + 4 * 64 * 11 * 11
    #expect(try count(.init(.fcn, classes: 11)) == encoder + scores)
    #expect((640_000...655_000).contains(encoder + scores))
  }

  @Test(arguments: SegmentationCase.all)
  func everyPixelGetsLogits(_ item: SegmentationCase) throws {
    let architecture = item.architecture
    let step = architecture.granularity
    let graph = try architecture.graph(batch: 2, height: 2 * step, width: 3 * step)
    let output = try #require(graph.output(named: "output"))
    #expect(graph.values[output].shape == [2, 2 * step, 3 * step, architecture.classes])
  }

  @Test(arguments: SegmentationCase.all)
  func anInputMattersWithinTheRadiusAlone(_ item: SegmentationCase) throws {
    let architecture = item.architecture
    let radius = architecture.receptiveRadius
    let step = architecture.granularity
    let side = (2 * radius / step + 4) * step
    let graph = try architecture.graph(height: 2 * step, width: side).specialized(for: .infer)
    let store = try ParameterStore(for: [graph], seed: 4)
    let program = try Program(graph, parameters: store)
    let plain = Tensor.uniform(
      [1, 2 * step, side, architecture.channels], in: 0...1, seed: 5)
    try program.setInput("input", plain)
    try program.run()
    let base = try program.output("output")
    var farthest = 0
    for column in side / 2..<side / 2 + step {
      var changed = plain
      for row in 0..<2 * step {
        let place = (row * side + column) * architecture.channels
        for channel in 0..<architecture.channels { changed.elements[place + channel] += 100 }
      }
      try program.setInput("input", changed)
      try program.run()
      let output = try program.output("output")
      for index in 0..<output.count where output.elements[index] != base.elements[index] {
        farthest = max(farthest, abs(index / architecture.classes % side - column))
      }
    }
    #expect(farthest <= radius && farthest > radius / 3, "\(farthest) of \(radius)")
  }

  @Test(arguments: SegmentationCase.all)
  func theLossFalls(_ item: SegmentationCase) throws {
    let architecture = item.architecture
    let side = 2 * architecture.granularity
    let loss = Loss.sum([
      .init(weight: 1, loss: .crossEntropy(ignoreLabel: 255)),
      .init(weight: 1, loss: .sparseDice(smooth: 1, ignoreLabel: 255)),
    ])
    let graph = try architecture.graph(batch: 2, height: side, width: side)
      .extended { builder, symbols in
        guard let output = symbols["output"] else { return }
        builder.output("loss", loss(output, builder.input("target", [2, side, side])))
      }.specialized(for: .train).differentiated()
    let store = try ParameterStore(for: [graph], seed: 1)
    let program = try Program(graph, parameters: store)
    let images = Tensor.uniform([2, side, side, architecture.channels], in: 0...1, seed: 2)
    // Bright pixels are class 1, dark ones 0; a corner does not count.
    let labels = (0..<2 * side * side).map { pixel -> Float in
      pixel % side < 2 ? 255 : images.elements[pixel * architecture.channels] > 0.5 ? 1 : 0
    }
    try program.setInput("input", images)
    try program.setInput("target", Tensor([2, side, side], labels))
    var losses: [Float] = []
    for step in UInt64(0)..<12 {
      try program.run(step: step)
      losses.append(try program.scalar("loss"))
      for entry in program.trainedEntries {
        for index in entry.range { store.pointer[index] -= 0.02 * program.gradients[index] }
      }
      store.touch()
    }
    #expect(losses.allSatisfy(\.isFinite) && losses[11] < losses[0], "\(losses)")
  }

  @Test func numbersThatMakeNoSenseAreRefused() {
    for architecture in [
      SegmentationArchitecture(.unet, classes: 1), .init(.unet, classes: 256),
      .init(.unet, classes: 2, width: 0), .init(.unet, classes: 2, levels: 9),
    ] {
      #expect(throws: ShapeError.self) { try architecture.graph(height: 64, width: 64) }
    }
    #expect(throws: ShapeError.self) {
      try SegmentationArchitecture(.unet, classes: 2).graph(height: 60, width: 64)
    }
  }
}
