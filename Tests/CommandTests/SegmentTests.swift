// `atelier segment` as a process: trained, measured, compared and run on pictures of two grays.

import Atelier
import Foundation
import Testing

@Suite(.enabled(if: CommandTool.isBuilt, "the executable atelier was not built"))
struct SegmentTests {
  /// A bench with `data/{train,val,test}/{images,masks}`: a bright box on dark ground.
  private func bench() throws -> Workbench {
    let bench = try Workbench()
    for (part, count) in [("train", 6), ("val", 2), ("test", 3)] {
      for index in 0..<count {
        var generator = RandomGenerator(seed: 3, UInt64(count), UInt64(index))
        let (x, y) = (generator.index(below: 20), generator.index(below: 12))
        let labels = (0..<40 * 28).map { pixel -> UInt8 in
          (x..<x + 16).contains(pixel % 40) && (y..<y + 12).contains(pixel / 40) ? 1 : 0
        }
        let samples = labels.flatMap { label in
          (0..<3).map { _ in 40 + 150 * label + UInt8(generator.index(below: 40)) }
        }
        for (kind, channels, values) in [("images", 3, samples), ("masks", 1, labels)] {
          let place = bench.path("data/\(part)/\(kind)/\(index).png")
          try FileManager.default.createDirectory(
            at: place.deletingLastPathComponent(), withIntermediateDirectories: true)
          try ImageFile.write(
            ByteImage(width: 40, height: 28, channels: channels, samples: values), to: place)
        }
      }
    }
    try Data("0 ground 10 20 30\n1 box 200 100 0\n".utf8)
      .write(to: bench.path("data/classes.txt"))
    return bench
  }

