// Faces out of pictures and films: aligned crops, alignments.json and contact sheets.

import AtelierFiles
import AtelierImages
import AtelierKernels
import AtelierMedia
import AtelierTraining
import AtelierWorkbench
import Foundation

/// What an extraction found.
public struct FaceExtractionReport: Sendable, Encodable {
  /// Pictures and frames that were looked at.
  public var pictures = 0
  /// Those without a face.
  public var withoutFace = 0
  /// Crops that were written.
  public var faces = 0
  /// Crops that were laid by five points, as a detector of its own gives them.
  public var laidByPoints = 0
  /// Crops that were laid by the eyes.
  public var laidByEyes = 0
  /// Crops that were laid by the box, because no plausible pair of eyes was found.
  public var laidByBox = 0
  /// Faces left out because they were not sharp enough.
  public var tooBlurred = 0
  /// Seconds from begin to end.
  public var seconds = 0.0
  /// Whether the caller ended it early.
  public var isInterrupted = false
  /// The file of the alignments.
  public var alignments = ""
  /// The contact sheets.
  public var sheets: [String] = []
  /// The files that could not be read.
  public var failures: [InputFailure] = []

  /// Pictures a second.
  public var rate: Double { seconds > 0 ? Double(pictures) / seconds : 0 }

  enum CodingKeys: String, CodingKey {
    case pictures, faces, seconds, alignments, sheets, failures
    case withoutFace = "without_face"
    case laidByPoints = "laid_by_points"
    case laidByEyes = "laid_by_eyes"
    case laidByBox = "laid_by_box"
    case tooBlurred = "too_blurred"
    case isInterrupted = "interrupted"
  }
}

/// Extracts faces.
public final class FaceExtraction {
  /// The frames of a film, or pictures, that are worked on at once, for each thread.
  private static let partPerThread = 8
  /// The most samples of frames that are held at once.
  private static let mostSamples = 128 << 20

  private let request: SwapExtractRequest
  private let sources: [MediaFile]
  private let locator: FaceLocator
  private let place: JobPlace
  private let progress: ProgressCounter
  private var pool: ThreadPool { place.kernels.pool }

  private var report = FaceExtractionReport()
  private var entries: [FaceAlignments.Entry] = []
  private var sheet: ContactSheet
  /// The stems of crops that are taken.
  private var stems: Set<String> = []
  private var total: Int?

  private struct Item {
    let source: MediaFile
    let stem: String
    var frame: Int?
    var image: ByteImage?
    var former: [PlaneBox]?
  }

  private struct Outcome {
    var entries: [FaceAlignments.Entry] = []
    var cells: [PictureGrid.Cell] = []
    var tooBlurred = 0
    var found: [PlaneBox] = []
    var error: (any Error)?
  }

  private init(
    _ request: SwapExtractRequest, _ sources: [MediaFile], _ locator: FaceLocator, _ place: JobPlace
  ) {
    self.request = request
    self.sources = sources
    self.locator = locator
    self.place = place
    progress = ProgressCounter("pictures", place)
    sheet = ContactSheet(stem: "\(URL(fileURLWithPath: request.output).standardized.path)-sheet")
  }

  /// Extracts faces, pictures side by side; a file that cannot be read does not stop the others.
  ///
  /// The place's interrupt ends it with what is there. Throws when results cannot be written, or
  /// ffmpeg is needed and missing.
  public static func run(
    _ request: SwapExtractRequest, on sources: [MediaFile], locator: FaceLocator, in place: JobPlace
  ) throws -> FaceExtractionReport {
    let extraction = FaceExtraction(request, sources, locator, place)
    try extraction.run()
    return extraction.report
  }

  private func run() throws {
    let start = Date()
    let (tools, frames) = try MediaFile.films(of: sources, every: request.frameStep)
    total = frames
    try FileManager.default.createDirectory(
      atPath: request.output, withIntermediateDirectories: true)
    var waiting: [Item] = []
    for source in sources where !report.isInterrupted {
      let item = Item(source: source, stem: stem(for: source))
      if let tools, source.isFilm {
        try settle(&waiting)
        try extract(film: item, tools)
      } else {
        waiting.append(item)
        if waiting.count == Self.partPerThread * pool.threads { try settle(&waiting) }
      }
    }
    try settle(&waiting)
    try sheet.finish()
    report.sheets = sheet.files
    // Where no picture could be worked on, there is nothing to tell.
    if report.pictures > 0 || report.failures.isEmpty {
      report.alignments = (request.output as NSString).appendingPathComponent("alignments.json")
      try FaceAlignments(
        software: StudioVersion.software, cropSize: locator.aligner.size, faces: entries
      ).write(to: URL(fileURLWithPath: report.alignments))
      place.send(.saved(report.alignments))
    }
    for file in report.sheets { place.send(.saved(file)) }
    report.seconds = Date().timeIntervalSince(start)
  }

