// The parts of Mask R-CNN: residual backbone with feature pyramid, proposals, box head, mask head.

import AtelierEngine
import AtelierKernels

/// The layers of one Mask R-CNN, named, to be called in one graph.
struct MaskRCNNParts {
  private let network: MaskRCNN

  /// Checks the sizes.
  init(_ network: MaskRCNN) throws(ShapeError) {
    let stages = network.widths.count
    guard stages > 0, network.blocks.count == stages, network.anchors.count == stages,
      network.anchors.enumerated().allSatisfy({ $0.element.stride == 4 << $0.offset }),
      let count = network.anchors.first?.count, count > 0,
      network.anchors.allSatisfy({ $0.count == count }),
      network.anchors.allSatisfy({ ($0.sizes + $0.ratios).allSatisfy { $0 > 0 && $0.isFinite } })
    else {
      throw ShapeError(
        "Mask R-CNN needs blocks and equally many anchors above 0 for each of its \(stages) "
          + "stages, at strides 4, 8, 16 and so on")
    }
    let sizes = [network.classes, network.stem, network.pyramid, network.boxUnits] + network.widths
    guard sizes.allSatisfy({ (1...4096).contains($0) }),
      network.blocks.allSatisfy({ (1...64).contains($0) }), (0...16).contains(network.maskLayers),
      (0...1).contains(network.maskMargin)
    else {
      throw ShapeError("Mask R-CNN with classes, channels or blocks out of range: \(network)")
    }
    self.network = network
  }

  // MARK: - Backbone and pyramid

  /// The levels of the pyramid, finest first: [N, H / 4, W / 4, pyramid] and so on.
  func features(_ image: SymbolicTensor) -> [SymbolicTensor] {
    let scaled = Standardization(
      mean: [0.5, 0.5, 0.5], deviation: [0.25, 0.25, 0.25], name: "scale")(image)
    var x = residualConvolution(scaled, network.stem, stride: 2, "stem/first")
    x = residualConvolution(x, network.stem, "stem/second")
    var stages: [SymbolicTensor] = []
    for (stage, filters) in network.widths.enumerated() {
      for block in 1...network.blocks[stage] {
        x = residual(x, filters, stride: block == 1 ? 2 : 1, "stage\(stage + 2)/block\(block)")
      }
      stages.append(x)
    }
    var above: SymbolicTensor?
    var levels: [SymbolicTensor] = []
    for (stage, x) in stages.enumerated().reversed() {
      let level = stage + 2
      var lateral = Convolution2D(
        filters: network.pyramid, kernel: 1, name: "pyramid/lateral\(level)")(x)
      if let above {
        lateral = lateral + NearestUnpool2D(name: "pyramid/enlarge\(level)")(above)
      }
      above = lateral
      levels.append(
        Convolution2D(filters: network.pyramid, kernel: 3, name: "pyramid/output\(level)")(lateral))
    }
    return levels.reversed()
  }

  private func residual(
    _ input: SymbolicTensor, _ filters: Int, stride: Int, _ name: String
  ) -> SymbolicTensor {
    var x = residualConvolution(input, filters, stride: stride, "\(name)/first")
    x = residualConvolution(x, filters, "\(name)/second", isActive: false)
    var shortcut = input
    if stride > 1 || input.shape.channels != filters {
      shortcut = Convolution2D(
        filters: filters, kernel: 1, stride: Extent(stride, stride), padding: .valid,
        hasBias: false, name: "\(name)/shortcut")(input)
      shortcut = normalized(shortcut, "\(name)/shortcut", isActive: false)
    }
    return Activate(.relu, name: "\(name)/relu")(x + shortcut)
  }

  // MARK: - Proposals

  /// Logits [N, anchors, 2] (no object, object) and corrections [N, anchors, 4], all of one head.
  func proposals(
    _ features: [SymbolicTensor]
  ) -> (logits: SymbolicTensor, deltas: SymbolicTensor) {
    let count = network.anchors[0].count
    let shared = Convolution2D(
      filters: network.pyramid, kernel: 3, activation: .relu, name: "rpn/shared")
    func head(_ filters: Int, _ name: String) -> Convolution2D {
      Convolution2D(
        filters: filters, kernel: 1, initializer: .normal(deviation: 0.01), name: "rpn/\(name)")
    }
    let (objects, boxes) = (head(2 * count, "objects"), head(4 * count, "boxes"))
    var logits: [SymbolicTensor] = []
    var deltas: [SymbolicTensor] = []
    for feature in features {
      let x = shared(feature)
      logits.append(Flatten(name: "rpn/objects/flatten")(objects(x)))
      deltas.append(Flatten(name: "rpn/boxes/flatten")(boxes(x)))
    }
    return (rows(logits, of: 2, "rpn/objects"), rows(deltas, of: 4, "rpn/boxes"))
  }

  /// The levels' vectors one after the other, cut into rows.
  private func rows(_ parts: [SymbolicTensor], of length: Int, _ name: String) -> SymbolicTensor {
    let all = parts.count == 1 ? parts[0] : concatenate(parts, name: "\(name)/levels")
    return Reshape([all.shape.channels / length, length], name: "\(name)/rows")(all)
  }

  // MARK: - Regions and heads

  /// Regions [rows, bins, bins, pyramid], each read from its level.
  func regions(
    _ features: [SymbolicTensor], _ boxes: [SymbolicTensor], bins: Int
  ) -> SymbolicTensor {
    let name = bins == MaskRCNN.boxBins ? "box" : "mask"
    var sum: SymbolicTensor?
    for (index, feature) in features.enumerated() {
      let align = RegionAlignOperation(
        size: Extent(bins, bins), scale: 1 / Float(network.anchors[index].stride))
      let read = feature.applying(
        align, with: [boxes[index]], name: "\(name)/align\(index + 2)", layerType: "RegionAlign")
      sum = sum.map { $0 + read } ?? read
    }
    return sum ?? features[0]
  }

  /// Logits [rows, classes + 1], the background first, and corrections [rows, classes · 4].
  func boxes(_ regions: SymbolicTensor) -> (logits: SymbolicTensor, deltas: SymbolicTensor) {
    var x = Flatten(name: "box/flatten")(regions)
    for layer in ["first", "second"] {
      x = Dense(units: network.boxUnits, activation: .relu, name: "box/\(layer)")(x)
    }
    let logits = Dense(
      units: network.classes + 1, initializer: .normal(deviation: 0.01), name: "box/classes")(x)
    let deltas = Dense(
      units: 4 * network.classes, initializer: .normal(deviation: 0.001), name: "box/boxes")(x)
    return (logits, deltas)
  }

  /// Mask logits [rows, 28, 28, classes].
  func masks(_ regions: SymbolicTensor) -> SymbolicTensor {
    var x = regions
    for layer in 0..<network.maskLayers {
      x = Convolution2D(
        filters: network.pyramid, kernel: 3, activation: .relu, name: "mask/convolution\(layer + 1)"
      )(x)
    }
    x = TransposedConvolution2D(
      filters: network.pyramid, kernel: 2, stride: 2, padding: .valid, activation: .relu,
      name: "mask/enlarge")(x)
    return Convolution2D(filters: network.classes, kernel: 1, name: "mask/classes")(x)
  }
}
