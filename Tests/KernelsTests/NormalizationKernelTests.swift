// Batch, group and instance normalization against their reference twins.

import AtelierKernels
import Testing

private typealias Support = ElementSupport

@Suite struct NormalizationKernelTests {
  static let activations: [Activation] = [.identity, .relu, .leakyReLU(slope: 0.2)]

  @Test(arguments: ElementSupport.grids)
  func statistics(grid: ElementSupport.Grid) {
    let x = Support.values(grid.count, seed: 1, in: -1...4)
    let reference = statistics(x, grid) {
      Reference.batchStatistics(
        $0, mean: $1, variance: $2, pixels: grid.pixels, channels: grid.channels)
    }
    Support.verify(relative: 3e-6, absolute: 1e-6, reference: reference) { kernels in
      statistics(x, grid) {
        kernels.batchStatistics(
          $0, mean: $1, variance: $2, pixels: grid.pixels, channels: grid.channels)
      }
    }
  }

  @Test func statisticsSurviveALargeMean() {
    let grid = ElementSupport.Grid(40_001, 5)
    let x = Support.values(grid.count, seed: 2, in: -1...1).map { $0 + 4096 }
    let reference = statistics(x, grid) {
      Reference.batchStatistics($0, mean: $1, variance: $2, pixels: 40_001, channels: 5)
    }
    Support.verify(relative: 1e-5, reference: reference) { kernels in
      statistics(x, grid) {
        kernels.batchStatistics($0, mean: $1, variance: $2, pixels: 40_001, channels: 5)
      }
    }
  }

  private func statistics(
    _ x: [Float], _ grid: ElementSupport.Grid,
    _ body: (UnsafePointer<Float>, UnsafeMutablePointer<Float>, UnsafeMutablePointer<Float>) -> Void
  ) -> [Float] {
    x.withUnsafeBufferPointer { x in
      Support.made(2 * grid.channels) { out in
        guard let start = x.baseAddress else { return }
        body(start, out, out + grid.channels)
      }
    }
  }

  @Test(arguments: activations, ElementSupport.grids)
  func batchNormalization(activation: Activation, grid: ElementSupport.Grid) {
    let (pixels, channels) = (grid.pixels, grid.channels)
    let x = Support.values(grid.count, seed: 3)
    let mean = Support.values(channels, seed: 4, in: -0.2...0.2)
    let inverse = Support.values(channels, seed: 5, in: 0.4...0.8)
    let gamma = Support.values(channels, seed: 6, in: 0.5...1.5)
    let beta = Support.values(channels, seed: 7, in: -1...1)
    let y = Support.made(grid.count) {
      Reference.batchNormalizationForward(
        x, mean: mean, inverseDeviation: inverse, gamma: gamma, beta: beta,
        activation: activation, $0, pixels: pixels, channels: channels)
    }
    Support.verify(relative: 1e-6, absolute: 1e-6, reference: y) { kernels in
      Support.changed(x) {
        kernels.batchNormalizationForward(
          $0, mean: mean, inverseDeviation: inverse, gamma: gamma, beta: beta,
          activation: activation, $0, pixels: pixels, channels: channels)
      }
    }
    let dy = Support.values(grid.count, seed: 8)
    let saved = activation == .identity ? nil : y
    let reference = Support.made(grid.count + 2 * channels) { out in
      withOptional(saved) {
        Reference.batchNormalizationGradient(
          x, y: $0, dy: dy, mean: mean, inverseDeviation: inverse, gamma: gamma,
          activation: activation, dx: out, dGamma: out + grid.count,
          dBeta: out + grid.count + channels, pixels: pixels, channels: channels)
      }
    }
    let absolute = 2e-6 * max(1, Float(pixels).squareRoot())
    Support.verify(relative: 4e-6, absolute: absolute, reference: reference) { kernels in
      Support.changed(dy + [Float](repeating: .nan, count: 2 * channels)) { out in
        kernels.batchNormalizationGradient(
          x, dy: out, mean: mean, inverseDeviation: inverse, gamma: gamma, beta: beta,
          activation: activation, dx: out, dGamma: out + grid.count,
          dBeta: out + grid.count + channels, pixels: pixels, channels: channels)
      }
    }
  }

