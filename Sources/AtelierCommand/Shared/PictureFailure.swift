// Inputs that could not be read or converted, for commands that are not yet jobs.

import ArgumentParser
import Atelier

/// A picture or film that could not be read or converted.
struct PictureFailure: Encodable {
  let file: String
  let error: String
  let code: Failure.Code

  enum CodingKeys: String, CodingKey { case file, error }

  /// The inputs of a plan that are not there, and what failed later.
  static func list(_ plan: PicturePlan, _ failures: [InputFailure]) -> [PictureFailure] {
    plan.missing.map { PictureFailure(file: $0.file, error: $0.error, code: .missingInput) }
      + failures.map {
        PictureFailure(file: $0.file, error: $0.error, code: Failure.Code($0.kind))
      }
  }

  /// Says what failed, a line each, and ends with the fitting code if there is any.
  static func complain(_ failures: [PictureFailure]) throws {
    for failure in failures { Console.complain(failure.error) }
    guard let first = failures.first else { return }
    let code = failures.contains { $0.code == .missingInput } ? .missingInput : first.code
    throw ExitCode(code.rawValue)
  }
}
