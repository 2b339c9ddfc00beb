// JSON lines and CSV tables: exact bytes, torn lines cut, rows dropped on resume.

import AtelierFiles
import Foundation
import TestSupport
import Testing

/// Logs have whole lines only, before and after a resume.
struct LogWriterTests {
  private struct Event: Codable, Equatable {
    var step: Int
    var loss: Double
    var file: String = "a/b"
  }

  private func text(_ url: URL) throws -> String {
    String(decoding: try Data(contentsOf: url), as: UTF8.self)
  }

  @Test func `events are one line each with sorted keys`() throws {
    try withScratchFolder { folder in
      let url = folder.appending(path: "events.jsonl")
      let log = try JSONLinesWriter(url)
      try log.append(Event(step: 1, loss: 0.5, file: "a/b\nc"))
      try log.append(Event(step: 2, loss: .nan))
      try log.append(Event(step: 3, loss: -.infinity))
      try log.sync()
      let expected = """
        {"file":"a/b\\nc","loss":0.5,"step":1}
        {"file":"a/b","loss":"nan","step":2}
        {"file":"a/b","loss":"-inf","step":3}

        """
      #expect(try text(url) == expected)
      #expect(log.length == expected.utf8.count)
    }
  }

  @Test func `a log cut at any byte goes on after its last whole line`() throws {
    try withScratchFolder { folder in
      let url = folder.appending(path: "events.jsonl")
      let log = try JSONLinesWriter(url)
      for step in 1...4 { try log.append(Event(step: step, loss: 1 / Double(step))) }
      let whole = try Data(contentsOf: url)
      for count in 0...whole.count {
        try whole.prefix(count).write(to: url)
        let resumed = try JSONLinesWriter(url)
        let kept = whole.prefix(count).lastIndex(of: 0x0A).map { $0 + 1 } ?? 0
        #expect(resumed.length == kept, "cut after \(count)")
        try resumed.append(Event(step: 7, loss: 0))
        let tail = Data("{\"file\":\"a/b\",\"loss\":0,\"step\":7}\n".utf8)
        #expect(try Data(contentsOf: url) == whole.prefix(kept) + tail)
      }
    }
  }

  @Test func `a torn line longer than a block is cut`() throws {
    try withScratchFolder { folder in
      let url = folder.appending(path: "events.jsonl")
      for tail in [4095, 4096, 4097, 20_000] {
        try (Data("{}\n".utf8) + Data(repeating: 0x20, count: tail)).write(to: url)
        #expect(try JSONLinesWriter(url).length == 3)
        try Data(repeating: 0x20, count: tail).write(to: url)
        #expect(try JSONLinesWriter(url).length == 0)
      }
    }
  }

  @Test func `a log goes on from a saved length`() throws {
    try withScratchFolder { folder in
      let url = folder.appending(path: "events.jsonl")
      let log = try JSONLinesWriter(url)
      try log.append(1)
      let saved = log.length
      try log.append(2)
      for length in [saved - 1, log.length + 1, -1] {
        #expect(throws: FileError.self) { try JSONLinesWriter(url, keeping: length) }
        #expect(try text(url) == "1\n2\n")
      }
      try JSONLinesWriter(url, keeping: saved).append(3)
      #expect(try text(url) == "1\n3\n")
      _ = try JSONLinesWriter(url, keeping: 0)
      #expect(try text(url) == "")
    }
  }

  @Test func `events from many tasks do not mix`() async throws {
    let url = FileManager.default.temporaryDirectory
      .appending(path: "interchange-tests-\(UUID().uuidString).jsonl")
    defer { try? FileManager.default.removeItem(at: url) }
    let log = try JSONLinesWriter(url)
    try await withThrowingTaskGroup(of: Void.self) { group in
      for task in 0..<8 {
        group.addTask {
          for step in 0..<50 { try log.append(Event(step: task * 50 + step, loss: 1)) }
        }
      }
      try await group.waitForAll()
    }
    let steps = try text(url).split(separator: "\n").map {
      try JSONDecoder().decode(Event.self, from: Data($0.utf8)).step
    }
    #expect(steps.sorted() == Array(0..<400))
  }

  @Test func `a value that cannot be encoded leaves the log as it was`() throws {
    struct Failing: Encodable {
      func encode(to encoder: any Encoder) throws {
        throw EncodingError.invalidValue(0, .init(codingPath: [], debugDescription: ""))
      }
    }
    try withScratchFolder { folder in
      let url = folder.appending(path: "events.jsonl")
      let log = try JSONLinesWriter(url)
      try log.append(1)
      #expect(throws: EncodingError.self) { try log.append(Failing()) }
      #expect(try text(url) == "1\n")
      #expect(throws: FileError.self) { try JSONLinesWriter(folder) }
    }
  }

  @Test func `a table has its header once and short numbers`() throws {
    try withScratchFolder { folder in
      let url = folder.appending(path: "log.csv")
      try Data("former".utf8).write(to: url)
      let log = try CSVLogWriter(url, columns: ["loss", "psnr, \"dB\""])
      try log.append(step: 1, [Double(Float(0.1)), nil])
      try log.append(step: 2, [.nan, 28.5])
      try log.append(step: 3, [1e-7, -.infinity])
      try log.sync()
      #expect(
        try text(url) == """
          step,loss,"psnr, ""dB\"""
          1,0.1,
          2,nan,28.5
          3,1e-07,-inf

          """)
    }
  }

  @Test func `a resumed table drops later rows and a torn one`() throws {
    try withScratchFolder { folder in
      let url = folder.appending(path: "log.csv")
      let log = try CSVLogWriter(url, columns: ["loss"])
      for step in 1...5 { try log.append(step: step * 10, [Double(step)]) }
      let whole = try Data(contentsOf: url)
      for count in 0...whole.count {
        for last in [0, 10, 29, 30, 90] {
          try whole.prefix(count).write(to: url)
          let resumed = try CSVLogWriter(resuming: url, columns: ["loss"], through: last)
          try resumed.append(step: 99, [9])
          let steps = try text(url).split(separator: "\n").dropFirst().map {
            $0.prefix { $0 != "," }
          }
          let rows = whole.prefix(count).count { $0 == 0x0A } - 1
          let expected = (0..<max(0, rows)).map { ($0 + 1) * 10 }.filter { $0 <= last } + [99]
          #expect(steps.map(String.init) == expected.map(String.init), "cut \(count), step \(last)")
          #expect(try text(url).hasPrefix("step,loss\n"))
        }
      }
      #expect(try names(in: folder) == ["log.csv"])
    }
  }

  @Test func `a table that is not ours is refused and left alone`() throws {
    try withScratchFolder { folder in
      let url = folder.appending(path: "log.csv")
      for (content, expected) in [
        ("step,accuracy\n1,2\n", "line 1: expected the columns \"step,loss\", received \"step,acc"),
        ("step,loss\n1,2\nx,3\n", "line 3: expected a step, received \"x\""),
        ("step,loss\n\n", "line 2: expected a step, received \"\""),
      ] {
        try Data(content.utf8).write(to: url)
        let error = #expect(throws: FileError.self) {
          try CSVLogWriter(resuming: url, columns: ["loss"], through: 5)
        }
        #expect(error?.description.contains(expected) == true, "\(String(describing: error))")
        #expect(try text(url) == content)
      }
      let fresh = folder.appending(path: "fresh.csv")
      try CSVLogWriter(resuming: fresh, columns: ["a"], through: 3).append(step: 4, [1])
      #expect(try text(fresh) == "step,a\n4,1.0\n")
    }
  }
}
