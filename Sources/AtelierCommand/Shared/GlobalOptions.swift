// The options that every command has, and the readings of words that several commands share.

import ArgumentParser
import Atelier
import Foundation

/// Threads, quiet, JSON.
struct GlobalOptions: ParsableArguments {
  @Option(help: ArgumentHelp("Threads to use (default: one a core).", valueName: "n"))
  var threads: Int?

  @Flag(name: [.customShort("q"), .long], help: "Say nothing but results and errors.")
  var quiet = false

  @Flag(help: "Print results as JSON on standard output, and nothing else there.")
  var json = false

  func validate() throws {
    if let threads, !(1...256).contains(threads) {
      throw ValidationError("--threads takes 1 to 256; received \(threads)")
    }
  }

  /// The kernels on as many threads as were asked for.
  var kernels: Kernels { kernels(.float32) }

  /// The same in a precision.
  func kernels(_ precision: Precision) -> Kernels {
    threads.map { Kernels(pool: ThreadPool(threads: $0), precision: precision) }
      ?? Kernels(precision: precision)
  }

  /// A remark on standard error, unless the tool is to be quiet.
  func remark(_ text: String) {
    if !quiet { Console.remark(text) }
  }

  /// A line for people on standard output, unless JSON is asked for.
  func say(_ text: String) {
    if !json, !quiet { Console.print(text) }
  }
}

/// The precision of products, for the commands that run networks.
struct PrecisionOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "float32, or bfloat16 products where the CPU has them (default: float32).",
      valueName: "kind"), transform: Reading.precision)
  var precision: Precision = .float32

  /// The kernels as asked for; says so where they run in another precision.
  func kernels(_ global: GlobalOptions) -> Kernels {
    let kernels = global.kernels(precision)
    if kernels.precision != precision {
      global.remark(
        "this CPU does not multiply \(precision.rawValue); running in "
          + kernels.precision.rawValue)
    }
    return kernels
  }
}

/// Readings of words on the command line.
enum Reading {
  /// `float32` or `bfloat16`.
  static func precision(_ text: String) throws -> Precision {
    guard let precision = Precision(rawValue: text) else {
      let names = Precision.allCases.map(\.rawValue).joined(separator: " or ")
      throw ValidationError("expected \(names); received '\(text)'")
    }
    return precision
  }

  /// `HxW` or one number for both, in pixels.
  static func size(_ text: String) throws -> PixelSize {
    let parts = text.split(separator: "x", omittingEmptySubsequences: false).map { Int($0) }
    guard parts.count <= 2, let height = parts.first ?? nil, let width = parts.last ?? nil,
      (1...16384).contains(height), (1...16384).contains(width)
    else {
      throw ValidationError("expected HEIGHTxWIDTH in pixels, such as 96x128; received '\(text)'")
    }
    return PixelSize(width: width, height: height)
  }

  /// `32,64,128`.
  static func widths(_ text: String) throws -> [Int] {
    let numbers = text.split(separator: ",", omittingEmptySubsequences: false).map { Int($0) }
    let known = numbers.compactMap { $0 }
    guard known.count == numbers.count, known.allSatisfy({ (1...4096).contains($0) }),
      (1...8).contains(known.count)
    else {
      throw ValidationError(
        "expected 1 to 8 widths with commas, such as 32,64,128; received '\(text)'")
    }
    return known
  }

  /// `max`, `nearest`, `nails` or `transposed`.
  static func unpooling(_ text: String) throws -> Unpooling {
    guard let kind = Unpooling(rawValue: text) else {
      let names = Unpooling.allCases.map(\.rawValue).joined(separator: ", ")
      throw ValidationError("expected one of \(names); received '\(text)'")
    }
    return kind
  }

  /// `all`, or names with commas.
  static func unpoolings(_ text: String) throws -> [Unpooling] {
    text == "all"
      ? Unpooling.allCases : try text.split(separator: ",").map { try unpooling(String($0)) }
  }

  /// `l1`, `l2`, `huber:0.1`, `charbonnier:0.001`, `ssim`, or a sum such as `0.8*l1+0.2*ssim`.
  static func loss(_ text: String) throws -> Loss {
    let terms = try text.split(separator: "+", omittingEmptySubsequences: false).map {
      term -> Loss.Weighted in
      let parts = term.split(separator: "*", omittingEmptySubsequences: false)
      guard parts.count == 2 else { return .init(weight: 1, loss: try simpleLoss(term, text)) }
      guard let weight = Float(parts[0]), weight.isFinite else { throw lossError(text) }
      return .init(weight: weight, loss: try simpleLoss(parts[1], text))
    }
    if terms.count == 1, terms[0].weight == 1 { return terms[0].loss }
    return .sum(terms)
  }

  private static func simpleLoss(_ term: Substring, _ text: String) throws -> Loss {
    let parts = term.split(separator: ":", omittingEmptySubsequences: false)
    guard parts.count <= 2 else { throw lossError(text) }
    let number = parts.count == 2 ? Float(parts[1]) : nil
    if parts.count == 2 {
      guard let number, number > 0, number.isFinite else { throw lossError(text) }
    }
    switch (parts.first ?? "", parts.count) {
    case ("l1", 1): return .absoluteError
    case ("l2", 1): return .squaredError
    case ("ssim", 1): return .structuralSimilarity
    case ("huber", _): return .huber(delta: number ?? 0.1)
    case ("charbonnier", _): return .charbonnier(epsilon: number ?? 0.001)
    default: throw lossError(text)
    }
  }

  private static func lossError(_ text: String) -> ValidationError {
    ValidationError(
      "expected l1, l2, huber:DELTA, charbonnier:EPSILON, ssim or a sum such as 0.8*l1+0.2*ssim; "
        + "received '\(text)'")
  }

  /// The rule of an optimizer's short name.
  static func optimizer(_ text: String) throws -> OptimizerKind {
    guard let kind = OptimizerKind(named: text) else {
      let names = OptimizerKind.defaults.map(\.name).joined(separator: ", ")
      throw ValidationError("expected one of \(names); received '\(text)'")
    }
    return kind
  }

  /// Words with commas between them; none of nil.
  static func list(_ text: String?) -> [String] {
    (text ?? "").split(separator: ",").map { $0.trimmingCharacters(in: .whitespaces) }
      .filter { !$0.isEmpty }
  }

  /// A text as one word of a shell.
  static func quoted(_ text: String) -> String {
    let plain = Set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./:,=+@%")
    if !text.isEmpty, text.allSatisfy({ plain.contains($0) }) { return text }
    return "'" + text.replacingOccurrences(of: "'", with: "'\\''") + "'"
  }

  /// Throws unless every path is there.
  static func checkPresent(_ paths: [String]) throws {
    for path in paths where !FileManager.default.fileExists(atPath: path) {
      throw StudioError(.missingInput, "\(path): no such file or folder")
    }
  }
}
