// Sets in the form of Cityscapes (Cordts and others 2016): pictures by city, masks of label numbers.

import AtelierImages
import Foundation

/// Reads `leftImg8bit/PART/CITY/…_leftImg8bit.png` with `gtFine/PART/CITY/…_gtFine_labelIds.png`.
struct CityscapesFolder {
  /// The nineteen classes that are trained and measured, with the numbers that stand in the masks.
  static let classes: [(name: String, number: Int, color: [UInt8])] = [
    ("road", 7, [128, 64, 128]), ("sidewalk", 8, [244, 35, 232]), ("building", 11, [70, 70, 70]),
    ("wall", 12, [102, 102, 156]), ("fence", 13, [190, 153, 153]), ("pole", 17, [153, 153, 153]),
    ("traffic light", 19, [250, 170, 30]), ("traffic sign", 20, [220, 220, 0]),
    ("vegetation", 21, [107, 142, 35]), ("terrain", 22, [152, 251, 152]),
    ("sky", 23, [70, 130, 180]), ("person", 24, [220, 20, 60]), ("rider", 25, [255, 0, 0]),
    ("car", 26, [0, 0, 142]), ("truck", 27, [0, 0, 70]), ("bus", 28, [0, 60, 100]),
    ("train", 31, [0, 80, 100]), ("motorcycle", 32, [0, 0, 230]), ("bicycle", 33, [119, 11, 32]),
  ]

  private let images: URL
  private let masks: URL

  /// The set at a place; nil when it is of another form.
  init?(_ url: URL) {
    images = url.appendingPathComponent("leftImg8bit")
    let folders = ["gtFine", "gtCoarse"].map { url.appendingPathComponent($0) }
    guard images.isFolder == true, let found = folders.first(where: { $0.isFolder == true }) else {
      return nil
    }
    masks = found
  }

  /// The classes; all other numbers do not count.
  static var list: ClassList {
    var values = [UInt8?](repeating: LabelMap.ignored, count: 256)
    for (index, entry) in classes.enumerated() { values[entry.number] = UInt8(index) }
    return ClassList(
      ClassPalette(classes.map { .init(name: $0.name, color: $0.color) }), values: values)
  }

  /// Pictures and masks of a part; nil where there is none.
  func files(
    _ part: SegmentationPart
  ) throws(DatasetError) -> [(name: String, picture: URL, mask: URL)]? {
    let folder = images.appendingPathComponent(part.rawValue)
    guard folder.isFolder == true else { return nil }
    return try ImageFolder.list(folder).map { name, url in
      let stem = (name as NSString).deletingPathExtension
      let bare = stem.hasSuffix("_leftImg8bit") ? String(stem.dropLast(12)) : stem
      let file = "\(part.rawValue)/\(bare)_\(masks.lastPathComponent)_labelIds.png"
      return (name, url, masks.appendingPathComponent(file))
    }
  }
}
