// Micro-benchmarks: one kernel at a time on seeded data, over and over.

import AtelierEngine
import AtelierKernels
import AtelierWorkbench

/// What a kernel of some sizes takes.
public struct KernelBenchRow: Sendable, Hashable, Codable {
  /// The kernel's name.
  public var kernel: String
  /// Its sizes.
  public var shape: String
  /// The workloads that run it.
  public var workloads: [String]
  /// The median time in milliseconds.
  public var ms: Double
  /// The median time to pack the weights in milliseconds, which `ms` leaves out; 0 without packing.
  public var packMs: Double
  /// Billions of operations per second of the direct algorithm; 0 where none are counted.
  public var gigaflops: Double
  /// Billions of bytes per second, each element counted once.
  public var gigabytes: Double

  enum CodingKeys: String, CodingKey {
    case kernel, shape, workloads, ms, gigaflops, gigabytes
    case packMs = "pack_ms"
  }
}

/// Times kernels alone.
public struct KernelBench: Sendable {
  private let kernels: Kernels

  /// Times with these kernels.
  public init(_ kernels: Kernels = Kernels()) { self.kernels = kernels }

  /// The distinct kernels of workloads whose name and shape hold the filter, whatever its case,
  /// each with the workloads that run it; those of a kind together.
  public func cases(
    _ workloads: [Workload] = Workload.allCases, filter: String = ""
  ) throws(ShapeError) -> [(kernel: KernelCase, workloads: [Workload])] {
    var cases: [(kernel: KernelCase, workloads: [Workload])] = []
    var places: [KernelCase: Int] = [:]
    for workload in workloads {
      for kernel in try workload.kernelCases(kernels) {
        let text = "\(kernel.name) \(kernel.shape)".lowercased()
        guard filter.isEmpty || text.contains(filter.lowercased()) else { continue }
        if let place = places[kernel] {
          cases[place].workloads.append(workload)
        } else {
          places[kernel] = cases.count
          cases.append((kernel, [workload]))
        }
      }
    }
    var names: [String] = []
    for (kernel, _) in cases where !names.contains(kernel.name) { names.append(kernel.name) }
    return names.flatMap { name in cases.filter { $0.kernel.name == name } }
  }

  /// The medians of a kernel's times, of at least five runs in at least so many seconds.
  public func run(
    _ kernel: KernelCase, workloads: [Workload] = [], seconds: Double = 0.1
  ) -> KernelBenchRow {
    let trial = KernelTrial(kernel, kernels)
    let pack = trial.pack.map { Medians.time(seconds: seconds / 4, $0) } ?? 0
    let ms = Medians.time(seconds: seconds, trial.run)
    return KernelBenchRow(
      kernel: kernel.name, shape: kernel.shape, workloads: workloads.map(\.rawValue), ms: ms,
      packMs: pack, gigaflops: ms > 0 ? 2 * Double(kernel.multiplyAdds) / ms / 1e6 : 0,
      gigabytes: ms > 0 ? Double(kernel.bytes) / ms / 1e6 : 0)
  }
}

extension Workload {
  /// The distinct kernels of training and inference in running order, Adam's sweep last.
  public func kernelCases(_ kernels: Kernels = Kernels()) throws(ShapeError) -> [KernelCase] {
    let training = try trainingGraph()
    var seen: Set<KernelCase> = []
    var cases: [KernelCase] = []
    for graph in [training, try inferenceGraph().specialized(for: .infer)] {
      let fused = Plan(graph, kernels: kernels).graph
      for node in fused.nodes {
        guard let kernel = node.operation.kernelCase(fused.shapes(of: node)) else { continue }
        if seen.insert(kernel).inserted { cases.append(kernel) }
      }
    }
    let moved = training.parameterGradients.map { training.parameters[$0.parameter].shape.count }
    return cases + [.adam(count: moved.reduce(0, +))]
  }
}
