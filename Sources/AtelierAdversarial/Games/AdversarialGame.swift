// What two networks play for: one draws, the other judges, and each side's loss is made of verdicts.
//
// Goodfellow and others: Generative Adversarial Nets (2014); Mao and others: Least Squares
// Generative Adversarial Networks (2017); Lim and Ye: Geometric GAN (2017); Arjovsky, Chintala,
// Bottou: Wasserstein GAN (2017).

import AtelierEngine
import AtelierKernels

/// The rule by which verdicts [N, 1] become losses.
public enum AdversarialGame: String, Sendable, Hashable, Codable, CaseIterable {
  /// The original game with the drawing side's non-saturating loss; verdicts are logits.
  case nonSaturating = "non-saturating"
  /// Verdicts are to be 1 for what is real and 0 for what is drawn.
  case leastSquares = "least-squares"
  /// Verdicts are to be above 1 for what is real and below −1 for what is drawn.
  case hinge
  /// The distance of the means of the verdicts, for judges of bounded slope.
  case wasserstein

  /// The judging side's loss; `smoothing` takes so much off the target of what is real (Salimans
  /// and others 2016), where the game has targets.
  package func judgeLoss(
    real: SymbolicTensor, drawn: SymbolicTensor, smoothing: Float = 0
  ) -> SymbolicTensor {
    switch self {
    case .nonSaturating:
      // softplus(x) − t · x is the cross-entropy of the logit x against t.
      let seen = Activate(.softplus)(real)
      return (seen - (1 - smoothing) * real).mean() + Activate(.softplus)(drawn).mean()
    case .leastSquares:
      return 0.5 * Self.distance(real, 1 - smoothing) + 0.5 * Self.distance(drawn, 0)
    case .hinge:
      return Activate(.relu)(-1 * real + 1).mean() + Activate(.relu)(drawn + 1).mean()
    case .wasserstein: return drawn.mean() - real.mean()
    }
  }

  /// The drawing side's loss, which is small where the drawn is taken for real.
  package func drawerLoss(_ drawn: SymbolicTensor) -> SymbolicTensor {
    switch self {
    case .nonSaturating: Activate(.softplus)(-1 * drawn).mean()
    case .leastSquares: Self.distance(drawn, 1)
    case .hinge, .wasserstein: -1 * drawn.mean()
    }
  }

  /// The mean squared distance to a number.
  private static func distance(_ verdict: SymbolicTensor, _ target: Float) -> SymbolicTensor {
    let difference = verdict + -target
    return (difference * difference).mean()
  }
}
