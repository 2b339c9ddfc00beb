// Learning-rate schedules against PyTorch, and their edges.

import AtelierTraining
import Foundation
import TestSupport
import Testing

private let schedules = Result { try GoldenCases.load("schedules") }

private func schedule(of golden: GoldenCase) throws -> Schedule? {
  switch golden.operation {
  case "step": return .step(size: try golden.int("every"), gamma: try golden.double("factor"))
  case "exponential": return .exponential(gamma: try golden.double("factor"))
  case "cosine":
    return .cosine(total: try golden.int("steps"), minimum: try golden.double("minimum"))
  case "warm_up_cosine", "warm_up_counted_cosine":
    let warm = try golden.int("warm_up")
    let start = golden.hasAttribute("start_factor") ? try golden.double("start_factor") : nil
    return .warmUp(
      steps: warm, start: start,
      then: .cosine(
        total: try golden.int("steps") - warm, minimum: try golden.double("minimum")))
  case "plateau":
    return .reduceOnPlateau(
      factor: try golden.double("factor"), patience: try golden.int("patience"),
      threshold: try golden.double("threshold"), cooldown: try golden.int("cooldown"),
      minimum: try golden.double("minimum"))
  default: return nil
  }
}

@Suite struct ScheduleTests {
  @Test(arguments: (try? schedules.get()) ?? []) func golden(_ golden: GoldenCase) throws {
    let schedule = try #require(try schedule(of: golden), "\(golden.operation)")
    let base = try golden.double("learning_rate")
    var plateau = PlateauState()
    for (step, expected) in golden.values.enumerated() {
      if golden.operation == "plateau" {
        plateau.observe(
          golden.losses[step], mode: .minimum, schedule: schedule, base: base)
      }
      let rate = schedule.learningRate(base: base, step: step, plateauRate: plateau.rate)
      #expect(abs(rate - expected) <= 1e-12 * base, "step \(step): \(rate), expected \(expected)")
    }
    #expect(golden.values.count == 51)
  }

  @Test func theFixtureIsThere() throws {
    #expect(try schedules.get().count >= 12)
  }

  @Test func constantAndProgress() {
    #expect(Schedule.constant.learningRate(base: 0.3, step: 1_000_000) == 0.3)
    let cosine = Schedule.progressCosine(minimum: 0.1)
    #expect(cosine.learningRate(base: 0.3, step: 7, progress: 0) == 0.3)
    #expect(abs(cosine.learningRate(base: 0.3, step: 7, progress: 0.5) - 0.2) < 1e-15)
    #expect(abs(cosine.learningRate(base: 0.3, step: 7, progress: 2) - 0.1) < 1e-15)
    #expect(Schedule.cosine(total: 5, minimum: 0.1).learningRate(base: 1, step: 99) == 0.1)
    let warm = Schedule.warmUp(steps: 4, then: cosine)
    #expect(warm.learningRate(base: 0.4, step: 0, progress: 0.9) == 0.1)
    #expect(warm.learningRate(base: 0.3, step: 4, progress: 0) == 0.3)
  }

  @Test func thePlateauRuleKnowsBothModesAndNaN() {
    let schedule = Schedule.warmUp(
      steps: 1, then: .reduceOnPlateau(factor: 0.5, patience: 0, threshold: 0))
    var state = PlateauState()
    #expect(state.observe(1, mode: .maximum, schedule: schedule, base: 1) == nil)
    #expect(state.observe(2, mode: .maximum, schedule: schedule, base: 1) == nil)
    #expect(state.observe(2, mode: .maximum, schedule: schedule, base: 1) == 0.5)
    #expect(state.observe(.nan, mode: .maximum, schedule: schedule, base: 1) == 0.25)
    #expect(schedule.learningRate(base: 1, step: 3, plateauRate: state.rate) == 0.25)
    #expect(state.observe(0, mode: .maximum, schedule: .constant, base: 1) == nil)
  }

  @Test func schedulesSurviveJSON() throws {
    let schedules: [Schedule] = [
      .constant, .step(size: 3, gamma: 0.5), .exponential(gamma: 0.9),
      .warmUp(steps: 5, start: 0.1, then: .warmUp(steps: 2, then: .cosine(total: 9))),
      .progressCosine(minimum: 1e-6), .reduceOnPlateau(),
    ]
    let data = try JSONEncoder().encode(schedules)
    #expect(try JSONDecoder().decode([Schedule].self, from: data) == schedules)
  }
}
