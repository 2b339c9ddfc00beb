// The optimizers as values: which rule moves the parameters, at what rate, within what limits.

import AtelierEngine

/// The rule by which an optimizer moves parameters; defaults of PyTorch 2, Ftrl's of Keras 3.
public enum OptimizerKind: Sendable, Hashable, Codable {
  /// Stochastic gradient descent (Robbins and Monro 1951), momentum (Polyak 1964), look-ahead
  /// (Nesterov 1983).
  ///
  /// Velocity = momentum · velocity + (1 − dampening) · gradient; the first step takes the gradient
  /// whole.
  case sgd(
    momentum: Double = 0, nesterov: Bool = false, weightDecay: Double = 0, dampening: Double = 0)
  /// Adagrad (Duchi, Hazan and Singer 2011): each rate falls with the sum of the squared gradients.
  case adagrad(
    rateDecay: Double = 0, initialAccumulator: Double = 0, epsilon: Double = 1e-10,
    weightDecay: Double = 0)
  /// Adadelta (Zeiler 2012): steps in the unit of the parameters, from averages of both squares.
  case adadelta(rho: Double = 0.9, epsilon: Double = 1e-6, weightDecay: Double = 0)
  /// RMSprop (Tieleman and Hinton 2012); centered as in Graves (2013).
  case rmsprop(
    alpha: Double = 0.99, epsilon: Double = 1e-8, momentum: Double = 0, isCentered: Bool = false,
    weightDecay: Double = 0)
  /// Adam (Kingma and Ba 2014); its weight decay is added to the gradient.
  case adam(
    beta1: Double = 0.9, beta2: Double = 0.999, epsilon: Double = 1e-8, weightDecay: Double = 0)
  /// Adam with decoupled weight decay (Loshchilov and Hutter 2017).
  case adamW(
    beta1: Double = 0.9, beta2: Double = 0.999, epsilon: Double = 1e-8, weightDecay: Double = 0.01)
  /// Adam with Nesterov's momentum (Dozat 2016).
  case nadam(
    beta1: Double = 0.9, beta2: Double = 0.999, epsilon: Double = 1e-8,
    momentumDecay: Double = 4e-3, weightDecay: Double = 0)
  /// Follow the regularized leader, proximal (McMahan and others 2013).
  case ftrl(
    ratePower: Double = -0.5, initialAccumulator: Double = 0.1, l1: Double = 0, l2: Double = 0)

  /// The short name, as command lines and messages use it.
  public var name: String {
    switch self {
    case .sgd: "sgd"
    case .adagrad: "adagrad"
    case .adadelta: "adadelta"
    case .rmsprop: "rmsprop"
    case .adam: "adam"
    case .adamW: "adamw"
    case .nadam: "nadam"
    case .ftrl: "ftrl"
    }
  }

  /// The rule of a short name with its defaults, nil when there is none.
  public init?(named name: String) {
    let name = name.lowercased()
    guard let kind = Self.defaults.first(where: { $0.name == name }) else { return nil }
    self = kind
  }

  /// Every rule with its defaults (SGD without momentum).
  public static let defaults: [OptimizerKind] = [
    .sgd(), .adagrad(), .adadelta(), .rmsprop(), .adam(), .adamW(), .nadam(), .ftrl(),
  ]

  /// The learning rate that PyTorch (Ftrl: Keras) takes unless told otherwise.
  public var defaultLearningRate: Double {
    switch self {
    case .sgd, .adam, .adamW, .ftrl: 0.001
    case .adagrad, .rmsprop: 0.01
    case .adadelta: 1
    case .nadam: 0.002
    }
  }

  /// The names of the arrays that the rule keeps per parameter.
  var slots: [String] {
    switch self {
    case .sgd(let momentum, _, _, _): momentum == 0 ? [] : ["velocity"]
    case .adagrad: ["sum"]
    case .adadelta: ["square_average", "delta_average"]
    case .rmsprop(_, _, let momentum, let isCentered, _):
      ["square_average"] + (momentum == 0 ? [] : ["momentum"])
        + (isCentered ? ["gradient_average"] : [])
    case .adam, .adamW, .nadam: ["first_moment", "second_moment"]
    case .ftrl: ["accumulator", "linear"]
    }
  }

  /// What the first of the arrays starts with; the others start with zeros.
  var initialValue: Float {
    switch self {
    case .adagrad(_, let value, _, _), .ftrl(_, let value, _, _): Float(value)
    default: 0
    }
  }

  /// The weight decay; Ftrl has `l2` instead.
  var weightDecay: Double {
    switch self {
    case .sgd(_, _, let decay, _), .adagrad(_, _, _, let decay), .adadelta(_, _, let decay),
      .rmsprop(_, _, _, _, let decay), .adam(_, _, _, let decay), .adamW(_, _, _, let decay),
      .nadam(_, _, _, _, let decay):
      decay
    case .ftrl: 0
    }
  }
}

