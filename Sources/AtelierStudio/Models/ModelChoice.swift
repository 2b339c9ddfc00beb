// Which model or network is looked at, and for which pictures; its graph.

import AtelierEngine
import AtelierFiles
import AtelierImages
import AtelierInterchange
import AtelierWorkbench
import AtelierZoo
import Foundation

/// A model file or a network of the catalogue, for pictures of a size.
public struct ModelChoice: JobRequest, Hashable {
  public var model = ""
  public var size: PixelSize?
  public var batch = 1
  public var channels: Int?
  public var widths: [Int]?
  public var unpool: Unpooling?

  public init() {}

  public static var form: Form<Self> {
    Form([
      Field(
        "model", \.model,
        "A model file, the name of one that ships, or a network: "
          + names.joined(separator: ", "), value: "model"
      ).positional.demanded,
      Field("size", \.size, "The images' size", value: "HxW")
        .byDefault("96x96, classifiers 28x28 to 224x224, mask-rcnn 128x128, a file's own"),
      Field("batch", \.batch, "Images at once", value: "n", .from(1, to: 4096)),
      .channels(\.channels, "Image channels of a name").byDefault("1, networks for photographs 3"),
      Field("widths", \.widths, "Filters of each level of a name", value: "list"),
      Field(
        "unpool", \.unpool, "The unpooling of the autoencoder or of a SegNet by name",
        value: "kind"),
    ])
  }

  /// The networks that have a name here; those that give pixels classes in the order of names.
  private static let networks =
    Catalogue.networks(for: .denoise) + Catalogue.networks(for: .classify)
    + Catalogue.networks(for: .segment).sorted { $0.fullName < $1.fullName }
    + Catalogue.networks(for: .objects) + Catalogue.networks(for: .swap)
    + Catalogue.networks(for: .attack) + Catalogue.networks(for: .generate)
  private static let names = networks.map(\.fullName)

  /// The graph for the asked size, and the information of a file; throws `StudioError` when there
  /// is no such model or it has not what was asked for.
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
    try StudioError.unless(
      !missing.contains(where: \.isGiven), .usage,
      missing.count == options.count
        ? "\(model) takes --size alone"
        : "\(model) has \(missing.map { "no \($0.name)" }.joined(separator: " and "))")
    if let widths, widths.count > 1, network.defaults.widths.count == 1 {
      throw StudioError(.usage, "\(model) takes one width, its first level's")
    }
  }

  private func loadFile() throws -> (Graph, String, ModelInformation?) {
    try StudioError.unless(
      channels == nil && widths == nil && unpool == nil, .usage,
      "--channels, --widths and --unpool describe an architecture, not a file: \(model)")
    let file = ShippedModels.file(of: model)
    try StudioError.unless(
      FileManager.default.fileExists(atPath: file.path), .missingInput,
      "\(model): expected a model file or one of \(Self.names.joined(separator: ", ")); "
        + "there is no such file")
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
    try StudioError.unless(
      size.height % granularity == 0 && size.width % granularity == 0, .usage,
      "\(model) takes heights and widths that are multiples of \(granularity); "
        + "received \(size.height)x\(size.width)")
  }
}
