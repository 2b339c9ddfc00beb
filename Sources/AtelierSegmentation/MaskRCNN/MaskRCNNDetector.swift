// A Mask R-CNN at work on one picture: proposals, boxes and classes, masks.

import AtelierDatasets
import AtelierEngine
import AtelierImages
import AtelierWorkbench
import AtelierZoo

/// An object that the network found, in pixels of the picture that the network saw.
package struct MaskedDetection: Sendable {
  var classIndex: Int
  var score: Float
  var box: RegionBox
  /// Where the mask's square lies.
  var maskBox: RegionBox
  /// Probabilities, 28 · 28 of them.
  var mask: [Float]

  /// The object at the resolution of a picture `factor` times as large; nil when its mask has no pixel there.
  package func object(in size: PixelSize, factor: Float) -> MaskedObject? {
    guard let pixels = MaskRaster.pasted(mask, in: maskBox.scaled(by: factor), size: size) else {
      return nil
    }
    let box = box.scaled(by: factor).clipped(width: Float(size.width), height: Float(size.height))
    return MaskedObject(
      classIndex: classIndex,
      box: PlaneBox(
        x: Double(box.left), y: Double(box.top), width: Double(box.width),
        height: Double(box.height)), mask: pixels, score: Double(score))
  }
}

/// Which objects are reported.
public struct ObjectSelection: Sendable, Hashable, Codable {
  public var score: Float = 0.5
  /// The largest overlap of two boxes of one class that both stay.
  public var overlap: Float = 0.5
  /// The most objects of a picture.
  public var limit = 100
  /// The most proposals that are looked at.
  public var proposals = leastProposals

  /// Running and measuring look at the same number, so that figures are of what users get.
  private static let leastProposals = 200

  /// The default: what is more likely there than not.
  public init() {}

  /// As figures are measured: from a score of 0.01 on everything that may be an object, since the
  /// score orders it.
  public static func measuring(limit: Int = 100) -> ObjectSelection {
    var options = ObjectSelection()
    options.score = 0.01
    options.limit = limit
    options.proposals = max(leastProposals, 2 * limit)
    return options
  }
}

