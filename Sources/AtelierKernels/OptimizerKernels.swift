// The optimizers: each one sweep over contiguous parameters, gradients and states, gradients
// scaled as they are read.

import CKernels

#if canImport(Glibc)
import Glibc
#elseif canImport(Darwin)
import Darwin
#endif

extension Kernels {
  /// A sweep over parameters, gradients and two states.
  private typealias Sweep = (
    UnsafePointer<ck_optimizer>, UnsafeMutablePointer<Float>, UnsafePointer<Float>,
    UnsafeMutablePointer<Float>, UnsafeMutablePointer<Float>, Int
  ) -> Void

  /// What nearly all optimizers are told.
  private static func settings(
    _ rate: Float, _ gradientScale: Float, _ decay: Float = 0, _ epsilon: Float = 0,
    keeping keep1: Float = 0, _ keep2: Float = 0
  ) -> ck_optimizer {
    var settings = ck_optimizer()
    (settings.rate, settings.scale) = (rate, gradientScale)
    (settings.decay, settings.epsilon) = (decay, epsilon)
    (settings.keep1, settings.keep2) = (keep1, keep2)
    return settings
  }

  /// What a moment is divided by, because it starts at zero.
  private static func correction(_ beta: Float, step: Int) -> Double {
    precondition(step >= 1, "an optimizer's steps count from 1, received \(step)")
    return 1 - pow(Double(beta), Double(step))
  }

  /// Runs `body` on every chunk of the parameters.
  private func sweep(
    _ settings: ck_optimizer, _ count: Int,
    _ body: (_ settings: UnsafePointer<ck_optimizer>, _ start: Int, _ count: Int) -> Void
  ) {
    withUnsafePointer(to: settings) { settings in
      forEachChunk(of: count) { body(settings, $0, $1) }
    }
  }

  /// Runs a kernel of two states on every chunk of the parameters.
  private func sweep(
    _ settings: ck_optimizer, _ kernel: Sweep, _ parameters: UnsafeMutablePointer<Float>,
    _ gradients: UnsafePointer<Float>, _ first: UnsafeMutablePointer<Float>,
    _ second: UnsafeMutablePointer<Float>, _ count: Int
  ) {
    sweep(settings, count) { settings, start, count in
      kernel(
        settings, parameters + start, gradients + start, first + start, second + start, count)
    }
  }

  /// Stochastic gradient descent with momentum, as PyTorch has it: no velocity, no momentum.
  ///
  /// On the first step the velocity becomes the gradient, without dampening.
  public func sgd(
    parameters: UnsafeMutablePointer<Float>, gradients: UnsafePointer<Float>,
    velocity: UnsafeMutablePointer<Float>?, learningRate: Float, momentum: Float, dampening: Float,
    nesterov: Bool, weightDecay: Float, firstStep: Bool, gradientScale: Float, count: Int
  ) {
    var settings = Self.settings(learningRate, gradientScale, weightDecay)
    settings.momentum = momentum
    settings.dampening = dampening
    settings.nesterov = nesterov ? 1 : 0
    settings.first_step = firstStep ? 1 : 0
    let kernel = elementwise.pointee.sgd
    sweep(settings, count) { settings, start, count in
      kernel(settings, parameters + start, gradients + start, velocity.map { $0 + start }, count)
    }
  }

  /// Adagrad (Duchi and others 2011): every parameter's rate falls with the sum of its squared
  /// gradients.
  public func adagrad(
    parameters: UnsafeMutablePointer<Float>, gradients: UnsafePointer<Float>,
    sum: UnsafeMutablePointer<Float>, learningRate: Float, epsilon: Float, weightDecay: Float,
    gradientScale: Float, count: Int
  ) {
    let settings = Self.settings(learningRate, gradientScale, weightDecay, epsilon)
    let kernel = elementwise.pointee.adagrad
    sweep(settings, count) { settings, start, count in
      kernel(settings, parameters + start, gradients + start, sum + start, count)
    }
  }

  /// Adadelta (Zeiler 2012): steps in the unit of the parameters, from running averages of both
  /// squares.
  public func adadelta(
    parameters: UnsafeMutablePointer<Float>, gradients: UnsafePointer<Float>,
    squareAverage: UnsafeMutablePointer<Float>, deltaAverage: UnsafeMutablePointer<Float>,
    learningRate: Float, rho: Float, epsilon: Float, weightDecay: Float, gradientScale: Float,
    count: Int
  ) {
    let settings = Self.settings(learningRate, gradientScale, weightDecay, epsilon, keeping: rho)
    sweep(
      settings, elementwise.pointee.adadelta, parameters, gradients, squareAverage, deltaAverage,
      count)
  }

