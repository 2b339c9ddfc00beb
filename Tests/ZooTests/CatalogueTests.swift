// The catalogue: every network has one name, a line of help, and a graph for its defaults.

import AtelierEngine
import AtelierZoo
import Testing

@Suite("Catalogue")
struct CatalogueTests {
  @Test("names are told apart; the names of a task are those that its stored requests hold")
  func names() {
    #expect(Set(Catalogue.networks.map(\.fullName)).count == Catalogue.networks.count)
    func names(_ task: NetworkTask) -> [String] { Catalogue.networks(for: task).map(\.name) }
    #expect(names(.classify) == ClassifierNetwork.allCases.map(\.rawValue))
    #expect(names(.segment) == SegmentationNetwork.allCases.map(\.rawValue))
    #expect(names(.swap) == FaceSwapNetwork.Design.allCases.map(\.rawValue))
    #expect(names(.attack) == NoiseNetwork.allCases.map(\.rawValue))
    #expect(names(.generate) == GeneratorNetwork.allCases.map(\.rawValue))
    #expect(names(.objects) == ["mask-rcnn", "stars"])
    #expect(Catalogue.names(for: .swap) == "original, half, slim")
    #expect(Catalogue.list(for: .attack).hasPrefix("  encoder-decoder:\n    strided down"))
  }

  @Test("every network is built of its defaults", arguments: Catalogue.networks)
  func defaults(_ network: CataloguedNetwork) throws {
    #expect(!network.summary.isEmpty)
    let settings = network.defaults
    let granularity = network.granularity(settings)
    #expect(settings.height % granularity == 0 && settings.width % granularity == 0)
    let graph = try network.graph(settings)
    let input = try #require(graph.input(named: "input"))
    let shape = Shape.image(
      batch: 1, height: settings.height, width: settings.width, channels: settings.channels)
    // What draws from random numbers has pictures at its other end.
    let isDrawing = network.task == .generate && network.name != GeneratorNetwork.rbm.rawValue
    let picture = isDrawing ? try #require(graph.output(named: "output")) : input
    #expect(graph.values[picture].shape == shape)
  }

  @Test("what a network takes changes its graph", arguments: Catalogue.networks)
  func settings(_ network: CataloguedNetwork) throws {
    let usual = try network.graph(network.defaults)
    for setting in network.takes {
      var settings = network.defaults
      switch setting {
      case .batch: settings.batch += 1
      case .channels: settings.channels = 4 - settings.channels
      case .classes: settings.classes += 1
      case .widths: settings.widths = settings.widths.map { $0 + 2 }
      case .unpooling: settings.unpooling = .transposed
      }
      #expect(try network.graph(settings) != usual, "\(network.fullName): \(setting)")
    }
  }
}
