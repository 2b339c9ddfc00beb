// The mathematics of one duel: two programs over one store, the PGD between them, what it measures
// and writes.

import AtelierClassification
import AtelierDatasets
import AtelierEngine
import AtelierFiles
import AtelierInterchange
import AtelierKernels
import AtelierTraining
import AtelierWorkbench
import AtelierZoo
import Foundation

/// One duel of a generator and a classifier.
public final class DuelTask: TrainingTask {
  public let request: DuelRequest
  public let steps: [TrainingStep]
  public let source: any BatchSource
  public let metricNames = DuelTraining.curves.map(\.0)
  public var remarks: [String] { images.remarks(with: watched) }
  private let store: ParameterStore
  private let images: LabeledImages
  private let watched: LabeledImages?
  /// The graphs of the model files, for one picture.
  private let generator: Graph
  private let classifier: Graph
  private let information: ModelInformation
  /// Both networks over the training's own parameters.
  private let drawer: NoiseAttacker
  private let victim: Classifier
  /// FGSM and PGD on the classifier as it stands, as the curves show them.
  private let attacker: Attacker
  /// PGD on the classifier as it stands; nil when it has no share.
  private let search: VictimGradient?

  /// Prepares a duel; throws one line of `StudioError`, `ShapeError`, `DatasetError` or
  /// `SafetensorsError` before anything is written.
  init(_ request: DuelRequest, kernels: Kernels) throws {
    try request.validate()
    self.request = request
    let given = try request.victim.map { try ModelFile.read(from: URL(fileURLWithPath: $0)) }
    let all = try LabeledImages.training(
      request.data, for: given.map { try Classifier([$0], kernels: kernels) })
    (images, watched) = try all.holdingOut(max(request.holdOut, 0), seed: request.seed)
    source = try Self.source(request, images)
    let shape = images.pictureShape
    generator = try request.generator.graph(shape)
    (classifier, information) =
      try given.map { ($0.graph, $0.information) } ?? Self.newClassifier(request, images)
    let batched = shape.withBatch(request.drawn)
    let attackGraph = try NoiseObjective(budget: request.budget, loss: request.loss).trainingGraph(
      generator: request.generator.graph(batched), victim: classifier.reshaped(["input": batched]))
    let defenceGraph = try DuelTraining.classifierGraph(
      generator: generator, classifier: classifier, request)
    let start = (given?.parameters ?? [:]).map { ("victim/" + $0.key, $0.value) }
    let store = try ParameterStore(
      for: [attackGraph, defenceGraph, generator], seed: request.seed,
      startingFrom: Dictionary(uniqueKeysWithValues: start))
    self.store = store
    var slower = request.recipe
    slower.learningRate = request.classifierRate
    steps = try GameStep.steps(
      [
        GameStep("classifier", defenceGraph, slower),
        GameStep("generator", attackGraph, request.recipe),
      ], over: store, kernels: kernels)
    let running = RunningModel(
      graph: try classifier.prefixed("victim/", input: shape), information: information,
      store: store, kernels: kernels)
    victim = try Classifier([running])
    attacker = try Attacker(victim, budget: request.budget, goal: .untargeted)
    drawer = try NoiseAttacker(
      generator, Self.information(request, images), store, kernels: kernels)
    search =
      request.searched > 0
      ? try VictimGradient(
        running, loss: .unlimited, isTargeted: false, batch: request.searched) : nil
  }

  /// Batches for both; the generator has the last pictures of each.
  private static func source(
    _ request: DuelRequest, _ images: LabeledImages
  ) throws -> any BatchSource {
    let batches = try LabeledBatches(
      images, batchSize: request.batch, augmentation: request.augmentation, seed: request.seed)
    let last = Array(request.batch - request.drawn..<request.batch)
    return ClosureBatchSource(stepsPerEpoch: batches.stepsPerEpoch) { step in
      let batch = batches.pictures(step: step)
      return [
        "input": batch.images, "target": batch.labels,
        "generator/input": batch.images.rows(last), "generator/target": batch.labels.rows(last),
      ]
    }
  }

  /// A classifier that knows nothing yet.
  private static func newClassifier(
    _ request: DuelRequest, _ images: LabeledImages
  ) throws -> (Graph, ModelInformation) {
    let architecture = ClassifierArchitecture(request.classifier, for: images)
    return (
      try architecture.graph(),
      ModelInformation(
        task: Classifier.task, architecture: request.classifier.rawValue,
        preprocessing: architecture.preprocessing, classNames: images.classNames)
    )
  }

  // MARK: - Searching

  public var hasDerivedInputs: Bool { search != nil }

