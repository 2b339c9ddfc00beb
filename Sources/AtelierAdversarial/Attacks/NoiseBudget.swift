// How much noise is allowed, kept exactly also after rounding to bytes.

import AtelierClassification
import AtelierEngine
import AtelierWorkbench

/// A limit on adversarial noise.
public enum NoiseBudget: Sendable, Hashable, Codable {
  /// No sample changes by more than this, a fraction of full white (L∞).
  case infinity(Float)
  /// The root of the sum of squared changes is at most this, in fractions of full white (L2).
  case two(Float)

  public var radius: Float {
    switch self {
    case .infinity(let radius), .two(let radius): radius
    }
  }

  /// The same kind of limit with another number.
  public func scaled(to radius: Float) -> NoiseBudget {
    switch self {
    case .infinity: .infinity(radius)
    case .two: .two(radius)
    }
  }

  /// The largest whole number of byte steps within an L∞ limit: 76 for 0.3, 8 for 8/255.
  public static func byteSteps(_ epsilon: Float) -> Int {
    max(0, Int((Double(epsilon) * 255).rounded(.down)))
  }

  /// The bytes that are written to a file of a picture with noise, as many fractions of full white
  /// as the clean one has bytes: each exactly within the limit.
  public func bytes(clean: ArraySlice<UInt8>, noisy: ArraySlice<Float>) -> [UInt8] {
    precondition(clean.count == noisy.count, "as many noisy samples as clean ones")
    switch self {
    case .infinity(let epsilon):
      let steps = Self.byteSteps(epsilon)
      return zip(clean, noisy).map { original, value in
        let low = max(Int(original) - steps, 0)
        let high = min(Int(original) + steps, 255)
        return UInt8(min(max(Self.byte(value), low), high))
      }
    case .two(let radius):
      let limit = Double(radius) * 255
      let nearest = zip(clean, noisy).map { Double(Self.byte($1)) - Double($0) }
      let length = nearest.reduce(0) { $0 + $1 * $1 }.squareRoot()
      // What is too long is shortened and cut towards zero, which never lengthens it again.
      let factor = length > limit ? limit / length : 1
      return zip(clean, nearest).map { original, change in
        UInt8(Int(original) + Int((change * factor).rounded(.towardZero)))
      }
    }
  }

  /// The nearest byte value; what is not a number is black.
  private static func byte(_ value: Float) -> Int {
    value.isFinite ? Int((min(max(value, 0), 1) * 255).rounded()) : 0
  }

  /// Noisy pictures [N, …] as files hold them: rounded to bytes, exactly within the limit around
  /// clean ones; all are whole bytes over 255.
  func stored(_ noisy: Tensor, around clean: Tensor) -> Tensor {
    let length = clean.count / max(clean.shape.batch, 1)
    let bytes = clean.elements.map(Self.byte).map(UInt8.init)
    return Tensor(
      clean.shape,
      (0..<clean.shape.batch).flatMap { row in
        let range = row * length..<(row + 1) * length
        return self.bytes(clean: bytes[range], noisy: noisy.elements[range])
      }.map { Float($0) / 255 })
  }

  /// Takes one step against a gradient and goes back into the limit and into [0, 1]: each sample
  /// moves by `size` for L∞, each picture along the gradient for L2.
  func descend(
    _ noisy: inout Tensor, _ gradient: UnsafeBufferPointer<Float>, by size: Float,
    around clean: Tensor
  ) {
    switch self {
    case .infinity(let epsilon):
      noisy.elements.withUnsafeMutableBufferPointer { target in
        clean.elements.withUnsafeBufferPointer { source in
          for index in 0..<target.count {
            let slope = gradient[index]
            let step: Float = (slope > 0 ? size : 0) - (slope < 0 ? size : 0)
            let low = max(source[index] - epsilon, 0)
            let high = min(source[index] + epsilon, 1)
            target[index] = min(max(target[index] - step, low), high)
          }
        }
      }
    case .two:
      let length = clean.count / max(clean.shape.batch, 1)
      for row in 0..<clean.shape.batch {
        let range = row * length..<(row + 1) * length
        let norm = range.reduce(Float(0)) { $0 + gradient[$1] * gradient[$1] }.squareRoot()
        guard norm > 0 else { continue }
        for index in range { noisy.elements[index] -= size * gradient[index] / norm }
      }
      project(&noisy, around: clean)
    }
  }