  /// RMSprop (Tieleman and Hinton 2012), centered when `gradientAverage` is given, with momentum
  /// when its buffer is.
  public func rmsprop(
    parameters: UnsafeMutablePointer<Float>, gradients: UnsafePointer<Float>,
    squareAverage: UnsafeMutablePointer<Float>, momentumBuffer: UnsafeMutablePointer<Float>?,
    gradientAverage: UnsafeMutablePointer<Float>?, learningRate: Float, alpha: Float,
    epsilon: Float, momentum: Float, weightDecay: Float, gradientScale: Float, count: Int
  ) {
    var settings = Self.settings(learningRate, gradientScale, weightDecay, epsilon, keeping: alpha)
    settings.momentum = momentum
    sweep(settings, count) { settings, start, count in
      elementwise.pointee.rmsprop(
        settings, parameters + start, gradients + start, squareAverage + start,
        momentumBuffer.map { $0 + start }, gradientAverage.map { $0 + start }, count)
    }
  }

  /// Adam (Kingma and Ba 2014), or AdamW (Loshchilov and Hutter 2017) when `decoupled`; `step`
  /// counts from 1.
  public func adam(
    parameters: UnsafeMutablePointer<Float>, gradients: UnsafePointer<Float>,
    firstMoment: UnsafeMutablePointer<Float>, secondMoment: UnsafeMutablePointer<Float>,
    learningRate: Float, beta1: Float, beta2: Float, epsilon: Float, weightDecay: Float,
    decoupled: Bool, step: Int, gradientScale: Float, count: Int
  ) {
    var settings = Self.settings(
      learningRate, gradientScale, weightDecay, epsilon, keeping: beta1, beta2)
    settings.first_factor = Float(Double(learningRate) / Self.correction(beta1, step: step))
    settings.second_factor = Float(1 / Self.correction(beta2, step: step).squareRoot())
    settings.decoupled = decoupled ? 1 : 0
    sweep(
      settings, elementwise.pointee.adam, parameters, gradients, firstMoment, secondMoment, count)
  }

  /// Nadam (Dozat 2016) as PyTorch has it; `step` counts from 1.
  ///
  /// `mu` and `muNext` are the momenta of this step and the next, `momentumProduct` the product of
  /// all up to this step.
  public func nadam(
    parameters: UnsafeMutablePointer<Float>, gradients: UnsafePointer<Float>,
    firstMoment: UnsafeMutablePointer<Float>, secondMoment: UnsafeMutablePointer<Float>,
    learningRate: Float, beta1: Float, beta2: Float, epsilon: Float, weightDecay: Float,
    step: Int, momentumProduct: Float, mu: Float, muNext: Float, gradientScale: Float, count: Int
  ) {
    let product = Double(momentumProduct)
    let rate = Double(learningRate)
    let now = rate * (1 - Double(mu)) / (1 - product)
    let next = rate * Double(muNext) / (1 - product * Double(muNext))
    var settings = Self.settings(
      learningRate, gradientScale, weightDecay, epsilon, keeping: beta1, beta2)
    settings.first_factor = Float(now)
    settings.second_factor = Float(1 / Self.correction(beta2, step: step).squareRoot())
    settings.third_factor = Float(next)
    sweep(
      settings, elementwise.pointee.nadam, parameters, gradients, firstMoment, secondMoment, count)
  }

  /// Follow the regularized leader, proximal (McMahan and others 2013), as Keras has it;
  /// `learningRatePower` ≤ 0.
  public func ftrl(
    parameters: UnsafeMutablePointer<Float>, gradients: UnsafePointer<Float>,
    accumulator: UnsafeMutablePointer<Float>, linear: UnsafeMutablePointer<Float>,
    learningRate: Float, learningRatePower: Float, l1: Float, l2: Float, gradientScale: Float,
    count: Int
  ) {
    var settings = Self.settings(learningRate, gradientScale)
    settings.power = -learningRatePower
    settings.l1 = l1
    settings.l2 = l2
    sweep(settings, elementwise.pointee.ftrl, parameters, gradients, accumulator, linear, count)
  }

  /// average = decay · average + (1 − decay) · parameters.
  public func movingAverage(
    _ average: UnsafeMutablePointer<Float>, parameters: UnsafePointer<Float>, decay: Float,
    count: Int
  ) {
    let kernel = elementwise.pointee.blend
    forEachChunk(of: count) { kernel(parameters + $0, 1 - decay, decay, average + $0, $1) }
  }
}
