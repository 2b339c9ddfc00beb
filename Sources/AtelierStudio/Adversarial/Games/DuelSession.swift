// The parts of one duel: two programs over one store, the PGD between them, what it measures and
// writes.

import AtelierDatasets
import AtelierEngine
import AtelierImages
import AtelierInterchange
import AtelierKernels
import AtelierTraining
import AtelierZoo
import Foundation

/// One duel of a generator and a classifier.
final class DuelSession {
  let request: DuelRequest
  let store: ParameterStore
  private let kernels: Kernels
  private let batches: LabeledBatches
  private let watched: LabeledImages?
  /// The graphs of the model files, for one picture.
  private let generator: Graph
  private let classifier: Graph
  private let information: ModelInformation
  private let attack: Program
  private let defence: Program
  /// PGD on the classifier as it stands; nil when it has no share.
  private let search: VictimGradient?

  /// Prepares a duel.
  ///
  /// - Throws: `StudioError`, `ShapeError`, `DatasetError` or `SafetensorsError`, one line each,
  ///   before anything is written.
  init(_ request: DuelRequest, kernels: Kernels) throws {
    try request.validate()
    self.request = request
    self.kernels = kernels
    let given = try request.victim.map {
      try ModelFile.read(from: URL(fileURLWithPath: $0))
    }
    let (images, watched) = try Self.pictures(request, for: given, kernels)
    self.watched = watched
    batches = try LabeledBatches(
      images, batchSize: request.batch, augmentation: request.augmentation, seed: request.seed)
    let shape = Shape.image(
      height: images.size.height, width: images.size.width, channels: images.channels)
    generator = try request.generator.graph(shape)
    if let given {
      (classifier, information) = (given.graph, given.information)
    } else {
      (classifier, information) = try Self.newClassifier(request, images)
    }
    var noise = NoiseTrainingRequest(data: request.data, victim: request.victim ?? "")
    (noise.budget, noise.loss, noise.batch) = (request.budget, request.loss, request.drawn)
    let batched = shape.withBatch(request.drawn)
    let attackGraph = try NoiseTraining.trainingGraph(
      generator: request.generator.graph(batched),
      victim: classifier.reshaped(["input": batched]), noise)
    let defenceGraph = try DuelTraining.classifierGraph(
      generator: generator, classifier: classifier, request)
    let start = (given?.parameters ?? [:]).map { ("victim/" + $0.key, $0.value) }
    store = try ParameterStore(
      for: [attackGraph, defenceGraph, generator], seed: request.seed,
      startingFrom: Dictionary(uniqueKeysWithValues: start))
    attack = try Program(attackGraph, parameters: store, kernels: kernels, seed: request.seed)
    defence = try Program(defenceGraph, parameters: store, kernels: kernels, seed: request.seed)
    search =
      request.searched > 0
      ? try VictimGradient(
        classifier, prefix: "victim/", parameters: store, loss: .unlimited, isTargeted: false,
        batch: request.searched, kernels: kernels) : nil
  }

  /// The pictures that both learn from, and those that are watched.
  private static func pictures(
    _ request: DuelRequest, for victim: Model?, _ kernels: Kernels
  ) throws -> (training: LabeledImages, watched: LabeledImages?) {
    var form = PictureForm()
    let known = try victim.map { try Classifier([$0], kernels: kernels) }
    if let known {
      form = PictureForm(
        width: known.size.width, height: known.size.height,
        mode: known.channels == 1 ? .gray : .color)
    }
    var all = try LabeledImages.read(
      URL(fileURLWithPath: request.data), part: .training, form: form)
    if let known {
      all = try all.ordered(as: known.classNames)
      try known.expect(all)
    }
    guard request.holdOut > 0 else { return (all, nil) }
    let parts = try all.split(holdingOut: request.holdOut, seed: request.seed)
    return (parts.rest, parts.held)
  }

  /// A classifier that knows nothing yet.
  private static func newClassifier(
    _ request: DuelRequest, _ images: LabeledImages
  ) throws -> (Graph, ModelInformation) {
    let statistics = images.statistics
    let architecture = ClassifierArchitecture(
      request.classifier, classes: images.classNames.count, height: images.size.height,
      width: images.size.width, channels: images.channels, mean: statistics.mean,
      deviation: statistics.deviation)
    return (
      try architecture.graph(),
      ModelInformation(
        task: "classify", architecture: request.classifier.rawValue,
        preprocessing: architecture.preprocessing, classNames: images.classNames)
    )
  }

