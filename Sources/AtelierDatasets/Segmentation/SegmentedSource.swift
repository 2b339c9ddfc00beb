// Where the crops of a semantic training come from: pictures in memory, or scenes drawn without end.

import AtelierImages

/// Pictures without end, each drawn with its labels when it is asked for.
public protocol SegmentedScenes: Sendable {
  /// What they are called in messages and protocols.
  var name: String { get }
  /// Columns and rows of every picture.
  var size: PixelSize { get }
  /// Names and colours of the labels.
  var palette: ClassPalette { get }

  /// Draws one picture, 1 channel for gray or 3 for RGB, with a class for every pixel; the same
  /// index gives the same bits.
  ///
  /// Any thread may draw any picture at any time.
  func segmented(_ index: Int, channels: Int) -> SegmentedImage
}

/// What a semantic network learns from.
public enum SegmentedSource: Sendable {
  /// Pictures in memory, each once an epoch.
  case set(SegmentedImages)
  /// Drawn scenes, each of them once; 1 or 3 channels.
  case scenes(any SegmentedScenes, channels: Int)

  private var parts: (name: String, channels: Int, palette: ClassPalette) {
    switch self {
    case .set(let set): (set.name, set.channels, set.palette)
    case .scenes(let scenes, let channels): (scenes.name, channels, scenes.palette)
    }
  }

  /// What it is called in messages and protocols.
  public var name: String { parts.name }
  /// 1 gray, 3 RGB.
  public var channels: Int { parts.channels }
  /// The classes.
  public var palette: ClassPalette { parts.palette }

  /// The name and how many pictures there are.
  public var summary: String {
    switch self {
    case .set(let set): "\(name), \(set.count) pictures"
    case .scenes(let scenes, _): "\(name), \(scenes.size), without end"
    }
  }

  /// How many scenes stand for all in statistics.
  private static let countedScenes = 256

  /// How often each class stands in the pictures; of scenes without end, in the first ones.
  public var statistics: ClassStatistics {
    switch self {
    case .set(let set): return set.statistics
    case .scenes(let scenes, let channels):
      var statistics = ClassStatistics(classes: palette.count)
      for index in 0..<Self.countedScenes {
        statistics.add(scenes.segmented(index, channels: channels).labels)
      }
      return statistics
    }
  }
}

extension SegmentedImages {
  /// The set of the first scenes of a sequence, at least one.
  /// - Throws: `DatasetError` for no scenes.
  public init(_ scenes: any SegmentedScenes, count: Int, channels: Int = 3) throws(DatasetError) {
    try self.init(
      name: scenes.name,
      items: (0..<max(0, count)).map { scenes.segmented($0, channels: channels) },
      channels: channels, palette: scenes.palette)
  }
}
