// Pages into a TIFF file: samples through libtiff, then the tags that are carried.

import CImageCodecs
import Foundation

/// One TIFF file being written, page by page.
final class TIFFWriter: TIFFPageWriter {
  private let name: String
  private let path: String
  private let writer: OpaquePointer
  private var tags: [TagDirectory] = []

  /// Begins a file of the byte order and offsets that `storage` has.
  init(path: String, name: String, storage: TIFFStorage) throws {
    guard let writer = ci_tiff_writer_create() else {
      throw ImageError(.noMemory, name: name, expected: "memory for a writer", received: "none")
    }
    self.writer = writer
    self.path = path
    self.name = name
    try check(
      ci_tiff_writer_open(writer, path, storage.isBigEndian ? 1 : 0, storage.isWide ? 1 : 0))
  }

  deinit { ci_tiff_writer_destroy(writer) }

  private func check(_ status: Int32) throws {
    if status == CI_OK { return }
    let message = ci_tiff_writer_message(writer).map { String(cString: $0) } ?? "no message"
    throw ImageError(
      status == CI_NO_MEMORY ? .noMemory : .unwritable, name: name, expected: "a writable file",
      received: message)
  }

  /// Writes a page: a picture, further gray planes of its size, tags.
  func append(
    _ image: StoredImage, planes: [StoredImage], storage: TIFFStorage, quality: Int,
    tags: TagDirectory
  ) throws {
    let parts = [image] + planes
    let samples = parts.reduce(0) { $0 + $1.channels }
    var page = ci_tiff_page()
    page.width = UInt32(image.size.width)
    page.height = UInt32(image.size.height)
    page.samples = UInt16(samples)
    page.bits = UInt16(storage.bits)
    page.sample_format = storage.kind == .unsigned ? 1 : storage.kind == .signed ? 2 : 3
    let colors = image.channels - (image.hasAlpha ? 1 : 0)
    page.photometric = colors == 1 ? 1 : 2
    page.extra_samples = UInt16(samples - colors)
    page.extra_kind = image.hasAlpha ? (storage.isPremultiplied ? 1 : 2) : 0
    page.compression = UInt16(storage.compression)
    if storage.compression == 7 {
      guard storage.bits == 8, samples == colors else {
        throw ImageError(
          .argument, name: name, expected: "8 bits without alpha for JPEG in a TIFF",
          received: "\(storage.bits) bits with \(samples) samples")
      }
      page.photometric = colors == 1 ? 1 : 6
    }
    let predicts = [5, 8, 32946, 34925, 50000].contains(storage.compression)
    page.predictor = predicts ? UInt16(storage.predictor) : 1
    page.planar = storage.isPlanar && samples > 1 ? 2 : 1
    if let tile = storage.tile {
      page.is_tiled = 1
      page.block_width = UInt32(tile.width)
      page.block_height = UInt32(tile.height)
    } else {
      page.block_height = UInt32(storage.stripRows ?? 0)
    }
    try check(ci_tiff_writer_begin(writer, &page, Int32(quality)))
    let premultiplied = page.extra_kind == 1 ? [image.premultiplied] + planes : parts
    try write(premultiplied, page, storage)
    try check(ci_tiff_writer_end(writer))
    self.tags.append(tags)
  }

  /// Cuts strips or tiles out and hands them to libtiff.
  private func write(_ parts: [StoredImage], _ page: ci_tiff_page, _ storage: TIFFStorage) throws {
    let (width, height, samples) = (Int(page.width), Int(page.height), Int(page.samples))
    let size = (width: Int(page.block_width), height: Int(page.block_height))
    let across = (width + size.width - 1) / size.width
    let down = (height + size.height - 1) / size.height
    let step = page.planar == 2 ? 1 : samples
    let bytes = storage.bits / 8
    let rowBytes = size.width * step * bytes
    // JPEG's blocks are those of RGB here, whatever is stored.
    let room = max(Int(page.block_bytes), rowBytes * size.height)
    let block = UnsafeMutableRawPointer.allocate(byteCount: room, alignment: 16)
    defer { block.deallocate() }
    for index in 0..<across * down * (page.planar == 2 ? samples : 1) {
      let place = index % (across * down)
      let (left, top) = (place % across * size.width, place / across * size.height)
      let (columns, rows) = (min(size.width, width - left), min(size.height, height - top))
      block.initializeMemory(as: UInt8.self, repeating: 0, count: room)
      var sample = 0
      for part in parts {
        for channel in 0..<part.channels {
          let target = page.planar == 2 ? 0 : sample
          if page.planar == 1 || sample == index / (across * down) {
            for row in 0..<rows {
              storage.store(
                part, channel: channel, x: left, y: top + row, count: columns,
                into: block + row * rowBytes + target * bytes, stride: step * bytes)
            }
          }
          sample += 1
        }
      }
      let count = page.is_tiled != 0 ? rowBytes * size.height : rowBytes * rows
      try check(ci_tiff_writer_block(writer, UInt32(index), block, count))
    }
  }

