// The numbers of an ONNX tensor, from the file or from a file beside it, in every form that they have.

import AtelierFiles
import Foundation

/// The codes of element types (TensorProto.DataType).
enum ONNXType: Int {
  case float = 1
  case uint8, int8, uint16, int16, int32, int64, text, bool, float16, double, uint32
  case uint64
  case bfloat16 = 16

  /// Bytes of an element in raw form.
  var size: Int {
    switch self {
    case .uint8, .int8, .bool: 1
    case .uint16, .int16, .float16, .bfloat16: 2
    case .float, .int32, .uint32: 4
    case .int64, .uint64, .double: 8
    case .text: 0
    }
  }

  /// Whether its elements become floats here.
  var isFloat: Bool {
    switch self {
    case .float, .float16, .double, .bfloat16: true
    default: false
    }
  }

  /// The repeated field that holds the elements otherwise (TensorProto).
  var field: Int {
    switch self {
    case .float: 4
    case .int64: 7
    case .double: 10
    case .uint32, .uint64: 11
    default: 5
    }
  }
}

/// A tensor whose numbers are known while a network is read: folded, or made a parameter.
struct ConstantTensor {
  /// The numbers; truth values are 0 and 1.
  enum Numbers {
    case floats([Float])
    case integers([Int])
  }

  var dimensions: [Int]
  var numbers: Numbers

  var count: Int { dimensions.reduce(1, *) }

  /// The numbers as floats.
  var floats: [Float] {
    switch numbers {
    case .floats(let floats): floats
    case .integers(let integers): integers.map(Float.init)
    }
  }

  /// The numbers, when they are whole.
  var integers: [Int]? {
    if case .integers(let integers) = numbers { integers } else { nil }
  }
}

/// Gives the numbers of a file's tensors.
struct ONNXNumbers {
  private let file: ONNXFile
  private let folder: URL?
  /// The files beside it that have been opened.
  private var others: [String: Data] = [:]
  /// Bytes of the file and of all that lies beside it and was opened.
  private(set) var byteCount: Int

  /// For a file of a folder; nil when there is none, and then nothing lies beside it.
  init(_ file: ONNXFile, folder: URL?) {
    (self.file, self.folder, byteCount) = (file, folder, file.data.count)
  }

  private func fault(_ tensor: ONNXTensor, _ message: String) -> FileError {
    FileError(file: file.name, message: "tensor \(quoted(tensor.name)): \(message)")
  }

  /// The numbers of a tensor.
  ///
  /// - Throws: `FileError` when there are not as many bytes as its sizes ask for.
  mutating func constant(_ tensor: ONNXTensor) throws(FileError) -> ConstantTensor {
    guard let type = ONNXType(rawValue: tensor.type), type != .text else {
      throw fault(tensor, "elements of type \(tensor.type) are not read")
    }
    var count = 1
    for size in tensor.dimensions {
      let (product, isTooLarge) = count.multipliedReportingOverflow(by: size)
      guard size >= 0, !isTooLarge, product <= 1 << 40 else {
        throw fault(tensor, "has the sizes \(tensor.dimensions)")
      }
      count = product
    }
    if tensor.external != nil || tensor.raw != nil {
      let bytes = try tensor.external == nil ? file.data[tensor.raw ?? 0..<0] : external(tensor)
      guard bytes.count == count * type.size else {
        throw fault(
          tensor,
          "expected \(count * type.size) bytes for \(tensor.dimensions), received \(bytes.count)")
      }
      try checkCount(tensor, count, type)
      return ConstantTensor(
        dimensions: tensor.dimensions, numbers: Self.numbers(bytes, count, type))
    }
    return try listed(tensor, count, type)
  }

  /// Whole numbers take 8 bytes each here: those of fewer in the file are for shapes, which are few.
  private func checkCount(
    _ tensor: ONNXTensor, _ count: Int, _ type: ONNXType
  ) throws(FileError) {
    guard type.isFloat || count <= max(65_536, byteCount / 8) else {
      throw fault(tensor, "has \(count) whole numbers; so many are not read")
    }
  }

  /// The numbers of a tensor that has them in a repeated field.
  private func listed(
    _ tensor: ONNXTensor, _ count: Int, _ type: ONNXType
  ) throws(FileError) -> ConstantTensor {
    guard count == 0 || tensor.field == type.field else {
      throw fault(tensor, "expected \(count) numbers, received none of its type")
    }
    // Each takes a byte at least, and floats their size.
    let most = tensor.pieces.reduce(0) { $0 + $1.count } / (type.field == 4 ? 4 : 1)
    guard count <= most else {
      throw fault(tensor, "expected \(count) numbers, received \(most) at most")
    }
    try checkCount(tensor, count, type)
    var integers: [Int] = []
    var floats: [Float] = []
    do {
      try file.data.withUnsafeBytes { bytes in
        for piece in tensor.pieces {
          var reader = ProtobufReader(bytes, piece, file: file.name)
          while reader.position < reader.end {
            guard integers.count + floats.count < count else {
              throw fault(tensor, "expected \(count) numbers, received more")
            }
            switch type {
            case .float:
              floats.append(try reader.float(.init(number: 4, wire: .fixed32, position: 0)))
            case .double: floats.append(Float(try reader.double()))
            case .float16:
              let bits = UInt16(truncatingIfNeeded: try reader.varint())
              floats.append(Float(Float16(bitPattern: bits)))
            case .bfloat16:
              let bits = UInt32(truncatingIfNeeded: try reader.varint())
              floats.append(Float(bitPattern: bits << 16))
            default: integers.append(Int(Int64(bitPattern: try reader.varint())))
            }
          }
        }
      }
    } catch let error as FileError {
      throw error
    } catch {
      throw fault(tensor, "\(error)")
    }
    guard integers.count + floats.count == count else {
      throw fault(
        tensor, "expected \(count) numbers, received \(integers.count + floats.count)")
    }
    return ConstantTensor(
      dimensions: tensor.dimensions,
      numbers: type.isFloat ? .floats(floats) : .integers(integers))
  }

