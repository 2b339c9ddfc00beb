// Softmax and the losses against their reference twins, worked examples and central differences.

import AtelierKernels
import Testing

#if canImport(Glibc)
import Glibc
#elseif canImport(Darwin)
import Darwin
#endif

private typealias Support = ElementSupport

@Suite struct LossKernelTests {
  static let losses: [PointwiseLoss] = [
    .squared, .absolute, .huber(delta: 0.7), .charbonnier(epsilon: 0.01), .binaryCrossEntropy,
  ]
  /// Rows and classes: one class, few, around the vector widths, around the tile, many.
  static let grids: [ElementSupport.Grid] = [
    .init(1, 1), .init(1, 2), .init(5, 3), .init(16, 10), .init(37, 12), .init(7, 63),
    .init(33, 64), .init(19, 65), .init(3, 1000), .init(20, 1003), .init(3001, 12),
    .init(40_000, 2),
  ]

  @Test(arguments: losses, ElementSupport.counts)
  func pointwise(loss: PointwiseLoss, count: Int) {
    let x = Support.values(count, seed: 1)
    let range: ClosedRange<Float> = loss == .binaryCrossEntropy ? 0...1 : -3...3
    var t = Support.values(count, seed: 2, in: range)
    if loss != .binaryCrossEntropy { t[count / 2] = x[count / 2] }
    let sum = Reference.pointwiseLoss(loss, prediction: x, target: t, count: count)
    Support.verify(relative: 2e-6, reference: [Float(sum)]) { kernels in
      [Float(kernels.pointwiseLoss(loss, prediction: x, target: t, count: count))]
    }
    Support.expectSameBits {
      $0.pointwiseLoss(loss, prediction: x, target: t, count: count)
    }
    let gradient = Support.made(count) {
      Reference.pointwiseLossGradient(
        loss, prediction: x, target: t, scale: 0.3, $0, count: count)
    }
    Support.verify(relative: 1e-6, absolute: 1e-6, reference: gradient) { kernels in
      Support.changed(x) {
        kernels.pointwiseLossGradient(
          loss, prediction: $0, target: t, scale: 0.3, $0, count: count)
      }
    }
  }

  @Test func binaryCrossEntropyIsStable() {
    let x: [Float] = [1000, -1000, 1000, -1000, 0]
    let t: [Float] = [1, 0, 0, 1, 0.5]
    for kernels in Support.each {
      let sum = kernels.pointwiseLoss(.binaryCrossEntropy, prediction: x, target: t, count: 5)
      #expect(abs(sum - 2000.693_147) < 1e-3)
    }
  }

  @Test(arguments: grids)
  func softmax(grid: ElementSupport.Grid) {
    let (rows, channels) = (grid.pixels, grid.channels)
    let x = Support.values(grid.count, seed: 3, in: -20...20)
    let y = Support.made(grid.count) {
      Reference.softmaxForward(x, $0, rows: rows, channels: channels)
    }
    Support.verify(relative: 3e-6, absolute: 1e-12, reference: y) { kernels in
      Support.changed(x) { kernels.softmaxForward($0, $0, rows: rows, channels: channels) }
    }
    let dy = Support.values(grid.count, seed: 4)
    let dx = Support.made(grid.count) {
      Reference.softmaxGradient(y: y, dy: dy, dx: $0, rows: rows, channels: channels)
    }
    Support.verify(relative: 1e-6, absolute: 2e-6, reference: dx) { kernels in
      Support.changed(dy) {
        kernels.softmaxGradient(y: y, dy: $0, dx: $0, rows: rows, channels: channels)
      }
    }
  }

  @Test func softmaxOfLargeLogits() {
    for kernels in Support.each {
      for channels in [2, 70] {
        var x = [Float](repeating: -1e30, count: channels)
        x[1] = 1e30
        let y = Support.made(channels) {
          kernels.softmaxForward(x, $0, rows: 1, channels: channels)
        }
        #expect(y[1] == 1 && y[0] == 0 && y[channels - 1] == (channels == 2 ? 1 : 0))
      }
    }
  }

  struct EntropyCase: CustomTestStringConvertible, Sendable {
    let grid: ElementSupport.Grid
    let weighted: Bool
    let ignore: Int?
    let gamma: Float
    var testDescription: String {
      "\(grid.testDescription) weighted \(weighted) ignore \(ignore ?? -99) gamma \(gamma)"
    }
  }

