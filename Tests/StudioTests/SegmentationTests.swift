// Semantic segmentation: figures by hand, tiles without seams, outputs read back, trainings on
// drawn discs, resumed bytes.

import AtelierDatasets
import AtelierEngine
import AtelierImages
import AtelierInterchange
import AtelierKernels
import AtelierScenery
import AtelierSegmentation
import AtelierTraining
import AtelierWorkbench
import AtelierZoo
import Foundation
import TestSupport
import Testing

private let palette = ClassPalette([
  .init(name: "ground", color: [40, 60, 80]), .init(name: "disc", color: [200, 30, 30]),
  .init(name: "square", color: [30, 200, 30]),
])

/// A picture of discs and squares on noisy ground, and its labels.
private func drawn(_ index: Int, width: Int = 48, height: Int = 40) -> SegmentedImage {
  var generator = RandomGenerator(seed: 11, UInt64(index))
  var labels = [UInt8](repeating: 0, count: width * height)
  for kind in [1, 2, 1, 2] as [UInt8] {
    let (x, y) = (generator.index(below: width), generator.index(below: height))
    let radius = 4 + generator.index(below: 5)
    for row in max(0, y - radius)..<min(height, y + radius) {
      for column in max(0, x - radius)..<min(width, x + radius) {
        let (dx, dy) = (column - x, row - y)
        if kind == 2 || dx * dx + dy * dy < radius * radius { labels[row * width + column] = kind }
      }
    }
  }
  let colors: [[UInt8]] = [[90, 90, 90], [220, 60, 60], [60, 60, 220]]
  var samples: [UInt8] = []
  for label in labels {
    for value in colors[Int(label)] { samples.append(value &+ UInt8(generator.index(below: 30))) }
  }
  // A strip at the right does not count.
  for row in 0..<height { labels[row * width + width - 1] = LabelMap.ignored }
  return SegmentedImage(
    name: "\(index).png",
    image: ByteImage(width: width, height: height, channels: 3, samples: samples),
    labels: LabelMap(width: width, height: height, labels: labels))
}

/// Writes pictures and palette masks below `images` and `masks`, with a list of the classes.
private func writeDrawn(in folder: URL, count: Int) throws -> URL {
  let data = folder.appending(path: "drawn")
  for name in ["images", "masks"] {
    try FileManager.default.createDirectory(
      at: data.appending(path: name), withIntermediateDirectories: true)
  }
  for index in 0..<count {
    let item = drawn(index)
    try ImageFile.write(item.image, to: data.appending(path: "images/\(item.name)"))
    try ImageFile.write(
      item.labels.indexed(palette),
      to: data.appending(path: "masks/\(item.name)").path)
  }
  let lines = palette.entries.enumerated().map { index, entry in
    "\(index) \(entry.name) \(entry.color.map(String.init).joined(separator: " "))\n"
  }
  try Data(lines.joined().utf8).write(to: data.appending(path: "classes.txt"))
  return data
}

/// A model of random weights.
private func model(
  _ architecture: SegmentationArchitecture, names: [String] = palette.names, seed: UInt64 = 7
) throws -> Model {
  let step = architecture.granularity
  let graph = try architecture.graph(height: 2 * step, width: 2 * step)
  return try Model(
    graph: graph, store: ParameterStore(for: [graph], seed: seed),
    information: ModelInformation(
      task: "segment", architecture: "unet", granularity: step,
      receptiveRadius: architecture.receptiveRadius, classNames: names,
      classColors: palette.entries.map(\.color)))
}

/// A model whose logits are 10 · the three channels of a pixel.
private func channelModel() throws -> Model {
  let graph = try Graph.trace { builder in
    let input = builder.input("input", [1, 1, 1, 3])
    builder.output("output", Convolution2D(filters: 3, kernel: 1, name: "pick")(input))
  }
  let store = try ParameterStore(for: [graph], seed: 1)
  try store.set("pick/weight", Tensor([1, 1, 3, 3], [10, 0, 0, 0, 10, 0, 0, 0, 10]))
  return try Model(
    graph: graph, store: store,
    information: ModelInformation(
      task: "segment", architecture: "channels", classNames: palette.names))
}

