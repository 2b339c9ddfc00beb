// `attack run`: pictures in, pictures out that a classifier takes for something else.

import AtelierClassification
import AtelierDatasets
import AtelierFiles
import AtelierImages
import AtelierInterchange
import AtelierWorkbench
import Foundation

/// Which pictures are attacked, by what and against whom.
public struct AttackRunRequest: JobRequest, Hashable {
  public var inputs: [String] = []
  public var model = ""
  public var victim = ""
  public var output = ""
  public var epsilon: Float?
  public var first = 16

  public init() {}

  public static var form: Form<Self> {
    Form(
      Self(),
      fields: [
        .inputs(\.inputs, "Pictures, folders of them, or sets"),
        .model(\.model, "The model file of the generator"), Field.victim(\.victim).demanded,
        .output(\.output, "The folder for the results", value: "dir"),
        .radii(
          "epsilon", "Another limit, which scales the noise",
          get: { $0.epsilon.map { [$0] } ?? [] }, set: { $0.epsilon = $1[0] }
        ).byDefault("the generator's"),
        Field("first", \.first, "Pictures to take of each IDX or CIFAR set", value: "n", .from(1)),
      ])
  }
}

/// Attacks pictures with a trained generator.
public enum AttackRun: Job {
  public static let workshop = "attack"
  public static let name = "run"
  public static let summary =
    "Write pictures with noise that makes a classifier fail (the default)."
  public static let guide = """
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
    """

  /// One picture.
  private struct Attacked: Encodable {
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

  /// All of a call.
  private struct Value: Encodable {
    let `protocol`: String
    let counted: Int
    let fooled: Int
    let files: [Attacked]
    let failures: [InputFailure]
  }

  public static func run(_ request: AttackRunRequest, in place: JobPlace) throws -> Report {
    let classifier = try Classifier(
      [ModelFile.read(from: ShippedModels.file(of: request.victim))], kernels: place.kernels)
    let attack = try PictureAttack(
      NoiseAttacker(
        ModelFile.read(from: ShippedModels.file(of: request.model)), kernels: place.kernels),
      victim: classifier, radius: request.epsilon)
    var failures: [InputFailure] = []
    let tasks = try AttackTask.list(request, classifier, &failures)
    let files = try PictureJob.run(
      tasks, name: \.source, in: place, failures: &failures
    ) { task, _ in
      let row = try attacked(task, by: attack, place)
      let verdict = row.success.map { $0 ? "fooled" : "not fooled" } ?? "does not count"
      place.note(
        "\(task.source)  \(row.before.text) -> \(row.after.text)  \(verdict)  "
          + "\(row.largestSteps) steps  \(row.output)")
      return row
    }
    let counted = files.count { $0.success != nil }
    let fooled = files.count { $0.success == true }
    var report = Report(
      value: Value(
        protocol: attack.definition, counted: counted, fooled: fooled, files: files,
        failures: failures))
    if !files.isEmpty {
      report.say("fooled \(fooled) of \(counted) that count")
      report.say("protocol: \(attack.definition)")
    }
    report.files = files.map(\.output)
    report.failures = failures
    return report
  }

  /// Attacks a picture, writes the results and judges the file.
  private static func attacked(
    _ task: AttackTask, by attack: PictureAttack, _ place: JobPlace
  ) throws -> Attacked {
    let (clean, attacked) = try attack.attack(task.picture())
    let files = task.files
    try PictureJob.write(attacked, to: files[0], place: place)
    let result = try attack.judge(
      ImageFile.read(files[0]).withChannels(clean.channels), clean: clean, label: task.label)
    let title = (task.source as NSString).lastPathComponent
    let further = [result.noisePicture, result.heatPicture, result.sheet(title: title)]
    for (file, picture) in zip(files.dropFirst(), further) {
      try PictureJob.write(picture, to: file, place: place)
    }
    return Attacked(
      file: task.source, output: files[0], label: task.label.map { attack.victim.classNames[$0] },
      before: result.before[0], after: result.after[0], success: result.isFooled,
      largestSteps: result.largestSteps, l2: result.length, psnr: result.psnr)
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

  /// The attacked picture, the noise, the heat and the sheet.
  var files: [String] { ["", "-noise", "-heat", "-sheet"].map { output + $0 + ".png" } }

  /// Expands inputs; what is not there becomes a failure; throws `StudioError` when a result would
  /// overwrite an input or another result.
  static func list(
    _ request: AttackRunRequest, _ classifier: Classifier, _ failures: inout [InputFailure]
  ) throws -> [AttackTask] {
    var tasks: [AttackTask] = []
    for input in request.inputs {
      let url = URL(fileURLWithPath: input)
      guard LabeledImages.isSet(url) else {
        tasks += PictureJob.pictures([input], &failures).map { file in
          let folder = file.url.deletingLastPathComponent().lastPathComponent
          return AttackTask(
            source: file.url.relativePath, stem: (file.name as NSString).deletingPathExtension,
            in: request, label: classifier.classNames.firstIndex(of: folder)
          ) { try PictureJob.read(file.url.path) }
        }
        continue
      }
      do {
        tasks += try pictures(ofSet: url, request, classifier)
      } catch {
        failures.append(InputFailure(file: input, error))
      }
    }
    try PicturePlan.refuseCollisions(tasks.map { ($0.source, $0.files) })
    return tasks
  }

  private init(
    source: String, stem: String, in request: AttackRunRequest, label: Int?,
    picture: @escaping () throws -> ByteImage
  ) {
    self.source = source
    self.label = label
    self.picture = picture
    output = (request.output as NSString).appendingPathComponent(stem)
  }

  private static func pictures(
    ofSet url: URL, _ request: AttackRunRequest, _ classifier: Classifier
  ) throws -> [AttackTask] {
    let set = try LabeledImages.read(url, part: .test, form: classifier.form)
      .ordered(as: classifier.classNames)
    let stem = url.lastPathComponent.prefix { $0 != "." }
    return (0..<min(request.first, set.count)).map { index in
      let name = "\(stem)-\(String(format: "%05d", index))"
      return AttackTask(source: name, stem: name, in: request, label: set.labels[index]) {
        set.image(index)
      }
    }
  }
}

/// The workshop of adversarial noise.
public enum AttackWorkshop: Workshop {
  public static let name = "attack"
  public static let summary =
    "Fool classifiers with drawn noise; train generators, harden, measure."
  public static let guide = """
    EXAMPLES
      atelier attack train --victim m.safetensors --data fashion-mnist --run noise
      atelier attack evaluate --victim m.safetensors --data fashion-mnist \\
        --generator noise/last.safetensors --attacks random,fgsm,pgd-20
      atelier attack shirt.png --model noise/last.safetensors \\
        --victim m.safetensors -o out
    """
  public static let jobs: [any Job.Type] = [
    AttackRun.self, NoiseTraining.self, AttackEvaluate.self,
  ]
}
