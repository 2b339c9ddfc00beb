// How far a confidence can be trusted: how often what is called so sure is right.
//
// Guo, Pleiss, Sun, Weinberger: On Calibration of Modern Neural Networks (2017).

import AtelierImages

/// Counts of confidences and of what was right among them, in bins of equal width.
package struct Reliability: Sendable, Hashable, Codable {
  /// One bin of confidences.
  package struct Bin: Sendable, Hashable, Codable {
    /// How many confidences fell into it.
    package var count = 0
    /// Their mean.
    package var confidence = 0.0
    /// The share of them that were right.
    package var accuracy = 0.0
  }

  private var counts: [Int]
  private var sums: [Double]
  private var rights: [Int]

  /// Starts without any, with so many bins from 0 to 1.
  package init(bins: Int = 15) {
    counts = [Int](repeating: 0, count: bins)
    sums = [Double](repeating: 0, count: bins)
    rights = [Int](repeating: 0, count: bins)
  }

  /// Takes a confidence in and whether it was right.
  package mutating func add(_ confidence: Float, isRight: Bool) {
    let place = min(max(Int(confidence * Float(counts.count)), 0), counts.count - 1)
    counts[place] += 1
    sums[place] += Double(confidence)
    if isRight { rights[place] += 1 }
  }

  /// The bins from 0 to 1.
  package var bins: [Bin] {
    counts.indices.map { index in
      let count = counts[index]
      guard count > 0 else { return Bin() }
      return Bin(
        count: count, confidence: sums[index] / Double(count), accuracy: share(rights[index], count)
      )
    }
  }

  /// The expected calibration error: the mean difference of confidence and share of right ones, each
  /// bin counted by what fell into it; nil when nothing did.
  package var error: Double? {
    let all = counts.reduce(0, +)
    guard all > 0 else { return nil }
    return bins.reduce(0) { $0 + Double($1.count) * abs($1.confidence - $1.accuracy) }
      / Double(all)
  }

  /// The curve beside the line of a confidence that keeps its word, and how many fell where.
  package func drawn(title: String) -> ByteImage {
    let filled = bins.filter { $0.count > 0 }
    let most = Double(max(filled.map(\.count).max() ?? 1, 1))
    let width = 1 / Double(counts.count)
    let steps = bins.enumerated().flatMap { index, bin -> [SIMD2<Double>] in
      let height = Double(bin.count) / most
      return [
        SIMD2(Double(index) * width, height), SIMD2(Double(index + 1) * width, height),
      ]
    }
    return LinePlot(
      title: title, xLabel: "confidence", yLabel: "share that is right",
      series: [
        LinePlot.Series("as it should be", points: [SIMD2(0, 0), SIMD2(1, 1)], opacity: 0.5),
        LinePlot.Series("measured", points: filled.map { SIMD2($0.confidence, $0.accuracy) }),
        LinePlot.Series("how many, of the fullest", points: steps, opacity: 0.35),
      ], width: 640, height: 540
    ).render()
  }
}
