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
    /// The pixels of a circle as labelme fills it.
    case disc(x: Double, y: Double, radius: Double)
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
    case .disc(let x, let y, let radius):
      return try RunLengthMask(
        width: size.width, height: size.height, pixelDisc: SIMD2(x, y), radius: radius)
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
  /// The annotation file where it is this picture's alone, and so is called as it is, and may hold it.
  var own: URL?
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
  ///
  /// Pictures that are not there are left out and counted, unless their annotation file holds them.
  ///
  /// - Throws: `DatasetError` that names the file: no picture at all, one of another size, a broken
  ///   shape, a label that is no class.
  init(
    drawn: [DrawnPicture], name: String, folders: [URL], classNames: [String]? = nil
  ) throws(DatasetError) {
    let names = classNames ?? Set(drawn.flatMap { $0.shapes.map(\.label) }).sorted()
    let places = Dictionary(zip(names, 0...), uniquingKeysWith: { first, _ in first })
    var harvest = FileHarvest()
    var search = PictureSearch(folders)
    var absent: [DrawnPicture] = []
    var items: [Item] = []
    for picture in drawn {
      let found = try harvest.take { () throws(DatasetError) in
        try Self.source(of: picture, &search)
      }
      guard let found else { continue }
      guard let source = found else {
        absent.append(picture)
        continue
      }
      guard picture.size == nil || picture.size == source.size else {
        throw DatasetError(
          "\(picture.file): expected \(source.name) of \(picture.size ?? source.size), received a "
            + "picture of \(source.size)")
      }
      items.append(
        Item(
          name: (source.name as NSString).deletingPathExtension, size: source.size,
          objects: try picture.objects(source.size, places), source: source.source))
    }
    if items.isEmpty, harvest.leftOut.isEmpty, let first = absent.first {
      throw DatasetError(
        "\(first.file): expected its picture \(first.fileName) in \(search.places); there is no such "
          + "file")
    }
    try harvest.expectSome()
    try self.init(name: name, classNames: names.isEmpty ? ["object"] : names, items: items)
    if let first = absent.first {
      leftOut.append(
        "\(name): \(absent.count) of \(drawn.count) pictures are not there and left out, such as "
          + "\(first.fileName); looked in \(search.places)")
    }
    leftOut += harvest.leftOut
    let lines = drawn.reduce(0) { $0 + $1.withoutArea }
    if lines > 0 { leftOut.append("\(name): \(lines) points and lines, which have no pixels") }
  }

  /// Where a drawn picture is: a file as it is named or called as its annotations, else what its
  /// annotation file holds; nil where it is nowhere.
  private static func source(
    of drawn: DrawnPicture, _ search: inout PictureSearch
  ) throws(DatasetError) -> (name: String, size: PixelSize, source: Source)? {
    var found = try search.find(drawn.fileName, of: drawn.file)
    if found == nil, let own = drawn.own {
      let stem = own.deletingPathExtension().lastPathComponent
      for ending in ImageFile.extensions.sorted() where found == nil {
        found = try search.find("\(stem).\(ending)", of: drawn.file)
      }
      if found == nil, let image = try LabelmeFile.embedded(own) {
        return (stem + ".png", image.size, .image(image))
      }
    }
    guard let (path, url) = found else { return nil }
    let size = try DatasetError.wrapping { try ImageFile.size(url.path) }
    return ((path as NSString).lastPathComponent, size, .file(url))
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
