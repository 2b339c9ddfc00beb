// Mask R-CNN: its graphs, its losses, a scene learnt by heart, resumed bytes, models as files.

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

@Suite("Mask R-CNN")
struct MaskRCNNTests {
  /// A network that trains in seconds.
  private func small(classes: Int = 3) -> MaskRCNN {
    var network = MaskRCNN(.tiny, classes: classes)
    network.stem = 8
    network.widths = [16, 16, 16]
    network.blocks = [1, 1, 1]
    network.pyramid = 16
    network.boxUnits = 32
    network.maskLayers = 2
    network.anchors = [
      AnchorLevel(stride: 4, sizes: [12]), AnchorLevel(stride: 8, sizes: [24]),
      AnchorLevel(stride: 16, sizes: [40]),
    ]
    return network
  }

  private func request(steps: Int) -> MaskRCNNTrainingRequest {
    var request = MaskRCNNTrainingRequest(data: .shapes, design: .tiny)
    request.side = 64
    request.batch = 2
    request.sampling = MaskRCNNSampling(anchors: 32, regions: 16, positives: 6)
    request.proposals = 40
    request.learningRate = 3e-3
    request.warmUp = 10
    request.validationCount = 2
    request.steps = steps
    return request
  }

  // MARK: - Graphs

  @Test(arguments: MaskRCNN.Design.allCases)
  func everyGraphHasTheParametersOfTheModel(_ design: MaskRCNN.Design) throws {
    let network = MaskRCNN(design, classes: 2)
    let whole = Set(
      try network.graph(height: 64, width: 96).parameters.filter { $0.role != .constant })
    let sampling = MaskRCNNSampling()
    let graphs = [
      try network.trainingGraph(batch: 2, height: 64, width: 96, sampling: sampling),
      try network.proposalGraph(batch: 3, height: 32, width: 32),
      try network.boxGraph(height: 64, width: 64, rows: 5),
      try network.maskGraph(height: 64, width: 64, rows: 5),
    ]
    for graph in graphs {
      #expect(Set(graph.parameters.filter { $0.role != .constant }).isSubset(of: whole))
    }
    // Three of the four leave nothing out: proposals, boxes and masks are all of the network.
    let parts = graphs[1...].flatMap(\.parameters).filter { $0.role != .constant }
    #expect(Set(parts) == whole)
    let trained = graphs[0].parameterGradients.count
    #expect(trained == whole.filter(\.isTrainable).count)
  }

