// WebP pictures through libwebp: read whole, written whole.

import CImageCodecs
import Foundation

/// A WebP file in memory, its header read and checked.
struct WebPFile {
  let container: WebPContainer
  let orientation: Orientation
  private let data: Data
  private let name: String
  private let header: ci_webp_header

  /// Pixels that any file may claim; larger pictures need a byte for each of so many.
  private static let free = 32 << 20
  private static let ratio = 2048
  /// No file is longer.
  private static let most = 1 << 30

  /// Reads a file.
  init(path: String, limits: ImageLimits) throws {
    let url = URL(fileURLWithPath: path)
    let count = try? url.resourceValues(forKeys: [.fileSizeKey]).fileSize
    guard (count ?? 0) <= Self.most else {
      throw ImageError(
        .tooLarge, name: path, expected: "at most \(Self.most) bytes", received: "\(count ?? 0)")
    }
    let data: Data
    do {
      data = try Data(contentsOf: url)
    } catch {
      throw ImageError(
        .system, name: path, expected: "a readable file", received: error.localizedDescription)
    }
    try self.init(data, name: path, limits: limits)
  }

  /// Takes a file in memory.
  init(_ data: Data, name: String, limits: ImageLimits) throws {
    self.data = data
    self.name = name
    var header = ci_webp_header()
    let status = data.withUnsafeBytes { bytes in
      ci_webp_read_header(
        bytes.baseAddress?.assumingMemoryBound(to: UInt8.self), bytes.count, &header)
    }
    guard status == CI_OK, header.width > 0, header.height > 0 else {
      throw ImageError(.damaged, name: name, expected: "a whole WebP", received: "damaged data")
    }
    guard header.is_animated == 0 else {
      throw ImageError(
        .unsupported, name: name, expected: "a WebP of one picture", received: "an animation")
    }
    self.header = header
    let (width, height) = (Int(header.width), Int(header.height))
    let channels = header.has_alpha != 0 ? 4 : 3
    guard width <= limits.samples / height / channels else {
      throw ImageError(
        .tooLarge, name: name, expected: "at most \(limits.samples) samples",
        received: "\(width)x\(height) with \(channels) channels")
    }
    let least = (width * height - Self.free) / Self.ratio
    guard least <= data.count else {
      throw ImageError(
        .damaged, name: name, expected: "at least \(least) bytes for \(width)x\(height) pixels",
        received: "\(data.count)")
    }
    container = WebPContainer(data)
    orientation = container["EXIF"].map { ExifBlock($0).orientation } ?? .upright
  }

  /// Whether the picture is stored without loss.
  var isLossless: Bool { header.is_lossless != 0 }

  var information: ImageInformation {
    let (width, height) = (Int(header.width), Int(header.height))
    let turned = orientation.swapsSides
    return ImageInformation(
      format: .webp, width: turned ? height : width, height: turned ? width : height,
      channels: header.has_alpha != 0 ? 4 : 3, bitDepth: 8, hasPalette: false, isMultipass: true,
      orientation: orientation, isLossless: isLossless)
  }

  /// The picture, upright, RGB or RGBA.
  func image() throws -> ByteImage {
    let channels = information.channels
    let (width, height) = (Int(header.width), Int(header.height))
    var message: UnsafePointer<CChar>?
    let image = try ByteImage(width: width, height: height, channels: channels) { target in
      let status = data.withUnsafeBytes { bytes in
        ci_webp_decode(
          bytes.baseAddress?.assumingMemoryBound(to: UInt8.self), bytes.count, Int32(channels),
          target.baseAddress, width * channels, &message)
      }
      guard status == CI_OK else {
        throw ImageError(
          status == CI_CORRUPT ? .damaged : status == CI_NO_MEMORY ? .noMemory : .system,
          name: name, expected: "a whole WebP",
          received: message.map { String(cString: $0) } ?? "no message")
      }
    }
    return image.oriented(orientation)
  }

  /// A picture as a WebP file; gray becomes RGB, alpha and the colours under it are kept.
  static func encode(
    _ image: ByteImage, name: String, quality: Int, isLossless: Bool, metadata: ImageMetadata?
  ) throws -> Data {
    guard max(image.width, image.height) <= 16383 else {
      throw ImageError(
        .argument, name: name, expected: "at most 16383 pixels a side for WebP",
        received: "\(image.size)")
    }
    guard 1...100 ~= quality else {
      throw ImageError(
        .argument, name: name, expected: "a quality of 1 to 100", received: "\(quality)")
    }
    let colored = image.withChannels(image.hasAlpha ? 4 : 3)
    var bytes: UnsafeMutablePointer<UInt8>?
    var count = 0
    var message: UnsafePointer<CChar>?
    let status = colored.samples.withUnsafeBufferPointer {
      ci_webp_encode(
        $0.baseAddress, UInt32(image.width), UInt32(image.height), Int32(colored.channels),
        colored.rowLength, Int32(quality), isLossless || quality == 100 ? 1 : 0, &bytes, &count,
        &message)
    }
    guard status == CI_OK, let bytes else {
      throw ImageError(
        status == CI_NO_MEMORY ? .noMemory : .unwritable, name: name,
        expected: "a writable picture",
        received: message.map { String(cString: $0) } ?? "no message")
    }
    defer { ci_webp_free(bytes) }
    return WebPContainer.file(
      Data(bytes: bytes, count: count), size: image.size, hasAlpha: colored.hasAlpha,
      profile: metadata?.profile, exif: metadata.flatMap(TIFFMetadata.exif), xmp: metadata?.xmp)
  }
}
