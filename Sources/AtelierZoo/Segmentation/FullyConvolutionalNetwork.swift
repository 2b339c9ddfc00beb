// FCN-Basic: SegNet-Basic's encoder, whose maps become class scores, enlarged and added up.
//
// Long, Shelhamer, Darrell: Fully Convolutional Networks for Semantic Segmentation (2015); the
// small form: Badrinarayanan, Kendall, Cipolla: SegNet (2015), table 1.

import AtelierEngine
import AtelierKernels

/// An encoder of four 7×7 convolutions and a decoder of class scores with skips at every level.
public struct FullyConvolutionalNetwork: SegmentationLayer, Hashable, Codable {
  /// Outputs a pixel.
  public var classes: Int
  /// Filters of every encoder level.
  public var width = 64
  /// How often the picture is halved.
  public var levels = 4

  /// The numbers of which heights and widths must be multiples.
  public var granularity: Int { 1 << levels }

  /// A 7×7 kernel down and an 8×8 one up at each level's scale, and the pooling windows.
  public var receptiveRadius: Int { (0..<levels).reduce(0) { $0 + 9 << $1 } }

  /// Pictures [N, H, W, C] give logits [N, H, W, classes].
  public func callAsFunction(_ image: SymbolicTensor) -> SymbolicTensor {
    var maps: [SymbolicTensor] = []
    var x = image
    for level in 0..<levels {
      x = normalizedConvolution(x, width, kernel: 7, "encoder\(level + 1)")
      maps.append(x)
      x = MaxPool2D(name: "pool\(level + 1)")(x)
    }
    var scores = score(x, "score\(levels + 1)")
    for (level, map) in maps.enumerated().reversed() {
      let grown = TransposedConvolution2D(
        filters: classes, kernel: 8, stride: 2, padding: .symmetric(3), hasBias: false,
        initializer: .values(bilinearKernel), name: "grow\(level + 1)")(scores)
      scores = grown + score(map, "score\(level + 1)")
    }
    return scores
  }

  private func score(_ map: SymbolicTensor, _ name: String) -> SymbolicTensor {
    Convolution2D(filters: classes, kernel: 1, name: name)(map)
  }

  /// A start as smooth enlargement: each class by itself, [8, 8, classes, classes].
  private var bilinearKernel: [Float] {
    var values = [Float](repeating: 0, count: 64 * classes * classes)
    // A triangle over 8 taps sums to 2 at each phase of stride 2, along either axis.
    let line: [Float] = (0..<8).map { (place: Int) in
      let distance = abs(Float(place) - 3.5)
      return (1 - distance / 4) / 2
    }
    for row in 0..<8 {
      for column in 0..<8 {
        for index in 0..<classes {
          let place = ((row * 8 + column) * classes + index) * classes + index
          values[place] = line[row] * line[column]
        }
      }
    }
    return values
  }
}
