// The benchmark's counts of operations and bytes, and the kernels that it finds in the workloads.

import AtelierEngine
import AtelierKernels
import AtelierStudio
import AtelierWorkbench
import Foundation
import Testing

@Suite struct BenchTests {
  /// Multiply-adds by hand: kernel area × channels in × channels out × pixels out.
  @Test func inferenceCountsDirectConvolutions() throws {
    let widths = [3, 32, 64, 128]
    var expected = 0
    for (level, pair) in zip(widths, widths.dropFirst()).enumerated() {
      // Down: 96, 48, 24 pixels a side; up: the same layers with sides exchanged.
      let pixels = (96 >> level) * (96 >> level)
      expected += 2 * 9 * pair.0 * pair.1 * pixels * 16
    }
    let bench = try Bench(.autoencoder, phase: .infer, kernels: quick)
    #expect(bench.multiplyAdds == expected)
    // A step of training does the same again for each gradient, the input's apart.
    let training = try Bench(.autoencoder, phase: .train, kernels: quick)
    let first = 9 * 3 * 32 * 96 * 96 * 16
    #expect(training.multiplyAdds == 3 * expected - first)
  }

  private let quick = Kernels(pool: ThreadPool(threads: 1))

  @Test func resultRelatesTimeOperationsAndPeak() throws {
    let bench = try Bench(.autoencoder, phase: .infer, kernels: quick)
    let result = try bench.run(seconds: 0, warmUp: 0, least: 1, peak: 10)
    let gigaflops = 2 * Double(bench.multiplyAdds) / result.ms / 1e6
    #expect(abs(result.gigaflops / gigaflops - 1) < 0.01)
    let share = try #require(result.peakShare)
    #expect(abs(share * 10 / gigaflops - 1) < 0.01)
    let unmeasured = try bench.run(seconds: 0, warmUp: 0, least: 1)
    #expect(unmeasured.peakShare == nil)
  }

  @Test func resultsHaveThePeersKeysAndOurs() throws {
    let text =
      #"{"gflops":6,"images_per_s":3,"mode":"atelier","ms":2,"params":5,"peak_rss_mb":4,"#
      + #""peak_share":0.5,"phase":"infer","precision":"bfloat16","workload":"W"}"#
    let result = try JSONDecoder().decode(BenchResult.self, from: Data(text.utf8))
    #expect(result.gigaflops == 6 && result.peakShare == 0.5 && result.peakMemory == 4)
    #expect(result.precision == .bfloat16)
    let encoder = JSONEncoder()
    encoder.outputFormatting = .sortedKeys
    #expect(String(decoding: try encoder.encode(result), as: UTF8.self) == text)
  }

  @Test func profileCountsBytesOfInputsAndOutputs() throws {
    let bench = try Bench(.autoencoder, phase: .train, kernels: quick)
    let rows = try bench.profile(steps: 1)
    let graph = try Workload.autoencoder.trainingGraph()
    let parameters = graph.parameterCount
    let optimizer = try #require(rows.last)
    #expect(optimizer.operation == "adam")
    #expect(abs(optimizer.gigabytes * optimizer.ms * 1e6 / Double(28 * parameters) - 1) < 1e-9)
    // The first pool reads 16×96×96×32 and writes maxima and switches of a quarter of that.
    let pool = try #require(rows.first { $0.operation == "max-pool-2d" })
    let count = 16 * 96 * 96 * 32
    #expect(abs(pool.gigabytes * pool.ms * 1e6 / Double(4 * count * 3 / 2) - 1) < 1e-9)
    // The first unpooling reads maxima and switches; of the mirror pool's input only the shape.
    let unpool = try #require(rows.first { $0.operation == "max-unpool-2d" })
    let unpooled = 16 * 24 * 24 * 128
    #expect(abs(unpool.gigabytes * unpool.ms * 1e6 / Double(4 * unpooled * 3 / 2) - 1) < 1e-9)
    for row in rows where row.ms > 0 { #expect(row.gigabytes > 0, "\(row.node)") }
  }
}

@Suite struct KernelBenchTests {
  private let kernels = Kernels(pool: ThreadPool(threads: 1))

  /// The sizes that are read off a graph's nodes must be those that the engine runs.
  @Test(arguments: Workload.allCases)
  func casesAreTheWorkloadsOwn(_ workload: Workload) throws {
    let cases = try workload.kernelCases(kernels)
    #expect(Set(cases).count == cases.count)
    var wanted: Set<Int> = []
    for graph in [
      try workload.trainingGraph(), try workload.inferenceGraph().specialized(for: .infer),
    ] {
      let fused = Plan(graph, kernels: kernels).graph
      for node in fused.nodes {
        let count = node.operation.multiplyAdds(fused.shapes(of: node))
        if count > 0 { wanted.insert(count) }
      }
    }
    #expect(Set(cases.map(\.multiplyAdds).filter { $0 > 0 }) == wanted)
    let moved = try workload.trainingGraph().parameterGradients.count
    #expect(moved > 0)
    #expect(cases.last?.name == "adam")
  }

