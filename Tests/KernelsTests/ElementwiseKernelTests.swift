// The element-wise kernels, reductions and dropout against their reference twins.

import AtelierKernels
import Testing

private typealias Support = ElementSupport

@Suite struct ElementwiseKernelTests {
  static let activations: [Activation] = [
    .identity, .relu, .cappedReLU(limit: 6), .leakyReLU(slope: 0.1), .elu(alpha: 1.5), .silu, .gelu,
    .sigmoid, .tanh,
    .hardSwish, .tanhGELU, .softplus, .exponential, .absolute, .errorFunction,
  ]
  static let operators: [BinaryOperator] = [.add, .subtract, .multiply, .divide, .maximum]

  @Test(arguments: activations, ElementSupport.counts)
  func activationsAndGradients(activation: Activation, count: Int) {
    let x = Support.values(count, seed: 1, in: -9...9)
    let dy = Support.values(count, seed: 2)
    let y = Support.made(count) { Reference.activationForward(activation, x, $0, count: count) }
    // Far on the negative side the normal distribution function is good to 2e-8, not to its last
    // digit.
    // The hard form's factor is 0 at -3, and near it good to the rounding of a half.
    let absolute: Float = activation == .gelu ? 1e-7 : activation == .hardSwish ? 4e-7 : 1e-9
    Support.verify(relative: 1e-6, absolute: absolute, reference: y) { kernels in
      Support.made(count) { kernels.activationForward(activation, x, $0, count: count) }
    }
    Support.verify(relative: 1e-6, absolute: absolute, reference: y) { kernels in
      Support.changed(x) { kernels.activationForward(activation, $0, $0, count: count) }
    }
    let saved = activation.differentiatesFromOutput ? y : x
    let dx = Support.made(count) {
      Reference.activationGradient(activation, saved: saved, dy, $0, count: count)
    }
    Support.verify(relative: 2e-6, absolute: 1e-6, reference: dx) { kernels in
      Support.changed(dy) {
        kernels.activationGradient(activation, saved: saved, $0, $0, count: count)
      }
    }
  }

  @Test(arguments: activations)
  func activationsAtTheLimits(activation: Activation) {
    let x: [Float] = [
      0, -0.0, 1e-30, -1e-30, 0x1p-130, -0x1p-130, 1e-7, -1e-7, 20, -20, 87, -87, 88.5, -88.5, 100,
      -100,
      1e30, -1e30, .greatestFiniteMagnitude, -.greatestFiniteMagnitude, .infinity, .nan,
    ]
    for kernels in Support.each {
      let y = Support.made(x.count) {
        kernels.activationForward(activation, x, $0, count: x.count)
      }
      let reference = Support.made(x.count) {
        Reference.activationForward(activation, x, $0, count: x.count)
      }
      Support.expectClose(
        y.dropLast(), reference.dropLast(), relative: 1e-6,
        absolute: activation == .gelu ? 1e-7 : 2e-38,
        what: "\(kernels.instructionSet)")
      #expect(y[x.count - 1].isNaN, "\(kernels.instructionSet) hides not-a-number")
    }
  }

  /// The elementary functions behind the activations, over their whole range in fine steps.
  @Test func elementaryFunctionsAreAccurate() {
    let x = (-88_000...88_000).map { Float($0) / 1000 + 0.000_37 }
    for kernels in Support.each {
      for activation: Activation in [.sigmoid, .tanh, .elu(alpha: 1), .silu] {
        let y = Support.made(x.count) {
          kernels.activationForward(activation, x, $0, count: x.count)
        }
        let reference = Support.made(x.count) {
          Reference.activationForward(activation, x, $0, count: x.count)
        }
        Support.expectClose(
          y, reference, relative: 4e-7, absolute: 1e-37,
          what: "\(kernels.instructionSet) \(activation)")
      }
    }
  }

  @Test(arguments: operators, ElementSupport.counts)
  func binaryOperators(operation: BinaryOperator, count: Int) {
    let x = Support.values(count, seed: 3)
    let y = Support.values(count, seed: 4, in: 0.5...2)
    let reference = Support.made(count) {
      Reference.binary(operation, x, y, $0, count: count)
    }
    Support.verify(reference: reference) { kernels in
      Support.made(count) { kernels.binary(operation, x, y, $0, count: count) }
    }
    Support.verify(reference: reference) { kernels in
      Support.changed(y) { kernels.binary(operation, x, $0, $0, count: count) }
    }
  }

  @Test(arguments: ElementSupport.counts)
  func scalingAndClamping(count: Int) {
    let x = Support.values(count, seed: 5)
    let y = Support.values(count, seed: 6)
    Support.verify(
      relative: 2e-7, absolute: 4e-7,
      reference: Support.made(count) {
        Reference.affine(x, scale: 1.7, shift: -0.3, $0, count: count)
      }
    ) { kernels in
      Support.changed(x) { kernels.affine($0, scale: 1.7, shift: -0.3, $0, count: count) }
    }
    Support.verify(
      relative: 2e-7, absolute: 4e-7,
      reference: Support.changed(y) { Reference.accumulate(x, scale: -2.3, into: $0, count: count) }
    ) { kernels in
      Support.changed(y) { kernels.accumulate(x, scale: -2.3, into: $0, count: count) }
    }
    Support.verify(
      reference: Support.made(count) {
        Reference.clamp(x, lower: -1, upper: 0.5, $0, count: count)
      }
    ) { kernels in
      Support.changed(x) { kernels.clamp($0, lower: -1, upper: 0.5, $0, count: count) }
    }
    Support.verify(
      reference: Support.made(count) {
        Reference.clampGradient(x, lower: -1, upper: 0.5, y, $0, count: count)
      }
    ) { kernels in
      Support.changed(y) {
        kernels.clampGradient(x, lower: -1, upper: 0.5, $0, $0, count: count)
      }
    }
  }

