// `model time`: how long a model takes on this machine, whole or node by node.

import AtelierEngine
import AtelierFiles
import AtelierInterchange
import AtelierKernels
import AtelierTraining
import AtelierWorkbench
import Foundation

/// Which model is timed, and how.
public struct ModelTimeRequest: JobRequest, Hashable {
  public var choice = ModelChoice()
  public var train = false
  public var loss = Loss.absoluteError
  public var nodes = false
  public var seconds = 3.0

  public init() {}

  public static var form: Form<Self> {
    Form(
      ModelChoice.form.fields.map { $0.within(\.choice) } + [
        Field(flag: "train", \.train, "Time a training step instead of inference"),
        Field("loss", \.loss, "The loss of the training step", value: "loss").byDefault(nil),
        Field(flag: "nodes", \.nodes, "Time every node of the program instead"),
        Field(
          "seconds", \.seconds, "How long to time at least", value: "s", .from(0, to: 3600)),
      ])
  }
}

/// Times any model as the benchmark times its workloads.
public enum ModelTime: Job {
  public static let workshop = "model"
  public static let name = "time"
  public static let summary = "Time a model on this machine, whole or node by node."
  public static let guide = """
    The time is the median of at least five runs of the planned program on random pictures that \
    are in place. MODEL may be an ONNX file too, at the sizes that it has. GFLOP/s count the \
    operations of direct convolution, two a multiply-add, whatever algorithm runs.

    EXAMPLES
      atelier model time mobilenet-v2 --threads 1
      atelier model time network.onnx --nodes
      atelier model time runs/mine/best.safetensors --size 512x512 --batch 4
    """

  public static func run(_ request: ModelTimeRequest, in place: JobPlace) throws -> Report {
    let timing = try timing(request, place.kernels)
    var report = Report()
    let batch = request.choice.batch
    let what = request.train ? "training step" : "inference"
    report.note(
      "\(request.choice.model), \(what), "
        + timing.program.inputs.map { "\($0.name) \($0.shape)" }.joined(separator: ", ")
        + ", \(place.kernels.instructionSet.rawValue), \(place.kernels.pool.threads) threads")
    if request.nodes {
      let rows = try timing.profile()
      for row in rows { place.row(row) }
      report.say(nodes: rows)
      return report
    }
    let ms = try Medians.time(seconds: request.seconds, warmUp: 3) { try timing.step() }
    let gigaflops = 2 * Double(timing.program.plan.graph.multiplyAdds) / ms / 1e6
    report.value = JSONEntries([
      ("model", request.choice.model), ("ms", ms), ("gflops", gigaflops),
      ("threads", place.kernels.pool.threads),
      ("isa", place.kernels.instructionSet.rawValue),
    ])
    report.say(
      "\(NumberText.fixed(ms, 3)) ms, \(NumberText.fixed(1000 * Double(batch) / ms, 1)) a second, "
        + "\(NumberText.fixed(gigaflops, 1)) GFLOP/s")
    return report
  }

  private static func timing(_ request: ModelTimeRequest, _ kernels: Kernels) throws
    -> ProgramTiming
  {
    let model = try model(request)
    let graph =
      try request.train
      ? model.graph.training(loss: request.loss) : model.graph.specialized(for: .infer)
    let timing = try ProgramTiming(
      graph, store: try model.store(), trains: request.train, kernels: kernels)
    var generator = RandomGenerator(seed: 1)
    for (name, _) in timing.program.inputs {
      try timing.program.withInput(name) { values in
        for index in values.indices { values[index] = generator.uniform() }
      }
    }
    return timing
  }

  private static func model(_ request: ModelTimeRequest) throws -> Model {
    guard request.choice.model.hasSuffix(".onnx") else {
      return try request.choice.loadModel().model
    }
    let file = URL(fileURLWithPath: request.choice.model)
    try StudioError.unless(
      FileManager.default.fileExists(atPath: file.path), .missingInput,
      "\(file.relativePath): there is no such file")
    try StudioError.unless(
      request.choice.size == nil && request.choice.batch == 1, .usage,
      "\(file.relativePath): an ONNX file is timed at its own sizes; import it with --input first")
    return try ONNXImport(file, ONNXImport.Options()).model
  }
}
