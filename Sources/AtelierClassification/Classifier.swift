// A classifying model at work, alone or with others whose probabilities are averaged.

import AtelierDatasets
import AtelierEngine
import AtelierFiles
import AtelierImages
import AtelierInterchange
import AtelierKernels
import AtelierWorkbench
import AtelierZoo

/// One class of a picture with its probability.
public struct Prediction: Sendable, Hashable, Codable {
  public var index: Int
  public var name: String
  /// The probability, in 0...1.
  public var probability: Float

  enum CodingKeys: String, CodingKey {
    case index = "class"
    case name, probability
  }

  /// The class with its probability in percent, for people.
  package var text: String { "\(name) \(NumberText.fixed(100 * Double(probability), 1)) %" }
}

extension Tensor {
  /// A row of [N, classes].
  package func answers(_ row: Int) -> ArraySlice<Float> {
    elements[row * shape.channels..<(row + 1) * shape.channels]
  }

  /// By how much a class leads the likeliest other one in a row of [N, classes].
  package func lead(of label: Int, row: Int) -> Float {
    let answers = answers(row)
    let own = answers.startIndex + label
    return answers[own] - (answers.indices.lazy.filter { $0 != own }.map { answers[$0] }.max() ?? 0)
  }
}

extension ClassifierArchitecture {
  /// The network for the size, the channels, the classes and the statistics of pictures.
  package init(_ network: ClassifierNetwork, for images: LabeledImages) {
    let statistics = images.statistics
    self.init(
      network, classes: images.classNames.count, height: images.size.height,
      width: images.size.width, channels: images.channels, mean: statistics.mean,
      deviation: statistics.deviation)
  }
}

extension LabeledImages {
  /// The shape of one picture, [1, height, width, channels].
  package var pictureShape: Shape {
    .image(height: size.height, width: size.width, channels: channels)
  }

  /// The pictures without some that are held out by the seed, and these; nil where none are.
  package func holdingOut(
    _ count: Int, seed: UInt64
  ) throws(DatasetError) -> (rest: LabeledImages, held: LabeledImages?) {
    guard count != 0 else { return (self, nil) }
    let parts = try split(holdingOut: count, seed: seed)
    return (parts.rest, parts.held)
  }
}

/// One or several classifying models, ready for pictures; the probabilities of several are
/// averaged; used by one thread at a time.
public final class Classifier {
  /// The task that models of this kind name.
  public static let task = "classify"

  /// The models, at least one.
  public let models: [RunningModel]
  /// The names of the classes, in the order of the outputs.
  public let classNames: [String]
  /// The size of the pictures that the models take.
  public let size: PixelSize
  /// 1 gray, 3 RGB.
  public let channels: Int
  /// Pictures that a program takes at once: of large ones fewer, whose features would take
  /// gigabytes.
  private var batch: Int { min(250, max(8, 4_000_000 / (size.width * size.height * channels))) }

  /// Takes at least one model of the task `classify`; throws `StudioError` when one does something
  /// else or they differ in classes or pictures.
  public convenience init(_ models: [Model], kernels: Kernels = Kernels()) throws {
    // Sets come in one size and single pictures in another; more need not be kept.
    try self.init(
      models.map {
        try RunningModel($0, task: Self.task, "classifies", capacity: 2, kernels: kernels)
      })
  }

  /// Takes models at work; throws `StudioError` when they do something else or do not fit together.
  public init(_ models: [RunningModel]) throws {
    guard let first = models.first else {
      throw StudioError(.usage, "a classifier needs at least one model")
    }
    let shape = try Self.inputShape(first)
    let names = first.information.classNames
    for model in models.dropFirst() {
      let other = try Self.inputShape(model)
      guard other == shape, model.information.classNames == names else {
        throw StudioError(
          .data,
          "expected models of one kind for an ensemble, received \(shape) with \(names.count) "
            + "classes and \(other) with \(model.information.classNames.count)")
      }
    }
    self.models = models
    classNames = names
    size = PixelSize(width: shape.width, height: shape.height)
    channels = shape.channels
  }

  /// The shape of a model's input, [1, height, width, channels]; throws `StudioError` when it does
  /// not classify pictures.
  package static func inputShape(_ model: Model) throws -> Shape {
    try inputShape(RunningModel(model, task: Self.task, "classifies", kernels: Kernels()))
  }

