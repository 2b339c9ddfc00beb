// A U-Net that blurs where it shrinks and has no outermost skip: the form for blind spots.
//
// Höck, Buchholz, Brachmann, Jug, Freytag: N2V2: Fixing Noise2Void Checkerboard Artifacts with
// Modified Sampling Strategies and a Tweaked Network Architecture (2022).

import AtelierEngine
import AtelierKernels

/// 3×3 convolutions with ReLU, two a level and side, averages of 4×4 pixels down, nearest unpooling
/// up, and skips at every level but the first.
///
/// A skip at full size hands noise through, and max pooling prefers it; both leave the checkerboards
/// that Noise2Void was known for. Input `input` [N, H, W, channels], output `output` of that shape.
public struct BlurUNet: Architecture {
  public static let name = "blur-unet"
  /// Image channels: 1 gray, 3 RGB.
  public var channels: Int
  /// Filters of each level, outermost first.
  public var widths: [Int]

  /// Describes a U-Net.
  public init(channels: Int, widths: [Int] = [32, 64, 128]) {
    self.channels = channels
    self.widths = widths
  }

  public var granularity: Int { 1 << max(widths.count - 1, 0) }

  /// Two 3×3 kernels down and three up at each level's scale, and the pooling windows.
  public var receptiveRadius: Int { 8 * granularity }

  public func graph(batch: Int, height: Int, width: Int) throws(ShapeError) -> Graph {
    guard widths.count > 1, let deepest = widths.last else {
      throw ShapeError("a blur-unet has at least two levels; received widths \(widths)")
    }
    return try Graph.trace { builder in
      func convolve(_ x: SymbolicTensor, _ filters: Int, _ name: String) -> SymbolicTensor {
        ["first", "second"].reduce(x) {
          Convolution2D(
            filters: filters, kernel: 3, activation: .relu, initializer: .heNormal,
            name: "\(name)/\($1)")($0)
        }
      }
      var x = builder.input("input", [batch, height, width, channels])
      var skips: [SymbolicTensor] = []
      for (level, filters) in widths.dropLast().enumerated() {
        x = convolve(x, filters, "down\(level + 1)")
        skips.append(x)
        x = AveragePool2D(window: 4, stride: 2, padding: .same, name: "blur\(level + 1)")(x)
      }
      x = convolve(x, deepest, "bottom")
      for (level, filters) in widths.dropLast().enumerated().reversed() {
        x = NearestUnpool2D(window: 2, name: "grow\(level + 1)")(x)
        if level > 0 { x = concatenate(x, skips[level]) }
        x = convolve(x, filters, "up\(level + 1)")
      }
      builder.output("output", Convolution2D(filters: channels, kernel: 3, name: "tail")(x))
    }
  }
}
