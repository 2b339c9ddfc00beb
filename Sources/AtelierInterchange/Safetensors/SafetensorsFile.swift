// Model files: the safetensors format, read strictly and written aligned; models are unknown here.
//
//   byte 0        8                                     8 + N                                  end
//        ┌────────┬─────────────────────────────────────┬───────────────┬───────────┬──────────┐
//        │ N: u64 │ {"__metadata__":{"key":"value"},    │ data of w     │ data of b │ …        │
//        │ little │  "w":{"dtype":"F32","shape":[2,3],  │ little-endian │           │          │
//        │ endian │       "data_offsets":[0,24]},       │ row-major     │           │          │
//        │        │  "b":{…,"data_offsets":[24,36]}}␠␠␠ │               │           │          │
//        └────────┴─────────────────────────────────────┴───────────────┴───────────┴──────────┘
//                                                        offset 0        offset 24   offset 36
//
// Offsets count from the end of the header. The data tile the rest of the file: no hole, no
// overlap, nothing behind. What we write: metadata first and sorted, spaces so that 8 + N is a
// multiple of 64, tensors in their order but wider element types first, so that each tensor is
// aligned to its own elements.
// Format: https://github.com/huggingface/safetensors

import AtelierEngine
import AtelierFiles
import Foundation

/// A model file in memory: text metadata and named tensors in order.
public struct SafetensorsFile: Sendable {
  /// Free text by key: here the model's graph, preprocessing, class names and protocol.
  public var metadata: [String: String]
  /// The tensors; those of a file that was read come in the order of their data.
  public private(set) var entries: [SafetensorsEntry] = []
  /// The name that errors give: the file that was read, or how the caller called it.
  public let name: String

  private var indices: [String: Int] = [:]

  /// Makes a file without tensors; errors give its name.
  public init(metadata: [String: String] = [:], name: String = "model") {
    self.metadata = metadata
    self.name = name
  }

  /// Reads a file from memory; the error of bytes that break the format names the byte.
  public init(data: Data, name: String) throws(SafetensorsError) {
    try self.init(source: .memory(data), name: name)
  }

