// Help texts against snapshots, and every kind of mistake against its exact line and exit code.

import Atelier
import Foundation
import Testing

@Suite(.enabled(if: CommandTool.isBuilt, "the executable atelier was not built"))
struct HelpAndErrorTests {
  static let commands = [
    "", "denoise", "denoise run", "denoise train", "denoise evaluate", "denoise compare",
    "swap", "swap extract", "swap run", "swap train", "swap match", "swap evaluate", "classify",
    "classify run", "classify train", "classify evaluate", "classify explain", "segment",
    "segment run", "segment train", "segment train-objects", "segment evaluate",
    "segment compare", "segment train-stars", "segment propose", "segment inspect",
    "segment convert", "attack", "attack run", "attack train",
    "attack evaluate", "generate", "generate run", "generate train", "generate interpolate",
    "generate evaluate", "model", "model summary", "model plan", "model export",
    "model check", "model shrink", "samples", "bench", "filter", "course", "course text",
    "course play", "course rivals",
  ]

  /// Set ATELIER_RECORD=1 to write the snapshots anew, and read what changed.
  @Test(arguments: commands)
  func helpIsTheSnapshot(_ command: String) throws {
    let bench = try Workbench()
    let words = command.split(separator: " ").map(String.init)
    let outcome = try CommandTool.run(words + ["--help"], in: bench.folder)
    #expect(outcome.status == 0)
    #expect(outcome.errors.isEmpty)
    let name = (["help"] + words).joined(separator: "-") + ".txt"
    let file = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
      .deletingLastPathComponent().appendingPathComponent("Fixtures/command/\(name)")
    if ProcessInfo.processInfo.environment["ATELIER_RECORD"] != nil {
      try FileManager.default.createDirectory(
        at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
      try Data(outcome.output.utf8).write(to: file)
    }
    let expected = String(decoding: try Data(contentsOf: file), as: UTF8.self)
    #expect(outcome.output == expected)
    // The line of the usage is not wrapped.
    let longest =
      outcome.output.split(separator: "\n").filter { !$0.hasPrefix("USAGE") }
      .map(\.count).max() ?? 0
    #expect(longest <= 80)
    // Nor is one of the examples: what follows an indented line begins a paragraph, or is none.
    let lines = outcome.output.split(separator: "\n", omittingEmptySubsequences: false)
    for (line, next) in zip(lines, lines.dropFirst()) where line.hasPrefix("  ") {
      #expect(next.first.map { $0 == " " || $0.isUppercase } != false, "\(line)\n\(next)")
    }
  }

  @Test(arguments: MistakeCase.all)
  func mistakeIsOneLineAndItsCode(_ mistake: MistakeCase) throws {
    let bench = try Workbench()
    try bench.picture("good.png", 20, 20, channels: 1)
    try bench.picture("sub/good.png", 20, 20, channels: 1)
    try Data("short".utf8).write(to: bench.path("bad.safetensors"))
    try FileManager.default.createDirectory(
      at: bench.path("empty"), withIntermediateDirectories: true)
    let outcome = try CommandTool.run(mistake.arguments, in: bench.folder)
    #expect(outcome.status == mistake.status)
    #expect(outcome.output.isEmpty)
    let lines = outcome.errors.split(separator: "\n")
    #expect(lines.count == 1)
    #expect(
      lines.first?.hasPrefix(mistake.line) == true, "\(outcome.errors)")
  }

  @Test func versionIsPrinted() throws {
    let bench = try Workbench()
    let outcome = try bench.run("--version")
    #expect(outcome.status == 0)
    #expect(outcome.output.split(separator: ".").count == 3)
  }
}
