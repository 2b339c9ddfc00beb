// The reference twins of softmax and of the loss kernels, computed in Double.

#if canImport(Glibc)
import Glibc
#elseif canImport(Darwin)
import Darwin
#endif

extension Reference {
  /// The logarithms of the softmax of one row.
  static func logSoftmax(_ x: UnsafePointer<Float>, channels: Int) -> [Double] {
    let row = (0..<channels).map { Double(x[$0]) }
    let top = row.max() ?? 0
    let sum = row.reduce(0.0) { $0 + exp($1 - top) }
    return row.map { $0 - top - log(sum) }
  }

  /// Softmax over the last axis.
  public static func softmaxForward(
    _ x: UnsafePointer<Float>, _ y: UnsafeMutablePointer<Float>, rows: Int, channels: Int
  ) {
    for row in 0..<rows {
      let logs = logSoftmax(x + row * channels, channels: channels)
      for c in 0..<channels { y[row * channels + c] = Float(exp(logs[c])) }
    }
  }

  /// dx = y · (dy − ⟨y, dy⟩), row by row.
  public static func softmaxGradient(
    y: UnsafePointer<Float>, dy: UnsafePointer<Float>, dx: UnsafeMutablePointer<Float>, rows: Int,
    channels: Int
  ) {
    for row in 0..<rows {
      let range = (row * channels)..<((row + 1) * channels)
      let dot = range.reduce(0.0) { $0 + Double(y[$1]) * Double(dy[$1]) }
      for i in range { dx[i] = Float(Double(y[i]) * (Double(dy[i]) - dot)) }
    }
  }

  /// The sum of a pointwise loss over all elements.
  public static func pointwiseLoss(
    _ loss: PointwiseLoss, prediction: UnsafePointer<Float>, target: UnsafePointer<Float>,
    count: Int
  ) -> Double {
    var sum = 0.0
    for i in 0..<count {
      let x = Double(prediction[i])
      let t = Double(target[i])
      let d = x - t
      switch loss {
      case .squared: sum += d * d
      case .absolute: sum += abs(d)
      case .huber(let delta):
        let bound = Double(delta)
        sum += abs(d) <= bound ? 0.5 * d * d : bound * (abs(d) - 0.5 * bound)
      case .charbonnier(let epsilon):
        sum += (d * d + Double(epsilon) * Double(epsilon)).squareRoot()
      case .binaryCrossEntropy: sum += max(x, 0) - x * t + log1p(exp(-abs(x)))
      }
    }
    return sum
  }

  /// scale · d(sum of the loss) / d(prediction).
  public static func pointwiseLossGradient(
    _ loss: PointwiseLoss, prediction: UnsafePointer<Float>, target: UnsafePointer<Float>,
    scale: Float, _ gradient: UnsafeMutablePointer<Float>, count: Int
  ) {
    for i in 0..<count {
      let x = Double(prediction[i])
      let t = Double(target[i])
      let d = x - t
      let slope: Double
      switch loss {
      case .squared: slope = 2 * d
      case .absolute: slope = d > 0 ? 1 : (d < 0 ? -1 : 0)
      case .huber(let delta): slope = min(max(d, -Double(delta)), Double(delta))
      case .charbonnier(let epsilon):
        let root = (d * d + Double(epsilon) * Double(epsilon)).squareRoot()
        slope = root > 0 ? d / root : 0
      case .binaryCrossEntropy: slope = 1 / (1 + exp(-x)) - t
      }
      gradient[i] = Float(Double(scale) * slope)
    }
  }

  /// The index that a label names, or nil for one that is ignored or names no class.
  static func index(ofLabel label: Float, ignoreLabel: Int? = nil, channels: Int) -> Int? {
    guard let index = Int(exactly: label), index != ignoreLabel else { return nil }
    return (0..<channels).contains(index) ? index : nil
  }

  /// Softmax cross-entropy with sparse labels.
  public static func softmaxCrossEntropy(
    logits: UnsafePointer<Float>, labels: UnsafePointer<Float>, classWeights: UnsafePointer<Float>?,
    ignoreLabel: Int?, focalGamma: Float, rows: Int, channels: Int
  ) -> (loss: Double, weight: Double, invalid: Int) {
    var result = (loss: 0.0, weight: 0.0, invalid: 0)
    for row in 0..<rows {
      if let ignoreLabel, labels[row] == Float(ignoreLabel) { continue }
      guard let label = index(ofLabel: labels[row], channels: channels) else {
        result.invalid += 1
        continue
      }
      let log = logSoftmax(logits + row * channels, channels: channels)[label]
      let weight = classWeights.map { Double($0[label]) } ?? 1
      let focus = focalGamma == 0 ? 1 : pow(-expm1(log), Double(focalGamma))
      result.loss -= weight * focus * log
      result.weight += weight
    }
    return result
  }

  /// scale · d(weighted sum) / d(logits).
  public static func softmaxCrossEntropyGradient(
    logits: UnsafePointer<Float>, labels: UnsafePointer<Float>,
    classWeights: UnsafePointer<Float>?, ignoreLabel: Int?, focalGamma: Float, rows: Int,
    channels: Int, scale: Float, gradient: UnsafeMutablePointer<Float>
  ) {
    for row in 0..<rows {
      for c in 0..<channels { gradient[row * channels + c] = 0 }
      guard
        let label = index(ofLabel: labels[row], ignoreLabel: ignoreLabel, channels: channels)
      else { continue }
      let logs = logSoftmax(logits + row * channels, channels: channels)
      let weight = (classWeights.map { Double($0[label]) } ?? 1) * Double(scale)
      let factor = focalFactor(logProbability: logs[label], gamma: Double(focalGamma))
      for c in 0..<channels {
        let slope = exp(logs[c]) - (c == label ? 1 : 0)
        gradient[row * channels + c] = Float(weight * factor * slope)
      }
    }
  }

