// `atelier denoise` on small pictures with an untrained model: sizes, alpha, formats, tiles.

import Atelier
import Foundation
import Testing

@Suite(.enabled(if: CommandTool.isBuilt, "the executable atelier was not built"))
struct DenoiseRunTests {
  /// A folder with a gray and a colour model.
  private func bench() throws -> Workbench {
    let bench = try Workbench()
    try bench.model("gray.safetensors", Workbench.tinyNetwork(channels: 1), channels: 1)
    try bench.model("color.safetensors", Workbench.tinyNetwork(channels: 3), channels: 3)
    return bench
  }

  @Test(arguments: [(1, 1), (1, 9), (7, 1), (2, 3), (17, 33), (64, 64), (131, 97)])
  func anySizeKeepsItsSize(_ width: Int, _ height: Int) throws {
    let bench = try bench()
    for (channels, model) in [(1, "gray"), (3, "color"), (3, "gray"), (1, "color")] {
      let before = try bench.picture("in.png", width, height, channels: channels)
      let outcome = try bench.run(
        "denoise", "in.png", "-o", "out.png", "--model", "\(model).safetensors", "--sigma", "20")
      #expect(outcome.status == 0, "\(outcome.errors)")
      let after = try ImageFile.read(bench.path("out.png"))
      #expect(after.size == before.size)
      #expect(after.channels == channels)
      #expect(after != before)
    }
  }

  @Test func theResultIsThatOfTheLibrary() throws {
    let bench = try bench()
    let before = try bench.picture("in.png", 45, 38, channels: 3)
    let outcome = try bench.run(
      "denoise", "in.png", "-o", "out.png", "--model", "color.safetensors", "--strength", "1.5",
      "--threads", "3")
    #expect(outcome.status == 0, "\(outcome.errors)")
    let denoiser = try Denoiser(ModelFile.read(from: bench.path("color.safetensors")))
    var options = Denoiser.Options()
    options.strength = 1.5
    #expect(try ImageFile.read(bench.path("out.png")) == denoiser.denoise(before, options))
    #expect(try ImageFile.metadata(bench.path("out.png").path)["Software"] == "Atelier")
  }

  @Test(arguments: [2, 4])
  func alphaIsKept(_ channels: Int) throws {
    let bench = try bench()
    let before = try bench.picture("in.png", 23, 19, channels: channels)
    let model = channels == 2 ? "gray.safetensors" : "color.safetensors"
    let outcome = try bench.run("denoise", "in.png", "-o", "out.png", "--model", model)
    #expect(outcome.status == 0, "\(outcome.errors)")
    let after = try ImageFile.read(bench.path("out.png"))
    #expect(after.channel(channels - 1) == before.channel(channels - 1))
    #expect(after.channel(0) != before.channel(0))
    let refused = try bench.run("denoise", "in.png", "-o", "out.jpg", "--model", model)
    #expect(refused.status == 65)
    #expect(refused.errors.contains("transparency"))
  }

  @Test func tilesShowNoSeam() throws {
    let bench = try bench()
    try bench.picture("in.png", 210, 145, channels: 1)
    for (name, tile) in [("whole.png", "4096"), ("tiled.png", "64")] {
      let outcome = try bench.run(
        "denoise", "in.png", "-o", name, "--model", "gray.safetensors", "--sigma", "25", "--tile",
        tile)
      #expect(outcome.status == 0, "\(outcome.errors)")
    }
    let whole = try ImageFile.read(bench.path("whole.png"))
    let tiled = try ImageFile.read(bench.path("tiled.png"))
    let worst = zip(whole.samples, tiled.samples).map { abs(Int($0) - Int($1)) }.max()
    #expect((worst ?? 255) <= 1)
  }

