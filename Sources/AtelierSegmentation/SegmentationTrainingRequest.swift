// What a semantic network is trained on and how: the value that a run folder stores, and its form.

import AtelierDatasets
import AtelierEngine
import AtelierFiles
import AtelierImages
import AtelierScenery
import AtelierTraining
import AtelierWorkbench
import AtelierZoo

/// What a semantic network is trained on and how; stored as the run's configuration.
public struct SegmentationTrainingRequest: TrainingRequest, Hashable {
  public var data = ""
  public var validation: String?
  public var holdOut: Int?
  public var network: SegmentationNetwork = .unet
  public var width: Int?
  public var levels = 4
  public var unpooling: Unpooling = .max
  /// The model whose layers are the U-Net's way down; nil for the U-Net's own.
  public var encoder: String?
  public var channels = 3
  public var loss: [SegmentationLossTerm] = [.init(.crossEntropy)]
  public var weighting: ClassWeighting = .inverseLogarithm
  public var augmentation = SceneAugmentation()
  public var balance: Float = 0
  public var cropHeight = 288
  public var cropWidth = 288
  public var recipe = TrainingRecipe()

  public init() {
    recipe.batch = 4
    recipe.optimizer = .adamW(weightDecay: 1e-4)
    recipe.learningRate = 2e-3
    recipe.warmUp = 100
    recipe.averageDecay = 0.998
    recipe.validationInterval = 500
    recipe.previewInterval = 500
    recipe.saveInterval = 250
  }

  /// Describes a training with the defaults of the house; those for drawn scenes are small crops,
  /// many a step, that are not changed.
  public init(data: String) {
    self.init()
    self.data = data
    guard data == ShapesScenes.word else { return }
    (cropHeight, cropWidth, recipe.batch) = (128, 128, 16)
    augmentation = .none
  }

  var crop: PixelSize {
    get { PixelSize(width: cropWidth, height: cropHeight) }
    set { (cropWidth, cropHeight) = (newValue.width, newValue.height) }
  }

  public func architecture(classes: Int) -> SegmentationArchitecture {
    SegmentationArchitecture(
      network, classes: classes, channels: channels, width: width, levels: levels,
      unpooling: unpooling)
  }

  public mutating func prepare(for words: FieldWords) {
    if words["data"]?.last == ShapesScenes.word { self = Self(data: ShapesScenes.word) }
  }

  public mutating func complete(with words: FieldWords) throws {
    if let other = words["network"]?.last, SegmentationTraining.otherNetworks.contains(other) {
      throw StudioError(.usage, "\(other) is another job's network")
    }
    if words["unpool"] != nil, !network.hasUnpooling {
      throw StudioError(.usage, "--unpool is for segnet-basic and segnet alone")
    }
    if words["levels"] != nil, network != .unet {
      throw StudioError(.usage, "--levels is for unet alone")
    }
    if words["levels"] != nil, encoder != nil {
      throw StudioError(.usage, "--levels is not for --encoder, which has its own")
    }
    if encoder != nil, recipe.startFrom != nil {
      throw StudioError(.usage, "--encoder and --start-from are two starts: give one of them")
    }
    if encoder != nil, network != .unet {
      throw StudioError(.usage, "--encoder is for unet alone")
    }
  }
}

extension SegmentationTrainingRequest {
  public static var form: Form<Self> {
    Form(Self(), fields: []).section(
      "TRAINING OPTIONS",
      dataFields + [networkField] + networkFields + cropFields
        + (changes + silentChanges.map { $0.byDefault(nil) }).map { $0.within(\.augmentation) } + [
          Field(
            "balance", \.balance,
            "The share of crops cut out around a pixel of a class drawn evenly", value: "share",
            .share),
          .startFrom, .freeze, .learningRate(),
          .weightDecay(
            "The decay of the weights of AdamW", byDefault: "0.0001", .share, value: "decay"),
          .warmUp, .averageDecayOrNone("The decay of the moving average of the weights"),
          .validateEvery(), .previewEvery(), .saveEvery(),
        ] + Field.limits + Field.sharding + [.patience("mIoU"), .seed("weights, orders and crops")])
  }

  private static var dataFields: [Field<Self>] {
    [
      Field(
        "data", \.data, "The set: pictures and masks, see above; or \"shapes\" for drawn scenes",
        value: "dir", kind: .source
      ).besides(ShapesScenes.word).demanded("a training needs pictures and masks: give --data"),
      Field("validation", \.validation, "A set to validate on", value: "dir", kind: .source)
        .byDefault("the data's own validation part, else a tenth held out"),
      Field(
        "hold-out", \.holdOut, "Training pictures held out to validate on", value: "n", .from(1)),
    ]
  }

