// `denoise IN… -o OUT`: pictures in, pictures with less noise out.

import AtelierFiles
import AtelierImages
import AtelierKernels
import AtelierMedia
import AtelierWorkbench
import Foundation

/// Which pictures are denoised, by what, and how.
public struct DenoiseRunRequest: JobRequest, Hashable {
  public var inputs: [String] = []
  public var output = ""
  public var model: String?
  public var sigma: Float?
  public var strength: Float = 1
  public var ensemble = false
  public var isExact = false
  public var tile = Denoiser.Options().tileSize
  public var compare = false
  public var clean: String?
  public var quality = 92
  public var strip = false
  public var rateFactor = 18
  public var neighbours = 1
  public var noiseMap: String?
  public var explain: String?

  public init() {}

  public static var form: Form<Self> {
    Form([
      .inputs(\.inputs), .output(\.output),
      Field(
        "model", \.model, "The model: a file or the name of a shipped one", value: "model",
        kind: .file(["safetensors"])
      ).lenient.byDefault("a shipped one, by the noise"),
      Field("sigma", \.sigma, "The noise's deviation, of 255", value: "sigma", .from(0, to: 255))
        .byDefault("estimated"),
      Field(
        "strength", \.strength,
        "1 removes the noise as measured, less keeps more of it, more smooths harder",
        value: "factor", .from(0, to: 10)),
      Field(
        flag: "ensemble", \.ensemble,
        "Average the results of the eight flips and rotations: slower, a little better"),
      Field(
        flag: "exact", \.isExact,
        "Multiply in float32 also where bfloat16 is as good and faster: in pictures above 4 "
          + "megapixels and films"),
      Field(
        "tile", \.tile, "The side of the tiles; less needs less memory", value: "pixels",
        .from(16, to: 8192)),
      Field(
        flag: "compare", \.compare,
        "Also write before and after side by side, as NAME-compare.png"),
      Field(
        "clean", \.clean, "Clean originals of the same names, to print PSNR", value: "dir",
        kind: .folder),
      Field(
        "quality", \.quality,
        "The quality of JPEG and WebP results, 1 to 100; a WebP of 100 is without loss",
        value: "q", .from(1, to: 100)),
      Field(
        flag: "strip", \.strip,
        "Write the pictures alone: no Exif, XMP, colour profile, resolution, texts or tags"),
      .rateFactor(\.rateFactor),
      Field(
        "neighbours", \.neighbours,
        "How many frames before and after each one of a film help to clean it, where they show the "
          + "same",
        value: "frames", .from(0, to: 3)),
      Field(
        "noise-map", \.noiseMap,
        "Also write how noisy each part is, as a gray picture: white is a sigma of 32",
        value: "file", kind: .output),
      Field(
        "explain", \.explain,
        "Also draw the noise as measured: its level over brightness, its correlation",
        value: "file", kind: .output),
    ])
  }
}

/// What happened to one picture.
public struct DenoisedPicture: Sendable, Codable {
  let file: String
  let output: String
  let comparison: String?
  let model: String
  /// The file of a second model that has worked, too.
  var secondModel: String?
  /// What the second network was told, and its share of the result.
  var opinion: SecondOpinion.Weight?
  let width: Int
  let height: Int
  let pages: Int
  /// The frames of a film; nil for a picture.
  var frames: Int?
  let channels: Int
  let sigma: Double
  let isEstimated: Bool
  let noise: NoiseFinding
  let precision: Precision
  let seconds: Double
  var psnrBefore: Double?
  var psnrAfter: Double?

  enum CodingKeys: String, CodingKey {
    case file, output, comparison, model, width, height, pages, frames, channels, sigma, noise
    case precision, seconds
    case isEstimated = "estimated"
    case secondModel = "second_model"
    case opinion = "second_opinion"
    case psnrBefore = "psnr_before"
    case psnrAfter = "psnr_after"
  }

  /// The picture's line for people.
  fileprivate var line: String {
    let color = channels <= 2 ? "gray" : "colour"
    let work =
      isEstimated ? "noise: \(noise.text)" : "sigma \(NumberText.fixed(sigma, 1)) as given"
    let names = [model, secondModel].compactMap(\.self).map {
      (($0 as NSString).lastPathComponent as NSString).deletingPathExtension
    }
    let share = opinion.map {
      let sigma = "sigma \(NumberText.fixed(Double($0.sigma), 1))"
      return $0.share < 1
        ? " (\(NumberText.fixed(100 * Double($0.share), 0)) %, \(sigma))" : " (\(sigma))"
    }
    let size = frames.map { "\($0) frames of " } ?? (pages == 1 ? "" : "\(pages) pages of ")
    return "\(file)  \(size)\(width)x\(height) \(color)  \(work); "
      + (noise.isLeftAlone
        ? "left as it is"
        : "model \(names.joined(separator: " and "))\(share ?? "")"
          + (precision == .float32 ? "" : " in \(precision.rawValue)"))
      + "  \(NumberText.fixed(seconds, 2)) s  -> \(output)"
  }
}

