// Training of a noise generator against a frozen classifier: pictures and a victim in, a run folder
// with a generator out.

import AtelierDatasets
import AtelierEngine
import AtelierImages
import AtelierInterchange
import AtelierKernels
import AtelierTraining
import AtelierZoo
import Foundation

/// What a generator is trained on and how; stored as the run's configuration.
public struct NoiseTrainingRequest: FormerTrainingRequest, Hashable {
  public static let changeable: Set = [
    "epochs", "steps", "minutes", "validationInterval", "saveInterval",
  ]

  /// The folder or file of pictures with classes; the training part is taken.
  public var data: String
  /// The model file of the victim.
  public var victim: String
  /// The generator.
  public var network: NoiseNetwork = .encoderDecoder
  /// The limit on the noise.
  public var budget: NoiseBudget = .infinity(0.3)
  /// What the noise is after.
  public var goal: AttackGoal = .untargeted
  /// What training makes small.
  public var loss: AttackLoss = .margin(kappa: 5)
  /// Whether one noise is learnt for all pictures.
  public var isUniversal = false
  /// The weight of a discriminator that wants pictures to look clean (AdvGAN, Xiao and others 2018);
  /// nil for none.
  public var discriminator: Float?
  /// The model file of a denoiser in front of the victim that the generator learns to get through;
  /// nil for none.
  public var denoiser: String?
  /// The noise's deviation that this denoiser is told, of 255; nil takes 25.
  public var denoiserSigma: Float?
  /// How many training pictures are held out to validate on; nil takes a tenth, at most 2,000.
  public var holdOut: Int?
  /// The random changes of training pictures; nil for none.
  public var augmentation: PictureAugmentation?
  /// Pictures a step.
  public var batch = 128
  /// The base learning rate; half a cosine over the training ends at a thousandth of it.
  public var learningRate = 1e-3
  /// Epochs to make; nil when steps or minutes limit the training.
  public var epochs: Int? = 4
  /// Steps to make; nil for no such limit.
  public var steps: Int?
  /// Minutes to train; nil for no such limit.
  public var minutes: Double?
  /// Steps between validations; nil for one an epoch.
  public var validationInterval: Int?
  /// Steps between saves; nil for one an epoch.
  public var saveInterval: Int?
  /// The seed of weights, orders and the universal noise's source.
  public var seed: UInt64 = 1

  /// Describes a training with the defaults of the house.
  public init(data: String, victim: String) {
    self.data = data
    self.victim = victim
  }
}