  /// The loop of this duel.
  func loop(in folder: RunFolder?) throws -> TrainingLoop {
    func optimizer(_ rate: Double) -> Optimizer {
      Optimizer(
        .adam(), learningRate: rate,
        schedule: .warmUp(steps: 100, then: .progressCosine(minimum: rate / 1000)))
    }
    let epoch = batches.stepsPerEpoch
    let configuration = TrainingConfiguration(
      steps: request.steps, epochs: request.epochs, minutes: request.minutes,
      validationInterval: watched == nil ? nil : request.validationInterval ?? epoch,
      saveInterval: request.saveInterval ?? epoch, averageDecay: request.averageDecay,
      monitor: watched == nil ? nil : Monitor("pgd_20", .maximum), seed: request.seed)
    let (batches, request) = (batches, request)
    let source = ClosureBatchSource(stepsPerEpoch: epoch) { step in
      let batch = batches.pictures(step: step)
      let last = Array(request.batch - request.drawn..<request.batch)
      return [
        "input": batch.images, "target": batch.labels,
        "generator/input": batch.images.rows(last), "generator/target": batch.labels.rows(last),
      ]
    }
    let steps = [
      try TrainingStep(
        name: "classifier", program: defence, optimizer: optimizer(request.classifierRate),
        kernels: kernels),
      try TrainingStep(
        name: "generator", program: attack, optimizer: optimizer(request.learningRate),
        kernels: kernels),
    ]
    let loop = try TrainingLoop(
      steps, source: source, configuration: configuration, folder: folder, kernels: kernels)
    if search != nil {
      loop.derivedInputs = { [unowned self] step, batch in try searched(batch, step: step) }
    }
    if watched != nil { loop.validate = { [unowned self] _ in try curves() } }
    loop.writeModel = { [unowned self] _, file, metrics in
      let place = URL(fileURLWithPath: file.path)
      try ModelFile.write(classifierModel(step: file.step, metrics: metrics), to: place)
      guard file.kind == .last else { return }
      try ModelFile.write(
        generatorModel(step: file.step, metrics: metrics),
        to: place.deletingLastPathComponent().appending(path: DuelTraining.generatorFile))
    }
    return loop
  }

  /// The first pictures of a batch as PGD leaves them, from random starts.
  private func searched(_ batch: [String: Tensor], step: Int) throws -> [String: Tensor] {
    guard let search, let pictures = batch["input"], let labels = batch["target"] else {
      return [:]
    }
    let rows = Array(0..<request.searched)
    let clean = pictures.rows(rows)
    let budget = request.searchBudget(step: step)
    var noisy = clean
    var generator = RandomGenerator(seed: request.seed, 0x5047_4421, UInt64(step))
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

  /// The classifier's accuracy on the watched pictures: clean and under each attack.
  private func curves() throws -> [String: Double] {
    guard let watched else { return [:] }
    let model = try classifierModel(step: 0, metrics: [:])
    let attacker = try NoiseAttacker(generatorModel(step: 0, metrics: [:]), kernels: kernels)
    let drawn = try AttackEvaluation.run(attacker, victim: model, on: watched, kernels: kernels)
    var metrics = ["clean": drawn.cleanAccuracy, "generator": drawn.attackedAccuracy]
    for (name, attack) in [("fgsm", Attack.fgsm), ("pgd_20", .pgd(steps: 20, restarts: 1))] {
      metrics[name] =
        try AttackEvaluation.run(
          attack, victim: model, on: watched, budget: request.budget, kernels: kernels
        ).attackedAccuracy
    }
    metrics["zero_gradients"] = try GradientMasking.zeroGradients(
      of: model, on: watched, kernels: kernels)
    return metrics
  }

  // MARK: - Models

  /// The classifier with the store's present weights, under its own names.
  func classifierModel(step: Int, metrics: [String: Double]) throws -> Model {
    var information = information
    information.figures = metrics.filter { $0.key != "training_loss" }
    information.training = information.training.merging(texts(step)) { $1 }
    let named = try ParameterStore(
      for: [classifier], seed: 0,
      startingFrom: Dictionary(
        uniqueKeysWithValues: classifier.parameters.compactMap { parameter in
          store["victim/" + parameter.name].map { (parameter.name, $0) }
        }))
    return try Model(graph: classifier, store: named, information: information)
  }

  /// The generator with the store's present weights.
  func generatorModel(step: Int, metrics: [String: Double]) throws -> Model {
    let description = NoiseDescription(
      budget: request.budget, goal: .untargeted, universalSeed: nil)
    let information = ModelInformation(
      task: NoiseDescription.task, architecture: request.generator.rawValue,
      granularity: request.generator.granularity, classNames: batches.images.classNames,
      training: texts(step).merging(description.entries) { $1 },
      figures: metrics.filter { $0.key != "training_loss" })
    return try Model(graph: generator, store: store, information: information)
  }

  private func texts(_ step: Int) -> [String: String] {
    var texts = [
      "data": "\(batches.images.name), \(batches.images.count) pictures", "steps": String(step),
      "batch": String(request.batch), "seed": String(request.seed),
      "duel": "\(request.generator.rawValue) against the classifier, \(request.budget.text), "
        + "balance \(request.balance)",
      "loss": "\(request.loss)",
    ]
    if request.searched > 0 {
      texts["pgd"] =
        "\(request.searched) of \(request.batch) pictures, \(request.searchSteps) steps, "
        + (request.isSearchSmoothed ? "smoothed, " : "")
        + "\(request.searchStart.rawValue) starts, "
        + request.searchBudget(step: .max).text
    }
    return texts
  }
}
