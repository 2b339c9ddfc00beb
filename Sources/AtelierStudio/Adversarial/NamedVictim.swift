// A classifier or denoiser under the name that tables give it.

import AtelierEngine
import AtelierInterchange

/// A model under the name that tables give it.
public struct NamedVictim {
  /// The name.
  public let name: String
  /// The model.
  public let model: Model

  /// Names a model.
  public init(name: String, model: Model) {
    self.name = name
    self.model = model
  }

  /// Whether it takes gray pictures; a model that is no classifier is refused later.
  public var isGray: Bool {
    model.graph.input(named: "input").map { model.graph.values[$0].shape.channels } == 1
  }
}
