// The index of runs in SQLite, which makes lists and search fast; it can be deleted, the folders
// hold everything.

import AtelierFiles
import Foundation
import GRDB

/// One run as lists show it.
package struct RunRow: Codable, Sendable, Hashable, FetchableRecord, PersistableRecord {
  package static let databaseTableName = "run"

  package var id: String
  package var path: String
  package var name: String
  package var job: String
  package var network: String
  /// `running`, `finished`, `interrupted`, `failed` or `lost`.
  package var state: String
  package var reason: String?
  package var step: Int
  package var total: Int?
  package var metric: String?
  package var best: Double?
  package var bestStep: Int?
  package var loss: Double?
  package var rate: Double?
  package var seconds: Double?
  package var remaining: Double?
  package var bytes: Int
  package var created: Double
  package var updated: Double
  package var note: String
  package var hasState: Bool
  package var spark: String
  package var summary: String
  package var stamp: String

  /// What the summary says, for the part of it that goes on.
  package var log: LogSummary {
    (try? JSONDecoder().decode(LogSummary.self, from: Data(summary.utf8))) ?? LogSummary()
  }

  /// The row without what only the index needs.
  package var shown: RunRow {
    var row = self
    (row.summary, row.stamp) = ("", "")
    return row
  }

  enum CodingKeys: String, CodingKey, CaseIterable {
    case id, path, name, job, network, state, reason, step, total, metric, best, bestStep, loss,
      rate
    case seconds, remaining, bytes, created, updated, note, hasState, spark, summary, stamp
  }
}

/// What a list is asked for.
package struct RunQuery: Sendable {
  package var search = ""
  package var state = ""
  package var job = ""
  package var sort = "updated"
  package var isAscending = false
  package var offset = 0
  package var limit = 200

  package init() {}
}

/// A part of the list, and how many there are.
package struct RunPage: Codable, Sendable {
  package var total: Int
  package var rows: [RunRow]
}