  /// Ends the file and writes the tags that are carried.
  func finish() throws {
    try check(ci_tiff_writer_finish(writer))
    guard tags.contains(where: { !$0.entries.isEmpty }) else { return }
    do {
      try writeTags()
    } catch let error as ImageError {
      throw error
    } catch {
      throw ImageError(
        .unwritable, name: name, expected: "a writable file", received: error.localizedDescription)
    }
  }

  /// Writes each page's directory anew behind the file's end, with the carried tags in it: libtiff
  /// writes only tags that it knows, and those not as they were.
  private func writeTags() throws {
    guard let file = FileHandle(forUpdatingAtPath: path) else {
      throw ImageError(.unwritable, name: name, expected: "a writable file", received: "none")
    }
    defer { try? file.close() }
    guard let reader = TagReader(try TagSource(file)) else {
      throw ImageError(.unwritable, name: name, expected: "the TIFF just written", received: "none")
    }
    let writer = TagWriter(isBigEndian: reader.isBigEndian, isWide: reader.isWide)
    let (head, step, field) = reader.isWide ? (8, 20, 8) : (2, 12, 4)
    var link = reader.isWide ? 8 : 4
    var next = reader.first
    for carried in tags {
      guard let table = reader.table(at: next), var directory = reader.directory(at: next) else {
        break
      }
      defer { next = table.next }
      guard !carried.entries.isEmpty else {
        link = table.nextField
        continue
      }
      for entry in carried.entries where directory[entry.tag] == nil {
        directory[entry.tag] = entry
      }
      var end = Int(try file.seekToEnd())
      if end % 2 == 1 {
        try file.write(contentsOf: Data([0]))
        end += 1
      }
      let bytes = writer.bytes(of: directory, at: end, next: table.next)
      guard reader.isWide || end + bytes.count < 1 << 32 else {
        throw ImageError(
          .argument, name: name, expected: "a TIFF of at most 4 GiB", received: "\(end) bytes")
      }
      try file.write(contentsOf: Data(bytes))
      try file.seek(toOffset: UInt64(link))
      try file.write(contentsOf: Data(writer.number(end, bytes: field)))
      link = end + head + directory.entries.count * step
    }
  }
}

extension StoredImage {
  /// The picture with its alpha multiplied into the colours.
  var premultiplied: StoredImage {
    switch self {
    case .bytes(let image): .bytes(image.premultiplied)
    case .words(let image): .words(image.premultiplied)
    case .floats(let image): .floats(image.premultiplied)
    }
  }
}

extension TIFFStorage {
  /// The storage of a picture that came from no TIFF: deflated, its own type.
  init(for image: StoredImage) {
    self.init()
    switch image {
    case .bytes: break
    case .words: bits = 16
    case .floats: (kind, bits, predictor) = (.float, 32, 3)
    }
  }

  /// Stores a row of one channel in the machine's byte order, samples `stride` bytes apart.
  func store(
    _ image: StoredImage, channel: Int, x: Int, y: Int, count: Int,
    into target: UnsafeMutableRawPointer, stride: Int
  ) {
    switch image {
    case .bytes(let image): store(image, channel, x, y, count, target, stride)
    case .words(let image): store(image, channel, x, y, count, target, stride)
    case .floats(let image): store(image, channel, x, y, count, target, stride)
    }
  }

  private func store<Sample: ImageSample>(
    _ image: Image<Sample>, _ channel: Int, _ x: Int, _ y: Int, _ count: Int,
    _ target: UnsafeMutableRawPointer, _ stride: Int
  ) {
    let first = (y * image.width + x) * image.channels + channel
    let step = image.channels
    image.samples.withUnsafeBufferPointer { samples in
      func each<Number: BitwiseCopyable>(_ number: (Sample) -> Number) {
        for index in 0..<count {
          target.storeBytes(
            of: number(samples[first + index * step]), toByteOffset: index * stride,
            as: Number.self)
        }
      }
      // Floating-point pictures hold the numbers themselves, others fractions of white.
      let isNumber = Sample.self == Float.self
      switch (kind, bits) {
      case (.unsigned, 8): each { UInt8(unit: $0.unit) }
      case (.signed, 8): each { UInt8(unit: $0.unit) ^ 0x80 }
      case (.unsigned, 16): each { UInt16(unit: $0.unit) }
      case (.signed, 16): each { UInt16(unit: $0.unit) ^ 0x8000 }
      case (.float, 16): each { TIFFSamples.halfBits($0.unit) }
      case (.float, 64): each { Double($0.unit) }
      case (.unsigned, 32):
        each { UInt32(clamped: isNumber ? Double($0.number) : Double($0.unit) * 4_294_967_295) }
      case (.signed, 32):
        each { Int32(clamped: isNumber ? Double($0.number) : Double($0.unit) * 2_147_483_647) }
      default: each { $0.unit }
      }
    }
  }
}

extension FixedWidthInteger {
  /// The nearest number within the type's range; NaN is 0.
  fileprivate init(clamped value: Double) {
    let rounded = value.rounded()
    self =
      rounded.isNaN
      ? 0 : rounded >= Double(Self.max) ? .max : rounded <= Double(Self.min) ? .min : Self(rounded)
  }
}