  /// The first pictures of a batch as PGD leaves them, from random starts.
  public func derivedInputs(number: Int, _ batch: [String: Tensor]) throws -> [String: Tensor] {
    guard let search, let pictures = batch["input"], let labels = batch["target"] else {
      return [:]
    }
    let rows = Array(0..<request.searched)
    let clean = pictures.rows(rows)
    let budget = request.searchBudget(step: number / request.recipe.shards)
    var noisy = clean
    var generator = RandomGenerator(seed: request.seed, 0x5047_4421, UInt64(number))
    for row in rows {
      request.searchStart.addNoise(
        to: &noisy, around: clean, row: row, radius: budget.radius, &generator)
    }
    budget.project(&noisy, around: clean)
    let full = request.searchBudget(step: .max).radius
    let size = request.searchStep ?? 2.5 * full / Float(request.searchSteps)
    try search.descend(
      &noisy, around: clean, rows.map { Int(labels.elements[$0]) }, budget,
      steps: request.searchSteps, size: size * budget.radius / full,
      smoothing: request.isSearchSmoothed
        ? GradientSmoothing(
          count: noisy.count,
          generators: rows.map { RandomGenerator(seed: generator.next(), UInt64($0)) }) : nil)
    return ["searched": noisy]
  }

  // MARK: - Measuring

  public var monitor: Monitor? { watched == nil ? nil : Monitor("pgd_20", .maximum) }

  /// The classifier's accuracy on the watched pictures: clean and under each attack.
  public func validate(step: Int) throws -> Validation {
    guard let watched else { return Validation([:]) }
    let drawn = try AttackEvaluation.run(drawer, victim: victim, on: watched)
    var metrics = ["clean": drawn.cleanAccuracy, "generator": drawn.attackedAccuracy]
    for (name, attack) in [("fgsm", Attack.fgsm), ("pgd_20", .pgd(steps: 20, restarts: 1))] {
      metrics[name] = try AttackEvaluation.run(attack, by: attacker, victim: victim, on: watched)
        .attackedAccuracy
    }
    metrics["zero_gradients"] = try GradientMasking.zeroGradients(by: attacker, on: watched)
    return Validation(metrics)
  }

  public func listeners(in folder: RunFolder, _ loop: TrainingLoop) -> [any TrainingListener] {
    [
      MetricPlotListener(
        folder.url.appending(path: DuelTraining.curvesFile),
        title: "accuracy on held-out pictures", metrics: DuelTraining.curves),
      ClosureListener { [unowned loop] event in
        guard case .validated(let report) = event else { return }
        for text in GradientMasking.warnings(curves: report.metrics) {
          try loop.tell(.warning(step: report.step, text))
        }
      },
    ]
  }

  // MARK: - Models

  public func write(_ file: SavedFile, metrics: [String: Double]) throws {
    let place = URL(fileURLWithPath: file.path)
    try ModelFile.write(model(step: file.step, metrics: metrics), to: place)
    guard file.kind == .last else { return }
    let drawn = try Model(
      graph: generator, store: store,
      information: Self.information(request, images, step: file.step, metrics))
    try ModelFile.write(
      drawn, to: place.deletingLastPathComponent().appending(path: DuelTraining.generatorFile))
  }

  /// The classifier with the store's present weights, under its own names.
  public func model(step: Int, metrics: [String: Double]) throws -> Model {
    var information = information
    information.figures = metrics.filter { $0.key != "training_loss" }
    information.training = information.training.merging(Self.texts(request, images, step)) { $1 }
    let named = try ParameterStore(
      for: [classifier], seed: 0,
      startingFrom: Dictionary(
        uniqueKeysWithValues: classifier.parameters.compactMap { parameter in
          store["victim/" + parameter.name].map { (parameter.name, $0) }
        }))
    return try Model(graph: classifier, store: named, information: information)
  }

  /// What the generator's file says.
  private static func information(
    _ request: DuelRequest, _ images: LabeledImages, step: Int = 0,
    _ metrics: [String: Double] = [:]
  ) -> ModelInformation {
    let description = NoiseDescription(
      budget: request.budget, goal: .untargeted, universalSeed: nil)
    return ModelInformation(
      task: NoiseDescription.task, architecture: request.generator.rawValue,
      granularity: request.generator.granularity, classNames: images.classNames,
      training: texts(request, images, step).merging(description.entries) { $1 },
      figures: metrics.filter { $0.key != "training_loss" })
  }

  private static func texts(
    _ request: DuelRequest, _ images: LabeledImages, _ step: Int
  ) -> [String: String] {
    var texts = [
      "data": "\(images.name), \(images.count) pictures", "steps": String(step),
      "batch": request.recipe.batchText, "seed": String(request.seed),
      "duel": "\(request.generator.rawValue) against the classifier, \(request.budget.text), "
        + "balance \(request.balance)",
      "loss": "\(request.loss)",
    ]
    if request.searched > 0 {
      texts["pgd"] =
        "\(request.searched) of \(request.batch) pictures, \(request.searchSteps) steps, "
        + (request.isSearchSmoothed ? "smoothed, " : "")
        + "\(request.searchStart.rawValue) starts, " + request.searchBudget(step: .max).text
    }
    return texts
  }
}

extension Graph {
  /// A classifier's graph for inference, `input` to `output`, with a prefix before each parameter's
  /// name; throws `ShapeError` when it has no input and output of these names.
  fileprivate func prefixed(_ prefix: String, input: Shape) throws(ShapeError) -> Graph {
    let network = try reshaped(["input": input]).specialized(for: .infer)
    return try Graph.trace { builder in
      let answers = builder.call(network, ["input": builder.input("input", input)], prefix: prefix)
      if let logits = answers["output"] { builder.output("output", logits) }
    }
  }
}
