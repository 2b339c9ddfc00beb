// What finds objects one by one, whatever its network: the face that running and measuring see.

import AtelierDatasets
import AtelierEngine
import AtelierFiles
import AtelierImages
import AtelierInterchange
import AtelierWorkbench

/// A model that finds objects with masks of their own; used by one thread at a time.
public protocol ObjectSegmenter: AnyObject {
  /// What it is called in tables.
  var methodName: String { get }
  /// The names of the object classes.
  var classNames: [String] { get }
  /// The least score of an object unless told otherwise.
  var usualScore: Float { get }
  /// Whether it sees pictures with their contrast stretched to the full range.
  var stretchesContrast: Bool { get }
  /// Finds the objects of a picture of any size and channels, surest first, in its own pixels;
  /// throws `ShapeError` when there is no memory for it.
  func objects(in picture: ByteImage, _ look: ObjectLook) throws -> [EncodedObject]
}

/// How a picture is looked at for objects.
public struct ObjectLook: Sendable, Hashable {
  /// Which objects are reported.
  public var selection = ObjectSelection()
  /// Whether the mirrored picture is looked at, too.
  public var isFlipAveraged = false
  /// The sizes at which the picture is looked at, as factors.
  public var scales: [Float] = [1]
  /// The side of the tiles of a network that works by tiles, in pixels.
  public var tileSize = 1024

  public init() {}

  /// A look for a measurement: everything that may be an object.
  public static func measuring(limit: Int, score: Float) -> ObjectLook {
    var look = ObjectLook()
    look.selection = .measuring(limit: limit)
    look.selection.score = score
    return look
  }
}

extension ObjectSegmenter {
  /// Compares the objects of every picture of a set with the truth: average precision and recall as
  /// COCO defines them; throws `StudioError` when the classes differ, `DatasetError` when a picture
  /// cannot be read.
  ///
  /// The set's classes must be among the model's, unless both have just one. The selection's limit
  /// is also that of the detections of a class in a picture.
  public func measure(
    on data: InstanceData, _ look: ObjectLook, progress: (_ done: Int) -> Void = { _ in },
    skip: ((String) -> Void)? = nil
  ) throws -> InstanceSetReport {
    try measure(on: data, look, watch: MeasurementWatch(), progress: progress, skip: skip)
  }

  /// The same, with somebody who looks on.
  func measure(
    on data: InstanceData, _ look: ObjectLook, watch: MeasurementWatch,
    progress: (_ done: Int) -> Void, skip: ((String) -> Void)?
  ) throws -> InstanceSetReport {
    let places = try places(of: classNames, in: data)
    return try data.measure(
      methodName, detectionLimit: look.selection.limit, watch: watch, progress: progress,
      skip: skip
    ) { picture in
      try objects(in: picture, look).compactMap { object in
        guard let place = places[object.classIndex] else { return nil }
        var object = object
        object.classIndex = place
        return object
      }
    }
  }

  /// For each of the model's classes its place in a set; nil for what the set has no class for,
  /// which cannot be right or wrong there.
  private func places(of names: [String], in data: InstanceData) throws -> [Int?] {
    // Sets without names of their own call every object the same.
    let isOne = data.classNames.count == 1 && names.count == 1
    for name in data.classNames where !names.contains(name) && !isOne {
      throw StudioError(
        .data,
        "\(data.name): expected the model's classes \(names.joined(separator: ", ")); received "
          + name)
    }
    return names.map { isOne ? 0 : data.classNames.firstIndex(of: $0) }
  }
}

extension Model {
  /// Throws `StudioError` that names the file unless every parameter of a graph is there in its shape.
  func expectParameters(of graph: Graph, name: String) throws(StudioError) {
    for parameter in graph.parameters where parameter.role != .constant {
      guard parameters[parameter.name]?.shape == parameter.shape else {
        let received = parameters[parameter.name].map { "shape \($0.shape)" } ?? "none"
        throw StudioError(
          .data,
          "\(name): expected the parameter \(parameter.name) of shape \(parameter.shape); "
            + "received \(received)")
      }
    }
  }
}
