// The sizes of the architectures by formula, their errors, and the list that the command line reads.

import AtelierEngine
import AtelierZoo
import Foundation
import Testing

@Suite("Parameter counts")
struct ParameterCountTests {
  /// Weights and bias of a square convolution.
  private func convolution(
    _ input: Int, _ output: Int, kernel: Int = 3, hasBias: Bool = true
  ) -> Int {
    kernel * kernel * input * output + (hasBias ? output : 0)
  }

  private func count(_ architecture: any Architecture, side: Int = 64) throws -> Int {
    try architecture.graph(batch: 1, height: side, width: side).parameterCount
  }

  @Test("autoencoder: equal for the four unpoolings", arguments: [1, 3])
  func autoencoder(channels: Int) throws {
    let sizes = [channels, 32, 64, 128]
    let encoder = (0..<3).reduce(0) { $0 + convolution(sizes[$1], sizes[$1 + 1]) }
    let decoder = (0..<3).reduce(0) { $0 + convolution(sizes[$1 + 1], sizes[$1]) }
    for unpooling in Unpooling.allCases {
      let network = ConvolutionalAutoencoder(channels: channels, unpooling: unpooling)
      #expect(try count(network) == encoder + decoder, "\(unpooling.rawValue)")
    }
  }

  @Test("autoencoder: gray, in numbers") func grayAutoencoder() throws {
    #expect(try count(ConvolutionalAutoencoder(channels: 1)) == 185_217)
  }

  @Test("U-Net of Noise2Noise", arguments: [1, 3])
  func unet(channels: Int) throws {
    let encoder = convolution(channels, 48) + 6 * convolution(48, 48)
    let lowest = convolution(96, 96) + convolution(96, 96)
    let middle = 3 * (convolution(144, 96) + convolution(96, 96))
    let last =
      convolution(96 + channels, 64) + convolution(64, 32) + convolution(32, channels)
    #expect(try count(NoiseToNoiseUNet(channels: channels)) == encoder + lowest + middle + last)
  }

  @Test("residual U-Net: 1,041,248 for gray by default") func residualUNet() throws {
    #expect(try count(ResidualUNet(channels: 1)) == 1_041_248)
    for channels in [1, 3] {
      for (widths, blocks) in [([32, 64, 128], 2), ([8, 12], 1), ([64, 128, 256, 512], 4)] {
        var expected = 9 * (channels + 1) * widths[0] + 9 * widths[0] * channels
        for (level, width) in widths.enumerated() {
          let isLowest = level == widths.count - 1
          expected += (isLowest ? 1 : 2) * blocks * 2 * 9 * width * width
          if !isLowest { expected += 2 * 4 * width * widths[level + 1] }
        }
        let network = ResidualUNet(channels: channels, widths: widths, blocks: blocks)
        #expect(try count(network) == expected)
      }
    }
  }

  @Test("DnCNN", arguments: [(1, 17, 64), (3, 20, 64), (1, 2, 8)])
  func dncnn(channels: Int, depth: Int, width: Int) throws {
    // Scale, shift and two running statistics a feature.
    let inner = convolution(width, width, hasBias: false) + 4 * width
    let expected =
      convolution(channels, width) + (depth - 2) * inner + convolution(width, channels)
    let network = DnCNN(channels: channels, depth: depth, width: width)
    #expect(try count(network) == expected)
    let graph = try network.graph(batch: 1, height: 16, width: 16)
    #expect(
      graph.parameterCount - graph.trainableParameterCount == (depth - 2) * 2 * width)
  }

  @Test("FFDNet: the paper's depths and widths for gray and colour")
  func ffdnet() throws {
    for (channels, depth, width) in [(1, 15, 64), (3, 12, 96)] {
      let expected =
        convolution(4 * channels + 1, width) + (depth - 2) * convolution(width, width)
        + convolution(width, 4 * channels)
      #expect(try count(FFDNet(channels: channels)) == expected)
      #expect(FFDNet(channels: channels).depth == depth)
    }
  }

  @Test("granularities and radii of the shipped sizes") func tiling() {
    let gray: [(any Architecture, Int)] = [
      (ConvolutionalAutoencoder(channels: 1), 8), (NoiseToNoiseUNet(channels: 1), 32),
      (ResidualUNet(channels: 1), 4), (DnCNN(channels: 1), 1), (FFDNet(channels: 1), 2),
    ]
    for (architecture, granularity) in gray {
      #expect(architecture.granularity == granularity)
      #expect(architecture.receptiveRadius > 0)
    }
  }

  @Test("hyper-parameters that make no network") func errors() {
    func text(_ architecture: any Architecture) -> String {
      do throws(ShapeError) {
        _ = try architecture.graph(batch: 1, height: 32, width: 32)
        return "(no error)"
      } catch { return error.description }
    }
    #expect(
      text(ConvolutionalAutoencoder(channels: 1, widths: []))
        == "an autoencoder has at least one level")
    #expect(text(NoiseToNoiseUNet(channels: 1, levels: 0)) == "a U-Net has at least one level")
    #expect(text(ResidualUNet(channels: 1, widths: [])) == "a U-Net has at least one level")
    #expect(text(DnCNN(channels: 1, depth: 1)) == "DnCNN has at least two convolutions; received 1")
    #expect(
      text(FFDNet(channels: 1, depth: 0)) == "FFDNet has at least two convolutions; received 0")
    #expect(
      text(DnCNN(channels: 0)) == "input input needs positive sizes; received [1, 32, 32, 0]")
  }

  @Test("a size that is no multiple is refused") func sizes() {
    func text(_ architecture: any Architecture) -> String {
      do throws(ShapeError) {
        _ = try architecture.graph(batch: 1, height: 33, width: 32)
        return "(no error)"
      } catch { return error.description }
    }
    #expect(
      text(FFDNet(channels: 1)).hasSuffix(
        "expected an image batch with sizes divisible by 2×2; received [1, 33, 32, 1]"))
    #expect(
      text(NoiseToNoiseUNet(channels: 1)).contains("expects equal sizes but for the channels"))
    #expect(text(ResidualUNet(channels: 1)).contains("add expects equal shapes"))
  }

  @Test("every denoiser's name makes its architecture, and survives JSON") func catalogue()
    throws
  {
    let names = Catalogue.networks(for: .denoise).map(\.name)
    #expect(
      names == [
        "autoencoder", "unet", "residual-unet", "blind-unet", "blur-unet", "dncnn", "ffdnet",
      ])
    for name in names {
      let value = try #require(DenoiserArchitecture(name: name, channels: 3))
      #expect(value.name == name)
      let data = try JSONEncoder().encode(value)
      #expect(try JSONDecoder().decode(DenoiserArchitecture.self, from: data) == value)
      let graph = try value.architecture.graph(batch: 1, height: 32, width: 32)
      #expect(graph.values[try #require(graph.output(named: "output"))].shape == [1, 32, 32, 3])
    }
    #expect(DenoiserArchitecture(name: "diffusion", channels: 3) == nil)
    let narrow = DenoiserArchitecture(
      name: "autoencoder", channels: 1, unpooling: .nails, widths: [4, 8])
    #expect(
      narrow
        == .autoencoder(
          ConvolutionalAutoencoder(channels: 1, widths: [4, 8], unpooling: .nails)))
  }
}
