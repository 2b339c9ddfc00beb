// `atelier bench`: times the workloads, one line a workload and phase, or a table per node.

import ArgumentParser
import Atelier
import Foundation

/// Times the workloads.
struct BenchCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "bench",
    abstract: "Time the benchmark workloads on this machine.",
    discussion: """
      train is forward, loss, backward and Adam's step on a batch in memory; infer is the forward \
      pass alone. Times are medians over at least five steps after three to warm up. With --json \
      each result is one line with the keys of Benchmarks/torch_workloads.py.

      WORKLOADS
      \(Workload.allCases.map { "  \($0.rawValue)" }.joined(separator: "\n"))

      EXAMPLES
        atelier bench --threads 2
        atelier bench --only A-autoencoder,B-dncnn --threads 2 --json
        atelier bench --profile B-dncnn --phase train
      """)

  @Option(
    help: ArgumentHelp("Workloads with commas (default: all).", valueName: "names"),
    transform: BenchCommand.workloads)
  var only: [Workload] = Workload.allCases

  @Option(
    help: ArgumentHelp("train or infer (default: both).", valueName: "phase"),
    transform: BenchCommand.phase)
  var phase: BenchPhase?

  @Option(help: ArgumentHelp("How long to time each phase, at least.", valueName: "s"))
  var seconds: Double = 6

  @Option(
    help: ArgumentHelp("Time every node of one workload instead.", valueName: "name"),
    transform: BenchCommand.workload)
  var profile: Workload?

  @OptionGroup(title: "GENERAL OPTIONS") var global: GlobalOptions

  func validate() throws {
    guard (0...3600).contains(seconds) else {
      throw ValidationError("--seconds takes 0 to 3600; received \(seconds)")
    }
  }

  func run() throws {
    let phases = phase.map { [$0] } ?? BenchPhase.allCases
    let kernels = global.kernels
    if let profile {
      for phase in phases { try show(profile, phase, kernels) }
      return
    }
    if !global.json {
      global.say(
        "\(kernels.instructionSet.rawValue), \(kernels.pool.threads) threads; medians of steps")
    }
    for workload in only {
      for phase in phases {
        let result = try Bench(workload, phase: phase, kernels: kernels).run(seconds: seconds)
        if global.json {
          Console.print(try JSONText.line(result))
        } else {
          Console.print(Self.line(result))
        }
      }
    }
  }

  private static func line(_ result: BenchResult) -> String {
    let name = result.workload.padding(toLength: 18, withPad: " ", startingAt: 0)
    let ms = NumberText.fixed(result.ms, 2)
    return "\(name) \(result.phase)  "
      + String(repeating: " ", count: max(9 - ms.count, 0)) + "\(ms) ms  "
      + "\(NumberText.fixed(result.imagesPerSecond, 1)) images/s  "
      + "peak \(result.peakMemory) MiB  \(result.parameters) parameters"
  }

  private func show(_ workload: Workload, _ phase: BenchPhase, _ kernels: Kernels) throws {
    let rows = try Bench(workload, phase: phase, kernels: kernels).profile()
    guard !global.json else {
      for row in rows { Console.print(try JSONText.line(row)) }
      return
    }
    var table = TextTable(
      ["node", "operation", "output", "ms", "GFLOP/s", "share"], leftColumns: 3)
    for row in rows where row.ms > 0 {
      table.append([
        row.node, row.operation, row.shape, NumberText.fixed(row.ms, 3),
        row.gigaflops > 0 ? NumberText.fixed(row.gigaflops, 1) : "",
        NumberText.fixed(row.share * 100, 1) + " %",
      ])
    }
    let total = rows.reduce(0) { $0 + $1.ms }
    Console.print("\(workload.rawValue) \(phase.rawValue), \(kernels.pool.threads) threads")
    Console.print(table.text)
    Console.print("total \(NumberText.fixed(total, 2)) ms\n")
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
