// What lies in a film's file beside its pictures, and what of it a written film keeps.

/// A stream of a film's file.
public struct FilmTrack: Sendable, Hashable {
  /// What a stream holds.
  public enum Kind: String, Sendable, Hashable {
    case pictures = "video"
    /// A cover that is shown for the whole film.
    case cover
    case sound = "audio"
    case subtitles = "subtitle"
    case data
    case attachment
  }

  /// What it holds.
  public let kind: Kind
  /// Its codec as ffmpeg calls it.
  public let codec: String

  /// A stream.
  public init(_ kind: Kind, codec: String) {
    self.kind = kind
    self.codec = codec
  }
}

extension FilmInformation {
  /// The sounds that MP4 and MOV hold as they are; others are encoded anew.
  private static let heldSounds: Set<String> = ["aac", "mp3", "ac3", "eac3", "alac", "opus"]
  /// Subtitles that are text, which every container holds in a form of its own.
  private static let textSubtitles: Set<String> = [
    "mov_text", "subrip", "ass", "ssa", "webvtt", "text",
  ]

  private func tracks(_ kind: FilmTrack.Kind) -> [FilmTrack] { tracks.filter { $0.kind == kind } }

  /// The arguments by which a film whose second input is the original keeps its tracks.
  func trackArguments(matroska: Bool) -> [String] {
    var arguments = ["-map_metadata", "1", "-map_chapters", "1"]
    for (index, sound) in tracks(.sound).enumerated() {
      arguments += ["-map", "1:a:\(index)", "-c:a:\(index)"]
      arguments +=
        matroska || Self.heldSounds.contains(sound.codec)
        ? ["copy"] : ["aac", "-b:a:\(index)", "192k"]
    }
    var kept = 0
    for (index, subtitles) in tracks(.subtitles).enumerated() {
      let isText = Self.textSubtitles.contains(subtitles.codec)
      guard matroska || isText else { continue }
      let codec =
        matroska ? (subtitles.codec == "mov_text" ? "subrip" : "copy") : "mov_text"
      arguments += ["-map", "1:s:\(index)", "-c:s:\(kept)", codec]
      kept += 1
    }
    if matroska, !tracks(.attachment).isEmpty { arguments += ["-map", "1:t", "-c:t", "copy"] }
    return arguments
  }

  /// What a written film does not keep, in a few words each.
  public func losses(matroska: Bool) -> [String] {
    var losses: [String] = []
    func count(_ number: Int, _ one: String, _ many: String) {
      if number > 0 { losses.append(number == 1 ? one : "\(number) \(many)") }
    }
    if bitDepth > 8 { losses.append("its \(bitDepth) bits, which become 8") }
    if hasAlpha { losses.append("its transparency") }
    if isInterlaced { losses.append("its interlacing: frames are taken whole") }
    count(tracks(.pictures).count - 1, "a second picture track", "more picture tracks")
    count(tracks(.cover).count, "its cover picture", "cover pictures")
    if !matroska {
      count(
        tracks(.subtitles).count { !Self.textSubtitles.contains($0.codec) },
        "subtitles that are pictures (take .mkv)", "subtitles that are pictures (take .mkv)")
      count(tracks(.attachment).count, "an attachment (take .mkv)", "attachments (take .mkv)")
    }
    count(
      tracks(.data).count { $0.codec != "bin_data" }, "a data track such as a timecode",
      "data tracks such as timecodes")
    return losses
  }
}
