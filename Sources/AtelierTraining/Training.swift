// The short way to train a model: model, loss, optimizer, data, and the events as an asynchronous
// stream.

import AtelierEngine
import AtelierKernels
import Foundation

/// A model, its loss and its optimizer, ready to be trained on data; the loop behind it is
/// `TrainingLoop`.
///
/// ```swift
/// let training = try Training(model, loss: .squaredError, optimizer: .adam(learningRate: 1e-3))
/// for try await event in training.run(on: photos, epochs: 10) { print(event) }
/// ```
public final class Training: @unchecked Sendable {
  /// The model's graph, with the outputs that it infers.
  public let graph: Graph
  /// The parameters, which training moves; do not read them while a run goes on.
  public let parameters: ParameterStore
  private let loss: Loss
  private let optimizer: Optimizer
  private let seed: UInt64
  private let kernels: Kernels
  private let output: String
  /// Guards `isRunning`.
  private let lock = NSLock()
  private var isRunning = false

  /// Prepares a sequential model.
  ///
  /// - Parameters:
  ///   - model: The model, with the shape of its input.
  ///   - loss: What to make small: between the model's output and the batches' `target`.
  ///   - optimizer: How to move the parameters.
  ///   - seed: The seed of initialisers and dropout.
  ///   - kernels: Instruction set and threads.
  /// - Throws: `ShapeError` when the layers do not fit together.
  public convenience init(
    _ model: Sequential, loss: Loss, optimizer: Optimizer, seed: UInt64 = 0,
    kernels: Kernels = Kernels()
  ) throws {
    try self.init(
      graph: try model.graph(), loss: loss, optimizer: optimizer, seed: seed, kernels: kernels)
  }

  /// Prepares the model of a graph.
  ///
  /// - Parameters:
  ///   - graph: The model, traced with any batch size.
  ///   - output: The output that the loss judges.
  ///   - loss: What to make small: between the output and the batches' `target`.
  ///   - optimizer: How to move the parameters.
  ///   - seed: The seed of initialisers and dropout.
  ///   - kernels: Instruction set and threads.
  /// - Throws: `ShapeError` when parameters do not fit together.
  public init(
    graph: Graph, output: String = "output", loss: Loss, optimizer: Optimizer, seed: UInt64 = 0,
    kernels: Kernels = Kernels()
  ) throws {
    self.graph = graph
    self.output = output
    self.loss = loss
    self.optimizer = optimizer
    self.seed = seed
    self.kernels = kernels
    parameters = try ParameterStore(for: [graph], seed: seed)
  }

  /// Trains for a number of epochs.
  ///
  /// Ending the iteration early stops the training after the step that it is in.
  ///
  /// - Parameters:
  ///   - source: Batches with the graph's inputs and `target`.
  ///   - epochs: How often to go through the data.
  /// - Returns: The events; errors end the stream.
  public func run(
    on source: any BatchSource, epochs: Int
  ) -> AsyncThrowingStream<TrainingEvent, any Error> {
    run(on: source, TrainingConfiguration(epochs: epochs, seed: seed))
  }

  /// Trains for a number of steps.
  ///
  /// - Parameters:
  ///   - source: Batches with the graph's inputs and `target`.
  ///   - steps: How many steps to make.
  /// - Returns: The events; errors end the stream.
  public func run(
    on source: any BatchSource, steps: Int
  ) -> AsyncThrowingStream<TrainingEvent, any Error> {
    run(on: source, TrainingConfiguration(steps: steps, seed: seed))
  }

  /// Trains as a configuration says.
  ///
  /// - Parameters:
  ///   - source: Batches with the graph's inputs and `target`.
  ///   - configuration: When to stop, what to watch.
  ///   - folder: Where to save; its state, when it has one, is where the training goes on.
  ///   - validate: Measures the model in the store.
  /// - Returns: The events; errors end the stream.
  public func run(
    on source: any BatchSource, _ configuration: TrainingConfiguration, folder: RunFolder? = nil,
    validate: (@Sendable (ParameterStore) throws -> [String: Double])? = nil
  ) -> AsyncThrowingStream<TrainingEvent, any Error> {
    let interrupt = InterruptFlag()
    return AsyncThrowingStream { continuation in
      continuation.onTermination = { _ in interrupt.raise() }
      let thread = Thread { [self] in
        do {
          try begin()
          defer { end() }
          let loop = try loop(on: source, configuration, folder: folder)
          loop.validate = validate
          loop.interrupt = interrupt
          loop.listeners = [ClosureListener { continuation.yield($0) }]
          try loop.run()
          continuation.finish()
        } catch {
          continuation.finish(throwing: error)
        }
      }
      thread.name = "atelier.training"
      // The tracing of deep graphs recurses; a thread's usual half megabyte may not do.
      thread.stackSize = 8 << 20
      thread.start()
    }
  }

  /// The loop of this training, for those who want to add listeners and run it themselves.
  ///
  /// - Parameters:
  ///   - source: Batches with the graph's inputs and `target`; the first one says the batch size.
  ///   - configuration: When to stop, what to watch.
  ///   - folder: Where to save.
  /// - Returns: A loop with one step named `train`.
  /// - Throws: When the batches lack an input or do not fit the graph.
  public func loop(
    on source: any BatchSource, _ configuration: TrainingConfiguration, folder: RunFolder? = nil
  ) throws -> TrainingLoop {
    let first = try source.batch(step: 0)
    for name in graph.inputs.map(\.name) + ["target"] where first[name] == nil {
      throw TrainingError("the batches lack \(name); they have \(first.keys.sorted())")
    }
    let shapes = first.mapValues(\.shape)
    let training = try graph.reshaped(shapes).training(
      loss: loss, of: output, target: shapes["target"])
    let program = try Program(training, parameters: parameters, kernels: kernels, seed: seed)
    let step = try TrainingStep(program: program, optimizer: optimizer, kernels: kernels)
    return try TrainingLoop(
      [step], source: source, configuration: configuration, folder: folder, kernels: kernels)
  }

  private func begin() throws(TrainingError) {
    lock.lock()
    defer { lock.unlock() }
    guard !isRunning else { throw TrainingError("this training is running already") }
    isRunning = true
  }

  private func end() {
    lock.lock()
    isRunning = false
    lock.unlock()
  }
}
