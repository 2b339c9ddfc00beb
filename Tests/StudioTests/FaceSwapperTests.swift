// Extraction and conversion of drawn people by their boxes, with untrained networks.

import AtelierDatasets
import AtelierEngine
import AtelierFaceSwap
import AtelierImages
import AtelierInterchange
import AtelierKernels
import AtelierMedia
import AtelierScenery
import AtelierVision
import AtelierWorkbench
import AtelierZoo
import Foundation
import TestSupport
import Testing

/// A swap of random weights, always the same.
private func randomModel(
  hasMask: Bool = false, layout: FaceLayout? = nil
) throws -> FaceSwapModel {
  let network = FaceSwapNetwork(.slim, side: 64, hasMask: hasMask)
  let graph = try network.previewGraph(batch: 1)
  var information = ModelInformation(task: FaceSwapModel.task, architecture: "slim")
  if let layout {
    information.training[FaceSwapModel.layoutKey] = String(
      decoding: try JSONEncoder().encode(layout), as: UTF8.self)
  }
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
    let around = try #require(result?.faces.first).located.box
      .corrected(scale: 1.7, right: 0, down: 0)
    let frame = frames[0].image
    let (left, top) = (max(0, Int(around.x)), max(0, Int(around.y)))
    let width = min(Int(around.width), frame.width - left)
    let height = min(Int(around.height), frame.height - top)
    let cell = PictureGrid.Cell(ByteImage(width: width, height: height, channels: 3))
    let blendings = ["feather", "seamless"].flatMap { blending in
      ["box", "ellipse", "learned"].map { "\(blending), \($0)" }
    }
    let expected = PictureGrid(
      title: "t", columnTitles: ["before"] + blendings,
      rowTitles: ["none", "mean", "reinhard", "histogram"].map { "colour \($0)" },
      rows: Array(repeating: Array(repeating: cell, count: 7), count: 4),
      magnification: (159 + width) / width
    ).render()
    #expect(grid.size == expected.size)
  }

  /// What the network sees of an aligned crop, and where its drawing is laid, is what it saw and should draw in training.
  @Test(arguments: [
    FaceLayout(), FaceLayout(sampling: .original), FaceLayout(cropSize: 80, coverage: 1),
    FaceLayout(cropSize: 160, coverage: 0.8, sampling: .original),
  ])
  func `an aligned crop goes to the network as in training`(_ layout: FaceLayout) throws {
    let size = layout.cropSize
    let crop = try CharacterRenderer(.solomon).picture(CharacterPose(), size: size).image.bytes
    let model = try randomModel(layout: layout)
    #expect(model.layout == layout)
    let swapper = try FaceSwapper(
      model, to: .a, locator: FaceLocator(.crops, aligner: FaceAligner(size: size)),
      compositor: FaceCompositor(), pool: ThreadPool(threads: 1))
    let frame = SwapFrame(crop, path: "c.png")
    let face = try #require(
      try swapper.draw([frame], located: swapper.locate([frame]))[0].first)
    let folder = ImageFolder(items: [.init(name: "c", image: crop)], mode: .color)
    let batches = try FaceBatches(
      faces: folder, side: 64, batchSize: 1, augmentation: layout.unchanged, seed: 1)
    let expected = try model.converter(to: .a, threads: ThreadPool(threads: 1))
      .decode(batches.unchanged([0]).input).pictures.elements
    let difference = zip(face.picture.samples, expected).map { abs($0 - $1) }.max() ?? 1
    #expect(difference < 1e-3)
    var generator = RandomGenerator(seed: 1)
    let places = FaceVariation(layout.unchanged, crop: size, using: &generator)
      .targetPlaces(side: 64)
    for (x, y) in [(0, 0), (63, 7), (20, 63)] {
      let place = places[y * 64 + x]
      let point = face.map(PlanePoint(Double(place.x) + 0.5, Double(place.y) + 0.5))
      #expect(abs(point.x - Double(x) - 0.5) < 1e-4 && abs(point.y - Double(y) - 0.5) < 1e-4)
    }
  }
}

struct CharacterCropsTests {
  /// One rule for drawn and real faces: what a training of drawn people sees is what a conversion cuts out of their pictures.
  @Test(arguments: [0.625, 1])
  func `drawn crops are laid by their own eyes, as extraction lays real ones`(
    _ coverage: Double
  ) throws {
    var augmentation = FaceAugmentation.none
    augmentation.coverage = coverage
    let layout = CharacterCrops.layout(side: 64, augmentation)
    #expect(layout.cropSize == (coverage == 1 ? 80 : 128))
    let source = CharacterCrops(side: 64, layout: layout, seed: 1)
    var generator = RandomGenerator(seed: 6)
    for _ in 0..<4 {
      let pose = CharacterPose.random(using: &generator)
      for (face, character) in [(SwapFace.a, FictionalCharacter.maeve), (.b, .solomon)] {
        let crop = try #require(try source.crops(pose, of: [face]).first)
        let picture = try CharacterRenderer(character).picture(pose, size: 128)
        let marks = picture.landmarks
        let eyes = EyePair(
          leftX: Double(marks.leftEye.x), leftY: Double(marks.leftEye.y),
          rightX: Double(marks.rightEye.x), rightY: Double(marks.rightEye.y))
        let aligner = FaceAligner(size: layout.cropSize)
        let alignment = try #require(
          aligner.alignment(of: FoundFace(box: picture.box, eyes: eyes)))
        #expect(aligner.crop(picture.image.bytes, alignment) == crop.image)
        #expect(aligner.crop(picture.mask.bytes, alignment) == crop.mask)
        let eye = alignment.matrix(PlanePoint(eyes.leftX, eyes.leftY))
        #expect(abs(eye.x - 0.375 * Double(layout.cropSize)) < 1e-6)
        #expect(abs(eye.y - 0.4375 * Double(layout.cropSize)) < 1e-6)
      }
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
      var request = SwapExtractRequest()
      request.output = output
      func extract(threads: Int) throws -> FaceExtractionReport {
        try FaceExtraction.run(
          request, on: sources, locator: locator,
          in: JobPlace(kernels: Kernels(pool: ThreadPool(threads: threads))))
      }
      let report = try extract(threads: 2)
      #expect(report.faces == 5 && report.laidByBox == 5 && report.pictures == 5)
      #expect(report.failures.map(\.file) == [sources[4].input])
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
      request.output = folder.appending(path: "sharp").path
      let sharp = try extract(threads: 1)
      let below = sorted.filter { $0 < request.leastSharpness }.count
      #expect(sharp.faces == 5 - below && sharp.tooBlurred == below && sharp.withoutFace == 0)
    }
  }
}
