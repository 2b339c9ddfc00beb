// The mathematics of a machine's training: contrastive divergence as one differentiated step, with
// states that the machine itself draws.

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

/// The mathematics of one training of a Boltzmann machine.
public final class BoltzmannTask: TrainingTask {
  public let request: BoltzmannTrainingRequest
  public let steps: [TrainingStep]
  public let source: any BatchSource
  public let metricNames = ["reconstruction", "pseudo_likelihood", "overfit"]
  public let monitor: Monitor? = Monitor("reconstruction", .minimum)
  public let hasDerivedInputs = true
  public var remarks: [String] { images.remarks(with: held) }
  private let images: LabeledImages
  private let held: LabeledImages
  private let stack: BeliefNetwork
  private let store: ParameterStore
  private let sampler: BoltzmannSampler
  private let measures: BoltzmannMeasures
  private let kernels: Kernels

  /// The parameter that keeps persistent chains between steps, so that a resume goes on with them.
  private static let chains = "chains/state"

  /// Prepares a training; throws one line of `StudioError`, `ShapeError`, `DatasetError` or
  /// `SafetensorsError` before anything is written.
  init(_ request: BoltzmannTrainingRequest, kernels: Kernels) throws {
    try StudioError.unless(
      !request.machine.isPersistent || request.recipe.shards == 1, .usage,
      "--persistent keeps one set of chains: it is for --shards 1")
    self.request = request
    self.kernels = kernels
    let all = try LabeledImages.pictures(
      URL(fileURLWithPath: request.data), part: .training, form: request.picturesForm)
    let parts = try all.split(
      holdingOut: request.holdOut ?? max(1, min(1000, all.count / 10)), seed: request.seed)
    (images, held) = (parts.rest, parts.held)
    let below = try request.below.map { try ModelFile.read(from: URL(fileURLWithPath: $0)) }
    let stack = try Self.stack(request, on: below, samples: all.pictureLength)
    self.stack = stack
    let batch = request.recipe.batch
    let graph = try Self.step(stack, request)
    let shape = all.pictureShape
    var start: [String: Tensor] = below?.parameters ?? [:]
    let top = stack.levels[stack.levels.count - 1]
    if below == nil { start["\(top.name)/visible_bias"] = Self.visibleBias(images, top) }
    var graphs = [graph, try stack.stack(shape)]
    if request.machine.isPersistent { graphs.append(try Self.chainGraph(batch, top.visible)) }
    store = try ParameterStore(for: graphs, seed: request.seed, startingFrom: start)
    let program = try Program(graph, parameters: store, kernels: kernels, seed: request.seed)
    steps = [try request.recipe.step(program, floor: 20, kernels: kernels)]
    sampler = try BoltzmannSampler(stack.levels, store: store, batch: batch, kernels: kernels)
    measures = try BoltzmannMeasures(stack, shape: shape, store: store, kernels: kernels)
    let batches = try LabeledBatches(images, batchSize: batch, seed: request.seed)
    source = ClosureBatchSource(stepsPerEpoch: batches.stepsPerEpoch) { step in
      ["pixels": batches.pictures(step: step).images.reshaped([batch, shape.count])]
    }
  }

  /// The stack with the new machine on top; throws `StudioError` when the one below is no stack or
  /// takes other pictures.
  private static func stack(
    _ request: BoltzmannTrainingRequest, on below: Model?, samples: Int
  ) throws -> BeliefNetwork {
    guard let below else {
      return BeliefNetwork(
        visible: samples, widths: [request.hidden], isGaussian: request.machine.isGaussian)
    }
    let known = try BoltzmannModel(below).network
    try StudioError.unless(
      known.levels[0].visible == samples, .data,
      "\(request.below ?? ""): takes pictures of \(known.levels[0].visible) samples; received "
        + "\(samples)")
    return BeliefNetwork(
      visible: samples, widths: known.levels.map(\.hidden) + [request.hidden],
      isGaussian: known.levels[0].isGaussian)
  }

  /// The step of contrastive divergence: `visible` and `sample` [batch, visible] to `loss`, whose
  /// gradient is that of the data's likelihood when the sample is the machine's own.
  ///
  /// The free energy of what is seen falls and that of what is drawn rises; `gap` is their
  /// difference. Throws `ShapeError` when sizes do not fit.
  static func step(
    _ stack: BeliefNetwork, _ request: BoltzmannTrainingRequest
  ) throws(ShapeError) -> Graph {
    let (batch, machine) = (request.recipe.batch, request.machine)
    return try Graph.trace { builder in
      guard let level = stack.levels.last else { return }
      let seen = builder.input("visible", [batch, level.visible])
      let drawn = builder.input("sample", [batch, level.visible])
      let energies = level.freeEnergy(joinBatches([seen, drawn]))
        .splitBatch(sizes: [batch, batch])
      let gap = energies[0].mean() - energies[1].mean()
      builder.output("gap", gap)
      var loss = gap
      if machine.weightCost > 0 {
        let weight = level.weight(seen)
        loss =
          loss + 0.5 * machine.weightCost * Float(weight.shape.count) * (weight * weight).mean()
      }
      if let share = machine.sparsity, machine.sparsityWeight > 0 {
        let means = level.hiddenMean(seen).applying(ReduceOperation(.mean, axes: [0]))
        let surplus = means + -share
        loss =
          loss + machine.sparsityWeight * Float(level.hidden) * (surplus * surplus).mean()
      }
      builder.output("loss", loss)
    }.differentiated()
  }

