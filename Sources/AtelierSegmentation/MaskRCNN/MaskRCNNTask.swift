// The mathematics of a Mask R-CNN's training: two programs a step, what is measured and shown, the model.

import AtelierDatasets
import AtelierEngine
import AtelierFiles
import AtelierImages
import AtelierInterchange
import AtelierKernels
import AtelierTraining
import AtelierWorkbench
import AtelierZoo

/// The mathematics of one training.
///
/// Each step runs two programs: one proposes boxes with the weights as they are, without gradients; the other one gets a choice of
/// these boxes as fixed inputs and trains everything, the proposals' part included (approximate joint training, Ren and others
/// 2015, section 3.2).
public final class MaskRCNNTask: TrainingTask {
  public let request: MaskRCNNTrainingRequest
  public let steps: [TrainingStep]
  public let metricNames = ["mask_ap", "mask_ap50", "box_ap"]
  public let hasDerivedInputs = true
  package let store: ParameterStore
  /// Trains everything with a choice of proposals.
  package let training: Program
  package let batches: InstanceBatches
  package let detector: MaskRCNNDetector
  private let network: MaskRCNN
  private let model: RunningModel
  private let proposing: Program
  private let reader: ProposalReader
  private let data: InstanceTrainingData
  /// The classes and their objects, and what was left out.
  public var remarks: [String] { data.remarks }
  public var dataSheet: ByteImage? { data.look?.sheet }

  /// Streams of random numbers apart from those of the batches.
  private static let regionStream: UInt64 = 0x7265_6769

  /// Prepares a training, of the request's own network and pictures unless others are given; throws
  /// one line of `StudioError`, `ShapeError` or `DatasetError` before anything is written.
  package init(
    _ request: MaskRCNNTrainingRequest, sizes: MaskRCNN? = nil, isResuming: Bool = false,
    kernels: Kernels, source: InstanceSource? = nil
  ) throws {
    self.request = request
    guard request.batch > 0, request.proposals > 0, request.side > 0, request.side <= 2048,
      request.enlargement > 0, request.enlargement <= 16
    else {
      throw StudioError(
        .usage,
        "expected at least one picture a step, one proposal, sides up to 2048 pixels and an "
          + "enlargement up to 16; received \(request.batch), \(request.proposals), "
          + "\(request.side) and \(request.enlargement)")
    }
    data = try InstanceTrainingData(request)
    network = sizes ?? MaskRCNN(request.design, classes: data.source.classNames.count)
    let side = request.side
    let graph = try network.graph(height: side, width: side)
    let trained = try network.trainingGraph(
      batch: request.batch, height: side, width: side, sampling: request.sampling)
    let proposed = try network.proposalGraph(batch: request.batch, height: side, width: side)
      .extended { builder, symbols in
        // The pyramid itself is not needed, so its memory is free for others.
        for name in ["rpn_logits", "rpn_deltas"] {
          if let symbol = symbols[name] { builder.output(name, symbol) }
        }
      }.specialized(for: .infer)
    store = try request.recipe.store(for: [trained], isResuming: isResuming)
    training = try Program(trained, parameters: store, kernels: kernels, seed: request.seed)
    proposing = try Program(proposed, parameters: store, kernels: kernels)
    reader = ProposalReader(grid: network.anchorGrid(width: side, height: side))
    batches = InstanceBatches(
      source ?? data.source, network: network, batch: request.batch, sampling: request.sampling,
      seed: request.seed)
    model = RunningModel(
      graph: graph,
      information: ModelInformation(
        task: MaskRCNNModel.task, architecture: MaskRCNNModel.architecture,
        granularity: network.granularity,
        preprocessing: request.reading.text,
        classNames: data.source.classNames),
      store: store, capacity: MaskRCNNDetector.keptPrograms, kernels: kernels)
    detector = MaskRCNNDetector(network, model)
    steps = [
      try TrainingStep(
        program: training, optimizer: request.recipe.optimizer(floor: 100), kernels: kernels)
    ]
  }

