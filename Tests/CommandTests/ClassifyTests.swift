// `atelier classify` as a process: trained, measured, explained and run on pictures of two grays.

import Atelier
import Foundation
import Testing

@Suite(.enabled(if: CommandTool.isBuilt, "the executable atelier was not built"))
struct ClassifyTests {
  /// A bench with `data/{train,test}/{bright,dark}`.
  private func bench() throws -> Workbench {
    let bench = try Workbench()
    for (part, count) in [("train", 20), ("test", 6)] {
      for (name, level) in [("bright", 170), ("dark", 30)] {
        for index in 0..<count {
          var generator = RandomGenerator(seed: 3, UInt64(level), UInt64(index))
          let picture = ByteImage(width: 20, height: 17, channels: 3) { samples in
            for sample in samples.indices {
              samples[sample] = UInt8(level + generator.index(below: 60))
            }
          }
          let place = bench.path("data/\(part)/\(name)/\(index).png")
          try FileManager.default.createDirectory(
            at: place.deletingLastPathComponent(), withIntermediateDirectories: true)
          try ImageFile.write(picture, to: place)
        }
      }
    }
    return bench
  }

  private func object(_ outcome: CommandTool.Outcome) throws -> [String: Any] {
    try #require(
      try JSONSerialization.jsonObject(with: Data(outcome.output.utf8)) as? [String: Any])
  }

  @Test func trainedMeasuredAndRun() throws {
    let bench = try bench()
    let trained = try bench.run(
      "classify", "train", "--data", "data", "--network", "lenet-5", "--size", "16x16", "--run",
      "run", "--batch", "8", "--epochs", "8", "--flip", "--hold-out", "4", "--json", "--quiet",
      "--export", "m.safetensors")
    #expect(trained.status == 0, "\(trained.errors)")
    let ending = try object(trained)
    #expect(ending["step"] as? Int == 8 * 4 && ending["best"] as? Double == 1)
    #expect(
      try Data(contentsOf: bench.path("m.safetensors"))
        == Data(contentsOf: bench.path("run/best.safetensors")))
    let measured = try bench.run(
      "classify", "evaluate", "--model", "m.safetensors", "run/last.safetensors", "--data", "data",
      "--json", "--picture", "confusion.png")
    #expect(measured.status == 0, "\(measured.errors)")
    let report = try object(measured)
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
    let files = try #require(try object(run)["files"] as? [[String: Any]])
    let names = files.compactMap { ($0["classes"] as? [[String: Any]])?.first?["name"] as? String }
    #expect(names == ["dark"] + [String](repeating: "bright", count: 6))
    let plain = try bench.run("classify", "data/test/dark/1.png", "--model", "m.safetensors")
    #expect(plain.output.hasPrefix("data/test/dark/1.png  dark "))
  }

  @Test func interruptedTrainingGoesOn() throws {
    let bench = try bench()
    let first = try bench.run(
      "classify", "train", "--data", "data", "--network", "lenet-5", "--size", "16x16", "--run",
      "run", "--batch", "8", "--steps", "6", "--quiet")
    #expect(first.status == 0, "\(first.errors)")
    let further = try bench.run(
      "classify", "train", "--run", "run", "--resume", "--steps", "9", "--json")
    #expect(further.status == 0, "\(further.errors)")
    #expect(further.errors.contains("going on from step 6 "))
    #expect(try object(further)["step"] as? Int == 9)
    let again = try bench.run(
      "classify", "train", "--data", "data", "--network", "lenet-5", "--run", "run")
    #expect(again.status == 73)
  }

  @Test func explanationsAreDrawn() throws {
    let bench = try bench()
    let trained = try bench.run(
      "classify", "train", "--data", "data", "--network", "lenet-5", "--size", "16x16", "--run",
      "run", "--batch", "8", "--steps", "10", "--quiet", "--hold-out", "0")
    #expect(trained.status == 0, "\(trained.errors)")
    let outcome = try bench.run(
      "classify", "explain", "data/test/dark/1.png", "--model", "run/last.safetensors", "-o",
      "out", "--kernels", "--maps", "--class", "dark", "--json")
    #expect(outcome.status == 0, "\(outcome.errors)")
    let report = try object(outcome)
    let file = try #require((report["files"] as? [[String: Any]])?.first)
    #expect((file["explained"] as? [String: Any])?["name"] as? String == "dark")
    let drawn = try #require(file["maps"] as? [String])
    #expect(drawn.first == "out/1-maps-01-standardization.png" && drawn.count >= 5)
    for name in drawn + ["out/1-explained.png", "out/kernels.png"] {
      #expect(try ImageFile.size(bench.path(name).path).width > 60, "\(name)")
    }
    let wrong = try bench.run(
      "classify", "explain", "data/test/dark/1.png", "--model", "run/last.safetensors", "-o",
      "out", "--class", "cat")
    #expect(wrong.status == 64)
    #expect(wrong.errors == "atelier: there is no class 'cat'; there are bright, dark\n")
  }

  @Test func aTrainedNoiseIsMeasuredBesideOtherAttacks() throws {
    let bench = try bench()
    let trained = try bench.run(
      "classify", "train", "--data", "data", "--network", "lenet-5", "--size", "16x16", "--run",
      "run", "--batch", "8", "--steps", "30", "--quiet", "--hold-out", "0")
    #expect(trained.status == 0, "\(trained.errors)")
    let noise = try bench.run(
      "attack", "train", "--victim", "run/last.safetensors", "--data", "data", "--run", "noise",
      "--epsilon", "16/255", "--batch", "8", "--steps", "3", "--network", "unet", "--json")
    #expect(noise.status == 0, "\(noise.errors)")
    #expect(try object(noise)["step"] as? Int == 3)
    let further = try bench.run(
      "attack", "train", "--run", "noise", "--resume", "--steps", "5", "--quiet", "--json")
    #expect(try object(further)["step"] as? Int == 5)
    let measured = try bench.run(
      "attack", "evaluate", "--victim", "run/last.safetensors", "--data", "data", "--generator",
      "noise/last.safetensors", "--attacks", "random,fgsm,pgd-3x2,cw-1x2,square-5", "--epsilon",
      "4/255,0.5", "--json")
    #expect(measured.status == 0, "\(measured.errors)")
    let rows = try #require(
      try JSONSerialization.jsonObject(with: Data(measured.output.utf8)) as? [[String: Any]])
    #expect(rows.count == 12)
    let reports = rows.compactMap { $0["report"] as? [String: Any] }
    #expect(
      reports.compactMap { $0["attack"] as? String }
        == [
          "generator", "generator", "random noise", "random noise", "FGSM", "FGSM", "PGD-3 x 2",
          "PGD-3 x 2", "CW-L2 1 x 2", "CW-L2 1 x 2", "Square 5", "Square 5",
        ])
    let steps = reports.compactMap { $0["largest_steps"] as? Int }
    for (index, largest) in steps.enumerated() {
      #expect(largest <= (index % 2 == 0 ? 4 : 127), "\(index)")
    }
    #expect(reports.allSatisfy { $0["count"] as? Int == 12 })
    let text = try bench.run(
      "attack", "evaluate", "--victim", "run/last.safetensors", "run/last.safetensors", "--data",
      "data", "--attacks", "fgsm", "--per-class", "--first", "7")
    #expect(text.output.contains("kept exactly after rounding to 8 bits"), "\(text.errors)")
    #expect(text.output.contains("protocol: test, the first 7, all 7 pictures"))
  }
}
