// Trainings in real processes: killed at random moments, interrupted, resumed, compared by bytes.

import Atelier
import Foundation
import Testing

#if canImport(Glibc)
import Glibc
#elseif canImport(Darwin)
import Darwin
#endif

@Suite(.serialized, .enabled(if: CommandTool.isBuilt, "the executable atelier was not built"))
struct TrainingProcessTests {
  /// The steps of the training that is killed.
  private static let steps = 600

  private func bench() throws -> Workbench {
    let bench = try Workbench()
    try bench.picture("data/a.png", 70, 60, channels: 1)
    try bench.picture("data/b.png", 64, 81, channels: 1)
    return bench
  }

  /// The arguments of a tiny training.
  private func arguments(_ run: String, steps: Int) -> [String] {
    [
      "denoise", "train", "--data", "data", "--network", "autoencoder", "--widths", "6,8",
      "--patch", "16", "--batch", "4", "--noise", "gaussian:10-40", "salt-and-pepper:0.05",
      "--warm-up", "20", "--validate-every", "200", "--preview-every", "300", "--save-every",
      "40", "--steps", "\(steps)", "--seed", "5", "--threads", "1", "--run", run,
    ]
  }

  private func bytes(_ bench: Workbench, _ run: String, _ name: String) throws -> Data {
    try Data(contentsOf: bench.path("\(run)/\(name).safetensors"))
  }

  @Test func killedTrainingEndsWithTheSameBytes() throws {
    let bench = try bench()
    let reference = try CommandTool.run(
      arguments("whole", steps: Self.steps) + ["--quiet"], in: bench.folder)
    #expect(reference.status == 0, "\(reference.errors)")
    var generator = RandomGenerator(seed: 11)
    var kills = 0
    for _ in 0..<5 {
      let hasRun = FileManager.default.fileExists(
        atPath: bench.path("killed/configuration.json").path)
      let call =
        hasRun
        ? ["denoise", "train", "--run", "killed", "--resume", "--quiet", "--threads", "2"]
        : arguments("killed", steps: Self.steps) + ["--quiet"]
      let running = try CommandTool.start(call, in: bench.folder)
      // A few saves and then some milliseconds: before the first save, between saves, within one.
      CommandTool.waitForSaves(
        generator.index(below: 3), of: bench.path("killed"), while: running.process)
      Thread.sleep(forTimeInterval: Double(generator.uniform(0...0.03)))
      guard running.process.isRunning else { break }
      kill(running.process.processIdentifier, SIGKILL)
      running.process.waitUntilExit()
      kills += 1
    }
    #expect(kills >= 3)
    let last = try bench.run("denoise", "train", "--run", "killed", "--resume", "--quiet")
    #expect(last.status == 0, "\(last.errors)")
    for name in ["last", "best"] {
      #expect(try bytes(bench, "killed", name) == bytes(bench, "whole", name))
    }
    let left = try FileManager.default.contentsOfDirectory(atPath: bench.path("killed").path)
    #expect(Set(left) == Set(try contents(bench, "whole", events: left)))
  }

  /// The files of a run, the event file under the name that the other run has.
  private func contents(_ bench: Workbench, _ run: String, events: [String]) throws -> [String] {
    let own = try FileManager.default.contentsOfDirectory(atPath: bench.path(run).path)
    return own.filter { !$0.contains("tfevents") } + events.filter { $0.contains("tfevents") }
  }