/// An optimizer as a value: rule, learning rate and schedule, clipping, what weight decay skips.
public struct Optimizer: Sendable, Hashable, Codable {
  /// The rule.
  public var kind: OptimizerKind
  /// The base learning rate, at least 0, which the schedule changes.
  public var learningRate: Double
  /// How the learning rate changes while training.
  public var schedule: Schedule
  /// The largest Euclidean norm of all gradients together, above 0 (Pascanu, Mikolov and Bengio
  /// 2013); nil for no limit.
  public var normLimit: Double?
  /// The largest magnitude of a gradient's element, above 0, before `normLimit`; nil for no limit.
  public var valueLimit: Double?
  /// Whether weight decay leaves biases and normalizations' scales and shifts (vectors) alone.
  public var decaysOnlyMatrices: Bool

  /// Describes an optimizer; without a learning rate it has the rule's own.
  public init(
    _ kind: OptimizerKind, learningRate: Double? = nil, schedule: Schedule = .constant,
    normLimit: Double? = nil, valueLimit: Double? = nil, decaysOnlyMatrices: Bool = false
  ) {
    self.kind = kind
    self.learningRate = learningRate ?? kind.defaultLearningRate
    self.schedule = schedule
    self.normLimit = normLimit
    self.valueLimit = valueLimit
    self.decaysOnlyMatrices = decaysOnlyMatrices
  }

  /// Stochastic gradient descent.
  public static func sgd(
    learningRate: Double = 0.001, momentum: Double = 0, nesterov: Bool = false,
    schedule: Schedule = .constant
  ) -> Optimizer {
    Optimizer(
      .sgd(momentum: momentum, nesterov: nesterov), learningRate: learningRate, schedule: schedule)
  }

  /// Adam.
  public static func adam(
    learningRate: Double = 0.001, schedule: Schedule = .constant
  ) -> Optimizer {
    Optimizer(.adam(), learningRate: learningRate, schedule: schedule)
  }

  /// Adam with decoupled weight decay.
  public static func adamW(
    learningRate: Double = 0.001, weightDecay: Double = 0.01, schedule: Schedule = .constant
  ) -> Optimizer {
    Optimizer(.adamW(weightDecay: weightDecay), learningRate: learningRate, schedule: schedule)
  }

  /// Throws unless every number is one that the rule can work with.
  func validate() throws(TrainingError) {
    func expect(
      _ isRight: Bool, _ what: String, _ range: String, _ received: Double
    ) throws(TrainingError) {
      if isRight { return }
      throw TrainingError("optimizer \(kind.name): expected \(what) \(range); received \(received)")
    }
    func fraction(_ what: String, _ value: Double) throws(TrainingError) {
      try expect((0..<1).contains(value), what, "in 0..<1", value)
    }
    func positive(_ what: String, _ value: Double) throws(TrainingError) {
      try expect(value > 0 && value.isFinite, what, "above 0", value)
    }
    func atLeastZero(_ what: String, _ value: Double) throws(TrainingError) {
      try expect(value >= 0 && value.isFinite, what, "of at least 0", value)
    }
    try atLeastZero("a learning rate", learningRate)
    try atLeastZero("a weight decay", kind.weightDecay)
    if let normLimit { try positive("a norm limit", normLimit) }
    if let valueLimit { try positive("a value limit", valueLimit) }
    switch kind {
    case .sgd(let momentum, let nesterov, _, let dampening):
      try fraction("a momentum", momentum)
      try expect((0...1).contains(dampening), "a dampening", "in 0...1", dampening)
      guard !nesterov || (momentum > 0 && dampening == 0) else {
        throw TrainingError(
          "optimizer sgd: Nesterov's form needs a momentum above 0 and no dampening; "
            + "received \(momentum) and \(dampening)")
      }
    case .adagrad(let rateDecay, let initial, let epsilon, _):
      try atLeastZero("a rate decay", rateDecay)
      try atLeastZero("an initial accumulator", initial)
      try positive("an epsilon", epsilon)
    case .adadelta(let rho, let epsilon, _):
      try fraction("a rho", rho)
      try positive("an epsilon", epsilon)
    case .rmsprop(let alpha, let epsilon, let momentum, _, _):
      try fraction("an alpha", alpha)
      try positive("an epsilon", epsilon)
      try fraction("a momentum", momentum)
    case .adam(let beta1, let beta2, let epsilon, _), .adamW(let beta1, let beta2, let epsilon, _),
      .nadam(let beta1, let beta2, let epsilon, _, _):
      try fraction("a beta1", beta1)
      try fraction("a beta2", beta2)
      try positive("an epsilon", epsilon)
    case .ftrl(let power, let initial, let l1, let l2):
      try expect(power <= 0, "a rate power", "of at most 0", power)
      try positive("an initial accumulator", initial)
      try positive("a learning rate", learningRate)
      try atLeastZero("an l1", l1)
      try atLeastZero("an l2", l2)
    }
    try schedule.validate()
  }
}
