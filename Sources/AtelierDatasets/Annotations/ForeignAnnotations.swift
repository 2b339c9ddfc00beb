// Annotations of tools whose own form is not read, named with what to export instead.

import AtelierFiles
import AtelierImages
import Foundation

/// Tells forms of annotations that are not read.
enum ForeignAnnotations {
  /// How much of a file is looked at.
  private static let head = 1 << 14
  /// How many files of each kind, and how many entries of folders, are looked at.
  private static let (mostFiles, mostEntries) = (4, 2000)

  /// Throws what to export instead where a folder holds files of a form that is not read.
  static func refuse(in folder: URL) throws(DatasetError) {
    guard let entries = FileManager.default.enumerator(at: folder, includingPropertiesForKeys: nil)
    else { return }
    var looked: [String: Int] = [:]
    var count = 0
    while count < mostEntries, let file = entries.nextObject() as? URL {
      count += 1
      let ending = file.pathExtension.lowercased()
      guard ["json", "xml"].contains(ending), looked[ending, default: 0] < mostFiles else {
        continue
      }
      looked[ending, default: 0] += 1
      try refuse(file: file)
    }
  }

  /// Throws what to export instead of a file of a form that is not read.
  static func refuse(file: URL) throws(DatasetError) {
    guard let advice = advice(file) else { return }
    throw DatasetError(
      "\(file.relativePath): \(advice)", isBrokenFile: false, isForeignForm: true)
  }

  private static func advice(_ file: URL) -> String? {
    guard InputFile.otherKind(file.path) == nil, let handle = try? FileHandle(forReadingFrom: file)
    else { return nil }
    defer { try? handle.close() }
    guard let data = try? handle.read(upToCount: head) else { return nil }
    let text = String(decoding: data, as: UTF8.self)
    return file.pathExtension.lowercased() == "xml" ? xml(text) : json(text)
  }

  private static func xml(_ text: String) -> String? {
    if text.contains("<annotations>"), text.contains("<image ") || text.contains("<meta>") {
      return "CVAT's XML is not read; export COCO 1.0 or Segmentation mask 1.1 from CVAT instead"
    }
    guard text.contains("<annotation") else { return nil }
    if text.contains("<bndbox>") {
      return "boxes of Pascal VOC's XML have no masks and are not read; export masks as "
        + "SegmentationObject, COCO or YOLO polygons instead"
    }
    return text.contains("<polygon>") || text.contains("<object>")
      ? "LabelMe's XML is not read; export COCO, or JSON of the program labelme, instead" : nil
  }

  private static func json(_ text: String) -> String? {
    func has(_ keys: String...) -> Bool { keys.allSatisfy { text.contains("\"\($0)\"") } }
    let isList = text.first { !$0.isWhitespace } == "["
    if isList, has("data"), has("annotations") || has("result") || has("completions") {
      return "Label Studio's own JSON is not read; export COCO or YOLO with images instead"
    }
    if !isList, has("project", "pid") || has("project", "config", "attribute") {
      return "a project of VIA 3 is not read; export COCO from it, or draw with VIA 2"
    }
    if !isList, has("items", "categories", "info"), !has("images") {
      return "datumaro's own JSON is not read; export coco_instances instead"
    }
    return nil
  }
}
