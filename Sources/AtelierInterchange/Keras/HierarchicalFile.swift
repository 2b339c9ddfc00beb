// The part of HDF5 that Keras's weight files are made of: groups by symbol tables, datasets whose
// numbers lie in one piece. Anything newer or compressed is refused with the way out.
//
//   superblock 0 → root's object header → symbol table → B-tree (TREE) → leaves (SNOD) → entries
//   an entry's name lies in the group's local heap (HEAP); a dataset's header says type, sizes, place
//
// Format: HDF5 File Format Specification Version 1.1, https://docs.hdfgroup.org

import AtelierEngine
import AtelierFiles
import Foundation

/// Reads named datasets of floating-point numbers.
struct HierarchicalFile {
  /// One dataset.
  struct Dataset {
    /// Names of groups and dataset with slashes between them.
    var path: String
    var shape: Shape
    var type: SafetensorsType
    /// Where its numbers lie.
    var range: Range<Int>
  }

  private let data: Data
  private let file: String
  private(set) var datasets: [Dataset] = []
  /// Groups, nodes and headers that may still be looked at, so that no circle goes on for ever.
  private var budget: Int

  /// Whether bytes begin as such a file does.
  static func isOne(_ data: Data) -> Bool {
    data.starts(with: [0x89, 0x48, 0x44, 0x46, 0x0D, 0x0A, 0x1A, 0x0A])
  }

  /// Reads the names and places of all datasets; throws one line that names the fault.
  init(_ data: Data, file: String) throws(FileError) {
    self.data = data
    self.file = file
    budget = data.count / 16 + 64
    guard Self.isOne(data) else {
      throw FileError(
        file: file, message: "expected HDF5, received \(data.count) bytes of something else")
    }
    var reader = ByteReader(data, 8..<data.count, file: file)
    let version = try reader.byte()
    guard version == 0 else {
      throw FileError(
        file: file,
        message: "expected HDF5 as Keras writes it (superblock 0), received superblock \(version); "
          + "copy the weights with h5py's default settings")
    }
    _ = try reader.skip(4)
    let (offsets, lengths) = (try reader.byte(), try reader.byte())
    guard offsets == 8, lengths == 8 else {
      throw reader.fault("expected addresses of 8 bytes, received \(offsets) and \(lengths)")
    }
    // Numbers of the B-trees, four addresses, and the root's name.
    _ = try reader.skip(9 + 32 + 8)
    try readObject(try reader.count(UInt64.self), path: "", depth: 0)
  }

  /// A reader at an address.
  private mutating func reader(at address: Int) throws(FileError) -> ByteReader {
    budget -= 1
    guard address >= 0, address < data.count, budget >= 0 else {
      throw FileError(
        file: file, message: "an address of \(address) leads out of the file or in a circle")
    }
    return ByteReader(data, address..<data.count, file: file)
  }

  private func expect(_ mark: String, _ reader: inout ByteReader) throws(FileError) {
    guard try reader.text(4) == mark else {
      throw reader.fault("expected \(mark), received something else")
    }
  }

  /// What the messages of an object header say.
  private struct Header {
    var table: (tree: Int, heap: Int)?
    var shape: [Int]?
    var type: SafetensorsType?
    var place: (start: Int, count: Int)?
    var isChunked = false
  }

  private mutating func readObject(
    _ address: Int, path: String, depth: Int
  ) throws(FileError) {
    guard depth < 32 else {
      throw FileError(file: file, message: "groups lie more than 32 deep in each other")
    }
    let header = try header(at: address)
    if let table = header.table {
      for entry in try entries(tree: table.tree, heap: table.heap) {
        let name = path.isEmpty ? entry.name : "\(path)/\(entry.name)"
        try readObject(entry.address, path: name, depth: depth + 1)
      }
      return
    }
    guard let sizes = header.shape, let type = header.type else { return }
    guard !header.isChunked, let place = header.place else {
      throw FileError(
        file: file,
        message: "dataset \(quoted(path)): expected numbers in one piece, received chunks; copy "
          + "the weights without compression")
    }
    var count = type.width
    for size in sizes {
      let (product, isTooLarge) = count.multipliedReportingOverflow(by: size)
      guard !isTooLarge, product <= data.count else {
        throw FileError(
          file: file,
          message: "dataset \(quoted(path)) of the sizes \(sizes) is larger than the file")
      }
      count = product
    }
    guard count == 0 || (place.start <= data.count - count && place.count >= count) else {
      throw FileError(file: file, message: "dataset \(quoted(path)) lies beyond the file's end")
    }
    let start = count == 0 ? 0 : place.start
    datasets.append(
      Dataset(path: path, shape: Shape(sizes), type: type, range: start..<start + count))
  }

  /// Reads a header of version 1 with its continuations.
  private mutating func header(at address: Int) throws(FileError) -> Header {
    var reader = try reader(at: address)
    guard try reader.byte() == 1 else {
      throw reader.fault("expected an object header of version 1, received another")
    }
    _ = try reader.skip(1)
    var messages = Int(try reader.integer(UInt16.self))
    _ = try reader.skip(4)
    let size = try reader.count(UInt32.self)
    _ = try reader.skip(4)
    var result = Header()
    let first = try reader.skip(size)
    var blocks = [first]
    while let block = blocks.popLast() {
      var part = ByteReader(data, block, file: file)
      while messages > 0, part.remaining >= 8 {
        messages -= 1
        let kind = try part.integer(UInt16.self)
        let length = Int(try part.integer(UInt16.self))
        _ = try part.skip(4)
        var message = ByteReader(data, try part.skip(length), file: file)
        guard kind == 0x10 else {
          try read(message: kind, &message, &result)
          continue
        }
        let start = try message.count(UInt64.self)
        let size = try message.count(UInt64.self)
        var next = try self.reader(at: start)
        blocks.append(try next.skip(size))
      }
    }
    return result
  }

