// The folder of one training: configuration, logs, previews, state, models; held by one process.
//
//   RUN/
//     configuration.json    what was asked for
//     about.json            which job this is, with which arguments and version
//     state.safetensors     all that a resume needs, one file (TrainingState)
//     last.safetensors      the model of the last save
//     best.safetensors      the model with the best metric
//     log.csv               numbers by step
//     events.jsonl          events, a line each
//     events.out.tfevents.… the same for TensorBoard
//     previews/             pictures by step
//     run.lock              held while a process trains here

import AtelierFiles
import Foundation

/// A run folder that this process holds; letting go of the value lets go of the folder.
public final class RunFolder: Sendable {
  /// The folder.
  public let url: URL
  private let lock: Int32

  /// What was asked for, as JSON.
  public var configurationURL: URL { url.appending(path: "configuration.json") }
  /// Which job this is.
  public var aboutURL: URL { url.appending(path: "about.json") }
  /// All that a resume needs.
  public var stateURL: URL { url.appending(path: "state.safetensors") }
  /// The model of the last save.
  public var lastModelURL: URL { url.appending(path: "last.safetensors") }
  /// The model with the best metric.
  public var bestModelURL: URL { url.appending(path: "best.safetensors") }
  /// The events, a line of JSON each.
  public var eventsURL: URL { url.appending(path: "events.jsonl") }
  /// The numbers by step.
  public var tableURL: URL { url.appending(path: "log.csv") }
  /// The folder of the previews.
  public var previewsURL: URL { url.appending(path: "previews") }

  private init(_ url: URL, lock: Int32) {
    self.url = url
    self.lock = lock
  }

  deinit { close(lock) }

  /// Makes a run folder, which must not hold a run yet.
  ///
  /// - Throws: `TrainingError` when there is a run already or another process holds it, `FileError`
  ///   when it cannot be written.
  public static func create(at url: URL, configuration: some Encodable) throws -> RunFolder {
    try create(at: url, json: encoded(configuration), about: nil)
  }

  /// The same of a configuration that is JSON already, and of the JSON that says which job it is.
  public static func create(at url: URL, json: Data, about: Data?) throws -> RunFolder {
    let path = url.relativePath
    func make(_ url: URL, _ what: String) throws {
      do {
        try AtomicFile.makeFolder(url)
      } catch {
        throw TrainingError(
          "\(path): cannot make the \(what): \(reason(error))", .cannotCreate)
      }
    }
    try make(url, "run folder")
    let folder = RunFolder(url, lock: try hold(url))
    guard !FileManager.default.fileExists(atPath: folder.configurationURL.path) else {
      throw TrainingError(
        "\(path): expected a new folder; it holds a run already (--resume goes on)", .cannotCreate)
    }
    AtomicFile.removeAbandoned(in: url)
    try make(folder.previewsURL, "folder of previews")
    if let about { try AtomicFile.write(about, to: folder.aboutURL) }
    // Last, because it is what makes the folder a run.
    try AtomicFile.write(json, to: folder.configurationURL)
    return folder
  }

  /// Opens a run folder to go on.
  ///
  /// - Throws: `TrainingError` when there is no run or another process holds it.
  public static func open(at url: URL) throws -> RunFolder {
    let path = url.relativePath
    var isFolder: ObjCBool = false
    guard FileManager.default.fileExists(atPath: url.path, isDirectory: &isFolder) else {
      throw TrainingError(
        "\(path): expected a run folder; there is nothing of that name", .missingInput)
    }
    guard isFolder.boolValue else {
      throw TrainingError("\(path): expected a run folder; received a file", .missingInput)
    }
    let configuration = url.appending(path: "configuration.json")
    guard FileManager.default.fileExists(atPath: configuration.path) else {
      throw TrainingError(
        "\(path): expected a run folder; it holds no configuration.json", .missingInput)
    }
    let folder = RunFolder(url, lock: try hold(url))
    AtomicFile.removeAbandoned(in: url)
    AtomicFile.removeAbandoned(in: folder.previewsURL)
    // Pictures that are gone are no reason to stop; without the folder none could be drawn.
    try? FileManager.default.createDirectory(
      at: folder.previewsURL, withIntermediateDirectories: false)
    return folder
  }

  /// Whether the folder says which job it is of, as since version 0.2.
  public var hasAbout: Bool { FileManager.default.fileExists(atPath: aboutURL.path) }
  /// Whether a state was saved.
  public var hasState: Bool { FileManager.default.fileExists(atPath: stateURL.path) }

  /// Checks that a folder without a state never had one: a training from the start would write over
  /// the models of the run whose state is lost.
  ///
  /// - Throws: `TrainingError` that names what is there.
  func expectNothingSaved() throws(TrainingError) {
    let events = try? String(contentsOf: eventsURL, encoding: .utf8)
    let hasSaved = events?.contains("\"kind\":\"state\"") == true
    let hasModel = FileManager.default.fileExists(atPath: lastModelURL.path)
    guard hasModel || hasSaved else { return }
    throw TrainingError(
      "\(stateURL.relativePath): the state of this run is missing, but "
        + (hasModel ? "last.safetensors is there" : "events.jsonl says that it was saved")
        + "; put it back, or begin another run (--start-from takes the weights)", .missingInput)
  }

  // MARK: - Configuration

  /// What was asked for when the run was made.
  ///
  /// **Throws:** `TrainingError` when the file cannot be read as that type.
  public func configuration<Configuration: Decodable>(
    as type: Configuration.Type = Configuration.self
  ) throws -> Configuration {
    try configuration { try JSONDecoder().decode(type, from: $0) }
  }

