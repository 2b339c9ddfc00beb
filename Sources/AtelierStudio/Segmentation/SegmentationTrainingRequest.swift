// What a semantic network is trained on and how: the value that a run folder stores.

import AtelierDatasets
import AtelierEngine
import AtelierScenery
import AtelierTraining
import AtelierZoo

/// What a semantic network is trained on and how; stored as the run's configuration.
public struct SegmentationTrainingRequest: FormerTrainingRequest, Hashable {
  /// A folder of pictures and masks, of a set with parts the training part; or `shapes` for the
  /// project's own scenes of the crop's size, drawn without end.
  public var data: String
  /// A set to validate on; nil takes the data's validation part, or holds training pictures out.
  public var validation: String?
  /// How many training pictures are held out where there is no validation part; nil takes a tenth.
  public var holdOut: Int?
  /// The network.
  public var network: SegmentationNetwork = .unet
  /// The filters of the network's first level; nil for its own.
  public var width: Int?
  /// Levels of the U-Net.
  public var levels = 4
  /// How SegNet's decoder enlarges.
  public var unpooling: Unpooling = .max
  /// Image channels: 1 gray, 3 RGB.
  public var channels = 3
  /// The terms of the loss, added up.
  public var loss: [SegmentationLossTerm] = [.init(.crossEntropy)]
  /// How rare classes are given weight in the cross-entropy.
  public var weighting: ClassWeighting = .inverseLogarithm
  /// The random changes of crops.
  public var augmentation = SceneAugmentation()
  /// The share of crops that are cut out around a pixel of a class drawn evenly.
  public var balance: Float = 0
  /// The rows of a crop.
  public var cropHeight = 288
  /// The columns of a crop.
  public var cropWidth = 288
  /// Crops a step.
  public var batch = 4
  /// The rule that moves the weights.
  public var optimizer: OptimizerKind = .adamW(weightDecay: 1e-4)
  /// The base learning rate; half a cosine over the training ends at a thousandth of it.
  public var learningRate = 2e-3
  /// Steps of the straight line up to the base rate.
  public var warmUp = 100
  /// The decay of the moving average of the weights, which is what is saved; nil for none.
  public var averageDecay: Double? = 0.998
  /// Steps to make; nil when minutes limit the training.
  public var steps: Int?
  /// Minutes to train; nil when steps limit the training.
  public var minutes: Double?
  /// How many validations in a row may pass without a better mIoU before the training stops; nil
  /// never stops it.
  public var patience: Int?
  /// Steps between validations.
  public var validationInterval = 500
  /// Steps between preview pictures.
  public var previewInterval = 500
  /// Steps between saves.
  public var saveInterval = 250
  /// The seed of weights, orders, crops and of what is held out.
  public var seed: UInt64 = 1

  /// Describes a training with the defaults of the house; those for drawn scenes are small crops,
  /// many a step, that are not changed.
  public init(data: String) {
    self.data = data
    guard data == ShapesScenes.word else { return }
    (cropHeight, cropWidth, batch) = (128, 128, 16)
    augmentation = .none
  }

  /// The network for a number of classes.
  ///
  /// - Parameter classes: The outputs a pixel.
  /// - Returns: The network's description.
  public func architecture(classes: Int) -> SegmentationArchitecture {
    SegmentationArchitecture(
      network, classes: classes, channels: channels, width: width, levels: levels,
      unpooling: unpooling)
  }

  public static let changeable: Set = [
    "steps", "minutes", "patience", "validationInterval", "previewInterval", "saveInterval",
  ]
}

/// One term of a semantic network's loss.
public struct SegmentationLossTerm: Sendable, Hashable, Codable {
  /// The losses by name.
  public enum Kind: String, Sendable, Hashable, Codable, CaseIterable {
    /// Softmax and cross-entropy of each pixel, classes weighted.
    case crossEntropy = "ce"
    /// Cross-entropy with well-classified pixels weighted down (Lin and others 2017).
    case focal
    /// Soft Dice of the probabilities, each class alike (Milletari and others 2016).
    case dice
  }

  /// Which loss.
  public var kind: Kind
  /// Its factor in the sum.
  public var weight: Float
  /// The focusing exponent of the focal loss.
  public var gamma: Float

  /// Describes a term.
  public init(_ kind: Kind, weight: Float = 1, gamma: Float = 2) {
    self.kind = kind
    self.weight = weight
    self.gamma = gamma
  }
}

extension [SegmentationLossTerm] {
  /// The engine's loss of logits against labels where 255 does not count.
  func loss(weights: [Float]?) -> Loss {
    let ignored = Int(LabelMap.ignored)
    let terms = map { term -> Loss.Weighted in
      switch term.kind {
      case .crossEntropy:
        .init(
          weight: term.weight, loss: .crossEntropy(ignoreLabel: ignored, classWeights: weights))
      case .focal:
        .init(weight: term.weight, loss: .focal(gamma: term.gamma, ignoreLabel: ignored))
      case .dice:
        .init(weight: term.weight, loss: .sparseDice(smooth: 1, ignoreLabel: ignored))
      }
    }
    return terms.count == 1 && terms[0].weight == 1 ? terms[0].loss : .sum(terms)
  }
}
