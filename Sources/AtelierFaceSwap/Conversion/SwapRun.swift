// `swap run`: pictures and films with the faces of the other person.

import AtelierDatasets
import AtelierImages
import AtelierKernels
import AtelierMedia
import AtelierVision
import AtelierWorkbench
import AtelierZoo
import Foundation

/// Which pictures and films are converted, and how.
public struct SwapRunRequest: JobRequest, Hashable {
  public var inputs: [String] = []
  public var model = ""
  public var face = SwapFace.b
  public var output = ""
  public var alignments: String?
  public var isAligned = false
  public var compares = false
  public var grid: String?
  public var quality = 92
  public var rateFactor = 18
  public var smoothing = 1.5
  public var compositor = FaceCompositor()
  public var source = FaceSource()

  public init() {}

  public static var form: Form<Self> {
    Form([
      .inputs(\.inputs, "Pictures, films, or folders of them"), .model(\.model),
      Field("to", \.face, "Whose face is drawn: a or b", value: "face").demanded,
      .output(\.output, "A file for one input, else a folder"),
      Field(
        "alignments", \.alignments, "Faces as a former extraction found them", value: "json",
        kind: .file(["json"])),
      Field(flag: "aligned", \.isAligned, "The pictures are aligned crops already"),
      Field(
        flag: "compare", \.compares, "Also write before and after side by side, as NAME-compare"),
      Field(
        "grid", \.grid, "Also draw the first face under every colour and blending", value: "png",
        kind: .output),
      Field(
        "quality", \.quality, "The quality of JPEG results, 1 to 100", value: "q",
        .from(1, to: 100)),
      .rateFactor(\.rateFactor),
      Field(
        "smooth", \.smoothing, "Smooth the places of a film's faces over so many frames; 0 for not",
        value: "frames", .from(0, to: 50)),
    ]).section("BLENDING OPTIONS", Field.blending.map { $0.within(\.compositor) }).faces(\.source)
  }

  public static func check(_ words: FieldWords) throws {
    guard ["alignments", "aligned", "boxes"].count(where: { words[$0] != nil }) <= 1 else {
      throw FieldError("expected one of --alignments, --aligned and --boxes")
    }
  }

  public mutating func complete(with words: FieldWords) throws {
    if let grid { _ = try ImageFile.format(forWriting: grid) }
  }

  /// What to change, where no face was found.
  var advice: String {
    alignments.map { "see whether \($0) names these pictures as they are called" } ?? source.advice
  }

  /// A locator that lays faces into crops of the training's size.
  func locator(size: Int, in place: JobPlace) throws -> FaceLocator {
    if let alignments {
      let list = try FaceAlignments(contentsOf: URL(fileURLWithPath: alignments))
      return source.locator(.alignments(list), size: size)
    }
    return isAligned
      ? source.locator(.crops, size: size) : try source.locator(size: size, in: place)
  }
}

extension SwapFace: ChoiceValue {}
extension ColorTransfer: ChoiceValue {}
extension FaceMask: ChoiceValue {}

extension FaceCompositor {
  /// Whether face and frame are joined by their gradients.
  fileprivate var isSeamless: Bool {
    get { blending == .seamless }
    set { blending = newValue ? .seamless : .feather }
  }
}

extension Field where Request == FaceCompositor {
  /// How faces are laid into their frames.
  fileprivate static let blending: [Self] = [
    Self(
      "color", \.colorTransfer, "The face's colours: none, mean, reinhard or histogram",
      value: "how"),
    Self("mask", \.mask, "The part that is laid: box, ellipse or learned", value: "what"),
    Self(
      "erode", \.erosion, "Make the mask smaller by this part of the face's width; below 0 larger",
      value: "part", .from(-0.5, to: 0.5)),
    Self(
      "feather", \.feather, "The soft edge, as part of the face's width", value: "part",
      .from(0, to: 0.5)),
    Self(
      flag: "seamless", \.isSeamless, "Join face and frame by their gradients (Poisson blending)"),
    Self(
      "sharpen", \.sharpening, "Sharpen the face: 0 not, 1 strongly", value: "amount",
      .from(0, to: 5)),
  ]
}

