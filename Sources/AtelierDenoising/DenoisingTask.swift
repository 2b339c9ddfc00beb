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
  public let monitor: Monitor?
  let graph: Graph
  let pictures: ImageFolder
  public let remarks: [String]
  /// The clean pictures of the validation, where there are such.
  let validation: [ByteImage]
  /// The noisy pictures of the validation of a training without clean ones.
  private let exposures: [NoisyExposure]
  private let spots: BlindSpots
  private let store: ParameterStore
  /// The store's present weights at work.
  private let denoiser: Denoiser

  /// What guesses of hidden pixels are worth, as a figure of a validation.
  static let blindFigure = "blind_psnr"

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
    let mode: ColorMode = request.parts.channels == 3 ? .color : .gray
    let folder = try pictures ?? Self.pictures(request, mode)
    self.pictures = folder
    spots = BlindSpots(
      radius: request.target != .own
        ? 0 : request.blindSpot ?? NoisyExposure.blindRadius(for: folder))
    let training = try Self.trainingGraph(request, spots)
    store = try request.recipe.store(for: [training], isResuming: isResuming)
    let program = try Program(
      training, parameters: store, kernels: kernels, seed: request.seed,
      handsGradientsOver: request.recipe.handsGradientsOver)
    steps = [try request.recipe.step(program, kernels: kernels)]
    let sampler = try PatchSampler(
      folder: folder, patchSize: request.patch, batchSize: request.batch, seed: request.seed)
    var remarks = PicturePlan.few(folder.leftOut + sampler.warnings, of: "pictures left out")
    if request.target == .own, request.blindSpot == nil {
      let side = 2 * spots.radius + 1
      remarks.append(
        "blind spots of \(side)x\(side) pixels, by the noise's correlation; --blind-spot changes it"
      )
    }
    self.remarks = remarks
    let targets =
      request.target == .files ? try Self.targets(of: folder, request) : nil
    source = try DenoisingBatches(
      sampler: sampler, noises: request.noises, target: request.target,
      targets: targets.map {
        try PatchSampler(
          folder: $0, patchSize: request.patch, batchSize: request.batch, seed: request.seed)
      }, spots: spots, givesNoiseMap: graph.input(named: "noise") != nil,
      teachesNoiseMap: graph.output(named: "level") != nil)
    (validation, exposures) = try Self.validation(request, folder, targets)
    monitor = Monitor(request.target == .own ? Self.blindFigure : "psnr", .maximum)
    let sizes = validation.map(\.size) + exposures.map(\.noisy.size)
    denoiser = try Denoiser(
      RunningModel(
        graph: graph, information: Self.information(request), store: store,
        capacity: max(Set(sizes).count, 1), kernels: kernels))
  }

  /// The graph of a step: with two losses where the network estimates the noise itself.
  private static func trainingGraph(
    _ request: DenoisingTrainingRequest, _ spots: BlindSpots
  ) throws -> Graph {
    let (batch, side) = (request.batch, request.patch)
    if case .blindUNet(let network) = request.network, request.target.addsNoise {
      return try network.trainingGraph(
        batch: batch, height: side, width: side, loss: request.loss)
    }
    guard request.target != .own else { return try blindTrainingGraph(request, spots) }
    return try request.network.architecture.graph(batch: batch, height: side, width: side)
      .training(loss: request.loss)
  }

  /// The graph of a step that asks for hidden pixels alone: those where the input `mask` is 1.
  private static func blindTrainingGraph(
    _ request: DenoisingTrainingRequest, _ spots: BlindSpots
  ) throws -> Graph {
    try StudioError.unless(
      request.loss.isPointwise, .usage,
      "--target self judges single pixels: the loss must be one of l1, l2, huber, charbonnier")
    let share = spots.share(of: request.patch)
    let graph = try request.network.architecture.graph(
      batch: request.batch, height: request.patch, width: request.patch)
    return try graph.specialized(for: .train).extended { builder, symbols in
      guard let output = symbols["output"] else { return }
      let mask = builder.input("mask", output.shape)
      let target = builder.input("target", output.shape)
      // Where the mask is 0 both are 0, which no pointwise loss counts.
      builder.output("loss", 1 / share * request.loss(mask * output, mask * target))
      builder.output("output", output)
    }.differentiated()
  }

  /// What the pictures of a folder should give, at its scales.
  private static func targets(
    of folder: ImageFolder, _ request: DenoisingTrainingRequest
  ) throws -> ImageFolder {
    // All scales hold the same pictures in the same order.
    let scales = [request.scale] + request.moreScales
    let count = folder.items.count / scales.count
    let parts = try scales.enumerated().map { index, scale in
      try NoisyExposure.targets(
        of: ImageFolder(
          items: Array(folder.items[index * count..<(index + 1) * count]), mode: folder.mode),
        in: request.targets, scale: scale)
    }
    return parts.dropFirst().reduce(parts[0]) { $0.appending($1.items) }
  }

  /// The pictures that the weights are judged by: clean ones, or noisy ones where there are none.
  private static func validation(
    _ request: DenoisingTrainingRequest, _ folder: ImageFolder, _ targets: ImageFolder?
  ) throws -> (clean: [ByteImage], exposures: [NoisyExposure]) {
    let own =
      request.validation.isEmpty
      ? nil
      : try ImageFolder(request.validation.map { URL(fileURLWithPath: $0) }, mode: folder.mode)
    let items = own.map { $0.items.prefix(16) } ?? folder.items.prefix(6)
    guard request.target.addsNoise else {
      let wanted =
        own != nil && targets != nil
        ? try NoisyExposure.targets(
          of: ImageFolder(items: Array(items), mode: folder.mode), in: request.targets, scale: 1)
        : targets
      return (
        [],
        items.enumerated().map { NoisyExposure($1, target: wanted?.items[$0]) }
      )
    }
    return (items.map { $0.image.middle(NoisyExposure.side) }, [])
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
        "noise": request.target.addsNoise
          ? request.noises.map(\.description).joined(separator: ", ") : "the files' own",
        "steps": String(step),
        "patch": String(request.patch), "batch": request.recipe.batchText,
        "loss": "\(request.loss)",
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
    guard exposures.isEmpty else {
      return try ExposureJudgement(exposures, by: denoiser, spots: spots, seed: request.seed)
        .validation
    }
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

extension Loss {
  /// Whether it is a mean over single values, 0 where prediction and target are the same or nearly.
  fileprivate var isPointwise: Bool {
    switch self {
    case .squaredError, .absoluteError, .huber, .charbonnier: true
    case .sum(let terms): terms.allSatisfy(\.loss.isPointwise)
    default: false
    }
  }
}
