// The tool with standard streams that are full, broken or closed, and with signals that ask to end.

import Atelier
import Foundation
import Testing

#if canImport(Glibc)
import Glibc
#elseif canImport(Darwin)
import Darwin
#endif

@Suite(.serialized, .enabled(if: CommandTool.isBuilt, "the executable atelier was not built"))
struct StandardStreamTests {
  /// Runs a line of the shell in which `$A` is the tool; its status, and what the shell got.
  private func shell(_ line: String, in folder: URL) throws -> (status: Int32, text: String) {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/bin/sh")
    process.arguments = ["-c", line]
    process.currentDirectoryURL = folder
    process.environment = ProcessInfo.processInfo.environment.merging(
      ["A": try #require(CommandTool.executable).path]
    ) { $1 }
    let file = folder.appendingPathComponent(".\(UUID().uuidString).text")
    try Data().write(to: file)
    process.standardInput = FileHandle.nullDevice
    process.standardOutput = try FileHandle(forWritingTo: file)
    process.standardError = process.standardOutput
    try process.run()
    process.waitUntilExit()
    return (process.terminationStatus, try String(contentsOf: file, encoding: .utf8))
  }

  private func bench() throws -> Workbench {
    let bench = try Workbench()
    try bench.picture("data/a.png", 70, 60, channels: 1)
    return bench
  }

  private let training =
    "\"$A\" denoise train --data data --network autoencoder --widths 4,4 --patch 16 --batch 2 "
    + "--seed 5 --threads 1"

  @Test(.enabled(if: FileManager.default.fileExists(atPath: "/dev/full"), "there is no /dev/full"))
  func `a full standard output is told and is 73, after the work`() throws {
    let bench = try bench()
    let help = try shell("\"$A\" --help > /dev/full", in: bench.folder)
    #expect(help.status == 73)
    #expect(help.text == "atelier: standard output: No space left on device\n")
    let trained = try shell(
      training + " --steps 3 --run a > /dev/full 2> /dev/null", in: bench.folder)
    #expect(trained.status == 73)
    #expect(FileManager.default.fileExists(atPath: bench.path("a/last.safetensors").path))
    // What is said on standard error never matters.
    let silent = try shell(training + " --steps 3 --run b 2> /dev/full", in: bench.folder)
    #expect(silent.status == 0, "\(silent.text)")
    // The device is still one.
    let through = try shell("\"$A\" --help > /dev/full; test -c /dev/full", in: bench.folder)
    #expect(through.status == 0)
  }

  @Test func `a pipe without a reader is 73 where SIGPIPE is ignored`() throws {
    let bench = try bench()
    let line =
      "(trap '' PIPE; sleep 0.2; \"$A\" --help; echo $? > status) | true; sleep 0.5; cat status"
    let result = try shell(line, in: bench.folder)
    #expect(result.text.hasSuffix("73\n"), "\(result.text)")
  }

  @Test(arguments: ["0<&-", "1>&-", "2>&-", "0<&- 1>&- 2>&-"])
  func `closed streams put nothing into the files of a run`(_ closed: String) throws {
    let bench = try bench()
    _ = try shell(training + " --steps 3 --run a --events e.jsonl " + closed, in: bench.folder)
    let log = try String(contentsOf: bench.path("a/log.csv"), encoding: .utf8)
    #expect(log.hasPrefix("step,"))
    #expect(
      log.split(separator: "\n").dropFirst().allSatisfy { Int($0.prefix { $0 != "," }) != nil })
    let events = try String(contentsOf: bench.path("e.jsonl"), encoding: .utf8)
    #expect(events.split(separator: "\n").allSatisfy { $0.hasPrefix("{") && $0.hasSuffix("}") })
    let more = try shell(training.replacing("--data data", with: ""), in: bench.folder)
    #expect(more.status == 64)
    let resumed = try shell("\"$A\" denoise train --run a --resume --steps 5", in: bench.folder)
    #expect(resumed.status == 0, "\(resumed.text)")
  }

  @Test(arguments: [SIGTERM, SIGHUP, SIGPIPE])
  func `a training saves when it is asked to end`(_ signal: Int32) throws {
    let bench = try bench()
    let running = try CommandTool.start(
      [
        "denoise", "train", "--data", "data", "--network", "autoencoder", "--widths", "4,4",
        "--patch", "16", "--batch", "2", "--threads", "1", "--steps", "1000000",
        "--save-every", "20", "--run", "a",
      ], in: bench.folder)
    CommandTool.waitForSaves(2, of: bench.path("a"), while: running.process)
    kill(running.process.processIdentifier, signal)
    running.process.waitUntilExit()
    #expect(running.process.terminationReason == .exit)
    #expect(running.process.terminationStatus == 128 + signal)
    let resumed = try CommandTool.run(
      ["denoise", "train", "--run", "a", "--resume", "--minutes", "0.0001"], in: bench.folder)
    #expect(resumed.status == 0, "\(resumed.errors)")
  }

  @Test func `a pipe as a result is written to and stays a pipe`() throws {
    let bench = try bench()
    let line =
      "mkfifo pipe && (cat pipe > read & \"$A\" denoise train --data data --network autoencoder "
      + "--widths 4,4 --patch 16 --batch 2 --steps 1 --run a --export pipe; wait) "
      + "&& test -p pipe && cmp read a/last.safetensors"
    let result = try shell(line, in: bench.folder)
    #expect(result.status == 0, "\(result.text)")
  }
}
