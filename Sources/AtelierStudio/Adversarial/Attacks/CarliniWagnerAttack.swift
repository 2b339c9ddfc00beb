// The attack of Carlini and Wagner on the L2 norm.
//
// Carlini, Wagner: Towards Evaluating the Robustness of Neural Networks (2017), section VI.

import AtelierEngine

#if canImport(Glibc)
import Glibc
#elseif canImport(Darwin)
import Darwin
#endif

/// Looks for the shortest noise that turns each picture: Adam over w with picture = (tanh w + 1) / 2,
/// and a bisection over the weight of the margin.
struct CarliniWagnerAttack {
  let gradient: VictimGradient
  let isTargeted: Bool
  let searches: Int
  let steps: Int
  private let rate: Float = 0.05

  init(gradient: VictimGradient, isTargeted: Bool, searches: Int, steps: Int) {
    self.gradient = gradient
    self.isTargeted = isTargeted
    self.searches = searches
    self.steps = steps
  }

  /// - Returns: The shortest turned pictures; where none was found the clean one.
  func run(_ clean: Tensor, _ labels: [Int]) throws -> Tensor {
    let (count, length) = (labels.count, clean.count / labels.count)
    var best = clean
    var bestDistance = [Float](repeating: .infinity, count: count)
    var low = [Float](repeating: 0, count: count)
    var high = [Float](repeating: .infinity, count: count)
    var weight = [Float](repeating: 1, count: count)
    // Slightly inside (0, 1), where tanh can be inverted.
    let start = clean.elements.map { atanhf((2 * $0 - 1) * 0.999_999) }
    for _ in 0..<searches {
      var w = start
      var adam = AdamMoments(count: w.count)
      var isFound = [Bool](repeating: false, count: count)
      for step in 1...max(steps, 1) {
        // The victim sees bytes, so that what is found survives in a file; slopes go straight through.
        var picture = clean
        let smooth = w.map { (tanhf($0) + 1) / 2 }
        for index in w.indices { picture.elements[index] = (smooth[index] * 255).rounded() / 255 }
        let (slope, logits) = try gradient(picture, labels)
        for row in 0..<count {
          let range = row * length..<(row + 1) * length
          var distance: Float = 0
          for index in range {
            let change = picture.elements[index] - clean.elements[index]
            distance += change * change
          }
          if Attacker.isTurned(logits, row, labels[row], isTargeted: isTargeted) {
            isFound[row] = true
            if distance < bestDistance[row] {
              bestDistance[row] = distance
              best.elements.replaceSubrange(range, with: picture.elements[range])
            }
          }
          for index in range {
            let value = picture.elements[index]
            let total =
              2 * (value - clean.elements[index]) + weight[row] * slope.elements[index]
            // The derivative of (tanh w + 1) / 2.
            let inner = 2 * smooth[index] * (1 - smooth[index])
            w[index] -= adam.step(index, total * inner, step, rate: rate)
          }
        }
      }
      for row in 0..<count {
        if isFound[row] { high[row] = weight[row] } else { low[row] = weight[row] }
        weight[row] = high[row].isFinite ? (low[row] + high[row]) / 2 : weight[row] * 10
      }
    }
    return best
  }
}

/// Adam's moments of many numbers (Kingma and Ba 2014).
private struct AdamMoments {
  private var first: [Float]
  private var second: [Float]

  init(count: Int) {
    first = [Float](repeating: 0, count: count)
    second = first
  }

  /// How far to move number `index` against its slope at step `step`, from 1.
  mutating func step(_ index: Int, _ slope: Float, _ step: Int, rate: Float) -> Float {
    first[index] = 0.9 * first[index] + 0.1 * slope
    second[index] = 0.999 * second[index] + 0.001 * slope * slope
    let mean = first[index] / (1 - powf(0.9, Float(step)))
    let square = second[index] / (1 - powf(0.999, Float(step)))
    return rate * mean / (square.squareRoot() + 1e-8)
  }
}