  /// Reads a file, whose header is held against its size before memory is taken for either.
  ///
  /// **Throws:** when it cannot be read or breaks the format; the error names file and byte.
  public static func read(from url: URL) throws(SafetensorsError) -> SafetensorsFile {
    let name = url.relativePath
    func unreadable(_ code: Int32) -> SafetensorsError {
      SafetensorsError(
        file: name, reason: .unreadable, message: "cannot read: \(String(cString: strerror(code)))")
    }
    // Without O_NONBLOCK, opening a named pipe waits for a writer for ever.
    let descriptor = open(url.path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard descriptor >= 0 else { throw unreadable(errno) }
    defer { close(descriptor) }
    var status = stat()
    guard fstat(descriptor, &status) == 0 else { throw unreadable(errno) }
    guard status.st_mode & S_IFMT == S_IFREG else {
      throw SafetensorsError(
        file: name, reason: .unreadable, message: "expected a file, received a folder or device")
    }
    return try SafetensorsFile(
      source: .descriptor(descriptor, size: Int(status.st_size)), name: name)
  }

  private init(source: ByteSource, name: String) throws(SafetensorsError) {
    let prefixLength = SafetensorsHeader.prefixLength
    guard source.count >= prefixLength else {
      throw .malformed(
        name, "expected at least \(prefixLength) bytes, received \(source.count)", at: 0)
    }
    var declared: UInt64 = 0
    for byte in try source.bytes(at: 0, count: prefixLength, file: name).reversed() {
      declared = declared << 8 | UInt64(byte)
    }
    let headerLength = try SafetensorsHeader.checkedLength(
      declared, fileSize: source.count, file: name)
    let dataStart = prefixLength + headerLength
    let header = try SafetensorsHeader(
      try source.bytes(at: prefixLength, count: headerLength, file: name),
      dataLength: source.count - dataStart, file: name)
    self.init(metadata: header.metadata, name: name)
    entries.reserveCapacity(header.items.count)
    for item in header.items {
      let start = dataStart + item.range.lowerBound
      try append(
        item.type == .float32 && SafetensorsEntry.holdsFloats
          ? SafetensorsEntry(
            name: item.name, shape: item.shape,
            floats: try source.elements(at: start, count: item.shape.count, file: name))
          : SafetensorsEntry(
            name: item.name, type: item.type, shape: item.shape,
            bytes: try source.bytes(at: start, count: item.range.count, file: name)))
    }
    try expectWholeSeal()
  }

  // MARK: - Tensors by name

  /// The names of the tensors in order.
  public var names: [String] { entries.map(\.name) }

  /// The tensor of a name as the file holds it, or nil.
  public func entry(named name: String) -> SafetensorsEntry? {
    indices[name].map { entries[$0] }
  }

  /// Adds a tensor.
  ///
  /// **Throws:** when the name is taken, or is the one that the format reserves.
  public mutating func append(_ entry: SafetensorsEntry) throws(SafetensorsError) {
    guard entry.name != SafetensorsHeader.metadataKey, indices[entry.name] == nil else {
      throw SafetensorsError(
        file: name, reason: .mismatched,
        message: "expected a new tensor name, received \(quoted(entry.name)), which is taken")
    }
    indices[entry.name] = entries.count
    entries.append(entry)
  }

  /// Adds an F32 tensor.
  ///
  /// **Throws:** when the name is taken, or is the one that the format reserves.
  public mutating func append(_ name: String, _ tensor: Tensor) throws(SafetensorsError) {
    try append(SafetensorsEntry(name: name, tensor))
  }

  /// A float tensor by name; F16, BF16 and F64 are converted.
  ///
  /// - Throws: When the tensor is not there, has not the shape asked for, or does not hold floats.
  public func tensor(named name: String, shape: Shape? = nil) throws(SafetensorsError) -> Tensor {
    let entry = try present(name)
    if let shape, shape != entry.shape {
      throw mismatch("tensor \(quoted(name)): expected the shape \(shape), received \(entry.shape)")
    }
    return Tensor(entry.shape, try elements(name, "F32, F16, BF16 or F64") { $0.floats })
  }

  /// The raw bytes of a U8 tensor by name.
  ///
  /// **Throws:** when the tensor is not there or of another type.
  public func bytes(named name: String) throws(SafetensorsError) -> [UInt8] {
    try elements(name, "U8") { $0.type == .uint8 ? $0.bytes : nil }
  }

  /// The signed integers of an I8 … I64, U8, U16 or U32 tensor by name; throws as `bytes(named:)`.
  public func integers(named name: String) throws(SafetensorsError) -> [Int64] {
    try elements(name, "I8 … I64, U8, U16 or U32") { $0.integers }
  }

  /// The unsigned integers of a U8 … U64 tensor by name; throws as `bytes(named:)`.
  public func unsignedIntegers(named name: String) throws(SafetensorsError) -> [UInt64] {
    try elements(name, "U8 … U64") { $0.unsignedIntegers }
  }

  private func elements<Element>(
    _ name: String, _ expected: String, _ read: (SafetensorsEntry) -> [Element]?
  ) throws(SafetensorsError) -> [Element] {
    let entry = try present(name)
    guard let elements = read(entry) else {
      throw mismatch(
        "tensor \(quoted(name)): expected \(expected), received \(entry.type.rawValue)")
    }
    return elements
  }

  private func present(_ name: String) throws(SafetensorsError) -> SafetensorsEntry {
    guard let entry = entry(named: name) else {
      throw mismatch("expected a tensor \(quoted(name)), received none among \(entries.count)")
    }
    return entry
  }

  private func mismatch(_ message: String) -> SafetensorsError {
    SafetensorsError(file: name, reason: .mismatched, message: message)
  }

  // MARK: - Writing

  /// The bytes of the file; the same metadata and tensors in the same order give the same bytes.
  public func encoded() -> Data {
    let order = entries.indices.sorted { left, right in
      (-entries[left].type.width, left) < (-entries[right].type.width, right)
    }
    let ordered = order.map { entries[$0] }
    let header = SafetensorsHeader.encoded(metadata: metadata, entries: ordered)
    var data = Data(capacity: header.count + entries.reduce(0) { $0 + $1.byteCount })
    data.append(contentsOf: header)
    for entry in ordered { entry.withBytes { data.append(contentsOf: $0) } }
    return data
  }

  /// Writes the file, so that a crash leaves the former or the new file whole.
  ///
  /// **Throws:** when the system cannot write it; nothing is left behind then.
  public func write(to url: URL) throws(FileError) {
    try AtomicFile.write(encoded(), to: url)
  }
}

extension SafetensorsFile: Hashable {
  /// Whether metadata and tensors are the same to the bit, in the same order; the name is free.
  public static func == (left: SafetensorsFile, right: SafetensorsFile) -> Bool {
    left.metadata == right.metadata && left.entries == right.entries
  }

  /// Feeds metadata and tensors to `hasher`.
  public func hash(into hasher: inout Hasher) {
    hasher.combine(metadata)
    hasher.combine(entries)
  }
}

/// Where a file's bytes come from; the caller has held the range against `count` before it is read.
private enum ByteSource {
  case memory(Data)
  case descriptor(Int32, size: Int)

  var count: Int {
    switch self {
    case .memory(let data): data.count
    case .descriptor(_, let size): size
    }
  }

  func bytes(at offset: Int, count: Int, file: String) throws(SafetensorsError) -> [UInt8] {
    try elements(at: offset, count: count, file: file)
  }

  /// Elements in the machine's order, read into the array that keeps them.
  func elements<Element: BitwiseCopyable>(
    at offset: Int, count: Int, file: String
  ) throws(SafetensorsError) -> [Element] {
    let length = count * MemoryLayout<Element>.stride
    var (received, code): (Int, Int32) = (0, 0)
    let elements = [Element](unsafeUninitializedCapacity: count) { buffer, filled in
      let memory = UnsafeMutableRawBufferPointer(start: buffer.baseAddress, count: length)
      switch self {
      case .memory(let data):
        let start = data.startIndex + offset
        received = data.copyBytes(to: memory, from: start..<start + length)
      case .descriptor(let descriptor, _):
        (received, code) = AtomicFile.read(descriptor, at: offset, into: memory)
      }
      filled = received / MemoryLayout<Element>.stride
    }
    guard received == length else {
      let cause = code == 0 ? "the file has shrunk" : String(cString: strerror(code))
      throw SafetensorsError(
        file: file, reason: .unreadable, message: "cannot read \(length) bytes: \(cause)",
        position: offset + received)
    }
    return elements
  }
}
