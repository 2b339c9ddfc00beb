// Extraction and conversion of drawn people by their boxes, with untrained networks.

import AtelierDatasets
import AtelierEngine
import AtelierImages
import AtelierInterchange
import AtelierKernels
import AtelierStudio
import AtelierZoo
import Foundation
import Testing

/// A swap of random weights, always the same.
private func randomModel(hasMask: Bool = false) throws -> FaceSwapModel {
  let network = FaceSwapNetwork(.slim, side: 64, hasMask: hasMask)
  let graph = try network.previewGraph(batch: 1)
  let information = ModelInformation(task: FaceSwapModel.task, architecture: "slim")
  let store = try ParameterStore(for: [graph], seed: 5)
  return try FaceSwapModel(
    Model(graph: graph, store: store, information: information), name: "random")
}

/// Frames of a drawn person on a larger ground, as pictures and as a table of boxes.
private func drawnFrames(_ count: Int) throws -> (frames: [SwapFrame], table: String) {
  let renderer = CharacterRenderer(.maeve)
  var table = "file,frame,x,y,width,height\n"
  let frames = try (0..<count).map { index in
    let pose = CharacterPose(yaw: Float(index * 4) - 8, mouthOpening: 0.1 * Float(index))
    let drawn = try renderer.picture(pose, size: 96)
    var image = ByteImage(width: 150, height: 110, channels: 3, filledWith: 70)
    image.paste(drawn.image.bytes, x: 10 + 8 * index, y: 9)
    let box = drawn.box
    table += "f\(index).png,,\(box.x + Double(10 + 8 * index)),\(box.y + 9),"
    table += "\(box.width),\(box.height)\n"
    return SwapFrame(image, path: "f\(index).png")
  }
  return (frames, table)
}

struct FaceSwapperTests {
  private func swapper(
    _ table: String, compositor: FaceCompositor = FaceCompositor(), to face: SwapFace = .b,
    batch: Int = 1, threads: Int = 2, hasMask: Bool = false
  ) throws -> FaceSwapper {
    let locator = FaceLocator(.boxes(try BoxTable(text: table, name: "t"), nil))
    return try FaceSwapper(
      try randomModel(hasMask: hasMask), to: face, locator: locator, compositor: compositor,
      batch: batch, pool: ThreadPool(threads: threads))
  }

