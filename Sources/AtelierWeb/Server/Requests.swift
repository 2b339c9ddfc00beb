// What a browser asks for, made into jobs: words with uploads and results put in, paths held
// inside the roots.

import AtelierFiles
import Foundation

/// A job as a page asks for it.
package struct JobAsk: Decodable, Sendable {
  /// Workshop and verb.
  package var path: String
  /// The words of the form.
  package var words: [String: [String]]

  package init(path: String, words: [String: [String]]) {
    self.path = path
    self.words = words
  }
}

extension Studio {
  /// Makes a job of what a page asks for, with the identity that its folder will have.
  package func job(_ ask: JobAsk, id: String = Studio.newIdentity()) async throws -> StudioJob {
    let form = try await described().forms.form(ask.path)
    var words = ask.words.mapValues { $0.filter { !$0.isEmpty } }
    // A switch has no word, and an empty list is nothing given.
    for field in form.fields where field.kind == "flag" && ask.words[field.name] != nil {
      words[field.name] = [""]
    }
    if ask.words["resume"] != nil { words["resume"] = [""] }
    words = words.filter { !$0.value.isEmpty }
    let results = JobFolder(home, id).results
    for (name, given) in words {
      var places: [String] = []
      for word in given { places.append(try await resolved(word, results: results)) }
      words[name] = places
    }
    var run: String?
    if form.trains {
      guard let word = words["run"]?.first else {
        throw StudioError(.usage, "Missing expected argument '--run <folder>'")
      }
      run = try folders.newPlace(word).path
    }
    let sources = form.fields.filter { $0.positional && $0.kind == "source" }.map(\.name)
    let inputs = folders.pictures(sources.flatMap { words[$0] ?? [] }, extra: home.url)
    return StudioJob(
      id: id, path: ask.path, words: words,
      arguments: try CommandWords.arguments(ask.path, words, form), trains: form.trains, run: run,
      inputs: inputs)
  }

  /// A new identity.
  package static func newIdentity() -> String {
    ContentHash.text(UInt64.random(in: 0...UInt64.max))
  }

  /// A word with what stands for files put in; throws for a path outside of the roots.
  private func resolved(_ word: String, results: URL) async throws -> String {
    if word.hasPrefix("upload:") { return try uploads.file(String(word.dropFirst(7))).path }
    if word.hasPrefix("result:") {
      let parts = word.split(separator: ":")
      guard parts.count == 3, let index = Int(parts[2]) else {
        throw StudioError(.usage, "expected result:JOB:NUMBER, received \(word)")
      }
      let folder = JobFolder(home, try Identity.checked(String(parts[1])))
      let files = folder.resultFiles()
      guard files.indices.contains(index) else {
        throw StudioError(.missingInput, "job \(parts[1].prefix(6)) has no result \(index)")
      }
      return folder.results.appendingPathComponent(files[index]).path
    }
    if word == "@results" || word.hasPrefix("@results/") {
      let rest = word.dropFirst("@results/".count)
      guard !rest.contains("..") else { throw StudioError(.usage, "\(word): leads elsewhere") }
      return rest.isEmpty ? results.path : results.appendingPathComponent(String(rest)).path
    }
    let leadsAway = word.hasPrefix("/") || word.split(separator: "/").contains("..")
    let isHere = Folders.real((folders.roots.first?.path ?? "") + "/" + word) != nil
    guard leadsAway || isHere else { return word }
    let shipped = (try? await shippedModels()) ?? []
    if shipped.contains(where: { $0.file == word }) { return word }
    if word.hasPrefix(home.url.path + "/"), !word.contains("..") { return word }
    _ = try folders.newPlace(word)
    return word
  }

  /// What `--check` says of a job.
  package struct Check: Codable, Sendable {
    /// Whether the tool would do it.
    package var isRight: Bool
    /// The command.
    package var command: String
    /// The tool's sentence.
    package var error: String?
    /// The field that the sentence is about.
    package var field: String?
    /// Whether the run folder holds a run already that can go on.
    package var canResume: Bool?
  }

  /// Asks the tool whether it would do a job.
  package func check(_ ask: JobAsk) async throws -> Check {
    let form = try await described().forms.form(ask.path)
    let job: StudioJob
    do { job = try await self.job(ask, id: String(repeating: "0", count: 16)) } catch let error
      as StudioError
    {
      let field = CommandWords.field(in: error.description, of: form)
      return Check(isRight: false, command: "", error: error.description, field: field)
    }
    let tool = tool
    let outcome = try await checks.run {
      try await tool.run(job.arguments + ["--check"], seconds: 20)
    }
    guard outcome.code != 0 else { return Check(isRight: true, command: job.command) }
    var check = Check(isRight: false, command: job.command, error: outcome.complaint)
    check.field = CommandWords.field(in: outcome.complaint, of: form)
    if let run = job.run, outcome.complaint.contains("holds a run already") {
      check.field = "run"
      check.canResume = RunFiles(URL(fileURLWithPath: run)).hasState
    }
    return check
  }

  /// Goes on with a run, with words that a resume may change.
  package func resume(_ id: String, words: [String: [String]] = [:]) async throws -> StudioJob {
    let (row, files) = try runs.files(id)
    guard let about = files.about else {
      throw StudioError(.data, "\(row.name): about.json does not say which job it is of")
    }
    guard row.state != "running" else { throw StudioError(.usage, "\(row.name): runs already") }
    var all = words
    all["run"] = [folders.name(files.url)]
    all["resume"] = [""]
    let ask = JobAsk(path: about.job, words: all)
    let check = try await check(ask)
    guard check.isRight else {
      throw StudioError(.usage, check.error ?? "the tool would not go on with it")
    }
    return try await queue.add(try await job(ask))
  }

  /// Asks a run to save and stop, also one that a terminal started.
  package func stop(run id: String) async throws {
    let (row, files) = try runs.files(id)
    if let job = await queue.all.first(where: { $0.run == row.path && $0.state.isLive }) {
      return try await queue.stop(job.id)
    }
    guard RunLocks().holds(files.url),
      let text = files.data("run.lock").map({ String(decoding: $0, as: UTF8.self) }),
      let process = Int32(text.trimmingCharacters(in: .whitespacesAndNewlines)), process > 1,
      kill(process, SIGINT) == 0
    else { throw StudioError(.usage, "\(row.name): no process works in it") }
  }

  /// Removes what a run does not need to be looked at, and says what was freed, in bytes.
  package func drop(_ what: String, ofRun id: String) async throws -> Int {
    let (row, files) = try runs.files(id)
    guard !RunLocks().holds(files.url) else { throw StudioError(.usage, "\(row.name): it runs") }
    let name = ["previews": "previews", "state": "state.safetensors"][what]
    guard let name else {
      throw StudioError(.usage, "expected previews or state, received \(what)")
    }
    let place = files.url.appendingPathComponent(name)
    let bytes = FileSizes.bytes(place)
    if what == "previews" {
      for preview in files.previews { unlink(files.place(of: preview).path) }
    } else if unlink(place.path) != 0 {
      throw StudioError(.missingInput, "\(row.name): there is no saved state")
    }
    try await runs.add(files.url)
    return bytes
  }
}
