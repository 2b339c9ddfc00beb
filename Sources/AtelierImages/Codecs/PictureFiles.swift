// Picture files with all that is in them: pages at their precision and what goes along, in and out.

import AtelierFiles
import Foundation

/// One page of a picture file.
public struct PicturePage: Sendable {
  /// The picture, upright, at the file's precision.
  public var image: StoredImage
  /// Samples of a TIFF that are no colours and no alpha, each as a gray picture.
  public var planes: [StoredImage] = []
  /// What goes with the picture.
  public var metadata = ImageMetadata()
  /// How a TIFF stores the page.
  public var storage: TIFFStorage?

  /// A page of a picture alone.
  public init(_ image: StoredImage) { self.image = image }
}

/// Reads a picture file page by page; all formats but TIFF have one page.
public final class PictureReader {
  /// What the header says, of the first page.
  public let information: ImageInformation
  /// Harmless faults of the file that were read over, in words; complete behind the last page.
  public private(set) var remarks: [String] = []
  private let source: PictureSource
  private let name: String
  private var next = 0

  /// Opens a file; what a PNG or JPEG that is upright already says of its orientation may not count.
  /// - Throws: `ImageError` as `ImageFile.read`.
  public init(_ path: String, limits: ImageLimits = .standard, isUpright: Bool = false) throws {
    source = try PictureSource(path: path, limits: limits, isUpright: isUpright)
    information = try source.information()
    name = path
  }

  /// The number of pages.
  public var pageCount: Int { information.pages }

  /// The next page; nil behind the last one.
  /// - Throws: `ImageError` when it is damaged, or the file promises pages that it does not hold.
  public func nextPage() throws -> PicturePage? {
    guard next < pageCount else { return nil }
    defer { next += 1 }
    guard case .tiff(let reader) = source else {
      let metadata = source.metadata
      var page = PicturePage(try source.image())
      page.metadata = metadata
      remarks += [source.remark].compactMap(\.self)
      return page
    }
    let (image, planes) = try reader.image(next)
    var page = PicturePage(image)
    page.planes = planes
    page.metadata = reader.metadata(next)
    page.storage = try reader.page(next).storage
    if next == 0 { try checkStack(page.metadata) }
    if try reader.page(next).palette {
      remarks.append("the palette's colours are kept as RGB")
    }
    return page
  }

  /// ImageJ writes stacks of more than 4 GB as one page with the others' samples behind it.
  private func checkStack(_ metadata: ImageMetadata) throws {
    guard let text = metadata.tags[270].map({ String(decoding: $0.data, as: UTF8.self) }),
      text.hasPrefix("ImageJ="), pageCount == 1,
      let line = text.split(whereSeparator: \.isNewline).first(where: { $0.hasPrefix("images=") }),
      let count = Int(line.dropFirst(7)), count > 1
    else { return }
    throw ImageError(
      .unsupported, name: name, expected: "a TIFF with a directory for each page",
      received: "an ImageJ stack of \(count) pictures behind one; save it as BigTIFF or in parts")
  }
}

/// Writes a picture file page by page; all formats but TIFF take one page.
///
/// The file appears under its name only with `finish`; without that nothing stays.
public final class PictureWriter {
  /// What the file cannot hold of what was to be carried, in words; complete after `finish`.
  public private(set) var lost: [String] = []
  private let path: String
  private let pending: PendingFile
  private let format: ImageFormat
  private let options: ImageWriteOptions
  private var tiff: (any TIFFPageWriter)?
  private var pages = 0

  /// Begins a file of its extension's format, replaced if it exists.
  /// - Throws: `ImageError` for an extension that is not written.
  public init(_ path: String, options: ImageWriteOptions = .standard) throws {
    self.path = path
    self.options = options
    format = try ImageFile.format(forWriting: path)
    pending = PendingFile(URL(fileURLWithPath: path))
  }

  deinit {
    // It writes into what is then removed.
    tiff = nil
    pending.abandon()
  }

  /// Writes the next page; its metadata is carried unless the options say otherwise.
  /// - Throws: `ImageError` when it cannot be written, or is a second page where one is all.
  public func append(_ page: PicturePage) throws {
    var options = options
    options.carried = options.carried ?? page.metadata
    lost += page.metadata.lost(in: format).filter { !lost.contains($0) }
    if format == .jpeg { lost += JPEGMetadata.tooLarge(page.metadata) }
    defer { pages += 1 }
    guard format == .tiff else {
      guard pages == 0 else {
        throw ImageError(
          .argument, name: path, expected: "one page; a .tif holds several", received: "more")
      }
      if !page.planes.isEmpty { lost.append("further planes") }
      try ImageFile.write(page.image, to: pending.path, name: path, format, options)
      return
    }
    let storage = page.storage ?? options.storage ?? TIFFStorage(for: page.image)
    let writer = try tiff ?? storage.writer(path: pending.path, name: path)
    tiff = writer
    let metadata = options.metadata(for: page.image.size)
    try writer.append(
      page.image, planes: page.planes, storage: storage, quality: options.quality,
      tags: TIFFMetadata.tags(metadata))
  }

  /// Ends the file and gives it its name.
  /// - Throws: `ImageError` when no page was written or the file cannot be.
  public func finish() throws {
    guard pages > 0 else {
      throw ImageError(.argument, name: path, expected: "a page", received: "none")
    }
    try tiff?.finish()
    tiff = nil
    try ImageFile.finish(pending, name: path)
  }
}
