// `atelier attack IMG… -o OUT`: pictures in, pictures out that a classifier takes for something else.

import ArgumentParser
import Atelier
import Foundation

/// Attacks pictures with a trained generator.
struct AttackRunCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "run",
    abstract: "Write pictures with noise that makes a classifier fail (the default).",
    discussion: """
      Pictures, folders of them, and IDX or CIFAR files. For each picture NAME.png, the attacked \
      picture of the victim's size; NAME-noise.png, the noise amplified; NAME-heat.png, the \
      difference; NAME-sheet.png, all of them with the classes before and after. The noise stays \
      within the limit to the byte; success is judged on NAME.png read back. A picture in a folder \
      that is named like a class counts as of that class.

      EXAMPLES
        atelier attack shirt.png --model g.safetensors --victim m.safetensors -o out
        atelier attack clothes/ --model g.safetensors --victim m.safetensors -o out \\
          --epsilon 8/255
        atelier attack fashion-mnist --first 8 --model g.safetensors \\
          --victim m.safetensors -o out --json
      """)

  @Argument(help: ArgumentHelp("Pictures, folders of them, or sets.", valueName: "in"))
  var inputs: [String]

  @Option(help: ArgumentHelp("The model file of the generator.", valueName: "file"))
  var model: String

  @Option(help: ArgumentHelp("The model file of the classifier.", valueName: "file"))
  var victim: String

  @Option(
    name: [.customShort("o"), .long],
    help: ArgumentHelp("The folder for the results.", valueName: "dir"))
  var output: String

  @Option(
    help: ArgumentHelp(
      "Another limit, which scales the noise (default: the generator's).", valueName: "number"))
  var epsilon: String?

  @Option(help: ArgumentHelp("Pictures to take of each IDX or CIFAR set.", valueName: "n"))
  var first = 16

  @OptionGroup(title: "GENERAL OPTIONS") var arithmetic: PrecisionOptions
  @OptionGroup(title: "GENERAL OPTIONS") var global: GlobalOptions

  func validate() throws {
    guard first >= 1 else { throw ValidationError("--first takes at least 1; received \(first)") }
    if let epsilon { _ = try Reading.epsilons(epsilon, most: 1000) }
  }

  /// One picture as `--json` prints it.
  private struct Row: Encodable {
    let file: String
    let output: String
    let label: String?
    let before: Prediction
    let after: Prediction
    let success: Bool?
    let largestSteps: Int
    let l2: Double
    let psnr: Double

    enum CodingKeys: String, CodingKey {
      case file, output, label, before, after, success, l2, psnr
      case largestSteps = "largest_steps"
    }
  }

  /// All of a call as `--json` prints it.
  private struct Report: Encodable {
    let `protocol`: String
    let counted: Int
    let fooled: Int
    let files: [Row]
    let failures: [PictureFailure]
  }

  func run() throws {
    let kernels = arithmetic.kernels(global)
    let classifier = try Classifier(
      [ModelFile.read(from: URL(fileURLWithPath: victim))], kernels: kernels)
    let attack = try PictureAttack(
      NoiseAttacker(ModelFile.read(from: URL(fileURLWithPath: model)), kernels: kernels),
      victim: classifier, radius: epsilon.map { try Reading.epsilons($0, most: 1000)[0] })
    var failures: [PictureFailure] = []
    let tasks = try AttackTask.list(
      inputs, classifier, output: output, first: first, &failures)
    var rows: [Row] = []
    for task in tasks {
      do {
        let row = try self.attack(task, with: attack)
        rows.append(row)
        let verdict = row.success.map { $0 ? "fooled" : "not fooled" } ?? "does not count"
        global.say(
          "\(task.source)  \(Self.text(row.before)) -> \(Self.text(row.after))  \(verdict)  "
            + "\(row.largestSteps) steps  \(task.output).png")
      } catch let error as ImageError {
        let failure = Failure(error)
        failures.append(
          PictureFailure(file: task.source, error: failure.message, code: failure.code))
      }
    }
    let counted = rows.count { $0.success != nil }
    let fooled = rows.count { $0.success == true }
    if global.json {
      try Console.print(
        json: Report(
          protocol: attack.definition, counted: counted, fooled: fooled, files: rows,
          failures: failures))
    } else if !rows.isEmpty {
      Console.print("fooled \(fooled) of \(counted) that count")
      Console.print("protocol: \(attack.definition)")
    }
    try PictureFailure.complain(failures)
  }

  private static func text(_ prediction: Prediction) -> String {
    "\(prediction.name) \(NumberText.fixed(100 * Double(prediction.probability), 1)) %"
  }

  /// Attacks a picture, writes the results and judges the file.
  private func attack(_ task: AttackTask, with attack: PictureAttack) throws -> Row {
    let (clean, attacked) = try attack.attack(task.picture())
    let place = task.output + ".png"
    try write(attacked, place)
    let result = try attack.judge(
      ImageFile.read(place).withChannels(clean.channels), clean: clean, label: task.label)
    try write(result.noisePicture, task.output + "-noise.png")
    try write(result.heatPicture, task.output + "-heat.png")
    let name = (task.source as NSString).lastPathComponent
    try write(result.sheet(title: name), task.output + "-sheet.png")
    return Row(
      file: task.source, output: place, label: task.label.map { attack.victim.classNames[$0] },
      before: result.before[0], after: result.after[0], success: result.isFooled,
      largestSteps: result.largestSteps, l2: result.length, psnr: result.psnr)
  }

  private func write(_ picture: ByteImage, _ place: String) throws {
    do {
      try FileManager.default.createDirectory(
        atPath: (place as NSString).deletingLastPathComponent, withIntermediateDirectories: true)
      try ImageFile.write(picture, to: place, options: .init(metadata: ["Software": "Atelier"]))
    } catch {
      throw StudioError(.cannotCreate, Failure(error).message)
    }
  }
}

