// `course text`: learn a text by its characters, then write on in its manner.

import AtelierEngine
import AtelierFiles
import AtelierInterchange
import AtelierKernels
import AtelierTraining
import AtelierWorkbench
import Foundation

/// Which text is learnt or which model writes, and how.
public struct TextRequest: JobRequest, Hashable {
  public var texts: [String] = []
  public var output: String?
  public var model: String?
  public var units = 256
  public var length = 64
  public var batch = 32
  public var minutes = 10.0
  public var steps: Int?
  public var learningRate = 2e-3
  public var prompt = ""
  public var count = 400
  public var temperature: Float = 0.7
  public var seed: UInt64 = 1

  public init() {}

  public static var form: Form<Self> {
    Form([
      Field(list: "in", \.texts, "Texts in UTF-8 to learn from", value: "in", kind: .source)
        .positional,
      Field(
        "output", \.output, "The folder of the model and what it writes", value: "folder",
        kind: .output
      ).letter("o").byDefault(nil),
      Field(
        "model", \.model, "Write with this model, and learn nothing", value: "file",
        kind: .file(["safetensors"])),
      Field("units", \.units, "Units of each of the two layers", value: "n", .from(1, to: 2048)),
      Field("length", \.length, "Characters of a passage", value: "n", .from(2, to: 1024)),
      Field("batch", \.batch, "Passages a step", value: "n", .from(1, to: 4096)),
      Field("minutes", \.minutes, "Learn for so many minutes", value: "minutes", .positive),
      Field("steps", \.steps, "Stop at this step", value: "n", .from(1)).byDefault("no limit"),
      Field(
        "learning-rate", \.learningRate, "The base learning rate", value: "rate", .positive),
      Field("prompt", \.prompt, "How what is written begins", value: "text").byDefault(
        "a line end"),
      Field("count", \.count, "Characters to write", value: "n", .from(0, to: 1_000_000)),
      Field(
        "temperature", \.temperature,
        "How daring: 0 takes the likeliest character, 1 draws as the model guesses",
        value: "t", .from(0, to: 10)),
      Field("seed", \.seed, "The seed of weights, passages and writing", value: "seed"),
    ])
  }

  public static func check(_ words: FieldWords) throws {
    guard words["model"] == nil else {
      for name in [
        "in", "output", "units", "length", "batch", "minutes", "steps", "learning-rate",
      ] where words[name] != nil {
        throw FieldError(
          "--model writes and learns nothing; leave out " + (name == "in" ? "texts" : "--\(name)"))
      }
      return
    }
    guard words["in"] != nil else { throw FieldError("name a text to learn, or give --model") }
    guard words["output"] != nil else { throw FieldError("a model needs a place: give -o") }
  }
}

/// What was learnt of a text; encodes to the JSON that `--json` prints.
public struct TextReport: Sendable, Hashable, Codable {
  public var model: String
  public var steps: Int?
  /// Bits a character on the last twentieth of the text, which was not learnt.
  public var bits: Double?
  public var text: String
}

/// Learns a text by characters, and writes.
public enum CourseText: Job {
  public static let workshop = "course"
  public static let name = "text"
  public static let summary = "Learn a text by its characters, and write on in its manner."
  public static let guide = """
    Two layers of long short-term memory read passages and learn which character comes next; \
    gradients are shortened to a norm of 1. The last twentieth of the text is kept to measure \
    on, in bits a character. Then, or later with --model, characters are drawn one by one.

    EXAMPLES
      atelier course text book.txt -o out/book --minutes 20
      atelier course text --model out/book/model.safetensors \\
        --prompt "Once" --temperature 0.5
    """
  public static let heedsInterrupt = true

  public static func run(_ request: TextRequest, in place: JobPlace) throws -> Report {
    if let path = request.model {
      let model = try ModelFile.read(from: ShippedModels.file(of: path))
      let writer = try TextWriter(model, kernels: place.kernels)
      let text = try write(writer, request, place)
      var report = Report(value: TextReport(model: path, text: text))
      report.say(request.prompt + text)
      return report
    }
    return try learn(request, place)
  }

  private static func write(
    _ writer: TextWriter, _ request: TextRequest, _ place: JobPlace
  ) throws -> String {
    try writer.write(
      after: request.prompt, count: request.count, temperature: request.temperature,
      seed: request.seed)
  }