  private func object(_ outcome: CommandTool.Outcome) throws -> [String: Any] {
    try #require(
      try JSONSerialization.jsonObject(with: Data(outcome.output.utf8)) as? [String: Any])
  }

  private let small = [
    "--width", "4", "--levels", "2", "--crop", "16x24", "--batch", "2", "--warm-up", "2",
    "--learning-rate", "0.02", "--average-decay", "0.8",
  ]

  @Test func trainedMeasuredAndRun() throws {
    let bench = try bench()
    let trained = try bench.run(
      [
        "segment", "train", "--data", "data", "--network", "unet", "--run", "run", "--steps", "60",
        "--loss", "ce+dice", "--json", "--quiet", "--export", "m.safetensors",
      ] + small)
    #expect(trained.status == 0, "\(trained.errors)")
    let ending = try object(trained)
    #expect(ending["step"] as? Int == 60)
    #expect(try #require(ending["best"] as? Double) > 0.9)
    let measured = try bench.run(
      "segment", "evaluate", "--model", "m.safetensors", "--data", "data", "--json", "--quiet",
      "--picture", "confusion.png", "--flip")
    #expect(measured.status == 0, "\(measured.errors)")
    let report = try object(measured)
    #expect(report["pictures"] as? Int == 3 && report["pixels"] as? Int == 3 * 40 * 28)
    #expect(try #require(report["miou"] as? Double) > 0.9)
    #expect(
      (report["protocol"] as? String)?.hasPrefix("data test, all 3 pictures of 40x28") == true)
    #expect(try ImageFile.size(bench.path("confusion.png").path).width > 100)
    let text = try bench.run(
      "segment", "evaluate", "--model", "m.safetensors", "--data", "data", "--part", "val", "-q")
    #expect(text.output.contains("class   pixels  accuracy  precision     IoU"), "\(text.output)")
    #expect(text.output.contains("\nprotocol: data val, all 2 pictures"))
    let run = try bench.run(
      "segment", "data/test/images/1.png", "none.png", "--model", "m.safetensors", "-o", "out",
      "--write", "label,color,overlay,confidence", "--classes", "box", "--threshold", "0.5",
      "--json")
    #expect(run.status == 66)
    #expect(run.errors == "atelier: none.png: no such file or folder\n")
    let files = try #require(try object(run)["files"] as? [[String: Any]])
    let outputs = try #require(files.first?["outputs"] as? [String])
    #expect(
      outputs == ["label", "color", "overlay", "confidence"].map { "out/1-\($0).png" })
    let classes = try #require(files.first?["classes"] as? [[String: Any]])
    #expect(classes.map { $0["name"] as? String } == ["box"])
    let label = try ImageFile.readIndices(bench.path("out/1-label.png").path)
    #expect(Set(label.indices.samples) == [1, 255])
    #expect(label.palette[1] == SIMD4(200, 100, 0, 255))
    let plain = try bench.run(
      "segment", "data/test/images", "--model", "m.safetensors", "-o", "all")
    #expect(plain.output.hasPrefix("[1/3] data/test/images/0.png  40x28  ground "))
    #expect(
      try FileManager.default.contentsOfDirectory(atPath: bench.path("all").path).sorted()
        == (0..<3).flatMap { ["\($0)-label.png", "\($0)-overlay.png"] }
        + ["coco-results.json", "coco.json"])
    let unknown = try bench.run(
      "segment", "data/test/images/1.png", "--model", "m.safetensors", "-o", "out", "--classes",
      "car")
    #expect(unknown.status == 64)
    #expect(unknown.errors == "atelier: there is no class 'car'; there are ground, box\n")
  }

  @Test func interruptedTrainingGoesOn() throws {
    let bench = try bench()
    let first = try bench.run(
      [
        "segment", "train", "--data", "data", "--network", "unet", "--run", "run", "--steps", "4",
        "--quiet",
      ] + small)
    #expect(first.status == 0, "\(first.errors)")
    let further = try bench.run(
      "segment", "train", "--run", "run", "--resume", "--steps", "7", "--json", "--quiet")
    #expect(further.status == 0, "\(further.errors)")
    #expect(try object(further)["step"] as? Int == 7)
    let changed = try bench.run(
      "segment", "train", "--run", "run", "--resume", "--crop", "8", "--balance", "0.5")
    #expect(changed.status == 64)
    #expect(
      changed.errors
        == "atelier: --resume goes on with the run's own settings; leave out --crop, --balance\n")
  }

  @Test func objectsAreTrainedByTheirNetworksName() throws {
    let bench = try Workbench()
    let trained = try bench.run(
      "segment", "train", "--network", "mask-rcnn", "--data", "shapes", "--crop", "32", "--batch",
      "1", "--steps", "2", "--run", "run", "--average-decay", "0.5", "--validate-every", "9",
      "--seed", "4", "--json", "--quiet", "--export", "m.safetensors")
    #expect(trained.status == 0, "\(trained.errors)")
    #expect(try object(trained)["step"] as? Int == 2)
    let text = try String(contentsOf: bench.path("run/configuration.json"), encoding: .utf8)
    for line in [#""side" : 32"#, #""batch" : 1"#, #""averageDecay" : 0.5"#, #""seed" : 4"#] {
      #expect(text.contains(line), "\(line) in \(text)")
    }
    let further = try bench.run(
      "segment", "train", "--run", "run", "--resume", "--steps", "3", "--json", "--quiet")
    #expect(further.status == 0, "\(further.errors)")
    #expect(try object(further)["step"] as? Int == 3)
    let changed = try bench.run("segment", "train", "--run", "run", "--resume", "--seed", "5")
    #expect(
      changed.errors
        == "atelier: --resume goes on with the run's own settings; leave out --seed\n")
    let summary = try bench.run("model", "summary", "m.safetensors")
    #expect(summary.output.contains("task: segment-objects"), "\(summary.output)")
    let checked = try object(
      bench.run(
        "segment", "train", "--network", "mask-rcnn", "--data", "shapes", "--crop", "64", "--steps",
        "2", "--run", "new", "--check"))
    #expect(checked["design"] as? String == "tiny" && checked["side"] as? Int == 64)
    #expect(!FileManager.default.fileExists(atPath: bench.path("new").path))
  }

  @Test func modelsAndScenesGoByTheirNames() throws {
    let bench = try Workbench()
    let trained = try bench.run(
      [
        "segment", "train", "--data", "shapes", "--network", "unet", "--run", "run", "--steps",
        "2", "--hold-out", "2", "--quiet", "--export", "named.safetensors",
      ] + small)
    #expect(trained.status == 0, "\(trained.errors)")
    let measured = try bench.run(
      ["segment", "evaluate", "--model", "named", "--data", "shapes", "--count", "3", "--json"]
        + ["--seed", "7", "--quiet"], environment: ["ATELIER_CHECKPOINTS": bench.path("").path])
    #expect(measured.status == 0, "\(measured.errors)")
    let report = try object(measured)
    let summary = try bench.run(
      ["model", "summary", "named"], environment: ["ATELIER_CHECKPOINTS": bench.path("").path])
    #expect(summary.output.contains("classes: background, circle, square, triangle"))
    #expect(
      (report["protocol"] as? String)?.hasPrefix(
        "shapes scenes of seed 7, all 3 pictures of 128x128") == true)
  }

  @Test func unpoolingsAreCompared() throws {
    let bench = try bench()
    let compared = try bench.run(
      "segment", "compare", "--unpool", "max,nails", "--data", "data", "--width", "3", "--steps",
      "2", "--crop", "16", "--batch", "2", "-o", "out", "--quiet")
    #expect(compared.status == 0, "\(compared.errors)")
    #expect(compared.output.contains("unpooling  parameters  global %  class %  mIoU %"))
    #expect(compared.output.contains("on data test, all 3 pictures of 40x28"))
    #expect(try ImageFile.size(bench.path("out/unpooling.png").path).width > 4 * 40)
    let table = try JSONSerialization.jsonObject(
      with: Data(contentsOf: bench.path("out/unpooling.json")))
    let rows = try #require((table as? [String: Any])?["rows"] as? [[String: Any]])
    #expect(rows.compactMap { $0["unpooling"] as? String } == ["max", "nails"])
    let checked = try object(
      bench.run("segment", "compare", "--data", "data", "--steps", "2", "--check"))
    #expect((checked["training"] as? [String: Any])?["network"] as? String == "segnet-basic")
  }
}
