// What `atelier denoise` keeps of a file: pages, sample types, metadata, alpha; and which files it takes.

import Atelier
import Foundation
import Testing

@Suite(.enabled(if: CommandTool.isBuilt, "the executable atelier was not built"))
struct FileKeepingTests {
  private func bench() throws -> Workbench {
    let bench = try Workbench()
    try bench.model("gray.safetensors", Workbench.tinyNetwork(channels: 1), channels: 1)
    return bench
  }

  /// Runs `denoise` with the gray model.
  private func denoise(_ bench: Workbench, _ arguments: String...) throws -> CommandTool.Outcome {
    try bench.run(["denoise"] + arguments + ["--model", "gray.safetensors"])
  }

  @Test func hiddenColorsTouchNothing() throws {
    let bench = try bench()
    let base = try bench.picture("base.png", 90, 80, channels: 4)
    var sigmas: Set<Double> = []
    var seen: [ByteImage] = []
    for hidden in [UInt8(0), 128, 255] {
      var image = base
      for y in 0..<80 {
        for x in 0..<90 {
          let isInside = (x - 45) * (x - 45) + (y - 40) * (y - 40) < 900
          image[x, y, 3] = isInside ? UInt8(40 + (x * 7 + y) % 216) : 0
          if !isInside { for channel in 0..<3 { image[x, y, channel] = hidden } }
        }
      }
      try ImageFile.write(image, to: bench.path("in.png"))
      let outcome = try denoise(bench, "in.png", "-o", "out.png", "--json")
      #expect(outcome.status == 0, "\(outcome.errors)")
      let report = try #require(
        try JSONSerialization.jsonObject(with: Data(outcome.output.utf8)) as? [String: Any])
      let file = try #require((report["files"] as? [[String: Any]])?.first)
      sigmas.insert(try #require(file["sigma"] as? Double))
      var result = try ImageFile.read(bench.path("out.png"))
      #expect(result.channel(3) == image.channel(3))
      #expect(result != image)
      #expect(result[0, 0, 0] == hidden)
      for index in stride(from: 0, to: result.samples.count, by: 4)
      where result.samples[index + 3] == 0 {
        for channel in index..<index + 3 { result.samples[channel] = 0 }
      }
      seen.append(result)
    }
    #expect(sigmas.count == 1)
    #expect(seen[0] == seen[1] && seen[1] == seen[2])
  }

