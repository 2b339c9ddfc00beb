// A machine for Python's pickles that knows what weight files are made of, and executes nothing.
//
// A pickle is a program for a stack machine (https://peps.python.org/pep-0307/, pep-3154). Python's
// own machine calls whatever the file names; this one builds plain values, `OrderedDict`, storages,
// tensors and parameters, and refuses everything else by its name. Objects are numbers into lists
// that the machine owns: nothing that a file says makes a cycle or a deep chain of references.

import AtelierEngine
import AtelierFiles
import Foundation

/// A value on the machine's stack.
enum PickleValue {
  case none
  case truth(Bool)
  case integer(Int)
  case real(Double)
  case text(String)
  /// A number too long for 64 bits, which no weight file needs.
  case longInteger
  /// Indices into the machine's lists.
  case tuple(Int)
  case list(Int)
  case dictionary(Int)
  case global(Int)
  case storage(Int)
  case tensor(Int)
}

/// A run of numbers that tensors look into.
struct PickledStorage {
  var type: SafetensorsType
  /// Its name in the file.
  var key: String
  /// Its elements.
  var count: Int
  /// Where it begins in the storage of that name, in elements: old files have views of storages.
  var offset: Int
}

/// A view into a storage, as PyTorch has it.
struct PickledTensor {
  var storage: Int
  /// The first element.
  var offset: Int
  var shape: [Int]
  /// The elements between neighbours along each axis.
  var strides: [Int]
}

/// The machine, and what it has built.
struct PickleMachine {
  /// Nested values of each kind; a `PickleValue` is an index here.
  private(set) var sequences: [[PickleValue]] = []
  private(set) var dictionaries: [[(key: PickleValue, value: PickleValue)]] = []
  private(set) var globals: [String] = []
  private(set) var storages: [PickledStorage] = []
  private(set) var tensors: [PickledTensor] = []

  private var stack: [PickleValue] = []
  private var marks: [Int] = []
  private var memo: [PickleValue] = []
  /// The bytes that may still be kept: memory stays in proportion to the file.
  private var budget: Int

  /// The deepest stack; Python's writer never leaves more than a thousand values open at once.
  private static let deepestStack = 1 << 14

  /// Makes a machine for a file of this size in bytes.
  init(fileSize: Int) { budget = 3 * fileSize + 1 << 22 }

  /// Runs one pickle to its end and gives its value.
  mutating func run(_ reader: inout ByteReader) throws(FileError) -> PickleValue {
    stack = []
    marks = []
    memo = []
    while true {
      let code = try reader.byte()
      if code == UInt8(ascii: ".") { return try pop(reader) }
      if try runScalar(code, &reader) { continue }
      if try runContainer(code, reader) { continue }
      try runObject(code, &reader)
    }
  }

  /// The dictionary that a value is, or nil.
  func dictionary(_ value: PickleValue) -> [(key: PickleValue, value: PickleValue)]? {
    if case .dictionary(let index) = value { dictionaries[index] } else { nil }
  }

  // MARK: - Opcodes

  /// Runs an opcode that makes a number or a text; false when it is another one.
  private mutating func runScalar(
    _ code: UInt8, _ reader: inout ByteReader
  ) throws(FileError) -> Bool {
    let value: PickleValue
    switch code {
    case UInt8(ascii: "N"): value = .none
    case 0x88: value = .truth(true)
    case 0x89: value = .truth(false)
    case UInt8(ascii: "K"): value = .integer(Int(try reader.byte()))
    case UInt8(ascii: "M"): value = .integer(Int(try reader.integer(UInt16.self)))
    case UInt8(ascii: "J"): value = .integer(Int(try reader.integer(Int32.self)))
    case 0x8A: value = try longInteger(&reader, count: Int(try reader.byte()))
    case 0x8B: value = try longInteger(&reader, count: try reader.count(UInt32.self))
    case UInt8(ascii: "G"):
      value = .real(Double(bitPattern: try reader.integer(UInt64.self).byteSwapped))
    case UInt8(ascii: "X"), UInt8(ascii: "T"), UInt8(ascii: "B"):
      value = .text(try reader.text(try reader.count(UInt32.self)))
    case 0x8C, UInt8(ascii: "U"), UInt8(ascii: "C"):
      value = .text(try reader.text(Int(try reader.byte())))
    case 0x8D, 0x8E: value = .text(try reader.text(try reader.count(UInt64.self)))
    default: return false
    }
    // Longer texts lie outside the value, with 32 bytes of administration.
    if case .text(let text) = value, text.utf8.count > 15 {
      try keep(text.utf8.count + 32, reader)
    }
    try push(value, reader)
    return true
  }