  /// By how much the focal term changes the gradient of the plain cross-entropy (Lin and others
  /// 2017).
  static func focalFactor(logProbability: Double, gamma: Double) -> Double {
    if gamma == 0 { return 1 }
    let rest = -expm1(logProbability)
    if rest <= 0 { return 0 }
    return pow(rest, gamma) - gamma * pow(rest, gamma - 1) * exp(logProbability) * logProbability
  }

  /// Cross-entropy against a distribution per row.
  public static func categoricalCrossEntropy(
    logits: UnsafePointer<Float>, targets: UnsafePointer<Float>, rows: Int, channels: Int
  ) -> Double {
    var sum = 0.0
    for row in 0..<rows {
      let logs = logSoftmax(logits + row * channels, channels: channels)
      for c in 0..<channels { sum -= Double(targets[row * channels + c]) * logs[c] }
    }
    return sum
  }

  /// scale · d(sum) / d(logits) of the categorical cross-entropy.
  public static func categoricalCrossEntropyGradient(
    logits: UnsafePointer<Float>, targets: UnsafePointer<Float>, scale: Float,
    gradient: UnsafeMutablePointer<Float>, rows: Int, channels: Int
  ) {
    for row in 0..<rows {
      let logs = logSoftmax(logits + row * channels, channels: channels)
      let range = (row * channels)..<((row + 1) * channels)
      let mass = range.reduce(0.0) { $0 + Double(targets[$1]) }
      for i in range {
        let slope = exp(logs[i - range.lowerBound]) * mass - Double(targets[i])
        gradient[i] = Float(Double(scale) * slope)
      }
    }
  }

  /// The largest logit beside the label's: its index, the first of equals, or nil when there is no
  /// other.
  static func rival(of label: Int, _ logits: UnsafePointer<Float>, channels: Int) -> Int? {
    var best: Int?
    for c in 0..<channels where c != label {
      if let known = best, !(logits[c] > logits[known]) { continue }
      best = c
    }
    return best
  }

  /// The margin loss of Carlini and Wagner (2017), summed over rows.
  public static func marginLoss(
    logits: UnsafePointer<Float>, labels: UnsafePointer<Float>, targeted: Bool, kappa: Float,
    rows: Int, channels: Int
  ) -> Double {
    var sum = 0.0
    for row in 0..<rows {
      let z = logits + row * channels
      guard let label = index(ofLabel: labels[row], channels: channels),
        let rival = rival(of: label, z, channels: channels)
      else { continue }
      let lead = Double(z[label]) - Double(z[rival])
      sum += max((targeted ? -lead : lead) + Double(kappa), 0)
    }
    return sum
  }

  /// scale · d(sum) / d(logits) of the margin loss.
  public static func marginLossGradient(
    logits: UnsafePointer<Float>, labels: UnsafePointer<Float>, targeted: Bool, kappa: Float,
    rows: Int, channels: Int, scale: Float, gradient: UnsafeMutablePointer<Float>
  ) {
    for row in 0..<rows {
      let z = logits + row * channels
      let out = gradient + row * channels
      for c in 0..<channels { out[c] = 0 }
      guard let label = index(ofLabel: labels[row], channels: channels),
        let rival = rival(of: label, z, channels: channels)
      else { continue }
      let lead = z[label] - z[rival]
      if (targeted ? -lead : lead) + kappa > 0 {
        out[label] = targeted ? -scale : scale
        out[rival] = targeted ? scale : -scale
      }
    }
  }

  /// The soft Dice loss; `sums` receives Σ p t, Σ p and Σ t of every channel.
  public static func diceLoss(
    prediction: UnsafePointer<Float>, target: UnsafePointer<Float>, smooth: Float, rows: Int,
    channels: Int, sums: UnsafeMutablePointer<Float>
  ) -> Double {
    var total = 0.0
    for c in 0..<channels {
      var parts = (both: 0.0, prediction: 0.0, target: 0.0)
      for row in 0..<rows {
        let p = Double(prediction[row * channels + c])
        let t = Double(target[row * channels + c])
        parts.both += p * t
        parts.prediction += p
        parts.target += t
      }
      sums[c] = Float(parts.both)
      sums[channels + c] = Float(parts.prediction)
      sums[2 * channels + c] = Float(parts.target)
      let size = parts.prediction + parts.target + Double(smooth)
      total += size == 0 ? 1 : (2 * parts.both + Double(smooth)) / size
    }
    return 1 - total / Double(max(channels, 1))
  }

  /// scale · d(loss) / d(prediction) of the soft Dice loss.
  public static func diceLossGradient(
    prediction: UnsafePointer<Float>, target: UnsafePointer<Float>, smooth: Float,
    sums: UnsafePointer<Float>, scale: Float, gradient: UnsafeMutablePointer<Float>, rows: Int,
    channels: Int
  ) {
    for i in 0..<(rows * channels) {
      let c = i % channels
      let size = Double(sums[channels + c]) + Double(sums[2 * channels + c]) + Double(smooth)
      let top = 2 * Double(sums[c]) + Double(smooth)
      let slope = size == 0 ? 0 : (2 * Double(target[i]) * size - top) / (size * size)
      gradient[i] = Float(-Double(scale) / Double(channels) * slope)
    }
  }
}
