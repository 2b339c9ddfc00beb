// A picture file on its way through work: page by page at its precision, with all that goes along.

import AtelierFiles
import AtelierImages
import AtelierMedia
import AtelierTraining
import Foundation

/// One file that is read, worked on page by page, and written.
package final class PagedFile {
  /// The number of pages.
  package let pageCount: Int
  private let task: MediaFile
  private let place: JobPlace
  private let source: ForeignPicture
  private let reader: PictureReader
  private let format: ImageFormat
  private let strip: Bool
  private let quality: Int

  /// Opens a file; with `strip` nothing but the pictures is written.
  ///
  /// Throws `StudioError` when the result's format cannot hold the pages.
  package init(
    _ task: MediaFile, quality: Int, strip: Bool, in place: JobPlace
  ) throws {
    self.task = task
    self.place = place
    self.strip = strip
    self.quality = quality
    source = try ForeignPicture(task.input)
    if let remark = source.remark { place.remark(remark) }
    reader = try PictureReader(source.path, isUpright: source.isUpright)
    format = try ImageFile.format(forWriting: task.output)
    pageCount = reader.pageCount
    try StudioError.unless(
      pageCount == 1 || format == .tiff, .data,
      "\(task.input): \(pageCount) pages, which \(task.output) cannot hold; name a .tif")
  }

  /// Lets each page's picture through `work` and writes the results.
  package func run(_ work: (StoredImage) throws -> StoredImage) throws {
    var writer: PictureWriter?
    let progress = ProgressCounter("pages", place)
    var done = 0
    while var page = try reader.nextPage() {
      try check(page)
      let isGray = page.image.channels == 1
      page.image = try work(page.image)
      // Further samples of a gray page are channels of a microscope; those of a colour page are
      // masks.
      if isGray { page.planes = try page.planes.map(work) }
      let target = try writer ?? PictureWriter(task.output, options: options(page))
      writer = target
      if strip { page.metadata = ImageMetadata() }
      try PictureJob.writing(task.output) { try target.append(page) }
      done += 1
      if pageCount > 1 { progress.show(done, pageCount) }
      try StudioError.unless(
        done == pageCount || !place.interrupt.isRaised, .data,
        "\(task.input): interrupted after \(done) of \(pageCount) pages; nothing is written")
    }
    guard let writer else {
      throw StudioError(.data, "\(task.input): expected a page, received none")
    }
    try PictureJob.writing(task.output) { try writer.finish() }
    tell(writer)
  }

  private func check(_ page: PicturePage) throws {
    try StudioError.unless(
      format != .jpeg || !page.image.hasAlpha, .data,
      "\(task.input): the picture has transparency, which \(task.output) cannot hold; name a .png")
  }

  private func options(_ page: PicturePage) -> ImageWriteOptions {
    // A file that says which program made it keeps that.
    let isNamed = strip || page.metadata.texts["Software"] != nil
    var options = ImageWriteOptions(
      quality: quality, metadata: isNamed ? [:] : ["Software": "Atelier"])
    let information = reader.information
    options.isLossless = information.format == .webp && information.isLossless
    return options
  }

  /// Says what was mended on the way in, and what did not get out.
  private func tell(_ writer: PictureWriter) {
    for remark in reader.remarks { place.remark("\(task.input): \(remark)") }
    if let bits = narrowed { place.remark("\(task.input): \(bits) to \(task.output)") }
    guard !writer.lost.isEmpty else { return }
    let lost = writer.lost.joined(separator: ", ")
    place.remark("\(task.input): \(task.output) cannot hold \(lost); left out")
  }

  /// What becomes of samples that the result's format does not have.
  private var narrowed: String? {
    let information = reader.information
    if format == .tiff, let storage = information.storage {
      return storage.bits == information.bitDepth
        ? nil : "\(information.bitDepth) bits a sample are written as \(storage.bits)"
    }
    let isNumber = information.storage.map { $0.kind == .float || $0.bits > 16 } ?? false
    switch format {
    case .jpeg, .webp:
      return information.bitDepth > 8
        ? "\(information.bitDepth) bits a sample are written as 8" : nil
    case .png where isNumber:
      return "\(information.storage?.typeName ?? "") samples are written in 16 bits, their range "
        + "from black to white"
    default: return nil
    }
  }
}
