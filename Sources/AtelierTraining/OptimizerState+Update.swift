// One step of each optimizer: the numbers of the step, and the kernel over every sweep.

import AtelierEngine
import AtelierKernels
import Foundation

extension OptimizerState {
  /// Moves all sweeps and counts the step.
  func update(gradients: UnsafePointer<Float>, learningRate: Double, scale: Float) {
    let step = begin(learningRate: learningRate)
    for sweep in sweeps { move(sweep, by: gradients + sweep.offset, step, scale: scale) }
  }

  /// Whether it can move one parameter after the other: the norm of all is not needed before.
  public var takesGradientsSingly: Bool { optimizer.normLimit == nil }

  /// Counts a step whose gradients come one by one, and gives its numbers.
  ///
  /// Precondition: `takesGradientsSingly`.
  package func beginStep(learningRate: Double) -> SingleStep {
    precondition(takesGradientsSingly, "a norm limit needs all gradients at once")
    return SingleStep(numbers: begin(learningRate: learningRate))
  }

  /// Moves one parameter by its gradient, with the bits of a step that moves all.
  ///
  /// Returns the sum of the gradient's squares, and moves nothing where that is not finite; unless
  /// it `isMeasured`, the sum is 0 and everything moves. A value limit changes the gradient.
  package func move(
    _ entry: ParameterStore.Entry, by gradient: UnsafeMutablePointer<Float>, in step: SingleStep,
    isMeasured: Bool = true
  ) -> Double {
    let squares = isMeasured ? kernels.sumOfSquares(gradient, count: entry.shape.count) : 0
    guard squares.isFinite,
      let sweep = sweeps.last(where: { $0.offset <= entry.offset })
    else { return squares }
    if let limit = optimizer.valueLimit {
      kernels.clamp(
        gradient, lower: -Float(limit), upper: Float(limit), gradient, count: entry.shape.count)
    }
    let part = Sweep(
      offset: entry.offset, count: entry.shape.count,
      stateOffset: sweep.stateOffset + entry.offset - sweep.offset, decays: sweep.decays)
    move(part, by: gradient, step.numbers, scale: 1)
    store.touch([entry.name])
    return squares
  }

  /// The numbers of a step whose gradients come one by one.
  package struct SingleStep {
    fileprivate let numbers: StepNumbers
  }

  /// What all calls of a step share.
  fileprivate struct StepNumbers {
    let isFirst: Bool
    let rate: Float
    let momenta: Momenta?
  }

  private func begin(learningRate: Double) -> StepNumbers {
    let isFirst = counters.steps == 0
    counters.steps += 1
    let momenta = nadamMomenta()
    if let momenta { counters.momentumProduct = momenta.product }
    return StepNumbers(isFirst: isFirst, rate: effectiveRate(learningRate), momenta: momenta)
  }

  private func move(
    _ sweep: Sweep, by gradients: UnsafePointer<Float>, _ step: StepNumbers, scale: Float
  ) {
    let call = Call(
      parameters: store.pointer + sweep.offset, gradients: gradients,
      stateOffset: sweep.stateOffset, count: sweep.count, rate: step.rate,
      decay: sweep.decays ? Float(optimizer.kind.weightDecay) : 0, scale: scale)
    move(call, step.momenta, isFirst: step.isFirst)
  }

  /// The numbers of one kernel call.
  private struct Call {
    let parameters: UnsafeMutablePointer<Float>
    let gradients: UnsafePointer<Float>
    let stateOffset: Int
    let count: Int
    let rate: Float
    let decay: Float
    let scale: Float
  }

  /// Nadam's momenta of this step and the next, and the product of all so far.
  fileprivate struct Momenta {
    let current: Double
    let next: Double
    let product: Double
  }

  /// Adagrad's own decay of the rate counts its steps from 0.
  private func effectiveRate(_ learningRate: Double) -> Float {
    guard case .adagrad(let decay, _, _, _) = optimizer.kind else { return Float(learningRate) }
    return Float(learningRate / (1 + Double(counters.steps - 1) * decay))
  }