  /// Runs an opcode that makes or fills a tuple, a list or a dictionary; false when it is another.
  private mutating func runContainer(_ code: UInt8, _ reader: ByteReader) throws(FileError) -> Bool
  {
    switch code {
    case UInt8(ascii: "("):
      marks.append(stack.count)
      guard marks.count <= Self.deepestStack else {
        throw reader.fault("a pickle with \(marks.count) open marks is no weight file's")
      }
    case UInt8(ascii: ")"): try pushSequence([], reader, as: PickleValue.tuple)
    case UInt8(ascii: "t"):
      try pushSequence(try popToMark(reader), reader, as: PickleValue.tuple)
    case 0x85, 0x86, 0x87:
      try pushSequence(try pop(Int(code) - 0x84, reader), reader, as: PickleValue.tuple)
    case UInt8(ascii: "]"): try pushSequence([], reader, as: PickleValue.list)
    case UInt8(ascii: "l"): try pushSequence(try popToMark(reader), reader, as: PickleValue.list)
    case UInt8(ascii: "a"): try extend(with: try pop(1, reader), reader)
    case UInt8(ascii: "e"): try extend(with: try popToMark(reader), reader)
    case UInt8(ascii: "}"): try pushDictionary([], reader)
    case UInt8(ascii: "d"): try pushDictionary(try popToMark(reader), reader)
    case UInt8(ascii: "s"): try fill(with: try pop(2, reader), reader)
    case UInt8(ascii: "u"): try fill(with: try popToMark(reader), reader)
    case UInt8(ascii: "0"): _ = try pop(reader)
    case UInt8(ascii: "1"): _ = try popToMark(reader)
    case UInt8(ascii: "2"):
      let value = try pop(reader)
      try push(value, reader)
      try push(value, reader)
    default: return false
    }
    return true
  }

  /// Runs an opcode of objects or of the memo; throws when there is no such opcode.
  private mutating func runObject(_ code: UInt8, _ reader: inout ByteReader) throws(FileError) {
    switch code {
    case 0x80:
      let version = try reader.byte()
      guard (2...5).contains(version) else {
        throw reader.fault("expected a pickle of protocol 2 to 5, received \(version)")
      }
    case 0x95: _ = try reader.skip(8)
    case UInt8(ascii: "c"):
      let module = try reader.line()
      try pushGlobal("\(module).\(try reader.line())", reader)
    case 0x93:
      let names = try pop(2, reader)
      guard case .text(let module) = names[0], case .text(let name) = names[1] else {
        throw reader.fault("expected the names of a class, received something else")
      }
      try pushGlobal("\(module).\(name)", reader)
    case UInt8(ascii: "R"):
      let arguments = try pop(reader)
      let callee = try pop(reader)
      try push(try call(callee, arguments, reader), reader)
    case 0x81, 0x92:
      _ = try pop(code == 0x81 ? 1 : 2, reader)
      throw refusal(try pop(reader), reader)
    case UInt8(ascii: "b"):
      // The state of a dictionary is PyTorch's list of layer versions, which says nothing here.
      _ = try pop(reader)
      guard case .dictionary = stack.last else {
        throw reader.fault("expected the state of an OrderedDict, received that of another object")
      }
    case UInt8(ascii: "Q"): try push(try storage(try pop(reader), reader), reader)
    case UInt8(ascii: "q"): try remember(Int(try reader.byte()), reader)
    case UInt8(ascii: "r"): try remember(try reader.count(UInt32.self), reader)
    case 0x94: try remember(memo.count, reader)
    case UInt8(ascii: "h"): try recall(Int(try reader.byte()), reader)
    case UInt8(ascii: "j"): try recall(try reader.count(UInt32.self), reader)
    default:
      throw reader.fault(
        "expected an operation of a weight file's pickle, received the byte \(code)")
    }
  }

  // MARK: - Objects

  /// What a call of something that is known gives; throws with the name of what is not.
  private mutating func call(
    _ callee: PickleValue, _ arguments: PickleValue, _ reader: ByteReader
  ) throws(FileError) -> PickleValue {
    guard case .global(let index) = callee, case .tuple(let tuple) = arguments else {
      throw reader.fault("expected a call with a tuple, received something else")
    }
    let given = sequences[tuple]
    switch globals[index] {
    case "collections.OrderedDict":
      guard given.isEmpty else {
        throw reader.fault("expected an empty OrderedDict, received one with arguments")
      }
      try keep(40, reader)
      dictionaries.append([])
      return .dictionary(dictionaries.count - 1)
    case "torch._utils._rebuild_tensor", "torch._utils._rebuild_tensor_v2":
      return try tensor(given, reader)
    case "torch._utils._rebuild_parameter":
      guard case .tensor = given.first else {
        throw reader.fault("expected a parameter of a tensor, received something else")
      }
      return given[0]
    case "torch.Size":
      return given.first ?? .none
    default: throw refusal(callee, reader)
    }
  }

