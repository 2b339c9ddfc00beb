// What a Mask R-CNN is trained on and how: a value, stored as the run's configuration, and its form.

import AtelierScenery
import AtelierTraining
import AtelierWorkbench
import AtelierZoo

/// What a Mask R-CNN is trained on and how; stored as the run's configuration.
public struct MaskRCNNTrainingRequest: InstanceTrainingRequest, Hashable {
  public var data = InstanceTrainingPictures(word: "")
  public var design = MaskRCNN.Design.tiny
  public var side = 128
  public var sampling = MaskRCNNSampling(anchors: 64, regions: 32, positives: 12)
  public var proposals = 100
  public var augmentation = InstanceAugmentation.none
  public var stretchesContrast = false
  public var darkensGround = false
  public var enlargement: Float = 1
  public var validationCount = 60
  public var recipe = TrainingRecipe()

  public init() {
    recipe.batch = 4
    recipe.optimizer = .adamW()
    recipe.warmUp = 200
    recipe.gradientLimit = 5
    recipe.validationInterval = 500
    recipe.previewInterval = 250
    recipe.saveInterval = 250
  }

  /// Describes a training with a design's usual recipe.
  public init(data: InstanceTrainingPictures, design: MaskRCNN.Design) {
    self.init()
    self.data = data
    self.design = design
    guard design == .small else { return }
    sampling = MaskRCNNSampling(anchors: 192, regions: 96, positives: 32)
    (side, recipe.batch, proposals) = (256, 2, 300)
  }

  /// How pictures are prepared for the network.
  var reading: PictureReading {
    PictureReading(
      stretchesContrast: stretchesContrast, darkensGround: darkensGround, enlargement: enlargement)
  }

  public static let changeable: Set = ["validationCount"]

  public static func migrate(_ stored: inout [String: Any]) {
    // Version 0.1 had AdamW alone, and its decay by itself.
    if let decay = stored.removeValue(forKey: "weightDecay") {
      stored["optimizer"] = ["adamW": ["weightDecay": decay]]
    }
  }

  public mutating func prepare(for words: FieldWords) throws {
    let data = InstanceTrainingPictures(word: words["data"]?.last ?? "")
    let design = try words["design"]?.last.map { try MaskRCNN.Design(word: $0) }
    self = Self(data: data, design: design ?? (data == .shapes ? .tiny : .small))
  }
}

extension MaskRCNNTrainingRequest {
  public static var form: Form<Self> {
    Form(Self(), fields: []).section(
      "TRAINING OPTIONS",
      pictureFields + [
        .startFrom, .learningRate(),
        .averageDecayOrNone("The decay of a moving average of the weights"),
      ] + Field.limits + Field.sharding + [
        .validateEvery(), .previewEvery(), .saveEvery(),
        Field(
          "validation-count", \.validationCount, "Held-out pictures to measure", value: "n",
          .from(1, to: 100_000)
        ).changeable,
        .seed("weights, scenes and crops"),
      ])
  }

  private static var pictureFields: [Field<Self>] {
    [
      Field(
        "data", \.data,
        "\"shapes\" for the project's own scenes, else a set of pictures with objects: a COCO file, "
          + "or a folder with images and labels", value: "data", kind: .source
      ).besides(ShapesScenes.word)
        .demanded("a training needs pictures: give --data, \"shapes\" or a set of files"),
      Field(
        "object-name", \.objectName, "What objects are called where the set has no classes",
        value: "name"),
      Field(
        "design", \.design,
        "The network's sizes: tiny (pictures of about 128 pixels) or small (256 to 512, many "
          + "objects; default for sets of files)", value: "name"
      ).byDefault(nil),
      Field(
        "side", \.side, "Width and height of pictures and crops", value: "n", .from(32, to: 4096)
      ).byDefault("128 or 256"),
      .batch("Pictures a step", most: 1024).byDefault("4 or 2"),
      Field(
        flag: "microscope", \.isOfMicroscope,
        "Turn, mirror, scale and recolour crops at random, as pictures of a microscope allow; "
          + "stretch contrast, and see pictures on bright ground in negative"),
      Field(
        "enlargement", \.enlargement,
        "See pictures so many times as large, for objects of few pixels", value: "factor",
        .positive),
    ]
  }

  /// Whether pictures are changed and seen as those of a microscope.
  fileprivate var isOfMicroscope: Bool {
    get { augmentation == .microscope && stretchesContrast && darkensGround }
    set {
      augmentation = newValue ? .microscope : .none
      (stretchesContrast, darkensGround) = (newValue, newValue)
    }
  }
}

extension MaskRCNN.Design: ChoiceValue { public static var noun: String? { "a design" } }
