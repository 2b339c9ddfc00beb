// Denoising of whole pictures: tiles without seams, odd sizes, alpha, gray and colour, strength,
// ensemble, memory.

import AtelierDatasets
import AtelierDenoising
import AtelierEngine
import AtelierImages
import AtelierInterchange
import AtelierScenery
import AtelierVision
import AtelierWorkbench
import AtelierZoo
import Foundation
import TestSupport
import Testing

/// An architecture with a name for the log.
struct NetworkCase: CustomTestStringConvertible, Sendable {
  let testDescription: String
  let network: DenoiserArchitecture

  init(_ name: String, _ network: DenoiserArchitecture) {
    testDescription = name
    self.network = network
  }

  static let all: [NetworkCase] = [
    .init("residual-unet", .residualUNet(ResidualUNet(channels: 1, widths: [8, 16, 24]))),
    .init(
      "residual-unet colour",
      .residualUNet(ResidualUNet(channels: 3, widths: [8, 16], blocks: 1))),
    .init("unet of 2 levels", .unet(NoiseToNoiseUNet(channels: 1, width: 12, levels: 2))),
    .init("unet of 3 levels", .unet(NoiseToNoiseUNet(channels: 3, width: 12, levels: 3))),
    .init("dncnn", .dncnn(DnCNN(channels: 1, depth: 17, width: 12))),
    .init("ffdnet", .ffdnet(FFDNet(channels: 1, depth: 15, width: 16))),
    .init("autoencoder max", autoencoder(.max)),
    .init("autoencoder nearest", autoencoder(.nearest)),
    .init("autoencoder nails", autoencoder(.nails)),
    .init("autoencoder transposed", autoencoder(.transposed)),
  ]

  private static func autoencoder(_ unpooling: Unpooling) -> DenoiserArchitecture {
    .autoencoder(ConvolutionalAutoencoder(channels: 1, widths: [8, 12, 16], unpooling: unpooling))
  }
}

struct DenoiserTests {
  private func options(
    sigma: Float? = 25, tile: Int = 1 << 14, strength: Float = 1, isEnsemble: Bool = false
  ) -> Denoiser.Options {
    var options = Denoiser.Options()
    options.sigma = sigma
    options.tileSize = tile
    options.strength = strength
    options.isEnsemble = isEnsemble
    return options
  }

  private func picture(channels: Int, width: Int = 301, height: Int = 217) throws -> FloatImage {
    noisy(try scene(.flower, width: width, height: height, isGray: channels == 1), sigma: 25)
  }

  @Test(arguments: NetworkCase.all)
  func `tiles show no seam`(_ network: NetworkCase) throws {
    let model = try randomModel(network.network)
    let denoiser = try Denoiser(model)
    let picture = try picture(channels: denoiser.channels)
    let whole = try denoiser.denoise(picture, options())
    // The smallest tiles that the margin allows.
    let tiled = try denoiser.denoise(picture, options(tile: 1))
    #expect(rootMeanSquare(whole, picture) > 0.1)
    #expect(largestDifference(whole, tiled) <= 1e-4)
    // Without the margin the seams are there.
    let bare = try Denoiser(
      Model(
        graph: model.graph, store: model.store(),
        information: ModelInformation(
          task: "denoise", architecture: "bare", granularity: model.information.granularity)))
    let seams = try bare.denoise(picture, options(tile: 64))
    #expect(largestDifference(whole, seams) > 1e-2)
  }

  @Test(arguments: NetworkCase.all)
  func `odd sizes come back at their size`(_ network: NetworkCase) throws {
    let denoiser = try Denoiser(randomModel(network.network))
    let large = try picture(channels: denoiser.channels)
    for (width, height) in [(1, 1), (1, 7), (33, 1), (17, 31)] {
      let picture = large.cropped(x: 40, y: 50, width: width, height: height)
      let result = try denoiser.denoise(picture, options())
      #expect(result.size == picture.size)
      #expect(result.samples.allSatisfy { $0.isFinite })
      #expect(result != picture)
      let bytes = try denoiser.denoise(picture.bytes, options(sigma: nil, isEnsemble: true))
      #expect(bytes.size == picture.size)
    }
  }

