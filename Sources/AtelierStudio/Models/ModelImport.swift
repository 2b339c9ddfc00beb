// `model import`: weights that another framework trained become a model file.

import AtelierEngine
import AtelierFiles
import AtelierImages
import AtelierInterchange
import AtelierWorkbench
import AtelierZoo
import Foundation

/// How pictures were prepared for the weights of a file.
public enum ImportPreprocessing: String, Sendable, Hashable, Codable, ChoiceValue {
  /// ImageNet's means and deviations of red, green and blue in [0, 1], as torchvision has them.
  case imagenet
  /// 2 x − 1.
  case half
  /// Caffe's: blue, green, red in [0, 255] without their means, as VGG's authors had it.
  case caffe

  /// Mean and deviation of red, green and blue in [0, 1].
  var statistics: (mean: [Float], deviation: [Float]) {
    switch self {
    case .imagenet: ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
    case .half: ([0.5, 0.5, 0.5], [0.5, 0.5, 0.5])
    case .caffe:
      ([123.68, 116.779, 103.939].map { $0 / 255 }, [Float](repeating: 1 / 255, count: 3))
    }
  }
}

/// The size of a network's pictures and, where it is said, their channels.
public struct ImportInput: FieldValue, Sendable, Hashable, Codable {
  public var size: PixelSize
  public var channels: Int?

  /// `HxW` or `HxWxC`.
  public init(word: String) throws {
    let parts = word.split(separator: "x", omittingEmptySubsequences: false)
    let channels = parts.count == 3 ? Int(parts[2]) : nil
    guard (2...3).contains(parts.count), parts.count == 2 || channels == 1 || channels == 3 else {
      throw FieldError(
        "expected HEIGHTxWIDTHxCHANNELS, such as 224x224x3; received '\(word)'")
    }
    size = try PixelSize(word: parts.prefix(2).joined(separator: "x"))
    self.channels = channels
  }
  public var word: String { size.word + (channels.map { "x\($0)" } ?? "") }
}

/// Which file is imported, and how.
public struct ModelImportRequest: JobRequest, Hashable {
  public var file = ""
  public var output: String?
  public var network: String?
  public var input: ImportInput?
  public var map: [String] = []
  public var preprocessing: ImportPreprocessing?
  public var classes: String?

  public init() {}

  public static var form: Form<Self> {
    Form([
      Field(
        "file", \.file,
        "Weights of another framework: .pth, .th, .pt, .h5 or .safetensors; or a network: .onnx",
        value: "file", kind: .file(ModelImport.endings)
      ).positional.demanded,
      Field("output", \.output, "The model file", value: "file", kind: .output).letter("o")
        .byDefault("the file's name with .safetensors, in this folder"),
      Field(
        "network", \.network,
        "The network of the weights: "
          + ModelImport.networks.map(\.fullName).joined(separator: ", "), value: "name"
      ).byDefault("the one whose names they are"),
      Field("input", \.input, "The size of its pictures", value: "HxWxC")
        .byDefault("the network's own"),
      Field(
        list: "map", \.map, "Change names in the file before they are matched", value: "regex=name"),
      Field(
        "preprocess", \.preprocessing,
        "What pictures were for the weights: imagenet, half (2 x - 1) or caffe (BGR)",
        value: "kind"
      ).byDefault("the network's own"),
      Field(
        "classes", \.classes, "A text file of class names, one a line", value: "file",
        kind: .file([])),
    ])
  }

  public static func check(_ words: FieldWords) throws {
    for word in words["map"] ?? [] { _ = try NameRule(word) }
  }

  public mutating func complete(with words: FieldWords) throws {
    let files = [file, resultFile].map { URL(fileURLWithPath: $0).standardizedFileURL }
    try StudioError.unless(
      files[0] != files[1], .usage,
      "\(resultFile): the result would overwrite the file that is read; name another with -o")
  }

  /// Where the model goes.
  var resultFile: String {
    output
      ?? URL(fileURLWithPath: file).deletingPathExtension().lastPathComponent + ".safetensors"
  }
}

/// Makes models of other frameworks' files.
public enum ModelImport: Job {
  public static let workshop = "model"
  public static let name = "import"
  public static let summary = "Make a model of weights that another framework trained."
  public static let guide = """
    PyTorch's files are read without executing anything in them; a pickled module is refused by \
    its name (save its state_dict). Layouts, normalizations and what pictures have to be are put \
    into the model: one file is enough to use it. The table shows what became of every name, \
    sizes in the file's layout.

    Of an .onnx file the network is taken too, its sizes fixed to --input where they are free; \
    operators that are not supported are listed all at once.

    EXAMPLES
      atelier model import dncnn-25.pth
      atelier model import detector.onnx --input 320x320x3
      atelier model import resnet50.pth -o resnet-50.safetensors --classes imagenet.txt
      atelier model import checkpoint.pt --network vgg16 --map '^backbone\\.=' \\
        --preprocess caffe
    """
  public static let takesPrecision = false

  /// The endings of the files that are read.
  static let endings = ["onnx", "pth", "th", "pt", "bin", "h5", "safetensors"]

  /// The networks that take foreign weights.
  static let networks = Catalogue.networks.filter { $0.foreignForm != nil }

