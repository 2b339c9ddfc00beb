// `segment propose`: annotations to correct in one's own tool, those first whose correction teaches
// most.

import AtelierDatasets
import AtelierEngine
import AtelierFiles
import AtelierImages
import AtelierWorkbench
import Foundation

/// Which pictures get proposals, by what, in which order.
public struct SegmentProposeRequest: JobRequest, Hashable {
  /// The order in which pictures are to be corrected.
  public enum Order: String, Sendable, Hashable, Codable, ChoiceValue {
    /// Those first of which the model is least sure.
    case uncertain
    /// As their names go.
    case name
    /// As a seed shuffles them, to compare with.
    case random
  }

  /// The tools whose form proposals can have.
  public enum Format: String, Sendable, Hashable, Codable, ChoiceValue {
    case labelme
    case yolo
    case coco

    fileprivate var output: SegmentationOutput {
      switch self {
      case .labelme: .labelme
      case .yolo: .yolo
      case .coco: .coco
      }
    }
  }

  public var inputs: [String] = []
  public var output = ""
  public var model = ""
  public var format = Format.labelme
  public var order = Order.uncertain
  public var count: Int?
  public var done: [String] = []
  public var threshold: Float?
  public var tile = Segmenter.Options().tileSize
  public var seed: UInt64 = 1

  public init() {}

  public static var form: Form<Self> {
    Form(
      Self(),
      fields: [
        .inputs(\.inputs),
        Field("output", \.output, "The folder of the proposals", value: "out", kind: .output)
          .letter("o").demanded,
        Field("model", \.model, SegmentationModel.help, value: "model").demanded,
        Field(
          "format", \.format, "The tool that corrects them: labelme, yolo or coco", value: "tool"),
        Field(
          "order", \.order,
          "Which come first: uncertain (of which the model is least sure), name or random",
          value: "order"),
        Field("count", \.count, "Only so many pictures", value: "n", .from(1)).byDefault("all"),
        Field(
          list: "done", \.done,
          "Leave out pictures whose names are in this folder: what is corrected already",
          value: "dir", kind: .folder),
        Field(
          "threshold", \.threshold, "The least score of an object that is proposed",
          value: "share", .share
        ).byDefault("what the model says"),
        Field(
          "tile", \.tile, "The side of the tiles; less needs less memory", value: "pixels",
          .from(16, to: 8192)),
        Field("seed", \.seed, "The seed of a random order", value: "n"),
      ])
  }

  /// How pictures are segmented.
  fileprivate var options: SegmentationModel.Options {
    var options = SegmentationModel.Options()
    options.semantic.tileSize = tile
    options.threshold = threshold
    return options
  }
}

/// Proposes annotations.
public enum SegmentPropose: Job {
  public static let workshop = "segment"
  public static let name = "propose"
  public static let summary = "Propose annotations to correct, those first that teach most."
  public static let guide = """
    Writes each picture with what the model finds in it, as a file of your annotation tool, \
    numbered in the order in which corrections teach most: 001-NAME.png and 001-NAME.json. \
    Open the folder, correct, and train on with the folder itself. Pages of a stack, and for \
    labelme pictures of more than 8 bits, are copied as PNG of 8 bits. order.csv tells of each \
    picture how unsure the model is: the entropy of the scores, and how far picture and mirrored \
    picture are seen differently.

    THE LOOP
      atelier segment train-stars --data first20/ --run r1 --minutes 20
      atelier segment propose pool/ --model r1/best.safetensors --done first20 \\
        --count 10 -o round2
      (correct the files of round2, copy them to first20, and go on from r1)
      atelier segment train-stars --data first20/ --run r2 --minutes 20 \\
        --start-from r1/best.safetensors

    EXAMPLES
      atelier segment propose pool/ --model objects-nuclei -o proposals
      atelier segment propose pool/ --model m.safetensors --format yolo -o yolo \\
        --count 50
    """

  /// A picture, or a page of one, that waits for its correction.
  private struct Candidate {
    let file: (name: String, url: URL)
    /// The page's place among those of the file, and what follows the file's name in its name.
    let page: Int
    let suffix: String
    let uncertainty: Uncertainty
  }

