// Micro-benchmarks: one kernel at a time on seeded data, over and over.

import AtelierEngine
import AtelierKernels

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
  /// The median time in milliseconds to pack the weights, which `ms` leaves out; 0 where none are
  /// packed.
  public var packMs: Double
  /// Billions of floating-point operations per second of the direct algorithm; 0 where none are
  /// counted.
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

  /// The distinct kernels of workloads, each with the workloads that run it.
  ///
  /// - Parameters:
  ///   - workloads: The workloads to look through.
  ///   - filter: Only kernels whose name and shape hold this text, whatever its case; all when
  ///     empty.
  /// - Returns: The cases, those of a kind together, in the order in which the workloads run them.
  /// - Throws: `ShapeError` never in practice.
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

  /// Times a kernel.
  ///
  /// - Parameters:
  ///   - kernel: The kernel with its sizes.
  ///   - workloads: Who runs it, for the row.
  ///   - seconds: How long at least; at least five runs are timed, after two to warm up.
  /// - Returns: The medians.
  public func run(
    _ kernel: KernelCase, workloads: [Workload] = [], seconds: Double = 0.1
  ) -> KernelBenchRow {
    var pack = 0.0
    let ms: Double
    switch kernel {
    case .convolution(let g): (ms, pack) = linear(g, .forward, seconds)
    case .inputGradient(let g): (ms, pack) = linear(g, .inputGradient, seconds)
    case .weightGradient(let g): ms = weightGradient(g, seconds)
    case .maxPool(let g), .maxUnpool(let g), .switchGather(let g):
      ms = pooling(kernel, g, seconds)
    case .batchNormalization(let pixels, let channels, let activation):
      ms = normalization(pixels, channels, activation, isGradient: false, seconds)
    case .batchNormalizationGradient(let pixels, let channels, let activation):
      ms = normalization(pixels, channels, activation, isGradient: true, seconds)
    case .crossEntropy(let rows, let channels):
      ms = crossEntropy(rows, channels, isGradient: false, seconds)
    case .crossEntropyGradient(let rows, let channels):
      ms = crossEntropy(rows, channels, isGradient: true, seconds)
    case .adam(let count): ms = adam(count, seconds)
    }
    return KernelBenchRow(
      kernel: kernel.name, shape: kernel.shape, workloads: workloads.map(\.rawValue), ms: ms,
      packMs: pack, gigaflops: ms > 0 ? 2 * Double(kernel.multiplyAdds) / ms / 1e6 : 0,
      gigabytes: ms > 0 ? Double(kernel.bytes) / ms / 1e6 : 0)
  }

  /// The median of a run in milliseconds.
  private func median(_ seconds: Double, _ body: () -> Void) -> Double {
    for _ in 0..<2 { body() }
    let clock = ContinuousClock()
    let end = clock.now + .seconds(seconds)
    var times: [Double] = []
    while times.count < 5 || clock.now < end {
      times.append(clock.measure(body).milliseconds)
    }
    return Bench.median(times)
  }

  private func linear(
    _ g: ConvolutionGeometry, _ pass: ConvolutionPass, _ seconds: Double
  ) -> (ms: Double, pack: Double) {
    let memory = KernelMemory()
    defer { memory.free() }
    let forward = pass == .forward
    let source = memory.floats(forward ? g.inputCount : g.outputCount)
    let result = memory.floats(forward ? g.outputCount : g.inputCount)
    let weights = memory.floats(g.weightCount)
    let packedCount = kernels.convolutionPackedCount(g, pass: pass)
    let packed = memory.floats(packedCount)
    let workspace = memory.floats(kernels.convolutionWorkspaceCount(g, pass: pass))
    var pack = 0.0
    if packedCount > 0 {
      pack = median(seconds / 4) {
        kernels.packConvolutionWeights(
          g, pass: pass, weights: weights, outputScale: nil, packed: packed)
      }
    }
    let ready = packedCount > 0 ? packed : weights
    let ms = median(seconds) {
      if forward {
        kernels.convolutionForward(
          g, input: source, packedWeights: ready, epilogue: .init(), output: result,
          workspace: workspace)
      } else {
        kernels.convolutionInputGradient(
          g, outputGradient: source, packedWeights: ready, epilogue: .init(),
          inputGradient: result, workspace: workspace)
      }
    }
    return (ms, pack)
  }

  private func weightGradient(_ g: ConvolutionGeometry, _ seconds: Double) -> Double {
    let memory = KernelMemory()
    defer { memory.free() }
    let (input, gradient) = (memory.floats(g.inputCount), memory.floats(g.outputCount))
    let result = memory.floats(g.weightCount)
    let workspace = memory.floats(kernels.convolutionWeightGradientWorkspaceCount(g))
    return median(seconds) {
      kernels.convolutionWeightGradient(
        g, input: input, outputGradient: gradient, weightGradient: result,
        biasGradient: nil, workspace: workspace)
    }
  }

  private func pooling(_ kernel: KernelCase, _ g: PoolGeometry, _ seconds: Double) -> Double {
    let memory = KernelMemory()
    defer { memory.free() }
    let (image, pooled) = (memory.floats(g.inputCount), memory.floats(g.outputCount))
    let switches = memory.floats(g.outputCount)
    return switches.withMemoryRebound(to: Int32.self, capacity: max(g.outputCount, 1)) {
      switches in
      // Also fills the switches of the other two.
      kernels.maxPool(g, image, pooled, switches: switches)
      return median(seconds) {
        switch kernel {
        case .maxUnpool:
          _ = kernels.scatterSwitches(g, pooled, switches: switches, image)
        case .switchGather:
          _ = kernels.gatherSwitches(g, image, switches: switches, pooled)
        default: kernels.maxPool(g, image, pooled, switches: switches)
        }
      }
    }
  }

  private func normalization(
    _ pixels: Int, _ channels: Int, _ activation: Activation, isGradient: Bool,
    _ seconds: Double
  ) -> Double {
    let memory = KernelMemory()
    defer { memory.free() }
    let (x, y) = (memory.floats(pixels * channels), memory.floats(pixels * channels))
    let vectors = (0..<6).map { _ in memory.floats(channels) }
    let (mean, variance, gamma, beta) = (vectors[0], vectors[1], vectors[2], vectors[3])
    func forward() {
      kernels.batchStatistics(
        x, mean: mean, variance: variance, pixels: pixels, channels: channels)
      // Random numbers stand for the inverse deviations; the time does not depend on them.
      kernels.batchNormalizationForward(
        x, mean: mean, inverseDeviation: variance, gamma: gamma,
        beta: beta, activation: activation, y, pixels: pixels, channels: channels)
    }
    guard isGradient else { return median(seconds, forward) }
    forward()
    let (dy, dx) = (memory.floats(pixels * channels), memory.floats(pixels * channels))
    return median(seconds) {
      kernels.batchNormalizationGradient(
        x, dy: dy, mean: mean, inverseDeviation: variance, gamma: gamma, beta: beta,
        activation: activation, dx: dx, dGamma: vectors[4], dBeta: vectors[5], pixels: pixels,
        channels: channels)
    }
  }

  private func crossEntropy(
    _ rows: Int, _ channels: Int, isGradient: Bool, _ seconds: Double
  ) -> Double {
    let memory = KernelMemory()
    defer { memory.free() }
    let (logits, labels) = (memory.floats(rows * channels), memory.floats(rows))
    for row in 0..<rows { labels[row] = Float(row % channels) }
    let gradient = memory.floats(isGradient ? rows * channels : 0)
    return median(seconds) {
      if isGradient {
        kernels.softmaxCrossEntropyGradient(
          logits: logits, labels: labels, classWeights: nil, ignoreLabel: nil,
          focalGamma: 0, rows: rows, channels: channels, scale: 1 / Float(rows),
          gradient: gradient)
      } else {
        _ = kernels.softmaxCrossEntropy(
          logits: logits, labels: labels, classWeights: nil, ignoreLabel: nil,
          focalGamma: 0, rows: rows, channels: channels)
      }
    }
  }

  private func adam(_ count: Int, _ seconds: Double) -> Double {
    let memory = KernelMemory()
    defer { memory.free() }
    let (parameters, gradients) = (memory.floats(count), memory.floats(count))
    let (first, second) = (memory.floats(count), memory.floats(count))
    kernels.fill(0, first, count: count)
    kernels.fill(0, second, count: count)
    var step = 0
    return median(seconds) {
      step += 1
      kernels.adam(
        parameters: parameters, gradients: gradients, firstMoment: first,
        secondMoment: second, learningRate: 1e-4, beta1: 0.9, beta2: 0.999, epsilon: 1e-8,
        weightDecay: 0, decoupled: false, step: step, gradientScale: 1, count: count)
    }
  }
}

/// The memory of one kernel.
private final class KernelMemory {
  private var blocks: [UnsafeMutableRawPointer] = []

  /// Floats aligned to cache lines, filled with seeded noise of -1 to 1.
  func floats(_ count: Int) -> UnsafeMutablePointer<Float> {
    let size = max(count, 16)
    let block = UnsafeMutableRawPointer.allocate(byteCount: 4 * size, alignment: 64)
    blocks.append(block)
    let floats = block.bindMemory(to: Float.self, capacity: size)
    // What is drawn once is repeated, with a period that no row of an image has.
    var generator = RandomGenerator(seed: 7)
    let drawn = min(size, 65_521)
    for index in 0..<drawn { floats[index] = 2 * generator.uniform() - 1 }
    var filled = drawn
    while filled < size {
      let more = min(filled, size - filled)
      (floats + filled).update(from: floats, count: more)
      filled += more
    }
    return floats
  }

  /// Gives everything back; a call at the end also keeps the memory alive until then.
  func free() {
    for block in blocks { block.deallocate() }
    blocks = []
  }
}
