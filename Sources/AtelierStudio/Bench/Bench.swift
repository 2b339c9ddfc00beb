// Timing of the workloads: medians over steps.

import AtelierEngine
import AtelierKernels
import AtelierTraining
import AtelierWorkbench

#if canImport(Glibc)
import Glibc
#elseif canImport(Darwin)
import Darwin
#endif

/// One workload ready to be timed.
public final class Bench {
  /// What is timed.
  public let workload: Workload
  /// Training or inference.
  public let phase: BenchPhase
  private let timing: ProgramTiming
  private let parameters: Int
  private let precision: Precision
  /// Multiply-adds of the direct algorithms in a step, those of the optimizer apart.
  public let multiplyAdds: Int

  /// Builds the networks and fills the inputs, seeded; throws when the workload cannot be planned.
  public init(_ workload: Workload, phase: BenchPhase, kernels: Kernels = Kernels()) throws {
    self.workload = workload
    self.phase = phase
    parameters = try workload.parameterCount()
    precision = kernels.precision
    let graph =
      switch phase {
      case .train: try workload.trainingGraph()
      case .infer: try workload.inferenceGraph().specialized(for: .infer)
      }
    timing = try ProgramTiming(
      graph, store: try ParameterStore(for: [graph], seed: 0), trains: phase == .train,
      kernels: kernels)
    let program = timing.program
    multiplyAdds = program.plan.graph.multiplyAdds
    var generator = RandomGenerator(seed: 1)
    for (name, _) in program.inputs {
      let classes = name == "target" ? workload.classes : nil
      try program.withInput(name) { values in
        for index in values.indices {
          values[index] = classes.map { Float(generator.index(below: $0)) } ?? generator.uniform()
        }
      }
    }
  }

  /// One step; the loss, nil when inferring.
  @discardableResult public func step() throws -> Float? {
    try timing.step()
    return phase == .train ? try timing.program.scalar("loss") : nil
  }

  /// Times at least `least` steps for at least `seconds`; `peak` is what the machine does at most,
  /// in billions of operations per second.
  public func run(
    seconds: Double, warmUp: Int = 3, least: Int = 5, peak: Double? = nil
  ) throws -> BenchResult {
    let ms = try Medians.time(seconds: seconds, warmUp: warmUp, least: least) { try step() }
    let gigaflops = 2 * Double(multiplyAdds) / ms / 1e6
    return BenchResult(
      workload: workload.rawValue, phase: phase.rawValue, ms: Self.rounded(ms, 1000),
      imagesPerSecond: Self.rounded(Double(workload.images) / ms * 1000, 10),
      peakMemory: Self.peakMemory(), parameters: parameters, gigaflops: Self.rounded(gigaflops, 10),
      peakShare: peak.map { Self.rounded(gigaflops / $0, 1000) }, precision: precision)
  }

  /// The median times of every node in running order, then of the optimizer, after two steps to
  /// warm up.
  public func profile(steps: Int = 7) throws -> [BenchProfileRow] {
    try timing.profile(steps: steps)
  }

  private static func rounded(_ value: Double, _ parts: Double) -> Double {
    (value * parts).rounded() / parts
  }

  /// The largest resident memory of the process so far, in MiB.
  static func peakMemory() -> Int {
    var usage = rusage()
    #if canImport(Glibc)
    getrusage(Int32(RUSAGE_SELF.rawValue), &usage)
    return usage.ru_maxrss / 1024
    #else
    getrusage(RUSAGE_SELF, &usage)
    return usage.ru_maxrss / 1_048_576
    #endif
  }
}
