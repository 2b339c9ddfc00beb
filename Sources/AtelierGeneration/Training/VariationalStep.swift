// A variational autoencoder's step: pictures to codes and back, as a differentiated graph.
//
// Kingma, Welling: Auto-Encoding Variational Bayes (2013); the weight between both terms follows
// from the error itself, as in Rybkin, Daniilidis, Levine: Simple and Effective VAE Training with
// Calibrated Decoders (2020).

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
  /// The loss is minus the bound on the logarithm of the pictures' probability, a sample, for the
  /// best deviation of the decoder's normal distribution. Throws `ShapeError` when the sizes make
  /// no picture.
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
      let likelihood = 0.5 * Activate(.logarithm)(error + 1e-8)
      builder.output("error", error)
      builder.output("divergence", divergence)
      builder.output("loss", likelihood + (1 / samples) * divergence)
    }.differentiated()
  }
}
