// What the tests of attacks share: pictures of two halves and classifiers whose weak spots are known.

import AtelierAdversarial
import AtelierClassification
import AtelierDatasets
import AtelierEngine
import AtelierImages
import AtelierInterchange
import AtelierKernels
import AtelierWorkbench
import AtelierZoo
import Foundation
import TestSupport

/// Gray pictures of 8×8 of two classes: the left half brighter, or the right half.
func halves(_ count: Int, seed: UInt64 = 1) throws -> LabeledImages {
  var generator = RandomGenerator(seed: seed)
  let labels = (0..<count).map { $0 % 2 }
  let pixels = labels.flatMap { label in
    (0..<64).map { index in
      UInt8(100 + ((index % 8 < 4) == (label == 0) ? 40 : 0) + generator.index(below: 20))
    }
  }
  return try LabeledImages(
    name: "halves", size: PixelSize(width: 8, height: 8), channels: 1, pixels: pixels,
    labels: labels, classNames: ["left", "right"])
}

/// The linear classifier of these pictures: logits ± the difference of the halves' means.
///
/// A flat one bends them into [−1, 1], so that a large gain leaves no slope at all. A leaning one adds
/// as much to the logit of each class.
func linearVictim(
  gain: Float = 8, isFlat: Bool = false, leaning: [Float]? = nil
) throws -> Model {
  let graph = try Graph.trace { builder in
    let input = builder.input("input", [1, 8, 8, 1])
    let dense = Dense(
      units: 2, hasBias: leaning != nil, activation: isFlat ? .tanh : .identity, name: "dense")
    builder.output("output", dense(Flatten()(input)))
  }
  let store = try ParameterStore(for: [graph], seed: 1)
  if let leaning { try store.set("dense/bias", Tensor([2], leaning)) }
  let weights = (0..<64).flatMap { index -> [Float] in
    let sign: Float = index % 8 < 4 ? gain / 32 : -gain / 32
    return [sign, -sign]
  }
  try store.set("dense/weight", Tensor([64, 2], weights))
  return try Model(
    graph: graph, store: store,
    information: ModelInformation(
      task: "classify", architecture: "linear", classNames: ["left", "right"]))
}

/// Gray pictures of 8×8 of two classes: the brighter half says which in nine of ten, the first row
/// always, but by 10 of 255 only.
///
/// Who learns from clean pictures believes the row, which small noise turns; who is to withstand the
/// noise must believe the halves: Tsipras and others, Robustness May Be at Odds with Accuracy (2019).
func temptations(_ count: Int, seed: UInt64) throws -> LabeledImages {
  var generator = RandomGenerator(seed: seed)
  let labels = (0..<count).map { $0 % 2 }
  let pixels = labels.flatMap { label in
    let isHonest = generator.uniform() < 0.9
    return (0..<64).map { index -> UInt8 in
      if index < 8 { return label == 0 ? 138 : 118 }
      let isBright = (index % 8 < 4) == ((label == 0) == isHonest)
      return UInt8(90 + (isBright ? 80 : 0) + generator.index(below: 20))
    }
  }
  return try LabeledImages(
    name: "temptations", size: PixelSize(width: 8, height: 8), channels: 1, pixels: pixels,
    labels: labels, classNames: ["left", "right"])
}

/// A victim that reads the first row of such pictures alone, beside eight classes that never win.
func temptedVictim(gain: Float = 2) throws -> Model {
  let wide = try wideVictim(["left", "right"] + (2..<10).map { "unused \($0)" })
  let store = try wide.store()
  let weights = (0..<64).flatMap { index -> [Float] in
    (index < 8 ? [gain, -gain] : [0, 0]) + [Float](repeating: 0, count: 8)
  }
  try store.set("dense/weight", Tensor([64, 10], weights))
  let middle = 8 * gain * 128 / 255
  try store.set(
    "dense/bias", Tensor([10], [-middle, middle] + [Float](repeating: -20, count: 8)))
  return try Model(graph: wide.graph, store: store, information: wide.information)
}

