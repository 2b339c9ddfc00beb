// The steps of a game between a generator and a critic of pictures, as differentiated graphs.
//
// Gulrajani and others: Improved Training of Wasserstein GANs (2017), for the penalty between;
// Mescheder, Geiger, Nowozin: Which Training Methods for GANs do actually Converge? (2018), for R1.

import AtelierAdversarial
import AtelierEngine
import AtelierKernels
import AtelierZoo

/// A generator against a critic, in batches of one size.
package struct PictureGame: Sendable {
  /// Both networks.
  package var architecture: GeneratorArchitecture
  /// What is played for.
  package var game: AdversarialGame
  /// How the critic is kept in bounds.
  package var normalization: CriticNormalization
  /// Pictures of each kind a step.
  package var batch: Int
  /// What is taken off the critic's target of real pictures.
  package var smoothing: Float = 0
  /// The weight of the penalty on slopes unlike 1 between real and drawn pictures.
  package var slopePenalty: Float = 0
  /// The weight of R1, half the squared slope at real pictures.
  package var realPenalty: Float = 0
  /// Random changes of whatever the critic sees.
  package var changes: [PictureChange] = []

  /// What stands before the names of the critic's parameters; the generator's have nothing.
  package static let criticPrefix = "critic/"

  /// Describes a game.
  package init(
    _ architecture: GeneratorArchitecture, _ game: AdversarialGame,
    normalization: CriticNormalization, batch: Int
  ) {
    (self.architecture, self.game) = (architecture, game)
    (self.normalization, self.batch) = (normalization, batch)
  }

  /// The critic's step: `input` (real pictures), `latent`, with classes `label`, and what the
  /// changes draw, to `loss`, `real` and `drawn` (the mean verdicts) and `penalty` where there is
  /// one; the generator is frozen in it.
  ///
  /// Throws `ShapeError` when the sizes make no picture, or the critic's slope has no gradient.
  package func criticStep() throws(ShapeError) -> Graph {
    let drawer = try architecture.generator(batch: batch).specialized(for: .train)
    let isJoined = normalization != .batch
    let judge = try critic(isJoined ? 2 * batch : batch)
    let slope = slopePenalty > 0 || realPenalty > 0 ? try slopeGraph() : nil
    return try Graph.trace { builder in
      let label = labelInput(builder)
      let pictures = builder.input("input", architecture.pictures(batch))
      let drawn = draw(builder, drawer, label, isTrainable: false)
      let seen = [(pictures, "real"), (drawn, "drawn")].map { picture, name in
        PictureChange.changed(picture, by: changes, name)
      }
      let verdicts: [SymbolicTensor]
      if isJoined {
        // What is judged one by one may be judged at once, which is faster.
        verdicts = verdict(
          builder, judge, joinBatches(seen), label.map { joinBatches([$0, $0]) }
        ).splitBatch(sizes: [batch, batch])
      } else {
        // Batch statistics of real and drawn pictures together would give them away.
        verdicts = seen.map { verdict(builder, judge, $0, label) }
      }
      var loss = game.judgeLoss(real: verdicts[0], drawn: verdicts[1], smoothing: smoothing)
      if let slope {
        let penalty = penalty(builder, slope, real: seen[0], drawn: seen[1], label)
        builder.output("penalty", penalty)
        loss = loss + penalty
      }
      builder.output("real", verdicts[0].mean())
      builder.output("drawn", verdicts[1].mean())
      builder.output("loss", loss)
    }.differentiated()
  }

  /// The generator's step: `latent`, with classes `label`, and what the changes draw, to `loss`;
  /// the critic is frozen in it.
  ///
  /// Throws `ShapeError` when the sizes make no picture.
  package func generatorStep() throws(ShapeError) -> Graph {
    let drawer = try architecture.generator(batch: batch).specialized(for: .train)
    let judge = try critic(batch)
    return try Graph.trace { builder in
      let label = labelInput(builder)
      let drawn = draw(builder, drawer, label, isTrainable: true)
      let seen = PictureChange.changed(drawn, by: changes, "drawn")
      let verdict = verdict(builder, judge, seen, label, isTrainable: false)
      builder.output("loss", game.drawerLoss(verdict))
    }.differentiated()
  }

  // MARK: - Parts

  private func critic(_ batch: Int) throws(ShapeError) -> Graph {
    try architecture.critic(batch: batch, normalization: normalization).specialized(for: .train)
  }

  private func labelInput(_ builder: GraphBuilder) -> SymbolicTensor? {
    architecture.classes > 0 ? builder.input("label", [batch, architecture.classes]) : nil
  }

  private func draw(
    _ builder: GraphBuilder, _ drawer: Graph, _ label: SymbolicTensor?, isTrainable: Bool
  ) -> SymbolicTensor {
    let code = builder.input("latent", [batch, architecture.latent])
    var inputs = ["input": code]
    inputs["label"] = label
    return builder.call(drawer, inputs, isTrainable: isTrainable ? nil : false)["output"] ?? code
  }

  private func verdict(
    _ builder: GraphBuilder, _ judge: Graph, _ pictures: SymbolicTensor, _ label: SymbolicTensor?,
    isTrainable: Bool = true
  ) -> SymbolicTensor {
    var inputs = ["input": pictures]
    inputs["label"] = label
    return builder.call(
      judge, inputs, prefix: Self.criticPrefix, isTrainable: isTrainable ? nil : false)["output"]
      ?? pictures
  }

  /// The graph from `input` to `gradient of input`, the slope of the critic's verdict at each
  /// picture: the critic differentiated once, ready to be differentiated again.
  private func slopeGraph() throws(ShapeError) -> Graph {
    let judge = try critic(batch)
    return try Graph.trace { builder in
      let label = labelInput(builder)
      let pictures = builder.input("input", architecture.pictures(batch))
      // Each verdict depends on its own picture, so the sum's gradient holds all slopes.
      builder.output(
        "loss", Float(batch) * verdict(builder, judge, pictures, label).mean())
    }.differentiated(withRespectToInputs: ["input"], areParametersMoved: false)
  }

  private func penalty(
    _ builder: GraphBuilder, _ slope: Graph, real: SymbolicTensor, drawn: SymbolicTensor,
    _ label: SymbolicTensor?
  ) -> SymbolicTensor {
    /// The squared length of the slope at each picture, [N, 1, 1, 1].
    func squares(_ pictures: SymbolicTensor) -> SymbolicTensor {
      var inputs = ["input": pictures]
      inputs["label"] = label
      let gradient = builder.call(slope, inputs)["gradient of input"] ?? pictures
      return (gradient * gradient).applying(ReduceOperation(.sum, axes: [1, 2, 3]))
    }
    var parts: [SymbolicTensor] = []
    if slopePenalty > 0 {
      let share = builder.input("share", [batch, 1, 1, 1])
      let way = (real - drawn).applying(BroadcastBinaryOperation(.multiply), with: [share])
      // The root has no slope at zero.
      let lengths = Activate(.squareRoot)(squares(drawn + way) + 1e-12)
      let surplus = lengths + -1
      parts.append(slopePenalty * (surplus * surplus).mean())
    }
    if realPenalty > 0 { parts.append(0.5 * realPenalty * squares(real).mean()) }
    return parts.dropFirst().reduce(parts[0]) { $0 + $1 }
  }
}
