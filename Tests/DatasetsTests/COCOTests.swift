// COCO files: read, written, the same again, and refused by name.

import AtelierDatasets
import AtelierEngine
import AtelierImages
import AtelierScenery
import Foundation
import TestSupport
import Testing

@Suite struct COCOTests {
  /// What the reference's own code made of the fixture's polygons and runs.
  private struct Expected: Decodable { let runs: [String: String] }

  @Test func masksAreTheReferences() throws {
    let document = try COCODocument.read(cocoFixture("truth.json"))
    let expected = try JSONDecoder().decode(
      Expected.self, from: Data(contentsOf: cocoFixture("expected.json")))
    #expect(document.annotations.count == expected.runs.count)
    for (picture, objects) in zip(document.pictures, try document.objects(file: "truth")) {
      let ids = document.annotations.filter { $0.pictureID == picture.id }.compactMap(\.id)
      #expect(ids.count == objects.count)
      for (id, object) in zip(ids, objects) {
        #expect(object.mask.text == expected.runs["\(id)"], "annotation \(id)")
        #expect(Double(object.mask.area) == object.area, "annotation \(id)")
        #expect(object.mask.bounds == object.box, "annotation \(id)")
      }
    }
  }

  @Test(arguments: COCOMaskForm.allCases)
  func whatIsWrittenIsReadAgain(form: COCOMaskForm) throws {
    let data = try InstanceData(ShapesScenes(seed: 6, kinds: ShapeKind.allCases), count: 12)
    let document = data.coco(form: form)
    let again = try COCODocument(
      json: [UInt8](document.json(description: "a \"test\"")), name: "again")
    #expect(again == document)
    let objects = try again.objects(file: "again")
    #expect(objects == data.items.map(\.objects))
    let detections = document.annotations.map { annotation in
      var result = annotation
      result.score = 0.25
      return result
    }
    let results = try COCODocument.results(
      json: [UInt8](COCODocument.resultsJSON(detections)), name: "results")
    #expect(results.count == detections.count)
    #expect(results.map(\.segmentation) == detections.map(\.segmentation))
    #expect(results.allSatisfy { $0.score == 0.25 && $0.id == nil })
  }

