// Batch, group and instance normalization: statistics, forward passes and gradients.

import CKernels

extension Kernels {
  /// The mean and the biased variance of every channel of [pixels, channels].
  public func batchStatistics(
    _ x: UnsafePointer<Float>, mean: UnsafeMutablePointer<Float>,
    variance: UnsafeMutablePointer<Float>, pixels: Int, channels: Int
  ) {
    let kernel = elementwise.pointee.channel_moments
    let rows = ChannelRows(channels: channels)
    let parts = rows.sumParts(of: pixels * channels)
    let width = 2 * channels
    withUnsafeTemporaryAllocation(of: Double.self, capacity: (parts.number + 1) * width) {
      moments in
      moments.initialize(repeating: 0)
      guard let total = moments.baseAddress else { return }
      let base = total + width
      forEachPart(parts) { index, start, count in
        kernel(x + start, count, rows.width, channels, base + index * width)
      }
      Self.combine(base, parts, channels: channels, into: total)
      for c in 0..<channels {
        mean[c] = Float(total[c])
        variance[c] = Float(total[channels + c] / Double(max(pixels, 1)))
      }
    }
  }

  /// Adds up the means and sums of squared deviations of the parts (Chan and others 1983); `total`
  /// starts as zeros.
  private static func combine(
    _ moments: UnsafePointer<Double>, _ parts: ElementParts, channels: Int,
    into total: UnsafeMutablePointer<Double>
  ) {
    let pixels = Double(max(parts.count / channels, 1))
    for part in 0..<parts.number {
      let share = Double(parts.range(part).count / channels) / pixels
      let own = moments + part * 2 * channels
      for c in 0..<channels { total[c] += share * own[c] }
    }
    for part in 0..<parts.number {
      let size = Double(parts.range(part).count / channels)
      let own = moments + part * 2 * channels
      for c in 0..<channels {
        let offset = own[c] - total[c]
        total[channels + c] += own[channels + c] + size * offset * offset
      }
    }
  }

  /// y = activation(gamma · (x − mean) · inverseDeviation + beta) (Ioffe and Szegedy 2015); `y`
  /// may be `x`.
  ///
  /// `x` and `y` are [pixels, channels], the others [channels]; `activation` is the identity, ReLU
  /// or leaky ReLU.
  public func batchNormalizationForward(
    _ x: UnsafePointer<Float>, mean: UnsafePointer<Float>, inverseDeviation: UnsafePointer<Float>,
    gamma: UnsafePointer<Float>, beta: UnsafePointer<Float>, activation: Activation,
    _ y: UnsafeMutablePointer<Float>, pixels: Int, channels: Int
  ) {
    let slope = Self.slope(activation)
    let rows = ChannelRows(channels: channels)
    let width = rows.width
    withUnsafeTemporaryAllocation(of: Float.self, capacity: 2 * width) { tables in
      let scale = UnsafeMutableBufferPointer(rebasing: tables[..<width])
      let shift = UnsafeMutableBufferPointer(rebasing: tables[width...])
      Self.fillAffine(
        rows, scale, shift, mean: mean, inverseDeviation: inverseDeviation, gamma: gamma, beta: beta
      )
      let scales = scale.read
      let shifts = shift.read
      forEachPart(rows.parts(of: pixels * channels)) { _, start, count in
        elementwise.pointee.row_affine(x + start, scales, shifts, slope, y + start, count, width)
      }
    }
  }

  /// The normalization as y = scale · x + shift.
  private static func fillAffine(
    _ rows: ChannelRows, _ scale: UnsafeMutableBufferPointer<Float>,
    _ shift: UnsafeMutableBufferPointer<Float>, mean: UnsafePointer<Float>,
    inverseDeviation: UnsafePointer<Float>, gamma: UnsafePointer<Float>, beta: UnsafePointer<Float>
  ) {
    rows.fill(scale) { gamma[$0] * inverseDeviation[$0] }
    rows.fill(shift) { beta[$0] - mean[$0] * scale[$0] }
  }

  /// The gradients of the forward pass whose statistics were taken over the same pixels; `dx` may
  /// be `dy`.
  ///
  /// `beta` is the forward pass's, needed when `activation` is not the identity: the sign of the
  /// activation's input is worked out anew.
  public func batchNormalizationGradient(
    _ x: UnsafePointer<Float>, dy: UnsafePointer<Float>, mean: UnsafePointer<Float>,
    inverseDeviation: UnsafePointer<Float>, gamma: UnsafePointer<Float>,
    beta: UnsafePointer<Float>?, activation: Activation, dx: UnsafeMutablePointer<Float>,
    dGamma: UnsafeMutablePointer<Float>, dBeta: UnsafeMutablePointer<Float>, pixels: Int,
    channels: Int
  ) {
    let slope = Self.slope(activation)
    let beta = slope == 1 ? nil : beta
    precondition(slope == 1 || beta != nil, "the gradient through \(activation) needs beta")
    let reduce = elementwise.pointee.channel_products
    let map = elementwise.pointee.row_normalization_gradient
    let rows = ChannelRows(channels: channels)
    let width = rows.width
    withUnsafeTemporaryAllocation(of: Float.self, capacity: 6 * width) { tables in
      let buffers = (0..<6).map {
        UnsafeMutableBufferPointer(rebasing: tables[($0 * width)..<(($0 + 1) * width)])
      }
      rows.fill(buffers[0]) { mean[$0] }
      if let beta {
        Self.fillAffine(
          rows, buffers[4], buffers[5], mean: mean, inverseDeviation: inverseDeviation,
          gamma: gamma, beta: beta)
      }
      let base = tables.read
      let scale = beta == nil ? nil : base + 4 * width
      let shift = beta == nil ? nil : base + 5 * width
      sumOfChannels(rows, pixels: pixels, kinds: 2) { start, count, sums in
        reduce(x + start, dy + start, base, scale, shift, slope, count, width, channels, sums)
      } finish: { sums in
        let size = Double(max(pixels, 1))
        rows.fill(buffers[1]) { gamma[$0] * inverseDeviation[$0] }
        rows.fill(buffers[2]) { c in
          let inverse = Double(inverseDeviation[c])
          return Float(-Double(gamma[c]) * inverse * inverse * inverse * sums[channels + c] / size)
        }
        rows.fill(buffers[3]) { c in
          Float(-Double(gamma[c]) * Double(inverseDeviation[c]) * sums[c] / size)
        }
        for c in 0..<channels {
          dGamma[c] = Float(sums[channels + c] * Double(inverseDeviation[c]))
          dBeta[c] = Float(sums[c])
        }
      }
      forEachPart(rows.parts(of: pixels * channels)) { _, start, count in
        map(
          x + start, dy + start, base, base + width, base + 2 * width, base + 3 * width, scale,
          shift, slope, dx + start, count, width)
      }
    }
  }

  /// The slope below zero of an activation that a normalization can carry.
  private static func slope(_ activation: Activation) -> Float {
    guard let slope = activation.negativeSlope else {
      preconditionFailure("a normalization carries no \(activation)")
    }
    return slope
  }
}
