// The forecast of an error: powers of the time are drawn on exactly, flat curves give no promise.

import AtelierTraining
import Foundation
import Testing

@Suite("Error forecast")
struct ErrorForecastTests {
  /// A forecast of `error(seconds)` over steps of half a second.
  private func forecast(
    goal: Double = 0.02, seconds: Double, _ error: (Double) -> Double
  ) -> ErrorForecast {
    var forecast = ErrorForecast(goal: goal)
    for step in 1...Int(2 * seconds) {
      let time = Double(step) / 2
      forecast.append(error(time), step: step, seconds: time)
    }
    return forecast
  }

  @Test("a power of the time is drawn on", arguments: [0.3, 0.5, 0.8])
  func power(exponent: Double) {
    // 0.02 is reached after two hours.
    let forecast = forecast(seconds: 1800) { 0.02 * pow(7200 / $0, exponent) }
    guard case .expected(let seconds) = forecast.outlook else {
      Issue.record("expected a forecast; received \(forecast.outlook)")
      return
    }
    // The smoothed error is that of some 25 s before, so the curve is a little uneven at its start.
    #expect(abs(seconds - 5400) < 0.15 * 5400, "\(seconds)")
    #expect(forecast.text.hasPrefix("about 1 h "))
    #expect(forecast.text.hasSuffix(" min to 0.02"))
  }

  @Test("a curve that does not fall, or too slowly, is not told")
  func flat() {
    let still = forecast(seconds: 600) { _ in 0.05 }
    #expect(still.outlook == .unknown)
    #expect(still.text == "no telling yet when 0.02 is reached")
    #expect(forecast(seconds: 600) { 0.05 + $0 * 1e-5 }.outlook == .unknown)
    // A year is no help to anyone.
    #expect(forecast(seconds: 600) { 0.2 * pow($0, -0.06) }.outlook == .unknown)
    #expect(forecast(seconds: 20) { 1 / $0 }.outlook == .unknown)
    #expect(ErrorForecast(goal: 0.02).outlook == .unknown)
  }

  @Test("a noisy fall is told, noise alone is not")
  func noise() {
    func wave(_ time: Double) -> Double { sin(time * 12.9898) * 0.3 }
    let falling = forecast(seconds: 1800) { 0.02 * pow(7200 / $0, 0.5) * (1 + wave($0)) }
    guard case .expected(let seconds) = falling.outlook else {
      Issue.record("expected a forecast; received \(falling.outlook)")
      return
    }
    #expect(abs(seconds - 5400) < 0.3 * 5400, "\(seconds)")
    #expect(forecast(seconds: 1800) { 0.05 * (1 + wave($0)) }.outlook == .unknown)
  }

  @Test("the goal is reached once, and stays reached")
  func reached() throws {
    let forecast = forecast(seconds: 4000) { $0 < 2000 ? 0.04 * pow(1000 / $0, 0.5) : 0.01 }
    guard case .reached(let seconds, let step) = forecast.outlook else {
      Issue.record("expected the goal to be reached; received \(forecast.outlook)")
      return
    }
    #expect(seconds > 2000 && seconds < 2050)
    #expect(step == Int(2 * seconds))
    #expect(forecast.text == "0.02 reached after 34 min (step \(step))")
  }

  @Test("values that are no errors are left out")
  func invalid() {
    var one = ErrorForecast(goal: 0.02)
    var other = one
    for step in 1...200 {
      one.append(1 / Double(step), step: step, seconds: Double(step))
      other.append(1 / Double(step), step: step, seconds: Double(step))
      for wrong in [Double.nan, .infinity, 0, -1] {
        other.append(wrong, step: step, seconds: Double(step))
      }
    }
    #expect(one == other)
  }

  @Test("a resumed forecast is the uninterrupted one")
  func resume() throws {
    func report(_ step: Int) -> TrainingEvent {
      .step(
        StepReport(
          step: step, loss: 1, smoothedLoss: 1,
          values: ["error_a": 1 / Double(step), "error_b": 2 / Double(step)], learningRate: 1,
          gradientNorm: 1, imagesPerSecond: 1, seconds: Double(step) / 7))
    }
    let whole = ForecastListener(["error_a", "error_b"], goal: 0.02)
    let first = ForecastListener(["error_a", "error_b"], goal: 0.02)
    for step in 1...500 {
      whole.handle(report(step))
      if step <= 217 { first.handle(report(step)) }
    }
    let second = ForecastListener(["error_a", "error_b"], goal: 0.02)
    try second.prepare(step: 217, checkpoint: try first.checkpoint())
    for step in 218...500 { second.handle(report(step)) }
    #expect(second.forecast == whole.forecast)
    #expect(whole.forecast.smoothed > 1.5 / 500, "the mean of both errors")
    #expect(whole.forecast.curve.count > 20)
    #expect(throws: TrainingError.self) {
      try second.prepare(step: 1, checkpoint: "nonsense")
    }
  }
}
