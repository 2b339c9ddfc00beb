// Pictures in strips of rows, for those too large to be held.

import AtelierFiles
import Foundation

/// Reads a picture file from top to bottom in strips.
///
/// A PNG and an upright JPEG are decoded as the strips are taken. A picture that has to be turned,
/// or is interlaced, and a PNM are held whole, the strips come the same.
public final class ImageRowReader {
  /// What the header says.
  public let information: ImageInformation
  /// The number of rows taken so far.
  public private(set) var rowsRead = 0
  private let codec: CodecReader?
  private let whole: ByteImage?

  /// Opens a file and reads its header.
  /// - Throws: `ImageError` as `ImageFile.read`.
  public init(_ path: String, limits: ImageLimits = .standard) throws {
    let information = try ImageFile.information(path, limits: limits)
    self.information = information
    let isStreamed = information.format == .png || information.format == .jpeg
    if !isStreamed || information.orientation != .upright {
      codec = nil
      whole = try ImageFile.read(path, limits: limits)
    } else {
      let reader = try CodecReader(path: path, limits: limits)
      try reader.begin(.bytes)
      codec = reader
      whole = nil
    }
  }

  /// Rows not yet taken.
  public var rowsLeft: Int { information.height - rowsRead }

  /// The next strip of at most `count` rows, 8 bits a sample; nil after the last one.
  ///
  /// With the last rows the rest of the file is checked, so a picture is known to be whole only
  /// when no strip threw.
  ///
  /// - Throws: `ImageError` when the file is damaged.
  public func next(_ count: Int) throws -> ByteImage? {
    precondition(count > 0, "a strip has rows")
    let rows = min(count, rowsLeft)
    guard rows > 0 else { return nil }
    let first = rowsRead
    if let whole {
      rowsRead += rows
      return whole.cropped(x: 0, y: first, width: whole.width, height: rows)
    }
    guard let codec else { return nil }
    let (width, channels) = (information.width, information.channels)
    let strip = try ByteImage(width: width, height: rows, channels: channels) {
      try codec.readRows(into: $0, count: rows, rowLength: width * channels)
    }
    rowsRead += rows
    if rowsLeft == 0 { try codec.finish() }
    return strip
  }
}

/// Writes a PNG or JPEG file from top to bottom in strips.
///
/// The file appears under its name only with `finish`; without that nothing stays.
public final class ImageRowWriter {
  /// Pixels in a row and rows to be written.
  public let size: PixelSize
  /// Samples in a pixel.
  public let channels: Int
  /// The number of rows written so far.
  public private(set) var rowsWritten = 0
  private let path: String
  private let pending: PendingFile
  private let codec: CodecWriter

  /// Begins a file, replaced if it exists, of its extension's format; JPEG has 1 or 3 channels.
  /// - Throws: `ImageError` when the file cannot be written or the format refuses the picture.
  public init(
    _ path: String, size: PixelSize, channels: Int, options: ImageWriteOptions = .standard
  ) throws {
    let format = try ImageFile.format(forWriting: path)
    guard size.width > 0, size.height > 0, 1...4 ~= channels else {
      throw ImageError(
        .argument, name: path, expected: "a positive size and 1 to 4 channels",
        received: "\(size) and \(channels)")
    }
    self.path = path
    self.size = size
    self.channels = channels
    pending = PendingFile(URL(fileURLWithPath: path))
    codec = try CodecWriter(path: pending.path, name: path)
    try codec.begin(format, size: size, channels: channels, bitDepth: 8, options: options)
  }

  /// Writes the next rows.
  /// - Throws: `ImageError` when the strip does not fit the picture or the file cannot be written.
  public func write(_ strip: ByteImage) throws {
    let left = size.height - rowsWritten
    guard strip.width == size.width, strip.channels == channels, strip.height <= left else {
      throw ImageError(
        .argument, name: path,
        expected: "at most \(left) rows of \(size.width) pixels with \(channels) channels",
        received: "\(strip.size) with \(strip.channels)")
    }
    try strip.samples.withUnsafeBufferPointer {
      try codec.writeRows($0, count: strip.height, rowLength: strip.rowLength)
    }
    rowsWritten += strip.height
  }

  /// Ends the file and gives it its name.
  /// - Throws: `ImageError` when rows are missing or the file cannot be written.
  public func finish() throws {
    guard rowsWritten == size.height else {
      throw ImageError(
        .argument, name: path, expected: "\(size.height) rows", received: "\(rowsWritten)")
    }
    try codec.finish()
    try ImageFile.finish(pending, name: path)
  }
}
