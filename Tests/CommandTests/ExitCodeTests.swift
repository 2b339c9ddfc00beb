// The table of exit codes: what is tried, how it fails, the code; each failure is one line that names the file.

import Atelier
import Foundation
import Testing

#if canImport(Glibc)
import Glibc
#elseif canImport(Darwin)
import Darwin
#endif

/// One row of the table: a line of the shell in a bench where `$A` is the tool.
private struct Row: CustomTestStringConvertible, Sendable {
  let line: String
  let status: Int32
  let words: String

  init(_ line: String, _ status: Int32, _ words: String) {
    (self.line, self.status, self.words) = (line, status, words)
  }

  var testDescription: String { "\(status): \(line)" }
}

private let training =
  "$A denoise train --data in --network autoencoder --widths 4,4 --patch 16 --batch 2 --seed 5 "
  + "--threads 1 -q"
private let long = String(repeating: "n", count: 300)

private let table = [
  // Inputs: not there (ENOENT), no file, damaged, too large for the memory.
  Row("$A denoise none.png -o out.png", 66, "none.png: no such file or folder"),
  Row("$A denoise empty -o out", 66, "empty: the folder holds no picture"),
  Row("$A denoise broken.png --model m.safetensors -o out.png", 65, "broken.png: expected a"),
  Row(
    "$A denoise pipe --model m.safetensors -o out.png", 65,
    "pipe: expected a picture file, received a pipe"),
  Row("$A denoise /dev/null --model m.safetensors -o out.png", 65, "received a device"),
  Row("$A denoise in/a.png --model none.safetensors -o out.png", 66, "none.safetensors: no such"),
  Row("$A denoise in/a.png --model in -o out.png", 66, "expected a file, received a folder"),
  Row("$A denoise in/a.png --model pipe -o out.png", 66, "pipe: expected a file"),
  Row("$A denoise in/a.png --model broken.png -o out.png", 65, "broken.png"),
  Row("$A denoise in/a.png --model cut.safetensors -o out.png", 65, "cut.safetensors"),
  Row(
    "$A denoise in/a.png --model flipped.safetensors -o out.png", 65,
    "flipped.safetensors: expected what has the checksum"),
  Row("$A denoise in/a.png --model wide.safetensors -o out.png", 65, "wide.safetensors: "),
  Row("$A denoise in/a.png --model m.safetensors --memory 0.001 --tile 8192 -o out.png", 0, ""),
  Row("$A denoise large.ppm --model m.safetensors --memory 0.05 -o out.png", 71, "of memory; "),
  Row(
    "$A classify run in/a.png --model m.safetensors", 65,
    "m.safetensors: expected a model that classifies"),
  Row(
    "$A denoise in/a.png --model nan.safetensors -o out.png", 65, "nan.safetensors: the parameter"),
  Row(
    "$A denoise evaluate --model m.safetensors --data small.png --sigma 25", 65,
    "small.png, SSIM: expected pictures of at least 11x11 pixels, received 8x8"),
  Row("$A model summary none.safetensors", 66, "none.safetensors"),
  // Results: a file where a folder has to be (ENOTDIR), a name too long (ENAMETOOLONG), a folder where the
  // file has to be (EISDIR), a size over the limit (EFBIG).
  Row("$A denoise in/a.png --model m.safetensors -o file/out.png", 73, "file"),
  Row("$A denoise in/a.png --model m.safetensors -o \(long).png", 73, "nnn"),
  Row(
    "$A denoise in/a.png --model m.safetensors -o out.png --explain file/e.png", 73, "file: "),
  Row(
    "ulimit -f 8; $A denoise in/a.png --model m.safetensors -o out.png", 73,
    "out.png: expected a writable file, received"),
  Row("ulimit -f 8; $A denoise in/a.png --model m.safetensors -o out.tif", 73, "out.tif"),
  Row(
    "ulimit -f 8; $A denoise in/a.png --model m.safetensors -o out.webp --quality 100", 73,
    "out.webp"),
  Row(
    "$A denoise in/a.png --model m.safetensors -o out.png --events none/e.jsonl", 73,
    "none/e.jsonl: cannot open"),
  Row("$A samples -o file/x", 73, "file"),
  // Trainings: data, folder, lock, configuration, state.
  Row("\(training) --run new --data none --steps 2", 66, "none: no such file or folder"),
  Row("\(training) --run file/new --steps 2", 73, "file/new: cannot make the run folder"),
  Row("\(training) --run run --steps 2", 73, "run: expected a new folder; it holds a run already"),
  Row("\(training) --run new --export empty --steps 2", 73, "empty"),
  Row("\(training) --run new --steps 2 --learning-rate -1", 64, "--learning-rate takes"),
  Row("ulimit -f 8; \(training) --run new --steps 2", 73, "cannot write: "),
  Row("$A denoise train --run none --resume --steps 9", 66, "none: no such file or folder"),
  Row("$A denoise train --run empty --resume --steps 9", 66, "it holds no configuration.json"),
  Row("$A denoise train --run locked --resume --steps 9", 73, "locked/run.lock: cannot open"),
  Row(
    "$A denoise train --run garbled --resume --steps 9", 65,
    "garbled/configuration.json: cannot be read"),
  Row(
    "$A denoise train --run ranged --resume --steps 9", 65,
    "ranged/configuration.json: cannot be read as this run's configuration: --patch takes"),
  Row(
    "$A denoise train --run piped --resume --steps 9", 65,
    "piped/configuration.json: expected a file, received a pipe"),
  Row("$A denoise train --run cutstate --resume --steps 9", 65, "cutstate/state.safetensors"),
  Row(
    "$A denoise train --run flipstate --resume --steps 9", 65,
    "flipstate/state.safetensors: expected what has the checksum"),
  Row(
    "$A denoise train --run nostate --resume --steps 9", 66,
    "nostate/state.safetensors: the state of this run is missing"),
  Row("$A denoise train --run run --resume --steps 9 --patch 8", 64, "leave out --patch"),
  Row("$A denoise train --run run --resume --steps 9 --data other", 64, "leave out --data"),
  Row(
    "$A denoise train --run moved --resume --steps 9", 66,
    "moved: the run reads gone, and there is no such file or folder here any more; --data says"),
  Row("$A denoise train --run moved --resume --steps 9 --data none", 66, "none: no such file"),
  Row(
    "$A denoise train --run moved --resume --steps 9 --data other --validation other", 64,
    "leave out --validation"),
  Row("$A denoise train --run moved --resume --steps 9 --data other -q", 0, ""),
  // It is known from now on.
  Row("$A denoise train --run moved --resume --steps 10 -q", 0, ""),
  Row("$A denoise train --run run --resume --steps 9 -q", 0, ""),
]

