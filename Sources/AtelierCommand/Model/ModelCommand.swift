// `atelier model`: what a model file or an architecture is made of, and how it is planned.

import ArgumentParser
import Atelier
import Foundation

/// The group of commands that look at models.
struct ModelCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "model",
    abstract: "Look into a model file or an architecture.",
    discussion: """
      EXAMPLES
        atelier model summary runs/mine/best.safetensors
        atelier model summary unet --size 128x128 --channels 3
        atelier model summary segnet-basic --size 360x480 --unpool max
        atelier model plan autoencoder --size 96x96 --batch 16 --train
      """,
    subcommands: [ModelSummaryCommand.self, ModelPlanCommand.self, ModelShrinkCommand.self])
}

/// Which model, and for which images.
struct ModelOptions: ParsableArguments {
  @Argument(
    help: ArgumentHelp(
      "A model file, the name of one that ships, or a network: "
        + Self.names.joined(separator: ", ") + ".",
      valueName: "model"))
  var model: String

  @Option(
    help: ArgumentHelp(
      "The images' size (default: 96x96, classifiers 28x28, mask-rcnn 128x128, a file's own).",
      valueName: "HxW"),
    transform: Reading.size)
  var size: PixelSize?

  @Option(help: ArgumentHelp("Images at once.", valueName: "n"))
  var batch = 1

  @Option(help: ArgumentHelp("Image channels of a name (default: 1).", valueName: "1|3"))
  var channels: Int?

  @Option(
    help: ArgumentHelp("Filters of each level of a name.", valueName: "list"),
    transform: Reading.widths)
  var widths: [Int]?

  @Option(
    help: ArgumentHelp(
      "The unpooling of the autoencoder or of a SegNet by name.", valueName: "kind"),
    transform: Reading.unpooling)
  var unpool: Unpooling?

  func validate() throws {
    guard (1...4096).contains(batch) else {
      throw ValidationError("--batch takes 1 to 4096; received \(batch)")
    }
    if let channels, channels != 1, channels != 3 {
      throw ValidationError("--channels takes 1 or 3; received \(channels)")
    }
  }

  /// The networks that have a name here; those that give pixels classes stand in the order of their names.
  private static let networks =
    Catalogue.networks(for: .denoise) + Catalogue.networks(for: .classify)
    + Catalogue.networks(for: .segment).sorted { $0.fullName < $1.fullName }
    + Catalogue.networks(for: .objects)
  private static let names = networks.map(\.fullName)

  /// The graph for the asked size, its title, and the information of a file.
  func load() throws -> (graph: Graph, title: String, information: ModelInformation?) {
    guard let network = Self.networks.first(where: { $0.fullName == model }) else {
      return try loadFile()
    }
    try checkGiven(network)
    var settings = network.defaults
    settings.batch = batch
    settings.height = size?.height ?? settings.height
    settings.width = size?.width ?? settings.width
    settings.channels = channels ?? settings.channels
    settings.widths = widths ?? settings.widths
    settings.unpooling = unpool ?? settings.unpooling
    try check(
      PixelSize(width: settings.width, height: settings.height), network.granularity(settings))
    return (try network.graph(settings), model, nil)
  }

  /// Refuses what a network does not have.
  private func checkGiven(_ network: CataloguedNetwork) throws {
    let options: [(name: String, setting: NetworkSetting, isGiven: Bool)] = [
      ("--batch", .batch, batch != 1), ("--channels", .channels, channels != nil),
      ("--widths", .widths, widths != nil), ("--unpool", .unpooling, unpool != nil),
    ]
    let missing = options.filter { !network.takes.contains($0.setting) }
    guard !missing.contains(where: \.isGiven) else {
      throw StudioError(
        .usage,
        missing.count == options.count
          ? "\(model) takes --size alone"
          : "\(model) has \(missing.map { "no \($0.name)" }.joined(separator: " and "))")
    }
    if let widths, widths.count > 1, network.defaults.widths.count == 1 {
      throw StudioError(.usage, "\(model) takes one width, its first level's")
    }
  }

