// What a job is asked for: a value with defaults, its form, and its JSON in run folders.

import AtelierFiles
import Foundation

/// What a job is asked for: a value with defaults whose form every front end reads.
public protocol JobRequest: Codable, Sendable {
  /// The request with all defaults.
  init()
  /// The fields.
  static var form: Form<Self> { get }
  /// Puts what an older version stored into today's entries, before it is read.
  static func migrate(_ stored: inout [String: Any])
  /// Refuses words that contradict each other by a `FieldError`, before anything else is looked at.
  static func check(_ words: FieldWords) throws
  /// Changes defaults that depend on other words, before the words are put in.
  mutating func prepare(for words: FieldWords) throws
  /// Puts right what follows from all words together; refuses what makes no sense by a
  /// `StudioError`.
  mutating func complete(with words: FieldWords) throws
}

extension JobRequest {
  public static func migrate(_ stored: inout [String: Any]) {}
  public static func check(_ words: FieldWords) throws {}
  public mutating func prepare(for words: FieldWords) throws {}
  public mutating func complete(with words: FieldWords) throws {}

  /// Checks words alone, each against its field, then all against each other; throws `FieldError`.
  public static func validate(_ words: FieldWords) throws {
    var scratch = Self()
    try form.read(words, into: &scratch)
    try check(words)
  }

  /// Makes a request of words; throws `FieldError` or `StudioError` with one line.
  public init(words: FieldWords) throws {
    try Self.validate(words)
    try Self.form.demand(words)
    self.init()
    try prepare(for: words)
    try Self.form.read(words, into: &self)
    try complete(with: words)
    try StudioFiles.expectPresent(Self.form.paths(self))
  }

  /// The request as JSON, as `--check` prints it.
  public func json() throws -> String {
    String(decoding: try StoredRequest.data(self), as: UTF8.self)
  }
}

/// A request that is a part of others: joined with its own keys among theirs in JSON.
protocol FlatPart: Codable {
  /// The property that holds it, whose keys stand among the request's own.
  static var partKey: String { get }
}

/// Requests as JSON: all properties have keys, also nil; what an older file lacks is as by default.
public enum StoredRequest {
  /// The parts whose keys stand among the request's own.
  private static let flat = [TrainingRecipe.partKey]

  /// The JSON of a request, keys sorted, with a line end.
  static func data(_ request: some JobRequest) throws -> Data { try text(object(request)) + [0x0A] }

  static func text(_ object: [String: Any]) throws -> Data {
    try JSONSerialization.data(
      withJSONObject: object, options: [.sortedKeys, .prettyPrinted, .withoutEscapingSlashes])
  }

  /// A request as a JSON object.
  static func object(_ request: some JobRequest) throws -> [String: Any] {
    let encoder = JSONEncoder()
    encoder.nonConformingFloatEncodingStrategy = .convertToString(
      positiveInfinity: "inf", negativeInfinity: "-inf", nan: "nan")
    let data = try encoder.encode(request)
    guard var object = try JSONSerialization.jsonObject(with: data) as? [String: Any] else {
      throw StudioError(.usage, "a request is a JSON object")
    }
    for key in flat {
      guard let part = object.removeValue(forKey: key) as? [String: Any] else { continue }
      object.merge(part) { $1 }
    }
    // The encoder leaves out what is nil.
    for key in optionalKeys(request) where object[key] == nil { object[key] = NSNull() }
    return object
  }

  /// Reads a request that `data` gave, now or in an older version; throws `DecodingError`, or
  /// `StudioError` when it is no object.
  ///
  /// Since version 0.2 files are complete: nil has a key, and what lacks one takes its default. In
  /// older files it is nil.
  public static func read<Request: JobRequest>(
    _ data: Data, isComplete: Bool, as type: Request.Type = Request.self
  ) throws -> Request {
    guard var stored = try JSONSerialization.jsonObject(with: data) as? [String: Any] else {
      throw StudioError(.data, "expected a JSON object")
    }
    Request.migrate(&stored)
    let defaults = Request()
    var whole = try object(defaults)
    for key in optionalKeys(defaults) where stored[key] == nil && !isComplete {
      whole[key] = NSNull()
    }
    if let key = stored.keys.sorted().first(where: { whole[$0] == nil }) {
      throw StudioError(.data, "there is an entry \(key), which no request of this kind has")
    }
    whole = merged(whole, stored)
    for child in Mirror(reflecting: defaults).children {
      guard let key = child.label, flat.contains(key) else { continue }
      var part: [String: Any] = [:]
      for inner in Mirror(reflecting: child.value).children.compactMap(\.label) {
        part[inner] = whole.removeValue(forKey: inner)
      }
      whole[key] = part
    }
    let decoder = JSONDecoder()
    // No request holds what is no number.
    decoder.nonConformingFloatDecodingStrategy = .convertFromString(
      positiveInfinity: "inf", negativeInfinity: "-inf", nan: "\0")
    let request = try decoder.decode(
      type, from: try JSONSerialization.data(withJSONObject: whole))
    try Request.form.expectSound(request)
    return request
  }

  /// The keys of the properties that may be nil.
  private static func optionalKeys(_ value: Any) -> [String] {
    Mirror(reflecting: value).children.flatMap { child -> [String] in
      guard let key = child.label else { return [] }
      if flat.contains(key) { return optionalKeys(child.value) }
      return Mirror(reflecting: child.value).displayStyle == .optional ? [key] : []
    }
  }

  /// What is stored over the defaults; in objects of the same keys key by key.
  private static func merged(_ defaults: [String: Any], _ stored: [String: Any]) -> [String: Any] {
    var result = defaults
    for (key, value) in stored {
      if let inner = value as? [String: Any], let base = defaults[key] as? [String: Any],
        // An enumeration's cases are keys, too: another case replaces the default's.
        Set(inner.keys).isSubset(of: base.keys)
      {
        result[key] = merged(base, inner)
      } else {
        result[key] = value
      }
    }
    return result
  }
}

/// Looks at files before work begins.
public enum StudioFiles {
  /// Whether a path is a folder; nil when there is nothing.
  package static func isFolder(_ path: String) -> Bool? {
    var isFolder: ObjCBool = false
    return FileManager.default.fileExists(atPath: path, isDirectory: &isFolder)
      ? isFolder.boolValue : nil
  }

  /// Throws `StudioError` that names the first path that is not there.
  public static func expectPresent(_ paths: [String]) throws {
    for path in paths where !FileManager.default.fileExists(atPath: path) {
      throw StudioError(.missingInput, "\(path): no such file or folder")
    }
  }
}