  @Test func resumeOfAFinishedRunMayGoFurther() throws {
    let bench = try bench()
    let first = try CommandTool.run(arguments("run", steps: 50), in: bench.folder)
    #expect(first.status == 0, "\(first.errors)")
    #expect(first.output.contains("best model: run/best.safetensors"))
    let again = try CommandTool.run(arguments("run", steps: 50), in: bench.folder)
    #expect(again.status == 73)
    #expect(again.errors.contains("--resume goes on"))
    let further = try bench.run(
      "denoise", "train", "--run", "run", "--resume", "--steps", "80", "--json", "--export",
      "final.safetensors")
    #expect(further.status == 0, "\(further.errors)")
    let ending = try #require(
      try JSONSerialization.jsonObject(with: Data(further.output.utf8)) as? [String: Any])
    #expect(ending["step"] as? Int == 80)
    #expect(ending["reason"] as? String == "finished")
    let exported = try Data(contentsOf: bench.path("final.safetensors"))
    #expect(exported == (try bytes(bench, "run", "best")))
  }

  @Test func interruptSavesAndSaysHowToGoOn() throws {
    let bench = try bench()
    let running = try CommandTool.start(
      arguments("a run", steps: 100_000_000), in: bench.folder)
    let state = bench.path("a run/state.safetensors").path
    let end = Date() + 30
    while !FileManager.default.fileExists(atPath: state), Date() < end {
      Thread.sleep(forTimeInterval: 0.02)
    }
    #expect(FileManager.default.fileExists(atPath: state))
    kill(running.process.processIdentifier, SIGINT)
    while running.process.isRunning, Date() < end { Thread.sleep(forTimeInterval: 0.02) }
    #expect(!running.process.isRunning, "the interrupt was not heard")
    // Whatever happened, no process stays behind.
    kill(running.process.processIdentifier, SIGKILL)
    running.process.waitUntilExit()
    let outcome = try CommandTool.outcome(running)
    #expect(outcome.status == 130)
    #expect(outcome.errors.hasSuffix("\n  atelier denoise train --run 'a run' --resume\n"))
    let line = try #require(outcome.errors.split(separator: "\n").dropLast().last)
    let step = try #require(line.split { !$0.isNumber }.first.flatMap { Int($0) })
    let resumed = try bench.run(
      "denoise", "train", "--run", "a run", "--resume", "--steps", "\(step + 3)", "--json")
    #expect(resumed.status == 0, "\(resumed.errors)")
    #expect(resumed.errors.contains("going on from step \(step) "))
    let ending = try #require(
      try JSONSerialization.jsonObject(with: Data(resumed.output.utf8)) as? [String: Any])
    #expect(ending["step"] as? Int == step + 3)
  }

  @Test func everyNetworkTrainsAndDenoises() throws {
    let bench = try bench()
    for (name, extra) in [
      ("autoencoder", ["--unpool", "transposed", "--widths", "4,6"]), ("unet", []),
      ("residual-unet", ["--widths", "4,6"]), ("dncnn", []), ("ffdnet", []),
    ] {
      let trained = try CommandTool.run(
        [
          "denoise", "train", "--data", "data", "--network", name, "--patch", "32", "--batch", "1",
          "--steps", "2", "--run", name, "--quiet", "--loss", "0.8*l1+0.2*ssim", "--noise2noise",
        ] + extra, in: bench.folder)
      #expect(trained.status == 0, "\(name): \(trained.errors)")
      let denoised = try bench.run(
        "denoise", "data/b.png", "-o", "\(name).png", "--model", "\(name)/last.safetensors")
      #expect(denoised.status == 0, "\(name): \(denoised.errors)")
      #expect(try ImageFile.size(bench.path("\(name).png").path).height == 81)
    }
  }

  @Test func unpoolingsAreComparedAtEqualParameters() throws {
    let bench = try bench()
    let outcome = try bench.run(
      "denoise", "compare", "--unpool", "all", "--data", "data", "--widths", "4,6", "--patch",
      "16", "--batch", "2", "--steps", "4", "--noise", "gaussian:25", "-o", "out", "--json",
      "--quiet")
    #expect(outcome.status == 0, "\(outcome.errors)")
    let report = try #require(
      try JSONSerialization.jsonObject(with: Data(outcome.output.utf8)) as? [String: Any])
    let rows = try #require(report["rows"] as? [[String: Any]])
    #expect(
      rows.compactMap { $0["unpooling"] as? String } == ["max", "nearest", "nails", "transposed"])
    #expect(Set(rows.compactMap { $0["parameters"] as? Int }).count == 1)
    #expect(try ImageFile.size(bench.path("out/unpooling.png").path).width > 6 * 64)
    #expect(
      String(decoding: try Data(contentsOf: bench.path("out/unpooling.json")), as: UTF8.self)
        == outcome.output)
  }
}