  private func loadFile() throws -> (Graph, String, ModelInformation?) {
    guard channels == nil, widths == nil, unpool == nil else {
      throw StudioError(
        .usage, "--channels, --widths and --unpool describe an architecture, not a file: \(model)")
    }
    let file = ShippedModels.file(of: model)
    guard FileManager.default.fileExists(atPath: file.path) else {
      throw StudioError(
        .missingInput,
        "\(model): expected a model file or one of \(Self.names.joined(separator: ", ")); "
          + "there is no such file")
    }
    let read = try ModelFile.read(from: file)
    if let size { try check(size, read.information.granularity) }
    var shapes: [String: Shape] = [:]
    for (name, value) in read.graph.inputs {
      let shape = read.graph.values[value].shape
      guard shape.rank == 4 else {
        shapes[name] = shape.withBatch(batch)
        continue
      }
      shapes[name] = .image(
        batch: batch, height: size?.height ?? shape.height, width: size?.width ?? shape.width,
        channels: shape.channels)
    }
    return (try read.graph.reshaped(shapes), read.information.architecture, read.information)
  }

  private func check(_ size: PixelSize, _ granularity: Int) throws {
    guard size.height % granularity == 0, size.width % granularity == 0 else {
      throw StudioError(
        .usage,
        "\(model) takes heights and widths that are multiples of \(granularity); "
          + "received \(size.height)x\(size.width)"
      )
    }
  }
}

/// Prints the table of layers.
struct ModelSummaryCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "summary",
    abstract: "Print layers, output shapes and parameter counts.")

  @OptionGroup var options: ModelOptions
  @OptionGroup(title: "GENERAL OPTIONS") var global: GlobalOptions

  /// A layer as `--json` prints it.
  private struct Layer: Encodable {
    let name: String
    let type: String
    let output: String
    let parameters: Int
    let inputs: [String]
  }

  /// The summary as `--json` prints it.
  private struct Summary: Encodable {
    let model: String
    let layers: [Layer]
    let total: Int
    let trainable: Int
    let information: ModelInformation?
  }

  func run() throws {
    let (graph, title, information) = try options.load()
    if global.json {
      let layers = graph.summaryRows().map {
        Layer(
          name: $0.name, type: $0.type, output: $0.outputShape, parameters: $0.parameterCount,
          inputs: $0.inputs)
      }
      return try Console.print(
        json: Summary(
          model: title, layers: layers, total: graph.parameterCount,
          trainable: graph.trainableParameterCount, information: information))
    }
    Console.print(graph.summary(title: title))
    guard let information else { return }
    Console.print("\n task: \(information.task); input: \(information.preprocessing)")
    if !information.classNames.isEmpty {
      Console.print(" classes: \(information.classNames.joined(separator: ", "))")
    }
    for (name, text) in information.training.sorted(by: { $0.key < $1.key }) {
      Console.print(" trained with \(name): \(text)")
    }
    for (name, value) in information.figures.sorted(by: { $0.key < $1.key }) {
      Console.print(" \(name): \(NumberText.fixed(value, 4))")
    }
  }
}

/// Prints the plan.
struct ModelPlanCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "plan",
    abstract: "Print how a program runs: its steps and where every value lies.")

  @OptionGroup var options: ModelOptions

  @Flag(help: "Plan a training step instead of inference.")
  var train = false

  @Option(
    help: ArgumentHelp("The loss of the training step.", valueName: "loss"),
    transform: Reading.loss)
  var loss: Loss = .absoluteError

  @OptionGroup(title: "GENERAL OPTIONS") var global: GlobalOptions

  /// The plan as `--json` prints it.
  private struct Drawing: Encodable {
    let model: String
    let steps: [String]
    let arenaFloats: Int

    enum CodingKeys: String, CodingKey {
      case model, steps
      case arenaFloats = "arena_floats"
    }
  }

  func run() throws {
    let (graph, title, _) = try options.load()
    let ready = try train ? graph.training(loss: loss) : graph.specialized(for: .infer)
    let plan = Plan(ready, kernels: global.kernels)
    guard global.json else { return Console.print(plan.description) }
    let steps = plan.description.split(separator: "\n").dropLast().map(String.init)
    try Console.print(json: Drawing(model: title, steps: steps, arenaFloats: plan.arenaCount))
  }
}
