// What every `train` command asks for: the run folder, new or resumed, and when to stop.

import ArgumentParser
import Atelier
import Foundation

/// The folder of a training, whether it goes on, and where its model is copied.
struct TrainingRunOptions: ParsableArguments {
  @Option(name: .customLong("run"), help: ArgumentHelp("The run folder.", valueName: "folder"))
  var path: String

  @Flag(help: "Go on with the run; only limits and intervals may change.")
  var resume = false

  @Option(help: ArgumentHelp("Copy the model here at the end.", valueName: "file"))
  var export: String?

  /// The run folder.
  var folder: URL { URL(fileURLWithPath: path) }

  /// The request of a new training, or that of the run that goes on.
  ///
  /// - Parameters:
  ///   - fixedOptions: The names of given options that a resume may not change.
  ///   - new: Makes the request of a new training.
  ///   - stored: Reads the request of a run.
  ///   - files: What a run's request needs on disk.
  ///   - limits: Puts what a resume may change into a request.
  /// - Returns: The request.
  /// - Throws: `StudioError` when there is a run already, when a resume is to change what it cannot,
  ///   or when files are gone; and what the closures throw.
  func request<Request>(
    fixedOptions: [String], new: () throws -> Request, stored: (URL) throws -> Request,
    files: (Request) -> [String], limits: (inout Request) -> Void
  ) throws -> Request {
    guard resume else {
      try checkNew()
      return try new()
    }
    guard fixedOptions.isEmpty else {
      throw StudioError(
        .usage,
        "--resume goes on with the run's own settings; leave out "
          + fixedOptions.joined(separator: ", "))
    }
    try Reading.checkPresent([path])
    var request = try stored(folder)
    try Reading.checkPresent(files(request))
    limits(&request)
    return request
  }

  /// Throws when the folder holds a run already.
  private func checkNew() throws {
    let configuration = folder.appendingPathComponent("configuration.json").path
    guard !FileManager.default.fileExists(atPath: configuration) else {
      throw StudioError(
        .cannotCreate, "\(path): expected a new folder; it holds a run already (--resume goes on)")
    }
  }
}

/// When a training stops.
struct TrainingLimits: ParsableArguments {
  @Option(help: ArgumentHelp("Stop at this step.", valueName: "n"))
  var steps: Int?

  @Option(help: ArgumentHelp("Stop after so many minutes of training.", valueName: "minutes"))
  var minutes: Double?

  func validate() throws {
    try OptionCheck.counts([("--steps", steps, 0...Int.max)])
    if let minutes, !(minutes >= 0 && minutes.isFinite) {
      throw ValidationError("--minutes takes 0 or more; received \(minutes)")
    }
  }

  /// Whether neither limit was given.
  var areAbsent: Bool { steps == nil && minutes == nil }

  /// Throws where a training would never end.
  func checkGiven() throws {
    if areAbsent {
      throw StudioError(.usage, "a training needs a limit: give --steps or --minutes")
    }
  }

  /// Replaces both limits of a request by the given ones; leaves them alone when neither was given.
  func apply(_ requestSteps: inout Int?, _ requestMinutes: inout Double?) {
    if !areAbsent { (requestSteps, requestMinutes) = (steps, minutes) }
  }
}
