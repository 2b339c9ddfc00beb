// Who listens to a training, and the simplest listeners.

/// Gets every event of a training, on the thread that trains and in order.
///
/// A listener whose output must fit a resumed training (a log file) says where it stands in
/// `checkpoint`, which the saved state keeps, and is taken back there by `prepare`.
public protocol TrainingListener: AnyObject {
  /// Whether the training can do without it, as without logs and previews: what it throws is said
  /// once, and the training goes on.
  var isBeside: Bool { get }

  /// The name under which the saved state keeps the checkpoint; unique in a training.
  var identifier: String { get }

  /// Called once before the first event, with the steps made before (0 for a new training) and what
  /// `checkpoint` gave when the state was saved (nil for a new training or a new listener).
  ///
  /// A listener that stands beside a training is asked once more without a checkpoint when it
  /// cannot go on from the one that it gave.
  /// - Throws: When the listener cannot go on; the training does not begin then, unless the
  ///   listener only stands beside it.
  func prepare(step: Int, checkpoint: String?) throws

  /// Takes in an event.
  ///
  /// **Throws:** what ends the training, unless the listener only stands beside it.
  func handle(_ event: TrainingEvent) throws

  /// Called right before a state is saved: makes safe what was written and says how to find this
  /// place again.
  ///
  /// **Throws:** what ends the training; the state is not saved then.
  func checkpoint() throws -> String?
}

extension TrainingListener {
  /// The name of the type.
  public var identifier: String { String(describing: type(of: self)) }
  /// It counts.
  public var isBeside: Bool { false }
  /// Nothing to prepare.
  public func prepare(step: Int, checkpoint: String?) throws {}
  /// Nothing to remember.
  public func checkpoint() throws -> String? { nil }
}

/// Hands every event to a closure.
public final class ClosureListener: TrainingListener {
  private let body: (TrainingEvent) throws -> Void

  /// Makes a listener of a closure.
  public init(_ body: @escaping (TrainingEvent) throws -> Void) { self.body = body }

  /// Calls the closure.
  public func handle(_ event: TrainingEvent) throws { try body(event) }
}

/// Draws a preview whenever one is due.
public final class PreviewListener: TrainingListener {
  /// A training is worth more than its pictures.
  public var isBeside: Bool { true }

  private let draw: (Int) throws -> Void

  /// Makes a listener; `draw` gets the steps made and runs while averages are in the store.
  public init(draw: @escaping (_ step: Int) throws -> Void) { self.draw = draw }

  /// Draws when the event says so.
  public func handle(_ event: TrainingEvent) throws {
    if case .previewDue(let step) = event { try draw(step) }
  }
}
