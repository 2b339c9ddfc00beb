// Group normalization, and instance normalization as the case of one channel a group.

import CKernels

/// The sizes of one group normalization.
private struct GroupSizes {
  let rows: ChannelRows
  let batch: Int
  let pixels: Int
  let channels: Int
  let groups: Int
  /// The parts of one sample.
  let parts: ElementParts

  init(batch: Int, pixels: Int, channels: Int, groups: Int) {
    precondition(
      groups > 0 && channels % groups == 0, "\(groups) groups do not divide \(channels) channels")
    rows = ChannelRows(channels: channels)
    self.batch = batch
    self.pixels = pixels
    self.channels = channels
    self.groups = groups
    parts = ElementParts(
      count: pixels * channels, unit: rows.width, limit: max(1, 256 / max(batch, 1)))
  }

  /// Channels in a group.
  var size: Int { channels / groups }

  /// Where a part of the whole batch lies: its sample, its first element in the tensor and its
  /// size.
  func place(_ index: Int) -> (sample: Int, start: Int, count: Int) {
    let sample = index / parts.number
    let (start, count) = parts.range(index % parts.number)
    return (sample, sample * pixels * channels + start, count)
  }
}

extension Kernels {
  /// Normalizes every group of channels of every sample by its own mean and deviation (Wu and He
  /// 2018).
  ///
  /// `x` and `y` (which may be `x`) are [batch, pixels, channels]; `groups` divides `channels` and
  /// equals it for instance normalization (Ulyanov et al. 2016). `mean` and `inverseDeviation`
  /// [batch, groups] are results that the gradient needs.
  public func groupNormalizationForward(
    _ x: UnsafePointer<Float>, gamma: UnsafePointer<Float>, beta: UnsafePointer<Float>,
    epsilon: Float, groups: Int, mean: UnsafeMutablePointer<Float>,
    inverseDeviation: UnsafeMutablePointer<Float>, _ y: UnsafeMutablePointer<Float>, batch: Int,
    pixels: Int, channels: Int
  ) {
    let sizes = GroupSizes(batch: batch, pixels: pixels, channels: channels, groups: groups)
    guard batch > 0, pixels > 0 else { return }
    groupStatistics(x, sizes, epsilon: epsilon, mean: mean, inverseDeviation: inverseDeviation)
    let width = sizes.rows.width
    withUnsafeTemporaryAllocation(of: Float.self, capacity: 2 * batch * width) { tables in
      for sample in 0..<batch {
        let first = 2 * sample * width
        let scale = UnsafeMutableBufferPointer(rebasing: tables[first..<(first + width)])
        let shift = UnsafeMutableBufferPointer(
          rebasing: tables[(first + width)..<(first + 2 * width)])
        let groupOf = { (c: Int) in sample * groups + c / sizes.size }
        sizes.rows.fill(scale) { gamma[$0] * inverseDeviation[groupOf($0)] }
        sizes.rows.fill(shift) { beta[$0] - mean[groupOf($0)] * scale[$0] }
      }
      let base = tables.read
      pool.parallelFor(batch * sizes.parts.number) { index in
        let (sample, start, count) = sizes.place(index)
        let table = base + 2 * sample * width
        elementwise.pointee.row_affine(x + start, table, table + width, 1, y + start, count, width)
      }
    }
  }

  /// The mean and the inverse deviation of every group of every sample.
  private func groupStatistics(
    _ x: UnsafePointer<Float>, _ sizes: GroupSizes, epsilon: Float,
    mean: UnsafeMutablePointer<Float>, inverseDeviation: UnsafeMutablePointer<Float>
  ) {
    let kernel = elementwise.pointee.channel_moments
    let number = sizes.parts.number
    let stride = 2 * sizes.channels
    let capacity = sizes.batch * number * stride
    withUnsafeTemporaryAllocation(of: Double.self, capacity: capacity) { moments in
      guard let base = moments.baseAddress else { return }
      pool.parallelFor(sizes.batch * number) { index in
        let (_, start, count) = sizes.place(index)
        kernel(x + start, count, sizes.rows.width, sizes.channels, base + index * stride)
      }
      for sample in 0..<sizes.batch {
        for group in 0..<sizes.groups {
          let first = base + sample * number * stride + group * sizes.size
          let size = Double(sizes.size * sizes.pixels)
          var sum = 0.0
          for part in 0..<number {
            let pixels = Double(sizes.parts.range(part).count / sizes.channels)
            for c in 0..<sizes.size { sum += pixels * first[part * stride + c] }
          }
          let center = sum / size
          var squares = 0.0
          for part in 0..<number {
            let pixels = Double(sizes.parts.range(part).count / sizes.channels)
            for c in 0..<sizes.size {
              let offset = first[part * stride + c] - center
              squares += first[part * stride + sizes.channels + c] + pixels * offset * offset
            }
          }
          mean[sample * sizes.groups + group] = Float(center)
          inverseDeviation[sample * sizes.groups + group] = Float(
            1 / (squares / size + Double(epsilon)).squareRoot())
        }
      }
    }
  }

