// Sets of objects as people have them: joined files, marks, foreign separators, what is smaller than a pixel.

import AtelierDatasets
import AtelierImages
import Foundation
import TestSupport
import Testing

@Suite struct MetObjectsTests {
  /// A COCO file about pictures of 8x8.
  private func file(
    names: [String] = ["a.png"], categories: String = #"{"id":1,"name":"square"}"#,
    annotations: String
  ) -> [UInt8] {
    let images = names.enumerated().map {
      #"{"id":\#($0 + 1),"file_name":"\#($1)","width":8,"height":8}"#
    }
    return Array(
      #"{"images":[\#(images.joined(separator: ","))],"categories":[\#(categories)],"#.utf8)
      + Array(#""annotations":[\#(annotations)]}"#.utf8)
  }

  private func box(_ id: Int, category: Int, image: Int = 1, _ low: Double, _ high: Double)
    -> String
  {
    #"{"id":\#(id),"image_id":\#(image),"category_id":\#(category),"iscrowd":0,"#
      + #""segmentation":[[\#(low),\#(low),\#(high),\#(low),\#(high),\#(high),\#(low),\#(high)]]}"#
  }

  private func write(_ folder: URL, _ bytes: [UInt8], pictures: [String] = ["a.png"]) throws -> URL
  {
    for name in pictures {
      let file = folder.appending(path: name)
      try FileManager.default.createDirectory(
        at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
      try ImageFile.write(ByteImage(width: 8, height: 8, channels: 3, filledWith: 9), to: file)
    }
    let url = folder.appending(path: "coco.json")
    try Data(bytes).write(to: url)
    return url
  }

  @Test func `categories of one name are one class`() throws {
    try withScratchFolder { folder in
      let categories =
        #"{"id":0,"name":"square"},{"id":1,"name":"disc"},{"id":2,"name":"square"},{"id":7,"name":"disc"}"#
      let objects = [
        box(1, category: 0, 1, 3), box(2, category: 2, 1, 4), box(3, category: 7, 1, 5),
        box(4, category: 1, 1, 6),
      ]
      let data = try InstanceData(
        coco: write(
          folder, file(categories: categories, annotations: objects.joined(separator: ","))))
      #expect(data.classNames == ["square", "disc"])
      #expect(data.items[0].objects.map(\.classIndex) == [0, 0, 1, 1])
      #expect(
        data.summary.hasSuffix(": 1 pictures, 4 objects of 2 classes: square 2, disc 2"))
      let document = try COCODocument.read(folder.appending(path: "coco.json"))
      let results = try COCODocument.results(
        json: Array(
          #"[{"image_id":1,"category_id":7,"score":1,"segmentation":[[1,1,3,1,3,3]]}]"#.utf8),
        name: "results")
      #expect(try document.objects(of: results, file: "results")[0][0].classIndex == 1)
    }
  }

  /// Identifiers and names of categories, and the class that each identifier is of.
  @Test(
    arguments: [
      ([(1, "a"), (2, "a"), (3, "a")], ["a"], [1: 0, 2: 0, 3: 0]),
      ([(5, "b"), (1, "a"), (9, "b")], ["b", "a"], [5: 0, 1: 1, 9: 0]),
      ([(1, "a"), (2, "A"), (3, "a")], ["a", "A"], [1: 0, 2: 1, 3: 0]),
      ([(7, "b"), (8, "c"), (9, "c"), (10, "b")], ["b", "c"], [7: 0, 8: 1, 9: 1, 10: 0]),
      ([(0, "a"), (1, "b"), (2, "b")], ["a", "b"], [2: 1, 1: 1, 0: 0]),
    ] as [([(Int, String)], [String], [Int: Int])])
  func `however often a name stands, it is one class`(
    _ categories: [(Int, String)], _ names: [String], _ classes: [Int: Int]
  ) throws {
    try withScratchFolder { folder in
      let ids = classes.keys.sorted()
      let text = categories.map { #"{"id":\#($0.0),"name":"\#($0.1)"}"# }.joined(separator: ",")
      let objects = ids.enumerated().map { box($0 + 1, category: $1, 1, 3) }
      let data = try InstanceData(
        coco: write(folder, file(categories: text, annotations: objects.joined(separator: ","))))
      #expect(data.classNames == names)
      #expect(data.items[0].objects.map(\.classIndex) == ids.map { classes[$0] ?? -1 })
    }
  }

  /// Polygons, and how many pixels pycocotools 2.0 gives them in pictures of 8x8.
  @Test(arguments: [
    ("[3.1,3.1,3.3,3.1,3.3,3.3]", 0), ("[1,5,7,5,4,5]", 0), ("[2,2,2,6,2,4]", 0),
    ("[0.4,0.4,1.6,0.4,1.6,1.6,0.4,1.6]", 4), ("[7.6,7.6,9,7.6,9,9]", 0),
    ("[2.5,2.5,3.5,2.5,3.5,3.5,2.5,3.5]", 1), ("[-3,-3,2,-3,2,2,-3,2]", 4),
    ("[1,1,6,6,6,1,1,6]", 12),
  ])
  func `odd polygons have the reference's pixels`(_ polygon: String, _ area: Int) throws {
    try withScratchFolder { folder in
      let annotation =
        #"{"id":1,"image_id":1,"category_id":1,"iscrowd":0,"segmentation":[\#(polygon)]}"#
      let data = try InstanceData(coco: write(folder, file(annotations: annotation)))
      #expect(data.items[0].objects.map(\.mask.area) == [area])
    }
  }

  @Test func `an object smaller than a pixel counts`() throws {
    try withScratchFolder { folder in
      let data = try InstanceData(
        coco: write(
          folder,
          file(annotations: box(1, category: 1, 1, 4) + "," + box(2, category: 1, 3.1, 3.3))))
      #expect(data.items[0].objects.map(\.mask.area) == [9, 0])
      #expect(data.objectCount == 2)
    }
  }

  @Test func `a byte order mark is skipped`() throws {
    try withScratchFolder { folder in
      let url = try write(
        folder, [0xEF, 0xBB, 0xBF] + file(annotations: box(1, category: 1, 1, 4)))
      #expect(try InstanceData(coco: url).objectCount == 1)
      #expect(
        try COCODocument.results(json: [0xEF, 0xBB, 0xBF] + Array("[]".utf8), name: "r").isEmpty)
      // One is enough.
      #expect(
        errorLine {
          _ = try COCODocument.results(
            json: [0xEF, 0xBB, 0xBF, 0xEF, 0xBB, 0xBF] + Array("[]".utf8), name: "r")
        } != nil)
    }
    try withScratchFolder { folder in
      for name in ["images", "labels"] {
        try FileManager.default.createDirectory(
          at: folder.appending(path: name), withIntermediateDirectories: true)
      }
      for name in ["a", "b"] {
        try ImageFile.write(
          ByteImage(width: 2, height: 1, channels: 1, filledWith: 9),
          to: folder.appending(path: "images/\(name).png"))
        try ImageFile.write(
          ByteImage(width: 2, height: 1, channels: 1, samples: [0, 1]),
          to: folder.appending(path: "labels/\(name).png"))
      }
      let table = "name,split,instances\r\na,train,1\r\nb,test,1\r\n"
      try Data([0xEF, 0xBB, 0xBF] + table.utf8).write(to: folder.appending(path: "index.csv"))
      let data = try InstanceData.read(folder, part: .test)
      #expect(data.items.map(\.name) == ["b"])
      // Broken pictures and labels are left out by name; a folder of nothing else is an error.
      try Data([1, 2]).write(to: folder.appending(path: "labels/a.png"))
      for isIndexed in [true, false] {
        if !isIndexed {
          try FileManager.default.removeItem(at: folder.appending(path: "index.csv"))
        }
        let rest = try InstanceData.read(folder)
        #expect(rest.items.map(\.name) == ["b"])
        #expect(rest.leftOut.count == 1 && rest.leftOut[0].contains("labels/a.png"))
      }
      try Data([1, 2]).write(to: folder.appending(path: "images/b.png"))
      #expect(errorLine { _ = try InstanceData.read(folder) }?.contains("labels/a.png") == true)
    }
  }

  @Test(arguments: [
    ("images\\\\a.png", "images/a.png"), ("sub\\\\deep\\\\a.png", "sub/deep/a.png"),
    (".\\\\a.png", "a.png"), ("..\\\\a.png", "a.png"),
    ("images\\\\..\\\\..\\\\a.png", "a.png"), ("\\\\a.png", "a.png"),
  ])
  func `names with other systems' separators`(_ name: String, _ place: String) throws {
    try withScratchFolder { folder in
      let url = try write(
        folder, file(names: [name], annotations: box(1, category: 1, 1, 4)), pictures: [place])
      guard case .file(let found) = try InstanceData(coco: url).items[0].source else {
        Issue.record("expected a file")
        return
      }
      #expect(found.path == folder.appendingPathComponent(place).path)
    }
  }

  @Test func `a file whose own name holds the separator is found first`() throws {
    try withScratchFolder { folder in
      let url = try write(
        folder, file(names: ["a\\\\b.png"], annotations: box(1, category: 1, 1, 4)),
        pictures: ["a\\b.png", "a/b.png"])
      let data = try InstanceData(coco: url)
      guard case .file(let found) = data.items[0].source else {
        Issue.record("expected a file")
        return
      }
      #expect(found.lastPathComponent == "a\\b.png")
    }
  }

  @Test func `a picture that is broken is left out of a COCO set`() throws {
    try withScratchFolder { folder in
      let url = try write(
        folder,
        file(
          names: ["a.png", "b.png"],
          annotations: box(1, category: 1, 1, 4) + "," + box(2, category: 1, image: 2, 1, 4)),
        pictures: ["a.png", "b.png"])
      try Data([0x89, 0x50]).write(to: folder.appending(path: "a.png"))
      let data = try InstanceData(coco: url)
      #expect(data.items.map(\.name) == ["b"] && data.objectCount == 1)
      #expect(data.leftOut.count == 1 && data.leftOut[0].contains("a.png"))
      try Data([0x89, 0x50]).write(to: folder.appending(path: "b.png"))
      #expect(errorLine { _ = try InstanceData(coco: url) }?.contains("a.png") == true)
    }
  }
}
