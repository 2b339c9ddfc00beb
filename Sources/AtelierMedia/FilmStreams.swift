// Films frame by frame through ffmpeg: frames out of a file, frames into a file with another's sound.

import AtelierFiles
import AtelierImages
import Foundation

/// Reads a film's frames in order, upright, at a constant rate; used by one thread at a time.
public final class FilmReader {
  /// What the film's header says.
  public let information: FilmInformation
  private let path: String
  private let child: ChildProcess
  private let limits: ImageLimits
  private var count = 0

  /// Opens a film.
  /// - Throws: `StudioError` when it is no film.
  public init(_ path: String, tools: FilmTools, limits: ImageLimits = .standard) throws {
    self.path = path
    self.limits = limits
    information = try tools.information(path)
    // PPM is raw RGB with the size before each frame: what ffmpeg turned upright by the film's
    // metadata has another size than the header says.
    child = try ChildProcess(
      tools.ffmpeg,
      [
        "-v", "error", "-nostdin",
      ] + FilmTools.allowed + [
        "-i", FilmTools.argument(path), "-map", "0:v:0",
      ]
        // Rounded times make ffmpeg repeat or drop frames of a film that has one rate.
        + (information.isConstantRate ? ["-fps_mode", "passthrough"] : ["-r", information.rate])
        + ["-f", "image2pipe", "-c:v", "ppm", "-pix_fmt", "rgb24", "pipe:1"], input: .nothing,
      output: .pipe)
  }

  /// The next frame; nil behind the last one.
  /// - Throws: `StudioError` when the film is damaged or too large.
  public func next() throws -> ByteImage? {
    guard let size = try header() else {
      let status = child.wait()
      guard count > 0, status == 0 else {
        throw StudioError(
          .data,
          "\(path): expected a sound film, received an error after \(count) frames"
            + child.lastWords)
      }
      return nil
    }
    guard 3 * size.width * size.height <= limits.samples else {
      child.stop()
      throw StudioError(
        .data, "\(path): expected at most \(limits.samples) samples a frame, received \(size)")
    }
    var isWhole = false
    let frame = ByteImage(width: size.width, height: size.height, channels: 3) { target in
      let bytes = UnsafeMutableRawBufferPointer(target)
      let filled = child.read(into: bytes)
      isWhole = filled == bytes.count
      if !isWhole { bytes[filled...].initializeMemory(as: UInt8.self, repeating: 0) }
    }
    guard isWhole else {
      child.wait()
      throw StudioError(
        .data, "\(path): expected a whole frame, received its beginning\(child.lastWords)")
    }
    count += 1
    return frame
  }

  /// Ends the reading before the last frame.
  public func stop() { child.stop() }

  /// The size in a frame's header, `P6`, width, height and 255; nil at the end.
  private func header() throws -> PixelSize? {
    var fields: [Int] = []
    var text = ""
    while fields.count < 3 {
      var byte: UInt8 = 0
      let got = withUnsafeMutableBytes(of: &byte) { child.read(into: $0) }
      if got == 0 {
        if text.isEmpty, fields.isEmpty { return nil }
        break
      }
      let character = Character(Unicode.Scalar(byte))
      guard character.isWhitespace else {
        text.append(character)
        if text.count > 12 { break }
        continue
      }
      if text != "P6" { fields.append(Int(text) ?? 0) }
      text = ""
    }
    guard fields.count == 3, fields[0] > 0, fields[1] > 0, fields[2] == 255,
      fields[0] <= 1 << 16, fields[1] <= 1 << 16
    else {
      child.stop()
      throw StudioError(
        .data,
        "\(path): expected frames as PPM from ffmpeg, received something else" + child.lastWords)
    }
    return PixelSize(width: fields[0], height: fields[1])
  }
}

/// Writes a film beside its place and renames it when all is written; used by one thread at a time.
public final class FilmWriter {
  /// How a film is written.
  public struct Options: Sendable, Hashable {
    /// x264's constant rate factor: 0 (largest, lossless) to 51.
    public var rateFactor = 18
    /// The film's metadata.
    public var metadata: [String: String] = [:]

