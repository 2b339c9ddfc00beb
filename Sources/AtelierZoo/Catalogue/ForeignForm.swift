// How networks of the catalogue take weights that another library trained: hyper-parameters out of
// names and sizes, and which name belongs to which parameter.

import AtelierEngine

/// The names and sizes of a weight file, in its order; sizes as in PyTorch.
public struct ForeignNames: Sendable {
  /// One tensor of the file.
  public struct Item: Sendable, Hashable {
    public let name: String
    public let shape: Shape

    public init(_ name: String, _ shape: Shape) {
      self.name = name
      self.shape = shape
    }
  }

  /// The tensors in order.
  public let items: [Item]
  private let shapes: [String: Shape]

  /// Takes tensors, each name once.
  public init(_ items: [Item]) {
    self.items = items
    shapes = Dictionary(items.map { ($0.name, $0.shape) }, uniquingKeysWith: { $1 })
  }

  /// The sizes under a name, or nil.
  public subscript(name: String) -> Shape? { shapes[name] }

  /// The names of convolutions' weights in the file's order.
  var convolutions: [String] { items.filter { $0.shape.rank == 4 }.map(\.name) }

  /// The names of batch normalizations' layers in the file's order.
  var normalizations: [String] {
    items.compactMap {
      $0.name.hasSuffix(".running_mean") ? String($0.name.dropLast(13)) : nil
    }
  }

  /// One more than the largest number that stands between a prefix and a dot; 0 for none.
  func count(of prefix: String) -> Int {
    items.compactMap { item -> Int? in
      guard item.name.hasPrefix(prefix) else { return nil }
      return Int(item.name.dropFirst(prefix.count).prefix { $0 != "." })
    }.max().map { $0 + 1 } ?? 0
  }
}

/// What is told of the network that takes the weights.
public struct ForeignSettings: Sendable {
  /// Rows and columns of its pictures; nil for the network's own.
  public var size: (height: Int, width: Int)?
  /// What is taken from each channel of pictures in [0, 1] and what it is divided by; empty for
  /// the network's own.
  public var mean: [Float] = []
  public var deviation: [Float] = []

  public init() {}
}

/// A network that has been made for a file's weights.
public struct AdoptedNetwork: Sendable {
  /// The graph for one picture.
  public var graph: Graph
  /// The numbers of which heights and widths must be multiples.
  public var granularity = 1
  /// How far away from an output pixel the input still matters, in pixels.
  public var receptiveRadius = 0
  /// What becomes of a picture before the first layer, for people.
  public var preprocessing = "pixel / 255"
  /// The other library's name of each parameter.
  public var names: [String: String]
  /// For a parameter whose channels lie in another order: for each of ours the file's.
  public var inputOrders: [String: [Int]] = [:]
  public var outputOrders: [String: [Int]] = [:]
}

/// How a network takes foreign weights.
public struct ForeignForm: Sendable {
  /// The library that named them, for help texts.
  public let origin: String
  /// The network for a file's names; throws `ShapeError` when they are not its own.
  public let adopt: @Sendable (ForeignNames, ForeignSettings) throws(ShapeError) -> AdoptedNetwork
}

extension Graph {
  /// The name in PyTorch of each parameter whose layers are called as PyTorch's modules are:
  /// slashes become dots, gamma `weight`, beta `bias`, running_variance `running_var`.
  package func torchNames(_ layer: (String) -> String = { $0 }) -> [String: String] {
    var names: [String: String] = [:]
    for parameter in parameters where parameter.role != .constant {
      guard let slash = parameter.name.lastIndex(of: "/") else { continue }
      let module = layer(String(parameter.name[..<slash]))
      let own = String(parameter.name[parameter.name.index(after: slash)...])
      let kinds = ["gamma": "weight", "beta": "bias", "running_variance": "running_var"]
      names[parameter.name] =
        "\(module.split(separator: "/").joined(separator: ".")).\(kinds[own] ?? own)"
    }
    return names
  }
}

extension DnCNN {
  /// Takes weights of a plain stack in the file's order, with or without batch normalization, as
  /// `DPIR` and `KAIR` keep them: `model.0.weight`, `model.2.weight` and so on.
  static let foreignForm = ForeignForm(origin: "KAIR") { names, settings throws(ShapeError) in
    let convolutions = names.convolutions
    let norms = names.normalizations
    guard let first = convolutions.first.flatMap({ names[$0] }), convolutions.count >= 2,
      let last = convolutions.last.flatMap({ names[$0] }), first[1] == last[0],
      [first[1] == 1, first[1] == 3].contains(true),
      norms.isEmpty || norms.count == convolutions.count - 2
    else { throw ShapeError("expected a stack of convolutions from pictures to their noise") }
    let network = DnCNN(channels: first[1], depth: convolutions.count, width: first[0])
    let hasBias = names[weightless(convolutions[1]) + ".bias"] != nil
    let size = settings.size ?? (96, 96)
    let graph = try network.graph(
      batch: 1, height: size.height, width: size.width, isNormalized: !norms.isEmpty,
      hasInnerBias: hasBias)
    let named = graph.torchNames { layer in
      let number = Int(layer.drop { !$0.isNumber }) ?? 1
      return layer.hasPrefix("conv")
        ? weightless(convolutions[number - 1]) : norms[number - 2]
    }
    return AdoptedNetwork(graph: graph, receptiveRadius: network.receptiveRadius, names: named)
  }
}

extension FFDNet {
  /// Takes weights of a plain stack in the file's order: of `KAIR`, which gives pixels, or the form
  /// of IPOL with batch normalization, which gives the noise and reads the noise map first.
  ///
  /// PyTorch's unshuffled channels are sorted by colour first, ours by the place in the block.
  static let foreignForm = ForeignForm(origin: "KAIR and IPOL") {
    names, settings throws(ShapeError) in
    let convolutions = names.convolutions
    let norms = names.normalizations
    guard let first = convolutions.first.flatMap({ names[$0] }), convolutions.count >= 2,
      let last = convolutions.last.flatMap({ names[$0] }), first[1] == last[0] + 1,
      last[0] == 4 || last[0] == 12, norms.isEmpty || norms.count == convolutions.count - 2
    else {
      throw ShapeError(
        "expected a stack of convolutions from shuffled pixels and a noise map to pixels")
    }
    let channels = last[0] / 4
    let network = FFDNet(channels: channels, depth: convolutions.count, width: first[0])
    let size = settings.size ?? (96, 96)
    let form = Form(
      isNormalized: !norms.isEmpty, hasBias: names[weightless(convolutions[0]) + ".bias"] != nil,
      predictsNoise: !norms.isEmpty)
    let graph = try network.graph(batch: 1, height: size.height, width: size.width, form)
    let named = graph.torchNames { layer in
      let number = Int(layer.drop { !$0.isNumber }) ?? 1
      return layer.hasPrefix("conv") ? weightless(convolutions[number - 1]) : norms[number - 2]
    }
    var adopted = AdoptedNetwork(
      graph: graph, granularity: network.granularity, receptiveRadius: network.receptiveRadius,
      names: named)
    let pixels = (0..<4 * channels).map { $0 % channels * 4 + $0 / channels }
    adopted.inputOrders["conv1/weight"] =
      form.predictsNoise ? pixels.map { $0 + 1 } + [0] : pixels + [4 * channels]
    for kind in ["weight", "bias"] {
      adopted.outputOrders["conv\(convolutions.count)/\(kind)"] = pixels
    }
    return adopted
  }
}

/// A weight's name without its last word.
private func weightless(_ name: String) -> String {
  name.hasSuffix(".weight") ? String(name.dropLast(7)) : name
}