  @Test(arguments: [
    ("", "f: byte 0: expected an object, received the end of the text"),
    ("[]", "f: byte 0: expected an object, received \"[\""),
    (
      "{}",
      "f: expected COCO objects with the keys images, categories and annotations; there is no images"
    ),
    (
      #"{"images":[{"id":1,"file_name":"a.png","width":3,"height":0}]}"#,
      "f: image 1: expected a width and a height of at most 268435456 pixels, received 3x0"
    ),
    (
      #"{"images":[{"id":1,"file_name":"a.png","width":99999999999,"height":9999999999}]}"#,
      "f: image 1: expected a width and a height of at most 268435456 pixels, received "
        + "99999999999x9999999999"
    ),
    (#"{"images":[{"id":1}]}"#, "f: image 1: expected a file_name, received none"),
    (
      #"{"images":[],"images":[]}"#, "f: byte 12: expected each key once, received one twice"
    ),
    (
      #"{"images":[],"categories":[{"id":1,"name":"a"},{"id":1,"name":"b"}],"annotations":[]}"#,
      "f: category 1: expected each number once, received it twice"
    ),
    (
      #"{"annotations":[{"id":5,"category_id":1}]}"#,
      "f: annotation 5: expected an image_id and a category_id, received no image_id"
    ),
    (
      #"{"annotations":[{"id":5,"image_id":1,"category_id":1,"bbox":[1,2,-3,4]}]}"#,
      "f: annotation 5: expected a box of x, y, width and height, received [1.0, 2.0, -3.0, 4.0]"
    ),
    (
      #"{"annotations":[{"id":5,"image_id":1,"category_id":1,"area":-2}]}"#,
      "f: annotation 5: expected an area of at least 0, received -2.0"
    ),
    (
      #"{"annotations":[{"id":5,"iscrowd":2}]}"#, "f: byte 34: expected 0 or 1, received 2"
    ),
    (
      #"{"annotations":[{"segmentation":{"counts":[1],"size":[1]}}]}"#,
      "f: byte 32: expected runs with a size of height and width, received [1]"
    ),
  ])
  func brokenFilesAreRefused(text: String, line: String) {
    #expect(errorLine { _ = try COCODocument(json: [UInt8](text.utf8), name: "f") } == line)
  }

  /// A file with one picture of 4x3 and one category, and the given parts of an annotation.
  private func document(_ parts: String) throws -> COCODocument {
    try COCODocument(
      json: [UInt8](
        (#"{"images":[{"id":1,"file_name":"a.png","width":4,"height":3}],"categories":"#
          + #"[{"id":7,"name":"cell"}],"annotations":[{"id":17,\#(parts)}]}"#).utf8),
      name: "f")
  }

  @Test(arguments: [
    (
      #""image_id":2,"category_id":7"#,
      "f: annotation 17: expected the id of one of 1 images, received 2"
    ),
    (
      #""image_id":1,"category_id":8"#,
      "f: annotation 17: expected the id of one of 1 categories, received 8"
    ),
    (
      #""image_id":1,"category_id":7,"segmentation":[]"#,
      "f: annotation 17: expected a segmentation or a box, received none"
    ),
    (
      #""image_id":1,"category_id":7,"segmentation":[[1,1,2,2]]"#,
      "f: annotation 17: expected a polygon of three or more corners, x and y each; received 4 "
        + "numbers"
    ),
    (
      #""image_id":1,"category_id":7,"segmentation":[[1,1,2,2,1e300,5]]"#,
      "f: annotation 17: expected a polygon in or near the picture of 4x3, received the corner "
        + "(1e+300, 5.0)"
    ),
    (
      #""image_id":1,"category_id":7,"segmentation":{"counts":[12],"size":[4,3]}"#,
      "f: annotation 17: expected a mask of the picture's 4x3, received 3x4"
    ),
    (
      #""image_id":1,"category_id":7,"segmentation":{"counts":[10],"size":[3,4]}"#,
      "f: annotation 17: expected runs that fill 4x3 pixels, received 10 pixels"
    ),
    (
      #""image_id":1,"category_id":7,"segmentation":{"counts":"~","size":[3,4]}"#,
      "f: annotation 17: expected COCO's text of runs, received another character at place 0"
    ),
  ])
  func brokenAnnotationsAreRefusedByName(parts: String, line: String) throws {
    let document = try document(parts)
    #expect(errorLine { _ = try document.objects(file: "f") } == line)
  }

  @Test func crowdsScoresAndMissingPartsAreRead() throws {
    let document = try document(
      #""image_id":1,"category_id":7,"iscrowd":true,"score":0.5,"area":null,"bbox":[],"extra":{},"#
        + #""segmentation":{"counts":[0,2,10],"size":[3,4]}"#)
    let object = try #require(try document.objects(file: "f").first?.first)
    #expect(object.isCrowd && object.score == 0.5 && object.area == 2)
    #expect(object.box == PlaneBox(x: 0, y: 0, width: 1, height: 2))
  }

  @Test func picturesAreFoundAndHeldToTheirSize() throws {
    try withScratchFolder { folder in
      let json = folder.appendingPathComponent("set.json")
      func write(_ name: String) throws {
        let document = COCODocument(
          pictures: [.init(id: 3, fileName: name, size: PixelSize(width: 4, height: 3))],
          categories: [.init(id: 1, name: "cell")])
        try document.json(description: "").write(to: json)
      }
      try write("sub/a.png")
      #expect(
        errorLine { _ = try InstanceData(coco: json, pictures: folder) }
          == "\(json.relativePath): image 3: expected its picture sub/a.png in "
          + "\(folder.relativePath); there is no such file")
      let images = folder.appendingPathComponent("images/sub")
      try FileManager.default.createDirectory(at: images, withIntermediateDirectories: true)
      let picture = images.appendingPathComponent("a.png")
      try ImageFile.write(ByteImage(width: 4, height: 3, channels: 3), to: picture)
      let data = try InstanceData.read(folder)
      #expect(data.items.map(\.name) == ["sub/a"])
      #expect(try data.items[0].picture().size == PixelSize(width: 4, height: 3))
      try ImageFile.write(ByteImage(width: 5, height: 3, channels: 3), to: picture)
      #expect(
        errorLine { _ = try InstanceData(coco: json) }
          == "\(json.relativePath): image 3: expected sub/a.png of 4x3, received a picture of 5x3")
      // No name leads out of the folders.
      try write("../\(folder.lastPathComponent)/images/sub/b.png")
      try ImageFile.write(
        ByteImage(width: 4, height: 3, channels: 3), to: folder.appendingPathComponent("b.jpg"))
      #expect(
        errorLine { _ = try InstanceData(coco: json, pictures: images) }
          == "\(json.relativePath): image 3: expected its picture "
          + "../\(folder.lastPathComponent)/images/sub/b.png in \(images.relativePath); there is no "
          + "such file")
    }
  }

  @Test func publishedFilesAreRead() throws {
    guard let folder = publishedSet("coco-json") else { return }
    let taco = try COCODocument.read(folder.appendingPathComponent("taco_first80.json"))
    #expect(taco.pictures.count == 80 && taco.categories.count == 60)
    #expect(taco.annotations.count == 218)
    let objects = try taco.objects(file: "taco").flatMap { $0 }
    // The set's own areas are of the polygons, not of pixels.
    let close = objects.filter { abs(Double($0.mask.area) - $0.area) < 0.1 * $0.area + 60 }
    #expect(close.count >= 215)
    let results = try COCODocument.readResults(
      folder.appendingPathComponent("instances_val2014_fakesegm100_results.json"))
    #expect(results.count == 734)
    for result in results {
      guard case .text(let text, let height, let width) = result.segmentation else {
        Issue.record("expected runs as text")
        continue
      }
      let mask = try RunLengthMask(width: width, height: height, text: text)
      #expect(mask.text == text)
    }
  }

  /// 167 + 30 pictures of nuclei: the label pictures and the COCO file of the test part are the same masks.
  @Test func nucleiAreTheSameInBothForms() throws {
    guard let folder = publishedSet("nuclei") else { return }
    let data = try InstanceData.read(folder, part: .test)
    #expect(data.count == 40)
    #expect(data.items.filter { $0.kind == "colour-histology" }.count == 6)
    let coco = try InstanceData(
      coco: folder.appendingPathComponent("instances_test.coco.json"))
    #expect(coco.classNames == ["nucleus"])
    #expect(data.items.map(\.name) == coco.items.map(\.name))
    for (one, two) in zip(data.items, coco.items) {
      #expect(one.objects.map(\.mask) == two.objects.map(\.mask), "\(one.name)")
    }
    let training = try InstanceData.read(folder, part: .training)
    let validation = try InstanceData.read(folder, part: .validation)
    #expect(training.count == 139 && validation.count == 18)
    #expect(data.objectCount + training.objectCount + validation.objectCount == 7546)
  }
}
