// What a film says of its colours, so that its result says and means the same.

/// How a film's numbers are colours, in ffmpeg's words; nil where it does not say.
public struct FilmColors: Sendable, Hashable {
  /// From red, green and blue to luma and chroma, such as `bt709`.
  public let matrix: String?
  /// `tv` for 16 to 235, `pc` for 0 to 255.
  public let range: String?
  /// The colours of red, green and blue.
  public let primaries: String?
  /// The curve from light to number.
  public let transfer: String?

  /// Describes colours.
  public init(
    matrix: String? = nil, range: String? = nil, primaries: String? = nil, transfer: String? = nil
  ) {
    self.matrix = Self.known(matrix)
    self.range = Self.known(range)
    self.primaries = Self.known(primaries)
    self.transfer = Self.known(transfer)
  }

  private static func known(_ word: String?) -> String? {
    ["unknown", "unspecified", "reserved"].contains(word) ? nil : word
  }

  /// The matrices that ffmpeg's scaler computes, under its own names for them.
  ///
  /// Of others it takes its default both ways, which gives the numbers of the film again.
  private static let scaled = [
    "bt709": "bt709", "fcc": "fcc", "bt470bg": "bt470", "smpte170m": "smpte170m",
    "smpte240m": "smpte240m", "bt2020nc": "bt2020",
  ]

  /// The curves that ffmpeg reads under other names than it prints.
  private static let curves = ["bt470m": "gamma22", "bt470bg": "gamma28"]

  /// Films of red, green and blue get the matrix of today's films.
  private var writtenMatrix: String? { matrix == "gbr" || matrix == "rgb" ? "bt709" : matrix }

  /// The filter that makes the film's numbers of frames in RGB; nil where nothing is said.
  var filter: String? {
    var parts: [String] = []
    if let name = writtenMatrix.flatMap({ Self.scaled[$0] }) {
      parts.append("out_color_matrix=\(name)")
    }
    if let range { parts.append("out_range=\(range)") }
    return parts.isEmpty ? nil : "scale=" + parts.joined(separator: ":")
  }

  /// The arguments that write into the film what its numbers mean.
  var arguments: [String] {
    [
      ("-colorspace", writtenMatrix), ("-color_range", range), ("-color_primaries", primaries),
      ("-color_trc", transfer.map { Self.curves[$0] ?? $0 }),
    ].flatMap { option, word in word.map { [option, $0] } ?? [] }
  }
}