@Suite(.serialized, .enabled(if: CommandTool.isBuilt, "the executable atelier was not built"))
struct ExitCodeTests {
  /// A bench with all that the table names.
  private static func bench() throws -> Workbench {
    let bench = try Workbench()
    try bench.model("m.safetensors", Workbench.tinyNetwork(channels: 1), channels: 1)
    let noise = ByteImage(width: 120, height: 100, channels: 1) { samples in
      var generator = RandomGenerator(seed: 5)
      for index in samples.indices { samples[index] = UInt8(generator.index(below: 256)) }
    }
    for folder in ["in", "other", "empty"] {
      try FileManager.default.createDirectory(
        at: bench.path(folder), withIntermediateDirectories: true)
    }
    try ImageFile.write(noise, to: bench.path("in/a.png"))
    try ImageFile.write(noise, to: bench.path("other/a.png"))
    let small = ByteImage(width: 8, height: 8, channels: 1) { $0[5] = 9 }
    try ImageFile.write(small, to: bench.path("small.png"))
    try Data([0x89, 0x50, 0x4E, 0x47]).write(to: bench.path("broken.png"))
    try Data([1]).write(to: bench.path("file"))
    // 50 million gray pixels that take no room on the disk.
    try Data("P5 10000 5000 255\n".utf8).write(to: bench.path("large.ppm"))
    #expect(truncate(bench.path("large.ppm").path, 50_000_018) == 0)
    #expect(mkfifo(bench.path("pipe").path, 0o600) == 0)
    let model = try Data(contentsOf: bench.path("m.safetensors"))
    try model.prefix(model.count - 9).write(to: bench.path("cut.safetensors"))
    try flipped(model).write(to: bench.path("flipped.safetensors"))
    var wide = try ModelFile.read(from: bench.path("m.safetensors"))
    wide.information.granularity = 4096
    try ModelFile.write(wide, to: bench.path("wide.safetensors"))
    let numbers = wide.parameters.mapValues {
      Tensor($0.shape, [Float](repeating: .nan, count: $0.count))
    }
    let nan = try Model(graph: wide.graph, numbers: numbers, information: wide.information)
    try ModelFile.write(nan, to: bench.path("nan.safetensors"))
    try runs(bench)
    return bench
  }

  /// The data with its last bit but a few changed.
  private static func flipped(_ data: Data) -> Data {
    var copy = data
    copy[copy.count - 3] ^= 1
    return copy
  }

