// Which proposals the heads learn from, and what they should say about each.

import AtelierEngine
import AtelierWorkbench
import AtelierZoo

/// A region that the box head judges in a training step.
package struct SampledRegion: Sendable, Hashable {
  package let box: RegionBox
  /// The object it lies on; nil for background.
  package let object: Int?

  package init(box: RegionBox, object: Int?) {
    self.box = box
    self.object = object
  }
}

/// Chooses regions of a picture (Girshick 2015, section 2.3).
package enum RegionSampler {
  /// From this overlap with an object on a region is on it.
  static let objectOverlap: Float = 0.5
  /// From this share of its area inside a crowd on a region does not count.
  private static let crowdShare: Float = 0.5

  /// A random choice of at most `count` of the proposals and true boxes, those on objects first, of
  /// which there are at most `positives`.
  package static func regions(
    _ proposals: [RegionBox], _ truths: [InstanceTruth], count: Int, positives: Int,
    using generator: inout RandomGenerator
  ) -> [SampledRegion] {
    var onObjects: [SampledRegion] = []
    var onGround: [SampledRegion] = []
    let own = truths.filter { !$0.isCrowd }.map(\.box)
    for box in proposals + own {
      var best: (overlap: Float, object: Int) = (0, -1)
      var isCrowd = false
      for (index, truth) in truths.enumerated() {
        if truth.isCrowd {
          isCrowd = isCrowd || truth.box.intersection(box) >= crowdShare * box.area
          continue
        }
        let overlap = truth.box.intersectionOverUnion(box)
        if overlap > best.overlap { best = (overlap, index) }
      }
      if best.overlap >= objectOverlap {
        onObjects.append(SampledRegion(box: box, object: best.object))
      } else if !isCrowd {
        onGround.append(SampledRegion(box: box, object: nil))
      }
    }
    let first = chosen(onObjects, min(positives, count), &generator)
    return first + chosen(onGround, count - first.count, &generator)
  }

  private static func chosen(
    _ regions: [SampledRegion], _ limit: Int, _ generator: inout RandomGenerator
  ) -> [SampledRegion] {
    guard regions.count > limit else { return regions }
    var regions = regions
    for place in 0..<limit {
      regions.swapAt(place, place + generator.index(below: regions.count - place))
    }
    return Array(regions[..<limit])
  }
}

/// The inputs of the heads in a training step, filled picture by picture; rows that stay empty count nothing.
package struct HeadInputs {
  private let network: MaskRCNN
  private let sampling: MaskRCNNSampling
  package private(set) var tensors: [String: Tensor] = [:]

  /// Makes inputs without regions.
  package init(_ network: MaskRCNN, _ sampling: MaskRCNNSampling, batch: Int) {
    self.network = network
    self.sampling = sampling
    let (rows, masks) = (batch * sampling.regions, batch * sampling.positives)
    let side = MaskRCNN.maskSide
    for level in network.levels {
      tensors["boxes_\(level)"] = Self.noBoxes(rows)
      tensors["mask_boxes_\(level)"] = Self.noBoxes(masks)
    }
    tensors["class_labels"] = Tensor([rows], repeating: Float(MaskRCNN.ignoredLabel))
    for name in ["targets", "weights"] {
      tensors["box_\(name)"] = Tensor([rows, 4 * network.classes])
      tensors["mask_\(name)"] = Tensor([masks, side, side, network.classes])
    }
  }

  /// Boxes of no image.
  static func noBoxes(_ rows: Int) -> Tensor {
    var tensor = Tensor([rows, 5])
    for row in 0..<rows { tensor.elements[5 * row] = -1 }
    return tensor
  }

  /// Enters the regions of one picture.
  package mutating func add(_ regions: [SampledRegion], _ truths: [InstanceTruth], at picture: Int)
  {
    for (place, region) in regions.enumerated() {
      let row = picture * sampling.regions + place
      setBox(region.box, "boxes", row: row, picture: picture)
      guard let object = region.object else {
        tensors["class_labels"]?.elements[row] = 0
        continue
      }
      let classIndex = truths[object].classIndex
      tensors["class_labels"]?.elements[row] = Float(classIndex + 1)
      let change = MaskRCNN.boxCoding.encode(truths[object].box, from: region.box)
      for axis in 0..<4 {
        let element = row * 4 * network.classes + 4 * classIndex + axis
        tensors["box_targets"]?.elements[element] = change[axis]
        tensors["box_weights"]?.elements[element] = 1
      }
    }
    // Where there are fewer regions on objects than rows, they come again: every row learns.
    let positives = regions.filter { $0.object != nil }
    guard !positives.isEmpty else { return }
    for place in 0..<sampling.positives {
      let region = positives[place % positives.count]
      guard let object = region.object else { continue }
      let row = picture * sampling.positives + place
      let box = region.box.enlarged(by: network.maskMargin)
      setBox(box, "mask_boxes", row: row, picture: picture, levelOf: region.box)
      setMask(truths[object], in: box, row: row)
    }
  }

  private mutating func setBox(
    _ box: RegionBox, _ name: String, row: Int, picture: Int, levelOf own: RegionBox? = nil
  ) {
    let level = network.level(of: own ?? box)
    let values = [Float(picture), box.left, box.top, box.right, box.bottom]
    tensors["\(name)_\(level)"]?.elements.replaceSubrange(5 * row..<5 * row + 5, with: values)
  }

  /// Writes what the mask head should draw: how much of each of its pixels the object covers.
  private mutating func setMask(_ truth: InstanceTruth, in box: RegionBox, row: Int) {
    let side = MaskRCNN.maskSide
    let classes = network.classes
    let start = row * side * side * classes + truth.classIndex
    let target = MaskRaster.target(truth, in: box)
    for name in ["mask_targets", "mask_weights"] {
      tensors[name]?.elements.withUnsafeMutableBufferPointer { elements in
        for pixel in 0..<side * side {
          elements[start + pixel * classes] = name == "mask_targets" ? target[pixel] : 1
        }
      }
    }
  }
}
