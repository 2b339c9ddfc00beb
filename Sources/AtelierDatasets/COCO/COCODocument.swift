// The parts of a COCO file of objects (Lin et al. 2014, https://cocodataset.org/#format-data).

import AtelierImages

/// What a COCO file of objects says: pictures, categories and annotations.
public struct COCODocument: Sendable, Hashable {
  /// One picture.
  public struct Picture: Sendable, Hashable, Codable {
    /// Its number.
    public var id: Int
    /// The path of its file, relative to the folder of the pictures.
    public var fileName: String
    /// Columns and rows; 0x0 where the file does not say.
    public var size: PixelSize

    /// A picture by its parts.
    public init(id: Int, fileName: String, size: PixelSize) {
      self.id = id
      self.fileName = fileName
      self.size = size
    }
  }

  /// One class of objects.
  public struct Category: Sendable, Hashable {
    /// Its number, which need not follow others.
    public var id: Int
    /// Its name.
    public var name: String

    /// A category by its parts.
    public init(id: Int, name: String) {
      self.id = id
      self.name = name
    }
  }

  /// The pixels of an object, in one of the forms of the format.
  public enum Segmentation: Sendable, Hashable, Codable {
    /// The union of polygons, each x and y of its corners in turn.
    case polygons([[Double]])
    /// Runs down the columns, background first.
    case runs([Int], height: Int, width: Int)
    /// The runs as text.
    case text(String, height: Int, width: Int)
  }

  /// One object of the truth, or one detection.
  public struct Annotation: Sendable, Hashable, Codable {
    /// Its number; detections have none.
    public var id: Int?
    /// The picture that it is in.
    public var pictureID: Int
    /// Its class.
    public var categoryID: Int
    /// Its pixels; some files have boxes alone.
    public var segmentation: Segmentation?
    /// Its area in pixels.
    public var area: Double?
    /// Where it lies.
    public var box: PlaneBox?
    /// Whether it stands for many objects.
    public var isCrowd = false
    /// How sure a detector is.
    public var score: Double?
  }

  /// The pictures.
  public var pictures: [Picture]
  /// The classes.
  public var categories: [Category]
  /// The objects.
  public var annotations: [Annotation]
  /// Whether annotations carry attributes, as CVAT's and datumaro's do and COCO's own do not.
  var hasAttributes = false

  /// A file's content by its parts.
  public init(
    pictures: [Picture] = [], categories: [Category] = [], annotations: [Annotation] = []
  ) {
    self.pictures = pictures
    self.categories = categories
    self.annotations = annotations
  }
}

extension COCODocument.Segmentation {
  /// A box as a polygon.
  init(_ box: PlaneBox) {
    let (right, bottom) = (box.x + box.width, box.y + box.height)
    self = .polygons([[box.x, box.y, right, box.y, right, bottom, box.x, bottom]])
  }

  /// The pixels, for a picture of a size.
  /// - Throws: `DatasetError` for a broken polygon, runs that do not fill the picture, or runs of
  ///   another size.
  public func mask(_ size: PixelSize) throws(DatasetError) -> RunLengthMask {
    switch self {
    case .polygons(let polygons):
      guard !polygons.isEmpty else {
        throw DatasetError("expected one or more polygons, received none")
      }
      // Slips of a pen beside a drawn polygon, points and lines, have no pixels.
      let drawn = polygons.filter { $0.count >= 6 }
      var masks: [RunLengthMask] = []
      for polygon in drawn.isEmpty ? polygons : drawn {
        masks.append(try RunLengthMask(width: size.width, height: size.height, polygon: polygon))
      }
      return RunLengthMask.union(masks)
    case .runs(let runs, let height, let width):
      try Self.check(PixelSize(width: width, height: height), size)
      return try RunLengthMask(width: width, height: height, runs: runs)
    case .text(let text, let height, let width):
      try Self.check(PixelSize(width: width, height: height), size)
      return try RunLengthMask(width: width, height: height, text: text)
    }
  }

  private static func check(_ received: PixelSize, _ expected: PixelSize) throws(DatasetError) {
    guard received == expected else {
      throw DatasetError("expected a mask of the picture's \(expected), received \(received)")
    }
  }
}
