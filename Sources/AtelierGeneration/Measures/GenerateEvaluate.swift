// `generate evaluate`: how near drawn pictures come to real ones, how varied they are, and whether
// they are only remembered.

import AtelierClassification
import AtelierDatasets
import AtelierEngine
import AtelierFiles
import AtelierImages
import AtelierInterchange
import AtelierKernels
import AtelierTraining
import AtelierWorkbench
import AtelierZoo
import Foundation

/// Which generator is measured, against what and by whom.
public struct GenerateEvaluateRequest: JobRequest, Hashable {
  public var model = ""
  public var data = ""
  public var drawn: String?
  public var classifier: String?
  public var count = 10_000
  public var neighborhood = 2000
  public var trainNetwork: ClassifierNetwork?
  public var trainCount = 20_000
  public var trainEpochs = 3
  public var neighbors: String?
  public var seed: UInt64 = 1

  public init() {}

  public static var form: Form<Self> {
    Form(
      Self(),
      fields: [
        Field(
          "model", \.model, "The model file, or the name of a shipped one", value: "file",
          kind: .file(["safetensors"])
        ).lenient.byDefault(nil),
        Field(
          "drawn", \.drawn, "Measure these pictures in place of a model's", value: "dir",
          kind: .source
        ).byDefault(nil),
        Field("data", \.data, "The set that the model learnt from", value: "dir", kind: .source)
          .demanded,
        Field(
          "classifier", \.classifier,
          "The classifier whose features are compared, a model or a shipped one", value: "model",
          kind: .file(["safetensors"])
        ).lenient.byDefault("coarse pixels, and no GAN-test"),
        Field(
          "count", \.count, "Pictures that are drawn, and real ones at most", value: "n",
          .from(64, to: 60_000)),
        Field(
          "neighborhood", \.neighborhood, "Pictures of each kind for precision and recall",
          value: "n", .from(16, to: 20_000)),
        Field(
          "gan-train", \.trainNetwork,
          "Train a new classifier of this network on drawn pictures (GAN-train)", value: "network"
        ).byDefault(nil),
        Field(
          "train-count", \.trainCount, "Drawn pictures that it learns from", value: "n",
          .from(128, to: 200_000)),
        Field("train-epochs", \.trainEpochs, "Epochs that it learns for", value: "n", .from(1)),
        Field(
          "neighbors", \.neighbors,
          "Draw pictures beside their nearest neighbours among the training pictures",
          value: "file", kind: .output),
        .seed(\.seed),
      ])
  }

  public static func check(_ words: FieldWords) throws {
    guard (words["model"] == nil) != (words["drawn"] == nil) else {
      throw FieldError("what is to be measured? give --model, or --drawn with pictures")
    }
  }
}

/// What an evaluation found; encodes to the JSON that `--json` prints.
struct GenerationReport: Encodable, Sendable {
  let `protocol`: String
  let model: String
  let drawn: Int
  let real: Int
  let distance: Double
  /// The distance of as many training pictures to the same test pictures: what perfect ones have.
  let trainingDistance: Double
  let kernelDistance: Double
  let precision: Double
  let recall: Double
  let diversity: Double
  var ganTest: Double?
  var ganTrain: Double?

  enum CodingKeys: String, CodingKey {
    case `protocol`, model, drawn, real, precision, recall, diversity
    case distance = "frechet_distance"
    case trainingDistance = "frechet_distance_of_training_pictures"
    case kernelDistance = "kernel_distance"
    case ganTest = "gan_test"
    case ganTrain = "gan_train"
  }

  /// One row a figure.
  var table: Table {
    var table = Table(["measure", "value"])
    func percent(_ share: Double) -> String { NumberText.fixed(100 * share, 2) + " %" }
    table.append(["Frechet distance", NumberText.fixed(distance, 3)])
    table.append(["  of training pictures", NumberText.fixed(trainingDistance, 3)])
    table.append(["kernel distance x 1000", NumberText.fixed(1000 * kernelDistance, 3)])
    table.append(["precision", percent(precision)])
    table.append(["recall", percent(recall)])
    table.append(["diversity", percent(diversity)])
    if let ganTest { table.append(["GAN-test", percent(ganTest)]) }
    if let ganTrain { table.append(["GAN-train", percent(ganTrain)]) }
    return table
  }
}

/// Measures generators.
public enum GenerateEvaluate: Job {
  public static let workshop = "generate"
  public static let name = "evaluate"
  public static let summary = "Measure how near drawn pictures come to real ones."
  public static let guide = """
    Distances are of the features of the named classifier, not of Inception's: they compare \
    models that were measured with the same one. The real pictures are the set's test part, or \
    all where it has none. Precision: the share of drawn pictures that look real; recall: the \
    share of real ones that could have been drawn; diversity: the mean distance of drawn \
    pictures to each other as a share of the real ones'. GAN-test: the share of drawn pictures \
    that the classifier takes for the class that was asked for. GAN-train: the share of real \
    test pictures that a classifier gets right which only saw drawn ones.

    EXAMPLES
      atelier generate evaluate --model m.safetensors --data fashion-mnist \\
        --classifier classify-fashion --neighbors near.png
      atelier generate evaluate --model m.safetensors --data fashion-mnist \\
        --classifier classify-fashion --gan-train strided
    """

