// The duel: who moves whom, what it writes, what it hardens; signs of masked gradients; defences.

import AtelierAdversarial
import AtelierClassification
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

@Suite(.serialized) struct DuelTests {
  /// A folder with pictures and a victim that fell for their temptation, and a short duel.
  private func prepare(_ folder: URL) throws -> DuelRequest {
    let noise = try preparedNoise(folder) { try temptations($0, seed: $1) }
    let victim = folder.appending(path: "tempted.safetensors")
    try ModelFile.write(temptedVictim(), to: victim)
    var request = DuelRequest(data: noise.data)
    request.victim = victim.path
    request.budget = .infinity(0.07)
    request.batch = 10
    request.holdOut = 20
    request.epochs = 30
    request.ramp = 10
    request.classifierRate = 0.4
    request.learningRate = 3e-3
    request.searchSteps = 4
    return request
  }

  /// Each step moves its own network, and no gradient of the other's weights is planned.
  @Test func eachMovesItsOwn() throws {
    try withScratchFolder { folder in
      var request = try prepare(folder)
      let victim = try temptedVictim().graph
      let generator = try request.generator.graph([1, 8, 8, 1])
      for (share, balance) in [(0.0, 0.5), (0.5, 0.5), (0.5, 1), (1, 0.7)] {
        (request.searchShare, request.balance) = (share, balance)
        let graph = try DuelTraining.classifierGraph(
          generator: generator, classifier: victim, request)
        let trained = graph.parameterGradients.map { graph.parameters[$0.parameter].name }
        #expect(Set(trained) == ["victim/dense/weight", "victim/dense/bias"])
        #expect((graph.input(named: "searched") != nil) == (share > 0))
        #expect(graph.parameters.contains { $0.name == "head1/weight" } == (share < 1))
        #expect((graph.output(named: "clean_loss") != nil) == (balance < 1))
        let store = try ParameterStore(for: [graph], seed: 3)
        let program = try Program(graph, parameters: store)
        let set = try halves(10)
        try program.setInput("input", set.tensor(0..<10))
        try program.setInput("target", Tensor([10], set.labels.map(Float.init)))
        if share > 0 {
          try program.setInput("searched", set.tensor(0..<Int(10 * share)))
        }
        try program.run()
        let attacked = try program.scalar("attacked_loss")
        let clean = balance < 1 ? try program.scalar("clean_loss") : 0
        let wanted = Float(balance) * attacked + Float(1 - balance) * clean
        #expect(abs(try program.scalar("loss") - wanted) < 1e-5)
        // Without noise the searched pictures are the clean ones.
        if share == 1 { #expect(abs(attacked - clean) < 1e-5) }
      }
    }
  }

  /// Against attacked pictures the classifier gives up what noise turns; against clean ones alone it
  /// does not, however long, and the generator finds that.
  @Test(arguments: [0, 0.5, 1])
  func theClassifierHardens(_ share: Double) throws {
    try withScratchFolder { folder in
      var request = try prepare(folder)
      request.searchShare = share
      let test = try LabeledImages.read(URL(fileURLWithPath: request.data), part: .test)
      func robustness(_ model: Model) throws -> Double {
        try AttackEvaluation.run(
          .pgd(steps: 10, restarts: 2), victim: model, on: test, budget: request.budget
        ).attackedAccuracy
      }
      #expect(try robustness(temptedVictim()) == 0)
      let run = folder.appending(path: "run")
      let report = try DuelTraining.run(request, in: run, isResuming: false)
      #expect(report.reason == .finished)
      let hard = try ModelFile.read(from: run.appending(path: "last.safetensors"))
      #expect(hard.graph.parameters.map(\.name) == ["dense/weight", "dense/bias"])
      let hardened = try robustness(hard)
      #expect(hardened >= 0.8, "\(hardened)")
      #expect(try ClassificationEvaluation.run(Classifier([hard]), on: test).accuracy >= 0.85)
      request.balance = 0
      let second = folder.appending(path: "second")
      _ = try DuelTraining.run(request, in: second, isResuming: false)
      let soft = try ModelFile.read(from: second.appending(path: "last.safetensors"))
      let left = try robustness(soft)
      #expect(left <= 0.1, "\(left)")
      let winner = try NoiseAttacker(
        ModelFile.read(from: second.appending(path: DuelTraining.generatorFile)))
      let found = try AttackEvaluation.run(winner, victim: soft, on: test).success
      #expect(found >= 0.9, "\(found)")
      let generator = try NoiseAttacker(
        ModelFile.read(from: run.appending(path: DuelTraining.generatorFile)))
      #expect(generator.budget == .infinity(0.07) && !generator.isUniversal)
      let curves = try ImageFile.read(run.appending(path: DuelTraining.curvesFile).path)
      #expect(curves.width == 960)
      let table = try String(contentsOf: run.appending(path: "log.csv"), encoding: .utf8)
      #expect(table.hasPrefix("step,") && table.contains("clean,generator,fgsm,pgd_20"))
    }
  }

  @Test func aStoppedDuelEndsWithTheSameBytes() throws {
    try withScratchFolder { folder in
      var request = try prepare(folder)
      request.epochs = 3
      request.searchShare = 0.5
      request.averageDecay = 0.9
      request.isSearchSmoothed = true
      _ = try DuelTraining.run(request, in: folder.appending(path: "whole"), isResuming: false)
      let parts = folder.appending(path: "parts")
      for (isResuming, stop) in [(false, 8), (true, Int.max)] {
        let interrupt = InterruptFlag()
        let listener = ClosureListener { event in
          if case .step(let step) = event, step.step == stop { interrupt.raise() }
        }
        _ = try DuelTraining.run(
          request, in: parts, isResuming: isResuming, listeners: [listener], interrupt: interrupt)
      }
      for name in [
        "last.safetensors", "best.safetensors", DuelTraining.generatorFile, DuelTraining.curvesFile,
      ] {
        #expect(
          try Data(contentsOf: folder.appending(path: "whole").appending(path: name))
            == Data(contentsOf: parts.appending(path: name)), "\(name)")
      }
    }
  }

