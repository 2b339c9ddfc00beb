// `atelier attack`: the commands around adversarial noise; `run` is meant when none is named.

import ArgumentParser
import Atelier

/// The group of attacking commands.
struct AttackCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "attack",
    abstract: "Fool classifiers with drawn noise; train generators, harden, measure.",
    discussion: """
      EXAMPLES
        atelier attack train --victim m.safetensors --data fashion-mnist --run noise
        atelier attack evaluate --victim m.safetensors --data fashion-mnist \\
          --generator noise/last.safetensors --attacks random,fgsm,pgd-20
        atelier attack shirt.png --model noise/last.safetensors \\
          --victim m.safetensors -o out
      """,
    subcommands: [
      AttackRunCommand.self, AttackTrainCommand.self, AttackEvaluateCommand.self,
    ], defaultSubcommand: AttackRunCommand.self)
}

extension Reading {
  /// `random`, `fgsm`, `pgd-STEPS`, `pgd-STEPSxRESTARTS`, each with `-START` or `-smooth` behind
  /// it, `cw`, `square` or `square-QUERIES`.
  static func attack(_ text: String) throws -> Attack {
    var parts = text.split(separator: "-").map(String.init)
    var (start, isSmoothed) = (SearchStart.uniform, false)
    if parts.count == 3, parts[0] == "pgd" {
      let form = parts.removeLast()
      isSmoothed = form == "smooth"
      start = try isSmoothed ? start : searchStart(form)
    }
    guard parts.count <= 2 else { throw attackError(text) }
    let numbers = (parts.count > 1 ? parts[1] : "").split(separator: "x").map { Int($0) }
    let known = numbers.compactMap { $0 }
    guard known.count == numbers.count, known.allSatisfy({ (1...1_000_000).contains($0) }) else {
      throw attackError(text)
    }
    switch (parts.first ?? "", known.count) {
    case ("random", 0): return .random
    case ("fgsm", 0): return .fgsm
    case ("pgd", 1...2):
      return .pgd(
        steps: known[0], restarts: known.count > 1 ? known[1] : 1, start: start,
        isSmoothed: isSmoothed)
    case ("cw", 0): return .carliniWagner(searches: 5, steps: 100)
    case ("cw", 2): return .carliniWagner(searches: known[0], steps: known[1])
    case ("square", 0): return .square(queries: 1000)
    case ("square", 1): return .square(queries: known[0])
    default: throw attackError(text)
    }
  }

  private static func attackError(_ text: String) -> ValidationError {
    ValidationError(
      "expected random, fgsm, pgd-STEPS, pgd-STEPSxRESTARTS, pgd-STEPSxRESTARTS-FORM, cw, "
        + "cw-SEARCHESxSTEPS, square or square-QUERIES; received '\(text)'")
  }

  /// Where PGD begins, by its name.
  static func searchStart(_ text: String) throws -> SearchStart {
    guard let start = SearchStart(rawValue: text) else {
      let names = SearchStart.allCases.map(\.rawValue).joined(separator: ", ")
      throw ValidationError("expected a start of PGD, one of \(names); received '\(text)'")
    }
    return start
  }

  /// Several attacks with commas.
  static func attacks(_ text: String) throws -> [Attack] {
    try list(text).map(attack)
  }

  /// Numbers with commas, each above 0 and at most `most`; `8/255` is one of them.
  static func epsilons(_ text: String, most: Float) throws -> [Float] {
    let numbers = list(text).map { word -> Float? in
      let parts = word.split(separator: "/").map { Float($0) }
      guard let first = parts.first ?? nil, parts.count <= 2 else { return nil }
      guard parts.count == 2 else { return first }
      return (parts[1] ?? nil).map { first / $0 }
    }
    let known = numbers.compactMap { $0 }
    guard !known.isEmpty, known.count == numbers.count,
      known.allSatisfy({ $0 > 0 && $0 <= most })
    else {
      throw ValidationError(
        "--epsilon takes numbers above 0 and at most \(most), such as 0.3 or 8/255; "
          + "received '\(text)'")
    }
    return known
  }

  /// The goal of `--target` and `--least-likely`.
  static func goal(target: Int?, isLeastLikely: Bool) -> AttackGoal {
    isLeastLikely ? .leastLikely : target.map { .targeted($0) } ?? .untargeted
  }
}
