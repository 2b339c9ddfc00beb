// The programs ffmpeg and ffprobe: where they are, and what they say of a film.

import AtelierFiles
import Foundation

/// What is known of a film before its frames are read.
public struct FilmInformation: Sendable, Hashable {
  /// Frames a second as ffmpeg writes it, such as `25/1` or `30000/1001`.
  public let rate: String
  /// Frames a second.
  public let framesPerSecond: Double
  /// Whether all frames are shown equally long.
  public let isConstantRate: Bool
  /// The number of frames, about; nil where the film does not say.
  public let frameCount: Int?
  /// The shape of a pixel of the upright film as ffmpeg writes it, such as `16:15`; nil for square
  /// ones.
  public let pixelAspect: String?
  /// What the film says of its colours.
  public let colors: FilmColors
  /// What lies in the file, in its order.
  public var tracks: [FilmTrack] = []
  /// Bits of a sample.
  public var bitDepth = 8
  /// Whether its frames have transparency.
  public var hasAlpha = false
  /// Whether its frames are two fields each.
  public var isInterlaced = false

  /// The first sound's codec; nil for a silent film.
  public var sound: String? { tracks.first { $0.kind == .sound }?.codec }

  /// Describes a film.
  public init(
    rate: String, framesPerSecond: Double, isConstantRate: Bool = true, frameCount: Int? = nil,
    pixelAspect: String? = nil,
    colors: FilmColors = FilmColors(), tracks: [FilmTrack] = []
  ) {
    self.rate = rate
    self.framesPerSecond = framesPerSecond
    self.isConstantRate = isConstantRate
    self.frameCount = frameCount
    self.pixelAspect = pixelAspect
    self.colors = colors
    self.tracks = tracks
  }
}

/// The programs that read and write films.
public struct FilmTools: Sendable, Hashable {
  /// The extensions of the files that are taken for films.
  public static let extensions: Set<String> = [
    "avi", "m4v", "mkv", "mov", "mp4", "mpeg", "mpg", "mts", "ogv", "ts", "webm", "wmv",
  ]
  /// The extensions of the films that are written.
  public static let writtenExtensions: Set<String> = ["mp4", "m4v", "mov", "mkv"]

  /// The path of ffmpeg.
  public let ffmpeg: String
  /// The path of ffprobe.
  public let ffprobe: String

  /// Looks for the programs in the `PATH` of an environment.
  /// - Throws: `StudioError` of kind `missingInput` that says what to install.
  public init(environment: [String: String] = ProcessInfo.processInfo.environment) throws {
    ffmpeg = try Self.path(of: "ffmpeg", environment)
    ffprobe = try Self.path(of: "ffprobe", environment)
  }

  /// Whether a name ends as a film's.
  public static func isFilm(_ path: String) -> Bool {
    extensions.contains((path as NSString).pathExtension.lowercased())
  }

  /// The path of a program in the `PATH` of an environment; nil without one.
  static func program(_ name: String, _ environment: [String: String]) -> String? {
    (environment["PATH"] ?? "").split(separator: ":").map { "\($0)/\(name)" }
      .first { FileManager.default.isExecutableFile(atPath: $0) }
  }

  private static func path(of program: String, _ environment: [String: String]) throws -> String {
    if let path = Self.program(program, environment) { return path }
    throw StudioError(
      .missingInput,
      "films need the program \(program), which is not installed or not in PATH; install ffmpeg "
        + "(apt-get install ffmpeg), or give single pictures")
  }

