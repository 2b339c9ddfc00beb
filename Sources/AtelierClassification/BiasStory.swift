// The story of the wolf and the husky on drawn heads: one network that learnt the background, one
// that learnt the head, and where each looks.

import AtelierDatasets
import AtelierEngine
import AtelierImages
import AtelierInterchange
import AtelierKernels
import AtelierTraining
import AtelierWorkbench
import AtelierZoo

/// What became of one of the two networks; encodes to the JSON that `--json` prints.
public struct BiasReport: Sendable, Hashable, Codable {
  /// Whether the background of its training pictures gave the class away.
  public var isBiased: Bool
  /// The share of 200 new pictures like its training pictures that it gets right.
  public var ownAccuracy: Double
  /// The share of 200 new pictures with backgrounds drawn by lot that it gets right.
  public var fairAccuracy: Double
  /// The share of the heat that lies on the heads, mean over 40 pictures, by kind of explanation.
  public var heatOnHead: [String: Double]
  /// The share of the pixels that heads take in these pictures.
  public var headArea: Double

  enum CodingKeys: String, CodingKey {
    case isBiased = "biased"
    case ownAccuracy = "own_accuracy"
    case fairAccuracy = "fair_accuracy"
    case heatOnHead = "heat_on_head"
    case headArea = "head_area"
  }
}

/// Trains and explains both networks.
public enum BiasStory {
  /// Tells the story by trainings of `steps` batches of 32: the biased network's report, the
  /// unbiased one's, and a sheet of both.
  public static func tell(
    seed: UInt64 = 1, steps: Int = 240, kernels: Kernels = Kernels(),
    progress: (String) -> Void = { _ in }
  ) throws -> (reports: [BiasReport], sheet: ByteImage) {
    var reports: [BiasReport] = []
    var rows: [[PictureGrid.Cell]] = []
    var titles: [String] = []
    for isBiased in [true, false] {
      progress(isBiased ? "training on biased pictures" : "training on unbiased pictures")
      let model = try train(isBiased: isBiased, seed: seed, steps: steps, kernels: kernels)
      let explainer = try ClassifierExplainer(model, kernels: kernels)
      reports.append(try report(explainer, isBiased: isBiased, seed: seed))
      let shown = try BiasedPictures.draw(count: 2, isBiased: true, seed: seed &+ 7).images
      for index in 0..<2 {
        let picture = shown.image(index)
        let found = try explainer.classifier.classify(picture, top: 1)[0]
        rows.append(try ExplanationPictures.row(explainer, picture, class: found.index))
        titles.append("\(isBiased ? "biased" : "unbiased"): \(found.name)")
      }
    }
    let grid = PictureGrid(
      columnTitles: ["picture", "occlusion", "saliency", "Grad-CAM"], rowTitles: titles,
      rows: rows, magnification: 5)
    return (reports, grid.render())
  }

  /// A small convolutional network trained on a drawn set.
  private static func train(
    isBiased: Bool, seed: UInt64, steps: Int, kernels: Kernels
  ) throws -> Model {
    let images = try BiasedPictures.draw(count: 600, isBiased: isBiased, seed: seed).images
    let graph = try ClassifierArchitecture(.course, for: images).graph()
    let training = try graph.reshaped(["input": images.pictureShape.withBatch(32)])
      .training(loss: .crossEntropy(), target: [32])
    let store = try ParameterStore(for: [training], seed: seed)
    let batches = try LabeledBatches(images, batchSize: 32, seed: seed)
    let program = try Program(training, parameters: store, kernels: kernels, seed: seed)
    let optimizer = Optimizer.adam(learningRate: 5e-4, schedule: .progressCosine(minimum: 1e-6))
    try TrainingLoop(
      [TrainingStep(program: program, optimizer: optimizer, kernels: kernels)], source: batches,
      configuration: TrainingConfiguration(steps: steps, seed: seed), kernels: kernels
    ).run()
    return try Model(
      graph: graph, store: store,
      information: ModelInformation(
        task: "classify", architecture: ClassifierNetwork.course.rawValue,
        classNames: BiasedPictures.classNames, training: ["data": images.name]))
  }

  private static func report(
    _ explainer: ClassifierExplainer, isBiased: Bool, seed: UInt64
  ) throws -> BiasReport {
    func accuracy(_ isBiased: Bool) throws -> Double {
      let images = try BiasedPictures.draw(count: 200, isBiased: isBiased, seed: seed &+ 1).images
      return try ClassificationEvaluation.run(explainer.classifier, on: images).accuracy
    }
    // Both networks are looked at on the same pictures, where background and head agree.
    let (images, heads) = try BiasedPictures.draw(count: 40, isBiased: true, seed: seed &+ 2)
    var sums: [String: Double] = [:]
    var area = 0.0
    for index in 0..<images.count {
      let (picture, label) = (images.image(index), images.labels[index])
      let heats = [
        "occlusion": try explainer.occlusion(picture, class: label),
        "saliency": try explainer.saliency(picture, class: label),
        "grad-cam": try explainer.gradCAM(picture, class: label),
      ]
      for (name, heat) in heats { sums[name, default: 0] += share(heat, on: heads[index]) }
      area += Double(heads[index].count { $0 }) / Double(heads[index].count)
    }
    let count = Double(images.count)
    return BiasReport(
      isBiased: isBiased, ownAccuracy: try accuracy(isBiased), fairAccuracy: try accuracy(false),
      heatOnHead: sums.mapValues { $0 / count }, headArea: area / count)
  }

  /// The share of positive heat on chosen pixels; 0 without any heat.
  static func share(_ heat: FloatImage, on pixels: [Bool]) -> Double {
    var (inside, whole) = (0.0, 0.0)
    for (value, isInside) in zip(heat.samples, pixels) where value > 0 {
      whole += Double(value)
      if isInside { inside += Double(value) }
    }
    return whole > 0 ? inside / whole : 0
  }
}
