// Training of a denoiser: what is asked for, its form, and the mathematics.

import AtelierDatasets
import AtelierEngine
import AtelierFiles
import AtelierImages
import AtelierKernels
import AtelierScenery
import AtelierTraining
import AtelierWorkbench
import AtelierZoo
import Foundation

/// What a denoiser is trained on and how; stored as the run's configuration.
public struct DenoisingTrainingRequest: TrainingRequest, Hashable {
  public var data: [String] = []
  public var validation: [String] = []
  public var scenes = 0
  public var network = DenoiserArchitecture.autoencoder(ConvolutionalAutoencoder(channels: 1))
  public var noises: [NoiseModel] = [.gaussian(sigma: 0...50)]
  public var target: DenoisingTarget = .clean
  public var targets: [String] = []
  public var blindSpot: Int?
  public var scale: Double = 1
  public var moreScales: [Double] = []
  public var patch = 96
  public var loss: Loss = .absoluteError
  public var validationSigma: Float = 25
  public var recipe = TrainingRecipe()

  /// Describes a training with the defaults of the house.
  public init(data: [String], network: DenoiserArchitecture) {
    self.init()
    self.data = data
    self.network = network
  }

  public init() {
    recipe.optimizer = .adamW(weightDecay: 0)
    recipe.warmUp = 200
    recipe.gradientLimit = 1
    recipe.averageDecay = 0.999
    recipe.validationInterval = 500
    recipe.previewInterval = 500
    recipe.saveInterval = 250
  }

  public static var form: Form<Self> {
    Form([
      Field(
        "network", "The network; see above", value: "name",
        kind: .choice(Catalogue.networks(for: .denoise).map(\.name)), words: { [$0.network.name] },
        put: { request, words in
          let name = words.last ?? ""
          guard
            let network = DenoiserArchitecture(name: name, channels: request.parts.channels ?? 1)
          else {
            throw FieldError(
              "expected a network, one of \(Catalogue.names(for: .denoise)); received '\(name)'")
          }
          request.network = network
        }
      ).demanded(
        "a training needs a network: give --network, one of " + Catalogue.names(for: .denoise)),
      Field(
        "unpool", \.parts.unpooling,
        "The autoencoder's unpooling: max, nearest, nails or transposed", value: "kind"),
    ]).section("TRAINING OPTIONS", trainingFields)
      .section("WITHOUT CLEAN PICTURES", noisyFields)
  }

  /// What says that there are no clean pictures.
  private static var noisyFields: [Field<Self>] {
    [
      .denoisingTarget,
      Field(
        list: "targets", \.targets,
        "Pictures of the same names and sizes that should come out of the data: second exposures "
          + "(Noise2Noise from files) or clean ones; no noise is added",
        value: "dir", kind: .source),
      Field(
        "blind-spot", \.blindSpot,
        "With --target self: how far around a pixel the network is blind while it learns, 0 for "
          + "the pixel alone",
        value: "pixels", .from(0, to: Double(BlindSpots.mostRadius))
      ).byDefault("by the noise's correlation"),
    ]
  }

  /// What the comparison of unpoolings is told, too.
  static var trainingFields: [Field<Self>] {
    [
      Field(
        list: "data", \.data,
        "Folders or files of clean pictures (PNG, JPEG, TIFF, WebP); of noisy ones with --target "
          + "self and --targets",
        value: "dir", kind: .source),
      Field(
        list: "validation", \.validation, "Pictures of the same kind to validate on", value: "dir",
        kind: .source
      ).byDefault("crops of the training pictures"),
      Field(
        "scenes", \.scenes, "Add this many of the project's own scenes", value: "n",
        .from(0, to: 10_000)
      ).byDefault(nil),
      .channels(\.parts.channels, "1 for gray, 3 for colour"),
      Field(
        "color", "The same as --channels 3", kind: .flag,
        put: { request, _ in request.parts.channels = 3 }),
      Field(
        list: "noise", \.noises,
        "Noise: gaussian:SIGMA, poisson:PEAK, salt-and-pepper:PROBABILITY, "
          + "correlated:SIGMA,RADIUS, camera, jpeg; numbers may be LOW-HIGH; several are drawn from",
        value: "noise"),
      Field(
        flag: "noise2noise", \.learnsFromNoise,
        "Learn from pairs of noisy pictures instead of clean targets (Noise2Noise)"),
      Field("widths", \.parts.widths, "Filters of each level", value: "list"),
      Field("patch", \.patch, "The side of a patch", value: "pixels", .from(1, to: 4096)),
      .batch("Patches a step", most: 4096), .learningRate(), .warmUp,
      .averageDecayOrNone("The decay of the moving average of the weights"),
      .optimizer.byDefault("adamw without decay"), .startFrom,
      Field(
        "loss", \.loss,
        "l1, l2, huber:DELTA, charbonnier:EPSILON, ssim, or a sum such as 0.8*l1+0.2*ssim",
        value: "loss"),
      Field(
        "scale", \.scale, "Resize the pictures first; 0.5 averages away a camera's own noise",
        value: "factor"),
      Field(
        commas: "more-scales", \.moreScales,
        "Take the pictures at these scales, too, with commas", value: "list"),
      Field(
        "validation-sigma", \.validationSigma, "The sigma of validation and previews, of 255",
        value: "sigma", .from(0, to: 255)),
      .validateEvery(), .previewEvery(), .saveEvery(),
    ] + Field.limits + Field.sharding + [.patience("PSNR"), .seed("weights, patches and noise")]
  }