  @Test func `bytes are the rounded floats and alpha is kept`() throws {
    let denoiser = try Denoiser(filterModel(symmetricKernel))
    let gray = try picture(channels: 1, width: 61, height: 43).bytes
    let plain = try denoiser.denoise(gray, options())
    #expect(plain == (try denoiser.denoise(gray.floats, options()).bytes))
    #expect(plain != gray)
    var transparent = gray.withAlpha
    for index in 0..<gray.pixelCount {
      transparent.samples[2 * index + 1] = UInt8(1 + 7 * index % 255)
    }
    let result = try denoiser.denoise(transparent, options())
    #expect(result.channel(0) == plain)
    #expect(result.channel(1) == transparent.channel(1))
    let rgba = try picture(channels: 3, width: 40, height: 30).bytes.withAlpha
    let colored = try denoiser.denoise(rgba, options())
    #expect(colored.channel(3) == rgba.channel(3))
    #expect(colored.channel(1) != rgba.channel(1))
  }

  @Test(arguments: [1, 3])
  func `16 bits a sample stay 16`(_ channels: Int) throws {
    let denoiser = try Denoiser(filterModel(symmetricKernel, channels: channels))
    let fine = try picture(channels: channels, width: 61, height: 43).words
    let result = try denoiser.denoise(fine, options())
    #expect(result == (try denoiser.denoise(fine.floats, options()).words))
    // What bytes could not tell is there, and within half of a byte's step.
    #expect(result.samples.contains { $0 % 257 != 0 })
    let coarse = try denoiser.denoise(fine.bytes, options())
    let largest = zip(result.bytes.samples, coarse.samples).map { abs(Int($0) - Int($1)) }.max()
    #expect(try #require(largest) <= 1)
    #expect(result.bytes != coarse)
    var transparent = fine.withAlpha
    let last = transparent.channels - 1
    for index in 0..<fine.pixelCount {
      transparent.samples[(last + 1) * index + last] = UInt16(1 + 77 * index % 65535)
    }
    let kept = try denoiser.denoise(transparent, options())
    #expect(kept.channel(last) == transparent.channel(last))
    #expect(kept.channel(0) == result.channel(0))
  }

  @Test
  func `a gray model takes colours one by one and a colour model takes gray as equal channels`()
    throws
  {
    let color = try picture(channels: 3, width: 72, height: 50).bytes
    let gray = try Denoiser(randomModel(.dncnn(DnCNN(channels: 1, depth: 4, width: 8))))
    let result = try gray.denoise(color, options())
    for channel in 0..<3 {
      #expect(result.channel(channel) == (try gray.denoise(color.channel(channel), options())))
    }
    let model = try Denoiser(
      randomModel(.residualUNet(ResidualUNet(channels: 3, widths: [8, 12]))))
    let one = color.channel(1)
    #expect(try model.denoise(one, options()) == model.denoise(one.rgb, options()).channel(0))
    let line = errorLine { _ = try model.denoise(one.floats, options()) }
    #expect(line == "the model takes 3 channels; the picture has 1")
    let missing = errorLine { _ = try gray.denoise(one.floats, options(sigma: nil)) }
    #expect(missing == "denoising float values needs a sigma")
  }

