// `course rivals`: histograms of oriented gradients against a convolutional network on the same digits,
// in one table.

import AtelierClassification
import AtelierDatasets
import AtelierKernels
import AtelierTraining
import AtelierWorkbench
import AtelierZoo
import Foundation

/// Which set the rivals read, and how long each learns.
public struct RivalsRequest: JobRequest, Hashable {
  public var data = ""
  public var epochs = 5
  public var batch = 128
  public var seed: UInt64 = 1
  public var numbers = OrientedGradients()

  public init() {}

  public static var form: Form<Self> {
    Form([
      Field("data", \.data, "A set with a training and a test part", value: "dir", kind: .source)
        .demanded,
      Field("epochs", \.epochs, "How often each rival sees every picture", value: "n", .from(1)),
      Field("batch", \.batch, "Pictures a step", value: "n", .from(1)),
      Field(
        "orientations", \.numbers.orientations, "Directions of gradients over half a turn",
        value: "n", .from(1, to: 64)),
      Field(
        "cell", \.numbers.cell, "The side of a histogram's cell", value: "pixels",
        .from(1, to: 256)),
      Field(
        "block", \.numbers.block, "Cells along the side of a block", value: "n",
        .from(1, to: 256)),
      Field("seed", \.seed, "The seed of weights and orders", value: "seed"),
    ])
  }
}

/// What became of one rival; encodes to the JSON that `--json` prints.
public struct RivalRow: Sendable, Hashable, Codable {
  /// What it reads.
  public var features: String
  /// What reads it.
  public var network: String
  public var parameters: Int
  /// Seconds of training.
  public var seconds: Double
  public var accuracy: Double
  public var imagesPerSecond: Double

  enum CodingKeys: String, CodingKey {
    case features, network, parameters, seconds, accuracy
    case imagesPerSecond = "images_per_second"
  }
}

/// Trains the rivals and measures them on the test part.
public enum CourseRivals: Job {
  public static let workshop = "course"
  public static let name = "rivals"
  public static let summary =
    "Histograms of gradients against a convolutional network on one set, in one table."
  public static let guide = """
    A linear map and a network of one hidden layer read pixels, then histograms of oriented \
    gradients; the course's convolutional network reads pixels. All learn with one recipe, and \
    are measured once, at the end, on the test part.

    EXAMPLES
      atelier course rivals --data mnist
      atelier course rivals --data fashion-mnist --epochs 10 --json
    """

  /// The rivals in the order of the table.
  static let rivals: [(FeatureKind, ClassifierNetwork)] = [
    (.pixels, .linear), (.pixels, .shallow), (.hog, .linear), (.hog, .shallow),
    (.pixels, .course),
  ]

  public static func run(_ request: RivalsRequest, in place: JobPlace) throws -> Report {
    var rows: [RivalRow] = []
    var text = ""
    for (kind, network) in rivals {
      place.remark("\(kind.rawValue) into \(network.rawValue):")
      var training = ClassificationTrainingRequest(data: request.data, network: network)
      training.features.kind = kind
      training.features.numbers = request.numbers
      // Nothing is chosen by held-out pictures, so none are held out.
      training.holdOut = 0
      training.recipe.epochs = request.epochs
      training.recipe.batch = request.batch
      training.recipe.seed = request.seed
      let found = try ClassifierTrial.run(
        training, kernels: place.kernels, interrupt: place.interrupt, listener: place.listener)
      guard let report = found.report else { break }
      text = report.protocol
      rows.append(
        RivalRow(
          features: kind.rawValue, network: network.rawValue, parameters: found.parameters,
          seconds: found.seconds, accuracy: report.accuracy,
          imagesPerSecond: report.imagesPerSecond))
    }
    var report = Report(value: rows)
    var table = Table(
      ["features", "network", "parameters", "training s", "accuracy", "images/s"], leftColumns: 2)
    for row in rows {
      table.append([
        row.features, row.network, "\(row.parameters)", NumberText.fixed(row.seconds, 1),
        NumberText.fixed(100 * row.accuracy, 2) + " %", NumberText.fixed(row.imagesPerSecond, 0),
      ])
    }
    report.say(table)
    report.say(
      "protocol: \(request.epochs) epochs of batches of \(request.batch), Adam, one seed "
        + "(\(request.seed)); \(text)")
    return report
  }
  public static let heedsInterrupt = true
}
