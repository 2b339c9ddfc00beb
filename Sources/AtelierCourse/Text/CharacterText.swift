// A text as numbers of its characters, and batches of passages for a network that guesses the next one.

import AtelierDatasets
import AtelierEngine
import AtelierFiles
import AtelierKernels
import Foundation

/// The characters that a network knows.
struct Alphabet: Sendable, Hashable {
  /// The most characters.
  static let limit = 256

  /// The characters by number; the last one stands for all others where some are left out.
  let characters: [Character]
  private let numbers: [Character: Int]

  /// What stands for characters that are not known.
  static let unknown: Character = "\u{FFFD}"

  /// The characters of a text, the rarest left out where there are more than the limit.
  init(of text: String) {
    var counts: [Character: Int] = [:]
    for character in text { counts[character, default: 0] += 1 }
    let ranked = counts.keys.sorted {
      counts[$0] != counts[$1] ? (counts[$0] ?? 0) > (counts[$1] ?? 0) : $0 < $1
    }
    let kept =
      ranked.count <= Self.limit
      ? ranked.sorted() : ranked.prefix(Self.limit - 1).sorted() + [Self.unknown]
    self.init(kept)
  }

  /// Characters in the order of a model's outputs.
  init(_ characters: [Character]) {
    self.characters = characters
    numbers = Dictionary(
      characters.enumerated().map { ($0.element, $0.offset) },
      uniquingKeysWith: { first, _ in first })
  }

  /// The number of a character; that of the unknown one, or nil where there is none.
  func number(_ character: Character) -> Int? { numbers[character] ?? numbers[Self.unknown] }

  /// A text in numbers, without what has none.
  func numbers(_ text: String) -> [Int] { text.compactMap(number) }
}

/// Passages of a text and the characters that follow in them, drawn by the step and the seed.
struct PassageBatches: BatchSource {
  let text: [Int]
  let characters: Int
  let batch: Int
  /// Characters of a passage.
  let length: Int
  let seed: UInt64

  /// So many that all characters were seen about once.
  var stepsPerEpoch: Int? { max(1, text.count / (batch * length)) }

  func batch(step: Int) -> [String: Tensor] {
    var generator = RandomGenerator(seed: seed, UInt64(step))
    return tensors((0..<batch).map { _ in generator.index(below: text.count - length) })
  }

  /// The passages from given places: `input` [batch, length, 1, characters], 1 at each one's number,
  /// and `target` [batch, length, 1], the numbers of those that follow.
  func tensors(_ places: [Int]) -> [String: Tensor] {
    var input = Tensor([places.count, length, 1, characters])
    var target = Tensor([places.count, length, 1])
    for (row, place) in places.enumerated() {
      for index in 0..<length {
        input.elements[(row * length + index) * characters + text[place + index]] = 1
        target.elements[row * length + index] = Float(text[place + index + 1])
      }
    }
    return ["input": input, "target": target]
  }
}

/// Two recurrent layers over characters and a number for each that may follow (after Karpathy,
/// Johnson and Li 2015).
struct TextNetwork: Sendable, Hashable {
  let characters: Int
  let units: Int
  let length: Int

  /// The graph for a batch of passages: `input` [batch, length, 1, characters], `output` of the same
  /// shape, logits of what follows each.
  func graph(batch: Int) throws(ShapeError) -> Graph {
    try Graph.trace { builder in
      var x = builder.input("input", [batch, length, 1, characters])
      for index in 1...2 {
        x = Recurrent(.lstm, units: units, returnsSequence: true, name: "memory\(index)")(x)
      }
      builder.output(
        "output",
        Convolution2D(filters: characters, kernel: 1, initializer: .glorotUniform, name: "guess")(x)
      )
    }
  }
}

/// Reads texts.
enum TextFiles {
  /// The most bytes of a file.
  static let limit = 1 << 26

  /// The texts of files one after the other; throws `StudioError` for what is no text in UTF-8.
  static func read(_ paths: [String]) throws -> String {
    try paths.map { path in
      let data = try InputFile.data(URL(fileURLWithPath: path), limit: limit)
      guard let text = String(data: Data(data.withoutByteOrderMark), encoding: .utf8) else {
        throw StudioError(.data, "\(path): expected a text in UTF-8")
      }
      return text.replacingOccurrences(of: "\r\n", with: "\n")
    }.joined(separator: "\n")
  }
}
