// `atelier classify` as a process: trained, measured, explained and run on pictures of two grays.

import Atelier
import Foundation
import Testing

@Suite(.enabled(if: CommandTool.isBuilt, "the executable atelier was not built"))
struct ClassifyTests {
  @Test func trainedMeasuredAndRun() throws {
    let bench = try ClassifyBench.make()
    let trained = try bench.run(
      "classify", "train", "--data", "data", "--network", "lenet-5", "--size", "16x16", "--run",
      "run", "--batch", "8", "--epochs", "8", "--flip", "--hold-out", "4", "--json", "--quiet",
      "--export", "m.safetensors")
    #expect(trained.status == 0, "\(trained.errors)")
    let ending = try ClassifyBench.object(trained)
    #expect(ending["step"] as? Int == 8 * 4 && ending["best"] as? Double == 1)
    #expect(
      try Data(contentsOf: bench.path("m.safetensors"))
        == Data(contentsOf: bench.path("run/best.safetensors")))
    let measured = try bench.run(
      "classify", "evaluate", "--model", "m.safetensors", "run/last.safetensors", "--data", "data",
      "--json", "--picture", "confusion.png")
    #expect(measured.status == 0, "\(measured.errors)")
    let report = try ClassifyBench.object(measured)
    #expect(report["count"] as? Int == 12 && report["accuracy"] as? Double == 1)
    #expect(report["confusion"] as? [[Int]] == [[6, 0], [0, 6]])
    #expect((report["protocol"] as? String)?.contains("mean probability of 2 models") == true)
    #expect(try ImageFile.size(bench.path("confusion.png").path).width > 100)
    let text = try bench.run("classify", "evaluate", "--model", "m.safetensors", "--data", "data")
    #expect(text.output.contains("accuracy 100.00 %, top 2 100.00 %"))
    #expect(text.output.contains("(0) bright           6    0"), "\(text.output)")
    let run = try bench.run(
      "classify", "data/test/dark/1.png", "data/test/bright", "none.png", "--model",
      "m.safetensors", "--json", "--top", "1")
    #expect(run.status == 66)
    #expect(run.errors == "atelier: none.png: no such file or folder\n")
    let files = try #require(try ClassifyBench.object(run)["files"] as? [[String: Any]])
    let names = files.compactMap { ($0["classes"] as? [[String: Any]])?.first?["name"] as? String }
    #expect(names == ["dark"] + [String](repeating: "bright", count: 6))
    let plain = try bench.run("classify", "data/test/dark/1.png", "--model", "m.safetensors")
    #expect(plain.output.hasPrefix("data/test/dark/1.png  dark "))
  }

  @Test func interruptedTrainingGoesOn() throws {
    let bench = try ClassifyBench.make()
    let first = try bench.run(
      "classify", "train", "--data", "data", "--network", "lenet-5", "--size", "16x16", "--run",
      "run", "--batch", "8", "--steps", "6", "--quiet")
    #expect(first.status == 0, "\(first.errors)")
    let further = try bench.run(
      "classify", "train", "--run", "run", "--resume", "--steps", "9", "--json")
    #expect(further.status == 0, "\(further.errors)")
    #expect(further.errors.contains("going on from step 6 "))
    #expect(try ClassifyBench.object(further)["step"] as? Int == 9)
    let again = try bench.run(
      "classify", "train", "--data", "data", "--network", "lenet-5", "--run", "run")
    #expect(again.status == 73)
  }

  @Test func explanationsAreDrawn() throws {
    let bench = try ClassifyBench.make()
    let trained = try bench.run(
      "classify", "train", "--data", "data", "--network", "lenet-5", "--size", "16x16", "--run",
      "run", "--batch", "8", "--steps", "10", "--quiet", "--hold-out", "0")
    #expect(trained.status == 0, "\(trained.errors)")
    let outcome = try bench.run(
      "classify", "explain", "data/test/dark/1.png", "--model", "run/last.safetensors", "-o",
      "out", "--kernels", "--maps", "--class", "dark", "--json")
    #expect(outcome.status == 0, "\(outcome.errors)")
    let report = try ClassifyBench.object(outcome)
    let file = try #require((report["files"] as? [[String: Any]])?.first)
    #expect((file["explained"] as? [String: Any])?["name"] as? String == "dark")
    let drawn = try #require(file["maps"] as? [String])
    #expect(drawn.first == "out/1-maps-01-standardization.png" && drawn.count >= 5)
    for name in drawn + ["out/1-explained.png", "out/kernels.png"] {
      #expect(try ImageFile.size(bench.path(name).path).width > 60, "\(name)")
    }
    let folder = try bench.run(
      "classify", "explain", "data/test", "--model", "run/last.safetensors", "-o", "all", "--json")
    #expect((try ClassifyBench.object(folder)["files"] as? [Any])?.count == 12, "\(folder.errors)")
    #expect(try ImageFile.size(bench.path("all/dark/1-explained.png").path).width > 60)
    let twice = try bench.run(
      "classify", "explain", "data/test/dark/1.png", "data/test/bright/1.png", "--model",
      "run/last.safetensors", "-o", "out")
    #expect(
      twice.status == 64 && twice.errors.contains("would both be written to out/1-explained.png"))
    let wrong = try bench.run(
      "classify", "explain", "data/test/dark/1.png", "--model", "run/last.safetensors", "-o",
      "out", "--class", "cat")
    #expect(wrong.status == 64)
    #expect(wrong.errors == "atelier: there is no class 'cat'; there are bright, dark\n")
  }
}