/// A folder with the pictures as IDX files and the victim as a model file.
func preparedNoise(
  _ folder: URL, of pictures: (Int, UInt64) throws -> LabeledImages = { try halves($0, seed: $1) }
) throws -> NoiseTrainingRequest {
  let data = folder.appending(path: "data")
  try FileManager.default.createDirectory(at: data, withIntermediateDirectories: true)
  for (part, seed) in [("train", UInt64(1)), ("t10k", 2)] {
    let set = try pictures(80, seed)
    let count: [UInt8] = [0, 0, 0, 80]
    let images: [UInt8] = [0, 0, 8, 3] + count + [0, 0, 0, 8, 0, 0, 0, 8] + set.pixels
    let labels: [UInt8] = [0, 0, 8, 1] + count + set.labels.map(UInt8.init)
    try Data(images).write(to: data.appending(path: "\(part)-images-idx3-ubyte"))
    try Data(labels).write(to: data.appending(path: "\(part)-labels-idx1-ubyte"))
  }
  let names = ["left", "right"] + (2..<10).map { "unused \($0)" }
  try Data(names.joined(separator: "\n").utf8).write(to: data.appending(path: "classes.txt"))
  let victim = folder.appending(path: "victim.safetensors")
  try ModelFile.write(wideVictim(names), to: victim)
  var request = NoiseTrainingRequest(data: data.path, victim: victim.path)
  request.budget = .infinity(0.1)
  request.batch = 10
  request.holdOut = 20
  request.epochs = 10
  request.learningRate = 3e-3
  return request
}

/// The linear victim with eight classes that never win; a gain below 0 takes left for right.
func wideVictim(_ names: [String], gain: Float = 8) throws -> Model {
  let graph = try Graph.trace { builder in
    let input = builder.input("input", [1, 8, 8, 1])
    builder.output("output", Dense(units: 10, name: "dense")(Flatten()(input)))
  }
  let store = try ParameterStore(for: [graph], seed: 1)
  let weights = (0..<64).flatMap { index -> [Float] in
    let sign: Float = index % 8 < 4 ? gain / 32 : -gain / 32
    return [sign, -sign] + [Float](repeating: 0, count: 8)
  }
  try store.set("dense/weight", Tensor([64, 10], weights))
  try store.set("dense/bias", Tensor([10], [0, 0] + [Float](repeating: -20, count: 8)))
  return try Model(
    graph: graph, store: store,
    information: ModelInformation(task: "classify", architecture: "linear", classNames: names))
}

extension AttackEvaluation {
  /// Measures an attack on a model that nobody has run yet.
  static func run(
    _ attack: Attack, victim: Model, source: Model? = nil, on images: LabeledImages,
    budget: NoiseBudget, goal: AttackGoal = .untargeted, seed: UInt64 = 1,
    progress: (_ done: Int, _ total: Int) -> Void = { _, _ in }
  ) throws -> AttackReport {
    try run(
      attack, victim: Classifier([victim]), source: source.map { try Classifier([$0]) },
      on: images, budget: budget, goal: goal, seed: seed, progress: progress)
  }

  /// Measures a generator on a model that nobody has run yet.
  static func run(
    _ attacker: NoiseAttacker, victim: Model, on images: LabeledImages, budget: NoiseBudget? = nil
  ) throws -> AttackReport {
    try run(attacker, victim: Classifier([victim]), on: images, budget: budget)
  }
}

extension GradientMasking {
  /// Looks at a model that nobody has run yet.
  static func run(
    _ victim: Model, on images: LabeledImages, budget: NoiseBudget, steps: Int, restarts: Int,
    queries: Int
  ) throws -> MaskingReport {
    try run(
      Classifier([victim]), on: images, budget: budget, steps: steps, restarts: restarts,
      queries: queries)
  }
}