/// A picture whose brightest channel says the class.
private func picture(_ classes: [Int], width: Int) -> ByteImage {
  ByteImage(
    width: width, height: classes.count / width, channels: 3,
    samples: classes.flatMap { index in (0..<3).map { $0 == index ? 255 : 0 } })
}

@Suite struct SegmenterTests {
  @Test func figuresAreThoseByHand() throws {
    // Truth 0 0 0 1 1 2 and one that does not count; found 0 0 1 1 1 0 2.
    let item = SegmentedImage(
      name: "row", image: picture([0, 0, 1, 1, 1, 0, 2], width: 7),
      labels: LabelMap(width: 7, height: 1, labels: [0, 0, 0, 1, 1, 2, 255]))
    let set = try SegmentedImages(name: "rows", items: [item], palette: palette)
    let report = try SegmentationEvaluation.run(Segmenter(channelModel()), on: set)
    #expect(report.confusion == [[2, 1, 0], [0, 2, 0], [1, 0, 0]])
    #expect(report.pictures == 1 && report.pixels == 6)
    #expect(report.globalAccuracy == 4.0 / 6)
    #expect(report.classes.map(\.pixels) == [3, 2, 1])
    let third = 2.0 / 3
    #expect(report.classes.map(\.accuracy) == [third, 1, 0])
    #expect(report.classes.map(\.precision) == [third, third, 0])
    #expect(report.classes.map(\.iou) == [0.5, third, 0])
    #expect(abs(report.classAccuracy - 5.0 / 9) < 1e-12)
    #expect(abs(report.meanIoU - 7.0 / 18) < 1e-12)
    #expect(
      report.protocol
        == "rows, all 1 pictures of 7x1 whole, 3 classes, one confusion matrix over all pixels "
        + "but the ignored ones; mIoU and class accuracy are means over the classes that the "
        + "truth shows; one pass a picture")
    // A class that the truth does not show is no part of the means.
    let fewer = try SegmentedImages(
      name: "rows",
      items: [
        SegmentedImage(
          name: "row", image: picture([0, 1], width: 2),
          labels: LabelMap(width: 2, height: 1, labels: [0, 0]))
      ], palette: palette)
    #expect(try SegmentationEvaluation.run(Segmenter(channelModel()), on: fewer).meanIoU == 0.5)
    let matrix = ConfusionPicture.draw(report, title: "three classes")
    #expect(matrix.width > 150 && matrix.channels == 3)
  }

  @Test func confidenceIsTheProbabilityAndThresholdsCut() throws {
    let segmenter = try Segmenter(channelModel())
    #expect(segmenter.palette.names == palette.names)
    // The model stores no colours: they are made up.
    #expect(segmenter.palette.entries[1].color == ClassPalette.standardColor(1))
    var image = picture([2, 1], width: 2)
    image[1, 0, 0] = 230
    let found = try segmenter.segment(image)
    #expect(found.labels.labels == [2, 1])
    let sure = Float(exp(10.0) / (exp(10.0) + 2))
    let torn = Float(exp(10.0) / (exp(10.0) + exp(10 * 230.0 / 255) + 1))
    #expect(abs(found.confidence.samples[0] - sure) < 1e-5)
    #expect(abs(found.confidence.samples[1] - torn) < 1e-5)
    var options = Segmenter.Options()
    options.threshold = 0.9
    #expect(try segmenter.segment(image, options).labels.labels == [2, LabelMap.ignored])
    let shares = found.classShares(3)
    #expect(shares.map(\.pixels) == [0, 1, 1] && shares[0].confidence == 0)
    #expect(found.keeping([1]).labels.labels == [LabelMap.ignored, 1])
  }

  @Test(arguments: [
    SegmentationArchitecture(.unet, classes: 3, width: 4, levels: 3),
    SegmentationArchitecture(.segnetBasic, classes: 3, width: 3),
    SegmentationArchitecture(.fcn, classes: 3, width: 3),
  ])
  func tilesHaveNoSeams(_ architecture: SegmentationArchitecture) throws {
    let segmenter = try Segmenter(model(architecture))
    let image = try scene(.city, width: 700, height: 333, isGray: false)
    let whole = try segmenter.segment(image)
    var options = Segmenter.Options()
    options.tileSize = 16
    let tiled = try segmenter.segment(image, options)
    #expect(whole.labels.size == image.size)
    let largest = zip(whole.confidence.samples, tiled.confidence.samples).reduce(Float(0)) {
      max($0, abs($1.0 - $1.1))
    }
    #expect(largest < 1e-4, "\(largest)")
    let changed = zip(whole.labels.labels, tiled.labels.labels).filter { $0 != $1 }.count
    #expect(changed < image.pixelCount / 10_000)
  }

  @Test func aMirroredPictureGivesTheMirroredResult() throws {
    let segmenter = try Segmenter(model(.init(.unet, classes: 3, width: 4, levels: 3)))
    let image = try scene(.flower, width: 64, height: 40, isGray: false)
    var options = Segmenter.Options()
    options.isFlipAveraged = true
    let one = try segmenter.segment(image, options)
    let other = try segmenter.segment(image.oriented(.mirrored), options)
    let back = other.confidence.oriented(.mirrored)
    #expect(largestDifference(one.confidence, back) < 1e-5)
    #expect(
      try largestDifference(one.confidence, segmenter.segment(image).confidence) > 1e-4)
  }

  @Test func whatIsNoSemanticModelIsRefused() throws {
    var other = try channelModel()
    other.information.task = "classify"
    #expect(
      errorLine { _ = try Segmenter(other) }
        == "expected a model that gives pixels classes, received one for the task classify")
    other = try channelModel()
    other.information.classNames = ["a", "b"]
    #expect(
      errorLine { _ = try Segmenter(other) }
        == "expected a model from gray or RGB images to 2 classes for each pixel, received "
        + "[1, 1, 1, 3] to [1, 1, 1, 3]")
    // Colours of a file that make no sense are left out.
    other = try channelModel()
    other.information.classColors = [[1], [2, 3, 4], []]
    #expect(
      try Segmenter(other).palette.entries.map(\.color)
        == [ClassPalette.standardColor(0), [2, 3, 4], ClassPalette.standardColor(2)])
  }
}

