// Shapes that people draw around objects, and sets of pictures made of them.

import AtelierImages
import Foundation

/// What was drawn around an object, or a part of one.
struct DrawnShape: Sendable, Hashable {
  /// Where the object's pixels are.
  enum Area: Sendable, Hashable {
    /// Inside a polygon, x and y of its corners in turn.
    case polygon([Double])
    /// Inside a polygon whose corners stand for the pixels that they lie in, those pixels and all
    /// that its edges cross included, as labelme fills it.
    case pixels([Double])
    /// Inside a box.
    case box(x: Double, y: Double, width: Double, height: Double)
    /// Inside an ellipse, turned by an angle in radians.
    case ellipse(x: Double, y: Double, across: Double, down: Double, angle: Double)
    /// The white pixels of a picture whose left upper corner lies at a pixel.
    case mask(BinaryMask, left: Int, top: Int)
  }

  /// The name of the object's class.
  let label: String
  let area: Area
  /// Shapes of one group are parts of one object.
  let group: Int?

  /// The corners of an ellipse's polygon.
  private static let corners = 90

  /// The pixels, for a picture of a size; throws `DatasetError` when the shape is broken.
  func mask(_ size: PixelSize) throws(DatasetError) -> RunLengthMask {
    let polygon: [Double]
    switch area {
    case .polygon(let corners): polygon = corners
    case .pixels(let corners):
      return try RunLengthMask(width: size.width, height: size.height, pixelPolygon: corners)
    case .box(let x, let y, let width, let height):
      polygon = [x, y, x + width, y, x + width, y + height, x, y + height]
    case .ellipse(let x, let y, let across, let down, let angle):
      polygon = (0..<Self.corners).flatMap { index -> [Double] in
        let place = 2 * Double.pi * Double(index) / Double(Self.corners)
        let (u, v) = (across * cos(place), down * sin(place))
        return [x + u * cos(angle) - v * sin(angle), y + u * sin(angle) + v * cos(angle)]
      }
    case .mask(let part, let left, let top):
      guard left >= 0, top >= 0, left + part.width <= size.width, top + part.height <= size.height
      else {
        throw DatasetError(
          "expected a mask inside of the picture of \(size), received one of "
            + "\(part.width)x\(part.height) at \(left), \(top)")
      }
      var pixels = [Bool](repeating: false, count: size.width * size.height)
      for y in 0..<part.height {
        for x in 0..<part.width where part.pixels[y * part.width + x] {
          pixels[(top + y) * size.width + left + x] = true
        }
      }
      return RunLengthMask(BinaryMask(width: size.width, height: size.height, pixels: pixels))
    }
    return try RunLengthMask(width: size.width, height: size.height, polygon: polygon)
  }
}

/// A picture with the shapes that were drawn on it.
struct DrawnPicture: Sendable {
  /// The annotation file, for messages.
  let file: String
  /// The picture's file as the annotation file names it.
  let fileName: String
  /// The size as the annotation file has it; nil where it tells none.
  var size: PixelSize?
  var shapes: [DrawnShape] = []
  /// Points and lines, which have no pixels.
  var withoutArea = 0
}

extension InstanceData {
  /// The set of drawn pictures.
  ///
  /// - Parameters:
  ///   - drawn: The pictures with their shapes.
  ///   - name: What the set is called.
  ///   - folders: Where the pictures are looked for, one after the other.
  ///   - classNames: The classes in their order; nil for all labels, sorted.
  /// - Throws: `DatasetError` that names the file: a missing picture, one of another size, a broken
  ///   shape, a label that is no class.
  init(
    drawn: [DrawnPicture], name: String, folders: [URL], classNames: [String]? = nil
  ) throws(DatasetError) {
    let names = classNames ?? Set(drawn.flatMap { $0.shapes.map(\.label) }).sorted()
    let places = Dictionary(zip(names, 0...), uniquingKeysWith: { first, _ in first })
    var harvest = FileHarvest()
    var items: [Item] = []
    for picture in drawn {
      let item = try harvest.take { () throws(DatasetError) in
        let url = try Self.picture(picture, in: folders)
        let size = try DatasetError.wrapping { try ImageFile.size(url.path) }
        guard picture.size == nil || picture.size == size else {
          throw DatasetError(
            "\(picture.file): expected \(url.lastPathComponent) of \(picture.size ?? size), "
              + "received a picture of \(size)")
        }
        return Item(
          name: url.deletingPathExtension().lastPathComponent, size: size,
          objects: try picture.objects(size, places), source: .file(url))
      }
      if let item { items.append(item) }
    }
    try harvest.expectSome()
    try self.init(name: name, classNames: names, items: items)
    leftOut = harvest.leftOut
    let lines = drawn.reduce(0) { $0 + $1.withoutArea }
    if lines > 0 { leftOut.append("\(name): \(lines) points and lines, which have no pixels") }
  }

  /// The file of a drawn picture: as it is named, by its last name, or by the annotation file's.
  private static func picture(
    _ drawn: DrawnPicture, in folders: [URL]
  ) throws(DatasetError) -> URL {
    // Windows programs write their own separators, and many tools write where the picture was once.
    let portable = drawn.fileName.replacingOccurrences(of: "\\", with: "/")
    let last = (portable as NSString).lastPathComponent
    let stem = ((drawn.file as NSString).lastPathComponent as NSString).deletingPathExtension
    let isBelow = !portable.hasPrefix("/") && !portable.split(separator: "/").contains("..")
    var names = isBelow ? [portable, last] : [last]
    for ending in ImageFile.extensions.sorted() {
      names += ["\(stem).\(ending)", "\(stem).\(ending.uppercased())"]
    }
    for name in names where !name.isEmpty && !name.contains("\0") {
      for folder in folders {
        let url = folder.appendingPathComponent(name)
        if url.isFolder == false { return url }
      }
    }
    throw DatasetError(
      "\(drawn.file): expected its picture \(drawn.fileName) in "
        + folders.map(\.relativePath).joined(separator: " or ") + "; there is no such file")
  }

  /// The folders in which the pictures of annotations are looked for.
  static func folders(around place: URL) -> [URL] {
    let above = place.deletingLastPathComponent()
    return [place] + ["images", "JPEGImages", "pictures"].map { place.appendingPathComponent($0) }
      + ["images", "JPEGImages", "pictures"].map { above.appendingPathComponent($0) } + [above]
  }
}

extension DrawnPicture {
  /// The objects, parts of a group joined, in the order in which they were begun.
  fileprivate func objects(
    _ size: PixelSize, _ places: [String: Int]
  ) throws(DatasetError) -> [EncodedObject] {
    var parts: [(classIndex: Int, masks: [RunLengthMask])] = []
    var groups: [[Int]: Int] = [:]
    for (number, shape) in shapes.enumerated() {
      guard let classIndex = places[shape.label] else {
        throw DatasetError(
          "\(file): shape \(number + 1): expected one of \(places.count) classes, received "
            + "'\(shape.label)'")
      }
      let mask: RunLengthMask
      do { mask = try shape.mask(size) } catch {
        throw DatasetError("\(file): shape \(number + 1) (\(shape.label)): \(error)")
      }
      if let group = shape.group, let known = groups[[group, classIndex]] {
        parts[known].masks.append(mask)
        continue
      }
      if let group = shape.group { groups[[group, classIndex]] = parts.count }
      parts.append((classIndex, [mask]))
    }
    return parts.map {
      EncodedObject(
        classIndex: $0.classIndex,
        mask: $0.masks.count == 1 ? $0.masks[0] : RunLengthMask.union($0.masks))
    }
  }
}
