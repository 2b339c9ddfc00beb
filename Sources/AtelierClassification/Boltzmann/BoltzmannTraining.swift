// Training of a restricted Boltzmann machine: what is asked for, its form, and the job.
//
// Hinton: A Practical Guide to Training Restricted Boltzmann Machines (2010).

import AtelierDatasets
import AtelierEngine
import AtelierFiles
import AtelierInterchange
import AtelierKernels
import AtelierTraining
import AtelierWorkbench
import AtelierZoo
import Foundation

/// How a machine learns, alone or as a level of a stack.
public struct BoltzmannForm: Sendable, Hashable, Codable {
  /// Steps of Gibbs sampling from each picture, or of the persistent chains.
  public var gibbsSteps = 1
  /// Whether chains go on from step to step (Tieleman 2008) rather than begin at the pictures.
  public var isPersistent = false
  /// Whether the lowest visible units are real numbers.
  public var isGaussian = false
  /// How much of the last step each step keeps.
  public var momentum = 0.9
  /// The weight of half the squared weights.
  public var weightCost: Float = 2e-4
  /// The share of pictures that a hidden unit is to be on for; nil for no such wish.
  public var sparsity: Float?
  /// The weight of that wish (Lee, Ekanadham and Ng 2008).
  public var sparsityWeight: Float = 0.1

  /// The practical guide's numbers.
  public init() {}

  /// The fields of the form.
  static var fields: [Field<Self>] {
    [
      Field(
        "gibbs", \.gibbsSteps, "Steps of Gibbs sampling in each step (CD-k)", value: "k",
        .from(1, to: 1000)),
      Field(flag: "persistent", \.isPersistent, "Let the chains go on from step to step"),
      Field(flag: "gaussian", \.isGaussian, "Take the pictures' samples as real numbers, not bits"),
      Field(
        "machine-momentum", \.momentum, "How much of the last step each step keeps",
        value: "share", .partialShare),
      Field(
        "weight-cost", \.weightCost, "The weight of half the squared weights", value: "weight",
        .notNegative),
      Field(
        "sparsity", \.sparsity, "The share of pictures that a hidden unit is to be on for",
        value: "share", .share
      ).byDefault("none"),
      Field(
        "sparsity-weight", \.sparsityWeight, "How much that counts", value: "weight", .notNegative),
    ]
  }
}

/// What a machine is trained on and how; stored as the run's configuration.
public struct BoltzmannTrainingRequest: TrainingRequest, Hashable {
  public var data = ""
  public var hidden = 500
  public var machine = BoltzmannForm()
  /// The model file of the stack that the machine stands on; nil for the pictures themselves.
  public var below: String?
  public var holdOut: Int?
  public var picturesForm = PictureForm(width: 28, height: 28, mode: .gray)
  public var recipe = TrainingRecipe()

  public init(data: String) {
    self.init()
    self.data = data
    complete()
  }

  public init() {
    recipe.batch = 100
    recipe.learningRate = 0.05
    recipe.decay = .cosine
    recipe.epochs = 15
  }

  public static var limitLine: String? { nil }

  public mutating func prepare(for words: FieldWords) throws {
    // Real numbers make steps that are much larger.
    if words["gaussian"] != nil { recipe.learningRate = 1e-3 }
  }

  public mutating func complete(with words: FieldWords) throws { complete() }

  private mutating func complete() { recipe.optimizer = .sgd(momentum: machine.momentum) }

  public static var form: Form<Self> {
    Form(
      Self(),
      fields: [
        Field("data", \.data, "The pictures to learn from", value: "dir", kind: .source)
          .demanded("a training needs pictures: give --data"),
        .batch("Pictures a step", most: 10_000), .learningRate(),
        .epochs.byDefault("15, unless steps or minutes are given"),
      ] + Field.limits + Field.sharding + [
        .validateEvery(byDefault: "an epoch"), .previewEvery(byDefault: "with each validation"),
        .saveEvery(byDefault: "an epoch"), .seed("weights, orders and bits"),
      ]
    ).section("MACHINE OPTIONS", machineFields)
  }

  /// What a machine is told that other networks are not.
  package static var machineFields: [Field<Self>] {
    [
      Field("hidden", \.hidden, "Hidden units", value: "n", .from(1, to: 16_384))
    ] + BoltzmannForm.fields.map { $0.within(\.machine) } + [
      Field(
        "stack-on", \.below, "Learn from the hidden units of this machine or stack",
        value: "file", kind: .file(["safetensors"])
      ).byDefault("the pictures themselves"),
      Field(
        "hold-out", \.holdOut, "Hold out this many pictures to measure on", value: "n", .from(1)
      ).byDefault("a tenth, at most 1000"),
    ]
  }

  public static func check(_ words: FieldWords) throws {
    if words["stack-on"] != nil, words["gaussian"] != nil {
      throw FieldError("--gaussian is for machines on pictures; hidden units are bits")
    }
  }
}

/// Trains restricted Boltzmann machines.
public enum BoltzmannTraining: TrainingJob {
  public static let workshop = "generate"
  public static let name = "train --network rbm"
  public static let summary = "Train a restricted Boltzmann machine, or a further level of a stack."
  /// The task that its models name.
  package static let task = "boltzmann"

  public static func task(
    _ request: BoltzmannTrainingRequest, isResuming: Bool, kernels: Kernels
  ) throws -> BoltzmannTask { try BoltzmannTask(request, kernels: kernels) }
}

extension Form {
  /// Refuses words of another form that this one has no field for, where its job takes over.
  package func expectOwn<Other>(
    _ words: FieldWords, of other: Form<Other>, _ network: String
  ) throws(FieldError) {
    let own = Set(fields.map(\.name))
    let foreign = other.fields.map(\.name).filter { words[$0] != nil && !own.contains($0) }
    guard foreign.isEmpty else {
      let list = foreign.map { "--" + $0 }.joined(separator: ", ")
      throw FieldError("\(list): not for --network \(network)")
    }
  }
}
