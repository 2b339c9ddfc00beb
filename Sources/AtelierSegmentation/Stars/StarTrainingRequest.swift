// What a star network is trained on and how: a value, stored as the run's configuration, and its
// form.

import AtelierScenery
import AtelierTraining
import AtelierWorkbench
import AtelierZoo

/// What a star network is trained on and how; stored as the run's configuration.
public struct StarTrainingRequest: InstanceTrainingRequest, Hashable {
  public var data = InstanceTrainingPictures(word: "")
  public var side = 256
  public var rays = 32
  public var widths = [32, 64, 96, 128]
  public var augmentation = InstanceAugmentation(
    scale: 0.65...1.5, turns: true, contrast: 0.25, color: 0.12)
  public var isVaried = true
  public var stretchesContrast = true
  public var darkensGround = true
  public var validationCount = 60
  public var score: Float = 0.5
  public var recipe = TrainingRecipe()

  public init() {
    recipe.batch = 8
    recipe.optimizer = .adamW(weightDecay: 1e-4)
    recipe.learningRate = 2e-3
    recipe.warmUp = 100
    recipe.gradientLimit = 5
    recipe.averageDecay = 0.998
    recipe.validationInterval = 500
    recipe.previewInterval = 500
    recipe.saveInterval = 100
  }

  /// How pictures are prepared for the network.
  var reading: PictureReading {
    PictureReading(
      stretchesContrast: stretchesContrast, darkensGround: darkensGround, keepsColor: true)
  }

  public static let changeable: Set = ["validationCount", "score"]
}

extension StarTrainingRequest {
  public static var form: Form<Self> {
    Form(Self(), fields: []).section(
      "TRAINING OPTIONS",
      pictureFields + [
        .startFrom, .freeze, .learningRate(),
        .averageDecayOrNone("The decay of a moving average of the weights"),
      ] + Field.limits + Field.sharding + [
        .validateEvery(), .previewEvery(), .saveEvery(),
        Field(
          "validation-count", \.validationCount, "Held-out pictures to measure", value: "n",
          .from(1, to: 100_000)
        ).changeable,
        .seed("weights and crops"),
      ])
  }

  private static var pictureFields: [Field<Self>] {
    [
      Field(
        "data", \.data,
        "A set of pictures with objects: a COCO file, a folder with images and labels, or of an "
          + "annotation tool's files; or \"shapes\" for the project's own scenes", value: "data",
        kind: .source
      ).besides(ShapesScenes.word)
        .demanded("a training needs pictures: give --data, \"shapes\" or a set of files"),
      Field(
        "object-name", \.objectName, "What objects are called where the set has no classes",
        value: "name"),
      Field(
        "side", \.side, "Width and height of crops, a multiple of 16", value: "n",
        .from(64, to: 2048)),
      .batch("Crops a step", most: 1024),
      Field("rays", \.rays, "Directions in which an edge is told", value: "n", .from(8, to: 128)),
      Field(
        "widths", "Filters of the levels, finest first", value: "n,n,…", kind: .text,
        words: { [$0.widths.map(String.init).joined(separator: ",")] },
        put: { request, words in
          let numbers = (words.last ?? "").split(separator: ",").map { Int($0) ?? 0 }
          guard (1...6).contains(numbers.count), numbers.allSatisfy({ (1...1024).contains($0) })
          else {
            throw FieldError(
              "expected 1 to 6 numbers from 1 to 1024 with commas; received '\(words.last ?? "")'")
          }
          request.widths = numbers
        }),
      Field(
        flag: "as-it-is", \.isAsItIs,
        "Take pictures as they are: no stretched contrast, no negative of bright ground, no change "
          + "of colours and no noise"),
      Field(
        "score", \.score, "The least score of objects that the model reports unless told otherwise",
        value: "share", .share
      ).changeable,
    ]
  }

  /// Whether pictures are taken as they are, but for turns and sizes.
  fileprivate var isAsItIs: Bool {
    get { !stretchesContrast && !darkensGround && !isVaried && augmentation.contrast == 0 }
    set {
      guard newValue else { return }
      (stretchesContrast, darkensGround, isVaried) = (false, false, false)
      (augmentation.contrast, augmentation.color) = (0, 0)
    }
  }
}