  /// The crops' common name: the source's without its extension, and a number where that is taken.
  private func stem(for source: MediaFile) -> String {
    let base = (source.name as NSString).deletingPathExtension
    var stem = base
    var number = 2
    while !stems.insert(stem).inserted {
      stem = "\(base)~\(number)"
      number += 1
    }
    return stem
  }

  private func extract(film: Item, _ tools: FilmTools) throws {
    do {
      let reader = try FilmReader(film.source.input, tools: tools)
      var part: [Item] = []
      var index = 0
      while !report.isInterrupted, let image = try reader.next() {
        defer { index += 1 }
        guard index.isMultiple(of: request.frameStep) else { continue }
        var item = film
        item.frame = index
        item.image = image
        part.append(item)
        let room = max(pool.threads, Self.mostSamples / image.samples.count)
        if part.count >= min(room, Self.partPerThread * pool.threads) { try settle(&part) }
      }
      if report.isInterrupted { reader.stop() }
      try settle(&part)
    } catch let error as StudioError where error.kind == .data {
      report.failures.append(InputFailure(file: film.source.input, error))
    }
  }

  /// Works on pictures side by side and takes over what was found, in their order.
  private func settle(_ items: inout [Item]) throws {
    guard !items.isEmpty, !report.isInterrupted else { return items.removeAll() }
    var outcomes: [Outcome] = []
    if items[0].frame != nil, request.frameStep == 1 {
      // The others of a film's part are searched near the faces of its first frame.
      outcomes = [outcome(items[0])]
      for index in items.indices { items[index].former = outcomes[0].found }
    }
    let rest = Array(items.dropFirst(outcomes.count))
    outcomes += pool.map(rest.count) { outcome(rest[$0]) }
    for (item, outcome) in zip(items, outcomes) {
      if let error = outcome.error {
        guard Self.concernsInput(error) else { throw error }
        report.failures.append(InputFailure(file: item.source.input, error))
        continue
      }
      try take(outcome)
    }
    items.removeAll()
    progress.show(report.pictures + report.failures.count, total)
    report.isInterrupted = place.interrupt.isRaised
  }

  /// Whether an error is that of one picture alone.
  private static func concernsInput(_ error: any Error) -> Bool {
    if let error = error as? StudioError { return error.kind != .cannotCreate }
    return error is ImageError
  }

  private func take(_ outcome: Outcome) throws {
    report.pictures += 1
    report.withoutFace += outcome.entries.isEmpty && outcome.tooBlurred == 0 ? 1 : 0
    report.tooBlurred += outcome.tooBlurred
    report.faces += outcome.entries.count
    report.laidByPoints += outcome.entries.count { $0.basis == .points }
    report.laidByEyes += outcome.entries.count { $0.basis == .eyes }
    report.laidByBox += outcome.entries.count { $0.basis == .box }
    entries += outcome.entries
    for crop in outcome.entries.compactMap(\.crop) {
      place.send(.saved((request.output as NSString).appendingPathComponent(crop)))
    }
    if request.writesSheets { for cell in outcome.cells { try sheet.append(cell) } }
  }

  /// Finds and writes the faces of a picture; runs on any thread.
  private func outcome(_ item: Item) -> Outcome {
    var outcome = Outcome()
    do {
      let image = try item.image ?? PictureJob.read(item.source.input)
      let colored = image.hasAlpha ? image.flattened() : image
      let faces = try locator.faces(
        in: colored, of: item.source.input, frame: item.frame, former: item.former, pool: pool)
      outcome.found = faces.map(\.box)
      for (number, face) in faces.enumerated() {
        let crop = locator.aligner.crop(colored, face.alignment)
        let sharpness = crop.sharpness
        guard sharpness >= request.leastSharpness else {
          outcome.tooBlurred += 1
          continue
        }
        let name = Self.cropName(item.stem, item.frame, number)
        try write(crop, name)
        outcome.entries.append(
          FaceAlignments.Entry(
            source: item.source.input, frame: item.frame, face: number, crop: name, box: face.box,
            eyes: face.eyes, points: face.points, basis: face.alignment.basis,
            matrix: face.alignment.matrix,
            sharpness: sharpness, confidence: face.confidence))
        if request.writesSheets {
          outcome.cells.append(
            ContactSheet.cell(
              crop, sharpness: sharpness, confidence: face.confidence, basis: face.alignment.basis))
        }
      }
    } catch {
      outcome.error = error
    }
    return outcome
  }

  private static func cropName(_ stem: String, _ frame: Int?, _ face: Int) -> String {
    frame.map { "\(stem)-" + String(format: "%06d", $0) + "-\(face).png" } ?? "\(stem)-\(face).png"
  }

  private func write(_ crop: ByteImage, _ name: String) throws {
    let path = (request.output as NSString).appendingPathComponent(name)
    try PictureJob.writing(path) {
      try ImageFile.write(
        crop, to: path,
        options: .init(compression: 3, metadata: ["Software": StudioVersion.software]))
    }
  }
}
