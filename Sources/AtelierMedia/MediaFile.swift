// Pictures and films as they come in: by name and path.

import AtelierImages
import Foundation

/// A picture or film to read and, where there is a result, the file to write.
public struct MediaFile: Sendable, Hashable {
  /// The extensions of the pictures that are read.
  public static let pictureExtensions = ImageFile.extensions.union(ForeignPicture.extensions)
  /// The extensions of the pictures and films that a folder's listing takes.
  public static let extensions = pictureExtensions.union(FilmTools.extensions)

  /// The name for people: as given, or below the given folder.
  public let name: String
  /// The file to read.
  public let input: String
  /// The file to write; empty where there is none.
  public let output: String

  /// Names a file.
  public init(name: String, input: String, output: String = "") {
    self.name = name
    self.input = input
    self.output = output
  }

  /// Whether it is a film, by its name.
  public var isFilm: Bool { FilmTools.isFilm(input) }

  /// The file that shows before and after, beside the result.
  public var comparison: String {
    let path = output as NSString
    return "\(path.deletingPathExtension)-compare." + (isFilm ? path.pathExtension : "png")
  }
}