  @Test func jpegAndSixteenBitsAreRead() throws {
    let bench = try bench()
    try bench.picture("photo.jpg", 30, 21, channels: 3)
    let words = WordImage(width: 32, height: 30, channels: 1) { samples in
      for index in samples.indices { samples[index] = UInt16(index * 67) }
    }
    try ImageFile.write(words, to: bench.path("deep.png").path)
    let first = try bench.run(
      "denoise", "photo.jpg", "-o", "photo.png", "--model", "color.safetensors")
    #expect(first.status == 0, "\(first.errors)")
    #expect(try ImageFile.information(bench.path("photo.png").path).bitDepth == 8)
    let second = try bench.run(
      "denoise", "deep.png", "photo.jpg", "-o", "out", "--model", "gray.safetensors", "--compare")
    #expect(second.status == 0, "\(second.errors)")
    #expect(!second.errors.contains("16 bits"))
    #expect(try ImageFile.information(bench.path("out/photo.jpg").path).format == .jpeg)
    // 16 bits go in, through the network and out as they are.
    let denoiser = try Denoiser(ModelFile.read(from: bench.path("gray.safetensors")))
    let deep = bench.path("out/deep.png").path
    #expect(try ImageFile.information(deep).bitDepth == 16)
    #expect(try ImageFile.readWords(deep) == denoiser.denoise(words))
    let third = try bench.run(
      "denoise", "deep.png", "-o", "deep.jpg", "--model", "gray.safetensors")
    #expect(third.status == 0, "\(third.errors)")
    #expect(third.errors.contains("deep.png: 16 bits a sample are written as 8 to deep.jpg"))
    #expect(try ImageFile.size(bench.path("deep.jpg").path) == words.size)
  }