  /// The gradients of the group normalization; `dx` may be `dy`, `workspace` holds 2 · batch ·
  /// channels values.
  public func groupNormalizationGradient(
    _ x: UnsafePointer<Float>, dy: UnsafePointer<Float>, mean: UnsafePointer<Float>,
    inverseDeviation: UnsafePointer<Float>, gamma: UnsafePointer<Float>, groups: Int,
    dx: UnsafeMutablePointer<Float>, dGamma: UnsafeMutablePointer<Float>,
    dBeta: UnsafeMutablePointer<Float>, batch: Int, pixels: Int, channels: Int,
    workspace: UnsafeMutablePointer<Float>
  ) {
    let sizes = GroupSizes(batch: batch, pixels: pixels, channels: channels, groups: groups)
    let width = sizes.rows.width
    guard batch > 0, pixels > 0 else {
      fill(0, dGamma, count: channels)
      fill(0, dBeta, count: channels)
      return
    }
    let map = elementwise.pointee.row_normalization_gradient
    withUnsafeTemporaryAllocation(of: Float.self, capacity: 4 * batch * width) { tables in
      let base = tables.write
      for sample in 0..<batch {
        let means = UnsafeMutableBufferPointer(start: base + 4 * sample * width, count: width)
        sizes.rows.fill(means) { mean[sample * groups + $0 / sizes.size] }
      }
      groupProducts(x, dy, sizes, tables: base, inverseDeviation, workspace)
      for c in 0..<channels {
        var sums = (gamma: 0.0, beta: 0.0)
        for sample in 0..<batch {
          sums.gamma += Double(workspace[2 * sample * channels + c])
          sums.beta += Double(workspace[(2 * sample + 1) * channels + c])
        }
        dGamma[c] = Float(sums.gamma)
        dBeta[c] = Float(sums.beta)
      }
      for sample in 0..<batch {
        let table = base + 4 * sample * width
        let sums = UnsafePointer(workspace + 2 * sample * channels)
        let inverses = inverseDeviation + sample * groups
        fillGradientTables(table, sizes, gamma: gamma, inverseDeviation: inverses, sums: sums)
      }
      pool.parallelFor(batch * sizes.parts.number) { index in
        let (sample, start, count) = sizes.place(index)
        let table = UnsafePointer(base + 4 * sample * width)
        map(
          x + start, dy + start, table, table + width, table + 2 * width, table + 3 * width, nil,
          nil, 1, dx + start, count, width)
      }
    }
  }

  /// Σ dy · x̂ and Σ dy over the pixels, for every sample and channel: [batch, 2, channels].
  private func groupProducts(
    _ x: UnsafePointer<Float>, _ dy: UnsafePointer<Float>, _ sizes: GroupSizes,
    tables: UnsafeMutablePointer<Float>, _ inverseDeviation: UnsafePointer<Float>,
    _ products: UnsafeMutablePointer<Float>
  ) {
    let number = sizes.parts.number
    let channels = sizes.channels
    let stride = 2 * channels
    let capacity = sizes.batch * number * stride
    withUnsafeTemporaryAllocation(of: Double.self, capacity: capacity) { partial in
      guard let base = partial.baseAddress else { return }
      pool.parallelFor(sizes.batch * number) { index in
        let (sample, start, count) = sizes.place(index)
        elementwise.pointee.channel_products(
          x + start, dy + start, tables + 4 * sample * sizes.rows.width, nil, nil, 1, count,
          sizes.rows.width, channels, base + index * stride)
      }
      for sample in 0..<sizes.batch {
        for c in 0..<channels {
          var sums = (plain: 0.0, product: 0.0)
          for part in 0..<number {
            let at = (sample * number + part) * stride + c
            sums.plain += base[at]
            sums.product += base[at + channels]
          }
          let inverse = Double(inverseDeviation[sample * sizes.groups + c / sizes.size])
          products[2 * sample * channels + c] = Float(sums.product * inverse)
          products[(2 * sample + 1) * channels + c] = Float(sums.plain)
        }
      }
    }
  }

  /// The factors a, b and c of dx = a dy + b (x − mean) + c for one sample, behind the means in
  /// `table` [4, width].
  private func fillGradientTables(
    _ table: UnsafeMutablePointer<Float>, _ sizes: GroupSizes, gamma: UnsafePointer<Float>,
    inverseDeviation: UnsafePointer<Float>, sums: UnsafePointer<Float>
  ) {
    let width = sizes.rows.width
    let channels = sizes.channels
    let count = Double(sizes.size * sizes.pixels)
    for group in 0..<sizes.groups {
      let inverse = Double(inverseDeviation[group])
      var mean = (plain: 0.0, product: 0.0)
      let members = (group * sizes.size)..<((group + 1) * sizes.size)
      for c in members {
        mean.product += Double(gamma[c]) * Double(sums[c]) / count
        mean.plain += Double(gamma[c]) * Double(sums[channels + c]) / count
      }
      for c in members {
        table[width + c] = Float(inverse * Double(gamma[c]))
        table[2 * width + c] = Float(-inverse * inverse * mean.product)
        table[3 * width + c] = Float(-inverse * mean.plain)
      }
    }
    for kind in 1...3 {
      let factors = UnsafeMutableBufferPointer(start: table + kind * width, count: width)
      sizes.rows.fill(factors) { factors[$0] }
    }
  }
}
