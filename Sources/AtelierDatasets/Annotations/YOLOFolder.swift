// Sets in the form of YOLO's segmentation: a text file a picture, a line an object in parts of the size.

import AtelierFiles
import AtelierImages
import Foundation

/// Reads and writes YOLO's text files.
package enum YOLOFolder {
  /// The most bytes of a text file that is read.
  private static let mostBytes = 256 << 20

  /// The folders of pictures and of texts of a part, as Ultralytics (`images/train`) or Roboflow
  /// (`train/images`) have them; nil where there are none.
  static func folders(in url: URL, part: InstancePart) -> [(images: URL, labels: URL)] {
    func pair(_ images: String, _ labels: String) -> (images: URL, labels: URL)? {
      let (pictures, texts) = (
        url.appendingPathComponent(images), url.appendingPathComponent(labels)
      )
      return pictures.isFolder == true && texts.isFolder == true ? (pictures, texts) : nil
    }
    func parts(_ part: InstancePart) -> (images: URL, labels: URL)? {
      part.folders.lazy.compactMap {
        pair("images/\($0)", "labels/\($0)") ?? pair("\($0)/images", "\($0)/labels")
      }.first
    }
    let known = InstancePart.allCases.filter { $0 != .all }.compactMap { parts($0) }
    guard known.isEmpty else { return part == .all ? known : parts(part).map { [$0] } ?? [] }
    if let pair = pair("images", "labels") { return [pair] }
    return isFlat(url) ? [(url, url)] : []
  }

  /// Whether texts lie beside their pictures and `classes.txt`, as LabelImg and `segment propose`
  /// write them.
  private static func isFlat(_ url: URL) -> Bool {
    guard let entries = try? url.entries(), entries.contains(Self.classList) else { return false }
    func stems(where isWanted: (String) -> Bool) -> Set<String> {
      Set(
        entries.filter { isWanted(($0 as NSString).pathExtension.lowercased()) }
          .map { ($0 as NSString).deletingPathExtension })
    }
    return !stems { $0 == "txt" }.isDisjoint(with: stems { ImageFile.extensions.contains($0) })
  }

  /// The file that lists classes beside flat texts.
  private static let classList = "classes.txt"

  /// Whether there are texts of this form at a place.
  static func isThere(_ url: URL) -> Bool {
    folders(in: url, part: .all).contains { pair in
      ((try? pair.labels.entries()) ?? []).contains { $0.hasSuffix(".txt") }
    }
  }

  /// Reads a part of a set; nil where there are parts but not this one.
  static func read(_ url: URL, part: InstancePart) throws(DatasetError) -> InstanceData? {
    let pairs = folders(in: url, part: part)
    guard !pairs.isEmpty else { return nil }
    let names = try classNames(of: url)
    var items: [InstanceData.Item] = []
    var leftOut: [String] = []
    var highest = -1
    for pair in pairs {
      let (files, others) = try ImageFolder.listing(pair.images)
      var harvest = FileHarvest()
      for (name, file) in files {
        let text = pair.labels.appendingPathComponent(
          (name as NSString).deletingPathExtension + ".txt")
        let item = try harvest.take { () throws(DatasetError) in
          let size = try DatasetError.wrapping { try ImageFile.size(file.path) }
          // A picture without a text shows no object.
          let objects = text.isFolder == nil ? [] : try Self.objects(text, size)
          highest = max(highest, objects.map(\.classIndex).max() ?? -1)
          return InstanceData.Item(
            name: (name as NSString).deletingPathExtension, size: size, objects: objects,
            source: .file(file))
        }
        if let item { items.append(item) }
      }
      try harvest.expectSome()
      leftOut += harvest.leftOut
      // Flat texts are no strangers among their pictures, nor is what `segment propose` writes.
      let known = [".txt", ".yaml", ".yml", "order.csv"]
      let strangers =
        pair.images == pair.labels
        ? others.filter { name in !known.contains { name.hasSuffix($0) } } : others
      if let line = ImageFolder.leftOutLine(strangers, in: pair.images.relativePath) {
        leftOut.append(line)
      }
    }
    if let names, highest >= names.count {
      throw DatasetError(
        "\(url.relativePath): expected classes of 0 to \(names.count - 1), received \(highest)")
    }
    let suffix = part == .all ? "" : " \(part.rawValue)"
    var set = try InstanceData(
      name: url.lastPathComponent + suffix,
      classNames: names ?? (0...max(highest, 0)).map(String.init), items: items)
    set.leftOut = leftOut
    return set
  }

  /// The objects of a text: `class x y x y …`, or `class x y width height` for a box about its middle.
  private static func objects(_ url: URL, _ size: PixelSize) throws(DatasetError) -> [EncodedObject]
  {
    let text = try CompressedFile.text(url, limit: mostBytes, of: "objects")
    let (width, height) = (Double(size.width), Double(size.height))
    var objects: [EncodedObject] = []
    for (index, line) in text.split(whereSeparator: \.isNewline).enumerated() {
      let words = line.split(whereSeparator: { $0 == " " || $0 == "\t" })
      guard !words.isEmpty else { continue }
      let title = "\(url.relativePath): line \(index + 1)"
      let numbers = words.dropFirst().compactMap { Double($0) }
      guard let classIndex = Int(words[0]), (0..<10_000).contains(classIndex),
        numbers.count == words.count - 1, numbers.allSatisfy({ (-1...2).contains($0) }),
        numbers.count == 4 || (numbers.count >= 6 && numbers.count.isMultiple(of: 2))
      else {
        throw DatasetError(
          "\(title): expected a class and the corners of a polygon in parts of the picture, "
            + "received '\(line.prefix(60))'")
      }
      let shape: DrawnShape.Area
      if numbers.count == 4 {
        shape = .box(
          x: (numbers[0] - numbers[2] / 2) * width, y: (numbers[1] - numbers[3] / 2) * height,
          width: numbers[2] * width, height: numbers[3] * height)
      } else {
        shape = .polygon(
          numbers.enumerated().map { $0.offset % 2 == 0 ? $0.element * width : $0.element * height }
        )
      }
      do {
        objects.append(
          EncodedObject(
            classIndex: classIndex,
            mask: try DrawnShape(label: "", area: shape, group: nil).mask(size)))
      } catch { throw DatasetError("\(title): \(error)") }
    }
    return objects
  }

  /// The names of `data.yaml` or `classes.txt`; nil without one.
  private static func classNames(of url: URL) throws(DatasetError) -> [String]? {
    for name in ["data.yaml", "data.yml", "dataset.yaml"] {
      let file = url.appendingPathComponent(name)
      guard file.isFolder == false else { continue }
      let text = try CompressedFile.text(file, limit: 1 << 20, of: "a description of the set")
      do {
        var reader = YAMLNames(text)
        if let names = try reader.names() { return names }
      } catch { throw DatasetError("\(file.relativePath): \(error)") }
      throw DatasetError("\(file.relativePath): expected names of classes, there are none")
    }
    for name in ["classes.txt", "labels/classes.txt"] {
      let file = url.appendingPathComponent(name)
      if let names = try ClassNames.read(file) { return names }
    }
    return nil
  }

  /// The `data.yaml` of texts that lie beside their pictures.
  package static func description(classNames: [String]) -> String {
    let names = classNames.enumerated().map { index, name in
      let escaped = name.replacingOccurrences(of: "\\", with: "\\\\")
        .replacingOccurrences(of: "\"", with: "\\\"")
      return "  \(index): \"\(escaped)\"\n"
    }
    return "path: .\ntrain: .\nval: .\nnames:\n" + names.joined()
  }

  /// One picture's text: a line an object, its parts and holes joined to one polygon.
  package static func text(objects: [EncodedObject], size: PixelSize) -> String {
    func part(_ value: Double, of whole: Int) -> String {
      String(format: "%.6f", value / Double(whole))
    }
    return objects.filter { !$0.isCrowd }.compactMap { object -> String? in
      let corners = object.mask.polygon
      guard corners.count >= 3 else { return nil }
      return
        ([String(object.classIndex)]
        + corners.flatMap { [part($0.x, of: size.width), part($0.y, of: size.height)] })
        .joined(separator: " ") + "\n"
    }.joined()
  }
}
