// The network of star-convex objects: how much of an object a place is, how far its edge lies along
// rays, and which pixels are ground.
//
// Schmidt, Weigert, Broaddus, Myers: Cell Detection with Star-Convex Polygons (2018); the levels
// are those of the U-Net (Ronneberger, Fischer, Brox 2015). Unlike the paper's, distances are read
// at half the picture's resolution, and a third head draws the ground at full resolution, so that
// masks follow edges that a polygon of few corners cuts.

import AtelierEngine
import AtelierKernels
import Foundation

/// A network for crowded objects that their middles see whole, such as nuclei.
///
/// Pictures are [N, H, W, 3], H and W multiples of `granularity`. Outputs: `objects` [N, H/2, W/2,
/// 1], logits that are high in the middle of an object; `distances` [N, H/2, W/2, rays], in units of
/// `unit` pixels from the place's middle to the object's edge along rays that begin to the right and
/// turn downwards; `ground` [N, H, W, 1], logits that are positive on objects; with several classes
/// `classes` [N, H/2, W/2, classes], logits.
public struct StarNetwork: Sendable, Hashable, Codable {
  /// The name on the command line and in the metadata of model files.
  public static let name = "stars"
  /// Pixels along a side of a place that proposes an object.
  public static let stride = 2
  /// Pixels in a unit of distance.
  public static let unit: Float = 8

  /// The object classes; the background is none of them.
  public var classes: Int
  /// Directions in which distances are told, evenly around.
  public var rays: Int
  /// Channels at full resolution.
  public var stem: Int
  /// Channels of the levels at strides 2, 4, 8 and so on.
  public var widths: [Int]
  /// Channels that the heads read.
  public var features: Int

  /// The network for at least one object class.
  public init(
    classes: Int, rays: Int = 32, stem: Int = 16, widths: [Int] = [32, 64, 96, 128],
    features: Int = 64
  ) {
    self.classes = classes
    self.rays = rays
    self.stem = stem
    self.widths = widths
    self.features = features
  }

  /// The numbers of which heights and widths must be multiples.
  public var granularity: Int { Self.stride << max(widths.count - 1, 0) }

  /// How far a pixel's influence reaches, in pixels.
  public var receptiveRadius: Int {
    let levels = SegmentationUNet(classes: 1, widths: widths).receptiveRadius
    return 4 + Self.stride * (levels + 1)
  }

  /// The directions of the rays, as unit vectors.
  public var directions: [SIMD2<Float>] {
    (0..<rays).map { ray in
      let angle = 2 * Double.pi * Double(ray) / Double(rays)
      return SIMD2(Float(cos(angle)), Float(sin(angle)))
    }
  }

  /// The graph that the network works with.
  ///
  /// - Throws: `ShapeError` when the sizes do not fit together.
  public func graph(batch: Int = 1, height: Int, width: Int) throws(ShapeError) -> Graph {
    try check()
    return try Graph.trace { builder in
      for (name, head) in heads(builder.input("input", [batch, height, width, 3])) {
        builder.output(name, head)
      }
    }
  }

  /// The differentiated graph of a training step.
  ///
  /// Inputs beside `input`: `object_targets` and `object_weights` [N, H/2, W/2, 1] (the share of
  /// the way to the edge, and 0 for places that do not count); `distance_targets` and
  /// `distance_weights` [N, H/2, W/2, rays]; `ground_targets` and `ground_weights` [N, H, W, 1];
  /// with several classes `class_labels` [N, H/2, W/2], −1 outside of objects. Outputs: `loss`, the
  /// sum of `object_loss`, `distance_loss`, `ground_loss` and `class_loss`.
  /// - Throws: `ShapeError` when the sizes do not fit together.
  public func trainingGraph(batch: Int, height: Int, width: Int) throws(ShapeError) -> Graph {
    try check()
    return try Graph.trace { builder in
      var losses: [(String, SymbolicTensor)] = []
      for (name, head) in heads(builder.input("input", [batch, height, width, 3])) {
        switch name {
        case "objects":
          losses.append(("object_loss", likelihood(builder, head, "object")))
        case "ground":
          losses.append(("ground_loss", likelihood(builder, head, "ground")))
        case "distances":
          let weights = builder.input("distance_weights", head.shape)
          let targets = builder.input("distance_targets", head.shape)
          losses.append(("distance_loss", Loss.absoluteError(head * weights, targets * weights)))
        default:
          let labels = builder.input("class_labels", Shape(Array(head.shape.dimensions.dropLast())))
          losses.append(("class_loss", Loss.crossEntropy(ignoreLabel: -1)(head, labels)))
        }
      }
      for (name, loss) in losses { builder.output(name, loss) }
      builder.output("loss", losses.dropFirst().reduce(losses[0].1) { $0 + $1.1 })
    }.specialized(for: .train).differentiated()
  }

  /// The mean binary cross-entropy where it counts: what does not count has the logit 0 against
  /// one half, which costs log 2 without a gradient.
  private func likelihood(
    _ builder: GraphBuilder, _ logits: SymbolicTensor, _ name: String
  ) -> SymbolicTensor {
    let weights = builder.input("\(name)_weights", logits.shape)
    let targets = builder.input("\(name)_targets", logits.shape)
    return Loss.binaryCrossEntropy(logits * weights, targets)
  }

  private func check() throws(ShapeError) {
    guard classes >= 1, classes <= 254, (4...256).contains(rays), stem > 0, features > 0,
      !widths.isEmpty, widths.count <= 8, widths.allSatisfy({ $0 > 0 })
    else {
      throw ShapeError(
        "a network of star-convex objects needs 1 to 254 classes, 4 to 256 rays and 1 to 8 levels "
          + "of positive widths; received \(self)")
    }
  }

  /// The heads by the names of their outputs.
  private func heads(_ picture: SymbolicTensor) -> [(String, SymbolicTensor)] {
    let first = normalizedConvolution(picture, stem, "stem/first")
    let half = normalizedConvolution(first, widths[0], stride: Self.stride, "stem/second")
    let read = normalizedConvolution(uNetLevels(half, widths), features, "features")
    func head(_ input: SymbolicTensor, _ filters: Int, _ name: String) -> SymbolicTensor {
      Convolution2D(filters: filters, kernel: 1, name: name)(input)
    }
    let grown = TransposedConvolution2D(
      filters: stem, kernel: Extent(Self.stride, Self.stride),
      stride: Extent(Self.stride, Self.stride), padding: .valid, name: "ground/grow")(read)
    let drawn = normalizedConvolution(concatenate(grown, first), stem, "ground/edge")
    let heads = [
      ("objects", head(read, 1, "objects")), ("distances", head(read, rays, "distances")),
      ("ground", head(drawn, 1, "ground")),
    ]
    return classes > 1 ? heads + [("classes", head(read, classes, "classes"))] : heads
  }
}
