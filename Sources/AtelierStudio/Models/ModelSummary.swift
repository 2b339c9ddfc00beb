// `model summary`: the table of layers.

import AtelierEngine
import AtelierInterchange
import AtelierWorkbench

/// Prints the table of layers.
public enum ModelSummary: Job {
  public static let workshop = "model"
  public static let name = "summary"
  public static let summary = "Print layers, output shapes and parameter counts."
  public static let takesPrecision = false

  public static func run(_ request: ModelChoice, in place: JobPlace) throws -> Report {
    let (graph, title, information) = try request.load()
    let layers = graph.summaryRows().map {
      JSONEntries([
        ("name", $0.name), ("type", $0.type), ("output", $0.outputShape),
        ("parameters", $0.parameterCount), ("inputs", $0.inputs),
      ])
    }
    var report = Report(
      value: JSONEntries([
        ("model", title), ("layers", layers), ("total", graph.parameterCount),
        ("trainable", graph.trainableParameterCount), ("information", information),
      ]))
    report.say(graph.summary(title: title))
    guard let information else { return report }
    report.say("\n task: \(information.task); input: \(information.preprocessing)")
    if !information.classNames.isEmpty {
      report.say(" classes: \(information.classNames.joined(separator: ", "))")
    }
    for (name, text) in information.training.sorted(by: { $0.key < $1.key }) {
      report.say(" trained with \(name): \(text)")
    }
    for (name, value) in information.figures.sorted(by: { $0.key < $1.key }) {
      report.say(" \(name): \(NumberText.fixed(value, 4))")
    }
    return report
  }
}
