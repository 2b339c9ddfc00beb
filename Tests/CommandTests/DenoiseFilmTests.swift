// Films through `atelier denoise`: less noise, the same sound, rate and colours, neighbours that help.

import Atelier
import Foundation
import TestSupport
import Testing

/// The program ffmpeg, nil where it is not installed.
private let tools: FilmTools? = {
  let tools = try? FilmTools()
  if tools == nil { print("SKIPPED: films through denoise (install the program ffmpeg)") }
  return tools
}()

@Suite(.enabled(if: CommandTool.isBuilt, "the executable atelier was not built"))
struct DenoiseFilmTests {
  private static let count = 6

  /// A scene that a camera moves over.
  private static func clean(_ index: Int) throws -> ByteImage {
    try scene(.wall, width: 176, height: 128, seed: 3, isGray: false)
      .cropped(x: 10 + 4 * index, y: 12 + index, width: 128, height: 96)
  }

  /// A folder with `film.mkv`: the scene with noise of sigma 20, a sound, BT.709.
  private func bench() throws -> Workbench {
    let bench = try Workbench()
    try FileManager.default.createDirectory(
      at: bench.path("in"), withIntermediateDirectories: true)
    for index in 0..<Self.count {
      var image = try Self.clean(index).floats
      NoiseModel.addProtocolNoise(to: &image.samples, sigma: 20, seed: 9, imageIndex: index)
      try ImageFile.write(image.bytes, to: bench.path("in/f\(index).png"))
    }
    let process = Process()
    process.executableURL = URL(fileURLWithPath: try #require(tools).ffmpeg)
    process.currentDirectoryURL = bench.folder
    process.standardInput = FileHandle.nullDevice
    process.arguments = [
      "-v", "error", "-y", "-framerate", "24000/1001", "-i", "in/f%d.png", "-f", "lavfi", "-i",
      "sine=frequency=440:duration=0.25", "-vf", "scale=out_color_matrix=bt709:out_range=tv",
      "-c:v", "libx264", "-qp", "0", "-pix_fmt", "yuv444p", "-colorspace", "bt709",
      "-color_primaries", "bt709", "-color_trc", "bt709", "-color_range", "tv", "-c:a", "aac",
      "film.mkv",
    ]
    try process.run()
    process.waitUntilExit()
    guard process.terminationStatus == 0 else { throw CocoaError(.featureUnsupported) }
    return bench
  }

  /// The mean PSNR of a film's frames against the scene.
  private func psnr(_ film: URL) throws -> Double {
    let reader = try FilmReader(film.path, tools: try #require(tools))
    var sum = 0.0
    for index in 0..<Self.count {
      sum += try Metrics.psnr(Self.clean(index), try #require(try reader.next()))
    }
    #expect(try reader.next() == nil)
    return sum / Double(Self.count)
  }

  @Test(.enabled(if: tools != nil)) func aFilmIsDenoisedWithItsNeighbours() throws {
    let tools = try #require(tools)
    let bench = try bench()
    let before = try psnr(bench.path("film.mkv"))
    var figures: [Double] = []
    for neighbours in 0...2 {
      let name = "clean\(neighbours).mkv"
      let outcome = try bench.run(
        "denoise", "film.mkv", "-o", name, "--neighbours", "\(neighbours)", "--sigma", "20",
        "--model", "denoise-color", "--rate-factor", "0")
      #expect(outcome.status == 0, "\(outcome.errors)")
      #expect(outcome.output.contains("6 frames of 128x96 colour  sigma 20.0 as given"))
      figures.append(try psnr(bench.path(name)))
      let (from, made) = try (
        tools.information(bench.path("film.mkv").path), tools.information(bench.path(name).path)
      )
      #expect(made.rate == from.rate && made.sound == "aac" && made.colors == from.colors)
      #expect(made.colors.matrix == "bt709" && made.colors.range == "tv")
    }
    print("film: \(before) dB, denoised with 0, 1, 2 neighbours \(figures)")
    #expect(figures[0] > before + 4)
    #expect(figures[1] > figures[0] + 1)
    #expect(figures[2] > figures[1] + 0.2)
    let left = try FileManager.default.contentsOfDirectory(atPath: bench.folder.path)
    #expect(!left.contains { $0.hasPrefix(".atelier") || $0.hasSuffix(".part") })
  }

  @Test(.enabled(if: tools != nil)) func aFilmAmongPicturesAndItsComparison() throws {
    let bench = try bench()
    let film = bench.path("film.mkv")
    try FileManager.default.moveItem(at: film, to: bench.path("in/film.mkv"))
    let outcome = try bench.run("denoise", "in", "-o", "out", "--compare")
    #expect(outcome.status == 0, "\(outcome.errors)")
    let names = try FileManager.default.contentsOfDirectory(atPath: bench.path("out").path)
    #expect(names.contains("film.mkv") && names.contains("film-compare.mkv"))
    #expect(names.count == 2 * (Self.count + 1))
    let reader = try FilmReader(
      bench.path("out/film-compare.mkv").path, tools: try #require(tools))
    #expect(try reader.next()?.size == PixelSize(width: 256, height: 96))
    reader.stop()
    let clean = try bench.run("denoise", "in/film.mkv", "-o", "x.mkv", "--clean", "in")
    #expect(clean.status == 64)
    #expect(clean.errors.contains("--clean is for pictures; film.mkv is a film"))
  }
}
