// What one TIFF page is: its samples, channels and how a result is stored alike.

import CImageCodecs

/// One page as libtiff and the tags describe it.
struct TIFFPage {
  let stored: ci_tiff_page
  let samples: TIFFSamples
  /// Channels of the picture; samples beyond are planes of their own.
  let channels: Int
  let palette: Bool
  let orientation: Orientation
  private let isBigEndian: Bool
  private let isWide: Bool

  /// The tags that say how samples are stored, which a result has of its own; and those that are
  /// not true of a result: statistics, previews, Photoshop's layers, other pages' places.
  static let structure: Set<UInt16> = [
    255, 256, 257, 258, 259, 262, 263, 264, 265, 266, 273, 274, 277, 278, 279, 280, 281, 284,
    292, 293, 317, 320, 322, 323, 324, 325, 330, 338, 339, 340, 341, 347, 512, 513, 514, 515, 517,
    518, 519, 520, 521, 529, 530, 531, 532, 37724,
  ]

  init(_ page: ci_tiff_page, _ tags: TagReader, _ unsupported: (String) -> ImageError) throws {
    stored = page
    isBigEndian = tags.isBigEndian
    isWide = tags.isWide
    guard TIFFStorage.ratios[Int(page.compression)] != nil, ci_tiff_can(page.compression) != 0
    else {
      throw unsupported(
        "the compression \(TIFFStorage.name(ofCompression: Int(page.compression)))")
    }
    let kind: TIFFStorage.Kind
    switch page.sample_format {
    case 1, 4: kind = .unsigned
    case 2: kind = .signed
    case 3: kind = .float
    default: throw unsupported("complex numbers")
    }
    palette = page.photometric == 3
    samples = TIFFSamples(kind: kind, bits: Int(page.bits), isIndexed: palette)
    guard let target = samples.target else {
      throw unsupported("\(kind.rawValue) samples of \(page.bits) bits")
    }
    let isColored: Bool
    switch page.photometric {
    case 0, 1: isColored = false
    // Pages without this tag are gray, or RGB when they have the samples for it.
    case 0xffff: isColored = page.samples == 3 || page.samples == 4
    case 2: isColored = true
    case 3 where page.samples == 1 && target == .bytes: isColored = false
    case 6 where page.compression == 7 && page.samples == 3 && page.bits == 8: isColored = true
    default: throw unsupported(Self.name(ofPhotometric: Int(page.photometric)))
    }
    let colors = isColored ? 3 : 1
    guard Int(page.samples) >= colors, page.samples <= 64 else {
      throw unsupported("\(page.samples) samples a pixel")
    }
    let hasAlpha = Int(page.samples) > colors && (page.extra_kind == 1 || page.extra_kind == 2)
    channels = colors + (hasAlpha ? 1 : 0)
    orientation = Orientation(rawValue: Int(page.orientation)) ?? .upright
  }

  private static func name(ofPhotometric number: Int) -> String {
    let names = [
      3: "a palette of more than 8 bits", 4: "a transparency mask", 5: "CMYK", 6: "YCbCr",
      8: "CIE Lab", 9: "ICC Lab", 10: "ITU Lab", 32803: "a raw colour filter array",
      32844: "LogL", 32845: "LogLuv", 34892: "linear raw",
    ]
    return names[number] ?? "photometric \(number)"
  }

  /// Whether white is stored as 0.
  var isInverted: Bool { stored.photometric == 0 && samples.kind == .unsigned }
  /// Whether each channel is stored by itself.
  var isPlanar: Bool { stored.planar == 2 && stored.samples > 1 }
  /// Whether alpha is multiplied into the stored colours.
  var isPremultiplied: Bool { stored.extra_kind == 1 && (channels == 2 || channels == 4) }
  /// The samples of one row of a block.
  var blockRowSamples: Int { Int(stored.block_width) * (isPlanar ? 1 : Int(stored.samples)) }

  /// Width and height of the upright page.
  var size: PixelSize {
    let (width, height) = (Int(stored.width), Int(stored.height))
    return orientation.swapsSides
      ? PixelSize(width: height, height: width) : PixelSize(width: width, height: height)
  }

  /// How a result of this page is stored: as it is, where that can hold a picture of many tones.
  var storage: TIFFStorage {
    var storage = TIFFStorage()
    storage.kind = samples.kind
    storage.bits = samples.bits < 8 ? 8 : 9..<16 ~= samples.bits ? 16 : samples.bits
    storage.compression = Int(stored.compression)
    storage.predictor = Int(stored.predictor)
    if TIFFStorage.isBilevel(storage.compression) {
      storage.compression = 8
      storage.predictor = 2
    }
    if samples.bits != storage.bits { storage.predictor = 1 }
    storage.isPlanar = isPlanar
    if stored.is_tiled != 0 {
      storage.tile = PixelSize(width: Int(stored.block_width), height: Int(stored.block_height))
    } else if !palette, stored.bits % 8 == 0 {
      storage.stripRows = Int(stored.block_height)
    }
    storage.isPremultiplied = isPremultiplied
    storage.isBigEndian = isBigEndian
    storage.isWide = isWide
    return storage
  }

  /// What a header tells.
  func information(pages: Int) -> ImageInformation {
    ImageInformation(
      format: .tiff, width: size.width, height: size.height, channels: palette ? 3 : channels,
      bitDepth: Int(stored.bits), hasPalette: palette, isMultipass: true, orientation: orientation,
      pages: pages, storage: storage)
  }
}
