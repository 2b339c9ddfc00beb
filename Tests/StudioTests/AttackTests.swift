// Attacks on networks whose weak spots are known, and where their searches begin.

import AtelierAdversarial
import AtelierDatasets
import AtelierEngine
import AtelierImages
import AtelierInterchange
import AtelierWorkbench
import Foundation
import TestSupport
import Testing

@Suite struct SearchStartTests {
  /// The second of three pictures of 2 channels with the noise of a start; `seed` gives the lots.
  private func noise(_ start: SearchStart, seed: UInt64) -> [Float] {
    let clean = Tensor([3, 12, 10, 2], repeating: 0)
    var pictures = clean
    var generator = RandomGenerator(seed: seed)
    start.addNoise(to: &pictures, around: clean, row: 1, radius: 0.25, &generator)
    let others = pictures.elements[..<240] + pictures.elements[480...]
    #expect(others.allSatisfy { $0 == 0 })
    return Array(pictures.elements[240..<480])
  }

  /// How many columns of one channel are all of one sign.
  private func stripes(_ noise: [Float]) -> Int {
    (0..<20).count { place in Set((0..<12).map { noise[20 * $0 + place] }).count == 1 }
  }

  @Test func uniformNoiseIsEverywhereWithinTheLimit() {
    let noise = noise(.uniform, seed: 3)
    #expect(noise.allSatisfy { abs($0) <= 0.25 } && Set(noise).count > 200)
    #expect(abs(noise.reduce(0, +) / 240) < 0.05 && (noise.map(abs).max() ?? 0) > 0.24)
  }

  @Test func squaresStandAtTheLimit() {
    let pictures = (1...60).map { noise(.squares, seed: $0) }
    #expect(pictures.allSatisfy { $0.allSatisfy { abs($0) == 0.25 } })
    #expect(Set(pictures).count == 60)
    // Some have no square over their stripes, others are strewn with them.
    let counts = pictures.map(stripes)
    #expect(counts.contains(20) && counts.contains { $0 < 5 }, "\(counts)")
    let bright = pictures.joined().count { $0 > 0 }
    #expect(abs(Double(bright) / 14400 - 0.5) < 0.05)
  }

  @Test func mixedStartsAreOneOrTheOther() {
    let kinds = (1...200).map { seed in
      Set(noise(.mixed, seed: seed).map(abs)).count == 1
    }
    #expect((70...130).contains(kinds.count { $0 }))
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
    var done: [[Int]] = []
    let random = try AttackEvaluation.run(
      .random, victim: victim, on: set, budget: .infinity(0.1)
    ) { done.append([$0, $1]) }
    #expect(random.success == 0 && done == [[40, 40]])
    #expect(random.protocol.contains("L-infinity 0.1, which is 25 of 255"))
  }