  /// Pictures that are measured, and the classes that they were asked for by, where there are any.
  private struct Drawn {
    var generator: PictureGenerator?
    var pictures: Tensor
    var classes: [Int] = []
    var size: PixelSize { PixelSize(width: pictures.shape.width, height: pictures.shape.height) }
    var classNames: [String] { generator?.classNames ?? [] }
  }

  public static func run(_ request: GenerateEvaluateRequest, in place: JobPlace) throws -> Report {
    try StudioFiles.expectPresent([request.data])
    let drawn = try drawn(request, in: place)
    let sets = try sets(request, drawn)
    for remark in sets.test.remarks() { place.remark(remark) }
    let features = try features(request, drawn.pictures.shape.withBatch(1), place.kernels)
    let real = sets.test.tensor(0..<min(request.count, sets.test.count))
    var found = try measure(
      request, features, drawn: drawn.pictures, real: real, sets.training, place.kernels)
    if let generator = drawn.generator, !drawn.classNames.isEmpty {
      found.ganTest = try ganTest(request, drawn.pictures, drawn.classes, generator, place)
      found.ganTrain = try ganTrain(request, generator, sets.test, place)
    } else if request.trainNetwork != nil {
      place.remark("--gan-train is for models that learnt with --conditional; it is left out")
    }
    var report = Report(value: found)
    report.say(found.table)
    report.note(found.protocol)
    if let file = request.neighbors {
      let some = drawn.pictures.slice(0..<min(10, drawn.pictures.shape.batch))
      try PictureJob.write(
        neighbors(some, sets.training, place).render(), to: file, place: place)
      report.files = [file]
    }
    return report
  }

  /// What the model draws, or the pictures that are given.
  private static func drawn(
    _ request: GenerateEvaluateRequest, in place: JobPlace
  ) throws -> Drawn {
    if let folder = request.drawn {
      let url = URL(fileURLWithPath: folder)
      guard let first = try ImageFolder.list(url).first else {
        throw StudioError(.data, "\(folder): expected pictures; there are none")
      }
      let picture = try ImageFile.read(first.url)
      let form = PictureForm(
        width: picture.width, height: picture.height, mode: picture.isGray ? .gray : .color)
      let set = try LabeledImages.pictures(url, part: .test, form: form)
      try StudioError.unless(
        set.count >= 64, .data, "\(folder): expected at least 64 pictures, received \(set.count)")
      return Drawn(pictures: set.tensor(0..<min(request.count, set.count)))
    }
    let generator = try PictureGenerator(file: request.model, in: place)
    let drawn = try generator.draw(
      numbers: Array(0..<request.count), seed: request.seed, className: nil)
    return Drawn(generator: generator, pictures: drawn.pictures, classes: drawn.classes)
  }

  /// The training part, from which what is remembered would come, and the test part.
  private static func sets(
    _ request: GenerateEvaluateRequest, _ drawn: Drawn
  ) throws -> (training: LabeledImages, test: LabeledImages) {
    let url = URL(fileURLWithPath: request.data)
    let (size, channels) = (drawn.size, drawn.pictures.shape.channels)
    let form = PictureForm(
      width: size.width, height: size.height, mode: channels == 1 ? .gray : .color)
    func read(_ part: DataPart) throws -> LabeledImages {
      let images = try LabeledImages.pictures(url, part: part, form: form)
      try StudioError.unless(
        images.size == size && images.channels == channels, .data,
        "\(images.name): expected pictures of \(size) with \(channels) channels as the drawn "
          + "ones; received \(images.size) with \(images.channels)")
      return drawn.classNames.isEmpty ? images : try images.ordered(as: drawn.classNames)
    }
    let training = try read(.training)
    return (training, LabeledImages.hasPart(.test, in: url) ? try read(.test) : training)
  }

  private static func features(
    _ request: GenerateEvaluateRequest, _ shape: Shape, _ kernels: Kernels
  ) throws -> PictureFeatures {
    guard let name = request.classifier else { return PictureFeatures(pixelsOf: shape) }
    return try PictureFeatures(
      ModelFile.read(from: ShippedModels.file(of: name)), named: name, pictures: shape,
      kernels: kernels)
  }

