// PyTorch's weight files: the stream that it wrote before version 1.6, and the archive since.
//
//   stream:  pickle of a magic number · of 1001 · of the machine's sizes · of the object ·
//            of the list of storages; then for each storage its count (u64) and its elements
//   archive: zip with NAME/data.pkl (the object) and NAME/data/KEY (the elements of each storage)

import AtelierEngine
import AtelierFiles
import Foundation

/// Reading of PyTorch's files; nothing in them is executed.
enum PyTorchFile {
  /// The pickle of the magic number with which a stream begins: protocol 2, a long of ten bytes.
  private static let streamStart: [UInt8] = [
    0x80, 0x02, 0x8A, 0x0A, 0x6C, 0xFC, 0x9C, 0x46, 0xF9, 0x20, 0x6A, 0xA8, 0x50, 0x19,
  ]

  /// Whether bytes begin as one of PyTorch's files does.
  static func isOne(_ data: Data) -> Bool {
    ZipArchive.isArchive(data) || data.starts(with: streamStart)
  }

  /// Reads the named tensors of a file; throws one line that names the file and the fault.
  static func read(_ data: Data, name: String) throws(FileError) -> ForeignWeights {
    var machine = PickleMachine(fileSize: data.count)
    let object: PickleValue
    let storages: [String: Range<Int>]
    if ZipArchive.isArchive(data) {
      (object, storages) = try readArchive(data, &machine, name)
    } else {
      (object, storages) = try readStream(data, &machine, name)
    }
    let named = try StateDictionary(machine, file: name).tensors(in: object)
    var tensors: [ForeignTensor] = []
    // Tensors may share a storage; together they may not be made larger than memory allows.
    var room = data.count / 2 + 4096
    for (key, index) in named {
      let pickled = machine.tensors[index]
      let tensor = try view(key, pickled, machine.storages[pickled.storage], storages, data, name)
      room -= tensor.holdsFloats ? tensor.shape.count : 0
      guard room >= 0 else {
        throw FileError(
          file: name,
          message: "its tensors share storages and together hold more than twice the file's bytes")
      }
      tensors.append(tensor)
    }
    return ForeignWeights(file: name, framework: .pytorch, tensors: tensors).withoutWrapping
  }

  private static func view(
    _ key: String, _ tensor: PickledTensor, _ storage: PickledStorage,
    _ ranges: [String: Range<Int>], _ data: Data, _ file: String
  ) throws(FileError) -> ForeignTensor {
    guard let range = ranges[storage.key],
      storage.offset + storage.count <= range.count / storage.type.width
    else {
      throw FileError(
        file: file,
        message: "tensor \(quoted(key)): expected \(storage.count) elements in the storage "
          + "\(quoted(storage.key)), received fewer")
    }
    var count = 1
    for size in tensor.shape {
      let (product, isTooLarge) = count.multipliedReportingOverflow(by: size)
      guard !isTooLarge, product <= data.count else {
        throw FileError(
          file: file,
          message: "tensor \(quoted(key)) of the sizes \(tensor.shape) is larger than the file")
      }
      count = product
    }
    return ForeignTensor(
      name: key, shape: Shape(tensor.shape), type: storage.type,
      // Sharing the file's bytes, not copying them.
      bytes: data[range], offset: storage.offset + tensor.offset, strides: tensor.strides)
  }

