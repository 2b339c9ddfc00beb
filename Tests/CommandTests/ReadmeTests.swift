// The Swift examples of the README: compiled and run here, and compared with the page.

import Atelier
import Foundation
import Testing

// README example: network
/// The autoencoder of a lecture: pools down, unpools through the pools' switches up.
func lectureAutoencoder() -> Sequential {
  Sequential(input: .image(height: 96, width: 96, channels: 3)) {
    Convolution2D(filters: 32, kernel: 3, activation: .relu)
    MaxPool2D(name: "pool1")
    Convolution2D(filters: 64, kernel: 3, activation: .relu)
    MaxPool2D(name: "pool2")
    MaxUnpool2D(mirroring: "pool2")
    Convolution2D(filters: 32, kernel: 3, activation: .relu)
    MaxUnpool2D(mirroring: "pool1")
    Convolution2D(filters: 3, kernel: 3)
  }
}
// end

// README example: training
/// Trains a small denoiser on pictures that the project draws, and cleans a photo with it.
func trainAndClean(photo: URL, into folder: URL, steps: Int) throws {
  let network = ConvolutionalAutoencoder(channels: 1, widths: [16, 32], unpooling: .nearest)
  var request = DenoisingTrainingRequest(data: [], network: .autoencoder(network))
  request.scenes = 4
  request.noises = [.gaussian(sigma: 25...25)]
  request.steps = steps
  let run = folder.appendingPathComponent("run")
  let report = try DenoisingTraining.run(request, in: run, isResuming: false)
  print("PSNR \(report.best ?? .nan) dB after \(report.step) steps")

  let model = try ModelFile.read(from: run.appendingPathComponent("best.safetensors"))
  let clean = try Denoiser(model).denoise(ImageFile.read(photo))
  try ImageFile.write(clean, to: folder.appendingPathComponent("clean.png"))
}
// end

// README example: notebook
/// The notebook of a lecture: load, normalise, stack layers, fit, evaluate, predict, plot.
func lectureNotebook(epochs: Int, data: URL? = nil, plot: String) throws -> Double {
  let (train, test) = try NamedSet.mnist.load(from: data)
  let network = Sequential(input: .image(height: 28, width: 28, channels: 1)) {
    train.normalization
    Convolution2D(filters: 16, kernel: 3, activation: .relu)
    MaxPool2D()
    Convolution2D(filters: 32, kernel: 3, activation: .relu)
    MaxPool2D()
    Convolution2D(filters: 64, kernel: 3, activation: .relu)
    Flatten()
    Dense(units: 512, activation: .relu)
    Dense(units: 512, activation: .relu)
    Dense(units: 10)
  }
  print(try network.summary(title: "digits"))
  let model = try network.compiled(optimizer: .adam(learningRate: 5e-4))
  let history = try model.fit(train, epochs: epochs, batch: 16, validation: test)
  let (loss, accuracy) = try model.evaluate(test)
  print("test loss \(loss), accuracy \(accuracy)")
  print(try model.predict(test.tensor(0..<3)), test.labels[0..<3])
  try ImageFile.write(history.plot(title: "digits"), to: plot)
  return accuracy
}
// end

@Suite struct ReadmeTests {
  private static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
    .deletingLastPathComponent().deletingLastPathComponent()

