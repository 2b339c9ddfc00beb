// The reference twins of the optimizer kernels, computed in Double.

#if canImport(Glibc)
import Glibc
#elseif canImport(Darwin)
import Darwin
#endif

extension Reference {
  /// Stochastic gradient descent as PyTorch has it.
  public static func sgd(
    parameters: UnsafeMutablePointer<Float>, gradients: UnsafePointer<Float>,
    velocity: UnsafeMutablePointer<Float>?, learningRate: Float, momentum: Float, dampening: Float,
    nesterov: Bool, weightDecay: Float, firstStep: Bool, gradientScale: Float, count: Int
  ) {
    for i in 0..<count {
      let p = Double(parameters[i])
      var g = Double(gradientScale) * Double(gradients[i]) + Double(weightDecay) * p
      if let velocity {
        let old = Double(momentum) * Double(velocity[i])
        let v = firstStep ? g : old + (1 - Double(dampening)) * g
        velocity[i] = Float(v)
        g = nesterov ? g + Double(momentum) * v : v
      }
      parameters[i] = Float(p - Double(learningRate) * g)
    }
  }

  /// Adagrad (Duchi and others 2011).
  public static func adagrad(
    parameters: UnsafeMutablePointer<Float>, gradients: UnsafePointer<Float>,
    sum: UnsafeMutablePointer<Float>, learningRate: Float, epsilon: Float, weightDecay: Float,
    gradientScale: Float, count: Int
  ) {
    for i in 0..<count {
      let p = Double(parameters[i])
      let g = Double(gradientScale) * Double(gradients[i]) + Double(weightDecay) * p
      let s = Double(sum[i]) + g * g
      sum[i] = Float(s)
      parameters[i] = Float(p - Double(learningRate) * g / (s.squareRoot() + Double(epsilon)))
    }
  }

  /// Adadelta (Zeiler 2012).
  public static func adadelta(
    parameters: UnsafeMutablePointer<Float>, gradients: UnsafePointer<Float>,
    squareAverage: UnsafeMutablePointer<Float>, deltaAverage: UnsafeMutablePointer<Float>,
    learningRate: Float, rho: Float, epsilon: Float, weightDecay: Float, gradientScale: Float,
    count: Int
  ) {
    let keep = Double(rho)
    for i in 0..<count {
      let p = Double(parameters[i])
      let g = Double(gradientScale) * Double(gradients[i]) + Double(weightDecay) * p
      let square = keep * Double(squareAverage[i]) + (1 - keep) * g * g
      let before = Double(deltaAverage[i]) + Double(epsilon)
      let delta = g * before.squareRoot() / (square + Double(epsilon)).squareRoot()
      squareAverage[i] = Float(square)
      deltaAverage[i] = Float(keep * Double(deltaAverage[i]) + (1 - keep) * delta * delta)
      parameters[i] = Float(p - Double(learningRate) * delta)
    }
  }

  /// RMSprop (Tieleman and Hinton 2012), centered when `gradientAverage` is given.
  public static func rmsprop(
    parameters: UnsafeMutablePointer<Float>, gradients: UnsafePointer<Float>,
    squareAverage: UnsafeMutablePointer<Float>, momentumBuffer: UnsafeMutablePointer<Float>?,
    gradientAverage: UnsafeMutablePointer<Float>?, learningRate: Float, alpha: Float,
    epsilon: Float, momentum: Float, weightDecay: Float, gradientScale: Float, count: Int
  ) {
    let keep = Double(alpha)
    for i in 0..<count {
      let p = Double(parameters[i])
      let g = Double(gradientScale) * Double(gradients[i]) + Double(weightDecay) * p
      let square = keep * Double(squareAverage[i]) + (1 - keep) * g * g
      squareAverage[i] = Float(square)
      var spread = square
      if let gradientAverage {
        let average = keep * Double(gradientAverage[i]) + (1 - keep) * g
        gradientAverage[i] = Float(average)
        spread = max(square - average * average, 0)
      }
      var step = g / (spread.squareRoot() + Double(epsilon))
      if let momentumBuffer {
        step += Double(momentum) * Double(momentumBuffer[i])
        momentumBuffer[i] = Float(step)
      }
      parameters[i] = Float(p - Double(learningRate) * step)
    }
  }