  /// The distances and shares.
  private static func measure(
    _ request: GenerateEvaluateRequest, _ features: PictureFeatures, drawn: Tensor, real: Tensor,
    _ training: LabeledImages, _ kernels: Kernels
  ) throws -> GenerationReport {
    let (drawnFeatures, realFeatures) = (try features(drawn), try features(real))
    let statistics = FeatureStatistics(realFeatures, kernels: kernels)
    var generator = RandomGenerator(seed: request.seed, LatentStream.watched)
    let chosen = Array(generator.permutation(training.count).prefix(request.count))
    let trainingFeatures = try features(training.tensor(chosen))
    let near = min(request.neighborhood, drawn.shape.batch, real.shape.batch)
    let shares = SampleMeasures.precisionAndRecall(
      drawnFeatures.slice(0..<near), realFeatures.slice(0..<near), kernels: kernels)
    let some = min(256, near)
    let realDistance = meanDistance(realFeatures.slice(0..<some))
    return GenerationReport(
      protocol: "\(features.title); \(drawn.shape.batch) drawn pictures"
        + (request.drawn == nil ? " (seed \(request.seed))" : "")
        + " against \(real.shape.batch) real ones; precision and recall of \(near) of each, 3 "
        + "neighbours",
      model: request.drawn ?? request.model, drawn: drawn.shape.batch, real: real.shape.batch,
      distance: FeatureStatistics(drawnFeatures, kernels: kernels).frechetDistance(to: statistics),
      trainingDistance: FeatureStatistics(trainingFeatures, kernels: kernels)
        .frechetDistance(to: statistics),
      kernelDistance: SampleMeasures.kernelDistance(
        drawnFeatures, realFeatures, kernels: kernels),
      precision: shares.precision, recall: shares.recall,
      diversity: realDistance > 0
        ? meanDistance(drawnFeatures.slice(0..<some)) / realDistance : 1)
  }

  /// The share of pictures that the classifier takes for their class.
  private static func ganTest(
    _ request: GenerateEvaluateRequest, _ drawn: Tensor, _ classes: [Int],
    _ generator: PictureGenerator, _ place: JobPlace
  ) throws -> Double? {
    guard let name = request.classifier else { return nil }
    let classifier = try Classifier(
      [ModelFile.read(from: ShippedModels.file(of: name))], kernels: place.kernels)
    // Classes of a set without names are numbers, which keep their places.
    let names = generator.classNames
    let areNumbers = names == names.indices.map(String.init)
    let set = try labeled(
      drawn, classes, generator,
      names: areNumbers && classifier.classNames.count == names.count
        ? classifier.classNames : names)
    return try ClassificationEvaluation.run(classifier, on: set).accuracy
  }

  private static func ganTrain(
    _ request: GenerateEvaluateRequest, _ generator: PictureGenerator, _ test: LabeledImages,
    _ place: JobPlace
  ) throws -> Double? {
    guard let network = request.trainNetwork else { return nil }
    // Other numbers than those that the rest is measured with.
    let drawn = try generator.draw(
      numbers: Array(0..<request.trainCount), seed: request.seed &+ 1, className: nil)
    return try ClassifierOfSamples.accuracy(
      network,
      from: labeled(drawn.pictures, drawn.classes, generator, names: generator.classNames),
      on: test, epochs: request.trainEpochs, seed: request.seed, in: place)
  }

  /// Drawn pictures as a set with classes, in 8 bits.
  private static func labeled(
    _ pictures: Tensor, _ classes: [Int], _ generator: PictureGenerator, names: [String]
  ) throws -> LabeledImages {
    try LabeledImages(
      name: "drawn pictures", size: generator.size, channels: generator.channels,
      pixels: pictures.elements.map { UInt8(min(max($0, 0), 1) * 255 + 0.5) }, labels: classes,
      classNames: names)
  }

  /// Drawn pictures, each with its nearest training pictures by pixels and how far they are.
  private static func neighbors(
    _ drawn: Tensor, _ training: LabeledImages, _ place: JobPlace
  ) -> PictureGrid {
    let count = 5
    var best = [[(index: Int, distance: Float)]](repeating: [], count: drawn.shape.batch)
    // In parts, so that a large set is never there in floats as a whole.
    for first in stride(from: 0, to: training.count, by: 5000) {
      let part = training.tensor(first..<min(first + 5000, training.count))
      let found = SampleMeasures.nearest(drawn, in: part, count: count, kernels: place.kernels)
      for row in best.indices {
        let all = best[row] + found[row].map { (index: $0.index + first, distance: $0.distance) }
        best[row] = Array(all.sorted { $0.distance < $1.distance }.prefix(count))
      }
    }
    let samples = Float(drawn.count / drawn.shape.batch)
    let rows = zip(drawn.pictures, best).map { picture, found in
      [PictureGrid.Cell(picture)]
        + found.map {
          PictureGrid.Cell(
            training.image($0.index),
            caption: NumberText.fixed(Double(($0.distance / samples).squareRoot()), 3))
        }
    }
    return PictureGrid(
      title: "drawn, and the nearest training pictures (root of the mean squared difference)",
      columnTitles: ["drawn"], rows: rows,
      magnification: max(1, 64 / max(training.size.width, 1)), padding: 6)
  }
}
