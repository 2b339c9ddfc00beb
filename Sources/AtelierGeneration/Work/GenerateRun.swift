// `generate run`: random numbers in, pictures out, one by one or as a table.

import AtelierClassification
import AtelierDatasets
import AtelierEngine
import AtelierFiles
import AtelierImages
import AtelierInterchange
import AtelierTraining
import AtelierWorkbench
import Foundation

/// Which pictures are drawn, and by what.
public struct GenerateRunRequest: JobRequest, Hashable {
  public var model = ""
  public var output = ""
  public var count = 64
  public var numbers: [Int] = []
  public var sum: LatentSum?
  public var className: String?
  public var isByClass = false
  public var columns = 8
  public var magnification = 1
  public var spread: Float = 1
  public var gibbsSteps = 1000
  public var showsFilters = false
  public var begin: String?
  public var seed: UInt64 = 1

  public init() {}

  public static var form: Form<Self> {
    Form(
      Self(),
      fields: [
        .generator(\.model),
        .output(\.output, "A picture file for a table, else a folder for single PNGs"),
        Field("count", \.count, "How many pictures", value: "n", .from(1, to: 100_000)),
        .numbers(\.numbers, "Only the pictures of these numbers, with commas"),
        Field(
          "sum", \.sum,
          "Add codes by the numbers of their pictures: 1,4,9-2,3+7 takes means between commas",
          value: "sum"),
        .className(\.className),
        Field(
          flag: "by-class", \.isByClass, "A row for each class, of the same numbers"),
        Field(
          "columns", \.columns, "Pictures in a row of the table", value: "n", .from(1, to: 100)),
        .magnification(\.magnification),
        .spread(\.spread), .seed(\.seed),
      ]
    ).section(
      "MACHINE OPTIONS",
      [
        Field(
          "gibbs", \.gibbsSteps, "Steps of Gibbs sampling from random states", value: "k",
          .from(1, to: 1_000_000)),
        Field(
          "begin", \.begin, "Begin at pictures of this set in place of random states", value: "dir",
          kind: .source
        ).byDefault(nil),
        Field(flag: "filters", \.showsFilters, "Draw what the lowest hidden units look for"),
      ])
  }

  public static func check(_ words: FieldWords) throws {
    for (name, others) in [
      ("sum", ["numbers", "count", "by-class"]), ("by-class", ["class", "numbers", "count"]),
      ("numbers", ["count"]),
    ] where words[name] != nil {
      for other in others where words[other] != nil {
        throw FieldError("--\(other) is not for --\(name), which says itself what is drawn")
      }
    }
  }
}

extension Field {
  /// The model file of a generator.
  static func generator(_ path: FieldPath<Request, String>) -> Self {
    Self(
      "model", path, "The model file, or the name of a shipped one", value: "file",
      kind: .file(["safetensors"])
    ).lenient.demanded
  }

  /// The numbers of pictures of a seed.
  static func numbers(_ path: FieldPath<Request, [Int]>, _ help: String) -> Self {
    Self(
      "numbers", help, value: "list", kind: .text,
      words: { [$0[keyPath: path].map(String.init).joined(separator: ",")].filter { !$0.isEmpty } },
      put: { request, words in
        let word = words.last ?? ""
        let numbers = word.split(separator: ",", omittingEmptySubsequences: false).map { Int($0) }
        let found = numbers.compactMap { $0 }
        guard found.count == numbers.count, found.allSatisfy({ (0...1_000_000).contains($0) })
        else {
          throw FieldError(
            "expected numbers from 0 with commas, such as 3,17,5; received '\(word)'")
        }
        request[keyPath: path] = found
      })
  }

  /// The class that pictures are asked for by.
  static func className(_ path: FieldPath<Request, String?>) -> Self {
    Self("class", path, "Draw only this class, its name or number", value: "name")
      .byDefault("all classes in turn, where the model has any")
  }

  /// How large pictures become in tables.
  static func magnification(_ path: FieldPath<Request, Int>) -> Self {
    Self("magnify", path, "Enlarge the pictures of a table so often", value: "n", .from(1, to: 32))
  }

  /// How far from the usual picture codes may be.
  static func spread(_ path: FieldPath<Request, Float>) -> Self {
    Self(
      "spread", path, "Multiply the random numbers: below 1 more usual, less varied pictures",
      value: "factor", .from(0, to: 10))
  }

  /// The seed of random numbers.
  static func seed(_ path: FieldPath<Request, UInt64>) -> Self {
    Self("seed", path, "The seed of the random numbers", value: "seed")
  }
}

