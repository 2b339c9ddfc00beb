// `atelier swap extract` and `run` on drawn people: crops, results, provenance, films, and what is refused.

import Atelier
import Foundation
import Testing

#if canImport(Glibc)
import Glibc
#elseif canImport(Darwin)
import Darwin
#endif

/// The program ffmpeg, nil where it is not installed.
private let tools: FilmTools? = {
  let tools = try? FilmTools()
  if tools == nil { print("SKIPPED: films on the command line (install the program ffmpeg)") }
  return tools
}()

@Suite(.enabled(if: CommandTool.isBuilt, "the executable atelier was not built"))
struct SwapCommandTests {
  /// A folder with a model of random weights, four drawn frames in `in` and their boxes.
  private func bench() throws -> Workbench {
    let bench = try Workbench()
    let graph = try FaceSwapNetwork(.slim).previewGraph(batch: 1)
    let store = try ParameterStore(for: [graph], seed: 5)
    let information = ModelInformation(task: FaceSwapModel.task, architecture: "slim")
    try ModelFile.write(
      Model(graph: graph, store: store, information: information),
      to: bench.path("swap.safetensors"))
    try FileManager.default.createDirectory(
      at: bench.path("in"), withIntermediateDirectories: true)
    let renderer = CharacterRenderer(.solomon)
    var table = "file,frame,x,y,width,height\n"
    for index in 0..<4 {
      let pose = CharacterPose(yaw: Float(index * 5) - 8)
      let drawn = try renderer.picture(pose, size: 96)
      try ImageFile.write(drawn.image.bytes, to: bench.path("in/f\(index).png"))
      let box = drawn.box
      let place = "\(box.x),\(box.y),\(box.width),\(box.height)"
      table += "f\(index).png,,\(place)\nfilm.mkv,\(index),\(place)\n"
    }
    try Data(table.utf8).write(to: bench.path("boxes.csv"))
    return bench
  }

  /// The options that take the drawn boxes as they are.
  private static let boxes = ["--boxes", "boxes.csv", "--align", "box"]

  private func run(_ bench: Workbench, _ arguments: [String]) throws -> CommandTool.Outcome {
    try CommandTool.run(arguments, in: bench.folder)
  }

