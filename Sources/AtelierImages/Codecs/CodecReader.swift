// The Swift side of the C picture reader: typed errors, limits, whole pictures.

import CImageCodecs
import Foundation

/// The form in which a codec gives its rows.
enum CodecMode: Int32 {
  case bytes = 0
  case words = 1
  case indices = 2
}

/// One PNG or JPEG being read; rows come from top to bottom as the file stores them.
final class CodecReader {
  let name: String
  private let reader: OpaquePointer
  private(set) var information: ImageInformation
  private(set) var storedSize: PixelSize
  /// What goes with the picture.
  let metadata: ImageMetadata

  /// Opens a file and reads its header; what it says of its orientation may not count.
  convenience init(path: String, limits: ImageLimits, isUpright: Bool = false) throws {
    try self.init(name: path, limits: limits, isUpright: isUpright) {
      ci_reader_open_file($0, path)
    }
  }

  /// Reads the header of a file in memory, which must outlive the reader.
  convenience init(bytes: UnsafeRawBufferPointer, name: String, limits: ImageLimits) throws {
    try self.init(name: name, limits: limits, isUpright: false) {
      ci_reader_open_memory($0, bytes.baseAddress?.assumingMemoryBound(to: UInt8.self), bytes.count)
    }
  }

  private init(
    name: String, limits: ImageLimits, isUpright: Bool, open: (OpaquePointer) -> Int32
  ) throws {
    guard let reader = ci_reader_create() else {
      throw ImageError(.noMemory, name: name, expected: "memory for a reader", received: "none")
    }
    do {
      try Self.check(open(reader), reader, name, reading: "a readable file")
      guard let header = ci_reader_header(reader), header.pointee.format != CI_FORMAT_OTHER else {
        throw ImageError(
          .damaged, name: name, expected: "a PNG, JPEG, TIFF, WebP, PGM or PPM picture",
          received: "data of another kind")
      }
      let format: ImageFormat = header.pointee.format == CI_FORMAT_PNG ? .png : .jpeg
      let expected = format == .jpeg ? "a gray or RGB JPEG" : "a whole PNG"
      try Self.check(ci_reader_read_header(reader), reader, name, reading: expected)
      let shown = header.pointee
      var metadata =
        try format == .jpeg
        ? JPEGMetadata.read(reader)
        : PNGMetadata.read(
          reader, name: name, keepsBackground: shown.has_palette == 0 && shown.bit_depth >= 8)
      if isUpright { metadata.orientation = .upright }
      let orientation = metadata.orientation
      self.metadata = metadata
      storedSize = PixelSize(width: Int(header.pointee.width), height: Int(header.pointee.height))
      let turned = orientation.swapsSides
      information = ImageInformation(
        format: format, width: turned ? storedSize.height : storedSize.width,
        height: turned ? storedSize.width : storedSize.height,
        channels: Int(header.pointee.channels),
        bitDepth: Int(header.pointee.bit_depth), hasPalette: header.pointee.has_palette != 0,
        isMultipass: header.pointee.interlaced != 0, orientation: orientation,
        isLossless: format == .png)
      try Self.checkSize(header.pointee, format, name, limits)
    } catch {
      ci_reader_destroy(reader)
      throw error
    }
    self.reader = reader
    self.name = name
  }

  deinit { ci_reader_destroy(reader) }