/// Trains noise generators.
public enum NoiseTraining {
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
    _ request: NoiseTrainingRequest, in run: URL, isResuming: Bool,
    listeners: [any TrainingListener] = [], interrupt: InterruptFlag = InterruptFlag(),
    kernels: Kernels = Kernels()
  ) throws -> StopReport {
    let session = try NoiseSession(request, kernels: kernels)
    let folder = try request.folder(at: run, isResuming: isResuming)
    let loop = try session.loop(in: folder)
    loop.interrupt = interrupt
    loop.listeners = folder.logs(["success"]) + listeners
    return try loop.run()
  }

  /// Reads the request of a run folder.
  ///
  /// - Throws: `TrainingError` when the folder holds no run of a generator.
  public static func request(of run: URL) throws -> NoiseTrainingRequest {
    try NoiseTrainingRequest(ofRun: run)
  }

  /// The differentiated graph of a training step.
  ///
  /// The victim runs in its inference form and is frozen: no gradient of its weights is planned.
  ///
  /// - Parameters:
  ///   - generator: Draws patterns in [−1, 1]; traced with the batch's shape.
  ///   - victim: A classifier's graph.
  ///   - request: Limit, goal and loss.
  /// - Returns: A graph with inputs `input` (what the generator reads), `picture` when noise is
  ///   universal, and `target`; outputs `loss` and, with a discriminator, `seen`, its part of it.
  /// - Throws: `ShapeError` when generator and victim do not fit together.
  package static func trainingGraph(
    generator: Graph, victim: Graph, _ request: NoiseTrainingRequest
  ) throws(ShapeError) -> Graph {
    guard let place = generator.input(named: "input") else {
      throw ShapeError("the generator has no input of that name")
    }
    let shape = generator.values[place].shape
    let judge =
      try request.discriminator == nil
      ? nil : NoiseDiscriminator.graph(shape).specialized(for: .train)
    return try generator.specialized(for: .train).extended { builder, symbols in
      guard let input = symbols["input"], let pattern = symbols["output"] else { return }
      let picture = request.isUniversal ? builder.input("picture", input.shape) : input
      let gain = request.budget.gain(input.shape.count / input.shape.batch)
      let attacked = (picture + gain * pattern).clamped(0...1)
      let labels = builder.input("target", [input.shape.batch])
      let answers = builder.call(
        victim.specialized(for: .infer), ["input": attacked], prefix: "victim/",
        isTrainable: false)
      guard let logits = answers["output"] else { return }
      var loss = request.loss(logits, labels, isTargeted: request.goal.isTargeted)
      if let weight = request.discriminator, let judge {
        let verdicts = builder.call(
          judge, ["input": attacked], prefix: "discriminator/", isTrainable: false)
        guard let verdict = verdicts["output"] else { return }
        // Least squares (Mao and others 2017): the generator wants to be taken for clean.
        let distance = Loss.squaredError
        let seen = distance(verdict, 0 * verdict + 1)
        builder.output("seen", seen)
        loss = loss + weight * seen
      }
      builder.output("loss", loss)
    }.differentiated()
  }

  /// The differentiated graph of the discriminator's step; the generator is frozen in it.
  ///
  /// - Parameters:
  ///   - generator: Draws patterns in [−1, 1]; traced with the batch's shape.
  ///   - request: Limit and kind of noise.
  /// - Returns: A graph with inputs `input` and, when noise is universal, `picture`; output `loss`.
  /// - Throws: `ShapeError` when the pictures are too small.
  package static func discriminatorGraph(
    generator: Graph, _ request: NoiseTrainingRequest
  ) throws(ShapeError) -> Graph {
    guard let place = generator.input(named: "input") else {
      throw ShapeError("the generator has no input of that name")
    }
    let shape = generator.values[place].shape
    let drawer = generator.specialized(for: .infer)
    let judge = try NoiseDiscriminator.graph(shape.withBatch(2 * shape.batch))
      .specialized(for: .train)
    return try Graph.trace { builder in
      let input = builder.input("input", shape)
      let drawn = builder.call(drawer, ["input": input], isTrainable: false)
      guard let pattern = drawn["output"] else { return }
      let picture = request.isUniversal ? builder.input("picture", shape) : input
      let gain = request.budget.gain(shape.count / shape.batch)
      let attacked = (picture + gain * pattern).clamped(0...1)
      let verdicts = builder.call(
        judge, ["input": joinBatches([picture, attacked])], prefix: "discriminator/")
      guard let verdict = verdicts["output"] else { return }
      let halves = verdict.splitBatch(sizes: [shape.batch, shape.batch])
      let distance = Loss.squaredError
      let clean = distance(halves[0], 0 * halves[0] + 1)
      let noisy = distance(halves[1], 0 * halves[1])
      builder.output("loss", 0.5 * clean + 0.5 * noisy)
    }.differentiated()
  }
}

/// The parts of one training of a generator.
final class NoiseSession {
  let request: NoiseTrainingRequest
  private let victim: Model
  private let classifier: Classifier
  private let kernels: Kernels
  private let store: ParameterStore
  private let graph: Graph
  private let program: Program
  /// The discriminator's program; nil without one.
  private let judge: Program?
  private let batches: LabeledBatches
  private let validation: LabeledImages?
  private let goals: [Int]
  private let shape: Shape

  /// Prepares a training.
  ///
  /// - Throws: `StudioError`, `ShapeError`, `DatasetError` or `SafetensorsError`, one line each,
  ///   before anything is written.
  init(_ request: NoiseTrainingRequest, kernels: Kernels) throws {
    self.request = request
    self.kernels = kernels
    victim = try Self.victim(request)
    classifier = try Classifier([victim], kernels: kernels)
    guard request.budget.radius > 0, request.budget.radius.isFinite else {
      throw StudioError(.usage, "expected an epsilon above 0, received \(request.budget.radius)")
    }
    if case .targeted(let index) = request.goal, index >= classifier.classNames.count {
      throw StudioError(
        .usage, "there is no class \(index); the victim has \(classifier.classNames.count)")
    }
    let form = PictureForm(
      width: classifier.size.width, height: classifier.size.height,
      mode: classifier.channels == 1 ? .gray : .color)
    let all = try LabeledImages.read(
      URL(fileURLWithPath: request.data), part: .training, form: form
    ).ordered(as: classifier.classNames)
    let held = request.holdOut ?? min(2000, all.count / 10)
    let images: LabeledImages
    if held > 0 {
      let parts = try all.split(holdingOut: held, seed: request.seed)
      (images, validation) = (parts.rest, parts.held)
    } else {
      (images, validation) = (all, nil)
    }
    batches = try LabeledBatches(
      images, batchSize: request.batch, augmentation: request.augmentation ?? .init(),
      seed: request.seed)
    shape = .image(
      height: classifier.size.height, width: classifier.size.width, channels: classifier.channels)
    try classifier.expect(images)
    let classifier = classifier
    goals = try request.goal.labels(images.labels) {
      try classifier.logits(images.tensor(0..<images.count))
    }
    graph = try request.network.graph(shape)
    let batched = shape.withBatch(request.batch)
    let drawer = try request.network.graph(batched)
    let training = try NoiseTraining.trainingGraph(
      generator: drawer, victim: victim.graph.reshaped(["input": batched]), request)
    let judging =
      try request.discriminator == nil
      ? nil : NoiseTraining.discriminatorGraph(generator: drawer, request)
    let frozen = victim.parameters
    store = try ParameterStore(
      for: [training] + [judging].compactMap { $0 }, seed: request.seed,
      startingFrom: Dictionary(
        uniqueKeysWithValues: frozen.map { ("victim/" + $0.key, $0.value) }))
    program = try Program(training, parameters: store, kernels: kernels, seed: request.seed)
    judge = try judging.map { [store] in
      try Program($0, parameters: store, kernels: kernels, seed: request.seed)
    }
  }