  public static func run(_ request: ModelImportRequest, in place: JobPlace) throws -> Report {
    if isNetwork(request.file) { return try importNetwork(request) }
    let weights = try ForeignWeights.read(from: URL(fileURLWithPath: request.file))
    let rules = try request.map.map(NameRule.init)
    let names = weights.tensors.map { tensor in
      rules.reduce(tensor.name) { $1.applied(to: $0) }
    }
    try expectDifferent(names, weights.tensors.map(\.name), request)
    let matching = try match(weights, names, request)
    var report = Report()
    report.say(matching.table)
    let counts =
      "\(matching.network.fullName): \(matching.count(.matched)) matched, "
      + "\(matching.count(.missing)) missing, \(matching.count(.different)) of another size or "
      + "type, \(matching.count(.unused)) unused"
    report.say(counts)
    report.value = JSONEntries([
      ("network", matching.network.fullName), ("names", matching.entries),
      ("file", matching.isComplete ? request.resultFile : nil),
    ])
    guard matching.isComplete else {
      report.fault = StudioError(
        .data, "\(request.file): expected all weights of \(counts); nothing was written")
      return report
    }
    let model = try model(matching, weights, request)
    try ModelFile.write(model, to: URL(fileURLWithPath: request.resultFile))
    report.files = [request.resultFile]
    report.note(
      "\(request.resultFile): \(model.graph.parameterCount) numbers, "
        + "input \(model.information.preprocessing)")
    return report
  }

  /// Refuses rules that make two names one, and tells of those that change none.
  private static func expectDifferent(
    _ names: [String], _ former: [String], _ request: ModelImportRequest
  ) throws {
    var first: [String: String] = [:]
    for (name, own) in zip(names, former) {
      if let other = first.updateValue(own, forKey: name), !request.map.isEmpty {
        throw StudioError(
          .usage,
          "--map makes one name of \(quoted(other)) and \(quoted(own)): \(quoted(name)); expected "
            + "names that stay different")
      }
    }
    try StudioError.unless(
      request.map.isEmpty || names != former, .usage,
      "--map changes no name of \(request.file), such as "
        + former.prefix(3).map { quoted($0) }.joined(separator: ", "))
  }

  /// The network of that name beside the weights, or the one that they fit.
  private static func match(
    _ weights: ForeignWeights, _ names: [String], _ request: ModelImportRequest
  ) throws -> ForeignMatching {
    var settings = ForeignSettings()
    settings.size = request.input.map { ($0.size.height, $0.size.width) }
    if let preprocessing = request.preprocessing {
      (settings.mean, settings.deviation) = preprocessing.statistics
    }
    if let name = request.network {
      guard let network = networks.first(where: { $0.fullName == name }),
        let form = network.foreignForm
      else {
        throw FieldError(
          "expected a network that takes foreign weights, one of "
            + networks.map(\.fullName).joined(separator: ", ") + "; received '\(name)'")
      }
      do {
        return try ForeignMatching(weights, names: names, network, form, settings)
      } catch let error as ShapeError {
        throw StudioError(.data, "\(request.file): \(name): \(error.description)")
      }
    }
    // A deeper network has all the names of a shallower one: what is left over decides.
    let fitting = networks.compactMap { network -> ForeignMatching? in
      guard let form = network.foreignForm,
        let matching = try? ForeignMatching(weights, names: names, network, form, settings)
      else { return nil }
      return matching.isComplete ? matching : nil
    }
    let least = fitting.map { $0.count(.unused) }.min()
    if let best = fitting.first(where: { $0.count(.unused) == least }) { return best }
    throw StudioError(
      .data,
      "\(request.file): expected the names of one of \(networks.map(\.fullName).joined(separator: ", "))"
        + "; received \(weights.tensors.count) tensors such as "
        + names.prefix(3).map { quoted($0) }.joined(separator: ", ")
        + "; give --network and --map")
  }

  private static func model(
    _ matching: ForeignMatching, _ weights: ForeignWeights, _ request: ModelImportRequest
  ) throws -> Model {
    let graph = matching.adopted.graph
    let isClassifier = matching.network.task == .classify
    try StudioError.unless(
      isClassifier || (request.preprocessing == nil && request.classes == nil), .usage,
      "--preprocess and --classes are for classifiers; \(matching.network.fullName) is none")
    let input = graph.input(named: "input").map { graph.values[$0].shape }
    if let channels = request.input?.channels, channels != input?.channels {
      throw StudioError(
        .data,
        "\(request.file): its first layer takes \(input?.channels ?? 0) channels; --input says "
          + "\(channels)")
    }
    let outputs = graph.output(named: "output").map { graph.values[$0].shape.channels } ?? 0
    let isBlueFirst = request.preprocessing == .caffe && input?.channels == 3
    return try Model(
      graph: graph, numbers: matching.parameters(isBlueFirst: isBlueFirst),
      information: ModelInformation(
        task: matching.network.task.rawValue, architecture: matching.network.name,
        granularity: matching.adopted.granularity,
        receptiveRadius: matching.adopted.receptiveRadius,
        preprocessing: matching.adopted.preprocessing,
        classNames: isClassifier ? try classNames(request, count: outputs) : [],
        training: [
          "weights": "imported from \(weights.framework.rawValue), "
            + URL(fileURLWithPath: request.file).lastPathComponent
        ]))
  }

  /// The names of the classes: the lines of a file, or numbers.
  static func classNames(_ request: ModelImportRequest, count: Int) throws -> [String] {
    guard let path = request.classes else { return (0..<count).map(String.init) }
    let bytes = try InputFile.data(URL(fileURLWithPath: path), limit: 1 << 20).withoutByteOrderMark
    guard let text = String(data: bytes, encoding: .utf8) else {
      throw StudioError(.data, "\(path): expected class names as text, one a line")
    }
    let names = text.split(whereSeparator: \.isNewline)
      .map { $0.trimmingCharacters(in: .whitespaces) }.filter { !$0.isEmpty }
    try StudioError.unless(
      names.count == count, .data,
      "\(path): expected \(count) class names, one a line; received \(names.count)")
    return names
  }
}
