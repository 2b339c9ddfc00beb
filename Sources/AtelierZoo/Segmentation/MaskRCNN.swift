// Mask R-CNN: boxes are proposed, read at a fixed size, classified, corrected, filled with a mask.
//
// He, Gkioxari, Dollár, Girshick: Mask R-CNN (2017); the proposals are those of Ren, He, Girshick,
// Sun: Faster R-CNN (2015), the feature pyramid that of Lin and others: Feature Pyramid Networks
// for Object Detection (2017).

import AtelierEngine
import AtelierKernels

/// Mask R-CNN by its sizes.
///
/// Pictures are [N, H, W, 3] in [0, 1], H and W multiples of `granularity`. Parameters have the
/// same names in every graph, so one `ParameterStore` for the training graph serves all others.
/// Regions come as inputs of fixed sizes: for each level L of the pyramid a tensor [rows, 5] of
/// image, left, top, right, bottom in pixels of the picture, in which the rows of other levels (and
/// rows without a region) name the image −1.
///
/// Written for two CPU cores and training from scratch: batch normalization in the backbone, which
/// folds into the convolutions at inference; none in the heads, whose batches hold regions.
public struct MaskRCNN: Sendable, Hashable, Codable {
  /// The name on the command line and in the metadata of model files.
  public static let name = "mask-rcnn"

  /// The sizes that have names.
  public enum Design: String, Sendable, Hashable, Codable, CaseIterable {
    /// For pictures of about 128 pixels and objects of 16 to 96.
    case tiny
    /// For pictures of 256 to 512 pixels and many objects of 8 to 96.
    case small
  }

  /// The object classes; the background is none of them.
  public var classes: Int
  /// Channels at half resolution.
  public var stem: Int
  /// Channels of the backbone's stages at strides 4, 8, 16 and so on.
  public var widths: [Int]
  /// Residual blocks of each stage.
  public var blocks: [Int]
  /// Channels of the pyramid and of the heads' convolutions.
  public var pyramid: Int
  /// The anchors of each level, one for each stage.
  public var anchors: [AnchorLevel]
  /// Units of the two dense layers of the box head.
  public var boxUnits: Int
  /// Convolutions of the mask head before the transposed one.
  public var maskLayers: Int
  /// The border of a mask's region around its box, in the box's widths and heights on each side, so
  /// that a box that is a little too tight does not cut its mask.
  public var maskMargin: Float

  /// Bins along a side of a region for the box head.
  public static let boxBins = 7
  /// Bins along a side of a region for the mask head.
  public static let maskBins = 14
  /// Pixels along a side of a predicted mask.
  public static let maskSide = 28
  /// How the proposals correct anchors.
  public static let proposalCoding = BoxCoding()
  /// How the box head corrects proposals.
  public static let boxCoding = BoxCoding(shiftWeight: 10, sizeWeight: 5)
  /// Where the smooth absolute loss of boxes goes from quadratic to linear.
  static let smoothness: Float = 1 / 9

  /// The network of a design for at least one object class.
  public init(_ design: Design, classes: Int) {
    self.classes = classes
    stem = 32
    widths = [64, 96, 128]
    blocks = [2, 2, 2]
    pyramid = 64
    boxUnits = 256
    maskLayers = 4
    maskMargin = 0.1
    switch design {
    case .tiny:
      anchors = [
        AnchorLevel(stride: 4, sizes: [16, 24]), AnchorLevel(stride: 8, sizes: [32, 48]),
        AnchorLevel(stride: 16, sizes: [64, 96]),
      ]
    case .small:
      widths = [64, 128, 192]
      anchors = [
        AnchorLevel(stride: 4, sizes: [8, 14]), AnchorLevel(stride: 8, sizes: [22, 34]),
        AnchorLevel(stride: 16, sizes: [52, 80]),
      ]
    }
  }

  /// The numbers of which heights and widths must be multiples.
  public var granularity: Int { anchors.map(\.stride).max() ?? 1 }

  /// The pyramid's levels by their names in inputs and outputs, finest first: 2 has stride 4.
  public var levels: [Int] { widths.indices.map { $0 + 2 } }

  /// The level that reads a box: the finest unless a bin would be wider than two of its pixels.
  public func level(of box: RegionBox) -> Int {
    var level = 2
    var limit = Float(4 * 2 * Self.boxBins)
    let size = box.area.squareRoot()
    while size >= limit, level < levels.count + 1 {
      level += 1
      limit *= 2
    }
    return level
  }

  /// All anchors of a picture of a size.
  public func anchorGrid(width: Int, height: Int) -> AnchorGrid {
    AnchorGrid(anchors, width: width, height: height)
  }

  // MARK: - Graphs