  /// The victim, behind its denoiser where there is one.
  private static func victim(_ request: NoiseTrainingRequest) throws -> Model {
    if let weight = request.discriminator, !(weight > 0 && weight.isFinite) {
      throw StudioError(.usage, "a discriminator's weight is above 0; received \(weight)")
    }
    let model = try ModelFile.read(from: URL(fileURLWithPath: request.victim))
    guard let denoiser = request.denoiser else { return model }
    return try Defence.model(
      model, behind: ModelFile.read(from: URL(fileURLWithPath: denoiser)),
      sigma: request.denoiserSigma ?? 25)
  }

  /// The loop of this training.
  func loop(in folder: RunFolder?) throws -> TrainingLoop {
    let optimizer = Optimizer(
      .adam(), learningRate: request.learningRate,
      schedule: .progressCosine(minimum: request.learningRate / 1000))
    let epoch = batches.stepsPerEpoch
    let configuration = TrainingConfiguration(
      steps: request.steps, epochs: request.epochs, minutes: request.minutes,
      validationInterval: validation == nil ? nil : request.validationInterval ?? epoch,
      saveInterval: request.saveInterval ?? epoch,
      monitor: validation == nil ? nil : Monitor("success", .maximum), seed: request.seed)
    let (batches, goals, request) = (batches, goals, request)
    let fixed = NoiseAttacker.source(shape, seed: request.seed).elements
    let repeated = Tensor(
      shape.withBatch(request.batch), (0..<request.batch).flatMap { _ in fixed })
    let source = ClosureBatchSource(stepsPerEpoch: epoch) { step in
      let pictures = batches.pictures(step: step).images
      let targets = Tensor(
        [request.batch], batches.indices(step: step).map { Float(goals[$0]) })
      return request.isUniversal
        ? ["input": repeated, "picture": pictures, "target": targets]
        : ["input": pictures, "target": targets]
    }
    var steps = [
      try TrainingStep(
        name: judge == nil ? "train" : "generator", program: program, optimizer: optimizer,
        kernels: kernels)
    ]
    if let judge {
      steps.append(
        try TrainingStep(
          name: "discriminator", program: judge, optimizer: optimizer, kernels: kernels))
    }
    let loop = try TrainingLoop(
      steps, source: source, configuration: configuration, folder: folder, kernels: kernels)
    if let validation {
      loop.validate = { [unowned self] _ in
        let attacker = try NoiseAttacker(model(step: 0, metrics: [:]), kernels: kernels)
        let report = try AttackEvaluation.run(
          attacker, victim: victim, on: validation, kernels: kernels)
        return ["success": report.success]
      }
    }
    loop.writeModel = { [unowned self] _, file, metrics in
      try ModelFile.write(
        model(step: file.step, metrics: metrics), to: URL(fileURLWithPath: file.path))
    }
    return loop
  }

  /// The generator with the store's present weights; the victim stays out of its file.
  func model(step: Int, metrics: [String: Double]) throws -> Model {
    let description = NoiseDescription(
      budget: request.budget, goal: request.goal,
      universalSeed: request.isUniversal ? request.seed : nil)
    var figures = metrics
    figures.removeValue(forKey: "training_loss")
    let texts = [
      "data": batches.images.name, "steps": String(step), "batch": String(request.batch),
      "seed": String(request.seed), "victim": victim.information.architecture,
      "loss": "\(request.loss)"
        + (request.discriminator.map { " + \($0) discriminator" } ?? ""),
    ]
    let information = ModelInformation(
      task: NoiseDescription.task, architecture: request.network.rawValue,
      granularity: request.network.granularity, classNames: classifier.classNames,
      training: texts.merging(description.entries) { $1 }, figures: figures)
    return try Model(graph: graph, store: store, information: information)
  }
}
