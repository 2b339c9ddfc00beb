// Runs found in folders, their states, the index that can be deleted, search and order.

import AtelierWeb
import Foundation
import Testing

@Suite struct RunStoreTests {
  private func store(_ root: URL, home: URL? = nil) throws -> RunStore {
    RunStore(roots: [root], index: try RunIndex(in: home))
  }

  private func names(
    _ index: RunIndex, search: String = "", job: String = "", sort: String = "name",
    offset: Int = 0,
    limit: Int = 200
  ) throws -> [String] {
    var query = RunQuery()
    (query.search, query.job, query.sort, query.isAscending) = (search, job, sort, true)
    (query.offset, query.limit) = (offset, limit)
    return try index.page(query).rows.map(\.name)
  }

  @Test func statesComeFromTheLogAndTheLock() async throws {
    try await withFolder { root in
      _ = try root.makeRun(
        "runs/done", ["{\"event\":\"stopped\",\"reason\":\"finished\",\"step\":5}"])
      _ = try root.makeRun(
        "runs/broken", ["{\"event\":\"stopped\",\"reason\":\"notFinite\",\"step\":5}"])
      _ = try root.makeRun(
        "runs/paused", ["{\"event\":\"stopped\",\"reason\":\"interrupted\",\"step\":5}"])
      _ = try root.makeRun("runs/gone", [step(3, loss: 1)])
      let held = try root.makeRun("runs/held", [step(3, loss: 1)])
      let lock = open(held.appendingPathComponent("run.lock").path, O_RDWR)
      #expect(flock(lock, LOCK_EX | LOCK_NB) == 0)
      let store = try self.store(root)
      try await store.refresh()
      let rows = try store.index.page(RunQuery()).rows
      #expect(
        Dictionary(uniqueKeysWithValues: rows.map { ($0.name, $0.state) }) == [
          "done": "finished", "broken": "failed", "paused": "interrupted", "gone": "lost",
          "held": "running",
        ])
      close(lock)
      try await store.refreshRunning()
      #expect(try store.index.page(RunQuery()).rows.first { $0.name == "held" }?.state == "lost")
    }
  }

  @Test func lookingTakesNoLock() async throws {
    try await withFolder { root in
      let run = try root.makeRun("run", [step(3, loss: 1)])
      let store = try self.store(root)
      try await store.refresh()
      let lock = open(run.appendingPathComponent("run.lock").path, O_RDWR)
      defer { close(lock) }
      #expect(flock(lock, LOCK_EX | LOCK_NB) == 0)
    }
  }

  @Test func locksAreReadAsTheSystemWritesThem() {
    let text = """
      1: FLOCK  ADVISORY  WRITE 3529 fe:00:16615186 0 EOF
      1: -> FLOCK  ADVISORY  WRITE 3530 fe:00:99 0 EOF
      2: POSIX  ADVISORY  READ 77 fe:00:42 0 EOF
      3: FLOCK  ADVISORY  READ 78 00:2e:7 0 EOF
      nonsense
      """
    #expect(RunLocks.files(in: text) == [16_615_186, 7])
  }

  @Test func theIndexFollowsTheFolders() async throws {
    try await withFolder { root in
      let run = try root.makeRun("runs/a", [step(3, loss: 1)])
      let store = try self.store(root)
      try await store.refresh()
      let first = await store.version
      try await store.refresh()
      #expect(await store.version == first)
      try run.put(step(3, loss: 1) + "\n" + step(9, loss: 0.5) + "\n", "events.jsonl")
      _ = try root.makeRun("runs/b", [step(1, loss: 1)])
      try await store.refresh()
      #expect(await store.version > first)
      #expect(try store.index.page(RunQuery()).rows.first { $0.name == "a" }?.step == 9)
      try FileManager.default.removeItem(at: run)
      try await store.refresh()
      #expect(try names(store.index) == ["b"])
    }
  }

  @Test func theIndexCanBeDeletedOrDamaged() async throws {
    try await withFolder { folder in
      let root = folder.appendingPathComponent("root")
      _ = try root.makeRun("a", [step(3, loss: 1)])
      let first = try store(root, home: folder)
      try await first.refresh()
      #expect(try names(store(root, home: folder).index) == ["a"])
      try Data("no database".utf8).write(to: folder.appendingPathComponent("index.sqlite"))
      let second = try store(root, home: folder)
      #expect(try names(second.index) == [])
      try await second.refresh()
      #expect(try names(second.index) == ["a"])
    }
  }

  @Test func whatIsNoRunIsLeftOut() async throws {
    try await withFolder { root in
      _ = try root.makeRun("a/b/c/run", [])
      _ = try root.makeRun("a/b/c/d/deep", [])
      _ = try root.makeRun(".hidden/run", [])
      _ = try root.makeRun("elsewhere/run", [])
      try root.put("{}", "settings/configuration.json")
      symlink(
        root.appendingPathComponent("elsewhere").path, root.appendingPathComponent("link").path)
      // A link to the root itself would never end.
      symlink(root.path, root.appendingPathComponent("loop").path)
      let store = try self.store(root)
      try await store.refresh()
      #expect(try store.index.page(RunQuery()).total == 2)
    }
  }

  @Test func searchLooksAtNamesNotesSettingsAndFigures() async throws {
    try await withFolder { root in
      let a = try root.makeRun(
        "winter", ["{\"event\":\"validated\",\"metrics\":{\"psnr\":20},\"step\":1}"])
      _ = try root.makeRun("summer", job: "classify train", [])
      try RunFiles(a).write(note: "with more \"snow\" in it")
      let store = try self.store(root)
      try await store.refresh()
      #expect(try names(store.index, search: "wint") == ["winter"])
      #expect(try names(store.index, search: "SNOW") == ["winter"])
      #expect(try names(store.index, search: "gaussian 50") == ["summer", "winter"])
      #expect(try names(store.index, search: "psnr") == ["winter"])
      #expect(try names(store.index, job: "classify") == ["summer"])
      #expect(
        try names(store.index, search: "psnr", job: "classify") == [])
      for hostile in ["\"", "*", "a OR b", "NEAR(", "';DROP TABLE run;--", "(((", "\u{0}"] {
        _ = try names(store.index, search: hostile)
        _ = try names(store.index, sort: hostile)
      }
      #expect(try names(store.index) == ["summer", "winter"])
    }
  }

  @Test func listsAreOrderedAndCut() async throws {
    try await withFolder { root in
      for number in 1...5 { _ = try root.makeRun("run\(number)", [step(number * 7 % 5, loss: 1)]) }
      let store = try self.store(root)
      try await store.refresh()
      #expect(try names(store.index, sort: "step") == ["run5", "run3", "run1", "run4", "run2"])
      #expect(try names(store.index, offset: 1, limit: 2) == ["run2", "run3"])
      #expect(try names(store.index, limit: -5).count == 1)
    }
  }

  @Test func notesAreKeptInTheRun() async throws {
    try await withFolder { root in
      let files = RunFiles(try root.makeRun("a", []))
      try files.write(note: "first")
      #expect(files.note == "first")
      try files.write(note: "")
      #expect(files.note == "")
      try files.write(note: "")
    }
  }

  @Test func previewsAreOrderedByStep() async throws {
    try await withFolder { root in
      let run = try root.makeRun("a", [])
      for name in [
        "step-0000100.png", "step-0000020.png", "faces-a-00020.jpg", ".part.png", "x.txt",
      ] {
        try run.put("x", "previews/\(name)")
      }
      let previews = RunFiles(run).previews
      #expect(
        previews.map(\.file) == ["faces-a-00020.jpg", "step-0000020.png", "step-0000100.png"])
      #expect(previews.map(\.step) == [20, 20, 100])
      #expect(previews.map(\.series) == ["faces-a", "step", "step"])
    }
  }
}
