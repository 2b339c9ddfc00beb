// The networks that play: one convolution, a hidden layer, and what each learner needs behind it.

import AtelierEngine
import AtelierKernels

/// A network that reads a game's picture.
///
/// Outputs: for values a number a move; for chances a logit a move and the picture's own worth.
struct PlayNetwork: Sendable {
  let height: Int
  let width: Int
  let channels: Int
  let moves: Int
  /// Whether the picture's worth comes out beside a number a move.
  let hasWorth: Bool

  /// The graph for a batch: `input`, `output` [batch, moves] and, where asked for, `worth`
  /// [batch, 1].
  func graph(batch: Int) throws(ShapeError) -> Graph {
    try Graph.trace { builder in
      let input = builder.input("input", [batch, height, width, channels])
      var x = Convolution2D(filters: 16, kernel: 3, activation: .relu, name: "sight")(input)
      x = Dense(units: 96, activation: .relu, name: "thought")(Flatten()(x))
      builder.output("output", Dense(units: moves, name: "moves")(x))
      if hasWorth { builder.output("worth", Dense(units: 1, name: "worth")(x)) }
    }
  }

  /// The graph that learns values: the Huber loss between `target` and the values of the moves that
  /// `made` marks with 1.
  func valueTraining(batch: Int) throws(ShapeError) -> Graph {
    try graph(batch: batch).specialized(for: .train).extended { builder, symbols in
      guard let values = symbols["output"] else { return }
      let made = builder.input("made", [batch, moves])
      let target = builder.input("target", [batch, moves])
      builder.output("loss", Loss.huber(delta: 1)(values * made, target))
    }.differentiated()
  }

  /// The graph that learns chances (Williams 1992): `advantage` stands at the move that was made and
  /// 0 elsewhere; the worth comes near `result`; `variety` is what an even choice is worth.
  func chanceTraining(batch: Int, variety: Float) throws(ShapeError) -> Graph {
    try graph(batch: batch).specialized(for: .train).extended { builder, symbols in
      guard let logits = symbols["output"], let worth = symbols["worth"] else { return }
      let advantage = builder.input("advantage", [batch, moves])
      let result = builder.input("result", [batch, 1])
      // Without a floor the logarithm of a chance that vanished has no end.
      let chances = Softmax(name: "chances")(logits).clamped(1e-6...1)
      let logarithms = Activate(.logarithm)(chances)
      let scale = Float(moves)
      let gain = scale * (logarithms * advantage).mean()
      let evenness = (-scale * variety) * (chances * logarithms).mean()
      let error = Float(0.5) * Loss.squaredError(worth, result)
      builder.output("loss", error - (gain + evenness))
    }.differentiated()
  }
}
