// Errors of every module become one line on standard error and an exit code, here and only here.

import ArgumentParser
import Atelier
import Foundation

extension InputFailure.Kind {
  /// The exit code of sysexits.h.
  var exitCode: Int32 {
    switch self {
    case .usage: 64
    case .data: 65
    case .missing: 66
    case .fault: 70
    case .noMemory: 71
    case .cannotCreate: 73
    }
  }
}

/// The end of the process by an error.
enum Failure {
  /// Ends the process as the error asks for.
  static func end(with error: any Error) -> Never {
    let code = AtelierTool.exitCode(for: error)
    // Nobody waits for a rank that failed, and the first one speaks for all.
    if let group = Ranks.current {
      if code == .success || error is ExitCode {
        try? group.settle()
      } else {
        group.abandon(ErrorLine.told(error))
      }
    }
    if let code = error as? ExitCode { Foundation.exit(code.rawValue) }
    // Help and version are thrown, too.
    guard code != .success else {
      Console.print(AtelierTool.fullMessage(for: error))
      Console.finish()
    }
    if code == .validationFailure {
      let help = (["atelier"] + commandPath() + ["--help"]).joined(separator: " ")
      Console.complain("\(ErrorLine.oneLine(AtelierTool.message(for: error))) (see \(help))")
      Foundation.exit(InputFailure.Kind.usage.exitCode)
    }
    Console.complain(ErrorLine.text(error))
    Foundation.exit(ErrorLine.kind(error).exitCode)
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
    // The help of a group does not show the options of the command that is meant without a name.
    if let fallback, CommandLine.arguments.count > path.count + 1 {
      path.append(fallback._commandName)
    }
    return path
  }
}