/// Network, weights and planned programs; used by one thread at a time.
package final class MaskRCNNDetector {
  let network: MaskRCNN
  private let model: RunningModel
  private var reader: ProposalReader?

  /// What of the network a program runs, for pictures of a size.
  private struct Part: Hashable {
    enum Name { case proposals, boxes, masks }
    let name: Name
    let size: PixelSize
  }

  /// Regions that the box head judges at once.
  private static let boxRows = 64
  /// Masks that are drawn at once.
  private static let maskRows = 16
  /// Programs that are kept: those of four sizes.
  static let keptPrograms = 12

  /// Takes a network and the model with its weights, which keeps the programs.
  init(_ network: MaskRCNN, _ model: RunningModel) {
    self.network = network
    self.model = model
  }

  /// Finds the objects of a picture of any size, RGB in [0, 1] row by row, surest first; throws
  /// `ShapeError` when there is no memory for it.
  package func detections(
    _ samples: [Float], size: PixelSize, _ options: ObjectSelection
  ) throws -> [MaskedDetection] {
    let unit = network.granularity
    let whole = PixelSize(
      width: (size.width + unit - 1) / unit * unit, height: (size.height + unit - 1) / unit * unit)
    let proposing = try program(.proposals, whole)
    let judging = try program(.boxes, whole)
    let drawing = try program(.masks, whole)
    try proposing.withInput("input") { Self.place(samples, size, in: $0, whole) }
    try proposing.run()
    for level in network.levels {
      let features = try proposing.output("p\(level)")
      try judging.setInput("p\(level)", features)
      try drawing.setInput("p\(level)", features)
    }
    var limits = ProposalLimits()
    limits.after = options.proposals
    limits.before = max(limits.before, 2 * options.proposals)
    let proposals = reader(whole).proposals(
      logits: try proposing.output("rpn_logits").elements,
      deltas: try proposing.output("rpn_deltas").elements, limits)
    let found = try judged(proposals.map(\.box), judging, size, options)
    return try masked(found, drawing)
  }

  /// Writes a picture into a larger one whose edges continue it.
  private static func place(
    _ samples: [Float], _ size: PixelSize, in target: UnsafeMutableBufferPointer<Float>,
    _ whole: PixelSize
  ) {
    for y in 0..<whole.height {
      let row = min(y, size.height - 1) * size.width
      for x in 0..<whole.width {
        let from = (row + min(x, size.width - 1)) * 3
        let to = (y * whole.width + x) * 3
        for channel in 0..<3 { target[to + channel] = samples[from + channel] }
      }
    }
  }

  private func program(_ name: Part.Name, _ size: PixelSize) throws -> Program {
    let (height, width) = (size.height, size.width)
    return try model.program(key: Part(name: name, size: size)) {
      let graph =
        switch name {
        case .proposals: try network.proposalGraph(batch: 1, height: height, width: width)
        case .boxes: try network.boxGraph(height: height, width: width, rows: Self.boxRows)
        case .masks: try network.maskGraph(height: height, width: width, rows: Self.maskRows)
        }
      return graph.specialized(for: .infer)
    }
  }

  /// Reads what is proposed in pictures of a size; that of the last size is kept.
  private func reader(_ size: PixelSize) -> ProposalReader {
    if let known = reader, known.grid.width == size.width, known.grid.height == size.height {
      return known
    }
    let made = ProposalReader(grid: network.anchorGrid(width: size.width, height: size.height))
    reader = made
    return made
  }

  /// Gives a program's box inputs some regions; the rest of the rows is empty.
  private func setBoxes(
    _ boxes: ArraySlice<RegionBox>, levels: ArraySlice<RegionBox>, _ name: String, rows: Int,
    _ program: Program
  ) throws {
    let own = levels.map { network.level(of: $0) }
    for level in network.levels {
      var tensor = HeadInputs.noBoxes(rows)
      for (row, box) in boxes.enumerated() where own[row] == level {
        tensor.elements.replaceSubrange(
          5 * row..<5 * row + 5, with: [0, box.left, box.top, box.right, box.bottom])
      }
      try program.setInput("\(name)_\(level)", tensor)
    }
  }

  /// Classes and corrected boxes of proposals; of those that show the same thing one stays.
  private func judged(
    _ proposals: [RegionBox], _ program: Program, _ size: PixelSize, _ options: ObjectSelection
  ) throws -> [MaskedDetection] {
    let classes = network.classes
    var boxes = [[RegionBox]](repeating: [], count: classes)
    var scores = [[Float]](repeating: [], count: classes)
    for first in stride(from: 0, to: proposals.count, by: Self.boxRows) {
      let part = proposals[first..<min(first + Self.boxRows, proposals.count)]
      try setBoxes(part, levels: part, "boxes", rows: Self.boxRows, program)
      try program.run()
      let probabilities = try program.output("classes").elements
      let deltas = try program.output("box_deltas").elements
      for (row, proposal) in part.enumerated() {
        for index in 0..<classes {
          let score = probabilities[row * (classes + 1) + index + 1]
          guard score >= options.score else { continue }
          let at = (row * classes + index) * 4
          let change = SIMD4(deltas[at], deltas[at + 1], deltas[at + 2], deltas[at + 3])
          let box = MaskRCNN.boxCoding.decode(change, from: proposal)
            .clipped(width: Float(size.width), height: Float(size.height))
          guard box.width >= 1, box.height >= 1 else { continue }
          boxes[index].append(box)
          scores[index].append(score)
        }
      }
    }
    var found: [MaskedDetection] = []
    for index in 0..<classes {
      let kept = NonMaximumSuppression.kept(
        boxes[index], scores: scores[index], threshold: options.overlap, limit: options.limit)
      for place in kept {
        let box = boxes[index][place]
        found.append(
          MaskedDetection(
            classIndex: index, score: scores[index][place], box: box,
            maskBox: box.enlarged(by: network.maskMargin), mask: []))
      }
    }
    let order = NonMaximumSuppression.order(found.map(\.score))
    return order.prefix(options.limit).map { found[$0] }
  }

  /// The detections with their masks.
  private func masked(_ found: [MaskedDetection], _ program: Program) throws -> [MaskedDetection] {
    var found = found
    let (classes, area) = (network.classes, MaskRCNN.maskSide * MaskRCNN.maskSide)
    let (boxes, maskBoxes) = (found.map(\.box), found.map(\.maskBox))
    for first in stride(from: 0, to: found.count, by: Self.maskRows) {
      let range = first..<min(first + Self.maskRows, found.count)
      try setBoxes(
        maskBoxes[range], levels: boxes[range], "mask_boxes", rows: Self.maskRows, program)
      try program.run()
      try program.withOutput("masks") { masks in
        for (row, place) in range.enumerated() {
          let start = row * area * classes + found[place].classIndex
          found[place].mask = (0..<area).map { masks[start + $0 * classes] }
        }
      }
    }
    return found
  }
}
