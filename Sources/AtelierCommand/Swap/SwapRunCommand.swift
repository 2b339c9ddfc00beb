// `atelier swap IN… --model M --to b -o OUT`: pictures and films with the faces of the other person.

import ArgumentParser
import Atelier
import Foundation

extension SwapFace: ExpressibleByArgument {}
extension ColorTransfer: ExpressibleByArgument {}
extension FaceMask: ExpressibleByArgument {}

/// Converts pictures and films.
struct SwapRunCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "run",
    abstract: "Swap the faces of pictures and films (the default).",
    discussion: """
      Faces are found as by `swap extract`, drawn as the other person, and laid back at the \
      picture's own resolution and depth, 8 or 16 bits (JPEG and films: 8). Pictures without a face are copied. \
      Films need the program ffmpeg and keep their sound. Results say in their metadata that they \
      are synthetic, with the model's SHA-256. Swap only faces of people who have agreed to it.

      EXAMPLES
        atelier swap photos/ --model swap.safetensors --to b -o swapped --compare
        atelier swap clip.mp4 --model swap.safetensors --to b -o swapped.mp4
        atelier swap photo.jpg --model swap.safetensors --to a -o out.png \\
          --grid choose.png
        atelier swap clip.mp4 --model swap.safetensors --to b -o soft.mp4 \\
          --color histogram --mask ellipse --feather 0.1 --seamless
      """)

  @Argument(help: ArgumentHelp("Pictures, films, or folders of them.", valueName: "in"))
  var inputs: [String]

  @Option(help: ArgumentHelp("The model file.", valueName: "file"))
  var model: String

  @Option(help: ArgumentHelp("Whose face is drawn: a or b.", valueName: "face"))
  var to: SwapFace

  @Option(
    name: [.customShort("o"), .long],
    help: ArgumentHelp("A file for one input, else a folder.", valueName: "out"))
  var output: String

  @Option(
    help: ArgumentHelp("Faces as a former extraction found them.", valueName: "json"))
  var alignments: String?

  @Flag(help: "The pictures are aligned crops already.")
  var aligned = false

  @OptionGroup(title: "BLENDING OPTIONS") var blending: BlendingOptions

  @Flag(help: "Also write before and after side by side, as NAME-compare.")
  var compare = false

  @Option(
    help: ArgumentHelp(
      "Also draw the first face under every colour and blending.", valueName: "png"))
  var grid: String?

  @Option(help: ArgumentHelp("The quality of JPEG results, 1 to 100.", valueName: "q"))
  var quality = 92

  @Option(
    help: ArgumentHelp("The rate factor of films, 0 (largest) to 51.", valueName: "crf"))
  var rateFactor = 18

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "Smooth the places of a film's faces over so many frames; 0 for not (default: 1.5).",
      valueName: "frames"))
  var smooth = 1.5

  @OptionGroup(title: "FACE OPTIONS") var source: FaceSourceOptions
  @OptionGroup(title: "GENERAL OPTIONS") var global: GlobalOptions

  func validate() throws {
    guard (1...100).contains(quality) else {
      throw ValidationError("--quality takes 1 to 100; received \(quality)")
    }
    guard (0...51).contains(rateFactor) else {
      throw ValidationError("--rate-factor takes 0 to 51; received \(rateFactor)")
    }
    guard (0...50).contains(smooth) else {
      throw ValidationError("--smooth takes 0 to 50; received \(smooth)")
    }
    let origins = [alignments != nil, aligned, source.boxes != nil]
    guard origins.count(where: { $0 }) <= 1 else {
      throw ValidationError("expected one of --alignments, --aligned and --boxes")
    }
    if let grid { _ = try ImageFile.format(forWriting: grid) }
  }

  func run() throws {
    let plan = try PicturePlan(inputs: inputs, output: output, extensions: MediaFile.extensions)
    let file = URL(fileURLWithPath: model)
    let trained = try FaceSwapModel(contentsOf: file)
    let isSingle = plan.tasks.count == 1 && !plan.tasks[0].isFilm
    let swapper = try FaceSwapper(
      trained, to: to, locator: locator(trained.layout.cropSize), compositor: blending.compositor,
      batch: isSingle ? 1 : 8, pool: global.kernels.pool)
    var request = FaceSwapConversionRequest(
      files: plan.tasks, provenance: try Provenance(model: file, face: to))
    request.compares = compare
    request.grid = grid
    request.quality = quality
    request.rateFactor = rateFactor
    request.smoothing = smooth
    let interrupt = InterruptFlag.catchingSignals()
    let progress = WorkProgress("frames", isQuiet: global.quiet)
    let start = Date()
    let conversion = FaceSwapConversion(
      request, swapper: swapper, progress: progress.show, isInterrupted: { interrupt.isRaised })
    let (files, failed) = try conversion.run()
    progress.end()
    let seconds = Date().timeIntervalSince(start)
    let failures = PictureFailure.list(plan, failed)
    if global.json {
      try Console.print(json: Ending(files: files, failures: failures, seconds: seconds))
    } else {
      global.say(summary(files, seconds))
    }
    try PictureFailure.complain(failures)
    if conversion.wasInterrupted { throw ExitCode(128 + (interrupt.signalNumber ?? 2)) }
  }

  /// A locator that lays faces into crops of the training's size.
  private func locator(_ size: Int) throws -> FaceLocator {
    if let alignments {
      let list = try FaceAlignments(contentsOf: URL(fileURLWithPath: alignments))
      return source.locator(.alignments(list), size: size)
    }
    return aligned ? source.locator(.crops, size: size) : try source.locator(size: size, global)
  }

  /// What `--json` prints.
  private struct Ending: Encodable {
    let files: [ConvertedFile]
    let failures: [PictureFailure]
    let seconds: Double
  }

  private func summary(_ files: [ConvertedFile], _ seconds: Double) -> String {
    let frames = files.reduce(0) { $0 + $1.frames }
    let faces = files.reduce(0) { $0 + $1.faces }
    let without = files.reduce(0) { $0 + $1.framesWithoutFace }
    let rate = seconds > 0 ? Double(frames) / seconds : 0
    var lines = [
      "\(faces) faces swapped to \(to.rawValue) in \(frames) frames (\(without) without a face, "
        + "left as they were), \(NumberText.fixed(seconds, 1)) s, \(NumberText.fixed(rate, 1)) "
        + "frames/s"
    ]
    if files.count == 1 { lines.append("result: \(files[0].output)") }
    if files.count > 1 { lines.append("results: \(output)") }
    if compare, files.count == 1, let path = files[0].comparison {
      lines.append("comparison: \(path)")
    }
    if let grid, faces > 0 { lines.append("grid: \(grid)") }
    return lines.joined(separator: "\n")
  }
}

