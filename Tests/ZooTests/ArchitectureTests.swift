// Every architecture: its parameters by formula, the sizes it takes, how far it looks, and that it
// learns.

import AtelierEngine
import AtelierKernels
import AtelierZoo
import Foundation
import TestSupport
import Testing

/// An architecture small enough to run in a test.
struct ArchitectureCase: Sendable, CustomTestStringConvertible {
  let testDescription: String
  let architecture: any Architecture
  let channels: Int

  init(_ name: String, _ architecture: any Architecture, channels: Int) {
    testDescription = name
    self.architecture = architecture
    self.channels = channels
  }

  /// Fewer than 16 filters everywhere: Winograd's transforms would spread roundings over a tile, and a change could not be told from
  /// its absence by bits.
  static let all: [ArchitectureCase] =
    Unpooling.allCases.map { unpooling in
      ArchitectureCase(
        "autoencoder \(unpooling.rawValue)",
        ConvolutionalAutoencoder(channels: 1, widths: [6, 8, 10], unpooling: unpooling),
        channels: 1)
    } + [
      ArchitectureCase(
        "autoencoder of one level", ConvolutionalAutoencoder(channels: 3, widths: [5]), channels: 3),
      ArchitectureCase("unet", NoiseToNoiseUNet(channels: 1, width: 6, levels: 3), channels: 1),
      ArchitectureCase(
        "unet of one level", NoiseToNoiseUNet(channels: 3, width: 6, levels: 1), channels: 3),
      ArchitectureCase(
        "residual-unet", ResidualUNet(channels: 1, widths: [4, 6, 8], blocks: 2), channels: 1),
      ArchitectureCase(
        "residual-unet of two levels", ResidualUNet(channels: 3, widths: [4, 6], blocks: 1),
        channels: 3),
      ArchitectureCase("blur-unet", BlurUNet(channels: 1, widths: [4, 6, 8]), channels: 1),
      ArchitectureCase("dncnn", DnCNN(channels: 1, depth: 6, width: 8), channels: 1),
      ArchitectureCase("dncnn of two", DnCNN(channels: 3, depth: 2, width: 8), channels: 3),
      ArchitectureCase("ffdnet", FFDNet(channels: 1, depth: 5, width: 8), channels: 1),
      ArchitectureCase("ffdnet colour", FFDNet(channels: 3, depth: 4, width: 8), channels: 3),
    ]
}

@Suite("Architectures")
struct ArchitectureTests {
  @Test("outputs are as large as inputs, for all multiples", arguments: ArchitectureCase.all)
  func sizes(_ item: ArchitectureCase) throws {
    let step = item.architecture.granularity
    for (batch, rows, columns) in [(1, 1, 1), (1, 2, 3), (3, 3, 1)] {
      let shape: Shape = [batch, 4 * step * rows, 4 * step * columns, item.channels]
      let graph = try item.architecture.graph(
        batch: batch, height: shape.height, width: shape.width)
      try graph.validate()
      let output = try #require(graph.output(named: "output"))
      #expect(graph.values[output].shape == shape)
      #expect(graph.values[try #require(graph.input(named: "input"))].shape == shape)
      // The same network reshaped is the network traced at that size.
      let other = try item.architecture.graph(batch: 1, height: 8 * step, width: 4 * step)
      var shapes: [String: Shape] = [:]
      for input in graph.inputs { shapes[input.name] = graph.values[input.value].shape }
      #expect(try other.reshaped(shapes) == graph)
    }
  }

  @Test("no output pixel sees farther than the receptive radius", arguments: ArchitectureCase.all)
  func receptiveRadius(_ item: ArchitectureCase) throws {
    let radius = item.architecture.receptiveRadius
    let step = item.architecture.granularity
    let side = (2 * radius + 9 + step - 1) / step * step
    let probe = try Probe(item, side: side)
    var seen = 0
    // A pixel in a corner of a pooling window and its neighbours: what it reaches depends on where it lies.
    for offset in 0..<min(step, 4) {
      let (row, column) = (side / 2 - offset, side / 2 + offset)
      for name in probe.inputNames {
        seen = max(seen, try probe.reach(changing: name, row: row, column: column))
      }
    }
    #expect(seen <= radius, "sees \(seen) pixels far, says \(radius)")
    // A radius far too large would cost every tile; this also shows that the probe sees anything.
    #expect(2 * seen + 2 * step >= radius, "sees \(seen) pixels far, says \(radius)")
  }

