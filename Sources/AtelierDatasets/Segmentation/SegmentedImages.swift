// Pictures with a class for every pixel: what semantic networks are trained and measured on.

import AtelierEngine
import AtelierImages
import Foundation

/// One picture with a class for every pixel.
public struct SegmentedImage: Sendable, Equatable {
  /// The picture's path inside its folder, for messages.
  public let name: String
  /// The pixels.
  public let image: ByteImage
  /// A label for every pixel, of the picture's size.
  public let labels: LabelMap

  /// Puts picture and labels together.
  /// - Precondition: both have one size.
  public init(name: String, image: ByteImage, labels: LabelMap) {
    precondition(image.size == labels.size, "a picture and labels of two sizes")
    self.name = name
    self.image = image
    self.labels = labels
  }
}

/// A set of pictures of any sizes with a class for every pixel, in memory, in a fixed order.
public struct SegmentedImages: DividedSet, Sendable {
  /// What the set is called in messages and protocols.
  public let name: String
  /// The pictures, at least one, all with `channels` channels.
  public let items: [SegmentedImage]
  /// 1 gray, 3 RGB.
  public let channels: Int
  /// The classes.
  public let palette: ClassPalette
  /// Whether the names of the classes are the set's own, not made of the numbers in its masks.
  public internal(set) var hasNames = true
  /// What was left out of folders, a line each with the reason.
  public internal(set) var leftOut: [String] = []

  /// How many bytes pictures and labels of a set may take.
  public static let memoryLimit = 2 << 30

  /// Puts a set together: pictures of 1 to 4 channels, brought to 1 or 3, and two or more classes.
  /// - Throws: `DatasetError` when there is no picture, or a label is none of the classes.
  public init(
    name: String, items: [SegmentedImage], channels: Int = 3, palette: ClassPalette
  ) throws(DatasetError) {
    guard !items.isEmpty, channels == 1 || channels == 3, (2...255).contains(palette.count) else {
      throw DatasetError(
        "\(name): expected at least one picture of 1 or 3 channels and 2 to 255 classes; received "
          + "\(items.count) pictures and \(palette.count) classes")
    }
    for item in items {
      if let label = item.labels.labels.first(where: {
        Int($0) >= palette.count && $0 != LabelMap.ignored
      }) {
        throw DatasetError(
          "\(item.name): a pixel has label \(label); there are \(palette.count) classes")
      }
    }
    self.name = name
    self.items = items.map {
      SegmentedImage(name: $0.name, image: $0.image.withChannels(channels), labels: $0.labels)
    }
    self.channels = channels
    self.palette = palette
  }

  /// The number of pictures.
  public var count: Int { items.count }

  /// Some of the pictures, at least one, in the order wanted; the name gets the suffix.
  public func selecting(_ indices: [Int], suffix: String) throws(DatasetError) -> SegmentedImages {
    try SegmentedImages(
      name: name + suffix, items: indices.map { items[$0] }, channels: channels, palette: palette
    ).like(self)
  }

  /// The same set, which knows its names and what was left out as another does.
  private func like(_ other: SegmentedImages) -> SegmentedImages {
    var copy = self
    (copy.hasNames, copy.leftOut) = (other.hasNames, other.leftOut)
    return copy
  }

  /// One line that tells the classes and which share of the pixels that count is theirs.
  public var summary: String {
    let pixels = statistics.pixels
    let sum = Double(max(pixels.reduce(0, +), 1))
    let parts = zip(palette.names, pixels).map { name, count in
      "\(name) \((1000 * Double(count) / sum).rounded() / 10) %"
    }
    return "\(name): \(count) pictures of \(palette.count) classes: "
      + parts.prefix(20).joined(separator: ", ")
      + (parts.count > 20 ? " and \(parts.count - 20) more" : "")
  }

  /// The same pictures with the classes of a model, whose outputs have these names.
  /// - Throws: `DatasetError` when a class of the set is none of the model's.
  public func ordered(as names: [String]) throws(DatasetError) -> SegmentedImages {
    if names == palette.names { return self }
    var places = [UInt8](repeating: LabelMap.ignored, count: 256)
    for (index, place) in try self.places(
      of: palette.names, in: names, hasNames: hasNames
    ).enumerated() {
      places[index] = UInt8(place)
    }
    let colors = Dictionary(
      palette.entries.map { ($0.name, $0.color) }, uniquingKeysWith: { first, _ in first })
    return try SegmentedImages(
      name: name,
      items: items.map { item in
        SegmentedImage(
          name: item.name, image: item.image,
          labels: LabelMap(
            width: item.labels.width, height: item.labels.height,
            labels: item.labels.labels.map { places[Int($0)] }))
      }, channels: channels,
      palette: ClassPalette(
        names.enumerated().map {
          .init(name: $1, color: colors[$1] ?? ClassPalette.standardColor($0))
        })
    ).like(self)
  }

  /// How often each class stands in the pictures.
  public var statistics: ClassStatistics {
    var statistics = ClassStatistics(classes: palette.count)
    for item in items { statistics.add(item.labels) }
    return statistics
  }
}

/// How often each class stands in a set, and the weights that follow from it.
public struct ClassStatistics: Sendable, Hashable {
  /// Pixels of each class.
  public private(set) var pixels: [Int]
  /// Pixels that count in the pictures where a class stands.
  public private(set) var surroundings: [Int]

  /// Statistics of no picture yet.
  public init(classes: Int) {
    pixels = [Int](repeating: 0, count: classes)
    surroundings = pixels
  }

  /// Takes one picture's labels in; ignored pixels do not count.
  public mutating func add(_ labels: LabelMap) {
    var counts = [Int](repeating: 0, count: 256)
    for label in labels.labels { counts[Int(label)] += 1 }
    let counted = counts[..<pixels.count].reduce(0, +)
    for index in pixels.indices where counts[index] > 0 {
      pixels[index] += counts[index]
      surroundings[index] += counted
    }
  }

  /// One weight a class for a loss, 0 for one that no picture shows; nil where all count the same.
  public func weights(_ weighting: ClassWeighting) -> [Float]? {
    switch weighting {
    case .none: return nil
    case .medianFrequency:
      let frequencies = zip(pixels, surroundings).map { $1 > 0 ? Double($0) / Double($1) : 0 }
      let present = frequencies.filter { $0 > 0 }.sorted()
      guard !present.isEmpty else { return nil }
      let middle = present.count / 2
      let median =
        present.count % 2 == 1 ? present[middle] : (present[middle - 1] + present[middle]) / 2
      return frequencies.map { $0 > 0 ? Float(median / $0) : 0 }
    case .inverseLogarithm:
      let sum = Double(max(pixels.reduce(0, +), 1))
      return pixels.map { $0 > 0 ? Float(1 / log(1.1 + Double($0) / sum)) : 0 }
    }
  }
}

/// How rare classes are given weight in a loss.
public enum ClassWeighting: String, Sendable, Hashable, Codable, CaseIterable {
  /// All classes count by their pixels.
  case none
  /// Median frequency over the class's own, among pictures where it stands (Eigen and Fergus 2015).
  case medianFrequency = "median"
  /// 1 / ln(1.1 + the class's share), which bounds the largest weight (Paszke and others 2016).
  case inverseLogarithm = "log"
}
