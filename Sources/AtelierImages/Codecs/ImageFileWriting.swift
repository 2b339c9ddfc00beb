// Writing of whole pictures to files and to memory.

import AtelierFiles
import Foundation

extension ImageFile {
  /// Writes a picture by the path's extension, .png, .jpg, .jpeg, .tif, .tiff or .webp, over what is
  /// there.
  ///
  /// The file appears whole or not at all: it is written beside and renamed. JPEG takes 1 or 3
  /// channels.
  ///
  /// - Throws: `ImageError` for another extension, or when the file cannot be written.
  public static func write(
    _ image: ByteImage, to path: String, options: ImageWriteOptions = .standard
  ) throws {
    try write(.bytes(image), to: path, options: options)
  }

  /// Writes a picture by the extension of the URL.
  public static func write(
    _ image: ByteImage, to url: URL, options: ImageWriteOptions = .standard
  ) throws {
    try write(image, to: url.path, options: options)
  }

  /// Writes a picture with 16 bits a sample as PNG or TIFF.
  public static func write(
    _ image: WordImage, to path: String, options: ImageWriteOptions = .standard
  ) throws {
    guard [.png, .tiff].contains(try format(forWriting: path)) else {
      throw ImageError(
        .argument, name: path, expected: "a .png or .tif for 16 bits or a palette",
        received: try format(forWriting: path).rawValue)
    }
    try write(.words(image), to: path, options: options)
  }

  /// Writes a picture at its precision as far as the format has it: TIFF holds all, PNG 16 bits,
  /// JPEG and WebP 8.
  public static func write(
    _ image: StoredImage, to path: String, options: ImageWriteOptions = .standard
  ) throws {
    let format = try format(forWriting: path)
    try writeBeside(path) { try write(image, to: $0, name: path, format, options) }
  }

  /// Writes a picture to a file of any name.
  static func write(
    _ image: StoredImage, to place: String, name: String, _ format: ImageFormat,
    _ options: ImageWriteOptions
  ) throws {
    switch (format, image) {
    case (.tiff, _):
      let storage = options.storage ?? TIFFStorage(for: image)
      let writer = try storage.writer(path: place, name: name)
      try writer.append(
        image, planes: [], storage: storage, quality: options.quality,
        tags: TIFFMetadata.tags(options.metadata(for: image.size)))
      try writer.finish()
    case (.webp, _):
      let data = try WebPFile.encode(
        image.bytes, name: name, quality: options.quality, isLossless: options.isLossless,
        metadata: options.metadata(for: image.size))
      do {
        try data.write(to: URL(fileURLWithPath: place))
      } catch {
        throw ImageError(
          .unwritable, name: name, expected: "a writable file",
          received: error.localizedDescription)
      }
    case (.png, .words), (.png, .floats):
      let writer = try CodecWriter(path: place, name: name)
      try fill(writer, image.words, format, bitDepth: 16, palette: [], options: options)
    default:
      let writer = try CodecWriter(path: place, name: name)
      try fill(writer, image.bytes, format, bitDepth: 8, palette: [], options: options)
    }
  }

  /// Writes palette indices as an 8-bit palette PNG, or a gray one when there is no palette.
  public static func write(
    _ image: IndexedImage, to path: String, options: ImageWriteOptions = .standard
  ) throws {
    try checkIndices(image, name: path)
    try write(image.indices, to: path, bitDepth: 8, palette: image.palette, options: options)
  }

  /// A picture as a PNG file in memory.
  public static func encodePNG(
    _ image: ByteImage, options: ImageWriteOptions = .standard
  ) throws -> Data {
    try encode(image, .png, bitDepth: 8, options: options)
  }

  /// A picture of 16 bits a sample as a PNG file in memory.
  public static func encodePNG(
    _ image: WordImage, options: ImageWriteOptions = .standard
  ) throws -> Data {
    try encode(image, .png, bitDepth: 16, options: options)
  }

