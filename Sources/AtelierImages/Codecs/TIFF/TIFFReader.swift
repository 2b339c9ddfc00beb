// Pages of a TIFF file: which there are, how large they may be, and their samples.

import CImageCodecs
import Foundation

/// The pages of one TIFF file.
final class TIFFReader {
  let name: String
  /// Where each page's directory lies in the file.
  let directories: [Int]
  private let tiff: OpaquePointer
  private let tags: TagReader
  private let limits: ImageLimits
  private let fileBytes: Int
  private var selected = 0

  /// No file has more pages than these.
  private static let mostPages = 1 << 20

  /// Opens a file.
  convenience init(path: String, limits: ImageLimits) throws {
    guard let file = FileHandle(forReadingAtPath: path) else {
      throw ImageError(.system, name: path, expected: "a readable file", received: "none")
    }
    try self.init(name: path, limits, try TagSource(file)) { ci_tiff_open_file($0, path) }
  }

  /// Opens a file in memory, which must outlive the reader.
  convenience init(bytes: UnsafeRawBufferPointer, name: String, limits: ImageLimits) throws {
    try self.init(name: name, limits, TagSource(bytes)) {
      ci_tiff_open_memory($0, bytes.baseAddress?.assumingMemoryBound(to: UInt8.self), bytes.count)
    }
  }

  private init(
    name: String, _ limits: ImageLimits, _ source: TagSource, open: (OpaquePointer) -> Int32
  ) throws {
    self.name = name
    self.limits = limits
    fileBytes = source.count
    func damaged(_ what: String) -> ImageError {
      ImageError(.damaged, name: name, expected: "a whole TIFF", received: what)
    }
    guard let tags = TagReader(source) else { throw damaged("no TIFF header") }
    self.tags = tags
    var directories: [Int] = []
    var seen: Set<Int> = []
    var next = tags.first
    while next != 0 {
      guard seen.insert(next).inserted else { throw damaged("pages that lead in a circle") }
      guard seen.count <= Self.mostPages else { throw damaged("more than 1048576 pages") }
      guard let table = tags.table(at: next) else {
        throw damaged("a page whose tags cannot be read")
      }
      directories.append(next)
      next = table.next
    }
    guard !directories.isEmpty else { throw damaged("no page") }
    self.directories = directories
    guard let tiff = ci_tiff_create() else {
      throw ImageError(.noMemory, name: name, expected: "memory for a reader", received: "none")
    }
    self.tiff = tiff
    try check(open(tiff))
  }

  deinit { ci_tiff_destroy(tiff) }

  private func check(_ status: Int32) throws {
    if status == CI_OK { return }
    let reason: ImageError.Reason =
      switch status {
      case Int32(CI_CORRUPT): .damaged
      case Int32(CI_UNSUPPORTED): .unsupported
      case Int32(CI_NO_MEMORY): .noMemory
      default: .system
      }
    throw ImageError(
      reason, name: name, expected: "a whole TIFF",
      received: ci_tiff_message(tiff).map { String(cString: $0) } ?? "no message")
  }

  private func unsupported(_ what: String) -> ImageError {
    ImageError(
      .unsupported, name: name, expected: "a gray or RGB TIFF of at most 32 bits", received: what)
  }

  /// How a page is made, its sizes checked.
  func page(_ index: Int) throws -> TIFFPage {
    if index != selected {
      try check(ci_tiff_select(tiff, UInt64(directories[index])))
      selected = index
    }
    guard let stored = ci_tiff_get_page(tiff)?.pointee else { throw unsupported("no page") }
    let page = try TIFFPage(stored, tags, unsupported)
    try checkSize(page)
    return page
  }

