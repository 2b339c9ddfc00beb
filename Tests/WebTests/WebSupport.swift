// What the tests of the web studio share: scratch folders, made-up runs, a stand-in for the tool.

import AtelierFiles
import AtelierWeb
import Foundation
import Testing

/// Runs a body with a new folder, links resolved, and removes it afterwards.
func withFolder<Result>(_ body: (URL) async throws -> Result) async throws -> Result {
  let folder = FileManager.default.temporaryDirectory
    .appendingPathComponent("atelier-web-\(UUID().uuidString)")
  try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
  defer { try? FileManager.default.removeItem(at: folder) }
  return try await body(URL(fileURLWithPath: try #require(Folders.real(folder.path))))
}

/// A run folder that a training wrote: 200 steps of a small denoiser.
var realRun: URL {
  URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .appendingPathComponent("Fixtures/web/run")
}

extension URL {
  /// Writes a text into a file of the folder.
  func put(_ text: String, _ name: String) throws {
    let file = appendingPathComponent(name)
    try FileManager.default.createDirectory(
      at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
    try Data(text.utf8).write(to: file)
  }

  /// A run folder with these events.
  func makeRun(_ name: String, job: String = "denoise train", _ events: [String]) throws -> URL {
    let run = appendingPathComponent(name, isDirectory: true)
    try run.put("{\"batch\":4}\n", "configuration.json")
    try run.put(
      "{\"arguments\":{\"network\":[\"unet\"],\"noise\":[\"gaussian:0-50\"]},\"job\":\"\(job)\",\"version\":\"0.1.0\"}",
      "about.json")
    try run.put("1\n", "run.lock")
    try run.put(events.map { $0 + "\n" }.joined(), "events.jsonl")
    return run
  }

  /// A shell script that answers as the tool does.
  func makeTool(_ work: String = "exit 0") throws -> String {
    let script = """
      #!/bin/sh
      events=""
      check=""
      run=""
      last=""
      for word in "$@"; do
        case $last in --events) events=$word ;; --run) run=$word ;; --output) output=$word ;; esac
        case $word in --check) check=1 ;; esac
        last=$word
      done
      say() { [ -z "$events" ] || echo "$1" >> "$events"; }
      case "$1 $2" in
      "describe --json") cat "$(dirname "$0")/forms.json"; exit 0 ;;
      "model list") echo '[]'; exit 0 ;;
      esac
      if [ -n "$check" ]; then
        case "$*" in *"--sigma 300"*)
          echo "atelier: --sigma takes 0 to 255; received 300 (see atelier denoise run --help)" >&2; exit 64 ;;
        esac
        echo '{}'; exit 0
      fi
      \(work)
      """
    try put(script, "tool/atelier")
    try put(Self.forms, "tool/forms.json")
    let path = appendingPathComponent("tool/atelier").path
    #expect(chmod(path, 0o755) == 0)
    return path
  }

  private static let forms = """
    {"version":"0.1.0","workshops":[{"name":"denoise","main":"run","jobs":[
    {"name":"run","trains":false,"fields":[
    {"name":"in","kind":"source","list":true,"positional":true,"value_name":"in"},
    {"name":"output","kind":"output","list":false,"positional":false},
    {"name":"sigma","kind":"number","list":false,"positional":false},
    {"name":"noise","kind":"text","list":true,"positional":false},
    {"name":"ensemble","kind":"flag","list":false,"positional":false}]},
    {"name":"train","trains":true,"fields":[
    {"name":"network","kind":"choice","list":false,"positional":false},
    {"name":"steps","kind":"count","list":false,"positional":false}]}]}]}
    """

  /// A studio whose root is this folder's `root`, with the stand-in as its tool.
  func makeStudio(_ work: String = "exit 0", reserve: Int = 0) throws -> Studio {
    try put("", "root/.keep")
    var settings = StudioSettings(
      roots: [appendingPathComponent("root")], home: appendingPathComponent("home"))
    settings.tool = try makeTool(work)
    settings.reserve = reserve
    return try Studio(settings)
  }
}

/// A step as a log has it.
func step(_ number: Int, loss: Double) -> String {
  "{\"event\":\"step\",\"loss\":\(loss),\"smoothedLoss\":\(loss),\"step\":\(number)}"
}

/// Waits for something that happens soon; gives up after many looks.
func eventually(_ condition: () async throws -> Bool) async throws -> Bool {
  for _ in 0..<600 {
    if try await condition() { return true }
    try await Task.sleep(for: .milliseconds(25))
  }
  return false
}
