// What the words of a field become: numbers in a range, choices, and what else reads itself.

/// What kind of words a field takes; front ends show, complete and check them by it.
public enum FieldKind: Sendable, Hashable {
  /// There or not; takes no word.
  case flag
  /// A whole number.
  case count
  /// A number.
  case number
  /// One of these words.
  case choice([String])
  /// A word of its own form.
  case text
  /// A file that is read, of one of these endings; none for any.
  case file([String])
  /// A folder that is read.
  case folder
  /// Files or folders that are read.
  case source
  /// A file or folder that is written.
  case output

  /// Whether it names what must be there before the work begins.
  public var isRead: Bool {
    switch self {
    case .file, .folder, .source: true
    default: false
    }
  }

  /// The name of the kind in descriptions.
  public var name: String {
    switch self {
    case .flag: "flag"
    case .count: "count"
    case .number: "number"
    case .choice: "choice"
    case .text: "text"
    case .file: "file"
    case .folder: "folder"
    case .source: "source"
    case .output: "output"
    }
  }
}

/// What a front end gave that a field does not take: one line, shown with the way to the help.
public struct FieldError: Error, Sendable, Hashable, CustomStringConvertible {
  /// The line.
  public let description: String

  /// Makes an error of its line.
  public init(_ description: String) { self.description = description }
}

/// The numbers that a field takes.
public struct NumberRange: Sendable, Hashable {
  /// The least number, itself included unless the range is open below; nil for none.
  public private(set) var least: Double?
  /// The largest number, itself included unless the range is open above; nil for none.
  public private(set) var most: Double?
  /// Whether the least number does not count.
  public private(set) var isOpenBelow = false
  /// Whether the largest number does not count.
  public private(set) var isOpenAbove = false
  /// The range in words, as in "takes …".
  public let text: String

  /// Every number.
  public static let any = NumberRange(text: "a number")
  /// Numbers above 0.
  public static let positive = NumberRange(least: 0, isOpenBelow: true, text: "a number above 0")
  /// 0 and more.
  public static let notNegative = NumberRange(least: 0, text: "0 or more")
  /// 0 to 1.
  public static let share = NumberRange.from(0, to: 1)
  /// 0 to below 1.
  public static let partialShare = NumberRange(
    least: 0, most: 1, isOpenAbove: true, text: "0 to below 1")

  /// A least number and what is above it.
  public static func from(_ least: Double) -> NumberRange {
    NumberRange(least: least, text: "at least \(numberWord(least))")
  }

  /// A least and a largest number and what is between them.
  public static func from(_ least: Double, to most: Double) -> NumberRange {
    NumberRange(least: least, most: most, text: "\(numberWord(least)) to \(numberWord(most))")
  }

  /// Whether a number is in the range; what is not finite never is.
  public func contains(_ value: Double) -> Bool {
    guard value.isFinite else { return false }
    if let least, isOpenBelow ? value <= least : value < least { return false }
    if let most, isOpenAbove ? value >= most : value > most { return false }
    return true
  }
}

/// A number as a person writes it: whole ones without a point.
public func numberWord(_ value: Double) -> String {
  guard value == value.rounded(), abs(value) < 1e15 else { return "\(value)" }
  return "\(Int(value))"
}

/// A value that reads itself from the word of a field, and tells itself as one.
public protocol FieldValue: Sendable {
  /// What kind of words these are.
  static var fieldKind: FieldKind { get }
  /// Reads a word; throws `FieldError` or `StudioError` that says what was expected and received.
  init(word: String) throws
  /// The value as the word that it is read from.
  var word: String { get }
  /// The number that a range checks; nil for what is no number.
  var rangedNumber: Double? { get }
}

extension FieldValue {
  public var rangedNumber: Double? { nil }
  public static var fieldKind: FieldKind { .text }
}

extension FieldValue where Self: LosslessStringConvertible {
  /// Reads a word as Swift writes it.
  public init(word: String) throws {
    guard let value = Self(word) else {
      throw FieldError(Self.fieldKind == .count ? "expected a whole number" : "expected a number")
    }
    self = value
  }
  public var word: String { description }
}

extension String: FieldValue {}

extension Int: FieldValue {
  public static var fieldKind: FieldKind { .count }
  public var rangedNumber: Double? { Double(self) }
}

extension UInt64: FieldValue {
  public static var fieldKind: FieldKind { .count }
  public init(word: String) throws {
    guard let value = UInt64(word) else {
      throw FieldError("expected a whole number of at least 0")
    }
    self = value
  }
}

extension Double: FieldValue {
  public static var fieldKind: FieldKind { .number }
  public var word: String { numberWord(self) }
  public var rangedNumber: Double? { self }
}

extension Float: FieldValue {
  public static var fieldKind: FieldKind { .number }
  public var word: String { self == rounded() && magnitude < 1e6 ? "\(Int(self))" : "\(self)" }
  public var rangedNumber: Double? { Double(self) }
}

/// A value with a word for each case.
public protocol ChoiceValue: FieldValue, CaseIterable, RawRepresentable where RawValue == String {
  /// What the choice is of, as in "expected …", with its article; nil says just "one of".
  static var noun: String? { get }
}

extension ChoiceValue {
  public static var noun: String? { nil }
  public static var fieldKind: FieldKind { .choice(allCases.map(\.rawValue)) }
  public init(word: String) throws {
    guard let value = Self(rawValue: word) else {
      let names = Self.allCases.map(\.rawValue)
      let one = Self.noun.map { "\($0), one of" } ?? "one of"
      // Two are easier to read as "this or that".
      let list =
        names.count == 2 && Self.noun == nil
        ? names.joined(separator: " or ") : "\(one) \(names.joined(separator: ", "))"
      throw FieldError("expected \(list); received '\(word)'")
    }
    self = value
  }
  public var word: String { rawValue }
}
