// Files of labelme (Wada 2016): a JSON file a picture, a list of shapes.

import AtelierFiles
import AtelierImages
import Foundation

/// Reads and writes labelme's files.
package enum LabelmeFile {
  /// The most bytes of a file that is read; pictures may be embedded.
  static let mostBytes = 512 << 20

  /// Reads a file; throws `DatasetError` that names it and the place.
  static func read(_ url: URL) throws(DatasetError) -> DrawnPicture {
    var parser = LabelmeParser(
      try CompressedFile.read(url, limit: mostBytes), url.relativePath)
    var picture = try parser.whole { try $0.picture() }
    picture.own = url
    return picture
  }

  /// The picture that a file holds in base 64; nil where it holds none.
  static func embedded(_ url: URL) throws(DatasetError) -> ByteImage? {
    var parser = LabelmeParser(
      try CompressedFile.read(url, limit: mostBytes), url.relativePath)
    guard let text = try parser.whole({ try $0.embedded() }), !text.isEmpty else { return nil }
    guard let data = Data(base64Encoded: text, options: .ignoreUnknownCharacters) else {
      throw DatasetError(
        "\(url.relativePath): expected imageData in base 64, received another text")
    }
    return try DatasetError.wrapping {
      try ImageFile.decode(data, name: "\(url.relativePath): imageData").flattened().rgb
    }
  }

  /// One file's content: polygons in the order of the objects, the parts of an object in a group.
  package static func json(
    objects: [EncodedObject], classNames: [String], fileName: String, size: PixelSize
  ) throws -> Data {
    struct Shape: Encodable {
      var label: String
      var points: [[Double]]
      var group: Int?

      enum CodingKeys: String, CodingKey {
        case label, points, flags, description
        case group = "group_id"
        case kind = "shape_type"
      }

      func encode(to encoder: any Encoder) throws {
        var values = encoder.container(keyedBy: CodingKeys.self)
        try values.encode(label, forKey: .label)
        try values.encode(points, forKey: .points)
        // labelme wants the key also where there is no group.
        try values.encode(group, forKey: .group)
        try values.encode("", forKey: .description)
        try values.encode("polygon", forKey: .kind)
        try values.encode([String: Bool](), forKey: .flags)
      }
    }
    struct Content: Encodable {
      var version = "5.4.1"
      var flags: [String: Bool] = [:]
      var shapes: [Shape]
      var imagePath: String
      var imageData: String?
      var imageHeight: Int
      var imageWidth: Int

      enum CodingKeys: String, CodingKey {
        case version, flags, shapes, imagePath, imageData, imageHeight, imageWidth
      }

      func encode(to encoder: any Encoder) throws {
        var values = encoder.container(keyedBy: CodingKeys.self)
        try values.encode(version, forKey: .version)
        try values.encode(flags, forKey: .flags)
        try values.encode(shapes, forKey: .shapes)
        try values.encode(imagePath, forKey: .imagePath)
        try values.encode(imageData, forKey: .imageData)
        try values.encode(imageHeight, forKey: .imageHeight)
        try values.encode(imageWidth, forKey: .imageWidth)
      }
    }
    var shapes: [Shape] = []
    for (number, object) in objects.enumerated() where !object.isCrowd {
      let polygons = object.mask.polygons
      for polygon in polygons {
        shapes.append(
          Shape(
            label: classNames[object.classIndex], points: polygon.map { [$0.x, $0.y] },
            group: polygons.count > 1 ? number + 1 : nil))
      }
    }
    let content = Content(
      shapes: shapes, imagePath: fileName, imageHeight: size.height, imageWidth: size.width)
    return try JSONEncoder.ordered([.prettyPrinted]).encode(content) + Data("\n".utf8)
  }
}

private struct LabelmeParser: JSONParts {
  var reader: StrictJSONReader
  let name: String

  init(_ json: [UInt8], _ name: String) {
    reader = StrictJSONReader(json.withoutByteOrderMark)
    self.name = name
  }

  mutating func embedded() throws -> String? {
    var text: String?
    try object { parser, key in
      if key == "imageData" {
        text = try parser.optional { try $0.reader.string("a picture in base 64") }
      } else {
        try parser.reader.skipValue()
      }
    }
    return text
  }

