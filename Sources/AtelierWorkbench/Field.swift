// One field of a request: its name, help, kind and range, told once and read by every front end.

import Foundation

/// What a front end gave for each field by name: a word or several, none for a flag that is there.
public typealias FieldWords = [String: [String]]

/// A property of a request that a field reads and writes.
public typealias FieldPath<Root, Value> = any WritableKeyPath<Root, Value> & Sendable

/// What there is to say of a field beside its value, whatever request it is of.
struct FieldTraits: Sendable {
  /// What is said of the value that holds where nothing is given.
  enum Default: Sendable {
    /// The request's own default, where it has one.
    case own
    /// Nothing.
    case silent
    /// These words.
    case words(String)
  }

  /// What becomes of a request that lacks the field.
  enum Need: Sendable, Equatable {
    /// The default holds.
    case none
    /// No front end takes the form without it.
    case demanded
    /// A new request without it ends with this line.
    case line(String)
  }

  /// Whether it stands alone on the command line, without its name.
  var isPositional = false
  /// A letter that stands for the name.
  var letter: Character?
  /// The word that the name alone stands for; nil where a word must follow.
  var loneWord: String?
  /// Whether a resumed training may change it.
  var isChangeable = false
  /// Words that name no file; nil where the job itself looks which files are there.
  var reserved: Set<String>? = []
  var need = Need.none
  var fallback = Default.own
}

/// One field of a request.
public struct Field<Request>: Sendable {
  /// The name, words joined by hyphens; the command line puts two before it.
  public let name: String
  /// One sentence without its full stop.
  public let help: String
  /// The kind of its words.
  public let kind: FieldKind
  /// What stands for the word in a usage line, such as `n` or `file`.
  public let valueName: String
  /// The numbers that it takes.
  public let range: NumberRange
  /// Whether several words may be given.
  public let isList: Bool
  private(set) var traits = FieldTraits()

  /// Puts words into a request.
  package let put: @Sendable (inout Request, [String]) throws -> Void
  /// The words that a request holds.
  package let words: @Sendable (Request) -> [String]

  /// Makes a field of its parts, for values that are no plain property of the request; its range is
  /// for help and descriptions alone.
  public init(
    _ name: String, _ help: String, value: String = "", kind: FieldKind, range: NumberRange = .any,
    isList: Bool = false, words: @escaping @Sendable (Request) -> [String] = { _ in [] },
    put: @escaping @Sendable (inout Request, [String]) throws -> Void
  ) {
    self.name = name
    self.help = help
    self.kind = kind
    self.valueName = value
    self.range = range
    self.isList = isList
    self.words = words
    self.put = put
  }

  /// A property with one value.
  public init<Value: FieldValue>(
    _ name: String, _ path: FieldPath<Request, Value>, _ help: String,
    value: String, _ range: NumberRange = .any, kind: FieldKind? = nil
  ) {
    self.init(
      name, help, value: value, kind: kind ?? Value.fieldKind, range: range,
      words: { [$0[keyPath: path].word].filter { !$0.isEmpty } },
      put: { request, words in
        guard let word = words.last else { return }
        request[keyPath: path] = try Self.read(word, name, range)
      })
  }

  /// A property with a value or none.
  public init<Value: FieldValue>(
    _ name: String, _ path: FieldPath<Request, Value?>, _ help: String,
    value: String, _ range: NumberRange = .any, kind: FieldKind? = nil
  ) {
    self.init(
      name, help, value: value, kind: kind ?? Value.fieldKind, range: range,
      words: { $0[keyPath: path].map { [$0.word] } ?? [] },
      put: { request, words in
        guard let word = words.last else { return }
        request[keyPath: path] = try Self.read(word, name, range) as Value
      })
  }

  /// A property with several values, each a word of its own.
  public init<Value: FieldValue>(
    list name: String, _ path: FieldPath<Request, [Value]>, _ help: String,
    value: String, kind: FieldKind? = nil
  ) {
    self.init(
      name, help, value: value, kind: kind ?? Value.fieldKind, isList: true,
      words: { $0[keyPath: path].map(\.word) },
      put: { request, words in
        request[keyPath: path] = try words.map { try Self.read($0, name, .any) }
      })
  }

  /// A property with several values in one word, with commas between them.
  public init<Value: FieldValue>(
    commas name: String, _ path: FieldPath<Request, [Value]>, _ help: String, value: String
  ) {
    self.init(
      name, help, value: value, kind: .text,
      words: { [$0[keyPath: path].map(\.word).joined(separator: ",")].filter { !$0.isEmpty } },
      put: { request, words in
        request[keyPath: path] = try (words.last ?? "").split(separator: ",")
          .map { $0.trimmingCharacters(in: .whitespaces) }.filter { !$0.isEmpty }
          .map { try Self.read($0, name, .any) }
      })
  }