  /// Refuses sizes over the limit, and sizes that the file's bytes cannot possibly hold.
  private func checkSize(_ page: TIFFPage) throws {
    let stored = page.stored
    let (width, height) = (Int(stored.width), Int(stored.height))
    let samples = Int(stored.samples)
    let memory = page.samples.target == .bytes ? 1 : page.samples.target == .words ? 2 : 4
    guard width <= limits.samples / height / samples / memory else {
      throw ImageError(
        .tooLarge, name: name, expected: "at most \(limits.samples) bytes of samples",
        received: "\(width)x\(height) with \(samples) samples of \(stored.bits) bits")
    }
    let ratio = TIFFStorage.ratios[Int(stored.compression)] ?? 1
    let least = page.samples.rowBytes(width * samples) * height / ratio
    guard UInt64(least) <= stored.stored_bytes else {
      throw ImageError(
        .damaged, name: name, expected: "at least \(least) bytes for \(width)x\(height) pixels",
        received: "\(stored.stored_bytes)")
    }
    // A tile may stick out of the page, not without end.
    let wanted = page.blockRowSamples * Int(stored.bits) / 8 * Int(stored.block_height)
    guard stored.block_bytes <= 256 << 20, Int(stored.block_bytes) >= wanted,
      stored.block_bytes <= (16 << 20) + 4 * UInt64(width * height * samples * 8)
    else {
      throw ImageError(
        .damaged, name: name, expected: "tiles and strips that fit the page",
        received: "\(stored.block_width)x\(stored.block_height) of \(stored.block_bytes) bytes")
    }
  }

  /// The tags of a page that say nothing of how its samples are stored.
  func tags(_ index: Int) -> TagDirectory {
    tags.directory(at: directories[index], without: TIFFPage.structure) ?? TagDirectory()
  }

  // MARK: - Samples

  /// A page's picture, upright, and its further samples as gray pictures.
  func image(_ index: Int) throws -> (image: StoredImage, planes: [StoredImage]) {
    let page = try page(index)
    switch page.samples.target {
    case .bytes?:
      if page.palette { return (.bytes(try colors(page)), []) }
      let parts = try parts(page, of: UInt8.self, page.samples.bytes)
      return (.bytes(parts[0]), parts.dropFirst().map(StoredImage.bytes))
    case .words?:
      let parts = try parts(page, of: UInt16.self, page.samples.words)
      return (.words(parts[0]), parts.dropFirst().map(StoredImage.words))
    default:
      let parts = try parts(page, of: Float.self, page.samples.floats)
      return (.floats(parts[0]), parts.dropFirst().map(StoredImage.floats))
    }
  }

  private typealias Unpack<Sample> = (UnsafeRawPointer, Int, UnsafeMutablePointer<Sample>) -> Void

  /// The colour picture and the further planes, upright, alpha not premultiplied.
  private func parts<Sample: ImageSample>(
    _ page: TIFFPage, of kind: Sample.Type, _ unpack: Unpack<Sample>
  ) throws -> [Image<Sample>] {
    let (width, height) = (Int(page.stored.width), Int(page.stored.height))
    let samples = Int(page.stored.samples)
    var all = [Sample](repeating: .zero, count: width * height * samples)
    try all.withUnsafeMutableBufferPointer { try read(page, into: $0, unpack) }
    if page.isInverted { for index in all.indices { all[index] = all[index].negative } }
    var parts: [Image<Sample>] = []
    if samples == page.channels {
      parts = [Image(width: width, height: height, channels: samples, samples: all)]
    } else {
      let starts = [0] + Array(page.channels..<samples)
      parts = starts.map { start in
        let channels = start == 0 ? page.channels : 1
        return Image(width: width, height: height, channels: channels) { target in
          for pixel in 0..<width * height {
            for channel in 0..<channels {
              target[pixel * channels + channel] = all[pixel * samples + start + channel]
            }
          }
        }
      }
    }
    if page.isPremultiplied { parts[0] = parts[0].unpremultiplied }
    return parts.map { $0.oriented(page.orientation) }
  }

