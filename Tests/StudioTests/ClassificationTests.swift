// Classifiers: tiny trainings on drawn shapes, tallies by hand, ensembles, resumed bytes, errors.

import AtelierClassification
import AtelierDatasets
import AtelierEngine
import AtelierImages
import AtelierInterchange
import AtelierKernels
import AtelierTraining
import AtelierWorkbench
import AtelierZoo
import Foundation
import TestSupport
import Testing

/// Writes a folder of pictures of bars: lying, standing and slanting, at random places.
///
/// - Parameters:
///   - folder: Where the class folders go.
///   - count: Pictures a class.
///   - seed: The seed of places and grays.
/// - Throws: What writing throws.
func writeBars(in folder: URL, count: Int, seed: UInt64) throws {
  for (label, name) in ["lying", "slanting", "standing"].enumerated() {
    let place = folder.appending(path: name)
    try FileManager.default.createDirectory(at: place, withIntermediateDirectories: true)
    for index in 0..<count {
      var generator = RandomGenerator(seed: seed, UInt64(label), UInt64(index))
      let (x, y) = (2 + generator.index(below: 8), 2 + generator.index(below: 8))
      let gray = UInt8(150 + generator.index(below: 100))
      var image = ByteImage(width: 16, height: 16, channels: 1) { samples in
        for sample in samples.indices { samples[sample] = UInt8(generator.index(below: 40)) }
      }
      for step in 0..<5 {
        for thickness in 0..<2 {
          let column = label == 2 ? x + thickness : x + step
          let row = label == 0 ? y + thickness : y + (label == 1 ? min(step + thickness, 5) : step)
          image[column, row, 0] = gray
        }
      }
      try ImageFile.write(image, to: place.appending(path: "\(index).png"))
    }
  }
}

/// A model whose logits are 10 · the pixels of a [1, 3, 1] picture, plus offsets.
private func pixelModel(_ offsets: [Float] = [0, 0, 0], names: [String] = ["a", "b", "c"]) throws
  -> Model
{
  let graph = try Graph.trace { builder in
    let input = builder.input("input", [1, 1, 3, 1])
    builder.output("output", Dense(units: 3, name: "dense")(Flatten()(input)))
  }
  let store = try ParameterStore(for: [graph], seed: 1)
  try store.set("dense/weight", Tensor([3, 3], [10, 0, 0, 0, 10, 0, 0, 0, 10]))
  try store.set("dense/bias", Tensor([3], offsets))
  return try Model(
    graph: graph, store: store,
    information: ModelInformation(task: "classify", architecture: "pixels", classNames: names))
}

/// Pictures of 3×1 with one bright pixel each.
private func dots(_ bright: [Int], labels: [Int], names: [String] = ["a", "b", "c"]) throws
  -> LabeledImages
{
  try LabeledImages(
    name: "dots", size: PixelSize(width: 3, height: 1), channels: 1,
    pixels: bright.flatMap { place in (0..<3).map { $0 == place ? 255 : 0 } }, labels: labels,
    classNames: names)
}

