// What a picture's header tells, and the limits that it is held against.

/// The file formats that are told apart by their first bytes.
public enum ImageFormat: String, Sendable, Hashable {
  /// Portable Network Graphics.
  case png = "PNG"
  /// JPEG, baseline or progressive.
  case jpeg = "JPEG"
  /// A binary portable graymap or pixmap (P5, P6); read only.
  case portableAnymap = "PNM"
  /// TIFF, BigTIFF among it.
  case tiff = "TIFF"
  /// WebP of one picture.
  case webp = "WebP"
}

/// How large a picture may be before its header alone has it refused.
public struct ImageLimits: Sendable, Equatable {
  /// The most samples (width · height · channels) that are decoded.
  public var samples: Int

  /// Limits of `samples` samples.
  public init(samples: Int = 512 << 20) { self.samples = samples }

  /// 512 Mi samples: a gray picture of 512 megapixels, a colour one of 170.
  public static let standard = ImageLimits()
}

/// What a file's header says of its picture.
public struct ImageInformation: Sendable, Equatable {
  /// The format, told from the content.
  public let format: ImageFormat
  /// Pixels in a row of the upright picture.
  public let width: Int
  /// Rows of the upright picture.
  public let height: Int
  /// Channels of the expanded picture, 1 to 4.
  public let channels: Int
  /// Bits of a stored sample: 1 to 16, 32 or 64.
  public let bitDepth: Int
  /// Whether samples are indices into a palette.
  public let hasPalette: Bool
  /// Whether the file holds the picture in several passes (interlaced or progressive), so that all
  /// of it must be held to decode it.
  public let isMultipass: Bool
  /// How the stored picture is turned to stand upright.
  public let orientation: Orientation
  /// The number of pages, more than 1 in a TIFF alone.
  public var pages = 1
  /// How a TIFF stores its samples.
  public var storage: TIFFStorage?
  /// Whether the picture is stored without loss.
  public var isLossless = true

  /// Width and height of the upright picture.
  public var size: PixelSize { PixelSize(width: width, height: height) }
}

/// A picture of palette indices, such as a label map with its colours.
public struct IndexedImage: Sendable, Equatable {
  /// The indices, one channel.
  public var indices: ByteImage
  /// The palette as RGBA; empty for a gray file, whose values then are the indices.
  public var palette: [SIMD4<UInt8>]

  /// A picture of indices and their colours.
  /// - Precondition: one channel, at most 256 colours.
  public init(indices: ByteImage, palette: [SIMD4<UInt8>]) {
    precondition(indices.channels == 1, "indices have one channel")
    precondition(palette.count <= 256, "a palette has at most 256 colours")
    self.indices = indices
    self.palette = palette
  }

  /// The colours of the indices; black where an index has none.
  public var colored: ByteImage {
    ByteImage(width: indices.width, height: indices.height, channels: 3) { target in
      for (pixel, index) in indices.samples.enumerated() {
        let color = Int(index) < palette.count ? palette[Int(index)] : SIMD4(0, 0, 0, 255)
        target[3 * pixel] = color.x
        target[3 * pixel + 1] = color.y
        target[3 * pixel + 2] = color.z
      }
    }
  }
}
