// The optimizers' sweeps against their reference twins, ten steps each, and single steps by hand.

import AtelierKernels
import Testing

private typealias Support = ElementSupport

@Suite struct OptimizerKernelTests {
  /// Parameters and up to three states, in one array, moved by ten steps.
  private struct Sweep {
    let count: Int
    let memory: UnsafeMutablePointer<Float>
    let gradients: UnsafePointer<Float>
    let step: Int
    var parameters: UnsafeMutablePointer<Float> { memory }
    func state(_ index: Int) -> UnsafeMutablePointer<Float> { memory + (index + 1) * count }
  }

  private func run(
    _ count: Int, states: Int, start: Float, _ body: (Sweep) -> Void
  ) -> [Float] {
    let first = Support.values(count, seed: 1)
    let states = [Float](repeating: start, count: states * count)
    return Support.changed(first + states) { memory in
      for step in 1...10 {
        let gradients = Support.values(count, seed: UInt64(100 + step))
        gradients.withUnsafeBufferPointer { buffer in
          guard let base = buffer.baseAddress else { return }
          body(Sweep(count: count, memory: memory, gradients: base, step: step))
        }
      }
    }
  }

  private func verify(
    _ count: Int, states: Int, start: Float = 0, tolerance: Float = 1e-5,
    reference: (Sweep) -> Void,
    sourceLocation: SourceLocation = #_sourceLocation, kernel: (Kernels, Sweep) -> Void
  ) {
    let expected = run(count, states: states, start: start, reference)
    Support.verify(
      relative: 2 * tolerance, absolute: tolerance, reference: expected,
      sourceLocation: sourceLocation
    ) { kernels in
      run(count, states: states, start: start) { kernel(kernels, $0) }
    }
  }

  static let counts = [1, 5, 16, 33, 1000, 40_001]

  struct SGDCase: Sendable {
    let velocity: Bool
    let dampening: Float
    let nesterov: Bool
  }

  static let sgdCases = [
    SGDCase(velocity: false, dampening: 0, nesterov: false),
    SGDCase(velocity: true, dampening: 0, nesterov: false),
    SGDCase(velocity: true, dampening: 0.3, nesterov: false),
    SGDCase(velocity: true, dampening: 0, nesterov: true),
  ]

  @Test(arguments: sgdCases, counts)
  func sgd(test: SGDCase, count: Int) {
    // The velocity starts as not-a-number: the first step must not read it.
    verify(count, states: test.velocity ? 1 : 0, start: .nan) {
      Reference.sgd(
        parameters: $0.parameters, gradients: $0.gradients,
        velocity: test.velocity ? $0.state(0) : nil, learningRate: 0.1, momentum: 0.9,
        dampening: test.dampening, nesterov: test.nesterov, weightDecay: 0.01,
        firstStep: $0.step == 1, gradientScale: 0.5, count: count)
    } kernel: { kernels, sweep in
      kernels.sgd(
        parameters: sweep.parameters, gradients: sweep.gradients,
        velocity: test.velocity ? sweep.state(0) : nil, learningRate: 0.1, momentum: 0.9,
        dampening: test.dampening, nesterov: test.nesterov, weightDecay: 0.01,
        firstStep: sweep.step == 1, gradientScale: 0.5, count: count)
    }
  }

  @Test(arguments: counts)
  func adagrad(count: Int) {
    verify(count, states: 1, start: 0.1) {
      Reference.adagrad(
        parameters: $0.parameters, gradients: $0.gradients, sum: $0.state(0), learningRate: 0.1,
        epsilon: 1e-10, weightDecay: 0.01, gradientScale: 0.5, count: count)
    } kernel: { kernels, sweep in
      kernels.adagrad(
        parameters: sweep.parameters, gradients: sweep.gradients, sum: sweep.state(0),
        learningRate: 0.1, epsilon: 1e-10, weightDecay: 0.01, gradientScale: 0.5, count: count)
    }
  }

  @Test(arguments: counts)
  func adadelta(count: Int) {
    verify(count, states: 2) {
      Reference.adadelta(
        parameters: $0.parameters, gradients: $0.gradients, squareAverage: $0.state(0),
        deltaAverage: $0.state(1), learningRate: 1, rho: 0.9, epsilon: 1e-6, weightDecay: 0.01,
        gradientScale: 0.5, count: count)
    } kernel: { kernels, sweep in
      kernels.adadelta(
        parameters: sweep.parameters, gradients: sweep.gradients, squareAverage: sweep.state(0),
        deltaAverage: sweep.state(1), learningRate: 1, rho: 0.9, epsilon: 1e-6, weightDecay: 0.01,
        gradientScale: 0.5, count: count)
    }
  }

  @Test(arguments: [(false, false), (true, false), (false, true), (true, true)], counts)
  func rmsprop(kind: (momentum: Bool, centered: Bool), count: Int) {
    verify(count, states: 3) {
      Reference.rmsprop(
        parameters: $0.parameters, gradients: $0.gradients, squareAverage: $0.state(0),
        momentumBuffer: kind.momentum ? $0.state(1) : nil,
        gradientAverage: kind.centered ? $0.state(2) : nil, learningRate: 0.01, alpha: 0.9,
        epsilon: 1e-2, momentum: 0.8, weightDecay: 0.01, gradientScale: 0.5, count: count)
    } kernel: { kernels, sweep in
      kernels.rmsprop(
        parameters: sweep.parameters, gradients: sweep.gradients, squareAverage: sweep.state(0),
        momentumBuffer: kind.momentum ? sweep.state(1) : nil,
        gradientAverage: kind.centered ? sweep.state(2) : nil, learningRate: 0.01, alpha: 0.9,
        epsilon: 1e-2, momentum: 0.8, weightDecay: 0.01, gradientScale: 0.5, count: count)
    }
  }