  @Test("a network whose last convolution is silent: residual ones return the image")
  func silent() throws {
    let networks: [(any Architecture, tail: String, isResidual: Bool)] = [
      (DnCNN(channels: 1, depth: 4, width: 8), "conv4", true),
      (ResidualUNet(channels: 1, widths: [4, 6], blocks: 1), "tail", true),
      (FFDNet(channels: 1, depth: 4, width: 8), "conv4", false),
      (NoiseToNoiseUNet(channels: 1, width: 6, levels: 1), "dec_conv0", false),
    ]
    for (architecture, tail, isResidual) in networks {
      let graph = try architecture.graph(batch: 1, height: 8, width: 8)
      let store = try ParameterStore(for: [graph], seed: 1)
      let entry = try #require(store.entry(named: "\(tail)/weight"))
      try store.set(entry.name, Tensor(entry.shape))
      let program = try Program(graph, parameters: store)
      let image = Tensor.uniform([1, 8, 8, 1], in: 0...1, seed: 2)
      try program.setInput("input", image)
      try program.run()
      let expected = isResidual ? image : Tensor(image.shape)
      #expect(try program.output("output") == expected, "\(type(of: architecture))")
    }
  }

  @Test("the loss falls in 20 steps", arguments: ArchitectureCase.all)
  func learning(_ item: ArchitectureCase) throws {
    let side = 4 * item.architecture.granularity
    let graph = try item.architecture.graph(batch: 2, height: side, width: side)
      .extended { builder, symbols in
        guard let output = symbols["output"] else { return }
        let target = builder.input("target", output.shape)
        builder.output("loss", Loss.squaredError(output, target))
      }.specialized(for: .train).differentiated()
    let store = try ParameterStore(for: [graph], seed: 1)
    let program = try Program(graph, parameters: store)
    let clean = Tensor.uniform([2, side, side, item.channels], in: 0...1, seed: 2)
    let noise = Tensor.random(clean.shape, seed: 3, scale: 0.3)
    try program.setInput("target", clean)
    try program.setInput(
      "input", Tensor(clean.shape, zip(clean.elements, noise.elements).map { $0 + $1 }))
    if graph.input(named: "noise") != nil {
      try program.setInput("noise", Tensor([2, side, side, 1], repeating: 0.3))
    }
    var losses: [Float] = []
    for step in UInt64(0)..<20 {
      try program.run(step: step)
      losses.append(try program.scalar("loss"))
      try descend(program, from: losses[losses.count - 1])
    }
    #expect(losses.allSatisfy { $0.isFinite })
    #expect(losses[19] < 0.9 * losses[0], "\(losses)")
  }

  /// A gradient step as long as should take a tenth off the loss.
  private func descend(_ program: Program, from loss: Float) throws {
    var squares = 0.0
    for entry in program.trainedEntries {
      let gradient = try #require(program.gradient(of: entry.name)).elements
      squares += innerProduct(gradient, gradient)
    }
    let rate = Float(0.1 * Double(loss) / squares)
    for entry in program.trainedEntries {
      for index in entry.range {
        program.parameters.pointer[index] -= rate * program.gradients[index]
      }
    }
    program.parameters.touch()
  }
}

/// A network that is run with one pixel changed, to see where its output changes.
private struct Probe {
  private let program: Program
  private let inputs: [String: Tensor]
  private let base: Tensor

  var inputNames: [String] { inputs.keys.sorted() }

  init(_ item: ArchitectureCase, side: Int) throws {
    let graph = try item.architecture.graph(batch: 1, height: side, width: side)
    let store = try ParameterStore(for: [graph], seed: 4)
    program = try Program(graph, parameters: store)
    var inputs: [String: Tensor] = [:]
    for input in graph.inputs {
      inputs[input.name] = .uniform(graph.values[input.value].shape, in: 0...1, seed: 5)
    }
    self.inputs = inputs
    for (name, tensor) in inputs { try program.setInput(name, tensor) }
    try program.run()
    base = try program.output("output")
  }

  /// How far away from a changed pixel the output changes in any bit; −1 when nowhere.
  func reach(changing name: String, row: Int, column: Int) throws -> Int {
    guard let tensor = inputs[name] else { return -1 }
    var changed = tensor
    let channels = tensor.shape.channels
    for channel in 0..<channels {
      changed.elements[(row * tensor.shape.width + column) * channels + channel] += 1000
    }
    try program.setInput(name, changed)
    try program.run()
    let output = try program.output("output")
    try program.setInput(name, tensor)
    var farthest = -1
    for index in 0..<output.count where output.elements[index] != base.elements[index] {
      let pixel = index / output.shape.channels
      let distance = max(
        abs(pixel / output.shape.width - row), abs(pixel % output.shape.width - column))
      farthest = max(farthest, distance)
    }
    return farthest
  }
}
