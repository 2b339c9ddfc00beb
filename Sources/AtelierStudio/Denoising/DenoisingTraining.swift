// Training of a denoiser: pictures in, a run folder with a model out.

import AtelierDatasets
import AtelierEngine
import AtelierImages
import AtelierInterchange
import AtelierKernels
import AtelierScenery
import AtelierTraining
import AtelierZoo
import Foundation

/// What a denoiser is trained on and how; stored as the run's configuration.
public struct DenoisingTrainingRequest: FormerTrainingRequest, Hashable {
  public static let changeable: Set = [
    "steps", "minutes", "patience", "validationInterval", "previewInterval", "saveInterval",
  ]

  /// Folders or files of clean pictures.
  public var data: [String]
  /// Folders or files of clean pictures to validate on; empty takes crops of the training pictures.
  public var validation: [String] = []
  /// How many of the project's own scenes join the pictures, rendered by seed.
  public var scenes = 0
  /// The network.
  public var network: DenoiserArchitecture
  /// The noises; each patch draws one.
  public var noises: [NoiseModel] = [.gaussian(sigma: 0...50)]
  /// Clean targets, or independent noisy ones (Noise2Noise).
  public var target: DenoisingTarget = .clean
  /// A factor that every picture is resized by first; 0.75 averages away a camera's own noise.
  public var scale: Double = 1
  /// The side of a patch in pixels.
  public var patch = 96
  /// Patches a step.
  public var batch = 16
  /// The loss.
  public var loss: Loss = .absoluteError
  /// The rule that moves the weights.
  public var optimizer: OptimizerKind = .adamW(weightDecay: 0)
  /// The base learning rate; half a cosine over the training ends at a thousandth of it.
  public var learningRate = 1e-3
  /// Steps of the straight line up to the base rate.
  public var warmUp = 200
  /// The largest gradient norm; nil for no limit.
  public var gradientLimit: Double? = 1
  /// The decay of the moving average of the weights, which is what is saved; nil for none.
  public var averageDecay: Double? = 0.999
  /// Steps to make; nil when minutes limit the training.
  public var steps: Int?
  /// Minutes to train; nil when steps limit the training.
  public var minutes: Double?
  /// How many validations in a row may pass without a better PSNR before the training stops; nil
  /// never stops it.
  public var patience: Int?
  /// Steps between validations.
  public var validationInterval = 500
  /// Steps between preview pictures.
  public var previewInterval = 500
  /// Steps between saves.
  public var saveInterval = 250
  /// The deviation of the noise that validation and previews use, in units of 8-bit values.
  public var validationSigma: Float = 25
  /// The seed of weights, patches and noise.
  public var seed: UInt64 = 1

  /// Describes a training with the defaults of the house.
  public init(data: [String], network: DenoiserArchitecture) {
    self.data = data
    self.network = network
  }
}

/// Trains denoisers.
public enum DenoisingTraining {
  /// Trains in a run folder, or goes on there.
  ///
  /// - Parameters:
  ///   - request: What to train; must equal the stored one when resuming, but for its limits.
  ///   - run: The run folder.
  ///   - isResuming: Whether the folder holds a run to go on with.
  ///   - listeners: Who is told, besides the run folder's own logs.
  ///   - interrupt: Asks to save and stop.
  ///   - kernels: Instruction set and threads.
  /// - Returns: Why it ended and what was reached.
  /// - Throws: `StudioError`, `TrainingError`, `DatasetError`, each with one clear line.
  public static func run(
    _ request: DenoisingTrainingRequest, in run: URL, isResuming: Bool,
    listeners: [any TrainingListener] = [], interrupt: InterruptFlag = InterruptFlag(),
    kernels: Kernels = Kernels()
  ) throws -> StopReport {
    let session = try DenoisingSession(request, kernels: kernels)
    let folder = try request.folder(at: run, isResuming: isResuming)
    let loop = try session.loop(in: folder)
    loop.interrupt = interrupt
    loop.listeners =
      folder.logs(["psnr"]) + [folder.previews { _ in try session.preview() }] + listeners
    return try loop.run()
  }

