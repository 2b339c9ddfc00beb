// `generate interpolate`: the way between pictures, as a strip or as a film.
//
// White: Sampling Generative Networks (2016), for the way along a sphere.

import AtelierDatasets
import AtelierEngine
import AtelierFiles
import AtelierImages
import AtelierInterchange
import AtelierMedia
import AtelierWorkbench
import Foundation

/// Between which pictures, and what is written.
public struct GenerateInterpolateRequest: JobRequest, Hashable {
  public var model = ""
  public var output = ""
  public var numbers = [0, 1, 2, 3]
  public var pictures: [String] = []
  public var encoder: String?
  public var between = 8
  public var className: String?
  public var isStraight = false
  public var magnification = 1
  public var rate = 25.0
  public var seed: UInt64 = 1

  public init() {}

  public static var form: Form<Self> {
    Form(
      Self(),
      fields: [
        .generator(\.model),
        .output(\.output, "A picture for a strip, a film (mp4, mov, mkv), or a folder for PNGs"),
        .numbers(\.numbers, "The pictures to go through, by their numbers, with commas"),
        Field(
          list: "pictures", \.pictures, "Go through these pictures, which --encoder knows",
          value: "file", kind: .source),
        Field(
          "encoder", \.encoder, "The encoder beside an autoencoder's model", value: "file",
          kind: .file(["safetensors"])),
        Field(
          "between", \.between, "Pictures between two of them", value: "n", .from(0, to: 10_000)),
        .className(\.className),
        Field(
          flag: "straight", \.isStraight, "Go in a straight line, not along a sphere"),
        .magnification(\.magnification),
        Field("rate", \.rate, "Frames a second of a film", value: "n", .from(1, to: 240)),
        .seed(\.seed),
      ])
  }

  public static func check(_ words: FieldWords) throws {
    guard (words["pictures"] != nil) == (words["encoder"] != nil) else {
      throw FieldError("--pictures and --encoder belong together")
    }
    if words["pictures"] != nil, words["numbers"] != nil {
      throw FieldError("--numbers is not for --pictures")
    }
  }
}

/// Goes from picture to picture.
public enum GenerateInterpolate: Job {
  public static let workshop = "generate"
  public static let name = "interpolate"
  public static let summary = "Draw the way from picture to picture, as a strip or a film."
  public static let guide = """
    Random numbers of the normal distribution lie near a sphere, so the way goes along it; \
    --straight cuts through, where pictures look washed out.

    EXAMPLES
      atelier generate interpolate --model m.safetensors -o strip.png \\
        --numbers 3,17
      atelier generate interpolate --model m.safetensors -o way.mp4 --between 50 \\
        --magnify 8
      atelier generate interpolate --model run/last.safetensors -o faces.png \\
        --encoder run/encoder.safetensors --pictures a.png b.png
    """

  private struct Value: Encodable {
    let model: String
    let pictures: Int
    let files: [String]
  }

  public static func run(
    _ request: GenerateInterpolateRequest, in place: JobPlace
  ) throws -> Report {
    let generator = try PictureGenerator(file: request.model, in: place)
    let stops = try stops(request, generator, in: place)
    try StudioError.unless(
      stops.count >= 2, .usage, "a way goes through at least two pictures; received \(stops.count)")
    let codes = path(stops, between: request.between, isStraight: request.isStraight)
    let label = try request.className.map { try generator.classIndex($0) } ?? 0
    let classes =
      generator.classNames.isEmpty ? [] : [Int](repeating: label, count: codes.shape.batch)
    let pictures = try generator.draw(codes, classes: classes).pictures
    var report = Report()
    report.files = try write(pictures, request, in: place)
    report.note("\(request.output): \(pictures.count) pictures through \(stops.count)")
    report.value = Value(model: request.model, pictures: pictures.count, files: report.files)
    return report
  }