  private func withOptional(_ values: [Float]?, _ body: (UnsafePointer<Float>?) -> Void) {
    guard let values else { return body(nil) }
    values.withUnsafeBufferPointer { body($0.baseAddress) }
  }

  struct GroupCase: CustomTestStringConvertible, Sendable {
    let batch: Int
    let pixels: Int
    let channels: Int
    let groups: Int
    var testDescription: String { "\(batch)×\(pixels)×\(channels) in \(groups)" }
  }

  static let groupCases: [GroupCase] = [
    GroupCase(batch: 1, pixels: 4, channels: 1, groups: 1),
    GroupCase(batch: 3, pixels: 5, channels: 6, groups: 2),
    GroupCase(batch: 2, pixels: 35, channels: 6, groups: 6),
    GroupCase(batch: 2, pixels: 35, channels: 6, groups: 1),
    GroupCase(batch: 2, pixels: 64, channels: 32, groups: 8),
    GroupCase(batch: 3, pixels: 3001, channels: 17, groups: 17),
    GroupCase(batch: 2, pixels: 30, channels: 2100, groups: 70),
    GroupCase(batch: 5, pixels: 700, channels: 48, groups: 3),
  ]

  @Test(arguments: groupCases)
  func groupNormalization(test: GroupCase) {
    let (batch, pixels, channels, groups) = (test.batch, test.pixels, test.channels, test.groups)
    let count = batch * pixels * channels
    let statistics = batch * groups
    let x = Support.values(count, seed: 11, in: -1...3)
    let gamma = Support.values(channels, seed: 12, in: 0.5...1.5)
    let beta = Support.values(channels, seed: 13)
    let forward = Support.made(count + 2 * statistics) {
      Reference.groupNormalizationForward(
        x, gamma: gamma, beta: beta, epsilon: 1e-5, groups: groups, mean: $0 + count,
        inverseDeviation: $0 + count + statistics, $0, batch: batch, pixels: pixels,
        channels: channels)
    }
    Support.verify(relative: 4e-6, absolute: 4e-6, reference: forward) { kernels in
      Support.changed(x + [Float](repeating: .nan, count: 2 * statistics)) {
        kernels.groupNormalizationForward(
          $0, gamma: gamma, beta: beta, epsilon: 1e-5, groups: groups, mean: $0 + count,
          inverseDeviation: $0 + count + statistics, $0, batch: batch, pixels: pixels,
          channels: channels)
      }
    }
    let mean = Array(forward[count..<(count + statistics)])
    let inverse = Array(forward[(count + statistics)...])
    let dy = Support.values(count, seed: 14)
    let backward = Support.made(count + 2 * channels) {
      Reference.groupNormalizationGradient(
        x, dy: dy, mean: mean, inverseDeviation: inverse, gamma: gamma, groups: groups, dx: $0,
        dGamma: $0 + count, dBeta: $0 + count + channels, batch: batch, pixels: pixels,
        channels: channels)
    }
    let absolute = 3e-6 * max(1, Float(pixels).squareRoot())
    Support.verify(relative: 4e-6, absolute: absolute, reference: backward) { kernels in
      var workspace = [Float](repeating: .nan, count: 2 * batch * channels)
      return Support.changed(dy + [Float](repeating: .nan, count: 2 * channels)) {
        kernels.groupNormalizationGradient(
          x, dy: $0, mean: mean, inverseDeviation: inverse, gamma: gamma, groups: groups, dx: $0,
          dGamma: $0 + count, dBeta: $0 + count + channels, batch: batch, pixels: pixels,
          channels: channels, workspace: &workspace)
      }
    }
  }

  /// A worked example: two channels, the values 1, 3 and 2, 6.
  @Test func batchNormalizationByHand() {
    let x: [Float] = [1, 2, 3, 6]
    for kernels in Support.each {
      let statistics = Support.made(4) {
        kernels.batchStatistics(x, mean: $0, variance: $0 + 2, pixels: 2, channels: 2)
      }
      #expect(statistics == [2, 4, 1, 4])
      let y = Support.made(4) {
        kernels.batchNormalizationForward(
          x, mean: [2, 4], inverseDeviation: [1, 0.5], gamma: [2, 3], beta: [0, 1],
          activation: .relu, $0, pixels: 2, channels: 2)
      }
      #expect(y == [0, 0, 2, 4])
    }
  }
}
