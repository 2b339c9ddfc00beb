// The habits of annotation tools: what COCO, labelme and VIA files of real life hold is read, or told.

import AtelierImages
import Foundation
import TestSupport
import Testing

import AtelierDatasets

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
    ("images/a.png", "../../media/upload/1/a.png", "images/a"),
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
}