  /// The codes to go through.
  private static func stops(
    _ request: GenerateInterpolateRequest, _ generator: PictureGenerator, in place: JobPlace
  ) throws -> [[Float]] {
    func rows(_ codes: Tensor) -> [[Float]] {
      (0..<codes.shape.batch).map {
        Array(codes.elements[$0 * generator.latent..<($0 + 1) * generator.latent])
      }
    }
    guard let file = request.encoder else {
      return rows(generator.codes(request.numbers, seed: request.seed))
    }
    let encoder = try PictureEncoder(
      ModelFile.read(from: URL(fileURLWithPath: file)), kernels: place.kernels)
    let shape = encoder.pictureShape
    var samples: [Float] = []
    for path in request.pictures {
      samples += try PictureJob.read(path, in: place).fitted(
        to: PixelSize(width: shape.width, height: shape.height), channels: shape.channels
      ).floats.samples
    }
    let label = try request.className.map { try generator.classIndex($0) } ?? 0
    let count = request.pictures.count
    let codes = try encoder.codes(
      Tensor(shape.withBatch(count), samples), classes: [Int](repeating: label, count: count))
    try StudioError.unless(
      codes.shape.channels == generator.latent, .data,
      "\(file): gives codes of \(codes.shape.channels) numbers; the model takes \(generator.latent)"
    )
    return rows(codes)
  }

  /// All codes from the first stop to the last.
  package static func path(_ stops: [[Float]], between: Int, isStraight: Bool) -> Tensor {
    var rows: [[Float]] = []
    for (from, to) in zip(stops, stops.dropFirst()) {
      for step in 0...between {
        let share = Float(step) / Float(between + 1)
        rows.append(isStraight ? straight(from, to, share) : spherical(from, to, share))
      }
    }
    rows.append(stops[stops.count - 1])
    return Tensor([rows.count, stops[0].count], rows.flatMap { $0 })
  }

  private static func straight(_ from: [Float], _ to: [Float], _ share: Float) -> [Float] {
    zip(from, to).map { (1 - share) * $0 + share * $1 }
  }

  /// Along the great circle; lengths go evenly from one to the other.
  static func spherical(_ from: [Float], _ to: [Float], _ share: Float) -> [Float] {
    let (a, b) = (length(from), length(to))
    guard a > 0, b > 0 else { return straight(from, to, share) }
    let cosine = zip(from, to).reduce(Float(0)) { $0 + $1.0 * $1.1 } / (a * b)
    let angle = acos(Double(min(max(cosine, -1), 1)))
    // Where both point almost the same or opposite ways, there is no one circle.
    guard sin(angle) > 1e-4 else { return straight(from, to, share) }
    let first = Float(sin((1 - Double(share)) * angle) / sin(angle))
    let second = Float(sin(Double(share) * angle) / sin(angle))
    let size = (1 - share) * a + share * b
    return zip(from, to).map { size * (first * $0 / a + second * $1 / b) }
  }

  private static func length(_ code: [Float]) -> Float {
    code.reduce(0) { $0 + $1 * $1 }.squareRoot()
  }

  /// A strip, a film or single pictures.
  private static func write(
    _ pictures: [ByteImage], _ request: GenerateInterpolateRequest, in place: JobPlace
  ) throws -> [String] {
    let path = request.output
    let ending = (path as NSString).pathExtension.lowercased()
    if FilmTools.writtenExtensions.contains(ending) {
      try film(pictures, request, in: place)
      return [path]
    }
    if ImageFile.extensions.contains(ending) {
      let columns = request.between + 1
      var rows = stride(from: 0, to: pictures.count - 1, by: columns).map { first in
        pictures[first...min(first + columns, pictures.count - 1)].map { PictureGrid.Cell($0) }
      }
      if rows.isEmpty { rows = [pictures.map { PictureGrid.Cell($0) }] }
      let grid = PictureGrid(rows: rows, magnification: request.magnification, padding: 2)
      try PictureJob.write(grid.render(), to: path, place: place)
      return [path]
    }
    return try pictures.enumerated().map { index, picture in
      let file = (path as NSString).appendingPathComponent(String(format: "%05d.png", index))
      try PictureJob.write(picture, to: file)
      return file
    }
  }

  private static func film(
    _ pictures: [ByteImage], _ request: GenerateInterpolateRequest, in place: JobPlace
  ) throws {
    let size = PixelSize(
      width: pictures[0].width * request.magnification,
      height: pictures[0].height * request.magnification)
    let tools = try FilmTools()
    try PictureJob.writing(request.output) {}
    let writer = try FilmWriter(
      request.output, size: size, like: "",
      FilmInformation(
        rate: "\(Int((1000 * request.rate).rounded()))/1000", framesPerSecond: request.rate),
      tools: tools)
    for picture in pictures {
      try writer.write(
        picture.rgb.resized(width: size.width, height: size.height, filter: .nearest))
    }
    try writer.finish()
    place.send(.saved(request.output))
  }
}