  /// A run, and what may have become of it.
  private static func runs(_ bench: Workbench) throws {
    let made = try shell("\(training) --run run --steps 4", in: bench.folder)
    #expect(made.status == 0, "\(made.text)")
    func copy(_ name: String, _ change: (URL) throws -> Void) throws {
      try FileManager.default.copyItem(at: bench.path("run"), to: bench.path(name))
      try change(bench.path(name))
    }
    try copy("locked") { run in
      let lock = run.appendingPathComponent("run.lock")
      try FileManager.default.removeItem(at: lock)
      try FileManager.default.createDirectory(at: lock, withIntermediateDirectories: false)
    }
    try copy("garbled") {
      try Data("{\"patch\": ".utf8).write(to: $0.appendingPathComponent("configuration.json"))
    }
    try copy("ranged") { run in
      let file = run.appendingPathComponent("configuration.json")
      var request = try #require(
        try JSONSerialization.jsonObject(with: Data(contentsOf: file)) as? [String: Any])
      request["patch"] = 0
      try JSONSerialization.data(withJSONObject: request).write(to: file)
    }
    try copy("moved") { run in
      let file = run.appendingPathComponent("configuration.json")
      let text = try String(contentsOf: file, encoding: .utf8)
      try Data(text.replacingOccurrences(of: "\"in\"", with: "\"gone\"").utf8).write(to: file)
    }
    try copy("piped") { run in
      let file = run.appendingPathComponent("configuration.json")
      try FileManager.default.removeItem(at: file)
      #expect(mkfifo(file.path, 0o600) == 0)
    }
    for name in ["cutstate", "flipstate"] {
      try copy(name) { run in
        let state = run.appendingPathComponent("state.safetensors")
        let data = try Data(contentsOf: state)
        let changed = name == "cutstate" ? data.prefix(data.count / 2) : flipped(data)
        try changed.write(to: state)
      }
    }
    try copy("nostate") {
      try FileManager.default.removeItem(at: $0.appendingPathComponent("state.safetensors"))
    }
  }

  /// Runs a line of the shell; its status, and what the tool said on standard error.
  private static func shell(
    _ line: String, in folder: URL
  ) throws -> (status: Int32, text: String) {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/bin/sh")
    process.arguments = ["-c", line]
    process.currentDirectoryURL = folder
    process.environment = ProcessInfo.processInfo.environment.merging(
      ["A": try #require(CommandTool.executable).path]
    ) { $1 }
    let errors = Pipe()
    process.standardInput = FileHandle.nullDevice
    process.standardOutput = FileHandle.nullDevice
    process.standardError = errors
    try process.run()
    let text = try errors.fileHandleForReading.readToEnd() ?? Data()
    process.waitUntilExit()
    return (process.terminationStatus, String(decoding: text, as: UTF8.self))
  }

  @Test func `every failure has its code and its line`() throws {
    let bench = try Self.bench()
    for row in table {
      for name in ["out.png", "out.tif", "out.webp", "new"] {
        try? FileManager.default.removeItem(at: bench.path(name))
      }
      let outcome = try Self.shell(row.line, in: bench.folder)
      #expect(outcome.status == row.status, "\(row.testDescription)\n\(outcome.text)")
      #expect(
        row.words.isEmpty || outcome.text.contains(row.words),
        "\(row.testDescription)\n\(outcome.text)")
      let complaints = outcome.text.split(separator: "\n").filter { $0.hasPrefix("atelier: ") }
      #expect(complaints.count == (row.status == 0 ? 0 : 1), "\(outcome.text)")
      let left = try FileManager.default.contentsOfDirectory(atPath: bench.folder.path)
      #expect(!left.contains { $0.hasPrefix(".atelier-") }, "\(row.testDescription)")
    }
  }

  @Test func `in folders what is no regular file is counted and named`() throws {
    let bench = try Workbench()
    try bench.model("m.safetensors", Workbench.tinyNetwork(channels: 1), channels: 1)
    try bench.picture("in/a.png", 20, 20, channels: 1)
    #expect(mkfifo(bench.path("in/b.png").path, 0o600) == 0)
    #expect(mkfifo(bench.path("in/c").path, 0o600) == 0)
    let outcome = try bench.run("denoise", "in", "-o", "out", "--model", "m.safetensors")
    #expect(outcome.status == 0)
    #expect(
      outcome.errors.contains(
        "in: 2 files are left out, no picture by name or content: b.png, c\n"), "\(outcome.errors)")
    let trained = try bench.run(
      "denoise", "train", "--data", "in", "--network", "autoencoder", "--widths", "4", "--patch",
      "8", "--batch", "2", "--steps", "2", "--run", "run")
    #expect(trained.status == 0, "\(trained.errors)")
    #expect(trained.errors.contains("2 files are left out"), "\(trained.errors)")
  }
}
