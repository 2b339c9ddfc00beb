// Errors of every module become one line on standard error and an exit code, here and only here.

import ArgumentParser
import Atelier
import Foundation

/// What an error means to the caller of the process.
struct Failure: Equatable {
  /// The exit codes of sysexits.h that the tool uses.
  enum Code: Int32 {
    /// The command line makes no sense.
    case usage = 64
    /// A file's content is not what it must be.
    case data = 65
    /// A file is missing or cannot be read.
    case missingInput = 66
    /// A fault of the tool itself.
    case internalFault = 70
    /// A result cannot be written.
    case cannotCreate = 73

    /// The code of a kind of fault.
    init(_ kind: InputFailure.Kind) {
      self =
        switch kind {
        case .usage: .usage
        case .data: .data
        case .missing: .missingInput
        case .fault: .internalFault
        case .cannotCreate: .cannotCreate
        }
    }
  }

  /// The exit code.
  let code: Code
  /// One line, without the tool's name.
  let message: String

  /// Names the kind and the line of an error.
  init(_ error: any Error) {
    message = ErrorLine.text(error)
    code = Code(ErrorLine.kind(error))
  }

  /// Ends the process as the error asks for.
  static func end(with error: any Error) -> Never {
    if let code = error as? ExitCode { Foundation.exit(code.rawValue) }
    let code = AtelierTool.exitCode(for: error)
    // Help and version are thrown, too.
    guard code != .success else {
      Console.print(AtelierTool.fullMessage(for: error))
      Foundation.exit(0)
    }
    if code == .validationFailure {
      let help = (["atelier"] + commandPath() + ["--help"]).joined(separator: " ")
      Console.complain("\(ErrorLine.oneLine(AtelierTool.message(for: error))) (see \(help))")
      Foundation.exit(Code.usage.rawValue)
    }
    let failure = Failure(error)
    Console.complain(failure.message)
    Foundation.exit(failure.code.rawValue)
  }

  /// The names of the commands at the start of the arguments.
  private static func commandPath() -> [String] {
    var path: [String] = []
    var commands = AtelierTool.configuration.subcommands
    var fallback: (any ParsableCommand.Type)?
    for argument in CommandLine.arguments.dropFirst() {
      guard let next = commands.first(where: { $0._commandName == argument }) else { break }
      path.append(argument)
      commands = next.configuration.subcommands
      fallback = next.configuration.defaultSubcommand
    }
    // The help of a group does not show the options of the command that is meant when none is named.
    if let fallback, CommandLine.arguments.count > path.count + 1 {
      path.append(fallback._commandName)
    }
    return path
  }
}