  public static func check(_ words: FieldWords) throws {
    if words["color"] != nil, words["channels"] == ["1"] {
      throw FieldError("--color and --channels 1 contradict")
    }
    let isOwn = words["target"] == [DenoisingTarget.own.rawValue]
    let given = isOwn ? "--target self" : words["targets"] != nil ? "--targets" : nil
    if let given {
      // What no one here made noisy is as noisy as it is.
      for other in ["noise", "noise2noise", "scenes", "validation-sigma"] where words[other] != nil
      {
        throw FieldError("\(given) takes noisy pictures as they are: leave --\(other) out")
      }
      if isOwn, words["targets"] != nil {
        throw FieldError("--target self and --targets contradict")
      }
    }
    if words["blind-spot"] != nil, !isOwn {
      throw FieldError("--blind-spot is for --target self")
    }
  }

  public mutating func complete(with words: FieldWords) throws {
    if words["unpool"] != nil, parts.unpooling == nil {
      throw StudioError(.usage, "--unpool is for the autoencoder alone")
    }
    if words["widths"] != nil, parts.widths == nil {
      throw StudioError(
        .usage, "--widths is for autoencoder, residual-unet, blind-unet and blur-unet alone")
    }
    if !targets.isEmpty { target = .files }
    // A guess that is right on average gives the picture's mean, which is what noise varies about.
    if target == .own, words["loss"] == nil { loss = .squaredError }
    try expectPictures()
  }

  func expectPictures() throws {
    try StudioError.unless(
      !data.isEmpty || scenes > 0, .usage, "a training needs pictures: give --data or --scenes")
  }

  /// Whether targets are noisy, too.
  private var learnsFromNoise: Bool {
    get { target == .noisy }
    set { target = newValue ? .noisy : .clean }
  }

  /// What options say of the network one by one.
  var parts: NetworkParts {
    get { NetworkParts(network) }
    set { network = newValue.network(named: network.name) ?? network }
  }
}

extension Field<DenoisingTrainingRequest> {
  /// What the network should give; pairs of files have a field of their own.
  fileprivate static var denoisingTarget: Self {
    let choices: [DenoisingTarget] = [.clean, .noisy, .own]
    return Field(
      "target",
      "What the network learns to give: clean pictures, other noise (noisy, the same as "
        + "--noise2noise), or pixels that were hidden from it (self, Noise2Void), which takes "
        + "noisy pictures alone, one being enough",
      value: "kind", kind: .choice(choices.map(\.rawValue)),
      words: { $0.target == .own ? [$0.target.rawValue] : [] },
      put: { request, words in
        let word = words.last ?? ""
        guard let target = choices.first(where: { $0.rawValue == word }) else {
          throw FieldError("expected clean, noisy or self; received '\(word)'")
        }
        request.target = target
      }
    ).byDefault("clean")
  }
}

/// The hyper-parameters of a denoiser that can be chosen; nil where the network has none.
struct NetworkParts {
  var channels: Int?
  var widths: [Int]?
  var unpooling: Unpooling?

  init(_ network: DenoiserArchitecture) {
    switch network {
    case .autoencoder(let its):
      (channels, widths, unpooling) = (its.channels, its.widths, its.unpooling)
    case .unet(let its): channels = its.channels
    case .residualUNet(let its): (channels, widths) = (its.channels, its.widths)
    case .blindUNet(let its): (channels, widths) = (its.channels, its.widths)
    case .blurUNet(let its): (channels, widths) = (its.channels, its.widths)
    case .dncnn(let its): channels = its.channels
    case .ffdnet(let its): channels = its.channels
    }
  }

  func network(named name: String) -> DenoiserArchitecture? {
    DenoiserArchitecture(
      name: name, channels: channels ?? 1, unpooling: unpooling ?? .max, widths: widths)
  }
}

/// Trains denoisers.
public enum DenoisingTraining: TrainingJob {
  public static let workshop = "denoise"
  public static let name = "train"
  public static let summary = "Train a denoiser on clean or on noisy pictures."
  public static let guide = """
    The noise is added while training, so any clean pictures will do. Where there are none, \
    --target self learns from noisy pictures alone (Noise2Void): it hides pixels and learns to \
    guess them from those around, and what cannot be guessed is noise. --targets learns from \
    pairs of files: two exposures of the same scene (Noise2Noise), or noisy and clean. The run folder holds the \
    best and the last model, all that a resume needs, logs (CSV, JSON lines, TensorBoard) and \
    previews. Ctrl-C saves; --resume goes on as if nothing had happened.

    NETWORKS
    \(Catalogue.list(for: .denoise))

    EXAMPLES
      atelier denoise train --data photos --network unet --run mine --minutes 30
      atelier denoise train --data photos --color --network autoencoder \\
        --unpool nearest --noise gaussian:25 --run course --steps 2000
      atelier denoise train --data noisy.tif --target self --network blur-unet \\
        --run own --minutes 10
      atelier denoise train --data first/ --targets second/ --network unet \\
        --run pairs
      atelier denoise train --run mine --resume
      atelier denoise train --run mine --resume --minutes 60
    """

  public static func task(
    _ request: DenoisingTrainingRequest, isResuming: Bool, kernels: Kernels
  ) throws -> DenoisingTask {
    try DenoisingTask(request, isResuming: isResuming, kernels: kernels)
  }
}