  @Test func clampPassesItsBoundsAndNotANumber() {
    let x: [Float] = [-1, 1, -1.000_001, 1.000_001, .infinity, -.infinity, .nan]
    let ones = [Float](repeating: 1, count: x.count)
    for kernels in Support.each {
      let y = Support.made(x.count) {
        kernels.clamp(x, lower: -1, upper: 1, $0, count: x.count)
      }
      #expect(Array(y.dropLast()) == [-1, 1, -1, 1, 1, -1])
      #expect(y[6].isNaN)
      let dx = Support.made(x.count) {
        kernels.clampGradient(x, lower: -1, upper: 1, ones, $0, count: x.count)
      }
      #expect(dx == [1, 1, 0, 0, 0, 0, 0])
    }
  }

  @Test(arguments: ElementSupport.counts)
  func fillAndCopy(count: Int) {
    let x = Support.values(count, seed: 7)
    Support.verify(reference: x) { kernels in
      Support.made(count) { kernels.copy(x, $0, count: count) }
    }
    Support.verify(reference: [Float](repeating: 2.5, count: count)) { kernels in
      Support.made(count) { kernels.fill(2.5, $0, count: count) }
    }
  }

  @Test(arguments: ElementSupport.grids)
  func channels(grid: ElementSupport.Grid) {
    let x = Support.values(grid.count, seed: 8)
    let bias = Support.values(grid.channels, seed: 9)
    Support.verify(
      reference: Support.made(grid.count) {
        Reference.addChannels(
          x, bias: bias, $0, pixels: grid.pixels, channels: grid.channels)
      }
    ) { kernels in
      Support.changed(x) {
        kernels.addChannels($0, bias: bias, $0, pixels: grid.pixels, channels: grid.channels)
      }
    }
    Support.verify(
      relative: 1e-6, absolute: Float(grid.pixels).squareRoot() * 3e-6,
      reference: Support.made(grid.channels) {
        Reference.channelSum(x, $0, pixels: grid.pixels, channels: grid.channels)
      }
    ) { kernels in
      Support.made(grid.channels) {
        kernels.channelSum(x, $0, pixels: grid.pixels, channels: grid.channels)
      }
    }
  }

  @Test(arguments: ElementSupport.counts)
  func sums(count: Int) {
    let x = Support.values(count, seed: 10)
    let reference = [
      Float(Reference.sum(x, count: count)), Float(Reference.sumOfSquares(x, count: count)),
    ]
    Support.verify(relative: 1e-6, reference: reference) { kernels in
      [Float(kernels.sum(x, count: count)), Float(kernels.sumOfSquares(x, count: count))]
    }
    Support.expectSameBits { $0.sum(x, count: count) }
    Support.expectSameBits { $0.sumOfSquares(x, count: count) }
  }

  @Test func sumsKeepWhatFloatsWouldLose() {
    let count = 100_000
    var x = [Float](repeating: 0.01, count: count)
    x[0] = 1e8
    for kernels in Support.each {
      let sum = kernels.sum(x, count: count)
      #expect(abs(sum - (1e8 + 0.01 * Double(count - 1))) < 1e-3)
    }
  }

  @Test(arguments: ElementSupport.counts)
  func theFirstAndTheLastBadValueAreFound(count: Int) {
    for kernels in Support.each {
      var x = Support.values(count, seed: 11)
      #expect(kernels.allFinite(x, count: count))
      for bad: Float in [.nan, .infinity, -.infinity] {
        for index in [0, count / 2, count - 1] {
          let kept = x[index]
          x[index] = bad
          #expect(!kernels.allFinite(x, count: count))
          x[index] = kept
        }
      }
    }
  }

  @Test(arguments: ElementSupport.counts)
  func dropout(count: Int) {
    let x = Support.values(count, seed: 12, in: 1...2)
    for rate: Float in [0, 0.3, 0.5, 1] {
      let reference = Support.made(count) {
        Reference.dropout(x, rate: rate, seed: 77, $0, count: count)
      }
      Support.verify(relative: 2e-7, reference: reference) { kernels in
        Support.changed(x) { kernels.dropout($0, rate: rate, seed: 77, $0, count: count) }
      }
    }
  }

  @Test func dropoutKeepsTheRightShareAndDependsOnTheSeed() {
    let count = 200_000
    let ones = [Float](repeating: 1, count: count)
    let kernels = Kernels()
    var masks: [[Float]] = []
    for seed: UInt64 in [0, 1, 2, 1 << 32] {
      masks.append(
        Support.made(count) {
          kernels.dropout(ones, rate: 0.25, seed: seed, $0, count: count)
        })
    }
    for mask in masks {
      let kept = mask.filter { $0 != 0 }.count
      #expect(abs(Double(kept) / Double(count) - 0.75) < 0.005)
      // Neighbours are independent: both kept with probability 0.75².
      let pairs = (1..<count).filter { mask[$0] != 0 && mask[$0 - 1] != 0 }.count
      #expect(abs(Double(pairs) / Double(count) - 0.5625) < 0.005)
    }
    for i in masks.indices {
      for j in 0..<i {
        let agreeing = zip(masks[i], masks[j]).filter { $0 == $1 }.count
        #expect(abs(Double(agreeing) / Double(count) - 0.625) < 0.005)
      }
    }
  }
}
