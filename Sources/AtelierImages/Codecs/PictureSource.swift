// A picture file of any format, opened: told by its first bytes, its header read and checked.

import AtelierFiles
import Foundation

/// An open picture file.
enum PictureSource {
  case anymap(PortableAnymap)
  case codec(CodecReader)
  case tiff(TIFFReader)
  case webp(WebPFile)

  /// Opens a file; what a PNG or JPEG says of its orientation may not count.
  init(path: String, limits: ImageLimits, isUpright: Bool = false) throws {
    if let kind = InputFile.otherKind(path) {
      throw ImageError(.unsupported, name: path, expected: "a picture file", received: kind)
    }
    var head = Data()
    if let handle = FileHandle(forReadingAtPath: path) {
      defer { try? handle.close() }
      head = (try? handle.read(upToCount: 12)) ?? Data()
    }
    if PortableAnymap.recognises(head) {
      do {
        let data = try Data(contentsOf: URL(fileURLWithPath: path))
        self = .anymap(try PortableAnymap(data, name: path, limits: limits))
      } catch let error as ImageError {
        throw error
      } catch {
        throw ImageError(
          .system, name: path, expected: "a readable file", received: error.localizedDescription)
      }
    } else if WebPContainer.recognises(head) {
      self = .webp(try WebPFile(path: path, limits: limits))
    } else if ImageFormat.isTIFF(head) {
      self = .tiff(try TIFFReader(path: path, limits: limits))
    } else {
      self = .codec(try CodecReader(path: path, limits: limits, isUpright: isUpright))
    }
    // The picture and one copy of it.
    let information = try information()
    let samples = information.width * information.height * information.channels
    try MemoryDoor.expect(
      2 * samples * max(information.bitDepth / 8, 1), for: "\(path), \(information.size) pixels")
  }

  /// Opens a file in memory, which must outlive the source.
  init(
    _ bytes: UnsafeRawBufferPointer, _ data: Data, name: String, limits: ImageLimits
  ) throws {
    if PortableAnymap.recognises(data) {
      self = .anymap(try PortableAnymap(data, name: name, limits: limits))
    } else if WebPContainer.recognises(data) {
      self = .webp(try WebPFile(data, name: name, limits: limits))
    } else if ImageFormat.isTIFF(data) {
      self = .tiff(try TIFFReader(bytes: bytes, name: name, limits: limits))
    } else {
      self = .codec(try CodecReader(bytes: bytes, name: name, limits: limits))
    }
  }

  /// What the header says; of the first page.
  func information() throws -> ImageInformation {
    switch self {
    case .anymap(let file): file.information
    case .codec(let reader): reader.information
    case .tiff(let reader): try reader.page(0).information(pages: reader.directories.count)
    case .webp(let file): file.information
    }
  }

  /// The first page's picture at the file's precision.
  func image() throws -> StoredImage {
    switch self {
    case .anymap(let file):
      return file.maximum > 255
        ? .words(file.image(of: UInt16.self)) : .bytes(file.image(of: UInt8.self))
    case .codec(let reader):
      let channels = reader.information.channels
      return reader.information.bitDepth == 16
        ? .words(try reader.image(.words, of: UInt16.self, channels: channels))
        : .bytes(try reader.image(.bytes, of: UInt8.self, channels: channels))
    case .tiff(let reader): return try reader.image(0).image
    case .webp(let file): return .bytes(try file.image())
    }
  }

  /// The first page's picture in 8 bits.
  func bytes() throws -> ByteImage {
    switch self {
    case .anymap(let file): file.image(of: UInt8.self)
    case .codec(let reader):
      try reader.image(.bytes, of: UInt8.self, channels: reader.information.channels)
    default: try image().bytes
    }
  }

  /// The first page's picture in 16 bits.
  func words() throws -> WordImage {
    switch self {
    case .anymap(let file): file.image(of: UInt16.self)
    case .codec(let reader) where reader.information.format == .png:
      try reader.image(.words, of: UInt16.self, channels: reader.information.channels)
    default: try image().words
    }
  }

  /// The first page's picture as fractions of white, floating-point values as they are.
  func floats() throws -> FloatImage {
    switch self {
    case .anymap(let file): file.image(of: Float.self)
    default: try image().floats
    }
  }

  /// What goes with the first page.
  var metadata: ImageMetadata {
    switch self {
    case .anymap: ImageMetadata()
    case .codec(let reader): reader.metadata
    case .tiff(let reader): reader.metadata(0)
    case .webp(let file): file.metadata
    }
  }

  /// Harmless faults that were read over, known after the picture was read.
  var remark: String? {
    if case .codec(let reader) = self { return reader.remark }
    return nil
  }
}

extension ImageFormat {
  /// Whether data begins as a TIFF does.
  static func isTIFF(_ head: Data) -> Bool {
    let bytes = [UInt8](head.prefix(4))
    return [[0x49, 0x49, 42, 0], [0x4d, 0x4d, 0, 42], [0x49, 0x49, 43, 0], [0x4d, 0x4d, 0, 43]]
      .contains(bytes)
  }

  /// The format that a file's first 12 bytes tell; nil for another.
  static func recognised(_ head: Data) -> ImageFormat? {
    if PortableAnymap.recognises(head) { return .portableAnymap }
    if WebPContainer.recognises(head) { return .webp }
    if isTIFF(head) { return .tiff }
    if head.starts(with: [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]) { return .png }
    return head.starts(with: [0xff, 0xd8, 0xff]) ? .jpeg : nil
  }
}

extension TIFFReader {
  /// What goes with a page.
  func metadata(_ index: Int) -> ImageMetadata {
    let orientation = (try? page(index).orientation) ?? .upright
    return TIFFMetadata.metadata(tags(index), orientation: orientation)
  }
}

extension WebPFile {
  /// What goes with the picture.
  var metadata: ImageMetadata {
    var metadata = ImageMetadata()
    metadata.exif = container["EXIF"].map { ExifBlock($0).data }
    metadata.xmp = container["XMP "]
    metadata.profile = container["ICCP"]
    metadata.orientation = orientation
    return metadata
  }
}
