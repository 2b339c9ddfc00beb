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
