// Reading of COCO files: the instances form, and the results form of detections.

import AtelierFiles
import AtelierImages
import Foundation

extension COCODocument {
  /// The most bytes of a file that is read.
  public static let mostBytes = 2 << 30

  /// Reads a file of objects, plain or gzip: an object with images, annotations and categories.
  ///
  /// Unknown keys are passed over. The numbers of pictures and categories must each stand once; what
  /// an annotation refers to is checked where it is used. As the COCO API has it, numbers may be
  /// texts or have a zero fraction, and `iscrowd`, widths and heights may be null or missing.
  ///
  /// - Throws: `DatasetError` that names the file, the place or annotation, and what was expected.
  public static func read(_ url: URL) throws(DatasetError) -> COCODocument {
    try COCODocument(json: CompressedFile.read(url, limit: mostBytes), name: url.relativePath)
  }

  /// Reads a file of detections, plain or gzip, in the results form: annotations with scores.
  /// - Throws: `DatasetError` that names the file, the place, and what was expected.
  public static func readResults(_ url: URL) throws(DatasetError) -> [Annotation] {
    try results(json: CompressedFile.read(url, limit: mostBytes), name: url.relativePath)
  }

  /// Reads a file of objects in memory; `name` stands for it in errors.
  public init(json: [UInt8], name: String) throws(DatasetError) {
    var parser = COCOParser(json, name)
    self = try parser.document()
  }

  /// Reads detections in memory; `name` stands for their file in errors.
  public static func results(json: [UInt8], name: String) throws(DatasetError) -> [Annotation] {
    var parser = COCOParser(json, name)
    return try parser.results()
  }
}

/// Pulls COCO's parts out of JSON.
private struct COCOParser: JSONParts {
  var reader: StrictJSONReader
  let name: String
  /// The numbers that stand for texts that are none.
  private var numbersOfTexts: [String: Int] = [:]
  /// Whether an annotation has attributes.
  private var hasAttributes = false

  init(_ json: [UInt8], _ name: String) {
    reader = StrictJSONReader(json.withoutByteOrderMark)
    self.name = name
  }

  // MARK: - Whole files

  mutating func document() throws(DatasetError) -> COCODocument {
    let document = try whole { try $0.parts() }
    try check("image", document.pictures.map(\.id))
    try check("category", document.categories.map(\.id))
    return document
  }

  mutating func results() throws(DatasetError) -> [COCODocument.Annotation] {
    try whole { parser in try parser.array("an array of detections") { try $0.annotation() } }
  }

  private func check(_ kind: String, _ ids: [Int]) throws(DatasetError) {
    var seen: Set<Int> = []
    for id in ids where !seen.insert(id).inserted {
      throw DatasetError("\(name): \(kind) \(id): expected each number once, received it twice")
    }
  }

  private mutating func parts() throws -> COCODocument {
    var document = COCODocument()
    var keys: Set<String> = []
    try object { parser, key in
      keys.insert(key)
      switch key {
      case "images": document.pictures = try parser.array("an array of images") { try $0.picture() }
      case "categories":
        document.categories = try parser.array("an array of categories") { try $0.category() }
      case "annotations":
        document.annotations = try parser.array("an array of annotations") { try $0.annotation() }
      default: try parser.reader.skipValue()
      }
    }
    for key in ["images", "categories", "annotations"] where !keys.contains(key) {
      throw DatasetError(
        "\(name): expected COCO objects with the keys images, categories and annotations; "
          + "there is no \(key)")
    }
    document.hasAttributes = hasAttributes
    return document
  }

  // MARK: - Parts

  private mutating func picture() throws -> COCODocument.Picture {
    let start = reader.position
    var id: Int?
    var fileName: String?
    var (width, height): (Int?, Int?)
    try object { parser, key in
      switch key {
      case "id": id = try parser.identity()
      case "file_name": fileName = try parser.reader.string("a file name")
      case "width": width = try parser.optional { try $0.wholeNumber() }
      case "height": height = try parser.optional { try $0.wholeNumber() }
      default: try parser.reader.skipValue()
      }
    }
    guard let id else { throw missing("an image with an id", start) }
    guard let fileName, !fileName.isEmpty else {
      throw DatasetError("\(name): image \(id): expected a file_name, received none")
    }
    guard let width, let height else {
      return COCODocument.Picture(
        id: id, fileName: fileName, size: PixelSize(width: 0, height: 0))
    }
    let (pixels, isTooLarge) = width.multipliedReportingOverflow(by: height)
    guard width > 0, height > 0, !isTooLarge, pixels <= RunLengthMask.mostPixels else {
      throw DatasetError(
        "\(name): image \(id): expected a width and a height of at most "
          + "\(RunLengthMask.mostPixels) pixels, received \(width)x\(height)")
    }
    return COCODocument.Picture(
      id: id, fileName: fileName, size: PixelSize(width: width, height: height))
  }

  private mutating func category() throws -> COCODocument.Category {
    let start = reader.position
    var id: Int?
    var title: String?
    try object { parser, key in
      switch key {
      case "id": id = try parser.identity()
      case "name": title = try parser.reader.string("a category's name")
      default: try parser.reader.skipValue()
      }
    }
    guard let id else { throw missing("a category with an id", start) }
    guard let title, !title.isEmpty else {
      throw DatasetError("\(name): category \(id): expected a name, received none")
    }
    return COCODocument.Category(id: id, name: title)
  }