@Suite struct SemanticOutputTests {
  @Test func everyFormIsReadBack() throws {
    let segmenter = try Segmenter(model(.init(.unet, classes: 3, width: 4, levels: 2)))
    let image = drawn(1).image
    var found = try segmenter.segment(image)
    found.labels[3, 4] = LabelMap.ignored
    try withScratchFolder { folder in
      func path(_ form: String) -> String { folder.appending(path: "a-\(form).png").path }
      let forms: [SegmentationOutput] = [.label, .color, .overlay, .confidence]
      var writer = try SegmentationWriter(folder: folder, palette: palette, outputs: forms)
      writer.opacity = 0.25
      let outcome = SegmentationOutcome(
        labels: found.labels, confidence: found.confidence, palette: palette)
      let files = try writer.add(outcome, picture: image, name: "a")
      #expect(files.map(\.path) == forms.map { path($0.rawValue) })
      let stored = try ImageFile.readIndices(path("label"))
      #expect(stored.indices.samples == found.labels.labels)
      #expect(stored.palette.count == 256 && stored.palette[1] == SIMD4(200, 30, 30, 255))
      let colors = try ImageFile.read(path("color"))
      #expect(stored.colored == colors)
      let gray = try ImageFile.read(path("confidence"))
      #expect(gray == found.confidence.bytes && gray.channels == 1)
      let overlay = try ImageFile.read(path("overlay"))
      for (pixel, label) in found.labels.labels.enumerated() {
        for channel in 0..<3 {
          let own = Float(image.samples[3 * pixel + channel])
          let color = Float(colors.samples[3 * pixel + channel])
          let expected: Float = label == LabelMap.ignored ? own : 0.75 * own + 0.25 * color
          let received = Float(overlay.samples[3 * pixel + channel])
          #expect(abs(received - expected) <= 0.5)
        }
      }
      // The mask reads as the labels that it was written from, and so do its colours.
      let classes = ClassList(palette)
      let map = try MaskFile.read(path("label"), classes: classes, size: image.size)
      #expect(map == found.labels)
    }
  }