  /// The classifier learns from where the search begins: other starts, other weights.
  @Test func theSearchBeginsWhereItIsTold() throws {
    try withScratchFolder { folder in
      var request = try prepare(folder)
      (request.epochs, request.steps) = (nil, 3)
      (request.searchShare, request.searchSteps, request.searchStep) = (1, 1, 1e-6)
      var weights: Set<[Float]> = []
      for start in SearchStart.allCases {
        request.searchStart = start
        let run = folder.appending(path: start.rawValue)
        _ = try DuelTraining.run(request, in: run, isResuming: false)
        let model = try ModelFile.read(from: run.appending(path: "last.safetensors"))
        weights.insert(try #require(model.parameters["dense/weight"]).elements)
        #expect(
          model.information.training["pgd"]
            == "10 of 10 pictures, 1 steps, \(start.rawValue) starts, L-infinity 0.07, which is "
            + "17 of 255")
      }
      #expect(weights.count == 3)
      // A linear victim has one slope everywhere; smoothing shows with another.
      (request.victim, request.classifier) = (nil, .strided)
      (request.searchSteps, request.searchStep) = (3, nil)
      for isSmoothed in [false, true] {
        request.isSearchSmoothed = isSmoothed
        let run = folder.appending(path: "smoothed \(isSmoothed)")
        _ = try DuelTraining.run(request, in: run, isResuming: false)
        let model = try ModelFile.read(from: run.appending(path: "last.safetensors"))
        let names = model.graph.parameters.map(\.name)
        weights.insert(names.flatMap { model.parameters[$0]?.elements ?? [] })
        let text = model.information.training["pgd"]
        #expect(text?.contains("3 steps, smoothed, mixed starts") == isSmoothed)
      }
      #expect(weights.count == 5)
    }
  }

  @Test func maskedGradientsAreSaidWhileItRuns() throws {
    try withScratchFolder { folder in
      var request = try prepare(folder)
      request.steps = 2
      request.epochs = nil
      request.validationInterval = 1
      request.classifierRate = 1e-9
      for (gain, count) in [(Float(2e6), 2), (2, 0)] {
        try ModelFile.write(
          temptedVictim(gain: gain), to: folder.appending(path: "tempted.safetensors"))
        var warnings: [String] = []
        let listener = ClosureListener { event in
          if case .warning(_, let text) = event { warnings.append(text) }
        }
        _ = try DuelTraining.run(
          request, in: folder.appending(path: "run \(count)"), isResuming: false,
          listeners: [listener])
        let line = "the gradient of 100.0 % of the pictures is zero: gradients are masked"
        #expect(warnings.count { $0 == line } == count, "\(warnings)")
      }
    }
  }