/// The index.
package final class RunIndex: Sendable {
  private let database: DatabaseQueue
  /// Raised whenever the tables change; an index of another version is built anew.
  private static let version = 2

  /// Opens the index in a folder, or makes it anew where it is damaged or old; nil keeps it in
  /// memory.
  package init(in folder: URL?) throws {
    guard let file = folder?.appendingPathComponent("index.sqlite") else {
      database = try DatabaseQueue()
      try Self.prepare(database)
      return
    }
    func open() throws -> DatabaseQueue {
      var configuration = Configuration()
      configuration.busyMode = .timeout(5)
      configuration.prepareDatabase { try $0.execute(sql: "PRAGMA cache_size = -2000") }
      let database = try DatabaseQueue(path: file.path, configuration: configuration)
      try Self.prepare(database)
      return database
    }
    do { database = try open() } catch {
      // Nothing in it is worth more than a walk through the folders.
      for ending in ["", "-journal", "-wal", "-shm"] { unlink(file.path + ending) }
      database = try open()
    }
    chmod(file.path, 0o600)
  }

  private static func prepare(_ database: DatabaseQueue) throws {
    try database.write { base in
      guard try Int.fetchOne(base, sql: "PRAGMA user_version") != version else { return }
      try base.execute(
        sql: """
          DROP TABLE IF EXISTS run; DROP TABLE IF EXISTS runText;
          CREATE TABLE run (
            id TEXT PRIMARY KEY, path TEXT, name TEXT, job TEXT, network TEXT, state TEXT, reason TEXT,
            step INTEGER, total INTEGER, metric TEXT, best REAL, bestStep INTEGER, loss REAL, rate REAL,
            seconds REAL, remaining REAL, bytes INTEGER, created REAL, updated REAL, note TEXT,
            hasState INTEGER, spark TEXT, summary TEXT, stamp TEXT);
          CREATE INDEX runByTime ON run (updated);
          CREATE INDEX runByName ON run (name);
          CREATE INDEX runByState ON run (state);
          CREATE VIRTUAL TABLE runText USING fts5(
            name, note, arguments, metrics, tokenize = 'unicode61');
          PRAGMA user_version = \(version);
          """)
    }
  }

  /// The columns by which a list is sorted.
  private static let sorts: Set<String> = [
    "name", "job", "network", "state", "step", "best", "loss", "rate", "seconds", "bytes",
    "created",
    "updated", "remaining",
  ]

  /// A part of the list.
  package func page(_ query: RunQuery) throws -> RunPage {
    var conditions: [String] = []
    var arguments: [any DatabaseValueConvertible] = []
    let words = query.search.split { !$0.isLetter && !$0.isNumber }
    if !words.isEmpty {
      conditions.append("rowid IN (SELECT rowid FROM runText WHERE runText MATCH ?)")
      arguments.append(words.map { "\"\($0)\"*" }.joined(separator: " "))
    } else if !query.search.isEmpty {
      conditions.append("instr(name, ?) > 0")
      arguments.append(query.search)
    }
    if !query.state.isEmpty {
      conditions.append("state = ?")
      arguments.append(query.state)
    }
    if !query.job.isEmpty {
      conditions.append("(job = ? OR job LIKE ?)")
      arguments += [query.job, query.job + " %"]
    }
    let filter = conditions.isEmpty ? "" : " WHERE " + conditions.joined(separator: " AND ")
    let column = Self.sorts.contains(query.sort) ? query.sort : "updated"
    let order =
      " ORDER BY run.\(column) IS NULL, run.\(column) \(query.isAscending ? "ASC" : "DESC"), run.id"
    let bounds = " LIMIT \(min(max(query.limit, 1), 1000)) OFFSET \(max(query.offset, 0))"
    return try database.read { base in
      let total = try Int.fetchOne(
        base, sql: "SELECT count(*) FROM run" + filter, arguments: StatementArguments(arguments))
      // Numbers are sorted, not whole rows; those are read only of the part that is shown.
      let chosen = "SELECT rowid AS number FROM run" + filter + order + bounds
      let rows = try RunRow.fetchAll(
        base, sql: "SELECT run.* FROM (\(chosen)) JOIN run ON run.rowid = number" + order,
        arguments: StatementArguments(arguments))
      return RunPage(total: total ?? 0, rows: rows.map(\.shown))
    }
  }

  /// The run of an identity.
  package func run(_ id: String) throws -> RunRow? {
    try database.read { try RunRow.fetchOne($0, key: id) }
  }

  /// The identity and the stamp of all runs.
  package func stamps() throws -> [String: (stamp: String, state: String)] {
    try database.read { base in
      var result: [String: (stamp: String, state: String)] = [:]
      for row in try Row.fetchCursor(base, sql: "SELECT id, stamp, state FROM run").cursorArray() {
        result[row["id"]] = (row["stamp"], row["state"])
      }
      return result
    }
  }

  /// The runs in a state.
  package func rows(in state: String) throws -> [RunRow] {
    try database.read {
      try RunRow.fetchAll($0, sql: "SELECT * FROM run WHERE state = ?", arguments: [state])
    }
  }

  /// Puts rows in, each with the words that search looks at, and takes out those that are gone.
  package func put(_ rows: [(row: RunRow, arguments: String, metrics: String)], gone: [String] = [])
    throws
  {
    guard !rows.isEmpty || !gone.isEmpty else { return }
    try database.write { base in
      // The text of a run has the number of its row: to look for it by a name would read all texts.
      func number(_ id: String) throws -> Int64? {
        try Int64.fetchOne(base, sql: "SELECT rowid FROM run WHERE id = ?", arguments: [id])
      }
      for id in gone {
        if let number = try number(id) {
          try base.execute(sql: "DELETE FROM runText WHERE rowid = ?", arguments: [number])
        }
        try base.execute(sql: "DELETE FROM run WHERE id = ?", arguments: [id])
      }
      for (row, arguments, metrics) in rows {
        try row.save(base)
        guard let number = try number(row.id) else { continue }
        try base.execute(
          sql: """
            INSERT OR REPLACE INTO runText (rowid, name, note, arguments, metrics)
            VALUES (?, ?, ?, ?, ?)
            """, arguments: [number, row.name, row.note, arguments, metrics])
      }
    }
  }
}

extension RowCursor {
  fileprivate func cursorArray() throws -> [Row] {
    var rows: [Row] = []
    while let row = try next() { rows.append(row.copy()) }
    return rows
  }
}