/// Denoises pictures.
public enum DenoiseRun: Job {
  public static let workshop = "denoise"
  public static let name = "run"
  public static let summary = "Denoise pictures (the default)."
  public static let guide = """
    Any size, gray or colour, files or folders: PNG, JPEG, TIFF, WebP, PGM and PPM, and what an \
    installed program converts (HEIC, AVIF, raw files, OpenEXR), and films where ffmpeg is \
    installed: their sound, rate and colours stay, and neighbouring frames help. Transparency is \
    kept. Exif, XMP, colour profile, resolution and texts go through as far as the result's \
    format holds them; pictures are turned upright. All pages of a TIFF are denoised, and the result has as many, of \
    the same sample type (8, 16, 32 bits, floating point), compression and pixel size. The sigma \
    of floating-point numbers, and of 16 bits that stay below a quarter of their range, counts \
    from their smallest to their largest value as 255.

    Without --sigma the noise is estimated from each picture. Without --model one of the models \
    that ship with the project is taken by what the noise looks like, and named: denoise-gray or \
    denoise-color where it is white (the same everywhere, each pixel for itself), denoise-photo \
    for a camera's, which depends on brightness and is correlated; that one finds out by itself \
    how noisy each part is. Where it takes much away, the one for white noise is asked, too, and \
    both are blended (of pictures above 4 megapixels one of both does the work, in bfloat16 where the \
    CPU has it; --exact for float32). A picture with hardly any noise is left as it is.

    EXAMPLES
      atelier denoise photo.png -o clean.png
      atelier denoise scan1.jpg scan2.png -o cleaned
      atelier denoise photos/ -o cleaned --compare --ensemble
      atelier denoise photo.png -o soft.png --sigma 30 --strength 1.2
      atelier denoise stack.tif -o clean.tif
      atelier denoise film.mp4 -o clean.mp4
      atelier denoise photo.heic -o photo.jpg --strip
      atelier denoise photo.jpg -o clean.jpg --explain noise.png --noise-map map.png
    """

  public static let runsOnAllRanks = true

  public static func run(_ request: DenoiseRunRequest, in place: JobPlace) throws -> Report {
    let plan = try PicturePlan(
      inputs: request.inputs, output: request.output, extensions: MediaFile.extensions,
      further: { request.compare ? [$0.comparison] : [] },
      others: [request.noiseMap, request.explain])
    if let film = plan.tasks.first(where: \.isFilm) {
      try StudioError.unless(
        request.clean == nil && request.noiseMap == nil, .usage,
        "--\(request.clean == nil ? "noise-map" : "clean") is for pictures; \(film.name) is a film")
    }
    for (option, file) in [("noise-map", request.noiseMap), ("explain", request.explain)] {
      try StudioError.unless(
        file == nil || plan.tasks.count == 1, .usage,
        "--\(option) is for one picture; received \(plan.tasks.count)")
    }
    let shelf = DenoiserShelf(path: request.model, kernels: place.kernels)
    // A model that cannot be read is one error, not one a picture.
    if let model = request.model {
      let file = ShippedModels.file(of: model).path
      if !FileManager.default.fileExists(atPath: file) { try StudioFiles.expectPresent([model]) }
      _ = try shelf.denoiser(isGray: true)
    }
    for remark in plan.remarks { place.remark(remark) }
    var failures = plan.missing
    let results = try PictureJob.share(plan.tasks, name: \.input, in: place, failures: &failures) {
      task, counter in
      let result =
        try task.isFilm
        ? film(task, request, shelf, place) : denoise(task, request, shelf, place)
      if let result { place.note("\(counter) \(result.line)") }
      return result
    }.compactMap(\.self)
    var report = Report(value: JSONEntries([("files", results), ("failures", failures)]))
    report.failures = failures
    report.files =
      results.map(\.output) + results.compactMap(\.comparison)
      + (results.isEmpty ? [] : [request.noiseMap, request.explain].compactMap(\.self))
    if request.clean != nil, !results.isEmpty {
      report.say("")
      report.say(table(results))
      report.say("PSNR with peak 255 of 8-bit pictures as stored, all channels, no border cut.")
      if request.compare {
        report.say("\nbefore and after side by side:")
        for result in results { report.say("  \(result.comparison ?? "")") }
      }
    }
    return report
  }

