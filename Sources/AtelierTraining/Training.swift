// The short way to train a model, with the events as an asynchronous stream.

import AtelierEngine
import AtelierFiles
import AtelierKernels
import Foundation
import Synchronization

/// A model, its loss and its optimizer, ready to be trained on data by a `TrainingLoop`.
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
  private let isRunning = Atomic(false)

  /// Prepares a sequential model; `loss` is between its output and the batches' `target`.
  ///
  /// - Throws: `ShapeError` when the layers do not fit together.
  public convenience init(
    _ model: Sequential, loss: Loss, optimizer: Optimizer, seed: UInt64 = 0,
    kernels: Kernels = Kernels()
  ) throws {
    try self.init(
      graph: model.graph(), loss: loss, optimizer: optimizer, seed: seed, kernels: kernels)
  }

  /// Prepares a graph traced with any batch size; `loss` is between `output` and the `target`s.
  ///
  /// The seed is that of initialisers and dropout.
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

  /// Trains for a number of epochs on batches with the graph's inputs and `target`.
  ///
  /// Ending the iteration early stops the training after its step; errors end the stream.
  public func run(
    on source: any BatchSource, epochs: Int
  ) -> AsyncThrowingStream<TrainingEvent, any Error> {
    run(on: source, TrainingConfiguration(epochs: epochs, seed: seed))
  }

  /// Trains for a number of steps, as `run(on:epochs:)` does for epochs.
  public func run(
    on source: any BatchSource, steps: Int
  ) -> AsyncThrowingStream<TrainingEvent, any Error> {
    run(on: source, TrainingConfiguration(steps: steps, seed: seed))
  }

  /// Trains as a configuration says; `validate` measures the model in the store.
  ///
  /// Where the folder has a state, the training goes on from it; errors end the stream.
  public func run(
    on source: any BatchSource, _ configuration: TrainingConfiguration, folder: RunFolder? = nil,
    validate: (@Sendable (ParameterStore) throws -> [String: Double])? = nil
  ) -> AsyncThrowingStream<TrainingEvent, any Error> {
    let interrupt = InterruptFlag()
    return AsyncThrowingStream { continuation in
      continuation.onTermination = { _ in interrupt.raise() }
      do {
        // The tracing of deep graphs recurses; a thread's usual half megabyte may not do.
        try OwnThread.start(for: "the training") { [self] in
          do {
            guard !isRunning.exchange(true, ordering: .sequentiallyConsistent) else {
              throw TrainingError("this training is running already")
            }
            defer { isRunning.store(false, ordering: .sequentiallyConsistent) }
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
      } catch {
        continuation.finish(throwing: error)
      }
    }
  }

  /// The loop of this training, for those who want to add listeners and run it themselves.
  ///
  /// It has one step named `train`; the first batch says the batch size.
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
    let program = try Program(
      training, parameters: parameters, kernels: kernels, seed: seed,
      handsGradientsOver: optimizer.normLimit == nil && configuration.shards == 1)
    let step = try TrainingStep(program: program, optimizer: optimizer, kernels: kernels)
    return try TrainingLoop(
      [step], source: source, configuration: configuration, folder: folder, kernels: kernels)
  }
}
