// Picture files as a whole: read by content, written by extension, beside and renamed.

import AtelierFiles
import Foundation

/// Reading and writing of picture files.
public enum ImageFile {
  /// The extensions, in lower case, of the picture files that a listing of a folder takes.
  public static let extensions: Set<String> = [
    "png", "jpg", "jpeg", "jpe", "jfif", "tif", "tiff", "webp", "pgm", "ppm",
  ]

  /// The picture of a PNG, JPEG, TIFF, WebP, PGM or PPM file, told from its content: upright, 8 bits
  /// a sample, 1 to 4 channels; of a TIFF the first page.
  ///
  /// Palettes and transparent colours are expanded, 1 to 4 bits scaled up, 16 bits rounded, floating
  /// point shown in its range.
  ///
  /// - Throws: `ImageError` when the file cannot be read, is damaged anywhere, too large or CMYK.
  public static func read(_ path: String, limits: ImageLimits = .standard) throws -> ByteImage {
    try PictureSource(path: path, limits: limits).bytes()
  }

  /// The picture of a file, 8 bits a sample.
  public static func read(_ url: URL, limits: ImageLimits = .standard) throws -> ByteImage {
    try read(url.path, limits: limits)
  }

  /// The picture of a file, 16 bits a sample; 8-bit files are scaled by 257.
  public static func readWords(
    _ path: String, limits: ImageLimits = .standard
  ) throws -> WordImage {
    try PictureSource(path: path, limits: limits).words()
  }

  /// The picture of a file as fractions of white, at the file's own precision; TIFFs of 32 bits and
  /// of floating point give the numbers that they store.
  public static func readFloats(
    _ path: String, limits: ImageLimits = .standard
  ) throws -> FloatImage {
    try PictureSource(path: path, limits: limits).floats()
  }

  /// The picture of a file at its own precision.
  public static func stored(
    _ path: String, limits: ImageLimits = .standard
  ) throws -> StoredImage {
    try PictureSource(path: path, limits: limits).image()
  }

  /// The stored values of a palette PNG or of a gray PNG of at most 8 bits, unscaled.
  /// - Throws: `ImageError` for every other picture.
  public static func readIndices(
    _ path: String, limits: ImageLimits = .standard
  ) throws -> IndexedImage {
    try indices(PictureSource(path: path, limits: limits), name: path)
  }

  /// The picture of a file in memory; `name` stands for it in errors.
  public static func decode(
    _ data: Data, name: String, limits: ImageLimits = .standard
  ) throws -> ByteImage {
    try data.withUnsafeBytes {
      try PictureSource($0, data, name: name, limits: limits).bytes()
    }
  }

  /// The picture of a file in memory, 16 bits a sample.
  public static func decodeWords(
    _ data: Data, name: String, limits: ImageLimits = .standard
  ) throws -> WordImage {
    try data.withUnsafeBytes {
      try PictureSource($0, data, name: name, limits: limits).words()
    }
  }

  /// The stored values of a palette or gray PNG in memory.
  public static func decodeIndices(
    _ data: Data, name: String, limits: ImageLimits = .standard
  ) throws -> IndexedImage {
    try data.withUnsafeBytes {
      try indices(PictureSource($0, data, name: name, limits: limits), name: name)
    }
  }

  /// The format that a file's first bytes tell, whatever its name; nil for none that is read.
  public static func format(ofContent path: String) -> ImageFormat? {
    guard InputFile.otherKind(path) == nil, let handle = FileHandle(forReadingAtPath: path) else {
      return nil
    }
    defer { try? handle.close() }
    return (try? handle.read(upToCount: 12)).flatMap { $0 }.flatMap(ImageFormat.recognised)
  }

  /// What the header says; the picture is not decoded.
  public static func information(
    _ path: String, limits: ImageLimits = .standard
  ) throws -> ImageInformation {
    try PictureSource(path: path, limits: limits).information()
  }

  /// The size of the upright picture, from the header alone.
  public static func size(_ path: String, limits: ImageLimits = .standard) throws -> PixelSize {
    try information(path, limits: limits).size
  }

  /// The text chunks of a PNG and the comments of a JPEG; XMP packets, also of a WebP and TIFF, under
  /// `ImageWriteOptions.xmpKey`.
  ///
  /// The whole file is read, and must be sound.
  public static func metadata(
    _ path: String, limits: ImageLimits = .standard
  ) throws -> [String: String] {
    let source = try PictureSource(path: path, limits: limits)
    // Of a JPEG it is read from the header and gone behind the picture.
    let metadata = source.metadata
    _ = try source.bytes()
    var texts = metadata.texts
    if let xmp = metadata.xmp {
      texts[ImageWriteOptions.xmpKey] = String(decoding: xmp, as: UTF8.self)
    }
    return texts
  }

  /// What goes with a picture: Exif, XMP, profile, resolution, texts, tags; the picture is not
  /// decoded.
  public static func attached(
    _ path: String, limits: ImageLimits = .standard
  ) throws -> ImageMetadata {
    try PictureSource(path: path, limits: limits).metadata
  }

  private static func indices(_ source: PictureSource, name: String) throws -> IndexedImage {
    let information = try source.information()
    let isGray = information.format == .png && information.channels == 1
    guard case .codec(let reader) = source,
      information.hasPalette || (isGray && information.bitDepth <= 8)
    else {
      throw ImageError(
        .unsupported, name: name, expected: "a palette PNG, or gray of at most 8 bits",
        received: "\(information.format.rawValue) of \(information.channels) channels with "
          + "\(information.bitDepth) bits")
    }
    let image = try reader.image(.indices, of: UInt8.self, channels: 1)
    return IndexedImage(indices: image, palette: reader.palette)
  }
}