  /// What was asked for when the run was made, read by a closure.
  ///
  /// **Throws:** `TrainingError` when the file cannot be read or the closure throws.
  public func configuration<Configuration>(
    reading read: (Data) throws -> Configuration
  ) throws -> Configuration {
    let data = try configurationData()
    do { return try read(data) } catch {
      throw TrainingError(
        "\(configurationURL.relativePath): cannot be read as this run's configuration: "
          + Self.reason(error), .data)
    }
  }

  /// The largest configuration that is read, in bytes.
  private static let largestConfiguration = 16 << 20

  /// The configuration as it is stored.
  private func configurationData() throws(FileError) -> Data {
    try InputFile.data(configurationURL, limit: Self.largestConfiguration).withoutByteOrderMark
  }

  /// Checks that a resume asks for the same as the run was made with, but for the `ignored` keys of
  /// the outermost object, such as the number of steps.
  ///
  /// - Throws: `TrainingError` that names the first key that differs, with both values.
  public func expect(_ configuration: some Encodable, except ignored: Set<String> = []) throws {
    try expect(
      json: Self.encoded(configuration), stored: configurationData(),
      except: ignored)
  }

  /// The same of configurations that are JSON already; null and no entry are equal.
  public func expect(
    json configuration: Data, stored former: Data, except ignored: Set<String>
  ) throws {
    let path = configurationURL.relativePath
    let stored = try Self.fields(former, path)
    let asked = try Self.fields(configuration, path)
    for key in Set(stored.keys).union(asked.keys).sorted() where !ignored.contains(key) {
      guard stored[key] == asked[key] else {
        let (has, wanted) = (stored[key] ?? "unset", asked[key] ?? "unset")
        throw TrainingError("\(path): the run has \(key) \(has); received \(wanted)")
      }
    }
  }

  /// Replaces the configuration, as when a resume asks for more steps.
  ///
  /// **Throws:** `FileError` when it cannot be written.
  public func replaceConfiguration(_ configuration: some Encodable) throws {
    try AtomicFile.write(try Self.encoded(configuration), to: configurationURL)
  }

  /// The same of a configuration that is JSON already.
  public func replace(json: Data, about: Data) throws {
    try AtomicFile.write(json, to: configurationURL)
    // Last, because it says that the configuration is complete.
    try AtomicFile.write(about, to: aboutURL)
  }

  private static func encoded(_ configuration: some Encodable) throws -> Data {
    try JSONEncoder.ordered(.prettyPrinted).encode(configuration) + [0x0A]
  }

  /// The outermost fields, each as canonical JSON text.
  private static func fields(_ data: Data, _ path: String) throws -> [String: String] {
    guard let object = try? JSONSerialization.jsonObject(with: data) as? [String: Any] else {
      throw TrainingError("\(path): expected a JSON object", .data)
    }
    return try object.filter { !($0.value is NSNull) }.mapValues { value in
      let text = try JSONSerialization.data(
        withJSONObject: value, options: [.fragmentsAllowed, .sortedKeys, .withoutEscapingSlashes])
      return String(decoding: text, as: UTF8.self)
    }
  }

  // MARK: - Lock

  /// Holds the folder for this process; the system lets go when the process ends, however it ends.
  private static func hold(_ url: URL) throws(TrainingError) -> Int32 {
    let file = url.appending(path: "run.lock")
    let descriptor = systemOpen(file.path, O_RDWR | O_CREAT | O_CLOEXEC, 0o666)
    guard descriptor >= 0 else {
      throw TrainingError(
        "\(file.relativePath): cannot open: \(String(cString: strerror(errno)))", .cannotCreate)
    }
    guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
      let code = errno
      var text = [UInt8](repeating: 0, count: 20)
      let count = max(0, pread(descriptor, &text, text.count, 0))
      close(descriptor)
      guard code == EWOULDBLOCK else {
        throw TrainingError(
          "\(file.relativePath): cannot lock: \(String(cString: strerror(code)))", .cannotCreate)
      }
      let digits = text[..<count].prefix { (0x30...0x39).contains($0) }
      let process = digits.isEmpty ? "" : " (process \(String(decoding: digits, as: UTF8.self)))"
      throw TrainingError(
        "\(url.relativePath): another training\(process) holds this run folder", .cannotCreate)
    }
    let text = Array("\(getpid())\n".utf8)
    // The number is for the message above alone; the lock holds without it.
    if ftruncate(descriptor, 0) == 0 { _ = pwrite(descriptor, text, text.count, 0) }
    return descriptor
  }

  private static func reason(_ error: any Error) -> String {
    switch error {
    case let error as CocoaError:
      if let underlying = error.userInfo[NSUnderlyingErrorKey] as? POSIXError {
        return String(cString: strerror(underlying.code.rawValue))
      }
      return error.localizedDescription
    case DecodingError.keyNotFound(let key, _): return "there is no \(key.stringValue)"
    case DecodingError.typeMismatch(_, let context), DecodingError.valueNotFound(_, let context),
      DecodingError.dataCorrupted(let context):
      let path = context.codingPath.map(\.stringValue).joined(separator: ".")
      return path.isEmpty ? context.debugDescription : "\(path): \(context.debugDescription)"
    default: return "\(error)"
    }
  }
}

/// The system's `open`, under a name that the static member does not hide.
private func systemOpen(_ path: String, _ flags: Int32, _ mode: mode_t) -> Int32 {
  open(path, flags, mode)
}
