// The files that a semantic segmentation is written as.

import AtelierDatasets
import AtelierImages

/// One form that a semantic segmentation is written in.
public enum SemanticOutput: String, Sendable, Hashable, Codable, CaseIterable {
  /// A palette PNG whose stored values are the classes, 255 where there is none.
  case label
  /// A colour PNG in the classes' colours.
  case color
  /// The picture with the classes' colours laid over it.
  case overlay
  /// A gray PNG of the likeliest class's probability, 255 for certainty.
  case confidence

  /// The file's path beside a picture's result name: `NAME-label.png` and so on.
  ///
  /// - Parameter stem: The path without extension.
  /// - Returns: The path of this form.
  public func path(_ stem: String) -> String { "\(stem)-\(rawValue).png" }

  /// Writes a segmentation in this form.
  ///
  /// - Parameters:
  ///   - found: The labels and their probabilities.
  ///   - picture: The picture that was segmented.
  ///   - palette: The classes.
  ///   - opacity: How much of an overlay is colour, 0 to 1.
  ///   - path: The PNG file.
  /// - Throws: `ImageError` when it cannot be written.
  public func write(
    _ found: SemanticSegmentation, of picture: ByteImage, palette: ClassPalette,
    opacity: Float = 0.5, to path: String
  ) throws {
    let options = ImageWriteOptions(metadata: ["Software": "Atelier"])
    switch self {
    case .label:
      try ImageFile.write(
        LabelPictures.indexed(found.labels, palette), to: path, options: options)
    case .color:
      try ImageFile.write(
        LabelPictures.colored(found.labels, palette), to: path, options: options)
    case .overlay:
      try ImageFile.write(
        LabelPictures.overlay(found.labels, palette, on: picture, opacity: opacity), to: path,
        options: options)
    case .confidence:
      try ImageFile.write(found.confidence.bytes, to: path, options: options)
    }
  }
}

extension SemanticSegmentation {
  /// The same with some of the classes alone; pixels of others get no class.
  ///
  /// - Parameter classes: Indices of the classes to keep.
  /// - Returns: Labels with 255 for all others, the confidence as it was.
  public func keeping(_ classes: Set<Int>) -> SemanticSegmentation {
    SemanticSegmentation(
      labels: LabelMap(
        width: labels.width, height: labels.height,
        labels: labels.labels.map { classes.contains(Int($0)) ? $0 : LabelMap.ignored }),
      confidence: confidence)
  }

  /// Pixels and mean probability of each class.
  ///
  /// - Parameter count: The number of classes.
  /// - Returns: One pair a class, in their order; the mean is 0 for a class without pixels.
  public func classShares(_ count: Int) -> [(pixels: Int, confidence: Double)] {
    var pixels = [Int](repeating: 0, count: 256)
    var sums = [Double](repeating: 0, count: 256)
    for (label, value) in zip(labels.labels, confidence.samples) {
      pixels[Int(label)] += 1
      sums[Int(label)] += Double(value)
    }
    return (0..<count).map { (pixels[$0], pixels[$0] > 0 ? sums[$0] / Double(pixels[$0]) : 0) }
  }

  /// The connected parts of equal class as objects, the largest first.
  ///
  /// Pixels are connected along their sides. A part's score is the mean probability of its pixels.
  ///
  /// - Parameters:
  ///   - classes: Indices of the classes whose parts are objects.
  ///   - smallest: The fewest pixels of an object.
  ///   - limit: The most objects, since each has a mask of the picture's size.
  /// - Returns: Objects whose class is an index into the palette.
  public func objects(
    of classes: Set<Int>, smallest: Int = 16, limit: Int = 1000
  ) -> [MaskedObject] {
    let parts = ConnectedParts(labels)
    var sums = [Double](repeating: 0, count: parts.areas.count)
    for (part, value) in zip(parts.numbers, confidence.samples) { sums[part] += Double(value) }
    let chosen = parts.areas.indices.filter {
      parts.areas[$0] >= max(smallest, 1) && classes.contains(Int(parts.labels[$0]))
    }.sorted {
      parts.areas[$0] != parts.areas[$1] ? parts.areas[$0] > parts.areas[$1] : $0 < $1
    }.prefix(max(limit, 0))
    return chosen.compactMap { part in
      let mask = BinaryMask(
        width: labels.width, height: labels.height, pixels: parts.numbers.map { $0 == part })
      return mask.bounds.map {
        MaskedObject(
          classIndex: Int(parts.labels[part]), box: $0, mask: mask,
          score: sums[part] / Double(parts.areas[part]))
      }
    }
  }
}

/// The parts of a label map whose pixels have one label and touch along their sides.
struct ConnectedParts {
  /// The part of each pixel, numbered in the order of their first pixels.
  private(set) var numbers: [Int]
  /// The label of each part.
  private(set) var labels: [UInt8] = []
  /// The pixels of each part.
  private(set) var areas: [Int] = []

  /// Finds the parts.
  init(_ map: LabelMap) {
    numbers = [Int](repeating: -1, count: map.labels.count)
    var waiting: [Int] = []
    for start in map.labels.indices where numbers[start] < 0 {
      let label = map.labels[start]
      let number = labels.count
      labels.append(label)
      areas.append(0)
      numbers[start] = number
      waiting.append(start)
      while let pixel = waiting.popLast() {
        areas[number] += 1
        let column = pixel % map.width
        let neighbours = [
          column > 0 ? pixel - 1 : -1, column < map.width - 1 ? pixel + 1 : -1,
          pixel - map.width, pixel + map.width,
        ]
        for next in neighbours
        where next >= 0 && next < numbers.count && numbers[next] < 0 && map.labels[next] == label {
          numbers[next] = number
          waiting.append(next)
        }
      }
    }
  }
}