  @Test func sizesAreRefusedByName() throws {
    let network = MaskRCNN(.tiny, classes: 2)
    #expect(
      errorLine { _ = try network.graph(height: 60, width: 64) }
        == "Mask R-CNN takes pictures whose sides are multiples of 16; received 64 × 60")
    var broken = network
    broken.anchors.removeLast()
    #expect(errorLine { _ = try broken.graph(height: 64, width: 64) } != nil)
    broken = network
    broken.classes = 0
    #expect(errorLine { _ = try broken.graph(height: 64, width: 64) } != nil)
  }

  // MARK: - Training

  private static let losses = [
    "rpn_class_loss", "rpn_box_loss", "class_loss", "box_loss", "mask_loss",
  ]

  /// The program of a task with the inputs of a step.
  private func prepared(_ task: MaskRCNNTask, step: Int = 0) throws -> Program {
    var inputs = try task.batches.batch(step: step)
    inputs.merge(try task.derivedInputs(number: step, inputs)) { $1 }
    for input in task.training.inputs {
      try task.training.setInput(input.name, try #require(inputs[input.name]))
    }
    return task.training
  }

  @Test func theLossIsTheSumOfFiveAndStepsLowerEach() throws {
    let task = try MaskRCNNTask(request(steps: 1), sizes: small(), kernels: Kernels())
    let program = try prepared(task)
    func values() throws -> [Float] {
      try program.run()
      let parts = try Self.losses.map { try program.scalar($0) }
      #expect(abs(parts.reduce(0, +) - (try program.scalar("loss"))) < 1e-4)
      return parts
    }
    let before = try values()
    // Untrained: two classes by chance, four by chance, masks by chance.
    #expect(abs(before[0] - 0.693) < 0.05)
    #expect(abs(before[2] - 1.386) < 0.05)
    #expect(abs(before[4] - 0.693) < 0.2)
    #expect(before.allSatisfy { $0 > 0 })
    let optimizer = try OptimizerState(
      Optimizer(.adam(), learningRate: 2e-3), store: task.store,
      entries: program.trainedEntries)
    for _ in 0..<25 {
      try program.run()
      optimizer.step(
        gradients: program.gradients, learningRate: 2e-3,
        norm: optimizer.gradientNorm(program.gradients))
    }
    for (name, pair) in zip(Self.losses, zip(before, try values())) {
      #expect(pair.1 < pair.0, "\(name): \(pair.0) to \(pair.1)")
    }
  }

  @Test func stepsAreAFunctionOfTheirNumber() throws {
    let one = try MaskRCNNTask(request(steps: 1), sizes: small(), kernels: Kernels())
    let two = try MaskRCNNTask(
      request(steps: 1), sizes: small(), kernels: Kernels(pool: ThreadPool(threads: 3)))
    _ = try two.batches.batch(step: 4)
    for step in [5, 2] {
      let batch = try one.batches.batch(step: step)
      #expect(try two.batches.batch(step: step) == batch)
      #expect(try one.derivedInputs(number: step, batch) == two.derivedInputs(number: step, batch))
    }
    let batch = try one.batches.batch(step: 5)
    #expect(try one.derivedInputs(number: 5, batch) != one.derivedInputs(number: 6, batch))
  }

  @Test func aSceneIsLearntByHeart() throws {
    let scene = try ShapesScenes(seed: 21, size: PixelSize(width: 64, height: 64)).scene(3)
    var request = request(steps: 600)
    request.batch = 1
    let task = try MaskRCNNTask(
      request, sizes: small(), kernels: Kernels(),
      source: InstanceSource(
        InstanceSet(
          classNames: ["circle", "square", "triangle"],
          items: [
            InstanceSet.Item(
              name: "scene", picture: scene.picture,
              objects: scene.objects.compactMap { InstanceTruth($0) })
          ]), size: scene.picture.size, augmentation: .none, seed: 1))
    let report = try task.loop(in: nil, kernels: Kernels()).run()
    #expect(report.reason == .finished)
    let size = scene.picture.size
    let found = try task.detector.detections(
      scene.picture.rgbFloats, size: size, ObjectSelection()
    ).compactMap { $0.object(in: size, factor: 1) }
    func overlap(_ one: MaskedObject, _ two: MaskedObject) -> Double {
      let common = one.mask.intersection(two.mask)
      return Double(common) / Double(one.mask.area + two.mask.area - common)
    }
    for object in scene.objects {
      let overlaps = found.filter { $0.classIndex == object.classIndex }.map {
        overlap(object, $0)
      }
      #expect((overlaps.max() ?? 0) > 0.8, "class \(object.classIndex): \(overlaps)")
    }
    // A doubtful double of an object may stay; nothing may be made of the ground.
    for other in found {
      #expect(scene.objects.contains { overlap($0, other) > 0.3 }, "\(other.box)")
    }
  }

  @Test func aStoppedTrainingEndsWithTheSameBytes() throws {
    try withScratchFolder { folder in
      var request = request(steps: 7)
      request.design = .tiny
      request.saveInterval = 2
      request.validationInterval = 4
      request.previewInterval = 5
      let whole = folder.appending(path: "whole")
      let parts = folder.appending(path: "parts")
      _ = try MaskRCNNTraining.run(request, in: whole, isResuming: false)
      for (isResuming, stop) in [(false, 3), (true, 5), (true, Int.max)] {
        let interrupt = InterruptFlag()
        let listener = ClosureListener { event in
          if case .step(let step) = event, step.step == stop { interrupt.raise() }
        }
        _ = try MaskRCNNTraining.run(
          request, in: parts, isResuming: isResuming, listeners: [listener], interrupt: interrupt)
      }
      for name in ["last.safetensors", "best.safetensors", "previews/step-0000005.png"] {
        #expect(
          try Data(contentsOf: whole.appending(path: name))
            == Data(contentsOf: parts.appending(path: name)), "\(name)")
      }
      #expect(try MaskRCNNTraining.request(of: parts) == request)
      request.side = 48
      let other = request
      #expect(
        errorLine { _ = try MaskRCNNTraining.run(other, in: parts, isResuming: true) }?
          .hasSuffix("the run has side 64; received 48") == true)
      try check(modelAt: parts.appending(path: "last.safetensors"))
    }
  }

  /// What version 0.1 stored for `request(steps: 2)`; it left nil out and knew no `about.json`.
  private static let formerConfiguration = """
    {
      "augmentation" : { "brightness" : 0, "color" : 0, "contrast" : 0, "scale" : [1, 1], "turns" : false },
      "batch" : 2, "data" : { "shapes" : { } }, "design" : "tiny", "enlargement" : 1,
      "gradientLimit" : 5, "learningRate" : 0.003, "previewInterval" : 250, "proposals" : 40,
      "sampling" : { "anchors" : 32, "positives" : 6, "regions" : 16 }, "saveInterval" : 250,
      "seed" : 1, "side" : 64, "steps" : 2, "stretchesContrast" : false, "validationCount" : 2,
      "validationInterval" : 500, "warmUp" : 10, "weightDecay" : 0.01
    }
    """

  @Test func aFormerRunGoesOnWithTheSameBytes() throws {
    try withScratchFolder { folder in
      let whole = folder.appending(path: "whole")
      let parts = folder.appending(path: "parts")
      _ = try MaskRCNNTraining.run(request(steps: 4), in: whole, isResuming: false)
      let interrupt = InterruptFlag()
      let listener = ClosureListener { event in
        if case .step(let step) = event, step.step == 2 { interrupt.raise() }
      }
      _ = try MaskRCNNTraining.run(
        request(steps: 4), in: parts, isResuming: false, listeners: [listener],
        interrupt: interrupt)
      let about = parts.appending(path: "about.json")
      let text = try String(contentsOf: about, encoding: .utf8)
      #expect(text.contains(#""job" : "segment train-objects""#), "\(text)")
      try FileManager.default.removeItem(at: about)
      try Data(Self.formerConfiguration.utf8)
        .write(to: parts.appending(path: "configuration.json"))
      #expect(try MaskRCNNTraining.request(of: parts) == request(steps: 2))
      #expect(errorLine { _ = try SegmentationTraining.request(of: parts) } != nil)
      // The run says which of the two jobs it is of, whichever was named.
      var place = RunPlace()
      (place.run, place.resume) = (parts.path, true)
      let meant = try #require(
        try SegmentationTraining.handOver(["steps": ["4"]], in: place))
      #expect(meant.job.path == "segment train-objects" && meant.words == ["steps": ["4"]])
      let further = try MaskRCNNTraining.request(meant.words, in: place)
      #expect(further == request(steps: 4))
      _ = try MaskRCNNTraining.run(further, in: parts, isResuming: true)
      #expect(
        try Data(contentsOf: whole.appending(path: "last.safetensors"))
          == Data(contentsOf: parts.appending(path: "last.safetensors")))
      // Now it says so itself.
      #expect(try SegmentationTraining.handOver([:], in: place) != nil)
      #expect(
        errorLine { _ = try SegmentationTraining.request([:], in: place) }
          == "\(parts.path): the run is one of atelier segment train-objects, not of atelier "
          + "segment train")
    }
  }

  @Test func wordsForItsNetworkAreHandedOver() throws {
    let words: FieldWords = [
      "network": ["mask-rcnn"], "data": ["shapes"], "crop": ["64x64"], "steps": ["2"],
    ]
    let meant = try #require(try SegmentationTraining.handOver(words, in: RunPlace()))
    #expect(meant.words == ["data": ["shapes"], "side": ["64"], "steps": ["2"]])
    #expect(try SegmentationTraining.handOver(["network": ["unet"]], in: RunPlace()) == nil)
    let request = try MaskRCNNTraining.request(meant.words, in: RunPlace())
    #expect(request.data == .shapes && request.design == .tiny && request.side == 64)
    #expect(request.batch == 4 && request.averageDecay == nil && request.steps == 2)
    let cells = try MaskRCNNTraining.request(
      [
        "data": [#filePath], "object-name": ["cell"], "microscope": [""], "minutes": ["1"],
        "average-decay": ["0.5"],
      ], in: RunPlace())
    #expect(cells.data == .set(path: #filePath, objects: "cell") && cells.design == .small)
    #expect(cells.side == 256 && cells.batch == 2 && cells.proposals == 300)
    #expect(cells.augmentation == .microscope && cells.darkensGround)
    #expect(cells.stretchesContrast && cells.averageDecay == 0.5)
  }

  /// The file's model finds the same in a picture each time, in a picture of any size.
  private func check(modelAt url: URL) throws {
    let model = try MaskRCNNModel(contentsOf: url)
    #expect(model.network == MaskRCNN(.tiny, classes: 3))
    #expect(model.classNames == ["circle", "square", "triangle"])
    let palette = try SegmentationModel(contentsOf: url).palette
    #expect(palette.names == ["background", "circle", "square", "triangle"])
    // Every class has a colour of its own, none the background's.
    #expect(Set(palette.entries.map(\.color)).count == 4)
    let segmenter = try MaskRCNNSegmenter(model)
    var options = ObjectSelection()
    options.score = 0.01
    for (width, height) in [(37, 21), (64, 64), (90, 140)] {
      let picture = try scene(.flower, width: width, height: height, isGray: width == 37)
      let objects = try segmenter.objects(in: picture, options, longestSide: 100)
      #expect(objects.allSatisfy { $0.mask.size == picture.size })
      #expect(try segmenter.objects(in: picture, options, longestSide: 100) == objects)
      for object in objects {
        #expect(object.box.x >= 0 && object.box.x + object.box.width <= Double(width) + 1e-3)
      }
    }
  }

  @Test func picturesOnBrightGroundAreSeenInNegative() throws {
    try withScratchFolder { folder in
      var request = request(steps: 2)
      request.darkensGround = true
      request.stretchesContrast = true
      request.averageDecay = 0.5
      let run = folder.appending(path: "run")
      _ = try MaskRCNNTraining.run(request, in: run, isResuming: false)
      var model = try ModelFile.read(from: run.appending(path: "last.safetensors"))
      #expect(
        model.information.preprocessing
          == "darkest and brightest half percent of the samples to 0 and 255, gray and negative "
          + "where most of it is bright, pixel / 255, RGB")
      // Dark cells on bright ground, and what is seen of them.
      var tissue = ByteImage(width: 64, height: 48, channels: 3, filledWith: 255)
      for pixel in 0..<64 * 48 where pixel % 64 / 8 % 3 == 1 && pixel / 64 / 8 % 3 == 1 {
        for (channel, value) in [60, 0, 120].enumerated() {
          tissue.samples[3 * pixel + channel] = UInt8(value + pixel % 7)
        }
      }
      var negative = tissue.withChannels(1)
      negative.samples = negative.samples.map { 255 - $0 }
      var options = ObjectSelection()
      options.score = 0.01
      func found(_ picture: ByteImage) throws -> [MaskedObject] {
        try MaskRCNNSegmenter(MaskRCNNModel(model, name: "m")).objects(in: picture, options)
      }
      model.information.preprocessing =
        "gray and negative where most of it is bright, pixel / 255, RGB"
      let seen = try found(tissue)
      #expect(!seen.isEmpty)
      // What is dark already stays as it is.
      #expect(try found(negative) == seen)
      model.information.preprocessing = "pixel / 255, RGB"
      #expect(try found(negative) == seen)
      #expect(try found(tissue) != seen)
    }
  }

  @Test func otherModelsAreRefused() throws {
    let graph = try Graph.trace { builder in
      builder.output("output", 2 * builder.input("input", [1, 4, 4, 3]))
    }
    let model = try Model(
      graph: graph, store: ParameterStore(for: [graph], seed: 0),
      information: ModelInformation(task: "denoise", architecture: "unet"))
    #expect(
      errorLine { _ = try MaskRCNNModel(model, name: "m.safetensors") }
        == "m.safetensors: expected a model of the task segment-objects (mask-rcnn); received one "
        + "of the task denoise (unet)")
  }
}