  /// Numbers from their bytes, which are as many as they need.
  static func numbers(
    _ data: Data, _ count: Int, _ type: ONNXType
  ) -> ConstantTensor.Numbers {
    data.withUnsafeBytes { bytes in
      func floats<Bits: FixedWidthInteger>(
        _ kind: Bits.Type, _ value: (Bits) -> Float
      ) -> ConstantTensor.Numbers {
        .floats(
          (0..<count).map {
            value(
              Bits(
                littleEndian: bytes.loadUnaligned(
                  fromByteOffset: $0 * MemoryLayout<Bits>.size, as: Bits.self)))
          })
      }
      func integers<Bits: FixedWidthInteger>(_ kind: Bits.Type) -> ConstantTensor.Numbers {
        .integers(
          (0..<count).map {
            Int(
              truncatingIfNeeded: Bits(
                littleEndian: bytes.loadUnaligned(
                  fromByteOffset: $0 * MemoryLayout<Bits>.size, as: Bits.self)))
          })
      }
      switch type {
      case .float: return floats(UInt32.self) { Float(bitPattern: $0) }
      case .float16: return floats(UInt16.self) { Float(Float16(bitPattern: $0)) }
      case .bfloat16: return floats(UInt16.self) { Float(bitPattern: UInt32($0) << 16) }
      case .double: return floats(UInt64.self) { Float(Double(bitPattern: $0)) }
      case .uint8, .bool: return integers(UInt8.self)
      case .int8: return integers(Int8.self)
      case .uint16: return integers(UInt16.self)
      case .int16: return integers(Int16.self)
      case .int32: return integers(Int32.self)
      case .uint32: return integers(UInt32.self)
      case .int64: return integers(Int64.self)
      case .uint64: return integers(UInt64.self)
      case .text: return .integers([])
      }
    }
  }

  /// The bytes of a tensor in a file beside the model, which must lie in its folder.
  private mutating func external(_ tensor: ONNXTensor) throws(FileError) -> Data {
    let entries = tensor.external ?? [:]
    guard let location = entries["location"], let folder else {
      throw fault(tensor, "its numbers lie in another file, which is not named")
    }
    func number(_ key: String) throws(FileError) -> Int? {
      guard let text = entries[key] else { return nil }
      guard let value = Int(text), value >= 0 else {
        throw fault(tensor, "expected a number as \(key), received \(quoted(text))")
      }
      return value
    }
    if others[location] == nil { others[location] = try open(location, in: folder, tensor) }
    guard let data = others[location] else { return Data() }
    let start = try number("offset") ?? 0
    let length = try number("length") ?? max(data.count - start, 0)
    guard start <= data.count, length <= data.count - start else {
      throw fault(
        tensor,
        "expected bytes \(start)..<\(start &+ length) of \(quoted(location)), which has \(data.count)"
      )
    }
    return data[data.startIndex + start..<data.startIndex + start + length]
  }

  /// Opens a file beside the model.
  private mutating func open(
    _ location: String, in folder: URL, _ tensor: ONNXTensor
  ) throws(FileError) -> Data {
    let base = folder.resolvingSymlinksInPath().standardizedFileURL.path
    let url = folder.appendingPathComponent(location)
    let path = url.resolvingSymlinksInPath().standardizedFileURL.path
    guard !location.isEmpty, !location.hasPrefix("/"),
      !location.split(separator: "/").contains(".."),
      path.hasPrefix(base == "/" ? "/" : base + "/")
    else {
      throw fault(
        tensor, "its numbers would lie outside the model's folder, in \(quoted(location))")
    }
    let data = try ONNXFile.bytes(of: URL(fileURLWithPath: path))
    byteCount += data.count
    return data
  }
}

extension ONNXFile {
  /// The bytes of a file, mapped, so that what is not read takes no memory.
  static func bytes(of url: URL) throws(FileError) -> Data {
    var status = stat()
    guard stat(url.path, &status) == 0 else {
      throw FileError(
        file: url.relativePath, message: "cannot be read: \(String(cString: strerror(errno)))")
    }
    guard status.st_mode & S_IFMT == S_IFREG else {
      throw FileError(
        file: url.relativePath, message: "expected a file, received a folder or device")
    }
    do {
      return try Data(contentsOf: url, options: .mappedIfSafe)
    } catch {
      throw FileError(file: url.relativePath, message: "cannot be read")
    }
  }
}

extension ProtobufReader {
  /// A float of 64 bits.
  mutating func double() throws(FileError) -> Double {
    let start = position
    try skip(Field(number: 10, wire: .fixed64, position: start))
    let bits = source.loadUnaligned(fromByteOffset: start, as: UInt64.self)
    return Double(bitPattern: UInt64(littleEndian: bits))
  }
}