  @Test func `strength scales what a blind model does and what a noise map says`() throws {
    let picture = try picture(channels: 1, width: 64, height: 48)
    let blind = try Denoiser(randomModel(.dncnn(DnCNN(channels: 1, depth: 4, width: 8))))
    #expect(try blind.denoise(picture, options(strength: 0)) == picture)
    let whole = try blind.denoise(picture, options())
    let half = try blind.denoise(picture, options(strength: 0.5))
    let mean = FloatImage(
      width: 64, height: 48, channels: 1,
      samples: zip(picture.samples, whole.samples).map { ($0 + $1) / 2 })
    #expect(largestDifference(half, mean) < 1e-5)
    let mapped = try Denoiser(randomModel(.ffdnet(FFDNet(channels: 1, depth: 3, width: 8))))
    #expect(mapped.hasNoiseMap)
    #expect(
      try mapped.denoise(picture, options(sigma: 10, strength: 2))
        == mapped.denoise(picture, options(sigma: 20)))
    #expect(
      try mapped.denoise(picture, options(sigma: 10)) != mapped.denoise(picture, options(sigma: 20))
    )
    for (sigma, strength) in [(Float(-1), Float(1)), (.nan, 1), (.infinity, 1), (5, -1), (5, .nan)]
    {
      let line = errorLine {
        _ = try blind.denoise(picture, options(sigma: sigma, strength: strength))
      }
      #expect(
        line
          == "expected a sigma and a strength of at least 0, received \(sigma) and \(strength)")
    }
  }

  @Test func `the ensemble of an equivariant network is the network`() throws {
    let picture = try picture(channels: 1, width: 53, height: 38)
    let equivariant = try Denoiser(filterModel(symmetricKernel))
    let plain = try equivariant.denoise(picture, options())
    let ensemble = try equivariant.denoise(picture, options(isEnsemble: true))
    #expect(largestDifference(plain, ensemble) < 1e-5)
    #expect(largestDifference(plain, picture) > 0.05)
    // The mean of all turns of a shift is a symmetric blur.
    let shift = try Denoiser(filterModel([0, 0, 0, 1, 0, 0, 0, 0, 0]))
    let cross = try Denoiser(filterModel([0, 1, 0, 1, 0, 1, 0, 1, 0].map { $0 / 4 }))
    let turned = try shift.denoise(picture, options(isEnsemble: true))
    #expect(largestDifference(turned, try cross.denoise(picture, options())) < 1e-5)
  }

  @Test func `an unknown sigma is estimated`() throws {
    let clean = try scene(.mountains, width: 160, height: 128)
    let bytes = noisy(clean, sigma: 20).bytes
    let denoiser = try Denoiser(randomModel(.ffdnet(FFDNet(channels: 1, depth: 3, width: 8))))
    let estimate = NoiseEstimator.sigma(of: bytes)
    #expect(
      try denoiser.denoise(bytes, options(sigma: nil))
        == denoiser.denoise(bytes, options(sigma: estimate)))
    #expect(abs(estimate - 20) < 2)
  }

  @Test func `models of something else are refused in one line`() throws {
    func line(_ task: String, _ body: (GraphBuilder) -> Void) throws -> String? {
      let graph = try Graph.trace(body)
      let model = try Model(
        graph: graph, store: ParameterStore(for: [graph], seed: 1),
        information: ModelInformation(task: task, architecture: "other"))
      return errorLine {
        _ = try Denoiser(model).denoise(
          FloatImage(width: 20, height: 12, channels: 1), options())
      }
    }
    func identity(_ builder: GraphBuilder) {
      builder.output("output", builder.input("input", [1, 8, 8, 1]) + 0)
    }
    #expect(
      try line("classify", identity)
        == "expected a model that denoises, received one for the task classify")
    #expect(
      try line("denoise") { $0.output("y", $0.input("x", [1, 8, 8, 1]) + 0) }
        == "the model has no input and output of these names")
    #expect(
      try line("denoise") { $0.output("output", $0.input("input", [1, 8, 8, 4]) + 0) }
        == "expected a model of gray or RGB images, received shape [1, 8, 8, 4]")
    // A network that gives 8×8 for whatever it gets.
    #expect(
      try line("denoise") { builder in
        let resize = BilinearResizeOperation(.size(8))
        builder.output("output", builder.input("input", [1, 8, 8, 1]).applying(resize))
      } == "the model gives no picture of 20x12 for one of that size")
    #expect(try line("denoise", identity) == nil)
  }
}

struct TileAxisTests {
  @Test func `tiles cover every pixel once and keep their margins`() {
    for (margin, granularity) in [(0, 1), (1, 1), (7, 1), (4, 2), (8, 8), (24, 8), (32, 32)] {
      for tile in [4 * margin + granularity, 4 * margin + 3 * granularity, 8 * margin + 64] {
        let tile = (tile + granularity - 1) / granularity * granularity
        for length in 1...700 {
          check(length, tile, margin, granularity)
        }
      }
    }
  }

