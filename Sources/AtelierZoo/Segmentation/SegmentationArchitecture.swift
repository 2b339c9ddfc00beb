// The semantic networks as one value: network, classes, width, unpooling, the pictures' scale.

import AtelierEngine
import AtelierKernels

/// The semantic networks by name.
public enum SegmentationNetwork: String, Sendable, Hashable, Codable, CaseIterable {
  /// Ronneberger and others 2015, with batch normalization.
  case unet
  /// Badrinarayanan and others 2015: four 7×7 convolutions and their mirror.
  case segnetBasic = "segnet-basic"
  /// Badrinarayanan and others 2015: VGG-16's thirteen convolutions and their mirror.
  case segnet
  /// Long and others 2015, in the small form of the SegNet paper.
  case fcn

  /// The filters of the first level unless said otherwise.
  public var standardWidth: Int { self == .unet ? 16 : 64 }

  /// Whether the decoder enlarges by an unpooling that can be chosen.
  public var hasUnpooling: Bool { self == .segnetBasic || self == .segnet }
}

/// A network whose receptive field and granularity are known.
protocol SegmentationLayer: Layer {
  /// The numbers of which heights and widths must be multiples.
  var granularity: Int { get }
  /// How many pixels away from an output pixel the input still matters.
  var receptiveRadius: Int { get }
}

/// A network that gives every pixel a class, with the pictures' normalization in front of it.
public struct SegmentationArchitecture: Sendable, Hashable, Codable {
  /// Which network.
  public var network: SegmentationNetwork
  /// The outputs a pixel, at least 2.
  public var classes: Int
  /// Channels of a picture: 1 gray, 3 RGB.
  public var channels: Int
  /// The filters of the first level; deeper levels have more as the network says.
  public var width: Int
  /// Levels of the U-Net; the others have theirs.
  public var levels: Int
  /// How SegNet's decoder enlarges; the others do it their way.
  public var unpooling: Unpooling

  /// What is taken from pictures in [0, 1].
  static let mean: Float = 0.45
  /// What they are divided by then.
  static let deviation: Float = 0.28

  /// Describes a network.
  public init(
    _ network: SegmentationNetwork, classes: Int, channels: Int = 3, width: Int? = nil,
    levels: Int = 4, unpooling: Unpooling = .max
  ) {
    self.network = network
    self.classes = classes
    self.channels = channels
    self.width = width ?? network.standardWidth
    self.levels = levels
    self.unpooling = unpooling
  }

  /// The numbers of which heights and widths must be multiples.
  public var granularity: Int { layer.granularity }

  /// How many pixels away from an output pixel the input still matters.
  public var receptiveRadius: Int { layer.receptiveRadius }

  /// The graph for a batch of pictures with sides that are multiples of `granularity`.
  ///
  /// - Returns: A graph with input `input` [batch, height, width, channels] in [0, 1] and output
  ///   `output` [batch, height, width, classes], the logits.
  /// - Throws: `ShapeError` when the numbers do not fit together.
  public func graph(batch: Int = 1, height: Int, width columns: Int) throws(ShapeError) -> Graph {
    guard classes >= 2, classes <= 255, width >= 1, (1...8).contains(levels) else {
      throw ShapeError(
        "a semantic network has 2 to 255 classes, a width of at least 1 and 1 to 8 levels; received "
          + "\(classes), \(width) and \(levels)")
    }
    return try Graph.trace { builder in
      let input = builder.input("input", [batch, height, columns, channels])
      let scaled = input.applying(
        AffineOperation(scale: 1 / Self.deviation, shift: -Self.mean / Self.deviation),
        name: "standardization", layerType: "Standardization")
      builder.output("output", layer(scaled))
    }
  }

  private var layer: any SegmentationLayer {
    switch network {
    case .unet: SegmentationUNet(classes: classes, widths: (0..<levels).map { width << $0 })
    case .segnetBasic: SegNet.basic(classes: classes, width: width, unpooling: unpooling)
    case .segnet: SegNet.vgg16(classes: classes, width: width, unpooling: unpooling)
    case .fcn: FullyConvolutionalNetwork(classes: classes, width: width)
    }
  }
}
