// The form of a request: its fields in sections; reads words into requests and tells what it is.

import AtelierFiles

/// The fields of a request, in the order in which people see them.
public struct Form<Request: Sendable>: Sendable {
  /// Fields under one title.
  public struct Section: Sendable {
    /// The title, in capitals; empty for the form's own fields.
    public let title: String
    /// The fields.
    public let fields: [Field<Request>]
  }

  /// The sections.
  public private(set) var sections: [Section] = []
  /// The request with all defaults.
  let defaults: Request

  /// Makes a form of the request with all defaults and its first section.
  public init(_ defaults: Request, title: String = "", fields: [Field<Request>]) {
    self.defaults = defaults
    sections = [Section(title: title, fields: fields)]
  }

  /// Makes a form of a request's own defaults.
  public init(_ fields: [Field<Request>] = []) where Request: JobRequest {
    self.init(Request(), fields: fields)
  }

  /// The same form with one more section.
  public func section(_ title: String, _ fields: [Field<Request>]) -> Self {
    var copy = self
    copy.sections.append(Section(title: title, fields: fields))
    return copy
  }

  /// All fields.
  public var fields: [Field<Request>] { sections.flatMap(\.fields) }

  package func field(_ name: String) -> Field<Request>? { fields.first { $0.name == name } }

  /// Puts words into a request, leaving alone those that the form has not; throws `FieldError` that
  /// names the first field whose words it does not take.
  public func read(_ words: FieldWords, into request: inout Request) throws {
    for field in fields {
      guard let given = words[field.name] else { continue }
      do {
        try field.put(&request, given)
      } catch let error as FieldRangeError {
        throw FieldError(error.description)
      } catch {
        throw FieldError(
          "The value '\(given.last ?? "")' is invalid for '\(field.spelling)': \(error)")
      }
    }
  }

  /// Throws `StudioError` where a request holds what a field would not take, as a stored one may that
  /// was damaged or edited.
  package func expectSound(_ request: Request) throws {
    var scratch = request
    for field in fields {
      let words = field.words(request)
      guard !words.isEmpty, words != field.words(defaults) else { continue }
      do {
        try field.put(&scratch, words)
      } catch let error as FieldRangeError {
        throw StudioError(.data, error.description)
      } catch {
        throw StudioError(.data, "'\(words.last ?? "")' for '\(field.spelling)': \(error)")
      }
    }
  }

  /// The names of the fields, of those given, that a resumed training may not change.
  package func fixed(of words: FieldWords) -> [String] {
    fields.filter { words[$0.name] != nil && !$0.traits.isChangeable }.map { "--\($0.name)" }
  }

  /// Throws where a resumed training would be given what it may not change.
  package func expectChangeable(_ words: FieldWords) throws {
    let fixed = fixed(of: words)
    try StudioError.unless(
      fixed.isEmpty, .usage,
      "--resume goes on with the run's own settings; leave out " + fixed.joined(separator: ", "))
  }

  /// Throws what a new request says that lacks a field it needs.
  func demand(_ words: FieldWords) throws {
    for field in fields where words[field.name] == nil {
      switch field.traits.need {
      case .none: continue
      case .line(let line): throw StudioError(.usage, line)
      case .demanded: throw FieldError("Missing expected argument '\(field.spelling)'")
      }
    }
  }

  /// The files and folders that a request reads.
  func paths(_ request: Request) -> [String] {
    fields.filter(\.kind.isRead).flatMap { field in
      field.traits.reserved.map { names in field.words(request).filter { !names.contains($0) } }
        ?? []
    }
  }

  /// The fields whose files or folders are not there, each with the first of them.
  func missing(_ request: Request) -> [(name: String, path: String)] {
    fields.filter(\.kind.isRead).compactMap { field in
      guard let names = field.traits.reserved else { return nil }
      return field.words(request)
        .first { !names.contains($0) && StudioFiles.isFolder($0) == nil }
        .map { (field.name, $0) }
    }
  }

  /// The words of all fields that differ from the defaults or are needed; they make it again.
  public func words(of request: Request) -> FieldWords {
    var result: FieldWords = [:]
    for field in fields {
      let words = field.words(request)
      guard !words.isEmpty, field.traits.need != .none || words != field.words(defaults) else {
        continue
      }
      result[field.name] = words
    }
    return result
  }

  /// What front ends without types need to know.
  public var descriptions: [FieldDescription] { sections.flatMap { describe($0) } }

  /// The same of one section.
  public func describe(_ section: Section) -> [FieldDescription] {
    section.fields.map { FieldDescription($0, section: section.title, defaults) }
  }
}

/// A field as `atelier describe` and the web studio see it.
public struct FieldDescription: Sendable, Hashable, Codable {
  /// The name.
  public var name: String
  /// The title above it; nil for none.
  public var section: String?
  /// One or more sentences.
  public var help: String
  /// `flag`, `count`, `number`, `choice`, `text`, `file`, `folder`, `source` or `output`.
  public var kind: String
  /// What stands for the word in a usage line.
  public var valueName: String?
  /// The words of a choice.
  public var choices: [String]?
  /// The endings of files.
  public var endings: [String]?
  /// The numbers that it takes, in words.
  public var range: String?
  /// The least number.
  public var least: Double?
  /// The largest number.
  public var most: Double?
  /// The words that hold where nothing is given.
  public var defaults: [String]?
  /// Whether several words may be given.
  public var isList: Bool
  /// Whether it stands on the command line without its name.
  public var isPositional: Bool
  /// A letter that stands for the name.
  public var letter: String?
  /// The word that the name alone stands for.
  public var loneWord: String?
  /// Whether a new request needs it.
  public var isRequired: Bool
  /// Whether a resumed training may change it.
  public var isChangeable: Bool
  /// Whether no front end takes the form without it.
  public var isDemanded = false

  enum CodingKeys: String, CodingKey {
    case name, section, help, kind, choices, endings, range, least, most, defaults, letter
    case valueName = "value_name"
    case loneWord = "alone"
    case isList = "list"
    case isPositional = "positional"
    case isRequired = "required"
    case isChangeable = "changeable"
  }

  init<Request>(_ field: Field<Request>, section: String, _ defaults: Request) {
    name = field.name
    self.section = section.isEmpty ? nil : section
    help = field.helpText(defaults)
    kind = field.kind.name
    valueName = field.valueName.isEmpty ? nil : field.valueName
    if case .choice(let words) = field.kind { choices = words }
    if case .file(let endings) = field.kind, !endings.isEmpty { self.endings = endings }
    if field.range != .any {
      (range, least, most) = (field.range.text, field.range.least, field.range.most)
    }
    let words = field.words(defaults)
    self.defaults = words.isEmpty || field.kind == .flag ? nil : words
    isList = field.isList
    isPositional = field.traits.isPositional
    letter = field.traits.letter.map(String.init)
    loneWord = field.traits.loneWord
    isRequired = field.traits.need != .none
    isChangeable = field.traits.isChangeable
    isDemanded = field.traits.need == .demanded
  }
}