  static let entropyCases: [EntropyCase] = grids.flatMap { grid in
    [
      EntropyCase(grid: grid, weighted: false, ignore: nil, gamma: 0),
      EntropyCase(grid: grid, weighted: true, ignore: 0, gamma: 0),
      EntropyCase(grid: grid, weighted: true, ignore: 255, gamma: 2),
      EntropyCase(grid: grid, weighted: false, ignore: -1, gamma: 0.5),
    ]
  }

  /// Mostly good labels, and one each of everything that can be wrong with one.
  private func labels(_ rows: Int, _ channels: Int) -> [Float] {
    let bad: [Float] = [-1, 255, Float(channels), 0.5, .nan, .infinity, -.infinity, 1e30]
    return (0..<rows).map { row in
      row % 11 == 7 ? bad[row / 11 % bad.count] : Float((row * 7 + 3) % channels)
    }
  }

  @Test(arguments: entropyCases)
  func crossEntropy(test: EntropyCase) {
    let (rows, channels) = (test.grid.pixels, test.grid.channels)
    let x = Support.values(test.grid.count, seed: 5, in: -4...4)
    let labels = labels(rows, channels)
    let weights = Support.values(channels, seed: 6, in: 0.5...2)
    weights.withUnsafeBufferPointer { buffer in
      let classWeights = test.weighted ? buffer.baseAddress : nil
      let expected = Reference.softmaxCrossEntropy(
        logits: x, labels: labels, classWeights: classWeights, ignoreLabel: test.ignore,
        focalGamma: test.gamma, rows: rows, channels: channels)
      let reference = [Float(expected.loss), Float(expected.weight), Float(expected.invalid)]
      Support.verify(relative: 4e-6, absolute: 1e-6, reference: reference) { kernels in
        let result = kernels.softmaxCrossEntropy(
          logits: x, labels: labels, classWeights: classWeights, ignoreLabel: test.ignore,
          focalGamma: test.gamma, rows: rows, channels: channels)
        return [Float(result.loss), Float(result.weight), Float(result.invalid)]
      }
      Support.expectSameBits {
        $0.softmaxCrossEntropy(
          logits: x, labels: labels, classWeights: classWeights, ignoreLabel: test.ignore,
          focalGamma: test.gamma, rows: rows, channels: channels
        ).loss
      }
      let gradient = Support.made(test.grid.count) {
        Reference.softmaxCrossEntropyGradient(
          logits: x, labels: labels, classWeights: classWeights, ignoreLabel: test.ignore,
          focalGamma: test.gamma, rows: rows, channels: channels, scale: 0.7, gradient: $0)
      }
      Support.verify(relative: 4e-6, absolute: 2e-6, reference: gradient) { kernels in
        Support.changed(x) {
          kernels.softmaxCrossEntropyGradient(
            logits: $0, labels: labels, classWeights: classWeights, ignoreLabel: test.ignore,
            focalGamma: test.gamma, rows: rows, channels: channels, scale: 0.7, gradient: $0)
        }
      }
    }
  }

  @Test func crossEntropyByHand() {
    let logits: [Float] = [0, 0, 0, 0, 0, 0, 0, 0]
    for kernels in Support.each {
      let result = kernels.softmaxCrossEntropy(
        logits: logits, labels: [1, 9], classWeights: nil, ignoreLabel: 9, focalGamma: 0, rows: 2,
        channels: 4)
      #expect(abs(result.loss - log(4.0)) < 1e-6)
      #expect(result.weight == 1 && result.invalid == 0)
      let focal = kernels.softmaxCrossEntropy(
        logits: logits, labels: [1, 9], classWeights: nil, ignoreLabel: nil, focalGamma: 2,
        rows: 2, channels: 4)
      #expect(abs(focal.loss - 0.5625 * log(4.0)) < 1e-6)
      #expect(focal.invalid == 1)
    }
  }

  /// A certain prediction has no loss; its focal gradient is zero, not zero times infinity.
  @Test func focalGradientOfACertainPrediction() {
    for kernels in Support.each {
      for gamma: Float in [0.5, 1, 2] {
        let gradient = Support.made(3) {
          kernels.softmaxCrossEntropyGradient(
            logits: [200, 0, 0], labels: [0], classWeights: nil, ignoreLabel: nil,
            focalGamma: gamma, rows: 1, channels: 3, scale: 1, gradient: $0)
        }
        #expect(gradient == [0, 0, 0])
      }
    }
  }

