// `plan`: what a training would gain from more machines, before anyone buys them.

import AtelierFiles
import AtelierKernels
import AtelierStudio
import AtelierTraining
import AtelierWorkbench
import Foundation

/// How many ranks over which network.
struct PlanRequest: JobRequest {
  var ranks = 2
  var shards: Int?
  var network = NetworkSpeed.usual
  var delay = NetworkDelay.usual
  var gradients = GradientPrecision.float32
  var only = Workload.allCases
  var steps = 5

  static var form: Form<Self> {
    Form([
      Field("ranks", \.ranks, "How many ranks", value: "n", .from(1, to: 1_000_000)),
      Field(
        "shards", \.shards, "The small batches of a step, each as large as the benchmark's",
        value: "n", .from(1, to: 16_000_000)
      ).byDefault("one a rank"),
      Field(
        "network", \.network, "What each rank sends and receives a second, bits or bytes",
        value: "speed"),
      Field("delay", \.delay, "How long a message takes to another machine", value: "time"),
      Field("gradients", \.gradients, "float32, or bfloat16 for half of the bytes", value: "kind"),
      Field(commas: "only", \.only, "Workloads with commas", value: "names").byDefault("all"),
      Field("steps", \.steps, "Steps to measure here", value: "n", .from(1, to: 1000)),
    ])
  }

  mutating func complete(with words: FieldWords) throws {
    try StudioError.unless(
      shards ?? ranks >= ranks, .usage,
      "--shards \(shards ?? ranks): expected at least one for each of \(ranks) ranks")
  }
}

/// What one workload would take.
private struct PlanRow: Encodable, Sendable {
  let workload: String
  let ranks: Int
  let shards: Int
  let gradientBytes: Double
  let shardSeconds: Double
  let restSeconds: Double
  let stepSeconds: Double
  let waitingSeconds: Double
  let imagesPerSecond: Double
  let efficiency: Double
}

/// Says what more machines would give.
enum PlanWorkshop: Job, Workshop {
  static let workshop = "plan"
  static let name = "plan"
  static let summary = "Say how fast the benchmark workloads would train on many machines."
  static let guide = """
    Times a shard of each workload on this machine, and when each part of its gradients is there, \
    and works out what a step takes on so many ranks: parts are exchanged one after the other \
    beside the backward pass. The efficiency is the images a second of all ranks over those of \
    one times their number, where each has as many shards.

    EXAMPLES
      atelier-cluster plan --ranks 1000 --network 10Gb
      atelier-cluster plan --ranks 2 --network 1Gb --delay 200us --gradients bfloat16 \\
        --only C-faceswap
    """
  static let jobs: [any Job.Type] = [PlanWorkshop.self]

  static func run(_ request: PlanRequest, in place: JobPlace) throws -> Report {
    let shards = request.shards ?? request.ranks
    let network = NetworkForm(
      bandwidth: request.network.bytesPerSecond, delay: request.delay.seconds)
    let progress = ProgressCounter("workloads", place)
    var rows: [PlanRow] = []
    for (index, workload) in request.only.enumerated() {
      let forecast = try WorkloadTraining(workload, kernels: place.kernels).forecast(
        steps: request.steps, precision: request.gradients)
      let (seconds, waiting) = forecast.step(ranks: request.ranks, shards: shards, over: network)
      let images = Double(shards * workload.images)
      // One rank with as many shards as one of many has on average.
      let alone = Double(shards) * forecast.shard / Double(request.ranks) + forecast.rest
      rows.append(
        PlanRow(
          workload: workload.rawValue, ranks: request.ranks, shards: shards,
          gradientBytes: forecast.buckets.reduce(0) { $0 + $1.bytes },
          shardSeconds: forecast.shard, restSeconds: forecast.rest, stepSeconds: seconds,
          waitingSeconds: waiting, imagesPerSecond: images / seconds,
          efficiency: alone / seconds))
      progress.show(index + 1, request.only.count)
    }
    var report = Report(value: rows)
    var table = Table([
      "workload", "MB", "shard ms", "step ms", "waiting ms", "images/s", "efficiency",
    ])
    for row in rows {
      table.append(
        [
          row.workload, NumberText.fixed(row.gradientBytes / 1e6, 1),
          NumberText.fixed(1e3 * row.shardSeconds, 1), NumberText.fixed(1e3 * row.stepSeconds, 1),
          NumberText.fixed(1e3 * row.waitingSeconds, 1), NumberText.fixed(row.imagesPerSecond, 0),
          NumberText.fixed(100 * row.efficiency, 1) + " %",
        ])
    }
    report.say(table)
    report.say(
      "\(request.ranks) ranks, \(shards) shards, \(request.network.word) each way, "
        + "\(request.delay.word) delay, gradients in \(request.gradients.rawValue); a rank has "
        + "\(place.kernels.pool.threads) threads of this machine")
    return report
  }
}
