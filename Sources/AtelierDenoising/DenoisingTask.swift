// The mathematics of a denoiser's training: patches with noise, what is measured and shown, the model.

import AtelierDatasets
import AtelierEngine
import AtelierFiles
import AtelierImages
import AtelierInterchange
import AtelierKernels
import AtelierScenery
import AtelierTraining
import AtelierWorkbench
import AtelierZoo
import Foundation

/// The mathematics of one denoising training, also used by the comparison of unpoolings.
public final class DenoisingTask: TrainingTask {
  public let request: DenoisingTrainingRequest
  public let steps: [TrainingStep]
  public let source: any BatchSource
  public let monitor: Monitor? = Monitor("psnr", .maximum)
  let graph: Graph
  let pictures: ImageFolder
  public let remarks: [String]
  /// The clean pictures of the validation.
  let validation: [ByteImage]
  private let store: ParameterStore
  /// The store's present weights at work.
  private let denoiser: Denoiser

  /// Prepares a training, of these pictures or those that the request names; throws one line before
  /// anything is written.
  init(
    _ request: DenoisingTrainingRequest, isResuming: Bool = false, kernels: Kernels,
    pictures: ImageFolder? = nil
  ) throws {
    self.request = request
    let architecture = request.network.architecture
    try StudioError.unless(
      request.batch > 0, .usage, "a step needs at least one patch; received \(request.batch)")
    try StudioError.unless(
      request.patch > 0 && request.patch % architecture.granularity == 0, .usage,
      "\(request.network.name) needs patches whose side is a multiple of "
        + "\(architecture.granularity); received \(request.patch)")
    graph = try architecture.graph(batch: 1, height: request.patch, width: request.patch)
    let training = try Self.trainingGraph(request)
    store = try request.recipe.store(for: [training], isResuming: isResuming)
    let program = try Program(training, parameters: store, kernels: kernels, seed: request.seed)
    steps = [try request.recipe.step(program, kernels: kernels)]
    let mode: ColorMode = request.parts.channels == 3 ? .color : .gray
    let folder = try pictures ?? Self.pictures(request, mode)
    self.pictures = folder
    let sampler = try PatchSampler(
      folder: folder, patchSize: request.patch, batchSize: request.batch, seed: request.seed)
    remarks = PicturePlan.few(folder.leftOut + sampler.warnings, of: "pictures left out")
    source = try DenoisingBatches(
      sampler: sampler, noises: request.noises, target: request.target,
      givesNoiseMap: graph.input(named: "noise") != nil,
      teachesNoiseMap: graph.output(named: "level") != nil)
    let clean =
      request.validation.isEmpty
      ? folder.items.prefix(6).map(\.image)
      : try ImageFolder(request.validation.map { URL(fileURLWithPath: $0) }, mode: mode).items
        .prefix(16).map(\.image)
    validation = clean.map {
      $0.centerCropped(width: min($0.width, 192), height: min($0.height, 192))
    }
    denoiser = try Denoiser(
      RunningModel(
        graph: graph, information: Self.information(request), store: store,
        capacity: max(Set(validation.map(\.size)).count, 1), kernels: kernels))
  }

  /// The graph of a step: with two losses where the network estimates the noise itself.
  private static func trainingGraph(_ request: DenoisingTrainingRequest) throws -> Graph {
    let (batch, side) = (request.batch, request.patch)
    if case .blindUNet(let network) = request.network {
      return try network.trainingGraph(
        batch: batch, height: side, width: side, loss: request.loss)
    }
    return try request.network.architecture.graph(batch: batch, height: side, width: side)
      .training(loss: request.loss)
  }

  /// The training pictures: those of the data, then the project's own scenes.
  private static func pictures(
    _ request: DenoisingTrainingRequest, _ mode: ColorMode
  ) throws -> ImageFolder {
    try request.expectPictures()
    let scenes = try (0..<request.scenes).map { index in
      ImageFolder.Item(
        name: "scene \(index)",
        image: try SampleScenes.render(
          SceneKind.allCases[index % SceneKind.allCases.count], width: 512, height: 384,
          seed: request.seed &+ UInt64(index)
        ).bytes)
    }
    guard !request.data.isEmpty else { return ImageFolder(items: scenes, mode: mode) }
    let urls = request.data.map { URL(fileURLWithPath: $0) }
    return try request.moreScales.reduce(
      ImageFolder(urls, mode: mode, scale: request.scale)
    ) { folder, scale in
      folder.appending(try ImageFolder(urls, mode: mode, scale: scale).items)
    }.appending(scenes)
  }

  private static func information(
    _ request: DenoisingTrainingRequest, step: Int = 0, metrics: [String: Double] = [:]
  ) -> ModelInformation {
    let architecture = request.network.architecture
    return ModelInformation(
      task: Denoiser.task, architecture: request.network.name,
      granularity: architecture.granularity, receptiveRadius: architecture.receptiveRadius,
      training: [
        "noise": request.noises.map(\.description).joined(separator: ", "), "steps": String(step),
        "patch": String(request.patch), "batch": String(request.batch), "loss": "\(request.loss)",
        "seed": String(request.seed), "target": request.target.rawValue,
      ], figures: metrics)
  }

  public func model(step: Int, metrics: [String: Double]) throws -> Model {
    try Model(
      graph: graph, store: store,
      information: Self.information(request, step: step, metrics: metrics))
  }

  /// The mean PSNR over the validation pictures; noisy ∣ denoised ∣ clean of the first ones.
  public func validate(step: Int) throws -> Validation {
    let results = try denoisedValidation()
    let figures = try results.map { try Metrics.psnr($0.target, $0.result) }
    let psnr = figures.reduce(0, +) / Double(max(figures.count, 1))
    return Validation(["psnr": psnr]) {
      let rows = try zip(results, figures).prefix(4).map { found, figure in
        [
          PictureGrid.Cell(
            found.noisy, caption: Self.caption(try Metrics.psnr(found.target, found.noisy))),
          PictureGrid.Cell(found.result, caption: Self.caption(figure)),
          PictureGrid.Cell(found.target),
        ]
      }
      return PreviewSheet(PictureGrid(columnTitles: ["noisy", "denoised", "clean"], rows: rows))
    }
  }

  /// A validation picture with noise, as the store's present weights give it, and as it should be.
  struct ValidationResult: Sendable {
    let noisy: ByteImage
    let result: ByteImage
    let target: ByteImage
  }

  /// Every validation picture with seeded noise, and denoised by the store's present weights.
  ///
  /// Where cameras' noise is learnt it is validated with that, else with white Gaussian noise.
  func denoisedValidation() throws -> [ValidationResult] {
    let cameras = request.noises.filter(\.changesTarget)
    var options = Denoiser.Options()
    options.sigma = denoiser.estimatesNoise ? nil : request.validationSigma
    return try validation.enumerated().map { index, clean in
      var noisy = DenoisingEvaluation.noised(
        clean.floats, sigma: request.validationSigma, seed: 0, index: index)
      var target = clean
      if !cameras.isEmpty {
        let pair = cameras[index % cameras.count].pair(of: clean, seed: 0, index: index)
        (noisy, target) = (pair.noisy, pair.clean.bytes)
        if !denoiser.estimatesNoise { options.sigma = 255 * pair.deviation }
      }
      return ValidationResult(
        noisy: noisy.bytes, result: try denoiser.denoise(noisy, options).bytes, target: target)
    }
  }

  static func caption(_ psnr: Double) -> String { String(format: "%.2f dB", psnr) }
}