extension PictureGenerator {
  /// Reads a model file or a shipped model.
  convenience init(file: String, in place: JobPlace) throws {
    try self.init(ModelFile.read(from: ShippedModels.file(of: file)), kernels: place.kernels)
  }

  /// The index of a class by its name or number; throws `StudioError` when there is none.
  func classIndex(_ word: String) throws -> Int {
    let names = classNames
    try StudioError.unless(
      !names.isEmpty, .usage, "--class is for models that learnt with --conditional")
    if let index = names.firstIndex(of: word) { return index }
    guard let index = Int(word), names.indices.contains(index) else {
      throw StudioError(
        .usage,
        "there is no class '\(word)'; there are "
          + names.prefix(12).joined(separator: ", ") + (names.count > 12 ? ", …" : ""))
    }
    return index
  }

  /// Pictures of numbers: of one class, or of all in turn where there are any.
  func draw(
    numbers: [Int], seed: UInt64, className: String?, spread: Float = 1
  ) throws -> (pictures: Tensor, classes: [Int]) {
    let only = try className.map { try classIndex($0) }
    let names = classNames
    let classes = names.isEmpty ? [] : numbers.map { only ?? $0 % names.count }
    return (try draw(codes(numbers, seed: seed).scaled(by: spread), classes: classes), classes)
  }
}

extension Tensor {
  /// Every element times a factor.
  func scaled(by factor: Float) -> Tensor {
    factor == 1 ? self : Tensor(shape, elements.map { $0 * factor })
  }
}

/// Draws pictures.
public enum GenerateRun: Job {
  public static let workshop = "generate"
  public static let name = "run"
  public static let summary = "Draw pictures (the default)."
  public static let guide = """
    Picture number n of a seed is always the same, so that numbers can be noted and drawn again, \
    added with --sum, or walked between with interpolate.

    EXAMPLES
      atelier generate --model m.safetensors -o grid.png --magnify 2
      atelier generate --model m.safetensors -o drawn/ --count 1000
      atelier generate --model m.safetensors -o classes.png --by-class
      atelier generate --model m.safetensors -o sum.png --sum 1,4,9-2,3+7
    """

  private struct Value: Encodable {
    let model: String
    let seed: UInt64
    let pictures: Int
    let files: [String]
  }

  public static func run(_ request: GenerateRunRequest, in place: JobPlace) throws -> Report {
    let model = try ModelFile.read(from: ShippedModels.file(of: request.model))
    if model.information.task == BoltzmannTraining.task {
      return try drawByMachine(request, BoltzmannModel(model), in: place)
    }
    try StudioError.unless(
      !request.showsFilters, .usage, "--filters is for Boltzmann machines (rbm)")
    let generator = try PictureGenerator(model, kernels: place.kernels)
    try StudioError.unless(
      !request.isByClass || !generator.classNames.isEmpty, .usage,
      "--by-class is for models that learnt with --conditional")
    let numbers = request.numbers.isEmpty ? Array(0..<request.count) : request.numbers
    var report = Report()
    if request.sum != nil || request.isByClass || isPicture(request.output) {
      let grid = try grid(request, generator, numbers)
      try PictureJob.write(grid.render(), to: request.output, place: place)
      report.files = [request.output]
      report.note("\(request.output): \(grid.rows.reduce(0) { $0 + $1.count }) pictures")
    } else {
      report.files = try single(request, generator, numbers, in: place)
      report.note("\(request.output): \(report.files.count) pictures")
    }
    report.value = Value(
      model: request.model, seed: request.seed,
      pictures: request.isByClass
        ? request.columns * generator.classNames.count
        : request.sum.map { $0.terms.count + 1 }
          ?? numbers.count,
      files: report.files)
    return report
  }

  /// What a Boltzmann machine draws, or its filters, as a table or single PNGs.
  private static func drawByMachine(
    _ request: GenerateRunRequest, _ model: BoltzmannModel, in place: JobPlace
  ) throws -> Report {
    try StudioError.unless(
      request.sum == nil && !request.isByClass && request.className == nil
        && request.numbers.isEmpty, .usage,
      "a Boltzmann machine draws from random states: --sum, --numbers and classes are not for it")
    let pictures =
      request.showsFilters
      ? model.filters(request.count)
      : try model.draw(
        request.count, from: begin(request, model), steps: request.gibbsSteps, seed: request.seed,
        kernels: place.kernels
      ).pictures
    var report = Report()
    if isPicture(request.output) {
      let cells = pictures.map { PictureGrid.Cell($0) }
      let rows = stride(from: 0, to: cells.count, by: request.columns).map {
        Array(cells[$0..<min($0 + request.columns, cells.count)])
      }
      let grid = PictureGrid(rows: rows, magnification: request.magnification, padding: 2)
      try PictureJob.write(grid.render(), to: request.output, place: place)
      report.files = [request.output]
    } else {
      for (index, picture) in pictures.enumerated() {
        let name = String(format: "%05d.png", index)
        let path = (request.output as NSString).appendingPathComponent(name)
        try PictureJob.write(picture, to: path)
        report.files.append(path)
      }
    }
    report.note("\(request.output): \(pictures.count) pictures")
    report.value = Value(
      model: request.model, seed: request.seed, pictures: pictures.count, files: report.files)
    return report
  }

