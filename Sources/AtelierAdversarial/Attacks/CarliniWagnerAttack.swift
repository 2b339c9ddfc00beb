// The attack of Carlini and Wagner on the L2 norm.
//
// Carlini, Wagner: Towards Evaluating the Robustness of Neural Networks (2017), section VI.

import AtelierClassification
import AtelierEngine
import AtelierWorkbench

#if canImport(Glibc)
import Glibc
#elseif canImport(Darwin)
import Darwin
#endif

/// Looks for the shortest noise that turns each picture: Adam over w with picture = (tanh w + 1) / 2,
/// and a search for the weight of the margin.
///
/// The shortest noise ends where two classes are equally likely, and the steeper a victim is, the more
/// of what is found lies on that very line; there the order of a sum decides, which another program,
/// batch size or instruction set takes in its own way. So a picture counts as turned only when its new
/// class leads by more than rounding (the paper's κ, as a share of what the lead is a sum of).
struct CarliniWagnerAttack {
  /// Gradient of the margin, which must not be flat where a picture is turned.
  let gradient: VictimGradient
  let isTargeted: Bool
  let searches: Int
  let steps: Int
  private let rate: Float = 0.05
  /// What rounding may do to a lead, as a share of the absolute sum of its terms: far more than the
  /// orders of a sum differ by, far less than a byte step of a row of pixels changes.
  private let rounding: Float = 1e-5

  /// - Returns: The shortest turned pictures; where none was found the clean one.
  func run(_ clean: Tensor, _ labels: [Int]) throws -> Tensor {
    var best = Shortest(clean, count: labels.count)
    let tolerances = try tolerances(clean, labels)
    var weights = [MarginWeight](repeating: MarginWeight(), count: labels.count)
    for _ in 0..<searches {
      let isFound = try descend(clean, labels, weights, tolerances, &best)
      for row in labels.indices { weights[row].narrow(isFound: isFound[row]) }
    }
    return best.pictures
  }

  /// One descent from the clean pictures; tells which were turned on the way.
  private func descend(
    _ clean: Tensor, _ labels: [Int], _ weights: [MarginWeight], _ tolerances: [Float],
    _ best: inout Shortest
  ) throws -> [Bool] {
    let length = clean.count / labels.count
    // Slightly inside (0, 1), where tanh can be inverted.
    var w = clean.elements.map { atanhf((2 * $0 - 1) * 0.999_999) }
    var adam = AdamMoments(count: w.count)
    var isFound = [Bool](repeating: false, count: labels.count)
    for step in 1...max(steps, 1) {
      // The victim sees bytes, so that what is found survives in a file; slopes go straight through.
      var picture = clean
      let smooth = w.map { (tanhf($0) + 1) / 2 }
      for index in w.indices { picture.elements[index] = (smooth[index] * 255).rounded() / 255 }
      let (slope, logits) = try gradient(picture, labels)
      for row in labels.indices {
        let range = row * length..<(row + 1) * length
        // By how much the class to leave leads, or any other one the class to reach.
        let lead = logits.lead(of: labels[row], row: row)
        let isTurned = (isTargeted ? -lead : lead) < -tolerances[row]
        if isTurned {
          isFound[row] = true
          best.take(picture, clean, row, range)
        }
        // Past the hinge the distance alone pulls.
        let weight = isTurned ? 0 : weights[row].value
        for index in range {
          let change = picture.elements[index] - clean.elements[index]
          // The derivative of (tanh w + 1) / 2.
          let inner = 2 * smooth[index] * (1 - smooth[index])
          let total = (2 * change + weight * slope.elements[index]) * inner
          w[index] -= adam.step(index, total, step, rate: rate)
        }
      }
    }
    return isFound
  }

  /// How far each picture's new class must lead: to first order a lead is the sum of every sample
  /// times its slope.
  private func tolerances(_ clean: Tensor, _ labels: [Int]) throws -> [Float] {
    let slope = try gradient(clean, labels).gradient
    let length = clean.count / labels.count
    return labels.indices.map { row in
      let range = row * length..<(row + 1) * length
      return rounding * range.reduce(0) { $0 + abs(slope.elements[$1] * clean.elements[$1]) }
    }
  }
}

/// The weight of one picture's margin beside the distance: by decades until it is enclosed, then by
/// halves.
private struct MarginWeight {
  private(set) var value: Float = 1
  private var low: Float = 0
  private var high: Float = .infinity

  /// Goes down where the picture was turned and up where it was not.
  mutating func narrow(isFound: Bool) {
    if isFound { high = value } else { low = value }
    value = !high.isFinite ? low * 10 : low == 0 ? high / 10 : (low + high) / 2
  }
}

/// The shortest noise yet of every picture.
private struct Shortest {
  private(set) var pictures: Tensor
  private var distances: [Float]

  init(_ clean: Tensor, count: Int) {
    pictures = clean
    distances = [Float](repeating: .infinity, count: count)
  }

  /// Keeps the samples `range` of picture `row` if they are nearer to the clean ones.
  mutating func take(_ picture: Tensor, _ clean: Tensor, _ row: Int, _ range: Range<Int>) {
    let distance = range.reduce(Float(0)) { sum, index in
      let change = picture.elements[index] - clean.elements[index]
      return sum + change * change
    }
    guard distance < distances[row] else { return }
    distances[row] = distance
    pictures.elements.replaceSubrange(range, with: picture.elements[range])
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
