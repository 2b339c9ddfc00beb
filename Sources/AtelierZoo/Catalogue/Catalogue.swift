// The one catalogue of networks: what help texts, choices by name and summaries of models read.

import AtelierEngine

/// All networks by name; a new one is an entry here and a file of its own.
public enum Catalogue {
  /// The networks, by task.
  public static let networks =
    denoisers + classifiers + segmenters + [objects, stars] + swaps + noises
    + generators

  /// The networks of a task, in the order of help texts.
  public static func networks(for task: NetworkTask) -> [CataloguedNetwork] {
    networks.filter { $0.task == task }
  }

  /// The names of a task's networks with commas, for messages.
  public static func names(for task: NetworkTask) -> String {
    networks(for: task).map(\.name).joined(separator: ", ")
  }

  /// The names of a task's networks with a line each, for the end of a help text.
  public static func list(for task: NetworkTask) -> String {
    networks(for: task).map { "  \($0.name):\n    \($0.summary)" }.joined(separator: "\n")
  }

  // MARK: - Denoising

  private static let denoisers = [
    denoiser(
      "convolution + pooling down, unpooling + convolution up (the course's)",
      takes: [.widths, .unpooling], widths: ConvolutionalAutoencoder(channels: 1).widths
    ) {
      ConvolutionalAutoencoder(channels: $0.channels, widths: $0.widths, unpooling: $0.unpooling)
    },
    denoiser("Noise2Noise's U-Net: pooling, nearest unpooling, skips") {
      NoiseToNoiseUNet(channels: $0.channels)
    },
    denoiser(
      "DRUNet's form: residual blocks, strided down, transposed up, noise map",
      takes: [.widths], widths: ResidualUNet(channels: 1).widths
    ) {
      ResidualUNet(channels: $0.channels, widths: $0.widths)
    },
    denoiser(
      "residual-unet beside a small network that estimates its noise map",
      takes: [.widths], widths: BlindUNet(channels: 1).widths
    ) {
      BlindUNet(channels: $0.channels, widths: $0.widths)
    },
    denoiser(
      "N2V2's form for blind spots: blurs where it shrinks, no outermost skip",
      takes: [.widths], widths: BlurUNet(channels: 1).widths
    ) {
      BlurUNet(channels: $0.channels, widths: $0.widths)
    },
    denoiser(
      "17 convolutions of 64 features with batch normalization, predicts the noise",
      foreign: DnCNN.foreignForm
    ) {
      DnCNN(channels: $0.channels)
    },
    denoiser(
      "15 convolutions at half size on shuffled pixels, noise map", foreign: FFDNet.foreignForm
    ) {
      FFDNet(channels: $0.channels)
    },
  ]

  private static func denoiser<Network: Architecture>(
    _ summary: String, takes: Set<NetworkSetting> = [], widths: [Int] = [],
    foreign: ForeignForm? = nil, _ make: @escaping @Sendable (NetworkSettings) -> Network
  ) -> CataloguedNetwork {
    var network = CataloguedNetwork(
      Network.name, .denoise, summary, takes: takes.union([.batch, .channels]),
      defaults: NetworkSettings(widths: widths), granularity: { make($0).granularity },
      graph: { try make($0).graph(batch: $0.batch, height: $0.height, width: $0.width) })
    network.foreignForm = foreign
    return network
  }

  // MARK: - Classes

