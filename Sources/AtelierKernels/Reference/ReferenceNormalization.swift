// The reference twins of the batch, group and instance normalization kernels, computed in Double.

extension Reference {
  /// The mean and the biased variance of every channel, in two passes.
  public static func batchStatistics(
    _ x: UnsafePointer<Float>, mean: UnsafeMutablePointer<Float>,
    variance: UnsafeMutablePointer<Float>, pixels: Int, channels: Int
  ) {
    for c in 0..<channels {
      var sum = 0.0
      for pixel in 0..<pixels { sum += Double(x[pixel * channels + c]) }
      let center = sum / Double(max(pixels, 1))
      var squares = 0.0
      for pixel in 0..<pixels {
        let difference = Double(x[pixel * channels + c]) - center
        squares += difference * difference
      }
      mean[c] = Float(center)
      variance[c] = Float(squares / Double(max(pixels, 1)))
    }
  }

  /// y = activation(gamma · (x − mean) · inverseDeviation + beta).
  public static func batchNormalizationForward(
    _ x: UnsafePointer<Float>, mean: UnsafePointer<Float>, inverseDeviation: UnsafePointer<Float>,
    gamma: UnsafePointer<Float>, beta: UnsafePointer<Float>, activation: Activation,
    _ y: UnsafeMutablePointer<Float>, pixels: Int, channels: Int
  ) {
    for i in 0..<(pixels * channels) {
      let c = i % channels
      let normalized = (Double(x[i]) - Double(mean[c])) * Double(inverseDeviation[c])
      y[i] = Float(value(activation, at: normalized * Double(gamma[c]) + Double(beta[c])))
    }
  }

  /// The gradients of the forward pass with the statistics taken over the same pixels.
  public static func batchNormalizationGradient(
    _ x: UnsafePointer<Float>, y: UnsafePointer<Float>?, dy: UnsafePointer<Float>,
    mean: UnsafePointer<Float>, inverseDeviation: UnsafePointer<Float>, gamma: UnsafePointer<Float>,
    activation: Activation, dx: UnsafeMutablePointer<Float>, dGamma: UnsafeMutablePointer<Float>,
    dBeta: UnsafeMutablePointer<Float>, pixels: Int, channels: Int
  ) {
    for c in 0..<channels {
      let inverse = Double(inverseDeviation[c])
      func incoming(_ i: Int) -> Double {
        guard let y else { return Double(dy[i]) }
        return Double(dy[i]) * slope(activation, saved: Double(y[i]))
      }
      var sum = 0.0
      var product = 0.0
      for pixel in 0..<pixels {
        let i = pixel * channels + c
        sum += incoming(i)
        product += incoming(i) * (Double(x[i]) - Double(mean[c])) * inverse
      }
      for pixel in 0..<pixels {
        let i = pixel * channels + c
        let normalized = (Double(x[i]) - Double(mean[c])) * inverse
        let centered = incoming(i) - (sum + normalized * product) / Double(pixels)
        dx[i] = Float(Double(gamma[c]) * inverse * centered)
      }
      dGamma[c] = Float(product)
      dBeta[c] = Float(sum)
    }
  }

  /// The elements of one group of `width` channels of a sample, pixel by pixel.
  private static func members(
    of group: Int, _ sample: Int, width: Int, _ pixels: Int, _ channels: Int
  ) -> [Int] {
    (0..<pixels).flatMap { pixel in
      let first = (sample * pixels + pixel) * channels + group * width
      return first..<(first + width)
    }
  }

  /// Normalizes every group of channels of every sample by its own mean and deviation.
  public static func groupNormalizationForward(
    _ x: UnsafePointer<Float>, gamma: UnsafePointer<Float>, beta: UnsafePointer<Float>,
    epsilon: Float, groups: Int, mean: UnsafeMutablePointer<Float>,
    inverseDeviation: UnsafeMutablePointer<Float>, _ y: UnsafeMutablePointer<Float>, batch: Int,
    pixels: Int, channels: Int
  ) {
    let width = channels / groups
    let size = Double(width * pixels)
    for sample in 0..<batch {
      for group in 0..<groups {
        let indices = members(of: group, sample, width: width, pixels, channels)
        let center = indices.reduce(0.0) { $0 + Double(x[$1]) } / size
        let squares = indices.reduce(0.0) { sum, i in
          sum + (Double(x[i]) - center) * (Double(x[i]) - center)
        }
        let inverse = 1 / (squares / size + Double(epsilon)).squareRoot()
        for i in indices {
          let c = i % channels
          y[i] = Float((Double(x[i]) - center) * inverse * Double(gamma[c]) + Double(beta[c]))
        }
        mean[sample * groups + group] = Float(center)
        inverseDeviation[sample * groups + group] = Float(inverse)
      }
    }
  }

  /// The gradients of the group normalization.
  public static func groupNormalizationGradient(
    _ x: UnsafePointer<Float>, dy: UnsafePointer<Float>, mean: UnsafePointer<Float>,
    inverseDeviation: UnsafePointer<Float>, gamma: UnsafePointer<Float>, groups: Int,
    dx: UnsafeMutablePointer<Float>, dGamma: UnsafeMutablePointer<Float>,
    dBeta: UnsafeMutablePointer<Float>, batch: Int, pixels: Int, channels: Int
  ) {
    let width = channels / groups
    var gammaSums = [Double](repeating: 0, count: channels)
    var betaSums = [Double](repeating: 0, count: channels)
    for sample in 0..<batch {
      for group in 0..<groups {
        let center = Double(mean[sample * groups + group])
        let inverse = Double(inverseDeviation[sample * groups + group])
        let indices = members(of: group, sample, width: width, pixels, channels)
        var sum = 0.0
        var product = 0.0
        for i in indices {
          let c = i % channels
          let normalized = (Double(x[i]) - center) * inverse
          sum += Double(dy[i]) * Double(gamma[c])
          product += Double(dy[i]) * Double(gamma[c]) * normalized
          gammaSums[c] += Double(dy[i]) * normalized
          betaSums[c] += Double(dy[i])
        }
        for i in indices {
          let normalized = (Double(x[i]) - center) * inverse
          let scaled = Double(dy[i]) * Double(gamma[i % channels])
          let size = Double(width * pixels)
          dx[i] = Float(inverse * (scaled - (sum + normalized * product) / size))
        }
      }
    }
    for c in 0..<channels {
      dGamma[c] = Float(gammaSums[c])
      dBeta[c] = Float(betaSums[c])
    }
  }
}