  /// Features and proposals: input `input`; outputs `p2`, `p3`… (the pyramid), `rpn_logits`
  /// [N, anchors, 2] (no object, object) and `rpn_deltas` [N, anchors, 4].
  ///
  /// - Throws: `ShapeError` when the sizes do not fit together.
  public func proposalGraph(batch: Int, height: Int, width: Int) throws(ShapeError) -> Graph {
    let parts = try parts(height: height, width: width)
    return try Graph.trace { builder in
      let features = parts.features(builder.input("input", [batch, height, width, 3]))
      for (level, feature) in zip(levels, features) { builder.output("p\(level)", feature) }
      outputProposals(builder, parts, features)
    }
  }

  /// Classes and corrected boxes of regions of one picture: inputs `p2`… and `boxes_2`… [rows, 5];
  /// outputs `classes` [rows, classes + 1], probabilities with the background first, and
  /// `box_deltas` [rows, classes · 4].
  ///
  /// - Throws: `ShapeError` when the sizes do not fit together.
  public func boxGraph(height: Int, width: Int, rows: Int) throws(ShapeError) -> Graph {
    let parts = try parts(height: height, width: width)
    return try Graph.trace { builder in
      outputBoxes(builder, parts, featureInputs(builder, height, width), rows: rows)
    }
  }

  /// Masks of regions of one picture: inputs `p2`… and `mask_boxes_2`… [rows, 5]; output `masks`
  /// [rows, 28, 28, classes], probabilities.
  ///
  /// - Throws: `ShapeError` when the sizes do not fit together.
  public func maskGraph(height: Int, width: Int, rows: Int) throws(ShapeError) -> Graph {
    let parts = try parts(height: height, width: width)
    return try Graph.trace { builder in
      outputMasks(builder, parts, featureInputs(builder, height, width), rows: rows)
    }
  }

  /// Everything in one graph for one picture, as model files hold it: the inputs and outputs of the
  /// three graphs above, but for the pyramid; each head has as many rows.
  ///
  /// - Throws: `ShapeError` when the sizes do not fit together.
  public func graph(height: Int, width: Int, rows: Int = 16) throws(ShapeError) -> Graph {
    let parts = try parts(height: height, width: width)
    return try Graph.trace { builder in
      let features = parts.features(builder.input("input", [1, height, width, 3]))
      outputProposals(builder, parts, features)
      outputBoxes(builder, parts, features, rows: rows)
      outputMasks(builder, parts, features, rows: rows)
    }
  }

  private func outputProposals(
    _ builder: GraphBuilder, _ parts: MaskRCNNParts, _ features: [SymbolicTensor]
  ) {
    let proposals = parts.proposals(features)
    builder.output("rpn_logits", proposals.logits)
    builder.output("rpn_deltas", proposals.deltas)
  }

  private func outputBoxes(
    _ builder: GraphBuilder, _ parts: MaskRCNNParts, _ features: [SymbolicTensor], rows: Int
  ) {
    let boxes = parts.boxes(boxRegions(builder, parts, features, rows: rows))
    builder.output("classes", Softmax(name: "box/probabilities")(boxes.logits))
    builder.output("box_deltas", boxes.deltas)
  }

  private func outputMasks(
    _ builder: GraphBuilder, _ parts: MaskRCNNParts, _ features: [SymbolicTensor], rows: Int
  ) {
    let masks = parts.masks(maskRegions(builder, parts, features, rows: rows))
    builder.output("masks", Activate(.sigmoid, name: "mask/probabilities")(masks))
  }

  private func featureInputs(
    _ builder: GraphBuilder, _ height: Int, _ width: Int
  ) -> [SymbolicTensor] {
    zip(levels, anchors).map { level, anchors in
      builder.input("p\(level)", [1, height / anchors.stride, width / anchors.stride, pyramid])
    }
  }

  func boxRegions(
    _ builder: GraphBuilder, _ parts: MaskRCNNParts, _ features: [SymbolicTensor], rows: Int
  ) -> SymbolicTensor {
    let boxes = levels.map { builder.input("boxes_\($0)", [rows, 5]) }
    return parts.regions(features, boxes, bins: Self.boxBins)
  }

  func maskRegions(
    _ builder: GraphBuilder, _ parts: MaskRCNNParts, _ features: [SymbolicTensor], rows: Int
  ) -> SymbolicTensor {
    let boxes = levels.map { builder.input("mask_boxes_\($0)", [rows, 5]) }
    return parts.regions(features, boxes, bins: Self.maskBins)
  }

  /// The layers; throws unless the sizes fit and the picture's size is one that the network takes.
  func parts(height: Int, width: Int) throws(ShapeError) -> MaskRCNNParts {
    let parts = try MaskRCNNParts(self)
    guard height > 0, width > 0, height % granularity == 0, width % granularity == 0 else {
      throw ShapeError(
        "Mask R-CNN takes pictures whose sides are multiples of \(granularity); received "
          + "\(width) × \(height)")
    }
    return parts
  }
}
