// Where the crops of a semantic training come from: pictures in memory, or scenes drawn without end.

import AtelierImages

/// What a semantic network learns from.
public enum SegmentedSource: Sendable {
  /// Pictures in memory, each once an epoch.
  case set(SegmentedImages)
  /// Drawn scenes, each of them once; 1 or 3 channels.
  case scenes(ShapesScenes, channels: Int)

  /// What it is called in messages and protocols.
  public var name: String {
    switch self {
    case .set(let set): set.name
    case .scenes(let scenes, _): "shapes scenes of seed \(scenes.seed)"
    }
  }

  /// The name and how many pictures there are.
  public var summary: String {
    switch self {
    case .set(let set): "\(name), \(set.count) pictures"
    case .scenes(let scenes, _): "\(name), \(scenes.size), without end"
    }
  }

  /// 1 gray, 3 RGB.
  public var channels: Int {
    switch self {
    case .set(let set): set.channels
    case .scenes(_, let channels): channels
    }
  }

  /// The classes.
  public var palette: ClassPalette {
    switch self {
    case .set(let set): set.palette
    case .scenes(let scenes, _): scenes.palette
    }
  }

  /// How many scenes stand for all in statistics.
  private static let countedScenes = 256

  /// How often each class stands in the pictures; of scenes without end, in the first ones.
  public var statistics: ClassStatistics {
    switch self {
    case .set(let set): return set.statistics
    case .scenes(let scenes, _):
      var statistics = ClassStatistics(classes: palette.count)
      for index in 0..<Self.countedScenes { statistics.add(scenes.scene(index).labels) }
      return statistics
    }
  }
}

extension SegmentedImages {
  /// The set of the first scenes of a sequence.
  ///
  /// - Parameters:
  ///   - scenes: The sequence.
  ///   - count: How many scenes, at least 1.
  ///   - channels: 1 or 3.
  /// - Throws: `DatasetError` for no scenes.
  public init(_ scenes: ShapesScenes, count: Int, channels: Int = 3) throws(DatasetError) {
    try self.init(
      name: SegmentedSource.scenes(scenes, channels: channels).name,
      items: (0..<max(0, count)).map { scenes.segmented($0, channels: channels) },
      channels: channels, palette: scenes.palette)
  }
}

extension ShapesScenes {
  /// The word that stands for the scenes where a set of files could be named.
  public static let word = "shapes"
  /// The seed of the scenes that figures are measured on; nothing is trained or chosen on them.
  public static let testSeed: UInt64 = 0x7465_7374

  /// The seed of the scenes that a training validates on.
  ///
  /// - Parameter seed: The training's own.
  /// - Returns: Another one.
  public static func validationSeed(of seed: UInt64) -> UInt64 { seed &+ 0x6865_6C64 }

  /// A scene as a picture with a class for every pixel.
  func segmented(_ index: Int, channels: Int) -> SegmentedImage {
    let scene = scene(index)
    return SegmentedImage(
      name: "shapes-\(index + 1)", image: scene.picture.withChannels(channels),
      labels: scene.labels)
  }
}
