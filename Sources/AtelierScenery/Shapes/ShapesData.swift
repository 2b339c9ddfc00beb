// The shapes scenes as data sets: for semantic networks without end, for instance networks so many.

import AtelierDatasets
import AtelierImages

extension ShapesScenes: SegmentedScenes {
  /// The word that stands for the scenes where a set of files could be named.
  public static let word = "shapes"
  /// The seed of the scenes that figures are measured on; nothing is trained or chosen on them.
  public static let testSeed: UInt64 = 0x7465_7374

  /// The seed of the scenes that a training of a seed validates on.
  public static func validationSeed(of seed: UInt64) -> UInt64 { seed &+ 0x6865_6C64 }

  /// What they are called in messages and protocols.
  public var name: String { "shapes scenes of seed \(seed)" }

  /// A scene as a picture with a class for every pixel.
  public func segmented(_ index: Int, channels: Int) -> SegmentedImage {
    let scene = scene(index)
    return SegmentedImage(
      name: "shapes-\(index + 1)", image: scene.picture.withChannels(channels),
      labels: scene.labels)
  }
}

extension InstanceData {
  /// The set of the first scenes of a sequence, at least one.
  /// - Throws: `DatasetError` for no scenes.
  public init(_ scenes: ShapesScenes, count: Int) throws(DatasetError) {
    let items = (0..<max(0, count)).map { index in
      Item(
        name: "shapes-\(index + 1)", size: scenes.size,
        objects: scenes.scene(index).objects.map { EncodedObject($0) },
        source: .drawn { scenes.scene(index).picture })
    }
    try self.init(name: scenes.name, classNames: scenes.classNames, items: items)
  }
}
