// Files of the VGG Image Annotator (Dutta and Zisserman 2019): projects and exported annotations.

import AtelierFiles
import AtelierImages
import Foundation

/// Reads files of VIA, versions 1 and 2.
enum VIAFile {
  /// Attributes that name the class, where a region has several.
  fileprivate static let classAttributes = [
    "label", "class", "name", "category", "type", "object",
  ]

  /// Reads a file; throws `DatasetError` that names it and the place.
  static func read(_ url: URL) throws(DatasetError) -> [DrawnPicture] {
    var parser = VIAParser(
      try CompressedFile.read(url, limit: LabelmeFile.mostBytes), url.relativePath)
    return try parser.whole { parser in
      // What stands for an attribute's options often comes behind the pictures.
      var ahead = parser
      parser.options = try ahead.optionNames()
      return try parser.pictures()
    }
  }
}

private struct VIAParser: JSONParts {
  var reader: StrictJSONReader
  let name: String
  /// Of an attribute of regions what its options are called.
  var options: [String: [String: String]] = [:]

  init(_ json: [UInt8], _ name: String) {
    reader = StrictJSONReader(json.withoutByteOrderMark)
    self.name = name
  }

  /// The names of the options of a project's attributes, by the attribute and the option.
  mutating func optionNames() throws -> [String: [String: String]] {
    var result: [String: [String: String]] = [:]
    try object { parser, key in
      guard key == "_via_attributes", parser.reader.nextIs("{") else {
        return try parser.reader.skipValue()
      }
      try parser.object { parser, kind in
        guard kind == "region", parser.reader.nextIs("{") else {
          return try parser.reader.skipValue()
        }
        try parser.object { parser, attribute in
          guard parser.reader.nextIs("{") else { return try parser.reader.skipValue() }
          try parser.object { parser, key in
            guard key == "options", parser.reader.nextIs("{") else {
              return try parser.reader.skipValue()
            }
            try parser.object { parser, option in
              guard parser.reader.nextIs("\"") else { return try parser.reader.skipValue() }
              result[attribute, default: [:]][option] = try parser.reader.string()
            }
          }
        }
      }
    }
    return result
  }

  mutating func pictures() throws -> [DrawnPicture] {
    var result: [DrawnPicture] = []
    try object { parser, key in
      if key == "_via_img_metadata" {
        try parser.object { parser, _ in result.append(try parser.picture()) }
      } else if key.hasPrefix("_via_") {
        try parser.reader.skipValue()
      } else {
        result.append(try parser.picture())
      }
    }
    return result
  }

  private mutating func picture() throws -> DrawnPicture {
    let start = reader.position
    var fileName: String?
    var regions: [DrawnShape?] = []
    try object { parser, key in
      switch key {
      case "filename": fileName = try parser.reader.string("a file name")
      case "regions":
        if parser.reader.nextIs("{") {
          try parser.object { parser, _ in regions.append(try parser.region()) }
        } else {
          regions = try parser.numbered("region", "regions") { try $0.region() }
        }
      default: try parser.reader.skipValue()
      }
    }
    guard let fileName, !fileName.isEmpty else {
      throw JSONSyntaxError(
        message: "expected a picture with a filename, received one without", position: start)
    }
    return DrawnPicture(
      file: name, fileName: fileName, shapes: regions.compactMap(\.self),
      withoutArea: regions.count { $0 == nil })
  }

  /// One region; nil for points and lines.
  private mutating func region() throws -> DrawnShape? {
    let start = reader.position
    var kind = ""
    var values: [String: Double] = [:]
    var lists: [String: [Double]] = [:]
    var attributes: [String: String] = [:]
    try object { parser, key in
      switch key {
      case "shape_attributes":
        try parser.object { parser, key in
          if key == "name" {
            kind = try parser.reader.string("a shape's name")
          } else if parser.reader.nextIs("[") {
            lists[key] = try parser.numbers("numbers")
          } else {
            values[key] = try parser.reader.number()
          }
        }
      case "region_attributes":
        try parser.object { parser, key in attributes[key] = try parser.attribute(key) }
      default: try parser.reader.skipValue()
      }
    }
    func value(_ key: String) throws -> Double {
      guard let value = values[key] else {
        throw JSONSyntaxError(
          message: "expected a \(kind) with \(key), received one without", position: start)
      }
      return value
    }
    let label = self.label(attributes)
    switch kind {
    case "polygon":
      let (x, y) = (lists["all_points_x"] ?? [], lists["all_points_y"] ?? [])
      guard x.count == y.count else {
        throw JSONSyntaxError(
          message: "expected as many x as y, received \(x.count) and \(y.count)", position: start)
      }
      return DrawnShape(label: label, area: .polygon(zip(x, y).flatMap { [$0, $1] }), group: nil)
    case "rect":
      return DrawnShape(
        label: label,
        area: .box(
          x: try value("x"), y: try value("y"), width: try value("width"),
          height: try value("height")), group: nil)
    case "circle":
      let radius = try value("r")
      return DrawnShape(
        label: label,
        area: .ellipse(
          x: try value("cx"), y: try value("cy"), across: radius, down: radius, angle: 0),
        group: nil)
    case "ellipse":
      return DrawnShape(
        label: label,
        area: .ellipse(
          x: try value("cx"), y: try value("cy"), across: try value("rx"), down: try value("ry"),
          angle: values["theta"] ?? 0), group: nil)
    case "polyline", "point", "line": return nil
    default:
      throw JSONSyntaxError(
        message: "expected a polygon, rect, circle or ellipse, received the shape '\(kind)'",
        position: start)
    }
  }

  /// A text, or the ticked words of a list of boxes, by the names of the attribute's options.
  private mutating func attribute(_ attribute: String) throws -> String? {
    let names = options[attribute] ?? [:]
    func named(_ option: String) -> String {
      names[option].flatMap { $0.isEmpty ? nil : $0 } ?? option
    }
    if reader.nextIs("\"") { return named(try reader.string()) }
    guard reader.nextIs("{") else {
      try reader.skipValue()
      return nil
    }
    var ticked: [String] = []
    try object { parser, key in
      if parser.reader.nextIs("t") { ticked.append(named(key)) }
      try parser.reader.skipValue()
    }
    return ticked.isEmpty ? nil : ticked.sorted().joined(separator: "+")
  }

  private func label(_ attributes: [String: String]) -> String {
    let known = VIAFile.classAttributes.lazy.compactMap { wanted in
      attributes.first { $0.key.lowercased() == wanted }?.value
    }.first { !$0.isEmpty }
    let any = attributes.sorted { $0.key < $1.key }.first { !$0.value.isEmpty }?.value
    return known ?? any ?? "object"
  }
}
