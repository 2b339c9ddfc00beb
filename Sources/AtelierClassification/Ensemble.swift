// Ensembles in one command: members on subsets, with other seeds or of other architectures, and what
// averaging them gains.

import AtelierDatasets
import AtelierEngine
import AtelierFiles
import AtelierInterchange
import AtelierTraining
import AtelierWorkbench
import AtelierZoo
import Foundation

/// How many classifiers are trained together, and in what they differ; its entries stand in the
/// training's request as one.
public struct EnsembleForm: Sendable, Hashable, Codable {
  /// What a member's own request says.
  struct Member: Sendable, Hashable, Codable {
    /// The seed that holds pictures out, the same for all members.
    var split: UInt64
    /// The seed that draws the member's own pictures; nil takes all.
    var bag: UInt64?
  }

  /// Members; 1 for a single classifier.
  public var members = 1
  /// Whether each learns from pictures drawn for it with repetition (Breiman 1996).
  public var bagging = false
  /// Networks that members take in turn; empty for the training's one.
  public var networks: [ClassifierNetwork] = []
  /// What they are measured on; nil for the pictures that are held out.
  public var test: String?
  /// What a member is; nil for what is none.
  var member: Member?

  public init() {}

  static let fields: [Field<Self>] = [
    Field(
      "ensemble", \.members, "Train so many classifiers and average what they say", value: "n",
      .from(1, to: 100)),
    Field(
      flag: "bagging", \.bagging,
      "Draw each member's pictures with repetition, as many as there are"),
    Field(
      commas: "networks", \.networks, "The networks that members take in turn, with commas",
      value: "list"),
    Field(
      "test", \.test, "The set that members and ensemble are measured on", value: "dir",
      kind: .source
    ).byDefault("the pictures held out"),
  ]

  /// Refuses what is for ensembles alone where there is none.
  static func check(_ words: FieldWords) throws {
    guard words["ensemble"] == nil else {
      guard words["from"] == nil else {
        throw FieldError("--ensemble trains networks from scratch; leave out --from")
      }
      return
    }
    for name in ["bagging", "networks", "test"] where words[name] != nil {
      throw FieldError("--\(name) is for --ensemble")
    }
  }
}

extension LabeledImages {
  /// As many pictures as there are, drawn with repetition: the bootstrap.
  func drawn(seed: UInt64) throws(DatasetError) -> LabeledImages {
    var generator = RandomGenerator(seed: seed, 0xBA66)
    let places = (0..<count).map { _ in Int(generator.next() % UInt64(count)) }
    return try selecting(places, suffix: ", drawn with repetition")
  }
}

extension ClassificationTrainingRequest {
  /// What a member is told.
  func member(_ index: Int) -> Self {
    var request = self
    request.ensemble = EnsembleForm()
    request.recipe.seed = recipe.seed &+ UInt64(index)
    request.ensemble.member = EnsembleForm.Member(
      split: recipe.seed, bag: ensemble.bagging ? request.recipe.seed : nil)
    if !ensemble.networks.isEmpty {
      request.network = ensemble.networks[index % ensemble.networks.count]
    }
    return request
  }
}

/// What an ensemble's training found; encodes to the JSON that `--json` prints.
public struct EnsembleReport: Sendable, Hashable, Codable {
  /// One member.
  public struct Member: Sendable, Hashable, Codable {
    public var model: String
    public var network: String
    public var accuracy: Double
  }

  public var members: [Member]
  /// The mean of the members' accuracies.
  public var mean: Double
  /// The accuracy of the mean of their probabilities.
  public var ensemble: Double
  public var `protocol`: String

  /// What averaging gains over a member, as a share of the pictures.
  public var gain: Double { ensemble - mean }
}

/// Trains the members of an ensemble one after the other, each in a run folder below the ensemble's.
enum ClassifyEnsemble: Job {
  static let workshop = "classify"
  static let name = "ensemble"
  static let summary = "Train several classifiers and print what averaging them gains."
  static let trains = true