  /// The pictures that the chains of a machine begin at, chosen by the seed; nil for random states.
  private static func begin(
    _ request: GenerateRunRequest, _ model: BoltzmannModel
  ) throws -> Tensor? {
    guard let path = request.begin else { return nil }
    let shape = model.shape
    let set = try LabeledImages.pictures(
      URL(fileURLWithPath: path), part: .test,
      form: PictureForm(
        width: shape.width, height: shape.height, mode: shape.channels == 1 ? .gray : .color))
    try StudioError.unless(
      set.pictureLength == shape.count, .data,
      "\(set.name): the machine takes pictures of \(shape.width)x\(shape.height) with "
        + "\(shape.channels) channels; received \(set.size) with \(set.channels)")
    var generator = RandomGenerator(seed: request.seed, LatentStream.drawn)
    let order = generator.permutation(set.count)
    return set.tensor((0..<request.count).map { order[$0 % set.count] })
  }

  private static func isPicture(_ path: String) -> Bool {
    ImageFile.extensions.contains((path as NSString).pathExtension.lowercased())
  }

  /// The table of what is asked for.
  private static func grid(
    _ request: GenerateRunRequest, _ generator: PictureGenerator, _ numbers: [Int]
  ) throws -> PictureGrid {
    let names = generator.classNames
    if let sum = request.sum {
      let codes = sum.codes(generator, seed: request.seed)
      let only = try request.className.map { try generator.classIndex($0) } ?? 0
      let pictures = try generator.draw(
        codes.scaled(by: request.spread),
        classes: names.isEmpty ? [] : [Int](repeating: only, count: codes.shape.batch)
      ).pictures
      let titles = sum.terms.map { term in
        (term.isNegative ? "- " : "") + term.numbers.map(String.init).joined(separator: ",")
      }
      return PictureGrid(
        columnTitles: titles + ["sum"], rows: [pictures.map { PictureGrid.Cell($0) }],
        magnification: request.magnification, padding: 6)
    }
    if request.isByClass {
      let codes = generator.codes(0..<request.columns, seed: request.seed)
        .scaled(by: request.spread)
      let rows = try names.indices.flatMap { label in
        try generator.draw(codes, classes: [Int](repeating: label, count: request.columns))
          .cells(columns: request.columns)
      }
      return PictureGrid(
        rowTitles: names, rows: rows, magnification: request.magnification, padding: 4)
    }
    try StudioError.unless(
      numbers.count <= 10_000, .usage,
      "a table has at most 10000 pictures; name a folder for \(numbers.count)")
    let drawn = try generator.draw(
      numbers: numbers, seed: request.seed, className: request.className, spread: request.spread)
    return PictureGrid(
      rows: drawn.pictures.cells(columns: request.columns),
      magnification: request.magnification, padding: 2)
  }

  /// Single PNGs in a folder, named by their numbers and classes.
  private static func single(
    _ request: GenerateRunRequest, _ generator: PictureGenerator, _ numbers: [Int],
    in place: JobPlace
  ) throws -> [String] {
    var files: [String] = []
    let counter = ProgressCounter("pictures", place)
    for first in stride(from: 0, to: numbers.count, by: 64) {
      let part = Array(numbers[first..<min(first + 64, numbers.count)])
      let drawn = try generator.draw(
        numbers: part, seed: request.seed, className: request.className, spread: request.spread)
      for (index, picture) in drawn.pictures.pictures.enumerated() {
        let suffix =
          drawn.classes.isEmpty
          ? ""
          : "-"
            + generator.classNames[drawn.classes[index]].map {
              $0.isLetter || $0.isNumber ? String($0) : "-"
            }.joined()
        let name = String(format: "%05d", part[index]) + suffix + ".png"
        let path = (request.output as NSString).appendingPathComponent(name)
        try PictureJob.write(picture, to: path)
        files.append(path)
      }
      counter.show(files.count, numbers.count)
      if place.interrupt.isRaised { break }
    }
    return files
  }
}
