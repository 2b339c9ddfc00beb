// A workshop as small as one can be: a network that learns to brighten pictures, and a run of it.

import AtelierEngine
import AtelierImages
import AtelierInterchange
import AtelierKernels
import AtelierMedia
import AtelierTraining
import AtelierWorkbench
import Foundation

struct BrightenTrainingRequest: TrainingRequest {
  var factor: Float = 2
  var recipe = TrainingRecipe()
  init() { recipe.learningRate = 0.1 }
  static var form: Form<Self> {
    Form(
      Self(), title: "TRAINING OPTIONS",
      fields: [
        Field("factor", \.factor, "By how much pictures are brightened", value: "x", .positive),
        .batch("Pictures a step"), .learningRate(),
      ] + Field.limits + [.validateEvery(), .seed("weights and pictures")])
  }
}

enum BrightenTraining: TrainingJob {
  static let workshop = "brighten"
  static let name = "train"
  static let summary = "Learn a factor."

  static func task(
    _ request: BrightenTrainingRequest, isResuming: Bool, kernels: Kernels
  ) throws -> BrightenTask { try BrightenTask(request, kernels) }
}

final class BrightenTask: TrainingTask {
  let request: BrightenTrainingRequest
  let steps: [TrainingStep]
  let source: any BatchSource
  let monitor: Monitor? = Monitor("error", .minimum)
  private let running: RunningModel

  init(_ request: BrightenTrainingRequest, _ kernels: Kernels) throws {
    self.request = request
    func graph(_ batch: Int) throws -> Graph {
      try Graph.trace { builder in
        let input = builder.input("input", .image(batch: batch, height: 4, width: 4, channels: 1))
        builder.output(
          "output", Convolution2D(filters: 1, kernel: 1, hasBias: false, name: "factor")(input))
      }
    }
    let training = try graph(request.batch).training(loss: .squaredError)
    let store = try request.recipe.store(for: [training])
    let program = try Program(training, parameters: store, kernels: kernels)
    steps = [try request.recipe.step(program, kernels: kernels)]
    let (batch, seed, factor) = (request.batch, request.seed, request.factor)
    source = ClosureBatchSource(stepsPerEpoch: 20) { step in
      var generator = RandomGenerator(seed: seed, UInt64(step))
      let pictures = (0..<batch * 16).map { _ in generator.uniform() }
      return [
        "input": Tensor([batch, 4, 4, 1], pictures),
        "target": Tensor([batch, 4, 4, 1], pictures.map { factor * $0 }),
      ]
    }
    running = RunningModel(
      graph: try graph(1), information: .init(task: "brighten", architecture: "factor"),
      store: store, kernels: kernels)
  }

  func validate(step: Int) throws -> Validation {
    let program = try running.program(["input": [1, 4, 4, 1]])
    try program.setInput("input", Tensor([1, 4, 4, 1], repeating: 0.5))
    try program.run()
    let result = try program.output("output").elements[0]
    return Validation(["error": Double(abs(result - 0.5 * request.factor))])
  }

  func model(step: Int, metrics: [String: Double]) throws -> Model {
    try Model(graph: running.graph, store: running.store, information: running.information)
  }
}

struct BrightenRequest: JobRequest {
  var inputs: [String] = []
  var output = ""
  var model = ""

  static var form: Form<Self> {
    Form(Self(), fields: [.inputs(\.inputs), .output(\.output), .model(\.model)])
  }
}

enum BrightenRun: Job {
  static let workshop = "brighten"
  static let name = "run"
  static let summary = "Brighten pictures."

  static func run(_ request: BrightenRequest, in place: JobPlace) throws -> Report {
    let model = try ModelFile.read(from: URL(fileURLWithPath: request.model))
    let factor = model.parameters["factor/weight"]?.elements[0] ?? 1
    let plan = try PicturePlan(inputs: request.inputs, output: request.output)
    var report = Report()
    report.failures = plan.missing
    _ = try PictureJob.run(
      plan.tasks, name: \.input, in: place, failures: &report.failures
    ) { task, counter in
      var picture = try ImageFile.read(task.input).floats
      for index in picture.samples.indices { picture.samples[index] *= factor }
      try PictureJob.write(picture.bytes, to: task.output, place: place)
      place.note("\(counter) \(task.input) -> \(task.output)")
    }
    return report
  }
}

enum BrightenWorkshop: Workshop {
  static let name = "brighten"
  static let summary = "Brighten pictures."
  static let jobs: [any Job.Type] = [BrightenRun.self, BrightenTraining.self]
}