  /// What a film's header says: rate, length, pixel shape and sound.
  /// - Throws: `StudioError` when ffprobe finds no pictures in it.
  public func information(_ path: String) throws -> FilmInformation {
    let probe = try ChildProcess(
      ffprobe,
      [
        "-v", "error", "-print_format", "json", "-show_entries",
        "stream=codec_type,codec_name,avg_frame_rate,r_frame_rate,nb_frames,duration,"
          + "sample_aspect_ratio,pix_fmt,field_order,color_space,color_range,color_primaries,color_transfer"
          + ":stream_disposition=attached_pic:stream_tags=alpha_mode:stream_side_data=rotation:format=duration",
      ] + Self.allowed + [Self.argument(path)], input: .nothing, output: .pipe)
    let text = try probe.allOutput(limit: 16 << 20)
    let status = probe.wait()
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    guard status == 0, let found = try? decoder.decode(Probe.self, from: text),
      let picture = found.streams.first(where: {
        $0.codecType == "video" && $0.disposition?.attachedPic ?? 0 == 0
      })
    else {
      throw StudioError(
        .data, "\(path): expected a film, received what ffprobe cannot read\(probe.lastWords)")
    }
    let rates = [picture.avgFrameRate, picture.rFrameRate].compactMap { $0 }
    guard
      let rate = rates.first(where: { Self.number($0).map { $0 > 0.01 && $0 <= 1000 } == true }),
      let frames = Self.number(rate)
    else {
      throw StudioError(.data, "\(path): expected a film with a frame rate, received none")
    }
    let seconds = (picture.duration ?? found.format?.duration).flatMap(Double.init)
    // Frames come upright: those of a film that lies on its side have their pixels turned, too.
    let turn = picture.sideDataList?.compactMap(\.rotation).first ?? 0
    let isTurned = Int(abs(turn).rounded()) % 180 == 90
    let aspect = picture.sampleAspectRatio.flatMap { text -> String? in
      let parts = text.split(separator: ":").compactMap { Int($0) }
      guard parts.count == 2, parts[0] > 0, parts[1] > 0, parts[0] != parts[1] else { return nil }
      return isTurned ? "\(parts[1]):\(parts[0])" : text
    }
    var information = FilmInformation(
      rate: rate, framesPerSecond: frames,
      isConstantRate: Self.areEqual(picture.avgFrameRate, picture.rFrameRate),
      frameCount: picture.nbFrames.flatMap { Int($0) }
        ?? seconds.flatMap { $0 > 0 && $0 < 1e7 ? Int(($0 * frames).rounded()) : nil },
      pixelAspect: aspect,
      colors: FilmColors(
        matrix: picture.colorSpace, range: picture.colorRange, primaries: picture.colorPrimaries,
        transfer: picture.colorTransfer),
      tracks: found.streams.compactMap(\.track))
    let format = picture.pixFmt ?? ""
    information.bitDepth = Self.bitDepth(format)
    information.hasAlpha =
      picture.tags?.alphaMode == "1"
      || ["yuva", "rgba", "argb", "bgra", "abgr", "gbrap", "ya8", "ya16"].contains {
        format.hasPrefix($0)
      }
    information.isInterlaced = ["tt", "bb", "tb", "bt"].contains(picture.fieldOrder ?? "")
    return information
  }

  /// The bits of a sample of a pixel format such as `yuv420p10le`.
  private static func bitDepth(_ format: String) -> Int {
    for depth in [16, 14, 12, 10, 9] {
      for ending in ["\(depth)le", "\(depth)be"] where format.hasSuffix(ending) { return depth }
    }
    return format.hasPrefix("rgb48") || format.hasPrefix("rgba64") ? 16 : 8
  }

  /// What ffmpeg may open: containers of the kinds that are taken, from files.
  ///
  /// A playlist that is named as a film would make it read other files, or the network.
  static let allowed = [
    "-protocol_whitelist", "file", "-format_whitelist",
    "avi,mov,matroska,mpeg,mpegvideo,mpegts,ogg,asf,flv",
  ]

  /// A file as an argument: a name with a colon or a leading stroke is no protocol or option.
  static func argument(_ path: String) -> String {
    path.hasPrefix("/") ? "file:\(path)" : "file:./\(path)"
  }

  /// Whether two rates are the same but for rounding.
  private static func areEqual(_ first: String?, _ second: String?) -> Bool {
    guard let first = first.flatMap(number), let second = second.flatMap(number) else {
      return false
    }
    return abs(first - second) <= 1e-6 * second
  }

  /// `25/1` as a number.
  private static func number(_ rate: String) -> Double? {
    let parts = rate.split(separator: "/").compactMap { Double($0) }
    guard parts.count == 2, parts[1] > 0 else { return nil }
    return parts[0] / parts[1]
  }

  /// What ffprobe prints.
  private struct Probe: Decodable {
    struct Stream: Decodable {
      struct Disposition: Decodable { let attachedPic: Int? }
      struct SideData: Decodable { let rotation: Double? }
      struct Tags: Decodable { let alphaMode: String? }
      let codecType: String?
      let pixFmt: String?
      let fieldOrder: String?
      let tags: Tags?
      let codecName: String?
      let avgFrameRate: String?
      let rFrameRate: String?
      let nbFrames: String?
      let duration: String?
      let sampleAspectRatio: String?
      let colorSpace: String?
      let colorRange: String?
      let colorPrimaries: String?
      let colorTransfer: String?
      let disposition: Disposition?
      let sideDataList: [SideData]?

      /// The stream as a track; nil for one of a kind that is not known.
      var track: FilmTrack? {
        let isCover = disposition?.attachedPic ?? 0 != 0
        return FilmTrack.Kind(rawValue: codecType ?? "").map {
          FilmTrack($0 == .pictures && isCover ? .cover : $0, codec: codecName ?? "unknown")
        }
      }
    }
    struct Format: Decodable { let duration: String? }
    let streams: [Stream]
    let format: Format?
  }
}
