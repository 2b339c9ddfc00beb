// When an error will be small enough: the curve so far as a power of the time, drawn on.

import Foundation

/// Follows an error over the training time and says when it will reach a goal.
///
/// Errors of trainings fall about as a power of the time, so a straight line through the logarithms
/// of time and error is drawn on. It is fitted to the second half of the curve on the logarithmic
/// scale, where the beginning's fast fall is over.
public struct ErrorForecast: Sendable, Hashable, Codable {
  /// What can be said.
  public enum Outlook: Sendable, Hashable {
    /// The goal was reached after so many seconds of training, at a step.
    case reached(seconds: Double, step: Int)
    /// The goal will be reached in about so many seconds.
    case expected(seconds: Double)
    /// The curve is too short, too flat or too uneven.
    case unknown
  }

  private struct Point: Sendable, Hashable, Codable {
    var seconds: Double
    var error: Double
  }

  /// The error to reach.
  public let goal: Double
  /// The average of the last errors, 0 before the first; older ones lose 2 % of their weight a
  /// step.
  public var smoothed: Double { weight > 0 ? sum / weight : 0 }
  /// When the smoothed error first was at the goal.
  public private(set) var reachedSeconds: Double?
  /// The step at which it was.
  public private(set) var reachedStep: Int?

  private var points: [Point] = []
  private var sum = 0.0
  private var weight = 0.0
  private var seconds = 0.0
  private var count = 0
  /// The time of the next point: each is 4 % later than the last, so that a day has some 300.
  private static let spacing = 1.04
  /// Errors before the smoothed one means anything.
  private static let warmUp = 50
  /// Errors before the curve is drawn on: the fall of the first steps promises too much.
  private static let least = 300

  /// Follows an error to a goal, which is above 0.
  public init(goal: Double) { self.goal = goal }

  /// Takes in the error of a step after so many seconds of training.
  ///
  /// What is not finite or not above 0 is left out.
  public mutating func append(_ error: Double, step: Int, seconds: Double) {
    guard error.isFinite, error > 0, seconds.isFinite else { return }
    sum = 0.98 * sum + error
    weight = 0.98 * weight + 1
    count += 1
    self.seconds = seconds
    guard count >= Self.warmUp, seconds > 0 else { return }
    if reachedSeconds == nil, smoothed <= goal {
      reachedSeconds = seconds
      reachedStep = step
    }
    if let last = points.last, seconds < last.seconds * Self.spacing { return }
    points.append(Point(seconds: seconds, error: smoothed))
  }

  /// What can be said now.
  public var outlook: Outlook {
    if let reachedSeconds, let reachedStep {
      return .reached(seconds: reachedSeconds, step: reachedStep)
    }
    guard let first = points.first, let last = points.last, last.seconds > first.seconds,
      count >= Self.least
    else { return .unknown }
    let middle = (log(first.seconds) + log(last.seconds)) / 2
    let used = points.filter { log($0.seconds) >= middle }
    guard used.count >= 8, let line = Self.line(used) else { return .unknown }
    // Flatter than a halving in a millionfold time is noise, and so is an uneven curve.
    guard line.slope < -0.05, line.determination > 0.5 else { return .unknown }
    let wanted = exp((log(goal) - line.intercept) / line.slope)
    guard wanted.isFinite, wanted < 50 * seconds else { return .unknown }
    return .expected(seconds: max(wanted - seconds, 1))
  }

  /// Least squares of log error over log time; `determination` is the share of the variance that
  /// the line explains.
  private static func line(
    _ points: [Point]
  ) -> (slope: Double, intercept: Double, determination: Double)? {
    let x = points.map { log($0.seconds) }
    let y = points.map { log($0.error) }
    let count = Double(points.count)
    let (meanX, meanY) = (x.reduce(0, +) / count, y.reduce(0, +) / count)
    var (xx, xy, yy) = (0.0, 0.0, 0.0)
    for (x, y) in zip(x, y) {
      xx += (x - meanX) * (x - meanX)
      xy += (x - meanX) * (y - meanY)
      yy += (y - meanY) * (y - meanY)
    }
    guard xx > 0, yy > 0 else { return nil }
    let slope = xy / xx
    return (slope, meanY - slope * meanX, xy * xy / (xx * yy))
  }

  /// The outlook for people: `about 1 h 20 min to 0.02`.
  public var text: String {
    let goal = ProgressText.number(goal)
    return switch outlook {
    case .reached(let seconds, let step):
      "\(goal) reached after \(Self.words(seconds)) (step \(step))"
    case .expected(let seconds): "about \(Self.words(seconds)) to \(goal)"
    case .unknown: "no telling yet when \(goal) is reached"
    }
  }

  /// A rounded duration in words.
  static func words(_ seconds: Double) -> String {
    let minutes = Int((seconds / 60).rounded())
    if seconds < 90 { return "\(Int(seconds.rounded())) s" }
    if minutes < 60 { return "\(minutes) min" }
    let tens = Int((seconds / 600).rounded()) * 10
    if tens < 48 * 60 {
      return tens % 60 == 0 ? "\(tens / 60) h" : "\(tens / 60) h \(tens % 60) min"
    }
    return "\(Int((seconds / 86400).rounded())) days"
  }

  /// The curve: minutes of training and smoothed error.
  public var curve: [SIMD2<Double>] { points.map { SIMD2($0.seconds / 60, $0.error) } }
}

/// Keeps a forecast through a training and its resumes.
public final class ForecastListener: TrainingListener {
  /// The forecast so far.
  public private(set) var forecast: ErrorForecast
  private let values: [String]

  /// Makes a listener that follows the mean of the named scalar outputs to a goal.
  public init(_ values: [String], goal: Double) {
    self.values = values
    forecast = ErrorForecast(goal: goal)
  }

  /// Goes on with the curve of the saved state.
  public func prepare(step: Int, checkpoint: String?) throws {
    guard let checkpoint else { return }
    guard
      let stored = try? JSONDecoder().decode(ErrorForecast.self, from: Data(checkpoint.utf8))
    else { throw TrainingError("the saved state's forecast cannot be read") }
    if stored.goal == forecast.goal { forecast = stored }
  }

  /// Takes in the errors of a step.
  public func handle(_ event: TrainingEvent) {
    guard case .step(let report) = event else { return }
    let errors = values.compactMap { report.values[$0] }
    guard errors.count == values.count, !errors.isEmpty else { return }
    forecast.append(
      errors.reduce(0, +) / Double(errors.count), step: report.step, seconds: report.seconds)
  }

  /// The curve as JSON.
  public func checkpoint() throws -> String? {
    let encoder = JSONEncoder()
    encoder.outputFormatting = .sortedKeys
    return String(decoding: try encoder.encode(forecast), as: UTF8.self)
  }
}