/// How faces are laid into their frames.
struct BlendingOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp("The face's colours: none, mean, reinhard or histogram.", valueName: "how"))
  var color: ColorTransfer = .reinhard

  @Option(help: ArgumentHelp("The part that is laid: box, ellipse or learned.", valueName: "what"))
  var mask: FaceMask = .ellipse

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "Make the mask smaller by this part of the face's width; below 0 larger.",
      valueName: "part"))
  var erode: Float = 0

  @Option(
    help: ArgumentHelp("The soft edge, as part of the face's width.", valueName: "part"))
  var feather: Float = 0.06

  @Flag(help: "Join face and frame by their gradients (Poisson blending).")
  var seamless = false

  @Option(help: ArgumentHelp("Sharpen the face: 0 not, 1 strongly.", valueName: "amount"))
  var sharpen: Float = 0

  func validate() throws {
    guard (-0.5...0.5).contains(erode) else {
      throw ValidationError("--erode takes -0.5 to 0.5; received \(erode)")
    }
    guard (0...0.5).contains(feather) else {
      throw ValidationError("--feather takes 0 to 0.5; received \(feather)")
    }
    guard (0...5).contains(sharpen) else {
      throw ValidationError("--sharpen takes 0 to 5; received \(sharpen)")
    }
  }

  /// The compositor.
  var compositor: FaceCompositor {
    FaceCompositor(
      colorTransfer: color, mask: mask, erosion: erode, feather: feather,
      blending: seamless ? .seamless : .feather, sharpening: sharpen)
  }
}
