// Films through ffmpeg: what is missing or no film is refused, and frames come back.

import AtelierImages
import AtelierMedia
import Foundation
import TestSupport
import Testing

struct FilmToolsTests {
  @Test func `a missing program is one line that says what to install`() {
    let line = errorLine { _ = try FilmTools(environment: ["PATH": "/none:/nowhere"]) }
    #expect(
      line
        == "films need the program ffmpeg, which is not installed or not in PATH; install ffmpeg "
        + "(apt-get install ffmpeg), or give single pictures")
  }

  @Test func `what is no film is refused by name`() throws {
    guard let tools = try? FilmTools() else {
      print("SKIPPED: reading films (install the program ffmpeg)")
      return
    }
    try withScratchFolder { folder in
      let file = folder.appending(path: "a.mp4")
      try Data("no film at all".utf8).write(to: file)
      let line = errorLine { _ = try FilmReader(file.path, tools: tools) }
      #expect(
        line?.hasPrefix("\(file.path): expected a film, received what ffprobe cannot read") == true)
    }
  }

  /// Two sounds, subtitles, a text and ten bits: all but the bits come through.
  @Test(arguments: ["mkv", "mp4"])
  func `tracks go through, what does not is told`(_ ending: String) throws {
    guard let tools = try? FilmTools() else {
      print("SKIPPED: films with several tracks (install the program ffmpeg)")
      return
    }
    try withScratchFolder { folder in
      let text = folder.appending(path: "a.srt")
      try Data("1\n00:00:00,000 --> 00:00:00,300\nhello\n".utf8).write(to: text)
      let film = folder.appending(path: "a.mkv").path
      let made = Process()
      made.executableURL = URL(fileURLWithPath: tools.ffmpeg)
      made.arguments =
        ["-v", "error", "-nostdin", "-y", "-f", "lavfi", "-i", "testsrc2=s=64x48:r=10:d=0.4"]
        + ["-f", "lavfi", "-i", "sine=d=0.4", "-f", "lavfi", "-i", "sine=f=900:d=0.4"]
        + ["-i", text.path, "-map", "0:v", "-map", "1:a", "-map", "2:a", "-map", "3:s"]
        + ["-pix_fmt", "yuv420p10le", "-c:v", "ffv1", "-c:a", "pcm_s16le", "-c:s", "subrip"]
        + ["-metadata", "title=A title", film]
      try made.run()
      made.waitUntilExit()
      guard made.terminationStatus == 0 else {
        print("SKIPPED: films with several tracks (this ffmpeg cannot make one)")
        return
      }
      let reader = try FilmReader(film, tools: tools)
      #expect(reader.information.bitDepth == 10 && !reader.information.hasAlpha)
      #expect(
        reader.information.losses(matroska: ending == "mkv") == ["its 10 bits, which become 8"])
      let result = folder.appending(path: "b.\(ending)").path
      let writer = try FilmWriter(
        result, size: PixelSize(width: 64, height: 48), like: film, reader.information,
        tools: tools)
      var count = 0
      while let frame = try reader.next() {
        try writer.write(frame)
        count += 1
      }
      try writer.finish()
      #expect(count == 4)
      let tracks = try tools.information(result).tracks
      #expect(tracks.map(\.kind) == [.pictures, .sound, .sound, .subtitles])
      #expect(tracks[1].codec == (ending == "mkv" ? "pcm_s16le" : "aac"))
      let probe = Process()
      let output = Pipe()
      probe.executableURL = URL(fileURLWithPath: tools.ffprobe)
      probe.arguments = ["-v", "error", "-show_entries", "format_tags=title", result]
      probe.standardOutput = output
      try probe.run()
      let words = output.fileHandleForReading.readDataToEndOfFile()
      probe.waitUntilExit()
      #expect(String(decoding: words, as: UTF8.self).contains("A title"))
    }
  }

  /// Odd sides, a rate that is no whole number, and no sound; frames come back in their order.
  @Test func `frames go into a film and out of it`() throws {
    guard let tools = try? FilmTools() else {
      print("SKIPPED: writing films (install the program ffmpeg)")
      return
    }
    try withScratchFolder { folder in
      let path = folder.appending(path: "a.mkv").path
      let information = FilmInformation(
        rate: "30000/1001", framesPerSecond: 30_000.0 / 1001, frameCount: nil,
        pixelAspect: "16:15")
      var options = FilmWriter.Options()
      options.metadata = ["comment": "a = b; c"]
      let writer = try FilmWriter(
        path, size: PixelSize(width: 37, height: 25), like: path, information, tools: tools,
        options: options)
      let levels: [UInt8] = [20, 200, 90, 150, 40]
      for level in levels {
        try writer.write(ByteImage(width: 37, height: 25, channels: 3, filledWith: level))
      }
      #expect(!FileManager.default.fileExists(atPath: path))
      try writer.finish()
      let reader = try FilmReader(path, tools: tools)
      #expect(reader.information.pixelAspect == "16:15" && reader.information.sound == nil)
      #expect(abs(reader.information.framesPerSecond - 29.97) < 0.01)
      var read: [ByteImage] = []
      while let frame = try reader.next() { read.append(frame) }
      #expect(read.map(\.size) == levels.map { _ in PixelSize(width: 37, height: 25) })
      for (frame, level) in zip(read, levels) {
        #expect(abs(Int(frame[18, 12, 1]) - Int(level)) <= 3)
      }
      // What is given up leaves nothing behind.
      let other = try FilmWriter(
        path + ".mp4", size: PixelSize(width: 8, height: 8), like: path, information, tools: tools)
      other.abandon()
      #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == ["a.mkv"])
    }
  }
}
