// Further cases of every kind of fault at the rim of the tool: the lines of Fixtures/faults/cases.txt.

import Atelier
import Foundation
import Testing

#if canImport(Glibc)
import Glibc
#elseif canImport(Darwin)
import Darwin
#endif

private let tests = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
  .deletingLastPathComponent()
private let fixtures = tests.appendingPathComponent("Fixtures/faults")

/// A line of the shell, and how it has to end.
private struct FaultCase: Sendable {
  let kind: String
  let status: Int32
  let line: String
  let words: String
}

/// What the file of cases holds.
private struct FaultCases: Sendable {
  var preparations: [String] = []
  var cases: [FaultCase] = []

  init() throws {
    let file = fixtures.appendingPathComponent("cases.txt")
    var kind = ""
    for line in try String(contentsOf: file, encoding: .utf8).split(separator: "\n") {
      if line.hasPrefix("#") { continue }
      if line.hasPrefix("prepare ") {
        preparations.append(line.dropFirst(8).trimmingCharacters(in: .whitespaces))
      } else if line.hasPrefix("[") {
        kind = String(line)
      } else {
        let parts = line.components(separatedBy: " => ")
        let (status, rest) = (parts[0].prefix { $0 != " " }, parts[0].drop { $0 != " " })
        cases.append(
          FaultCase(
            kind: kind, status: try #require(Int32(status), "\(line)"), line: String(rest),
            words: parts.count > 1 ? parts[1] : ""))
      }
    }
  }
}

/// Its kinds run beside each other, each in a bench of its own.
@Suite(.enabled(if: CommandTool.isBuilt, "the executable atelier was not built"))
struct FaultCaseTests {
  /// Runs a line of the shell; its status, and what standard output and standard error got.
  private func shell(_ line: String, in folder: URL) throws -> CommandTool.Outcome {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/bin/sh")
    process.arguments = ["-c", "late() { timeout -s KILL 60 \"$@\"; }\n" + line]
    process.currentDirectoryURL = folder
    let project = tests.deletingLastPathComponent()
    let models = project.appendingPathComponent("Checkpoints").path
    process.environment = ProcessInfo.processInfo.environment.merging([
      "A": try #require(CommandTool.executable).path, "M": models, "ATELIER_CHECKPOINTS": models,
      "S": project.appendingPathComponent("Samples").path, "SWIFT_BACKTRACE": "enable=no",
      "T": "--threads 1 -q --seed 5 --steps 4 --save-every 2 --validate-every 2",
    ]) { $1 }
    let files = ["output", "errors"].map { folder.appendingPathComponent(".shell." + $0) }
    for file in files { try Data().write(to: file) }
    process.standardInput = FileHandle.nullDevice
    process.standardOutput = try FileHandle(forWritingTo: files[0])
    process.standardError = try FileHandle(forWritingTo: files[1])
    try process.run()
    process.waitUntilExit()
    let texts = try files.map { String(decoding: try Data(contentsOf: $0), as: UTF8.self) }
    return .init(status: process.terminationStatus, output: texts[0], errors: texts[1])
  }

  private func removeResults(_ folder: URL) throws {
    for name in try FileManager.default.contentsOfDirectory(atPath: folder.path)
    where ["out", "new"].contains(name.prefix { $0 != "." }) {
      try FileManager.default.removeItem(at: folder.appendingPathComponent(name))
    }
  }

  @Test(arguments: [
    "1", "2", "3", "4", "5", "6", "7", "8", "9", "11", "m04", "m11", "m12", "m13", "m14", "m15",
    "m16", "m18",
  ])
  func `cases of a kind end as they have to`(_ kind: String) throws {
    let all = try FaultCases()
    let cases = all.cases.filter { $0.kind.hasPrefix("[\(kind)]") }
    #expect(cases.count >= 5)
    let bench = try Workbench()
    try FileManager.default.copyItem(
      at: fixtures.appendingPathComponent("digits"), to: bench.path("digits"))
    for line in all.preparations {
      let made = try shell(line, in: bench.folder)
      try #require(made.status == 0, "\(line)\n\(made.errors)")
    }
    for row in cases {
      try removeResults(bench.folder)
      let outcome = try shell(row.line, in: bench.folder)
      let told = "\(row.kind): \(row.line)\n\(outcome.output)\n\(outcome.errors)"
      #expect(outcome.status == row.status, "\(told)")
      #expect(
        row.words.isEmpty || (outcome.output + outcome.errors).contains(row.words), "\(told)")
      let complaints = outcome.errors.split(separator: "\n").filter { $0.hasPrefix("atelier: ") }
      // Where standard error is closed or full, nothing can be seen there.
      let isHeard = !["2>&-", "2> /dev/full", "trap"].contains { row.line.contains($0) }
      let expected = row.status == 0 ? 0...0 : isHeard ? 1...1 : 0...1
      #expect(expected.contains(complaints.count), "\(told)")
      let left = try FileManager.default.contentsOfDirectory(atPath: bench.folder.path)
      #expect(!left.contains { $0.hasPrefix(".atelier-") }, "\(told)")
    }
  }
}
