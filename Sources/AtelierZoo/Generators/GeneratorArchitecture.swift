// The networks that draw pictures from random numbers, and those that judge or encode them, as one value.

import AtelierEngine
import AtelierKernels

/// The networks that draw, by name.
public enum GeneratorNetwork: String, Sendable, Hashable, Codable, CaseIterable {
  /// Transposed convolutions 4×4 (Radford and others 2015).
  case dcgan
  /// Residual blocks (Gulrajani and others 2017).
  case residual
  /// A variational autoencoder with the halves of `dcgan` (Kingma and Welling 2013).
  case vae
  /// A restricted Boltzmann machine, which draws by Gibbs sampling (Hinton 2002).
  case rbm
}

/// How a critic's layers are kept in bounds.
public enum CriticNormalization: String, Sendable, Hashable, Codable, CaseIterable {
  /// Batch normalization, as DCGAN has it.
  case batch
  /// Weights divided by their largest singular value (Miyato and others 2018).
  case spectral
  /// Not at all, for games with a gradient penalty.
  case none
}

/// A generator of pictures of one size, and the networks on the other side of its training.
public struct GeneratorArchitecture: Sendable, Hashable {
  /// Which networks.
  public var network: GeneratorNetwork
  /// Rows of a picture, a multiple of 4, at least 16.
  public var height: Int
  /// Columns of a picture, a multiple of 4, at least 16.
  public var width: Int
  /// 1 gray, 3 RGB.
  public var channels: Int
  /// Random numbers that a picture is drawn from.
  public var latent: Int
  /// Filters of the level at half the pictures' size; deeper ones have up to eight times as many.
  public var filters: Int
  /// The classes that pictures are asked for by; 0 for none.
  public var classes: Int

  /// Describes a generator.
  public init(
    _ network: GeneratorNetwork, height: Int, width: Int, channels: Int, latent: Int = 100,
    filters: Int = 64, classes: Int = 0
  ) {
    self.network = network
    (self.height, self.width, self.channels) = (height, width, channels)
    (self.latent, self.filters, self.classes) = (latent, filters, classes)
  }

  /// How often the pictures are halved: as often as both sides stay whole and at least 4.
  public var levels: Int {
    var levels = 0
    while height % (2 << levels) == 0, width % (2 << levels) == 0,
      min(height, width) / (2 << levels) >= 4
    { levels += 1 }
    return levels
  }

  /// The filters from the level at half size to the deepest.
  var widths: [Int] { (0..<levels).map { filters * min(1 << $0, 8) } }

  /// Throws unless pictures of this size can be halved at least twice.
  func validate() throws(ShapeError) {
    guard network != .rbm else {
      throw ShapeError("rbm draws by Gibbs sampling, not from random numbers")
    }
    guard levels >= 2 else {
      throw ShapeError(
        "\(network.rawValue): expected heights and widths that are multiples of 4, at least 16; "
          + "received \(height)x\(width)")
    }
    guard latent > 0, filters > 0, channels > 0, classes >= 0 else {
      throw ShapeError(
        "\(network.rawValue): expected positive numbers of latents, filters and channels; "
          + "received \(latent), \(filters) and \(channels)")
    }
  }

  /// The shape of a batch of pictures.
  public func pictures(_ batch: Int) -> Shape {
    .image(batch: batch, height: height, width: width, channels: channels)
  }

  /// The graph from `input` [batch, latent] and, with classes, `label` [batch, classes] (1 for the
  /// class that is wanted, 0 else) to `output`, pictures in [0, 1].
  ///
  /// - Throws: `ShapeError` when the sizes make no picture.
  public func generator(batch: Int = 1) throws(ShapeError) -> Graph {
    try validate()
    return try Graph.trace { builder in
      var code = builder.input("input", [batch, latent])
      if classes > 0 { code = concatenate(code, builder.input("label", [batch, classes])) }
      let drawn = network == .residual ? residualPicture(code) : stridedPicture(code)
      builder.output("output", 0.5 * drawn + 0.5)
    }
  }

  /// The graph from `input`, pictures in [0, 1], and, with classes, `label` [batch, classes] to
  /// `output` [batch, 1], large for pictures that look real.
  ///
  /// The class counts by projection (Miyato and Koyama 2018).
  /// - Throws: `ShapeError` when the sizes make no picture.
  public func critic(
    batch: Int = 1, normalization: CriticNormalization
  ) throws(ShapeError) -> Graph {
    try validate()
    guard network != .residual || normalization != .batch else {
      throw ShapeError("the residual critic has no batch normalization: spectral or none")
    }
    let isSpectral = normalization == .spectral
    return try Graph.trace { builder in
      let picture = builder.input("input", pictures(batch))
      let centered = 2 * picture + -1
      let features =
        network == .residual
        ? residualFeatures(centered, isSpectral: isSpectral)
        : stridedFeatures(centered, normalization)
      var verdict = Dense(units: 1, name: "verdict").spectrallyNormalized(isSpectral)(features)
      if classes > 0 {
        let label = builder.input("label", [batch, classes])
        let place = Dense(units: features.shape.channels, hasBias: false, name: "class_place")
          .spectrallyNormalized(isSpectral)(label)
        verdict = verdict + (place * features).applying(ReduceOperation(.sum, axes: [1]))
      }
      builder.output("output", verdict)
    }
  }

  /// The graph from `input`, pictures in [0, 1], and, with classes, `label`, to `mean` and
  /// `log_variance` [batch, latent] of the codes that they may have been drawn from.
  ///
  /// - Throws: `ShapeError` when the sizes make no picture.
  public func encoder(batch: Int = 1) throws(ShapeError) -> Graph {
    try validate()
    return try Graph.trace { builder in
      let picture = builder.input("input", pictures(batch))
      var features = stridedFeatures(2 * picture + -1, .batch)
      if classes > 0 { features = concatenate(features, builder.input("label", [batch, classes])) }
      for name in ["mean", "log_variance"] {
        builder.output(name, Dense(units: latent, name: name)(features))
      }
    }
  }
}