  @Test func connectedPartsAreObjects() throws {
    // Two parts of class 1 that touch at a corner alone, one of class 2, ground.
    let labels: [UInt8] = [1, 1, 0, 2, 1, 0, 1, 2, 0, 0, 1, 2]
    let values: [Float] = [
      0.9, 0.7, 1, 0.5,
      0.8, 1, 0.6, 0.5,
      1, 1, 0.4, 0.2,
    ]
    let found = SemanticSegmentation(
      labels: LabelMap(width: 4, height: 3, labels: labels),
      confidence: FloatImage(width: 4, height: 3, channels: 1, samples: values))
    func regions(_ leastArea: Int) -> [MaskedObject] {
      found.labels.regions(firstLabel: 1, leastArea: leastArea, confidence: found.confidence)
        .map(\.decoded)
    }
    let objects = regions(2)
    try #require(objects.map(\.classIndex) == [0, 1, 0])
    #expect(objects.map(\.mask.area) == [3, 3, 2])
    #expect(objects[0].box == PlaneBox(x: 0, y: 0, width: 2, height: 2))
    #expect(objects[1].box == PlaneBox(x: 3, y: 0, width: 1, height: 3))
    #expect(objects[2].mask[2, 1] && objects[2].mask[2, 2] && !objects[2].mask[3, 1])
    for (object, score) in zip(objects, [0.8, 0.4, 0.5]) {
      #expect(abs(object.score - score) < 1e-6)
    }
    #expect(regions(3).map(\.classIndex) == [0, 1])
    #expect(regions(4).isEmpty)
  }
}

@Suite(.serialized) struct SegmentationTrainingTests {
  private func request(_ data: URL) -> SegmentationTrainingRequest {
    var request = SegmentationTrainingRequest(data: data.path)
    request.holdOut = 3
    (request.width, request.levels) = (8, 3)
    (request.cropWidth, request.cropHeight) = (32, 32)
    request.loss = [.init(.crossEntropy), .init(.dice, weight: 0.5)]
    request.balance = 0.25
    request.learningRate = 1e-2
    (request.warmUp, request.averageDecay) = (3, 0.9)
    (request.validationInterval, request.previewInterval, request.saveInterval) = (50, 50, 50)
    request.steps = 100
    return request
  }

  @Test func discsAndSquaresAreLearnt() throws {
    try withScratchFolder { folder in
      let data = try writeDrawn(in: folder, count: 12)
      let run = folder.appending(path: "run")
      let stop = try SegmentationTraining.run(request(data), in: run, isResuming: false)
      #expect(stop.reason == .finished && stop.step == 100)
      #expect(try #require(stop.best) > 0.8, "\(stop)")
      let model = try ModelFile.read(from: run.appending(path: "best.safetensors"))
      let information = model.information
      #expect(information.task == "segment" && information.classNames == palette.names)
      #expect(information.classColors == palette.entries.map(\.color))
      #expect(information.granularity == 4)
      #expect(information.training["loss"] == "ce + 0.5*dice")
      #expect(information.figures["miou"] == stop.best)
      // What a file gives is what the training measured.
      let all = try #require(try SegmentedImages.read(data, part: .training))
      let held = try all.split(holdingOut: 3, seed: 1).held
      let report = try SegmentationEvaluation.run(Segmenter(model), on: held)
      #expect(report.meanIoU == stop.best)
      let previews = try FileManager.default.contentsOfDirectory(
        atPath: run.appending(path: "previews").path)
      #expect(previews.sorted() == ["step-0000050.png", "step-0000100.png"])
    }
  }