  private func nadamMomenta() -> Momenta? {
    guard case .nadam(let beta1, _, _, let decay, _) = optimizer.kind else { return nil }
    func momentum(_ step: Int) -> Double { beta1 * (1 - 0.5 * pow(0.96, Double(step) * decay)) }
    let current = momentum(counters.steps)
    return Momenta(
      current: current, next: momentum(counters.steps + 1),
      product: counters.momentumProduct * current)
  }

  private func move(_ call: Call, _ momenta: Momenta?, isFirst: Bool) {
    let arrays = arrays.map { $0 + call.stateOffset }
    func array(_ name: String) -> UnsafeMutablePointer<Float>? {
      optimizer.kind.slots.firstIndex(of: name).map { arrays[$0] }
    }
    switch optimizer.kind {
    case .sgd(let momentum, let nesterov, _, let dampening):
      kernels.sgd(
        parameters: call.parameters, gradients: call.gradients, velocity: array("velocity"),
        learningRate: call.rate, momentum: Float(momentum), dampening: Float(dampening),
        nesterov: nesterov, weightDecay: call.decay, firstStep: isFirst,
        gradientScale: call.scale, count: call.count)
    case .adagrad(_, _, let epsilon, _):
      kernels.adagrad(
        parameters: call.parameters, gradients: call.gradients, sum: arrays[0],
        learningRate: call.rate, epsilon: Float(epsilon), weightDecay: call.decay,
        gradientScale: call.scale, count: call.count)
    case .adadelta(let rho, let epsilon, _):
      kernels.adadelta(
        parameters: call.parameters, gradients: call.gradients, squareAverage: arrays[0],
        deltaAverage: arrays[1], learningRate: call.rate, rho: Float(rho), epsilon: Float(epsilon),
        weightDecay: call.decay, gradientScale: call.scale, count: call.count)
    case .rmsprop(let alpha, let epsilon, let momentum, _, _):
      kernels.rmsprop(
        parameters: call.parameters, gradients: call.gradients, squareAverage: arrays[0],
        momentumBuffer: array("momentum"), gradientAverage: array("gradient_average"),
        learningRate: call.rate, alpha: Float(alpha), epsilon: Float(epsilon),
        momentum: Float(momentum), weightDecay: call.decay, gradientScale: call.scale,
        count: call.count)
    case .adam(let beta1, let beta2, let epsilon, _):
      adam(call, beta1, beta2, epsilon, decoupled: false)
    case .adamW(let beta1, let beta2, let epsilon, _):
      adam(call, beta1, beta2, epsilon, decoupled: true)
    case .nadam(let beta1, let beta2, let epsilon, _, _):
      guard let momenta else { return }
      kernels.nadam(
        parameters: call.parameters, gradients: call.gradients, firstMoment: arrays[0],
        secondMoment: arrays[1], learningRate: call.rate, beta1: Float(beta1), beta2: Float(beta2),
        epsilon: Float(epsilon), weightDecay: call.decay, step: counters.steps,
        momentumProduct: Float(momenta.product), mu: Float(momenta.current),
        muNext: Float(momenta.next), gradientScale: call.scale, count: call.count)
    case .ftrl(let power, _, let l1, let l2):
      kernels.ftrl(
        parameters: call.parameters, gradients: call.gradients, accumulator: arrays[0],
        linear: arrays[1], learningRate: call.rate, learningRatePower: Float(power), l1: Float(l1),
        l2: Float(l2), gradientScale: call.scale, count: call.count)
    }
  }

  private func adam(
    _ call: Call, _ beta1: Double, _ beta2: Double, _ epsilon: Double, decoupled: Bool
  ) {
    kernels.adam(
      parameters: call.parameters, gradients: call.gradients,
      firstMoment: arrays[0] + call.stateOffset, secondMoment: arrays[1] + call.stateOffset,
      learningRate: call.rate, beta1: Float(beta1), beta2: Float(beta2),
      epsilon: Float(epsilon), weightDecay: call.decay, decoupled: decoupled,
      step: counters.steps, gradientScale: call.scale, count: call.count)
  }
}
