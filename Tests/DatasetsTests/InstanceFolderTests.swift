// Sets of objects from folders: every layout is read, and what does not fit is refused by name.

import AtelierDatasets
import AtelierImages
import AtelierScenery
import Foundation
import TestSupport
import Testing

@Suite struct InstanceFolderTests {
  /// Writes pictures of 4x3 with numbered objects, and an index when `rows` are given.
  private func writeLabels(
    _ folder: URL, labels: [UInt16] = [0, 1, 1, 0, 0, 2, 0, 0, 0, 2, 2, 0], rows: [String]? = nil
  ) throws {
    for name in ["images", "labels"] {
      try FileManager.default.createDirectory(
        at: folder.appendingPathComponent(name), withIntermediateDirectories: true)
    }
    for name in ["a", "b"] {
      try ImageFile.write(
        ByteImage(width: 4, height: 3, channels: 3, filledWith: 9),
        to: folder.appendingPathComponent("images/\(name).png"))
      try ImageFile.write(
        WordImage(width: 4, height: 3, channels: 1, samples: labels),
        to: folder.appendingPathComponent("labels/\(name).png").path)
    }
    if let rows {
      let text = (["name,split,kind,instances"] + rows).joined(separator: "\n") + "\n"
      try Data(text.utf8).write(to: folder.appendingPathComponent("index.csv"))
    }
  }

