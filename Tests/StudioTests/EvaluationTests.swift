// The measure of denoisers: noise as the theory has it, the JSON's keys, the same figures each
// time.

import AtelierDatasets
import AtelierDenoising
import AtelierEngine
import AtelierImages
import AtelierScenery
import AtelierVision
import AtelierWorkbench
import AtelierZoo
import Foundation
import TestSupport
import Testing

struct EvaluationTests {
  private func folder(isGray: Bool = true) throws -> ImageFolder {
    let kinds: [SceneKind] = [.wall, .sea, .bird]
    return ImageFolder(
      items: try kinds.map {
        .init(name: "\($0).png", image: try scene($0, width: 150, height: 101, isGray: isGray))
      }, mode: isGray ? .gray : .color)
  }

  @Test(arguments: [Float(15), 25, 50])
  func `the noisy PSNR is the theory's`(_ sigma: Float) throws {
    let denoiser = try Denoiser(filterModel(symmetricKernel))
    let report = try DenoisingEvaluation.run(denoiser, on: folder(), sigma: sigma)
    let theory = 20 * log10(255 / Double(sigma))
    for row in report.images {
      #expect(abs(row.noisyPsnr - theory) < 0.1, "\(row.file): \(row.noisyPsnr) of \(theory)")
      #expect(row.psnr > row.noisyPsnr)
      #expect(row.ssim > 0 && row.ssim < 1)
    }
    #expect(Set(report.images.map(\.noisyPsnr)).count == 3)
  }

  @Test func `figures are those of the pictures that come out`() throws {
    let denoiser = try Denoiser(filterModel(symmetricKernel))
    let folder = try folder()
    var seen: [DenoisingReport.Row] = []
    let report = try DenoisingEvaluation.run(denoiser, on: folder, sigma: 25, seed: 9) {
      seen.append($0)
    }
    #expect(seen == report.images)
    #expect(report.images.map(\.file) == ["wall.png", "sea.png", "bird.png"])
    var options = Denoiser.Options()
    options.sigma = 25
    for (index, item) in folder.items.enumerated() {
      let input = noisy(item.image, sigma: 25, seed: 9, index: index)
      let result = try denoiser.denoise(input, options).bytes
      #expect(report.images[index].psnr == (try Metrics.psnr(item.image, result)))
      #expect(report.images[index].ssim == (try Metrics.ssim(item.image, result)))
    }
    let mean = report.images.reduce(0) { $0 + $1.psnr } / 3
    #expect(abs(report.mean.psnr - mean) < 1e-12)
    let ssim = report.images.reduce(0) { $0 + $1.ssim } / 3
    #expect(abs(report.mean.ssim - ssim) < 1e-12)
  }

  @Test func `the same seed gives the same report, another one does not`() throws {
    let model = try randomModel(.ffdnet(FFDNet(channels: 3, depth: 3, width: 8)))
    let folder = try folder(isGray: false)
    let first = try DenoisingEvaluation.run(Denoiser(model), on: folder, sigma: 15)
    #expect(try DenoisingEvaluation.run(Denoiser(model), on: folder, sigma: 15) == first)
    let other = try DenoisingEvaluation.run(Denoiser(model), on: folder, sigma: 15, seed: 1)
    #expect(other.images.map(\.psnr) != first.images.map(\.psnr))
    let blind = try DenoisingEvaluation.run(Denoiser(model), on: folder, sigma: 15, isBlind: true)
    #expect(blind.images.map(\.noisyPsnr) == first.images.map(\.noisyPsnr))
    #expect(blind.images.map(\.psnr) != first.images.map(\.psnr))
  }

  @Test func `the JSON has exactly its keys`() throws {
    let denoiser = try Denoiser(filterModel(symmetricKernel))
    var options = Denoiser.Options()
    options.isEnsemble = true
    let report = try DenoisingEvaluation.run(denoiser, on: folder(), sigma: 25, options: options)
    let data = try JSONEncoder().encode(report)
    let object = try #require(try JSONSerialization.jsonObject(with: data) as? [String: Any])
    #expect(Set(object.keys) == ["protocol", "images", "mean"])
    let images = try #require(object["images"] as? [[String: Any]])
    #expect(images.count == 3)
    for image in images { #expect(Set(image.keys) == ["file", "psnr", "ssim", "noisy_psnr"]) }
    #expect(
      Set(try #require(object["mean"] as? [String: Any]).keys)
        == ["psnr", "ssim", "noisy_psnr"])
    #expect(try JSONDecoder().decode(DenoisingReport.self, from: data) == report)
    #expect(
      report.protocol
        == "white Gaussian noise sigma 25.0 of 255, seed 0, not clipped, not rounded; sigma given; "
        + "x8 self-ensemble; result clipped and rounded to 8 bits; border 0; PSNR of gray (BT.601) "
        + "with peak 255, the noisy one of the values as they are; "
        + "SSIM 11x11 Gaussian 1.5, valid region, mean over channels")
  }

  @Test func `block matching is measured beside a model`() throws {
    let denoiser = try Denoiser(filterModel(symmetricKernel))
    let folder = try folder()
    let alone = try DenoisingEvaluation.run(denoiser, on: folder, sigma: 25)
    let report = try DenoisingEvaluation.run(denoiser, on: folder, sigma: 25, baseline: .bm3d)
    #expect(report.mean.psnr == alone.mean.psnr && alone.mean.baselinePsnr == nil)
    for (index, row) in report.images.enumerated() {
      let clean = folder.items[index].image
      let result = BlockMatching.denoised(noisy(clean, sigma: 25, index: index), sigma: 25).bytes
      #expect(row.baselinePsnr == (try Metrics.psnr(clean, result)))
      #expect(row.baselineSsim == (try Metrics.ssim(clean, result)))
    }
    let mean = report.images.reduce(0) { $0 + ($1.baselinePsnr ?? 0) } / 3
    #expect(abs(try #require(report.mean.baselinePsnr) - mean) < 1e-12)
    #expect(report.protocol == alone.protocol + "; BM3D without training, told the same sigma")
    let data = try JSONEncoder().encode(report)
    #expect(try JSONDecoder().decode(DenoisingReport.self, from: data) == report)
  }

  @Test func `pictures of other channels are refused`() throws {
    let denoiser = try Denoiser(filterModel(symmetricKernel, channels: 3))
    let line = errorLine { _ = try DenoisingEvaluation.run(denoiser, on: folder(), sigma: 25) }
    #expect(line == "the model takes 3 channels; the picture has 1")
  }
}
