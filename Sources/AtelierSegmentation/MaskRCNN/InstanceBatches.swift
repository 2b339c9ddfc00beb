// The batches of a Mask R-CNN's training: pictures, and what each anchor should say.

import AtelierEngine
import AtelierImages
import AtelierWorkbench
import AtelierZoo
import Foundation

/// Batches that are a function of the step; the objects of a step wait here for those who sample regions.
package final class InstanceBatches: BatchSource, @unchecked Sendable {
  private let source: InstanceSource
  private let grid: AnchorGrid
  private let batch: Int
  private let sampling: MaskRCNNSampling
  private let seed: UInt64
  /// Guards `waiting`.
  private let lock = NSLock()
  private var waiting: [Int: [[InstanceTruth]]] = [:]

  /// Streams of random numbers apart from those of the pictures.
  private static let anchorStream: UInt64 = 0x616E_6368

  init(
    _ source: InstanceSource, network: MaskRCNN, batch: Int, sampling: MaskRCNNSampling,
    seed: UInt64
  ) {
    self.source = source
    grid = network.anchorGrid(width: source.size.width, height: source.size.height)
    self.batch = batch
    self.sampling = sampling
    self.seed = seed
  }

  /// The tensors `input`, `rpn_labels`, `rpn_targets` and `rpn_weights` of a step.
  package func batch(step: Int) throws -> [String: Tensor] {
    let (width, height, anchors) = (source.size.width, source.size.height, grid.boxes.count)
    var input: [Float] = []
    input.reserveCapacity(batch * width * height * 3)
    var labels = Tensor([batch, anchors])
    var targets = Tensor([batch, anchors, 4])
    var weights = Tensor([batch, anchors, 4])
    var truths: [[InstanceTruth]] = []
    for place in 0..<batch {
      let example = source.example(step: step, place: place)
      input += example.samples
      var generator = RandomGenerator(seed: seed, Self.anchorStream, UInt64(step), UInt64(place))
      var anchors = AnchorTargets(grid, example.objects)
      anchors.sample(sampling.anchors, using: &generator)
      anchors.write(
        grid, example.objects, at: place, labels: &labels, targets: &targets, weights: &weights)
      truths.append(example.objects)
    }
    lock.withLock { waiting[step] = truths }
    return [
      "input": Tensor([batch, height, width, 3], input), "rpn_labels": labels,
      "rpn_targets": targets, "rpn_weights": weights,
    ]
  }

  /// The objects of each picture of a step; they are forgotten then.
  func truths(step: Int) -> [[InstanceTruth]] {
    let known = lock.withLock {
      waiting = waiting.filter { $0.key >= step }
      return waiting.removeValue(forKey: step)
    }
    return known ?? (0..<batch).map { source.example(step: step, place: $0).objects }
  }
}
