// Where OpenCV's cascade files are: a given folder, the environment's, or the usual places.

import AtelierFiles
import Foundation

/// Finds the cascade files of the system.
public struct CascadeLibrary: Sendable, Hashable {
  /// The environment variable that names a folder of cascade files.
  public static let environmentVariable = "ATELIER_CASCADES"

  /// Where packages put them.
  static let usualFolders = [
    "/usr/share/opencv4", "/usr/local/share/opencv4", "/usr/share/opencv", "/usr/share/OpenCV",
    "/usr/local/share/opencv", "/usr/local/share/OpenCV", "/opt/homebrew/share/opencv4",
    "/opt/homebrew/opt/opencv/share/opencv4", "/usr/local/opt/opencv/share/opencv4",
    "/opt/local/share/opencv4",
  ]

  /// The folders that are searched, in order.
  public let folders: [String]

  /// The files of one folder; without one that of `ATELIER_CASCADES`, otherwise the usual ones.
  public init(
    folder: String? = nil, environment: [String: String] = ProcessInfo.processInfo.environment
  ) {
    if let folder {
      folders = [folder]
    } else if let named = environment[Self.environmentVariable], !named.isEmpty {
      folders = [named]
    } else {
      folders = Self.usualFolders
    }
  }

  /// The path of a cascade file: in a folder itself or in its haarcascades or lbpcascades.
  ///
  /// The name has no extension, such as `haarcascade_eye`; a path to a file is taken as it is.
  /// - Throws: `StudioError` of kind `missingInput` that names the package to install.
  public func path(of name: String) throws -> String {
    if name.hasSuffix(".xml") {
      guard FileManager.default.fileExists(atPath: name) else {
        throw StudioError(.missingInput, "\(name): expected a cascade file, received no such file")
      }
      return name
    }
    for folder in folders {
      for part in ["", "haarcascades/", "lbpcascades/"] {
        let path = "\(folder)/\(part)\(name).xml"
        if FileManager.default.fileExists(atPath: path) { return path }
      }
    }
    let places = folders.count == 1 ? folders[0] : "the usual places (\(folders[0]), ...)"
    throw StudioError(
      .missingInput,
      "\(name).xml: expected OpenCV's cascade files in \(places), received none; install the "
        + "package opencv-data (apt-get install opencv-data) or name their folder in "
        + Self.environmentVariable)
  }

  /// Reads the cascade of a name as in `path(of:)`.
  ///
  /// - Throws: `StudioError` when it is missing or damaged.
  public func cascade(_ name: String) throws -> Cascade { try CascadeFile.read(path(of: name)) }
}