  @Test(arguments: grids)
  func categorical(grid: ElementSupport.Grid) {
    let (rows, channels) = (grid.pixels, grid.channels)
    let x = Support.values(grid.count, seed: 7)
    let t = Support.values(grid.count, seed: 8, in: 0...1)
    let sum = Reference.categoricalCrossEntropy(
      logits: x, targets: t, rows: rows, channels: channels)
    Support.verify(relative: 2e-6, absolute: 1e-6, reference: [Float(sum)]) { kernels in
      let loss = kernels.categoricalCrossEntropy(
        logits: x, targets: t, rows: rows, channels: channels)
      return [Float(loss)]
    }
    let gradient = Support.made(grid.count) {
      Reference.categoricalCrossEntropyGradient(
        logits: x, targets: t, scale: 0.4, gradient: $0, rows: rows, channels: channels)
    }
    Support.verify(relative: 4e-6, absolute: 2e-6, reference: gradient) { kernels in
      Support.changed(t) {
        kernels.categoricalCrossEntropyGradient(
          logits: x, targets: $0, scale: 0.4, gradient: $0, rows: rows, channels: channels)
      }
    }
  }

  @Test(arguments: grids, [false, true])
  func margin(grid: ElementSupport.Grid, targeted: Bool) {
    let (rows, channels) = (grid.pixels, grid.channels)
    let x = Support.values(grid.count, seed: 9)
    let labels = labels(rows, channels)
    let sum = Reference.marginLoss(
      logits: x, labels: labels, targeted: targeted, kappa: 0.5, rows: rows, channels: channels)
    Support.verify(relative: 2e-6, absolute: 1e-6, reference: [Float(sum)]) { kernels in
      let loss = kernels.marginLoss(
        logits: x, labels: labels, targeted: targeted, kappa: 0.5, rows: rows, channels: channels)
      return [Float(loss)]
    }
    let gradient = Support.made(grid.count) {
      Reference.marginLossGradient(
        logits: x, labels: labels, targeted: targeted, kappa: 0.5, rows: rows, channels: channels,
        scale: 0.3, gradient: $0)
    }
    Support.verify(reference: gradient) { kernels in
      Support.changed(x) {
        kernels.marginLossGradient(
          logits: $0, labels: labels, targeted: targeted, kappa: 0.5, rows: rows,
          channels: channels, scale: 0.3, gradient: $0)
      }
    }
  }

  @Test func marginByHand() {
    let logits: [Float] = [3, 1, 2, 0, 5, 4]
    for kernels in Support.each {
      let untargeted = kernels.marginLoss(
        logits: logits, labels: [0, 0], targeted: false, kappa: 0.25, rows: 2, channels: 3)
      #expect(untargeted == 1.25)
      let targeted = kernels.marginLoss(
        logits: logits, labels: [1, 0], targeted: true, kappa: 0.25, rows: 2, channels: 3)
      #expect(targeted == 2.25 + 5.25)
    }
  }

  @Test(arguments: ElementSupport.grids)
  func dice(grid: ElementSupport.Grid) {
    let (rows, channels) = (grid.pixels, grid.channels)
    let p = Support.values(grid.count, seed: 10, in: 0...1)
    let t = Support.values(grid.count, seed: 11, in: 0...1).map { $0 > 0.6 ? Float(1) : 0 }
    let reference = Support.made(3 * channels + 1) {
      $0[3 * channels] = Float(
        Reference.diceLoss(
          prediction: p, target: t, smooth: 1, rows: rows, channels: channels, sums: $0))
    }
    Support.verify(relative: 4e-6, absolute: 1e-6, reference: reference) { kernels in
      Support.made(3 * channels + 1) {
        $0[3 * channels] = Float(
          kernels.diceLoss(
            prediction: p, target: t, smooth: 1, rows: rows, channels: channels, sums: $0))
      }
    }
    let gradient = Support.made(grid.count) {
      Reference.diceLossGradient(
        prediction: p, target: t, smooth: 1, sums: reference, scale: 100, gradient: $0,
        rows: rows, channels: channels)
    }
    Support.verify(relative: 4e-6, absolute: 1e-6, reference: gradient) { kernels in
      Support.changed(t) {
        kernels.diceLossGradient(
          prediction: p, target: $0, smooth: 1, sums: reference, scale: 100, gradient: $0,
          rows: rows, channels: channels)
      }
    }
  }