@Suite struct ClassifierAtWorkTests {
  @Test func figuresAreThoseByHand() throws {
    // Found: a a b c; true: a b b c, and one b taken for a.
    let set = try dots([0, 0, 1, 2, 0], labels: [0, 1, 1, 2, 1])
    let report = try ClassificationEvaluation.run(
      Classifier([pixelModel([0, 1, 0])]), on: set, top: 2)
    #expect(report.count == 5 && report.accuracy == 3.0 / 5)
    #expect(report.confusion == [[1, 0, 0], [2, 1, 0], [0, 0, 1]])
    #expect(report.classes.map(\.name) == ["a", "b", "c"])
    #expect(
      report.classes.map(\.count) == [1, 3, 1] && report.classes.map(\.correct) == [1, 1, 1])
    #expect(report.classes.map(\.precision) == [1.0 / 3, 1, 1])
    #expect(report.classes.map(\.recall) == [1, 1.0 / 3, 1])
    #expect(report.classes.map(\.f1) == [0.5, 0.5, 1])
    // b is always second.
    #expect(report.top == 2 && report.topAccuracy == 1)
    let (high, low) = (log(exp(10.0) + exp(1) + 1), log(exp(11.0) + 2))
    let losses = [high - 10, high - 1, low - 11, high - 10, high - 1]
    #expect(abs(report.loss - losses.reduce(0, +) / 5) < 1e-5)
    #expect(report.confusedPairs(5).map { "\($0.class) \($0.takenFor) \($0.count)" } == ["b a 2"])
    #expect(
      report.protocol
        == "dots, all 5 pictures, 3x1, gray, pixel / 255; one model, no test-time augmentation; "
        + "precision, recall and F1 per class")
  }

  @Test func anEnsembleAveragesProbabilities() throws {
    let models = [try pixelModel([0, 2, 0]), try pixelModel([4, 0, 0])]
    let images = Tensor.uniform([260, 1, 3, 1], in: 0...1, seed: 3)
    let single = try models.map { try Classifier([$0]).probabilities(images) }
    let together = try Classifier(models).probabilities(images)
    #expect(together.shape == [260, 3])
    for index in 0..<780 {
      let mean = (single[0].elements[index] + single[1].elements[index]) / 2
      #expect(abs(together.elements[index] - mean) < 1e-6)
    }
    // Whatever the batch that a picture came in.
    let last = Tensor([1, 1, 3, 1], Array(images.elements.suffix(3)))
    expectClose(
      try Classifier(models).probabilities(last).elements, Array(together.elements.suffix(3)),
      tolerance: 1e-6)
    let logits = try Classifier(models).logits(last).elements
    let expected = zip(last.elements, [2, 1, 0]).map { 10 * $0 + Float($1) }
    expectClose(logits, expected, tolerance: 1e-5)
  }

  @Test func aPictureOfAnySizeIsClassified() throws {
    let wide = ByteImage(
      width: 30, height: 10, channels: 3,
      samples: (0..<900).map { UInt8($0 / 3 % 30 >= 20 ? 200 : 0) })
    let found = try Classifier([pixelModel()]).classify(wide, top: 2)
    #expect(found.map(\.name) == ["c", "a"] && found.map(\.index) == [2, 0])
    #expect(abs(found[0].probability - 1 / (1 + 2 * exp(-10 * 200 / 255))) < 1e-5)
  }

  @Test func classesGoByTheirNames() throws {
    let set = try dots([0, 1, 2], labels: [2, 1, 0], names: ["c", "b", "a"])
    #expect(try ClassificationEvaluation.run(Classifier([pixelModel()]), on: set).accuracy == 1)
  }

  @Test func whatDoesNotFitIsNamed() throws {
    var other = try pixelModel()
    other.information.task = "denoise"
    let wrongTask = other
    #expect(
      errorLine { _ = try Classifier([wrongTask]) }
        == "expected a model that classifies, received one for the task denoise")
    #expect(
      errorLine { _ = try Classifier([pixelModel(), pixelModel(names: ["x", "b", "c"])]) }
        == "expected models of one kind for an ensemble, received [1, 1, 3, 1] with 3 classes and "
        + "[1, 1, 3, 1] with 3")
    #expect(
      errorLine { _ = try Classifier([pixelModel(names: ["a", "b"])]) }
        == "expected a model from gray or RGB images to 2 named classes, received "
        + "[1, 1, 3, 1] to [1, 3]")
    let color = try LabeledImages(
      name: "color", size: PixelSize(width: 3, height: 1), channels: 3,
      pixels: [UInt8](repeating: 0, count: 9), labels: [0], classNames: ["a", "b", "c"])
    #expect(
      errorLine { _ = try ClassificationEvaluation.run(Classifier([pixelModel()]), on: color) }
        == "color: the model takes pictures of 3x1 with 1 channels; received 3x1 with 3")
    #expect(errorLine { _ = try Classifier([]) } == "a classifier needs at least one model")
  }

  @Test func theConfusionPictureFitsFewAndManyClasses() throws {
    for (classes, isLarge) in [(3, false), (120, true)] {
      let names = (0..<classes).map { "class \($0)" }
      let rows = names.indices.map { index in
        names.indices.map { $0 == index ? 90 : $0 == 0 ? 10 : 0 }
      }
      let row: [String: Any] = ["count": 1, "correct": 1, "precision": 1, "recall": 1, "f1": 1]
      let values: [String: Any] = [
        "protocol": "", "count": 1, "accuracy": 1, "top": 1, "top_accuracy": 1, "loss": 0,
        "images_per_second": 1, "confusion": rows,
        "classes": names.map { name in row.merging(["name": name]) { $1 } },
      ]
      let report = try JSONDecoder().decode(
        ClassificationReport.self, from: JSONSerialization.data(withJSONObject: values))
      let picture = ConfusionPicture.draw(report, title: "t")
      #expect(picture.width > (isLarge ? 900 : 150) && picture.width < 1100)
    }
  }
}

