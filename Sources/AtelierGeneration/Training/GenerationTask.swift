// The mathematics of a generator's training: both sides' steps, batches, what is measured and drawn.

import AtelierAdversarial
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

/// The mathematics of one training of a generator.
public final class GenerationTask: TrainingTask {
  public let request: GenerationTrainingRequest
  public let steps: [TrainingStep]
  public let source: any BatchSource
  public let metricNames = ["distance", "diversity"]
  public let monitor: Monitor? = Monitor("distance", .minimum)
  public var remarks: [String] {
    images.remarks() + ["distances are of \(watch.features.title), \(watch.count) pictures each"]
  }
  private let images: LabeledImages
  private let architecture: GeneratorArchitecture
  private let generator: PictureGenerator
  /// Encoder and decoder in a row, of an autoencoder.
  private let encoder: PictureEncoder?
  private let watch: GenerationWatch

  /// Prepares a training; throws one line of `StudioError`, `ShapeError`, `DatasetError` or
  /// `SafetensorsError` before anything is written.
  init(_ request: GenerationTrainingRequest, isResuming: Bool, kernels: Kernels) throws {
    self.request = request
    let images = try LabeledImages.pictures(
      URL(fileURLWithPath: request.data), part: .training, form: request.form)
    self.images = images
    try StudioError.unless(
      images.isLabeled || !request.isConditional, .data,
      "\(images.name): its pictures have no classes to ask for; leave --conditional away")
    let architecture = request.architecture(for: images)
    self.architecture = architecture
    let sides = try Self.sides(request, architecture)
    let store = try request.recipe.store(for: sides.map(\.graph), isResuming: isResuming)
    steps = try GameStep.steps(sides, over: store, kernels: kernels)
    source = try GenerationBatches(images, request, architecture)
    let running = RunningModel(
      graph: try architecture.generator(),
      information: ModelInformation(
        task: PictureGenerator.task, architecture: request.network.rawValue,
        preprocessing: "random numbers of the normal distribution",
        classNames: request.isConditional ? images.classNames : []),
      store: store, kernels: kernels)
    generator = try PictureGenerator(running)
    encoder =
      request.network == .vae
      ? try PictureEncoder(architecture, store: store, kernels: kernels) : nil
    watch = try GenerationWatch(
      images, features: Self.features(request, generator.pictureShape, kernels),
      count: min(request.watched, images.count), seed: request.seed, kernels: kernels)
  }

  /// The sides of the training: critic and generator, or encoder and decoder as one.
  private static func sides(
    _ request: GenerationTrainingRequest, _ architecture: GeneratorArchitecture
  ) throws -> [GameStep] {
    if request.network == .vae {
      return [
        GameStep(
          "train", try VariationalStep.graph(architecture, batch: request.batch), request.recipe)
      ]
    }
    let game = request.pictureGame(architecture)
    var judging = request.recipe
    judging.learningRate = request.criticRate ?? judging.learningRate
    return [
      GameStep("critic", try game.criticStep(), judging, turns: request.criticSteps),
      GameStep("generator", try game.generatorStep(), request.recipe),
    ]
  }

  /// What pictures are compared by.
  private static func features(
    _ request: GenerationTrainingRequest, _ shape: Shape, _ kernels: Kernels
  ) throws -> PictureFeatures {
    guard let name = request.classifier else { return PictureFeatures(pixelsOf: shape) }
    return try PictureFeatures(
      ModelFile.read(from: ShippedModels.file(of: name)), named: name, pictures: shape,
      kernels: kernels)
  }

  // MARK: - Measuring

  public func validate(step: Int) throws -> Validation {
    let classes = request.isConditional ? watch.labels : []
    let found = try watch.measure(
      generator.draw(
        watch.codes(latent: request.latent, seed: request.seed), classes: classes))
    return Validation(found) { [self] in try preview() }
  }

  /// What fixed random numbers give now; of classes a row each, of an autoencoder pictures, too.
  private func preview() throws -> PreviewSheet {
    let (columns, names) = (10, generator.classNames)
    let rows = names.isEmpty ? 8 : min(names.count, 20)
    // Every class is drawn from the same numbers.
    let indices = (0..<rows * columns).map { names.isEmpty ? $0 : $0 % columns }
    let pictures = try generator.draw(
      generator.codes(indices, seed: request.seed),
      classes: names.isEmpty ? [] : (0..<rows * columns).map { $0 / columns })
    var grid = PictureGrid(
      rowTitles: names.isEmpty ? [] : Array(names.prefix(rows)),
      rows: pictures.cells(columns: columns), magnification: images.size.width <= 32 ? 2 : 1,
      padding: 4)
    if let encoder {
      let indices = Array(0..<min(columns, images.count))
      let shown = images.tensor(indices)
      let classes = request.isConditional ? indices.map { images.labels[$0] } : []
      let back = try generator.draw(encoder.codes(shown, classes: classes), classes: classes)
      grid.rows = shown.cells(columns: columns) + back.cells(columns: columns) + grid.rows
      grid.rowTitles = ["pictures", "again"] + grid.rowTitles
    }
    return PreviewSheet(grid)
  }

  public func listeners(in folder: RunFolder, _ loop: TrainingLoop) -> [any TrainingListener] {
    [
      GenerationWarnings(
        game: encoder == nil ? request.game : nil, smoothing: request.smoothing
      ) { [unowned loop] step, text in try loop.tell(.warning(step: step, text)) }
    ]
  }

  // MARK: - Models

  /// The generator; of an autoencoder the encoder beside it.
  public func write(_ file: SavedFile, metrics: [String: Double]) throws {
    let place = URL(fileURLWithPath: file.path)
    try ModelFile.write(model(step: file.step, metrics: metrics), to: place)
    guard let encoder, file.kind == .last else { return }
    let folder = place.deletingLastPathComponent()
    let information = ModelInformation(
      task: PictureEncoder.task, architecture: request.network.rawValue,
      classNames: generator.classNames, training: texts(file.step))
    try ModelFile.write(
      encoder.model(information), to: folder.appending(path: PictureEncoder.fileName))
  }

  public func model(step: Int, metrics: [String: Double]) throws -> Model {
    try generator.model.card(texts(step), metrics.filter { $0.key != "training_loss" })
  }

  private func texts(_ step: Int) -> [String: String] {
    var texts = [
      "data": "\(images.name), \(images.count) pictures", "steps": String(step),
      "batch": request.recipe.batchText, "seed": String(request.seed),
      "distance": "Frechet's, of \(watch.features.title), \(watch.count) pictures each",
    ]
    guard encoder == nil else {
      texts["loss"] = "bound on the likelihood, cross-entropy of the samples"
      return texts
    }
    let game = request.pictureGame(architecture)
    var parts = [request.game.rawValue, "\(game.normalization.rawValue) normalization"]
    if request.criticSteps > 1 { parts.append("\(request.criticSteps) critic steps") }
    if game.slopePenalty > 0 { parts.append("slope penalty \(game.slopePenalty)") }
    if game.realPenalty > 0 { parts.append("R1 \(game.realPenalty)") }
    if game.smoothing > 0 { parts.append("smoothing \(game.smoothing)") }
    if !game.changes.isEmpty {
      parts.append("changed by " + game.changes.map(\.rawValue).joined(separator: ", "))
    }
    texts["game"] = parts.joined(separator: ", ")
    return texts
  }
}
