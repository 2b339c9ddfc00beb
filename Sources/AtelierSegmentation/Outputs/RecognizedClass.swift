// Recognition: which classes are in a picture, and how sure that is.

import AtelierDatasets
import AtelierWorkbench

/// Recognition: a class that is in a picture, the first of the four outputs.
///
/// Detection is the objects' boxes, instance segmentation their masks; `SegmentationOutcome` makes of them the semantic labels and
/// every kind of file.
public struct RecognizedClass: Sendable, Hashable, Codable {
  public let name: String
  /// The class's place among the classes.
  public let classIndex: Int
  /// The score of its surest object.
  public let score: Double
  public let count: Int

  enum CodingKeys: String, CodingKey {
    case name, score, count
    case classIndex = "class_index"
  }

  /// The classes of some objects, surest first; of equally sure ones the first of the classes comes
  /// first.
  public static func all(in objects: [EncodedObject], classNames: [String]) -> [RecognizedClass] {
    classNames.enumerated().compactMap { index, name in
      let own = objects.filter { $0.classIndex == index }
      return own.map(\.score).max().map {
        RecognizedClass(name: name, classIndex: index, score: $0, count: own.count)
      }
    }.sorted { ($1.score, $0.classIndex) < ($0.score, $1.classIndex) }
  }
}

extension SegmentationOutcome {
  /// The classes whose objects, or regions in a semantic outcome, were found, surest first.
  public func recognized(_ palette: ClassPalette) -> [RecognizedClass] {
    RecognizedClass.all(in: objects, classNames: Array(palette.names.dropFirst(firstObjectLabel)))
  }
}
