// What a training brings of its own: programs, batches, what it measures and shows, its model.

import AtelierEngine
import AtelierImages
import AtelierInterchange
import AtelierKernels
import AtelierTraining
import Foundation

/// What a validation measured; what it shows is drawn only where a preview is due.
public struct Validation {
  /// What was measured, by name.
  public var metrics: [String: Double]
  /// Draws what the weights do now; nil where there is nothing to see.
  public var preview: (() throws -> PreviewSheet)?

  /// Makes a validation of its parts.
  public init(_ metrics: [String: Double], preview: (() throws -> PreviewSheet)? = nil) {
    self.metrics = metrics
    self.preview = preview
  }
}

/// A picture of a training and what each part of it is.
public struct PreviewSheet: Sendable {
  /// The picture.
  public var picture: ByteImage
  /// What each cell is and where it lies.
  public var cells: [PreviewCell]

  /// A picture of one thing.
  public init(_ picture: ByteImage, title: String) {
    self.picture = picture
    cells = [
      PreviewCell(
        title: title, row: 0, column: 0, x: 0, y: 0, width: picture.width, height: picture.height)
    ]
  }

  /// A table of pictures.
  public init(_ grid: PictureGrid) {
    picture = grid.render()
    cells = grid.places.map {
      PreviewCell(
        title: $0.column < grid.columnTitles.count ? grid.columnTitles[$0.column] : "",
        caption: grid.rows[$0.row][$0.column].caption, row: $0.row, column: $0.column, x: $0.x,
        y: $0.y, width: $0.width, height: $0.height)
    }
  }
}

/// The mathematics of one training; everything else is the same for all and done by `TrainingJob`.
///
/// It is made before the run folder is, so that a request that cannot run leaves nothing behind.
public protocol TrainingTask: AnyObject {
  /// What it is told.
  associatedtype Request: TrainingRequest
  /// What it is told.
  var request: Request { get }
  /// Programs and what moves their parameters, in order, over one store.
  var steps: [TrainingStep] { get throws }
  /// The data.
  var source: any BatchSource { get }
  /// What was left out of the data, said before the first step.
  var remarks: [String] { get }
  /// A sheet of the data as it is, drawn into the run folder before the first step; nil for none.
  var dataSheet: ByteImage? { get }
  /// What decides which weights are best, with the recipe's patience; nil validates nothing.
  var monitor: Monitor? { get }
  /// Whether `TrainingRecipe.store` makes the start; else the task tells itself what it leaves out.
  var startsAsTheRecipeSays: Bool { get }
  /// The metrics that get columns in the run's table.
  var metricNames: [String] { get }
  /// Whether `derivedInputs` gives anything.
  var hasDerivedInputs: Bool { get }
  /// Further inputs of a batch from it and the weights as they are; of several shards the batches
  /// of step n are numbered from n × shards on.
  func derivedInputs(number: Int, _ batch: [String: Tensor]) throws -> [String: Tensor]
  /// Measures the weights that are in the store.
  func validate(step: Int) throws -> Validation
  /// Draws what the weights that are in the store do, of which something may be measured already;
  /// nil where there is nothing to see.
  func preview(step: Int, _ known: Validation?) throws -> PreviewSheet?
  /// Writes the model with the weights that are in the store.
  func write(_ file: SavedFile, metrics: [String: Double]) throws
  /// The model with the weights that are in the store.
  func model(step: Int, metrics: [String: Double]) throws -> Model
  /// Who else is told, for what the training draws of itself into its folder.
  func listeners(in folder: RunFolder, _ loop: TrainingLoop) -> [any TrainingListener]
  /// Changes the loop's settings where the recipe does not say all.
  func adjust(_ configuration: inout TrainingConfiguration)
}

extension TrainingTask {
  public var remarks: [String] { [] }
  public var dataSheet: ByteImage? { nil }
  public var metricNames: [String] { monitor.map { [$0.metric] } ?? [] }
  public var startsAsTheRecipeSays: Bool { true }
  public var hasDerivedInputs: Bool { false }
  public func derivedInputs(number: Int, _ batch: [String: Tensor]) throws -> [String: Tensor] {
    [:]
  }
  @_semantics("optimize.sil.specialize.generic.never")
  public func preview(step: Int, _ known: Validation?) throws -> PreviewSheet? {
    try (known ?? validate(step: step)).preview?()
  }
  public func listeners(in folder: RunFolder, _ loop: TrainingLoop) -> [any TrainingListener] { [] }
  public func adjust(_ configuration: inout TrainingConfiguration) {}
  @_semantics("optimize.sil.specialize.generic.never")
  public func write(_ file: SavedFile, metrics: [String: Double]) throws {
    try ModelFile.write(
      model(step: file.step, metrics: metrics), to: URL(fileURLWithPath: file.path))
  }

  /// The loop of this training, which this task must outlive; without a folder nothing is saved.
  @_semantics("optimize.sil.specialize.generic.never")
  package func loop(
    in folder: RunFolder?, kernels: Kernels, group: (any RankGroup)? = nil
  ) throws -> TrainingLoop {
    let source = source
    let epoch = source.stepsPerEpoch.map { max(1, $0 / request.recipe.shards) }
    var configuration = request.recipe.configuration(epoch: epoch, monitor: monitor)
    adjust(&configuration)
    let loop = try TrainingLoop(
      steps, source: source, configuration: configuration, folder: folder, kernels: kernels,
      group: group)
    loop.writeModel = { [unowned self] _, file, metrics in try write(file, metrics: metrics) }
    if hasDerivedInputs {
      loop.derivedInputs = { [unowned self] in try derivedInputs(number: $0, $1) }
    }
    guard monitor != nil else { return loop }
    // A preview right after a validation shows what was measured, without working twice.
    var latest: (step: Int, validation: Validation)?
    loop.validate = { [unowned self, unowned loop] _ in
      let validation = try validate(step: loop.step)
      latest = (loop.step, validation)
      return validation.metrics
    }
    guard let folder else { return loop }
    loop.listeners = [
      PreviewListener { [unowned self, unowned loop] step in
        let known = latest.flatMap { $0.step == step ? $0.validation : nil }
        guard let sheet = try preview(step: step, known) else { return }
        let name = "step-" + String(format: "%07d", step) + ".png"
        let file = folder.previewsURL.appending(path: name)
        try ImageFile.write(sheet.picture, to: file)
        try loop.tell(
          .preview(PreviewReport(step: step, path: file.relativePath, cells: sheet.cells)))
      }
    ]
    return loop
  }
}
