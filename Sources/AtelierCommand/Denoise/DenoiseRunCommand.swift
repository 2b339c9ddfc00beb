// `atelier denoise IN… -o OUT`: pictures in, pictures with less noise out.

import ArgumentParser
import Atelier
import Foundation

/// Denoises pictures.
struct DenoiseRunCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "run",
    abstract: "Denoise pictures (the default).",
    discussion: """
      Any size, gray or colour, PNG or JPEG, files or folders. Transparency is kept. Without \
      --sigma the noise is estimated from each picture. Without --model the models that ship with \
      the project are used, the gray one for gray pictures and the colour one for colour pictures.

      EXAMPLES
        atelier denoise photo.png -o clean.png
        atelier denoise scan1.jpg scan2.png -o cleaned
        atelier denoise photos/ -o cleaned --compare --ensemble
        atelier denoise photo.png -o soft.png --sigma 30 --strength 1.2
      """)

  @Argument(help: ArgumentHelp("Pictures, or folders of them.", valueName: "in"))
  var inputs: [String]

  @Option(
    name: [.customShort("o"), .long],
    help: ArgumentHelp("A picture file for one input, else a folder.", valueName: "out"))
  var output: String

  @Option(help: ArgumentHelp("The model (default: the shipped ones).", valueName: "file"))
  var model: String?

  @Option(
    help: ArgumentHelp(
      "The noise's deviation, of 255 (default: estimated).", valueName: "sigma"))
  var sigma: Float?

  @Option(
    help: ArgumentHelp(
      "1 removes the noise as measured, less keeps more of it, more smooths harder.",
      valueName: "factor"))
  var strength: Float = 1

  @Flag(help: "Average the results of the eight flips and rotations: slower, a little better.")
  var ensemble = false

  @Option(help: ArgumentHelp("The side of the tiles; less needs less memory.", valueName: "pixels"))
  var tile = Denoiser.Options().tileSize

  @Flag(help: "Also write before and after side by side, as NAME-compare.png.")
  var compare = false

  @Option(
    help: ArgumentHelp("Clean originals of the same names, to print PSNR.", valueName: "dir"))
  var clean: String?

  @Option(help: ArgumentHelp("The quality of JPEG results, 1 to 100.", valueName: "q"))
  var quality = 92

  @OptionGroup(title: "GENERAL OPTIONS") var arithmetic: PrecisionOptions
  @OptionGroup(title: "GENERAL OPTIONS") var global: GlobalOptions

  func validate() throws {
    if let sigma, !(0...255).contains(sigma) {
      throw ValidationError("--sigma takes 0 to 255; received \(sigma)")
    }
    guard (0...10).contains(strength) else {
      throw ValidationError("--strength takes 0 to 10; received \(strength)")
    }
    guard (16...8192).contains(tile) else {
      throw ValidationError("--tile takes 16 to 8192; received \(tile)")
    }
    guard (1...100).contains(quality) else {
      throw ValidationError("--quality takes 1 to 100; received \(quality)")
    }
  }

  func run() throws {
    if let clean { try Reading.checkPresent([clean]) }
    let plan = try PicturePlan(inputs: inputs, output: output)
    let shelf = DenoiserShelf(path: model, kernels: arithmetic.kernels(global))
    // A model that cannot be read is one error, not one a picture.
    if model != nil { _ = try shelf.denoiser(isGray: true) }
    var results: [DenoisedPicture] = []
    var failures = PictureFailure.list(plan, [])
    for (index, task) in plan.tasks.enumerated() {
      do {
        let result = try denoise(task, shelf)
        results.append(result)
        global.say(line(result, "[\(index + 1)/\(plan.tasks.count)]"))
      } catch let error as StudioError where error.kind != .data {
        throw error
      } catch {
        let failure = Failure(error)
        failures.append(
          PictureFailure(file: task.input, error: failure.message, code: failure.code))
      }
    }
    try report(results, failures)
  }

  /// Reads, denoises and writes one picture.
  private func denoise(_ task: MediaFile, _ shelf: DenoiserShelf) throws -> DenoisedPicture {
    let start = Date()
    let noisy = try StoredPicture(reading: task.input)
    let format = try ImageFile.format(forWriting: task.output)
    guard format != .jpeg || !noisy.hasAlpha else {
      throw StudioError(
        .data,
        "\(task.input): the picture has transparency, which \(task.output) cannot hold; name a .png"
      )
    }
    if noisy.isDeep, format == .jpeg {
      global.remark("\(task.input): 16 bits a sample are written as 8 to \(task.output)")
    }
    // A gray picture stored in colour has the same noise in all channels, which the colour model
    // takes for texture.
    let (denoiser, file) = try shelf.denoiser(isGray: noisy.isColorless)
    var options = Denoiser.Options()
    let used = sigma ?? noisy.sigma
    options.sigma = used
    options.strength = strength
    options.isEnsemble = ensemble
    options.tileSize = tile
    let result = try noisy.denoised(by: denoiser, options)
    let seconds = Date().timeIntervalSince(start)
    try write(result, before: noisy, task)
    var picture = DenoisedPicture(
      file: task.input, output: task.output, comparison: compare ? task.comparison : nil,
      model: file, width: noisy.size.width, height: noisy.size.height, channels: noisy.channels,
      sigma: Double(used), isEstimated: sigma == nil, seconds: seconds)
    if let clean {
      let original = try ImageFile.read(try Self.original(of: task.name, in: clean))
        .withChannels(noisy.channels)
      picture.psnrBefore = try Metrics.psnr(original, noisy.bytes)
      picture.psnrAfter = try Metrics.psnr(original, result.bytes)
    }
    return picture
  }

  private func write(
    _ result: StoredPicture, before: StoredPicture, _ task: MediaFile
  ) throws {
    let software = ["Software": "Atelier"]
    do {
      try FileManager.default.createDirectory(
        atPath: (task.output as NSString).deletingLastPathComponent.isEmpty
          ? "." : (task.output as NSString).deletingLastPathComponent,
        withIntermediateDirectories: true)
      try result.write(to: task.output, options: .init(quality: quality, metadata: software))
      if compare {
        try ImageFile.write(
          Comparison.pair(before: before.bytes, after: result.bytes), to: task.comparison,
          options: .init(metadata: software))
      }
    } catch {
      throw StudioError(.cannotCreate, Failure(error).message)
    }
  }

  /// The clean original of a picture: the same name, with any picture's extension.
  private static func original(of name: String, in folder: String) throws -> String {
    let path = (folder as NSString).appendingPathComponent(name)
    let stem = (path as NSString).deletingPathExtension
    for candidate in [path] + ["png", "jpg", "jpeg"].map({ "\(stem).\($0)" })
    where FileManager.default.fileExists(atPath: candidate) { return candidate }
    throw StudioError(.data, "\(name): there is no clean original of that name in \(folder)")
  }

  private func line(_ result: DenoisedPicture, _ counter: String) -> String {
    let color = result.channels <= 2 ? "gray" : "colour"
    let noise =
      "sigma \(NumberText.fixed(result.sigma, 1))\(result.isEstimated ? " (estimated)" : "")"
    let time = "\(NumberText.fixed(result.seconds, 2)) s"
    return "\(counter) \(result.file)  \(result.width)x\(result.height) \(color)  \(noise)  "
      + "\(time)  -> \(result.output)"
  }

  private func report(_ results: [DenoisedPicture], _ failures: [PictureFailure]) throws {
    if global.json {
      try Console.print(json: DenoisedReport(files: results, failures: failures))
    } else if clean != nil, !results.isEmpty {
      var table = TextTable(["file", "before dB", "after dB", "gain dB"])
      for result in results {
        guard let before = result.psnrBefore, let after = result.psnrAfter else { continue }
        table.append(
          [result.file] + [before, after, after - before].map { NumberText.fixed($0, 2) })
      }
      let count = Double(results.count)
      let before = results.reduce(0) { $0 + ($1.psnrBefore ?? 0) } / count
      let after = results.reduce(0) { $0 + ($1.psnrAfter ?? 0) } / count
      table.append(["mean"] + [before, after, after - before].map { NumberText.fixed($0, 2) })
      Console.print("\n" + table.text)
      Console.print("PSNR with peak 255 of 8-bit pictures as stored, all channels, no border cut.")
      if compare {
        Console.print("\nbefore and after side by side:")
        for result in results { Console.print("  \(result.comparison ?? "")") }
      }
    }
    try PictureFailure.complain(failures)
  }
}

/// What happened to one picture, for `--json`.
struct DenoisedPicture: Encodable {
  let file: String
  let output: String
  let comparison: String?
  let model: String
  let width: Int
  let height: Int
  let channels: Int
  let sigma: Double
  let isEstimated: Bool
  let seconds: Double
  var psnrBefore: Double?
  var psnrAfter: Double?

  enum CodingKeys: String, CodingKey {
    case file, output, comparison, model, width, height, channels, sigma, seconds
    case isEstimated = "estimated"
    case psnrBefore = "psnr_before"
    case psnrAfter = "psnr_after"
  }
}

/// All of a call, for `--json`.
struct DenoisedReport: Encodable {
  let files: [DenoisedPicture]
  let failures: [PictureFailure]
}
