// `pace`: how fast the benchmark workloads train on the ranks that are there.

import AtelierFiles
import AtelierKernels
import AtelierStudio
import AtelierTraining
import AtelierWorkbench
import Foundation

/// What is trained, and how long.
struct PaceRequest: JobRequest {
  var shards: Int?
  var gradients = GradientPrecision.float32
  var only = Workload.allCases
  var steps = 12

  static var form: Form<Self> {
    Form([
      Field(
        "shards", \.shards, "The small batches of a step, each as large as the benchmark's",
        value: "n", .from(1, to: 4096)
      ).byDefault("one a rank"),
      Field("gradients", \.gradients, "float32, or bfloat16 for half of the bytes", value: "kind"),
      Field(commas: "only", \.only, "Workloads with commas", value: "names").byDefault("all"),
      Field(
        "steps", \.steps, "Steps to time after two to warm up", value: "n", .from(1, to: 100_000)),
    ])
  }
}

/// How fast one workload trains.
private struct PaceRow: Encodable, Sendable {
  let workload: String
  let ranks: Int
  let threads: Int
  let shards: Int
  let gradients: String
  let ms: Double
  let imagesPerSecond: Double
}

/// Times trainings on all ranks.
enum PaceWorkshop: Job, Workshop {
  static let workshop = "pace"
  static let name = "pace"
  static let summary = "Time trainings of the benchmark workloads on all ranks."
  static let guide = """
    Each step is forward, backward, the mean of the gradients over all shards, and Adam, on a \
    batch in memory; times are medians of steps.

    EXAMPLES
      mpirun -n 2 atelier-cluster pace --threads 1 --shards 2
      mpirun -n 2 atelier-cluster pace --only C-faceswap --gradients bfloat16
    """
  static let jobs: [any Job.Type] = [PaceWorkshop.self]
  static let runsOnAllRanks = true

  static func run(_ request: PaceRequest, in place: JobPlace) throws -> Report {
    let group = Ranks.current
    let ranks = group?.count ?? 1
    let shards = request.shards ?? ranks
    var rows: [PaceRow] = []
    for workload in request.only {
      let times = try WorkloadTraining(workload, kernels: place.kernels).times(
        steps: request.steps + 2, shards: shards, precision: request.gradients, group: group)
      let seconds = WorkloadTraining.middle(Array(times.dropFirst(2)))
      let row = PaceRow(
        workload: workload.rawValue, ranks: ranks, threads: place.kernels.pool.threads,
        shards: shards, gradients: request.gradients.rawValue, ms: 1e3 * seconds,
        imagesPerSecond: Double(shards * workload.images) / seconds)
      place.row(row)
      place.result(
        row.workload.padding(toLength: 18, withPad: " ", startingAt: 0)
          + " \(ranks) ranks of \(row.threads), \(shards) shards  "
          + "\(NumberText.fixed(row.ms, 2)) ms  \(NumberText.fixed(row.imagesPerSecond, 1)) images/s"
      )
      rows.append(row)
    }
    return Report()
  }
}
