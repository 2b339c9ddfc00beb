// One stage of a face swap's training: its programs, what it measures, draws and writes.

import AtelierDatasets
import AtelierEngine
import AtelierImages
import AtelierInterchange
import AtelierKernels
import AtelierScenery
import AtelierTraining
import AtelierZoo
import Foundation

/// The parts of one stage.
final class FaceSwapSession {
  let request: FaceSwapTrainingRequest
  let store: ParameterStore
  private let stage: FaceSwapStage
  private let faces: FaceSwapFaces
  private let kernels: Kernels
  private let training: Program
  private let preview: Program
  /// Draws a step's faces by the other's decoder, under the name of whose faces they are.
  private var swaps: [SwapFace: Program] = [:]
  /// The graph of model files.
  private let graph: Graph

  /// How many faces the preview's program draws at once.
  private static let previewBatch = 8
  /// The rows of a preview picture.
  private static let previewRows = 6

  /// Prepares a stage.
  ///
  /// - Parameters:
  ///   - request: What is trained.
  ///   - stage: Whose autoencoders learn.
  ///   - faces: The faces.
  ///   - start: Parameters that do not start at random.
  ///   - kernels: Instruction set and threads.
  /// - Throws: `ShapeError` when the network does not take its side or there is no memory.
  init(
    _ request: FaceSwapTrainingRequest, stage: FaceSwapStage, faces: FaceSwapFaces,
    startingFrom start: [String: Tensor], kernels: Kernels
  ) throws {
    self.request = request
    self.stage = stage
    self.faces = faces
    self.kernels = kernels
    let network = request.network
    graph = try network.previewGraph(batch: 1)
    let trained = try network.trainingGraph(
      batch: request.batch, faces: stage.faces, isEncoderFrozen: stage.isEncoderFrozen,
      loss: request.loss, maskWeight: request.maskWeight,
      featurePriority: request.eyesMouthPriority ?? 1, cycleWeight: request.cycleWeight)
    let shown = try network.previewGraph(batch: Self.previewBatch).specialized(for: .infer)
    store = try ParameterStore(for: [trained, shown], seed: request.seed, startingFrom: start)
    training = try Program(trained, parameters: store, kernels: kernels, seed: request.seed)
    preview = try Program(shown, parameters: store, kernels: kernels)
    guard request.cycleWeight > 0 else { return }
    for face in stage.faces {
      let graph = try network.conversionGraph(batch: request.batch, to: face.other)
      swaps[face] = try Program(
        graph.specialized(for: .infer), parameters: store, kernels: kernels)
    }
  }

  /// Trains in a folder, from its state when it has one.
  func run(
    in folder: RunFolder, listeners: [any TrainingListener], progress: ProgressListener?,
    interrupt: InterruptFlag
  ) throws -> FaceSwapTrainingReport {
    let loop = try loop(in: folder)
    let errors = stage.faces.map { "error_\($0.rawValue)" }
    let forecast = ForecastListener(errors, goal: request.goal)
    progress?.remark = { forecast.forecast.text }
    defer { progress?.remark = nil }
    loop.interrupt = interrupt
    let drawing = PreviewListener { [unowned self] step in
      try draw(step: step, in: folder, forecast.forecast)
    }
    loop.listeners =
      folder.logs(metricNames) + [forecast, drawing] + [progress].compactMap { $0 } + listeners
    let report = try loop.run()
    return FaceSwapTrainingReport(stop: report, forecast: forecast.forecast)
  }