  /// Palette indices as a PNG file in memory.
  public static func encodePNG(
    _ image: IndexedImage, options: ImageWriteOptions = .standard
  ) throws -> Data {
    try checkIndices(image, name: "PNG")
    return try encode(image.indices, .png, bitDepth: 8, palette: image.palette, options: options)
  }

  /// A picture of 1 or 3 channels as a JPEG file in memory.
  public static func encodeJPEG(
    _ image: ByteImage, options: ImageWriteOptions = .standard
  ) throws -> Data {
    try encode(image, .jpeg, bitDepth: 8, options: options)
  }

  /// The extensions, in lower case, of the pictures that are written.
  public static let writtenExtensions: Set<String> = [
    "png", "jpg", "jpeg", "jpe", "jfif", "tif", "tiff", "webp",
  ]

  /// The format that a path's extension asks for.
  /// - Throws: `ImageError` for anything but the `writtenExtensions`.
  public static func format(forWriting path: String) throws -> ImageFormat {
    let fileExtension = (path as NSString).pathExtension.lowercased()
    switch fileExtension {
    case "png": return .png
    case "jpg", "jpeg", "jpe", "jfif": return .jpeg
    case "tif", "tiff": return .tiff
    case "webp": return .webp
    default:
      throw ImageError(
        .unsupported, name: path, expected: "a name ending in .png, .jpg, .tif or .webp",
        received: fileExtension.isEmpty ? "no extension" : ".\(fileExtension)")
    }
  }

  private static func checkIndices(_ image: IndexedImage, name: String) throws {
    let largest = image.indices.samples.max() ?? 0
    guard image.palette.isEmpty || Int(largest) < image.palette.count else {
      throw ImageError(
        .argument, name: name, expected: "indices below the palette's \(image.palette.count)",
        received: "\(largest)")
    }
  }

  private static func write<Sample: ImageSample>(
    _ image: Image<Sample>, to path: String, bitDepth: Int, palette: [SIMD4<UInt8>] = [],
    options: ImageWriteOptions
  ) throws {
    let format = try format(forWriting: path)
    guard format == .png else {
      throw ImageError(
        .argument, name: path, expected: "a .png for 16 bits or a palette",
        received: format.rawValue)
    }
    try writeBeside(path) { temporary in
      let writer = try CodecWriter(path: temporary, name: path)
      try fill(writer, image, format, bitDepth: bitDepth, palette: palette, options: options)
    }
  }

  private static func encode<Sample: ImageSample>(
    _ image: Image<Sample>, _ format: ImageFormat, bitDepth: Int,
    palette: [SIMD4<UInt8>] = [], options: ImageWriteOptions
  ) throws -> Data {
    let writer = try CodecWriter(path: nil, name: format.rawValue)
    try fill(writer, image, format, bitDepth: bitDepth, palette: palette, options: options)
    return writer.data
  }

  private static func fill<Sample: ImageSample>(
    _ writer: CodecWriter, _ image: Image<Sample>, _ format: ImageFormat, bitDepth: Int,
    palette: [SIMD4<UInt8>], options: ImageWriteOptions
  ) throws {
    try writer.begin(
      format, size: image.size, channels: image.channels, bitDepth: bitDepth, palette: palette,
      options: options)
    try image.samples.withUnsafeBufferPointer {
      try writer.writeRows($0, count: image.height, rowLength: image.rowLength)
    }
    try writer.finish()
  }

  /// Lets `write` fill a file beside `path` and renames it to `path` when that succeeded.
  static func writeBeside(_ path: String, _ write: (String) throws -> Void) throws {
    let pending = PendingFile(URL(fileURLWithPath: path))
    try write(pending.path)
    try finish(pending, name: path)
  }

  /// Gives a file that is filled its name.
  static func finish(_ pending: PendingFile, name: String) throws {
    do { try pending.finish() } catch {
      throw ImageError(
        .unwritable, name: name, expected: "a writable file",
        received: String(cString: strerror(error.code ?? EIO)))
    }
  }
}
