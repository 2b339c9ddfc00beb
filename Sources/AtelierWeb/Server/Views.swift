// What the page is told: jobs with their progress, runs with their files, the disk.

import AtelierFiles
import Foundation

/// A job as the page shows it.
package struct JobView: Encodable, Sendable {
  var job: StudioJob
  var progress: JobProgress?

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
    case waitsFor, progress, inputs, words
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
    var views: [JobView] = []
    for job in shown { views.append(JobView(job: job, progress: progress(job))) }
    return StudioView(
      runs: await runs.version, jobs: views, isPaused: await queue.isPaused,
      diskFree: FileSizes.free(home.url))
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
    let url = JobFolder(home, job.id).events.url
    var status = stat()
    guard stat(url.path, &status) == 0 else { return nil }
    let descriptor = open(url.path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return nil }
    defer { close(descriptor) }
    let start = max(0, Int(status.st_size) - 16384)
    let bytes = AtomicFile.read(descriptor, at: start, count: Int(status.st_size) - start).bytes
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
