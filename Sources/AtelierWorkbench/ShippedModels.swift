// Where the models that have a name are found: the environment's folder, near the executable, the
// current folder, the user's own.

import AtelierFiles
import AtelierInterchange
import AtelierKernels
import AtelierVision
import Foundation

/// The folder of the shipped models and their names.
public enum ShippedModels {
  /// The model for gray pictures.
  public static let gray = "denoise-gray.safetensors"
  /// The model for colour pictures.
  public static let color = "denoise-color.safetensors"
  /// The model for photographs, gray or in colour.
  public static let photo = "denoise-photo.safetensors"

  /// The folders to look in, first one first.
  public static var folders: [URL] {
    var folders: [URL] = []
    if let path = ProcessInfo.processInfo.environment["ATELIER_CHECKPOINTS"], !path.isEmpty {
      folders.append(URL(fileURLWithPath: path))
    }
    if let executable = Bundle.main.executableURL?.resolvingSymlinksInPath() {
      // An executable of a build lies a few folders below the project's own.
      var place = executable.deletingLastPathComponent()
      folders.append(place.appendingPathComponent("../share/atelier/Checkpoints").standardized)
      folders.append(place.appendingPathComponent("../share/atelier").standardized)
      for _ in 0..<5 {
        folders.append(place.appendingPathComponent("Checkpoints"))
        place = place.deletingLastPathComponent()
      }
    }
    folders.append(URL(fileURLWithPath: "Checkpoints"))
    let environment = ProcessInfo.processInfo.environment
    if let path = environment["XDG_DATA_HOME"], !path.isEmpty {
      folders.append(URL(fileURLWithPath: path).appendingPathComponent("atelier"))
    } else {
      folders.append(
        FileManager.default.homeDirectoryForCurrentUser.appendingPathComponent(
          ".local/share/atelier"))
    }
    return folders
  }

  /// All models that have a name, sorted, each as it is found first.
  public static var all: [(name: String, file: URL)] {
    var files: [String: URL] = [:]
    for folder in folders {
      let names = (try? FileManager.default.contentsOfDirectory(atPath: folder.path)) ?? []
      for name in names where name.hasSuffix(".safetensors") {
        let short = String(name.dropLast(".safetensors".count))
        if files[short] == nil { files[short] = folder.appendingPathComponent(name) }
      }
    }
    return files.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
  }

  /// The file that a word names: a path where there is something, else a shipped model, such as
  /// `segment-shapes`; the word as a path when there is neither.
  public static func file(of word: String) -> URL { file(of: word, extension: "safetensors") }

  /// The same for files of another extension.
  public static func file(of word: String, extension ending: String) -> URL {
    let path = URL(fileURLWithPath: word)
    guard !FileManager.default.fileExists(atPath: path.path), !word.contains("/") else {
      return path
    }
    return shipped("\(word).\(ending)") ?? shipped(word) ?? path
  }

  /// The file of this name in the first folder that has one.
  package static func shipped(_ name: String) -> URL? {
    folders.map { $0.appendingPathComponent(name) }
      .first { FileManager.default.fileExists(atPath: $0.path) }
  }

  /// The file of a shipped denoiser, the other one where it is alone; throws `StudioError` without
  /// any.
  public static func file(isGray: Bool) throws -> URL {
    for name in isGray ? [gray, color] : [color, gray] {
      if let file = shipped(name) { return file }
    }
    throw StudioError(
      .missingInput,
      "no shipped model found: give --model, or ATELIER_CHECKPOINTS the folder of "
        + (isGray ? gray : color))
  }

  /// The file of the shipped denoiser for photographs; nil where it is missing.
  public static var photoFile: URL? { shipped(photo) }

  /// The file of the denoiser that a word names: a model file, or `shipped`.
  public static func denoiserFile(_ word: String, isGray: Bool) throws -> URL {
    try word == "shipped" ? file(isGray: isGray) : URL(fileURLWithPath: word)
  }
}
