// `denoise compare`: the autoencoder once per unpooling, one protocol, a table, a picture.

import AtelierInterchange
import AtelierTraining
import AtelierZoo
import Foundation

/// Which unpoolings are compared, and by what training.
public struct DenoiseCompareRequest: JobRequest, Hashable {
  public var unpoolings = Unpooling.allCases
  public var output = "out/unpooling"
  public var training = DenoisingTrainingRequest()

  public init() {}

  public static var form: Form<Self> {
    Form(
      Self(),
      fields: [
        .unpoolings(
          \.unpoolings, "all, or names with commas: max, nearest, nails, transposed"),
        Field(
          "output", \.output, "The folder of unpooling.png and unpooling.json", value: "folder",
          kind: .output
        ).letter("o"),
      ]
    ).section(
      "TRAINING OPTIONS", DenoisingTrainingRequest.trainingFields.map { $0.within(\.training) })
  }

  public static func check(_ words: FieldWords) throws {
    try DenoisingTrainingRequest.check(words)
  }

  public mutating func complete(with words: FieldWords) throws {
    // Here the word names those to compare.
    try training.complete(with: words.filter { $0.key != "unpool" })
    try training.expectLimit()
  }
}

/// Compares unpoolings.
public enum DenoiseCompare: Job {
  public static let workshop = "denoise"
  public static let name = "compare"
  public static let summary =
    "Train the autoencoder once per unpooling under one protocol, and print the table."
  public static let guide = """
    max goes through the switches of the mirror pool, nearest repeats each value, nails puts it \
    in the top left among zeros, transposed learns to enlarge. All have the same number of \
    parameters, data, noise and steps.

    EXAMPLES
      atelier denoise compare --unpool all --data photos --steps 2000 -o out
      atelier denoise compare --unpool max,nails --scenes 18 --minutes 5 --json
    """
  public static let takesPrecision = false

  public static func run(_ request: DenoiseCompareRequest, in place: JobPlace) throws -> Report {
    let (found, grid) = try UnpoolingComparison.run(
      request.training, unpoolings: request.unpoolings, kernels: place.kernels
    ) { unpooling in
      place.remark("unpooling \(unpooling.rawValue):")
      return place.listener
    }
    let picture = (request.output as NSString).appendingPathComponent("unpooling.png")
    let values = (request.output as NSString).appendingPathComponent("unpooling.json")
    try PictureJob.write(grid, to: picture, place: place)
    try PictureJob.writing(values) {
      try AtomicFile.write(JSONText.data(found) + [0x0A], to: URL(fileURLWithPath: values))
    }
    place.send(.saved(values))
    var report = Report(value: found)
    report.files = [picture, values]
    var table = Table(["unpooling", "parameters", "PSNR dB", "SSIM", "loss", "seconds"])
    for row in found.rows {
      table.append([
        row.unpooling.rawValue, "\(row.parameters)", NumberText.fixed(row.psnr, 2),
        NumberText.fixed(row.ssim, 4), NumberText.fixed(row.loss, 5),
        NumberText.fixed(row.seconds, 1),
      ])
    }
    report.say(table)
    report.say("protocol: \(found.protocol)")
    report.say("pictures: \(picture)")
    return report
  }
}