  /// One picture of the report.
  private struct Proposed: Encodable {
    let rank: Int
    let file: String
    let name: String
    let uncertainty: Double
    let entropy: Double
    let disagreement: Double
    let objects: Int
  }

  /// All of a call.
  private struct Value: Encodable {
    let model: String
    let pool: Int
    let leftOut: Int
    let proposals: [Proposed]
    let failures: [InputFailure]

    enum CodingKeys: String, CodingKey {
      case model, pool, proposals, failures
      case leftOut = "left_out"
    }
  }

  public static func run(_ request: SegmentProposeRequest, in place: JobPlace) throws -> Report {
    var failures: [InputFailure] = []
    let all = PictureJob.pictures(request.inputs, &failures)
    let done = try names(in: request.done)
    let pool = all.filter { !done.contains(stem($0.name)) }
    guard !pool.isEmpty else {
      throw failures.first.map { StudioError(.missingInput, $0.error) }
        ?? StudioError(.missingInput, "all \(all.count) pictures are corrected already")
    }
    try expectEmpty(request.output)
    let model = try SegmentationModel(named: request.model, in: place)
    if all.count > pool.count {
      place.remark("\(all.count - pool.count) of \(all.count) pictures are corrected already")
    }
    let candidates = try PictureJob.run(
      pool, name: \.url.relativePath, in: place, failures: &failures
    ) { file, _ in
      var pages: [Candidate] = []
      var number = 0
      try SegmentedPage.visit(file.url.path, in: place) { page in
        defer { number += 1 }
        guard !done.contains(stem(file.name) + page.suffix) else { return }
        let picture = page.picture(isStretched: model.stretchesContrast)
        pages.append(
          Candidate(
            file: file, page: number, suffix: page.suffix,
            uncertainty: try model.uncertainty(of: picture, request.options)))
      }
      return pages
    }.flatMap(\.self)
    guard !candidates.isEmpty || !failures.isEmpty else {
      throw StudioError(.missingInput, "all \(all.count) pictures are corrected already")
    }
    let chosen = ordered(candidates, request).prefix(request.count ?? .max)
    var writer = try SegmentationWriter(
      folder: URL(fileURLWithPath: request.output), palette: model.palette,
      outputs: [request.format.output], form: .polygons)
    let digits = max(3, String(chosen.count).count)
    let proposals = try PictureJob.run(
      Array(chosen.enumerated()), name: \.element.file.url.relativePath, in: place,
      failures: &failures
    ) { item, counter in
      let number = String(item.offset + 1)
      let rank = String(repeating: "0", count: digits - number.count) + number
      let proposed = try propose(
        item.element, "\(rank)-", item.offset + 1, model, request, &writer, place)
      place.note("\(counter) \(proposed.file): \(proposed.objects) objects")
      return proposed
    }
    // Pages count as pictures.
    let total = max(pool.count, candidates.count)
    return try report(
      proposals, leftOut: all.count - pool.count, pool: total, failures, request, writer, place)
  }

  /// Writes the picture and its proposal.
  private static func propose(
    _ candidate: Candidate, _ prefix: String, _ rank: Int, _ model: SegmentationModel,
    _ request: SegmentProposeRequest, _ writer: inout SegmentationWriter, _ place: JobPlace
  ) throws -> Proposed {
    let url = candidate.file.url
    guard let page = try SegmentedPage.read(url.path, candidate.page, in: place) else {
      throw StudioError(.data, "\(url.relativePath): page \(candidate.page + 1) is gone")
    }
    let picture = page.picture(isStretched: model.stretchesContrast)
    let outcome = try model.outcome(of: picture, request.options)
    // Folders of the pool become part of the name, so that all lie beside each other.
    let bare = prefix + stem(candidate.file.name) + candidate.suffix
    // labelme shows no more than 8 bits, and no tool a stack: these get a copy of what the model saw.
    let isCopied =
      candidate.suffix.isEmpty && (request.format != .labelme || page.isOpenedByTools)
    let ending = isCopied ? (candidate.file.name as NSString).pathExtension : "png"
    let name = ending.isEmpty ? bare : "\(bare).\(ending)"
    _ = try PictureJob.writing((request.output as NSString).appendingPathComponent(name)) {
      let file = URL(fileURLWithPath: request.output).appendingPathComponent(name)
      if isCopied {
        try AtomicFile.write(Data(contentsOf: url, options: .mappedIfSafe), to: file)
      } else {
        try ImageFile.write(picture, to: file)
      }
      return try writer.add(outcome, picture: picture, name: bare, fileName: name)
    }
    let unsure = candidate.uncertainty
    return Proposed(
      rank: rank, file: name, name: candidate.file.name + candidate.suffix,
      uncertainty: unsure.value,
      entropy: unsure.entropy, disagreement: unsure.disagreement, objects: outcome.objects.count)
  }

