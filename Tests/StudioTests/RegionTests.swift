// Boxes, anchors, suppression, sampling and masks of Mask R-CNN, on cases worked out by hand.

import AtelierDatasets
import AtelierEngine
import AtelierImages
import AtelierSegmentation
import AtelierWorkbench
import AtelierZoo
import Testing

@Suite("Regions of Mask R-CNN")
struct RegionTests {
  private func box(_ left: Float, _ top: Float, _ right: Float, _ bottom: Float) -> RegionBox {
    RegionBox(left: left, top: top, right: right, bottom: bottom)
  }

  private func truth(_ x: Int, _ y: Int, _ width: Int, _ height: Int, isCrowd: Bool = false)
    -> InstanceTruth
  {
    InstanceTruth(
      classIndex: 0, left: x, top: y, width: width, height: height,
      bits: [UInt8](repeating: 1, count: width * height), isCrowd: isCrowd)
  }

  // MARK: - Boxes

  @Test func overlapsByHand() {
    #expect(box(0, 0, 2, 2).intersectionOverUnion(box(1, 1, 3, 3)) == 1.0 / 7)
    #expect(box(0, 0, 2, 2).intersectionOverUnion(box(2, 0, 4, 2)) == 0)
    #expect(box(0, 0, 2, 2).intersectionOverUnion(box(0, 0, 2, 2)) == 1)
    #expect(box(1, 1, 1, 1).intersectionOverUnion(box(1, 1, 1, 1)) == 0)
    #expect(box(3, 0, 1, 2).area == 0)
    #expect(box(-1, 2, 9, 12).clipped(width: 8, height: 10) == box(0, 2, 8, 10))
    #expect(box(2, 2, 6, 4).enlarged(by: 0.5) == box(0, 1, 8, 5))
  }

  @Test func codingByHand() {
    let base = box(10, 20, 14, 28)
    let coding = BoxCoding(shiftWeight: 10, sizeWeight: 5)
    #expect(coding.encode(base, from: base) == .zero)
    // Two to the right is half a width, down by four half a height; twice as wide.
    let moved = RegionBox(centerX: 14, centerY: 28, width: 8, height: 8)
    let change = coding.encode(moved, from: base)
    #expect(change.x == 5 && change.y == 5 && change.w == 0)
    #expect(abs(change.z - 5 * 0.693_147_2) < 1e-5)
  }

  @Test func decodingUndoesEncoding() {
    var generator = RandomGenerator(seed: 4)
    for _ in 0..<200 {
      func random() -> RegionBox {
        RegionBox(
          centerX: generator.uniform(-20...90), centerY: generator.uniform(-20...90),
          width: generator.uniform(1...60), height: generator.uniform(1...60))
      }
      let (wanted, base) = (random(), random())
      let coding = BoxCoding(shiftWeight: 10, sizeWeight: 5)
      let back = coding.decode(coding.encode(wanted, from: base), from: base)
      for (one, two) in [
        (back.left, wanted.left), (back.top, wanted.top), (back.right, wanted.right),
        (back.bottom, wanted.bottom),
      ] {
        #expect(abs(one - two) < 1e-3)
      }
    }
    // Growth is limited, so that no step of a young network makes an infinite box.
    let far = BoxCoding().decode(SIMD4(0, 0, 100, 0), from: box(0, 0, 16, 16))
    #expect(abs(far.width - 1000) < 0.1 && far.height == 16)
  }

  // MARK: - Anchors

  @Test func anchorsByHand() {
    let levels = [
      AnchorLevel(stride: 4, sizes: [8], ratios: [1, 4]),
      AnchorLevel(stride: 8, sizes: [16], ratios: [1, 4]),
    ]
    let grid = AnchorGrid(levels, width: 16, height: 8)
    #expect(grid.boxes.count == 2 * (4 * 2 + 2))
    #expect(grid.boxes[0] == box(-2, -2, 6, 6))
    // Ratio 4: half as wide, twice as high.
    #expect(grid.boxes[1] == box(0, -6, 4, 10))
    #expect(grid.boxes[2] == box(2, -2, 10, 6))
    #expect(grid.parts[1].start == 16)
    #expect(grid.boxes[18] == box(4, -4, 20, 12))
  }

  @Test func anchorsNearABoxAreAllThatOverlapIt() {
    let grid = MaskRCNN(.tiny, classes: 1).anchorGrid(width: 64, height: 48)
    var generator = RandomGenerator(seed: 9)
    for _ in 0..<30 {
      let wanted = RegionBox(
        centerX: generator.uniform(0...64), centerY: generator.uniform(0...48),
        width: generator.uniform(1...40), height: generator.uniform(1...40))
      var near: Set<Int> = []
      grid.forEachAnchor(near: wanted) { near.insert($0) }
      let overlapping = grid.boxes.indices.filter { grid.boxes[$0].intersection(wanted) > 0 }
      #expect(overlapping.filter { !near.contains($0) }.isEmpty)
    }
  }

