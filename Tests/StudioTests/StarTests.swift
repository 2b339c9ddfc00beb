// Star networks: targets, objects from exact stars, tiles without seams, training and models as
// files.

import AtelierDatasets
import AtelierEngine
import AtelierImages
import AtelierInterchange
import AtelierKernels
import AtelierSegmentation
import AtelierTraining
import AtelierWorkbench
import AtelierZoo
import Foundation
import TestSupport
import Testing

@Suite("Star networks")
struct StarTests {
  private let network = StarNetwork(
    classes: 1, rays: 32, stem: 4, widths: [8, 8, 8], features: 8)

  /// An ellipse as an object of a picture.
  private func ellipse(
    _ size: PixelSize, x: Double, y: Double, a: Double, b: Double, isCrowd: Bool = false
  ) throws -> InstanceTruth {
    var mask = BinaryMask(width: size.width, height: size.height)
    for row in 0..<size.height {
      for column in 0..<size.width {
        let (u, v) = ((Double(column) + 0.5 - x) / a, (Double(row) + 0.5 - y) / b)
        if u * u + v * v <= 1 { mask[column, row] = true }
      }
    }
    let object = EncodedObject(classIndex: 0, mask: RunLengthMask(mask), isCrowd: isCrowd)
    return try #require(InstanceTruth(object.decoded))
  }

  private func example(_ size: PixelSize, _ objects: [InstanceTruth]) -> InstanceExample {
    InstanceExample(
      width: size.width, height: size.height,
      samples: [Float](repeating: 0, count: 3 * size.width * size.height), objects: objects)
  }

  @Test func targetsOfADisc() throws {
    let size = PixelSize(width: 64, height: 48)
    let disc = try ellipse(size, x: 31.5, y: 23.5, a: 12, b: 12)
    let targets = StarTargets(example(size, [disc]), network)
    let middle = 11 * targets.columns + 15
    #expect(StarField.middle(15) == 31.5 && StarField.middle(11) == 23.5)
    #expect(targets.shares[middle] == 1)
    let rays = targets.distances[middle * 32..<(middle + 1) * 32]
    #expect(rays.allSatisfy { abs($0 - 12) <= 0.75 })
    #expect(targets.shares[0] == 0 && targets.classes[0] == -1 && targets.classes[middle] == 0)
    #expect(targets.cover.reduce(0, +) == Float(disc.bits.reduce(0) { $0 + Int($1) }))
    #expect(targets.counts.allSatisfy { $0 == 1 })
    let crowd = try ellipse(size, x: 31.5, y: 23.5, a: 12, b: 12, isCrowd: true)
    let left = StarTargets(example(size, [crowd]), network)
    #expect(left.shares.allSatisfy { $0 == 0 } && left.cover.allSatisfy { $0 == 0 })
    let ground = Float(size.width * size.height) - targets.cover.reduce(0, +)
    #expect(left.counts.reduce(0, +) == ground)
  }

  /// What the targets say of a picture, given back as a network's field, must be its objects again:
  /// touching ones apart, none twice.
  @Test func objectsComeBackFromTheirOwnTargets() throws {
    let size = PixelSize(width: 160, height: 128)
    let truths = try [
      ellipse(size, x: 30, y: 30, a: 14, b: 9), ellipse(size, x: 58, y: 30, a: 14, b: 12),
      ellipse(size, x: 90.5, y: 60.5, a: 5, b: 5), ellipse(size, x: 100, y: 100, a: 30, b: 18),
      ellipse(size, x: 2, y: 90, a: 16, b: 16), ellipse(size, x: 150, y: 6, a: 9, b: 14),
    ]
    let targets = StarTargets(example(size, truths), network)
    var field = StarField(size: size)
    for row in 0..<size.height {
      let start = row * size.width
      field.setCover(
        row: row, columns: 0..<size.width,
        targets.cover[start..<start + size.width].map { $0 > 0 ? 0.95 : 0.05 })
    }
    for place in targets.shares.indices where targets.shares[place] > 0 {
      field.add(
        score: targets.shares[place], x: StarField.middle(place % targets.columns),
        y: StarField.middle(place / targets.columns), classIndex: 0,
        distances: targets.distances[place * 32..<(place + 1) * 32])
    }
    let found = StarObjects.found(in: field, network, StarSelection())
    #expect(found.count == truths.count)
    for truth in truths {
      let mask = RunLengthMask(
        width: size.width, height: size.height, left: truth.left, top: truth.top,
        columns: truth.width, pixels: truth.bits.map { $0 == 1 })
      let best = found.map { object in
        let common = Double(object.mask.intersection(mask))
        return common / (Double(object.mask.area + mask.area) - common)
      }.max()
      #expect(try #require(best) > 0.9)
    }
    // Masks do not overlap.
    let all = RunLengthMask.union(found.map(\.mask)).area
    #expect(all == found.reduce(0) { $0 + $1.mask.area })
  }