  private func check(_ length: Int, _ tile: Int, _ margin: Int, _ granularity: Int) {
    let axis = TileAxis(length, tile: tile, margin: margin, granularity: granularity)
    let padded = (length + granularity - 1) / granularity * granularity
    var isSound = axis.size <= tile && axis.size % granularity == 0 && axis.size > 0
    var next = 0
    for (index, part) in axis.tiles.enumerated() {
      let end = part.start + axis.size
      isSound = isSound && part.keep.lowerBound == next && !part.keep.isEmpty
      isSound = isSound && part.start % granularity == 0 && part.start >= 0 && end <= padded
      isSound = isSound && part.start <= part.keep.lowerBound && part.keep.upperBound <= end
      // Within the margin of a cut nothing is kept; the picture's own border is no cut.
      isSound = isSound && (part.start == 0 || part.keep.lowerBound - part.start >= margin)
      isSound = isSound && (end == padded || end - part.keep.upperBound >= margin)
      isSound = isSound && (index > 0 || part.start == 0)
      next = part.keep.upperBound
    }
    isSound = isSound && next == length
    if !isSound {
      Issue.record("length \(length), tile \(tile), margin \(margin), granularity \(granularity)")
    }
  }
}

/// A picture of 50 megapixels must fit into 1 GiB.
struct MemoryTests {
  /// The program's arena and packed weights for one tile.
  private func programBytes(_ model: Model, _ size: PixelSize) throws -> Int {
    let channels = model.graph.values[try #require(model.graph.input(named: "input"))].shape
      .channels
    let graph = try model.graph.reshaped([
      "input": [1, size.height, size.width, channels], "noise": [1, size.height, size.width, 1],
    ])
    return try Program(graph.specialized(for: .infer), parameters: model.store()).memoryBytes
  }

  private func model(channels: Int) throws -> Model {
    let network = ResidualUNet(channels: channels)
    let graph = try network.graph(batch: 1, height: 64, width: 64)
    return try Model(
      graph: graph, store: ParameterStore(for: [graph], seed: 1),
      information: ModelInformation(
        task: "denoise", architecture: "residual-unet", granularity: network.granularity,
        receptiveRadius: network.receptiveRadius))
  }

  @Test(arguments: [1, 3]) func `50 megapixels take less than 1 GiB`(_ channels: Int) throws {
    let model = try model(channels: channels)
    let size = PixelSize(width: 8660, height: 5774)
    let granularity = model.information.granularity
    let margin =
      (model.information.receptiveRadius + granularity - 1) / granularity * granularity
    let tile = Denoiser.Options().tileSize
    let columns = TileAxis(size.width, tile: tile, margin: margin, granularity: granularity)
    let rows = TileAxis(size.height, tile: tile, margin: margin, granularity: granularity)
    let program = try programBytes(model, PixelSize(width: columns.size, height: rows.size))
    // The picture and its result; an RGB picture also for a gray model.
    let pictures = 2 * 3 * size.width * size.height
    // The tile as samples, tensor, output, picture and part, and turned for the ensemble.
    let tiles = 7 * 4 * channels * columns.size * rows.size
    let weights = 3 * 4 * model.graph.parameterCount
    print(
      "50 megapixels, \(channels) channels: tiles of \(columns.size)x\(rows.size), program "
        + "\(program >> 20) MiB, pictures \(pictures >> 20) MiB, tiles \(tiles >> 20) MiB")
    #expect(size.width * size.height > 50_000_000)
    // An ensemble keeps a second program for the turned tile.
    #expect(program + pictures + tiles + weights < 1 << 30)
    #expect(2 * program + pictures + tiles + weights < 1 << 30)
  }

  @Test func `50 megapixels really do`() throws {
    guard ProcessInfo.processInfo.environment["ATELIER_SLOW"] != nil else {
      print("SKIPPED: 50 megapixels denoised (set ATELIER_SLOW; takes minutes)")
      return
    }
    let tile = try scene(.city, width: 1732, height: 1444, isGray: false)
    var image = ByteImage(width: 8660, height: 5774, channels: 3)
    for y in 0..<4 {
      for x in 0..<5 { image.paste(tile, x: x * 1732, y: y * 1444) }
    }
    let result = try Denoiser(model(channels: 3)).denoise(image)
    #expect(result.size == image.size)
    let status = try String(contentsOfFile: "/proc/self/status", encoding: .utf8)
    let line = try #require(status.split(separator: "\n").first { $0.hasPrefix("VmHWM:") })
    let kilobytes = try #require(
      line.split(whereSeparator: { !$0.isNumber }).first.flatMap { Int($0) })
    print("50 megapixels denoised with a peak of \(kilobytes / 1024) MiB")
    #expect(kilobytes < 1 << 20)
  }
}
