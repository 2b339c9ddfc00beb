// The tool `atelier` as a child: found once, asked for its forms, for checks and for models.

import AtelierFiles
import Foundation
import Subprocess

#if canImport(System)
import System
#else
import SystemPackage
#endif

/// The program that does all work.
package struct Tool: Sendable {
  /// Where it lies.
  package let path: String
  /// The folder in which its paths begin.
  package let folder: String

  /// What a run of it gave.
  package struct Outcome: Sendable {
    /// The exit code; 128 and the signal where one ended it.
    package var code: Int32
    /// Standard output.
    package var output: String
    /// Standard error.
    package var errors: String

    package init(code: Int32, output: String, errors: String) {
      (self.code, self.output, self.errors) = (code, output, errors)
    }

    /// The sentence of the tool that says what is wrong.
    package var complaint: String {
      let lines = errors.split(separator: "\n").map(String.init)
      let line = lines.last { $0.hasPrefix("atelier: ") } ?? lines.last ?? "no word from the tool"
      return line.hasPrefix("atelier: ") ? String(line.dropFirst(9)) : line
    }
  }

  package init(path: String, folder: String) {
    self.path = path
    self.folder = folder
  }

  /// Finds the tool: where it was said to be, else beside this program, else by PATH.
  package static func find(_ given: String?, folder: String) throws -> Tool {
    if let given {
      let path = URL(fileURLWithPath: given).path
      guard access(path, X_OK) == 0 else {
        throw StudioError(.missingInput, "\(given): expected the tool atelier, received no program")
      }
      return Tool(path: path, folder: folder)
    }
    var places: [String] = []
    if let own = Bundle.main.executableURL?.resolvingSymlinksInPath() {
      places.append(own.deletingLastPathComponent().path)
    }
    places += (ProcessInfo.processInfo.environment["PATH"] ?? "").split(separator: ":").map(
      String.init)
    for place in places where access("\(place)/atelier", X_OK) == 0 {
      return Tool(path: "\(place)/atelier", folder: folder)
    }
    throw StudioError(
      .missingInput,
      "the tool atelier is neither beside atelier-studio nor in PATH; --atelier names it")
  }

  /// Runs it to its end, for `seconds` at most; what it says is kept up to 32 MB.
  package func run(_ arguments: [String], seconds: Double = 60) async throws -> Outcome {
    try await withThrowingTaskGroup(of: Outcome?.self) { group in
      group.addTask {
        let result = try await Subprocess.run(
          .path(FilePath(path)), arguments: Arguments(arguments),
          workingDirectory: FilePath(folder), output: .string(limit: 32 << 20),
          error: .string(limit: 1 << 20))
        return Outcome(
          code: Self.code(result.terminationStatus), output: result.standardOutput,
          errors: result.standardError)
      }
      group.addTask {
        try await Task.sleep(for: .seconds(seconds))
        return nil
      }
      defer { group.cancelAll() }
      guard let first = try await group.next(), let outcome = first else {
        throw StudioError(
          .data, "atelier \(arguments.joined(separator: " ")): no answer in \(seconds) s")
      }
      return outcome
    }
  }

  /// What it prints with `--json`; throws its own sentence where it failed.
  package func json(_ arguments: [String], seconds: Double = 60) async throws -> Data {
    let outcome = try await run(arguments + ["--json"], seconds: seconds)
    guard outcome.code == 0 else {
      throw StudioError(outcome.code == 66 ? .missingInput : .data, outcome.complaint)
    }
    return Data(outcome.output.utf8)
  }

  /// An end as a shell tells it.
  static func code(_ status: TerminationStatus) -> Int32 {
    switch status {
    case .exited(let code): Int32(code)
    case .signaled(let signal): 128 + Int32(signal)
    }
  }
}

/// The description of one job, as far as command lines need it.
package struct JobForm: Decodable, Sendable {
  /// One field.
  package struct Field: Decodable, Sendable {
    package var name: String
    package var kind: String
    package var list: Bool
    package var positional: Bool
    package var valueName: String?
    package var alone: String?

    enum CodingKeys: String, CodingKey {
      case name, kind, list, positional, alone
      case valueName = "value_name"
    }
  }

  package var name: String
  package var trains: Bool
  package var fields: [Field]
}

