// Fields of parts that several requests have, and the words of the values that they hold.

import AtelierDatasets
import AtelierEngine
import AtelierImages
import AtelierKernels
import AtelierZoo

extension Field {
  /// The pictures that a job works on.
  public static func inputs(
    _ path: FieldPath<Request, [String]>, _ help: String = "Pictures, or folders of them"
  ) -> Self {
    Self(list: "in", path, help, value: "in", kind: .source).lenient.positional.demanded
  }

  /// Where results go.
  public static func output(
    _ path: FieldPath<Request, String>,
    _ help: String = "A picture file for one input, else a folder", value: String = "out"
  ) -> Self { Self("output", path, help, value: value, kind: .output).letter("o").demanded }

  /// How large the films become that are written.
  package static func rateFactor(_ path: FieldPath<Request, Int>) -> Self {
    Self(
      "rate-factor", path, "The rate factor of films, 0 (largest) to 51", value: "crf",
      .from(0, to: 51))
  }

  /// The model file.
  public static func model(
    _ path: FieldPath<Request, String>, _ help: String = "The model file"
  ) -> Self {
    Self("model", path, help, value: "file", kind: .file(["safetensors"])).demanded
  }
}

extension Field where Request == PictureAugmentation {
  /// The random changes that move pictures.
  package static let movements = movements(of: "pictures")

  /// The same, with words for what is moved.
  package static func movements(of pictures: String) -> [Self] {
    [
      Self("shift", \.shift, "Move \(pictures) by up to this much", value: "pixels"),
      Self("rotate", \.rotation, "Turn \(pictures) by up to this much", value: "degrees"),
      Self("zoom", \.zoom, "Scale \(pictures) by up to this fraction", value: "fraction"),
    ].map { $0.byDefault(nil) }
      + [Self(flag: "flip", \.isFlipped, "Mirror half of the \(pictures) left to right")]
  }

  /// The random changes that cover pictures and their light.
  package static let coverings: [Self] = [
    Self(
      "brightness", \.brightness, "Brighten or darken by up to this fraction", value: "fraction"),
    Self("cutout", \.cutout, "Cover a random square of this side", value: "pixels", .from(0)),
  ].map { $0.byDefault(nil) }
}

extension ClassifierNetwork: ChoiceValue { public static var noun: String? { "a network" } }

extension Unpooling: ChoiceValue {}

extension Precision: ChoiceValue {}

extension PixelSize: FieldValue {
  /// `HxW` or one number for both, in pixels.
  public init(word: String) throws {
    let parts = word.split(separator: "x", omittingEmptySubsequences: false).map { Int($0) }
    guard parts.count <= 2, let height = parts.first ?? nil, let width = parts.last ?? nil,
      (1...16384).contains(height), (1...16384).contains(width)
    else { throw FieldError("expected HEIGHTxWIDTH in pixels, such as 96x128; received '\(word)'") }
    self.init(width: width, height: height)
  }
  public var word: String { "\(height)x\(width)" }
}

extension NoiseModel: FieldValue {
  public init(word: String) throws { try self.init(parsing: word) }
  public var word: String { description }
}

extension [Int]: FieldValue {
  /// The widths of a network's levels, such as `32,64,128`.
  public init(word: String) throws {
    let numbers = word.split(separator: ",", omittingEmptySubsequences: false).map { Int($0) }
    self = numbers.compactMap { $0 }
    guard count == numbers.count, allSatisfy({ (1...4096).contains($0) }), (1...8).contains(count)
    else {
      throw FieldError("expected 1 to 8 widths with commas, such as 32,64,128; received '\(word)'")
    }
  }
  public var word: String { map(String.init).joined(separator: ",") }
}

extension Field {
  /// Image channels: 1 gray, 3 RGB.
  package static func channels(_ path: FieldPath<Request, Int?>, _ help: String) -> Self {
    Self(
      "channels", help, value: "1|3", kind: .choice(["1", "3"]),
      words: { $0[keyPath: path].map { ["\($0)"] } ?? [] },
      put: { request, words in
        let word = words.last ?? ""
        guard ["1", "3"].contains(word) else {
          throw FieldRangeError("--channels takes 1 or 3; received \(word)")
        }
        request[keyPath: path] = Int(word)
      })
  }

  /// Several unpoolings, or all.
  package static func unpoolings(_ path: FieldPath<Request, [Unpooling]>, _ help: String) -> Self {
    Self(
      "unpool", help, value: "kinds", kind: .text,
      words: { [$0[keyPath: path].map(\.word).joined(separator: ",")] },
      put: { request, words in
        let word = words.last ?? "all"
        let kinds =
          try word == "all"
          ? Unpooling.allCases : word.split(separator: ",").map { try Unpooling(word: String($0)) }
        guard !kinds.isEmpty, Set(kinds).count == kinds.count else {
          throw FieldRangeError("--unpool takes each unpooling once, or all")
        }
        request[keyPath: path] = kinds
      }
    ).byDefault(nil)
  }
}

extension Loss: FieldValue {
  /// `l1`, `l2`, `huber:0.1`, `charbonnier:0.001`, `ssim`, or a sum such as `0.8*l1+0.2*ssim`.
  public init(word: String) throws {
    let terms = try word.split(separator: "+", omittingEmptySubsequences: false).map {
      term -> Weighted in
      let parts = term.split(separator: "*", omittingEmptySubsequences: false)
      guard parts.count == 2 else { return Weighted(weight: 1, loss: try Self.one(term, of: word)) }
      guard let weight = Float(parts[0]), weight.isFinite else { throw Self.mistake(word) }
      return Weighted(weight: weight, loss: try Self.one(parts[1], of: word))
    }
    self = terms.count == 1 && terms[0].weight == 1 ? terms[0].loss : .sum(terms)
  }

  private static func one(_ term: Substring, of word: String) throws -> Loss {
    let parts = term.split(separator: ":", omittingEmptySubsequences: false)
    let number = parts.count == 2 ? Float(parts[1]) : nil
    guard parts.count == 1 || number.map({ $0 > 0 && $0.isFinite }) == true else {
      throw mistake(word)
    }
    switch (parts.first ?? "", parts.count) {
    case ("l1", 1): return .absoluteError
    case ("l2", 1): return .squaredError
    case ("ssim", 1): return .structuralSimilarity
    case ("huber", _): return .huber(delta: number ?? 0.1)
    case ("charbonnier", _): return .charbonnier(epsilon: number ?? 0.001)
    default: throw mistake(word)
    }
  }

  private static func mistake(_ word: String) -> FieldError {
    FieldError(
      "expected l1, l2, huber:DELTA, charbonnier:EPSILON, ssim or a sum such as 0.8*l1+0.2*ssim; "
        + "received '\(word)'")
  }

  public var word: String {
    switch self {
    case .absoluteError: "l1"
    case .squaredError: "l2"
    case .structuralSimilarity: "ssim"
    case .huber(let delta): "huber:\(delta.word)"
    case .charbonnier(let epsilon): "charbonnier:\(epsilon.word)"
    case .sum(let terms):
      terms.map { ($0.weight == 1 ? "" : "\($0.weight.word)*") + $0.loss.word }
        .joined(separator: "+")
    default: "\(self)"
    }
  }
}
