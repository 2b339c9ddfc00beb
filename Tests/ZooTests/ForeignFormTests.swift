// Networks with torchvision's and timm's names give what torchvision and timm give, with weights
// that follow from their names (Tests/Fixtures/foreign/make_torchvision.py).

import AtelierEngine
import AtelierInterchange
import AtelierZoo
import Foundation
import TestSupport
import Testing

/// One network of networks.json.
private struct Golden: Decodable {
  struct Item: Decodable {
    var name: String
    var shape: Shape
    var isNorm: Bool

    init(from decoder: any Decoder) throws {
      var list = try decoder.unkeyedContainer()
      name = try list.decode(String.self)
      shape = try list.decode(Shape.self)
      isNorm = try list.decode(String.self) == "norm"
    }
  }
  var side: Int
  var tensors: [Item]
  var answers: [Float]

  static func read() throws -> [String: Golden] {
    let url = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
      .deletingLastPathComponent().appendingPathComponent("Fixtures/foreign/networks.json")
    return try JSONDecoder().decode([String: Golden].self, from: Data(contentsOf: url))
  }
}

/// The script's numbers in [-1, 1): a hash of name and place.
private func uniform(_ name: String, count: Int) -> [Float] {
  let seed = name.utf8.reduce(UInt32(2_166_136_261)) { ($0 ^ UInt32($1)) &* 16_777_619 }
  return [Float](unsafeUninitializedCapacity: count) { target, filled in
    for index in 0..<count {
      var x = UInt32(truncatingIfNeeded: index) &* 2_654_435_761 &+ seed
      x ^= x >> 16
      x &*= 0x7FEB_352D
      x ^= x >> 15
      x &*= 0x846C_A68B
      x ^= x >> 16
      target.initializeElement(at: index, to: Float(x >> 8) / 8_388_608 - 1)
    }
    filled = count
  }
}

/// The script's tensor of a name.
private func values(_ item: Golden.Item) -> Tensor {
  let numbers = uniform(item.name, count: item.shape.count)
  let dimensions = item.shape.dimensions
  let scaled: [Float]
  if dimensions.count >= 2 {
    let bound = (6 / Float(dimensions.dropFirst().reduce(1, *))).squareRoot()
    scaled = numbers.map { $0 * bound }
  } else if item.name.hasSuffix("running_var") {
    scaled = numbers.map { 1 + 0.5 * $0 }
  } else if item.isNorm {
    scaled = numbers.map { 1 + 0.125 * $0 }
  } else {
    scaled = numbers.map { 0.125 * $0 }
  }
  return Tensor(item.shape, scaled)
}

@Suite("Foreign weights")
struct ForeignFormTests {
  private func adopt(
    _ name: String, _ golden: Golden
  ) throws -> AdoptedNetwork {
    let network = try #require(Catalogue.networks.first { $0.fullName == name })
    var settings = ForeignSettings()
    settings.size = (golden.side, golden.side)
    (settings.mean, settings.deviation) = ([0, 0, 0], [1, 1, 1])
    return try #require(network.foreignForm).adopt(
      ForeignNames(golden.tensors.map { .init($0.name, $0.shape) }), settings)
  }

  /// The parameters of a network in our layout; every tensor is used once.
  private func parameters(
    _ graph: Graph, _ names: [String: String], _ golden: Golden
  ) throws -> [String: Tensor] {
    let items = Dictionary(golden.tensors.map { ($0.name, $0) }, uniquingKeysWith: { $1 })
    let layouts = graph.foreignLayouts()
    let conversion = ForeignConversion(.pytorch)
    var result: [String: Tensor] = [:]
    var used: Set<String> = []
    for (index, parameter) in graph.parameters.enumerated() where parameter.role != .constant {
      let layout = layouts[index] ?? .plain
      let name = try #require(names[parameter.name])
      let item = try #require(items[name], "\(parameter.name) is \(name)")
      #expect(conversion.fits(item.shape, parameter.shape, layout), "\(parameter.name)")
      result[parameter.name] = conversion.convert(values(item), to: parameter.shape, layout)
      used.insert(name)
    }
    #expect(used.count == golden.tensors.count)
    return result
  }

  private func picture(_ side: Int) -> Tensor {
    let planes = uniform("picture", count: 3 * side * side)
    var result = Tensor(.image(height: side, width: side, channels: 3))
    for pixel in 0..<side * side {
      for channel in 0..<3 {
        result.elements[3 * pixel + channel] = (planes[channel * side * side + pixel] + 1) / 2
      }
    }
    return result
  }

  private func expectAnswers(_ output: [Float], _ answers: [Float], _ name: String) {
    let largest = answers.map(abs).max() ?? 1
    #expect(output.count == answers.count)
    for (received, expected) in zip(output, answers) {
      #expect(abs(received - expected) <= 1e-4 * largest, "\(name): \(received), \(expected)")
    }
  }

  @Test(
    "answers are those of torchvision and timm",
    arguments: [
      "alexnet", "googlenet", "resnet-18", "resnet-50", "mobilenet-v2", "efficientnet-lite0",
      "efficientnet-lite0-timm",
    ])
  func answers(_ name: String) throws {
    let golden = try #require(try Golden.read()[name])
    let adopted = try adopt(name, golden)
    let graph = adopted.graph.specialized(for: .infer)
    let store = try ParameterStore(
      for: [graph], seed: 0, startingFrom: parameters(graph, adopted.names, golden))
    let program = try Program(graph, parameters: store)
    try program.setInput("input", picture(golden.side))
    try program.run()
    expectAnswers(try program.output("output").elements, golden.answers, name)
  }

  @Test("VGG-16's convolutions are torchvision's", arguments: ["vgg16", "vgg16-bn"])
  func convolutions(_ name: String) throws {
    let golden = try #require(try Golden.read()[name])
    let network = try #require(ClassifierNetwork(rawValue: name))
    let whole = try ClassifierArchitecture(network, height: 224, width: 224, channels: 3).graph()
    let picture = picture(golden.side)
    let graph = try whole.cut(after: TransferParts.lastFeatures)
      .reshaped(["input": picture.shape]).specialized(for: .infer)
    let names = graph.torchNames { $0 }
    let store = try ParameterStore(
      for: [graph], seed: 0, startingFrom: parameters(graph, names, golden))
    let program = try Program(graph, parameters: store)
    try program.setInput("input", picture)
    try program.run()
    // PyTorch's pictures have their channels first.
    let output = try program.output("output")
    let (pixels, channels) = (output.shape.height * output.shape.width, output.shape.channels)
    var planes: [Float] = []
    for channel in 0..<channels {
      for pixel in 0..<pixels { planes.append(output.elements[pixel * channels + channel]) }
    }
    expectAnswers(planes, golden.answers, name)
  }

  @Test("parameter counts are the published ones") func counts() throws {
    func count(_ network: ClassifierNetwork) throws -> Int {
      try ClassifierArchitecture(network, classes: 1000, height: 224, width: 224, channels: 3)
        .graph().trainableParameterCount
    }
    #expect(try count(.alexnet) == 61_100_840)
    #expect(try count(.vgg16) == 138_357_544)
    #expect(try count(.vgg16Normalized) == 138_365_992)
    #expect(try count(.googlenet) == 6_624_904)
    #expect(try count(.resnet18) == 11_689_512)
    #expect(try count(.resnet50) == 25_557_032)
    #expect(try count(.mobilenetV2) == 3_504_872)
    #expect(try count(.efficientnetLite0) == 4_652_008)
    #expect(try count(.efficientnetLite0Symmetric) == 4_652_008)
  }
}