  /// Reads, denoises and writes one picture.
  private static func denoise(
    _ task: MediaFile, _ request: DenoiseRunRequest, _ shelf: DenoiserShelf, _ place: JobPlace
  ) throws -> DenoisedPicture {
    let start = Date()
    let file = try PagedFile(task, quality: request.quality, strip: request.strip, in: place)
    var first: DenoiseWork?
    let pair = try file.denoise { picture in
      var work = try DenoiseWork(picture, request, shelf)
      let result = try work.run(picture)
      first = first ?? work
      return result
    }
    guard let work = first, let (noisy, result) = pair else {
      throw StudioError(.data, "\(task.input): expected a page")
    }
    let seconds = Date().timeIntervalSince(start)
    place.send(.saved(task.output))
    if let path = request.noiseMap {
      try PictureJob.write(work.mapPicture(noisy.size), to: path, place: place)
    }
    if let path = request.explain {
      try PictureJob.write(work.profile.drawn(title: task.name), to: path, place: place)
    }
    if request.compare {
      try PictureJob.write(
        Comparison.pair(before: noisy.bytes, after: result.bytes), to: task.comparison,
        place: place)
    }
    var picture = DenoisedPicture(
      file: task.input, output: task.output, comparison: request.compare ? task.comparison : nil,
      model: work.files[0], secondModel: work.files.dropFirst().first,
      opinion: work.opinion, width: noisy.size.width, height: noisy.size.height,
      pages: file.pageCount, channels: noisy.channels, sigma: Double(work.sigma),
      isEstimated: request.sigma == nil, noise: work.finding, precision: work.precision,
      seconds: seconds)
    if let clean = request.clean {
      let original = try ImageFile.read(try PicturePair.original(of: task.name, in: clean))
        .withChannels(noisy.channels)
      picture.psnrBefore = try Metrics.psnr(original, noisy.bytes)
      picture.psnrAfter = try Metrics.psnr(original, result.bytes)
    }
    return picture
  }

  /// Denoises one film; nil when that was interrupted, and nothing is written.
  private static func film(
    _ task: MediaFile, _ request: DenoiseRunRequest, _ shelf: DenoiserShelf, _ place: JobPlace
  ) throws -> DenoisedPicture? {
    let start = Date()
    let film = try DenoiseFilm(task, request, shelf, in: place)
    guard try film.run() else {
      place.remark("\(task.input): interrupted; no film is written")
      return nil
    }
    if let path = request.explain {
      try PictureJob.write(film.work.profile.drawn(title: task.name), to: path, place: place)
    }
    return DenoisedPicture(
      file: task.input, output: task.output, comparison: film.comparison, model: film.work.file,
      width: film.size.width, height: film.size.height, pages: 1, frames: film.frames, channels: 3,
      sigma: Double(film.work.sigma), isEstimated: request.sigma == nil, noise: film.work.finding,
      precision: film.work.precision, seconds: Date().timeIntervalSince(start))
  }

  /// PSNR before and after, with the means.
  private static func table(_ results: [DenoisedPicture]) -> Table {
    var table = Table(["file", "before dB", "after dB", "gain dB"])
    func append(_ name: String, _ before: Double, _ after: Double) {
      table.append([name] + [before, after, after - before].map { NumberText.fixed($0, 2) })
    }
    for result in results {
      guard let before = result.psnrBefore, let after = result.psnrAfter else { continue }
      append(result.file, before, after)
    }
    let count = Double(results.count)
    append(
      "mean", results.reduce(0) { $0 + ($1.psnrBefore ?? 0) } / count,
      results.reduce(0) { $0 + ($1.psnrAfter ?? 0) } / count)
    return table
  }
}

/// The workshop of denoisers.
public enum DenoiseWorkshop: Workshop {
  public static let name = "denoise"
  public static let summary =
    "Take the noise out of pictures; train, measure and compare denoisers."
  public static let guide = """
    EXAMPLES
      atelier denoise photo.png -o clean.png
      atelier denoise scans/ -o cleaned/ --compare
      atelier denoise train --data photos --network unet --run mine --minutes 30
      atelier denoise evaluate --model mine.safetensors --data test --sigma 25
      atelier denoise compare --unpool all --data photos --steps 2000 -o out
    """
  public static let jobs: [any Job.Type] = [
    DenoiseRun.self, DenoisingTraining.self, DenoiseEvaluate.self, DenoiseCompare.self,
  ]
}
