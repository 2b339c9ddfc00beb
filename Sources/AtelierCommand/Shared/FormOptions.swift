// A form's fields as options: the parser asks a type's mirror, and the mirror shows the form.

import ArgumentParser
import Atelier

/// The number of a section, as a type: the parser tells groups apart by their types.
protocol SectionPlace: Sendable { static var index: Int { get } }
enum Section0: SectionPlace { static let index = 0 }
enum Section1: SectionPlace { static let index = 1 }
enum Section2: SectionPlace { static let index = 2 }
enum Section3: SectionPlace { static let index = 3 }
enum Section4: SectionPlace { static let index = 4 }
enum Section5: SectionPlace { static let index = 5 }
/// All places that a form's section may have.
let sectionPlaces: [any SectionPlace.Type] = [
  Section0.self, Section1.self, Section2.self, Section3.self, Section4.self, Section5.self,
]

/// One section of a form as a group of options that hands over the words it was given.
struct FormSection<Request: JobRequest, Place: SectionPlace>: ParsableArguments, CustomReflectable {
  /// The words given, by the fields' names.
  private(set) var words: FieldWords = [:]

  init() {}

  /// The section's title and fields; nil where the form has fewer sections.
  private static var section: (title: String, fields: [FieldDescription])? {
    let form = Request.form
    guard Place.index < form.sections.count else { return nil }
    return (form.sections[Place.index].title, form.describe(form.sections[Place.index]))
  }

  /// The section as a group, under the title that it has.
  static var group: OptionGroup<Self> { OptionGroup(title: section?.title ?? "") }

  /// What the parser sees in place of stored properties.
  var customMirror: Mirror {
    Mirror(
      self, children: (Self.section?.fields ?? []).map { ($0.name, $0.wrapper) as (String?, Any) })
  }

  init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: FieldKey.self)
    for field in Self.section?.fields ?? [] {
      if let given = try field.words(in: container) { words[field.name] = given }
    }
  }
}

/// The name of a field as a key of the parser's decoder.
struct FieldKey: CodingKey {
  let stringValue: String
  var intValue: Int? { nil }
  init(_ name: String) { stringValue = name }
  init?(stringValue: String) { self.init(stringValue) }
  init?(intValue: Int) { nil }
}

extension FieldDescription {
  /// The property wrapper that stands for the field.
  fileprivate var wrapper: Any {
    var names: NameSpecification = [.customLong(name)]
    if let letter = letter?.first { names = [.customShort(letter), .customLong(name)] }
    let help = ArgumentHelp(ArgumentHelp(stringLiteral: help).abstract, valueName: valueName)
    switch (kind, isPositional, isList, isDemanded) {
    case ("flag", _, _, _): return Flag(wrappedValue: false, name: names, help: help)
    case (_, true, true, true): return Argument<[String]>(help: help, completion: completion)
    case (_, true, true, false):
      return Argument<[String]>(wrappedValue: [], help: help, completion: completion)
    case (_, true, false, true): return Argument<String>(help: help, completion: completion)
    case (_, true, false, false): return Argument<String?>(help: help, completion: completion)
    case (_, false, true, true):
      return Option<[String]>(
        name: names, parsing: .upToNextOption, help: help, completion: completion)
    case (_, false, true, false):
      return Option<[String]>(
        wrappedValue: [], name: names, parsing: .upToNextOption, help: help, completion: completion)
    case (_, false, false, true):
      return Option<String>(name: names, parsing: parsing, help: help, completion: completion)
    case (_, false, false, false):
      if let loneWord {
        return Option<String?>(
          name: names, defaultAsFlag: loneWord, help: help, completion: completion)
      }
      return Option<String?>(name: names, parsing: parsing, help: help, completion: completion)
    }
  }

  /// A number may be below 0, which begins as an option does.
  private var parsing: SingleValueParsingStrategy { kind == "number" ? .unconditional : .next }

  /// What a shell offers for the field.
  private var completion: CompletionKind {
    switch kind {
    case "choice": .list(choices ?? [])
    case "file": .file(extensions: endings ?? [])
    case "folder": .directory
    case "source", "output": .file()
    default: .default
    }
  }

  /// The words that the parser found for the field, nil when it was not given.
  fileprivate func words(in container: KeyedDecodingContainer<FieldKey>) throws -> [String]? {
    let key = FieldKey(name)
    func list(_ words: [String]) -> [String]? { words.isEmpty ? nil : words }
    switch (kind, isPositional, isList, isDemanded) {
    case ("flag", _, _, _):
      return try container.decode(Flag<Bool>.self, forKey: key).wrappedValue ? [""] : nil
    case (_, true, true, _):
      return list(try container.decode(Argument<[String]>.self, forKey: key).wrappedValue)
    case (_, true, false, true):
      return [try container.decode(Argument<String>.self, forKey: key).wrappedValue]
    case (_, true, false, false):
      return try container.decode(Argument<String?>.self, forKey: key).wrappedValue.map { [$0] }
    case (_, false, true, _):
      return list(try container.decode(Option<[String]>.self, forKey: key).wrappedValue)
    case (_, false, false, true):
      return [try container.decode(Option<String>.self, forKey: key).wrappedValue]
    case (_, false, false, false):
      return try container.decode(Option<String?>.self, forKey: key).wrappedValue.map { [$0] }
    }
  }
}
