// Jobs as children: their ends, one training at a time, a studio that starts again, kills only
// with patience.

import AtelierFiles
import AtelierWeb
import Foundation
import Testing

@Suite struct JobQueueTests {
  private func add(
    _ studio: Studio, _ path: String = "denoise run",
    _ words: [String: [String]] = ["output": ["@results"]]
  ) async throws -> StudioJob {
    try await studio.queue.add(try await studio.job(JobAsk(path: path, words: words)))
  }

  private func state(_ studio: Studio, _ job: StudioJob) async throws -> StudioJob.State {
    try await studio.queue.job(job.id).state
  }

  @Test func aJobThatEndsWellIsFinished() async throws {
    try await withFolder { folder in
      let studio = try folder.makeStudio(
        "mkdir -p \"$output\"; echo x > \"$output/a.png\"; say '{\"event\":\"stopped\",\"reason\":\"finished\"}'; echo '{}'"
      )
      let job = try await add(studio)
      #expect(try await eventually { try await state(studio, job) == .finished })
      let ended = try await studio.queue.job(job.id)
      #expect(ended.code == 0)
      #expect(JobFolder(studio.home, job.id).resultFiles() == ["a.png"])
      #expect(job.arguments.last?.hasSuffix("/\(job.id)/results") == true)
    }
  }

  @Test func aJobThatFailsTellsItsCodeAndItsLastLines() async throws {
    try await withFolder { folder in
      let studio = try folder.makeStudio("echo 'atelier: bad.png: damaged' >&2; exit 65")
      let job = try await add(studio)
      #expect(try await eventually { try await state(studio, job) == .failed })
      let ended = try await studio.queue.job(job.id)
      #expect(ended.code == 65)
      #expect(ended.lastLines == ["atelier: bad.png: damaged"])
    }
  }

  @Test func aToolThatIsGoneFails() async throws {
    try await withFolder { folder in
      let studio = try folder.makeStudio()
      _ = try await studio.described()
      unlink(folder.appendingPathComponent("tool/atelier").path)
      let job = try await add(studio)
      #expect(try await eventually { try await state(studio, job) == .failed })
    }
  }

  @Test func stoppingSavesAndKillingTakesPatience() async throws {
    try await withFolder { folder in
      let studio = try folder.makeStudio(
        "trap 'say \"{\\\"event\\\":\\\"stopped\\\",\\\"reason\\\":\\\"interrupted\\\"}\"; exit 130' INT; say '{}'; while :; do sleep 0.05; done"
      )
      let job = try await add(studio)
      let log = JobFolder(studio.home, job.id).events
      #expect(try await eventually { log.news(since: LogPosition()) != .same })
      await #expect(throws: StudioError.self) { try await studio.queue.kill(job.id) }
      try await studio.queue.stop(job.id)
      await #expect(throws: StudioError.self) { try await studio.queue.kill(job.id) }
      #expect(try await eventually { try await state(studio, job) == .interrupted })
    }
  }

  @Test func aKilledJobIsLost() async throws {
    try await withFolder { folder in
      let studio = try folder.makeStudio("kill -9 $$")
      let job = try await add(studio)
      #expect(try await eventually { try await state(studio, job) == .lost })
      #expect(try await studio.queue.job(job.id).code == 137)
    }
  }

