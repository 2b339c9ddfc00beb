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
  }

  /// The exit code.
  let code: Code
  /// One line, without the tool's name.
  let message: String

  /// Names the kind and the line of an error.
  init(_ error: any Error) {
    message = Self.line(error)
    code =
      switch error {
      case let error as StudioError: Self.code(error.kind)
      case let error as ImageError: Self.code(error.reason)
      case let error as SafetensorsError: error.reason == .unreadable ? .missingInput : .data
      case let error as FileError: error.code == nil ? .data : .cannotCreate
      case is DatasetError, is DataFault: .data
      case is TrainingError, is ShapeError: .usage
      case let error as CocoaError: Self.code(error)
      default: .internalFault
      }
  }

  private static func code(_ kind: StudioError.Kind) -> Code {
    switch kind {
    case .usage: .usage
    case .data: .data
    case .missingInput: .missingInput
    case .cannotCreate: .cannotCreate
    }
  }

  private static func code(_ reason: ImageError.Reason) -> Code {
    switch reason {
    case .system: .missingInput
    case .damaged, .unsupported, .tooLarge: .data
    case .argument: .usage
    }
  }

  private static func code(_ error: CocoaError) -> Code {
    switch error.code {
    case .fileNoSuchFile, .fileReadNoSuchFile, .fileReadNoPermission, .fileReadUnknown:
      .missingInput
    case .fileWriteNoPermission, .fileWriteOutOfSpace, .fileWriteUnknown, .fileWriteFileExists,
      .fileWriteVolumeReadOnly, .fileWriteInvalidFileName:
      .cannotCreate
    default: .internalFault
    }
  }

  private static func line(_ error: any Error) -> String {
    let text =
      switch error {
      case let error as CocoaError: fileLine(error)
      default: String(describing: error)
      }
    return oneLine(text)
  }

  /// The file and the system's own reason, which the description alone leaves out.
  private static func fileLine(_ error: CocoaError) -> String {
    let underlying = error.userInfo[NSUnderlyingErrorKey] as? any Error
    let reason =
      switch underlying {
      case let error as POSIXError: String(cString: strerror(error.code.rawValue))
      default: error.localizedDescription
      }
    let path = error.userInfo[NSFilePathErrorKey] as? String ?? error.url?.path
    return path.map { "\($0): \(reason)" } ?? reason
  }

  /// A text without line ends, so that a log holds one error a line.
  static func oneLine(_ text: String) -> String {
    text.split(whereSeparator: \.isNewline).map { $0.trimmingCharacters(in: .whitespaces) }
      .filter { !$0.isEmpty }.joined(separator: " ")
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
      Console.complain("\(oneLine(AtelierTool.message(for: error))) (see \(help))")
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
