// What the page is told: jobs with their progress, runs with their files, the disk.

import AtelierFiles
import Foundation

/// A job as the page shows it.
package struct JobView: Encodable, Sendable {
  var job: StudioJob
  var progress: JobProgress?
  /// When a face swap's error is foreseen to come to its goal, in words.
  var forecast: String?

  /// How far a job is.
  package struct JobProgress: Codable, Sendable, Hashable {
    var unit: String
    var done: Double
    var total: Double?
    var remainingSeconds: Double?
  }

  private enum Key: String, CodingKey {
    case id, path, command, state, run, runID, trains, created, started, stopped, ended, code,
      lastLines
    case waitsFor, progress, forecast, inputs, words
  }

  package func encode(to encoder: any Encoder) throws {
    var box = encoder.container(keyedBy: Key.self)
    try box.encode(job.id, forKey: .id)
    try box.encode(job.path, forKey: .path)
    try box.encode(job.command, forKey: .command)
    try box.encode(job.state, forKey: .state)
    try box.encodeIfPresent(job.run, forKey: .run)
    try box.encodeIfPresent(
      job.run.map { RunFiles.id(of: URL(fileURLWithPath: $0)) }, forKey: .runID)
    try box.encode(job.trains, forKey: .trains)
    try box.encode(job.created, forKey: .created)
    try box.encodeIfPresent(job.started, forKey: .started)
    try box.encodeIfPresent(job.stopped, forKey: .stopped)
    try box.encodeIfPresent(job.ended, forKey: .ended)
    try box.encodeIfPresent(job.code, forKey: .code)
    try box.encode(job.lastLines, forKey: .lastLines)
    try box.encodeIfPresent(job.waitsFor, forKey: .waitsFor)
    try box.encodeIfPresent(progress, forKey: .progress)
    try box.encodeIfPresent(forecast, forKey: .forecast)
    try box.encode(job.inputs.map { URL(fileURLWithPath: $0).lastPathComponent }, forKey: .inputs)
    try box.encode(job.words, forKey: .words)
  }
}

/// What every page shows.
package struct StudioView: Encodable, Sendable {
  var runs: Int
  var jobs: [JobView]
  var isPaused: Bool
  var diskFree: Int?
  var time = Date().timeIntervalSince1970
}

/// A run with all that its page shows beside its log.
package struct RunView: Encodable, Sendable {
  var row: RunRow
  var about: RunFiles.About?
  var configuration: String?
  var previews: [RunFiles.Preview]
  var files: [RunFiles.Part]
  var resumeCommand: String?
  /// The path as a command names it.
  var place: String
}

extension Studio {
  /// What every page shows; jobs that are over only the last of them.
  package func view() async -> StudioView {
    let all = await queue.all
    let shown = all.filter { !$0.state.isOver } + all.filter(\.state.isOver).prefix(20)
    let views = shown.map { self.shown($0) }
    return StudioView(
      runs: await runs.version, jobs: views, isPaused: await queue.isPaused,
      diskFree: FileSizes.free(home.url))
  }

  /// A job as the page shows it.
  nonisolated func shown(_ job: StudioJob) -> JobView {
    JobView(job: job, progress: progress(job), forecast: forecast(job))
  }

  /// How far a job is by the last word of its events; a training's by its run.
  nonisolated func progress(_ job: StudioJob) -> JobView.JobProgress? {
    guard job.state.isLive else { return nil }
    if let run = job.run {
      let row = try? runs.index.run(RunFiles.id(of: URL(fileURLWithPath: run)))
      return row.map {
        .init(
          unit: "steps", done: Double($0.step), total: $0.total.map(Double.init),
          remainingSeconds: $0.remaining)
      }
    }
    let bytes = lastEvents(job)
    var last: JobView.JobProgress?
    bytes.forEachLine { record in
      var isProgress = false
      var found = JobView.JobProgress(unit: "", done: 0)
      record.entries { key, value in
        if key.spells("event") { isProgress = value.spells("\"progress\"") }
        if key.spells("unit") { found.unit = LogRecord.text(value) ?? "" }
        if key.spells("done") { found.done = LogRecord.number(value) ?? 0 }
        if key.spells("total") { found.total = LogRecord.number(value) }
        if key.spells("remainingSeconds") { found.remainingSeconds = LogRecord.number(value) }
      }
      if isProgress { last = found }
    }
    return last
  }

  /// What the last forecast of a job that runs says; nil for one that makes none.
  nonisolated func forecast(_ job: StudioJob) -> String? {
    guard job.state.isLive, job.trains else { return nil }
    var last: String?
    // It is told when it changes, which may be a while ago.
    lastEvents(job, bytes: 1 << 18).forEachLine { record in
      var isForecast = false
      var text: String?
      record.entries { key, value in
        if key.spells("event") { isForecast = value.spells("\"forecast\"") }
        if key.spells("text") { text = LogRecord.text(value) }
      }
      if isForecast { last = text }
    }
    return last
  }

  /// The end of what a job told of itself.
  private nonisolated func lastEvents(_ job: StudioJob, bytes: Int = 1 << 14) -> [UInt8] {
    let url = JobFolder(home, job.id).events.url
    var status = stat()
    guard stat(url.path, &status) == 0 else { return [] }
    let descriptor = open(url.path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return [] }
    defer { close(descriptor) }
    let start = max(0, Int(status.st_size) - bytes)
    return AtomicFile.read(descriptor, at: start, count: Int(status.st_size) - start).bytes
  }

  /// A run with all that its page shows.
  package func view(run id: String) async throws -> RunView {
    try await runs.refreshRunning(and: id)
    let (row, files) = try runs.files(id)
    let about = files.about
    let place = folders.name(files.url)
    return RunView(
      row: row.shown, about: about,
      configuration: files.data("configuration.json").map {
        String(decoding: $0, as: UTF8.self)
      },
      previews: files.previews, files: files.parts,
      resumeCommand: about.map {
        CommandWords.line(
          $0.job.split(separator: " ").map(String.init) + ["--run", place, "--resume"])
      }, place: place)
  }
}
