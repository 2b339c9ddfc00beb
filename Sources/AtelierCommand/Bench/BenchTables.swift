// What `atelier bench` prints: lines and tables for people, or a line of JSON each.

import Atelier
import Foundation

/// Prints what was timed in the form that was asked for.
struct BenchTables {
  let global: GlobalOptions
  let kernels: Kernels

  /// A workload's line.
  func show(_ result: BenchResult) throws {
    guard !global.json else { return Console.print(try JSONText.line(result)) }
    let name = result.workload.padding(toLength: 18, withPad: " ", startingAt: 0)
    let share = result.peakShare.map { " (\(percent($0)) of peak)" } ?? ""
    Console.print(
      "\(name) \(result.phase)  \(Self.right(NumberText.fixed(result.ms, 2), 9)) ms  "
        + "\(NumberText.fixed(result.imagesPerSecond, 1)) images/s  "
        + "\(NumberText.fixed(result.gigaflops, 0)) GFLOP/s\(share)  "
        + "peak \(result.peakMemory) MiB  \(result.parameters) parameters")
  }

  /// The nodes of a program.
  func show(_ rows: [BenchProfileRow], title: String) throws {
    guard !global.json else {
      for row in rows { Console.print(try JSONText.line(row)) }
      return
    }
    var table = TextTable(
      ["node", "operation", "output", "ms", "GFLOP/s", "GB/s", "share"], leftColumns: 3)
    for row in rows where row.ms > 0 {
      table.append([
        row.node, row.operation, row.shape, NumberText.fixed(row.ms, 3), rate(row.gigaflops),
        rate(row.gigabytes), percent(row.share),
      ])
    }
    Console.print("\(title), \(kernels.pool.threads) threads")
    Console.print(table.text)
    Console.print("total \(NumberText.fixed(rows.reduce(0) { $0 + $1.ms }, 2)) ms\n")
  }

  /// Kernels alone; with JSON each line comes as soon as it is timed.
  func show(_ rows: some Sequence<KernelBenchRow>) throws {
    guard !global.json else {
      for row in rows { Console.print(try JSONText.line(row)) }
      return
    }
    var table = TextTable(
      ["kernel", "shape", "of", "ms", "pack ms", "GFLOP/s", "GB/s"], leftColumns: 3)
    for row in rows {
      table.append([
        row.kernel, row.shape, row.workloads.map { $0.prefix(1) }.joined(),
        NumberText.fixed(row.ms, 3), row.packMs > 0 ? NumberText.fixed(row.packMs, 3) : "",
        rate(row.gigaflops), rate(row.gigabytes),
      ])
    }
    global.say("\(kernels.instructionSet.rawValue), \(kernels.pool.threads) threads; medians")
    Console.print(table.text)
  }

  /// The limits of the machine.
  func show(_ rates: [RooflineRate]) throws {
    guard !global.json else {
      for rate in rates { Console.print(try JSONText.line(rate)) }
      return
    }
    let threads = rates.first?.threads ?? 1
    var table = TextTable(
      ["limit", "instructions", "unit", "1 thread", "\(threads) threads"], leftColumns: 3)
    for rate in rates {
      table.append([
        rate.kind.rawValue, rate.instructionSet.rawValue, rate.unit,
        NumberText.fixed(rate.oneThread, 1), NumberText.fixed(rate.allThreads, 1),
      ])
    }
    Console.print(table.text)
  }

  private func percent(_ share: Double) -> String { NumberText.fixed(share * 100, 1) + " %" }

  private func rate(_ value: Double) -> String { value > 0 ? NumberText.fixed(value, 1) : "" }

  private static func right(_ text: String, _ width: Int) -> String {
    String(repeating: " ", count: max(width - text.count, 0)) + text
  }
}