@Suite(.serialized) struct ClassificationTrainingTests {
  private func request(_ data: URL, _ network: ClassifierNetwork, epochs: Int = 12)
    -> ClassificationTrainingRequest
  {
    var request = ClassificationTrainingRequest(data: data.path, network: network)
    request.form = PictureForm(width: 16, height: 16, mode: .gray)
    request.batch = 10
    request.holdOut = 30
    request.learningRate = 3e-3
    request.warmUp = 5
    request.epochs = epochs
    request.augmentation.shift = 1
    return request
  }

  @Test(arguments: [ClassifierNetwork.lenet, .lenet5, .course, .resnet20])
  func barsAreToldApart(_ network: ClassifierNetwork) throws {
    try withScratchFolder { folder in
      try writeBars(in: folder.appending(path: "bars"), count: 50, seed: 1)
      try writeBars(in: folder.appending(path: "others"), count: 20, seed: 2)
      let run = folder.appending(path: "run")
      var request = request(folder.appending(path: "bars"), network)
      if network == .lenet { (request.learningRate, request.epochs) = (1e-2, 40) }
      if network == .course { request.smoothing = 0.1 }
      let report = try ClassificationTraining.run(request, in: run, isResuming: false)
      #expect(report.reason == .finished && report.step == 12 * (request.epochs ?? 0))
      let model = try ModelFile.read(from: run.appending(path: "best.safetensors"))
      #expect(model.information.classNames == ["lying", "slanting", "standing"])
      #expect(model.information.architecture == network.rawValue)
      #expect(model.information.figures["accuracy"] == report.best)
      let test = try LabeledImages.read(
        folder.appending(path: "others"), part: .test, form: request.form)
      let found = try ClassificationEvaluation.run(Classifier([model]), on: test)
      print("\(network.rawValue): accuracy \(found.accuracy) on 60 pictures")
      #expect(found.accuracy >= 0.9)
      for name in ["configuration.json", "last.safetensors", "log.csv", "previews"] {
        #expect(FileManager.default.fileExists(atPath: run.appending(path: name).path), "\(name)")
      }
    }
  }

