// Films as people have them: turned, with oblong pixels, with colours that they name, and what is no film.

import AtelierFiles
import AtelierImages
import AtelierMedia
import Foundation
import TestSupport
import Testing

struct MetFilmTests {
  /// Runs a program of ffmpeg's and gives what it prints.
  @discardableResult
  private func run(_ program: String, _ arguments: [String]) throws -> String {
    let process = Process()
    process.executableURL = URL(filePath: program)
    process.arguments = arguments
    let output = Pipe()
    process.standardInput = FileHandle.nullDevice
    process.standardOutput = output
    try process.run()
    let text = try output.fileHandleForReading.readToEnd() ?? Data()
    process.waitUntilExit()
    try #require(process.terminationStatus == 0, "\(arguments)")
    return String(decoding: text, as: UTF8.self)
  }

  /// What a film says of itself, a line an entry.
  private func entries(_ names: String, _ file: URL, _ tools: FilmTools) throws -> String {
    try run(
      tools.ffprobe,
      ["-v", "error", "-select_streams", "v", "-show_entries", names, "-of", "default=nw=1:nk=1"]
        + [file.path])
  }

  private func copy(_ film: URL, to result: URL, _ tools: FilmTools) throws {
    let reader = try FilmReader(film.path, tools: tools)
    var writer: FilmWriter?
    while let frame = try reader.next() {
      let target =
        try writer
        ?? FilmWriter(
          result.path, size: frame.size, like: film.path, reader.information, tools: tools)
      writer = target
      try target.write(frame)
    }
    try writer?.finish()
  }

  /// The tools, and a folder with a film that ffmpeg makes of one colour.
  private func withFilm(
    _ color: String, _ arguments: [String], _ body: (URL, URL, FilmTools) throws -> Void
  ) throws {
    guard let tools = try? FilmTools() else {
      print("SKIPPED: films of other programs (install the program ffmpeg)")
      return
    }
    try withScratchFolder { folder in
      let film = folder.appending(path: "in.mp4")
      try run(
        tools.ffmpeg,
        ["-v", "error", "-nostdin", "-f", "lavfi", "-i", "color=\(color):s=64x48:r=10:d=0.3"]
          + arguments + [film.path])
      try body(film, folder.appending(path: "out.mp4"), tools)
    }
  }

  @Test(arguments: [
    ("bt709", "tv", "bt709", "bt709"), ("smpte170m", "tv", "smpte170m", "smpte170m"),
    ("bt709", "pc", "bt709", "bt709"), ("bt470bg", "tv", "bt470bg", "bt470bg"),
    ("bt2020nc", "tv", "bt2020", "bt709"), ("smpte170m", "pc", "smpte170m", "bt709"),
    ("bt470bg", "pc", "bt470bg", "smpte170m"), ("bt2020nc", "pc", "bt2020", "bt709"),
    ("bt709", "tv", "smpte432", "bt709"), ("smpte170m", "tv", "bt470bg", "smpte170m"),
    ("bt2020nc", "tv", "bt2020", "arib-std-b67"),
  ])
  func `matrix, range, primaries and curve are kept`(
    _ matrix: String, _ range: String, _ primaries: String, _ transfer: String
  ) throws {
    let names = ["bt470bg": "bt470", "bt2020nc": "bt2020"]
    try withFilm(
      "red",
      [
        "-vf",
        "scale=out_color_matrix=\(names[matrix] ?? matrix):out_range=\(range),format=yuv420p",
        "-colorspace", matrix, "-color_range", range, "-color_primaries", primaries, "-color_trc",
        // Printed as bt470bg, read as this.
        transfer == "bt470bg" ? "gamma28" : transfer,
      ]
    ) { film, result, tools in
      try copy(film, to: result, tools)
      let tags = "stream=color_range,color_space,color_transfer,color_primaries"
      #expect(try entries(tags, result, tools) == entries(tags, film, tools))
      // The numbers of a pixel, as they are stored.
      func numbers(_ file: URL) throws -> [UInt8] {
        let raw = file.path + ".yuv"
        try run(
          tools.ffmpeg,
          [
            "-v", "error", "-nostdin", "-y", "-i", file.path, "-frames:v", "1", "-f", "rawvideo",
            raw,
          ])
        let bytes = try Data(contentsOf: URL(filePath: raw))
        return [bytes[0], bytes[64 * 48], bytes[64 * 48 * 5 / 4]]
      }
      let (before, after) = (try numbers(film), try numbers(result))
      for (one, other) in zip(before, after) {
        #expect(abs(Int(one) - Int(other)) <= 2, "\(before) \(after)")
      }
    }
  }

