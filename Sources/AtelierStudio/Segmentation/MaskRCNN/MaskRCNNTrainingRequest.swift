// What a Mask R-CNN is trained on and how: a value, stored as the run's configuration.

import AtelierDatasets
import AtelierTraining
import AtelierZoo

/// Where a training's pictures with objects come from.
public enum InstanceTrainingPictures: Sendable, Hashable, Codable {
  /// The project's own scenes of shapes, drawn without end.
  case shapes
  /// A set of files, as `InstanceData.read` finds it: its training part; its validation part, or a tenth of the training part where
  /// it has none, is held out. `objects` is what objects are called where the set has no classes.
  case set(path: String, objects: String)
}

/// What a Mask R-CNN is trained on and how; stored as the run's configuration.
public struct MaskRCNNTrainingRequest: FormerTrainingRequest, Hashable {
  /// The pictures to learn from.
  public var data: InstanceTrainingPictures
  /// The sizes of the network.
  public var design: MaskRCNN.Design
  /// Width and height of the training's pictures, or of the crops of larger ones; a multiple of 16.
  public var side = 128
  /// Pictures a step.
  public var batch = 4
  /// How many anchors and regions a step judges.
  public var sampling: MaskRCNNSampling
  /// How many proposals the regions are chosen from.
  public var proposals = 100
  /// The random changes of pictures; scenes have none.
  public var augmentation = InstanceAugmentation.none
  /// Whether every picture's contrast is stretched to the full range first.
  public var stretchesContrast = false
  /// Whether pictures on bright ground are seen in negative, as gray on dark ground; nil means no.
  public var darkensGround: Bool?
  /// How many times as large as it is the network sees a picture, above 0: more than 1 for objects of few pixels.
  public var enlargement: Float = 1
  /// AdamW's base learning rate; half a cosine over the training ends at a hundredth of it.
  public var learningRate = 1e-3
  /// AdamW's decay of the weights.
  public var weightDecay = 0.01
  /// Steps of the straight line up to the base rate.
  public var warmUp = 200
  /// The largest gradient norm; nil for no limit.
  public var gradientLimit: Double? = 5
  /// The decay of the moving average of the weights, which is what is measured and saved; nil for none.
  public var averageDecay: Double?
  /// Steps to make; nil when minutes limit the training.
  public var steps: Int?
  /// Minutes to train; nil when steps limit the training.
  public var minutes: Double?
  /// How many pictures are measured at each validation.
  public var validationCount = 60
  /// Steps between validations.
  public var validationInterval = 500
  /// Steps between preview pictures.
  public var previewInterval = 250
  /// Steps between saves.
  public var saveInterval = 250
  /// The seed of weights, scenes, crops and choices.
  public var seed: UInt64 = 1

  /// Describes a training with a design's usual recipe.
  ///
  /// - Parameters:
  ///   - data: The pictures.
  ///   - design: The sizes of the network.
  public init(data: InstanceTrainingPictures, design: MaskRCNN.Design) {
    self.data = data
    self.design = design
    switch design {
    case .tiny: sampling = MaskRCNNSampling(anchors: 64, regions: 32, positives: 12)
    case .small:
      sampling = MaskRCNNSampling(anchors: 192, regions: 96, positives: 32)
      side = 256
      batch = 2
      proposals = 300
    }
  }

  /// How pictures are prepared for the network.
  var reading: PictureReading {
    PictureReading(
      stretchesContrast: stretchesContrast, darkensGround: darkensGround ?? false,
      enlargement: enlargement)
  }

  public static let changeable: Set = [
    "steps", "minutes", "validationInterval", "previewInterval", "saveInterval", "validationCount",
  ]
}
