// Softmax and the losses, each with its gradient.

import CKernels

/// A loss that is a sum over elements.
public enum PointwiseLoss: Hashable, Codable, Sendable {
  /// (x − t)²
  case squared
  /// |x − t|
  case absolute
  /// ½ (x − t)² where |x − t| ≤ delta, delta · (|x − t| − ½ delta) elsewhere (Huber 1964)
  case huber(delta: Float)
  /// √((x − t)² + epsilon²) (Charbonnier and others 1994)
  case charbonnier(epsilon: Float)
  /// The cross-entropy of a Bernoulli target t in 0...1 with the logit x.
  case binaryCrossEntropy
}

extension PointwiseLoss {
  fileprivate var code: (kind: Int32, parameter: Float) {
    switch self {
    case .squared: (Int32(CK_SQUARED), 0)
    case .absolute: (Int32(CK_ABSOLUTE), 0)
    case .huber(let delta): (Int32(CK_HUBER), delta)
    case .charbonnier(let epsilon): (Int32(CK_CHARBONNIER), epsilon)
    case .binaryCrossEntropy: (Int32(CK_BINARY_CROSS_ENTROPY), 0)
    }
  }
}

extension Kernels {
  /// The parts of [rows, channels], in elements: whole rows, sixteen of them or a multiple.
  private static func rowParts(_ rows: Int, channels: Int) -> ElementParts {
    precondition(channels > 0, "logits need at least one channel, received \(channels)")
    return ElementParts(count: rows * channels, unit: 16 * channels, limit: 256)
  }

  /// Runs `body` with the first row, its first element and the number of rows of every part.
  private func forEachBlockOfRows(
    _ rows: Int, channels: Int, _ body: (_ first: Int, _ start: Int, _ count: Int) -> Void
  ) {
    forEachPart(Self.rowParts(rows, channels: channels)) { _, start, count in
      body(start / channels, start, count / channels)
    }
  }

  /// What the cross-entropy kernels are told; the number of rows is each part's own.
  private static func task(
    _ classWeights: UnsafePointer<Float>?, _ ignoreLabel: Int?, _ focalGamma: Float, channels: Int
  ) -> ck_cross_entropy {
    var task = ck_cross_entropy()
    task.class_weights = classWeights
    task.has_ignored = ignoreLabel == nil ? 0 : 1
    task.ignored = Float(ignoreLabel ?? 0)
    task.gamma = focalGamma
    task.channels = channels
    return task
  }

  /// Softmax over the last axis of [rows, channels]; `y` may be `x`.
  public func softmaxForward(
    _ x: UnsafePointer<Float>, _ y: UnsafeMutablePointer<Float>, rows: Int, channels: Int
  ) {
    forEachBlockOfRows(rows, channels: channels) { _, start, count in
      elementwise.pointee.softmax(x + start, y + start, count, channels)
    }
  }

  /// dx = y · (dy − ⟨y, dy⟩) for every row, `y` being the softmax; `dx` may be `dy` or `y`.
  public func softmaxGradient(
    y: UnsafePointer<Float>, dy: UnsafePointer<Float>, dx: UnsafeMutablePointer<Float>, rows: Int,
    channels: Int
  ) {
    forEachBlockOfRows(rows, channels: channels) { _, start, count in
      elementwise.pointee.softmax_gradient(y + start, dy + start, dx + start, count, channels)
    }
  }

  /// The sum of `loss` over all elements.
  public func pointwiseLoss(
    _ loss: PointwiseLoss, prediction: UnsafePointer<Float>, target: UnsafePointer<Float>,
    count: Int
  ) -> Double {
    let (kind, parameter) = loss.code
    return sumOfParts(ElementParts(count: count, limit: 64)) {
      elementwise.pointee.loss(kind, parameter, prediction + $0, target + $0, $1)
    }
  }