  /// Reads the request of a run folder.
  ///
  /// - Throws: `TrainingError` when the folder holds no run of a denoiser.
  public static func request(of run: URL) throws -> DenoisingTrainingRequest {
    try DenoisingTrainingRequest(ofRun: run)
  }
}

/// The parts of one denoising training, also used by the comparison of unpoolings.
final class DenoisingSession {
  let request: DenoisingTrainingRequest
  let store: ParameterStore
  let graph: Graph
  private let kernels: Kernels
  private let program: Program
  private let batches: DenoisingBatches
  /// The training pictures.
  let pictures: ImageFolder
  /// Clean pictures of the validation.
  let validation: [ByteImage]

  /// Prepares a training.
  ///
  /// - Parameters:
  ///   - request: What to train.
  ///   - kernels: Instruction set and threads.
  ///   - pictures: The training pictures when they are in memory already; else they are read.
  /// - Throws: `StudioError`, `ShapeError` or `DatasetError`, one line each, before anything is
  /// written.
  init(
    _ request: DenoisingTrainingRequest, kernels: Kernels, pictures: ImageFolder? = nil
  ) throws {
    self.request = request
    self.kernels = kernels
    let architecture = request.network.architecture
    guard request.batch > 0 else {
      throw StudioError(.usage, "a step needs at least one patch; received \(request.batch)")
    }
    guard request.patch > 0, request.patch % architecture.granularity == 0 else {
      throw StudioError(
        .usage,
        "\(request.network.name) needs patches whose side is a multiple of \(architecture.granularity); received \(request.patch)"
      )
    }
    graph = try architecture.graph(batch: 1, height: request.patch, width: request.patch)
    let training = try architecture.graph(
      batch: request.batch, height: request.patch, width: request.patch
    ).training(loss: request.loss)
    store = try ParameterStore(for: [training], seed: request.seed)
    program = try Program(training, parameters: store, kernels: kernels, seed: request.seed)
    let folder = try pictures ?? Self.pictures(request, channels: graph.channels)
    self.pictures = folder
    batches = try DenoisingBatches(
      sampler: PatchSampler(
        folder: folder, patchSize: request.patch, batchSize: request.batch, seed: request.seed),
      noises: request.noises, target: request.target,
      givesNoiseMap: graph.input(named: "noise") != nil)
    let mode: ColorMode = graph.channels == 1 ? .gray : .color
    let clean =
      request.validation.isEmpty
      ? folder.items.prefix(6).map(\.image)
      : try ImageFolder(request.validation.map { URL(fileURLWithPath: $0) }, mode: mode).items
        .prefix(16).map(\.image)
    validation = clean.map {
      $0.centerCropped(width: min($0.width, 192), height: min($0.height, 192))
    }
  }

  /// The training pictures: those of the data, then the project's own scenes.
  private static func pictures(
    _ request: DenoisingTrainingRequest, channels: Int
  ) throws -> ImageFolder {
    let mode: ColorMode = channels == 1 ? .gray : .color
    let scenes = try (0..<request.scenes).map { index in
      ImageFolder.Item(
        name: "scene \(index)",
        image: try SampleScenes.render(
          SceneKind.allCases[index % SceneKind.allCases.count], width: 512, height: 384,
          seed: request.seed &+ UInt64(index)
        ).bytes)
    }
    if request.data.isEmpty, !scenes.isEmpty { return ImageFolder(items: scenes, mode: mode) }
    guard !request.data.isEmpty else {
      throw StudioError(.usage, "a training needs pictures: give --data or --scenes")
    }
    return try ImageFolder(
      request.data.map { URL(fileURLWithPath: $0) }, mode: mode, scale: request.scale
    ).appending(scenes)
  }