  private static func learn(_ request: TextRequest, _ place: JobPlace) throws -> Report {
    let text = try TextFiles.read(request.texts)
    let alphabet = Alphabet(of: text)
    let numbers = alphabet.numbers(text)
    let kept = numbers.count / 20
    try StudioError.unless(
      kept > request.length, .data,
      "expected a text of more than \(20 * (request.length + 1)) characters, received "
        + "\(numbers.count)")
    let network = TextNetwork(
      characters: alphabet.characters.count, units: request.units, length: request.length)
    func passages(_ part: ArraySlice<Int>) -> PassageBatches {
      PassageBatches(
        text: Array(part), characters: alphabet.characters.count, batch: request.batch,
        length: request.length, seed: request.seed)
    }
    let graph = try network.graph(batch: request.batch).training(
      loss: .crossEntropy(), target: [request.batch, request.length, 1])
    let store = try ParameterStore(for: [graph], seed: request.seed)
    let program = try Program(
      graph, parameters: store, kernels: place.kernels, seed: request.seed)
    var optimizer = Optimizer(
      .adam(), learningRate: request.learningRate,
      schedule: .progressCosine(minimum: request.learningRate / 50))
    optimizer.normLimit = 1
    let loop = try TrainingLoop(
      [try TrainingStep(program: program, optimizer: optimizer, kernels: place.kernels)],
      source: passages(numbers.dropLast(kept)),
      configuration: TrainingConfiguration(
        steps: request.steps, minutes: request.steps == nil ? request.minutes : nil,
        seed: request.seed), kernels: place.kernels)
    loop.interrupt = place.interrupt
    loop.listeners = [place.listener]
    let stop = try loop.run()
    let bits = try measure(network, store, passages(numbers.suffix(kept)), place.kernels)
    let model = try Model(
      graph: network.graph(batch: 1), store: store,
      information: ModelInformation(
        task: TextWriter.task, architecture: "lstm-text",
        preprocessing: "one channel a character", classNames: alphabet.characters.map(String.init),
        training: [
          "data": "\(request.texts.joined(separator: ", ")), \(numbers.count) characters",
          "steps": "\(stop.step)", "seed": "\(request.seed)",
        ], figures: ["bits a character, last twentieth": bits]))
    return try report(model, store, bits, stop.step, request, place)
  }

  /// Bits a character over passages one after the other.
  private static func measure(
    _ network: TextNetwork, _ store: ParameterStore, _ passages: PassageBatches, _ kernels: Kernels
  ) throws -> Double {
    let starts = Array(
      stride(from: 0, to: passages.text.count - passages.length, by: passages.length))
    let batch = min(passages.batch, starts.count)
    let graph = try network.graph(batch: batch).specialized(for: .infer).extended {
      builder, symbols in
      guard let logits = symbols["output"] else { return }
      let target = builder.input("target", [batch, passages.length, 1])
      builder.output("loss", Loss.crossEntropy()(logits, target))
    }
    let program = try Program(graph, parameters: store, kernels: kernels)
    var losses: [Double] = []
    for first in stride(from: 0, through: starts.count - batch, by: batch) {
      for (name, tensor) in passages.tensors(Array(starts[first..<first + batch])) {
        try program.setInput(name, tensor)
      }
      try program.run()
      losses.append(Double(try program.scalar("loss")))
    }
    return losses.reduce(0, +) / Double(max(losses.count, 1)) / log(2)
  }

  private static func report(
    _ model: Model, _ store: ParameterStore, _ bits: Double, _ steps: Int, _ request: TextRequest,
    _ place: JobPlace
  ) throws -> Report {
    let folder = (request.output ?? "") as NSString
    let file = folder.appendingPathComponent("model.safetensors")
    try PictureJob.writing(file) {
      try ModelFile.write(model, to: URL(fileURLWithPath: file))
    }
    place.send(.saved(file))
    let text = try write(TextWriter(model, store, kernels: place.kernels), request, place)
    let page = folder.appendingPathComponent("text.txt")
    try PictureJob.writing(page) {
      try AtomicFile.write(
        Data((request.prompt + text + "\n").utf8), to: URL(fileURLWithPath: page))
    }
    place.send(.saved(page))
    var report = Report(value: TextReport(model: file, steps: steps, bits: bits, text: text))
    report.say(request.prompt + text)
    report.note("")
    report.say(
      "\(NumberText.fixed(bits, 3)) bits a character on the last twentieth, which was not learnt; "
        + "\(steps) steps of \(request.batch) passages of \(request.length) characters")
    report.note("model: \(file)")
    report.files = [file, page]
    return report
  }
}
