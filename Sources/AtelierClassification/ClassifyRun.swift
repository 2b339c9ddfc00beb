// `classify run`: pictures in, their likeliest classes out.

import AtelierDatasets
import AtelierImages
import AtelierInterchange
import AtelierWorkbench
import Foundation

/// Which pictures are classified, and by what.
public struct ClassifyRunRequest: JobRequest, Hashable {
  public var inputs: [String] = []
  public var top = 5
  public var model: [String] = []

  public init() {}

  public static var form: Form<Self> {
    Form(
      Self(),
      fields: [
        .inputs(\.inputs),
        Field("top", \.top, "How many classes to print", value: "k", .from(1)),
        .classifiers(\.model),
      ])
  }
}

extension Field {
  /// The model files of a classifier.
  static func classifiers(_ path: FieldPath<Request, [String]>) -> Self {
    Self(
      list: "model", path, "The model file; of several the probabilities are averaged",
      value: "file", kind: .file(["safetensors"])
    ).demanded
  }
}

extension Classifier {
  /// Reads model files.
  convenience init(files: [String], in place: JobPlace) throws {
    try self.init(
      files.map { try ModelFile.read(from: ShippedModels.file(of: $0)) }, kernels: place.kernels)
  }

  /// The form that pictures of class folders need for these models.
  public var form: PictureForm {
    PictureForm(width: size.width, height: size.height, mode: channels == 1 ? .gray : .color)
  }
}

/// Classifies pictures.
public enum ClassifyRun: Job {
  public static let workshop = "classify"
  public static let name = "run"
  public static let summary = "Print the likeliest classes of pictures (the default)."
  public static let guide = """
    Any size, gray or colour, PNG, JPEG, TIFF or WebP, files or folders: a picture is cut at its middle to \
    the model's proportions and resized. Several models are an ensemble.

    EXAMPLES
      atelier classify photo.png --model m.safetensors
      atelier classify photos/ --model a.safetensors b.safetensors --top 3 --json
    """

  /// One picture.
  private struct Classified: Codable {
    let file: String
    let classes: [Prediction]
  }

  /// All of a call.
  private struct Value: Encodable {
    let files: [Classified]
    let failures: [InputFailure]
  }

  public static let runsOnAllRanks = true

  public static func run(_ request: ClassifyRunRequest, in place: JobPlace) throws -> Report {
    let classifier = try Classifier(files: request.model, in: place)
    var failures: [InputFailure] = []
    let files = PictureJob.pictures(request.inputs, &failures)
    let results = try PictureJob.share(
      files, name: \.url.relativePath, in: place, failures: &failures
    ) { file, _ in
      let result = Classified(
        file: file.url.relativePath,
        classes: try classifier.classify(
          try PictureJob.read(file.url.path, in: place), top: request.top))
      let classes = result.classes.map(\.text).joined(separator: ", ")
      place.result("\(result.file)  \(classes)")
      return result
    }
    var report = Report(value: Value(files: results, failures: failures))
    report.failures = failures
    return report
  }
}
