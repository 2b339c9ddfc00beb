// The metrics of a training's validations as curves in a picture, drawn anew after each.

import AtelierClassification
import AtelierImages
import AtelierTraining
import AtelierWorkbench
import Foundation

/// Draws chosen metrics over the steps.
final class MetricPlotListener: TrainingListener {
  var isBeside: Bool { true }

  private let file: URL
  private let title: String
  private let metrics: [(key: String, name: String)]
  /// Steps and metrics of the validations so far.
  private var points: [Point] = []

  private struct Point: Codable {
    var step: Int
    var values: [String: Double]
  }

  /// Makes a listener for metrics that are shares in 0...1, each with its name in the legend.
  init(_ file: URL, title: String, metrics: [(key: String, name: String)]) {
    self.file = file
    self.title = title
    self.metrics = metrics
  }

  func prepare(step: Int, checkpoint: String?) throws {
    points =
      try checkpoint.map { try JSONDecoder().decode([Point].self, from: Data($0.utf8)) } ?? []
  }

  func handle(_ event: TrainingEvent) throws {
    guard case .validated(let report) = event else { return }
    let keys = Set(metrics.map(\.key))
    points.append(Point(step: report.step, values: report.metrics.filter { keys.contains($0.key) }))
    guard points.count > 1 else { return }
    let plot = LinePlot(
      title: title, xLabel: "step", yLabel: "%",
      series: metrics.map { metric in
        LinePlot.Series(
          metric.name,
          points: points.compactMap { point in
            point.values[metric.key].map { SIMD2(Double(point.step), 100 * $0) }
          })
      })
    try ImageFile.write(plot.render(), to: file)
  }

  func checkpoint() throws -> String? {
    String(decoding: try JSONEncoder().encode(points), as: UTF8.self)
  }
}
