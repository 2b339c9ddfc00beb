// Trainings of face swaps in real processes: killed and resumed, measured, exported.

import Atelier
import Foundation
import Testing

#if canImport(Glibc)
import Glibc
#elseif canImport(Darwin)
import Darwin
#endif

@Suite(.serialized, .enabled(if: CommandTool.isBuilt, "the executable atelier was not built"))
struct SwapProcessTests {
  private func bench() throws -> Workbench {
    let bench = try Workbench()
    for index in 0..<3 {
      try bench.picture("a/\(index).png", 24, 24, channels: 3)
      try bench.picture("b/\(index).png", 32, 32, channels: 3)
    }
    return bench
  }

  private func arguments(_ run: String, steps: Int) -> [String] {
    [
      "swap", "train", "--a", "a", "--b", "b", "--batch", "1", "--cycle", "0.5", "--cycle-start",
      "3", "--validate-every", "10", "--preview-every", "15", "--save-every", "4", "--steps",
      "\(steps)", "--seed", "5", "--threads", "1", "--quiet", "--run", run,
    ]
  }

  @Test func killedTrainingEndsWithTheSameBytes() throws {
    let bench = try bench()
    let reference = try CommandTool.run(arguments("whole", steps: 40), in: bench.folder)
    #expect(reference.status == 0, "\(reference.errors)")
    var kills = 0
    for _ in 0..<3 {
      let hasRun = FileManager.default.fileExists(
        atPath: bench.path("killed/configuration.json").path)
      let call =
        hasRun
        ? ["swap", "train", "--run", "killed", "--resume", "--quiet", "--threads", "2"]
        : arguments("killed", steps: 40)
      let running = try CommandTool.start(call, in: bench.folder)
      CommandTool.waitForSaves(2, of: bench.path("killed"), while: running.process)
      guard running.process.isRunning else { break }
      kill(running.process.processIdentifier, SIGKILL)
      running.process.waitUntilExit()
      kills += 1
    }
    #expect(kills >= 2)
    let last = try bench.run(
      "swap", "train", "--run", "killed", "--resume", "--quiet", "--json", "--export",
      "out.safetensors")
    #expect(last.status == 0, "\(last.errors)")
    for name in ["last", "best"] {
      #expect(
        try Data(contentsOf: bench.path("killed/\(name).safetensors"))
          == Data(contentsOf: bench.path("whole/\(name).safetensors")), "\(name)")
    }
    #expect(
      try Data(contentsOf: bench.path("out.safetensors"))
        == Data(contentsOf: bench.path("whole/last.safetensors")))
    let ending = try #require(
      try JSONSerialization.jsonObject(with: Data(last.output.utf8)) as? [String: Any])
    #expect(ending["step"] as? Int == 40)
    #expect(ending["goal"] as? Double == 0.02)
    #expect(ending["error"] as? Double != nil)
  }

  @Test func sequentialModeIsMeasured() throws {
    let bench = try bench()
    let trained = try bench.run(
      "swap", "train", "--a", "a", "--b", "b", "--mode", "sequential", "--batch", "1", "--steps",
      "4", "--run", "run", "--timelapse", "0")
    #expect(trained.status == 0, "\(trained.errors)")
    #expect(trained.output.contains("last model: run/last.safetensors"))
    #expect(trained.errors.contains("no telling yet when 0.02 is reached"))
    let measured = try bench.run(
      "swap", "evaluate", "--model", "run/last.safetensors", "--a", "a", "--b", "b", "-o", "out",
      "--json")
    #expect(measured.status == 0, "\(measured.errors)")
    let report = try #require(
      try JSONSerialization.jsonObject(with: Data(measured.output.utf8)) as? [String: Any])
    let directions = try #require(report["directions"] as? [[String: Any]])
    #expect(directions.compactMap { $0["to"] as? String } == ["b", "a"])
    #expect(report["network"] as? String == "slim")
    for name in ["a-to-b.png", "b-to-a.png"] {
      #expect(try ImageFile.size(bench.path("out/\(name)").path).width > 4 * 128)
    }
    let matched = try bench.run(
      "swap", "match", "--model", "run/last.safetensors", "--a", "a", "--b", "b", "-o",
      "matched.safetensors")
    #expect(matched.status == 0, "\(matched.errors)")
    #expect(matched.output == "codes matched by 3 faces of a and 3 of b: matched.safetensors\n")
    let again = try bench.run(
      "swap", "evaluate", "--model", "matched.safetensors", "--a", "a", "--b", "b", "--json")
    #expect(again.status == 0 && again.output != measured.output, "\(again.errors)")
    // A training that starts there takes the weights alone.
    let further = try bench.run(
      "swap", "train", "--a", "a", "--b", "b", "--batch", "1", "--steps", "1", "--run", "more",
      "--start-from", "matched.safetensors", "--quiet")
    #expect(further.status == 0, "\(further.errors)")
    let table = try bench.run(
      "swap", "evaluate", "--model", "run/last.safetensors", "--a", "a", "--b", "b")
    #expect(table.output.contains("reconstruction error"))
    #expect(table.output.contains("protocol: 64x64 pixels"))
  }
}
