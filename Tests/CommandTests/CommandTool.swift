// The built command line as a process, and the small pictures and models that it is tried on.

import Atelier
import Foundation
import Testing

/// Finds and runs the executable `atelier`.
enum CommandTool {
  /// What a process did.
  struct Outcome {
    let status: Int32
    let output: String
    let errors: String
  }

  /// The executable; it lies beside the test bundle, where the same build puts it.
  static let executable: URL? = {
    let environment = ProcessInfo.processInfo.environment
    if let path = environment["ATELIER_EXECUTABLE"] { return URL(fileURLWithPath: path) }
    var places: [URL] = []
    for start in [CommandLine.arguments[0]] + Bundle.allBundles.map(\.bundlePath) {
      var folder = URL(fileURLWithPath: start).resolvingSymlinksInPath()
      for _ in 0..<5 {
        folder.deleteLastPathComponent()
        places.append(folder.appendingPathComponent("atelier"))
      }
    }
    // Where a case does not matter, a folder of the sources has the same name.
    let found = places.first { place in
      var isFolder: ObjCBool = false
      return FileManager.default.fileExists(atPath: place.path, isDirectory: &isFolder)
        && !isFolder.boolValue && FileManager.default.isExecutableFile(atPath: place.path)
    }
    if found == nil { print("SKIPPED: the executable atelier was not built; build it first") }
    return found
  }()

  /// Whether the executable is there.
  static var isBuilt: Bool { executable != nil }

  /// Starts the tool; its output goes to files, which never fill up as pipes do.
  static func start(
    _ arguments: [String], in folder: URL, environment: [String: String] = [:]
  ) throws -> (process: Process, output: URL, errors: URL) {
    let executable = try #require(executable)
    let process = Process()
    process.executableURL = executable
    process.arguments = arguments
    process.currentDirectoryURL = folder
    // COLUMNS would wrap the help texts elsewhere.
    var variables = ProcessInfo.processInfo.environment.filter { $0.key != "COLUMNS" }
    variables.merge(environment) { $1 }
    process.environment = variables
    let name = UUID().uuidString
    let files = ["out", "err"].map { folder.appendingPathComponent(".\(name).\($0)") }
    for file in files { try Data().write(to: file) }
    process.standardInput = FileHandle.nullDevice
    process.standardOutput = try FileHandle(forWritingTo: files[0])
    process.standardError = try FileHandle(forWritingTo: files[1])
    try process.run()
    return (process, files[0], files[1])
  }

  /// Runs the tool to its end.
  static func run(
    _ arguments: [String], in folder: URL, environment: [String: String] = [:]
  ) throws -> Outcome {
    let running = try start(arguments, in: folder, environment: environment)
    running.process.waitUntilExit()
    return try outcome(running)
  }

  /// Returns when the run's state was replaced so many times, or the process ended.
  static func waitForSaves(_ count: Int, of run: URL, while process: Process) {
    func version() -> [String] {
      let attributes = try? FileManager.default.attributesOfItem(
        atPath: run.appendingPathComponent("state.safetensors").path)
      return [FileAttributeKey.modificationDate, .systemFileNumber].map {
        "\(attributes?[$0] ?? "none")"
      }
    }
    let end = Date() + 30
    var seen = version()
    var left = count
    while left > 0, process.isRunning, Date() < end {
      Thread.sleep(forTimeInterval: 0.001)
      let now = version()
      if now != seen { left -= 1 }
      seen = now
    }
  }

  /// What an ended process said.
  static func outcome(
    _ running: (process: Process, output: URL, errors: URL)
  ) throws -> Outcome {
    Outcome(
      status: running.process.terminationStatus,
      output: String(decoding: try Data(contentsOf: running.output), as: UTF8.self),
      errors: String(decoding: try Data(contentsOf: running.errors), as: UTF8.self))
  }
}

/// A folder for one test, gone after it.
final class Workbench {
  let folder: URL

  init() throws {
    folder = FileManager.default.temporaryDirectory.appendingPathComponent(
      "atelier-command-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
  }

  deinit { try? FileManager.default.removeItem(at: folder) }

  /// A place in the folder.
  func path(_ name: String) -> URL { folder.appendingPathComponent(name) }

  /// Runs the tool in the folder.
  func run(
    _ arguments: String..., environment: [String: String] = [:]
  ) throws -> CommandTool.Outcome {
    try run(arguments, environment: environment)
  }

  /// Runs the tool in the bench's folder.
  func run(
    _ arguments: [String], environment: [String: String] = [:]
  ) throws -> CommandTool.Outcome {
    try CommandTool.run(arguments, in: folder, environment: environment)
  }

  /// Writes a picture of soft waves and seeded noise.
  @discardableResult
  func picture(_ name: String, _ width: Int, _ height: Int, channels: Int) throws -> ByteImage {
    var generator = RandomGenerator(seed: 7, UInt64(width * 4096 + height))
    let picture = ByteImage(width: width, height: height, channels: channels) { samples in
      for index in samples.indices {
        let (x, y) = (index / channels % width, index / channels / width)
        let wave = (x * 5 + y * 3 + 40 * (index % channels)) % 200
        samples[index] = UInt8(20 + wave + generator.index(below: 30))
      }
    }
    let place = path(name)
    try FileManager.default.createDirectory(
      at: place.deletingLastPathComponent(), withIntermediateDirectories: true)
    try ImageFile.write(picture, to: place)
    return picture
  }

  /// Writes an untrained network as a model; what it does is arbitrary, but always the same.
  func model(
    _ name: String, _ architecture: any Architecture, channels: Int
  ) throws {
    let side = 4 * architecture.granularity
    let graph = try architecture.graph(batch: 1, height: side, width: side)
    let store = try ParameterStore(for: [graph], seed: 3)
    let information = ModelInformation(
      task: "denoise", architecture: type(of: architecture).name,
      granularity: architecture.granularity, receptiveRadius: architecture.receptiveRadius)
    try ModelFile.write(
      Model(graph: graph, store: store, information: information), to: path(name))
  }

  /// A residual U-Net that is small enough for tests.
  static func tinyNetwork(channels: Int) -> ResidualUNet {
    ResidualUNet(channels: channels, widths: [4, 8], blocks: 1)
  }
}