  private static let classifiers = [
    classifier(.lenet, "LeCun 1990: two convolutions, averages, 2,578 parameters on digits"),
    classifier(
      .lenet5, "LeCun 1998: LeNet-5 as frameworks have it, 61,706 parameters on digits"),
    classifier(
      .course, "three convolutions, max pools, three dense layers: 1,897,226 parameters"),
    classifier(
      .strided, "Wong 2018: two strided convolutions, fast to harden: 166,406 parameters"),
    classifier(.thresholds, "strided behind learnt thresholds of each pixel: 439,802 parameters"),
    classifier(.dbn, "Hinton 2006: three Boltzmann machines learnt without labels, fine-tuned"),
    classifier(.resnet20, "He 2015: nine residual blocks for small colour pictures"),
    classifier(.resnet56, "He 2015: 27 residual blocks for small colour pictures"),
    classifier(.alexnet, "Krizhevsky 2014: five convolutions, three dense layers; photographs"),
    classifier(.vgg16, "Simonyan 2014: thirteen 3x3 convolutions, three dense layers"),
    classifier(.vgg16Normalized, "the same with batch normalization"),
    classifier(.googlenet, "Szegedy 2014: nine blocks of four branches"),
    classifier(.resnet18, "He 2015: eight residual blocks for photographs"),
    classifier(.resnet50, "He 2015: sixteen residual blocks with bottlenecks"),
    classifier(.mobilenetV2, "Sandler 2018: inverted residuals, 3.5 million parameters"),
    classifier(.efficientnetLite0, "Tan 2019, the form for phones: 4.7 million parameters"),
    classifier(.efficientnetLite0Symmetric, "the same with PyTorch's borders, as timm trains it"),
    classifier(.linear, "one dense layer on all pixels or features"),
    classifier(.shallow, "one hidden layer of 256 units, for features above all"),
    classifier(.lstm, "two layers of long short-term memory over the rows: 213,258 parameters"),
    classifier(.gru, "the same of gated recurrent units: 161,034 parameters"),
  ]

  private static func classifier(
    _ network: ClassifierNetwork, _ summary: String
  ) -> CataloguedNetwork {
    let side = network.standardSide
    // Digits are gray and have ten classes; photographs are those of ImageNet.
    var entry = CataloguedNetwork(
      network.rawValue, .classify, summary, takes: [.batch, .channels, .classes],
      defaults: NetworkSettings(
        height: side, width: side, channels: side > 28 ? 3 : 1, classes: side > 32 ? 1000 : 10),
      granularity: { _ in 1 },
      graph: {
        try ClassifierArchitecture(
          network, classes: $0.classes, height: $0.height, width: $0.width, channels: $0.channels
        ).graph(batch: $0.batch)
      })
    entry.foreignForm = network.foreignForm
    return entry
  }

  // MARK: - Masks

  private static let segmenters = [
    segmenter(
      .unet, fullName: "segment-unet",
      "skips at every level, transposed convolutions up (--width 16, --levels 4)"),
    segmenter(
      .segnetBasic, "four 7x7 convolutions, unpooled by their switches (--width 64)"),
    segmenter(.segnet, "VGG-16's convolutions, unpooled by their switches (--width 64)"),
    segmenter(.fcn, "class scores of four 7x7 levels, enlarged and added (--width 64)"),
  ]

  /// A semantic network, by default for the 11 classes of CamVid.
  private static func segmenter(
    _ network: SegmentationNetwork, fullName: String? = nil, _ summary: String
  ) -> CataloguedNetwork {
    let architecture: @Sendable (NetworkSettings) -> SegmentationArchitecture = {
      SegmentationArchitecture(
        network, classes: $0.classes, channels: $0.channels, width: $0.widths.first,
        unpooling: $0.unpooling)
    }
    return CataloguedNetwork(
      network.rawValue, fullName: fullName, .segment, summary,
      takes: Set([.batch, .channels, .classes, .widths])
        .union(network.hasUnpooling ? [.unpooling] : []),
      defaults: NetworkSettings(channels: 3, classes: 11, widths: [network.standardWidth]),
      granularity: { architecture($0).granularity },
      graph: { try architecture($0).graph(batch: $0.batch, height: $0.height, width: $0.width) })
  }

  /// Mask R-CNN in its tiny sizes, with 16 regions at once.
  private static let objects = CataloguedNetwork(
    MaskRCNN.name, .objects, "boxes, classes and masks of objects one by one",
    takes: [.classes],
    defaults: NetworkSettings(height: 128, width: 128, channels: 3, classes: 3),
    granularity: { MaskRCNN(.tiny, classes: $0.classes).granularity },
    graph: { try MaskRCNN(.tiny, classes: $0.classes).graph(height: $0.height, width: $0.width) })

