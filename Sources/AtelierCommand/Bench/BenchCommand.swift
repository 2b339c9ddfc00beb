// `atelier bench`: times the workloads, their nodes, their kernels, or the machine itself.

import ArgumentParser
import Atelier
import Foundation

/// Times the workloads, their nodes or kernels, or the machine.
struct BenchCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "bench",
    abstract: "Time the benchmark workloads on this machine.",
    discussion: """
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
      """)

  @Option(
    help: ArgumentHelp("Workloads with commas (default: all).", valueName: "names"),
    transform: BenchCommand.workloads)
  var only: [Workload] = Workload.allCases

  @Option(
    help: ArgumentHelp("train or infer (default: both).", valueName: "phase"),
    transform: BenchCommand.phase)
  var phase: BenchPhase?

  @Option(
    help: ArgumentHelp(
      "How long to time each phase, at least (default: 6; a kernel 0.1).", valueName: "s"))
  var seconds: Double?

  @Option(
    help: ArgumentHelp("Time every node of one workload instead.", valueName: "name"),
    transform: BenchCommand.workload)
  var profile: Workload?

  @Option(
    name: .customLong("kernels"), defaultAsFlag: "all",
    help: ArgumentHelp("Time the kernels of the workloads alone instead.", valueName: "filter"))
  var kernelFilter: String? = nil

  @Flag(help: "Measure what this machine can do instead.")
  var roofline = false

  @OptionGroup(title: "GENERAL OPTIONS") var arithmetic: PrecisionOptions
  @OptionGroup(title: "GENERAL OPTIONS") var global: GlobalOptions

  func validate() throws {
    if let seconds, !(0...3600).contains(seconds) {
      throw ValidationError("--seconds takes 0 to 3600; received \(seconds)")
    }
    guard [profile != nil, kernelFilter != nil, roofline].filter({ $0 }).count <= 1 else {
      throw ValidationError("expected one of --profile, --kernels and --roofline")
    }
  }

  func run() throws {
    let kernels = arithmetic.kernels(global)
    let tables = BenchTables(global: global, kernels: kernels)
    if roofline {
      try tables.show(kernels.roofline())
    } else if let profile {
      for phase in phases {
        try tables.show(
          try Bench(profile, phase: phase, kernels: kernels).profile(),
          title: "\(profile.rawValue) \(phase.rawValue)")
      }
    } else if let kernelFilter {
      try runKernels(kernelFilter == "all" ? "" : kernelFilter, kernels, tables)
    } else {
      try runWorkloads(kernels, tables)
    }
  }

  private var phases: [BenchPhase] { phase.map { [$0] } ?? BenchPhase.allCases }

  private func runWorkloads(_ kernels: Kernels, _ tables: BenchTables) throws {
    let peak = kernels.peakGigaflops()
    global.say(
      "\(kernels.instructionSet.rawValue), \(kernels.precision.rawValue), "
        + "\(kernels.pool.threads) threads, peak "
        + "\(NumberText.fixed(peak, 0)) GFLOP/s; medians of steps")
    for workload in only {
      for phase in phases {
        try tables.show(
          try Bench(workload, phase: phase, kernels: kernels)
            .run(seconds: seconds ?? 6, peak: peak))
      }
    }
  }

  private func runKernels(_ filter: String, _ kernels: Kernels, _ tables: BenchTables) throws {
    let bench = KernelBench(kernels)
    let cases = try bench.cases(only, filter: filter)
    guard !cases.isEmpty else {
      throw StudioError(.usage, "no kernel of these workloads has '\(filter)' in name and shape")
    }
    let seconds = seconds ?? 0.1
    try tables.show(
      cases.lazy.map { bench.run($0.kernel, workloads: $0.workloads, seconds: seconds) })
  }

  private static func workload(_ text: String) throws -> Workload {
    guard let workload = Workload(rawValue: text) else {
      let names = Workload.allCases.map(\.rawValue).joined(separator: ", ")
      throw ValidationError("expected one of \(names); received '\(text)'")
    }
    return workload
  }

  private static func workloads(_ text: String) throws -> [Workload] {
    try text.split(separator: ",", omittingEmptySubsequences: false).map {
      try workload(String($0))
    }
  }

  private static func phase(_ text: String) throws -> BenchPhase {
    guard let phase = BenchPhase(rawValue: text) else {
      throw ValidationError("expected train or infer; received '\(text)'")
    }
    return phase
  }
}
