// The habits of annotation tools: what COCO, labelme and VIA files of real life hold is read, or told.

import AtelierDatasets
import AtelierImages
import Foundation
import TestSupport
import Testing

struct AnnotationHabitTests {
  private static let size = PixelSize(width: 20, height: 12)

  private func picture(_ url: URL) throws {
    try FileManager.default.createDirectory(
      at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
    try ImageFile.write(
      ByteImage(width: 20, height: 12, channels: 3, filledWith: 90), to: url)
  }

  private func write(_ text: String, _ url: URL) throws {
    try FileManager.default.createDirectory(
      at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
    try Data(text.utf8).write(to: url)
  }

  /// COCO's text of one picture with annotations of the class `cell`, each by its parts.
  private static func coco(
    _ annotations: [String], image: String = #""id":1,"file_name":"a.png","width":20,"height":12"#
  ) -> String {
    let parts = annotations.enumerated().map {
      #"{"id":\#($0),"image_id":1,"category_id":3,\#($1)}"#
    }
    return #"{"images":[{\#(image)}],"categories":[{"id":3,"name":"cell"}],"annotations":["#
      + parts.joined(separator: ",") + "]}"
  }

  private static let square = #""segmentation":[[2,3,7,3,7,9,2,9]]"#
  private static let runs = #""segmentation":{"counts":[0,2,238],"size":[12,20]}"#

  @Test(arguments: [
    // Boxes without an outline are filled and told.
    ([#""segmentation":[],"bbox":[2,3,5,6]"#], [30], "1 of 1 annotations have a box"),
    (
      [#""segmentation":null,"bbox":[2,3,5,6]"#, square], [30, 30], "1 of 2 annotations have a box"
    ),
    ([#""bbox":[2,3,5,6]"#, #""segmentation":[[]],"bbox":[2,3,5,6]"#], [30, 30], "2 of 2"),
    // What has no pixels beside a polygon is dropped.
    ([#""segmentation":[[2,3,7,3,7,9,2,9],[1,1,2,2]]"#], [30], ""),
    // A flat list is one polygon.
    ([#""segmentation":[2,3,7,3,7,9,2,9]"#], [30], ""),
    ([#"\#(square),"iscrowd":null"#, #"\#(square),"iscrowd":0.0"#], [30, 30], ""),
  ])
  func `COCO's annotations as tools write them`(
    _ annotations: [String], _ areas: [Int], _ remark: String
  ) throws {
    try withScratchFolder { folder in
      try picture(folder.appendingPathComponent("a.png"))
      try write(Self.coco(annotations), folder.appendingPathComponent("set.json"))
      let set = try InstanceData.read(folder)
      #expect(set.items[0].objects.map(\.mask.area) == areas)
      #expect(set.leftOut.count == (remark.isEmpty ? 0 : 1))
      #expect(remark.isEmpty || set.leftOut[0].contains(remark), "\(set.leftOut)")
    }
  }

  @Test(arguments: [
    // CVAT's brush: all runs are crowds, alone or beside polygons with attributes.
    ([#"\#(runs),"iscrowd":1"#], 1, "they are taken as objects"),
    (
      [#"\#(square),"iscrowd":0,"attributes":{}"#, #"\#(runs),"iscrowd":1,"attributes":{}"#], 2,
      "they are taken as objects"
    ),
    // COCO's own crowds.
    ([square, #"\#(runs),"iscrowd":1"#], 1, "1 of 2 annotations are crowds"),
    ([#"\#(runs),"iscrowd":0"#, #"\#(runs),"iscrowd":1,"attributes":{}"#], 1, "are crowds"),
    ([#"\#(runs),"iscrowd":0"#], 1, ""),
  ])
  func `crowds are told from the masks of a brush`(
    _ annotations: [String], _ objects: Int, _ remark: String
  ) throws {
    try withScratchFolder { folder in
      try picture(folder.appendingPathComponent("a.png"))
      try write(Self.coco(annotations), folder.appendingPathComponent("set.json"))
      let set = try InstanceData.read(folder)
      #expect(set.objectCount == objects)
      #expect(remark.isEmpty ? set.leftOut.isEmpty : set.leftOut[0].contains(remark))
    }
  }

  @Test(arguments: [
    #""id":1,"file_name":"a.png""#, #""id":"1","file_name":"a.png","width":null,"height":null"#,
    #""id":1.0,"file_name":"a.png","width":20.0,"height":12.0"#,
  ])
  func `COCO's images without sizes and with other numbers`(_ image: String) throws {
    try withScratchFolder { folder in
      try picture(folder.appendingPathComponent("a.png"))
      try write(
        Self.coco([Self.square], image: image), folder.appendingPathComponent("set.json"))
      let set = try InstanceData.read(folder)
      #expect(set.items[0].size == Self.size && set.items[0].objects[0].mask.area == 30)
    }
  }

  @Test func `numbers may be texts, of annotations twice`() throws {
    let text =
      #"{"images":[{"id":"x-1","file_name":"a"},{"id":"y","file_name":"b"}],"#
      + #""categories":[{"id":"7","name":"c"}],"annotations":["#
      + #"{"id":"u","image_id":"y","category_id":7.0},{"id":"u","image_id":"x-1","category_id":7}]}"#
    let document = try COCODocument(json: [UInt8](text.utf8), name: "f")
    #expect(document.annotations.map(\.pictureID) == document.pictures.map(\.id).reversed())
    #expect(document.annotations.map(\.categoryID) == [7, 7] && document.categories[0].id == 7)
    #expect(try COCODocument(json: [UInt8](document.json(description: "")), name: "f") == document)
  }

  @Test(arguments: [
    ("images/a.png", "../../media/upload/1/a.png", "a"),
    ("a.png", "/home/someone/data/a.png", "a"),
    ("a.png", #"C:\Users\x\a.png"#, "a"),
    ("a.png", "https://example.com/bucket/a.png?version=2", "a"),
    ("a.png", "data/images/a.png", "a"),
    ("images/a.png", "./images/a.png", "images/a"),
    ("my cell.png", "my%20cell.png", "my cell"),
    ("a.PNG", "a.png", "a"),
    ("Batch/a.png", "batch/A.png", "Batch/a"),
    ("p1_png.rf.aa11.png", "p1_png.rf.aa11.png", "p1_png.rf.aa11"),
    ("dots.in.name.png", "dots.in.name.png", "dots.in.name"),
  ])
  func `pictures are found by names from elsewhere`(
    _ file: String, _ fileName: String, _ name: String
  ) throws {
    try withScratchFolder { folder in
      try picture(folder.appendingPathComponent(file))
      let escaped = fileName.replacingOccurrences(of: "\\", with: "\\\\")
      let image = #""id":1,"file_name":"\#(escaped)","width":20,"height":12"#
      try write(
        Self.coco([Self.square], image: image), folder.appendingPathComponent("set.json"))
      let set = try InstanceData.read(folder)
      #expect(set.items.map(\.name) == [name] && set.leftOut.isEmpty)
      #expect(set.items[0].fileName.hasSuffix((file as NSString).lastPathComponent))
    }
  }

  @Test func `no name leads out of the folders, and no two names to one file`() throws {
    #expect(PictureSearch.tails("../../secret/a.png") == ["secret/a.png", "a.png"])
    #expect(PictureSearch.tails("a/%2e%2e/b.png") == ["a/%2e%2e/b.png", "%2e%2e/b.png", "b.png"])
    #expect(PictureSearch.tails("..").isEmpty && PictureSearch.tails("a\0b").isEmpty)
    try withScratchFolder { folder in
      try picture(folder.appendingPathComponent("a.png"))
      let text =
        #"{"images":[{"id":1,"file_name":"x/a.png"},{"id":2,"file_name":"y/a.png"}],"#
        + #""categories":[{"id":1,"name":"c"}],"annotations":[]}"#
      try write(text, folder.appendingPathComponent("set.json"))
      let line = errorLine { _ = try InstanceData.read(folder) }
      #expect(line?.contains("image 2: expected a picture of its own for y/a.png") == true)
    }
  }

  @Test func `a missing picture is left out and counted`() throws {
    try withScratchFolder { folder in
      try picture(folder.appendingPathComponent("a.png"))
      let text =
        #"{"images":[{"id":1,"file_name":"gone.png"},{"id":2,"file_name":"a.png"}],"#
        + #""categories":[{"id":1,"name":"c"}],"annotations":[{"id":1,"image_id":1,"#
        + #""category_id":1,\#(Self.square)},{"id":2,"image_id":2,"category_id":1,\#(Self.square)}]}"#
      try write(text, folder.appendingPathComponent("set.json"))
      let set = try InstanceData.read(folder)
      #expect(set.items.map(\.name) == ["a"] && set.objectCount == 1)
      #expect(
        set.leftOut.first?.contains("1 of 2 pictures are not there and left out, such as gone.png")
          == true)
    }
  }

  @Test(arguments: [
    ("annotations/instances_default.json", "images/default/a.png"),
    ("annotations/instances_default.json", "images/a.png"),
    ("annotations/instances_train2017.json", "train2017/a.png"),
    ("annotations/instances_Train.json", "images/Train/a.png"),
    ("train/_annotations.coco.json", "train/a.png"),
    ("result.json", "images/a.png"),
  ])
  func `COCO's folders as tools lay them`(_ json: String, _ file: String) throws {
    try withScratchFolder { folder in
      try picture(folder.appendingPathComponent(file))
      try write(Self.coco([Self.square]), folder.appendingPathComponent(json))
      if json.contains("2017") {
        try write(
          #"{"annotations":[]}"#,
          folder.appendingPathComponent("annotations/captions_train2017.json"))
        try write(
          #"{"images":[],"annotations":[],"categories":[]}"#,
          folder.appendingPathComponent("annotations/instances_val2017.json"))
      }
      for place in [folder, folder.appendingPathComponent(json)] {
        let set = try InstanceData.read(place, part: .training)
        #expect(set.items.map(\.name) == ["a"] || set.items.map(\.name) == ["images/a"])
        #expect(set.objectCount == 1)
      }
    }
  }

  // MARK: - labelme and VIA

  private static func labelme(_ shape: String, image: String = "a.png", data: String = "null")
    -> String
  {
    #"{"shapes":[\#(shape)],"imagePath":"\#(image)","imageData":\#(data)}"#
  }

  @Test(arguments: [
    (#""points":[[2,3],[7,3],[7,9],[2,9]],"shape_type":"rectangle""#, 42),
    (#""points":[[2,3],[7,3],[7,9],[2,9]],"shape_type":"oriented_rectangle""#, 42),
    (#""points":[[2,3],[7,3],[7,9],[2,9]],"shape_type":null,"group_id":"3""#, 42),
    // Pillow's ellipse in the box of pixels 4...8: 3 + 5 + 5 + 5 + 3.
    (#""points":[[6,6],[8,6]],"shape_type":"circle""#, 21),
    (#""points":[[6,6],[6,6]],"shape_type":"circle""#, 0),
  ])
  func `labelme's shapes fill as labelme fills them`(_ shape: String, _ area: Int) throws {
    try withScratchFolder { folder in
      try picture(folder.appendingPathComponent("a.png"))
      try write(
        Self.labelme(#"{"label":"x",\#(shape)}"#), folder.appendingPathComponent("a.json"))
      #expect(try InstanceData.read(folder).items[0].objects.map(\.mask.area) == [area])
    }
  }

  /// Rows of discs as Pillow 11 draws them: `ImageDraw.ellipse((x - r, y - r, x + r, y + r))`.
  @Test(arguments: [
    (10.0, 6.0, 4.6, ["5...14", "5...14"]), (10.5, 5.5, 3.2, ["7...13", "7...13"]),
  ])
  func `the middle rows of discs`(_ x: Double, _ y: Double, _ radius: Double, _ rows: [String])
    throws
  {
    try withScratchFolder { folder in
      try picture(folder.appendingPathComponent("a.png"))
      let shape =
        #"{"label":"x","points":[[\#(x),\#(y)],[\#(x + radius),\#(y)]],"shape_type":"circle"}"#
      try write(Self.labelme(shape), folder.appendingPathComponent("a.json"))
      let mask = try InstanceData.read(folder).items[0].objects[0].mask.mask
      for (row, text) in zip(Int(y)..., rows) {
        let filled = (0..<20).filter { mask.pixels[row * 20 + $0] }
        #expect("\(filled.first ?? -1)...\(filled.last ?? -1)" == text)
      }
    }
  }

  @Test func `a picture in labelme's file stands in for a lost one`() throws {
    try withScratchFolder { folder in
      let image = ByteImage(width: 20, height: 12, channels: 3, filledWith: 90)
      let data = "\"\(Data(try ImageFile.encodePNG(image)).base64EncodedString())\""
      try write(
        Self.labelme(#"{"label":"x","points":[[2,3],[7,3],[7,9]]}"#, image: "gone.jpg", data: data),
        folder.appendingPathComponent("a.json"))
      let set = try InstanceData.read(folder)
      #expect(set.items[0].name == "a" && set.items[0].fileName == "a.png")
      #expect(try set.items[0].picture() == image)
    }
  }

  @Test func `what is broken or without annotations beside labelme's files is told`() throws {
    try withScratchFolder { folder in
      try picture(folder.appendingPathComponent("a.png"))
      try picture(folder.appendingPathComponent("b.png"))
      let shape = #"{"label":"x","points":[[2,3],[7,3],[7,9]]}"#
      try write(Self.labelme(shape), folder.appendingPathComponent("a.json"))
      try write(#"{"shapes": [], "imagePath": "a.p"#, folder.appendingPathComponent("cut.json"))
      try write(#"{"a": 1}"#, folder.appendingPathComponent("settings.json"))
      let set = try InstanceData.read(folder)
      #expect(set.items.map(\.name) == ["a"])
      for word in ["cut.json: byte", "such as settings.json", "1 pictures have no annotations"] {
        #expect(set.leftOut.contains { $0.contains(word) }, "\(word): \(set.leftOut)")
      }
      // A mistake in a file is no damage.
      try write(
        Self.labelme(#"\#(shape),{"label":"x","points":[[1]]}"#),
        folder.appendingPathComponent("a.json"))
      #expect(
        errorLine { _ = try InstanceData.read(folder) }?.contains("shape 2: expected") == true)
    }
  }

  @Test func `VIA's options have names`() throws {
    try withScratchFolder { folder in
      try picture(folder.appendingPathComponent("a b.png"))
      try write(
        """
        {"_via_img_metadata": {"k": {"filename": "https://host/p/a%20b.png", "regions": [
          {"shape_attributes": {"name": "rect", "x": 3, "y": 1, "width": 4, "height": 5},
           "region_attributes": {"cell": "1"}}]}},
         "_via_attributes": {"region": {"cell": {"type": "radio",
           "options": {"1": "nucleus", "2": ""}}}, "file": {}}}
        """, folder.appendingPathComponent("via.json"))
      let set = try InstanceData.read(folder)
      #expect(set.classNames == ["nucleus"] && set.items[0].name == "a b")
    }
  }

  // MARK: - VOC, YOLO and label pictures

  @Test func `VOC's lists have names with spaces and pictures without masks`() throws {
    try withScratchFolder { folder in
      for name in ["a b", "empty"] {
        try picture(folder.appendingPathComponent("JPEGImages/\(name).png"))
      }
      try write(
        "# label\nbackground:0,0,0::\ncell:::\n", folder.appendingPathComponent("labelmap.txt"))
      try write(
        "a b\nempty \n", folder.appendingPathComponent("ImageSets/Segmentation/train.txt"))
      let labels = LabelMap(
        width: 20, height: 12, labels: (0..<240).map { $0 / 20 < 3 ? 1 : 0 })
      for place in ["SegmentationClass", "SegmentationObject"] {
        let url = folder.appendingPathComponent("\(place)/a b.png")
        try FileManager.default.createDirectory(
          at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
        try ImageFile.write(labels.indexed(ClassPalette([])), to: url.path)
      }
      let set = try InstanceData.read(folder, part: .training)
      #expect(set.items.map(\.name) == ["a b", "empty"] && set.classNames == ["cell"])
      #expect(set.items.map { $0.objects.map(\.mask.area) } == [[60], []])
      let semantic = try #require(try SegmentedImages.read(folder, part: .training))
      #expect(semantic.items[1].labels.labels.allSatisfy { $0 == 0 })
    }
  }

  @Test(arguments: [
    (
      "names: [nucleus, 'Müll, alt', \"it's: new\"]\nnc: 3\n",
      ["nucleus", "Müll, alt", "it's: new"]
    ),
    (
      "names:  # classes\n  0: nucleus  # first\n  1: \"a\\u00e4\"\n\n  2: 'it''s'\n",
      ["nucleus", "aä", "it's"]
    ),
    ("---\r\nnames:\r\n- a#b\r\n- c d\r\n", ["a#b", "c d"]),
    ("x: {names: [no]}\nnames: {1: b, 0: 'a'}\n", ["a", "b"]),
    ("{nc: 2, names: [a, b]}\n", ["a", "b"]),
    ("{names: [a, 'b\n    c'], nc: 2}\n", ["a", "b c"]),
    ("names:\n    '1': b\n    '0': a\nroboflow:\n  names: x\n", ["a", "b"]),
    ("nc: 2\n", ["0", "1"]),
  ])
  func `names of data.yaml by YAML's rules`(_ text: String, _ names: [String]) throws {
    try withScratchFolder { folder in
      try picture(folder.appendingPathComponent("images/a.png"))
      try write("0 0.5 0.5 0.2 0.2\n", folder.appendingPathComponent("labels/a.txt"))
      try write(text, folder.appendingPathComponent("data.yaml"))
      #expect(try InstanceData.read(folder).classNames == names)
    }
  }

  @Test(arguments: [
    ("names: {0: a, 2: b}\n", "expected names of the classes 0 to 1"),
    ("train: x\nnames: [a, 'b\n", "line 3: expected the closing quote of a word"),
    ("nc: many\n", "expected a number of classes"), ("train: x\n", "there are none"),
  ])
  func `broken data.yaml are told by line`(_ text: String, _ expected: String) throws {
    try withScratchFolder { folder in
      try picture(folder.appendingPathComponent("images/a.png"))
      try write("0 0.5 0.5 0.2 0.2\n", folder.appendingPathComponent("labels/a.txt"))
      try write(text, folder.appendingPathComponent("data.yaml"))
      let line = errorLine { _ = try InstanceData.read(folder) }
      #expect(
        line?.contains("data.yaml") == true && line?.contains(expected) == true, "\(line ?? "")")
    }
  }

  private func tiff(_ images: [StoredImage], _ kind: TIFFStorage.Kind?, _ url: URL) throws {
    try FileManager.default.createDirectory(
      at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
    let writer = try PictureWriter(url.path)
    for image in images {
      var page = PicturePage(image)
      if let kind {
        var storage = TIFFStorage()
        (storage.kind, storage.bits) = (kind, 32)
        page.storage = storage
      }
      try writer.append(page)
    }
    try writer.finish()
  }

  private static func floats(_ values: [Int: Float]) -> StoredImage {
    .floats(
      FloatImage(
        width: 20, height: 12, channels: 1, samples: (0..<240).map { values[$0] ?? 0 }))
  }

  @Test func `label TIFFs of 32 bits, of other folders and of stacks`() throws {
    try withScratchFolder { folder in
      let image = StoredImage.bytes(
        ByteImage(width: 20, height: 12, channels: 1, filledWith: 9))
      try tiff([image], nil, folder.appendingPathComponent("images/a.TIF"))
      let labels = folder.appendingPathComponent("labels/a.TIF")
      for kind in [TIFFStorage.Kind.float, .unsigned, .signed] {
        try tiff([Self.floats([0: 1, 1: 1, 9: 70_000])], kind, labels)
        #expect(try InstanceData.read(folder).items[0].objects.map(\.mask.area) == [2, 1])
      }
      for value: Float in [0.5, -1, 2e7] {
        try tiff([Self.floats([0: value])], .float, labels)
        let line = errorLine { _ = try InstanceData.read(folder) }
        #expect(line?.contains("expected whole numbers of objects") == true)
      }
      // A stack has labels for each page.
      try tiff([Self.floats([0: 1]), Self.floats([0: 1, 5: 2])], .float, labels)
      #expect(errorLine { _ = try InstanceData.read(folder) }?.contains("received 2") == true)
      try tiff([image, image], nil, folder.appendingPathComponent("images/a.TIF"))
      let stack = try InstanceData.read(folder)
      #expect(stack.items.map(\.name) == ["a-p001", "a-p002"])
      #expect(stack.items.map(\.objects.count) == [1, 2])
      #expect(try stack.items[1].picture().size == Self.size)
      // StarDist calls the folder masks.
      try FileManager.default.moveItem(
        at: folder.appendingPathComponent("labels"), to: folder.appendingPathComponent("masks"))
      let stars = try InstanceData.read(folder)
      #expect(stars.count == 2 && stars.leftOut[0].contains("taken as numbers of objects"))
    }
  }

  @Test(arguments: [
    ("a.xml", "<annotations><version>1.1</version><image id=\"0\"/></annotations>", "CVAT's XML"),
    ("a.xml", "<annotation><object><bndbox></bndbox></object></annotation>", "have no masks"),
    (
      "Annotations/default/a.xml",
      "<annotation><object><polygon></polygon></object></annotation>", "LabelMe's XML"
    ),
    ("a.json", #"[{"id": 1, "annotations": [], "data": {}}]"#, "Label Studio's own JSON"),
    ("a.json", #"{"project": {"pid": "x"}, "config": {}, "attribute": {}}"#, "VIA 3"),
    ("annotations/a.json", #"{"info": {}, "categories": {}, "items": []}"#, "datumaro"),
    ("notes.txt", "notes", "Pascal VOC's JPEGImages"),
  ])
  func `forms that are not read are named`(_ name: String, _ text: String, _ word: String) throws {
    try withScratchFolder { folder in
      try write(text, folder.appendingPathComponent(name))
      let line = errorLine { _ = try InstanceData.read(folder) }
      #expect(line?.contains(word) == true, "\(line ?? "no error")")
    }
  }
}