/// One picture to attack and where its results go.
private struct AttackTask {
  /// What it is called in reports: a path, or a set's name and a number.
  let source: String
  /// The results' path without ending.
  let output: String
  /// The right class where it is known.
  let label: Int?
  /// Reads the picture.
  let picture: () throws -> ByteImage

  /// Expands inputs; what is not there becomes a failure.
  ///
  /// **Throws:** `StudioError` when a result would overwrite an input or another result.
  static func list(
    _ inputs: [String], _ classifier: Classifier, output: String, first: Int,
    _ failures: inout [PictureFailure]
  ) throws -> [AttackTask] {
    var tasks: [AttackTask] = []
    for input in inputs {
      do {
        try Reading.checkPresent([input])
        let url = URL(fileURLWithPath: input)
        tasks +=
          LabeledImages.isSet(url)
          ? try pictures(ofSet: url, classifier, output: output, first: first)
          : try pictures(in: url, input, classifier, output: output)
      } catch {
        let failure = Failure(error)
        failures.append(PictureFailure(file: input, error: failure.message, code: failure.code))
      }
    }
    var written: [String: String] = [:]
    let read = Set(tasks.map { PicturePlan.canonical($0.source) })
    for task in tasks {
      let place = PicturePlan.canonical(task.output + ".png")
      guard !read.contains(place) else {
        throw StudioError(
          .usage, "\(task.output).png: the result would overwrite an input; name another place")
      }
      if let other = written.updateValue(task.source, forKey: place) {
        throw StudioError(
          .usage, "\(other) and \(task.source) would both be written to \(task.output).png")
      }
    }
    return tasks
  }

  private static func pictures(
    in url: URL, _ input: String, _ classifier: Classifier, output: String
  ) throws -> [AttackTask] {
    let files = try ImageFolder.list(url)
    guard !files.isEmpty else {
      throw StudioError(.missingInput, "\(input): the folder holds no PNG or JPEG")
    }
    return files.map { file in
      let folder = file.url.deletingLastPathComponent().lastPathComponent
      let stem = (file.name as NSString).deletingPathExtension
      return AttackTask(
        source: file.url.relativePath,
        output: (output as NSString).appendingPathComponent(stem),
        label: classifier.classNames.firstIndex(of: folder)
      ) { try ImageFile.read(file.url) }
    }
  }

  private static func pictures(
    ofSet url: URL, _ classifier: Classifier, output: String, first: Int
  ) throws -> [AttackTask] {
    let set = try LabeledImages.read(url, part: .test, form: classifier.form)
      .ordered(as: classifier.classNames)
    let stem = url.lastPathComponent.prefix { $0 != "." }
    return (0..<min(first, set.count)).map { index in
      let name = "\(stem)-\(String(format: "%05d", index))"
      return AttackTask(
        source: name, output: (output as NSString).appendingPathComponent(name),
        label: set.labels[index]
      ) { set.image(index) }
    }
  }
}
