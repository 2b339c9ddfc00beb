// One stage of a face swap's training: programs, what it measures, draws and writes.

import AtelierDatasets
import AtelierEngine
import AtelierImages
import AtelierInterchange
import AtelierKernels
import AtelierScenery
import AtelierTraining
import AtelierWorkbench
import AtelierZoo
import Foundation

/// The mathematics of one stage.
public final class FaceSwapTask: TrainingTask {
  public let request: FaceSwapTrainingRequest
  public let steps: [TrainingStep]
  public let source: any BatchSource
  public let monitor: Monitor? = Monitor("mae", .minimum)
  /// The error so far, and when it reaches the goal.
  var forecast: ErrorForecast { follower.forecast }
  /// Hears what the forecast says, whenever that is something else.
  var tellForecast: (String) -> Void = { _ in }
  private let follower: ForecastListener
  private let stage: FaceSwapStage
  private let faces: FaceSwapFaces
  /// The store's present weights at work; its graph is that of model files.
  private let model: RunningModel

  /// How many faces the preview's program draws at once.
  private static let previewBatch = 8
  /// The rows of a preview picture.
  private static let previewRows = 6

  /// Prepares a stage that starts with the given parameters, the others at random.
  init(
    _ request: FaceSwapTrainingRequest, stage: FaceSwapStage, faces: FaceSwapFaces,
    startingFrom start: [String: Tensor], kernels: Kernels
  ) throws {
    self.request = request
    self.stage = stage
    self.faces = faces
    follower = ForecastListener(stage.faces.map { "error_\($0.rawValue)" }, goal: request.goal)
    let network = request.network
    let trained = try network.trainingGraph(
      batch: request.batch, faces: stage.faces, isEncoderFrozen: stage.isEncoderFrozen,
      loss: request.loss, maskWeight: request.maskWeight,
      featurePriority: request.eyesMouthPriority, cycleWeight: request.cycleWeight)
    let graph = try network.previewGraph(batch: 1)
    let store = try ParameterStore(for: [trained, graph], seed: request.seed, startingFrom: start)
    model = RunningModel(
      graph: graph,
      information: ModelInformation(
        task: FaceSwapModel.task, architecture: network.design.rawValue,
        granularity: network.side), store: store, kernels: kernels)
    var recipe = request.recipe
    recipe.optimizer = .adam(beta1: request.beta1)
    steps = [
      try recipe.step(
        Program(
          trained, parameters: store, kernels: kernels, seed: request.seed,
          handsGradientsOver: recipe.handsGradientsOver), floor: 100, kernels: kernels)
    ]
    let people = stage.faces.compactMap { face in faces.training[face].map { (face, $0) } }
    source = ClosureBatchSource { step in
      var tensors: [String: Tensor] = [:]
      for (face, batches) in people {
        let batch = batches.batch(step: step)
        tensors[face.rawValue] = batch.input
        tensors["target_\(face.rawValue)"] = batch.target
        tensors["target_mask_\(face.rawValue)"] = batch.mask
        tensors["features_\(face.rawValue)"] = batch.features
      }
      return tensors
    }
  }

  /// The stages share the request's limits.
  public func adjust(_ configuration: inout TrainingConfiguration) {
    (configuration.steps, configuration.minutes) = (stage.steps, stage.minutes)
  }

  public func listeners(in folder: RunFolder, _ loop: TrainingLoop) -> [any TrainingListener] {
    var told = ""
    return [
      follower,
      ClosureListener { [unowned self] event in
        guard case .step = event, forecast.text != told else { return }
        told = forecast.text
        tellForecast(told)
      },
      PreviewListener { [unowned self] in try draw(step: $0, in: folder) },
    ]
  }

  // MARK: - The cycle

  public var hasDerivedInputs: Bool { request.cycleWeight > 0 }

