// The U-Net of Noise2Noise: max pooling down, nearest unpooling up, skips, no normalization.
//
// Lehtinen, Munkberg, Hasselgren, Laine, Karras, Aittala, Aila: Noise2Noise: Learning Image
// Restoration without Clean Data (2018).

import AtelierEngine
import AtelierKernels

/// 3×3 convolutions with leaky ReLU 0.1, five levels of 48 features, decoders of 96.
public struct NoiseToNoiseUNet: Architecture {
  public static let name = "unet"
  /// Image channels: 1 gray, 3 RGB.
  public var channels: Int
  /// Filters of the encoder; the decoder has twice as many.
  public var width: Int
  /// How often the image is halved.
  public var levels: Int

  /// Describes a U-Net; the defaults are the paper's.
  public init(channels: Int, width: Int = 48, levels: Int = 5) {
    self.channels = channels
    self.width = width
    self.levels = levels
  }

  public var granularity: Int { 1 << levels }

  /// One 3×3 kernel down and two up at each level's scale, and the pooling windows.
  public var receptiveRadius: Int { 5 * (1 << levels) }

  public func graph(batch: Int, height: Int, width columns: Int) throws(ShapeError) -> Graph {
    guard levels > 0 else { throw ShapeError("a U-Net has at least one level") }
    return try Graph.trace { builder in
      let input = builder.input("input", [batch, height, columns, channels])
      func convolve(_ x: SymbolicTensor, _ filters: Int, _ name: String) -> SymbolicTensor {
        Convolution2D(
          filters: filters, kernel: 3, activation: .leakyReLU(slope: 0.1), initializer: .heNormal,
          name: name)(x)
      }
      var skips = [input]
      var x = convolve(input, width, "enc_conv0")
      for level in 1...levels {
        x = MaxPool2D(name: "pool\(level)")(convolve(x, width, "enc_conv\(level)"))
        if level < levels { skips.append(x) }
      }
      x = convolve(x, width, "enc_conv\(levels + 1)")
      for level in (1...levels).reversed() {
        let skip = skips.removeLast()
        x = concatenate(NearestUnpool2D(window: 2, name: "up\(level)")(x), skip)
        // The outermost decoder is narrower, as in the paper: 64, 32, then the image.
        let isLast = level == 1
        x = convolve(x, isLast ? width * 4 / 3 : width * 2, "dec_conv\(level)a")
        x = convolve(x, isLast ? width * 2 / 3 : width * 2, "dec_conv\(level)b")
      }
      builder.output("output", Convolution2D(filters: channels, kernel: 3, name: "dec_conv0")(x))
    }
  }
}
