// The Swift side of the C picture writer: typed errors and arguments checked.

import CImageCodecs
import Foundation

/// How a picture is written.
public struct ImageWriteOptions: Sendable, Equatable {
  /// JPEG quality, 1 to 100; from 90 on the colour is kept at full resolution.
  public var quality: Int
  /// PNG effort, 0 (none) to 9.
  public var compression: Int
  /// Text chunks of a PNG, comments `key: value` of a JPEG; `xmpKey` is an XMP packet in both.
  ///
  /// Keys are 1 to 79 printable ASCII characters; in a JPEG a text takes at most 65,000 bytes.
  public var metadata: [String: String]

  /// Quality 92, compression 6 and no metadata where not said otherwise.
  public init(quality: Int = 92, compression: Int = 6, metadata: [String: String] = [:]) {
    self.quality = quality
    self.compression = compression
    self.metadata = metadata
  }

  /// The key of an XMP packet (Adobe XMP specification, part 3).
  public static let xmpKey = "XML:com.adobe.xmp"

  /// Quality 92, compression 6, no metadata.
  public static let standard = ImageWriteOptions()
}

/// One PNG or JPEG being written, from top to bottom.
final class CodecWriter {
  let name: String
  private let writer: OpaquePointer

  /// Writes to the file at `path`, or to memory when it is nil.
  init(path: String?, name: String) throws {
    guard let writer = ci_writer_create() else {
      throw ImageError(.system, name: name, expected: "memory for a writer", received: "none")
    }
    self.writer = writer
    self.name = name
    if let path {
      try check(ci_writer_open_file(writer, path))
    } else {
      try check(ci_writer_open_memory(writer))
    }
  }

  deinit { ci_writer_destroy(writer) }

  private func check(_ status: Int32) throws {
    if status == CI_OK { return }
    let message = ci_writer_message(writer).map { String(cString: $0) } ?? "no message"
    throw ImageError(.system, name: name, expected: "a writable file", received: message)
  }

  /// Writes a header; rows follow.
  func begin(
    _ format: ImageFormat, size: PixelSize, channels: Int, bitDepth: Int,
    palette: [SIMD4<UInt8>] = [], options: ImageWriteOptions
  ) throws {
    switch format {
    case .png:
      try preparePNG(
        size: size, channels: channels, bitDepth: bitDepth, palette: palette, options: options)
    case .jpeg:
      try prepareJPEG(size: size, channels: channels, bitDepth: bitDepth, options: options)
    case .portableAnymap:
      throw ImageError(.unsupported, name: name, expected: "PNG or JPEG to write", received: "PNM")
    }
    try checkMetadata(options.metadata)
    if format == .png { try writePNGTexts(options.metadata) }
    try check(ci_writer_begin(writer))
    if format == .jpeg { try writeJPEGTexts(options.metadata) }
  }

  private func checkMetadata(_ metadata: [String: String]) throws {
    for (key, value) in metadata {
      let printable = key.utf8.allSatisfy { 32...126 ~= $0 }
      guard 1...79 ~= key.utf8.count, printable, key.first != " ", key.last != " " else {
        throw ImageError(
          .argument, name: name, expected: "metadata keys of 1 to 79 printable ASCII characters",
          received: "\"\(key)\"")
      }
      guard !value.utf8.contains(0) else {
        throw ImageError(
          .argument, name: name, expected: "metadata without zero bytes",
          received: "one in the value of \"\(key)\"")
      }
    }
  }

  private func writePNGTexts(_ metadata: [String: String]) throws {
    for (key, value) in metadata.sorted(by: { $0.key < $1.key }) {
      let isPlain = key != ImageWriteOptions.xmpKey && value.utf8.allSatisfy { $0 < 128 }
      try check(ci_writer_text(writer, key, value, isPlain ? 0 : 1))
    }
  }

  private func writeJPEGTexts(_ metadata: [String: String]) throws {
    for (key, value) in metadata.sorted(by: { $0.key < $1.key }) {
      let isXMP = key == ImageWriteOptions.xmpKey
      let text = isXMP ? value : "\(key): \(value)"
      guard text.utf8.count <= CI_JPEG_TEXT else {
        throw ImageError(
          .argument, name: name, expected: "metadata of at most \(CI_JPEG_TEXT) bytes a text",
          received: "\(text.utf8.count) for \"\(key)\"")
      }
      try check(ci_writer_jpeg_text(writer, text, text.utf8.count, isXMP ? 1 : 0))
    }
  }

  private func preparePNG(
    size: PixelSize, channels: Int, bitDepth: Int, palette: [SIMD4<UInt8>],
    options: ImageWriteOptions
  ) throws {
    guard max(size.width, size.height) <= 1_000_000 else {
      throw ImageError(
        .argument, name: name, expected: "at most 1000000 pixels a side", received: "\(size)")
    }
    let effort = Int32(max(0, min(9, options.compression)))
    let colors = palette.flatMap { [$0.x, $0.y, $0.z, $0.w] }
    let status = colors.withUnsafeBufferPointer {
      ci_writer_prepare_png(
        writer, UInt32(size.width), UInt32(size.height), Int32(channels), Int32(bitDepth),
        palette.isEmpty ? nil : $0.baseAddress, Int32(palette.count), effort)
    }
    try check(status)
  }

  private func prepareJPEG(
    size: PixelSize, channels: Int, bitDepth: Int, options: ImageWriteOptions
  ) throws {
    guard channels == 1 || channels == 3, bitDepth == 8 else {
      throw ImageError(
        .argument, name: name, expected: "8 bits in 1 or 3 channels for JPEG",
        received: "\(bitDepth) bits in \(channels)")
    }
    guard max(size.width, size.height) <= 65500 else {
      throw ImageError(
        .argument, name: name, expected: "at most 65500 pixels a side for JPEG",
        received: "\(size)")
    }
    guard 1...100 ~= options.quality else {
      throw ImageError(
        .argument, name: name, expected: "a quality of 1 to 100", received: "\(options.quality)")
    }
    try check(
      ci_writer_prepare_jpeg(
        writer, UInt32(size.width), UInt32(size.height), Int32(channels), Int32(options.quality),
        options.quality >= 90 ? 1 : 0))
  }

  /// Writes the next rows.
  func writeRows<Sample: ImageSample>(
    _ rows: UnsafeBufferPointer<Sample>, count: Int, rowLength: Int
  ) throws {
    precondition(rows.count >= count * rowLength, "fewer rows than said")
    try check(
      ci_writer_write_rows(
        writer, rows.baseAddress, rowLength * MemoryLayout<Sample>.stride, UInt32(count)))
  }

  /// Writes the end; throws when the system did not take all of it.
  func finish() throws { try check(ci_writer_finish(writer)) }

  /// What was written to memory.
  var data: Data {
    var count = 0
    guard let bytes = ci_writer_bytes(writer, &count) else { return Data() }
    return Data(bytes: bytes, count: count)
  }
}