  @Test func whatMakesNoSenseIsNamed() throws {
    try withScratchFolder { folder in
      let good = try prepare(folder)
      func line(_ change: (inout DuelRequest) -> Void) -> String? {
        var request = good
        change(&request)
        let run = folder.appending(path: "none")
        let line = errorLine { _ = try DuelTraining.run(request, in: run, isResuming: false) }
        #expect(!FileManager.default.fileExists(atPath: run.path))
        return line
      }
      #expect(line { $0.balance = 1.5 } == "a balance is 0 to 1; received 1.5")
      #expect(line { $0.searchShare = -1 } == "a PGD share is 0 to 1; received -1.0")
      #expect(line { $0.budget = .infinity(0) } == "expected an epsilon above 0, received 0.0")
      #expect(line { $0.searchSteps = 0 }?.hasPrefix("PGD takes at least 1 step") == true)
      #expect(line { $0.victim = "none" }?.contains("cannot read") == true)
    }
  }
}

@Suite struct GradientMaskingTests {
  @Test func curvesThatCrossAreFoundOut() {
    let good = ["clean": 0.99, "pgd_20": 0.5, "fgsm": 0.48, "generator": 0.55, "zero_gradients": 0]
    #expect(GradientMasking.warnings(curves: good).isEmpty)
    let bad = good.merging(["fgsm": 0.46, "generator": 0.4, "zero_gradients": 0.02]) { $1 }
    #expect(
      GradientMasking.warnings(curves: bad) == [
        "the gradient of 2.0 % of the pictures is zero: gradients are masked",
        "one step (FGSM) beats PGD-20 (46.0 against 50.0 %): gradients may be masked",
        "the generator beats PGD-20 (40.0 against 50.0 %): gradients may be masked",
      ])
  }

  @Test func aSaturatedVictimIsFoundOut() throws {
    let set = try halves(40)
    let open = try GradientMasking.run(
      linearVictim(), on: set, budget: .infinity(0.1), steps: 5, restarts: 2, queries: 200)
    #expect(open.warnings.isEmpty && open.zeroGradients == 0 && open.oneStart == 0)
    let masked = try GradientMasking.run(
      linearVictim(gain: 1e6), on: set, budget: .infinity(0.2), steps: 5, restarts: 1,
      queries: 400)
    #expect(masked.zeroGradients == 1 && masked.oneStart == 1 && masked.blackBox == 0)
    #expect(
      masked.warnings == [
        "the gradient of 100.0 % of the pictures is zero: gradients are masked",
        "Square, which sees answers alone, beats PGD (0.0 against 100.0 %): gradients may be masked",
      ])
    let lucky = try GradientMasking.run(
      linearVictim(gain: 1e6), on: set, budget: .infinity(0.6), steps: 1, restarts: 60,
      queries: 1)
    #expect(lucky.warnings.contains { $0.hasPrefix("random restarts help PGD much") })
  }
}

@Suite struct DefenceTests {
  /// A denoiser that gives back `gain` times what it gets, with or without a noise map.
  private func denoiser(gain: Float, hasMap: Bool = false, channels: Int = 1) throws -> Model {
    let graph = try Graph.trace { builder in
      var x = builder.input("input", [1, 4, 4, channels])
      if hasMap { x = x + builder.input("noise", [1, 4, 4, 1]) }
      builder.output("output", gain * x)
    }
    return try Model(
      graph: graph, store: ParameterStore(for: [graph], seed: 1),
      information: ModelInformation(task: "denoise", architecture: "gain", granularity: 4))
  }

