// The terms of a semantic network's loss: cross-entropy, focal, Dice, and their sums.

import AtelierDatasets
import AtelierEngine
import AtelierImages
import AtelierScenery
import AtelierTraining
import AtelierWorkbench
import AtelierZoo

/// One term of a semantic network's loss.
public struct SegmentationLossTerm: Sendable, Hashable, Codable, CustomStringConvertible {
  public enum Kind: String, Sendable, Hashable, Codable, CaseIterable {
    /// Softmax and cross-entropy of each pixel, classes weighted.
    case crossEntropy = "ce"
    /// Cross-entropy with well-classified pixels weighted down (Lin and others 2017).
    case focal
    /// Soft Dice of the probabilities, each class alike (Milletari and others 2016).
    case dice
  }

  public var kind: Kind
  /// Its factor in the sum.
  public var weight: Float
  /// The focusing exponent of the focal loss.
  public var gamma: Float

  public init(_ kind: Kind, weight: Float = 1, gamma: Float = 2) {
    self.kind = kind
    self.weight = weight
    self.gamma = gamma
  }

  /// Reads `ce`, `focal:2`, or a sum such as `ce+0.5*dice`.
  static func sum(_ text: String) throws -> [Self] {
    try text.split(separator: "+", omittingEmptySubsequences: false).map { term in
      let parts = term.split(separator: "*", omittingEmptySubsequences: false)
      let words = (parts.last ?? "").split(separator: ":", omittingEmptySubsequences: false)
      let factor = parts.count == 2 ? Float(parts[0]) : 1
      let gamma = words.count == 2 ? Float(words[1]) : 2
      guard (1...2).contains(parts.count), (1...2).contains(words.count), let factor, let gamma,
        let kind = Kind(rawValue: String(words[0])), words.count == 1 || kind == .focal,
        factor > 0, factor.isFinite, gamma >= 0, gamma.isFinite
      else {
        let names = Kind.allCases.map { $0 == .focal ? "focal:GAMMA" : $0.rawValue }
        throw FieldError(
          "expected \(names.joined(separator: ", ")) or a sum such as ce+0.5*dice; received "
            + "'\(text)'")
      }
      return Self(kind, weight: factor, gamma: gamma)
    }
  }

  /// As the field has it, such as `0.5*focal:2`.
  public var description: String {
    let factor = weight == 1 ? "" : "\(weight)*"
    return factor + kind.rawValue + (kind == .focal ? ":\(gamma)" : "")
  }
}

extension [SegmentationLossTerm] {
  /// The engine's loss of logits against labels where 255 does not count.
  func loss(weights: [Float]?) -> Loss {
    let ignored = Int(LabelMap.ignored)
    let terms = map { term -> Loss.Weighted in
      switch term.kind {
      case .crossEntropy:
        .init(weight: term.weight, loss: .crossEntropy(ignoreLabel: ignored, classWeights: weights))
      case .focal: .init(weight: term.weight, loss: .focal(gamma: term.gamma, ignoreLabel: ignored))
      case .dice: .init(weight: term.weight, loss: .sparseDice(smooth: 1, ignoreLabel: ignored))
      }
    }
    return terms.count == 1 && terms[0].weight == 1 ? terms[0].loss : .sum(terms)
  }
}
