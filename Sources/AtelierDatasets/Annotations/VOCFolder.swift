// Sets in the form of PASCAL VOC (Everingham and others 2010): masks of classes and of objects in folders.

import AtelierImages
import Foundation

/// Reads sets with `JPEGImages`, `SegmentationClass` and perhaps `SegmentationObject`.
struct VOCFolder {
  /// The classes of the contest, without a list of the set's own.
  static let classNames = [
    "background", "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair",
    "cow", "diningtable", "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa",
    "train", "tvmonitor",
  ]

  let url: URL
  private let images: URL
  private let classMasks: URL
  private let objectMasks: URL

  /// The set at a place; nil when it is of another form.
  init?(_ url: URL) {
    let places = [
      url, url.appendingPathComponent("VOC2012"), url.appendingPathComponent("VOC2007"),
    ]
    guard
      let place = places.first(where: {
        $0.appendingPathComponent("SegmentationClass").isFolder == true
          && $0.appendingPathComponent("JPEGImages").isFolder == true
      })
    else { return nil }
    self.url = place
    images = place.appendingPathComponent("JPEGImages")
    classMasks = place.appendingPathComponent("SegmentationClass")
    objectMasks = place.appendingPathComponent("SegmentationObject")
  }

  /// Whether objects are told apart.
  var hasObjects: Bool { objectMasks.isFolder == true }

  /// The classes: those of `labelmap.txt` or `classes.txt`, else the contest's.
  func classes() throws(DatasetError) -> ClassList {
    let map = url.appendingPathComponent("labelmap.txt")
    if map.isFolder == false {
      // A line a class, "name:red,green,blue:parts:actions", as CVAT writes it.
      let text = try CompressedFile.text(map, limit: 1 << 20, of: "a list of classes")
      var entries: [ClassPalette.Entry] = []
      for (index, line) in text.split(whereSeparator: \.isNewline).enumerated()
      where !line.hasPrefix("#") {
        let fields = line.split(separator: ":", omittingEmptySubsequences: false)
        // A class without a colour has the contest's of its number.
        let word = fields.count > 1 ? fields[1].trimmingCharacters(in: .whitespaces) : ""
        let color =
          word.isEmpty
          ? ClassPalette.standardColor(entries.count)
          : word.split(separator: ",").compactMap { UInt8($0) }
        guard !fields[0].isEmpty, color.count == 3 else {
          throw DatasetError(
            "\(map.relativePath): line \(index + 1): expected name:red,green,blue::, received "
              + "'\(line.prefix(60))'")
        }
        entries.append(.init(name: String(fields[0]), color: color))
      }
      return ClassList(ClassPalette(entries))
    }
    let list = url.appendingPathComponent("classes.txt")
    if list.isFolder == false { return try ClassList(reading: list) }
    return ClassList(
      ClassPalette(
        Self.classNames.enumerated().map {
          .init(name: $1, color: ClassPalette.standardColor($0))
        }))
  }

  /// Pictures and masks of classes of a part, by the lists in `ImageSets/Segmentation`; nil where there
  /// are lists but not this one.
  func files(
    _ part: String?
  ) throws(DatasetError) -> [(name: String, picture: URL, classMask: URL, objectMask: URL)]? {
    let lists = url.appendingPathComponent("ImageSets/Segmentation")
    var names: [String]?
    if lists.isFolder == true {
      let wanted = part.map { ["\($0).txt"] } ?? ["trainval.txt", "default.txt", "train.txt"]
      let file = wanted.map { lists.appendingPathComponent($0) }.first { $0.isFolder == false }
      // CVAT writes one list, default.txt, which has no parts.
      let whole = lists.appendingPathComponent("default.txt")
      if let file = file ?? (whole.isFolder == false ? whole : nil) {
        names = try CompressedFile.text(file, limit: 64 << 20, of: "a list of names")
          .split(whereSeparator: \.isNewline)
          .map { $0.trimmingCharacters(in: .whitespaces) }.filter { !$0.isEmpty }
      } else if part != nil, try !lists.entries().isEmpty {
        return nil
      }
    }
    let (pictures, _) = try ImageFolder.listing(images)
    let known = Dictionary(
      pictures.map { (($0.name as NSString).deletingPathExtension, $0.url) },
      uniquingKeysWith: { first, _ in first })
    let masks = names == nil ? try ImageFolder.list(classMasks) : []
    let stems = names ?? masks.map { ($0.name as NSString).deletingPathExtension }
    var result: [(name: String, picture: URL, classMask: URL, objectMask: URL)] = []
    for stem in stems {
      guard let picture = known[stem] else {
        throw DatasetError(
          "\(images.relativePath): expected a picture \(stem); there is no such file")
      }
      result.append(
        (
          stem, picture, classMasks.appendingPathComponent("\(stem).png"),
          objectMasks.appendingPathComponent("\(stem).png")
        ))
    }
    return result
  }