  @Test func theClassifierSeesWhatTheDenoiserLeaves() throws {
    let victim = try linearVictim()
    let set = try halves(6)
    let pictures = set.tensor(0..<6)
    let plain = try Classifier([victim]).logits(pictures)
    let same = try Defence.model(victim, behind: denoiser(gain: 1), sigma: 25)
    #expect(try Classifier([same]).logits(pictures) == plain)
    let dimmed = try Defence.model(victim, behind: denoiser(gain: 0.5), sigma: 25)
    expectClose(
      try Classifier([dimmed]).logits(pictures).elements, plain.elements.map { $0 / 2 },
      tolerance: 1e-4)
    // The map of 51/255 lifts every pixel alike, which the difference of halves does not see.
    let mapped = try Defence.model(victim, behind: denoiser(gain: 1, hasMap: true), sigma: 51)
    expectClose(
      try Classifier([mapped]).logits(pictures).elements, plain.elements, tolerance: 1e-4)
    let white = try Defence.model(victim, behind: denoiser(gain: 1, hasMap: true), sigma: 255)
    // Everything is cut at white: nothing is left to see.
    expectClose(
      try Classifier([white]).logits(pictures).elements, plain.elements.map { _ in 0 },
      tolerance: 1e-4)
  }

  @Test func whoKnowsTheDenoiserGoesThroughIt() throws {
    let victim = try linearVictim()
    let set = try halves(20)
    // A denoiser that turns bright and dark around: who does not know it pushes the wrong way.
    let graph = try Graph.trace { builder in
      builder.output("output", -1 * builder.input("input", [1, 8, 8, 1]) + 1)
    }
    let turning = try Model(
      graph: graph, store: ParameterStore(for: [graph], seed: 1),
      information: ModelInformation(task: "denoise", architecture: "negative"))
    let mirror = try linearVictim(gain: -8)
    let defended = try Defence.model(mirror, behind: turning, sigma: 0)
    let clean = try ClassificationEvaluation.run(Classifier([defended]), on: set)
    #expect(clean.accuracy == 1)
    let aware = try AttackEvaluation.run(
      .fgsm, victim: defended, on: set, budget: .infinity(0.2))
    #expect(aware.success == 1)
    let unaware = try AttackEvaluation.run(
      .fgsm, victim: defended, source: mirror, on: set, budget: .infinity(0.2))
    #expect(unaware.success == 0 && unaware.meanL2 > 1)
    #expect(victim.information.classNames == defended.information.classNames)
  }

  @Test func whatDoesNotFitIsNamed() throws {
    let victim = try linearVictim()
    #expect(
      errorLine { _ = try Defence.model(victim, behind: denoiser(gain: 1, channels: 3), sigma: 1) }
        == "expected a denoiser of 1 channels for 8x8, received one of 3 channels for multiples of 4"
    )
    #expect(
      errorLine { _ = try Defence.model(victim, behind: victim, sigma: 1) }
        == "expected a model that denoises, received one for the task classify")
    #expect(
      errorLine { _ = try Defence.model(victim, behind: denoiser(gain: 1), sigma: -1) }
        == "a denoiser's sigma is 0 to 255; received -1.0")
  }
}

@Suite struct PictureAttackTests {
  /// A generator whose pattern is 1 on the right half and −1 on the left, whatever it sees.
  private func generator(_ radius: Float, goal: String = "untargeted") throws -> Model {
    let graph = try Graph.trace { builder in
      let input = builder.input("input", [1, 8, 8, 1])
      let pattern = Dense(units: 64, activation: .tanh, name: "pattern")(Flatten()(input))
      builder.output("output", pattern.applying(ReshapeOperation([8, 8, 1])))
    }
    let store = try ParameterStore(for: [graph], seed: 1)
    try store.set("pattern/weight", Tensor([64, 64], repeating: 0))
    try store.set("pattern/bias", Tensor([64], (0..<64).map { $0 % 8 < 4 ? -20 : 20 }))
    return try Model(
      graph: graph, store: store,
      information: ModelInformation(
        task: "attack", architecture: "fixed", classNames: ["left", "right"],
        training: ["epsilon": "\(radius)", "norm": "infinity", "goal": goal]))
  }

