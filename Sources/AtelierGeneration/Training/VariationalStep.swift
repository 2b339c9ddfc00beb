// A variational autoencoder's step: pictures to codes and back, as a differentiated graph.
//
// Kingma, Welling: Auto-Encoding Variational Bayes (2013). Samples count as probabilities of bits, as
// in their figures: a normal decoder of learnt deviation draws sharper copies, but its codes become so
// narrow that what lies between them is never seen, and drawn digits are faint.

import AtelierEngine
import AtelierKernels
import AtelierZoo

/// The training of encoder and decoder as one network.
package enum VariationalStep {
  /// What stands before the names of the encoder's parameters; the decoder's have nothing.
  package static let encoderPrefix = "encoder/"

  /// The step: `input` pictures, `noise` [batch, latent] of the normal distribution and, with
  /// classes, `label`, to `loss`, `error` (the mean squared error) and `divergence` (nats a
  /// picture from the codes' distribution to the normal one).
  ///
  /// The loss is minus the bound on the logarithm of the pictures' probability, divided by their
  /// samples. Throws `ShapeError` when the sizes make no picture.
  package static func graph(
    _ architecture: GeneratorArchitecture, batch: Int
  ) throws(ShapeError) -> Graph {
    let encoder = try architecture.encoder(batch: batch).specialized(for: .train)
    let decoder = try architecture.generator(batch: batch).specialized(for: .train)
    return try Graph.trace { builder in
      let pictures = builder.input("input", architecture.pictures(batch))
      let noise = builder.input("noise", [batch, architecture.latent])
      let label =
        architecture.classes > 0 ? builder.input("label", [batch, architecture.classes]) : nil
      var inputs = ["input": pictures]
      inputs["label"] = label
      let codes = builder.call(encoder, inputs, prefix: encoderPrefix)
      guard let mean = codes["mean"], let rawVariance = codes["log_variance"] else { return }
      // Beyond these, exp leaves what a float holds well.
      let logVariance = rawVariance.clamped(-12...6)
      let deviation = Activate(.exponential)(0.5 * logVariance)
      inputs["input"] = mean + deviation * noise
      guard let drawn = builder.call(decoder, inputs)["output"] else { return }
      let difference = drawn - pictures
      let error = (difference * difference).mean()
      let surplus = mean * mean + deviation * deviation - logVariance + -1
      let divergence = 0.5 * Float(architecture.latent) * surplus.mean()
      let samples = Float(pictures.shape.count / batch)
      /// The logarithm of a probability that may be 0 in single precision.
      func logarithm(_ share: SymbolicTensor) -> SymbolicTensor {
        Activate(.logarithm)(share + 1e-6)
      }
      let bright = pictures * logarithm(drawn)
      let dark = (-1 * pictures + 1) * logarithm(-1 * drawn + 1)
      builder.output("error", error)
      builder.output("divergence", divergence)
      builder.output("loss", -1 * (bright + dark).mean() + (1 / samples) * divergence)
    }.differentiated()
  }
}