  @Test func oneTrainingRunsAtATime() async throws {
    try await withFolder { folder in
      let studio = try folder.makeStudio(
        "while [ ! -e \"$(dirname \"$0\")/go\" ]; do sleep 0.05; done")
      let first = try await add(studio, "denoise train", ["run": ["a"]])
      let second = try await add(studio, "denoise train", ["run": ["b"]])
      let third = try await add(studio, "denoise train", ["run": ["c"]])
      await #expect(throws: StudioError.self) {
        _ = try await add(studio, "denoise train", ["run": ["./a"]])
      }
      #expect(try await eventually { try await state(studio, first) == .running })
      #expect(try await state(studio, second) == .queued)
      #expect(try await studio.queue.job(second.id).waitsFor == "another training runs")
      try await studio.queue.move(third.id, by: -1)
      try await studio.queue.stop(second.id)
      #expect(try await state(studio, second) == .interrupted)
      try folder.put("", "tool/go")
      #expect(try await eventually { try await state(studio, third) == .finished })
    }
  }

  @Test func aPausedQueueStartsNothing() async throws {
    try await withFolder { folder in
      let studio = try folder.makeStudio()
      await studio.queue.pause(true)
      let job = try await add(studio)
      #expect(try await studio.queue.job(job.id).waitsFor == "the queue is paused")
      await studio.queue.pause(false)
      #expect(try await eventually { try await state(studio, job) == .finished })
    }
  }

  @Test func aFullDiskStartsNothing() async throws {
    try await withFolder { folder in
      let studio = try folder.makeStudio(reserve: .max)
      let job = try await add(studio)
      #expect(try await state(studio, job) == .queued)
      #expect(try await studio.queue.job(job.id).waitsFor?.contains("make room") == true)
    }
  }

  @Test func aStudioThatStartsAgainKnowsItsJobs() async throws {
    try await withFolder { folder in
      let studio = try folder.makeStudio()
      let home = studio.home
      // As a studio that was killed left them: one whose process lives, one that ended, one that
      // is gone, one that waits.
      let living = Process()
      living.executableURL = URL(fileURLWithPath: "/bin/sleep")
      living.arguments = ["60"]
      try living.run()
      defer { kill(living.processIdentifier, SIGKILL) }
      func leave(_ id: String, _ state: StudioJob.State, process: Int32?, _ log: String = "") throws
      {
        var job = StudioJob(
          id: id, path: "denoise run", words: [:], arguments: ["denoise", "run"],
          trains: id.hasPrefix("3"))
        (job.state, job.process) = (state, process)
        job.processStart = process.flatMap { Processes.start($0) } ?? "1"
        try JobFolder(home, id).keep(job)
        try JobFolder(home, id).url.put(log, "events.jsonl")
      }
      let ids = (0...4).map { String(repeating: "\($0)", count: 16) }
      try leave(ids[0], .running, process: living.processIdentifier)
      try leave(
        ids[1], .running, process: 999_999_999, "{\"event\":\"stopped\",\"reason\":\"finished\"}\n")
      try leave(ids[2], .stopping, process: 999_999_999, "{\"event\":\"note\",\"text\":\"x\"}\n")
      try leave(ids[3], .queued, process: nil)
      try leave(
        ids[4], .running, process: 999_999_999, "{\"event\":\"stopped\",\"reason\":\"failed: x\"}\n"
      )
      let queue = JobQueue(home: home, tool: studio.tool, reserve: 0)
      await queue.load()
      let states = await Dictionary(uniqueKeysWithValues: queue.all.map { ($0.id, $0.state) })
      #expect(
        states == [
          ids[0]: .running, ids[1]: .finished, ids[2]: .lost, ids[3]: .queued, ids[4]: .failed,
        ])
      #expect(await queue.isPaused)
      kill(living.processIdentifier, SIGKILL)
      living.waitUntilExit()
      await queue.watchAdopted()
      #expect(try await queue.job(ids[0]).state == .lost)
    }
  }

  @Test func theNumberOfAnotherProcessIsNotOurs() throws {
    let own = getpid()
    var job = StudioJob(id: "0", path: "x", words: [:], arguments: [], trains: false)
    job.process = own
    job.processStart = Processes.start(own)
    #expect(Processes.lives(job))
    job.processStart = "12"
    #expect(!Processes.lives(job))
    #expect(!Processes.signal(job, SIGKILL))
    #expect(Processes.start(1 << 30) == nil)
  }

  @Test func wordsLeadNowhereElse() async throws {
    try await withFolder { folder in
      let studio = try folder.makeStudio()
      try folder.put("x", "secret.png")
      for word in [
        "/etc/passwd", "../secret.png", "a/../../secret.png", "upload:../../x",
        "result:../..:0", "@results/../../../x", "upload:0123456789abcdef",
      ] {
        await #expect(throws: StudioError.self) {
          _ = try await studio.job(JobAsk(path: "denoise run", words: ["in": [word]]))
        }
      }
      await #expect(throws: StudioError.self) {
        _ = try await studio.job(JobAsk(path: "denoise train", words: ["run": ["../run"]]))
      }
      await #expect(throws: StudioError.self) {
        _ = try await studio.job(JobAsk(path: "sh -c", words: [:]))
      }
    }
  }

  @Test func checksNameTheField() async throws {
    try await withFolder { folder in
      let studio = try folder.makeStudio()
      let check = try await studio.check(
        JobAsk(path: "denoise run", words: ["sigma": ["300"], "output": ["@results"]]))
      #expect(!check.isRight)
      #expect(check.field == "sigma")
      #expect(check.error?.hasPrefix("--sigma takes 0 to 255; received 300") == true)
      let right = try await studio.check(
        JobAsk(path: "denoise run", words: ["sigma": ["30"], "output": ["out"]]))
      #expect(right.isRight)
      #expect(right.command == "atelier denoise run --output out --sigma 30")
    }
  }
}
