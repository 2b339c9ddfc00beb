// Sets of objects from COCO files, with the pictures beside them.

import AtelierImages
import Foundation

extension InstanceData {
  /// Reads a COCO file of the instances form and finds its pictures; a nil name is the file's.
  ///
  /// Pictures are looked for in the given folder, else beside the file, in `images` beside it, and
  /// in the folder above. Their headers are read, so that a picture of another size than the file says is
  /// refused.
  ///
  /// - Throws: `DatasetError` that names the file and the image or annotation: broken polygons, masks of
  ///   another size, unknown images or categories, missing pictures.
  public init(coco file: URL, pictures: URL? = nil, name: String? = nil) throws(DatasetError) {
    let document = try COCODocument.read(file)
    try self.init(
      document, file: file.relativePath, folders: Self.pictureFolders(file, pictures),
      name: name ?? file.lastPathComponent)
  }

  /// The set that a COCO file's content describes; `folders` are looked through for pictures in
  /// this order, `file` stands in errors.
  /// - Throws: `DatasetError` as for a file.
  public init(
    _ document: COCODocument, file: String, folders: [URL], name: String
  ) throws(DatasetError) {
    let resolved = try document.objects(file: file)
    var harvest = FileHarvest()
    var items: [Item] = []
    for (picture, objects) in zip(document.pictures, resolved) {
      guard
        let (name, url) = try harvest.take({ () throws(DatasetError) in
          try Self.find(picture, in: folders, file: file)
        })
      else { continue }
      items.append(
        Item(
          name: (name as NSString).deletingPathExtension, size: picture.size, objects: objects,
          source: .file(url)))
    }
    try harvest.expectSome()
    guard !document.categories.isEmpty, !items.isEmpty else {
      throw DatasetError(
        "\(file): expected images and categories, received \(items.count) images and "
          + "\(document.categories.count) categories")
    }
    try self.init(name: name, classNames: document.classNames, items: items)
    leftOut = harvest.leftOut
  }

  private static func pictureFolders(_ file: URL, _ pictures: URL?) -> [URL] {
    if let pictures { return [pictures] }
    let folder = file.deletingLastPathComponent()
    let above = folder.deletingLastPathComponent()
    return [
      folder, folder.appendingPathComponent("images"), above,
      above.appendingPathComponent("images"),
    ]
  }

  private static func find(
    _ picture: COCODocument.Picture, in folders: [URL], file: String
  ) throws(DatasetError) -> (name: String, url: URL) {
    let title = "\(file): image \(picture.id)"
    // Windows programs write their own separators.
    let portable = picture.fileName.replacingOccurrences(of: "\\", with: "/")
    let parts = portable.split(separator: "/", omittingEmptySubsequences: false)
    // A file from elsewhere does not get to name other places of this machine.
    guard !portable.hasPrefix("/"), !parts.contains(".."), !portable.contains("\0") else {
      throw DatasetError(
        "\(title): expected a file_name below the folder of the pictures, received another path")
    }
    let places = [picture.fileName, portable].flatMap { name in
      folders.map { (name: name, url: $0.appendingPathComponent(name)) }
    }
    guard
      let (name, url) = places.first(where: { FileManager.default.fileExists(atPath: $0.url.path) })
    else {
      throw DatasetError(
        "\(title): expected its picture \(picture.fileName) in "
          + folders.map(\.relativePath).joined(separator: " or ") + "; there is no such file")
    }
    let size = try DatasetError.wrapping { try ImageFile.size(url.path) }
    guard size == picture.size else {
      throw DatasetError(
        "\(title): expected \(picture.fileName) of \(picture.size), received a picture of \(size)")
    }
    return (name, url)
  }
}

extension COCODocument {
  /// The names of the classes: the categories' in their order, each once.
  ///
  /// Files that were joined have several categories of one name, which are one class.
  public var classNames: [String] {
    var seen: Set<String> = []
    return categories.map(\.name).filter { seen.insert($0).inserted }
  }

  /// A list of objects a picture, in the order of `pictures`; classes are places in `classNames`.
  ///
  /// Objects that polygons give no pixel are kept, with empty masks.
  ///
  /// - Throws: `DatasetError` that names the annotation: unknown image or category, no segmentation, a
  ///   broken one, a box that does not meet the picture.
  public func objects(file: String) throws(DatasetError) -> [[EncodedObject]] {
    try objects(of: annotations, file: file)
  }

  /// The objects of annotations or detections about this file's pictures and categories, in the
  /// order of `pictures`; `file` stands in errors.
  /// - Throws: `DatasetError` as for the file's own annotations.
  public func objects(
    of annotations: [Annotation], file: String
  ) throws(DatasetError) -> [[EncodedObject]] {
    let places = Dictionary(zip(pictures.map(\.id), 0...), uniquingKeysWith: { $1 })
    let names = Dictionary(zip(classNames, 0...), uniquingKeysWith: { $1 })
    let classes = Dictionary(
      categories.map { ($0.id, names[$0.name] ?? 0) }, uniquingKeysWith: { $1 })
    var result = [[EncodedObject]](repeating: [], count: pictures.count)
    for (index, annotation) in annotations.enumerated() {
      let title = "\(file): annotation \(annotation.id.map(String.init) ?? "number \(index + 1)")"
      guard let place = places[annotation.pictureID] else {
        throw DatasetError(
          "\(title): expected the id of one of \(pictures.count) images, received "
            + "\(annotation.pictureID)")
      }
      guard let classIndex = classes[annotation.categoryID] else {
        throw DatasetError(
          "\(title): expected the id of one of \(categories.count) categories, received "
            + "\(annotation.categoryID)")
      }
      guard let segmentation = annotation.segmentation else {
        throw DatasetError("\(title): expected a segmentation, received none")
      }
      let mask: RunLengthMask
      do { mask = try segmentation.mask(pictures[place].size) } catch {
        throw DatasetError("\(title): \(error)")
      }
      result[place].append(
        EncodedObject(
          classIndex: classIndex, mask: mask, box: annotation.box, area: annotation.area,
          score: annotation.score ?? 1, isCrowd: annotation.isCrowd))
    }
    return result
  }
}