  /// The weight of the margin must grow for a flat victim (0.5) and shrink for a steep one (2000).
  @Test(arguments: [0.5, 8, 2000] as [Float])
  func carliniWagnerFindsShortNoise(_ gain: Float) throws {
    let victim = try linearVictim(gain: gain)
    let set = try halves(6)
    let report = try AttackEvaluation.run(
      .carliniWagner(searches: 8, steps: 150), victim: victim, on: set, budget: .two(100))
    #expect(report.success == 1)
    // The shortest way is along the weights: the lead of 40/255 is 8 pixels' length · 20/255.
    let shortest = 8 * 20.0 / 255
    #expect(
      report.meanL2 > 0.9 * shortest && report.meanL2 < 1.35 * shortest,
      "\(report.meanL2 / shortest)")
  }

  /// On the line between two classes the order of a sum decides; a picture found there would be turned
  /// back by a victim that leans to its class by no more than rounding does.
  @Test(arguments: [0.5, 8, 2000] as [Float])
  func carliniWagnerKeepsOffTheLine(_ gain: Float) throws {
    let source = try linearVictim(gain: gain)
    let set = try halves(6)
    for leaning in [[1e-6 * gain, 0], [0, 1e-6 * gain]] {
      let report = try AttackEvaluation.run(
        .carliniWagner(searches: 8, steps: 150), victim: linearVictim(gain: gain, leaning: leaning),
        source: source, on: set, budget: .two(100))
      #expect(report.cleanAccuracy == 1 && report.success == 1)
    }
  }

  @Test func moreStartsFindMore() throws {
    // Where there is no slope, PGD is what its starts are.
    let victim = try linearVictim(gain: 1e6, isFlat: true)
    let set = try halves(60)
    let found = try [1, 8, 40].map {
      try AttackEvaluation.run(
        .pgd(steps: 2, restarts: $0), victim: victim, on: set, budget: .infinity(0.6)
      ).success
    }
    #expect(found == found.sorted() && found[2] > found[0] && found[2] < 1, "\(found)")
  }

  /// Where a victim is so sure that the cross-entropy is flat, the second start follows the margin.
  @Test func theMarginIsFollowedToo() throws {
    let victim = try linearVictim(gain: 1e6)
    let set = try halves(40)
    let found = try [1, 2].map {
      try AttackEvaluation.run(
        .pgd(steps: 5, restarts: $0), victim: victim, on: set, budget: .infinity(0.2)
      ).success
    }
    #expect(found == [0, 1])
  }

  /// Where no slope leads on, only what stands at the limit from the start can turn a picture.
  @Test func startsAtTheCornersFindWhatUniformOnesMiss() throws {
    let victim = try linearVictim(gain: 1e6, isFlat: true)
    let set = try halves(60)
    let found = try [SearchStart.uniform, .mixed, .squares].map {
      try AttackEvaluation.run(
        .pgd(steps: 2, restarts: 12, start: $0), victim: victim, on: set, budget: .infinity(0.25)
      ).success
    }
    #expect(found == [0, 25.0 / 60, 50.0 / 60])
    #expect(Attack.pgd(steps: 2, restarts: 3, start: .mixed).name == "PGD-2 x 3, mixed")
  }

  /// A victim that cuts each pixel off shows no slope but where a pixel is about to turn: the sum of
  /// gradients beside the way finds what plain steps and their restarts do not.
  @Test func smoothedGradientsLeadOverPlateaus() throws {
    let open = try linearVictim()
    let graph = try Graph.trace { builder in
      let input = builder.input("input", [1, 8, 8, 1])
      let cut = (20 * input + -9.9).clamped(0...1)
      builder.output("output", Dense(units: 2, hasBias: false, name: "dense")(Flatten()(cut)))
    }
    let victim = try Model(graph: graph, store: open.store(), information: open.information)
    let set = try halves(40)
    let found = try [false, true].map {
      try AttackEvaluation.run(
        .pgd(steps: 100, restarts: 2, isSmoothed: $0), victim: victim, on: set,
        budget: .infinity(0.25)
      ).success
    }
    #expect(found == [0.15, 1])
    let report = try GradientMasking.run(
      victim, on: set, budget: .infinity(0.25), steps: 100, restarts: 2, queries: 1)
    #expect(report.smoothed == 0 && report.manyStarts == 0.85)
    #expect(
      report.warnings.contains(
        "smoothed gradients help PGD (85.0 to 0.0 %): gradients may be masked"))
    #expect(Attack.pgd(steps: 2, restarts: 1, isSmoothed: true).name == "PGD-2, smooth")
  }

  @Test func whatIsMadeOnOneVictimIsJudgedByAnother() throws {
    let set = try halves(20)
    let (victim, mirror) = (try linearVictim(), try linearVictim(gain: -8))
    for attack in [Attack.fgsm, .pgd(steps: 5, restarts: 1)] {
      let own = try AttackEvaluation.run(attack, victim: victim, on: set, budget: .infinity(0.2))
      #expect(own.success == 1)
      // Noise against a classifier that takes left for right makes the picture clearer.
      let other = try AttackEvaluation.run(
        attack, victim: victim, source: mirror, on: set, budget: .infinity(0.2))
      #expect(other.success == 0 && other.meanL2 > 1, "\(attack.name)")
    }
    #expect(
      errorLine {
        _ = try AttackEvaluation.run(
          .fgsm, victim: victim, source: wideVictim(["left", "right"] + (2..<10).map(String.init)),
          on: set, budget: .infinity(0.2))
      } == "an attack carries over between classifiers of the same pictures and classes")
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
    for attack in [
      Attack.random, .pgd(steps: 3, restarts: 1), .pgd(steps: 3, restarts: 1, isSmoothed: true),
      .square(queries: 60),
    ] {
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