  /// A property with several of a choice's values in one word, each once, with commas, or `all`.
  public init<Value: ChoiceValue>(
    choices name: String, _ path: FieldPath<Request, [Value]>, _ help: String, value: String
  ) {
    self.init(
      name, help, value: value, kind: .text,
      words: { [$0[keyPath: path].map(\.rawValue).joined(separator: ",")] },
      put: { request, words in
        let word = words.last ?? ""
        let parts = word.split(separator: ",", omittingEmptySubsequences: false)
        let found =
          word == "all" ? Array(Value.allCases) : parts.compactMap { Value(rawValue: "\($0)") }
        guard word == "all" || found.count == parts.count,
          Set(found.map(\.rawValue)).count == found.count
        else {
          let names = Value.allCases.map(\.rawValue).joined(separator: ", ")
          throw FieldError("expected \(value) with commas out of \(names); received '\(word)'")
        }
        request[keyPath: path] = found
      })
  }

  /// A switch that sets a property to a value, `true` unless told otherwise.
  public init(
    flag name: String, _ path: FieldPath<Request, Bool>, _ help: String, sets value: Bool = true
  ) {
    self.init(
      name, help, kind: .flag, words: { $0[keyPath: path] == value ? [""] : [] },
      put: { request, _ in request[keyPath: path] = value })
  }

  /// Reads a word and checks its range.
  static func read<Value: FieldValue>(
    _ word: String, _ name: String, _ range: NumberRange
  ) throws -> Value {
    let value = try Value(word: word)
    if let number = value.rangedNumber, !range.contains(number) {
      throw FieldRangeError("--\(name) takes \(range.text); received \(value)")
    }
    return value
  }

  // MARK: - What else there is to say of it

  /// The same field, which no front end takes the form without.
  public var demanded: Self { with { $0.need = .demanded } }

  /// The same field, without which a new request ends with a line.
  public func demanded(_ line: String) -> Self { with { $0.need = .line(line) } }

  /// The same field, which a resumed training may change.
  public var changeable: Self { with { $0.isChangeable = true } }

  /// The same field, which stands on the command line without its name.
  public var positional: Self { with { $0.isPositional = true } }

  /// The same field with a letter beside its name.
  public func letter(_ letter: Character) -> Self { with { $0.letter = letter } }

  /// The same field, in which a word names no file but something that the project has.
  public func besides(_ word: String) -> Self { with { $0.reserved?.insert(word) } }

  /// The same field, of which the job tells what is missing, so that one file stops no others.
  public var lenient: Self { with { $0.reserved = nil } }

  /// The same field, whose name alone stands for a word.
  public func alone(_ word: String) -> Self { with { $0.loneWord = word } }

  /// The same field with words for its default; nil says nothing of it.
  public func byDefault(_ words: String?) -> Self {
    with { $0.fallback = words.map(FieldTraits.Default.words) ?? .silent }
  }

  private func with(_ change: (inout FieldTraits) -> Void) -> Self {
    var copy = self
    change(&copy.traits)
    return copy
  }

  /// The same field of a part of a larger request.
  public func within<Whole>(_ path: FieldPath<Whole, Request>) -> Field<Whole> {
    carried(words: { words($0[keyPath: path]) }, put: { try put(&$0[keyPath: path], $1) })
  }

  /// The same field of another request, which keeps its value in a way of its own.
  package func carried<Whole>(
    words: @escaping @Sendable (Whole) -> [String],
    put: @escaping @Sendable (inout Whole, [String]) throws -> Void
  ) -> Field<Whole> {
    var field = Field<Whole>(
      name, help, value: valueName, kind: kind, range: range, isList: isList, words: words,
      put: put)
    field.traits = traits
    return field
  }

  /// The same field in the form of another job, which hands over where it is given: there it is only
  /// read, against these defaults.
  package func readOnly<Whole>(
    in whole: Whole.Type, defaults: @escaping @Sendable () -> Request
  ) -> Field<Whole> {
    carried(
      words: { _ in words(defaults()) },
      put: {
        var scratch = defaults()
        try put(&scratch, $1)
      })
  }

  /// The help's sentence with the default of a request and its full stop.
  func helpText(_ defaults: Request) -> String {
    let text: String?
    switch traits.fallback {
    case .silent: text = nil
    case .words(let words): text = words
    case .own where kind == .flag || traits.need != .none: text = nil
    case .own:
      let words = words(defaults)
      text = words.isEmpty ? nil : words.joined(separator: " ")
    }
    return help + (text.map { " (default: \($0))" } ?? "") + "."
  }

  /// How the field is named in messages.
  var spelling: String { traits.isPositional ? "<\(valueName)>" : "--\(name) <\(valueName)>" }
}

/// A number out of its field's range; its line names the field already.
package struct FieldRangeError: Error, CustomStringConvertible {
  package let description: String
  package init(_ description: String) { self.description = description }
}
