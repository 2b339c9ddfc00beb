// A list of pictures over several ranks: each does its part, the first one tells of all in order.

import AtelierFiles
import AtelierTraining
import Foundation

/// What happened at one picture, for the rank that tells of it.
private struct SharedOutcome: Codable {
  /// What was said meanwhile.
  enum Word: Codable {
    case remark(String)
    case note(String)
    case result(String)
    case saved(String)
  }

  var index: Int
  var words: [Word] = []
  /// The result as JSON; nil for a failure.
  var result: Data?
  var failure: String?
  var failureKind: InputFailure.Kind?
}

/// What one rank did in a round.
private struct SharedRound: Codable {
  var outcomes: [SharedOutcome] = []
  /// Whether it was asked to stop.
  var isInterrupted = false
}

/// Keeps what a job says while ranks share its pictures, so that the first one can say it in order.
public final class EventRelay {
  private let forward: (JobEvent) -> Void
  private var kept: [JobEvent]?

  /// Hands events on as they come.
  public init(_ forward: @escaping (JobEvent) -> Void) { self.forward = forward }

  /// Takes an event.
  public func take(_ event: JobEvent) {
    if kept != nil { kept?.append(event) } else { forward(event) }
  }

  /// What was said while `body` ran, which nobody heard.
  fileprivate func keeping<Value>(
    _ body: () throws -> Value
  ) -> (Result<Value, any Error>, [JobEvent]) {
    kept = []
    defer { kept = nil }
    let result = Result { try body() }
    return (result, kept ?? [])
  }
}

extension SharedOutcome {
  mutating func keep(_ events: [JobEvent]) {
    words = events.compactMap { event in
      switch event {
      case .remark(let text): .remark(text)
      case .note(let text): .note(text)
      case .result(let text): .result(text)
      case .saved(let file): .saved(file)
      case .row, .progress, .training, .forecast, .stopped: nil
      }
    }
  }

  func tell(_ place: JobPlace) {
    for word in words {
      switch word {
      case .remark(let text): place.send(.remark(text))
      case .note(let text): place.send(.note(text))
      case .result(let text): place.send(.result(text))
      case .saved(let file): place.send(.saved(file))
      }
    }
  }
}

extension PictureJob {
  /// Pictures that a rank does before all tell each other.
  private static let roundLength = 4

  /// Works on tasks as `run` does; where several ranks share the job each does its part of every
  /// round, and all get all results in the order of the tasks.
  @_semantics("optimize.sil.specialize.generic.never")
  package static func share<Task, Result: Codable>(
    _ tasks: [Task], name: (Task) -> String, in place: JobPlace, failures: inout [InputFailure],
    unit: String = "pictures", _ work: (_ task: Task, _ counter: String) throws -> Result
  ) throws -> [Result] {
    guard let group = Ranks.current, group.count > 1, let relay = place.relay else {
      return try run(tasks, name: name, in: place, failures: &failures, unit: unit, work)
    }
    // Before anything is written that one of them might list.
    let lists = try group.agree(.success(Array(tasks.map(name).joined(separator: "\n").utf8)))
    if let other = lists.firstIndex(where: { $0 != lists[0] }) {
      group.isOver = true
      throw StudioError(
        .data,
        "\(group.name(of: other)) finds other inputs than rank 0: all machines need the same files")
    }
    let progress = ProgressCounter(unit, place)
    let decoder = JSONDecoder()
    decoder.nonConformingFloatDecodingStrategy = .convertFromString(
      positiveInfinity: "inf", negativeInfinity: "-inf", nan: "nan")
    var results: [Result] = []
    var done = 0
    for first in stride(from: 0, to: tasks.count, by: roundLength * group.count) {
      let round = first..<min(first + roundLength * group.count, tasks.count)
      let own = Swift.Result {
        try Array(
          JSONText.data(
            share(of: round, group, place) { index in
              var outcome = SharedOutcome(index: index)
              let (result, events) = relay.keeping {
                try work(tasks[index], "[\(index + 1)/\(tasks.count)]")
              }
              outcome.keep(events)
              do {
                outcome.result = try JSONText.data(result.get())
              } catch let error as StudioError where ![.data, .noMemory].contains(error.kind) {
                throw error
              } catch {
                let failure = InputFailure(file: name(tasks[index]), error)
                (outcome.failure, outcome.failureKind) = (failure.error, failure.kind)
              }
              return outcome
            }))
      }
      let rounds = try group.agree(own, describing: ErrorLine.told).map {
        try decoder.decode(SharedRound.self, from: Data($0))
      }
      for outcome in rounds.flatMap(\.outcomes).sorted(by: { $0.index < $1.index }) {
        if group.rank == 0 { outcome.tell(place) }
        if let data = outcome.result { results.append(try decoder.decode(Result.self, from: data)) }
        if let text = outcome.failure {
          failures.append(
            InputFailure(
              file: name(tasks[outcome.index]), error: text, kind: outcome.failureKind ?? .data))
        }
        done += 1
      }
      progress.show(done, tasks.count)
      if rounds.contains(where: \.isInterrupted) {
        place.remark("interrupted after \(done) of \(tasks.count) \(unit)")
        break
      }
    }
    return results
  }

  /// This rank's tasks of a round.
  private static func share(
    of round: Range<Int>, _ group: any RankGroup, _ place: JobPlace,
    _ work: (Int) throws -> SharedOutcome
  ) throws -> SharedRound {
    var own = SharedRound()
    for index in round where index % group.count == group.rank {
      own.outcomes.append(try work(index))
      own.isInterrupted = place.interrupt.isRaised
      if own.isInterrupted { break }
    }
    return own
  }
}

extension ErrorLine {
  /// An error as ranks tell it each other.
  public static func told(_ error: any Error) -> StudioError {
    let kind: StudioError.Kind =
      switch kind(error) {
      case .usage: .usage
      case .data, .fault: .data
      case .missing: .missingInput
      case .cannotCreate: .cannotCreate
      case .noMemory: .noMemory
      }
    return StudioError(kind, text(error))
  }
}