  @Test func oneBadPictureDoesNotStopTheOthers() throws {
    let bench = try bench()
    try bench.picture("in/a.png", 20, 16, channels: 1)
    try bench.picture("in/deep/c.png", 18, 25, channels: 3)
    try Data("not a picture".utf8).write(to: bench.path("in/b.png"))
    let outcome = try bench.run(
      "denoise", "in", "-o", "out", "--model", "gray.safetensors", "--json")
    #expect(outcome.status == 65)
    #expect(outcome.errors.hasPrefix("atelier: in/b.png"))
    #expect(outcome.errors.split(separator: "\n").count == 1)
    let report = try #require(
      try JSONSerialization.jsonObject(with: Data(outcome.output.utf8)) as? [String: Any])
    let files = try #require(report["files"] as? [[String: Any]])
    #expect(files.compactMap { $0["file"] as? String } == ["in/a.png", "in/deep/c.png"])
    #expect(files.compactMap { $0["output"] as? String } == ["out/a.png", "out/deep/c.png"])
    let failures = try #require(report["failures"] as? [[String: Any]])
    #expect(failures.compactMap { $0["file"] as? String } == ["in/b.png"])
    #expect(try ImageFile.size(bench.path("out/deep/c.png").path).height == 25)
  }

  @Test func cleanOriginalsGiveThePSNR() throws {
    let bench = try bench()
    let noisy = try bench.picture("noisy/a.png", 24, 24, channels: 1)
    var clean = noisy
    for index in clean.samples.indices { clean.samples[index] &-= 10 }
    try FileManager.default.createDirectory(
      at: bench.path("clean"), withIntermediateDirectories: true)
    try ImageFile.write(clean, to: bench.path("clean/a.png"))
    let outcome = try bench.run(
      "denoise", "noisy", "-o", "out", "--model", "gray.safetensors", "--clean", "clean",
      "--compare")
    #expect(outcome.status == 0, "\(outcome.errors)")
    let after = try Metrics.psnr(clean, ImageFile.read(bench.path("out/a.png")))
    let expected = [try Metrics.psnr(clean, noisy), after].map { String(format: "%.2f", $0) }
    let mean = outcome.output.split(separator: "\n").first { $0.hasPrefix("mean") }
    let cells = try #require(mean).split(separator: " ").map(String.init)
    #expect(Array(cells[1...2]) == expected)
    let comparison = try ImageFile.read(bench.path("out/a-compare.png"))
    #expect(comparison.width > 2 * noisy.width)
  }

  @Test func shippedModelsAreFoundByChannels() throws {
    let bench = try bench()
    try FileManager.default.createDirectory(
      at: bench.path("models"), withIntermediateDirectories: true)
    for (from, to) in [("gray", "denoise-gray"), ("color", "denoise-color")] {
      try FileManager.default.copyItem(
        at: bench.path("\(from).safetensors"), to: bench.path("models/\(to).safetensors"))
    }
    try bench.picture("a.png", 20, 20, channels: 1)
    try bench.picture("b.png", 20, 20, channels: 3)
    // Gray stored in colour belongs to the gray model.
    let gray = try ImageFile.read(bench.path("a.png").path)
    try ImageFile.write(gray.withChannels(3), to: bench.path("c.png").path)
    let outcome = try bench.run(
      "denoise", "a.png", "b.png", "c.png", "-o", "out", "--json",
      environment: ["ATELIER_CHECKPOINTS": bench.path("models").path])
    #expect(outcome.status == 0, "\(outcome.errors)")
    let report = try #require(
      try JSONSerialization.jsonObject(with: Data(outcome.output.utf8)) as? [String: Any])
    let models = try #require(report["files"] as? [[String: Any]]).compactMap {
      ($0["model"] as? NSString)?.lastPathComponent
    }
    #expect(
      models == [
        "denoise-gray.safetensors", "denoise-color.safetensors", "denoise-gray.safetensors",
      ])
  }

  @Test func photographsGoToTheirModelAndTheirNoiseIsDrawn() throws {
    let bench = try bench()
    try FileManager.default.createDirectory(
      at: bench.path("models"), withIntermediateDirectories: true)
    for (from, to) in [("gray", "denoise-gray"), ("color", "denoise-color")] {
      try FileManager.default.copyItem(
        at: bench.path("\(from).safetensors"), to: bench.path("models/\(to).safetensors"))
    }
    try bench.model(
      "models/denoise-photo.safetensors", BlindUNet(channels: 3, widths: [4, 8], blocks: 1),
      channels: 3)
    let environment = ["ATELIER_CHECKPOINTS": bench.path("models").path]
    // White noise goes to the models that are made for it, any other to the one for photographs.
    let flat = ByteImage(width: 128, height: 128, channels: 3, filledWith: 120)
    for (name, noise) in [
      ("white.png", NoiseModel.gaussian(sigma: 12...12)),
      ("camera.png", .correlated(sigma: 12...12, blurRadius: 1.2)),
    ] {
      try ImageFile.write(
        noise.pair(of: flat, seed: 2, index: 0).noisy.bytes, to: bench.path(name))
    }
    try ImageFile.write(flat, to: bench.path("still.png"))
    let outcome = try bench.run(
      "denoise", "white.png", "camera.png", "still.png", "-o", "out", environment: environment)
    #expect(outcome.status == 0, "\(outcome.errors)")
    let lines = (outcome.output + outcome.errors).split(separator: "\n")
    func line(_ name: String) -> String { lines.first { $0.contains(name) }.map(String.init) ?? "" }
    #expect(line("white.png").contains("white; model denoise-color"))
    #expect(line("camera.png").contains("camera noise; model denoise-photo"))
    #expect(line("still.png").contains("left as it is"))
    #expect(try ImageFile.read(bench.path("out/still.png")) == flat)
    let drawn = try bench.run(
      "denoise", "camera.png", "-o", "c.png", "--noise-map", "map.png", "--explain", "noise.png",
      environment: environment)
    #expect(drawn.status == 0, "\(drawn.errors)")
    #expect(try ImageFile.size(bench.path("map.png").path) == flat.size)
    #expect(try ImageFile.size(bench.path("noise.png").path).height > 400)
    let refused = try bench.run(
      "denoise", "white.png", "camera.png", "-o", "out", "--explain", "noise.png",
      environment: environment)
    #expect(refused.status == 64)
    #expect(refused.errors.contains("--explain is for one picture; received 2"))
  }

  @Test func checkPrintsTheRequestAndDoesNothing() throws {
    func object(_ outcome: CommandTool.Outcome) throws -> [String: Any] {
      #expect(outcome.status == 0, "\(outcome.errors)")
      let value = try JSONSerialization.jsonObject(with: Data(outcome.output.utf8))
      return try #require(value as? [String: Any])
    }
    let bench = try bench()
    try bench.picture("in.png", 20, 16, channels: 1)
    let run = try object(
      try bench.run("denoise", "in.png", "-o", "out.png", "--sigma", "20", "--check"))
    #expect(run["inputs"] as? [String] == ["in.png"])
    #expect(run["sigma"] as? Double == 20)
    #expect(run["clean"] is NSNull)
    #expect(!FileManager.default.fileExists(atPath: bench.path("out.png").path))
    let training = try object(
      try bench.run(
        "denoise", "train", "--network", "ffdnet", "--color", "--data", "in.png", "--steps", "3",
        "--run", "run", "--check"))
    #expect(training["steps"] as? Int == 3)
    #expect(training["warmUp"] as? Int == 200)
    #expect((training["network"] as? [String: Any])?.keys.first == "ffdnet")
    #expect(!FileManager.default.fileExists(atPath: bench.path("run").path))
    let refused = try bench.run("denoise", "none.png", "-o", "out.png", "--clean", "no", "--check")
    #expect(refused.status == 66)
  }

  @Test func evaluationPrintsExactlyItsJSON() throws {
    let bench = try bench()
    try bench.picture("data/a.png", 40, 30, channels: 1)
    try bench.picture("data/b.png", 21, 35, channels: 3)
    let arguments = [
      "denoise", "evaluate", "--model", "gray.safetensors", "--data", "data", "--sigma", "25",
      "--json",
    ]
    let outcome = try CommandTool.run(arguments + ["--threads", "1"], in: bench.folder)
    #expect(outcome.status == 0, "\(outcome.errors)")
    #expect(outcome.errors.isEmpty)
    let report = try #require(
      try JSONSerialization.jsonObject(with: Data(outcome.output.utf8)) as? [String: Any])
    #expect(report.keys.sorted() == ["images", "mean", "protocol"])
    let images = try #require(report["images"] as? [[String: Any]])
    #expect(images.compactMap { $0["file"] as? String } == ["a.png", "b.png"])
    for image in images {
      #expect(image.keys.sorted() == ["file", "noisy_psnr", "psnr", "ssim"])
      let noisy = try #require(image["noisy_psnr"] as? Double)
      #expect(abs(noisy - 20.17) < 0.5)
    }
    #expect(
      (report["mean"] as? [String: Any])?.keys.sorted() == ["noisy_psnr", "psnr", "ssim"])
    let again = try CommandTool.run(arguments + ["--threads", "3"], in: bench.folder)
    #expect(again.output == outcome.output)
  }

  @Test func pairsAreMeasuredWithTheShippedModels() throws {
    let bench = try bench()
    for kind in ["gray", "color"] {
      try FileManager.default.moveItem(
        at: bench.path("\(kind).safetensors"), to: bench.path("denoise-\(kind).safetensors"))
    }
    let noisy = try bench.picture("noisy/a.png", 40, 30, channels: 3)
    let clean = try bench.picture("clean/a.png", 40, 30, channels: 1)
    // A pair that is equal would have an infinite PSNR.
    var other = try bench.picture("noisy/b.png", 21, 35, channels: 1)
    other.samples[0] ^= 8
    try ImageFile.write(other, to: bench.path("clean/b.png"))
    func run(_ words: String...) throws -> CommandTool.Outcome {
      try CommandTool.run(
        ["denoise", "evaluate", "--noisy", "noisy", "--clean", "clean"] + words, in: bench.folder,
        environment: ["ATELIER_CHECKPOINTS": bench.folder.path])
    }
    let outcome = try run("--sigma", "10", "--baseline", "bm3d", "--json")
    #expect(outcome.status == 0, "\(outcome.errors)")
    let report = try JSONDecoder().decode(DenoisingReport.self, from: Data(outcome.output.utf8))
    #expect(report.images.map(\.file) == ["a.png", "b.png"])
    var options = Denoiser.Options()
    options.sigma = 10
    let denoiser = try Denoiser(ModelFile.read(from: bench.path("denoise-color.safetensors")))
    let row = report.images[0]
    #expect(row.noisyPsnr == (try Metrics.psnr(clean.rgb, noisy)))
    #expect(row.psnr == (try Metrics.psnr(clean.rgb, denoiser.denoise(noisy, options))))
    #expect(
      row.baselinePsnr
        == (try Metrics.psnr(clean.rgb, BlockMatching.denoised(noisy.floats, sigma: 10).bytes)))
    #expect(
      report.protocol
        == "noisy and clean files as stored; sigma 10.0 of 255 given; result clipped and rounded to 8 bits; border 0; PSNR of gray "
        + "(BT.601) or RGB with peak 255, the noisy one of the values as they are; SSIM 11x11 "
        + "Gaussian 1.5, valid region, mean over channels; BM3D without training, told the same "
        + "sigma; model denoise-color.safetensors, denoise-gray.safetensors")
    let text = try run("--baseline", "bm3d")
    #expect(text.status == 0 && text.output.contains("BM3D, not learnt"))
    #expect(text.output.contains("sigma estimated from the picture"))

    try bench.picture("clean/b.png", 20, 35, channels: 1)
    let uneven = try run()
    #expect(uneven.status == 65)
    #expect(uneven.errors.contains("noisy/b.png: expected 20x35 pixels, the size of"))
    try FileManager.default.removeItem(at: bench.path("clean/b.png"))
    let missing = try run()
    #expect(missing.status == 65)
    #expect(missing.errors.contains("b.png: there is no clean original of that name in clean"))
  }
}