  /// The loop of this training; without a folder nothing is saved.
  func loop(in folder: RunFolder?) throws -> TrainingLoop {
    let optimizer = Optimizer(
      request.optimizer, learningRate: request.learningRate,
      schedule: .warmUp(
        steps: request.warmUp, then: .progressCosine(minimum: request.learningRate / 1000)),
      normLimit: request.gradientLimit)
    let configuration = TrainingConfiguration(
      steps: request.steps, minutes: request.minutes,
      validationInterval: request.validationInterval, previewInterval: request.previewInterval,
      saveInterval: request.saveInterval, averageDecay: request.averageDecay,
      monitor: Monitor("psnr", .maximum, patience: request.patience), seed: request.seed)
    let loop = try TrainingLoop(
      [TrainingStep(program: program, optimizer: optimizer, kernels: kernels)], source: batches,
      configuration: configuration, folder: folder, kernels: kernels)
    loop.validate = { [unowned self] _ in ["psnr": try validationPSNR()] }
    loop.writeModel = { [unowned self] _, file, metrics in
      try ModelFile.write(
        model(step: file.step, metrics: metrics), to: URL(fileURLWithPath: file.path))
    }
    return loop
  }

  /// The model with the store's present weights.
  func model(step: Int, metrics: [String: Double]) throws -> Model {
    let architecture = request.network.architecture
    let information = ModelInformation(
      task: "denoise", architecture: request.network.name,
      granularity: architecture.granularity, receptiveRadius: architecture.receptiveRadius,
      training: [
        "noise": request.noises.map(\.description).joined(separator: ", "),
        "steps": String(step), "patch": String(request.patch), "batch": String(request.batch),
        "loss": "\(request.loss)", "seed": String(request.seed),
        "target": request.target.rawValue,
      ], figures: metrics)
    return try Model(graph: graph, store: store, information: information)
  }

  /// The mean PSNR over the validation pictures with the store's present weights.
  func validationPSNR() throws -> Double {
    let results = try denoisedValidation()
    let sum = try zip(validation, results).reduce(0.0) {
      $0 + (try Metrics.psnr($1.0, $1.1.clean))
    }
    return sum / Double(max(validation.count, 1))
  }

  /// Every validation picture with seeded noise, and denoised.
  func denoisedValidation() throws -> [(noisy: ByteImage, clean: ByteImage)] {
    let denoiser = try Denoiser(model(step: 0, metrics: [:]), kernels: kernels)
    var options = Denoiser.Options()
    options.sigma = request.validationSigma
    return try validation.enumerated().map { index, clean in
      var samples = clean.floats.samples
      NoiseModel.addProtocolNoise(
        to: &samples, sigma: request.validationSigma, seed: 0, imageIndex: index)
      let noisy = FloatImage(
        width: clean.width, height: clean.height, channels: clean.channels, samples: samples)
      return (noisy.bytes, try denoiser.denoise(noisy, options).bytes)
    }
  }

  /// Noisy ∣ denoised ∣ clean of the first validation pictures.
  func preview() throws -> ByteImage {
    let rows = try zip(validation, denoisedValidation()).prefix(4).map { clean, result in
      [
        PictureGrid.Cell(
          result.noisy, caption: Self.caption(try Metrics.psnr(clean, result.noisy))),
        PictureGrid.Cell(
          result.clean, caption: Self.caption(try Metrics.psnr(clean, result.clean))),
        PictureGrid.Cell(clean),
      ]
    }
    return PictureGrid(columnTitles: ["noisy", "denoised", "clean"], rows: rows).render()
  }

  static func caption(_ psnr: Double) -> String { String(format: "%.2f dB", psnr) }
}

extension Graph {
  /// The channels of the input named `input`.
  fileprivate var channels: Int { input(named: "input").map { values[$0].shape.channels } ?? 1 }
}