  private static func readArchive(
    _ data: Data, _ machine: inout PickleMachine, _ name: String
  ) throws(FileError) -> (PickleValue, [String: Range<Int>]) {
    let archive = try ZipArchive(data, file: name)
    let suffix = "/data.pkl"
    guard let entry = archive.entries.keys.filter({ $0.hasSuffix(suffix) }).min() else {
      throw FileError(
        file: name, message: "expected weights of PyTorch, received an archive without data.pkl")
    }
    let root = entry.dropLast(suffix.count)
    if archive.entries["\(root)/constants.pkl"] != nil {
      throw FileError(
        file: name,
        message: "expected weights by name, received a program of TorchScript; save its state_dict")
    }
    if archive.entries["\(root)/byteorder"] != nil {
      let range = try archive.range(of: "\(root)/byteorder")
      guard data[range].elementsEqual("little".utf8) else {
        throw FileError(file: name, message: "expected little-endian numbers, received others")
      }
    }
    var reader = ByteReader(data, try archive.range(of: entry), file: name)
    let object = try machine.run(&reader)
    var ranges: [String: Range<Int>] = [:]
    for storage in machine.storages where ranges[storage.key] == nil {
      ranges[storage.key] = try archive.range(of: "\(root)/data/\(storage.key)")
    }
    return (object, ranges)
  }

  private static func readStream(
    _ data: Data, _ machine: inout PickleMachine, _ name: String
  ) throws(FileError) -> (PickleValue, [String: Range<Int>]) {
    var reader = ByteReader(data, 0..<data.count, file: name)
    _ = try machine.run(&reader)
    guard case .integer(1001) = try machine.run(&reader) else {
      throw reader.fault("expected PyTorch's protocol 1001, received another")
    }
    let system = try machine.run(&reader)
    for case (.text("little_endian"), .truth(false)) in machine.dictionary(system) ?? [] {
      throw reader.fault("expected little-endian numbers, received others")
    }
    let object = try machine.run(&reader)
    guard case .list(let list) = try machine.run(&reader) else {
      throw reader.fault("expected the list of storages, received something else")
    }
    let types = Dictionary(
      machine.storages.map { ($0.key, $0.type) }, uniquingKeysWith: { first, _ in first })
    var ranges: [String: Range<Int>] = [:]
    for value in machine.sequences[list] {
      guard case .text(let key) = value, let type = types[key] else {
        throw reader.fault("expected the name of a storage, received another")
      }
      let count = try reader.count(UInt64.self)
      ranges[key] = try reader.skip(count * type.width)
    }
    return (object, ranges)
  }
}

/// Finds the named tensors in what a file holds.
struct StateDictionary {
  private let machine: PickleMachine
  private let file: String
  /// The keys under which files keep the weights beside other things, the likeliest first.
  private static let wrappers = [
    "state_dict", "model_state_dict", "params_ema", "params", "model", "net", "weights",
  ]

  init(_ machine: PickleMachine, file: String) {
    self.machine = machine
    self.file = file
  }

  /// Names and indices of the tensors of a value, in order: of a dictionary its own, or those of
  /// the dictionary in it that holds the weights.
  func tensors(in value: PickleValue) throws(FileError) -> [(String, Int)] {
    guard let pairs = machine.dictionary(value) else {
      throw FileError(
        file: file,
        message: "expected weights by name (a state_dict), received \(Self.noun(value))")
    }
    let own = named(pairs)
    if !own.isEmpty { return own }
    for wrapper in Self.wrappers {
      for case (.text(wrapper), let inner) in pairs {
        let found = named(machine.dictionary(inner) ?? [])
        if !found.isEmpty { return found }
      }
    }
    let keys = pairs.compactMap { if case .text(let key) = $0.key { key } else { nil } }
    throw FileError(
      file: file,
      message: "expected weights by name or a state_dict, received a dictionary of "
        + (keys.isEmpty ? "nothing" : keys.prefix(8).map(quoted).joined(separator: ", ")))
  }

  private func named(
    _ pairs: [(key: PickleValue, value: PickleValue)]
  ) -> [(String, Int)] {
    pairs.compactMap {
      if case (.text(let name), .tensor(let index)) = $0 { (name, index) } else { nil }
    }
  }

  private static func noun(_ value: PickleValue) -> String {
    switch value {
    case .tensor: "a tensor without a name"
    case .list, .tuple: "a list"
    case .storage: "a storage"
    case .global: "a class"
    case .dictionary: "a dictionary"
    case .none, .truth, .integer, .real, .text, .longInteger: "a plain value"
    }
  }
}