  /// Refuses sizes over the limit, and sizes that the file's bytes cannot possibly hold.
  private static func checkSize(
    _ header: ci_header, _ format: ImageFormat, _ name: String, _ limits: ImageLimits
  ) throws {
    let (width, height) = (Int(header.width), Int(header.height))
    let channels = Int(header.channels)
    guard width > 0, height > 0, width <= limits.samples / height / channels else {
      throw ImageError(
        .tooLarge, name: name, expected: "at most \(limits.samples) samples",
        received: "\(width)x\(height) with \(channels) channels")
    }
    let most: Int
    if format == .png {
      // Deflate makes at most 1032 bytes of one.
      let rowBytes = (width * Int(header.stored_channels * header.bit_depth) + 7) / 8
      most = (rowBytes + 1) * height / 1032
    } else {
      // Every block of 64 pixels takes a bit of the largest component, which may be a quarter.
      most = width * height / 2048
    }
    guard UInt64(most) <= header.file_bytes else {
      throw ImageError(
        .damaged, name: name, expected: "at least \(most) bytes for \(width)x\(height) pixels",
        received: "\(header.file_bytes)")
    }
  }

  private static func check(
    _ status: Int32, _ reader: OpaquePointer, _ name: String, reading expected: String
  ) throws {
    if status == CI_OK { return }
    let message = ci_reader_message(reader).map { String(cString: $0) } ?? "no message"
    let reason: ImageError.Reason =
      switch status {
      case Int32(CI_CORRUPT): .damaged
      case Int32(CI_UNSUPPORTED): .unsupported
      case Int32(CI_NO_MEMORY): .noMemory
      default: .system
      }
    throw ImageError(reason, name: name, expected: expected, received: message)
  }

  private func check(_ status: Int32) throws {
    try Self.check(status, reader, name, reading: "a whole \(information.format.rawValue)")
  }

  /// Makes ready to give rows in one form.
  func begin(_ mode: CodecMode) throws { try check(ci_reader_begin(reader, mode.rawValue)) }

  /// Reads the next rows into a buffer that has room for them.
  func readRows<Sample: ImageSample>(
    into target: UnsafeMutableBufferPointer<Sample>, count: Int, rowLength: Int
  ) throws {
    precondition(target.count >= count * rowLength, "no room for the rows")
    try check(
      ci_reader_read_rows(
        reader, target.baseAddress, rowLength * MemoryLayout<Sample>.stride, UInt32(count)))
  }

  /// Reads to the end; throws when anything is missing there.
  func finish() throws { try check(ci_reader_finish(reader)) }

  /// The whole picture, upright.
  func image<Sample: ImageSample>(
    _ mode: CodecMode, of kind: Sample.Type, channels: Int
  ) throws -> Image<Sample> {
    try begin(mode)
    let stored = storedSize
    let size = information.size
    let rowLength = stored.width * channels
    let orientation = information.orientation
    let image = try Image<Sample>(width: size.width, height: size.height, channels: channels) {
      target in
      if orientation == .upright {
        try readRows(into: target, count: stored.height, rowLength: rowLength)
        return
      }
      // Turned in strips, so that the picture is held once.
      let strip = 32
      let rows = UnsafeMutableBufferPointer<Sample>.allocate(capacity: strip * rowLength)
      defer { rows.deallocate() }
      for first in stride(from: 0, to: stored.height, by: strip) {
        let count = min(strip, stored.height - first)
        try readRows(into: rows, count: count, rowLength: rowLength)
        Image<Sample>.scatter(
          rows: UnsafeBufferPointer(rows), firstRow: first, count: count, width: stored.width,
          channels: channels, orientation: orientation, into: target, newWidth: size.width,
          newHeight: size.height)
      }
    }
    try finish()
    return image
  }

  /// The palette as RGBA; empty without one.
  var palette: [SIMD4<UInt8>] {
    var count: Int32 = 0
    guard let bytes = ci_reader_palette(reader, &count) else { return [] }
    return (0..<Int(count)).map {
      SIMD4(bytes[4 * $0], bytes[4 * $0 + 1], bytes[4 * $0 + 2], bytes[4 * $0 + 3])
    }
  }

  /// Harmless faults of the data, in words, known after `finish`; nil without one.
  var remark: String? {
    guard let text = ci_reader_remark(reader).map({ String(cString: $0) }), !text.isEmpty else {
      return nil
    }
    return "the \(information.format.rawValue) has \(text); it is read all the same"
  }
}
