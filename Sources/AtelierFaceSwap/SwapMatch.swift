// `swap match`: the codes of both people of a trained face swap brought together.

import AtelierInterchange
import AtelierWorkbench
import Foundation

/// Which model's codes are matched, and by which faces.
public struct SwapMatchRequest: JobRequest, Hashable {
  public var model = ""
  public var a: [String] = []
  public var b: [String] = []
  public var characters: Int?
  public var seed: UInt64 = 1
  public var output = ""

  public init() {}

  public static var form: Form<Self> {
    Form([
      .model(\.model), .crops("a", \.a, "Training crops of A"),
      .crops("b", \.b, "Training crops of B"),
      Field(
        "characters", \.characters, "Poses of the two fictional characters instead", value: "poses",
        .from(2, to: 100_000)),
      Field("seed", \.seed, "The seed of the poses", value: "seed"),
      .output(\.output, "The new model", value: "file"),
    ])
  }

  public static func check(_ words: FieldWords) throws { try SwapPeople.check(words) }
}

extension Field {
  /// Folders of crops of one person.
  static func crops(_ name: String, _ path: FieldPath<Request, [String]>, _ help: String) -> Self {
    Self(list: name, path, help, value: "dir", kind: .source)
  }
}

/// The people of a measurement or a matching: the fictional characters, or those of crops.
enum SwapPeople {
  /// Throws unless there are either characters or crops of both people.
  static func check(_ words: FieldWords) throws {
    let crops = ["a", "b"].filter { words[$0] != nil }
    guard (words["characters"] != nil) != !crops.isEmpty else {
      throw FieldError("expected either --characters or --a and --b")
    }
    guard crops.count != 1 else { throw FieldError("expected crops of both people: --a and --b") }
  }

  /// Paths as places.
  static func urls(_ paths: [String]) -> [URL] { paths.map { URL(fileURLWithPath: $0) } }
}

/// Matches the codes of a face swap.
public enum SwapMatch: Job {
  public static let workshop = "swap"
  public static let name = "match"
  public static let summary =
    "Match both people's codes after a training, so that poses carry over exactly."
  public static let guide = """
    The affine map between the distributions of both people's codes is computed from training \
    faces, no pairs needed, and becomes part of the model. It is right where both people take \
    the same poses about as often; measure with swap evaluate before and after. The more faces \
    the better: from two for each number of a code on (384 of each person for slim, 1,024 for \
    half, 2,048 for original) the codes themselves are assigned to each other, which finds \
    more than their mean and covariance tell.

    EXAMPLES
      atelier swap match --model mine.safetensors --a anna --b ben \\
        -o matched.safetensors
      atelier swap match --model drawn.safetensors --characters 5000 \\
        -o matched.safetensors
    """
  public static let takesPrecision = false

  public static func run(_ request: SwapMatchRequest, in place: JobPlace) throws -> Report {
    let trained = try FaceSwapModel(contentsOf: ShippedModels.file(of: request.model))
    let faces: CodeMatching.Faces =
      request.characters.map { .characters(poses: $0, seed: request.seed) }
      ?? .crops(a: SwapPeople.urls(request.a), b: SwapPeople.urls(request.b))
    let matched = try CodeMatching.run(trained, on: faces, kernels: place.kernels)
    try ModelFile.write(matched, to: URL(fileURLWithPath: request.output))
    place.send(.saved(request.output))
    let codes = matched.information.training["codes"] ?? ""
    var report = Report(value: ["model": request.output, "codes": codes])
    report.note("codes \(codes): \(request.output)")
    report.files = [request.output]
    return report
  }
}
