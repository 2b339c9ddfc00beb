// The benchmark's networks against the peers' counts, its JSON, and the commands about models.

import Atelier
import Foundation
import Testing

@Suite struct WorkloadTests {
  /// What Benchmarks/torch_workloads.py prints as params.
  @Test(arguments: [
    (Workload.autoencoder, 186_371), (.dncnn, 556_097), (.faceSwap, 82_062_470),
    (.unet, 482_924), (.noiseGenerator, 2_239_851), (.vgg16Transfer, 15_969_240),
  ])
  func parametersAreThePeers(_ workload: Workload, _ count: Int) throws {
    #expect(try workload.parameterCount() == count)
  }

  @Test func frozenPartsHaveNoGradients() throws {
    let head = try Workload.vgg16Transfer.trainingGraph()
    #expect(head.parameterGradients.count == 4)
    let generator = try Workload.noiseGenerator.trainingGraph()
    let names = generator.parameterGradients.map { generator.parameters[$0.parameter].name }
    #expect(!names.contains { $0.hasPrefix("classifier") })
    #expect(names.contains("image/weight"))
  }

  @Test func outputsHaveThePeersShapes() throws {
    let shapes: [(Workload, String, Shape)] = [
      (.autoencoder, "output", [16, 96, 96, 3]), (.dncnn, "output", [32, 40, 40, 1]),
      (.faceSwap, "output_b", [16, 64, 64, 3]), (.unet, "output", [4, 256, 256, 12]),
      (.noiseGenerator, "output", [128, 28, 28, 1]), (.vgg16Transfer, "output", [8, 2]),
    ]
    for (workload, name, shape) in shapes {
      let graph = try workload.inferenceGraph()
      let value = try #require(graph.output(named: name))
      #expect(graph.values[value].shape == shape)
    }
  }

  /// Both small networks must learn on one batch, the generator against the frozen classifier.
  @Test(arguments: [Workload.noiseGenerator, .autoencoder])
  func stepsLowerTheLoss(_ workload: Workload) throws {
    let bench = try Bench(workload, phase: .train)
    let first = try #require(try bench.step())
    var last = first
    for _ in 0..<7 { last = try bench.step() ?? .nan }
    #expect(last.isFinite && last < first)
  }
}