  /// scale · d(sum of the loss) / d(prediction); `gradient` may be one of the inputs.
  public func pointwiseLossGradient(
    _ loss: PointwiseLoss, prediction: UnsafePointer<Float>, target: UnsafePointer<Float>,
    scale: Float, _ gradient: UnsafeMutablePointer<Float>, count: Int
  ) {
    let kernel = elementwise.pointee.loss_gradient
    let (kind, parameter) = loss.code
    forEachChunk(of: count) {
      kernel(kind, parameter, prediction + $0, target + $0, scale, gradient + $0, $1)
    }
  }

  /// Softmax cross-entropy of logits [rows, channels] with sparse labels [rows], class indices
  /// stored as `Float`.
  ///
  /// Each row's loss −log p is multiplied by the weight of its class and by (1 − p)^focalGamma (Lin
  /// and others 2017). Rows with `ignoreLabel` count nothing. `loss` is the weighted sum, `weight`
  /// the sum of the weights of the rows that count, `invalid` the number of labels that name no
  /// class and are not the ignored one; those rows count nothing.
  public func softmaxCrossEntropy(
    logits: UnsafePointer<Float>, labels: UnsafePointer<Float>, classWeights: UnsafePointer<Float>?,
    ignoreLabel: Int?, focalGamma: Float, rows: Int, channels: Int
  ) -> (loss: Double, weight: Double, invalid: Int) {
    let kernel = elementwise.pointee.cross_entropy
    let parts = Self.rowParts(rows, channels: channels)
    let capacity = 3 * max(parts.number, 1)
    return withUnsafeTemporaryAllocation(of: Double.self, capacity: capacity) { results in
      results.initialize(repeating: 0)
      guard let base = results.baseAddress else { return (0, 0, 0) }
      forEachPart(parts) { index, start, count in
        var task = Self.task(classWeights, ignoreLabel, focalGamma, channels: channels)
        task.rows = count / channels
        withUnsafePointer(to: task) {
          kernel($0, logits + start, labels + start / channels, base + 3 * index)
        }
      }
      var total = (loss: 0.0, weight: 0.0, invalid: 0)
      for part in 0..<parts.number {
        total.loss += results[3 * part]
        total.weight += results[3 * part + 1]
        total.invalid += Int(results[3 * part + 2])
      }
      return total
    }
  }

  /// scale · d(weighted sum) / d(logits) of `softmaxCrossEntropy`; zero in rows that count nothing.
  public func softmaxCrossEntropyGradient(
    logits: UnsafePointer<Float>, labels: UnsafePointer<Float>,
    classWeights: UnsafePointer<Float>?, ignoreLabel: Int?, focalGamma: Float, rows: Int,
    channels: Int, scale: Float, gradient: UnsafeMutablePointer<Float>
  ) {
    let kernel = elementwise.pointee.cross_entropy_gradient
    forEachBlockOfRows(rows, channels: channels) { first, start, count in
      var task = Self.task(classWeights, ignoreLabel, focalGamma, channels: channels)
      task.rows = count
      withUnsafePointer(to: task) {
        kernel($0, logits + start, labels + first, scale, gradient + start)
      }
    }
  }

  /// The sum over rows of the cross-entropy of logits with a distribution, both [rows, channels].
  public func categoricalCrossEntropy(
    logits: UnsafePointer<Float>, targets: UnsafePointer<Float>, rows: Int, channels: Int
  ) -> Double {
    sumOfParts(Self.rowParts(rows, channels: channels)) { start, count in
      elementwise.pointee.categorical(logits + start, targets + start, count / channels, channels)
    }
  }

  /// scale · d(sum) / d(logits) of `categoricalCrossEntropy`; `gradient` may be one of the inputs.
  public func categoricalCrossEntropyGradient(
    logits: UnsafePointer<Float>, targets: UnsafePointer<Float>, scale: Float,
    gradient: UnsafeMutablePointer<Float>, rows: Int, channels: Int
  ) {
    let kernel = elementwise.pointee.categorical_gradient
    forEachBlockOfRows(rows, channels: channels) { _, start, count in
      kernel(logits + start, targets + start, scale, gradient + start, count, channels)
    }
  }

