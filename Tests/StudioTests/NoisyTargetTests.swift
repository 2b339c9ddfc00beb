// Trainings without clean pictures: from noisy ones alone, and from pairs of files.

import AtelierDatasets
import AtelierDenoising
import AtelierEngine
import AtelierFiles
import AtelierImages
import AtelierInterchange
import AtelierScenery
import AtelierTraining
import AtelierWorkbench
import AtelierZoo
import Foundation
import TestSupport
import Testing

struct NoisyTargetTests {
  /// A folder with a scene as several exposures of it have it, by their noise's seed.
  private func exposures(
    in folder: URL, _ name: String, seed: UInt64, sigma: Float = 40
  ) throws -> URL {
    let url = folder.appending(path: name)
    try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
    for (index, kind) in [SceneKind.wall, .cat].enumerated() {
      var image = try scene(kind, width: 112, height: 96, seed: 5).floats
      NoiseModel.addProtocolNoise(
        to: &image.samples, sigma: sigma, seed: seed, imageIndex: index)
      try ImageFile.write(image.words, to: url.appending(path: "\(kind).png").path)
    }
    return url
  }

  private func request(_ data: URL, steps: Int = 40) -> DenoisingTrainingRequest {
    var request = DenoisingTrainingRequest(
      data: [data.path], network: .blurUNet(BlurUNet(channels: 1, widths: [8, 12])))
    request.target = .own
    request.loss = .squaredError
    request.patch = 32
    request.batch = 4
    request.learningRate = 5e-3
    request.warmUp = 5
    request.averageDecay = 0.8
    request.steps = steps
    request.validationInterval = 20
    request.previewInterval = 20
    request.saveInterval = 10
    return request
  }

  /// Trains and gives the figures of each validation.
  @discardableResult
  private func train(
    _ request: DenoisingTrainingRequest, in run: URL, isResuming: Bool = false,
    interruptAt: Int? = nil
  ) throws -> [[String: Double]] {
    try trainDenoiser(request, in: run, isResuming: isResuming, interruptAt: interruptAt).figures
  }

  /// The mean PSNR of a run's last model over the clean scenes behind a folder of noisy ones.
  private func psnr(of run: URL, on folder: URL) throws -> (before: Double, after: Double) {
    let denoiser = try Denoiser(ModelFile.read(from: run.appending(path: "last.safetensors")))
    var (before, after) = (0.0, 0.0)
    for kind in [SceneKind.wall, .cat] {
      let clean = try scene(kind, width: 112, height: 96, seed: 5)
      let noisy = try ImageFile.readWords(folder.appending(path: "\(kind).png").path).floats
      var options = Denoiser.Options()
      options.sigma = 0
      before += try Metrics.psnr(clean, noisy.bytes) / 2
      after += try Metrics.psnr(clean, denoiser.denoise(noisy, options).bytes) / 2
    }
    return (before, after)
  }

  @Test func `noisy pictures alone teach to take their noise out`() throws {
    try withScratchFolder { folder in
      let data = try exposures(in: folder, "noisy", seed: 1)
      let run = folder.appending(path: "run")
      let figures = try train(request(data, steps: 120), in: run)
      #expect(figures.count == 6)
      #expect(figures.allSatisfy { $0.keys.contains("blind_psnr") })
      let (before, after) = try psnr(of: run, on: data)
      print(String(format: "blind spots: %.2f dB noisy, %.2f dB denoised", before, after))
      #expect(after > before + 3)
      let model = try ModelFile.read(from: run.appending(path: "last.safetensors"))
      #expect(model.information.training["target"] == "self")
      #expect(model.information.training["noise"] == "the files' own")
      let preview = try ImageFile.read(run.appending(path: "previews/step-0000020.png"))
      #expect(preview.width < 3 * 112, "noisy and denoised: no one knows the clean one")
    }
  }

  @Test func `a training from noisy pictures that was stopped ends with the same bytes`() throws {
    try withScratchFolder { folder in
      let request = request(try exposures(in: folder, "noisy", seed: 1), steps: 24)
      let (whole, parts) = (folder.appending(path: "whole"), folder.appending(path: "parts"))
      try train(request, in: whole)
      try train(request, in: parts, interruptAt: 7)
      try train(request, in: parts, isResuming: true)
      for name in ["last.safetensors", "best.safetensors", "previews/step-0000020.png"] {
        #expect(
          try Data(contentsOf: whole.appending(path: name))
            == Data(contentsOf: parts.appending(path: name)), "\(name)")
      }
      #expect(try DenoisingTraining.request(of: parts) == request)
    }
  }

  @Test func `pairs of exposures teach to take their noise out`() throws {
    try withScratchFolder { folder in
      let data = try exposures(in: folder, "first", seed: 1)
      var request = request(data, steps: 120)
      request.target = .files
      request.targets = [try exposures(in: folder, "second", seed: 2).path]
      let run = folder.appending(path: "run")
      let figures = try train(request, in: run)
      #expect(figures.allSatisfy { $0.keys.contains("psnr") })
      let (before, after) = try psnr(of: run, on: data)
      print(String(format: "pairs: %.2f dB noisy, %.2f dB denoised", before, after))
      #expect(after > before + 3)
    }
  }

  @Test func `what cannot be learnt from is one line`() throws {
    try withScratchFolder { folder in
      let data = try exposures(in: folder, "noisy", seed: 1)
      let own = request(data)
      func line(_ change: (inout DenoisingTrainingRequest) throws -> Void) -> String? {
        errorLine {
          var request = own
          try change(&request)
          try train(request, in: folder.appending(path: "run"))
        }
      }
      #expect(
        line {
          $0.network = .dncnn(DnCNN(channels: 1, depth: 4, width: 8))
          $0.loss = .structuralSimilarity
        }
          == "--target self judges single pixels: the loss must be one of l1, l2, huber, charbonnier"
      )
      #expect(
        line { $0.network = .ffdnet(FFDNet(channels: 1, depth: 3, width: 8)) }
          == "a network that reads a noise map cannot be trained on noisy pictures: no one knows "
          + "theirs; take autoencoder, unet, blur-unet or dncnn")
      let fewer = try exposures(in: folder, "fewer", seed: 2)
      try FileManager.default.removeItem(at: fewer.appending(path: "wall.png"))
      #expect(
        line { ($0.target, $0.targets) = (.files, [fewer.path]) }
          == "wall.png: there is no picture of that name in \(fewer.path)")
      let small = try exposures(in: folder, "small", seed: 2)
      try ImageFile.write(
        scene(.cat, width: 64, height: 64, seed: 5), to: small.appending(path: "cat.png"))
      #expect(
        line { ($0.target, $0.targets) = (.files, [small.path]) }
          == "\(small.appending(path: "cat.png").path): 64x64, but cat.png has 112x96")
    }
  }

  @Test func `words that contradict are refused`() {
    func line(_ words: FieldWords) -> String? {
      errorLine {
        _ = try DenoisingTrainingRequest(
          words: ["network": ["unet"], "data": ["."]].merging(words) { $1 })
      }
    }
    #expect(
      line(["target": ["self"], "noise": ["gaussian:25"]])
        == "--target self takes noisy pictures as they are: leave --noise out")
    #expect(
      line(["targets": ["."], "noise2noise": [""]])
        == "--targets takes noisy pictures as they are: leave --noise2noise out")
    #expect(
      line(["target": ["self"], "targets": ["."]]) == "--target self and --targets contradict")
    #expect(line(["blind-spot": ["2"]]) == "--blind-spot is for --target self")
    #expect(line(["target": ["dirty"]])?.contains("expected clean, noisy or self") == true)
  }
}
