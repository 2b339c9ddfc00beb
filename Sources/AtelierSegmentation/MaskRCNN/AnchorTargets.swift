// What the region proposal network should say about each anchor of a picture.

import AtelierEngine
import AtelierWorkbench
import AtelierZoo

/// Labels and corrections of the anchors of one picture (Ren and others 2015, section 3.1.2).
package struct AnchorTargets {
  /// From this overlap with an object on an anchor is on it; so is each object's best anchor.
  static let objectOverlap: Float = 0.7
  /// Below this overlap with every object an anchor is on the ground.
  static let groundOverlap: Float = 0.3
  /// From this share of its area inside a crowd on an anchor does not count.
  private static let crowdShare: Float = 0.5

  /// 1 object, 0 ground, −1 neither.
  package private(set) var labels: [Int8]
  /// The object of each anchor that is on one.
  package private(set) var objects: [Int: Int] = [:]

  /// Compares anchors with the objects of a picture.
  package init(_ grid: AnchorGrid, _ truths: [InstanceTruth]) {
    labels = [Int8](repeating: 0, count: grid.boxes.count)
    var best = [Float](repeating: 0, count: grid.boxes.count)
    var owner: [Int: Int] = [:]
    var winners: [(anchors: [Int], object: Int)] = []
    for (object, truth) in truths.enumerated() {
      let box = truth.box
      if truth.isCrowd {
        grid.forEachAnchor(near: box) { index in
          let anchor = grid.boxes[index]
          if anchor.intersection(box) >= Self.crowdShare * anchor.area { labels[index] = -1 }
        }
        continue
      }
      var greatest: Float = 0
      var winning: [Int] = []
      grid.forEachAnchor(near: box) { index in
        let overlap = grid.boxes[index].intersectionOverUnion(box)
        guard overlap > 0 else { return }
        if overlap > best[index] {
          best[index] = overlap
          owner[index] = object
        }
        if overlap > greatest {
          greatest = overlap
          winning = [index]
        } else if overlap == greatest {
          winning.append(index)
        }
      }
      winners.append((winning, object))
    }
    for (index, object) in owner where best[index] >= Self.groundOverlap {
      let isObject = best[index] >= Self.objectOverlap
      labels[index] = isObject ? 1 : -1
      if isObject { objects[index] = object }
    }
    // Every object has an anchor, so that none is never learnt; a later one wins a shared anchor.
    for (anchors, object) in winners {
      for index in anchors {
        labels[index] = 1
        objects[index] = object
      }
    }
  }

  /// Keeps a random choice of the anchors that count: at most half on objects, the rest on the ground.
  package mutating func sample(_ count: Int, using generator: inout RandomGenerator) {
    func thin(_ label: Int8, to limit: Int) -> Int {
      var chosen = labels.indices.filter { labels[$0] == label }
      guard chosen.count > limit else { return chosen.count }
      // The first places of a Fisher–Yates shuffle: those that stay.
      for place in 0..<limit {
        chosen.swapAt(place, place + generator.index(below: chosen.count - place))
      }
      for index in chosen[limit...] { labels[index] = -1 }
      return limit
    }
    let positives = thin(1, to: count / 2)
    _ = thin(0, to: count - positives)
  }

  /// Writes labels, targets and weights of the picture where they belong in the training's inputs.
  func write(
    _ grid: AnchorGrid, _ truths: [InstanceTruth], at picture: Int,
    labels labelTensor: inout Tensor, targets: inout Tensor, weights: inout Tensor
  ) {
    let start = picture * labels.count
    for (index, label) in labels.enumerated() {
      labelTensor.elements[start + index] = Float(label)
      guard label == 1, let object = objects[index] else { continue }
      let change = MaskRCNN.proposalCoding.encode(truths[object].box, from: grid.boxes[index])
      for axis in 0..<4 {
        targets.elements[4 * (start + index) + axis] = change[axis]
        weights.elements[4 * (start + index) + axis] = 1
      }
    }
  }
}
