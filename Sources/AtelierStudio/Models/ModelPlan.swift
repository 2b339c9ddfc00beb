// `model plan`: how a program runs.

import AtelierEngine
import AtelierTraining
import AtelierWorkbench

/// Which model is planned, and for what.
public struct ModelPlanRequest: JobRequest, Hashable {
  public var choice = ModelChoice()
  public var train = false
  public var loss = Loss.absoluteError

  public init() {}

  public static var form: Form<Self> {
    Form(
      ModelChoice.form.fields.map { $0.within(\.choice) } + [
        Field(flag: "train", \.train, "Plan a training step instead of inference"),
        Field("loss", \.loss, "The loss of the training step", value: "loss").byDefault(nil),
      ])
  }
}

/// Prints the plan.
public enum ModelPlan: Job {
  public static let workshop = "model"
  public static let name = "plan"
  public static let summary = "Print how a program runs: its steps and where every value lies."
  public static let takesPrecision = false

  public static func run(_ request: ModelPlanRequest, in place: JobPlace) throws -> Report {
    let (graph, title, _) = try request.choice.load()
    let ready =
      try request.train ? graph.training(loss: request.loss) : graph.specialized(for: .infer)
    let plan = Plan(ready, kernels: place.kernels)
    let steps = plan.description.split(separator: "\n").dropLast().map(String.init)
    var report = Report(
      value: JSONEntries([("model", title), ("steps", steps), ("arena_floats", plan.arenaCount)]))
    report.say(plan.description)
    return report
  }
}
