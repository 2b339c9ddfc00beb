// What a classifier takes over from another one: which model, how much of it moves, which head.

import AtelierFiles
import AtelierWorkbench

/// How much of the network that is taken over learns on.
public enum TransferMode: FieldValue, Sendable, Hashable, Codable {
  /// Nothing: its features are computed once, and a head learns to read them.
  case features
  /// Its last so many layers with weights.
  case partial(Int)
  /// All of it.
  case fineTune

  /// `features`, `partial:N` or `fine-tune`.
  public init(word: String) throws {
    let parts = word.split(separator: ":", omittingEmptySubsequences: false)
    switch (parts.first ?? "", parts.count) {
    case ("features", 1): self = .features
    case ("fine-tune", 1): self = .fineTune
    case ("partial", 2):
      guard let count = Int(parts[1]), (1...1000).contains(count) else { throw Self.mistake(word) }
      self = .partial(count)
    default: throw Self.mistake(word)
    }
  }

  private static func mistake(_ word: String) -> FieldError {
    FieldError(
      "expected features, partial:LAYERS or fine-tune, such as partial:3; received '\(word)'")
  }

  public var word: String {
    switch self {
    case .features: "features"
    case .partial(let count): "partial:\(count)"
    case .fineTune: "fine-tune"
    }
  }
}

/// What reads the features.
public enum TransferHead: FieldValue, Sendable, Hashable, Codable {
  /// One dense layer on the means over all pixels.
  case means
  /// A dense layer of so many units on all features, and one on these.
  case flattened(Int)

  /// `gap` or `flatten:UNITS`.
  public init(word: String) throws {
    let parts = word.split(separator: ":", omittingEmptySubsequences: false)
    if word == "gap" {
      self = .means
    } else if parts.count == 2, parts[0] == "flatten", let units = Int(parts[1]),
      (1...4096).contains(units)
    {
      self = .flattened(units)
    } else {
      throw FieldError("expected gap or flatten:UNITS, such as flatten:50; received '\(word)'")
    }
  }

  public var word: String {
    switch self {
    case .means: "gap"
    case .flattened(let units): "flatten:\(units)"
    }
  }
}

/// What a training takes over; its entries stand in its request as one.
public struct TransferForm: Sendable, Hashable, Codable {
  /// The model; nil trains a network from scratch.
  public var model: String?
  public var mode = TransferMode.features
  public var head = TransferHead.means

  public init() {}

  /// The rate of the layers that are taken over, unless told otherwise; the head's is ten times it.
  static let learningRate = 1e-4
  /// How many times faster the head learns than what was taken over.
  static let headFactor = 10.0

  static let fields: [Field<Self>] = [
    Field(
      "from", \.model, "Take over the layers of this model, for pictures of its size",
      value: "model", kind: .file(["safetensors"])
    ).lenient,
    Field(
      "mode", \.mode, "How much of it learns on: features, partial:LAYERS or fine-tune",
      value: "mode"),
    Field("head", \.head, "What reads its features: gap or flatten:UNITS", value: "head"),
  ]
}
