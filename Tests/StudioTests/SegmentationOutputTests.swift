// Every file of a segmentation, read back: labels, colours, numbers, masks, COCO, tables, outlines.

import AtelierDatasets
import AtelierEngine
import AtelierImages
import AtelierScenery
import AtelierSegmentation
import AtelierWorkbench
import Foundation
import TestSupport
import Testing

@Suite struct SegmentationOutputTests {
  /// A scene with many shapes, holes among them, as if it had been found.
  private struct Found {
    let scene: ShapesScene
    let palette: ClassPalette
    let objects: [EncodedObject]
    let outcome: SegmentationOutcome

    init(index: Int = 0) throws {
      let scenes = try ShapesScenes(
        seed: 31, size: PixelSize(width: 96, height: 80), kinds: [.circle, .ring, .cross],
        objectCounts: 4...6)
      scene = scenes.scene(index)
      palette = scenes.palette
      objects = scene.objects.enumerated().map { index, object in
        var found = EncodedObject(object)
        found.score = 0.5 + Double(index) / 16
        return found
      }
      outcome = try SegmentationOutcome(objects: objects, size: scenes.size)
    }
  }

  private func written(
    _ outputs: [SegmentationOutput], form: COCOMaskForm = .runs, into folder: URL
  ) throws -> Found {
    let found = try Found()
    var writer = try SegmentationWriter(
      folder: folder, palette: found.palette, outputs: outputs, form: form)
    let files = try writer.add(found.outcome, picture: found.scene.picture, name: "scene")
    let joint = try writer.finish()
    for file in files + joint {
      #expect(FileManager.default.fileExists(atPath: file.path), "\(file.path)")
    }
    return found
  }

  @Test func picturesSayWhatWasFound() throws {
    try withScratchFolder { folder in
      let found = try written(
        [.label, .color, .overlay, .confidence, .instances], into: folder)
      func path(_ name: String) -> String { folder.appendingPathComponent(name).path }
      let label = try ImageFile.readIndices(path("scene-label.png"))
      #expect(label.indices.samples == found.scene.labels.labels)
      let colors = found.palette.entries.map(\.color)
      #expect(label.palette.prefix(4).map { [$0.x, $0.y, $0.z] } == colors)
      #expect(try ImageFile.read(path("scene-color.png")) == label.colored)
      let numbers = try InstanceLabels.read(folder.appendingPathComponent("scene-instances.png"))
      #expect(numbers.masks.map(\.mask) == found.objects.map(\.mask))
      #expect(try ImageFile.information(path("scene-instances.png")).bitDepth == 16)
      let confidence = try ImageFile.read(path("scene-confidence.png"))
      for (place, number) in numbers.labels.enumerated() {
        let score = number == 0 ? 0 : found.objects[Int(number) - 1].score
        #expect(abs(Double(confidence.samples[place]) - 255 * score) <= 0.5)
      }
      let overlay = try ImageFile.read(path("scene-overlay.png"))
      #expect(overlay.size == found.outcome.size && overlay != found.scene.picture)
      // Away from objects, outlines and captions the picture shows through.
      let same = overlay.samples.indices.filter {
        overlay.samples[$0] == found.scene.picture.samples[$0]
      }
      #expect(same.count > overlay.samples.count / 4)
      #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path).count == 5)
    }
  }

