// Faults that people met, on the whole command: the right values of sets, names that meet, texts that obey.

import Atelier
import Foundation
import Testing

#if canImport(Glibc)
import Glibc
#elseif canImport(Darwin)
import Darwin
#endif

/// The project's own files.
private let project = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
  .deletingLastPathComponent().deletingLastPathComponent()

@Suite(.enabled(if: CommandTool.isBuilt, "the executable atelier was not built"))
struct MetFaultTests {
  // MARK: - Objects

  /// Writes the first three sample scenes with a COCO file that a closure changes.
  private func scenes(
    _ bench: Workbench, _ name: String, _ change: (inout [String: Any]) throws -> Void
  ) throws {
    let samples = project.appendingPathComponent("Samples/shapes")
    let text = try Data(contentsOf: samples.appendingPathComponent("instances.json"))
    var object = try #require(try JSONSerialization.jsonObject(with: text) as? [String: Any])
    let images = try #require(object["images"] as? [[String: Any]])
    object["images"] = Array(images.prefix(3))
    let ids = Set(images.prefix(3).compactMap { $0["id"] as? Int })
    object["annotations"] = try #require(object["annotations"] as? [[String: Any]])
      .filter { ids.contains($0["image_id"] as? Int ?? -1) }
    try change(&object)
    let folder = bench.path(name)
    try FileManager.default.createDirectory(
      at: folder.appendingPathComponent("images"), withIntermediateDirectories: true)
    for index in 1...3 {
      let file = "images/shapes-\(index).png"
      try FileManager.default.copyItem(
        at: samples.appendingPathComponent(file), to: folder.appendingPathComponent(file))
    }
    try JSONSerialization.data(withJSONObject: object)
      .write(to: folder.appendingPathComponent("coco.json"))
  }

  /// The mask AP of the shipped model, in thousandths.
  private func precision(_ bench: Workbench, _ name: String) throws -> Int {
    let outcome = try bench.run(
      "segment", "evaluate", "--data", name, "--model",
      project.appendingPathComponent("Checkpoints/objects-shapes.safetensors").path, "--json")
    #expect(outcome.status == 0, "\(outcome.errors)")
    let report = try JSONDecoder().decode(
      InstanceSetReport.self, from: Data(outcome.output.utf8))
    return Int(((report.all.masks.ap ?? -1) * 1000).rounded())
  }

  /// The values are those of pycocotools.
  @Test func `objects are measured as the reference measures them`() throws {
    let bench = try Workbench()
    try scenes(bench, "plain") { _ in }
    #expect(try precision(bench, "plain") == 978)
    try scenes(bench, "twice") { object in
      let former = try #require(object["categories"] as? [[String: Any]])
      object["categories"] = [["id": 0, "name": "square"] as [String: Any]] + former
    }
    #expect(try precision(bench, "twice") == 978)
    try scenes(bench, "tiny") { object in
      let former = try #require(object["annotations"] as? [[String: Any]])
      let tiny: [String: Any] = [
        "id": 999, "image_id": 1, "category_id": 2, "iscrowd": 0, "area": 0.02,
        "bbox": [30.1, 30.1, 0.2, 0.2],
        "segmentation": [[30.1, 30.1, 30.3, 30.1, 30.3, 30.3]],
      ]
      object["annotations"] = former + [tiny]
    }
    #expect(try precision(bench, "tiny") == 922)
    try scenes(bench, "separators") { object in
      let images = try #require(object["images"] as? [[String: Any]])
      object["images"] = images.map { image in
        image.merging(["file_name": "images\\\(image["file_name"] ?? "")"]) { $1 }
      }
    }
    #expect(try precision(bench, "separators") == 978)
  }

  // MARK: - Hidden colours

  /// Half of the picture is hidden, in colours that a closure draws.
  private func cutOut(_ channels: Int, _ hidden: (Int) -> UInt8) -> ByteImage {
    var generator = RandomGenerator(seed: 9)
    return ByteImage(width: 72, height: 60, channels: channels) { samples in
      for index in samples.indices {
        let (pixel, channel) = (index / channels, index % channels)
        let isSeen = pixel % 72 < 40 && pixel / 72 > 9
        let noise = UInt8(90 + pixel % 72 + generator.index(below: 40))
        samples[index] =
          channel == channels - 1 ? (isSeen ? 255 : 0) : isSeen ? noise : hidden(index)
      }
    }
  }

