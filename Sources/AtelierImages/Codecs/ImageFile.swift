// Picture files as a whole: read by content, written by extension, beside and renamed.

import Foundation

/// Reading and writing of picture files.
public enum ImageFile {
  /// The extensions, in lower case, of the picture files that a listing of a folder takes.
  public static let extensions: Set<String> = ["png", "jpg", "jpeg"]

  /// The picture of a PNG, JPEG, PGM or PPM file, told from its content: upright, 8 bits a sample,
  /// 1 to 4 channels.
  ///
  /// Palettes and transparent colours are expanded, 1 to 4 bits scaled up, 16 bits rounded.
  ///
  /// - Throws: `ImageError` when the file cannot be read, is damaged anywhere, too large or CMYK.
  public static func read(_ path: String, limits: ImageLimits = .standard) throws -> ByteImage {
    if let anymap = try anymap(path, limits) { return anymap.image(of: UInt8.self) }
    return try bytes(CodecReader(path: path, limits: limits))
  }

  /// The picture of a file, 8 bits a sample.
  public static func read(_ url: URL, limits: ImageLimits = .standard) throws -> ByteImage {
    try read(url.path, limits: limits)
  }

  /// The picture of a file, 16 bits a sample; 8-bit files are scaled by 257.
  public static func readWords(
    _ path: String, limits: ImageLimits = .standard
  ) throws -> WordImage {
    if let anymap = try anymap(path, limits) { return anymap.image(of: UInt16.self) }
    return try words(CodecReader(path: path, limits: limits))
  }

  /// The picture of a file as fractions of white, at the file's own precision.
  public static func readFloats(
    _ path: String, limits: ImageLimits = .standard
  ) throws -> FloatImage {
    if let anymap = try anymap(path, limits) { return anymap.image(of: Float.self) }
    let reader = try CodecReader(path: path, limits: limits)
    return reader.information.bitDepth == 16 ? try words(reader).floats : try bytes(reader).floats
  }

  /// The stored values of a palette PNG or of a gray PNG of at most 8 bits, unscaled.
  /// - Throws: `ImageError` for every other picture.
  public static func readIndices(
    _ path: String, limits: ImageLimits = .standard
  ) throws -> IndexedImage {
    try indices(CodecReader(path: path, limits: limits))
  }

  /// The picture of a file in memory; `name` stands for it in errors.
  public static func decode(
    _ data: Data, name: String, limits: ImageLimits = .standard
  ) throws -> ByteImage {
    try decode(data, name, limits, bytes)
  }

  /// The picture of a file in memory, 16 bits a sample.
  public static func decodeWords(
    _ data: Data, name: String, limits: ImageLimits = .standard
  ) throws -> WordImage {
    try decode(data, name, limits, words)
  }

  /// The stored values of a palette or gray PNG in memory.
  public static func decodeIndices(
    _ data: Data, name: String, limits: ImageLimits = .standard
  ) throws -> IndexedImage {
    try data.withUnsafeBytes {
      try indices(CodecReader(bytes: $0, name: name, limits: limits))
    }
  }

  /// What the header says; the picture is not decoded.
  public static func information(
    _ path: String, limits: ImageLimits = .standard
  ) throws -> ImageInformation {
    if let anymap = try anymap(path, limits) { return anymap.information }
    return try CodecReader(path: path, limits: limits).information
  }

  /// The size of the upright picture, from the header alone.
  public static func size(_ path: String, limits: ImageLimits = .standard) throws -> PixelSize {
    try information(path, limits: limits).size
  }

  /// The text chunks of a PNG and the comments of a JPEG, XMP packets under
  /// `ImageWriteOptions.xmpKey`; empty for other formats.
  ///
  /// The whole file is read, and must be sound.
  public static func metadata(
    _ path: String, limits: ImageLimits = .standard
  ) throws -> [String: String] {
    guard try anymap(path, limits) == nil else { return [:] }
    let reader = try CodecReader(path: path, limits: limits)
    // A JPEG's comments stand before the picture and are gone behind it.
    let first = reader.information.format == .jpeg ? reader.texts : [:]
    _ = try bytes(reader)
    return first.merging(reader.texts) { before, _ in before }
  }

  // MARK: - Readers

  private static func decode<Sample: ImageSample>(
    _ data: Data, _ name: String, _ limits: ImageLimits,
    _ read: (CodecReader) throws -> Image<Sample>
  ) throws -> Image<Sample> {
    if PortableAnymap.recognises(data) {
      return try PortableAnymap(data, name: name, limits: limits).image(of: Sample.self)
    }
    return try data.withUnsafeBytes { try read(CodecReader(bytes: $0, name: name, limits: limits)) }
  }

  private static func bytes(_ reader: CodecReader) throws -> ByteImage {
    try reader.image(.bytes, of: UInt8.self, channels: reader.information.channels)
  }

  private static func words(_ reader: CodecReader) throws -> WordImage {
    guard reader.information.format == .png else { return try bytes(reader).words }
    return try reader.image(.words, of: UInt16.self, channels: reader.information.channels)
  }

  private static func indices(_ reader: CodecReader) throws -> IndexedImage {
    let information = reader.information
    let isGray = information.format == .png && information.channels == 1
    guard information.hasPalette || (isGray && information.bitDepth <= 8) else {
      throw ImageError(
        .unsupported, name: reader.name, expected: "a palette PNG, or gray of at most 8 bits",
        received: "\(information.format.rawValue) of \(information.channels) channels with "
          + "\(information.bitDepth) bits")
    }
    let image = try reader.image(.indices, of: UInt8.self, channels: 1)
    return IndexedImage(indices: image, palette: reader.palette)
  }

  /// The file as PNM if its first bytes say so.
  private static func anymap(_ path: String, _ limits: ImageLimits) throws -> PortableAnymap? {
    guard let handle = FileHandle(forReadingAtPath: path) else { return nil }
    defer { try? handle.close() }
    guard let magic = try? handle.read(upToCount: 3), PortableAnymap.recognises(magic) else {
      return nil
    }
    do {
      let data = magic + (try handle.readToEnd() ?? Data())
      return try PortableAnymap(data, name: path, limits: limits)
    } catch let error as ImageError {
      throw error
    } catch {
      throw ImageError(
        .system, name: path, expected: "a readable file", received: error.localizedDescription)
    }
  }
}
