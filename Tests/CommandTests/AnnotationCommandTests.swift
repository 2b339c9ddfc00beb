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
    for form in ["labelme", "yolo", "coco"] {
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
