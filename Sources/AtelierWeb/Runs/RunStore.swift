// The runs that the studio knows: folders on disk, kept in step with the index; the folders are
// right.

import AtelierFiles
import Foundation

/// Keeps the index in step with the folders.
package actor RunStore {
  /// The roots, links resolved.
  package nonisolated let roots: [URL]
  /// The index.
  package nonisolated let index: RunIndex
  /// Counts changes; who shows a list asks again when it grows.
  package private(set) var version = 1
  /// The folders of faces by identity.
  package private(set) var faces: [String: URL] = [:]
  private var hasWalked = false

  package init(roots: [URL], index: RunIndex) {
    self.roots = roots
    self.index = index
  }

  /// Walks through the roots; what changed goes into the index.
  package func refresh() throws {
    let found = RunFinder.walk(roots)
    let locks = RunLocks()
    var known = try index.stamps()
    var changed: [(RunRow, String, String)] = []
    for url in found.runs {
      let files = RunFiles(url)
      let former = known.removeValue(forKey: files.id)
      let stamp = files.stamp
      let isHeld = locks.holds(url)
      if let former, former.stamp == stamp, (former.state == "running") == isHeld { continue }
      let row = former == nil ? nil : try index.run(files.id)
      changed.append(Self.read(files, former: row, stamp: stamp, isHeld: isHeld))
      // Ten thousand new runs go in by parts: the first are seen soon, and lists do not wait for
      // all.
      if changed.count == 250 {
        try put(changed)
        changed = []
      }
    }
    try put(changed, gone: Array(known.keys))
    let faces = Dictionary(found.faces.map { (RunFiles.id(of: $0), $0) }) { first, _ in first }
    if faces != self.faces { version += 1 }
    self.faces = faces
    hasWalked = true
  }

  /// Looks again at the runs that were running, and at one more.
  package func refreshRunning(and id: String? = nil) throws {
    guard hasWalked else { return try refresh() }
    let locks = RunLocks()
    var rows = try index.rows(in: "running")
    if let id, !rows.contains(where: { $0.id == id }), let row = try index.run(id) {
      rows.append(row)
    }
    var changed: [(RunRow, String, String)] = []
    for row in rows {
      let files = RunFiles(URL(fileURLWithPath: row.path))
      let stamp = files.stamp
      let isHeld = locks.holds(files.url)
      guard row.stamp != stamp || (row.state == "running") != isHeld else { continue }
      changed.append(Self.read(files, former: row, stamp: stamp, isHeld: isHeld))
    }
    try put(changed)
  }

  /// Takes a folder in that somebody just made.
  package func add(_ url: URL) throws {
    let files = RunFiles(url)
    guard RunFiles.isRun(url) else { return }
    let former = try index.run(files.id)
    try put([Self.read(files, former: former, stamp: files.stamp, isHeld: RunLocks().holds(url))])
  }

  /// Takes a folder in that a job makes, as soon as it is a run's.
  package func addIfNew(_ url: URL) throws {
    if try index.run(RunFiles.id(of: url)) == nil { try add(url) }
  }

  private func put(_ rows: [(RunRow, String, String)], gone: [String] = []) throws {
    guard !rows.isEmpty || !gone.isEmpty else { return }
    try index.put(rows, gone: gone)
    version += 1
  }

  /// The row of a folder; its log is read from where the former row ended.
  private static func read(
    _ files: RunFiles, former: RunRow?, stamp: String, isHeld: Bool
  ) -> (RunRow, String, String) {
    var log = former?.log ?? LogSummary()
    _ = log.read(files.log)
    let about = files.about
    let arguments = about?.arguments ?? [:]
    let words = arguments.sorted { $0.key < $1.key }
      .map { "\($0.key) \($0.value.joined(separator: " "))" }
    var status = stat()
    let name = ["events.jsonl", "configuration.json"].first {
      stat(files.url.appendingPathComponent($0).path, &status) == 0
    }
    let updated = name == nil ? 0 : FileSizes.modified(status)
    let hasConfiguration =
      stat(files.url.appendingPathComponent("configuration.json").path, &status) == 0
    let created = former?.created ?? (hasConfiguration ? FileSizes.modified(status) : updated)
    let hasState = files.hasState
    let row = RunRow(
      id: files.id, path: files.url.path, name: files.name, job: about?.job ?? "",
      network: arguments["network"]?.first ?? arguments["design"]?.first ?? "",
      state: state(log, isHeld: isHeld), reason: log.reason, step: log.step, total: log.totalSteps,
      metric: log.metric, best: log.best, bestStep: log.bestStep, loss: log.loss, rate: log.rate,
      seconds: log.seconds, remaining: isHeld ? log.remaining : nil,
      bytes: isHeld ? former?.bytes ?? 0 : FileSizes.bytes(files.url), created: created,
      updated: updated, note: files.note, hasState: hasState,
      spark: log.spark.map { String(format: "%.4g", Double($0)) }.joined(separator: ","),
      summary: (try? JSONEncoder().encode(log)).map { String(decoding: $0, as: UTF8.self) } ?? "",
      stamp: stamp)
    return (row, words.joined(separator: " ") + " " + row.job, log.metrics.joined(separator: " "))
  }

  /// The state by the lock and by the last word of the log.
  package static func state(_ log: LogSummary, isHeld: Bool) -> String {
    if isHeld { return "running" }
    switch log.reason {
    case nil: return "lost"
    case "interrupted": return "interrupted"
    case "notFinite": return "failed"
    default: return "finished"
    }
  }

  /// The folder of a run.
  package nonisolated func files(_ id: String) throws -> (row: RunRow, files: RunFiles) {
    guard let row = try index.run(id) else {
      throw StudioError(.missingInput, "there is no run \(id) any more")
    }
    return (row, RunFiles(URL(fileURLWithPath: row.path, isDirectory: true)))
  }
}