  private func read(
    message kind: UInt16, _ reader: inout ByteReader, _ header: inout Header
  ) throws(FileError) {
    switch kind {
    case 0x01:
      let version = try reader.byte()
      let rank = Int(try reader.byte())
      _ = try reader.skip(version == 1 ? 6 : 2)
      guard rank <= 16 else { throw reader.fault("expected at most 16 axes, received \(rank)") }
      var sizes: [Int] = []
      for _ in 0..<rank { sizes.append(try reader.count(UInt64.self)) }
      header.shape = sizes
    case 0x03:
      let kind = try reader.byte() & 0x0F
      let isBig = try reader.byte() & 1 != 0
      _ = try reader.skip(2)
      let width = try reader.integer(UInt32.self)
      // Class 1 are floats; other datasets, such as texts, are passed over.
      guard kind == 1, !isBig else { return }
      header.type = [2: .float16, 4: .float32, 8: .float64][width]
    case 0x08:
      guard try reader.byte() == 3 else {
        throw reader.fault("expected a data layout of version 3, received another")
      }
      switch try reader.byte() {
      case 0:
        let size = Int(try reader.integer(UInt16.self))
        header.place = (reader.position, size)
      case 1:
        let address = try reader.integer(UInt64.self)
        let size = try reader.count(UInt64.self)
        // All ones stand for a dataset that nothing was written to.
        header.place = address > UInt64(data.count) ? nil : (Int(address), size)
        if size == 0 { header.place = (0, 0) }
      default: header.isChunked = true
      }
    case 0x11:
      header.table = (try reader.count(UInt64.self), try reader.count(UInt64.self))
    default: break
    }
  }

  /// The names and addresses of a group's members.
  private mutating func entries(
    tree: Int, heap: Int
  ) throws(FileError) -> [(name: String, address: Int)] {
    var names = try reader(at: heap)
    try expect("HEAP", &names)
    _ = try names.skip(4)
    let size = try names.count(UInt64.self)
    _ = try names.skip(8)
    let start = try names.count(UInt64.self)
    guard start <= data.count, size <= data.count - start else {
      throw names.fault("a group's names lie beyond the file's end")
    }
    var result: [(String, Int)] = []
    var open = [tree]
    while let address = open.popLast() {
      var node = try reader(at: address)
      try expect("TREE", &node)
      guard try node.byte() == 0 else { throw node.fault("expected the tree of a group") }
      let level = try node.byte()
      let count = Int(try node.integer(UInt16.self))
      _ = try node.skip(16)
      var children: [Int] = []
      for _ in 0..<count {
        _ = try node.skip(8)
        children.append(try node.count(UInt64.self))
      }
      if level > 0 {
        open += children.reversed()
        continue
      }
      for child in children { result += try symbols(at: child, heap: start, size: size) }
    }
    return result
  }

  private mutating func symbols(
    at address: Int, heap: Int, size: Int
  ) throws(FileError) -> [(String, Int)] {
    var node = try reader(at: address)
    try expect("SNOD", &node)
    _ = try node.skip(2)
    var result: [(String, Int)] = []
    for _ in 0..<Int(try node.integer(UInt16.self)) {
      let offset = try node.count(UInt64.self)
      let object = try node.count(UInt64.self)
      _ = try node.skip(24)
      guard offset < size else { throw node.fault("a name lies beyond its group's names") }
      let bytes = data[heap + offset..<heap + size].prefix { $0 != 0 }.prefix(1024)
      result.append((String(decoding: bytes, as: UTF8.self), object))
    }
    return result
  }
}

/// Keras's weight files.
enum KerasFile {
  /// Reads the named tensors; throws one line that names the file and the fault.
  ///
  /// Names are those of layers and their weights: `block1_conv1/kernel`, in files of Keras 3
  /// `layers/conv2d/vars/0`. What an optimizer keeps is left out.
  static func read(_ data: Data, name: String) throws(FileError) -> ForeignWeights {
    let file = try HierarchicalFile(data, file: name)
    var room = data.count / 2 + 4096
    var tensors: [ForeignTensor] = []
    for dataset in file.datasets where !dataset.path.hasPrefix("optimizer") {
      room -= dataset.shape.count
      guard room >= 0 else {
        throw FileError(file: name, message: "its datasets overlap and are larger than the file")
      }
      tensors.append(
        ForeignTensor(
          name: layerName(dataset.path), shape: dataset.shape, type: dataset.type,
          bytes: data[dataset.range]))
    }
    guard !tensors.isEmpty else {
      throw FileError(file: name, message: "expected weights of Keras, received no such dataset")
    }
    return ForeignWeights(file: name, framework: .keras, tensors: tensors)
  }

  /// A path without what all have: the group of the weights, the layer's name twice, `:0`.
  private static func layerName(_ path: String) -> String {
    var words = path.split(separator: "/").map(String.init)
    if words.first == "model_weights" { words.removeFirst() }
    if words.count >= 3, words[0] == words[1] { words.removeFirst() }
    if let last = words.last, last.hasSuffix(":0") {
      words[words.count - 1] = String(last.dropLast(2))
    }
    return words.joined(separator: "/")
  }
}