  private static func inputShape(_ model: RunningModel) throws -> Shape {
    let (shape, logits) = try model.ends()
    let names = model.information.classNames
    guard shape.rank == 4, shape.channels == 1 || shape.channels == 3, logits.rank == 2,
      logits.batch == shape.batch, logits.channels == names.count, names.count >= 2
    else {
      throw StudioError(
        .data,
        "expected a model from gray or RGB images to \(names.count) named classes, received "
          + "\(shape) to \(logits)")
    }
    return shape.withBatch(1)
  }

  /// Throws one line of `StudioError` unless pictures have the models' size and channels.
  package func expect(_ images: LabeledImages, _ role: String = "victim") throws {
    guard images.size == size, images.channels == channels else {
      throw StudioError(
        .data,
        "\(images.name): the \(role) takes pictures of \(size) with \(channels) channels; "
          + "received \(images.size) with \(images.channels)")
    }
  }

  /// The probability of every class [N, classes] for pictures [N, height, width, channels] in [0,
  /// 1], of several models the mean; throws `StudioError` when the shape is another.
  public func probabilities(_ images: Tensor) throws -> Tensor {
    try run(images, output: "probabilities")
  }

  /// The logits of every class in the same way.
  public func logits(_ images: Tensor) throws -> Tensor { try run(images, output: "output") }

  private func run(_ images: Tensor, output: String) throws -> Tensor {
    let wanted = Shape.image(
      batch: images.shape.batch, height: size.height, width: size.width, channels: channels)
    guard images.shape == wanted, images.count > 0 else {
      throw StudioError(.data, "the model takes \(wanted); received \(images.shape)")
    }
    let (count, length, classes) = (wanted.batch, wanted.count / wanted.batch, classNames.count)
    var result = Tensor([count, classes])
    let batch = min(count, self.batch)
    let programs = try programs(batch)
    for first in stride(from: 0, to: count, by: batch) {
      let used = min(batch, count - first)
      for program in programs {
        try program.withInput("input") { target in
          for index in 0..<used * length { target[index] = images.elements[first * length + index] }
          for index in used * length..<batch * length { target[index] = 0 }
        }
        try program.run()
        try program.withOutput(output) { values in
          for index in 0..<used * classes {
            result.elements[first * classes + index] += values[index] / Float(programs.count)
          }
        }
      }
    }
    // A training tells of its own; of a file it says that the weights are no use.
    if let model = models.first(where: \.isRead), !result.elements.allSatisfy(\.isFinite) {
      throw StudioError(
        .data, model.beginning + "the network gives a picture what is no number (NaN)")
    }
    return result
  }

  private func programs(_ batch: Int) throws -> [Program] {
    try models.map { model in
      try model.program(key: batch) { try model.graph.classifying(batch: batch) }
    }
  }

  /// The likeliest classes, likeliest first, of a picture of any size and 1 to 4 channels, cut at
  /// its middle to the models' proportions and resized.
  public func classify(_ image: ByteImage, top: Int = 5) throws -> [Prediction] {
    let fitted = image.fitted(to: size, channels: channels)
    let tensor = Tensor(
      .image(height: size.height, width: size.width, channels: channels), fitted.floats.samples)
    let row = try probabilities(tensor).elements
    return Self.ranked(row).prefix(max(top, 1)).map {
      Prediction(index: $0, name: classNames[$0], probability: row[$0])
    }
  }

  /// Class indices by falling value; of equal ones the lower index first.
  package static func ranked(_ row: some Collection<Float>) -> [Int] {
    let values = Array(row)
    return values.indices.sorted { values[$0] != values[$1] ? values[$0] > values[$1] : $0 < $1 }
  }
}

extension Graph {
  /// The graph of a classifier for a batch, for inference, with `output` (logits) and
  /// `probabilities`.
  func classifying(batch: Int) throws(ShapeError) -> Graph {
    guard let input = input(named: "input") else { throw ShapeError("there is no input") }
    return try reshaped(["input": values[input].shape.withBatch(batch)]).specialized(for: .infer)
      .extended { builder, symbols in
        guard let logits = symbols["output"] else { return }
        builder.output("output", logits)
        builder.output("probabilities", Softmax(name: "probabilities")(logits))
      }
  }
}