  @Test func anchorLabelsByHand() {
    let grid = AnchorGrid(
      [AnchorLevel(stride: 8, sizes: [8], ratios: [1])], width: 32, height: 8)
    // Anchors are four squares in a row: the first is the object, the second meets half of one, the rest is ground.
    let objects = [truth(0, 0, 8, 8), truth(12, 0, 8, 8)]
    let targets = AnchorTargets(grid, objects)
    // Both neighbours of the second object overlap it by a third: its best anchors.
    #expect(targets.labels == [1, 1, 1, 0])
    #expect(targets.objects == [0: 0, 1: 1, 2: 1])
    let between = AnchorTargets(grid, [truth(0, 0, 8, 8), truth(13, 0, 8, 8)])
    #expect(between.labels == [1, 0, 1, 0])
    let crowd = AnchorTargets(grid, [truth(16, 0, 16, 8, isCrowd: true)])
    #expect(crowd.labels == [0, 0, -1, -1])
    #expect(AnchorTargets(grid, []).labels == [0, 0, 0, 0])
  }

  @Test func sampledAnchorsKeepTheirNumber() {
    let grid = MaskRCNN(.tiny, classes: 1).anchorGrid(width: 64, height: 64)
    var generator = RandomGenerator(seed: 3)
    var targets = AnchorTargets(grid, [truth(8, 8, 24, 24), truth(40, 30, 16, 20)])
    let before = targets.labels
    targets.sample(32, using: &generator)
    #expect(targets.labels.filter { $0 >= 0 }.count == 32)
    #expect(targets.labels.filter { $0 == 1 }.count <= 16)
    for (old, new) in zip(before, targets.labels) { #expect(new == old || new == -1) }
  }

  // MARK: - Suppression and sampling

  @Test func suppressionByHand() {
    let boxes = [box(0, 0, 4, 4), box(0, 0, 4, 3), box(2, 0, 6, 4), box(9, 9, 12, 12)]
    func kept(_ scores: [Float], _ threshold: Float, limit: Int = 9) -> [Int] {
      NonMaximumSuppression.kept(boxes, scores: scores, threshold: threshold, limit: limit)
    }
    // Overlaps: 0 and 1 by 3/4, 0 and 2 by 1/3, 1 and 2 by 6/22.
    #expect(kept([0.9, 0.8, 0.7, 0.1], 0.5) == [0, 2, 3])
    #expect(kept([0.9, 0.8, 0.7, 0.1], 0.3) == [0, 3])
    #expect(kept([0.9, 0.8, 0.7, 0.1], 0.75) == [0, 1, 2, 3])
    #expect(kept([0.1, 0.8, 0.7, 0.9], 0.3) == [3, 1, 2])
    #expect(kept([0.5, 0.5, 0.5, 0.5], 0.5, limit: 2) == [0, 2])
  }

  @Test func regionsAreChosenByOverlap() {
    let objects = [truth(0, 0, 10, 10), truth(30, 30, 20, 20, isCrowd: true)]
    let proposals = [box(0, 0, 10, 8), box(0, 0, 10, 4), box(32, 32, 40, 40), box(60, 0, 70, 9)]
    var generator = RandomGenerator(seed: 1)
    let chosen = RegionSampler.regions(
      proposals, objects, count: 8, positives: 4, using: &generator)
    // The good proposal and the true box; the poor one and the far one; none of the crowd.
    #expect(chosen.map(\.object) == [0, 0, nil, nil])
    #expect(chosen.map(\.box) == [proposals[0], objects[0].box, proposals[1], proposals[3]])
    let few = RegionSampler.regions(proposals, objects, count: 2, positives: 1, using: &generator)
    #expect(few.count == 2 && few[0].object == 0 && few[1].object == nil)
  }

  @Test func headInputsHoldEachRegionOnce() throws {
    let network = MaskRCNN(.tiny, classes: 3)
    let sampling = MaskRCNNSampling(anchors: 8, regions: 4, positives: 2)
    var inputs = HeadInputs(network, sampling, batch: 2)
    let object = InstanceTruth(
      classIndex: 1, left: 4, top: 4, width: 8, height: 8,
      bits: [UInt8](repeating: 1, count: 64), isCrowd: false)
    inputs.add(
      [
        SampledRegion(box: box(4, 4, 12, 12), object: 0),
        SampledRegion(box: box(0, 0, 100, 100), object: nil),
      ], [object], at: 1)
    let labels = try #require(inputs.tensors["class_labels"]?.elements)
    #expect(labels == [-1, -1, -1, -1, 2, 0, -1, -1])
    let fine = try #require(inputs.tensors["boxes_2"]?.elements)
    let coarse = try #require(inputs.tensors["boxes_3"]?.elements)
    #expect(Array(fine[20..<25]) == [1, 4, 4, 12, 12])
    #expect(Array(coarse[25..<30]) == [1, 0, 0, 100, 100])
    #expect(coarse[20] == -1 && fine[25] == -1 && fine[0] == -1)
    // The one region on an object fills both mask rows of its picture, its margin around it.
    let masks = try #require(inputs.tensors["mask_boxes_2"]?.elements)
    let area = box(4, 4, 12, 12).enlarged(by: network.maskMargin)
    #expect(Array(masks[10..<15]) == [1, area.left, area.top, area.right, area.bottom])
    #expect(masks[10..<15] == masks[15..<20])
    let weights = try #require(inputs.tensors["mask_weights"]?.elements)
    #expect(weights.reduce(0, +) == 2 * 28 * 28)
    #expect(weights[2 * 784 * 3 + 1] == 1 && weights[2 * 784 * 3] == 0)
    #expect(inputs.tensors["box_weights"]?.elements.reduce(0, +) == 4)
  }

  @Test func levelsFollowTheSize() {
    let network = MaskRCNN(.tiny, classes: 1)
    #expect(network.level(of: box(0, 0, 55, 55)) == 2)
    #expect(network.level(of: box(0, 0, 56, 56)) == 3)
    #expect(network.level(of: box(0, 0, 112, 112)) == 4)
    #expect(network.level(of: box(0, 0, 900, 900)) == 4)
  }

  // MARK: - Masks

  @Test func masksGoThereAndBack() throws {
    var generator = RandomGenerator(seed: 12)
    let size = PixelSize(width: 64, height: 60)
    for _ in 0..<20 {
      let radius = generator.uniform(6...14)
      let center = SIMD2(generator.uniform(18...44), generator.uniform(18...40))
      let pixels = (0..<64 * 60).map { index -> Bool in
        let place = SIMD2(Float(index % 64) + 0.5, Float(index / 64) + 0.5) - center
        return (place * place).sum() < radius * radius
      }
      let mask = BinaryMask(width: 64, height: 60, pixels: pixels)
      let bounds = try #require(mask.bounds)
      let object = try #require(
        InstanceTruth(MaskedObject(classIndex: 0, box: bounds, mask: mask)))
      let region = object.box.enlarged(by: 0.1)
      let pasted = try #require(
        MaskRaster.pasted(MaskRaster.target(object, in: region), in: region, size: size))
      let common = mask.intersection(pasted)
      let overlap = Double(common) / Double(mask.area + pasted.area - common)
      #expect(overlap > 0.97)
    }
    #expect(
      MaskRaster.pasted([Float](repeating: 0.2, count: 784), in: box(0, 0, 9, 9), size: size) == nil
    )
    #expect(
      MaskRaster.pasted([Float](repeating: 1, count: 784), in: box(70, 0, 79, 9), size: size) == nil
    )
  }

  @Test func picturesAndObjectsMoveTogether() throws {
    // A white rectangle on black: after any map the mask is where the picture is white.
    var picture = ByteImage(width: 40, height: 30, channels: 3)
    var mask = BinaryMask(width: 40, height: 30)
    for y in 8..<22 {
      for x in 10..<19 {
        for channel in 0..<3 { picture[x, y, channel] = 255 }
        mask[x, y] = true
      }
    }
    let bounds = try #require(mask.bounds)
    let object = try #require(InstanceTruth(MaskedObject(classIndex: 0, box: bounds, mask: mask)))
    let set = InstanceSet(
      classNames: ["thing"],
      items: [InstanceSet.Item(name: "one", picture: picture, objects: [object])])
    let source = InstanceSource(
      set, size: PixelSize(width: 28, height: 28),
      augmentation: InstanceAugmentation(scale: 0.8...1.3, turns: true), seed: 5)
    var seen = 0
    for step in 0..<40 {
      let example = source.example(step: step, place: 0)
      let white = (0..<784).map { example.samples[3 * $0] > 0.5 }
      var inside = [Bool](repeating: false, count: 784)
      for object in example.objects {
        for (index, bit) in object.bits.enumerated() where bit == 1 {
          let (x, y) = (index % object.width + object.left, index / object.width + object.top)
          inside[y * 28 + x] = true
        }
      }
      let different = zip(white, inside).filter { $0 != $1 }.count
      #expect(different <= 12, "step \(step)")
      seen += inside.filter { $0 }.count
    }
    #expect(seen > 40 * 30)
    let again = source.example(step: 7, place: 0)
    #expect(again.samples == source.example(step: 7, place: 0).samples)
    #expect(again.samples != source.example(step: 7, place: 1).samples)
  }

  @Test func recognitionTellsTheClasses() {
    let mask = RunLengthMask(BinaryMask(width: 1, height: 1, pixels: [true]))
    func object(_ classIndex: Int, _ score: Double) -> EncodedObject {
      EncodedObject(classIndex: classIndex, mask: mask, score: score)
    }
    let classes = RecognizedClass.all(
      in: [object(2, 0.6), object(0, 0.7), object(2, 0.9)],
      classNames: ["circle", "square", "triangle"])
    #expect(classes.map(\.name) == ["triangle", "circle"])
    #expect(classes.map(\.classIndex) == [2, 0])
    #expect(classes.map(\.count) == [2, 1])
    #expect(classes.map(\.score) == [0.9, 0.7])
    #expect(RecognizedClass.all(in: [], classNames: ["circle"]).isEmpty)
  }
}
