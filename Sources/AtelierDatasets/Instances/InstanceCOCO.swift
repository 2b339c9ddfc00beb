// Sets of objects from COCO files, with the pictures beside them.

import AtelierImages
import Foundation

extension InstanceData {
  /// Reads a COCO file of the instances form and finds its pictures; a nil name is the file's.
  ///
  /// Pictures are looked for in the given folder, else around the file as COCO, CVAT, Roboflow and
  /// Label Studio lay them (`PictureSearch` tells how). Their headers are read, so that a picture of
  /// another size than the file says is refused; those that are not there are left out and counted.
  ///
  /// - Throws: `DatasetError` that names the file and the image or annotation: broken polygons, masks of
  ///   another size, unknown images or categories, no picture.
  public init(coco file: URL, pictures: URL? = nil, name: String? = nil) throws(DatasetError) {
    let document = try COCODocument.read(file)
    try self.init(
      document, file: file.relativePath, folders: Self.pictureFolders(file, pictures),
      name: name ?? file.lastPathComponent)
  }

  /// The set that a COCO file's content describes; `folders` are looked through for pictures in
  /// this order, `file` stands in errors.
  ///
  /// Boxes without an outline are filled, and the crowds of a file that draws masks as crowds, as
  /// CVAT does, are taken as objects; `leftOut` begins with what was done so.
  ///
  /// - Throws: `DatasetError` as for a file.
  public init(
    _ document: COCODocument, file: String, folders: [URL], name: String
  ) throws(DatasetError) {
    var harvest = FileHarvest()
    var search = PictureSearch(folders)
    var found: [(picture: COCODocument.Picture, name: String, url: URL)] = []
    var absent: [COCODocument.Picture] = []
    var missing: Set<Int> = []
    for picture in document.pictures {
      guard let (name, url) = try search.find(picture.fileName, of: "\(file): image \(picture.id)")
      else {
        missing.insert(picture.id)
        absent.append(picture)
        continue
      }
      let size = try harvest.take { () throws(DatasetError) in
        try Self.size(of: picture, at: url, file: file)
      }
      guard let size else {
        missing.insert(picture.id)
        continue
      }
      found.append((.init(id: picture.id, fileName: picture.fileName, size: size), name, url))
    }
    if found.isEmpty, harvest.leftOut.isEmpty, let first = absent.first {
      throw DatasetError(
        "\(file): image \(first.id): expected its picture \(first.fileName) in \(search.places); "
          + "there is no such file")
    }
    try harvest.expectSome()
    var kept = document
    kept.pictures = found.map(\.picture)
    // What refers to no image at all stays, to be refused.
    kept.annotations.removeAll { missing.contains($0.pictureID) }
    let notes = kept.settleCrowds(file: file) + kept.boxNotes(file: file)
    let items = zip(found, try kept.objects(file: file)).map { entry, objects in
      Item(
        name: (entry.name as NSString).deletingPathExtension, size: entry.picture.size,
        objects: objects, source: .file(entry.url))
    }
    guard !document.categories.isEmpty, !items.isEmpty else {
      throw DatasetError(
        "\(file): expected images and categories, received \(items.count) images and "
          + "\(document.categories.count) categories")
    }
    try self.init(name: name, classNames: document.classNames, items: items)
    leftOut = notes
    if let first = absent.first {
      leftOut.append(
        "\(file): \(absent.count) of \(document.pictures.count) pictures are not there and left out, such "
          + "as \(first.fileName); looked in \(search.places)")
    }
    leftOut += harvest.leftOut
  }

  /// The folders around a file: its own and the one above with what tools call their pictures.
  private static func pictureFolders(_ file: URL, _ pictures: URL?) -> [URL] {
    if let pictures { return [pictures] }
    let folder = file.deletingLastPathComponent()
    // COCO names files instances_train2017.json beside train2017, CVAT instances_default.json
    // beside images/default.
    let stem = file.deletingPathExtension().lastPathComponent
    let part = stem.split(separator: "_").last.map(String.init) ?? stem
    return [folder, folder.deletingLastPathComponent()].flatMap { place in
      let images = place.appendingPathComponent("images")
      return [
        place, images.appendingPathComponent(part), place.appendingPathComponent(part), images,
      ]
    }
  }

  /// The size of a picture, which is what its file says where that says one.
  private static func size(
    of picture: COCODocument.Picture, at url: URL, file: String
  ) throws(DatasetError) -> PixelSize {
    let size = try DatasetError.wrapping { try ImageFile.size(url.path) }
    let told = picture.size
    guard told == size || told.width == 0 else {
      throw DatasetError(
        "\(file): image \(picture.id): expected \(picture.fileName) of \(told), received a picture "
          + "of \(size)")
    }
    return size
  }
}

extension COCODocument {
  /// Takes the crowds of a file that draws every mask of pixels as a crowd for objects, and tells
  /// what is done with crowds.
  ///
  /// CVAT writes each mask of a brush as runs with `iscrowd` 1. COCO's own crowds are runs, too, but
  /// stand beside polygons, without attributes.
  mutating func settleCrowds(file: String) -> [String] {
    let crowds = annotations.count { $0.isCrowd }
    guard crowds > 0 else { return [] }
    let areAllRuns = annotations.allSatisfy { annotation in
      switch annotation.segmentation {
      case .runs, .text: annotation.isCrowd
      case .polygons, nil: !annotation.isCrowd
      }
    }
    guard areAllRuns, crowds == annotations.count || hasAttributes else {
      return [
        "\(file): \(crowds) of \(annotations.count) annotations are crowds (iscrowd 1): nothing is "
          + "learnt from them, and what is found in them is neither right nor wrong"
      ]
    }
    for index in annotations.indices { annotations[index].isCrowd = false }
    return [
      "\(file): all \(crowds) masks of pixels are marked as crowds (iscrowd 1), as CVAT does: they "
        + "are taken as objects"
    ]
  }

  /// Tells how many boxes are filled because they have no outline.
  func boxNotes(file: String) -> [String] {
    let boxes = annotations.count { $0.segmentation == nil && $0.box != nil }
    guard boxes > 0 else { return [] }
    return [
      "\(file): \(boxes) of \(annotations.count) annotations have a box and no segmentation: the "
        + "whole box is taken as the object"
    ]
  }

  /// The names of the classes: the categories' in their order, each once.
  ///
  /// Files that were joined have several categories of one name, which are one class.
  public var classNames: [String] {
    var seen: Set<String> = []
    return categories.map(\.name).filter { seen.insert($0).inserted }
  }

  /// A list of objects a picture, in the order of `pictures`; classes are places in `classNames`.
  ///
  /// Objects that polygons give no pixel are kept, with empty masks; a box without a segmentation is
  /// filled.
  ///
  /// - Throws: `DatasetError` that names the annotation: unknown image or category, neither segmentation
  ///   nor box, a broken one, a box that does not meet the picture.
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
      guard let segmentation = annotation.segmentation ?? annotation.box.map(Segmentation.init)
      else {
        throw DatasetError("\(title): expected a segmentation or a box, received none")
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