  /// Decodes the blocks and lays them at their places.
  private func read<Sample: ImageSample>(
    _ page: TIFFPage, into target: UnsafeMutableBufferPointer<Sample>, _ unpack: Unpack<Sample>
  ) throws {
    let stored = page.stored
    let (width, height, samples) = (Int(stored.width), Int(stored.height), Int(stored.samples))
    let size = (width: Int(stored.block_width), height: Int(stored.block_height))
    let across = (width + size.width - 1) / size.width
    let down = (height + size.height - 1) / size.height
    let planes = page.isPlanar ? samples : 1
    guard Int(stored.blocks) == across * down * planes else {
      throw ImageError(
        .damaged, name: name, expected: "\(across * down * planes) strips or tiles",
        received: "\(stored.blocks)")
    }
    let step = page.isPlanar ? 1 : samples
    let rowBytes = page.samples.rowBytes(size.width * step)
    let room = Int(stored.block_bytes)
    let block = UnsafeMutableRawPointer.allocate(byteCount: room, alignment: 16)
    defer { block.deallocate() }
    var row = [Sample](repeating: .zero, count: size.width * step)
    for index in 0..<Int(stored.blocks) {
      let place = index % (across * down)
      let (left, top) = (place % across * size.width, place / across * size.height)
      let (columns, rows) = (min(size.width, width - left), min(size.height, height - top))
      var count = 0
      try check(ci_tiff_read_block(tiff, UInt32(index), block, room, &count))
      guard count >= (rows - 1) * rowBytes + page.samples.rowBytes(columns * step) else {
        throw ImageError(
          .damaged, name: name, expected: "a whole TIFF", received: "the data ends too early")
      }
      let plane = index / (across * down)
      for line in 0..<rows {
        let source = block + line * rowBytes
        let start = ((top + line) * width + left) * samples
        if step == samples, let base = target.baseAddress {
          unpack(source, columns * samples, base + start)
        } else {
          row.withUnsafeMutableBufferPointer { row in
            if let base = row.baseAddress { unpack(source, columns, base) }
            for column in 0..<columns { target[start + column * samples + plane] = row[column] }
          }
        }
      }
    }
  }

  /// A palette page in colours, of 8 bits where the map says no more.
  private func colors(_ page: TIFFPage) throws -> ByteImage {
    let indices = try parts(page, of: UInt8.self, page.samples.bytes)[0]
    let maps = (0..<3).compactMap { ci_tiff_palette(tiff, Int32($0)) }
    guard maps.count == 3 else { throw unsupported("a palette without colours") }
    let count = 1 << Int(page.stored.bits)
    // Old programs store bytes where words belong.
    let isWide = (0..<count).contains { entry in maps.contains { $0[entry] > 255 } }
    return ByteImage(width: indices.width, height: indices.height, channels: 3) { target in
      for (pixel, index) in indices.samples.enumerated() {
        for channel in 0..<3 {
          let word = maps[channel][Int(index)]
          target[3 * pixel + channel] = UInt8(isWide ? word >> 8 : word)
        }
      }
    }
  }
}

extension ImageSample {
  /// Black for white.
  fileprivate var negative: Self { Self(unit: 1 - unit) }
}

extension Image {
  /// The picture with its alpha divided out of the colours, rounded half up.
  var unpremultiplied: Image {
    scaledByAlpha { color, alpha in
      alpha > 0 ? (color * Double(Sample.full.number), alpha) : (0, 1)
    }
  }

  /// The picture with its alpha multiplied into the colours, rounded half up.
  var premultiplied: Image {
    scaledByAlpha { color, alpha in (color * alpha, Double(Sample.full.number)) }
  }

  /// Colours as fractions; integers are rounded as whole numbers are, so that ties are no accident.
  private func scaledByAlpha(
    _ fraction: (_ color: Double, _ alpha: Double) -> (numerator: Double, denominator: Double)
  ) -> Image {
    guard hasAlpha else { return self }
    let last = channels - 1
    let isWhole = Sample.self != Float.self
    let full = Double(Sample.full.number)
    return Image(width: width, height: height, channels: channels) { target in
      for pixel in stride(from: 0, to: samples.count, by: channels) {
        let alpha = Double(samples[pixel + last].number)
        for index in pixel..<pixel + last {
          let (numerator, denominator) = fraction(Double(samples[index].number), alpha)
          let value =
            isWhole
            ? ((numerator + (denominator / 2).rounded(.down)) / denominator).rounded(.down)
            : numerator / denominator
          target[index] = Sample(unit: Float(value / full))
        }
        target[pixel + last] = samples[pixel + last]
      }
    }
  }
}