  static func request(
    _ words: FieldWords, in run: RunPlace
  ) throws -> ClassificationTrainingRequest {
    try ClassificationTrainingRequest.trainingRequest(words, in: run, job: path)
  }

  static func run(_ request: ClassificationTrainingRequest, in place: JobPlace) throws -> Report {
    guard let run = place.run else { throw StudioError(.usage, "a training needs a run folder") }
    let images = try measured(request)
    _ = try request.folder(
      at: run.url, isResuming: run.resume,
      about: AboutRun(job: path, arguments: place.arguments))
    var files: [String] = []
    for index in 0..<request.ensemble.members {
      let member = request.member(index)
      place.remark(
        "member \(index + 1) of \(request.ensemble.members), \(member.network.rawValue):")
      var own = RunPlace()
      own.run = (run.run as NSString).appendingPathComponent("member-\(index + 1)")
      own.resume = FileManager.default.fileExists(
        atPath: (own.run as NSString).appendingPathComponent("configuration.json"))
      let stop = try ClassificationTraining.run(
        member, in: own.url, isResuming: own.resume, listeners: [place.listener],
        interrupt: place.interrupt, kernels: place.kernels, arguments: [:], remark: place.remark)
      guard stop.reason != .interrupted else {
        var report = Report()
        report.continuation = [
          "saved at step \(stop.step) of member \(index + 1); this goes on with it:",
          "  atelier \(ClassificationTraining.path) --run \(ShellWord.quoted(run.run)) --resume",
        ]
        return report
      }
      let names = ["best.safetensors", "last.safetensors"].map {
        (own.run as NSString).appendingPathComponent($0)
      }
      guard let file = names.first(where: FileManager.default.fileExists(atPath:)) else {
        throw StudioError(.data, "\(own.run): the training of member \(index + 1) gave no model")
      }
      files.append(file)
    }
    return try report(files, on: images, place)
  }

  /// What members and ensemble are measured on.
  private static func measured(_ request: ClassificationTrainingRequest) throws -> LabeledImages {
    if let path = request.ensemble.test {
      return try LabeledImages.read(URL(fileURLWithPath: path), part: .test, form: request.form)
    }
    guard let held = try ClassificationParts.sets(request, request.form).validation else {
      throw StudioError(
        .usage, "an ensemble is measured on pictures held out, or on those of --test")
    }
    return held
  }

  private static func report(
    _ files: [String], on images: LabeledImages, _ place: JobPlace
  ) throws -> Report {
    let models = try files.map { try ModelFile.read(from: URL(fileURLWithPath: $0)) }
    var found = EnsembleReport(members: [], mean: 0, ensemble: 0, protocol: "")
    var table = Table(["member", "network", "accuracy", "model"], leftColumns: 2)
    func percent(_ share: Double) -> String { NumberText.fixed(100 * share, 2) + " %" }
    for (index, model) in models.enumerated() {
      let classifier = try Classifier([model], kernels: place.kernels)
      let accuracy = try ClassificationEvaluation.run(classifier, on: images).accuracy
      found.members.append(
        .init(model: files[index], network: model.information.architecture, accuracy: accuracy))
      table.append([
        "\(index + 1)", model.information.architecture, percent(accuracy), files[index],
      ])
    }
    let whole = try ClassificationEvaluation.run(
      Classifier(models, kernels: place.kernels), on: images)
    found.mean = found.members.reduce(0) { $0 + $1.accuracy } / Double(models.count)
    found.ensemble = whole.accuracy
    found.protocol = whole.protocol
    table.append(["mean", "", percent(found.mean), ""])
    table.append(["ensemble", "", percent(found.ensemble), ""])
    var report = Report(value: found)
    report.say(table)
    let points = NumberText.fixed(100 * found.gain, 2)
    report.say(
      "averaging gains \(points) points over the mean of its members: errors "
        + "\(percent(1 - found.mean)) -> \(percent(1 - found.ensemble))")
    report.say("protocol: \(found.protocol)")
    report.files = files
    return report
  }
}