  /// A network at work with weights at random.
  private func detector() throws -> StarDetector {
    let graph = try network.graph(height: 32, width: 32)
    let store = try ParameterStore(for: [graph], seed: 3)
    return StarDetector(
      network,
      RunningModel(
        graph: graph,
        information: ModelInformation(
          task: StarModel.task, architecture: StarModel.architecture,
          granularity: network.granularity, classNames: ["cell"]),
        store: store, kernels: Kernels()))
  }

  @Test func tilesLeaveNoSeam() throws {
    var picture = ByteImage(width: 301, height: 277, channels: 3)
    var generator = RandomGenerator(seed: 5)
    for index in picture.samples.indices {
      picture.samples[index] = UInt8(truncatingIfNeeded: generator.next())
    }
    let detector = try detector()
    let whole = try detector.field(of: picture, score: 0)
    let tiled = try detector.field(of: picture, score: 0, tileSize: 64)
    #expect(whole.cover.count == 301 * 277)
    #expect(zip(whole.cover, tiled.cover).allSatisfy { abs($0 - $1) < 1e-4 })
    // Peaks of nearly equal neighbours may change places with the last bits.
    let places = Set(whole.proposals.map { SIMD2($0.x, $0.y) })
    let others = Set(tiled.proposals.map { SIMD2($0.x, $0.y) })
    #expect(places.count > 100)
    #expect(places.symmetricDifference(others).count <= places.count / 50)
    let mirrored = try detector.field(of: picture, score: 0, isFlipAveraged: true)
    #expect(mirrored.cover != whole.cover)
    let sizes = try detector.field(of: picture, score: 0, scales: [1, 0.5])
    #expect(sizes.proposals.count > whole.proposals.count && sizes.size == picture.size)
  }

  @Test func aTrainingIsResumedToTheBitAndItsModelFindsTheSame() throws {
    try withScratchFolder { folder in
      var request = StarTrainingRequest()
      request.data = InstanceTrainingPictures(word: "shapes")
      (request.side, request.rays, request.widths) = (64, 8, [8, 8])
      request.validationCount = 2
      request.recipe.batch = 2
      request.recipe.steps = 4
      request.recipe.saveInterval = 2
      request.recipe.validationInterval = 4
      request.recipe.previewInterval = 4
      let whole = folder.appending(path: "whole")
      try StarTraining.run(request, in: whole, isResuming: false)
      let parts = folder.appending(path: "parts")
      var half = request
      half.recipe.steps = 2
      // A cosine over steps would end with the half.
      half.recipe.decay = .constant
      var other = request
      other.recipe.decay = .constant
      let straight = folder.appending(path: "straight")
      try StarTraining.run(other, in: straight, isResuming: false)
      try StarTraining.run(half, in: parts, isResuming: false)
      try StarTraining.run(other, in: parts, isResuming: true)
      let name = "last.safetensors"
      let one = try ModelFile.read(from: straight.appending(path: name))
      let two = try ModelFile.read(from: parts.appending(path: name))
      #expect(one.parameters == two.parameters)
      let file = whole.appending(path: name)
      let model = try SegmentationModel(contentsOf: file)
      #expect(model.palette.names == ["background", "circle", "square", "triangle"])
      let picture = ByteImage(width: 70, height: 50, channels: 3, filledWith: 90)
      let outcome = try model.outcome(of: picture)
      #expect(outcome.size == picture.size)
      guard case .objects(let segmenter) = model else {
        Issue.record("expected a model of objects")
        return
      }
      #expect(segmenter.methodName == "Star-convex objects")
      var broken = try ModelFile.read(from: file)
      broken.information.training["network"] = "{}"
      #expect(
        errorLine { _ = try StarModel(broken, name: "m") }
          == "m: expected the network's sizes as JSON in the metadata")
    }
  }
}