  private mutating func annotation() throws -> COCODocument.Annotation {
    let start = reader.position
    var result = COCODocument.Annotation(pictureID: -1, categoryID: -1)
    var numbers: [Double]?
    try object { parser, key in
      switch key {
      case "id": result.id = try parser.identity()
      case "image_id": result.pictureID = try parser.identity() ?? -1
      case "category_id": result.categoryID = try parser.identity() ?? -1
      case "attributes":
        parser.hasAttributes = true
        try parser.reader.skipValue()
      case "segmentation": result.segmentation = try parser.segmentation()
      case "area": result.area = try parser.optional { try $0.reader.number() }
      case "bbox": numbers = try parser.optional { try $0.numbers("a box of four numbers") }
      case "iscrowd": result.isCrowd = try parser.flag()
      case "score": result.score = try parser.optional { try $0.reader.number() }
      default: try parser.reader.skipValue()
      }
    }
    let title = result.id.map { "annotation \($0)" } ?? "the annotation at byte \(start)"
    guard result.pictureID >= 0, result.categoryID >= 0 else {
      throw DatasetError(
        "\(name): \(title): expected an image_id and a category_id, received "
          + (result.pictureID < 0 ? "no image_id" : "no category_id"))
    }
    if let numbers, !numbers.isEmpty {
      guard numbers.count == 4, numbers.allSatisfy({ abs($0) < 1e9 }), numbers[2] >= 0,
        numbers[3] >= 0
      else {
        throw DatasetError(
          "\(name): \(title): expected a box of x, y, width and height, received "
            + "\(numbers.prefix(8))")
      }
      result.box = PlaneBox(x: numbers[0], y: numbers[1], width: numbers[2], height: numbers[3])
    }
    if let area = result.area, !(0...1e12).contains(area) {
      throw DatasetError("\(name): \(title): expected an area of at least 0, received \(area)")
    }
    if let score = result.score, !score.isFinite {
      throw DatasetError("\(name): \(title): expected a finite score, received \(score)")
    }
    return result
  }

  /// Polygons, or one as a flat list, runs or text; nothing for null and for lists without a number.
  private mutating func segmentation() throws -> COCODocument.Segmentation? {
    if reader.nextIs("n") {
      try reader.skipValue()
      return nil
    }
    if reader.nextIs("[") {
      let expected = "a polygon as an array of numbers"
      var flat: [Double] = []
      var polygons = try array("an array of polygons") { parser in
        if parser.reader.nextIs("[") { return try parser.numbers(expected) }
        flat.append(try parser.reader.number(expected))
        return []
      }
      polygons = (flat.isEmpty ? [] : [flat]) + polygons.filter { !$0.isEmpty }
      return polygons.isEmpty ? nil : .polygons(polygons)
    }
    let start = reader.position
    var runs: [Int]?
    var text: String?
    var size: [Int] = []
    try object { parser, key in
      switch key {
      case "counts":
        if parser.reader.nextIs("\"") {
          text = try parser.reader.string()
        } else {
          runs = try parser.array("runs") { try $0.reader.wholeNumber() }
        }
      case "size": size = try parser.array("a size") { try $0.reader.wholeNumber() }
      default: try parser.reader.skipValue()
      }
    }
    guard size.count == 2 else {
      throw JSONSyntaxError(
        message: "expected runs with a size of height and width, received \(size.prefix(8))",
        position: start)
    }
    if let text { return .text(text, height: size[0], width: size[1]) }
    guard let runs else { throw missing("runs with counts", start) }
    return .runs(runs, height: size[0], width: size[1])
  }

  // MARK: - Values

  private func missing(_ expected: String, _ position: Int) -> JSONSyntaxError {
    JSONSyntaxError(message: "expected \(expected), received one without", position: position)
  }

  /// A whole number of at least 0, perhaps with a zero fraction as 120.0.
  private mutating func wholeNumber() throws -> Int {
    var ahead = reader
    do {
      let value = try ahead.wholeNumber()
      reader = ahead
      return value
    } catch {
      guard let number = try? reader.number(), (0...1e15).contains(number),
        number == number.rounded()
      else { throw error }
      return Int(number)
    }
  }

  /// The number of an entry: whole, or a text, which is a number or gets one of its own; nil for null.
  private mutating func identity() throws -> Int? {
    guard reader.nextIs("\"") else { return try optional { try $0.wholeNumber() } }
    let text = try reader.string()
    if let number = Int(text), number >= 0 { return number }
    let number = numbersOfTexts[text] ?? Int.max - numbersOfTexts.count
    numbersOfTexts[text] = number
    return number
  }

  /// 0 or 1, or a truth value as some tools write; null is 0.
  private mutating func flag() throws -> Bool {
    if reader.nextIs("n") {
      try reader.skipValue()
      return false
    }
    for (letter, value) in [("t", true), ("f", false)] as [(Unicode.Scalar, Bool)]
    where reader.nextIs(letter) {
      try reader.skipValue()
      return value
    }
    let start = reader.position
    let number = try wholeNumber()
    guard number <= 1 else {
      throw JSONSyntaxError(message: "expected 0 or 1, received \(number)", position: start)
    }
    return number == 1
  }
}
