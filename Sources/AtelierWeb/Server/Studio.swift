// The studio: what routes share, and the beat that looks at runs and jobs while somebody watches.

import AtelierFiles
import CStudioSite
import Foundation

/// What the program was started with.
package struct StudioSettings: Sendable {
  /// The folders that the studio may look into; the first is where commands run.
  package var roots: [URL]
  package var home: URL
  package var tool: String?
  package var trainingsAtOnce = 1
  /// The bytes of disk that must stay free.
  package var reserve = 1 << 30
  /// Whether the index is kept in memory alone.
  package var keepsIndex = true

  package init(roots: [URL], home: URL) {
    self.roots = roots
    self.home = home
  }
}

/// Everything that requests are answered from.
package actor Studio {
  package nonisolated let settings: StudioSettings
  package nonisolated let home: StudioHome
  package nonisolated let tool: Tool
  package nonisolated let folders: Folders
  package nonisolated let runs: RunStore
  package nonisolated let queue: JobQueue
  package nonisolated let uploads: Uploads
  package nonisolated let checks = CheckLimit(4)
  private nonisolated let lock: Int32
  private var forms: (data: Data, forms: StudioForms)?
  private var models: [ModelEntry]?
  private var watchers = 0

  /// Opens a studio.
  package init(_ settings: StudioSettings) throws {
    var settings = settings
    settings.roots = try settings.roots.map { root in
      guard let real = Folders.real(root.path), FileSizes.isFolder(URL(fileURLWithPath: real))
      else {
        throw StudioError(.missingInput, "\(root.path): expected a folder")
      }
      return URL(fileURLWithPath: real)
    }
    guard let first = settings.roots.first else { throw StudioError(.usage, "expected a root") }
    self.settings = settings
    home = try StudioHome(settings.home)
    lock = try home.hold()
    tool = try Tool.find(settings.tool, folder: first.path)
    folders = Folders(roots: settings.roots)
    runs = RunStore(
      roots: settings.roots, index: try RunIndex(in: settings.keepsIndex ? home.url : nil))
    queue = JobQueue(
      home: home, tool: tool, trainingsAtOnce: settings.trainingsAtOnce, reserve: settings.reserve)
    uploads = Uploads(home)
  }

  deinit { close(lock) }

  /// The forms of all jobs, asked for once.
  package func described() async throws -> (data: Data, forms: StudioForms) {
    if let forms { return forms }
    let data = try await tool.json(["describe"])
    let decoded: StudioForms
    do { decoded = try JSONDecoder().decode(StudioForms.self, from: data) } catch {
      throw StudioError(
        .data, "\(tool.path): expected the forms of this version's atelier, received others")
    }
    forms = (data, decoded)
    return (data, decoded)
  }

  /// The models that have a name.
  package func shippedModels() async throws -> [ModelEntry] {
    if let models { return models }
    let found = try JSONDecoder().decode(
      [ModelEntry].self, from: await tool.json(["model", "list"]))
    models = found
    return found
  }

  // MARK: - The beat

  /// Counts somebody who watches in.
  package func enter() { watchers += 1 }
  /// Counts somebody out.
  package func leave() { watchers -= 1 }

  /// Looks at runs and jobs again and again: often while somebody watches, else only after jobs.
  package func beat() async {
    await queue.load()
    try? await runs.refresh()
    var beats = 0
    while !Task.isCancelled {
      if watchers > 0 {
        beats += 1
        // Errors here are those of a disk, and the next request meets them again.
        if beats % 5 == 1 { try? await runs.refresh() } else { try? await runs.refreshRunning() }
        for job in await queue.all where job.state.isLive {
          if let run = job.run { try? await runs.addIfNew(URL(fileURLWithPath: run)) }
        }
      } else {
        if beats > 0 { studio_give_back() }
        beats = 0
      }
      await queue.watchAdopted()
      try? await Task.sleep(for: .seconds(watchers > 0 ? 1 : 2))
    }
  }
}

/// Lets only so many wait for the tool at once, so that a page in a loop does not fill the machine
/// with processes.
package actor CheckLimit {
  private var free: Int
  private var waiting: [CheckedContinuation<Void, Never>] = []

  package init(_ count: Int) { free = count }

  /// Runs a body when there is room; refuses when too many wait.
  package func run<Result: Sendable>(_ body: @Sendable () async throws -> Result) async throws
    -> Result
  {
    if free > 0 {
      free -= 1
    } else {
      guard waiting.count < 64 else {
        throw StudioError(.noMemory, "too many requests wait for the tool")
      }
      await withCheckedContinuation { waiting.append($0) }
    }
    defer { if waiting.isEmpty { free += 1 } else { waiting.removeFirst().resume() } }
    return try await body()
  }
}

/// A model with a name.
package struct ModelEntry: Codable, Sendable {
  package var name: String
  package var file: String
  package var task: String?
  package var architecture: String?
  package var parameters: Int?
}
