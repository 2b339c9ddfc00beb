// Inputs that a convolution puts together while it loads them, and results that it stores in two
// tensors: concatenation, its gradient and normalization without a pass over memory of their own.

import CKernels

/// How the input of a forward pass or a weight gradient is made of what lies in memory.
public struct ConvolutionLoading {
  /// The number of channels of the first tensor, when the input is two tensors side by side.
  public var restStart = 0
  /// The tensor of the channels from `restStart` on; nil when the input is one tensor.
  public var rest: UnsafePointer<Float>?
  /// Factor and summand [C] of a normalization; nil when the input is taken as it is.
  public var scale: UnsafePointer<Float>?
  public var shift: UnsafePointer<Float>?
  /// What negative normalized values are multiplied by: 1 without an activation, 0 for ReLU.
  public var slope: Float = 1

  /// The input as it lies in memory.
  public init() {}

  func bind(_ sizes: inout ck_winograd) {
    if rest != nil { (sizes.split, sizes.src_rest) = (restStart, rest) }
    (sizes.scale, sizes.shift, sizes.slope) = (scale, shift, slope)
  }

  var isPlain: Bool { rest == nil && scale == nil }
}

/// The second of two tensors in which a result is stored: its channels from `start` on.
public struct ConvolutionRest {
  public var start: Int
  public var tensor: UnsafeMutablePointer<Float>

  /// Describes where the result's channels from `start` on lie.
  public init(start: Int, tensor: UnsafeMutablePointer<Float>) {
    self.start = start
    self.tensor = tensor
  }
}

extension Kernels {
  /// The mean and the biased variance [K] of a convolution's output from the moments of its parts
  /// (Chan and others 1983).
  public func batchStatistics(
    moments: UnsafePointer<Float>, parts: Int, mean: UnsafeMutablePointer<Float>,
    variance: UnsafeMutablePointer<Float>, channels: Int
  ) {
    let pitch = 2 * channels + 1
    var pixels = 0.0
    for part in 0..<parts { pixels += Double(moments[part * pitch + 2 * channels]) }
    withUnsafeTemporaryAllocation(of: Double.self, capacity: 2 * channels) { sums in
      sums.initialize(repeating: 0)
      for part in 0..<parts {
        let own = moments + part * pitch
        let share = Double(own[2 * channels]) / pixels
        for c in 0..<channels { sums[c] += share * Double(own[c]) }
      }
      for part in 0..<parts {
        let own = moments + part * pitch
        let number = Double(own[2 * channels])
        for c in 0..<channels {
          let offset = Double(own[c]) - sums[c]
          sums[channels + c] += Double(own[channels + c]) + number * offset * offset
        }
      }
      for c in 0..<channels {
        mean[c] = Float(sums[c])
        variance[c] = Float(sums[channels + c] / max(pixels, 1))
      }
    }
  }
}
