// The words of the values that requests about noise hold: attacks, limits, losses, goals, generators.

import AtelierClassification
import AtelierWorkbench
import AtelierZoo
import Foundation

extension NoiseNetwork: ChoiceValue { public static var noun: String? { "a generator" } }

extension SearchStart: ChoiceValue { public static var noun: String? { "a start of PGD" } }

extension Attack: FieldValue {
  /// `random`, `fgsm`, `pgd-STEPS`, `pgd-STEPSxRESTARTS`, each with `-START` or `-smooth` behind
  /// it, `cw`, `square` or `square-QUERIES`.
  public init(word: String) throws {
    var parts = word.split(separator: "-").map(String.init)
    var (start, isSmoothed) = (SearchStart.uniform, false)
    while parts.count > 2, parts[0] == "pgd" {
      let form = parts.removeLast()
      if form == "smooth" { isSmoothed = true } else { start = try SearchStart(word: form) }
    }
    let numbers =
      parts.dropFirst().first.map {
        $0.split(separator: "x", omittingEmptySubsequences: false).map { Int($0) ?? 0 }
      } ?? []
    let isSensible = parts.count <= 2 && numbers.allSatisfy { (1...1_000_000).contains($0) }
    switch (isSensible ? parts.first ?? "" : "", numbers.count) {
    case ("random", 0): self = .random
    case ("fgsm", 0): self = .fgsm
    case ("pgd", 1...2):
      self = .pgd(
        steps: numbers[0], restarts: numbers.count > 1 ? numbers[1] : 1, start: start,
        isSmoothed: isSmoothed)
    case ("cw", 0): self = .carliniWagner(searches: 5, steps: 100)
    case ("cw", 2): self = .carliniWagner(searches: numbers[0], steps: numbers[1])
    case ("square", 0): self = .square(queries: 1000)
    case ("square", 1): self = .square(queries: numbers[0])
    default:
      throw FieldError(
        "expected random, fgsm, pgd-STEPS, pgd-STEPSxRESTARTS, pgd-STEPSxRESTARTS-FORM, cw, "
          + "cw-SEARCHESxSTEPS, square or square-QUERIES; received '\(word)'")
    }
  }

  public var word: String {
    switch self {
    case .random: "random"
    case .fgsm: "fgsm"
    case .pgd(let steps, let restarts, let start, let isSmoothed):
      "pgd-\(steps)" + (restarts > 1 ? "x\(restarts)" : "")
        + (start == .uniform ? "" : "-\(start.rawValue)") + (isSmoothed ? "-smooth" : "")
    case .carliniWagner(let searches, let steps): "cw-\(searches)x\(steps)"
    case .square(let queries): "square-\(queries)"
    }
  }
}

extension AttackLoss: FieldValue {
  /// `margin:5` or `ce:20`, the number left out for these two.
  public init(word: String) throws {
    let parts = word.split(separator: ":", omittingEmptySubsequences: false)
    let number = parts.count == 2 ? Float(parts[1]) : nil
    let isSensible = parts.count == 1 || number.map { $0 >= 0 && $0.isFinite } == true
    switch isSensible ? parts[0] : "" {
    case "margin": self = .margin(kappa: number ?? 5)
    case "ce": self = .crossEntropy(limit: number ?? 20)
    default: throw FieldError("expected margin:KAPPA or ce:LIMIT; received '\(word)'")
    }
  }

  public var word: String {
    switch self {
    case .margin(let kappa): "margin:\(kappa.word)"
    case .crossEntropy(let limit): "ce:\(limit.word)"
    }
  }
}

extension NoiseBudget {
  /// Whether the limit is one of the noise's length.
  var isL2: Bool {
    get { self == .two(radius) }
    set { self = newValue ? .two(radius) : .infinity(radius) }
  }

  /// Numbers with commas, each above 0 and at most `most`; `8/255` is one of them.
  static func radii(_ word: String, _ option: String, most: Float = 1000) throws(FieldError)
    -> [Float]
  {
    let numbers = word.split(separator: ",").map { number -> Float in
      let parts = number.split(separator: "/").map {
        Float($0.trimmingCharacters(in: .whitespaces)) ?? .nan
      }
      return parts.count == 1 ? parts[0] : parts.count == 2 ? parts[0] / parts[1] : .nan
    }
    guard !numbers.isEmpty, numbers.allSatisfy({ $0 > 0 && $0 <= most }) else {
      throw FieldError(
        "\(option) takes numbers above 0 and at most \(most), such as 0.3 or 8/255; "
          + "received '\(word)'")
    }
    return numbers
  }
}

extension AttackGoal {
  /// The class to reach, where there is one.
  var target: Int? {
    get { if case .targeted(let index) = self { index } else { nil } }
    set { self = newValue.map { .targeted($0) } ?? .untargeted }
  }

  /// Whether it is the least likely class.
  var isLeastLikely: Bool {
    get { self == .leastLikely }
    set { self = newValue ? .leastLikely : .untargeted }
  }

  /// Throws where words name two goals.
  static func check(_ words: FieldWords) throws {
    if words["target"] != nil, words["least-likely"] != nil {
      throw FieldError("--target and --least-likely contradict")
    }
  }
}

extension Field {
  /// Limits on noise, which `get` tells and `set` puts in, at least one of them.
  static func radii(
    _ name: String, _ help: String, value: String = "number",
    get: @escaping @Sendable (Request) -> [Float],
    set: @escaping @Sendable (inout Request, [Float]) -> Void
  ) -> Self {
    Self(
      name, help, value: value, kind: .text,
      words: {
        let words = get($0).map(\.word)
        return words.isEmpty ? [] : [words.joined(separator: ",")]
      },
      put: { request, words in
        do {
          set(&request, try NoiseBudget.radii(words.last ?? "", "--\(name)"))
        } catch { throw FieldRangeError("\(error)") }
      })
  }

  /// The number of the class to reach.
  static func target(_ path: FieldPath<Request, Int?>, _ help: String) -> Self {
    Self("target", path, help, value: "class", .from(0))
  }

  /// The model file of a classifier.
  static func victim(_ path: FieldPath<Request, String>) -> Self {
    Self(
      "victim", path, "The model file of the classifier", value: "file",
      kind: .file(["safetensors"]))
  }
}
