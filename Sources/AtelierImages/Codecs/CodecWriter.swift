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
  /// What was read with a picture and goes on with it, as far as the format can hold it.
  public var carried: ImageMetadata?
  /// How a TIFF stores its samples; nil for deflated ones of the picture's type.
  public var storage: TIFFStorage?
  /// Whether a WebP is stored without loss whatever the quality.
  public var isLossless = false

  /// Quality 92, compression 6 and no metadata where not said otherwise.
  public init(
    quality: Int = 92, compression: Int = 6, metadata: [String: String] = [:],
    carried: ImageMetadata? = nil, storage: TIFFStorage? = nil
  ) {
    self.quality = quality
    self.compression = compression
    self.metadata = metadata
    self.carried = carried
    self.storage = storage
  }

  /// What is carried for an upright picture of a size; texts of `metadata` take their keys' places.
  func metadata(for size: PixelSize) -> ImageMetadata {
    var result = (carried ?? ImageMetadata()).upright(size)
    for (key, value) in metadata where key != Self.xmpKey { result.texts[key] = value }
    if let xmp = metadata[Self.xmpKey] { result.xmp = Data(xmp.utf8) }
    return result
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
      throw ImageError(.noMemory, name: name, expected: "memory for a writer", received: "none")
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
    throw ImageError(
      status == CI_NO_MEMORY ? .noMemory : .unwritable, name: name, expected: "a writable file",
      received: message)
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
    case .portableAnymap, .tiff, .webp:
      throw ImageError(
        .unsupported, name: name, expected: "PNG or JPEG to write row by row",
        received: format.rawValue)
    }
    try checkMetadata(options.metadata)
    if format == .png { try writeChunks(options, size) }
    if format == .jpeg, let density = JPEGMetadata.density(options.metadata(for: size)) {
      ci_writer_density(writer, Int32(density.unit), Int32(density.x), Int32(density.y))
    }
    try check(ci_writer_begin(writer))
    if format == .jpeg { try writeSegments(options, size) }
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

  private func writeChunks(_ options: ImageWriteOptions, _ size: PixelSize) throws {
    let metadata = options.metadata(for: size)
    var chunks = PNGMetadata.chunks(metadata, without: Set(options.metadata.keys))
    for (key, value) in options.metadata.sorted(by: { $0.key < $1.key }) {
      let isPlain = key != ImageWriteOptions.xmpKey && value.utf8.allSatisfy { $0 < 128 }
      let head = Array(key.utf8) + (isPlain ? [0] : [0, 0, 0, 0, 0])
      chunks.append(.init(name: isPlain ? "tEXt" : "iTXt", data: Data(head + value.utf8)))
    }
    for chunk in chunks {
      try chunk.data.withUnsafeBytes { bytes in
        try check(
          ci_writer_chunk(
            writer, chunk.name, bytes.baseAddress?.assumingMemoryBound(to: UInt8.self),
            bytes.count))
      }
    }
  }

  private func writeSegments(_ options: ImageWriteOptions, _ size: PixelSize) throws {
    for (key, value) in options.metadata where key.utf8.count + value.utf8.count + 2 > 65000 {
      throw ImageError(
        .argument, name: name, expected: "metadata of at most 65000 bytes a text",
        received: "\(key.utf8.count + value.utf8.count + 2) for \"\(key)\"")
    }
    let metadata = options.metadata(for: size)
    for segment in JPEGMetadata.segments(metadata, without: []) {
      try segment.data.withUnsafeBytes { bytes in
        try check(
          ci_writer_segment(
            writer, Int32(segment.marker),
            bytes.baseAddress?.assumingMemoryBound(to: UInt8.self), bytes.count))
      }
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
