// Annotations of other tools: each form read to the pixel, told from the others, refused when broken.

import AtelierDatasets
import AtelierEngine
import AtelierImages
import Foundation
import TestSupport
import Testing

struct AnnotationFormTests {
  private let size = PixelSize(width: 20, height: 12)

  /// A picture of the size in a file.
  private func picture(_ url: URL) throws {
    try FileManager.default.createDirectory(
      at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
    try ImageFile.write(
      ByteImage(width: size.width, height: size.height, channels: 3, filledWith: 90), to: url)
  }

  private func write(_ text: String, _ url: URL) throws {
    try FileManager.default.createDirectory(
      at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
    try Data(text.utf8).write(to: url)
  }

  /// The pixels of a box as a mask.
  private func box(_ x: Range<Int>, _ y: Range<Int>) -> RunLengthMask {
    var pixels = [Bool](repeating: false, count: size.width * size.height)
    for row in y { for column in x { pixels[row * size.width + column] = true } }
    return RunLengthMask(BinaryMask(width: size.width, height: size.height, pixels: pixels))
  }

  @Test func `labelme: polygons, rectangles and groups, lines left out and told`() throws {
    try withScratchFolder { folder in
      try picture(folder.appendingPathComponent("a.png"))
      try write(
        """
        {"version": "5.4.1", "flags": {}, "shapes": [
          {"label": "cat", "points": [[2, 3], [7, 3], [7, 9], [2, 9]], "group_id": null,
           "shape_type": "polygon", "flags": {}},
          {"label": "bird", "points": [[15, 6], [10, 1]], "group_id": 4, "shape_type": "rectangle"},
          {"label": "bird", "points": [[16, 1], [19, 1], [19, 3], [16, 3]], "group_id": 4},
          {"label": "cat", "points": [[1, 1]], "shape_type": "point"}],
         "imagePath": "..\\\\pictures\\\\a.png", "imageData": null, "imageHeight": 12,
         "imageWidth": 20}
        """, folder.appendingPathComponent("a.json"))
      let set = try InstanceData.read(folder)
      #expect(set.classNames == ["bird", "cat"] && set.count == 1)
      let objects = set.items[0].objects
      #expect(objects.map(\.classIndex) == [1, 0])
      // Corners stand for the pixels that they lie in, as labelme fills them.
      #expect(objects[0].mask == box(2..<8, 3..<10))
      #expect(objects[1].mask == RunLengthMask.union([box(10..<16, 1..<7), box(16..<20, 1..<4)]))
      #expect(set.leftOut.contains { $0.contains("1 points and lines") })
      // The same as classes of pixels: background, bird, cat.
      let semantic = try #require(try SegmentedImages.read(folder, part: .training))
      #expect(semantic.palette.names == ["background", "bird", "cat"])
      #expect(semantic.items[0].labels.labels[4 * 20 + 3] == 2)
    }
  }

  @Test func `VIA: both versions' regions, the class by its attribute`() throws {
    try withScratchFolder { folder in
      try picture(folder.appendingPathComponent("images/b.png"))
      try write(
        """
        {"b.png123": {"filename": "b.png", "size": 123, "regions": {"0": {
           "shape_attributes": {"name": "polygon", "all_points_x": [1, 5, 5, 1],
             "all_points_y": [2, 2, 6, 6]}, "region_attributes": {"note": "a", "label": "leaf"}}},
           "file_attributes": {}}}
        """, folder.appendingPathComponent("via.json"))
      let set = try InstanceData.read(folder)
      #expect(set.classNames == ["leaf"] && set.items[0].objects[0].mask == box(1..<5, 2..<6))
      try write(
        """
        {"_via_settings": {"ui": {}}, "_via_img_metadata": {"b": {"filename": "b.png", "size": 1,
          "regions": [{"shape_attributes": {"name": "rect", "x": 3, "y": 1, "width": 4,
            "height": 5}, "region_attributes": {"type": {"leaf": true}}},
            {"shape_attributes": {"name": "point", "cx": 1, "cy": 1}, "region_attributes": {}}]}}}
        """, folder.appendingPathComponent("via.json"))
      let project = try InstanceData.read(folder)
      #expect(project.items[0].objects.map(\.mask) == [box(3..<7, 1..<6)])
      // One file alone.
      #expect(try InstanceData.read(folder.appendingPathComponent("via.json")).objectCount == 1)
    }
  }

  @Test func `YOLO: polygons and boxes of parts, names of data.yaml`() throws {
    try withScratchFolder { folder in
      try picture(folder.appendingPathComponent("train/images/c.png"))
      try picture(folder.appendingPathComponent("train/images/empty.png"))
      try picture(folder.appendingPathComponent("valid/images/d.png"))
      try write(
        "names:\n  0: 'bolt'\n  1: nut\nnc: 2\n", folder.appendingPathComponent("data.yaml"))
      try write(
        "1 0.1 0.25 0.35 0.25 0.35 0.75 0.1 0.75\n",
        folder.appendingPathComponent("train/labels/c.txt"))
      try write("0 0.5 0.5 0.2 0.5\n", folder.appendingPathComponent("valid/labels/d.txt"))
      let set = try InstanceData.read(folder, part: .training)
      #expect(set.classNames == ["bolt", "nut"] && set.items.map(\.name) == ["c", "empty"])
      #expect(set.items[0].objects.map(\.mask) == [box(2..<7, 3..<9)])
      #expect(set.items[0].objects[0].classIndex == 1 && set.items[1].objects.isEmpty)
      let held = try InstanceData.read(folder, part: .validation)
      #expect(held.items[0].objects.map(\.mask) == [box(8..<12, 3..<9)])
      #expect(errorLine { _ = try InstanceData.read(folder, part: .test) } != nil)
    }
  }

  @Test func `VOC: classes by most pixels, the border does not count`() throws {
    try withScratchFolder { folder in
      try picture(folder.appendingPathComponent("JPEGImages/e.png"))
      var (classes, objects) = (
        [UInt8](repeating: 0, count: 240), [UInt8](repeating: 0, count: 240)
      )
      for row in 2..<6 {
        for column in 3..<9 {
          let isBorder = row == 2 || column == 3
          classes[row * 20 + column] = isBorder ? 255 : 12
          objects[row * 20 + column] = isBorder ? 255 : 1
        }
      }
      for (name, labels) in [("SegmentationClass", classes), ("SegmentationObject", objects)] {
        let map = LabelMap(width: 20, height: 12, labels: labels)
        let url = folder.appendingPathComponent("\(name)/e.png")
        try FileManager.default.createDirectory(
          at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
        try ImageFile.write(map.indexed(ClassPalette([])), to: url.path)
      }
      let set = try InstanceData.read(folder)
      #expect(set.classNames[set.items[0].objects[0].classIndex] == "dog")
      #expect(set.items[0].objects.map(\.mask) == [box(4..<9, 3..<6)])
      let semantic = try #require(try SegmentedImages.read(folder, part: .training))
      #expect(semantic.palette.names[12] == "dog")
      #expect(semantic.items[0].labels.labels[2 * 20 + 3] == LabelMap.ignored)
    }
  }

  @Test func `Cityscapes: numbers become the nineteen classes`() throws {
    try withScratchFolder { folder in
      try picture(folder.appendingPathComponent("leftImg8bit/train/ulm/f_leftImg8bit.png"))
      var labels = [UInt8](repeating: 7, count: 240)
      labels[0] = 26
      labels[1] = 4
      let url = folder.appendingPathComponent("gtFine/train/ulm/f_gtFine_labelIds.png")
      try FileManager.default.createDirectory(
        at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
      try ImageFile.write(
        ByteImage(width: 20, height: 12, channels: 1, samples: labels), to: url)
      let set = try #require(try SegmentedImages.read(folder, part: .training))
      #expect(set.palette.count == 19 && set.palette.names[13] == "car")
      #expect(set.items[0].labels.labels.prefix(3) == [13, LabelMap.ignored, 0])
      #expect(try SegmentedImages.read(folder, part: .validation) == nil)
    }
  }

  @Test func `masks with holes and parts survive polygons without either`() throws {
    var pixels = [Bool](repeating: false, count: 240)
    for row in 1..<11 { for column in 1..<12 { pixels[row * 20 + column] = true } }
    for row in 3..<6 { for column in 4..<9 { pixels[row * 20 + column] = false } }
    pixels[4 * 20 + 6] = true
    for row in 2..<9 { pixels[row * 20 + 15] = true }
    let mask = BinaryMask(width: 20, height: 12, pixels: pixels)
    let object = EncodedObject(classIndex: 0, mask: RunLengthMask(mask))
    try withScratchFolder { folder in
      try picture(folder.appendingPathComponent("g.png"))
      try LabelmeFile.json(
        objects: [object], classNames: ["ring"], fileName: "g.png", size: size
      ).write(to: folder.appendingPathComponent("g.json"))
      #expect(try InstanceData.read(folder).items[0].objects.map(\.mask) == [object.mask])
    }
    try withScratchFolder { folder in
      try picture(folder.appendingPathComponent("images/g.png"))
      try write(
        YOLOFolder.text(objects: [object], size: size),
        folder.appendingPathComponent("labels/g.txt"))
      #expect(try InstanceData.read(folder).items[0].objects.map(\.mask) == [object.mask])
    }
  }

  @Test(arguments: [
    ("a.json", #"{"shapes": [{"label": "x", "points": [[1, 2], [3]]}], "imagePath": "a.png"}"#),
    ("a.json", #"{"shapes": [{"label": "x", "points": [[1, 2], [3, 4]]}], "imagePath": "a.png"}"#),
    ("a.json", #"{"shapes": [{"label": "x", "points": [], "shape_type": "cube"}]}"#),
    ("a.json", #"{"shapes": [], "imagePath": "../secret.png", "imageWidth": 4}"#),
    (
      "a.json", #"{"p": {"filename": "a.png", "regions": [{"shape_attributes": {"name": "hat"}}]}}"#
    ),
    ("a.json", #"{"shapes": [{"label": "x""#),
  ])
  func `broken files are told in one line`(_ name: String, _ text: String) throws {
    try withScratchFolder { folder in
      if !text.contains("secret") { try picture(folder.appendingPathComponent("a.png")) }
      try write(text, folder.appendingPathComponent(name))
      let line = errorLine { _ = try InstanceData.read(folder) }
      #expect(line?.contains(name) == true, "\(line ?? "no error")")
    }
  }

  @Test func `mixed forms are refused by name`() throws {
    try withScratchFolder { folder in
      try picture(folder.appendingPathComponent("a.png"))
      try write(#"{"shapes": [], "imagePath": "a.png"}"#, folder.appendingPathComponent("a.json"))
      try write(
        #"{"x": {"filename": "a.png", "regions": []}}"#, folder.appendingPathComponent("b.json"))
      let line = errorLine { _ = try InstanceData.read(folder) }
      #expect(line?.contains("labelme (a.json)") == true && line?.contains("VIA (b.json)") == true)
    }
  }

  /// How many damaged copies are read; more where the environment says so.
  private static let damagedCopies =
    ProcessInfo.processInfo.environment["ATELIER_MUTATIONS"].flatMap { Int($0) } ?? 2000

  /// Thousands of damaged copies: an error or a set, never a crash.
  @Test func `damaged copies end in one line`() throws {
    let forms = [
      (
        "labelme/a.json",
        #"{"shapes":[{"label":"x","points":[[1,2],[9,3],[5,8]],"group_id":1}],"imagePath":"a.png"}"#
      ),
      (
        "via/a.json",
        #"{"p":{"filename":"a.png","regions":[{"shape_attributes":{"name":"circle","cx":5,"cy":5,"r":3},"region_attributes":{"a":"b"}}]}}"#
      ),
      ("yolo/a.txt", "0 0.1 0.2 0.9 0.3 0.5 0.8\n1 0.5 0.5 0.2 0.3\n"),
      ("yolo/classes.txt", "cat\ndog\n"),
    ]
    try withScratchFolder { folder in
      for name in ["labelme", "via", "yolo"] {
        let place = folder.appendingPathComponent(name)
        try FileManager.default.createDirectory(at: place, withIntermediateDirectories: true)
        try picture(place.appendingPathComponent("a.png"))
      }
      for (name, text) in forms { try write(text, folder.appendingPathComponent(name)) }
      var random = RandomGenerator(seed: 7)
      for round in 0..<Self.damagedCopies {
        let (name, text) = forms[round % forms.count]
        let file = folder.appendingPathComponent(name)
        var bytes = [UInt8](text.utf8)
        for _ in 0...Int.random(in: 0...3, using: &random) {
          let place = Int.random(in: 0..<bytes.count, using: &random)
          switch Int.random(in: 0...2, using: &random) {
          case 0: bytes[place] = UInt8.random(in: 0...255, using: &random)
          case 1: bytes.removeSubrange(place..<min(bytes.count, place + 4))
          default: bytes.insert(contentsOf: [0x39, 0x39, 0x39, 0x39, 0x39], at: place)
          }
          if bytes.isEmpty { bytes = [0x7B] }
        }
        try Data(bytes).write(to: file)
        let set = file.deletingLastPathComponent()
        if let line = errorLine({ _ = try InstanceData.read(set) }) {
          #expect(!line.contains("\n") && !line.isEmpty, "\(round)")
        }
        try write(text, file)
      }
    }
  }
}