  @Test(arguments: [("png", 4), ("png", 2), ("tif", 4), ("tif", 2), ("webp", 4), ("png16", 4)])
  func `what is hidden changes nothing that is seen`(_ format: String, _ channels: Int) throws {
    let bench = try Workbench()
    try bench.model("m.safetensors", Workbench.tinyNetwork(channels: 1), channels: 1)
    let ending = format == "png16" ? "png" : format
    var results: [(ByteImage, Double)] = []
    for (name, hidden) in [
      ("black", { _ in 0 }), ("white", { _ in 255 }), ("drawn", { UInt8($0 * 7 % 251) }),
    ] as [(String, (Int) -> UInt8)] {
      let input = bench.path("\(name).\(ending)")
      let picture = cutOut(channels, hidden)
      if format == "png16" {
        let words = picture.samples.map { UInt16($0) * 257 }
        try ImageFile.write(
          Image<UInt16>(width: 72, height: 60, channels: channels, samples: words), to: input.path)
      } else {
        try ImageFile.write(picture, to: input.path, options: .init(quality: 100))
      }
      let outcome = try bench.run(
        "denoise", "\(name).\(ending)", "-o", "out.\(ending)", "--model", "m.safetensors",
        "--quality", "100", "--json")
      #expect(outcome.status == 0, "\(outcome.errors)")
      let report = try JSONSerialization.jsonObject(with: Data(outcome.output.utf8))
      let files = try #require((report as? [String: Any])?["files"] as? [[String: Any]])
      var result = try ImageFile.read(bench.path("out.\(ending)"))
      #expect(result.channel(channels - 1) == picture.channel(channels - 1))
      result = ByteImage(width: 72, height: 60, channels: channels) { samples in
        for index in samples.indices {
          let isSeen = result.samples[index / channels * channels + channels - 1] > 0
          samples[index] = isSeen ? result.samples[index] : 0
        }
      }
      results.append((result, try #require(files.first?["sigma"] as? Double)))
    }
    for (picture, sigma) in results.dropFirst() {
      #expect(picture == results[0].0 && sigma == results[0].1)
    }
  }

  // MARK: - Memory beyond the file

  /// Replaces a text in the header of a model file, wherever it stands; its seal goes.
  private func edit(_ file: URL, _ former: String, _ text: String) throws {
    let data = try Data(contentsOf: file)
    let count = data.prefix(8).reversed().reduce(0) { $0 << 8 | Int($1) }
    let header = String(decoding: data[8..<8 + count], as: UTF8.self)
    try #require(header.contains(former), "\(header)")
    let changed = header.replacingOccurrences(of: former, with: text)
      .replacingOccurrences(of: "\"checksum\"", with: "\"unsealed\"")
    let length = (0..<8).map { UInt8(truncatingIfNeeded: changed.utf8.count >> (8 * $0)) }
    try (Data(length) + Data(changed.utf8) + data[(8 + count)...]).write(to: file)
  }

  @Test(arguments: [
    ("granularity", "4096"), ("granularity", "0"), ("granularity", "-4"),
    ("granularity", "1099511627776"), ("granularity", "1.5"), ("receptiveRadius", "-1"),
    ("receptiveRadius", "1099511627776"), ("shapes", "4096"), ("shapes", "268435456"),
  ])
  func `what a model says of itself takes no memory beyond its file`(
    _ key: String, _ value: String
  ) throws {
    let bench = try Workbench()
    let network = Workbench.tinyNetwork(channels: 1)
    try bench.model("m.safetensors", network, channels: 1)
    try bench.picture("a.png", 20, 20, channels: 1)
    let model = bench.path("m.safetensors")
    if key == "shapes" {
      // The picture that goes in, and all of its size.
      let side = 4 * network.granularity
      try edit(model, "[1,\(side),\(side),", "[1,\(value),\(value),")
    } else {
      let former = key == "granularity" ? network.granularity : network.receptiveRadius
      try edit(model, "\\\"\(key)\\\":\(former)", "\\\"\(key)\\\":\(value)")
    }
    for arguments in [
      ["denoise", "a.png", "-o", "out.png", "--model", "m.safetensors"],
      ["model", "time", "m.safetensors", "--seconds", "0.1"],
      ["model", "export", "m.safetensors", "-o", "out.onnx"],
    ] {
      let outcome = try bench.run(arguments + ["--memory", "0.5"])
      #expect(outcome.status == 65, "\(outcome.errors)")
      #expect(
        outcome.errors.hasPrefix("atelier: m.safetensors: ")
          && outcome.errors.split(separator: "\n").count == 1, "\(outcome.errors)")
    }
  }

  // MARK: - Names

  /// Standard error of a call that is refused as wrong usage, before anything is written.
  private func refused(_ bench: Workbench, _ arguments: String...) throws -> String {
    let outcome = try bench.run(arguments)
    #expect(outcome.status == 64, "\(outcome.errors)")
    #expect(!FileManager.default.fileExists(atPath: bench.path("out").path))
    return outcome.errors
  }

  @Test func `every file that will be written counts before any work`() throws {
    let bench = try Workbench()
    try bench.model("m.safetensors", Workbench.tinyNetwork(channels: 1), channels: 1)
    for name in ["in/p.png", "in/p.jpg", "in/p-compare.png", "one.png"] {
      try bench.picture(name, 20, 20, channels: 1)
    }
    let model = ["--model", "m.safetensors"]
    #expect(
      try refused(bench, "denoise", "in", "-o", "out", "--compare", "-q", model[0], model[1])
        .contains("would both be written to out/p-compare.png"))
    for option in ["--explain", "--noise-map"] {
      #expect(
        try refused(
          bench, "denoise", "one.png", "-o", "out/a.png", option, "out/a.png", model[0], model[1]
        ).contains("two of its results would be written to out/a.png"))
    }
    let same = try bench.run(
      "denoise", "one.png", "-o", "a.png", "--explain", "e.png", "--noise-map", "e.png",
      "--model", "m.safetensors")
    #expect(same.status == 64, "\(same.errors)")
    let input = try bench.run(
      "denoise", "one.png", "-o", "a.png", "--explain", "one.png", "--model", "m.safetensors")
    #expect(input.status == 64 && input.errors.contains("would overwrite an input"))
    // Where nothing meets, everything is written.
    let fine = try bench.run(
      "denoise", "in/p.png", "in/p.jpg", "-o", "out", "-q", "--model", "m.safetensors")
    #expect(fine.status == 0, "\(fine.errors)")
  }

  @Test func `segmentation's files count, too`() throws {
    let bench = try Workbench()
    for name in ["in/p.png", "in/p.jpg", "both/q.png", "both/q-label.png"] {
      try bench.picture(name, 32, 32, channels: 3)
    }
    let model = project.appendingPathComponent("Checkpoints/segment-shapes.safetensors").path
    #expect(
      try refused(bench, "segment", "in", "-o", "out", "--write", "overlay", "--model", model)
        .contains("p-label.png"))
    #expect(
      try refused(
        bench, "segment", "both/q.png", "both/q-label.png", "-o", "both", "--model", model
      )
      .contains("would overwrite an input"))
  }

  @Test func `names that look alike are two files where the system has two`() throws {
    let bench = try Workbench()
    try bench.model("m.safetensors", Workbench.tinyNetwork(channels: 1), channels: 1)
    for name in ["in/\u{E9}.png", "in/e\u{301}.png"] {
      try bench.picture(name, 20, 20, channels: 1)
    }
    let there = try FileManager.default.contentsOfDirectory(atPath: bench.path("in").path)
    guard there.count == 2 else { return }
    let outcome = try bench.run(
      "denoise", "in", "-o", "out", "-q", "--model", "m.safetensors", "--sigma", "5")
    #expect(outcome.status == 0, "\(outcome.errors)")
    let written = try FileManager.default.contentsOfDirectory(atPath: bench.path("out").path)
    #expect(Set(written.map { Array($0.utf8) }) == Set(there.map { Array($0.utf8) }))
    #expect(written.count == 2)
  }

  // MARK: - Terminals

  @Test func `what a terminal would obey is shown escaped`() throws {
    let bench = try Workbench()
    let evil = "\u{1B}]0;evil\u{7}\u{9B}2J\u{202E}"
    let architecture = Workbench.tinyNetwork(channels: 1)
    let graph = try architecture.graph(batch: 1, height: 16, width: 16)
    let information = ModelInformation(
      task: "denoise", architecture: "unet", training: ["noise": evil, "\(evil)key": "x"],
      figures: [evil: 1])
    try ModelFile.write(
      Model(graph: graph, store: ParameterStore(for: [graph], seed: 1), information: information),
      to: bench.path("m.safetensors"))
    let escaped = "\\u001b]0;evil\\u0007\\u009b2J\\u202e"
    let summary = try bench.run("model", "summary", "m.safetensors")
    #expect(summary.status == 0, "\(summary.errors)")
    #expect(summary.output.contains(escaped))
    try bench.picture("in/a\u{1B}[31m.png", 16, 16, channels: 1)
    let run = try bench.run("denoise", "in", "-o", "out", "--model", "m.safetensors")
    #expect(run.status == 0 && run.output.contains("a\\u001b[31m.png"), "\(run.output)")
    let json = try bench.run("denoise", "in", "-o", "out", "--model", "m.safetensors", "--json")
    let object = try JSONSerialization.jsonObject(with: Data(json.output.utf8)) as? [String: Any]
    let files = object?["files"] as? [[String: Any]]
    #expect(files?.first?["file"] as? String == "in/a\u{1B}[31m.png")
    let missing = try bench.run("denoise", "no\u{1B}[2J.png", "-o", "out")
    #expect(missing.status == 66)
    for text in [summary, run, json, missing].flatMap({ [$0.output, $0.errors] }) {
      #expect(!text.unicodeScalars.contains { $0.value == 0x1B || $0.value == 0x9B })
    }
  }

  @Test(arguments: [
    (["ATELIER_ISA": "foo"], "ATELIER_ISA: expected a set of this machine"),
    (["ATELIER_ISA": "AVX2"], "received 'AVX2'"),
    (["ATELIER_THREADS": "abc"], "ATELIER_THREADS: expected a number of 1 to 256"),
    (["ATELIER_THREADS": "0"], "received '0'"), (["ATELIER_THREADS": "257"], "received '257'"),
  ])
  func `settings of the environment are refused where they mean nothing`(
    _ environment: [String: String], _ words: String
  ) throws {
    let bench = try Workbench()
    let outcome = try bench.run("describe", environment: environment)
    #expect(outcome.status == 64 && outcome.errors.contains(words), "\(outcome.errors)")
    #expect(outcome.errors.split(separator: "\n").count == 1 && outcome.output.isEmpty)
    let empty = try bench.run("describe", environment: environment.mapValues { _ in "" })
    #expect(empty.status == 0, "\(empty.errors)")
  }
}