  /// The pictures in the order asked for; of equally unsure ones by their names.
  private static func ordered(
    _ candidates: [Candidate], _ request: SegmentProposeRequest
  ) -> [Candidate] {
    switch request.order {
    case .name: return candidates
    case .random:
      var generator = RandomGenerator(seed: request.seed, 0x7072_6F70)
      return candidates.shuffled(using: &generator)
    case .uncertain:
      return candidates.enumerated().sorted {
        (-$0.element.uncertainty.value, $0.offset) < (-$1.element.uncertainty.value, $1.offset)
      }.map(\.element)
    }
  }

  /// Writes the files of the call and tells what was proposed.
  private static func report(
    _ proposals: [Proposed], leftOut: Int, pool: Int, _ failures: [InputFailure],
    _ request: SegmentProposeRequest, _ writer: SegmentationWriter, _ place: JobPlace
  ) throws -> Report {
    let header = "rank,name,uncertainty,entropy,disagreement,objects\n"
    let lines = proposals.map {
      let name =
        $0.name.contains(",") || $0.name.contains("\"")
        ? "\"" + $0.name.replacingOccurrences(of: "\"", with: "\"\"") + "\"" : $0.name
      let figures = [$0.uncertainty, $0.entropy, $0.disagreement].map { NumberText.fixed($0, 4) }
      return "\($0.rank),\(name),\(figures.joined(separator: ",")),\($0.objects)\n"
    }
    let table = URL(fileURLWithPath: request.output).appendingPathComponent("order.csv")
    try AtomicFile.write(Data((header + lines.joined()).utf8), to: table)
    let files = try writer.finish().map(\.relativePath) + [table.relativePath]
    var report = Report(
      value: Value(
        model: request.model, pool: pool, leftOut: leftOut, proposals: proposals,
        failures: failures))
    report.files = files
    report.failures = failures
    report.say(
      "\(proposals.count) of \(pool) pictures with "
        + "\(proposals.reduce(0) { $0 + $1.objects }) proposed objects in \(request.output), "
        + "in the order of order.csv")
    return report
  }

  /// The names, without number and ending, of what is in folders of corrected pictures.
  private static func names(in folders: [String]) throws -> Set<String> {
    var names: Set<String> = []
    for folder in folders {
      try StudioFiles.expectPresent([folder])
      let list = try ImageFolder.list(URL(fileURLWithPath: folder))
      for (name, _) in list {
        let plain = stem(name)
        names.insert(plain)
        // What an earlier call numbered.
        let digits = plain.prefix { $0.isNumber }
        if digits.count >= 3, plain.dropFirst(digits.count).first == "-" {
          names.insert(String(plain.dropFirst(digits.count + 1)))
        }
      }
    }
    return names
  }

  /// A picture's name in the pool as its proposal is called, without ending.
  private static func stem(_ name: String) -> String {
    ((name as NSString).deletingPathExtension).replacingOccurrences(of: "/", with: "-")
  }

  /// Proposals beside older ones would be taken for corrected.
  private static func expectEmpty(_ folder: String) throws(StudioError) {
    AtomicFile.removeAbandoned(in: URL(fileURLWithPath: folder))
    let found = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
    guard found.isEmpty else {
      throw StudioError(
        .cannotCreate,
        "\(folder): expected a new or an empty folder; it holds \(found.count) files already, "
          + "which may be corrected ones")
    }
  }
}
