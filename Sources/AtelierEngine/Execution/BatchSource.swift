// Where the batches of a training come from: the protocol that data sets and trainings share.

/// Gives the batch of every step.
///
/// A batch must be a function of its step alone (draw from `RandomGenerator(seed:_:)` with the step
/// as path): then a resumed training sees what the uninterrupted one would have seen.
public protocol BatchSource: Sendable {
  /// The steps of an epoch; nil where there is no such thing, as for endless random patches.
  var stepsPerEpoch: Int? { get }

  /// The tensors of a step, from 0, by the names of the programs' inputs; an error ends the training.
  ///
  /// Called on a background thread, one step after the other. For one of several programs a name
  /// may be `PROGRAM/INPUT`.
  func batch(step: Int) throws -> [String: Tensor]
}

extension BatchSource {
  public var stepsPerEpoch: Int? { nil }
}

/// Batches made by a closure.
public struct ClosureBatchSource: BatchSource {
  /// The steps of an epoch.
  public let stepsPerEpoch: Int?
  private let make: @Sendable (Int) throws -> [String: Tensor]

  /// Makes a source of a closure that gets the step.
  public init(
    stepsPerEpoch: Int? = nil, _ make: @escaping @Sendable (_ step: Int) throws -> [String: Tensor]
  ) {
    self.stepsPerEpoch = stepsPerEpoch
    self.make = make
  }

  public func batch(step: Int) throws -> [String: Tensor] { try make(step) }
}