  @Test func labelPicturesAreObjects() throws {
    try withScratchFolder { folder in
      try writeLabels(folder)
      let data = try InstanceData.read(folder, className: "cell")
      #expect(data.items.map(\.name) == ["a", "b"] && data.classNames == ["cell"])
      #expect(data.items[0].objects.map(\.mask.area) == [2, 3])
      #expect(data.items[0].objects[0].box == PlaneBox(x: 1, y: 0, width: 2, height: 1))
      #expect(try data.items[0].picture().samples == [UInt8](repeating: 9, count: 36))
      // Gray of 8 bits and palettes say numbers too, not brightness.
      let labels = folder.appendingPathComponent("labels/a.png")
      let indices = ByteImage(
        width: 4, height: 3, channels: 1, samples: [0, 1, 1, 0, 0, 2, 0, 0, 0, 2, 2, 0])
      try ImageFile.write(indices, to: labels)
      let gray = try InstanceData.read(folder)
      #expect(gray.items[0].objects == data.items[0].objects)
      let palette: [SIMD4<UInt8>] = [
        .init(0, 0, 0, 255), .init(9, 9, 9, 255), .init(repeating: 255),
      ]
      try ImageFile.write(IndexedImage(indices: indices, palette: palette), to: labels.path)
      #expect(try InstanceData.read(folder).items[0].objects == data.items[0].objects)
      try ImageFile.write(ByteImage(width: 4, height: 3, channels: 3), to: labels)
      #expect(errorLine { _ = try InstanceData.read(folder) }?.contains("labels/a.png") == true)
      try ImageFile.write(ByteImage(width: 4, height: 4, channels: 1), to: labels)
      #expect(
        errorLine { _ = try InstanceData.read(folder) }
          == "\(labels.relativePath): expected labels of its picture's 4x3, received 4x4")
    }
  }

  @Test func anIndexTellsPartsKindsAndNumbers() throws {
    try withScratchFolder { folder in
      try writeLabels(folder, rows: ["a,train,dark,2", "b,test,light,2"])
      #expect(try InstanceData.read(folder).count == 2)
      let test = try InstanceData.read(folder, part: .test)
      #expect(test.items.map(\.name) == ["b"] && test.items[0].kind == "light")
      let index = folder.appendingPathComponent("index.csv").relativePath
      let cases = [
        (
          "a,train,dark,1",
          "\(folder.appendingPathComponent("labels/a.png").relativePath): expected labels of at "
            + "most 1, the number of objects in the index, received 2"
        ),
        ("a,rest,dark,2", "\(index): line 2: expected train, val or test, received 'rest'"),
        (
          "a,train,2",
          "\(index): line 2: expected 4 fields with the number of objects, received 3 fields"
        ),
        (
          "../a,train,dark,2",
          "\(index): line 2: expected the name of a picture, received another path"
        ),
      ]
      for (row, line) in cases {
        try writeLabels(folder, rows: [row])
        #expect(errorLine { _ = try InstanceData.read(folder) } == line)
      }
      #expect(
        errorLine { _ = try InstanceData.read(folder, part: .test) } != nil, "no picture is left")
      try Data("name,split\n".utf8).write(to: folder.appendingPathComponent("index.csv"))
      #expect(
        errorLine { _ = try InstanceData.read(folder) }
          == "\(index): expected the columns name, split and instances, received name, split")
    }
  }

  @Test func maskFilesAreObjects() throws {
    try withScratchFolder { folder in
      func write(_ path: String, _ samples: [UInt8], width: Int = 4) throws {
        let file = folder.appendingPathComponent(path)
        try FileManager.default.createDirectory(
          at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
        try ImageFile.write(
          ByteImage(width: width, height: 2, channels: 1, samples: samples), to: file)
      }
      try write("one/images/one.png", [UInt8](repeating: 7, count: 8))
      try write("one/masks/b.png", [0, 0, 0, 255, 0, 0, 0, 255])
      try write("one/masks/a.png", [1, 1, 0, 0, 0, 0, 0, 0])
      let data = try InstanceData.read(folder, className: "nucleus")
      #expect(data.items.map(\.name) == ["one"])
      #expect(
        data.items[0].objects.map(\.mask.mask.pixels).first?.prefix(3) == [true, true, false])
      #expect(data.items[0].objects.map(\.mask.area) == [2, 2])
      let mask = folder.appendingPathComponent("one/masks/a.png").relativePath
      try write("one/masks/a.png", [0, 0, 0, 0, 0, 0, 0, 0])
      #expect(
        errorLine { _ = try InstanceData.read(folder) }
          == "\(mask): expected a mask with at least one pixel, received an empty one")
      try write("one/masks/a.png", [1, 1, 1, 1, 1, 1], width: 3)
      #expect(
        errorLine { _ = try InstanceData.read(folder) }
          == "\(mask): expected a mask of its picture's 4x2, received 3x2")
      try write("one/masks/a.png", [1, 1, 0, 0, 0, 0, 0, 0])
      try write("one/images/two.png", [UInt8](repeating: 7, count: 8))
      #expect(
        errorLine { _ = try InstanceData.read(folder) }?
          .hasSuffix("images: expected one picture, received 2") == true)
      #expect(
        errorLine { _ = try InstanceData.read(folder.appendingPathComponent("none")) }?
          .hasSuffix("none: no such file or folder") == true)
      #expect(
        errorLine { _ = try InstanceData.read(folder.appendingPathComponent("one/masks")) }?
          .contains("expected pictures with annotations: labelme")
          == true)
    }
  }

  @Test func theSamplesAreASet() throws {
    let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
      .deletingLastPathComponent().deletingLastPathComponent()
      .appendingPathComponent("Samples/shapes")
    let data = try InstanceData.read(folder)
    let drawn = try InstanceData(SampleShapes.scenes(), count: SampleShapes.count)
    #expect(data.classNames == drawn.classNames)
    #expect(data.items.map(\.name) == drawn.items.map(\.name))
    for (one, two) in zip(data.items, drawn.items) {
      #expect(one.objects == two.objects, "\(one.name)")
      #expect(try one.picture() == two.picture(), "\(one.name)")
    }
  }

  @Test func setsAreCutAndFiltered() throws {
    let data = try InstanceData(ShapesScenes(seed: 2), count: 10)
    let (rest, held) = try data.split(holdingOut: 3, seed: 5)
    #expect(rest.count == 7 && held.count == 3)
    #expect(Set(rest.items.map(\.name) + held.items.map(\.name)) == Set(data.items.map(\.name)))
    #expect(try data.split(holdingOut: 3, seed: 5).held.items.map(\.name) == held.items.map(\.name))
    #expect(try data.filtered { $0.name == "shapes-3" }.count == 1)
    #expect(errorLine { _ = try data.filtered { _ in false } } != nil)
    #expect(errorLine { _ = try data.split(holdingOut: 10, seed: 5) } != nil)
    let scene = try ShapesScenes(seed: 2).scene(4)
    #expect(try data.items[4].picture() == scene.picture)
    #expect(data.items[4].maskedObjects == scene.objects)
    #expect(
      errorLine {
        _ = try InstanceData(name: "x", classNames: ["circle"], items: data.items)
      }?.contains("expected objects of 1 classes") == true)
  }
}