  /// The margin loss of Carlini and Wagner (2017) on logits z [rows, channels], summed over rows.
  ///
  /// Untargeted: max(z_y − max over i ≠ y of z_i + kappa, 0); targeted: the label y is the wanted
  /// class and the difference is turned round. Rows whose label names no class count nothing.
  public func marginLoss(
    logits: UnsafePointer<Float>, labels: UnsafePointer<Float>, targeted: Bool, kappa: Float,
    rows: Int, channels: Int
  ) -> Double {
    sumOfParts(Self.rowParts(rows, channels: channels)) { start, count in
      elementwise.pointee.margin(
        logits + start, labels + start / channels, targeted ? 1 : 0, kappa, count / channels,
        channels)
    }
  }

  /// scale · d(sum) / d(logits) of `marginLoss`; of equal rivals the first gets the gradient.
  public func marginLossGradient(
    logits: UnsafePointer<Float>, labels: UnsafePointer<Float>, targeted: Bool, kappa: Float,
    rows: Int, channels: Int, scale: Float, gradient: UnsafeMutablePointer<Float>
  ) {
    forEachBlockOfRows(rows, channels: channels) { first, start, count in
      elementwise.pointee.margin_gradient(
        logits + start, labels + first, targeted ? 1 : 0, kappa, scale, gradient + start, count,
        channels)
    }
  }

  /// The soft Dice loss 1 − mean over channels of (2 Σ p t + smooth) / (Σ p + Σ t + smooth)
  /// (Milletari and others 2016).
  ///
  /// `prediction` (probabilities) and `target` are [rows, channels]. `sums` receives Σ p t, Σ p and
  /// Σ t, [3, channels], which the gradient needs. A channel that is empty on both sides, with
  /// `smooth` 0, counts as perfect.
  public func diceLoss(
    prediction: UnsafePointer<Float>, target: UnsafePointer<Float>, smooth: Float, rows: Int,
    channels: Int, sums: UnsafeMutablePointer<Float>
  ) -> Double {
    let kernel = elementwise.pointee.channel_overlaps
    let columns = ChannelRows(channels: channels)
    var mean = 0.0
    sumOfChannels(columns, pixels: rows, kinds: 3) { start, count, partial in
      kernel(prediction + start, target + start, count, columns.width, channels, partial)
    } finish: { totals in
      for i in 0..<(3 * channels) { sums[i] = Float(totals[i]) }
      for c in 0..<channels {
        let size = totals[channels + c] + totals[2 * channels + c] + Double(smooth)
        mean += size == 0 ? 1 : (2 * totals[c] + Double(smooth)) / size
      }
    }
    return 1 - mean / Double(channels)
  }

  /// scale · d(loss) / d(prediction) of `diceLoss`, from the sums it left; `gradient` may be
  /// `target`.
  public func diceLossGradient(
    prediction: UnsafePointer<Float>, target: UnsafePointer<Float>, smooth: Float,
    sums: UnsafePointer<Float>, scale: Float, gradient: UnsafeMutablePointer<Float>, rows: Int,
    channels: Int
  ) {
    // The slope is linear in the target with factors per channel: −scale / channels · (2 t / size
    // − top / size²).
    let kernel = elementwise.pointee.row_affine
    let columns = ChannelRows(channels: channels)
    let width = columns.width
    withUnsafeTemporaryAllocation(of: Float.self, capacity: 2 * width) { tables in
      let factors = UnsafeMutableBufferPointer(rebasing: tables[..<width])
      let shifts = UnsafeMutableBufferPointer(rebasing: tables[width...])
      let share = -Double(scale) / Double(channels)
      let size = { (c: Int) in
        Double(sums[channels + c]) + Double(sums[2 * channels + c]) + Double(smooth)
      }
      columns.fill(factors) { size($0) == 0 ? 0 : Float(share * 2 / size($0)) }
      columns.fill(shifts) { c in
        let top = 2 * Double(sums[c]) + Double(smooth)
        return size(c) == 0 ? 0 : Float(-share * top / (size(c) * size(c)))
      }
      let base = tables.read
      forEachPart(columns.parts(of: rows * channels)) { _, start, count in
        kernel(target + start, base, base + width, 1, gradient + start, count, width)
      }
    }
  }
}
