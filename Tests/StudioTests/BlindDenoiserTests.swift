// A denoiser that estimates the noise itself: its map, tiles, strength, and gray pictures.

import AtelierDenoising
import AtelierEngine
import AtelierImages
import AtelierInterchange
import AtelierScenery
import AtelierStudio
import AtelierWorkbench
import AtelierZoo
import Foundation
import TestSupport
import Testing

struct BlindDenoiserTests {
  private func denoiser() throws -> Denoiser {
    let network = BlindUNet(channels: 3, widths: [8, 12], blocks: 1)
    let graph = try network.graph(batch: 1, height: 32, width: 32)
    return try Denoiser(
      Model(
        graph: graph, store: ParameterStore(for: [graph], seed: 7),
        information: ModelInformation(
          task: "denoise", architecture: BlindUNet.name, granularity: network.granularity,
          receptiveRadius: network.receptiveRadius)))
  }

  private func picture(isGray: Bool = false) throws -> ByteImage {
    noisy(try scene(.flower, width: 301, height: 217, isGray: isGray), sigma: 12).bytes
  }

  @Test func `tiles show no seam and the map has a value for each block`() throws {
    let denoiser = try denoiser()
    #expect(denoiser.estimatesNoise && denoiser.hasNoiseMap)
    let picture = try picture()
    let map = try denoiser.noiseMap(of: picture)
    #expect(map.size == PixelSize(width: 76, height: 55) && map.channels == 1)
    #expect(map.samples.allSatisfy { $0 >= 0 && $0.isFinite })
    var options = Denoiser.Options()
    let whole = try denoiser.denoise(picture, options)
    options.noiseMap = map
    #expect(try denoiser.denoise(picture, options) == whole)
    options.tileSize = 1
    let tiled = try denoiser.denoise(picture, options)
    let worst = zip(whole.samples, tiled.samples).map { abs(Int($0) - Int($1)) }.max()
    #expect(try #require(worst) <= 1)
  }

  @Test func `strength multiplies the map and sigma replaces it`() throws {
    let denoiser = try denoiser()
    let picture = try picture()
    var (stronger, double, given, even) = (
      Denoiser.Options(), Denoiser.Options(), Denoiser.Options(), Denoiser.Options()
    )
    let map = try denoiser.noiseMap(of: picture)
    (stronger.noiseMap, stronger.strength) = (map, 2)
    double.noiseMap = map
    double.noiseMap?.samples = map.samples.map { 2 * $0 }
    #expect(try denoiser.denoise(picture, stronger) == denoiser.denoise(picture, double))
    (given.sigma, given.noiseMap) = (20, map)
    even.noiseMap = map
    even.noiseMap?.samples = map.samples.map { _ in 20 / 255 }
    #expect(try denoiser.denoise(picture, given) == denoiser.denoise(picture, even))
    #expect(try denoiser.denoise(picture, given) != denoiser.denoise(picture, double))
  }

  @Test func `gray stays gray, in one channel and in three`() throws {
    let denoiser = try denoiser()
    let gray = try picture(isGray: true)
    let result = try denoiser.denoise(gray, Denoiser.Options())
    let color = try denoiser.denoise(gray.rgb, Denoiser.Options())
    #expect(color.isColorless)
    #expect(result == color.channel(0))
  }
}
