// Where faces are, as a part of the requests that look for them.

import AtelierVision
import AtelierWorkbench
import Foundation

/// Where faces come from and how they are laid into crops.
public struct FaceSource: Sendable, Hashable, Codable {
  /// What crops are laid by.
  public enum Alignment: String, ChoiceValue {
    /// By five points, where the detector tells them, else by the eyes.
    case points
    /// By the eyes, where they are found.
    case eyes
    /// By the boxes alone.
    case box
  }

  /// A CSV file of boxes; nil searches faces.
  public var boxes: String?
  /// The folder of OpenCV's cascade files; nil for the environment's or the system's.
  public var cascades: String?
  /// The .onnx file of a face detector; nil for the one beside the models, or cascades.
  public var detector: String?
  /// What is asked of a face.
  public var options = FaceLocator.Options()

  /// Faces that are searched, all of them.
  public init() {}

  /// What crops are laid by.
  public var alignment: Alignment {
    get { !options.usesEyes ? .box : options.usesPoints ? .points : .eyes }
    set {
      options.usesEyes = newValue != .box
      options.usesPoints = newValue == .points
    }
  }

  /// A locator, for crops of `size` pixels, of faces that are searched or come from boxes; throws
  /// `StudioError` when the boxes cannot be read or the cascades are missing.
  func locator(size: Int, in place: JobPlace) throws -> FaceLocator {
    guard let boxes else { return locator(.search(try finder(place)), size: size) }
    let table = try BoxTable(contentsOf: URL(fileURLWithPath: boxes))
    var finder: (any FaceDetector)?
    if options.usesEyes {
      do { finder = try self.finder(place) } catch {
        guard cascades == nil && detector == nil else { throw error }
        place.remark("crops are laid by the boxes alone: \(ErrorLine.text(error))")
      }
    }
    return locator(.boxes(table, finder), size: size)
  }

  /// What looks for faces: the network that was named, or lies beside the models, or cascades.
  private func finder(_ place: JobPlace) throws -> any FaceDetector {
    if let detector {
      return try FaceNetwork(contentsOf: ShippedModels.file(of: detector, extension: "onnx"))
    }
    if cascades == nil,
      let file = ShippedModels.shipped("\(Self.detectorName).onnx")
    {
      place.remark("faces are looked for by \(file.path)")
      return try FaceNetwork(contentsOf: file)
    }
    return try FaceFinder(library: CascadeLibrary(folder: cascades))
  }

  /// The name under which a detector beside the models is taken by itself.
  static let detectorName = "face-detector"

  /// What to change, where no face was found: the limits that were set, by the option's name.
  package var advice: String {
    if let boxes {
      return "see whether \(boxes) names these pictures as they are called, and lower --smallest"
    }
    var steps: [String] = []
    if options.leastConfidence > 0 {
      steps.append("lower --min-confidence (now \(options.leastConfidence))")
    }
    steps.append(
      options.smallest.map { "lower --smallest (now \($0) pixels)" }
        ?? "set --smallest (without it a tenth of the shorter side)")
    if detector == nil { steps.append("name a network with --detector") }
    steps.append("or tell where faces are with --boxes")
    return steps.joined(separator: ", ")
  }

  /// A locator of another origin that asks the same of faces.
  func locator(_ origin: FaceLocator.Origin, size: Int) -> FaceLocator {
    FaceLocator(origin, options: options, aligner: FaceAligner(size: size))
  }
}

extension Field where Request == FaceSource {
  /// The fields of the requests that look for faces.
  static let faces: [Self] = [
    Self(
      "boxes", \.boxes,
      "Take boxes from a CSV file with the columns file, x, y, size (or width, height), and maybe "
        + "folder and, for films, frame", value: "csv", kind: .file(["csv"])),
    Self(
      "detector", \.detector,
      "A network that finds faces, YuNet or UltraFace as an .onnx file", value: "onnx",
      kind: .file(["onnx"])
    ).byDefault("\(FaceSource.detectorName).onnx beside the models, else cascades"),
    Self("align", \.alignment, "Lay crops by five points, eyes or box", value: "what")
      .byDefault("points, else eyes, where they are found"),
    Self("cascades", \.cascades, "OpenCV's cascade files", value: "dir", kind: .folder)
      .byDefault("ATELIER_CASCADES or the system's"),
    Self(
      "smallest", \.options.smallest, "The smallest face's width", value: "pixels",
      .from(20, to: 100_000)
    ).byDefault("a tenth of the shorter side"),
    Self(
      "faces", \.options.mostFaces, "The most faces of a picture", value: "n", .from(1, to: 10_000)
    ).byDefault("all"),
    Self(
      "min-confidence", \.options.leastConfidence, "The least confidence of the search, 0 to 1",
      value: "part", .share),
  ]
}

extension Form {
  /// The same form with the section of a request's faces.
  func faces(_ path: FieldPath<Request, FaceSource>) -> Self {
    section("FACE OPTIONS", Field.faces.map { $0.within(path) })
  }
}