  /// What the other's decoder draws of un-warped faces; before the cycle begins, the faces.
  public func derivedInputs(number: Int, _ batch: [String: Tensor]) throws -> [String: Tensor] {
    var tensors: [String: Tensor] = [:]
    for face in stage.faces {
      guard let faces = batch["target_\(face.rawValue)"] else { continue }
      let name = "swapped_\(face.rawValue)"
      tensors[name] = faces
      guard number / request.recipe.shards >= request.cycleStart else { continue }
      let swap = try model.program(key: face) {
        try request.network.conversionGraph(batch: request.batch, to: face.other)
          .specialized(for: .infer)
      }
      try swap.setInput("input", faces)
      try swap.run()
      tensors[name] = try swap.output("output")
    }
    return tensors
  }

  // MARK: - Measuring

  public var startsAsTheRecipeSays: Bool { false }
  public var metricNames: [String] {
    let swaps = faces.truth == nil || stage.faces.count < 2 ? [] : ["swap_psnr", "swap_ssim"]
    return ["mae"] + stage.faces.map { "mae_\($0.rawValue)" } + swaps
  }

  /// Draws faces by both decoders with the store's present weights.
  private func drawn(_ input: Tensor) throws -> [SwapFace: Tensor] {
    let preview = try model.program(key: "preview") {
      try request.network.previewGraph(batch: Self.previewBatch).specialized(for: .infer)
    }
    let area = input.count / max(input.shape.batch, 1)
    var results: [SwapFace: [Float]] = [:]
    try preview.run(input.elements, of: input.shape.batch) { present in
      for face in SwapFace.allCases {
        try preview.withOutput("output_\(face.rawValue)") {
          results[face, default: []] += $0.prefix(present * area)
        }
      }
    }
    return results.mapValues { Tensor(input.shape, $0) }
  }

  /// The errors of faces through their own decoders and, where true swaps are known, of swaps.
  public func validate(step: Int) throws -> Validation {
    var metrics: [String: Double] = [:]
    var swaps: [(psnr: Double, ssim: Double)] = []
    for face in stage.faces {
      guard let (input, target) = faces.validation[face].map({ ($0.input, $0.target) }) else {
        continue
      }
      let results = try drawn(input)
      if let own = results[face] {
        metrics["mae_\(face.rawValue)"] = FaceFigures.meanAbsoluteError(own, target)
      }
      if stage.faces.count == 2, let truth = faces.truth?[face], let other = results[face.other] {
        swaps.append(try FaceFigures.likeness(other, truth))
      }
    }
    let errors = stage.faces.compactMap { metrics["mae_\($0.rawValue)"] }
    metrics["mae"] = errors.reduce(0, +) / Double(max(errors.count, 1))
    if !swaps.isEmpty {
      metrics["swap_psnr"] = swaps.reduce(0) { $0 + $1.psnr } / Double(swaps.count)
      metrics["swap_ssim"] = swaps.reduce(0) { $0 + $1.ssim } / Double(swaps.count)
    }
    return Validation(metrics)
  }

  // MARK: - Pictures

  private static let columns = ["A", "A to A", "A to B", "B", "B to B", "B to A"]

  /// Other faces every time, to show more of what the network can do; the timelapse shows the same.
  public func preview(step: Int, _ known: Validation?) throws -> PreviewSheet? {
    let rows = try pictures(count: Self.previewRows, step: step)
    return PreviewSheet(
      PictureGrid(
        title: "step \(step)", columnTitles: Self.columns,
        rows: rows.map { row in row.map { PictureGrid.Cell($0) } }, magnification: 2))
  }

  /// Draws the timelapse and the curve of the error.
  private func draw(step: Int, in folder: RunFolder) throws {
    if request.timelapseFaces > 0 {
      let place = folder.url.appending(path: "timelapse")
      try FileManager.default.createDirectory(at: place, withIntermediateDirectories: true)
      try ImageFile.write(
        joined(try pictures(count: request.timelapseFaces, step: nil)),
        to: place.appending(path: String(format: "%07d", step) + ".png"))
    }
    let curve = forecast.curve
    if curve.count > 1 {
      let line = LinePlot.Series("mean absolute error", points: curve)
      let goal = LinePlot.Series(
        "goal", points: [curve[0].x, curve[curve.count - 1].x].map { SIMD2($0, request.goal) })
      let plot = LinePlot(
        title: forecast.text, xLabel: "minutes of training", yLabel: "error",
        series: [line, goal], isLogarithmic: true)
      try ImageFile.write(plot.render(), to: folder.url.appending(path: "curve.png"))
    }
  }