  /// The network, with those whose trainings are jobs of their own.
  private static var networkField: Field<Self> {
    let words = SegmentationNetwork.allCases.map(\.rawValue)
    let all = words + SegmentationTraining.otherNetworks
    return Field(
      "network", "The network; see above", value: "name", kind: .choice(all),
      words: { [$0.network.rawValue] },
      put: { request, words in
        guard let word = words.last, !SegmentationTraining.otherNetworks.contains(word) else {
          return
        }
        guard let network = SegmentationNetwork(rawValue: word) else {
          throw FieldError("expected one of \(all.joined(separator: ", ")); received '\(word)'")
        }
        request.network = network
      }
    ).demanded(
      "a training needs a network: give --network, one of " + words.joined(separator: ", "))
  }

  private static var networkFields: [Field<Self>] {
    [
      Field(
        "width", \.width, "Filters of the network's first level", value: "n", .from(1, to: 1024)),
      Field("levels", \.levels, "Levels of the U-Net", value: "n", .from(1, to: 8)),
      Field(
        "encoder", \.encoder,
        "Take this model's layers for the U-Net's way down; they learn at a tenth of the rate",
        value: "model", kind: .file(["safetensors"])
      ).lenient,
      Field(
        "unpool", \.unpooling, "SegNet's unpooling: max, nearest, nails or transposed",
        value: "kind"),
      Field(
        "channels", "1 for gray, 3 for colour", value: "1|3", kind: .choice(["1", "3"]),
        words: { [String($0.channels)] },
        put: { request, words in
          guard let count = Int(words.last ?? ""), [1, 3].contains(count) else {
            throw FieldError("expected one of 1, 3; received '\(words.last ?? "")'")
          }
          request.channels = count
        }),
      Field(
        "loss", "ce, focal:GAMMA, dice, or a sum such as ce+0.5*dice", value: "loss", kind: .text,
        words: { [$0.loss.map(\.description).joined(separator: "+")] },
        put: { $0.loss = try SegmentationLossTerm.sum($1.last ?? "") }),
      Field(
        "weights", \.weighting,
        "Weights of rare classes in the cross-entropy: none, median or log", value: "kind"),
    ]
  }

  private static var cropFields: [Field<Self>] {
    [
      Field("crop", \.crop, "The size of a crop", value: "HxW")
        .byDefault("288x288; 128x128 of \"shapes\""),
      .batch("Crops a step", most: 1024).byDefault("4; 16 of \"shapes\""),
    ]
  }

  private static let changes: [Field<SceneAugmentation>] = [
    Field("scale", \.scales, "Scale pictures before the crop", value: "LOW-HIGH")
      .byDefault("0.8-1.5; shapes: 1"),
    Field("brightness", \.brightnesses, "Factors on brightness", value: "LOW-HIGH")
      .byDefault("0.7-1.4; shapes: 1"),
  ]

  /// Changes whose defaults would be long to tell.
  private static let silentChanges: [Field<SceneAugmentation>] = [
    Field("stretch", \.stretch, "Stretch one side by up to this fraction", value: "fraction"),
    Field("rotation", \.rotation, "Turn by up to so many degrees", value: "degrees"),
    Field("contrast", \.contrast, "Change contrast by up to this fraction", value: "fraction"),
    Field(
      "color-shift", \.color, "Change each colour channel by up to this fraction", value: "fraction"
    ),
    Field(flag: "no-flip", \.isFlipped, "Do not mirror half of the crops", sets: false),
  ]
}

extension SegmentationNetwork: ChoiceValue {}

extension ClassWeighting: ChoiceValue {}

extension SceneAugmentation {
  /// The factors on a picture's size.
  fileprivate var scales: ClosedRange<Float> {
    get { smallestScale...max(smallestScale, largestScale) }
    set { (smallestScale, largestScale) = (newValue.lowerBound, newValue.upperBound) }
  }

  fileprivate var brightnesses: ClosedRange<Float> {
    get { smallestBrightness...max(smallestBrightness, largestBrightness) }
    set { (smallestBrightness, largestBrightness) = (newValue.lowerBound, newValue.upperBound) }
  }
}

extension ClosedRange: FieldValue where Bound == Float {
  /// `0.8-1.5`, or one number for both, 0 or more.
  public init(word: String) throws {
    let parts = word.split(separator: "-", omittingEmptySubsequences: false).map { Float($0) }
    guard parts.count <= 2, let low = parts.first ?? nil, let high = parts.last ?? nil,
      low >= 0, low <= high, high.isFinite
    else { throw FieldError("expected LOW-HIGH, such as 0.8-1.5; received '\(word)'") }
    self = low...high
  }
  public var word: String {
    lowerBound == upperBound ? lowerBound.word : "\(lowerBound.word)-\(upperBound.word)"
  }
}
