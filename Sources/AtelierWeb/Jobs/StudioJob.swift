// A job that the studio was asked for: what is run, how it stands, how it ended; kept in a folder
// of its own.

import AtelierFiles
import Foundation

/// One job.
package struct StudioJob: Codable, Sendable, Hashable {
  /// How a job stands.
  package enum State: String, Codable, Sendable {
    case queued
    case starting
    case running
    case stopping
    case finished
    case interrupted
    case failed
    /// Its process is gone and left no word.
    case lost

    /// Whether a process may live.
    package var isLive: Bool { [.starting, .running, .stopping].contains(self) }
    /// Whether it came to its end.
    package var isOver: Bool { !isLive && self != .queued }
  }

  /// The identity, sixteen hexadecimal digits.
  package var id: String
  /// Workshop and verb, such as `denoise run`.
  package var path: String
  /// What was given.
  package var words: [String: [String]]
  /// The arguments of the tool.
  package var arguments: [String]
  /// Whether it works in a run folder.
  package var trains: Bool
  /// The run folder.
  package var run: String?
  /// The pictures that it reads, in order.
  package var inputs: [String] = []
  package var state = State.queued
  package var created = Date().timeIntervalSince1970
  package var started: Double?
  package var stopped: Double?
  package var ended: Double?
  /// The process, and when it began by the system's clock: numbers of processes are used again.
  package var process: Int32?
  package var processStart: String?
  package var code: Int32?
  /// The last lines that it said.
  package var lastLines: [String] = []
  /// Why it waits.
  package var waitsFor: String?

  package init(
    id: String, path: String, words: [String: [String]], arguments: [String], trains: Bool,
    run: String? = nil, inputs: [String] = []
  ) {
    self.id = id
    self.path = path
    self.words = words
    self.arguments = arguments
    self.trains = trains
    self.run = run
    self.inputs = inputs
  }

  /// The command as a line.
  package var command: String { CommandWords.line(arguments) }
}

/// The folder of a job.
package struct JobFolder: Sendable {
  /// The folder.
  package let url: URL

  package init(_ home: StudioHome, _ id: String) { url = home.jobs.appendingPathComponent(id) }

  /// What is known of it.
  package var record: URL { url.appendingPathComponent("job.json") }
  /// Standard output: with `--json` the report.
  package var output: URL { url.appendingPathComponent("output.txt") }
  /// Standard error.
  package var errors: URL { url.appendingPathComponent("errors.txt") }
  /// What happens.
  package var events: EventLog { EventLog(url.appendingPathComponent("events.jsonl")) }
  /// Where results go when nobody names a place.
  package var results: URL { url.appendingPathComponent("results") }

  /// Keeps what is known, so that a studio that starts again knows it.
  package func keep(_ job: StudioJob) throws {
    try AtomicFile.makeFolder(url)
    try AtomicFile.write(try JSONEncoder.ordered(.prettyPrinted).encode(job), to: record)
  }

  /// The last lines of what it said on standard error.
  package func lastLines(_ count: Int = 12) -> [String] {
    let descriptor = open(errors.path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return [] }
    defer { close(descriptor) }
    var status = stat()
    guard fstat(descriptor, &status) == 0 else { return [] }
    let start = max(0, Int(status.st_size) - 8192)
    let bytes = AtomicFile.read(descriptor, at: start, count: Int(status.st_size) - start).bytes
    let lines = String(decoding: bytes, as: UTF8.self).split(whereSeparator: \.isNewline)
    return lines.suffix(count).map { String($0.prefix(400)) }
  }

  /// How its log of events ended: `finished`, `interrupted` or `failed: …`; nil when it did not.
  package func reason() -> String? {
    var reason: String?
    if case .lines(let bytes, _) = events.news(since: LogPosition(), limit: 64 << 20) {
      bytes.forEachLine { record in
        var isEnd = false
        var text: String?
        record.entries { key, value in
          if key.spells("event") { isEnd = value.spells("\"stopped\"") }
          if key.spells("reason") { text = LogRecord.text(value) }
        }
        if isEnd { reason = text }
      }
    }
    return reason
  }

  /// The result files that browsers can show, in the order of their names.
  package func resultFiles() -> [String] {
    ResultFiles.below(results)
  }
}

/// Files that a job wrote.
package enum ResultFiles {
  /// The paths of the files below a folder, relative to it, sorted; links are left out.
  package static func below(_ folder: URL, limit: Int = 20_000) -> [String] {
    var found: [String] = []
    func walk(_ prefix: String, depth: Int) {
      guard depth < 6, found.count < limit else { return }
      let place = prefix.isEmpty ? folder : folder.appendingPathComponent(prefix)
      for name in ((try? FileManager.default.contentsOfDirectory(atPath: place.path)) ?? [])
        .sorted()
      {
        guard !name.hasPrefix("."), found.count < limit else { continue }
        let path = prefix.isEmpty ? name : prefix + "/" + name
        var status = stat()
        guard lstat(folder.appendingPathComponent(path).path, &status) == 0 else { continue }
        switch status.st_mode & S_IFMT {
        case S_IFDIR: walk(path, depth: depth + 1)
        case S_IFREG: found.append(path)
        default: break
        }
      }
    }
    walk("", depth: 0)
    return found
  }
}