  @Test func pagesTypesAndPixelSizesAreKept() throws {
    let bench = try bench()
    var metadata = ImageMetadata()
    metadata.resolution = .init(x: 25000, y: 50000, unit: .centimeter)
    var storage = TIFFStorage()
    (storage.kind, storage.bits, storage.compression, storage.predictor) = (.float, 32, 5, 3)
    storage.tile = PixelSize(width: 32, height: 16)
    let picture = try bench.picture("base.png", 61, 43, channels: 1).floats
    var pages: [FloatImage] = []
    let writer = try PictureWriter(bench.path("stack.tif").path)
    for index in 0..<3 {
      var image = picture.rescaled(from: 0...1, to: 100...Float(4000 + 500 * index))
      image[5, 5, 0] = .nan
      pages.append(image)
      var page = PicturePage(.floats(image))
      page.storage = storage
      page.metadata = metadata
      try writer.append(page)
    }
    try writer.finish()
    let outcome = try denoise(bench, "stack.tif", "-o", "out.tif", "--sigma", "20")
    #expect(outcome.status == 0, "\(outcome.errors)")
    #expect(outcome.output.contains("3 pages of 61x43"))
    let reader = try PictureReader(bench.path("out.tif").path)
    #expect(reader.pageCount == 3)
    for former in pages {
      let page = try #require(try reader.nextPage())
      #expect(page.storage == storage)
      #expect(page.metadata.resolution == metadata.resolution)
      guard case .floats(let image) = page.image else { throw TestFailure("no floats") }
      #expect(image[5, 5, 0].isNaN)
      #expect(image != former)
      let range = try #require(image.finiteRange)
      #expect(range.lowerBound > -2000 && range.upperBound < 8000)
      #expect(range.upperBound > 1000)
    }
    let refused = try denoise(bench, "stack.tif", "-o", "out.png")
    #expect(refused.status == 65)
    #expect(
      refused.errors == "atelier: stack.tif: 3 pages, which out.png cannot hold; name a .tif\n")
  }

  @Test func metadataGoesThroughUnlessStripped() throws {
    let bench = try bench()
    let picture = try bench.picture("base.png", 40, 30, channels: 1)
    var carried = ImageMetadata()
    carried.xmp = Data("<x:xmpmeta/>".utf8)
    carried.profile = Data((0..<500).map { UInt8($0 & 255) })
    carried.resolution = .init(x: 300, y: 300, unit: .inch)
    carried.texts = ["Author": "Me"]
    try ImageFile.write(picture, to: bench.path("in.jpg"), options: .init(carried: carried))
    for format in ["jpg", "png", "tif", "webp"] {
      let outcome = try denoise(bench, "in.jpg", "-o", "out.\(format)")
      #expect(outcome.status == 0, "\(outcome.errors)")
      #expect(
        outcome.errors.contains("out.webp cannot hold texts; left out") == (format == "webp"))
      let kept = try ImageFile.attached(bench.path("out.\(format)").path)
      #expect(kept.xmp == carried.xmp)
      #expect(kept.profile == carried.profile)
      if format == "jpg" { #expect(kept.resolution == carried.resolution) }
      if format == "jpg" { #expect(kept.texts == ["Author": "Me", "Software": "Atelier"]) }
      let stripped = try denoise(bench, "in.jpg", "-o", "bare.\(format)", "--strip")
      #expect(stripped.status == 0, "\(stripped.errors)")
      #expect(try ImageFile.attached(bench.path("bare.\(format)").path).isEmpty)
    }
  }

  @Test func everyPictureOfAFolderIsTakenAndTheRestNamed() throws {
    let bench = try bench()
    for name in ["a.png", "b.webp", "c.tif", "d.jfif"] {
      try bench.picture("in/" + name, 20, 16, channels: name == "d.jfif" ? 3 : 1)
    }
    try FileManager.default.moveItem(
      at: bench.path("in/a.png"), to: bench.path("in/without-an-ending"))
    try Data("P5 2 2 255\n1234".utf8).write(to: bench.path("in/e.pgm"))
    try Data("words".utf8).write(to: bench.path("in/notes.txt"))
    try Data("words".utf8).write(to: bench.path("in/.hidden"))
    let outcome = try denoise(bench, "in", "-o", "out")
    #expect(outcome.status == 0, "\(outcome.errors)")
    #expect(
      outcome.errors.contains(
        "in: 1 file is left out, no picture by name or content: notes.txt\n"))
    for name in ["b.webp", "c.tif", "d.jfif", "e.png", "without-an-ending.png"] {
      #expect(FileManager.default.fileExists(atPath: bench.path("out/" + name).path), "\(name)")
    }
  }

  @Test func harmlessFaultsAreToldAndRead() throws {
    let bench = try bench()
    try bench.picture("a.jpg", 32, 24, channels: 1)
    var data = try Data(contentsOf: bench.path("a.jpg"))
    data.insert(contentsOf: Data(count: 7), at: data.count - 2)
    try data.write(to: bench.path("a.jpg"))
    let outcome = try denoise(bench, "a.jpg", "-o", "b.png")
    #expect(outcome.status == 0, "\(outcome.errors)")
    #expect(
      outcome.errors.contains(
        "a.jpg: the JPEG has stray bytes before a marker; it is read all the same\n"))
  }

  @Test func otherKindsGoThroughAProgram() throws {
    let bench = try bench()
    try bench.picture("made.png", 24, 16, channels: 1)
    try Data("not of a kind that is read".utf8).write(to: bench.path("-photo: one.heic"))
    let none = try bench.run(
      ["denoise", "./-photo: one.heic", "-o", "b.png", "--model", "gray.safetensors"],
      environment: ["PATH": "/nowhere"])
    #expect(none.status == 65)
    #expect(
      none.errors
        == "atelier: ./-photo: one.heic: a HEIC file needs one of the programs heif-dec, "
        + "heif-convert, magick, convert, ffmpeg, and none is in PATH; install one (apt-get "
        + "install libheif-examples)\n")
    let tool = bench.path("bin/heif-convert")
    try FileManager.default.createDirectory(
      at: bench.path("bin"), withIntermediateDirectories: true)
    try Data("#!/bin/sh\ncp \"\(bench.path("made.png").path)\" \"$2\"\n".utf8).write(to: tool)
    try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: tool.path)
    let path = "\(bench.path("bin").path):/usr/bin:/bin"
    let outcome = try bench.run(
      ["denoise", "./-photo: one.heic", "-o", "out/", "--model", "gray.safetensors"],
      environment: ["PATH": path])
    #expect(outcome.status == 0, "\(outcome.errors)")
    #expect(outcome.errors.contains("./-photo: one.heic: read by heif-convert\n"))
    #expect(
      try ImageFile.size(bench.path("out/-photo: one.png").path) == PixelSize(width: 24, height: 16)
    )
    try Data("#!/bin/sh\necho broken >&2\nexit 3\n".utf8).write(to: tool)
    let broken = try bench.run(
      ["denoise", "./-photo: one.heic", "-o", "out/", "--model", "gray.safetensors"],
      environment: ["PATH": path])
    #expect(broken.status == 65)
    #expect(broken.errors.contains("received one that it does not (heif-convert: broken)"))
  }
}

/// What a test does not expect.
private struct TestFailure: Error {
  let text: String
  init(_ text: String) { self.text = text }
}