  @Test func scenesAreLearntWithoutFiles() throws {
    try withScratchFolder { folder in
      var request = SegmentationTrainingRequest(data: ShapesScenes.word)
      #expect(request.augmentation == .none && request.batch == 16)
      (request.width, request.levels, request.batch) = (4, 2, 2)
      (request.cropWidth, request.cropHeight) = (32, 32)
      request.holdOut = 5
      (request.warmUp, request.averageDecay, request.steps) = (1, 0.5, 6)
      let run = folder.appending(path: "run")
      _ = try SegmentationTraining.run(request, in: run, isResuming: false)
      let model = try ModelFile.read(from: run.appending(path: "last.safetensors"))
      #expect(model.information.classNames == ["background", "circle", "square", "triangle"])
      #expect(
        model.information.training["data"] == "shapes scenes of seed 1, 32x32, without end")
      let held = try SegmentedImages(
        ShapesScenes(
          seed: ShapesScenes.validationSeed(of: 1), size: PixelSize(width: 32, height: 32)),
        count: 5)
      let report = try SegmentationEvaluation.run(Segmenter(model), on: held)
      #expect(report.meanIoU == model.information.figures["miou"])
      (request.network, request.levels, request.steps) = (.segnetBasic, 4, 1)
      let compared = try SegmentationComparison.run(request, unpoolings: [.nails]).report
      #expect(
        compared.protocol.contains("on shapes scenes of seed \(ShapesScenes.testSeed), all 200"))
    }
  }

  @Test func aResumedTrainingEndsInTheSameBytes() throws {
    try withScratchFolder { folder in
      let data = try writeDrawn(in: folder, count: 6)
      var request = request(data)
      request.loss.append(.init(.focal, weight: 0.3, gamma: 1.5))
      request.steps = 9
      request.validationInterval = 4
      let whole = folder.appending(path: "whole")
      _ = try SegmentationTraining.run(request, in: whole, isResuming: false)
      let parts = folder.appending(path: "parts")
      let flag = InterruptFlag()
      let stopper = ClosureListener { event in
        if case .step(let report) = event, report.step == 5 { flag.raise() }
      }
      let first = try SegmentationTraining.run(
        request, in: parts, isResuming: false, listeners: [stopper], interrupt: flag)
      #expect(first.reason == .interrupted && first.step == 5)
      let second = try SegmentationTraining.run(request, in: parts, isResuming: true)
      #expect(second.reason == .finished && second.step == 9)
      for name in ["last.safetensors", "best.safetensors"] {
        #expect(
          try Data(contentsOf: whole.appending(path: name))
            == Data(contentsOf: parts.appending(path: name)), "\(name)")
      }
      // A resume may not change what the run is.
      request.balance = 0.5
      let line = errorLine {
        _ = try SegmentationTraining.run(request, in: parts, isResuming: true)
      }
      #expect(
        line?.hasSuffix("configuration.json: the run has balance 0.25; received 0.5") == true,
        "\(line ?? "none")")
    }
  }

  @Test func aFormerRunIsReadAsItWas() throws {
    // What version 0.1 stored; it left nil out, here the average's decay.
    let former = """
      {
        "augmentation" : {
          "color" : 0, "contrast" : 0, "isFlipped" : false, "largestBrightness" : 1,
          "largestScale" : 1, "rotation" : 0, "smallestBrightness" : 1, "smallestScale" : 1,
          "stretch" : 0
        },
        "balance" : 0.25, "batch" : 16, "channels" : 3, "cropHeight" : 128, "cropWidth" : 128,
        "data" : "shapes", "learningRate" : 0.002, "levels" : 4,
        "loss" : [ { "gamma" : 2, "kind" : "dice", "weight" : 1 } ], "network" : "unet",
        "optimizer" : {
          "adamW" : { "beta1" : 0.9, "beta2" : 0.999, "epsilon" : 1e-08, "weightDecay" : 0.0001 }
        },
        "previewInterval" : 500, "saveInterval" : 250, "seed" : 1, "steps" : 7,
        "unpooling" : "max", "validationInterval" : 500, "warmUp" : 100, "weighting" : "log"
      }
      """
    try withScratchFolder { folder in
      try Data(former.utf8).write(to: folder.appending(path: "configuration.json"))
      var expected = SegmentationTrainingRequest(data: ShapesScenes.word)
      (expected.balance, expected.averageDecay, expected.steps) = (0.25, nil, 7)
      expected.loss = [.init(.dice)]
      #expect(try SegmentationTraining.request(of: folder) == expected)
      var place = RunPlace()
      (place.run, place.resume) = (folder.path, true)
      #expect(try SegmentationTraining.handOver([:], in: place) == nil)
      expected.steps = nil
      expected.minutes = 3
      #expect(try SegmentationTraining.request(["minutes": ["3"]], in: place) == expected)
    }
  }

  @Test func wordsMakeTheRequest() throws {
    let words: FieldWords = [
      "data": ["shapes"], "network": ["segnet"], "unpool": ["nails"], "channels": ["1"],
      "loss": ["ce+0.5*focal:1.5"], "weights": ["median"], "crop": ["32x64"], "no-flip": [""],
      "scale": ["0.5-2"], "brightness": ["1"], "average-decay": ["0"], "steps": ["3"],
    ]
    var expected = SegmentationTrainingRequest(data: "shapes")
    (expected.network, expected.unpooling, expected.channels) = (.segnet, .nails, 1)
    expected.loss = [.init(.crossEntropy), .init(.focal, weight: 0.5, gamma: 1.5)]
    (expected.weighting, expected.cropWidth, expected.cropHeight) = (.medianFrequency, 64, 32)
    (expected.augmentation.smallestScale, expected.augmentation.largestScale) = (0.5, 2)
    (expected.averageDecay, expected.steps) = (nil, 3)
    #expect(try SegmentationTraining.request(words, in: RunPlace()) == expected)
    // The request tells the words that make it again.
    let told = SegmentationTrainingRequest.form.words(of: expected)
    #expect(try SegmentationTraining.request(told, in: RunPlace()) == expected)
    let compared = try SegmentCompareRequest(words: [
      "data": ["shapes"], "unpool": ["max,nails"], "steps": ["3"],
    ])
    #expect(compared.unpool == [.max, .nails] && compared.training.network == .segnetBasic)
    #expect(compared.training.batch == 16)
    #expect(
      try SegmentCompareRequest(words: ["data": ["shapes"], "steps": ["3"]]).unpool.count == 4)
    #expect(
      errorLine {
        _ = try SegmentCompareRequest(words: ["data": ["shapes"], "unpool": ["max,max"]])
      }
        == "The value 'max,max' is invalid for '--unpool <kinds>': expected kinds with commas out "
        + "of max, nearest, nails, transposed; received 'max,max'")
  }

  @Test func whatCannotBeTrainedIsRefusedFirst() throws {
    try withScratchFolder { folder in
      let data = try writeDrawn(in: folder, count: 3)
      func line(_ change: (inout SegmentationTrainingRequest) -> Void) -> String? {
        var request = request(data)
        change(&request)
        return errorLine {
          _ = try SegmentationTraining.run(
            request, in: folder.appending(path: "run"), isResuming: false)
        }
      }
      #expect(
        line { $0.cropWidth = 30 }
          == "unet needs crops whose sides are multiples of 4; received 30x32")
      #expect(line { $0.loss = [] } == "a training needs a loss")
      #expect(
        line { $0.holdOut = 3 }
          == "drawn: 3 of 3 pictures cannot be held out for validation")
      #expect(line { $0.data = folder.appending(path: "no").path }?.contains("no: ") == true)
      #expect(!FileManager.default.fileExists(atPath: folder.appending(path: "run").path))
    }
  }

  @Test func unpoolingsAreComparedAtEqualWeights() throws {
    try withScratchFolder { folder in
      let data = try writeDrawn(in: folder, count: 4)
      var request = request(data)
      request.holdOut = 1
      (request.network, request.width, request.steps) = (.segnetBasic, 4, 4)
      request.batch = 2
      let (report, grid) = try SegmentationComparison.run(request)
      #expect(report.rows.map(\.unpooling) == Unpooling.allCases)
      // Eight 7×7 convolutions, normalizations of eight and the classifier.
      let weights = 49 * 4 * (3 + 7 * 4) + 8 * 2 * 4 + 4 * 3 + 3
      #expect(report.rows.map(\.parameters) == [Int](repeating: weights, count: 4))
      #expect(Set(report.rows.map(\.loss)).count == 4)
      for row in report.rows {
        #expect((0...1).contains(row.meanIoU) && row.loss.isFinite && row.seconds >= 0)
      }
      #expect(report.protocol.hasPrefix("segnet-basic of width 4, equal weights, 4 steps of 2"))
      #expect(grid.width > 6 * 48)
      request.network = .unet
      #expect(
        errorLine { _ = try SegmentationComparison.run(request) }
          == "unpoolings are compared in segnet-basic or segnet, not in unet")
    }
  }
}