@Suite("Measures of segmentations")
struct SegmentationMeasureTests {
  private func object(_ pixels: Range<Int>, score: Double = 1) -> EncodedObject {
    var mask = BinaryMask(width: 20, height: 1)
    for x in pixels { mask[x, 0] = true }
    return EncodedObject(classIndex: 0, mask: RunLengthMask(mask), score: score)
  }

  /// One object met by 8 of 10 pixels, one missed, one detection beside, one not sure enough.
  @Test func panopticQualityAndCalibration() throws {
    var evaluation = InstanceEvaluation(classNames: ["thing"], sureScore: 0.5)
    evaluation.add(
      truth: [object(0..<10), object(12..<14)],
      detections: [
        object(0..<8, score: 0.9), object(15..<20, score: 0.7), object(12..<14, score: 0.4),
      ])
    let report = evaluation.report(data: "line")
    let panoptic = try #require(report.panoptic)
    #expect(panoptic.segmentation == 0.8)
    #expect(panoptic.recognition == 0.5)
    #expect(panoptic.quality == 0.4)
    // 0.9 and 0.4 are right, 0.7 is not: the mean of 0.1, 0.6 and 0.7.
    #expect(abs(try #require(report.calibrationError) - 1.4 / 3) < 1e-6)
  }

  @Test func bordersCountWithinTheirTolerance() throws {
    func halves(_ edge: Int) -> LabelMap {
      LabelMap(
        width: 200, height: 150,
        labels: (0..<200 * 150).map { $0 % 200 < edge ? 0 : 1 })
    }
    func value(_ edge: Int) throws -> Double {
      var score = BoundaryScore(classes: 2)
      score.add(halves(edge), truth: halves(100))
      return try #require(score.value)
    }
    // The diagonal is 250, so the tolerance is 1.875 pixels.
    #expect(try value(100) == 1)
    #expect(try value(101) == 1)
    #expect(try value(102) == 0)
    var none = BoundaryScore(classes: 2)
    none.add(halves(0), truth: halves(0))
    #expect(none.value == nil)
  }

  @Test func masksAreMirroredAndCut() throws {
    var mask = BinaryMask(width: 9, height: 7)
    for (x, y) in [(2, 0), (2, 1), (3, 1), (5, 5), (5, 6), (6, 0)] { mask[x, y] = true }
    var twin = BinaryMask(width: 9, height: 7)
    for y in 0..<7 { for x in 0..<9 { twin[8 - x, y] = mask[x, y] } }
    let runs = RunLengthMask(mask)
    #expect(runs.mirrored == RunLengthMask(twin))
    #expect(runs.outlines == mask.outlines)
    let cut = try #require(runs.cropped)
    #expect(cut.corner == SIMD2(2, 0))
    #expect(
      RunLengthMask(
        width: 9, height: 7, left: 2, top: 0, columns: cut.mask.width, pixels: cut.mask.pixels)
        == runs)
  }

  @Test("colours on dark ground are read as gray is", arguments: [0, 1, 2])
  func colouredFluorescence(_ channel: Int) {
    let reading = PictureReading(stretchesContrast: true, darkensGround: true, keepsColor: true)
    let gray = (0..<48 * 40).map { place in
      let (x, y) = (place % 48 - 20, place / 48 - 16)
      return UInt8(x * x + y * y < 60 ? 150 : 12 + place % 7)
    }
    let plain = ByteImage(width: 48, height: 40, channels: 1, samples: gray)
    let tinted = ByteImage(
      width: 48, height: 40, channels: 3,
      samples: gray.flatMap { value in (0..<3).map { $0 == channel ? value : 0 } })
    let seen = reading.prepared(tinted)
    #expect(seen == reading.prepared(plain).withChannels(3))
    #expect(seen.samples.max() == 255)
    // Stained tissue keeps its colours, and becomes its negative.
    let tissue = ByteImage(
      width: 48, height: 40, channels: 3,
      samples: gray.flatMap { [230, 255 - $0, 240] as [UInt8] })
    let negative = reading.prepared(tissue)
    #expect(negative.samples[0] != negative.samples[1])
    #expect(PictureReading(reading.text) == reading)
  }
}