  @Test func aStoppedTrainingEndsWithTheSameBytes() throws {
    try withScratchFolder { folder in
      let data = folder.appending(path: "bars")
      try writeBars(in: data, count: 20, seed: 1)
      var request = request(data, .lenet5, epochs: 3)
      request.holdOut = 15
      request.averageDecay = 0.9
      request.saveInterval = 2
      _ = try ClassificationTraining.run(
        request, in: folder.appending(path: "whole"), isResuming: false)
      let parts = folder.appending(path: "parts")
      for (isResuming, stop) in [(false, 3), (true, 8), (true, Int.max)] {
        let interrupt = InterruptFlag()
        let listener = ClosureListener { event in
          if case .step(let step) = event, step.step == stop { interrupt.raise() }
        }
        _ = try ClassificationTraining.run(
          request, in: parts, isResuming: isResuming, listeners: [listener], interrupt: interrupt)
      }
      for name in ["last.safetensors", "best.safetensors"] {
        #expect(
          try Data(contentsOf: folder.appending(path: "whole").appending(path: name))
            == Data(contentsOf: parts.appending(path: name)))
      }
      request.batch = 11
      let other = request
      #expect(
        errorLine { _ = try ClassificationTraining.run(other, in: parts, isResuming: true) }?
          .hasSuffix("the run has batch 10; received 11") == true)
    }
  }

  @Test func aTrainingStartsFromAModelAndLeavesAloneWhatIsFrozen() throws {
    try withScratchFolder { folder in
      let data = folder.appending(path: "bars")
      try writeBars(in: data, count: 20, seed: 1)
      func parameters(_ run: String) throws -> [String: Tensor] {
        try ModelFile.read(from: folder.appending(path: run).appending(path: "last.safetensors"))
          .parameters
      }
      var request = request(data, .lenet5, epochs: 1)
      request.holdOut = 15
      _ = try ClassificationTraining.run(
        request, in: folder.appending(path: "first"), isResuming: false)
      let first = try parameters("first")
      let layer = try #require(first.keys.sorted().first?.split(separator: "/").first)
      request.startFrom = folder.appending(path: "first/last.safetensors").path
      request.frozen = ["\(layer)/"]
      (request.seed, request.epochs) = (2, 0)
      _ = try ClassificationTraining.run(
        request, in: folder.appending(path: "start"), isResuming: false)
      #expect(try parameters("start") == first)
      request.epochs = 2
      _ = try ClassificationTraining.run(
        request, in: folder.appending(path: "second"), isResuming: false)
      for (name, tensor) in try parameters("second") {
        #expect((tensor == first[name]) == name.hasPrefix("\(layer)/"), "\(name)")
      }
      request.startFrom = folder.appending(path: "none.safetensors").path
      let missing = request
      #expect(
        errorLine {
          _ = try ClassificationTraining.run(
            missing, in: folder.appending(path: "third"), isResuming: false)
        }?.hasSuffix("none.safetensors: cannot read: No such file or directory") == true)
    }
  }

  @Test func aStartSaysWhatItLeavesOut() throws {
    try withScratchFolder { folder in
      let data = folder.appending(path: "bars")
      try writeBars(in: data, count: 10, seed: 1)
      var request = request(data, .course, epochs: 0)
      request.holdOut = 6
      let first = folder.appending(path: "first")
      _ = try ClassificationTraining.run(request, in: first, isResuming: false)
      func warnings(_ network: ClassifierNetwork, _ run: String) throws -> [String] {
        var lines: [String] = []
        request.network = network
        _ = try ClassificationTraining.run(
          request, in: folder.appending(path: run), isResuming: false,
          listeners: [
            ClosureListener { if case .warning(_, let line) = $0 { lines.append(line) } }
          ])
        return lines
      }
      request.startFrom = first.appending(path: "last.safetensors").path
      #expect(try warnings(.course, "same").isEmpty)
      let lines = try warnings(.strided, "other")
      #expect(lines.count == 1)
      #expect(
        lines.first?.hasSuffix(
          ": 2 of 8 parameters come from it; at random begin conv1/weight, conv2/weight, "
            + "dense1/weight, dense1/bias and 2 more; left out are its conv3/bias, conv3/weight, "
            + "dense3/bias, dense3/weight") == true)
      request.frozen = ["conv1/", "convolution"]
      let line = errorLine { _ = try warnings(.course, "none") }
      #expect(
        line?.hasPrefix("--freeze convolution: no parameter's name begins so; there are ") == true)
      #expect(!FileManager.default.fileExists(atPath: folder.appending(path: "none").path))
    }
  }

  @Test func theModelCarriesItsNormalization() throws {
    try withScratchFolder { folder in
      let data = folder.appending(path: "bars")
      try writeBars(in: data, count: 10, seed: 3)
      var request = request(data, .lenet5, epochs: 0)
      request.holdOut = 0
      let run = folder.appending(path: "run")
      let report = try ClassificationTraining.run(request, in: run, isResuming: false)
      #expect(report.step == 0)
      #expect(!FileManager.default.fileExists(atPath: run.appending(path: "best.safetensors").path))
      let model = try ModelFile.read(from: run.appending(path: "last.safetensors"))
      let statistics = try LabeledImages.read(data, part: .training, form: request.form).statistics
      let first = try #require(model.graph.nodes.first)
      #expect(first.name == "standardization")
      let affine = try #require(first.operation as? AffineOperation)
      #expect(affine.scale == 1 / statistics.deviation[0])
      #expect(affine.shift == -statistics.mean[0] / statistics.deviation[0])
    }
  }

  @Test func impossibleRequestsLeaveOneLineAndNoRunFolder() throws {
    try withScratchFolder { folder in
      let data = folder.appending(path: "bars")
      try writeBars(in: data, count: 5, seed: 1)
      let run = folder.appending(path: "run")
      func line(_ change: (inout ClassificationTrainingRequest) -> Void) -> String? {
        var request = request(data, .course)
        request.holdOut = 3
        change(&request)
        let line = errorLine {
          _ = try ClassificationTraining.run(request, in: run, isResuming: false)
        }
        #expect(!FileManager.default.fileExists(atPath: run.path))
        return line
      }
      #expect(line { $0.batch = 13 }?.contains("a batch has 1 to 12 pictures; received 13") == true)
      #expect(
        line { $0.holdOut = 15 } == "bars: 15 of 15 pictures cannot be held out for validation")
      #expect(line { $0.classNames = ["a"] } == "bars: expected 3 class names, received 1")
      #expect(line { $0.smoothing = 1 } == "a smoothing is at least 0 and below 1; received 1.0")
      #expect(
        line { $0.augmentation.rotation = 200 }
          == "augmentation: rotation takes 0.0...180.0; received 200.0")
      #expect(line { $0.data = data.path + "x" }?.hasSuffix(": no such file or folder") == true)
      #expect(
        line {
          $0.network = .lenet
          $0.form.width = 8
        }?.hasPrefix("layer h") == true)
    }
  }
}