  @Test(arguments: [false, true], counts)
  func adam(decoupled: Bool, count: Int) {
    verify(count, states: 2) {
      Reference.adam(
        parameters: $0.parameters, gradients: $0.gradients, firstMoment: $0.state(0),
        secondMoment: $0.state(1), learningRate: 0.01, beta1: 0.9, beta2: 0.999, epsilon: 1e-8,
        weightDecay: 0.1, decoupled: decoupled, step: $0.step, gradientScale: 0.5, count: count)
    } kernel: { kernels, sweep in
      kernels.adam(
        parameters: sweep.parameters, gradients: sweep.gradients, firstMoment: sweep.state(0),
        secondMoment: sweep.state(1), learningRate: 0.01, beta1: 0.9, beta2: 0.999, epsilon: 1e-8,
        weightDecay: 0.1, decoupled: decoupled, step: sweep.step, gradientScale: 0.5, count: count)
    }
  }

  @Test(arguments: counts)
  func nadam(count: Int) {
    func product(_ step: Int) -> Float {
      (1...step).reduce(1) { $0 * mu($1) }
    }
    func mu(_ step: Int) -> Float { 0.9 - 0.4 / Float(step) }
    verify(count, states: 2) {
      Reference.nadam(
        parameters: $0.parameters, gradients: $0.gradients, firstMoment: $0.state(0),
        secondMoment: $0.state(1), learningRate: 0.01, beta1: 0.9, beta2: 0.999, epsilon: 1e-8,
        weightDecay: 0.1, step: $0.step, momentumProduct: product($0.step), mu: mu($0.step),
        muNext: mu($0.step + 1), gradientScale: 0.5, count: count)
    } kernel: { kernels, sweep in
      kernels.nadam(
        parameters: sweep.parameters, gradients: sweep.gradients, firstMoment: sweep.state(0),
        secondMoment: sweep.state(1), learningRate: 0.01, beta1: 0.9, beta2: 0.999, epsilon: 1e-8,
        weightDecay: 0.1, step: sweep.step, momentumProduct: product(sweep.step),
        mu: mu(sweep.step), muNext: mu(sweep.step + 1), gradientScale: 0.5, count: count)
    }
  }

  @Test(arguments: [Float(-0.5), -0.7], counts)
  func ftrl(power: Float, count: Int) {
    // The difference of two nearly equal powers loses digits in single precision.
    verify(count, states: 2, start: 0.1, tolerance: 1e-4) {
      Reference.ftrl(
        parameters: $0.parameters, gradients: $0.gradients, accumulator: $0.state(0),
        linear: $0.state(1), learningRate: 0.1, learningRatePower: power, l1: 0.3, l2: 0.05,
        gradientScale: 0.5, count: count)
    } kernel: { kernels, sweep in
      kernels.ftrl(
        parameters: sweep.parameters, gradients: sweep.gradients, accumulator: sweep.state(0),
        linear: sweep.state(1), learningRate: 0.1, learningRatePower: power, l1: 0.3, l2: 0.05,
        gradientScale: 0.5, count: count)
    }
  }

  @Test(arguments: counts)
  func movingAverage(count: Int) {
    verify(count, states: 1, start: 0.5) {
      Reference.movingAverage($0.state(0), parameters: $0.parameters, decay: 0.99, count: count)
    } kernel: { kernels, sweep in
      kernels.movingAverage(
        sweep.state(0), parameters: sweep.parameters, decay: 0.99, count: count)
    }
  }

  /// Adam's first step is the learning rate in the direction of the gradient's sign, whatever its
  /// size.
  @Test func theFirstStepOfAdam() {
    for kernels in Support.each {
      var parameters: [Float] = [1, 1, 1]
      var first: [Float] = [0, 0, 0]
      var second: [Float] = [0, 0, 0]
      kernels.adam(
        parameters: &parameters, gradients: [1e-3, -5, 0], firstMoment: &first,
        secondMoment: &second, learningRate: 0.25, beta1: 0.9, beta2: 0.999, epsilon: 1e-12,
        weightDecay: 0, decoupled: false, step: 1, gradientScale: 1, count: 3)
      #expect(abs(parameters[0] - 0.75) < 1e-6)
      #expect(abs(parameters[1] - 1.25) < 1e-6)
      #expect(parameters[2] == 1)
    }
  }

  /// Follow-the-leader keeps a weight at exactly zero while its gradients stay within the penalty.
  @Test func ftrlIsSparse() {
    for kernels in Support.each {
      var parameters: [Float] = [0, 0]
      var accumulator: [Float] = [0.1, 0.1]
      var linear: [Float] = [0, 0]
      kernels.ftrl(
        parameters: &parameters, gradients: [0.2, 2], accumulator: &accumulator, linear: &linear,
        learningRate: 0.1, learningRatePower: -0.5, l1: 0.5, l2: 0, gradientScale: 1, count: 2)
      #expect(parameters[0] == 0)
      #expect(abs(parameters[1] + 1.5 * 0.1 / Float(4.1).squareRoot()) < 1e-6)
    }
  }
}