  @Test func `results are the same for every number of threads, nearly for every batch`() throws {
    let (frames, table) = try drawnFrames(5)
    let expected = try swapper(table, threads: 1).swap(frames).map { $0?.image }
    for threads in [2, 3] {
      let results = try swapper(table, threads: threads).swap(frames).map { $0?.image }
      let isSame = results == expected
      #expect(isSame, "\(threads) threads")
    }
    // Kernels of another batch may add in another order.
    for batch in [3, 8] {
      let results = try swapper(table, batch: batch).swap(frames).map { $0?.image }
      for (image, other) in zip(results, expected) {
        let samples = zip(try #require(image).samples, try #require(other).samples)
        #expect((samples.map { abs(Int($0) - Int($1)) }.max() ?? 255) <= 1, "batch \(batch)")
      }
    }
    let toA = try swapper(table, to: .a, threads: 1).swap(frames)
    let isOther = toA[0]?.image != expected[0]
    #expect(isOther)
  }

  @Test func `only the face changes, and frames without one are left alone`() throws {
    let (frames, table) = try drawnFrames(3)
    let lines = table.split(separator: "\n").map(String.init)
    let partial = lines.enumerated().filter { $0.offset != 2 }.map(\.element)
      .joined(separator: "\n")
    let results = try swapper(partial).swap(frames)
    #expect(results[1] == nil)
    for index in [0, 2] {
      let (image, faces) = try #require(results[index])
      let box = try #require(faces.first?.located.box)
      let square = max(box.width, box.height) / 2 + 1
      var changed = 0
      for y in 0..<image.height {
        for x in 0..<image.width
        where (0..<3).contains(where: { image[x, y, $0] != frames[index].image[x, y, $0] }) {
          changed += 1
          #expect(abs(Double(x) + 0.5 - box.centerX) <= square)
          #expect(abs(Double(y) + 0.5 - box.centerY) <= square)
        }
      }
      #expect(Double(changed) > 0.5 * box.area)
    }
  }

  @Test func `gray and transparent frames keep their size and alpha`() throws {
    let (frames, table) = try drawnFrames(1)
    for channels in [1, 2, 4] {
      var frame = frames[0]
      frame.image = frame.image.withChannels(channels)
      if channels == 4 { frame.image[0, 0, 3] = 9 }
      let image = try #require(try swapper(table).swap([frame])[0]?.image)
      #expect(image.channels == (channels == 1 ? 3 : 4))
      if channels == 4 { #expect(image.channel(3) == frame.image.channel(3)) }
    }
  }

  @Test func `a learned mask needs a mask head`() throws {
    let (frames, table) = try drawnFrames(1)
    let compositor = FaceCompositor(mask: .learned)
    let line = errorLine { _ = try swapper(table, compositor: compositor) }
    #expect(
      line == "the model has no mask head, so its mask cannot be learned; take box or ellipse")
    let result = try swapper(table, compositor: compositor, hasMask: true).swap(frames)[0]
    #expect(result?.faces.first?.mask?.size == PixelSize(width: 64, height: 64))
    let grid = try BlendingGrid.render(
      frames[0].image, faces: try #require(result?.faces), compositor: FaceCompositor(), title: "t")
    // A column for the frame as it was, two blendings of three masks; four rows of colours.
    #expect(grid.width > 7 * 150 && grid.height > 4 * 150)
  }

  /// What the network sees of an aligned crop is what it sees in training: the plain middle.
  @Test func `an aligned crop goes to the network as in training`() throws {
    let crop = try CharacterRenderer(.solomon).picture(CharacterPose(), size: 256).image.bytes
    let model = try randomModel()
    let swapper = try FaceSwapper(
      model, to: .a, locator: FaceLocator(.crops), compositor: FaceCompositor(),
      pool: ThreadPool(threads: 1))
    let face = try #require(try swapper.draw([SwapFrame(crop, path: "c.png")])[0].first)
    let folder = ImageFolder(items: [.init(name: "c", image: crop)], mode: .color)
    let batches = try FaceBatches(
      faces: folder, side: 64, batchSize: 1, augmentation: .none, seed: 1)
    let expected = try model.converter(to: .a, threads: ThreadPool(threads: 1))
      .decode(batches.unchanged([0]).input).pictures.elements
    let difference = zip(face.picture.samples, expected).map { abs($0 - $1) }.max() ?? 1
    #expect(difference < 1e-3)
    for (from, to) in [(48.0, 0.0), (208, 64)] {
      let point = face.map(PlanePoint(from, from))
      #expect(abs(point.x - to) < 1e-9 && abs(point.y - to) < 1e-9)
    }
  }
}

struct FaceExtractionTests {
  @Test func `crops, alignments and sheet are written, blurred faces left out`() throws {
    try withScratchFolder { folder in
      let (frames, table) = try drawnFrames(4)
      var sources: [MediaFile] = []
      for frame in frames {
        let file = folder.appending(path: "in/\(frame.path)")
        try FileManager.default.createDirectory(
          at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
        try ImageFile.write(frame.image, to: file)
        sources.append(MediaFile(name: frame.path, input: file.path))
      }
      try Data("no picture".utf8).write(to: folder.appending(path: "in/bad.png"))
      sources.append(
        MediaFile(name: "bad.png", input: folder.appending(path: "in/bad.png").path))
      // The same name from another folder must not take the first one's crop.
      sources.append(MediaFile(name: "f0.png", input: sources[0].input))
      let locator = FaceLocator(
        .boxes(try BoxTable(text: table, name: "t"), nil), aligner: FaceAligner(size: 64))
      let output = folder.appending(path: "faces").path
      var request = FaceExtractionRequest(sources: sources, locator: locator, folder: output)
      let (report, failures) = try FaceExtraction.run(request, pool: ThreadPool(threads: 2))
      #expect(report.faces == 5 && report.laidByBox == 5 && report.pictures == 5)
      #expect(failures.map(\.file) == [sources[4].input])
      #expect(report.sheets == [output + "-sheet.png"])
      let list = try FaceAlignments(contentsOf: URL(fileURLWithPath: report.alignments))
      #expect(list.faces.compactMap(\.crop) == (0..<4).map { "f\($0)-0.png" } + ["f0~2-0.png"])
      for (face, frame) in zip(list.faces, frames) {
        let crop = try ImageFile.read("\(output)/\(face.crop ?? "")")
        #expect(crop.sharpness == face.sharpness)
        let back = try #require(face.matrix.inverse)
        #expect(crop == frame.image.sampled(through: back, width: 64, height: 64))
      }
      let sorted = list.faces.map(\.sharpness).sorted()
      request.leastSharpness = (sorted[0] + sorted[1]) / 2
      request.writesSheets = false
      request.folder = folder.appending(path: "sharp").path
      let (sharp, _) = try FaceExtraction.run(request, pool: ThreadPool(threads: 1))
      let below = sorted.filter { $0 < request.leastSharpness }.count
      #expect(sharp.faces == 5 - below && sharp.tooBlurred == below && sharp.withoutFace == 0)
    }
  }
}