  @Test func whatWouldBeDoneIsPrinted() throws {
    let bench = try bench()
    let checked = try run(
      bench,
      ["swap", "in", "--model", "swap.safetensors", "--to", "a", "-o", "out", "--erode", "-0.1"]
        + ["--seamless", "--check"] + Self.boxes)
    #expect(checked.status == 0, "\(checked.errors)")
    let request = try #require(
      try JSONSerialization.jsonObject(with: Data(checked.output.utf8)) as? [String: Any])
    #expect(request["face"] as? String == "a" && request["quality"] as? Int == 92)
    let compositor = try #require(request["compositor"] as? [String: Any])
    #expect(compositor["blending"] as? String == "seamless")
    #expect((compositor["erosion"] as? Double).map { abs($0 + 0.1) < 1e-6 } == true)
    #expect((request["source"] as? [String: Any])?["boxes"] as? String == "boxes.csv")
    #expect(!FileManager.default.fileExists(atPath: bench.path("out").path))
  }

  @Test func cropsComeFromBoxesAndServeARun() throws {
    let bench = try bench()
    let extracted = try run(
      bench, ["swap", "extract", "in", "-o", "faces", "--size", "128"] + Self.boxes)
    #expect(extracted.status == 0, "\(extracted.errors)")
    #expect(
      extracted.output.hasPrefix(
        "4 faces in 4 pictures (0 laid by the eyes, 4 by the box; 0 pictures without a face), "))
    let folder = ImageFolder.extensions
    let crops = try ImageFolder.list(bench.path("faces"), extensions: folder).map(\.name)
    #expect(crops == (0..<4).map { "f\($0)-0.png" })
    #expect(try ImageFile.size(bench.path("faces-sheet.png").path).width > 4 * 96)
    let blurred = try run(
      bench, ["swap", "extract", "in", "-o", "none", "--min-sharpness", "20"] + Self.boxes)
    #expect(blurred.status == 65)
    #expect(blurred.errors.contains("all 4 faces are less sharp than --min-sharpness 20.0; "))
    // The alignments lead to the same results as the boxes that they were made of.
    let common = ["swap", "in", "--model", "swap.safetensors", "--to", "b"]
    let first = try run(bench, common + ["-o", "byBoxes"] + Self.boxes)
    let second = try run(
      bench, common + ["-o", "byAlignments", "--alignments", "faces/alignments.json"])
    #expect(first.status == 0 && second.status == 0, "\(first.errors)\(second.errors)")
    for index in 0..<4 {
      let results = try ["byBoxes", "byAlignments"].map {
        try ImageFile.read(bench.path("\($0)/f\(index).png"))
      }
      #expect(results[0] == results[1])
      #expect(results[0] != (try ImageFile.read(bench.path("in/f\(index).png"))))
    }
  }

  @Test func resultsSayWhatTheyAreAndCopiesAreCopies() throws {
    let bench = try bench()
    let picture = try ImageFile.read(bench.path("in/f1.png"))
    try ImageFile.write(picture, to: bench.path("in/f1.jpg"))
    try FileManager.default.removeItem(at: bench.path("in/f1.png"))
    let boxes = try String(contentsOf: bench.path("boxes.csv"), encoding: .utf8)
      .replacingOccurrences(of: "f1.png", with: "f1.jpg")
      .replacingOccurrences(of: "f2.png", with: "f9.png")
    try Data(boxes.utf8).write(to: bench.path("boxes.csv"))
    let outcome = try run(
      bench,
      ["swap", "in", "--model", "swap.safetensors", "--to", "a", "-o", "out", "--compare"]
        + ["--grid", "grid.png", "--json"] + Self.boxes)
    #expect(outcome.status == 0, "\(outcome.errors)")
    let digest = FileDigest.sha256(try Data(contentsOf: bench.path("swap.safetensors")))
    for name in ["out/f0.png", "out/f1.jpg", "out/f0-compare.png", "grid.png"] {
      let texts = try ImageFile.metadata(bench.path(name).path)
      let comment = try #require(texts["Comment"], "\(name)")
      #expect(comment.hasPrefix("Synthetic picture: face swap to a by Atelier "))
      #expect(comment.hasSuffix(", model swap.safetensors (sha256 \(digest))"))
      #expect(
        texts[ImageWriteOptions.xmpKey]?.contains("compositeWithTrainedAlgorithmicMedia") == true)
    }
    #expect(
      try Data(contentsOf: bench.path("out/f2.png")) == Data(contentsOf: bench.path("in/f2.png")))
    let report = try #require(
      try JSONSerialization.jsonObject(with: Data(outcome.output.utf8)) as? [String: Any])
    let files = try #require(report["files"] as? [[String: Any]])
    #expect(files.map { $0["faces"] as? Int } == [1, 1, 0, 1])
    #expect(files.map { $0["frames_without_face"] as? Int } == [0, 0, 1, 0])
    #expect(files.compactMap { $0["comparison"] as? String }.first == "out/f0-compare.png")
  }

  @Test(.enabled(if: tools != nil)) func aFilmKeepsItsSoundAndItsFrames() throws {
    let tools = try #require(tools)
    let bench = try bench()
    let process = Process()
    process.executableURL = URL(fileURLWithPath: tools.ffmpeg)
    process.currentDirectoryURL = bench.folder
    process.standardInput = FileHandle.nullDevice
    process.arguments =
      ["-v", "error", "-framerate", "10", "-i", "in/f%d.png", "-f", "lavfi", "-i"]
      + ["sine=440:duration=0.4", "-c:v", "ffv1", "-c:a", "pcm_s16le", "film.mkv"]
    try process.run()
    process.waitUntilExit()
    try #require(process.terminationStatus == 0)
    let common = ["swap", "film.mkv", "--model", "swap.safetensors", "--to", "b"] + Self.boxes
    // 16-bit sound does not go into MP4 as it is.
    for output in ["out.mkv", "out.mp4"] {
      let outcome = try run(bench, common + ["-o", output, "--compare", "--rate-factor", "0"])
      #expect(outcome.status == 0, "\(outcome.errors)")
      #expect(outcome.output.hasPrefix("4 faces swapped to b in 4 frames (0 without a face"))
      let information = try tools.information(bench.path(output).path)
      #expect(information.sound == (output == "out.mkv" ? "pcm_s16le" : "aac"))
      #expect(information.rate == "10/1")
      let bytes = try Data(contentsOf: bench.path(output))
      #expect(bytes.range(of: Data("Synthetic picture: face swap to b by".utf8)) != nil)
    }
    let pictures = try run(
      bench,
      ["swap", "in", "--model", "swap.safetensors", "--to", "b", "-o", "out"] + Self.boxes)
    #expect(pictures.status == 0)
    let reader = try FilmReader(bench.path("out.mkv").path, tools: tools)
    for index in 0..<4 {
      let frame = try #require(try reader.next())
      let picture = try ImageFile.read(bench.path("out/f\(index).png"))
      // Colour at half resolution costs some of it; the frames are the same pictures.
      #expect(try Metrics.psnr(frame, picture) > 30)
    }
    #expect(try reader.next() == nil)
    #expect(try ImageFile.size(bench.path("in/f0.png").path).width == 96)
    let extracted = try run(
      bench, ["swap", "extract", "film.mkv", "-o", "faces", "--every", "2"] + Self.boxes)
    #expect(extracted.status == 0, "\(extracted.errors)")
    let crops = try ImageFolder.list(bench.path("faces")).map(\.name)
    #expect(crops == ["film-000000-0.png", "film-000002-0.png"])
    let left = try FileManager.default.contentsOfDirectory(atPath: bench.folder.path)
    #expect(!left.contains { $0.hasPrefix(".atelier") })
  }

  /// Runs ffmpeg in the bench's folder.
  private func ffmpeg(_ bench: Workbench, _ arguments: [String]) throws {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: try #require(tools).ffmpeg)
    process.currentDirectoryURL = bench.folder
    process.standardInput = FileHandle.nullDevice
    process.arguments = ["-v", "error", "-y"] + arguments
    try process.run()
    process.waitUntilExit()
    guard process.terminationStatus == 0 else { throw CocoaError(.featureUnsupported) }
  }

  /// Telephones store films as their sensor lies and say how to turn them.
  @Test(.enabled(if: tools != nil)) func aTurnedFilmIsConvertedUpright() throws {
    let tools = try #require(tools)
    let bench = try bench()
    let lossless = ["-c:v", "libx264", "-qp", "0", "-pix_fmt", "yuv444p"]
    let frames = ["-framerate", "10", "-i", "in/f%d.png", "-vf"]
    try ffmpeg(bench, frames + ["pad=128:96"] + lossless + ["upright.mp4"])
    try ffmpeg(bench, frames + ["pad=128:96,transpose=2"] + lossless + ["stored.mp4"])
    do {
      // Counterclockwise; since version 6, before which a tag said it.
      try ffmpeg(
        bench, ["-display_rotation:v:0", "-90", "-i", "stored.mp4", "-c", "copy", "phone.mp4"])
    } catch {
      try ffmpeg(
        bench, ["-i", "stored.mp4", "-c", "copy", "-metadata:s:v:0", "rotate=270", "phone.mp4"])
    }
    let table = try String(contentsOf: bench.path("boxes.csv"), encoding: .utf8)
    let lines = table.split(separator: "\n").filter { $0.hasPrefix("film.mkv") }
    let more = ["upright", "phone"].flatMap { name in
      lines.map { $0.replacingOccurrences(of: "film.mkv", with: "\(name).mp4") }
    }
    try Data((table + more.joined(separator: "\n") + "\n").utf8).write(to: bench.path("boxes.csv"))
    var results: [[ByteImage]] = []
    for name in ["upright", "phone"] {
      let outcome = try run(
        bench,
        ["swap", "\(name).mp4", "--model", "swap.safetensors", "--to", "b", "-o"]
          + ["\(name).mkv", "--rate-factor", "0"] + Self.boxes)
      #expect(outcome.status == 0, "\(outcome.errors)")
      #expect(outcome.output.hasPrefix("4 faces swapped to b in 4 frames (0 without a face"))
      let reader = try FilmReader(bench.path("\(name).mkv").path, tools: tools)
      var images: [ByteImage] = []
      while let image = try reader.next() { images.append(image) }
      results.append(images)
    }
    #expect(results.map(\.count) == [4, 4])
    for (image, other) in zip(results[0], results[1]) {
      try #require(image.size == PixelSize(width: 128, height: 96) && other.size == image.size)
      #expect(try Metrics.psnr(image, other) > 40)
    }
  }

  @Test(.enabled(if: tools != nil)) func anInterruptedFilmLeavesNothing() throws {
    let bench = try bench()
    try ffmpeg(
      bench, ["-framerate", "10", "-i", "in/f%d.png", "-vf", "scale=512:512", "short.mp4"])
    try ffmpeg(bench, ["-stream_loop", "5000", "-i", "short.mp4", "-c", "copy", "film.mp4"])
    let before = try FileManager.default.contentsOfDirectory(atPath: bench.folder.path)
    try FileManager.default.createDirectory(
      at: bench.path("out"), withIntermediateDirectories: true)
    let running = try CommandTool.start(
      ["swap", "film.mp4", "--model", "swap.safetensors", "--to", "b", "-o", "out/film.mp4"]
        + ["--compare"] + Self.boxes, in: bench.folder)
    func written() throws -> [String] {
      try FileManager.default.contentsOfDirectory(atPath: bench.path("out").path)
    }
    for _ in 0..<600 where try written().count < 2 && running.process.isRunning {
      Thread.sleep(forTimeInterval: 0.05)
    }
    #expect(try written().count == 2, "both films had begun")
    kill(running.process.processIdentifier, SIGINT)
    for _ in 0..<600 where running.process.isRunning { Thread.sleep(forTimeInterval: 0.05) }
    #expect(!running.process.isRunning, "the interrupt was not heard")
    // Whatever happened, no process stays behind.
    kill(running.process.processIdentifier, SIGKILL)
    running.process.waitUntilExit()
    let outcome = try CommandTool.outcome(running)
    #expect(outcome.status == 130, "\(outcome.errors)")
    #expect(try written().isEmpty)
    let after = try FileManager.default.contentsOfDirectory(atPath: bench.folder.path)
    #expect(
      Set(after.filter { !$0.hasPrefix(".") })
        == Set(before + ["out"]).filter { !$0.hasPrefix(".") })
  }

  @Test func picturesOf16BitsKeepThem() throws {
    let bench = try bench()
    let bytes = try ImageFile.read(bench.path("in/f1.png"))
    // Values between those of 8 bits.
    var words = bytes.words
    for y in 0..<words.height {
      for x in 0..<words.width {
        for channel in 0..<3 {
          words[x, y, channel] = UInt16(min(65535, Int(words[x, y, channel]) + (x * 7 + y) % 100))
        }
      }
    }
    try ImageFile.write(words, to: bench.path("in/f1.png").path)
    try #require(try ImageFile.readWords(bench.path("in/f1.png").path).bytes == bytes)
    let common = ["swap", "in/f1.png", "--model", "swap.safetensors", "--to", "b"] + Self.boxes
    for output in ["deep.png", "flat.jpg"] {
      #expect(try run(bench, common + ["-o", output]).status == 0)
    }
    try ImageFile.write(bytes, to: bench.path("in/f1.png"))
    #expect(try run(bench, common + ["-o", "plain.png"]).status == 0)
    #expect(try ImageFile.information(bench.path("deep.png").path).bitDepth == 16)
    #expect(try ImageFile.information(bench.path("flat.jpg").path).bitDepth == 8)
    let deep = try ImageFile.readWords(bench.path("deep.png").path)
    let plain = try ImageFile.read(bench.path("plain.png"))
    // Within a step of the 8-bit result; where no face is, the picture itself to the last bit.
    let steps = zip(deep.bytes.samples, plain.samples).map { abs(Int($0) - Int($1)) }
    #expect(steps.max() ?? 9 <= 1)
    let kept = zip(deep.samples, words.samples).count { $0 == $1 }
    #expect(kept > deep.samples.count / 4 && kept < deep.samples.count)
    #expect(deep[0, 0, 1] == words[0, 0, 1] && deep[95, 95, 2] == words[95, 95, 2])
    let texts = try ImageFile.metadata(bench.path("deep.png").path)
    #expect(texts["Comment"]?.hasPrefix("Synthetic picture: face swap to b by") == true)
  }

  @Test func whatIsRefusedIsOneLine() throws {
    let bench = try bench()
    try bench.model("denoise.safetensors", Workbench.tinyNetwork(channels: 3), channels: 3)
    try Data("x".utf8).write(to: bench.path("film.mp4"))
    try FileManager.default.createDirectory(
      at: bench.path("empty"), withIntermediateDirectories: true)
    let model = ["--model", "swap.safetensors"]
    let cases: [([String], [String: String], Int32, String)] = [
      (
        ["swap", "in", "--to", "b", "-o", "out", "--model", "denoise.safetensors"], [:], 65,
        "denoise.safetensors: expected a model of the task face-swap; received one of the task "
          + "denoise"
      ),
      (
        ["swap", "in", "--to", "c", "-o", "out"] + model, [:], 64,
        "The value 'c' is invalid for '--to <face>'"
      ),
      (
        ["swap", "in", "--to", "b", "-o", "out", "--mask", "learned"] + model + Self.boxes, [:], 64,
        "the model has no mask head, so its mask cannot be learned; take box or ellipse"
      ),
      (
        ["swap", "in", "--to", "b", "-o", "out", "--aligned"] + model + Self.boxes, [:], 64,
        "expected one of --alignments, --aligned and --boxes (see atelier swap run --help)"
      ),
      (
        ["swap", "in", "--to", "b", "-o", "out"] + model, ["ATELIER_CASCADES": "empty"], 66,
        "haarcascade_frontalface_alt2.xml: expected OpenCV's cascade files in empty, received none"
      ),
      (
        ["swap", "film.mp4", "--to", "b", "-o", "out"] + model + Self.boxes, ["PATH": "empty"], 66,
        "films need the program ffmpeg, which is not installed or not in PATH; install ffmpeg"
      ),
      (
        ["swap", "extract", "film.mp4", "-o", "faces"] + Self.boxes, ["PATH": "empty"], 66,
        "films need the program ffmpeg, which is not installed or not in PATH; install ffmpeg"
      ),
      (
        ["swap", "extract", "empty", "-o", "faces"] + Self.boxes, [:], 66,
        "empty: the folder holds no picture or film"
      ),
      (
        ["swap", "extract", "in", "-o", "faces", "--boxes", "none.csv"], [:], 66,
        "none.csv: no such file or folder"
      ),
    ]
    for (arguments, environment, status, line) in cases {
      let outcome = try CommandTool.run(arguments, in: bench.folder, environment: environment)
      #expect(outcome.status == status, "\(arguments)")
      let lines = outcome.errors.split(separator: "\n")
      #expect(lines.count == 1 && lines.first?.hasPrefix("atelier: \(line)") == true)
      if lines.first?.hasPrefix("atelier: \(line)") != true { print(outcome.errors) }
    }
    #expect(!FileManager.default.fileExists(atPath: bench.path("out").path))
  }
}
