// Pictures with their objects: what instance segmentation is trained and measured on.

import AtelierEngine
import AtelierImages
import Foundation

/// A set of pictures, each with the masks of its objects.
///
/// Masks are kept as runs and pictures on the disk, so a large set fits in memory.
public struct InstanceData: DividedSet, Sendable {
  /// Where the pixels of a picture are.
  public enum Source: Sendable {
    /// In memory.
    case image(ByteImage)
    /// In a file.
    case file(URL)
    /// One page of a file, from 0.
    case page(URL, Int)
    /// Drawn when it is asked for.
    case drawn(@Sendable () -> ByteImage)
  }

  /// One picture.
  public struct Item: Sendable {
    /// The file's name without extension, or another name that tells it from others.
    public let name: String
    /// Columns and rows.
    public let size: PixelSize
    /// Its objects; those that are smaller than a pixel have none, and count all the same.
    public let objects: [EncodedObject]
    /// What kind of picture it is, where the set tells kinds apart, such as "fluorescence".
    public let kind: String?
    /// Where its pixels are.
    public let source: Source

    /// A picture by its parts.
    public init(
      name: String, size: PixelSize, objects: [EncodedObject], kind: String? = nil, source: Source
    ) {
      self.name = name
      self.size = size
      self.objects = objects
      self.kind = kind
      self.source = source
    }

    /// Reads the picture: RGB of the item's size.
    /// - Throws: `DatasetError` that names the file when it cannot be read or has changed its size.
    public func picture() throws(DatasetError) -> ByteImage {
      switch source {
      case .image(let image): return image.rgb
      case .drawn(let draw): return draw()
      case .file(let url):
        return try expectSize(
          DatasetError.wrapping { try ImageFile.read(url).flattened().rgb }, url)
      case .page(let url, let index):
        let page = try DatasetError.wrapping {
          let reader = try PictureReader(url.path)
          for _ in 0..<index { _ = try reader.nextPage() }
          return try reader.nextPage()
        }
        guard let page else {
          throw DatasetError("\(url.relativePath): expected a page \(index + 1), there is none")
        }
        return try expectSize(page.image.bytes.flattened().rgb, url)
      }
    }

    private func expectSize(_ image: ByteImage, _ url: URL) throws(DatasetError) -> ByteImage {
      guard image.size == size else {
        throw DatasetError(
          "\(url.relativePath): expected a picture of \(size), received \(image.size)")
      }
      return image
    }

    /// The name with the ending of the picture's file, .png where there is none.
    public var fileName: String {
      guard case .file(let url) = source, !url.pathExtension.isEmpty else { return name + ".png" }
      return "\(name).\(url.pathExtension)"
    }

    /// The objects with masks of pixels.
    public var maskedObjects: [MaskedObject] { objects.map(\.decoded) }
  }

  /// What the set is called in messages and protocols.
  public let name: String
  /// The names of the objects' classes in the order of their indices.
  public let classNames: [String]
  /// The pictures in their order.
  public let items: [Item]
  /// What was left out of folders, a line each with the reason.
  public internal(set) var leftOut: [String] = []

  /// Puts a set together of at least one class and one picture.
  /// - Throws: `DatasetError` when there is no class or no picture, or an object has no class or a mask
  ///   of another size.
  public init(name: String, classNames: [String], items: [Item]) throws(DatasetError) {
    guard !classNames.isEmpty, !items.isEmpty else {
      throw DatasetError(
        "\(name): expected pictures and classes of objects, received \(items.count) pictures and "
          + "\(classNames.count) classes")
    }
    for item in items {
      for object in item.objects {
        guard classNames.indices.contains(object.classIndex), object.mask.size == item.size else {
          throw DatasetError(
            "\(name)/\(item.name): expected objects of \(classNames.count) classes with masks of "
              + "\(item.size), received class \(object.classIndex) of \(object.mask.size)")
        }
      }
    }
    self.name = name
    self.classNames = classNames
    self.items = items
  }

  /// How many pictures there are.
  public var count: Int { items.count }
  /// How many objects there are in all pictures, crowds not counted.
  public var objectCount: Int {
    items.reduce(0) { $0 + $1.objects.reduce(0) { $0 + ($1.isCrowd ? 0 : 1) } }
  }
  /// Names and colours of the labels: the background, then the objects' classes.
  public var palette: ClassPalette { .objects(classNames) }

  /// One line that tells the classes and how many objects there are of each.
  public var summary: String {
    var counts = [Int](repeating: 0, count: classNames.count)
    for object in items.flatMap(\.objects) where !object.isCrowd { counts[object.classIndex] += 1 }
    let parts = zip(classNames, counts).map { "\($0) \($1)" }
    return "\(name): \(count) pictures, \(objectCount) objects of \(classNames.count) classes: "
      + parts.prefix(20).joined(separator: ", ")
      + (parts.count > 20 ? " and \(parts.count - 20) more" : "")
  }

  /// Some of the pictures as a set of the same classes, its name with a suffix.
  /// - Throws: `DatasetError` when there are none.
  public func filtered(
    suffix: String = "", where isWanted: (Item) -> Bool
  ) throws(DatasetError) -> InstanceData {
    try InstanceData(
      name: name + suffix, classNames: classNames, items: items.filter(isWanted))
  }

  /// Some of the pictures, at least one, in the order wanted; the name gets the suffix.
  public func selecting(_ indices: [Int], suffix: String) throws(DatasetError) -> InstanceData {
    var chosen = try InstanceData(
      name: name + suffix, classNames: classNames, items: indices.map { items[$0] })
    chosen.leftOut = leftOut
    return chosen
  }

  /// The set as a COCO file's content: pictures are numbered from 1 in their order.
  public func coco(form: COCOMaskForm = .runs) -> COCODocument {
    var document = COCODocument(categories: COCODocument.categories(classNames))
    for (index, item) in items.enumerated() {
      var fileName = item.name + ".png"
      if case .file(let url) = item.source { fileName = url.lastPathComponent }
      document.pictures.append(
        COCODocument.Picture(id: index + 1, fileName: fileName, size: item.size))
      for object in item.objects {
        var annotation = COCODocument.Annotation(
          object, id: document.annotations.count + 1, pictureID: index + 1, form: form)
        annotation.score = nil
        document.annotations.append(annotation)
      }
    }
    return document
  }
}