  /// The examples of this file by name.
  private func examples() throws -> [String: String] {
    let text = try String(contentsOf: URL(fileURLWithPath: #filePath), encoding: .utf8)
    var examples: [String: String] = [:]
    var name: String?
    for line in text.components(separatedBy: "\n") {
      if line.hasPrefix("// README example: ") {
        name = String(line.dropFirst("// README example: ".count))
      } else if line == "// end" {
        name = nil
      } else if let name {
        examples[name, default: ""] += line + "\n"
      }
    }
    return examples
  }

  @Test func theReadmeHoldsExactlyTheseExamples() throws {
    let readme = try String(
      contentsOf: Self.root.appendingPathComponent("README.md"), encoding: .utf8)
    let blocks = readme.components(separatedBy: "```swift\n").dropFirst().compactMap {
      $0.components(separatedBy: "```").first
    }
    let examples = try examples()
    let network = examples["network"].map { "import Atelier\nimport Foundation\n\n" + $0 }
    #expect(
      blocks == [network, examples["training"], examples["notebook"]].compactMap { $0 })
    #expect(blocks.count == 3)
    let notebook = examples["notebook"]?.split(separator: "\n") ?? []
    #expect((20...30).contains(notebook.count))
  }

  @Test func theNotebookRunsOnAFewDigits() throws {
    // A few digits of the set in a folder of their own, in the form in which it is published.
    let bench = try Workbench()
    try writeDigits(to: bench.path("mnist"))
    let plot = bench.path("curves.png").path
    let accuracy = try lectureNotebook(epochs: 1, data: bench.folder, plot: plot)
    #expect((0...1).contains(accuracy))
    #expect(try ImageFile.read(plot).width == 960)
  }

  /// Ten epochs take minutes: asked for by ATELIER_NOTEBOOK, on the digits below ATELIER_DATA.
  @Test(
    .enabled(
      if: ProcessInfo.processInfo.environment["ATELIER_NOTEBOOK"] != nil
        && ProcessInfo.processInfo.environment["ATELIER_DATA"] != nil,
      "ten epochs take minutes: set ATELIER_NOTEBOOK and ATELIER_DATA"))
  func theNotebookReachesTheCoursesFigure() throws {
    let bench = try Workbench()
    let accuracy = try lectureNotebook(epochs: 10, plot: bench.path("curves.png").path)
    #expect(accuracy >= 0.9884)
  }

  @Test func aMissingSetSaysWhichFilesToPutWhere() throws {
    let bench = try Workbench()
    do {
      _ = try NamedSet.cifar10.load(from: bench.folder)
      Issue.record("an empty folder holds a set")
    } catch {
      let text = "\(error)"
      #expect(text.contains("cifar-10: expected data_batch_1.bin"), "\(text)")
      #expect(text.contains("test_batch.bin in \(bench.folder.path)/cifar-10; put them there"))
    }
  }

  /// Drawn bars as IDX files: 64 to learn from, 20 to measure on.
  private func writeDigits(to folder: URL) throws {
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    for (part, count) in [("train", 64), ("t10k", 20)] {
      let size = [UInt8(count), 0, 0, 0, 28, 0, 0, 0, 28]
      var images: [UInt8] = [0, 0, 8, 3, 0, 0, 0] + size
      var labels: [UInt8] = [0, 0, 8, 1, 0, 0, 0, UInt8(count)]
      for index in 0..<count {
        labels.append(UInt8(index % 10))
        images += (0..<784).map { $0 % 28 / 3 == index % 10 ? 255 : 0 }
      }
      for (kind, bytes) in [("images-idx3", images), ("labels-idx1", labels)] {
        try Data(bytes).write(to: folder.appendingPathComponent("\(part)-\(kind)-ubyte"))
      }
    }
  }

  @Test func theNetworkIsWhatItSays() throws {
    let summary = try lectureAutoencoder().summary()
    #expect(summary.contains("max_unpooling2d_1 (MaxUnpooling2D)"))
    #expect(summary.contains("(None, 96, 96, 3)"))
    #expect(summary.contains("Total params: 38,723"))
  }

  @Test func theTrainingRuns() throws {
    let bench = try Workbench()
    let noisy = try bench.picture("photo.png", 50, 37, channels: 1)
    try trainAndClean(photo: bench.path("photo.png"), into: bench.folder, steps: 3)
    #expect(try ImageFile.size(bench.path("clean.png").path) == noisy.size)
  }

  /// The commands of the README name options that exist.
  @Test(.enabled(if: CommandTool.isBuilt, "the executable atelier was not built"))
  func theReadmesOptionsExist() throws {
    let bench = try Workbench()
    let readme = try String(
      contentsOf: Self.root.appendingPathComponent("README.md"), encoding: .utf8)
    let joined = readme.replacingOccurrences(of: "\\\n", with: " ")
    let commands = joined.components(separatedBy: "\n").filter { $0.hasPrefix("atelier ") }
    #expect(commands.count >= 8)
    for command in commands {
      let words = command.components(separatedBy: "#")[0].split(separator: " ").map(String.init)
      let path = words.dropFirst().prefix { word in
        [
          "denoise", "swap", "segment", "classify", "attack", "run", "train", "train-objects",
          "evaluate", "compare", "extract", "match", "explain", "model", "summary", "plan",
          "shrink", "import", "export", "check", "list", "time", "samples", "bench", "filter",
          "generate", "interpolate", "course", "text", "play", "rivals", "train-stars", "propose",
          "inspect", "convert",
        ].contains(word)
      }
      let isDefault = path.count == 1 && !["samples", "bench", "filter"].contains(path.first)
      let help = try CommandTool.run(
        path + (isDefault ? ["run"] : []) + ["--help"], in: bench.folder
      ).output
      for option in words where option.hasPrefix("-") {
        #expect(help.contains(option), "\(command): \(option)")
      }
    }
  }
}