    /// Rate factor 18, no metadata.
    public init() {}
  }

  /// The containers by the ending of the file.
  private static let containers = [
    "mp4": "mp4", "m4v": "mp4", "mov": "mov", "mkv": "matroska",
  ]

  private let path: String
  private let pending: PendingFile
  private let child: ChildProcess
  private let size: PixelSize

  /// Begins a film with the rate, pixel shape, sounds, subtitles, chapters and texts of another, as
  /// far as its container holds them (`FilmInformation.losses`); the extension of `path`, a file
  /// that is replaced, names the container.
  /// - Throws: `StudioError` when ffmpeg cannot be started.
  public init(
    _ path: String, size: PixelSize, like film: String, _ information: FilmInformation,
    tools: FilmTools, options: Options = Options()
  ) throws {
    self.path = path
    self.size = size
    pending = PendingFile(URL(fileURLWithPath: path))
    var arguments = [
      "-v", "error", "-nostdin", "-y", "-f", "rawvideo", "-pix_fmt", "rgb24", "-s",
      "\(size.width)x\(size.height)", "-r", information.rate, "-i", "pipe:0",
    ]
    let container = (path as NSString).pathExtension.lowercased()
    if FileManager.default.fileExists(atPath: film) {
      arguments += FilmTools.allowed + ["-i", FilmTools.argument(film), "-map", "0:v:0"]
      arguments += information.trackArguments(matroska: Self.isMatroska(path))
    }
    // Colour at half resolution needs even sides.
    let isEven = size.width.isMultiple(of: 2) && size.height.isMultiple(of: 2)
    arguments += [
      "-c:v", "libx264", "-preset", "fast", "-crf", "\(options.rateFactor)", "-pix_fmt",
      isEven ? "yuv420p" : "yuv444p",
    ]
    let aspect = information.pixelAspect.map {
      "setsar=\($0.replacingOccurrences(of: ":", with: "/"))"
    }
    let filters = [information.colors.filter, aspect].compactMap(\.self)
    if !filters.isEmpty { arguments += ["-vf", filters.joined(separator: ",")] }
    arguments += information.colors.arguments
    if container != "mkv" { arguments += ["-movflags", "+faststart+use_metadata_tags"] }
    for (key, value) in options.metadata.sorted(by: { $0.key < $1.key }) {
      arguments += ["-metadata", "\(key)=\(value)"]
    }
    arguments += ["-f", Self.containers[container] ?? "mp4", FilmTools.argument(pending.path)]
    child = try ChildProcess(tools.ffmpeg, arguments, input: .pipe, output: .nothing)
  }

  /// Whether a result of this name is a Matroska file, which holds nearly everything.
  public static func isMatroska(_ path: String) -> Bool {
    (path as NSString).pathExtension.lowercased() == "mkv"
  }

  deinit { abandon() }

  /// Adds a frame of three channels of the film's size.
  /// - Throws: `StudioError` when ffmpeg does not take it.
  public func write(_ frame: ByteImage) throws {
    precondition(frame.size == size && frame.channels == 3, "frames of one size in RGB")
    guard frame.samples.withUnsafeBytes({ child.write($0) }) else { throw failure() }
  }

  /// Ends the film and puts it in its place.
  /// - Throws: `StudioError` when it could not be written.
  public func finish() throws {
    guard child.wait() == 0 else { throw failure() }
    do { try pending.finish() } catch { throw StudioError(.cannotCreate, error.description) }
  }

  /// Ends ffmpeg and removes what is there.
  public func abandon() {
    child.stop()
    pending.abandon()
  }

  private func failure() -> StudioError {
    child.stop()
    let words = child.lastWords
    abandon()
    return StudioError(.cannotCreate, "\(path): the film cannot be written\(words)")
  }
}