  /// The objects of a part; nil where there are lists but not this one.
  func instances(part: InstancePart) throws(DatasetError) -> InstanceData? {
    let list = try classes()
    let palette = list.palette
    guard let files = try files(part == .all ? nil : part.rawValue) else { return nil }
    let hasBackground = palette.entries.first?.name.lowercased() == "background"
    var harvest = FileHarvest()
    var items: [InstanceData.Item] = []
    for file in files {
      let item = try harvest.take { () throws(DatasetError) in
        let size = try DatasetError.wrapping { try ImageFile.size(file.picture.path) }
        // A picture that is listed without masks shows no object.
        guard file.classMask.isFolder != nil || file.objectMask.isFolder != nil else {
          return InstanceData.Item(
            name: file.name, size: size, objects: [], source: .file(file.picture))
        }
        let labels = try MaskFile.read(file.classMask.path, classes: list, size: size)
        return InstanceData.Item(
          name: file.name, size: size,
          objects: try Self.objects(file.objectMask, labels, first: hasBackground ? 1 : 0),
          source: .file(file.picture))
      }
      if let item { items.append(item) }
    }
    try harvest.expectSome()
    var set = try InstanceData(
      name: url.lastPathComponent + (part == .all ? "" : " \(part.rawValue)"),
      classNames: palette.entries.dropFirst(hasBackground ? 1 : 0).map(\.name), items: items)
    set.leftOut = harvest.leftOut
    return set
  }

  /// The objects of a mask of numbers, each of the class that most of its pixels have.
  private static func objects(
    _ url: URL, _ labels: LabelMap, first: Int
  ) throws(DatasetError) -> [EncodedObject] {
    let numbers = try ObjectNumbers.read(url)
    guard numbers.size == labels.size else {
      throw DatasetError(
        "\(url.relativePath): expected a mask of the picture's size \(labels.size), received "
          + "\(numbers.size)")
    }
    var objects: [EncodedObject] = []
    for (number, mask) in numbers.masks {
      var counts = [Int](repeating: 0, count: 256)
      mask.forEachPixel { counts[Int(labels.labels[$0])] += 1 }
      counts[Int(LabelMap.ignored)] = 0
      for index in 0..<first { counts[index] = 0 }
      guard let label = counts.indices.max(by: { counts[$0] < counts[$1] }), counts[label] > 0
      else {
        throw DatasetError(
          "\(url.relativePath): object \(number): expected a class in SegmentationClass, there is "
            + "background alone")
      }
      objects.append(EncodedObject(classIndex: label - first, mask: mask))
    }
    return objects
  }
}

/// Masks of objects as VOC's tools write them: numbers, or a colour an object.
enum ObjectNumbers {
  /// The numbers of objects; 255, the border that does not count, is none of them.
  static func read(_ url: URL) throws(DatasetError) -> InstanceLabels {
    let information = try DatasetError.wrapping(isMask: true) {
      try ImageFile.information(url.path)
    }
    guard information.channels >= 3, !information.hasPalette else {
      let read = try InstanceLabels.read(url)
      return InstanceLabels(
        width: read.width, height: read.height,
        labels: read.labels.map { $0 == 255 && information.bitDepth <= 8 ? 0 : $0 })
    }
    let image = try DatasetError.wrapping(isMask: true) { try ImageFile.read(url) }
    var numbers: [UInt32: UInt16] = [0: 0, ClassList.key(224, 224, 192): 0]
    var labels: [UInt16] = []
    labels.reserveCapacity(image.width * image.height)
    for place in stride(from: 0, to: image.samples.count, by: image.channels) {
      let key = ClassList.key(
        image.samples[place], image.samples[place + 1], image.samples[place + 2])
      if let number = numbers[key] {
        labels.append(number)
        continue
      }
      guard numbers.count < Int(UInt16.max) else {
        throw DatasetError("\(url.relativePath): expected a colour an object, received a picture")
      }
      let number = UInt16(numbers.count - 1)
      numbers[key] = number
      labels.append(number)
    }
    return InstanceLabels(width: image.width, height: image.height, labels: labels)
  }
}
