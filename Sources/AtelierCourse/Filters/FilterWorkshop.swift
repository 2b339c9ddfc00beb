// `filter IN… -o OUT --kernel …`: fixed kernels over pictures, as filters and as detectors.

import AtelierFiles
import AtelierImages
import AtelierKernels
import AtelierMedia
import AtelierWorkbench
import Foundation

extension FilterBorder: ChoiceValue {}

/// Which pictures are filtered, and with what.
public struct FilterRequest: JobRequest, Hashable {
  public var inputs: [String] = []
  public var output = ""
  public var kernels: [String] = []
  public var border = FilterBorder.reflect
  public var scale: Float = 1
  public var offset: Float = 0
  public var gray = false
  public var detect = false
  public var quality = 92
  public var strip = false

  public init() {}

  public static var form: Form<Self> {
    Form([
      .inputs(\.inputs), .output(\.output),
      Field(
        list: "kernel", \.kernels,
        "What is laid on each pixel, one after the other: "
          + PictureFilter.names.joined(separator: ", ")
          + ", a text file of numbers, or rows of numbers such as \"0,1,0;1,-4,1;0,1,0\"",
        value: "kernel"
      ).demanded,
      Field("border", \.border, "What lies beyond the border", value: "rule"),
      Field("scale", \.scale, "What the result is multiplied by", value: "factor"),
      Field(
        "offset", \.offset, "What is added to it then; 1 is white", value: "fraction",
        .from(-1, to: 1)),
      Field(flag: "gray", \.gray, "Filter the pictures in gray"),
      Field(
        flag: "detect", \.detect,
        "Take each kernel as a pattern: draw the maps of responses, tell where they are strongest"),
      Field(
        "quality", \.quality,
        "The quality of JPEG and WebP results, 1 to 100; a WebP of 100 is without loss",
        value: "q", .from(1, to: 100)),
      Field(flag: "strip", \.strip, "Write the pictures alone: no Exif, XMP, profile or texts"),
    ])
  }

  public static func check(_ words: FieldWords) throws {
    guard words["detect"] != nil else { return }
    for name in ["scale", "offset"] where words[name] != nil {
      throw FieldError("--detect shows responses as they are; leave out --\(name)")
    }
  }
}

/// What was done to one picture.
struct FilteredPicture: Sendable, Encodable {
  let file: String
  let output: String
  let seconds: Double
  var responses: [PatternResponse]?
}

/// Filters pictures.
public enum FilterWorkshop: Job, Workshop {
  public static let workshop = "filter"
  public static let name = "filter"
  public static let summary = "Filter pictures with fixed kernels: blur, sharpen, find edges."
  public static let guide = """
    A kernel is laid on each pixel: the sum of its weights times the pixels below them is the \
    result there, in each colour for itself (the sum is a correlation, the kernel is not turned). \
    Several kernels work one after the other on unrounded values; at the end the result is \
    multiplied by --scale, --offset is added, and it is rounded and limited to black and white. \
    8 and 16 bits, floating-point pages and transparency go through as they are.

    With --detect a kernel is a pattern: its response is largest where the gray picture is bright \
    where the kernel is positive and dark where it is negative. The result shows the picture and \
    a map for each kernel; the table says where the best place is, and its response as a share of \
    a perfect match.

    A first row that begins with a minus sign goes after an equals sign: --kernel=-1,0,1.

    EXAMPLES
      atelier filter photo.png -o soft.png --kernel gaussian:2
      atelier filter photo.png -o edges.png --kernel gaussian:1 edges --gray
      atelier filter photo.png -o relief.png --kernel laplacian --offset 0.5
      atelier filter scans/ -o sharp/ --kernel "0,-1,0;-1,5,-1;0,-1,0"
      atelier filter digit.png -o bars.png --detect --kernel "0,1,0;0,1,0;0,1,0"
    """
  public static let takesPrecision = false
  public static let heedsInterrupt = true
  public static let jobs: [any Job.Type] = [FilterWorkshop.self]

  public static func run(_ request: FilterRequest, in place: JobPlace) throws -> Report {
    let filters: [PictureFilter]
    do { filters = try request.kernels.map { try PictureFilter(parsing: $0) } } catch {
      throw StudioError(.usage, ErrorLine.text(error))
    }
    let plan = try PicturePlan(inputs: request.inputs, output: request.output)
    for remark in plan.remarks { place.remark(remark) }
    var failures = plan.missing
    let results = try PictureJob.run(plan.tasks, name: \.input, in: place, failures: &failures) {
      task, counter in
      let start = Date()
      var result: FilteredPicture
      if request.detect {
        result = try detect(task, filters, request, start, place)
      } else {
        let file = try PagedFile(task, quality: request.quality, strip: request.strip, in: place)
        try file.run { filtered($0, filters, request, place) }
        place.send(.saved(task.output))
        result = FilteredPicture(
          file: task.input, output: task.output, seconds: Date().timeIntervalSince(start))
      }
      place.note(
        "\(counter) \(task.input)  \(NumberText.fixed(result.seconds, 2)) s  -> \(task.output)")
      return result
    }
    var report = Report(value: JSONEntries([("files", results), ("failures", failures)]))
    report.failures = failures
    report.files = results.map(\.output)
    if request.detect, !results.isEmpty { report.say(table(results)) }
    return report
  }

  /// A page after all filters.
  private static func filtered(
    _ image: StoredImage, _ filters: [PictureFilter], _ request: FilterRequest, _ place: JobPlace
  ) -> StoredImage {
    var settings = FilterSettings()
    settings.border = request.border
    settings.scale = request.scale
    settings.offset = request.offset
    let source = request.gray ? image.gray : image
    return source.filtered(by: filters, settings) { place.kernels.pool.parallelFor($0, $1) }
  }

  /// Draws the maps of responses of one picture.
  private static func detect(
    _ task: MediaFile, _ filters: [PictureFilter], _ request: FilterRequest, _ start: Date,
    _ place: JobPlace
  ) throws -> FilteredPicture {
    let picture = try PictureJob.read(task.input, in: place).flattened(over: 0)
    let maps = filters.map {
      PatternMap($0, on: picture.gray.floats, request.border) {
        place.kernels.pool.parallelFor($0, $1)
      }
    }
    try PictureJob.write(
      PatternMap.sheet(picture, maps), to: task.output, quality: request.quality, place: place)
    return FilteredPicture(
      file: task.input, output: task.output, seconds: Date().timeIntervalSince(start),
      responses: maps.map(\.best))
  }

  private static func table(_ results: [FilteredPicture]) -> Table {
    var table = Table(["file", "kernel", "x", "y", "response", "of a match"], leftColumns: 2)
    for result in results {
      for best in result.responses ?? [] {
        table.append([
          result.file, best.kernel, "\(best.x)", "\(best.y)", NumberText.fixed(best.response, 3),
          best.share.map { NumberText.fixed(100 * $0, 1) + " %" } ?? "-",
        ])
      }
    }
    return table
  }
}

extension StoredImage {
  /// The picture in gray; alpha stays.
  var gray: StoredImage {
    let channels = hasAlpha ? 2 : 1
    return switch self {
    case .bytes(let image): .bytes(image.withChannels(channels))
    case .words(let image): .words(image.withChannels(channels))
    case .floats(let image): .floats(image.withChannels(channels))
    }
  }
}
