// A trained generator of adversarial noise at work.

import AtelierClassification
import AtelierEngine
import AtelierFiles
import AtelierInterchange
import AtelierKernels
import AtelierWorkbench
import AtelierZoo

/// A generator of the task `attack`, ready for pictures of its own size; used by one thread at a
/// time.
public final class NoiseAttacker {
  public let model: RunningModel
  /// The limit that it was trained with.
  public let budget: NoiseBudget
  /// What it was trained for.
  public let goal: AttackGoal
  /// Whether every picture gets the same noise.
  public var isUniversal: Bool { universalSource != nil }
  /// The pictures that it draws for, [1, height, width, channels].
  public let shape: Shape
  /// The image that universal noise is drawn from; nil for noise per picture.
  private let universalSource: Tensor?
  /// The universal pattern of a model whose weights stay.
  private var universal: [Float]?
  /// The most pictures that a lane draws for at once: few enough for the values between two layers
  /// to stay near its core; the same for any number of threads, and so are the results' bits.
  private static let most = 50

  /// Takes a generator; throws `StudioError` when the model does something else.
  public convenience init(_ model: Model, kernels: Kernels = Kernels()) throws {
    try self.init(
      RunningModel(
        model, task: NoiseDescription.task, "attacks", capacity: kernels.pool.threads + 1,
        kernels: kernels))
    universal = try universalSource.map { try pattern(of: $0) }
  }

  /// Takes the graph of a generator over parameters that a training still moves.
  convenience init(
    _ graph: Graph, _ information: ModelInformation, _ store: ParameterStore, kernels: Kernels
  ) throws {
    try self.init(
      RunningModel(
        graph: graph, information: information, store: store,
        capacity: kernels.pool.threads + 1, kernels: kernels))
  }

  private init(_ model: RunningModel) throws {
    let description = try NoiseDescription(model.information)
    guard let shape = model.inputShape(), model.graph.inputs.count == 1,
      model.outputShape() == shape, shape.rank == 4
    else { throw StudioError(.data, "expected a model that draws a pattern of its input's shape") }
    self.model = model
    (budget, goal) = (description.budget, description.goal)
    self.shape = shape.withBatch(1)
    universalSource = description.universalSeed.map { Self.source(shape.withBatch(1), seed: $0) }
  }

  /// The fixed random image that universal noise is drawn from, uniform in [0, 1].
  static func source(_ shape: Shape, seed: UInt64) -> Tensor {
    var generator = RandomGenerator(seed: seed, 0xA77A)
    return Tensor(shape, (0..<shape.count).map { _ in generator.uniform() })
  }

  /// Pictures [N, height, width, channels] in [0, 1] with noise, within the limit before rounding;
  /// another limit of the same kind scales the noise; throws `StudioError` when the shape is
  /// another.
  public func attack(_ pictures: Tensor, budget: NoiseBudget? = nil) throws -> Tensor {
    guard pictures.shape.rank == 4, pictures.shape.withBatch(1) == shape else {
      throw StudioError(.data, "the generator takes \(shape); received \(pictures.shape)")
    }
    let limit = budget ?? self.budget
    let (count, length) = (pictures.shape.batch, shape.count)
    var noisy = pictures
    if let universalSource {
      let pattern = try universal ?? pattern(of: universalSource)
      let tiled = (0..<count).flatMap { _ in pattern }
      noisy.elements.withUnsafeMutableBufferPointer { target in
        tiled.withUnsafeBufferPointer { limit.add($0, to: target, length: length) }
      }
      return noisy
    }
    let part = min(max(count, 1), Self.most)
    let lanes = max(1, min(model.kernels.pool.threads, (count + part - 1) / part))
    let programs = try programs(lanes, holding: part)
    var faults = [(any Error)?](repeating: nil, count: lanes)
    noisy.elements.withUnsafeMutableBufferPointer { target in
      faults.withUnsafeMutableBufferPointer { faults in
        model.kernels.pool.parallelFor(lanes) { lane in
          do {
            for first in stride(from: lane * part, to: count, by: lanes * part) {
              let range = first * length..<min(first + part, count) * length
              try Self.draw(
                programs[lane], UnsafeMutableBufferPointer(rebasing: target[range]), limit, length)
            }
          } catch { faults[lane] = error }
        }
      }
    }
    if let fault = faults.compactMap({ $0 }).first { throw fault }
    return noisy
  }

  /// Adds noise to the pictures in a buffer.
  private static func draw(
    _ program: Program, _ pictures: UnsafeMutableBufferPointer<Float>, _ limit: NoiseBudget,
    _ length: Int
  ) throws {
    try program.withInput("input") { target in
      let rest = target.update(fromContentsOf: pictures)
      target[rest...].update(repeating: 0)
    }
    try program.run()
    try program.withOutput("output") { limit.add($0, to: pictures, length: length) }
  }

  /// The generator's pattern in [−1, 1] for one picture.
  private func pattern(of picture: Tensor) throws -> [Float] {
    let program = try programs(1, holding: 1)[0]
    try program.setInput("input", picture)
    try program.run()
    return try program.output("output").elements
  }

  /// Programs for so many pictures each, one a lane, so that lanes draw for different pictures at once.
  private func programs(_ lanes: Int, holding count: Int) throws -> [Program] {
    try (0..<lanes).map { lane in
      try model.program(key: [lane, count]) {
        try model.graph.reshaped(["input": shape.withBatch(count)]).specialized(for: .infer)
      }
    }
  }
}

extension NoiseBudget {
  /// Pictures with a generator's patterns in [−1, 1] added in a graph, not yet within the limit.
  func attacked(_ pictures: SymbolicTensor, _ patterns: SymbolicTensor) -> SymbolicTensor {
    let length = pictures.shape.count / pictures.shape.batch
    return (pictures + gain(length) * patterns).clamped(0...1)
  }

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
  static let task = NetworkTask.attack.rawValue
  var budget: NoiseBudget
  var goal: AttackGoal
  /// The seed of the image that universal noise is drawn from; nil for noise per picture.
  var universalSeed: UInt64?

  init(budget: NoiseBudget, goal: AttackGoal, universalSeed: UInt64?) {
    (self.budget, self.goal, self.universalSeed) = (budget, goal, universalSeed)
  }

  /// Reads what `entries` wrote; throws `StudioError` when something is missing or makes no sense.
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
