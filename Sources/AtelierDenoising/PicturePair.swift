// Noisy pictures and their clean originals, found by their names.

import AtelierDatasets
import AtelierFiles
import AtelierImages
import AtelierWorkbench
import Foundation

/// A noisy picture and its clean original, by their files.
struct PicturePair {
  /// The noisy picture's path below its folder.
  let name: String
  let noisy: String
  let clean: String

  /// The noisy pictures of a folder, each with its original in the other; throws `StudioError` for
  /// the first that has none, and for a folder without pictures.
  static func pairs(noisy: String, clean: String) throws -> [PicturePair] {
    let files = try ImageFolder.list(URL(fileURLWithPath: noisy))
    try StudioError.unless(
      !files.isEmpty, .missingInput, "\(noisy): the folder holds no picture")
    return try files.map { name, _ in
      PicturePair(
        name: name, noisy: (noisy as NSString).appendingPathComponent(name),
        clean: try original(of: name, in: clean))
    }
  }

  /// The clean original of a picture: the same name, with any picture's extension; throws
  /// `StudioError` when there is none.
  static func original(of name: String, in folder: String) throws -> String {
    if let file = file(named: name, in: folder) { return file }
    throw StudioError(.data, "\(name): there is no clean original of that name in \(folder)")
  }

  /// The picture of a name in a folder, with any picture's extension; nil without one.
  static func file(named name: String, in folder: String) -> String? {
    let path = (folder as NSString).appendingPathComponent(name)
    let stem = (path as NSString).deletingPathExtension
    return ([path] + ImageFile.extensions.sorted().map { "\(stem).\($0)" })
      .first { FileManager.default.fileExists(atPath: $0) }
  }
}