  @Test func diceOfEmptyChannels() {
    let zeros = [Float](repeating: 0, count: 6)
    for kernels in Support.each {
      var sums = [Float](repeating: .nan, count: 9)
      let loss = kernels.diceLoss(
        prediction: zeros, target: zeros, smooth: 0, rows: 2, channels: 3, sums: &sums)
      #expect(loss == 0)
      let gradient = Support.made(6) {
        kernels.diceLossGradient(
          prediction: zeros, target: zeros, smooth: 0, sums: sums, scale: 1, gradient: $0, rows: 2,
          channels: 3)
      }
      #expect(gradient == zeros)
    }
  }

  /// Every gradient is the slope of its loss: central differences on a small problem.
  @Test func gradientsAreTheSlopesOfTheLosses() {
    let kernels = Kernels()
    let x = Support.values(20, seed: 12, in: -1...1)
    let t = Support.values(20, seed: 13, in: 0...1)
    let labels: [Float] = [0, 3, 1, 2, 3]
    // Away from their kinks: the absolute value has no slope at zero, and a sharp Charbonnier
    // nearly none.
    let smooth: [PointwiseLoss] = [
      .squared, .huber(delta: 0.7), .charbonnier(epsilon: 0.5), .binaryCrossEntropy,
    ]
    for loss in smooth {
      expectSlope(x, of: "\(loss)") {
        kernels.pointwiseLoss(loss, prediction: $0, target: t, count: 20)
      } gradient: { x, g in
        kernels.pointwiseLossGradient(loss, prediction: x, target: t, scale: 1, g, count: 20)
      }
    }
    for gamma: Float in [0, 1.5, 2] {
      expectSlope(x, of: "cross-entropy \(gamma)") {
        kernels.softmaxCrossEntropy(
          logits: $0, labels: labels, classWeights: t, ignoreLabel: nil, focalGamma: gamma,
          rows: 5, channels: 4
        ).loss
      } gradient: { x, g in
        kernels.softmaxCrossEntropyGradient(
          logits: x, labels: labels, classWeights: t, ignoreLabel: nil, focalGamma: gamma,
          rows: 5, channels: 4, scale: 1, gradient: g)
      }
    }
    expectSlope(x, of: "categorical") {
      kernels.categoricalCrossEntropy(logits: $0, targets: t, rows: 5, channels: 4)
    } gradient: { x, g in
      kernels.categoricalCrossEntropyGradient(
        logits: x, targets: t, scale: 1, gradient: g, rows: 5, channels: 4)
    }
    for targeted in [false, true] {
      expectSlope(x, of: "margin") {
        kernels.marginLoss(
          logits: $0, labels: labels, targeted: targeted, kappa: 2, rows: 5, channels: 4)
      } gradient: { x, g in
        kernels.marginLossGradient(
          logits: x, labels: labels, targeted: targeted, kappa: 2, rows: 5, channels: 4, scale: 1,
          gradient: g)
      }
    }
    expectSlope(t, of: "Dice") { t in
      var sums = [Float](repeating: 0, count: 12)
      return kernels.diceLoss(
        prediction: t, target: x, smooth: 20, rows: 5, channels: 4, sums: &sums)
    } gradient: { t, g in
      var sums = [Float](repeating: 0, count: 12)
      _ = kernels.diceLoss(
        prediction: t, target: x, smooth: 20, rows: 5, channels: 4, sums: &sums)
      kernels.diceLossGradient(
        prediction: t, target: x, smooth: 20, sums: sums, scale: 1, gradient: g, rows: 5,
        channels: 4)
    }
  }

  private func expectSlope(
    _ x: [Float], of name: String, value: ([Float]) -> Double,
    gradient: ([Float], UnsafeMutablePointer<Float>) -> Void
  ) {
    let slopes = Support.made(x.count) { gradient(x, $0) }
    let step: Float = 1.0 / 256
    for i in x.indices {
      var high = x
      var low = x
      high[i] += step
      low[i] -= step
      let difference = (value(high) - value(low)) / Double(high[i] - low[i])
      #expect(abs(difference - Double(slopes[i])) < 2e-3, "\(name) at \(i)")
    }
  }
}
