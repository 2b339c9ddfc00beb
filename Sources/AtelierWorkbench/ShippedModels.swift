// Where the models that ship with the project are found: the environment's folder, near the
// executable, the current folder.

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
      for _ in 0..<5 {
        folders.append(place.appendingPathComponent("Checkpoints"))
        place = place.deletingLastPathComponent()
      }
    }
    folders.append(URL(fileURLWithPath: "Checkpoints"))
    return folders
  }

  /// The file that a word names: a path where there is something, else a shipped model, such as
  /// `segment-shapes`; the word as a path when there is neither.
  public static func file(of word: String) -> URL {
    let path = URL(fileURLWithPath: word)
    guard !FileManager.default.fileExists(atPath: path.path), !word.contains("/") else {
      return path
    }
    return shipped(word + ".safetensors") ?? path
  }

  /// The file of this name in the first folder that has one.
  private static func shipped(_ name: String) -> URL? {
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
