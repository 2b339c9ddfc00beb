// An ablation: one network trained once per unpooling under one protocol, a row of a table and a
// column of pictures each.

import AtelierFiles
import AtelierImages
import AtelierKernels
import AtelierTraining
import AtelierZoo
import Foundation

/// What an ablation says of one unpooling; encodes to the JSON that `--json` prints.
public protocol AblationRow: Sendable, Hashable, Codable {
  /// The titles of the table's columns.
  static var titles: [String] { get }
  /// What stands in them.
  var cells: [String] { get }
}

/// The results of an ablation with their protocol.
public struct AblationReport<Row: AblationRow>: Sendable, Hashable, Codable {
  /// How the figures came about.
  public var `protocol`: String
  /// A row per unpooling.
  public var rows: [Row]

  /// Makes a report of what was measured.
  public init(protocol text: String, rows: [Row]) {
    self.protocol = text
    self.rows = rows
  }
}

/// Trains once per unpooling, at equal parameters, data and steps.
package enum UnpoolingAblation {
  /// How one training went: the smoothed loss at its end, and its seconds.
  package struct Course {
    package let unpooling: Unpooling
    package var loss = Double.nan
    package var seconds = 0.0
  }

  /// Makes and trains the tasks one after the other, and measures each with its averaged weights.
  package static func run<Task: TrainingTask, Row: AblationRow>(
    _ unpoolings: [Unpooling], kernels: Kernels, listener: (Unpooling) -> (any TrainingListener)?,
    task make: (Unpooling) throws -> Task,
    measure: (Task, Course) throws -> (row: Row, pictures: [PictureGrid.Cell])
  ) throws -> (rows: [Row], columns: [[PictureGrid.Cell]]) {
    let results = try unpoolings.map { unpooling in
      let task = try make(unpooling)
      let loop = try task.loop(in: nil, kernels: kernels)
      var course = Course(unpooling: unpooling)
      loop.listeners = [
        ClosureListener { event in
          if case .step(let report) = event { course.loss = report.smoothedLoss }
        }
      ]
      if let listener = listener(unpooling) { loop.listeners.append(listener) }
      let stop = try loop.run()
      course.seconds = stop.seconds
      return try loop.withAverage { try measure(task, course) }
    }
    return (results.map(\.row), results.map(\.pictures))
  }

  /// Columns side by side.
  package static func grid(
    title: String, _ given: [String], _ unpoolings: [Unpooling], _ columns: [[PictureGrid.Cell]]
  ) -> ByteImage {
    PictureGrid(
      title: title, columnTitles: given + unpoolings.map(\.rawValue),
      rows: (columns.first ?? []).indices.map { row in columns.map { $0[row] } }
    ).render()
  }

  /// Writes `unpooling.png` and `unpooling.json` into a folder and tells the table.
  package static func report<Row: AblationRow>(
    _ found: (report: AblationReport<Row>, grid: ByteImage), in folder: String, _ place: JobPlace
  ) throws -> Report {
    let files = ["unpooling.png", "unpooling.json"].map {
      (folder as NSString).appendingPathComponent($0)
    }
    try PictureJob.write(found.grid, to: files[0], place: place)
    try PictureJob.writing(files[1]) {
      let data = try JSONText.data(found.report) + [0x0A]
      try AtomicFile.write(data, to: URL(fileURLWithPath: files[1]))
    }
    place.send(.saved(files[1]))
    var report = Report(value: found.report)
    var table = Table(Row.titles)
    for row in found.report.rows { table.append(row.cells) }
    report.say(table)
    report.say("protocol: \(found.report.protocol)")
    report.say("pictures: \(files[0])")
    report.files = files
    return report
  }
}

extension TrainingRecipe {
  /// What limits an ablation's trainings, in words.
  package var limit: String { steps.map { "\($0) steps" } ?? "\(minutes ?? 0) minutes" }
}

extension JobPlace {
  /// Hears the training of an unpooling, which it is told of first.
  package func listener(of unpooling: Unpooling) -> (any TrainingListener)? {
    remark("unpooling \(unpooling.rawValue):")
    return listener
  }
}
