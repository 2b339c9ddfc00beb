// Logs that grow, tear and begin anew while they are read, and what lists show of them.

import AtelierWeb
import Foundation
import Testing

@Suite struct EventLogTests {
  private func lines(_ news: LogNews) -> (String, LogPosition)? {
    guard case .lines(let bytes, let next) = news else { return nil }
    return (String(decoding: bytes, as: UTF8.self), next)
  }

  @Test func onlyWholeLinesAreRead() async throws {
    try await withFolder { folder in
      try folder.put("{\"a\":1}\n{\"b\":2}\n{\"c\"", "events.jsonl")
      let log = EventLog(folder.appendingPathComponent("events.jsonl"))
      let (text, next) = try #require(lines(log.news(since: LogPosition())))
      #expect(text == "{\"a\":1}\n{\"b\":2}\n")
      #expect(next.offset == 16)
      #expect(log.news(since: next) == .same)
      try folder.put("{\"a\":1}\n{\"b\":2}\n{\"c\":3}\n", "events.jsonl")
      #expect(lines(log.news(since: next))?.0 == "{\"c\":3}\n")
    }
  }

  @Test func aMissingLogIsEmptyAndALostOneBeganAnew() async throws {
    try await withFolder { folder in
      let log = EventLog(folder.appendingPathComponent("events.jsonl"))
      #expect(log.news(since: LogPosition()) == .same)
      #expect(log.news(since: LogPosition(offset: 8)) == .reset)
    }
  }

  @Test func aShorterLogBeganAnew() async throws {
    try await withFolder { folder in
      try folder.put("{\"a\":1}\n{\"b\":2}\n", "events.jsonl")
      let log = EventLog(folder.appendingPathComponent("events.jsonl"))
      let (_, next) = try #require(lines(log.news(since: LogPosition())))
      try folder.put("{\"a\":1}\n", "events.jsonl")
      #expect(log.news(since: next) == .reset)
    }
  }

  @Test func aLogThatWasCutAndGrewPastTheOldLengthBeganAnew() async throws {
    try await withFolder { folder in
      try folder.put("{\"a\":1}\n{\"b\":2}\n", "events.jsonl")
      let log = EventLog(folder.appendingPathComponent("events.jsonl"))
      let (_, next) = try #require(lines(log.news(since: LogPosition())))
      try folder.put("{\"a\":1}\n{\"b\":3}\n{\"c\":3}\n", "events.jsonl")
      #expect(log.news(since: next) == .reset)
      // Of an address only the byte is known: it must at least be the end of a line.
      #expect(log.news(since: LogPosition(offset: 5)) == .reset)
      #expect(lines(log.news(since: LogPosition(offset: 8)))?.1.offset == 24)
    }
  }

  @Test func aLineLongerThanTheLimitIsReadWhole() async throws {
    try await withFolder { folder in
      let line = "{\"text\":\"" + String(repeating: "x", count: 5000) + "\"}\n"
      try folder.put(line, "events.jsonl")
      let log = EventLog(folder.appendingPathComponent("events.jsonl"))
      #expect(lines(log.news(since: LogPosition(), limit: 100))?.0 == line)
    }
  }

  @Test func aFolderOrAPipeIsNoLog() async throws {
    try await withFolder { folder in
      try FileManager.default.createDirectory(
        at: folder.appendingPathComponent("events.jsonl"), withIntermediateDirectories: false)
      #expect(EventLog(folder.appendingPathComponent("events.jsonl")).news(since: .init()) == .same)
      #expect(mkfifo(folder.appendingPathComponent("pipe").path, 0o600) == 0)
      #expect(EventLog(folder.appendingPathComponent("pipe")).news(since: .init()) == .same)
    }
  }

