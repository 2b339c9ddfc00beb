// Adversarial noise: limits kept to the byte, a victim that stays as it is, generators that learn.

import AtelierAdversarial
import AtelierDatasets
import AtelierEngine
import AtelierImages
import AtelierInterchange
import AtelierKernels
import AtelierTraining
import AtelierWorkbench
import AtelierZoo
import Foundation
import TestSupport
import Testing

@Suite struct NoiseBudgetTests {
  @Test func byteStepsAreWholeStepsWithinTheLimit() {
    #expect(NoiseBudget.byteSteps(0.3) == 76)
    #expect(NoiseBudget.byteSteps(0.1) == 25)
    for steps in 1...255 {
      let epsilon = Float(steps) / 255
      #expect(NoiseBudget.byteSteps(epsilon) == steps)
      #expect(NoiseBudget.byteSteps(epsilon * 0.999_99) == steps - 1)
    }
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

@Suite struct NoiseAttackerTests {
  /// A generator whose weights were drawn by lot.
  private func generator(_ norm: String, _ radius: Float) throws -> Model {
    let graph = try NoiseNetwork.encoderDecoder.graph([1, 8, 8, 1])
    let store = try ParameterStore(for: [graph], seed: 4)
    let last = try #require(store["image/weight"])
    try store.set("image/weight", Tensor(last.shape, last.elements.map { 40 * $0 }))
    return try Model(
      graph: graph, store: store,
      information: ModelInformation(
        task: "attack", architecture: "encoder-decoder", classNames: ["left", "right"],
        training: ["epsilon": "\(radius)", "norm": norm, "goal": "untargeted"]))
  }

  /// Pictures in one part, in several with a rest, and in turns: each gets the noise that it gets
  /// alone, on any number of threads, within the limit.
  @Test(arguments: [("infinity", 0.2), ("two", 0.7)] as [(String, Float)])
  func everyPictureGetsItsOwnNoise(_ norm: String, _ radius: Float) throws {
    let model = try generator(norm, radius)
    let set = try halves(131)
    let pictures = set.tensor(0..<131)
    let alone = try NoiseAttacker(model, kernels: Kernels(pool: ThreadPool(threads: 1)))
    let single = try (0..<131).flatMap { try alone.attack(set.tensor($0..<$0 + 1)).elements }
    var former: [UInt32]?
    for threads in 1...3 {
      let attacker = try NoiseAttacker(model, kernels: Kernels(pool: ThreadPool(threads: threads)))
      let noisy = try attacker.attack(pictures)
      expectClose(noisy.elements, single, tolerance: 1e-5)
      let bits = noisy.elements.map(\.bitPattern)
      #expect(former == nil || former == bits)
      former = bits
      let changes = zip(noisy.elements, pictures.elements).map { $0 - $1 }
      let lengths = (0..<131).map { row in
        changes[row * 64..<(row + 1) * 64].reduce(0) { $0 + $1 * $1 }.squareRoot()
      }
      let most = norm == "two" ? lengths.max() ?? 0 : changes.map(abs).max() ?? 0
      #expect(most <= radius * 1.000_01 && most > radius * 0.5, "\(most)")
      let shorter = try attacker.attack(
        pictures, budget: attacker.budget.scaled(to: radius / 2)
      ).elements
      #expect(shorter != noisy.elements)
      expectClose(
        zip(shorter, pictures.elements).map { 2 * ($0 - $1) }, changes, tolerance: 1e-4)
      // The same attacker takes fewer and more pictures than before.
      #expect(try attacker.attack(set.tensor(7..<8)).elements == Array(single[448..<512]))
    }
  }
}

@Suite(.serialized) struct NoiseTrainingTests {
  @Test(arguments: NoiseNetwork.allCases)
  func aGeneratorLearnsToTurnItsVictim(_ network: NoiseNetwork) throws {
    try withScratchFolder { folder in
      var request = try preparedNoise(folder)
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
      var request = try preparedNoise(folder)
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

  /// The denoiser turns bright and dark around, and the victim with it: who does not know of it
  /// learns to push the wrong way.
  @Test func aGeneratorLearnsToGetThroughADenoiser() throws {
    try withScratchFolder { folder in
      var request = try preparedNoise(folder)
      let graph = try Graph.trace { builder in
        builder.output("output", -1 * builder.input("input", [1, 8, 8, 1]) + 1)
      }
      let turning = try Model(
        graph: graph, store: ParameterStore(for: [graph], seed: 1),
        information: ModelInformation(task: "denoise", architecture: "negative"))
      let denoiser = folder.appending(path: "negative.safetensors")
      try ModelFile.write(turning, to: denoiser)
      let names = ["left", "right"] + (2..<10).map { "unused \($0)" }
      let mirror = try wideVictim(names, gain: -8)
      try ModelFile.write(mirror, to: URL(fileURLWithPath: request.victim))
      let defended = try Defence.model(mirror, behind: turning, sigma: 25)
      let test = try LabeledImages.read(URL(fileURLWithPath: request.data), part: .test)
      for (name, path) in [("unaware", nil), ("aware", denoiser.path)] {
        request.denoiser = path
        let run = folder.appending(path: name)
        _ = try NoiseTraining.run(request, in: run, isResuming: false)
        let attacker = try NoiseAttacker(
          ModelFile.read(from: run.appending(path: "last.safetensors")))
        #expect(!attacker.model.graph.parameters.contains { $0.name.hasPrefix("victim/") })
        let found = try AttackEvaluation.run(attacker, victim: defended, on: test)
        #expect(found.cleanAccuracy == 1)
        #expect(path == nil ? found.success == 0 : found.success >= 0.95, "\(found.success)")
      }
    }
  }

  /// No byte of a frozen victim changes, and no gradient of its weights is planned.
  @Test func theVictimIsFrozen() throws {
    try withScratchFolder { folder in
      let request = try preparedNoise(folder)
      let victim = try ModelFile.read(from: URL(fileURLWithPath: request.victim))
      let network = NoiseNetwork.encoderDecoder
      let graph = try request.objective.trainingGraph(
        generator: network.graph([10, 8, 8, 1]), victim: victim.graph)
      let trained = Set(graph.parameterGradients.map { graph.parameters[$0.parameter].name })
      let all = Set(graph.parameters.filter { $0.role == .weight }.map(\.name))
      #expect(all.subtracting(trained) == ["victim/dense/weight", "victim/dense/bias"])
      // One weight gradient for each convolution of the generator, none for the victim's layer.
      let plan = Plan(graph)
      let gradients = plan.graph.nodes.filter { $0.operation is PlannedWeightGradient }
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

  /// The judge moves and is fooled more, the victim and, in the judge's step, the generator do not.
  @Test func aDiscriminatorLearnsBeside() throws {
    try withScratchFolder { folder in
      var request = try preparedNoise(folder)
      request.discriminator = 0.5
      let network = try request.network.graph([10, 8, 8, 1])
      let judging = try request.objective.discriminatorGraph(generator: network)
      let trained = judging.parameterGradients.map { judging.parameters[$0.parameter].name }
      #expect(!trained.isEmpty && trained.allSatisfy { $0.hasPrefix("discriminator/") })
      let victim = try ModelFile.read(from: URL(fileURLWithPath: request.victim))
      let training = try request.objective.trainingGraph(
        generator: network, victim: victim.graph)
      let drawn = training.parameterGradients.map { training.parameters[$0.parameter].name }
      let weights = network.parameters.filter { $0.role == .weight }.map(\.name)
      #expect(Set(drawn) == Set(weights))
      var plain = request
      plain.discriminator = nil
      let alone = try plain.objective.trainingGraph(generator: network, victim: victim.graph)
      let store = try ParameterStore(for: [training], seed: 2)
      let set = try halves(10)
      let programs = try [training, alone].map { graph in
        let program = try Program(graph, parameters: store)
        try program.setInput("input", set.tensor(0..<10))
        try program.setInput("target", Tensor([10], set.labels.map(Float.init)))
        try program.run()
        return program
      }
      let whole = try programs[0].scalar("loss")
      let part = try programs[0].scalar("seen")
      let rest = try programs[1].scalar("loss")
      #expect(part > 0.01 && abs(whole - rest - 0.5 * part) < 1e-4)
      let run = folder.appending(path: "run")
      var seen: [Double] = []
      var judged: [Double] = []
      let listener = ClosureListener { event in
        guard case .step(let step) = event else { return }
        seen.append(try #require(step.values["generator/seen"]))
        judged.append(try #require(step.values["discriminator/loss"]))
      }
      _ = try NoiseTraining.run(request, in: run, isResuming: false, listeners: [listener])
      #expect(Set(judged).count > 10 && Set(seen).count > 10)
      let model = try ModelFile.read(from: run.appending(path: "last.safetensors"))
      #expect(!model.graph.parameters.contains { $0.name.hasPrefix("discriminator/") })
      #expect(model.information.training["loss"]?.hasSuffix("+ 0.5 discriminator") == true)
    }
  }

  /// Shifted and mirrored pictures are others, and so is what is learnt from them; the run says so.
  @Test func picturesAreChangedAsAskedFor() throws {
    try withScratchFolder { folder in
      var request = try preparedNoise(folder)
      request.epochs = 1
      var plain = PictureAugmentation()
      var shifted = plain
      var mirrored = plain
      (shifted.shift, mirrored.isFlipped) = (2, true)
      var files: [Data] = []
      for (index, changes) in [request.augmentation, plain, shifted, mirrored].enumerated() {
        request.augmentation = changes
        let run = folder.appending(path: "\(index)")
        _ = try NoiseTraining.run(request, in: run, isResuming: false)
        files.append(try Data(contentsOf: run.appending(path: "last.safetensors")))
        #expect(try NoiseTraining.request(of: run) == request)
      }
      #expect(files[0] == files[1])
      #expect(Set(files).count == 3)
      plain.shift = 65
      request.augmentation = plain
      #expect(throws: DatasetError.self) {
        try NoiseTraining.run(request, in: folder.appending(path: "5"), isResuming: false)
      }
      #expect(!FileManager.default.fileExists(atPath: folder.appending(path: "5").path))
    }
  }

  @Test(arguments: [nil, 0.5] as [Float?])
  func aStoppedTrainingEndsWithTheSameBytes(_ discriminator: Float?) throws {
    try withScratchFolder { folder in
      var request = try preparedNoise(folder)
      request.epochs = 2
      if discriminator != nil {
        (request.augmentation.shift, request.augmentation.isFlipped) = (1, true)
      }
      request.discriminator = discriminator
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
      let good = try preparedNoise(folder)
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
      #expect(
        line { $0.discriminator = 0 } == "a discriminator's weight is above 0; received 0.0")
      #expect(line { $0.victim += "x" }?.contains("cannot read") == true)
      #expect(line { $0.denoiser = "none" }?.contains("cannot read") == true)
      #expect(
        line { $0.denoiser = $0.victim }?.hasSuffix(
          ": expected a model that denoises, received one for the task classify") == true)
      #expect(
        errorLine { _ = try NoiseAttacker(linearVictim()) }
          == "expected a model that attacks, received one for the task classify")
    }
  }
}
