// A picture file on its way through a denoiser: page by page at its precision, with all that goes along.

import AtelierFiles
import AtelierImages
import AtelierMedia
import AtelierTraining
import AtelierWorkbench
import Foundation

/// One file that is denoised: read, worked on page by page, written.
final class DenoiseFile {
  /// The number of pages.
  let pageCount: Int
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
  init(_ task: MediaFile, quality: Int, strip: Bool, in place: JobPlace) throws {
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

  /// Lets each page's picture through `work` and writes the results; gives the first picture and its
  /// result.
  ///
  /// A picture of floating-point values comes to `work` with its range laid on [0, 1], and so does
  /// one of 16 bits whose values stay below a quarter of them: cameras of 12 bits store such.
  func run(
    _ work: (any StoredPicture) throws -> any StoredPicture
  ) throws -> (before: any StoredPicture, after: any StoredPicture) {
    var first: (before: any StoredPicture, after: any StoredPicture)?
    var writer: PictureWriter?
    let progress = ProgressCounter("pages", place)
    var done = 0
    while var page = try reader.nextPage() {
      try check(page)
      let picture = Readable(page.image)
      let result = try work(picture.picture)
      if first == nil { first = (picture.picture, result) }
      let isGray = page.image.channels == 1
      page.image = picture.stored(result)
      // Further samples of a gray page are channels of a microscope; those of a colour page are
      // masks.
      if isGray {
        page.planes = try page.planes.map {
          let plane = Readable($0)
          return plane.stored(try work(plane.picture))
        }
      }
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
    guard let writer, let first else {
      throw StudioError(.data, "\(task.input): expected a page, received none")
    }
    try PictureJob.writing(task.output) { try writer.finish() }
    tell(writer)
    return first
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

/// A stored picture in the form in which a denoiser reads it, and the way back.
private struct Readable {
  /// The picture, its values in [0, 1].
  let picture: any StoredPicture
  /// The range that was laid on [0, 1]; nil where nothing was.
  private let range: ClosedRange<Float>?
  /// The picture as it was, where some of its values are no numbers.
  private let original: FloatImage?
  private let isWords: Bool

  init(_ image: StoredImage) {
    switch image {
    case .bytes(let image): (picture, range, original, isWords) = (image, nil, nil, false)
    case .words(let image):
      let colors = image.withoutAlpha.samples
      let (low, high) = (colors.min() ?? 0, colors.max() ?? 0)
      guard high > low, high < 1 << 14, !image.hasAlpha else {
        (picture, range, original, isWords) = (image, nil, nil, false)
        return
      }
      let used = Float(low) / 65535...Float(high) / 65535
      (picture, range) = (image.floats.rescaled(from: used, to: 0...1), used)
      (original, isWords) = (nil, true)
    case .floats(let image):
      let colors = image.channels - (image.hasAlpha ? 1 : 0)
      let isWhole = image.samples.allSatisfy(\.isFinite)
      let numbers =
        isWhole
        ? image
        : image.finite.filled { pixel in
          (0..<colors).allSatisfy { image.samples[pixel * image.channels + $0].isFinite } ? 1 : 0
        }
      let used = numbers.shownRange
      (picture, range) = (numbers.rescaled(from: used, to: 0...1), used)
      (original, isWords) = (isWhole ? nil : image, false)
    }
  }

  /// A result at the precision and in the range of the file.
  func stored(_ result: any StoredPicture) -> StoredImage {
    switch result {
    case let image as ByteImage: return .bytes(image)
    case let image as WordImage: return .words(image)
    case let image as FloatImage:
      var numbers = range.map { image.rescaled(from: 0...1, to: $0) } ?? image
      if isWords { return .words(numbers.words) }
      if let original {
        for index in original.samples.indices where !original.samples[index].isFinite {
          numbers.samples[index] = original.samples[index]
        }
      }
      return .floats(numbers)
    default: return .bytes(result.bytes)
    }
  }
}

extension Image where Sample == Float {
  /// The picture with 0 for what is no finite number.
  fileprivate var finite: FloatImage {
    FloatImage(
      width: width, height: height, channels: channels,
      samples: samples.map { $0.isFinite ? $0 : 0 })
  }
}