  @Test func aRealRunIsSummed() throws {
    var summary = LogSummary()
    let isNew = summary.read(RunFiles(realRun).log)
    #expect(isNew)
    #expect(summary.step == 200)
    #expect(summary.totalSteps == 200)
    #expect(summary.metric == "psnr")
    #expect(summary.best == 16.678769180177667)
    #expect(summary.bestStep == 200)
    #expect(summary.reason == "finished")
    #expect(summary.metrics.sorted() == ["psnr", "training_loss"])
    #expect(summary.spark.count == 20)
    #expect(summary.position.offset == 12426)
    let isChanged = summary.read(RunFiles(realRun).log)
    #expect(!isChanged)
    #expect(RunFiles(realRun).about?.job == "denoise train")
    #expect(RunFiles(realRun).about?.arguments["noise"] == ["gaussian:0-50"])
  }

  @Test func partsGiveTheSameAsTheWhole() async throws {
    let text = try String(
      contentsOf: realRun.appendingPathComponent("events.jsonl"), encoding: .utf8)
    var whole = LogSummary()
    _ = whole.read(RunFiles(realRun).log)
    try await withFolder { folder in
      let log = EventLog(folder.appendingPathComponent("events.jsonl"))
      var parts = LogSummary()
      for end in stride(from: 0, through: text.count, by: 701) + [text.count] {
        try folder.put(String(text.prefix(end)), "events.jsonl")
        _ = parts.read(log)
      }
      #expect(parts == whole)
    }
  }

  @Test func aLogThatBeganAnewForgetsTheOldOne() async throws {
    try await withFolder { folder in
      let log = EventLog(folder.appendingPathComponent("events.jsonl"))
      try folder.put(step(10, loss: 1) + "\n" + step(20, loss: 2) + "\n", "events.jsonl")
      var summary = LogSummary()
      _ = summary.read(log)
      #expect(summary.step == 20)
      try folder.put(step(5, loss: 1) + "\n", "events.jsonl")
      let isNew = summary.read(log)
      #expect(isNew)
      #expect(summary.step == 5)
      #expect(summary.spark == [1])
    }
  }

  @Test func aLongCurveStaysSmall() async throws {
    try await withFolder { folder in
      let text = (1...5000).map { step($0, loss: 1 / Double($0)) + "\n" }.joined()
      try folder.put(text, "events.jsonl")
      var summary = LogSummary()
      _ = summary.read(EventLog(folder.appendingPathComponent("events.jsonl")))
      #expect((20...48).contains(summary.spark.count))
      #expect(summary.spark.first == 1)
      #expect(zip(summary.spark, summary.spark.dropFirst()).allSatisfy { $0 > $1 })
    }
  }

  @Test(arguments: [
    "", "{}", "{", "[1]", "{\"event\"", "{\"event\":}", "{\"event\":\"step\",\"step\":}",
    "{\"event\":\"step\",\"step\":1e999}", "{\"event\":\"step\",\"step\":\"7\"}", "\u{0}\u{1}",
    "{\"event\":\"step\",\"loss\":\"nan\",\"smoothedLoss\":\"inf\",\"step\":-3}", "{\"a\":\"\\",
    "{\"event\":\"improved\",\"metric\":5,\"value\":{},\"step\":[}]}",
  ])
  func damagedLinesDoNoHarm(_ line: String) async throws {
    try await withFolder { folder in
      try folder.put(line + "\n" + step(3, loss: 0.5) + "\n", "events.jsonl")
      var summary = LogSummary()
      _ = summary.read(EventLog(folder.appendingPathComponent("events.jsonl")))
      #expect(summary.step == 3)
      #expect(summary.loss == 0.5)
    }
  }

  @Test func escapesAreRead() {
    var found: [String: String] = [:]
    Array("{\"a\":\"x \\\"y\\\" \\u00e9\",\"b\":{\"c\":[1,\"}\"]} , \"d\":-2.5e3}\n".utf8)
      .forEachLine { record in
        record.entries { key, value in
          found[String(decoding: key, as: UTF8.self)] =
            LogRecord.text(value) ?? LogRecord.number(value).map { "\($0)" }
            ?? String(decoding: value, as: UTF8.self)
        }
      }
    #expect(found == ["a": "x \"y\" é", "b": "{\"c\":[1,\"}\"]}", "d": "-2500.0"])
  }
}
