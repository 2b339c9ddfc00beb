// Training of tiny denoisers: better after 30 steps, the same bits after a stop, clear errors,
// previews.

import AtelierDatasets
import AtelierDenoising
import AtelierEngine
import AtelierImages
import AtelierInterchange
import AtelierScenery
import AtelierTraining
import AtelierWorkbench
import AtelierZoo
import Foundation
import TestSupport
import Testing

/// Tiny networks that learn something in 30 steps.
private let tinyNetworks: [NetworkCase] = [
  .init("residual-unet", .residualUNet(ResidualUNet(channels: 1, widths: [8, 12], blocks: 1))),
  .init("unet", .unet(NoiseToNoiseUNet(channels: 1, width: 9, levels: 2))),
  .init("dncnn", .dncnn(DnCNN(channels: 1, depth: 4, width: 8))),
  .init("ffdnet", .ffdnet(FFDNet(channels: 3, depth: 3, width: 16))),
  .init(
    "autoencoder",
    .autoencoder(ConvolutionalAutoencoder(channels: 1, widths: [8], unpooling: .max))),
]

struct DenoisingTrainingTests {
  private func request(
    _ network: DenoiserArchitecture, data: URL, steps: Int = 30
  ) -> DenoisingTrainingRequest {
    var request = DenoisingTrainingRequest(data: [data.path], network: network)
    request.noises = [.gaussian(sigma: 25...25)]
    request.patch = 32
    request.batch = 4
    request.learningRate = 5e-3
    request.warmUp = 5
    request.averageDecay = 0.8
    request.steps = steps
    request.validationInterval = 10
    request.previewInterval = 20
    request.saveInterval = 10
    return request
  }

  /// Trains and gives the PSNR of each validation.
  @discardableResult
  private func train(
    _ request: DenoisingTrainingRequest, in run: URL, isResuming: Bool = false,
    interruptAt: Int? = nil
  ) throws -> (report: StopReport, psnr: [Double]) {
    let (report, figures) = try trainDenoiser(
      request, in: run, isResuming: isResuming, interruptAt: interruptAt)
    return (report, figures.map { $0["psnr"] ?? .nan })
  }

  @Test(arguments: tinyNetworks)
  func `30 steps raise the PSNR`(_ network: NetworkCase) throws {
    try withScratchFolder { folder in
      let run = folder.appending(path: "run")
      let data = try makeData(in: folder)
      let start = try train(
        request(network.network, data: data, steps: 0), in: folder.appending(path: "start"))
      #expect(start.report.step == 0)
      let untrained = try ModelFile.read(
        from: folder.appending(path: "start").appending(path: "last.safetensors"))
      let result = try train(request(network.network, data: data), in: run)
      #expect(result.report.reason == .finished)
      #expect(result.report.step == 30)
      #expect(result.psnr.count == 3)
      // The model that was saved reaches the figure that it names.
      let model = try ModelFile.read(from: run.appending(path: "best.safetensors"))
      #expect(model.information.architecture == network.network.name)
      #expect(model.information.figures["psnr"] == result.psnr.max())
      #expect(result.report.best == result.psnr.max())
      let before = try psnr(of: untrained, channels: network.network.architecture)
      let after = try psnr(of: model, channels: network.network.architecture)
      print(
        network.testDescription
          + String(format: ": %.2f dB untrained, %.2f dB after 30 steps", before, after))
      #expect(after > before + 0.5)
      #expect(result.psnr[2] > result.psnr[0])
      for name in [
        "configuration.json", "state.safetensors", "last.safetensors", "log.csv", "events.jsonl",
        "previews/step-0000020.png",
      ] {
        #expect(FileManager.default.fileExists(atPath: run.appending(path: name).path), "\(name)")
      }
      #expect(try DenoisingTraining.request(of: run) == request(network.network, data: data))
    }
  }

  /// The mean PSNR over scenes that were not trained on.
  private func psnr(of model: Model, channels architecture: any Architecture) throws -> Double {
    let denoiser = try Denoiser(model)
    let items = try [SceneKind.wall, .cat].map {
      ImageFolder.Item(
        name: "\($0)", image: try scene($0, width: 96, height: 72, seed: 77, isGray: false))
    }
    let folder = ImageFolder(items: items, mode: denoiser.channels == 1 ? .gray : .color)
    return try DenoisingEvaluation.run(denoiser, on: folder, sigma: 25).mean.psnr
  }

