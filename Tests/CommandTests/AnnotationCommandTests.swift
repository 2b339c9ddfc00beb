// `atelier segment convert`, `inspect` and `propose` as processes, and stacks of a microscope, on the
// samples of shapes.

import Atelier
import Foundation
import Testing

@Suite(.enabled(if: CommandTool.isBuilt, "the executable atelier was not built"))
struct AnnotationCommandTests {
  private static let project = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
    .deletingLastPathComponent().deletingLastPathComponent()
  private let shapes = project.appendingPathComponent("Samples/shapes").path
  private let model = project.appendingPathComponent("Checkpoints/objects-shapes.safetensors").path

  private func names(_ folder: URL) throws -> [String] {
    try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted()
  }

  @Test func annotationsComeBackToThePixelFromLabelmeAndYOLO() throws {
    let bench = try Workbench()
    let truth = try bench.run(
      "segment", "convert", "--data", shapes, "--write", "instances", "-o", "truth")
    #expect(truth.status == 0, "\(truth.errors)")
    let wanted = try names(bench.path("truth"))
    #expect(!wanted.isEmpty)
    // What --pictures writes is read as it is.
    for form in ["labelme", "yolo", "coco", "voc", "instances"] {
      let out = try bench.run(
        "segment", "convert", "--data", shapes, "--write", form, "--pictures", "-o", form)
      #expect(out.status == 0, "\(form): \(out.errors)")
      let back = try bench.run(
        "segment", "convert", "--data", form, "--write", "instances", "-o", "\(form)-back")
      #expect(back.status == 0, "\(form): \(back.errors)")
      #expect(try names(bench.path("\(form)-back")) == wanted)
      for name in wanted {
        let one = try ImageFile.read(bench.path("truth/\(name)"))
        let two = try ImageFile.read(bench.path("\(form)-back/\(name)"))
        #expect(one.samples.map { $0 == 0 } == two.samples.map { $0 == 0 }, "\(form), \(name)")
      }
    }
    let twice = try bench.run(
      "segment", "convert", "--data", shapes, "--write", "nothing", "-o", "x")
    #expect(twice.status == 64)
    let both = try bench.run(
      "segment", "convert", "--data", shapes, "--write", "label,yolo", "--pictures", "-o", "x")
    #expect(both.status == 64 && both.errors.contains("which have a classes.txt each"))
    for word in ["classes", "again"] {
      let data = word == "classes" ? shapes : "classes"
      let masks = try bench.run(
        "segment", "convert", "--data", data, "--write", "label", "--pictures", "-o", word)
      #expect(masks.status == 0, "\(masks.errors)")
    }
    for name in try names(bench.path("classes/masks")) {
      #expect(
        try ImageFile.readIndices(bench.path("classes/masks/\(name)").path)
          == ImageFile.readIndices(bench.path("again/masks/\(name)").path), "\(name)")
    }
  }

  /// A set of one picture of 20x12 with an object, both of a name with dots.
  private func dottedSet(_ bench: Workbench, _ name: String) throws {
    let picture = ByteImage(width: 20, height: 12, channels: 3, filledWith: 90)
    var labels = ByteImage(width: 20, height: 12, channels: 1)
    for place in 25..<30 { labels.samples[place] = 1 }
    for (folder, image) in [("images", picture), ("labels", labels)] {
      let file = bench.path("set/\(folder)/\(name).png")
      try FileManager.default.createDirectory(
        at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
      try ImageFile.write(image, to: file)
    }
  }

  @Test func namesKeepWhatFollowsADot() throws {
    let bench = try Workbench()
    for name in ["a_png.rf.aa11", "a_png.rf.bb22"] { try dottedSet(bench, name) }
    let told = try bench.run(
      "segment", "convert", "--data", "set", "--write", "labelme", "--pictures", "-o", "out")
    #expect(told.status == 0, "\(told.errors)")
    #expect(
      try names(bench.path("out"))
        == ["aa11", "bb22"].flatMap { ["a_png.rf.\($0).json", "a_png.rf.\($0).png"] })
  }

  /// The picture that each of labelme's files in a folder names, from that folder.
  private func named(_ folder: URL) throws -> [String: URL] {
    struct File: Decodable { let imagePath: String }
    let files = try names(folder).filter { $0.hasSuffix(".json") && !$0.hasPrefix("coco") }
    return try Dictionary(
      uniqueKeysWithValues: files.map { name in
        let data = try Data(contentsOf: folder.appendingPathComponent(name))
        let path = try JSONDecoder().decode(File.self, from: data).imagePath
        return (name, folder.appendingPathComponent(path).standardizedFileURL)
      })
  }

  @Test func labelmeFindsThePicturesThatItsFilesName() throws {
    let bench = try Workbench()
    let first = try #require(
      ImageFolder.list(URL(fileURLWithPath: shapes + "/images")).first)
    try FileManager.default.createDirectory(
      at: bench.path("pool"), withIntermediateDirectories: true)
    try FileManager.default.copyItem(at: first.url, to: bench.path("pool/byte.png"))
    let image = try ImageFile.read(first.url)
    try ImageFile.write(image.words, to: bench.path("pool/word.png").path)
    let writer = try PictureWriter(bench.path("pool/stack.tif").path)
    for _ in 0..<2 { try writer.append(PicturePage(.words(image.words))) }
    try writer.finish()
    let told = try bench.run(
      "segment", "pool", "--model", model, "-o", "out/deep", "--write", "labelme")
    #expect(told.status == 0, "\(told.errors)")
    let found = try named(bench.path("out/deep"))
    #expect(found.count == 4)
    #expect(found["byte.json"]?.path == bench.path("pool/byte.png").standardizedFileURL.path)
    for name in ["word", "stack-p001", "stack-p002"] {
      let copy = bench.path("out/deep/\(name)-picture.png")
      #expect(found["\(name).json"]?.path == copy.standardizedFileURL.path)
      #expect(try ImageFile.information(copy.path).bitDepth == 8)
    }
    let proposed = try bench.run("segment", "propose", "pool", "--model", model, "-o", "proposals")
    #expect(proposed.status == 0, "\(proposed.errors)")
    let proposals = try named(bench.path("proposals"))
    #expect(
      Set(proposals.keys.map { $0.dropFirst(4) })
        == ["byte.json", "word.json", "stack-p001.json", "stack-p002.json"])
    for url in proposals.values { #expect(try ImageFile.information(url.path).bitDepth == 8) }
    let rest = try bench.run(
      "segment", "propose", "pool", "--model", model, "--done", "proposals", "-o", "rest")
    #expect(rest.status == 66 && rest.errors.contains("are corrected already"))
  }

  @Test func aTrainingWithoutObjectsIsRefused() throws {
    let bench = try Workbench()
    try dottedSet(bench, "a")
    try FileManager.default.removeItem(at: bench.path("set/labels"))
    let text = #"{"shapes": [], "imagePath": "a.png"}"#
    for name in ["a", "b"] {
      try Data(text.utf8).write(to: bench.path("set/images/\(name).json"))
    }
    let told = try bench.run(
      "segment", "train-stars", "--data", "set/images", "--steps", "1", "--run", "run")
    #expect(
      told.status == 65 && told.errors.contains("expected pictures with objects to learn from"))
  }

  @Test func aSetIsLookedAt() throws {
    let bench = try Workbench()
    let told = try bench.run("segment", "inspect", "--data", shapes, "-o", "sheet.png")
    #expect(told.status == 0, "\(told.errors)")
    #expect(told.output.contains("circle") && told.output.contains("picture: sheet.png"))
    #expect(try ImageFile.size(bench.path("sheet.png").path).width > 200)
    let nothing = try bench.run("segment", "inspect", "--data", "sheet.png")
    #expect(nothing.status == 65 && nothing.errors.split(separator: "\n").count == 1)
  }

  @Test func proposalsAreNumberedByDoubt() throws {
    let bench = try Workbench()
    let pool = shapes + "/images"
    let words = ["segment", "propose", pool, "--model", model, "-o", "out"]
    let told = try bench.run(words + ["--count", "3"])
    #expect(told.status == 0, "\(told.errors)")
    let files = try names(bench.path("out"))
    #expect(files.filter { $0.hasSuffix(".json") }.count == 3)
    #expect(files.contains("order.csv") && files.contains { $0.hasPrefix("001-") })
    let rows = try String(contentsOf: bench.path("out/order.csv"), encoding: .utf8)
      .split(separator: "\n").dropFirst().map { $0.split(separator: ",") }
    let doubts = rows.compactMap { Double($0[2]) }
    #expect(doubts.count == 3 && doubts == doubts.sorted(by: >))
    let again = try bench.run(words)
    #expect(again.status == 73 && again.errors.contains("holds 7 files already"))
    let rest = try bench.run(
      ["segment", "propose", pool, "--model", model, "-o", "rest", "--done", "out"])
    #expect(rest.status == 0, "\(rest.errors)")
    let taken = Set(rows.map { String($0[1]) })
    let left = try String(contentsOf: bench.path("rest/order.csv"), encoding: .utf8)
      .split(separator: "\n").dropFirst().map { String($0.split(separator: ",")[1]) }
    #expect(!left.isEmpty && taken.isDisjoint(with: left))
  }

  @Test func pagesOfAStackAreSegmentedEachWithItsUnit() throws {
    let bench = try Workbench()
    let pictures = try ImageFolder.list(URL(fileURLWithPath: shapes + "/images"))
    let first = try ImageFile.read(try #require(pictures.first).url)
    let file = bench.path("stack.tif")
    let writer = try PictureWriter(file.path)
    for _ in 0..<2 {
      var page = PicturePage(.words(first.words))
      page.metadata.resolution = .init(x: 100, y: 100, unit: .centimeter)
      try writer.append(page)
    }
    try writer.finish()
    let told = try bench.run(
      "segment", "stack.tif", "--model", model, "-o", "out", "--write", "label,csv")
    #expect(told.status == 0, "\(told.errors)")
    #expect(
      try names(bench.path("out"))
        == ["objects.csv", "stack-p001-label.png", "stack-p002-label.png"])
    let table = try String(contentsOf: bench.path("out/objects.csv"), encoding: .utf8)
    let rows = table.split(separator: "\n").dropFirst().map {
      $0.split(separator: ",", omittingEmptySubsequences: false)
    }
    #expect(!rows.isEmpty && rows.count.isMultiple(of: 2))
    for row in rows {
      // 100 pixels a centimetre: a pixel is 0.1 mm wide.
      #expect(row[19] == "mm")
      let (area, pixels) = (Double(row[20]) ?? 0, Double(row[8]) ?? 0)
      #expect(abs(area - pixels / 100) < 1e-4)
    }
  }
}
