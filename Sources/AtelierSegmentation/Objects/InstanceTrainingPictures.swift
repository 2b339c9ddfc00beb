// Where the pictures of a training that finds objects come from, as a word of the command line.

import AtelierScenery
import AtelierWorkbench

/// Where a training's pictures with objects come from.
public enum InstanceTrainingPictures: Sendable, Hashable, Codable, FieldValue {
  /// The project's own scenes of shapes, drawn without end.
  case shapes
  /// A set of files, as `InstanceData.read` finds it: its training part; its validation part, or a tenth of the training part where
  /// it has none, is held out. `objects` is what objects are called where the set has no classes.
  case set(path: String, objects: String)

  /// `shapes`, or a path.
  public init(word: String) {
    self = word == ShapesScenes.word ? .shapes : .set(path: word, objects: Self.objectName)
  }
  public var word: String { if case .set(let path, _) = self { path } else { ShapesScenes.word } }

  /// What objects are called unless told otherwise.
  static let objectName = "object"
}
