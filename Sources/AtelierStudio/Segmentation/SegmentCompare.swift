// `segment compare`: SegNet once per unpooling, one protocol, a table, a picture.

import AtelierInterchange
import AtelierKernels
import AtelierScenery
import AtelierZoo
import Foundation

/// Which unpoolings are compared, and in which training.
public struct SegmentCompareRequest: JobRequest, Hashable {
  public var unpool = Unpooling.allCases
  public var output = "out/unpooling"
  public var training = SegmentationTrainingRequest()

  public init() { training.network = .segnetBasic }

  public static var form: Form<Self> {
    Form(
      Self(),
      fields: [
        Field(
          choices: "unpool", \.unpool,
          "all, or names with commas: max, nearest, nails, transposed", value: "kinds"
        ).byDefault(nil),
        Field(
          "output", \.output, "The folder of unpooling.png and unpooling.json", value: "folder",
          kind: .output
        ).letter("o"),
      ]
    ).section(
      "TRAINING OPTIONS",
      SegmentationTrainingRequest.form.fields.filter { $0.name != "unpool" }.map { field in
        let network = Field(
          "network", \SegmentationTrainingRequest.network, "The network; see above", value: "name")
        return (field.name == "network" ? network : field).within(\.training)
      })
  }

  public mutating func prepare(for words: FieldWords) {
    training.prepare(for: words)
    training.network = .segnetBasic
  }

  public mutating func complete(with words: FieldWords) throws {
    try training.complete(with: words.filter { $0.key != "unpool" })
    try training.expectLimit()
  }
}

/// Compares unpoolings.
public enum SegmentCompare: Job {
  public static let workshop = "segment"
  public static let name = "compare"
  public static let summary =
    "Train SegNet once per unpooling under one protocol, and print the table."
  public static let guide = """
    max goes through the switches of the mirror pool, nearest repeats each value, nails puts it \
    in the top left among zeros, transposed learns to enlarge. All have the same number of \
    weights, data, crops and steps. Measured on the test part, else on the validation part, \
    with the weights of the last step.

    EXAMPLES
      atelier segment compare --unpool all --data camvid --width 16 --steps 2000 \\
        -o out
      atelier segment compare --unpool max,nails --data scenes --minutes 5 --json
    """
  public static let takesPrecision = false

  public static func run(_ request: SegmentCompareRequest, in place: JobPlace) throws -> Report {
    let (found, grid) = try SegmentationComparison.run(
      request.training, unpoolings: request.unpool, kernels: place.kernels
    ) { unpooling in
      place.remark("unpooling \(unpooling.rawValue):")
      return place.listener
    }
    let picture = (request.output as NSString).appendingPathComponent("unpooling.png")
    let file = (request.output as NSString).appendingPathComponent("unpooling.json")
    try PictureJob.write(grid, to: picture, place: place)
    try PictureJob.writing(file) {
      let text = try JSONText.pretty(found) + "\n"
      try AtomicFile.write(Data(text.utf8), to: URL(fileURLWithPath: file))
    }
    place.send(.saved(file))
    var report = Report(value: found)
    var table = Table([
      "unpooling", "parameters", "global %", "class %", "mIoU %", "loss", "seconds",
    ])
    for row in found.rows {
      table.append(
        [row.unpooling.rawValue, "\(row.parameters)"]
          + [row.globalAccuracy, row.classAccuracy, row.meanIoU].map {
            NumberText.fixed(100 * $0, 2)
          } + [NumberText.fixed(row.loss, 4), NumberText.fixed(row.seconds, 1)])
    }
    report.say(table)
    report.say("protocol: \(found.protocol)")
    report.say("pictures: \(picture)")
    report.files = [picture, file]
    return report
  }
}
