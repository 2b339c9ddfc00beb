// How a TIFF page stores its samples, so that a result can be stored alike.

import CImageCodecs

/// How the samples of one TIFF page are stored.
public struct TIFFStorage: Sendable, Equatable {
  /// The type of a sample.
  public enum Kind: String, Sendable, Hashable {
    case unsigned
    case signed
    case float
  }

  /// The type of a sample.
  public var kind: Kind = .unsigned
  /// The bits of a sample.
  public var bits = 8
  /// The compression as TIFF numbers it: 1 none, 5 LZW, 8 Deflate.
  public var compression = 8
  /// What is stored in the place of samples: 1 they themselves, 2 and 3 differences of neighbours.
  public var predictor = 2
  /// Whether each channel is stored by itself.
  public var isPlanar = false
  /// The size of tiles; nil for strips.
  public var tile: PixelSize?
  /// Rows in a strip; nil for what libtiff chooses.
  public var stripRows: Int?
  /// Whether alpha is multiplied into the stored colours.
  public var isPremultiplied = false
  /// Whether the file's numbers are big-endian.
  public var isBigEndian = false
  /// Whether the file has offsets of 64 bits (BigTIFF).
  public var isWide = false

  /// Deflated unsigned bytes in strips.
  public init() {}

  /// The type for people, such as `16-bit` or `32-bit float`.
  public var typeName: String {
    switch kind {
    case .unsigned: "\(bits)-bit"
    case .signed: "signed \(bits)-bit"
    case .float: "\(bits)-bit float"
    }
  }

  /// The compression for people.
  public static func name(ofCompression number: Int) -> String {
    let names = [
      1: "none", 2: "CCITT RLE", 3: "CCITT group 3", 4: "CCITT group 4", 5: "LZW", 6: "old JPEG",
      7: "JPEG", 8: "Deflate", 32771: "CCITT RLE", 32773: "PackBits", 32946: "Deflate",
      34661: "JBIG", 34676: "LogLuv", 34712: "JPEG 2000", 34887: "LERC", 34925: "LZMA",
      50000: "Zstandard", 50001: "WebP", 50002: "JPEG XL",
    ]
    return names[number] ?? "number \(number)"
  }

  /// The compressions that pictures of several tones are written with, and the most bytes that each
  /// makes of one: what claims to hold more is refused before memory is taken.
  static let ratios: [Int: Int] = [
    1: 1, 5: 4096, 7: 8192, 8: 1032, 32773: 128, 32946: 1032, 34925: 8192, 50000: 65536,
    // Black and white alone; a row takes a bit.
    2: 8192, 3: 8192, 4: 65536, 32771: 8192,
  ]

  /// Whether a compression is for black and white alone.
  static func isBilevel(_ compression: Int) -> Bool { [2, 3, 4, 32771].contains(compression) }
}