  /// Moves noisy pictures [N, …] into the limit around clean ones and into [0, 1].
  func project(_ noisy: inout Tensor, around clean: Tensor) {
    let length = clean.count / max(clean.shape.batch, 1)
    noisy.elements.withUnsafeMutableBufferPointer { target in
      clean.elements.withUnsafeBufferPointer { source in
        for first in stride(from: 0, to: target.count, by: length) {
          let range = first..<first + length
          switch self {
          case .infinity(let epsilon):
            for index in range {
              let original = source[index]
              let change = min(max(target[index] - original, -epsilon), epsilon)
              target[index] = min(max(original + change, 0), 1)
            }
          case .two(let radius):
            let squares = range.reduce(Float(0)) {
              let change = target[$1] - source[$1]
              return $0 + change * change
            }
            let factor = squares > radius * radius ? radius / squares.squareRoot() : 1
            for index in range {
              let original = source[index]
              target[index] = min(max(original + (target[index] - original) * factor, 0), 1)
            }
          }
        }
      }
    }
  }

  /// Adds a generator's patterns in [−1, 1], at least as many numbers, to pictures of `length`
  /// samples, within the limit and [0, 1].
  func add(
    _ patterns: UnsafeBufferPointer<Float>, to pictures: UnsafeMutableBufferPointer<Float>,
    length: Int
  ) {
    switch self {
    case .infinity(let epsilon):
      for index in 0..<pictures.count {
        let change = min(max(epsilon * patterns[index], -epsilon), epsilon)
        pictures[index] = min(max(pictures[index] + change, 0), 1)
      }
    case .two(let radius):
      for first in stride(from: 0, to: pictures.count, by: length) {
        let range = first..<first + length
        let gain = gain(length)
        let squares = range.reduce(Float(0)) { $0 + patterns[$1] * patterns[$1] } * gain * gain
        let scale = squares > radius * radius ? gain * radius / squares.squareRoot() : gain
        for index in range {
          pictures[index] = min(max(pictures[index] + scale * patterns[index], 0), 1)
        }
      }
    }
  }
}

/// What an attack is after.
public enum AttackGoal: Sendable, Hashable, Codable {
  /// Any class but the right one.
  case untargeted
  case targeted(Int)
  /// The class that the victim finds least likely for the clean picture.
  case leastLikely

  /// Whether labels are classes to reach rather than to leave.
  public var isTargeted: Bool { self != .untargeted }

  /// What it means for one picture to be turned, for protocols.
  public var success: String {
    switch self {
    case .untargeted: "taken for any other class"
    case .targeted(let index): "taken for class \(index)"
    case .leastLikely: "taken for the class that was least likely"
    }
  }

  /// The classes that the losses get: the right ones (`labels`), or those to reach; `logits` are the
  /// victim's of the clean pictures [N, classes], asked for by `leastLikely` alone.
  func labels(_ labels: [Int], logits: () throws -> Tensor) rethrows -> [Int] {
    switch self {
    case .untargeted: return labels
    case .targeted(let index): return labels.map { _ in index }
    case .leastLikely:
      let rows = try logits()
      return labels.indices.map { row in
        let values = rows.answers(row)
        return values.indices.min { values[$0] < values[$1] }.map { $0 - values.startIndex } ?? 0
      }
    }
  }
}

/// What an attack makes small.
public enum AttackLoss: Sendable, Hashable, Codable {
  /// Minus the cross-entropy of the right class, at most `limit` nats a batch; targeted: the
  /// cross-entropy of the class to reach.
  case crossEntropy(limit: Float)
  /// The margin of Carlini and Wagner (2017) with confidence κ.
  case margin(kappa: Float)

  /// A scalar that falls as the attack succeeds, of the victim's answer [N, classes] and the
  /// classes that `AttackGoal.labels` gives [N].
  func callAsFunction(
    _ logits: SymbolicTensor, _ labels: SymbolicTensor, isTargeted: Bool
  ) -> SymbolicTensor {
    switch self {
    case .crossEntropy(let limit):
      let error = Loss.crossEntropy()(logits, labels)
      return isTargeted ? error : -1 * error.clamped(-1...limit)
    case .margin(let kappa):
      return Loss.margin(isTargeted: isTargeted, kappa: kappa)(logits, labels)
    }
  }
}