  /// The shape of pixels as stored and as shown, the turn, and the ending of the film's name.
  @Test(arguments: [
    ("4:3", 0, "4:3", "mp4"), ("4:3", 90, "3:4", "mp4"), ("4:3", 180, "4:3", "mp4"),
    ("4:3", 270, "3:4", "mp4"), ("8:9", 90, "9:8", "mp4"), ("12:11", 270, "11:12", "mov"),
    ("16:15", 90, "15:16", "mov"), ("3:4", 270, "4:3", "mp4"),
  ])
  func `the shape of pixels turns with the film`(
    _ stored: String, _ turn: Int, _ aspect: String, _ ending: String
  ) throws {
    let shape = "setsar=" + stored.replacingOccurrences(of: ":", with: "/")
    try withFilm("gray", ["-vf", shape, "-pix_fmt", "yuv420p"]) { film, result, tools in
      let turned = film.deletingLastPathComponent().appending(path: "turned." + ending)
      try run(
        tools.ffmpeg,
        [
          "-v", "error", "-nostdin", "-i", film.path, "-c", "copy", "-metadata:s:v",
          "rotate=\(turn)", turned.path,
        ])
      let information = try tools.information(turned.path)
      #expect(information.pixelAspect == aspect)
      try copy(turned, to: result, tools)
      #expect(
        try entries("stream=width,height,sample_aspect_ratio", result, tools)
          == (turn % 180 == 0 ? "64\n48\n" : "48\n64\n") + aspect + "\n")
    }
  }

  @Test(arguments: [
    "#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:1.0,\nSECRET\n#EXT-X-ENDLIST\n",
    "ffconcat version 1.0\nfile SECRET\n",
    "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nm=video 5000 RTP/AVP 96\n",
    "<?xml version=\"1.0\"?>\n<MPD xmlns=\"urn:mpeg:dash:schema:mpd:2011\"><Period/></MPD>\n",
    "[Script Info]\nScriptType: v4.00+\n",
  ])
  func `what names other files is no film`(_ text: String) throws {
    guard let tools = try? FilmTools() else {
      print("SKIPPED: what is no film (install the program ffmpeg)")
      return
    }
    try withScratchFolder { folder in
      let secret = folder.appending(path: "secret.mp4")
      try run(
        tools.ffmpeg,
        [
          "-v", "error", "-nostdin", "-f", "lavfi", "-i", "color=red:s=64x48:r=10:d=0.3",
          secret.path,
        ])
      for name in ["a.mp4", "a.ts", "a.mkv"] {
        let file = folder.appending(path: name)
        try Data(text.replacingOccurrences(of: "SECRET", with: secret.path).utf8).write(to: file)
        let line = errorLine { _ = try FilmReader(file.path, tools: tools) }
        #expect(
          line?.hasPrefix("\(file.path): expected a film, received what ffprobe cannot read")
            == true, "\(line ?? "read")")
      }
      // The file itself is one.
      _ = try tools.information(secret.path)
    }
  }

  @Test func `a film that is given up or killed leaves nothing`() throws {
    try withFilm("gray", ["-pix_fmt", "yuv420p"]) { film, result, tools in
      let folder = film.deletingLastPathComponent()
      let process = Process()
      process.executableURL = URL(filePath: "/usr/bin/env")
      process.arguments = ["true"]
      try process.run()
      process.waitUntilExit()
      try Data().write(
        to: folder.appending(path: ".atelier-\(process.processIdentifier)-abc-1.partial"))
      do {
        let writer = try FilmWriter(
          result.path, size: PixelSize(width: 64, height: 48), like: film.path,
          tools.information(film.path), tools: tools)
        try writer.write(ByteImage(width: 64, height: 48, channels: 3))
      }
      #expect(try names(in: folder) == ["in.mp4"])
      try copy(film, to: result, tools)
      #expect(try names(in: folder) == ["in.mp4", "out.mp4"])
    }
  }
}