  /// The logarithm of the odds of each sample being on, so that the weights need not learn it; the
  /// mean of real numbers.
  private static func visibleBias(_ images: LabeledImages, _ level: BoltzmannLevel) -> Tensor {
    var sums = [Double](repeating: 0, count: level.visible)
    images.pixels.withUnsafeBufferPointer { pixels in
      for index in pixels.indices { sums[index % level.visible] += Double(pixels[index]) }
    }
    return Tensor(
      [level.visible],
      sums.map { sum in
        let mean = sum / (255 * Double(images.count))
        guard !level.isGaussian else { return Float(mean) }
        // A sample that is always dark would get a bias without end.
        let bounded = min(max(mean, 0.001), 0.999)
        return Float(log(bounded / (1 - bounded)))
      })
  }

  /// A graph that holds the chains as a parameter that nothing trains.
  private static func chainGraph(_ batch: Int, _ visible: Int) throws(ShapeError) -> Graph {
    try Graph.trace { builder in
      let chains = builder.statistic(chains, [batch, visible], .uniform(bound: 1))
      builder.output("output", chains)
    }
  }

  // MARK: - Drawing

  /// The pictures as the topmost machine sees them, and what it draws for them.
  public func derivedInputs(number: Int, _ batch: [String: Tensor]) throws -> [String: Tensor] {
    guard let pixels = batch["pixels"] else { return [:] }
    let visible = try sampler.below(pixels)
    let start = request.machine.isPersistent ? store[Self.chains] ?? visible : visible
    let sample = try sampler.gibbs(
      start, steps: request.machine.gibbsSteps, drawsVisible: request.machine.isPersistent,
      seed: request.seed, path: UInt64(number))
    if request.machine.isPersistent { try store.set(Self.chains, sample) }
    return ["visible": visible, "sample": sample]
  }

  // MARK: - Measuring

  public func validate(step: Int) throws -> Validation {
    var metrics = try measures.run(held, seed: request.seed)
    let some = try images.selecting(Array(0..<min(held.count, images.count)), suffix: "")
    let seen = try measures.freeEnergy(some)
    // Rising free energy of what was never seen against what was is how a machine overfits.
    metrics["overfit"] = try measures.freeEnergy(held) - seen
    return Validation(metrics) { [self] in try preview(step) }
  }

  /// Pictures, the same drawn again by means, what the machine draws alone, and its filters.
  private func preview(_ step: Int) throws -> PreviewSheet {
    let columns = 10
    let shown = held.tensor(0..<min(columns, held.count))
    let again = try measures.again(shown)
    let alone = try BoltzmannModel.draw(
      stack, store: store, from: shown, shape: held.pictureShape, steps: 200, seed: request.seed,
      kernels: kernels)
    var rows = [shown, again, alone].map { $0.pictures.map { PictureGrid.Cell($0) } }
    var titles = ["pictures", "again", "drawn"]
    let weights = BoltzmannModel.filters(stack, store, shape: held.pictureShape, count: 30)
    for first in stride(from: 0, to: weights.count, by: columns) {
      rows.append(weights[first..<min(first + columns, weights.count)].map { PictureGrid.Cell($0) })
      titles.append("filters")
    }
    return PreviewSheet(
      PictureGrid(rowTitles: titles, rows: rows, magnification: 2, padding: 4))
  }

  // MARK: - Models

  public func model(step: Int, metrics: [String: Double]) throws -> Model {
    var texts = [
      "data": "\(images.name), \(images.count) pictures", "steps": String(step),
      "batch": request.recipe.batchText, "seed": String(request.recipe.seed),
      "loss": (request.machine.isPersistent ? "persistent " : "")
        + "contrastive divergence, \(request.machine.gibbsSteps) Gibbs steps",
      "widths": stack.levels.map { String($0.hidden) }.joined(separator: ", "),
      "visible": stack.levels[0].isGaussian ? "Gaussian" : "binary",
    ]
    if let below = request.below { texts["below"] = URL(fileURLWithPath: below).lastPathComponent }
    return try Model(
      graph: stack.stack(images.pictureShape), store: store,
      information: ModelInformation(
        task: BoltzmannTraining.task, architecture: "rbm", training: texts,
        figures: metrics.filter { $0.key != "training_loss" }))
  }
}