/// The forms of all jobs: `atelier describe --json`.
package struct StudioForms: Decodable, Sendable {
  /// A workshop.
  package struct Shop: Decodable, Sendable {
    package var name: String
    package var main: String?
    package var jobs: [JobForm]
  }

  package var version: String
  package var workshops: [Shop]

  /// The form of a job by its path, such as `denoise train`.
  package func form(_ path: String) throws -> JobForm {
    let words = path.split(separator: " ").map(String.init)
    guard let shop = workshops.first(where: { $0.name == words.first }),
      let job = shop.jobs.first(where: { $0.name == (words.count > 1 ? words[1] : shop.name) }),
      words.count <= 2
    else { throw StudioError(.usage, "there is no job '\(path)'") }
    return job
  }
}

/// A job's words as a command line.
package struct CommandWords: Sendable {
  /// Fields that are no form's own but every command has.
  static let general: Set<String> = ["run", "resume", "export", "precision", "threads", "memory"]
  private static let flags: Set<String> = ["resume"]

  /// The arguments of the tool, without its name.
  ///
  /// - Throws: `StudioError` for a field that the job has not.
  package static func arguments(
    _ path: String, _ words: [String: [String]], _ form: JobForm
  ) throws -> [String] {
    let known = Set(form.fields.map(\.name)).union(general)
    if let stranger = words.keys.sorted().first(where: { !known.contains($0) }) {
      throw StudioError(.usage, "atelier \(path) has no --\(stranger)")
    }
    for text in words.values.joined() where text.contains("\0") || text.utf8.count > 4096 {
      throw StudioError(.usage, "a word of more than 4096 bytes, or with a zero in it")
    }
    var result = path.split(separator: " ").map(String.init)
    for field in form.fields where field.positional {
      result += (words[field.name] ?? []).map { $0.hasPrefix("-") ? "./" + $0 : $0 }
    }
    func add(_ name: String, isFlag: Bool, isList: Bool, isPath: Bool) {
      guard let given = words[name], !given.isEmpty else { return }
      if isFlag { return result.append("--\(name)") }
      let values = given.map { isPath && $0.hasPrefix("-") ? "./" + $0 : $0 }.filter { !$0.isEmpty }
      guard !values.isEmpty else { return }
      if isList || !values[0].hasPrefix("-") {
        result += ["--\(name)"] + values
      } else {
        result.append("--\(name)=\(values[0])")
      }
    }
    for name in ["run", "resume"] {
      add(name, isFlag: flags.contains(name), isList: false, isPath: true)
    }
    for field in form.fields where !field.positional {
      add(
        field.name, isFlag: field.kind == "flag", isList: field.list,
        isPath: ["file", "folder", "source", "output"].contains(field.kind))
    }
    let own = Set(form.fields.map(\.name))
    for name in ["export", "precision", "threads", "memory"] where !own.contains(name) {
      add(name, isFlag: false, isList: false, isPath: name == "export")
    }
    return result
  }

  /// The command as a line that a shell reads back.
  package static func line(_ arguments: [String]) -> String {
    (["atelier"] + arguments.map(ShellWord.quoted)).joined(separator: " ")
  }

  /// The field that a sentence of the tool is about; nil where it names none.
  package static func field(in sentence: String, of form: JobForm) -> String? {
    let names = form.fields.sorted { $0.name.count > $1.name.count }
    for word in sentence.split(whereSeparator: { !$0.isLetter && !$0.isNumber && $0 != "-" }) {
      guard word.hasPrefix("--") else { continue }
      let name = String(word.dropFirst(2))
      if names.contains(where: { $0.name == name }) || general.contains(name) { return name }
    }
    return names.first { field in
      field.positional && sentence.contains("<\(field.valueName ?? field.name)>")
    }?.name
  }
}
