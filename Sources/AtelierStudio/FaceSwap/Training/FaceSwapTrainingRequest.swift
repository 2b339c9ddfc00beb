// What a face swap is trained on and how: a value, stored as the run's configuration.

import AtelierDatasets
import AtelierTraining
import AtelierZoo

/// What a face swap is trained on and how; stored as the run's configuration.
public struct FaceSwapTrainingRequest: FormerTrainingRequest, Hashable {
  /// In which order encoder and decoders learn.
  public enum Mode: String, Sendable, Hashable, Codable, CaseIterable {
    /// Both people at once, each through the shared encoder and a decoder of their own.
    case joint
    /// Encoder and decoder on A; then the encoder is frozen and a new decoder learns B.
    case sequential
  }

  /// How the learning rate falls.
  public enum Decay: String, Sendable, Hashable, Codable, CaseIterable {
    /// Not at all.
    case constant
    /// Half a cosine over the training, to a hundredth.
    case cosine
  }

  /// Folders or files of A's aligned crops; empty when characters are drawn.
  public var a: [String]
  /// Folders or files of B's aligned crops.
  public var b: [String]
  /// Crops of A to measure with; empty takes some of the training's.
  public var validationA: [String] = []
  /// Crops of B to measure with.
  public var validationB: [String] = []
  /// How many poses of each of the two fictional people are drawn instead of reading crops; nil reads crops.
  public var characterPoses: Int?
  /// The network.
  public var network: FaceSwapNetwork
  /// The order of learning.
  public var mode = Mode.joint
  /// The random changes of the crops.
  public var augmentation = FaceAugmentation.standard
  /// What is made small.
  public var loss = FaceSwapLoss.absolute
  /// The factor of the mask's absolute error, for networks with a mask head.
  public var maskWeight: Float = 0.5
  /// How many times absolute errors of eyes and mouth count, 1...100; nil for once, as all others.
  public var eyesMouthPriority: Float?
  /// The factor of the cycle's loss, joint mode alone; 0 trains as the original.
  ///
  /// In each step the other's decoder draws the faces, and the swap of what it drew must be the faces again. Without this, nothing
  /// but the shared encoder says that a code means the same pose to both decoders.
  public var cycleWeight: Float = 0
  /// The steps before the cycle begins; until then its inputs are the faces themselves.
  public var cycleStart = 500
  /// Crops of each person a step.
  public var batch = 16
  /// Adam's base learning rate.
  public var learningRate: Double
  /// Adam's decay of the gradient's mean.
  public var beta1: Double
  /// How the learning rate falls.
  public var decay: Decay
  /// Steps of the straight line up to the base rate.
  public var warmUp: Int
  /// The largest gradient norm; nil for no limit.
  public var gradientLimit: Double?
  /// The decay of the moving average of the weights, which is what is saved; nil for none.
  public var averageDecay: Double?
  /// A model whose weights, encoder and decoders, this training starts with.
  public var startFrom: String?
  /// A model whose encoder this training starts with.
  public var encoderFrom: String?
  /// Whether the encoder stays as it starts.
  public var freezesEncoder = false
  /// The error that the forecast looks for.
  public var goal = 0.02
  /// Steps to make, in sequential mode of both stages together; nil when minutes limit the training.
  public var steps: Int?
  /// Minutes to train, in sequential mode of both stages together; nil when steps limit the training.
  public var minutes: Double?
  /// Steps between validations.
  public var validationInterval = 250
  /// Steps between preview pictures.
  public var previewInterval = 250
  /// Steps between saves.
  public var saveInterval = 250
  /// The fixed faces of each person in the pictures of the timelapse; 0 draws none.
  public var timelapseFaces = 4
  /// The seed of weights, choices and poses.
  public var seed: UInt64 = 1

  /// Describes a training with a network's usual recipe.
  ///
  /// `original` and `half` take the recipe of 2017: Adam with 5e-5 throughout and β1 0.5. `slim` learns twenty times faster, with a
  /// cosine and averaged weights.
  ///
  /// - Parameters:
  ///   - a: Folders or files of A's aligned crops.
  ///   - b: The same of B.
  ///   - network: The network.
  public init(a: [String], b: [String], network: FaceSwapNetwork) {
    self.a = a
    self.b = b
    self.network = network
    let isSlim = network.design == .slim
    learningRate = isSlim ? 1e-3 : 5e-5
    beta1 = isSlim ? 0.9 : 0.5
    decay = isSlim ? .cosine : .constant
    warmUp = isSlim ? 100 : 0
    gradientLimit = isSlim ? 1 : nil
    averageDecay = isSlim ? 0.998 : nil
  }

  public static let changeable: Set = [
    "steps", "minutes", "validationInterval", "previewInterval", "saveInterval",
  ]
}

/// One stage of a training: whose autoencoders learn, and for how long.
struct FaceSwapStage {
  let faces: [SwapFace]
  let isEncoderFrozen: Bool
  let steps: Int?
  let minutes: Double?
  /// What progress and metadata call it.
  let name: String
}

extension FaceSwapTrainingRequest {
  /// The stages in their order: one in joint mode, two in sequential mode, which share the limits.
  var stages: [FaceSwapStage] {
    switch mode {
    case .joint:
      return [
        FaceSwapStage(
          faces: SwapFace.allCases, isEncoderFrozen: freezesEncoder, steps: steps,
          minutes: minutes, name: "a and b")
      ]
    case .sequential:
      // The first stage takes the odd step.
      return [
        FaceSwapStage(
          faces: [.a], isEncoderFrozen: freezesEncoder, steps: steps.map { $0 - $0 / 2 },
          minutes: minutes.map { $0 / 2 }, name: "a"),
        FaceSwapStage(
          faces: [.b], isEncoderFrozen: true, steps: steps.map { $0 / 2 },
          minutes: minutes.map { $0 / 2 }, name: "b, encoder frozen"),
      ]
    }
  }
}