  public var source: any BatchSource { batches }
  public var monitor: Monitor? { Monitor("mask_ap", .maximum) }

  /// Proposes boxes with the weights as they are, and chooses what the heads learn from.
  public func derivedInputs(number: Int, _ batch: [String: Tensor]) throws -> [String: Tensor] {
    guard let pictures = batch["input"] else { return [:] }
    try proposing.setInput("input", pictures)
    try proposing.run()
    var limits = ProposalLimits()
    limits.after = request.proposals
    let truths = batches.truths(step: number)
    var inputs = HeadInputs(network, request.sampling, batch: request.batch)
    let logits = try proposing.output("rpn_logits").elements
    let deltas = try proposing.output("rpn_deltas").elements
    for picture in 0..<request.batch {
      let proposals = reader.proposals(logits: logits, deltas: deltas, picture: picture, limits)
      var generator = RandomGenerator(
        seed: request.seed, Self.regionStream, UInt64(number), UInt64(picture))
      let chosen = RegionSampler.regions(
        proposals.map(\.box), truths[picture], count: request.sampling.regions,
        positives: request.sampling.positives, using: &generator)
      inputs.add(chosen, truths[picture], at: picture)
    }
    return inputs.tensors
  }

  // MARK: - Measuring

  /// The figures of the held-out pictures with the store's present weights.
  public func validate(step: Int) throws -> Validation {
    var evaluation = InstanceEvaluation(classNames: data.source.classNames)
    for item in data.validation {
      let objects = try found(item, .measuring())
      evaluation.add(truth: item.objects, detections: objects.map { EncodedObject($0) })
    }
    let report = evaluation.report(data: data.description)
    return Validation([
      "mask_ap": report.masks.ap ?? 0, "mask_ap50": report.masks.ap50 ?? 0,
      "box_ap": report.boxes.ap ?? 0,
    ])
  }

  /// What the network finds in a held-out picture.
  private func found(
    _ item: InstanceTrainingData.Item, _ selection: ObjectSelection
  ) throws -> [MaskedObject] {
    try detector.objects(
      in: item.picture, request.reading, selection, longestSide: MaskRCNNSegmenter.usualLimit)
  }

  /// Picture ∣ truth ∣ found, of the first held-out pictures.
  public func preview(step: Int, _ known: Validation?) throws -> PreviewSheet? {
    let palette = ClassPalette.objects(data.source.classNames)
    let rows = try data.validation.prefix(6).map { item -> [PictureGrid.Cell] in
      let picture = item.picture
      let objects = try found(item, ObjectSelection())
      let truth = try SegmentationOutcome(objects: item.objects, size: picture.size)
      let outcome = try SegmentationOutcome(objects: objects, size: picture.size)
      return [
        PictureGrid.Cell(picture), PictureGrid.Cell(truth.overlay(on: picture, palette: palette)),
        PictureGrid.Cell(
          outcome.overlay(on: picture, palette: palette), caption: "\(objects.count) found"),
      ]
    }
    return PreviewSheet(
      PictureGrid(
        title: "step \(step)", columnTitles: ["picture", "truth", "found"], rows: rows,
        magnification: request.side <= 128 ? 2 : 1))
  }

  // MARK: - The model

  public func model(step: Int, metrics: [String: Double]) throws -> Model {
    let sampling = request.sampling
    var training = [
      "data": data.description, "steps": String(step),
      "pictures": "\(request.recipe.batchText) of \(request.side) × \(request.side) a step",
      "optimizer":
        "AdamW \(request.learningRate), decay \(request.recipe.weightDecay ?? 0), cosine",
      "sampling": "\(sampling.anchors) anchors, \(sampling.regions) regions a picture, at most "
        + "\(sampling.positives) on objects", "seed": String(request.seed),
    ]
    training.merge(try MaskRCNNModel.entries(network, request)) { $1 }
    return try model.card(training, metrics)
  }
}