  @Test(arguments: [tinyNetworks[0], tinyNetworks[2]])
  func `a training that was stopped ends with the same bytes`(_ network: NetworkCase) throws {
    try withScratchFolder { folder in
      let request = try request(network.network, data: makeData(in: folder), steps: 24)
      let whole = folder.appending(path: "whole")
      let parts = folder.appending(path: "parts")
      try train(request, in: whole)
      let first = try train(request, in: parts, interruptAt: 7)
      #expect(first.report.reason == .interrupted)
      #expect(first.report.step == 7)
      try train(request, in: parts, isResuming: true, interruptAt: 20)
      let last = try train(request, in: parts, isResuming: true)
      #expect(last.report.reason == .finished)
      for name in ["last.safetensors", "best.safetensors", "previews/step-0000020.png"] {
        let expected = try Data(contentsOf: whole.appending(path: name))
        let received = try Data(contentsOf: parts.appending(path: name))
        #expect(expected == received, "\(name)")
      }
      // A resume of what has ended, as after a kill between its last two files, changes nothing.
      try train(request, in: parts, isResuming: true)
      #expect(
        try Data(contentsOf: whole.appending(path: "last.safetensors"))
          == Data(contentsOf: parts.appending(path: "last.safetensors")))
      // Another network, or other data, is not the same run.
      var other = request
      other.batch = 5
      let line = errorLine { try train(other, in: parts, isResuming: true) }
      #expect(line?.hasSuffix("configuration.json: the run has batch 4; received 5") == true)
      // More steps are.
      other = request
      other.steps = 26
      #expect(try train(other, in: parts, isResuming: true).report.step == 26)
      #expect(try DenoisingTraining.request(of: parts).steps == 26)
    }
  }

  @Test func `a run of the former version goes on to the same bytes`() throws {
    try withScratchFolder { folder in
      let request = try request(tinyNetworks[4].network, data: makeData(in: folder), steps: 16)
      let whole = folder.appending(path: "whole")
      let parts = folder.appending(path: "parts")
      try train(request, in: whole)
      try train(request, in: parts, interruptAt: 7)
      // It had no about.json, no keys of what was nil, and none of what is new.
      let about = parts.appending(path: "about.json")
      let file = parts.appending(path: "configuration.json")
      var stored = try #require(
        try JSONSerialization.jsonObject(with: Data(contentsOf: file)) as? [String: Any])
      for key in ["decay", "epochs", "startFrom", "frozen"] { stored[key] = nil }
      stored = stored.filter { !($0.value is NSNull) }
      try JSONSerialization.data(withJSONObject: stored).write(to: file)
      try FileManager.default.removeItem(at: about)
      #expect(try DenoisingTraining.request(of: parts) == request)
      try train(request, in: parts, isResuming: true)
      for name in ["last.safetensors", "best.safetensors"] {
        #expect(
          try Data(contentsOf: whole.appending(path: name))
            == Data(contentsOf: parts.appending(path: name)), "\(name)")
      }
      #expect(try String(contentsOf: about, encoding: .utf8).contains("denoise train"))
    }
  }

  @Test func `a configuration of the former version is read`() throws {
    try withScratchFolder { folder in
      let text = """
        {"averageDecay": 0.999, "batch": 2, "data": ["photos"], "learningRate": 0.001,
        "loss": {"sum": {"_0": [{"loss": {"absoluteError": {}}, "weight": 0.8},
        {"loss": {"structuralSimilarity": {}}, "weight": 0.2}]}},
        "network": {"residualUNet": {"_0": {"blocks": 2, "channels": 3, "widths": [4, 6]}}},
        "noises": [{"gaussian": {"sigma": [0, 50]}}],
        "optimizer": {"adamW": {"beta1": 0.9, "beta2": 0.999, "epsilon": 1e-08, "weightDecay": 0}},
        "patch": 16, "previewInterval": 500, "saveInterval": 3, "scale": 1, "scenes": 1, "seed": 1,
        "minutes": 6, "target": "noisy", "validation": [], "validationInterval": 500,
        "validationSigma": 25, "warmUp": 200}
        """
      try Data(text.utf8).write(to: folder.appending(path: "configuration.json"))
      var expected = DenoisingTrainingRequest(
        data: ["photos"],
        network: .residualUNet(ResidualUNet(channels: 3, widths: [4, 6], blocks: 2)))
      expected.loss = .sum([
        .init(weight: 0.8, loss: .absoluteError), .init(weight: 0.2, loss: .structuralSimilarity),
      ])
      expected.batch = 2
      expected.patch = 16
      expected.scenes = 1
      expected.target = .noisy
      expected.saveInterval = 3
      expected.minutes = 6
      // What it left out was nil, whatever the default.
      expected.gradientLimit = nil
      #expect(try DenoisingTraining.request(of: folder) == expected)
    }
  }

  @Test func `words make a request and a request its words`() throws {
    let words: FieldWords = [
      "network": ["residual-unet"], "widths": ["8,12"], "channels": ["3"], "data": ["."],
      "noise": ["gaussian:25", "poisson:10-60"], "noise2noise": [""], "loss": ["0.8*l1+0.2*ssim"],
      "steps": ["5"],
    ]
    let request = try DenoisingTrainingRequest(words: words)
    #expect(request.network == .residualUNet(ResidualUNet(channels: 3, widths: [8, 12])))
    #expect(request.noises == [.gaussian(sigma: 25...25), .poisson(peak: 10...60)])
    #expect(request.target == .noisy)
    #expect(DenoisingTrainingRequest.form.words(of: request) == words)
  }

  @Test func `impossible requests leave one line and no run folder`() throws {
    try withScratchFolder { folder in
      let network = DenoiserArchitecture.residualUNet(ResidualUNet(channels: 1, widths: [4, 4, 4]))
      let data = try makeData(in: folder)
      func line(_ change: (inout DenoisingTrainingRequest) -> Void) -> String? {
        var request = request(network, data: data)
        change(&request)
        let run = folder.appending(path: "run")
        let line = errorLine { try train(request, in: run) }
        #expect(!FileManager.default.fileExists(atPath: run.path))
        return line
      }
      let patches = "residual-unet needs patches whose side is a multiple of 4; received "
      #expect(line { $0.patch = 30 } == patches + "30")
      #expect(line { $0.patch = 0 } == patches + "0")
      #expect(line { $0.patch = -4 } == patches + "-4")
      #expect(line { $0.batch = 0 } == "a step needs at least one patch; received 0")
      #expect(
        line { $0.data = [] } == "a training needs pictures: give --data or --scenes")
      let missing = folder.appending(path: "nowhere").path
      #expect(line { $0.data = [missing] } == "\(missing): no such file or folder")
      #expect(line { $0.validation = [missing] } == "\(missing): no such file or folder")
      let empty = folder.appending(path: "empty")
      try FileManager.default.createDirectory(at: empty, withIntermediateDirectories: true)
      #expect(line { $0.data = [empty.path] } == "no picture in \(empty.path)")
      #expect(
        line { $0.patch = 516 }
          == "all 4 pictures are smaller than a patch of 516x516 "
          + "(city.png: 208x196 is smaller than a patch of 516x516; left out)")
      #expect(
        line { $0.noises = [.gaussian(sigma: 0...300)] }
          == "noise '\(NoiseModel.gaussian(sigma: 0...300))': sigma must be in 0.0...255.0")
      #expect(line { $0.noises = [] } == "a denoiser needs at least one noise")
      let nothing = folder.appending(path: "nothing")
      #expect(
        errorLine { try train(request(network, data: data), in: nothing, isResuming: true) }
          == "\(nothing.relativePath): expected a run folder; there is nothing of that name")
    }
  }

  @Test func `pictures from a folder, noisy targets and every noise train`() throws {
    try withScratchFolder { folder in
      let data = try makeData(in: folder)
      var request = request(tinyNetworks[1].network, data: data, steps: 60)
      request.validation = [data.appending(path: "city.png").path]
      request.target = .noisy
      request.loss = .squaredError
      request.noises = [
        .gaussian(sigma: 20...30), .poisson(peak: 30...60),
        .correlated(sigma: 10...20, blurRadius: 1),
      ]
      let result = try train(request, in: folder.appending(path: "run"))
      #expect(result.psnr.count == 6)
      #expect(result.psnr[5] > result.psnr[0] + 0.5, "\(result.psnr)")
      let model = try ModelFile.read(from: folder.appending(path: "run/last.safetensors"))
      #expect(model.information.training["target"] == "noisy")
      #expect(model.information.training["steps"] == "60")
    }
  }

  @Test func `without a better PSNR it stops after its patience`() throws {
    try withScratchFolder { folder in
      // Steps so small that no weight moves: the first validation stays the best one.
      var request = try request(tinyNetworks[0].network, data: makeData(in: folder), steps: 200)
      request.learningRate = 1e-30
      request.averageDecay = nil
      request.validationInterval = 4
      request.patience = 2
      let run = folder.appending(path: "run")
      let result = try train(request, in: run)
      #expect(result.report.reason == .earlyStopping)
      #expect(result.report.step == 12)
      #expect(result.psnr.count == 3)
      #expect(Set(result.psnr).count == 1)
      // More patience is no other run.
      request.patience = 4
      #expect(try train(request, in: run, isResuming: true).report.step == 20)
    }
  }

  @Test func `previews show noisy, denoised and clean`() throws {
    try withScratchFolder { folder in
      let network = DenoiserArchitecture.residualUNet(
        ResidualUNet(channels: 3, widths: [8, 12], blocks: 1))
      let request = try request(network, data: makeData(in: folder), steps: 20)
      let run = folder.appending(path: "run")
      try train(request, in: run)
      let preview = try ImageFile.read(run.appending(path: "previews/step-0000020.png"))
      #expect(preview.width > 3 * 192)
      #expect(preview.height > 4 * 192)
      if let keep = ProcessInfo.processInfo.environment["ATELIER_KEEP"] {
        try ImageFile.write(preview, to: URL(filePath: keep).appending(path: "preview.png"))
      }
    }
  }
}