  @Test func successIsJudgedAndMeasured() throws {
    let victim = try Classifier([linearVictim()])
    let attack = try PictureAttack(NoiseAttacker(generator(0.1)), victim: victim)
    let set = try halves(2)
    let (clean, attacked) = try attack.attack(set.image(0))
    #expect(clean.samples == set.image(0).samples)
    let changes = zip(clean.samples, attacked.samples).map { Int($1) - Int($0) }
    #expect(changes == (0..<64).map { $0 % 8 < 4 ? -25 : 25 })
    let result = try attack.judge(attacked, clean: clean, label: 0)
    #expect(result.isFooled == true && result.before[0].name == "left")
    #expect(result.after[0].name == "right" && result.largestSteps == 25)
    #expect(abs(result.length - 8 * 25.0 / 255) < 1e-9)
    // Nobody says what the picture shows: what the victim said counts. Said otherwise, it is out.
    #expect(try attack.judge(attacked, clean: clean).isFooled == true)
    #expect(try attack.judge(attacked, clean: clean, label: 1).isFooled == nil)
    #expect(try attack.judge(clean, clean: clean, label: 0).isFooled == false)
    // The same noise makes a right one clearer, and less of it turns nothing.
    let (bright, clearer) = try attack.attack(set.image(1))
    #expect(try attack.judge(clearer, clean: bright, label: 1).isFooled == false)
    let weak = try PictureAttack(NoiseAttacker(generator(0.1)), victim: victim, radius: 0.03)
    let (same, weaker) = try weak.attack(set.image(0))
    let judged = try weak.judge(weaker, clean: same, label: 0)
    #expect(judged.isFooled == false && judged.largestSteps == 7)
    let targeted = try PictureAttack(
      NoiseAttacker(generator(0.1, goal: "1")), victim: victim)
    #expect(try targeted.judge(attacked, clean: clean, label: 0).isFooled == true)
    #expect(try targeted.judge(clearer, clean: bright, label: 1).isFooled == nil)
  }

  @Test func picturesShowTheNoise() throws {
    let victim = try Classifier([linearVictim()])
    let attack = try PictureAttack(NoiseAttacker(generator(0.1)), victim: victim)
    let (clean, attacked) = try attack.attack(halves(1).image(0))
    let result = try attack.judge(attacked, clean: clean)
    #expect(result.noisePicture.samples == (0..<64).map { $0 % 8 < 4 ? 1 : 255 })
    let heat = result.heatPicture
    #expect(heat.channels == 3 && Set(heat.samples).count <= 3)
    var few = clean.samples
    few[20] += 20
    few[21] -= 10
    let partial = try attack.judge(
      ByteImage(width: 8, height: 8, channels: 1, samples: few), clean: clean
    ).heatPicture
    func color(_ pixel: Int, _ picture: ByteImage) -> [UInt8] {
      Array(picture.samples[3 * pixel..<3 * pixel + 3])
    }
    #expect(color(20, partial) == color(0, heat))
    #expect(Set([0, 20, 21].map { color($0, partial) }).count == 3)
    let nothing = try attack.judge(clean, clean: clean)
    #expect(nothing.noisePicture.samples == [UInt8](repeating: 128, count: 64))
    #expect(nothing.heatPicture.samples != heat.samples && nothing.psnr == .infinity)
    let sheet = result.sheet(title: "halves")
    #expect(sheet.channels == 3 && sheet.width > 4 * 160 && sheet.height > 250)
    #expect(sheet.samples != nothing.sheet(title: "halves").samples)
  }

  @Test func whatDoesNotFitIsNamed() throws {
    let large = try Classifier([
      Model(
        graph: ClassifierArchitecture(.lenet5, classes: 2).graph(),
        store: ParameterStore(
          for: [ClassifierArchitecture(.lenet5, classes: 2).graph()], seed: 1),
        information: ModelInformation(
          task: "classify", architecture: "lenet-5", classNames: ["left", "right"]))
    ])
    #expect(
      errorLine { _ = try PictureAttack(NoiseAttacker(generator(0.1)), victim: large) }
        == "the generator draws noise for 8x8 with 1 channels; the victim takes 28x28 with 1")
    let victim = try Classifier([linearVictim()])
    #expect(
      errorLine {
        _ = try PictureAttack(NoiseAttacker(generator(0.1, goal: "2")), victim: victim)
      } == "the generator goes for class 2; the victim has 2")
  }
}