  /// Adam (Kingma and Ba 2014), or AdamW (Loshchilov and Hutter 2017) when `decoupled`.
  public static func adam(
    parameters: UnsafeMutablePointer<Float>, gradients: UnsafePointer<Float>,
    firstMoment: UnsafeMutablePointer<Float>, secondMoment: UnsafeMutablePointer<Float>,
    learningRate: Float, beta1: Float, beta2: Float, epsilon: Float, weightDecay: Float,
    decoupled: Bool, step: Int, gradientScale: Float, count: Int
  ) {
    let correction1 = 1 - pow(Double(beta1), Double(step))
    let correction2 = 1 - pow(Double(beta2), Double(step))
    for i in 0..<count {
      var p = Double(parameters[i])
      var g = Double(gradientScale) * Double(gradients[i])
      if decoupled { p *= 1 - Double(learningRate) * Double(weightDecay) }
      if !decoupled { g += Double(weightDecay) * p }
      let m = Double(beta1) * Double(firstMoment[i]) + (1 - Double(beta1)) * g
      let v = Double(beta2) * Double(secondMoment[i]) + (1 - Double(beta2)) * g * g
      firstMoment[i] = Float(m)
      secondMoment[i] = Float(v)
      let deviation = (v / correction2).squareRoot() + Double(epsilon)
      parameters[i] = Float(p - Double(learningRate) * (m / correction1) / deviation)
    }
  }

  /// Nadam (Dozat 2016) as PyTorch has it.
  public static func nadam(
    parameters: UnsafeMutablePointer<Float>, gradients: UnsafePointer<Float>,
    firstMoment: UnsafeMutablePointer<Float>, secondMoment: UnsafeMutablePointer<Float>,
    learningRate: Float, beta1: Float, beta2: Float, epsilon: Float, weightDecay: Float,
    step: Int, momentumProduct: Float, mu: Float, muNext: Float, gradientScale: Float, count: Int
  ) {
    let correction2 = 1 - pow(Double(beta2), Double(step))
    let product = Double(momentumProduct)
    for i in 0..<count {
      let p = Double(parameters[i])
      let g = Double(gradientScale) * Double(gradients[i]) + Double(weightDecay) * p
      let m = Double(beta1) * Double(firstMoment[i]) + (1 - Double(beta1)) * g
      let v = Double(beta2) * Double(secondMoment[i]) + (1 - Double(beta2)) * g * g
      firstMoment[i] = Float(m)
      secondMoment[i] = Float(v)
      let direction =
        g * (1 - Double(mu)) / (1 - product) + m * Double(muNext) / (1 - product * Double(muNext))
      let deviation = (v / correction2).squareRoot() + Double(epsilon)
      parameters[i] = Float(p - Double(learningRate) * direction / deviation)
    }
  }

  /// Follow the regularized leader (McMahan and others 2013) as Keras has it.
  public static func ftrl(
    parameters: UnsafeMutablePointer<Float>, gradients: UnsafePointer<Float>,
    accumulator: UnsafeMutablePointer<Float>, linear: UnsafeMutablePointer<Float>,
    learningRate: Float, learningRatePower: Float, l1: Float, l2: Float, gradientScale: Float,
    count: Int
  ) {
    let power = -Double(learningRatePower)
    let rate = Double(learningRate)
    for i in 0..<count {
      let g = Double(gradientScale) * Double(gradients[i])
      let sum = Double(accumulator[i]) + g * g
      let root = pow(sum, power)
      let sigma = (root - pow(Double(accumulator[i]), power)) / rate
      let z = Double(linear[i]) + g - sigma * Double(parameters[i])
      let clipped = min(max(z, -Double(l1)), Double(l1))
      let quadratic = root / rate + 2 * Double(l2)
      linear[i] = Float(z)
      accumulator[i] = Float(sum)
      parameters[i] = quadratic > 0 ? Float((clipped - z) / quadratic) : 0
    }
  }

  /// average = decay · average + (1 − decay) · parameters.
  public static func movingAverage(
    _ average: UnsafeMutablePointer<Float>, parameters: UnsafePointer<Float>, decay: Float,
    count: Int
  ) {
    let keep = Double(decay)
    for i in 0..<count {
      average[i] = Float(keep * Double(average[i]) + (1 - keep) * Double(parameters[i]))
    }
  }
}