  /// The error of an object that is not built here.
  private func refusal(_ callee: PickleValue, _ reader: ByteReader) -> FileError {
    guard case .global(let index) = callee else {
      return reader.fault("expected a class to make an object of, received something else")
    }
    let name = globals[index]
    let advice =
      name.hasPrefix("torch._utils.")
      ? "a tensor of a kind that is not read" : "a pickled object and not its state_dict"
    return FileError(
      file: reader.file,
      message: "expected weights by name, received \(quoted(name)), \(advice); nothing was executed"
    )
  }

  /// The storage that PyTorch's persistent identity names: ('storage', type, key, place, count,
  /// and in old files perhaps (view's key, offset, count)).
  private mutating func storage(
    _ value: PickleValue, _ reader: ByteReader
  ) throws(FileError) -> PickleValue {
    // Files of the stream form say of a pickled module which class's source they hold.
    if case .tuple(let index) = value, sequences[index].count >= 2,
      case .text("module") = sequences[index][0]
    {
      throw refusal(sequences[index][1], reader)
    }
    guard case .tuple(let index) = value, sequences[index].count >= 5,
      case .text("storage") = sequences[index][0], case .global(let type) = sequences[index][1],
      case .text(let key) = sequences[index][2], case .integer(let count) = sequences[index][4],
      (0...1 << 48).contains(count)
    else { throw reader.fault("expected a storage of PyTorch, received another reference") }
    guard let type = Self.storageTypes[globals[type]] else {
      throw FileError(
        file: reader.file,
        message: "expected a storage of numbers, received \(quoted(globals[type]))")
    }
    var made = PickledStorage(type: type, key: key, count: count, offset: 0)
    if sequences[index].count > 5, case .tuple(let view) = sequences[index][5] {
      guard sequences[view].count == 3, case .integer(let offset) = sequences[view][1],
        case .integer(let part) = sequences[view][2], offset >= 0, part >= 0,
        offset <= count, part <= count - offset
      else { throw reader.fault("expected a view of a storage, received something else") }
      made.offset = offset
      made.count = part
    }
    try keep(MemoryLayout<PickledStorage>.stride + 64, reader)
    storages.append(made)
    return .storage(storages.count - 1)
  }

  private static let storageTypes: [String: SafetensorsType] = {
    let types: [String: SafetensorsType] = [
      "Float": .float32, "Double": .float64, "Half": .float16, "BFloat16": .bfloat16,
      "Long": .int64, "Int": .int32, "Short": .int16, "Char": .int8, "Byte": .uint8,
      "Bool": .boolean,
    ]
    var names: [String: SafetensorsType] = [:]
    for (name, type) in types {
      names["torch.\(name)Storage"] = type
      names["torch.cuda.\(name)Storage"] = type
    }
    return names
  }()

  /// A view: (storage, offset, sizes, strides, …).
  private mutating func tensor(
    _ given: [PickleValue], _ reader: ByteReader
  ) throws(FileError) -> PickleValue {
    guard given.count >= 4, case .storage(let storage) = given[0],
      case .integer(let offset) = given[1], let shape = integers(given[2]),
      let strides = integers(given[3]), shape.count == strides.count, shape.count <= 16
    else { throw reader.fault("expected storage, offset, sizes and strides of a tensor") }
    let large = 1 << 40
    guard (0...large).contains(offset), shape.allSatisfy({ (0...large).contains($0) }),
      strides.allSatisfy({ (0...large).contains($0) })
    else { throw reader.fault("a tensor has the sizes \(shape) and the strides \(strides)") }
    // The last element that it reads must be the storage's; a product too large says it is not.
    var last = offset
    for (size, stride) in zip(shape, strides) where size > 1 {
      let (reach, isTooLarge) = (size - 1).multipliedReportingOverflow(by: stride)
      guard !isTooLarge, reach <= large else {
        last = large
        break
      }
      last = min(last + reach, large)
    }
    let isEmpty = shape.contains(0)
    guard isEmpty || last < storages[storage].count else {
      throw reader.fault(
        "a tensor of sizes \(shape) reads beyond its storage of \(storages[storage].count)")
    }
    try keep(MemoryLayout<PickledTensor>.stride + 64 + 16 * shape.count, reader)
    tensors.append(
      PickledTensor(storage: storage, offset: offset, shape: shape, strides: strides))
    return .tensor(tensors.count - 1)
  }

  /// The integers of a tuple or list, or nil.
  private func integers(_ value: PickleValue) -> [Int]? {
    let sequence: [PickleValue]
    switch value {
    case .tuple(let index), .list(let index): sequence = sequences[index]
    default: return nil
    }
    var result: [Int] = []
    for element in sequence {
      guard case .integer(let number) = element else { return nil }
      result.append(number)
    }
    return result
  }