  @Test func boxesAreFramedInTheColoursOfTheirClasses() throws {
    try withScratchFolder { folder in
      let size = PixelSize(width: 60, height: 50)
      let palette = ClassPalette.objects(["circle", "square"])
      func object(_ classIndex: Int, _ score: Double, _ x: Int, _ y: Int) -> EncodedObject {
        EncodedObject(
          classIndex: classIndex,
          mask: RunLengthMask(
            BinaryMask(
              width: 60, height: 50,
              pixels: (0..<3000).map {
                (x..<x + 20).contains($0 % 60) && (y..<50).contains($0 / 60)
              }
            )), score: score)
      }
      let outcome = try SegmentationOutcome(
        objects: [object(1, 0.6, 0, 25), object(0, 0.9, 40, 20)], size: size)
      var writer = try SegmentationWriter(folder: folder, palette: palette, outputs: [.boxes])
      let picture = ByteImage(
        width: 60, height: 50, channels: 3, samples: [UInt8](repeating: 200, count: 9000))
      #expect(
        try writer.add(outcome, picture: picture, name: "a").map(\.lastPathComponent)
          == ["a-boxes.png"])
      let drawn = try ImageFile.read(folder.appendingPathComponent("a-boxes.png"))
      func color(_ x: Int, _ y: Int) -> [UInt8] { (0..<3).map { drawn[x, y, $0] } }
      // All four sides, those at the picture's edge, too; nothing inside.
      for (left, top, entry) in [(0, 25, 2), (40, 20, 1)] {
        for place in [(left, 40), (left + 19, 40), (left + 10, 49)] {
          #expect(color(place.0, place.1) == palette.entries[entry].color, "\(place)")
        }
        #expect(color(left + 10, 45) == [200, 200, 200])
        #expect(color(left + 19, top) != [200, 200, 200])
      }
      #expect(color(30, 10) == [200, 200, 200])
      #expect(outcome.recognized(palette).map(\.name) == ["circle", "square"])
      #expect(outcome.recognized(palette).map(\.score) == [0.9, 0.6])
    }
  }

  @Test func masksOfObjectsAreReadAsASet() throws {
    try withScratchFolder { folder in
      let found = try written([.objects], into: folder)
      let place = folder.appendingPathComponent("scene-objects")
      // One more from a former run has to go.
      try ImageFile.write(
        ByteImage(width: 96, height: 80, channels: 1),
        to: place.appendingPathComponent("999-circle.png"))
      _ = try written([.objects], into: folder)
      let masks = try ImageFolder.list(place)
      #expect(masks.count == found.objects.count)
      #expect(masks[0].name == "001-\(found.palette.names[found.objects[0].classIndex + 1]).png")
      let set = folder.appendingPathComponent("set/scene")
      try FileManager.default.createDirectory(
        at: set.appendingPathComponent("images"), withIntermediateDirectories: true)
      try ImageFile.write(
        found.scene.picture, to: set.appendingPathComponent("images/scene.png"))
      try FileManager.default.moveItem(at: place, to: set.appendingPathComponent("masks"))
      let data = try InstanceData.read(folder.appendingPathComponent("set"))
      #expect(data.items[0].objects.map(\.mask) == found.objects.map(\.mask))
    }
  }

  @Test(arguments: COCOMaskForm.allCases)
  func cocoFilesAreReadAgain(form: COCOMaskForm) throws {
    try withScratchFolder { folder in
      let found = try written([.coco], form: form, into: folder)
      let document = try COCODocument.read(folder.appendingPathComponent("coco.json"))
      #expect(document.categories.map(\.name) == ["circle", "ring", "cross"])
      #expect(document.pictures.map(\.fileName) == ["scene.png"])
      #expect(try document.objects(file: "coco") == [found.objects])
      let results = try COCODocument.readResults(
        folder.appendingPathComponent("coco-results.json"))
      #expect(try document.objects(of: results, file: "results") == [found.objects])
      let polygons = document.annotations.filter {
        if case .polygons = $0.segmentation { return true }
        return false
      }
      let isWhole = found.objects.map { !$0.mask.mask.outlines.contains(where: \.isHole) }
      #expect(polygons.count == (form == .runs ? 0 : isWhole.filter { $0 }.count))
    }
  }

  @Test func tablesAndOutlinesSayTheObjects() throws {
    try withScratchFolder { folder in
      let found = try written([.csv, .svg], into: folder)
      let table = try String(
        contentsOf: folder.appendingPathComponent("objects.csv"), encoding: .utf8)
      let lines = table.split(separator: "\n").map { $0.split(separator: ",") }
      #expect(lines.count == found.objects.count + 1)
      #expect(lines[0].joined(separator: ",") == SegmentationOutcome.csvHeader)
      for (line, object) in zip(lines.dropFirst(), found.objects) {
        #expect(line.count == 19 && line[0] == "scene")
        #expect(Double(line[3]) == object.score && Int(line[8]) == object.mask.area)
        let box = line[4..<8].compactMap { Double($0) }
        #expect(box == [object.box.x, object.box.y, object.box.width, object.box.height])
        let outlines = object.mask.mask.outlines
        #expect(Int(line[12]) == outlines.filter(\.isHole).count)
        #expect(Int(line[11]) == outlines.filter { !$0.isHole }.count)
      }
      let svg = try String(
        contentsOf: folder.appendingPathComponent("scene-outlines.svg"), encoding: .utf8)
      #expect(svg.components(separatedBy: "<path ").count == found.objects.count + 1)
      for object in found.objects {
        let first = try #require(object.mask.mask.outlines.first)
        #expect(svg.contains("M" + first.corners.map { "\($0.x) \($0.y)" }.joined(separator: "L")))
      }
    }
  }

  @Test func namesAreKeptFromBreakingFiles() throws {
    let palette = ClassPalette.objects(["a \"b\", <c> & \u{1}d/e"])
    let mask = BinaryMask(width: 2, height: 1, pixels: [true, false])
    let outcome = try SegmentationOutcome(
      objects: [EncodedObject(classIndex: 0, mask: RunLengthMask(mask), score: 0.25)],
      size: mask.size)
    #expect(
      outcome.csvLines("x,y", palette: palette)
        == [
          "\"x,y\",1,\"a \"\"b\"\", <c> & \u{1}d/e\",0.25,0,0,1,1,1,0.5,0.5,1,0,0,0,0,,,,,,,,"
        ])
    let svg = outcome.svg(palette: palette)
    #expect(svg.contains("data-class=\"a &quot;b&quot;, &lt;c&gt; &amp; ?d/e\""))
    try withScratchFolder { folder in
      var writer = try SegmentationWriter(
        folder: folder, palette: palette, outputs: [.objects, .coco])
      let picture = ByteImage(width: 2, height: 1, channels: 1)
      let files = try writer.add(outcome, picture: picture, name: "sub/x")
      #expect(files.map(\.lastPathComponent) == ["001-a--b----c-----d-e.png"])
      _ = try writer.finish()
      let document = try COCODocument.read(folder.appendingPathComponent("coco.json"))
      #expect(document.categories.map(\.name) == [palette.names[1]])
    }
    let many = EncodedObject(classIndex: 254, mask: RunLengthMask(mask))
    #expect(
      errorLine { _ = try SegmentationOutcome(objects: [many], size: mask.size) }
        == "expected objects of at most 254 classes, received class 254")
    try withScratchFolder { folder in
      let file = folder.appendingPathComponent("file")
      try Data().write(to: file)
      #expect(
        errorLine { _ = try SegmentationWriter(folder: file, palette: palette) }
          == "\(file.relativePath): the folder cannot be made")
    }
  }

  /// Everything of three scenes into the folder that ATELIER_OUTPUTS names, for
  /// Tests/Fixtures/coco/check_outputs.py and the eye.
  @Test(arguments: COCOMaskForm.allCases)
  func everythingIsWrittenForOthersToRead(form: COCOMaskForm) throws {
    guard let path = ProcessInfo.processInfo.environment["ATELIER_OUTPUTS"] else { return }
    var writer = try SegmentationWriter(
      folder: URL(fileURLWithPath: path).appendingPathComponent(form.rawValue),
      palette: Found().palette, outputs: SegmentationOutput.allCases, form: form)
    for index in 0..<3 {
      let found = try Found(index: index)
      let files = try writer.add(
        found.outcome, picture: found.scene.picture, name: "scene-\(index + 1)")
      #expect(files.count == 6 + found.objects.count)
    }
    #expect(try writer.finish().count == 3)
  }

  @Test func classesOfPixelsBecomeObjects() throws {
    let labels = LabelMap(
      width: 6, height: 4,
      labels: [UInt8](repeating: 0, count: 12) + [UInt8](repeating: 2, count: 12))
    let plain = ClassPalette(
      ["sky", "road", "car"].map { ClassPalette.Entry(name: $0, color: [9, 9, 9]) })
    let semantic = SegmentationOutcome(labels: labels, palette: plain, leastArea: 1)
    #expect(semantic.objects.map(\.classIndex) == [0, 2] && !semantic.hasInstances)
    let things = SegmentationOutcome(
      labels: labels, palette: .objects(["road", "car"]), leastArea: 1)
    #expect(things.objects.map(\.classIndex) == [1] && things.firstObjectLabel == 1)
    let picture = ByteImage(width: 6, height: 4, channels: 3, filledWith: 100)
    let overlay = things.overlay(on: picture, palette: .objects(["road", "car"]))
    #expect(overlay.samples.prefix(36).allSatisfy { $0 == 100 })
    #expect(overlay.samples.suffix(36).contains { $0 != 100 })
  }

  @Test(arguments: [
    ("Müll, größer", "Muell, groesser"), ("Café Åström", "Cafe Astroem"), ("plain 1", "plain 1"),
  ])
  func namesAreDrawnInLettersThatThereAre(_ text: String, _ drawn: String) {
    #expect(text.drawable == drawn)
    #expect(text.decomposedStringWithCanonicalMapping.drawable == drawn)
  }

  @Test func outlinesAreNoThickerThanSmallObjectsBear() throws {
    func width(_ size: Int, _ side: Int) throws -> Double {
      var pixels = [Bool](repeating: false, count: size * size)
      for y in 0..<side { for x in 0..<side { pixels[y * size + x] = true } }
      let mask = BinaryMask(width: size, height: size, pixels: pixels)
      return try SegmentationOutcome(
        objects: [EncodedObject(classIndex: 0, mask: RunLengthMask(mask))],
        size: mask.size
      ).lineWidth
    }
    #expect(try width(300, 20) == 1 && width(720, 100) == 2 && width(2000, 200) == 3)
    #expect(try width(2000, 18) == 1.5)
  }

  @Test(arguments: [
    (#"PhysicalSizeX="0.5" PhysicalSizeXUnit="µm" PhysicalSizeY="0.25""#, [0.5, 0.25], "µm"),
    (#"PhysicalSizeX="2" PhysicalSizeXUnit="nm" PhysicalSizeYUnit="nm""#, [2, 2], "nm"),
    (#"PhysicalSizeX="2""#, [2, 2], "µm"), (#"PhysicalSizeX="0""#, [], ""),
    (#"PhysicalSizeX="2" PhysicalSizeXUnit="nm""#, [], ""), (#"SizeX="4""#, [], ""),
  ])
  func theSizeOfOMEsPixels(_ attributes: String, _ size: [Double], _ unit: String) {
    var metadata = ImageMetadata()
    let text = #"<OME><Image><Pixels ID="p" \#(attributes)/></Image></OME>"#
    metadata.tags[270] = TagDirectory.Entry(tag: 270, kind: 2, data: Array(text.utf8))
    let scale = PixelScale(metadata)
    #expect((scale.map { [$0.width, $0.height] } ?? []) == size && (scale?.unit ?? "") == unit)
  }
}