  mutating func picture() throws -> DrawnPicture {
    var shapes: [DrawnShape?]?
    var fileName = ""
    var (width, height): (Int?, Int?)
    try object { parser, key in
      switch key {
      case "shapes":
        shapes = try parser.numbered("shape", "an array of shapes") { try $0.shape() }
      case "imagePath":
        fileName = try parser.optional { try $0.reader.string("the path of a picture") } ?? ""
      case "imageWidth": width = try parser.optional { try $0.reader.wholeNumber() }
      case "imageHeight": height = try parser.optional { try $0.reader.wholeNumber() }
      default: try parser.reader.skipValue()
      }
    }
    guard let shapes else {
      throw DatasetError("\(name): expected labelme's shapes, there are none")
    }
    var size: PixelSize?
    if let width, let height { size = PixelSize(width: width, height: height) }
    return DrawnPicture(
      file: name, fileName: fileName, size: size, shapes: shapes.compactMap(\.self),
      withoutArea: shapes.count { $0 == nil })
  }

  /// One shape; nil for points and lines.
  private mutating func shape() throws -> DrawnShape? {
    let start = reader.position
    var label: String?
    var points: [[Double]] = []
    var group: Int?
    var kind = "polygon"
    var encoded: String?
    try object { parser, key in
      switch key {
      case "label": label = try parser.reader.string("a label")
      case "points":
        points = try parser.array("an array of points") { try $0.numbers("a point of x and y") }
      case "group_id": group = try parser.optional { try $0.group() }
      case "shape_type": kind = try parser.optional { try $0.reader.string() } ?? kind
      case "mask": encoded = try parser.optional { try $0.reader.string("a mask in base 64") }
      default: try parser.reader.skipValue()
      }
    }
    guard let label, !label.isEmpty, points.allSatisfy({ $0.count == 2 }) else {
      throw JSONSyntaxError(
        message: "expected a shape with a label and points of x and y, received another one",
        position: start)
    }
    guard let area = try area(kind, points, encoded, start) else { return nil }
    return DrawnShape(label: label, area: area, group: group)
  }

  /// A group's number, which some tools write as text.
  private mutating func group() throws -> Int {
    guard reader.nextIs("\"") else { return try reader.wholeNumber() }
    let start = reader.position
    let text = try reader.string()
    guard let number = Int(text) else {
      throw JSONSyntaxError(
        message: "expected the number of a group, received '\(text.prefix(40))'", position: start)
    }
    return number
  }

  private func area(
    _ kind: String, _ points: [[Double]], _ encoded: String?, _ start: Int
  ) throws -> DrawnShape.Area? {
    func fail(_ text: String) -> JSONSyntaxError {
      JSONSyntaxError(message: "expected \(text), received \(points.count)", position: start)
    }
    switch kind {
    case "polygon": return .pixels(points.flatMap(\.self))
    case "oriented_rectangle",
      "rectangle" where points.count == 4:
      guard points.count == 4 else { throw fail("a turned rectangle of 4 points") }
      return .pixels(points.flatMap(\.self))
    case "rectangle":
      guard points.count == 2 else { throw fail("a rectangle of 2 points") }
      let (left, right) = (points[0][0], points[1][0])
      let (top, bottom) = (points[0][1], points[1][1])
      return .pixels([left, top, right, top, right, bottom, left, bottom])
    case "circle":
      guard points.count == 2 else { throw fail("a circle of 2 points") }
      let radius = hypot(points[0][0] - points[1][0], points[0][1] - points[1][1])
      return .disc(x: points[0][0], y: points[0][1], radius: radius)
    case "mask":
      guard points.count == 2, let encoded, let data = Data(base64Encoded: encoded),
        points[0].allSatisfy({ abs($0) < 1e6 })
      else { throw fail("a mask of 2 points with its pixels in base 64") }
      let picture = try ImageFile.decode(data, name: "\(name): a mask")
      let mask = BinaryMask(
        width: picture.width, height: picture.height,
        pixels: stride(from: 0, to: picture.samples.count, by: picture.channels).map {
          picture.samples[$0] != 0
        })
      return .mask(mask, left: Int(points[0][0].rounded()), top: Int(points[0][1].rounded()))
    case "point", "points", "line", "linestrip": return nil
    default:
      throw JSONSyntaxError(
        message: "expected a polygon, rectangle, oriented_rectangle, circle or mask, received the "
          + "shape \(kind.prefix(40))",
        position: start)
    }
  }
}
