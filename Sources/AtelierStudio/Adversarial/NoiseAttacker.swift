// A trained generator of adversarial noise at work.

import AtelierEngine
import AtelierInterchange
import AtelierKernels

/// A generator of the task `attack`, ready for pictures of its own size.
///
/// Used by one thread at a time.
public final class NoiseAttacker {
  /// The model.
  public let model: Model
  /// The limit that it was trained with.
  public let budget: NoiseBudget
  /// What it was trained for.
  public let goal: AttackGoal
  /// Whether every picture gets the same noise.
  public let isUniversal: Bool
  /// The pictures that it draws for, [1, height, width, channels].
  public let shape: Shape
  private let store: ParameterStore
  private let kernels: Kernels
  private var program: Program?
  private static let batch = 250

  /// Takes a generator.
  ///
  /// - Parameters:
  ///   - model: What `ModelFile.read` gave.
  ///   - kernels: Instruction set and threads.
  /// - Throws: `StudioError` when the model does something else.
  public init(_ model: Model, kernels: Kernels = Kernels()) throws {
    guard model.information.task == NoiseDescription.task else {
      throw StudioError(
        .data,
        "expected a model that attacks, received one for the task \(model.information.task)")
    }
    let description = try NoiseDescription(model.information)
    guard let input = model.graph.input(named: "input"),
      let output = model.graph.output(named: "output"), model.graph.inputs.count == 1,
      model.graph.values[input].shape == model.graph.values[output].shape,
      model.graph.values[input].shape.rank == 4
    else { throw StudioError(.data, "expected a model that draws a pattern of its input's shape") }
    self.model = model
    self.kernels = kernels
    (budget, goal) = (description.budget, description.goal)
    isUniversal = description.universalSeed != nil
    shape = model.graph.values[input].shape.withBatch(1)
    store = try model.store()
    universal = try description.universalSeed.map { try pattern(Self.source(shape, seed: $0)) }
  }

  /// The pattern of every picture, for universal noise.
  private var universal: Tensor?

  /// The fixed random image that universal noise is drawn from, uniform in [0, 1].
  static func source(_ shape: Shape, seed: UInt64) -> Tensor {
    var generator = RandomGenerator(seed: seed, 0xA77A)
    return Tensor(shape, (0..<shape.count).map { _ in generator.uniform() })
  }

  /// Pictures with noise, within the limit before rounding.
  ///
  /// - Parameters:
  ///   - pictures: [N, height, width, channels] in [0, 1].
  ///   - budget: Another limit of the same kind, which scales the noise; nil keeps the trained one.
  /// - Returns: Pictures of the same shape in [0, 1].
  /// - Throws: `StudioError` when the shape is another.
  public func attack(_ pictures: Tensor, budget: NoiseBudget? = nil) throws -> Tensor {
    guard pictures.shape.rank == 4, pictures.shape.withBatch(1) == shape else {
      throw StudioError(.data, "the generator takes \(shape); received \(pictures.shape)")
    }
    let limit = budget ?? self.budget
    var noisy = pictures
    let length = shape.count
    var drawn = universal
    for first in stride(from: 0, to: pictures.shape.batch, by: Self.batch) {
      let count = min(Self.batch, pictures.shape.batch - first)
      let range = first * length..<(first + count) * length
      if universal == nil {
        drawn = try pattern(
          Tensor(pictures.shape.withBatch(count), Array(pictures.elements[range])))
      }
      guard let drawn else { continue }
      for index in range {
        let place = universal == nil ? index - range.lowerBound : index % length
        noisy.elements[index] += limit.gain(length) * drawn.elements[place]
      }
    }
    limit.project(&noisy, around: pictures)
    return noisy
  }

  /// The generator's patterns in [−1, 1].
  private func pattern(_ pictures: Tensor) throws -> Tensor {
    let program = try program(holding: pictures.shape.batch)
    try program.withInput("input") { target in
      let rest = target.update(fromContentsOf: pictures.elements)
      target[rest...].update(repeating: 0)
    }
    try program.run()
    return Tensor(
      pictures.shape, Array(try program.output("output").elements.prefix(pictures.count)))
  }

  /// A program for at least so many pictures; the last one where it suffices.
  private func program(holding count: Int) throws -> Program {
    if let program, program.inputs[0].shape.batch >= count { return program }
    let made = try Program(
      model.graph.reshaped(["input": shape.withBatch(count)]).specialized(for: .infer),
      parameters: store, kernels: kernels)
    program = made
    return made
  }
}

extension NoiseBudget {
  /// What a pattern in [−1, 1] is multiplied by before the limit cuts it.
  func gain(_ length: Int) -> Float {
    switch self {
    case .infinity(let epsilon): epsilon
    // A pattern of ones would be this long; the projection shortens what is longer.
    case .two(let radius): radius * 4 / Float(length).squareRoot()
    }
  }
}

/// What a generator's model file says about its noise.
struct NoiseDescription {
  /// The task in model files.
  static let task = "attack"
  var budget: NoiseBudget
  var goal: AttackGoal
  /// The seed of the image that universal noise is drawn from; nil for noise per picture.
  var universalSeed: UInt64?

  init(budget: NoiseBudget, goal: AttackGoal, universalSeed: UInt64?) {
    (self.budget, self.goal, self.universalSeed) = (budget, goal, universalSeed)
  }

  /// Reads what `entries` wrote.
  ///
  /// **Throws:** `StudioError` when something is missing or makes no sense.
  init(_ information: ModelInformation) throws {
    let texts = information.training
    guard let epsilon = texts["epsilon"].flatMap(Float.init), epsilon > 0, epsilon <= 1000,
      let norm = texts["norm"], ["infinity", "two"].contains(norm), let goal = texts["goal"]
    else { throw StudioError(.data, "expected a generator's norm, epsilon and goal in its file") }
    budget = norm == "two" ? .two(epsilon) : .infinity(epsilon)
    switch goal {
    case "untargeted": self.goal = .untargeted
    case "least-likely": self.goal = .leastLikely
    default:
      guard let index = Int(goal), index >= 0 else {
        throw StudioError(.data, "expected a goal of a generator, received \(goal)")
      }
      self.goal = .targeted(index)
    }
    universalSeed = texts["universal_seed"].flatMap(UInt64.init)
  }

  /// The texts for a model file.
  var entries: [String: String] {
    var texts = ["epsilon": "\(budget.radius)"]
    switch budget {
    case .infinity: texts["norm"] = "infinity"
    case .two: texts["norm"] = "two"
    }
    switch goal {
    case .untargeted: texts["goal"] = "untargeted"
    case .leastLikely: texts["goal"] = "least-likely"
    case .targeted(let index): texts["goal"] = "\(index)"
    }
    if let universalSeed { texts["universal_seed"] = "\(universalSeed)" }
    return texts
  }
}
