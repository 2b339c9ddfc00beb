// How the classifiers take weights of torchvision, timm and of ResNets for CIFAR-10.

import AtelierEngine
import AtelierKernels

/// What pictures have to be for a network's published weights, in units of [0, 1].
private struct PublishedInput {
  var mean: [Float]
  var deviation: [Float]

  /// ImageNet's statistics, as torchvision has them.
  static let imageNet = Self(mean: [0.485, 0.456, 0.406], deviation: [0.229, 0.224, 0.225])
  /// 2 x − 1.
  static let half = Self(mean: [0.5, 0.5, 0.5], deviation: [0.5, 0.5, 0.5])
  /// (pixel − 127) / 128.
  static let lite = Self(
    mean: [Float](repeating: 127 / 255, count: 3),
    deviation: [Float](repeating: 128 / 255, count: 3))
}

extension ClassifierNetwork {
  /// How it takes foreign weights; nil where nobody publishes any.
  var foreignForm: ForeignForm? {
    switch self {
    case .lenet, .lenet5, .course, .strided, .thresholds: return nil
    case .resnet20, .resnet56:
      return form("pytorch_resnet_cifar10", .imageNet) { names, graph in
        Self.translated(graph, Self.smallResidualName)
      }
    case .vgg16:
      return form("torchvision and Keras", .imageNet) { names, graph in
        names["block1_conv1/kernel"] == nil ? graph.torchNames() : Self.kerasNames(graph)
      }
    // The published network halves what torchvision has normalized.
    case .googlenet: return form("torchvision", .half)
    case .efficientnetLite0:
      return form("EfficientNet-PyTorch and timm", .lite) { names, graph in
        names["_conv_stem.weight"] == nil
          ? graph.torchNames() : Self.translated(graph, Self.liteName)
      }
    case .efficientnetLite0Symmetric: return form("timm", .imageNet)
    default: return form("torchvision", .imageNet)
    }
  }

  private func form(
    _ origin: String, _ input: PublishedInput,
    _ translate: @escaping @Sendable (ForeignNames, Graph) -> [String: String] = { _, graph in
      graph.torchNames()
    }
  ) -> ForeignForm {
    ForeignForm(origin: origin) { names, settings throws(ShapeError) in
      let channels = names.convolutions.first.flatMap { names[$0] }?[1] ?? 3
      // The last matrix gives the classes.
      guard let last = names.items.last(where: { $0.shape.rank == 2 })?.shape,
        channels == 1 || channels == 3, last[0] >= 2
      else { throw ShapeError("expected a network from pictures to at least two classes") }
      let size = settings.size ?? (standardSide, standardSide)
      let isOwn = settings.mean.isEmpty && settings.deviation.isEmpty
      let mean = isOwn ? input.mean : settings.mean
      let deviation = isOwn ? input.deviation : settings.deviation
      let architecture = ClassifierArchitecture(
        self, classes: last[0], height: size.height, width: size.width, channels: channels,
        mean: Array(mean.prefix(channels)), deviation: Array(deviation.prefix(channels)))
      let graph = try architecture.graph()
      return AdoptedNetwork(
        graph: graph, preprocessing: architecture.preprocessing, names: translate(names, graph))
    }
  }

  /// Keras's names of VGG-16: `features/2` is `block1_conv2`, its weight `kernel`.
  private static func kerasNames(_ graph: Graph) -> [String: String] {
    let starts = [0, 5, 10, 17, 24]
    let dense = ["classifier/0": "fc1", "classifier/3": "fc2", "classifier/6": "predictions"]
    var names: [String: String] = [:]
    for parameter in graph.parameters where parameter.role != .constant {
      let words = parameter.name.split(separator: "/").map(String.init)
      guard words.count == 3, let index = Int(words[1]) else { continue }
      let block = starts.lastIndex { $0 <= index } ?? 0
      let layer =
        dense["\(words[0])/\(index)"]
        ?? "block\(block + 1)_conv\((index - starts[block]) / 2 + 1)"
      names[parameter.name] = "\(layer)/\(words[2] == "weight" ? "kernel" : words[2])"
    }
    return names
  }

  private static func translated(
    _ graph: Graph, _ layer: (String) -> String
  ) -> [String: String] { graph.torchNames(layer) }

  /// `stage2/block1/first` is `layer2.0.conv1`, its normalization `layer2.0.bn1`.
  private static func smallResidualName(_ layer: String) -> String {
    switch layer {
    case "stem": return "conv1"
    case "stem/norm": return "bn1"
    case "output": return "linear"
    default: break
    }
    let parts = layer.split(separator: "/")
    guard parts.count >= 3, let block = Int(parts[1].dropFirst(5)) else { return layer }
    let kind = parts.last == "norm" ? "bn" : "conv"
    return "layer\(parts[0].dropFirst(5)).\(block - 1).\(kind)\(parts[2] == "first" ? 1 : 2)"
  }

  /// timm's names of an EfficientNet in the words of its converted originals: blocks are numbered
  /// through, and normalizations from 0 where there is an expansion.
  private static func liteName(_ layer: String) -> String {
    let whole = [
      "conv_stem": "_conv_stem", "bn1": "_bn0", "conv_head": "_conv_head", "bn2": "_bn1",
      "classifier": "_fc",
    ]
    if let name = whole[layer] { return name }
    let parts = layer.split(separator: "/").map(String.init)
    guard parts.count == 4, let stage = Int(parts[1]), let block = Int(parts[2]) else {
      return layer
    }
    let first = [0, 1, 3, 5, 8, 11, 15]
    let words =
      stage == 0
      ? [
        "conv_dw": "_depthwise_conv", "bn1": "_bn1", "conv_pw": "_project_conv", "bn2": "_bn2",
      ]
      : [
        "conv_pw": "_expand_conv", "bn1": "_bn0", "conv_dw": "_depthwise_conv", "bn2": "_bn1",
        "conv_pwl": "_project_conv", "bn3": "_bn2",
      ]
    return "_blocks.\(first[stage] + block).\(words[parts[3]] ?? parts[3])"
  }
}

extension ClassifierArchitecture {
  /// What becomes of a picture before the network's first layer, for model files.
  public var preprocessing: String {
    "cut at the middle and resized to \(height)x\(width), pixel / 255; the "
      + (histograms.map {
        "network reads histograms of \($0.orientations) directions of gradients in cells of "
          + "\($0.cell)x\($0.cell) pixels, blocks of \($0.block)x\($0.block) cells, "
          + $0.normalization.rawValue
      } ?? "network takes mean \(mean) away and divides by deviation \(deviation)")
  }
}
