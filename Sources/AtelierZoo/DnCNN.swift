// DnCNN: a plain stack of 3×3 convolutions with batch normalization that predicts the noise.
//
// Zhang, Zuo, Chen, Meng, Zhang: Beyond a Gaussian Denoiser: Residual Learning of Deep CNN for
// Image Denoising (2017).

import AtelierEngine
import AtelierKernels

/// DnCNN-S has depth 17, DnCNN-B depth 20; the result is the image minus the predicted noise.
public struct DnCNN: Architecture {
  public static let name = "dncnn"
  /// Image channels: 1 gray, 3 RGB.
  public var channels: Int
  /// The number of convolutions.
  public var depth: Int
  /// Features of the inner ones.
  public var width: Int

  /// Describes a DnCNN.
  public init(channels: Int, depth: Int = 17, width: Int = 64) {
    self.channels = channels
    self.depth = depth
    self.width = width
  }

  public var granularity: Int { 1 }
  public var receptiveRadius: Int { depth }

  public func graph(batch: Int, height: Int, width columns: Int) throws(ShapeError) -> Graph {
    try graph(batch: batch, height: height, width: columns, isNormalized: true, hasInnerBias: false)
  }

  /// The graph with or without batch normalization, which many files have folded into weights and
  /// biases, and with or without biases before it.
  func graph(
    batch: Int, height: Int, width columns: Int, isNormalized: Bool, hasInnerBias: Bool
  ) throws(ShapeError) -> Graph {
    guard depth >= 2 else {
      throw ShapeError("DnCNN has at least two convolutions; received \(depth)")
    }
    return try Graph.trace { builder in
      let image = builder.input("input", [batch, height, columns, channels])
      var x = Convolution2D(filters: width, kernel: 3, activation: .relu, name: "conv1")(image)
      for layer in 2..<max(depth, 2) {
        x = Convolution2D(
          filters: width, kernel: 3, hasBias: hasInnerBias, initializer: .heNormal,
          name: "conv\(layer)")(x)
        // The momentum that the authors' own code uses; with PyTorch's default the validation
        // jumps.
        if isNormalized {
          x = BatchNormalization(epsilon: 1e-4, momentum: 0.05, name: "norm\(layer)")(x)
        }
        x = Activate(.relu, name: "relu\(layer)")(x)
      }
      let noise = Convolution2D(filters: channels, kernel: 3, name: "conv\(depth)")(x)
      builder.output("output", image - noise)
    }
  }
}
