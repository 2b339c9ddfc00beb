// Adversarial noise: limits kept to the byte, a victim that stays as it is, attacks on networks whose
// weak spots are known, generators that learn.

import AtelierDatasets
import AtelierEngine
import AtelierImages
import AtelierInterchange
import AtelierKernels
import AtelierStudio
import AtelierTraining
import AtelierZoo
import Foundation
import TestSupport
import Testing

/// Gray pictures of 8×8 of two classes: the left half brighter, or the right half.
private func halves(_ count: Int, seed: UInt64 = 1) throws -> LabeledImages {
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
private func linearVictim(gain: Float = 8) throws -> Model {
  let graph = try Graph.trace { builder in
    let input = builder.input("input", [1, 8, 8, 1])
    builder.output("output", Dense(units: 2, hasBias: false, name: "dense")(Flatten()(input)))
  }
  let store = try ParameterStore(for: [graph], seed: 1)
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

@Suite struct NoiseBudgetTests {
  @Test func byteStepsAreWholeStepsWithinTheLimit() {
    #expect(NoiseBudget.byteSteps(0.3) == 76)
    #expect(NoiseBudget.byteSteps(0.1) == 25)
    for steps in 1...64 { #expect(NoiseBudget.byteSteps(Float(steps) / 255) == steps) }
    #expect(NoiseBudget.byteSteps(0.5 / 255) == 0)
  }

  @Test(arguments: [0.3, 0.1, 8.0 / 255, 0.001] as [Float])
  func noSampleLeavesTheLimit(_ epsilon: Float) {
    var generator = RandomGenerator(seed: 5)
    let clean = (0..<5000).map { _ in UInt8(generator.index(below: 256)) }
    let noisy = clean.enumerated().map { index, byte -> Float in
      let change = generator.uniform(-2 * epsilon...2 * epsilon)
      return index == 7 ? .nan : index == 8 ? .infinity : Float(byte) / 255 + change
    }
    let bytes = NoiseBudget.infinity(epsilon).bytes(clean: clean[...], noisy: noisy[...])
    let changes = zip(bytes, clean).map { abs(Int($0) - Int($1)) }
    let largest = changes.max() ?? 0
    #expect(largest == NoiseBudget.byteSteps(epsilon))
    #expect(Float(largest) / 255 <= epsilon * 1.000_01)
  }

  @Test func lengthsStayWithinAnL2Limit() {
    var generator = RandomGenerator(seed: 6)
    for radius in [Float(0.02), 0.5, 2] {
      let clean = (0..<784).map { _ in UInt8(generator.index(below: 256)) }
      let noisy = clean.map { Float($0) / 255 + generator.uniform(-0.2...0.2) }
      let bytes = NoiseBudget.two(radius).bytes(clean: clean[...], noisy: noisy[...])
      let length = zip(bytes, clean).reduce(0.0) {
        let change = (Double($1.0) - Double($1.1)) / 255
        return $0 + change * change
      }.squareRoot()
      #expect(length <= Double(radius) && (radius < 0.1 || length > 0.5 * Double(min(radius, 2))))
    }
  }
}

@Suite struct AttackTests {
  @Test func gradientAttacksFindTheLinearVictimsOnlyWeakness() throws {
    let victim = try linearVictim()
    let set = try halves(40)
    // The halves differ by about 40 steps; 51 on each side turn that over, 7 do not.
    for attack in [Attack.fgsm, .pgd(steps: 10, restarts: 2), .square(queries: 400)] {
      let strong = try AttackEvaluation.run(
        attack, victim: victim, on: set, budget: .infinity(0.2))
      #expect(strong.cleanAccuracy == 1)
      #expect(strong.success == 1, "\(attack.name)")
      #expect(strong.largestSteps == 51)
      #expect(strong.attackedAccuracy == 0)
      let weak = try AttackEvaluation.run(
        attack, victim: victim, on: set, budget: .infinity(0.03))
      #expect(weak.success == 0, "\(attack.name)")
    }
    let random = try AttackEvaluation.run(
      .random, victim: victim, on: set, budget: .infinity(0.1))
    #expect(random.success == 0)
    #expect(random.protocol.contains("L-infinity 0.1, which is 25 of 255"))
  }

  @Test func carliniWagnerFindsShortNoise() throws {
    let victim = try linearVictim()
    let set = try halves(6)
    let report = try AttackEvaluation.run(
      .carliniWagner(searches: 6, steps: 150), victim: victim, on: set, budget: .two(100))
    #expect(report.success == 1)
    // The shortest way is along the weights: the lead of 40/255 is 8 pixels' length · 20/255.
    let shortest = 8 * 20.0 / 255
    #expect(report.meanL2 > 0.9 * shortest && report.meanL2 < 1.35 * shortest)
    let long = try AttackEvaluation.run(.fgsm, victim: victim, on: set, budget: .infinity(0.3))
    #expect(report.meanL2 < long.meanL2 / 2)
  }

  @Test func targetsCountOnlyPicturesOfOtherClasses() throws {
    let victim = try linearVictim()
    let set = try halves(30)
    let report = try AttackEvaluation.run(
      .fgsm, victim: victim, on: set, budget: .infinity(0.1), goal: .targeted(1))
    #expect(report.success == 1)
    #expect(report.classes.map(\.count) == [15, 0] && report.classes.map(\.turned) == [15, 0])
    let least = try AttackEvaluation.run(
      .fgsm, victim: victim, on: set, budget: .infinity(0.1), goal: .leastLikely)
    #expect(least.classes.map(\.turned) == [15, 15])
    #expect(
      errorLine {
        _ = try AttackEvaluation.run(
          .square(queries: 2), victim: victim, on: set, budget: .two(1))
      } == "the Square attack is for an L-infinity limit")
  }

  @Test func theSeedDecides() throws {
    let victim = try linearVictim(gain: 3)
    let set = try halves(40)
    for attack in [Attack.random, .pgd(steps: 3, restarts: 1), .square(queries: 60)] {
      func run(_ seed: UInt64) throws -> AttackReport {
        var report = try AttackEvaluation.run(
          attack, victim: victim, on: set, budget: .infinity(0.13), seed: seed)
        report.secondsPerImage = 0
        return report
      }
      #expect(try run(3) == run(3), "\(attack.name)")
      guard case .square = attack else { continue }
      // Some pictures are turned by some squares and not by others.
      #expect(Set(try (1...6).map { try run($0).success }).count > 1)
    }
  }
}

@Suite(.serialized) struct NoiseTrainingTests {
  /// A folder with the pictures as IDX files and the victim as a model file.
  private func prepare(_ folder: URL) throws -> NoiseTrainingRequest {
    let data = folder.appending(path: "data")
    try FileManager.default.createDirectory(at: data, withIntermediateDirectories: true)
    for (part, seed) in [("train", UInt64(1)), ("t10k", 2)] {
      let set = try halves(80, seed: seed)
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

  /// The linear victim with eight classes that never win.
  private func wideVictim(_ names: [String]) throws -> Model {
    let graph = try Graph.trace { builder in
      let input = builder.input("input", [1, 8, 8, 1])
      builder.output("output", Dense(units: 10, name: "dense")(Flatten()(input)))
    }
    let store = try ParameterStore(for: [graph], seed: 1)
    let weights = (0..<64).flatMap { index -> [Float] in
      let sign: Float = index % 8 < 4 ? 0.25 : -0.25
      return [sign, -sign] + [Float](repeating: 0, count: 8)
    }
    try store.set("dense/weight", Tensor([64, 10], weights))
    try store.set("dense/bias", Tensor([10], [0, 0] + [Float](repeating: -20, count: 8)))
    return try Model(
      graph: graph, store: store,
      information: ModelInformation(task: "classify", architecture: "linear", classNames: names))
  }

  @Test(arguments: NoiseNetwork.allCases)
  func aGeneratorLearnsToTurnItsVictim(_ network: NoiseNetwork) throws {
    try withScratchFolder { folder in
      var request = try prepare(folder)
      request.network = network
      let before = try Data(contentsOf: URL(fileURLWithPath: request.victim))
      let run = folder.appending(path: "run")
      let report = try NoiseTraining.run(request, in: run, isResuming: false)
      #expect(report.reason == .finished)
      // The victim's file is as it was.
      #expect(try Data(contentsOf: URL(fileURLWithPath: request.victim)) == before)
      let model = try ModelFile.read(from: run.appending(path: "best.safetensors"))
      #expect(!model.graph.parameters.contains { $0.name.hasPrefix("victim/") })
      let attacker = try NoiseAttacker(model)
      #expect(attacker.budget == .infinity(0.1) && attacker.goal == .untargeted)
      let victim = try ModelFile.read(from: URL(fileURLWithPath: request.victim))
      let test = try LabeledImages.read(URL(fileURLWithPath: request.data), part: .test)
      let found = try AttackEvaluation.run(attacker, victim: victim, on: test)
      #expect(found.cleanAccuracy == 1 && found.success >= 0.95, "\(found.success)")
      #expect(found.largestSteps <= 25)
      let weaker = try AttackEvaluation.run(
        attacker, victim: victim, on: test, budget: .infinity(0.02))
      #expect(weaker.success == 0 && weaker.largestSteps == 5)
    }
  }

  @Test func universalAndTargetedNoiseAndAnL2Limit() throws {
    try withScratchFolder { folder in
      var request = try prepare(folder)
      request.isUniversal = true
      request.goal = .targeted(1)
      let run = folder.appending(path: "run")
      _ = try NoiseTraining.run(request, in: run, isResuming: false)
      let attacker = try NoiseAttacker(
        ModelFile.read(from: run.appending(path: "best.safetensors")))
      #expect(attacker.isUniversal && attacker.goal == .targeted(1))
      let victim = try ModelFile.read(from: URL(fileURLWithPath: request.victim))
      let test = try LabeledImages.read(URL(fileURLWithPath: request.data), part: .test)
      let found = try AttackEvaluation.run(attacker, victim: victim, on: test)
      #expect(found.success >= 0.95 && found.attack == "generator (universal)")
      // Every picture gets the same noise.
      let pictures = Tensor([2, 8, 8, 1], repeating: 0.5)
      let noisy = try attacker.attack(pictures).elements
      #expect(Array(noisy.prefix(64)) == Array(noisy.suffix(64)) && noisy != pictures.elements)
      request.budget = .two(1.2)
      request.goal = .leastLikely
      request.isUniversal = false
      request.loss = .crossEntropy(limit: 20)
      let second = folder.appending(path: "second")
      _ = try NoiseTraining.run(request, in: second, isResuming: false)
      let long = try NoiseAttacker(
        ModelFile.read(from: second.appending(path: "best.safetensors")))
      #expect(long.budget == .two(1.2) && long.goal == .leastLikely)
      let report = try AttackEvaluation.run(long, victim: victim, on: test)
      #expect(report.meanL2 <= 1.2)
    }
  }

  /// No byte of a frozen victim changes, and no gradient of its weights is planned.
  @Test func theVictimIsFrozen() throws {
    try withScratchFolder { folder in
      let request = try prepare(folder)
      let victim = try ModelFile.read(from: URL(fileURLWithPath: request.victim))
      let network = NoiseNetwork.encoderDecoder
      let graph = try NoiseTraining.trainingGraph(
        generator: network.graph([10, 8, 8, 1]), victim: victim.graph, request)
      let trained = Set(graph.parameterGradients.map { graph.parameters[$0.parameter].name })
      let all = Set(graph.parameters.filter { $0.role == .weight }.map(\.name))
      #expect(all.subtracting(trained) == ["victim/dense/weight", "victim/dense/bias"])
      // One weight gradient for each convolution of the generator, none for the victim's layer.
      let plan = Plan(graph)
      let gradients = plan.graph.nodes.filter { $0.operation is ConvolutionWeightGradient }
      let convolutions = try network.graph([10, 8, 8, 1]).nodes.count {
        $0.layerType == "Conv2D" || $0.layerType == "Conv2DTranspose"
      }
      #expect(gradients.count == convolutions)
      let store = try ParameterStore(
        for: [graph], seed: 1,
        startingFrom: Dictionary(
          uniqueKeysWithValues: victim.parameters.map { ("victim/" + $0.key, $0.value) }))
      let program = try Program(graph, parameters: store)
      let step = try TrainingStep(program: program, optimizer: .adam(learningRate: 0.1))
      let set = try halves(10)
      let source = ClosureBatchSource { _ in
        ["input": set.tensor(0..<10), "target": Tensor([10], set.labels.map(Float.init))]
      }
      let head = store["head1/weight"]
      try TrainingLoop(
        [step], source: source, configuration: TrainingConfiguration(steps: 3)
      ).run()
      for (name, tensor) in victim.parameters {
        let bits = store["victim/" + name]?.elements.map(\.bitPattern)
        #expect(bits == tensor.elements.map(\.bitPattern))
      }
      #expect(store["head1/weight"] != head)
    }
  }

  @Test func aStoppedTrainingEndsWithTheSameBytes() throws {
    try withScratchFolder { folder in
      var request = try prepare(folder)
      request.epochs = 2
      _ = try NoiseTraining.run(request, in: folder.appending(path: "whole"), isResuming: false)
      let parts = folder.appending(path: "parts")
      for (isResuming, stop) in [(false, 5), (true, Int.max)] {
        let interrupt = InterruptFlag()
        let listener = ClosureListener { event in
          if case .step(let step) = event, step.step == stop { interrupt.raise() }
        }
        _ = try NoiseTraining.run(
          request, in: parts, isResuming: isResuming, listeners: [listener], interrupt: interrupt)
      }
      for name in ["last.safetensors", "best.safetensors"] {
        #expect(
          try Data(contentsOf: folder.appending(path: "whole").appending(path: name))
            == Data(contentsOf: parts.appending(path: name)))
      }
    }
  }

  @Test func whatDoesNotFitIsNamed() throws {
    try withScratchFolder { folder in
      let good = try prepare(folder)
      func line(_ change: (inout NoiseTrainingRequest) -> Void) -> String? {
        var request = good
        change(&request)
        let run = folder.appending(path: "none")
        let line = errorLine { _ = try NoiseTraining.run(request, in: run, isResuming: false) }
        #expect(!FileManager.default.fileExists(atPath: run.path))
        return line
      }
      #expect(line { $0.budget = .infinity(0) } == "expected an epsilon above 0, received 0.0")
      #expect(
        line { $0.goal = .targeted(10) } == "there is no class 10; the victim has 10")
      #expect(line { $0.victim += "x" }?.contains("cannot read") == true)
      #expect(
        errorLine { _ = try NoiseAttacker(linearVictim()) }
          == "expected a model that attacks, received one for the task classify")
    }
  }
}
