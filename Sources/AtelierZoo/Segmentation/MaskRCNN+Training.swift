// The training graph of Mask R-CNN: five losses and their gradients in one program.

import AtelierEngine
import AtelierKernels
import Foundation

/// How many anchors and regions a training step of Mask R-CNN judges, the sizes of its graph.
public struct MaskRCNNSampling: Sendable, Hashable, Codable {
  /// Anchors that count in a picture, half of them on objects where there are so many.
  public var anchors: Int
  /// Regions of a picture that the box head judges.
  public var regions: Int
  /// The most of them that lie on objects; as many get masks.
  public var positives: Int

  /// Describes the sampling.
  public init(anchors: Int = 64, regions: Int = 32, positives: Int = 12) {
    self.anchors = anchors
    self.regions = regions
    self.positives = positives
  }
}

extension MaskRCNN {
  /// The label of anchors and regions that do not count.
  public static let ignoredLabel = -1

  /// The differentiated graph of a training step: approximate joint training, in which the
  /// proposals come from outside and count as fixed.
  ///
  /// Inputs, with T anchors a picture, R = batch · regions and M = batch · positives rows:
  /// `input` [batch, H, W, 3]; `rpn_labels` [batch, T] (0 ground, 1 object, −1 ignored);
  /// `rpn_targets` and `rpn_weights` [batch, T, 4]; `boxes_L` [R, 5]; `class_labels` [R] (0
  /// background, −1 ignored); `box_targets` and `box_weights` [R, classes · 4]; `mask_boxes_L` [M,
  /// 5]; `mask_targets` and `mask_weights` [M, 28, 28, classes]. Weights are 0 or 1; targets are 0
  /// where the weight is. H and W are multiples of `granularity`.
  ///
  /// Outputs: `loss`, the sum of `rpn_class_loss`, `rpn_box_loss`, `class_loss`, `box_loss` and
  /// `mask_loss`.
  /// - Throws: `ShapeError` when the sizes do not fit together.
  public func trainingGraph(
    batch: Int, height: Int, width: Int, sampling: MaskRCNNSampling
  ) throws(ShapeError) -> Graph {
    let parts = try parts(height: height, width: width)
    guard min(sampling.anchors, sampling.regions, sampling.positives) > 0 else {
      throw ShapeError("a training step needs anchors, regions and positives; received \(sampling)")
    }
    return try Graph.trace { builder in
      let features = parts.features(builder.input("input", [batch, height, width, 3]))
      var losses = proposalLosses(builder, parts.proposals(features), sampling)
      let boxes = parts.boxes(
        boxRegions(builder, parts, features, rows: batch * sampling.regions))
      losses += boxLosses(builder, boxes)
      let masks = parts.masks(
        maskRegions(builder, parts, features, rows: batch * sampling.positives))
      losses.append(("mask_loss", maskLoss(builder, masks)))
      for (name, loss) in losses { builder.output(name, loss) }
      builder.output("loss", losses.dropFirst().reduce(losses[0].1) { $0 + $1.1 })
    }.specialized(for: .train).differentiated()
  }

  private typealias NamedLoss = (String, SymbolicTensor)

  /// Objects or ground, and the corrections of the anchors on objects, per anchor that counts.
  private func proposalLosses(
    _ builder: GraphBuilder, _ proposals: (logits: SymbolicTensor, deltas: SymbolicTensor),
    _ sampling: MaskRCNNSampling
  ) -> [NamedLoss] {
    let (batch, anchors) = (proposals.logits.shape[0], proposals.logits.shape[1])
    let labels = builder.input("rpn_labels", [batch, anchors])
    let objects = Loss.crossEntropy(ignoreLabel: Self.ignoredLabel)(proposals.logits, labels)
    let boxes = smoothLoss(builder, proposals.deltas, "rpn")
    let share = Float(4 * anchors) / Float(sampling.anchors)
    return [("rpn_class_loss", objects), ("rpn_box_loss", share * boxes)]
  }

  /// The classes of regions, and the corrections of those on objects by their own class.
  private func boxLosses(
    _ builder: GraphBuilder, _ boxes: (logits: SymbolicTensor, deltas: SymbolicTensor)
  ) -> [NamedLoss] {
    let labels = builder.input("class_labels", [boxes.logits.shape.batch])
    let classes = Loss.crossEntropy(ignoreLabel: Self.ignoredLabel)(boxes.logits, labels)
    let corrections = smoothLoss(builder, boxes.deltas, "box")
    return [("class_loss", classes), ("box_loss", Float(4 * self.classes) * corrections)]
  }

  /// The mean smooth absolute difference over all elements, those of weight 0 included.
  private func smoothLoss(
    _ builder: GraphBuilder, _ deltas: SymbolicTensor, _ name: String
  ) -> SymbolicTensor {
    let targets = builder.input("\(name)_targets", deltas.shape)
    let weights = builder.input("\(name)_weights", deltas.shape)
    let loss = Loss.huber(delta: Self.smoothness)(deltas * weights, targets)
    return (1 / Self.smoothness) * loss
  }

  /// The mean binary cross-entropy over the masks of the true classes.
  ///
  /// Weights pick each row's class: what they hide has the logit 0 and costs log 2 without a
  /// gradient, which is taken off again.
  private func maskLoss(_ builder: GraphBuilder, _ masks: SymbolicTensor) -> SymbolicTensor {
    let targets = builder.input("mask_targets", masks.shape)
    let weights = builder.input("mask_weights", masks.shape)
    let loss = Loss.binaryCrossEntropy(masks * weights, targets)
    return Float(classes) * loss + Float(1 - classes) * Float(log(2.0))
  }
}
