// What a noise generator learns for, as graphs: its own step, and that of a discriminator beside it.

import AtelierClassification
import AtelierEngine
import AtelierWorkbench
import AtelierZoo

/// What a generator's noise is to reach within which limit.
package struct NoiseObjective: Sendable {
  /// The limit on the noise.
  var budget: NoiseBudget
  /// What training makes small.
  var loss: AttackLoss
  /// Whether labels are classes to reach.
  var isTargeted = false
  /// Whether one noise is learnt for all pictures.
  var isUniversal = false
  /// The weight of a discriminator; nil for none.
  var discriminator: Float?
  /// What generator and discriminator play for, as AdvGAN's public reimplementations have it.
  private static let game = AdversarialGame.leastSquares

  /// The differentiated graph of the step of a generator of the batch's shape; the victim runs in
  /// its inference form and is frozen: no gradient of its weights is planned.
  ///
  /// Inputs are `input` (what the generator reads), `picture` when noise is universal, and
  /// `target`; outputs `loss` and, with a discriminator, `seen`, its part of it. Throws
  /// `ShapeError` when generator and victim do not fit together.
  package func trainingGraph(generator: Graph, victim: Graph) throws(ShapeError) -> Graph {
    let shape = try Self.inputShape(generator)
    let judge =
      try discriminator == nil ? nil : NoiseDiscriminator.graph(shape).specialized(for: .train)
    return try generator.specialized(for: .train).extended { builder, symbols in
      guard let input = symbols["input"], let pattern = symbols["output"] else { return }
      let picture = isUniversal ? builder.input("picture", input.shape) : input
      let attacked = budget.attacked(picture, pattern)
      let labels = builder.input("target", [input.shape.batch])
      let answers = builder.call(
        victim.specialized(for: .infer), ["input": attacked], prefix: "victim/", isTrainable: false)
      guard let logits = answers["output"] else { return }
      var loss = self.loss(logits, labels, isTargeted: isTargeted)
      if let weight = discriminator, let judge {
        let verdicts = builder.call(
          judge, ["input": attacked], prefix: "discriminator/", isTrainable: false)
        guard let verdict = verdicts["output"] else { return }
        // The generator wants to be taken for clean.
        let seen = Self.game.drawerLoss(verdict)
        builder.output("seen", seen)
        loss = loss + weight * seen
      }
      builder.output("loss", loss)
    }.differentiated()
  }

  /// The differentiated graph of the discriminator's step, `input` and, when noise is universal,
  /// `picture` to `loss`; the generator is frozen in it; throws `ShapeError` when the pictures are
  /// too small.
  package func discriminatorGraph(generator: Graph) throws(ShapeError) -> Graph {
    let shape = try Self.inputShape(generator)
    let drawer = generator.specialized(for: .infer)
    let judge = try NoiseDiscriminator.graph(shape.withBatch(2 * shape.batch))
      .specialized(for: .train)
    return try Graph.trace { builder in
      let input = builder.input("input", shape)
      let drawn = builder.call(drawer, ["input": input], isTrainable: false)
      guard let pattern = drawn["output"] else { return }
      let picture = isUniversal ? builder.input("picture", shape) : input
      let attacked = budget.attacked(picture, pattern)
      let verdicts = builder.call(
        judge, ["input": joinBatches([picture, attacked])], prefix: "discriminator/")
      guard let verdict = verdicts["output"] else { return }
      let halves = verdict.splitBatch(sizes: [shape.batch, shape.batch])
      builder.output("loss", Self.game.judgeLoss(real: halves[0], drawn: halves[1]))
    }.differentiated()
  }

  private static func inputShape(_ generator: Graph) throws(ShapeError) -> Shape {
    guard let place = generator.input(named: "input") else {
      throw ShapeError("the generator has no input of that name")
    }
    return generator.values[place].shape
  }
}