@Suite(.enabled(if: CommandTool.isBuilt, "the executable atelier was not built"))
struct BenchAndModelTests {
  @Test func benchPrintsThePeersKeys() throws {
    let bench = try Workbench()
    let outcome = try bench.run(
      "bench", "--only", "A-autoencoder", "--seconds", "0", "--threads", "1", "--json")
    #expect(outcome.status == 0, "\(outcome.errors)")
    let lines = outcome.output.split(separator: "\n")
    #expect(lines.count == 2)
    for (line, phase) in zip(lines, ["train", "infer"]) {
      let record = try #require(
        try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any])
      #expect(
        record.keys.sorted() == [
          "gflops", "images_per_s", "mode", "ms", "params", "peak_rss_mb", "peak_share", "phase",
          "precision", "workload",
        ])
      #expect(record["workload"] as? String == "A-autoencoder")
      #expect(record["phase"] as? String == phase)
      #expect(record["mode"] as? String == "atelier")
      #expect(record["precision"] as? String == "float32")
      #expect(record["params"] as? Int == 186_371)
      let (ms, rate) = (record["ms"] as? Double ?? 0, record["images_per_s"] as? Double ?? 0)
      #expect(ms > 0 && abs(ms * rate / 16000 - 1) < 0.01)
      #expect((record["gflops"] as? Double ?? 0) > 0)
      #expect((record["peak_share"] as? Double ?? 0) > 0)
    }
  }

  @Test func profileHasARowANodeAndTheOptimizer() throws {
    let bench = try Workbench()
    let outcome = try bench.run(
      "bench", "--profile", "A-autoencoder", "--phase", "train", "--json")
    #expect(outcome.status == 0, "\(outcome.errors)")
    let rows = try outcome.output.split(separator: "\n").compactMap {
      try JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: Any]
    }
    #expect(rows.last?["node"] as? String == "optimizer")
    #expect(rows.contains { ($0["gigaflops"] as? Double ?? 0) > 0 })
    #expect(rows.contains { ($0["gigabytes"] as? Double ?? 0) > 0 })
    let shares = rows.compactMap { $0["share"] as? Double }.reduce(0, +)
    #expect(abs(shares - 1) < 1e-9)
  }

  @Test func tablesForPeopleHaveTheirColumns() throws {
    let bench = try Workbench()
    let workload = try bench.run(
      "bench", "--only", "A-autoencoder", "--phase", "infer", "--seconds", "0")
    #expect(workload.status == 0, "\(workload.errors)")
    let lines = workload.output.split(separator: "\n")
    #expect(lines.count == 2)
    #expect(lines.first?.contains("GFLOP/s; medians of steps") == true)
    #expect(lines.last?.contains(" % of peak)") == true)
    let profile = try bench.run("bench", "--profile", "A-autoencoder", "--phase", "infer")
    #expect(profile.status == 0, "\(profile.errors)")
    let titles = profile.output.split(separator: "\n").dropFirst().first?.split(separator: " ")
    #expect(
      titles?.map(String.init) == [
        "node", "operation", "output", "ms", "GFLOP/s", "GB/s", "share",
      ])
    let kernels = try bench.run(
      "bench", "--kernels", "max-pool", "--only", "A-autoencoder", "--seconds", "0")
    #expect(kernels.status == 0, "\(kernels.errors)")
    // A remark, a header, and the pools of three sizes.
    #expect(kernels.output.split(separator: "\n").count == 5)
    #expect(kernels.output.contains("max-pool  16x96x96 32 2x2 "))
  }

  @Test func kernelsWithoutAFilterAreAll() throws {
    let bench = try Workbench()
    let outcome = try bench.run(
      "bench", "--kernels", "--only", "E-noise-generator", "--seconds", "0", "--json")
    #expect(outcome.status == 0, "\(outcome.errors)")
    let rows = try outcome.output.split(separator: "\n").compactMap {
      try JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: Any]
    }
    let cases = try KernelBench().cases([.noiseGenerator])
    #expect(rows.compactMap { $0["kernel"] as? String } == cases.map(\.kernel.name))
    #expect(rows.compactMap { $0["shape"] as? String } == cases.map(\.kernel.shape))
    for row in rows {
      #expect(
        row.keys.sorted() == [
          "gigabytes", "gigaflops", "kernel", "ms", "pack_ms", "shape", "workloads",
        ])
      #expect(row["workloads"] as? [String] == ["E-noise-generator"])
    }
  }

  @Test func rooflineHasALineALimit() throws {
    let bench = try Workbench()
    let outcome = try bench.run("bench", "--roofline", "--threads", "1", "--json")
    #expect(outcome.status == 0, "\(outcome.errors)")
    let rows = try outcome.output.split(separator: "\n").map {
      try JSONDecoder().decode(RooflineRate.self, from: Data($0.utf8))
    }
    #expect(rows.first?.kind == .multiplyAdd && rows.last?.kind == .memoryTriad)
    #expect(rows.allSatisfy { $0.threads == 1 && $0.allThreads > 0 })
  }

  @Test func anyModelIsTimed() throws {
    let bench = try Workbench()
    let whole = try bench.run(
      "model", "time", "autoencoder", "--size", "32x32", "--seconds", "0", "--json", "--threads",
      "1")
    #expect(whole.status == 0, "\(whole.errors)")
    let value = try JSONSerialization.jsonObject(with: Data(whole.output.utf8)) as? [String: Any]
    #expect(value?["model"] as? String == "autoencoder" && (value?["ms"] as? Double ?? 0) > 0)
    let nodes = try bench.run(
      "model", "time", "autoencoder", "--size", "32x32", "--nodes", "--train", "--threads", "1")
    #expect(nodes.status == 0 && nodes.output.contains("max-pool-2d"), "\(nodes.errors)")
    #expect(nodes.output.contains("adam") && nodes.output.contains("total "))
    let missing = try bench.run("model", "time", "none.onnx")
    #expect(missing.status == 66 && missing.errors.contains("none.onnx: there is no such file"))
  }

  @Test func weightsForPyTorchReplaceNobodysScript() throws {
    let bench = try Workbench()
    let export = ["model", "export", "lenet", "--format", "torch", "-o"]
    #expect(try bench.run(export + ["w.safetensors"]).status == 0)
    let script = try String(contentsOf: bench.path("w.py"), encoding: .utf8)
    #expect(
      script.hasPrefix("# The weights of") && script.contains("load_file(\"w.safetensors\"))"))
    #expect(try bench.run(export + ["w.safetensors"]).status == 0)
    try Data("print('mine')\n".utf8).write(to: bench.path("own.py"))
    let refused = try bench.run(export + ["own.safetensors"])
    #expect(refused.status == 73 && refused.errors.contains("own.py: there is such a file"))
    #expect(!FileManager.default.fileExists(atPath: bench.path("own.safetensors").path))
    let other = try bench.run(export + ["w.pth"])
    #expect(other.status == 64 && other.errors.contains("FILE.safetensors"))
    let half = try bench.run(export + ["h.safetensors", "--float16"])
    #expect(half.status == 64)
    // Rules that make one name of two, or change none.
    let map = try bench.run(
      "model", "import", "w.safetensors", "-o", "x.safetensors", "--map", ".*=a")
    #expect(map.status == 64 && map.errors.contains("--map makes one name of"), "\(map.errors)")
    let none = try bench.run(
      "model", "import", "w.safetensors", "-o", "x.safetensors", "--map", "zzz=a")
    #expect(none.status == 64 && none.errors.contains("--map changes no name"), "\(none.errors)")
  }

  @Test func modelsAreShrunk() throws {
    let bench = try Workbench()
    try bench.model("m.safetensors", ConvolutionalAutoencoder(channels: 3), channels: 3)
    let shrunk = try bench.run("model", "shrink", "m.safetensors", "-o", "s.safetensors", "--json")
    #expect(shrunk.status == 0, "\(shrunk.errors)")
    func size(_ name: String) throws -> Int { try Data(contentsOf: bench.path(name)).count }
    let sizes = try JSONSerialization.jsonObject(with: Data(shrunk.output.utf8))
    #expect((sizes as? [String: Any])?["before"] as? Int == (try size("m.safetensors")))
    #expect((sizes as? [String: Any])?["after"] as? Int == (try size("s.safetensors")))
    #expect(try size("s.safetensors") < size("m.safetensors"))
    let same = try bench.run("model", "shrink", "m.safetensors", "-o", "m.safetensors")
    #expect(same.status == 64)
    #expect(
      same.errors
        == "atelier: m.safetensors: the result would overwrite the model; name another place\n")
  }

  @Test func summaryOfAFileAndOfItsNameAgree() throws {
    let bench = try Workbench()
    try bench.model("m.safetensors", ConvolutionalAutoencoder(channels: 3), channels: 3)
    let named = try bench.run(
      "model", "summary", "autoencoder", "--size", "32x64", "--channels", "3")
    #expect(named.status == 0, "\(named.errors)")
    #expect(named.output.contains("(None, 32, 64, 3)"))
    #expect(named.output.contains("186,371"))
    let file = try bench.run("model", "summary", "m.safetensors", "--size", "32x64")
    #expect(file.status == 0, "\(file.errors)")
    #expect(file.output.contains(named.output.trimmingCharacters(in: .newlines)))
    #expect(file.output.contains("task: denoise"))
  }

  @Test func planOfTrainingIsLongerThanThatOfInference() throws {
    let bench = try Workbench()
    let infer = try bench.run("model", "plan", "unet", "--size", "64")
    let train = try bench.run("model", "plan", "unet", "--size", "64", "--train")
    #expect(infer.status == 0 && train.status == 0, "\(infer.errors)\(train.errors)")
    let counts = [infer, train].map { $0.output.split(separator: "\n").count }
    #expect(counts[1] > counts[0] + 10)
    #expect(infer.output.contains("arena:"))
    #expect(!infer.output.contains("gradient"))
    #expect(train.output.contains("gradient of enc_conv0/weight"))
  }

  @Test func samplesAreThoseThatShip() throws {
    let bench = try Workbench()
    let outcome = try bench.run("samples", "-o", "drawn", "--json")
    #expect(outcome.status == 0, "\(outcome.errors)")
    let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
      .deletingLastPathComponent().deletingLastPathComponent()
    for sample in SampleScenes.samples {
      for kind in ["clean", "noisy"] {
        let drawn = try ImageFile.read(bench.path("drawn/\(kind)/\(sample.name).png"))
        let shipped = try ImageFile.read(
          root.appendingPathComponent("Samples/\(kind)/\(sample.name).png"))
        #expect(drawn == shipped, "\(kind)/\(sample.name)")
      }
    }
    for name in SampleCharacters.samples().map({ "\($0.name).png" }) {
      let drawn = try ImageFile.read(bench.path("drawn/characters/\(name)"))
      let shipped = try ImageFile.read(
        root.appendingPathComponent("Samples/characters/\(name)"))
      #expect(drawn == shipped, "characters/\(name)")
    }
    for name in (1...SampleShapes.count).map({ "shapes-\($0).png" }) {
      let drawn = try ImageFile.read(bench.path("drawn/shapes/images/\(name)"))
      let shipped = try ImageFile.read(root.appendingPathComponent("Samples/shapes/images/\(name)"))
      #expect(drawn == shipped, "shapes/\(name)")
      let labels = try ["drawn/shapes/labels", "Samples/shapes/labels"].enumerated().map {
        try ImageFile.readIndices(
          ($0.offset == 0 ? bench.path($0.element) : root.appendingPathComponent($0.element))
            .appendingPathComponent(name).path)
      }
      #expect(labels[0] == labels[1], "labels of \(name)")
    }
    #expect(
      try Data(contentsOf: bench.path("drawn/shapes/instances.json"))
        == Data(contentsOf: root.appendingPathComponent("Samples/shapes/instances.json")))
    #expect(
      try Data(contentsOf: bench.path("drawn/characters/boxes.csv"))
        == Data(contentsOf: root.appendingPathComponent("Samples/characters/boxes.csv")))
  }
}