  // MARK: - Stack and memo

  private func longInteger(
    _ reader: inout ByteReader, count: Int
  ) throws(FileError) -> PickleValue {
    let range = try reader.skip(count)
    guard count <= 8 else { return .longInteger }
    var bits: UInt64 = 0
    for (index, byte) in reader.data[range].enumerated() { bits |= UInt64(byte) << (8 * index) }
    // Two's complement of as many bytes as there are.
    let shift = 64 - 8 * count
    return .integer(count == 0 ? 0 : Int(Int64(bitPattern: bits << shift) >> shift))
  }

  /// Counts bytes that stay until the machine ends.
  private mutating func keep(_ bytes: Int, _ reader: ByteReader) throws(FileError) {
    budget -= bytes
    guard budget >= 0 else {
      throw reader.fault("the pickle makes more values than a weight file of this size would")
    }
  }

  /// The bytes of a value in a list.
  private static let valueSize = MemoryLayout<PickleValue>.stride

  private mutating func push(_ value: PickleValue, _ reader: ByteReader) throws(FileError) {
    stack.append(value)
    guard stack.count <= Self.deepestStack else {
      throw reader.fault("a stack of more than \(Self.deepestStack) values is no weight file's")
    }
  }

  private mutating func pop(_ reader: ByteReader) throws(FileError) -> PickleValue {
    guard stack.count > marks.last ?? 0, let value = stack.popLast() else {
      throw reader.fault("the pickle takes a value from an empty stack")
    }
    return value
  }

  private mutating func pop(
    _ count: Int, _ reader: ByteReader
  ) throws(FileError) -> [PickleValue] {
    guard stack.count - (marks.last ?? 0) >= count else {
      throw reader.fault("the pickle takes \(count) values from a shorter stack")
    }
    let values = Array(stack.suffix(count))
    stack.removeLast(count)
    return values
  }

  private mutating func popToMark(_ reader: ByteReader) throws(FileError) -> [PickleValue] {
    guard let mark = marks.popLast() else {
      throw reader.fault("the pickle goes back to a mark that is not there")
    }
    let values = Array(stack[mark...])
    stack.removeLast(stack.count - mark)
    return values
  }

  private mutating func pushSequence(
    _ values: [PickleValue], _ reader: ByteReader, as kind: (Int) -> PickleValue
  ) throws(FileError) {
    try keep(40 + Self.valueSize * values.count, reader)
    sequences.append(values)
    try push(kind(sequences.count - 1), reader)
  }

  private mutating func pushDictionary(
    _ values: [PickleValue], _ reader: ByteReader
  ) throws(FileError) {
    try keep(40, reader)
    dictionaries.append([])
    try push(.dictionary(dictionaries.count - 1), reader)
    try fill(with: values, reader)
  }

  /// Appends values to the list on top of the stack.
  private mutating func extend(
    with values: [PickleValue], _ reader: ByteReader
  ) throws(FileError) {
    guard case .list(let index) = stack.last else {
      throw reader.fault("expected a list to append to, received something else")
    }
    // Lists that grow take up to twice their size.
    try keep(2 * Self.valueSize * values.count, reader)
    sequences[index] += values
  }

  /// Puts keys and values in turn into the dictionary on top of the stack.
  private mutating func fill(
    with values: [PickleValue], _ reader: ByteReader
  ) throws(FileError) {
    guard case .dictionary(let index) = stack.last, values.count % 2 == 0 else {
      throw reader.fault("expected a dictionary and pairs for it, received something else")
    }
    try keep(2 * Self.valueSize * values.count, reader)
    for pair in stride(from: 0, to: values.count, by: 2) {
      dictionaries[index].append((values[pair], values[pair + 1]))
    }
  }

  private mutating func pushGlobal(_ name: String, _ reader: ByteReader) throws(FileError) {
    try keep(64 + name.utf8.count, reader)
    globals.append(name)
    try push(.global(globals.count - 1), reader)
  }

  private mutating func remember(_ key: Int, _ reader: ByteReader) throws(FileError) {
    guard let value = stack.last else {
      throw reader.fault("the pickle remembers a value of an empty stack")
    }
    // Python numbers what it remembers in turn.
    if memo.indices.contains(key) {
      memo[key] = value
      return
    }
    guard key == memo.count else {
      throw reader.fault("the pickle remembers value \(key) as its number \(memo.count)")
    }
    try keep(2 * Self.valueSize, reader)
    memo.append(value)
  }

  private mutating func recall(_ key: Int, _ reader: ByteReader) throws(FileError) {
    guard memo.indices.contains(key) else {
      throw reader.fault("the pickle recalls value \(key), which it has not remembered")
    }
    try push(memo[key], reader)
  }
}