  @Test func convolutionsKeepStrideAndPadding() throws {
    let generator = try Workload.noiseGenerator.kernelCases(kernels)
    let halving = ConvolutionGeometry(
      batch: 128, inputHeight: 28, inputWidth: 28, inputChannels: 16, outputHeight: 14,
      outputWidth: 14, outputChannels: 32, kernelHeight: 3, kernelWidth: 3, strideHeight: 2,
      strideWidth: 2, paddingTop: 1, paddingLeft: 1)
    #expect(generator.contains(.convolution(halving)))
    #expect(generator.contains(.weightGradient(halving)))
    #expect(generator.contains(.inputGradient(halving)))
    let denoiser = try Workload.dncnn.kernelCases(kernels)
    let first = ConvolutionGeometry(
      batch: 32, inputHeight: 40, inputWidth: 40, inputChannels: 1, outputHeight: 40,
      outputWidth: 40, outputChannels: 64, kernelHeight: 3, kernelWidth: 3, paddingTop: 1,
      paddingLeft: 1)
    #expect(denoiser.contains(.convolution(first)))
    #expect(denoiser.contains(.weightGradient(first)))
    // Nobody needs the gradient of a picture.
    #expect(!denoiser.contains(.inputGradient(first)))
    let unet = try Workload.unet.kernelCases(kernels)
    let grow = ConvolutionGeometry(
      batch: 4, inputHeight: 64, inputWidth: 64, inputChannels: 64, outputHeight: 32,
      outputWidth: 32, outputChannels: 128, kernelHeight: 2, kernelWidth: 2, strideHeight: 2,
      strideWidth: 2)
    #expect(unet.contains(.inputGradient(grow)))
    let same = ConvolutionGeometry(
      batch: 4, inputHeight: 256, inputWidth: 256, inputChannels: 3, outputHeight: 256,
      outputWidth: 256, outputChannels: 16, kernelHeight: 3, kernelWidth: 3, paddingTop: 1,
      paddingLeft: 1)
    #expect(unet.contains(.convolution(same)))
    #expect(unet.contains(.crossEntropy(rows: 4 * 256 * 256, channels: 12)))
    #expect(unet.last == .adam(count: try Workload.unet.parameterCount()))
  }

  @Test func casesOfSeveralWorkloadsAreOne() throws {
    let bench = KernelBench(kernels)
    let both = try bench.cases([.dncnn, .dncnn])
    #expect(Set(both.map(\.kernel)).count == both.count)
    #expect(both.allSatisfy { $0.workloads == [.dncnn, .dncnn] })
    // Kernels of a kind stand together.
    var names: [String] = []
    for (kernel, _) in both where names.last != kernel.name { names.append(kernel.name) }
    #expect(Set(names).count == names.count)
  }

  @Test func filterLooksAtNameAndShape() throws {
    let bench = KernelBench(kernels)
    let gradients = try bench.cases([.dncnn], filter: "Weight-Gradient")
    #expect(
      gradients.map(\.kernel.name) == ["weight-gradient", "weight-gradient", "weight-gradient"])
    let thin = try bench.cases([.dncnn], filter: "32x40x40 1->64")
    #expect(thin.map(\.kernel.name) == ["convolution", "weight-gradient"])
    #expect(try bench.cases([.dncnn], filter: "no such kernel").isEmpty)
  }

  /// Every kind runs, on sizes that are small and odd.
  @Test func everyKindOfKernelRuns() {
    let convolution = ConvolutionGeometry(
      batch: 1, inputHeight: 7, inputWidth: 5, inputChannels: 3, outputHeight: 7, outputWidth: 5,
      outputChannels: 5, kernelHeight: 3, kernelWidth: 3, paddingTop: 1, paddingLeft: 1)
    let dense = ConvolutionGeometry(
      batch: 1, inputHeight: 1, inputWidth: 4, inputChannels: 128, outputHeight: 1, outputWidth: 4,
      outputChannels: 128, kernelHeight: 1, kernelWidth: 1)
    let pool = PoolGeometry(
      batch: 1, inputHeight: 6, inputWidth: 4, channels: 3, outputHeight: 3, outputWidth: 2,
      windowHeight: 2, windowWidth: 2, strideHeight: 2, strideWidth: 2)
    let all: [KernelCase] = [
      .convolution(convolution), .inputGradient(convolution), .weightGradient(convolution),
      .convolution(dense), .inputGradient(dense), .weightGradient(dense),
      .maxPool(pool), .maxUnpool(pool), .switchGather(pool),
      .batchNormalization(pixels: 9, channels: 3, activation: .relu),
      .batchNormalizationGradient(pixels: 9, channels: 3, activation: .identity),
      .crossEntropy(rows: 5, channels: 3), .crossEntropyGradient(rows: 5, channels: 3),
      .adam(count: 17),
    ]
    for kernel in all {
      let row = KernelBench(kernels).run(kernel, workloads: [.unet], seconds: 0)
      #expect(row.kernel == kernel.name && row.shape == kernel.shape)
      #expect(row.workloads == ["D-unet"])
      #expect(row.ms > 0 && row.gigabytes > 0)
      #expect((row.gigaflops > 0) == (kernel.multiplyAdds > 0))
    }
    #expect(all[0].shape == "1x7x5 3->5 3x3")
    #expect(all[6].shape == "1x6x4 3 2x2")
    #expect(all[0].bytes == 4 * (105 + 175 + 135))
    #expect(all[6].bytes == 4 * (72 + 36))
  }
}
