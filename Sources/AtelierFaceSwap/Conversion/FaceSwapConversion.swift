// The conversion of files: pictures and films in, swapped ones out, each with its provenance.

import AtelierFiles
import AtelierImages
import AtelierKernels
import AtelierMedia
import AtelierTraining
import AtelierWorkbench
import AtelierZoo
import Foundation

/// What became of one file.
public struct ConvertedFile: Sendable, Encodable {
  /// The file that was read.
  public let file: String
  /// The file that was written.
  public let output: String
  /// The file with before and after.
  public var comparison: String?
  /// Its frames; 1 for a picture.
  public var frames = 0
  /// Faces that were swapped.
  public var faces = 0
  /// Frames without a face, which are as they were.
  public var framesWithoutFace = 0
  /// Seconds from begin to end.
  public var seconds = 0.0

  enum CodingKeys: String, CodingKey {
    case file, output, comparison, frames, faces, seconds
    case framesWithoutFace = "frames_without_face"
  }
}

final class FaceSwapConversion {
  /// The frames of a film that are worked on at once, at most.
  private static let mostFrames = 16
  /// The most samples of frames that are held at once.
  private static let mostSamples = 96 << 20

  private let swapper: FaceSwapper
  private let request: SwapRunRequest
  private let sources: [MediaFile]
  private let provenance: Provenance
  private let place: JobPlace
  private let progress: ProgressCounter
  private var done = 0
  private var total: Int?
  private var hasGrid = false

  /// Makes ready to convert; the place hears of frames, and its interrupt ends it with what is
  /// there.
  init(
    _ request: SwapRunRequest, _ sources: [MediaFile], _ provenance: Provenance,
    swapper: FaceSwapper, in place: JobPlace
  ) {
    self.request = request
    self.sources = sources
    self.provenance = provenance
    self.swapper = swapper
    self.place = place
    progress = ProgressCounter("frames", place)
  }

  /// Whether it was interrupted before its end.
  private(set) var wasInterrupted = false

  /// Converts all files; throws when results cannot be written, or ffmpeg is needed and missing.
  func run() throws -> (files: [ConvertedFile], failures: [InputFailure]) {
    let (tools, frames) = try MediaFile.films(of: sources)
    total = frames
    var files: [ConvertedFile] = []
    var failures: [InputFailure] = []
    var waiting: [MediaFile] = []
    func settle() throws {
      guard !waiting.isEmpty else { return }
      let (converted, failed) = try convert(pictures: waiting)
      files += converted
      failures += failed
      waiting = []
    }
    for file in sources where !wasInterrupted {
      if let tools, file.isFilm {
        try settle()
        do {
          if let converted = try convert(film: file, tools) { files.append(converted) }
        } catch let error as StudioError where error.kind == .data {
          failures.append(InputFailure(file: file.input, error))
        }
      } else {
        waiting.append(file)
        // Large pictures are done one by one.
        let samples = ((try? ImageFile.size(file.input)).map { 4 * $0.width * $0.height } ?? 0)
        if waiting.count == Self.mostFrames || samples > Self.mostSamples / Self.mostFrames {
          try settle()
        }
      }
    }
    if !wasInterrupted { try settle() }
    return (files, failures)
  }

  // MARK: - Pictures

  private func convert(
    pictures: [MediaFile]
  ) throws -> (files: [ConvertedFile], failures: [InputFailure]) {
    let start = Date()
    var failures: [InputFailure] = []
    var frames: [SwapFrame] = []
    var tasks: [MediaFile] = []
    // Pictures of 16 bits a sample keep them where the result can hold them.
    var words: [Int: WordImage] = [:]
    var carried: [Int: ImageMetadata] = [:]
    for picture in pictures {
      do {
        let source = try ForeignPicture(picture.input)
        if let remark = source.remark { place.remark(remark) }
        let reader = try PictureReader(source.path, isUpright: source.isUpright)
        guard let page = try reader.nextPage() else { continue }
        let format = try ImageFile.format(forWriting: picture.output)
        let isDeep = reader.information.bitDepth > 8 && (format == .png || format == .tiff)
        let (deep, image) = (isDeep ? page.image.words : nil, page.image.bytes)
        for remark in reader.remarks { place.remark("\(picture.input): \(remark)") }
        carried[frames.count] = page.metadata
        try StudioError.unless(
          format != .jpeg || !image.hasAlpha, .data,
          "\(picture.input): the picture has transparency, which \(picture.output) cannot hold; "
            + "name a .png")
        words[frames.count] = deep
        frames.append(SwapFrame(image, path: picture.input))
        tasks.append(picture)
      } catch {
        failures.append(InputFailure(file: picture.input, error))
      }
    }
    let results = try swapper.swap(frames)
    var files: [ConvertedFile] = []
    for (index, task) in tasks.enumerated() {
      var file = ConvertedFile(file: task.input, output: task.output)
      file.frames = 1
      let before = frames[index].image
      if let (image, faces) = results[index] {
        file.faces = faces.count
        if let deep = words[index] {
          try write(swapper.composite(faces, into: deep), to: task.output, carried[index])
        } else {
          try write(image, to: task.output, carried[index])
        }
        try writeGrid(before, faces, name: task.name)
      } else {
        file.framesWithoutFace = 1
        try copy(task, before, carried[index])
      }
      if request.compares {
        let after = results[index]?.image ?? before
        try write(Comparison.pair(before: before.rgb, after: after.rgb), to: task.comparison)
        file.comparison = task.comparison
      }
      files.append(file)
    }
    for index in files.indices {
      files[index].seconds = Date().timeIntervalSince(start) / Double(files.count)
    }
    advance(by: pictures.count)
    return (files, failures)
  }