  /// The network of star-convex objects.
  private static let stars = CataloguedNetwork(
    StarNetwork.name, .objects, "a star of distances to each object's edge, and the ground",
    takes: [.batch, .classes],
    defaults: NetworkSettings(height: 256, width: 256, channels: 3, classes: 1),
    granularity: { StarNetwork(classes: $0.classes).granularity },
    graph: {
      try StarNetwork(classes: $0.classes).graph(
        batch: $0.batch, height: $0.height, width: $0.width)
    })

  // MARK: - Faces and noise

  private static let swaps = [
    swap(.original, "the 2017 network: 82 million parameters, 64 pixels"),
    swap(.half, "the original with every width halved, 64 pixels"),
    swap(.slim, "residual blocks for CPUs: under 10 MB, 64 or 128 pixels"),
  ]

  /// A face swap, drawing the first person.
  private static func swap(
    _ design: FaceSwapNetwork.Design, _ summary: String
  ) -> CataloguedNetwork {
    CataloguedNetwork(
      design.rawValue, fullName: "swap-\(design.rawValue)", .swap, summary, takes: [.batch],
      defaults: NetworkSettings(height: 64, width: 64, channels: 3), granularity: { _ in 64 },
      graph: {
        try FaceSwapNetwork(design, side: $0.width).conversionGraph(batch: $0.batch, to: .a)
      })
  }

  private static let noises = [
    noise(
      .encoderDecoder, "strided down, four residual blocks, transposed up (AdvGAN's form)"),
    noise(.unet, "two levels of convolutions with skips"),
    noise(.resnet, "four residual blocks at full size"),
  ]

  private static func noise(_ network: NoiseNetwork, _ summary: String) -> CataloguedNetwork {
    CataloguedNetwork(
      network.rawValue, fullName: "noise-\(network.rawValue)", .attack, summary,
      takes: [.batch, .channels], defaults: NetworkSettings(height: 28, width: 28),
      granularity: { _ in network.granularity },
      graph: {
        try network.graph(
          .image(batch: $0.batch, height: $0.height, width: $0.width, channels: $0.channels))
      })
  }

  // MARK: - Pictures from random numbers

  private static let generators = [
    generator(.dcgan, "transposed convolutions 4x4 from 4 to 7 pixels up (Radford 2015)"),
    generator(.residual, "residual blocks, for 64 pixels and more (Gulrajani 2017)", side: 64),
    generator(.vae, "a variational autoencoder: dcgan's halves without a game (Kingma 2013)"),
    CataloguedNetwork(
      GeneratorNetwork.rbm.rawValue, .generate,
      "a Boltzmann machine, alone or on top of others (Hinton 2002)",
      takes: [.batch, .channels, .widths],
      defaults: NetworkSettings(height: 28, width: 28, widths: [500]), granularity: { _ in 1 },
      graph: {
        let shape = Shape.image(
          batch: $0.batch, height: $0.height, width: $0.width, channels: $0.channels)
        return try BeliefNetwork(visible: shape.count / shape.batch, widths: $0.widths)
          .stack(shape)
      }),
  ]

  private static func generator(
    _ network: GeneratorNetwork, _ summary: String, side: Int = 28
  ) -> CataloguedNetwork {
    let architecture: @Sendable (NetworkSettings) -> GeneratorArchitecture = {
      GeneratorArchitecture(
        network, height: $0.height, width: $0.width, channels: $0.channels,
        filters: $0.widths.first ?? 64, classes: $0.classes)
    }
    return CataloguedNetwork(
      network.rawValue, fullName: "generate-\(network.rawValue)", .generate, summary,
      takes: [.batch, .channels, .classes, .widths],
      defaults: NetworkSettings(
        height: side, width: side, channels: side > 32 ? 3 : 1, widths: [64]),
      granularity: { _ in 4 }, graph: { try architecture($0).generator(batch: $0.batch) })
  }
}
