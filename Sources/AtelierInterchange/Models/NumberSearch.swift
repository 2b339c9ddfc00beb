// A look through all numbers that a value would encode, without text in between.

/// An encoder that writes nothing: it looks for a number that is too large.
///
/// Of a graph that was read, JSON text would have to be made and parsed again to see the same; that
/// took longer than all other checks of a model file.
final class NumberSearch: Encoder {
  private let limit: Double
  /// The first number beyond the limit.
  private var found: Double?

  let codingPath: [any CodingKey] = []
  let userInfo: [CodingUserInfoKey: Any] = [:]

  private init(limit: Double) { self.limit = limit }

  /// The first number in `value` whose magnitude is above `limit`; nil when there is none.
  ///
  /// Infinity and NaN, which files write as words, are no such numbers.
  static func first(beyond limit: Double, in value: some Encodable) throws -> Double? {
    let search = NumberSearch(limit: limit)
    try value.encode(to: search)
    return search.found
  }

  func container<Key>(keyedBy type: Key.Type) -> KeyedEncodingContainer<Key> {
    KeyedEncodingContainer(Members(search: self))
  }
  func unkeyedContainer() -> any UnkeyedEncodingContainer { Elements(search: self) }
  func singleValueContainer() -> any SingleValueEncodingContainer { Single(search: self) }

  private func look(_ number: Double) {
    if found == nil, number.isFinite, abs(number) > limit { found = number }
  }

  private func look(at value: some Encodable) throws {
    switch value {
    case let number as Int: look(Double(number))
    case let number as Double: look(number)
    case let number as Float: look(Double(number))
    case let number as UInt64: look(Double(number))
    case let number as UInt: look(Double(number))
    case let number as Int64: look(Double(number))
    case let number as UInt32: look(Double(number))
    case let number as Int32: look(Double(number))
    // What no limit of ours can exceed or is no number ends the way down, or it would ask for
    // itself for ever.
    case is String, is Bool, is UInt16, is Int16, is UInt8, is Int8: break
    default: try value.encode(to: self)
    }
  }

  private struct Members<Key: CodingKey>: KeyedEncodingContainerProtocol {
    let search: NumberSearch
    let codingPath: [any CodingKey] = []
    func encodeNil(forKey key: Key) {}
    func encode(_ value: some Encodable, forKey key: Key) throws { try search.look(at: value) }
    func nestedContainer<Nested>(
      keyedBy type: Nested.Type, forKey key: Key
    ) -> KeyedEncodingContainer<Nested> { search.container(keyedBy: type) }
    func nestedUnkeyedContainer(forKey key: Key) -> any UnkeyedEncodingContainer {
      search.unkeyedContainer()
    }
    func superEncoder() -> any Encoder { search }
    func superEncoder(forKey key: Key) -> any Encoder { search }
  }

  private struct Elements: UnkeyedEncodingContainer {
    let search: NumberSearch
    let codingPath: [any CodingKey] = []
    let count = 0
    func encodeNil() {}
    func encode(_ value: some Encodable) throws { try search.look(at: value) }
    func nestedContainer<Nested>(keyedBy type: Nested.Type) -> KeyedEncodingContainer<Nested> {
      search.container(keyedBy: type)
    }
    func nestedUnkeyedContainer() -> any UnkeyedEncodingContainer { search.unkeyedContainer() }
    func superEncoder() -> any Encoder { search }
  }

  private struct Single: SingleValueEncodingContainer {
    let search: NumberSearch
    let codingPath: [any CodingKey] = []
    func encodeNil() {}
    func encode(_ value: some Encodable) throws { try search.look(at: value) }
  }
}
