// Writing of COCO files: the instances form that is loaded as a set, and the results form of detections.

import AtelierImages
import Foundation

/// How the pixels of objects are written into COCO files.
public enum COCOMaskForm: String, Sendable, Codable, CaseIterable {
  /// Runs as text: every mask exactly.
  case runs
  /// Polygons along the edges of pixels, which fill to the same pixels; runs for crowds and for objects
  /// with holes, which polygons cannot have.
  case polygons
}

extension COCODocument.Annotation {
  /// An annotation of an object, detected or true; `id` is nil in the results form.
  public init(_ object: EncodedObject, id: Int?, pictureID: Int, form: COCOMaskForm = .runs) {
    var polygons: [[Double]] = []
    if form == .polygons, !object.isCrowd {
      let outlines = object.mask.outlines
      if !outlines.contains(where: \.isHole) {
        polygons = outlines.map { $0.corners.flatMap { [Double($0.x), Double($0.y)] } }
      }
    }
    self.init(
      id: id, pictureID: pictureID, categoryID: object.classIndex + 1,
      segmentation: polygons.isEmpty
        ? .text(object.mask.text, height: object.mask.height, width: object.mask.width)
        : .polygons(polygons),
      area: object.area, box: object.box, isCrowd: object.isCrowd, score: object.score)
  }
}

extension COCODocument {
  /// The categories of classes: numbers from 1 in the classes' order.
  public static func categories(_ classNames: [String]) -> [Category] {
    classNames.enumerated().map { Category(id: $0 + 1, name: $1) }
  }

  /// The file's content as one line of JSON that the COCO API loads, its info a description.
  public func json(description: String) -> Data {
    Self.encoded(
      Coded.Document(
        info: ["description": description], licenses: [],
        images: pictures.map {
          Coded.Picture(
            id: $0.id, fileName: $0.fileName, width: $0.size.width > 0 ? $0.size.width : nil,
            height: $0.size.height > 0 ? $0.size.height : nil)
        },
        categories: categories.map { Coded.Category(id: $0.id, name: $0.name) },
        annotations: annotations.map { Coded.Annotation($0, isResult: false) }))
  }

  /// Detections as one line of JSON in the results form, which the COCO API loads beside a file of
  /// the truth; one without a score gets 1.
  public static func resultsJSON(_ detections: [Annotation]) -> Data {
    encoded(detections.map { Coded.Annotation($0, isResult: true) })
  }

  private static func encoded(_ value: some Encodable) -> Data {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    guard let data = try? encoder.encode(value) else {
      preconditionFailure("annotations hold finite numbers and text alone")
    }
    return data + [0x0A]
  }
}

/// The format's own keys.
private enum Coded {
  struct Document: Encodable {
    let info: [String: String]
    let licenses: [Int]
    let images: [Picture]
    let categories: [Category]
    let annotations: [Annotation]
  }

  struct Picture: Encodable {
    let id: Int
    let fileName: String
    let width: Int?
    let height: Int?

    enum CodingKeys: String, CodingKey {
      case id, width, height
      case fileName = "file_name"
    }
  }

  struct Category: Encodable {
    let id: Int
    let name: String
    /// What COCO's categories lie in; some tools ask for the key.
    var supercategory = ""
  }

  struct Segmentation: Encodable {
    let value: COCODocument.Segmentation

    func encode(to encoder: any Encoder) throws {
      var container = encoder.singleValueContainer()
      switch value {
      case .polygons(let polygons): try container.encode(polygons)
      case .runs(let runs, let height, let width):
        try container.encode(Runs(size: [height, width], counts: runs))
      case .text(let text, let height, let width):
        try container.encode(Runs(size: [height, width], counts: text))
      }
    }
  }

  struct Runs<Counts: Encodable>: Encodable {
    let size: [Int]
    let counts: Counts
  }

  struct Annotation: Encodable {
    let id: Int?
    let pictureID: Int
    let categoryID: Int
    let segmentation: Segmentation?
    let area: Double?
    let bbox: [Double]?
    let iscrowd: Int?
    let score: Double?

    enum CodingKeys: String, CodingKey {
      case id, segmentation, area, bbox, iscrowd, score
      case pictureID = "image_id"
      case categoryID = "category_id"
    }

    init(_ annotation: COCODocument.Annotation, isResult: Bool) {
      id = isResult ? nil : annotation.id
      pictureID = annotation.pictureID
      categoryID = annotation.categoryID
      segmentation = annotation.segmentation.map(Segmentation.init)
      area = isResult ? nil : annotation.area
      bbox = annotation.box.map { [$0.x, $0.y, $0.width, $0.height] }
      iscrowd = isResult ? nil : (annotation.isCrowd ? 1 : 0)
      score = annotation.score ?? (isResult ? 1 : nil)
    }
  }
}
