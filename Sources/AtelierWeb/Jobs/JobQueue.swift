// The queue: trainings one at a time, other work beside them; every job is a child that outlives
// the studio.

import AtelierFiles
import Foundation
import Subprocess

#if canImport(System)
import System
#else
import SystemPackage
#endif

/// Starts, watches and ends jobs.
package actor JobQueue {
  private let home: StudioHome
  private let tool: Tool
  /// All jobs by identity.
  private var jobs: [String: StudioJob] = [:]
  /// Counts changes.
  package private(set) var version = 1
  /// Whether nothing new is started.
  package private(set) var isPaused = false
  /// How many trainings run at a time.
  private let trainingsAtOnce: Int
  /// How many other jobs run at a time.
  private let worksAtOnce = 2
  /// The bytes that must be free for a job to start.
  private let reserve: Int
  /// The jobs that are children of this studio, not of one before it.
  private var own: Set<String> = []
  /// How long a job is given to save before it may be killed, in seconds.
  package static let patience = 30.0
  /// How many jobs that are over are kept.
  private static let mostKept = 500

  package init(home: StudioHome, tool: Tool, trainingsAtOnce: Int = 1, reserve: Int = 1 << 30) {
    self.home = home
    self.tool = tool
    self.trainingsAtOnce = trainingsAtOnce
    self.reserve = reserve
  }

  /// Takes in the jobs of a studio before this one; where some wait, the queue is paused.
  package func load() {
    let names = (try? FileManager.default.contentsOfDirectory(atPath: home.jobs.path)) ?? []
    for name in names {
      guard let data = try? InputFile.data(JobFolder(home, name).record, limit: 1 << 20),
        let job = try? JSONDecoder().decode(StudioJob.self, from: data), job.id == name
      else { continue }
      jobs[name] = job
    }
    isPaused = jobs.values.contains { $0.state == .queued }
    watchAdopted()
  }

  /// All jobs, newest first.
  package var all: [StudioJob] { jobs.values.sorted { ($1.created, $0.id) < ($0.created, $1.id) } }

  /// A job; throws when there is none.
  package func job(_ id: String) throws -> StudioJob {
    guard let job = jobs[id] else {
      throw StudioError(.missingInput, "there is no job \(id) any more")
    }
    return job
  }

  /// Puts a job at the end of the queue.
  package func add(_ job: StudioJob) throws -> StudioJob {
    if let run = job.run,
      let other = jobs.values.first(where: { $0.run == run && !$0.state.isOver })
    {
      throw StudioError(
        .cannotCreate,
        "\(run): job \(other.id.prefix(6)) works or waits for this run folder already")
    }
    jobs[job.id] = job
    try JobFolder(home, job.id).keep(job)
    version += 1
    prune()
    pump()
    return jobs[job.id] ?? job
  }

  /// Stops or begins to start what waits.
  package func pause(_ value: Bool) {
    isPaused = value
    version += 1
    pump()
  }

  /// Moves a waiting job one place on, to the front by a negative number.
  package func move(_ id: String, by places: Int) throws {
    let job = try job(id)
    var queue = waiting
    guard let index = queue.firstIndex(of: job) else {
      throw StudioError(.usage, "job \(id.prefix(6)) does not wait any more")
    }
    let times = queue.map(\.created)
    queue.remove(at: index)
    queue.insert(job, at: min(max(index + places, 0), queue.count))
    for (job, time) in zip(queue, times) { change(job.id) { $0.created = time } }
    pump()
  }

  private var waiting: [StudioJob] {
    jobs.values.filter { $0.state == .queued }.sorted { ($0.created, $0.id) < ($1.created, $1.id) }
  }

  /// Asks a job to save and stop; takes a waiting one out.
  package func stop(_ id: String) throws {
    let job = try job(id)
    switch job.state {
    case .queued: change(id) { ($0.state, $0.ended) = (.interrupted, Date().timeIntervalSince1970) }
    case .starting, .running:
      _ = Processes.signal(job, SIGINT)
      change(id) { ($0.state, $0.stopped) = (.stopping, Date().timeIntervalSince1970) }
    case .stopping: _ = Processes.signal(job, SIGINT)
    default: throw StudioError(.usage, "job \(id.prefix(6)) is over already")
    }
  }

  /// Kills a job that was asked to stop long enough ago.
  package func kill(_ id: String) throws {
    let job = try job(id)
    guard job.state == .stopping, let stopped = job.stopped,
      Date().timeIntervalSince1970 - stopped >= Self.patience
    else {
      throw StudioError(
        .usage, "a job is killed only \(Int(Self.patience)) s after it was asked to stop")
    }
    _ = Processes.signal(job, SIGKILL, toAll: true)
  }

  /// Takes a job that is over out of the list, with its folder.
  package func forget(_ id: String) throws {
    let job = try job(id)
    guard job.state.isOver else { throw StudioError(.usage, "job \(id.prefix(6)) is not over yet") }
    jobs[id] = nil
    try? FileManager.default.removeItem(at: JobFolder(home, id).url)
    version += 1
  }

  private func prune() {
    for job in all.filter(\.state.isOver).dropFirst(Self.mostKept) { try? forget(job.id) }
  }

  private func change(_ id: String, _ body: (inout StudioJob) -> Void) {
    guard var job = jobs[id] else { return }
    body(&job)
    guard job != jobs[id] else { return }
    jobs[id] = job
    version += 1
    // A record that cannot be written is no reason to lose sight of a job that runs.
    try? JobFolder(home, id).keep(job)
  }

  /// Starts what may start.
  package func pump() {
    for job in waiting {
      if isPaused {
        change(job.id) { $0.waitsFor = "the queue is paused" }
        continue
      }
      if let free = FileSizes.free(home.url), free < reserve {
        let text =
          "only \(free >> 20) MB of disk are free, and \(reserve >> 20) MB are kept: make room"
        change(job.id) { $0.waitsFor = text }
        continue
      }
      let running = jobs.values.filter { $0.state.isLive && $0.trains == job.trains }.count
      guard running < (job.trains ? trainingsAtOnce : worksAtOnce) else {
        change(job.id) { $0.waitsFor = job.trains ? "another training runs" : "other jobs run" }
        continue
      }
      change(job.id) {
        ($0.state, $0.waitsFor, $0.started) = (.starting, nil, Date().timeIntervalSince1970)
      }
      own.insert(job.id)
      Task { await self.start(job.id) }
    }
  }

  private func start(_ id: String) async {
    guard let job = jobs[id] else { return }
    let folder = JobFolder(home, id)
    let events = folder.url.appendingPathComponent("events.jsonl").path
    let flags = ["--events", events] + (job.trains ? [] : ["--json"])
    do {
      let mode: FilePermissions = [.ownerReadWrite]
      let output = try FileDescriptor.open(
        FilePath(folder.output.path), .writeOnly, options: [.create, .truncate], permissions: mode)
      let errors = try FileDescriptor.open(
        FilePath(folder.errors.path), .writeOnly, options: [.create, .truncate], permissions: mode)
      var options = PlatformOptions()
      // A terminal's Ctrl-C and the end of the studio do not reach it.
      options.createSession = true
      let result = try await Subprocess.run(
        .path(FilePath(tool.path)), arguments: Arguments(job.arguments + flags),
        workingDirectory: FilePath(tool.folder), platformOptions: options, input: .none,
        output: .fileDescriptor(output, closeAfterSpawningProcess: true),
        error: .fileDescriptor(errors, closeAfterSpawningProcess: true)
      ) { execution in
        began(id, Int32(execution.processIdentifier.value))
      }
      ended(id, Tool.code(result.terminationStatus))
    } catch {
      change(id) {
        ($0.state, $0.ended) = (.failed, Date().timeIntervalSince1970)
        $0.lastLines = ["atelier could not be started: \(error)"]
      }
    }
    own.remove(id)
    pump()
  }

  private func began(_ id: String, _ process: Int32) {
    change(id) {
      ($0.process, $0.processStart) = (process, Processes.start(process))
      if $0.state == .starting { $0.state = .running }
    }
    // Asked to stop before there was anybody to ask.
    if let job = jobs[id], job.state == .stopping { _ = Processes.signal(job, SIGINT) }
  }

  /// Takes the end of a job in; without a code, that of another studio's child, its own log tells.
  private func ended(_ id: String, _ code: Int32?) {
    let folder = JobFolder(home, id)
    let reason = folder.reason()
    let state: StudioJob.State
    switch code {
    case 0: state = .finished
    case 130, 143: state = .interrupted
    case nil:
      switch reason {
      case "finished": state = .finished
      case "interrupted": state = .interrupted
      case nil: state = .lost
      default: state = .failed
      }
    // Killed, as by a system that lacks memory: it had no last word.
    case 137 where reason == nil: state = .lost
    default: state = .failed
    }
    change(id) {
      ($0.state, $0.code, $0.ended) = (state, code, Date().timeIntervalSince1970)
      if state != .finished { $0.lastLines = folder.lastLines() }
    }
  }

  /// Looks at the children of a studio before this one: they are nobody's to wait for.
  package func watchAdopted() {
    for job in jobs.values where job.state.isLive && !own.contains(job.id) && !Processes.lives(job)
    {
      ended(job.id, nil)
    }
    pump()
  }

  /// Whether any job lives or waits.
  package var isBusy: Bool { jobs.values.contains { !$0.state.isOver } }
}