  /// Rows of A, A→A, A→B, B, B→B, B→A; of faces drawn by the step, or the first ones.
  private func pictures(count: Int, step: Int?) throws -> [[ByteImage]] {
    var columns: [[ByteImage]] = []
    for face in SwapFace.allCases {
      guard let all = faces.validation[face]?.input else { continue }
      var places = Array(0..<all.shape.batch)
      if let step {
        var generator = RandomGenerator(seed: request.seed, 0x7368_6F77, UInt64(step))
        places = generator.permutation(places.count)
      }
      let input = all.rows(Array(places.prefix(count)))
      let results = try drawn(input)
      columns.append(input.pictures)
      for shown in [face, face.other] { columns.append(results[shown]?.pictures ?? []) }
    }
    let rows = columns.map(\.count).min() ?? 0
    return (0..<rows).map { row in columns.map { $0[row] } }
  }

  /// Pictures of one size without gaps, for films.
  private func joined(_ rows: [[ByteImage]]) -> ByteImage {
    let side = request.network.side
    var picture = ByteImage(
      width: side * (rows.first?.count ?? 1), height: side * max(rows.count, 1), channels: 3)
    for (row, cells) in rows.enumerated() {
      for (column, cell) in cells.enumerated() {
        picture.paste(cell, x: column * side, y: row * side)
      }
    }
    return picture
  }

  // MARK: - The model

  public func model(step: Int, metrics: [String: Double]) throws -> Model {
    let augmentation = request.augmentation
    var training = [
      "a": name(of: .a), "b": name(of: .b), "mode": request.mode.rawValue, "stage": stage.name,
      "steps": String(step), "batch": "\(request.recipe.batchText) of each person",
      "loss": request.loss.rawValue, "cycle": "\(request.cycleWeight)",
      "seed": String(request.seed),
      "optimizer":
        "Adam \(request.learningRate), beta1 \(request.beta1), \(request.decay.rawValue)",
      "augmentation":
        "rotation \(augmentation.rotation), zoom \(augmentation.zoom), shift \(augmentation.shift), "
        + "flip \(augmentation.flipProbability), warp \(augmentation.warp), lightness "
        + "\(augmentation.lightness), chroma \(augmentation.chroma) of "
        + (augmentation.recolorsTarget ? "input and target" : "the input alone")
        + ", \(augmentation.alignment.rawValue)",
      "notice": "a face swap makes synthetic pictures: label them, and ask who is shown",
    ]
    training[FaceSwapModel.layoutKey] = try JSONText.line(faces.layout)
    if request.eyesMouthPriority != 1 {
      training["eyes and mouth"] = "errors counted \(request.eyesMouthPriority) times"
    }
    if request.startFrom != nil { training["start"] = "a trained model" }
    if request.encoderFrom != nil {
      training["encoder"] = request.freezesEncoder ? "given, frozen" : "given, trained on"
    }
    var information = model.information
    (information.training, information.figures) = (training, metrics)
    return try Model(graph: model.graph, store: model.store, information: information)
  }

  /// What the model's card says of a person; a folder's name without its place.
  private func name(of face: SwapFace) -> String {
    if let poses = request.characterPoses, let who = CharacterCrops.people[face] {
      return "\(who.name), fictional, \(poses) drawn poses"
    }
    let paths = face == .a ? request.a : request.b
    let names = paths.map { URL(fileURLWithPath: $0).lastPathComponent }
    let count = faces.training[face]?.faces.items.count ?? 0
    return "\(names.joined(separator: ", ")), \(count) crops"
  }
}