/// Converts pictures and films.
public enum SwapRun: Job {
  public static let workshop = "swap"
  public static let name = "run"
  public static let summary = "Swap the faces of pictures and films (the default)."
  public static let guide = """
    Faces are found as by `swap extract`, drawn as the other person, and laid back at the \
    picture's own resolution and depth, 8 or 16 bits (JPEG and films: 8). Pictures without a face \
    are copied. Films need the program ffmpeg and keep their sound. Results say in their metadata \
    that they are synthetic, with the model's SHA-256. Swap only faces of people who have agreed \
    to it.

    EXAMPLES
      atelier swap photos/ --model swap.safetensors --to b -o swapped --compare
      atelier swap clip.mp4 --model swap.safetensors --to b -o swapped.mp4
      atelier swap photo.jpg --model swap.safetensors --to a -o out.png \\
        --grid choose.png
      atelier swap clip.mp4 --model swap.safetensors --to b -o soft.mp4 \\
        --color histogram --mask ellipse --feather 0.1 --seamless
    """
  public static let takesPrecision = false
  public static let heedsInterrupt = true

  public static func run(_ request: SwapRunRequest, in place: JobPlace) throws -> Report {
    let plan = try PicturePlan(
      inputs: request.inputs, output: request.output, extensions: MediaFile.extensions,
      further: { request.compares ? [$0.comparison] : [] }, others: [request.grid])
    for remark in plan.remarks { place.remark(remark) }
    let file = ShippedModels.file(of: request.model)
    let model = try FaceSwapModel(contentsOf: file)
    let isSingle = plan.tasks.count == 1 && !plan.tasks[0].isFilm
    let swapper = try FaceSwapper(
      model, to: request.face, locator: request.locator(size: model.layout.cropSize, in: place),
      compositor: request.compositor, batch: isSingle ? 1 : 8, pool: place.kernels.pool)
    let start = Date()
    let conversion = FaceSwapConversion(
      request, plan.tasks, try Provenance(model: file, face: request.face), swapper: swapper,
      in: place)
    let (files, failed) = try conversion.run()
    let seconds = Date().timeIntervalSince(start)
    let failures = plan.missing + failed
    let advice = files.isEmpty || files.contains { $0.faces > 0 } ? nil : request.advice
    var report = Report(
      value: JSONEntries([
        ("files", files), ("failures", failures), ("seconds", seconds), ("advice", advice),
      ]))
    report.note(summary(request, files, seconds))
    if let advice { place.remark("no face was found; \(advice)") }
    report.files = files.flatMap { [$0.output] + [$0.comparison].compactMap(\.self) }
    report.failures = failures
    if conversion.wasInterrupted { report.continuation = [] }
    return report
  }

  private static func summary(
    _ request: SwapRunRequest, _ files: [ConvertedFile], _ seconds: Double
  ) -> String {
    let frames = files.reduce(0) { $0 + $1.frames }
    let faces = files.reduce(0) { $0 + $1.faces }
    let without = files.reduce(0) { $0 + $1.framesWithoutFace }
    let rate = seconds > 0 ? Double(frames) / seconds : 0
    var lines = [
      "\(faces) faces swapped to \(request.face.rawValue) in \(frames) frames (\(without) without "
        + "a face, left as they were), \(NumberText.fixed(seconds, 1)) s, "
        + "\(NumberText.fixed(rate, 1)) frames/s"
    ]
    if files.count == 1 { lines.append("result: \(files[0].output)") }
    if files.count > 1 { lines.append("results: \(request.output)") }
    if files.count == 1, let path = files[0].comparison { lines.append("comparison: \(path)") }
    if let grid = request.grid, faces > 0 { lines.append("grid: \(grid)") }
    return lines.joined(separator: "\n")
  }
}
