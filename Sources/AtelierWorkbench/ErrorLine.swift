// Errors of every module as one line and a kind, for reports and for the ends of commands.

import AtelierDatasets
import AtelierEngine
import AtelierFiles
import AtelierImages
import AtelierInterchange
import AtelierTraining
import Foundation

extension StudioError {
  /// Throws an error of this kind and line unless a condition holds.
  package static func unless(_ condition: Bool, _ kind: Kind, _ text: @autoclosure () -> String)
    throws
  {
    if !condition { throw StudioError(kind, text()) }
  }
}

/// The line and the kind of an error.
public enum ErrorLine {
  /// The error's line, with the file and the system's own reason where it has them.
  public static func text(_ error: any Error) -> String {
    guard let error = error as? CocoaError else { return oneLine(String(describing: error)) }
    let reason =
      switch error.userInfo[NSUnderlyingErrorKey] as? any Error {
      case let error as POSIXError: String(cString: strerror(error.code.rawValue))
      default: error.localizedDescription
      }
    let path = error.userInfo[NSFilePathErrorKey] as? String ?? error.url?.path
    return oneLine(path.map { "\($0): \(reason)" } ?? reason)
  }

  /// What kind of fault an error is.
  public static func kind(_ error: any Error) -> InputFailure.Kind {
    switch error {
    case let error as StudioError: kind(error.kind)
    case let error as TrainingError: kind(error.kind)
    case let error as ImageError:
      switch error.reason {
      case .system: .missing
      case .unwritable: .cannotCreate
      case .damaged, .unsupported, .tooLarge: .data
      case .noMemory: .noMemory
      case .argument: .usage
      }
    case let error as SafetensorsError: error.reason == .unreadable ? .missing : .data
    case let error as FileError:
      error.code == nil ? .data : error.isReading ? .missing : .cannotCreate
    case let error as DatasetError: error.lacksMemory ? .noMemory : .data
    case is DataFault: .data
    case let error as ShapeError: error.isMemory ? .noMemory : .usage
    case is FieldError: .usage
    case let error as CocoaError: kind(error)
    default: .fault
    }
  }

  private static func kind(_ kind: StudioError.Kind) -> InputFailure.Kind {
    switch kind {
    case .usage: .usage
    case .data: .data
    case .missingInput: .missing
    case .cannotCreate: .cannotCreate
    case .noMemory: .noMemory
    }
  }

  private static func kind(_ error: CocoaError) -> InputFailure.Kind {
    switch error.code {
    case .fileNoSuchFile, .fileReadNoSuchFile, .fileReadNoPermission, .fileReadUnknown: .missing
    case .fileWriteNoPermission, .fileWriteOutOfSpace, .fileWriteUnknown, .fileWriteFileExists,
      .fileWriteVolumeReadOnly, .fileWriteInvalidFileName:
      .cannotCreate
    default: .fault
    }
  }

  /// A text without line ends, so that a log holds one error a line.
  public static func oneLine(_ text: String) -> String {
    text.split(whereSeparator: \.isNewline).map { $0.trimmingCharacters(in: .whitespaces) }
      .filter { !$0.isEmpty }.joined(separator: " ")
  }
}
