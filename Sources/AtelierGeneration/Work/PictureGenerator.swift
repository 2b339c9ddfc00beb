// A generator at work: random numbers in, pictures out, in batches that are planned once.

import AtelierEngine
import AtelierFiles
import AtelierImages
import AtelierInterchange
import AtelierKernels
import AtelierWorkbench
import AtelierZoo

/// A model that draws pictures; used by one thread at a time.
public final class PictureGenerator {
  /// The task that models of this kind name.
  public static let task = NetworkTask.generate.rawValue

  /// The model.
  public let model: RunningModel
  /// Random numbers that a picture is drawn from.
  public let latent: Int
  /// The size of the pictures.
  public let size: PixelSize
  /// 1 gray, 3 RGB.
  public let channels: Int
  /// The classes that pictures can be asked for by; empty for none.
  public var classNames: [String] { hasClasses ? model.information.classNames : [] }
  private let hasClasses: Bool
  /// Pictures that a program draws at once.
  private let batch: Int

  /// Takes a model of the task `generate`; throws `StudioError` when it does something else.
  public convenience init(_ model: Model, kernels: Kernels = Kernels()) throws {
    try self.init(RunningModel(model, task: Self.task, "draws pictures", kernels: kernels))
  }

  /// Takes a model at work; throws `StudioError` when it does not draw pictures.
  public init(_ model: RunningModel) throws {
    guard let code = model.inputShape(), let picture = model.outputShape(), code.rank == 2,
      picture.rank == 4, picture.channels == 1 || picture.channels == 3
    else {
      throw StudioError(
        .data,
        "expected a model from random numbers to gray or RGB pictures, named input and output")
    }
    self.model = model
    latent = code.channels
    size = PixelSize(width: picture.width, height: picture.height)
    channels = picture.channels
    let label = model.inputShape("label")
    hasClasses = label != nil
    guard label.map({ $0.channels == model.information.classNames.count }) ?? true else {
      throw StudioError(
        .data,
        "expected a name for each of the model's \(label?.channels ?? 0) classes, received "
          + "\(model.information.classNames.count)")
    }
    batch = min(64, max(1, 4_000_000 / (size.width * size.height * channels)))
  }

  /// The shape of one picture.
  public var pictureShape: Shape {
    .image(height: size.height, width: size.width, channels: channels)
  }

  /// Codes [count, latent] of the normal distribution, each a function of the seed and its index.
  public func codes(_ indices: some Collection<Int>, seed: UInt64) -> Tensor {
    var elements: [Float] = []
    elements.reserveCapacity(indices.count * latent)
    for index in indices { elements += Self.code(latent, seed: seed, index) }
    return Tensor([indices.count, latent], elements)
  }

  /// One code.
  static func code(_ latent: Int, seed: UInt64, _ index: Int) -> [Float] {
    var generator = RandomGenerator(seed: seed, LatentStream.drawn, UInt64(index))
    return (0..<latent).map { _ in generator.normal() }
  }

  /// Pictures [count, height, width, channels] in [0, 1] of codes [count, latent] and, where the
  /// model has classes, a class for each.
  ///
  /// Throws `StudioError` when codes or classes are not what the model takes.
  public func draw(_ codes: Tensor, classes: [Int] = []) throws -> Tensor {
    let (count, length) = (codes.shape.batch, pictureShape.count)
    guard codes.shape == [count, latent], count > 0 else {
      throw StudioError(.data, "the model takes codes of \(latent); received \(codes.shape)")
    }
    let names = classNames
    guard !hasClasses || classes.count == count && classes.allSatisfy(names.indices.contains) else {
      throw StudioError(.usage, "the model draws one of \(names.count) classes for each code")
    }
    let batch = min(batch, count)
    var shapes: [String: Shape] = ["input": [batch, latent]]
    if hasClasses { shapes["label"] = [batch, names.count] }
    let program = try model.program(shapes)
    var result = [Float](repeating: 0, count: count * length)
    for first in stride(from: 0, to: count, by: batch) {
      let used = min(batch, count - first)
      try program.withInput("input") { target in
        for index in 0..<batch * latent {
          target[index] = index < used * latent ? codes.elements[first * latent + index] : 0
        }
      }
      if hasClasses {
        try program.setInput(
          "label",
          Tensor.oneHot((0..<batch).map { $0 < used ? classes[first + $0] : 0 }, names.count))
      }
      try program.run()
      try program.withOutput("output") { values in
        for index in 0..<used * length { result[first * length + index] = values[index] }
      }
    }
    return Tensor(pictureShape.withBatch(count), result)
  }
}

/// The streams of random numbers that belong to generation.
enum LatentStream {
  /// Codes that pictures are drawn of for people.
  static let drawn: UInt64 = 0x4C41_5401
  /// Codes of a training's steps.
  static let training: UInt64 = 0x4C41_5402
  /// Codes of what a training measures.
  static let watched: UInt64 = 0x4C41_5403
}

extension Tensor {
  /// Class indices as [count, classes]: 1 for the class, 0 else.
  static func oneHot(_ indices: [Int], _ classes: Int) -> Tensor {
    var result = Tensor([indices.count, classes])
    for (row, index) in indices.enumerated() { result.elements[row * classes + index] = 1 }
    return result
  }

  /// All pictures as rows of a table of so many columns.
  func cells(columns: Int) -> [[PictureGrid.Cell]] {
    let pictures = pictures
    return stride(from: 0, to: pictures.count, by: columns).map { first in
      pictures[first..<min(first + columns, pictures.count)].map { PictureGrid.Cell($0) }
    }
  }
}