  private func loop(in folder: RunFolder) throws -> TrainingLoop {
    let rate = request.learningRate
    let schedule: Schedule =
      switch request.decay {
      case .constant: .constant
      case .cosine: .progressCosine(minimum: rate / 100)
      }
    let optimizer = Optimizer(
      .adam(beta1: request.beta1, beta2: 0.999), learningRate: rate,
      schedule: request.warmUp > 0 ? .warmUp(steps: request.warmUp, then: schedule) : schedule,
      normLimit: request.gradientLimit)
    let configuration = TrainingConfiguration(
      steps: stage.steps, minutes: stage.minutes, validationInterval: request.validationInterval,
      previewInterval: request.previewInterval, saveInterval: request.saveInterval,
      averageDecay: request.averageDecay, monitor: Monitor("mae", .minimum), seed: request.seed)
    let people = stage.faces.compactMap { face in faces.training[face].map { (face, $0) } }
    let source = ClosureBatchSource { step in
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
    let loop = try TrainingLoop(
      [TrainingStep(program: training, optimizer: optimizer, kernels: kernels)], source: source,
      configuration: configuration, folder: folder, kernels: kernels)
    if request.cycleWeight > 0 {
      loop.derivedInputs = { [unowned self] step, batch in try swapped(batch, step: step) }
    }
    loop.validate = { [unowned self] _ in try measured() }
    loop.writeModel = { [unowned self] _, file, metrics in
      try ModelFile.write(
        model(step: file.step, metrics: metrics), to: URL(fileURLWithPath: file.path))
    }
    return loop
  }

  /// What the other's decoder draws of a step's un-warped faces; before the cycle begins, the faces.
  private func swapped(_ batch: [String: Tensor], step: Int) throws -> [String: Tensor] {
    var tensors: [String: Tensor] = [:]
    for face in stage.faces {
      guard let faces = batch["target_\(face.rawValue)"], let swap = swaps[face] else { continue }
      let name = "swapped_\(face.rawValue)"
      tensors[name] = faces
      guard step >= request.cycleStart else { continue }
      try swap.setInput("input", faces)
      try swap.run()
      tensors[name] = try swap.output("output")
    }
    return tensors
  }

  // MARK: - Measuring

  private var metricNames: [String] {
    let swaps = faces.truth == nil || stage.faces.count < 2 ? [] : ["swap_psnr", "swap_ssim"]
    return ["mae"] + stage.faces.map { "mae_\($0.rawValue)" } + swaps
  }

  /// Draws faces by both decoders with the store's present weights: `output_a` and `output_b` of each.
  private func drawn(_ input: Tensor) throws -> [SwapFace: Tensor] {
    let side = request.network.side
    let area = side * side * 3
    let count = input.shape.batch
    var results: [SwapFace: [Float]] = [:]
    for first in stride(from: 0, to: count, by: Self.previewBatch) {
      let present = min(Self.previewBatch, count - first)
      try preview.withInput("input") { target in
        _ = target.update(fromContentsOf: input.elements[first * area..<(first + present) * area])
      }
      try preview.run()
      for face in SwapFace.allCases {
        try preview.withOutput("output_\(face.rawValue)") {
          results[face, default: []] += $0.prefix(present * area)
        }
      }
    }
    return results.mapValues { Tensor(input.shape, $0) }
  }

  /// The errors of the measured faces through their own decoders and, where the true swaps are known, those of the swaps.
  private func measured() throws -> [String: Double] {
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
    return metrics
  }

  // MARK: - Pictures

  /// The columns of previews.
  private static let columns = ["A", "A to A", "A to B", "B", "B to B", "B to A"]

  private func draw(step: Int, in folder: RunFolder, _ forecast: ErrorForecast) throws {
    let name = String(format: "%07d", step) + ".png"
    // Other faces every time show more of what the network can do; the timelapse shows the same.
    let rows = try pictures(count: Self.previewRows, step: step)
    let cells = rows.map { row in row.map { PictureGrid.Cell($0) } }
    let grid = PictureGrid(
      title: "step \(step)", columnTitles: Self.columns, rows: cells, magnification: 2)
    try ImageFile.write(
      grid.render(), to: folder.previewsURL.appending(path: "step-" + name))
    if request.timelapseFaces > 0 {
      let place = folder.url.appending(path: "timelapse")
      try FileManager.default.createDirectory(at: place, withIntermediateDirectories: true)
      try ImageFile.write(
        joined(try pictures(count: request.timelapseFaces, step: nil)),
        to: place.appending(path: name))
    }
    let curve = forecast.curve
    if curve.count > 1 {
      let line = LinePlot.Series("mean absolute error", points: curve)
      let goal = LinePlot.Series(
        "goal",
        points: [curve[0].x, curve[curve.count - 1].x].map { SIMD2($0, request.goal) })
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

  /// The model with the store's present weights.
  private func model(step: Int, metrics: [String: Double]) throws -> Model {
    let augmentation = request.augmentation
    var training = [
      "a": name(of: .a), "b": name(of: .b), "mode": request.mode.rawValue, "stage": stage.name,
      "steps": String(step), "batch": "\(request.batch) of each person",
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
    training[FaceSwapModel.layoutKey] = try text(of: faces.layout)
    if let priority = request.eyesMouthPriority {
      training["eyes and mouth"] = "errors counted \(priority) times"
    }
    if request.startFrom != nil { training["start"] = "a trained model" }
    if request.encoderFrom != nil {
      training["encoder"] = request.freezesEncoder ? "given, frozen" : "given, trained on"
    }
    let information = ModelInformation(
      task: FaceSwapModel.task, architecture: request.network.design.rawValue,
      granularity: request.network.side, training: training, figures: metrics)
    return try Model(graph: graph, store: store, information: information)
  }

  private func text(of layout: FaceLayout) throws -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = .sortedKeys
    return String(decoding: try encoder.encode(layout), as: UTF8.self)
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