  private func advance(by count: Int) {
    done += count
    progress.show(done, total)
    wasInterrupted = place.interrupt.isRaised
  }

  /// Makes a result's folder, writes it, and says so.
  private func writing(_ path: String, _ write: () throws -> Void) throws {
    try PictureJob.writing(path, write)
    place.send(.saved(path))
  }

  /// Writes a picture that says what was done to it, beside what its source said.
  private func write(
    _ image: any StoredPicture, to path: String, _ carried: ImageMetadata? = nil
  ) throws {
    let options = ImageWriteOptions(
      quality: request.quality, compression: 4, metadata: provenance.pictureMetadata,
      carried: carried)
    try writing(path) { try ImageFile.write(stored: image, to: path, options: options) }
  }

  /// Lets a picture without a face through: the file as it is, where the format stays.
  private func copy(_ task: MediaFile, _ image: ByteImage, _ carried: ImageMetadata?) throws {
    try writing(task.output) {
      let format = try ImageFile.format(forWriting: task.output)
      if ImageFile.format(ofContent: task.input) == format {
        try AtomicFile.write(
          try Data(contentsOf: URL(fileURLWithPath: task.input)),
          to: URL(fileURLWithPath: task.output))
      } else {
        try ImageFile.write(
          image, to: task.output, options: .init(quality: request.quality, carried: carried))
      }
    }
  }

  private func writeGrid(_ frame: ByteImage, _ faces: [SwappedFace], name: String) throws {
    guard let path = request.grid, !hasGrid else { return }
    hasGrid = true
    let picture = try BlendingGrid.render(
      frame, faces: faces, compositor: swapper.compositor,
      title: "\(name) to \(provenance.face.rawValue)")
    try write(picture, to: path)
  }

  // MARK: - Films

  /// The frames of a film whose faces are found and wait for those behind them.
  private struct Line {
    var smoothing: AlignmentSmoothing
    var frames: [SwapFrame] = []

    init(smoothing: AlignmentSmoothing) { self.smoothing = smoothing }

    mutating func append(_ frames: [SwapFrame], _ located: [[LocatedFace]]) {
      self.frames += frames
      smoothing.append(located)
    }

    /// Takes the frames that need wait no longer, with their faces.
    mutating func settle(isLast: Bool) -> (frames: [SwapFrame], faces: [[LocatedFace]]) {
      let faces = smoothing.settle(isLast: isLast)
      let settled = Array(frames.prefix(faces.count))
      frames.removeFirst(faces.count)
      return (settled, faces)
    }
  }

  private func convert(film: MediaFile, _ tools: FilmTools) throws -> ConvertedFile? {
    let start = Date()
    var file = ConvertedFile(file: film.input, output: film.output)
    let reader = try FilmReader(film.input, tools: tools)
    defer { reader.stop() }
    var written: FilmResult?
    var part: [SwapFrame] = []
    var line = Line(smoothing: AlignmentSmoothing(deviation: request.smoothing))
    while let image = try reader.next() {
      if let first = part.first, first.image.size != image.size {
        throw StudioError(
          .data,
          "\(film.input): expected frames of one size, received \(first.image.size) and "
            + "\(image.size)")
      }
      let number = file.frames + line.frames.count + part.count
      part.append(SwapFrame(image, path: film.input, frame: number))
      if written == nil {
        written = try FilmResult(
          film, size: image.size, reader.information, tools, options: filmOptions,
          compares: request.compares, in: place)
      }
      let room = max(2, Self.mostSamples / image.samples.count)
      if part.count >= min(room, Self.mostFrames), let written {
        line.append(part, try swapper.locate(part))
        part.removeAll()
        try convert(line.settle(isLast: false), written, film, &file)
      }
      if wasInterrupted { break }
    }
    guard let written else { return nil }
    guard !wasInterrupted else {
      written.abandon()
      return nil
    }
    line.append(part, part.isEmpty ? [] : try swapper.locate(part))
    try convert(line.settle(isLast: true), written, film, &file)
    try written.finish(in: place)
    file.comparison = written.comparisonFile
    file.seconds = Date().timeIntervalSince(start)
    return file
  }

  private var filmOptions: FilmWriter.Options {
    var options = FilmWriter.Options()
    options.rateFactor = request.rateFactor
    options.metadata = provenance.filmMetadata
    return options
  }

  private func convert(
    _ settled: (frames: [SwapFrame], faces: [[LocatedFace]]), _ written: FilmResult,
    _ film: MediaFile, _ file: inout ConvertedFile
  ) throws {
    let part = settled.frames
    guard !part.isEmpty else { return }
    let results = try swapper.swap(part, located: settled.faces)
    for (frame, result) in zip(part, results) {
      let after = result?.image ?? frame.image
      try written.write(after, before: frame.image)
      file.faces += result?.faces.count ?? 0
      file.framesWithoutFace += result == nil ? 1 : 0
      if let faces = result?.faces {
        try writeGrid(frame.image, faces, name: "\(film.name) frame \(frame.frame ?? 0)")
      }
    }
    file.frames += part.count
    advance(by: part.count)
  }
}
