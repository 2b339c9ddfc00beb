// `bench`: times the workloads, their nodes, their kernels, or the machine itself.

import AtelierFiles
import AtelierKernels
import AtelierWorkbench
import Foundation

extension Workload: ChoiceValue {}
extension BenchPhase: ChoiceValue {}

/// What is timed, and how long.
public struct BenchRequest: JobRequest, Hashable {
  public var only = Workload.allCases
  public var phase: BenchPhase?
  public var seconds: Double?
  public var profile: Workload?
  public var kernels: String?
  public var roofline = false

  public init() {}

  public static var form: Form<Self> {
    Form([
      Field(commas: "only", \.only, "Workloads with commas", value: "names").byDefault("all"),
      Field("phase", \.phase, "train or infer", value: "phase").byDefault("both"),
      Field(
        "seconds", \.seconds, "How long to time each phase, at least", value: "s",
        .from(0, to: 3600)
      ).byDefault("6; a kernel 0.1"),
      Field("profile", \.profile, "Time every node of one workload instead", value: "name"),
      Field(
        "kernels", \.kernels, "Time the kernels of the workloads alone instead", value: "filter"
      ).alone("all"),
      Field(flag: "roofline", \.roofline, "Measure what this machine can do instead"),
    ])
  }

  public static func check(_ words: FieldWords) throws {
    guard ["profile", "kernels", "roofline"].filter({ words[$0] != nil }).count <= 1 else {
      throw FieldError("expected one of --profile, --kernels and --roofline")
    }
  }

  fileprivate var phases: [BenchPhase] { phase.map { [$0] } ?? BenchPhase.allCases }
}

/// Times the workloads, their nodes or kernels, or the machine.
///
/// Every row goes to programs as soon as it is timed: a benchmark may be stopped at any time.
public enum BenchWorkshop: Job, Workshop {
  public static let workshop = "bench"
  public static let name = "bench"
  public static let summary = "Time the benchmark workloads on this machine."
  public static let guide = """
    train is forward, loss, backward and Adam's step on a batch in memory; infer is the forward \
    pass alone. Times are medians over at least five steps after three to warm up. With --json \
    each result is one line with the keys of Benchmarks/torch_workloads.py, then gflops, \
    peak_share and precision.

    GFLOP/s count the operations of direct convolution, two a multiply-add, whatever algorithm \
    runs; the peak is what this instruction set and all threads multiply and add in registers, \
    measured before. Winograd's algorithm needs up to four times fewer multiplications, so \
    shares above 100 % are possible. GB/s count each input and output of a node once.

    --kernels times the distinct kernels of the workloads alone, on data that may lie in a \
    cache, with the packing of weights apart; a filter keeps those whose name and shape hold it.

    WORKLOADS
    \(Workload.allCases.map { "  \($0.rawValue)" }.joined(separator: "\n"))

    EXAMPLES
      atelier bench --threads 2
      atelier bench --only A-autoencoder,B-dncnn --threads 2 --json
      atelier bench --profile B-dncnn --phase train
      atelier bench --kernels weight-gradient --only D-unet
      atelier bench --roofline
    """
  public static let jobs: [any Job.Type] = [BenchWorkshop.self]

  public static func run(_ request: BenchRequest, in place: JobPlace) throws -> Report {
    if request.roofline { return limits(place) }
    if let workload = request.profile { return try nodes(workload, request.phases, place) }
    if let filter = request.kernels { return try kernels(filter, request, place) }
    return try workloads(request, place)
  }

  /// A line a workload and phase.
  private static func workloads(_ request: BenchRequest, _ place: JobPlace) throws -> Report {
    let kernels = place.kernels
    let peak = kernels.peakGigaflops()
    place.note(
      "\(kernels.instructionSet.rawValue), \(kernels.precision.rawValue), "
        + "\(kernels.pool.threads) threads, peak "
        + "\(NumberText.fixed(peak, 0)) GFLOP/s; medians of steps")
    let cases = request.only.flatMap { workload in request.phases.map { (workload, $0) } }
    let progress = ProgressCounter("phases", place)
    for (index, (workload, phase)) in cases.enumerated() {
      let result = try Bench(workload, phase: phase, kernels: kernels)
        .run(seconds: request.seconds ?? 6, peak: peak)
      place.row(result)
      let name = result.workload.padding(toLength: 18, withPad: " ", startingAt: 0)
      let share = result.peakShare.map { " (\(NumberText.percent($0)) of peak)" } ?? ""
      place.result(
        "\(name) \(result.phase)  \(right(NumberText.fixed(result.ms, 2), 9)) ms  "
          + "\(NumberText.fixed(result.imagesPerSecond, 1)) images/s  "
          + "\(NumberText.fixed(result.gigaflops, 0)) GFLOP/s\(share)  "
          + "peak \(result.peakMemory) MiB  \(result.parameters) parameters")
      progress.show(index + 1, cases.count)
    }
    return Report()
  }

  /// A table of the nodes of a workload for each phase.
  private static func nodes(
    _ workload: Workload, _ phases: [BenchPhase], _ place: JobPlace
  ) throws -> Report {
    var report = Report()
    for phase in phases {
      let rows = try Bench(workload, phase: phase, kernels: place.kernels).profile()
      for row in rows { place.row(row) }
      report.say("\(workload.rawValue) \(phase.rawValue), \(place.kernels.pool.threads) threads")
      report.say(nodes: rows)
    }
    return report
  }

  /// A table of kernels alone.
  private static func kernels(
    _ filter: String, _ request: BenchRequest, _ place: JobPlace
  ) throws -> Report {
    let bench = KernelBench(place.kernels)
    let cases = try bench.cases(request.only, filter: filter == "all" ? "" : filter)
    try StudioError.unless(
      !cases.isEmpty, .usage, "no kernel of these workloads has '\(filter)' in name and shape")
    var table = Table(
      ["kernel", "shape", "of", "ms", "pack ms", "GFLOP/s", "GB/s"], leftColumns: 3)
    let progress = ProgressCounter("kernels", place)
    for (index, entry) in cases.enumerated() {
      let row = bench.run(entry.kernel, workloads: entry.workloads, seconds: request.seconds ?? 0.1)
      place.row(row)
      table.append([
        row.kernel, row.shape, row.workloads.map { $0.prefix(1) }.joined(),
        NumberText.fixed(row.ms, 3), row.packMs > 0 ? NumberText.fixed(row.packMs, 3) : "",
        NumberText.rate(row.gigaflops), NumberText.rate(row.gigabytes),
      ])
      progress.show(index + 1, cases.count)
    }
    var report = Report()
    report.note(
      "\(place.kernels.instructionSet.rawValue), \(place.kernels.pool.threads) threads; medians")
    report.say(table)
    return report
  }

  /// The limits of the machine.
  private static func limits(_ place: JobPlace) -> Report {
    let rates = place.kernels.roofline()
    let threads = rates.first?.threads ?? 1
    var table = Table(
      ["limit", "instructions", "unit", "1 thread", "\(threads) threads"], leftColumns: 3)
    for rate in rates {
      place.row(rate)
      table.append([
        rate.kind.rawValue, rate.instructionSet.rawValue, rate.unit,
        NumberText.fixed(rate.oneThread, 1), NumberText.fixed(rate.allThreads, 1),
      ])
    }
    var report = Report()
    report.say(table)
    return report
  }

  private static func right(_ text: String, _ width: Int) -> String {
    String(repeating: " ", count: max(width - text.count, 0)) + text
  }
}
