// FFDNet: DnCNN's stack at half size on shuffled pixels, 4.6 times cheaper at equal quality.
//
// Zhang, Zuo, Zhang: FFDNet: Toward a Fast and Flexible Solution for CNN based Image Denoising
// (2018).

import AtelierEngine
import AtelierKernels

/// Inputs: `input` [N, H, W, channels] in [0, 1], `noise` [N, H, W, 1], its deviation in that
/// scale.
public struct FFDNet: Architecture {
  public static let name = "ffdnet"
  /// Image channels: 1 gray, 3 RGB.
  public var channels: Int
  /// The number of convolutions: 15 gray, 12 colour in the paper.
  public var depth: Int
  /// Features: 64 gray, 96 colour in the paper.
  public var width: Int

  /// Describes an FFDNet; left out, depth and width are the paper's for gray or colour.
  public init(channels: Int, depth: Int? = nil, width: Int? = nil) {
    self.channels = channels
    self.depth = depth ?? (channels == 1 ? 15 : 12)
    self.width = width ?? (channels == 1 ? 64 : 96)
  }

  public var granularity: Int { 2 }
  public var receptiveRadius: Int { 2 * depth + 2 }

  public func graph(batch: Int, height: Int, width columns: Int) throws(ShapeError) -> Graph {
    try graph(batch: batch, height: height, width: columns, Form())
  }

  /// What files of other people do differently.
  struct Form {
    /// Whether a batch normalization follows each inner convolution.
    var isNormalized = false
    var hasBias = true
    /// Whether the result is the noise, to be taken from the image.
    var predictsNoise = false
  }

  /// The graph in one of its forms.
  func graph(
    batch: Int, height: Int, width columns: Int, _ form: Form
  ) throws(ShapeError) -> Graph {
    guard depth >= 2 else {
      throw ShapeError("FFDNet has at least two convolutions; received \(depth)")
    }
    return try Graph.trace { builder in
      let image = builder.input("input", [batch, height, columns, channels])
      let noise = builder.input("noise", [batch, height, columns, 1])
      let halved = noise.applying(Subsample(window: 2), name: "noise_half", layerType: "Subsample")
      var x = concatenate(SpaceToDepth2D(block: 2, name: "unshuffle")(image), halved)
      for layer in 1..<depth {
        let isNormalized = form.isNormalized && layer > 1
        x = Convolution2D(
          filters: width, kernel: 3, hasBias: form.hasBias,
          activation: isNormalized ? .identity : .relu, initializer: .heNormal,
          name: "conv\(layer)")(x)
        if isNormalized {
          x = BatchNormalization(name: "norm\(layer)")(x)
          x = Activate(.relu, name: "relu\(layer)")(x)
        }
      }
      x = Convolution2D(
        filters: 4 * channels, kernel: 3, hasBias: form.hasBias, name: "conv\(depth)")(x)
      x = PixelShuffle2D(block: 2, name: "shuffle")(x)
      builder.output("output", form.predictsNoise ? image - x : x)
    }
  }
}
