// One named tensor of a model file: its element type, shape and bytes, to numbers and back.

import AtelierEngine
import AtelierFiles

/// The element types of safetensors that whole bytes hold; the raw value is the name in the file.
public enum SafetensorsType: String, Hashable, Sendable, CaseIterable {
  /// Truth values, one byte each.
  case boolean = "BOOL"
  /// Unsigned 8-bit integers.
  case uint8 = "U8"
  /// Signed 8-bit integers.
  case int8 = "I8"
  /// 8-bit floats, 5 exponent bits.
  case float8E5M2 = "F8_E5M2"
  /// 8-bit floats, 4 exponent bits.
  case float8E4M3 = "F8_E4M3"
  /// 8-bit powers of two.
  case float8E8M0 = "F8_E8M0"
  /// Signed 16-bit integers.
  case int16 = "I16"
  /// Unsigned 16-bit integers.
  case uint16 = "U16"
  /// IEEE half precision.
  case float16 = "F16"
  /// The upper half of a 32-bit float.
  case bfloat16 = "BF16"
  /// Signed 32-bit integers.
  case int32 = "I32"
  /// Unsigned 32-bit integers.
  case uint32 = "U32"
  /// IEEE single precision, the type of the engine.
  case float32 = "F32"
  /// Complex numbers of two 32-bit floats.
  case complex64 = "C64"
  /// IEEE double precision.
  case float64 = "F64"
  /// Signed 64-bit integers.
  case int64 = "I64"
  /// Unsigned 64-bit integers.
  case uint64 = "U64"

  /// The bytes of one element.
  public var width: Int {
    switch self {
    case .boolean, .uint8, .int8, .float8E5M2, .float8E4M3, .float8E8M0: 1
    case .int16, .uint16, .float16, .bfloat16: 2
    case .int32, .uint32, .float32: 4
    case .complex64, .float64, .int64, .uint64: 8
    }
  }
}

/// A named tensor as the file holds it.
public struct SafetensorsEntry: Sendable {
  /// The name, once per file.
  public let name: String
  /// The element type.
  public let type: SafetensorsType
  /// The sizes; rank 0 is one value, a size of 0 none.
  public let shape: Shape
  private let storage: Storage

  /// The elements, little-endian, row-major; always `shape.count * type.width` bytes.
  ///
  /// Those of floats are copied; `withBytes` shows them where they are.
  public var bytes: [UInt8] { withBytes { [UInt8]($0) } }

  /// What holds the elements: floats are the very array that a tensor takes, so that a model's
  /// weights are there once while it is read or written, not three times.
  private enum Storage: Sendable {
    case bytes([UInt8])
    /// Only on machines that order bytes as the file does.
    case floats([Float])
  }

  /// Whether floats in memory are the file's bytes.
  static let holdsFloats = UInt32(1).littleEndian == 1

  /// Makes an entry of raw bytes.
  ///
  /// Precondition: `bytes.count == shape.count * type.width`.
  public init(name: String, type: SafetensorsType, shape: Shape, bytes: [UInt8]) {
    precondition(
      bytes.count == shape.count * type.width,
      "\(name): \(shape) of \(type.rawValue) takes \(shape.count * type.width) bytes; "
        + "received \(bytes.count)"
    )
    self.name = name
    self.type = type
    self.shape = shape
    storage = .bytes(bytes)
  }

  /// Makes an F32 entry of floats that were read.
  init(name: String, shape: Shape, floats: [Float]) {
    self.name = name
    self.type = .float32
    self.shape = shape
    storage =
      Self.holdsFloats
      ? .floats(floats) : .bytes(littleEndianBytes(floats.lazy.map(\.bitPattern)))
  }

  /// The bytes where they are, without a copy.
  func withBytes<Result>(_ body: (UnsafeRawBufferPointer) -> Result) -> Result {
    switch storage {
    case .bytes(let bytes): bytes.withUnsafeBytes(body)
    case .floats(let floats): floats.withUnsafeBytes(body)
    }
  }

  /// The number of bytes.
  var byteCount: Int { shape.count * type.width }

  /// Makes an F32 entry; every bit is kept, NaN payloads too.
  public init(name: String, _ tensor: Tensor) {
    self.init(name: name, shape: tensor.shape, floats: tensor.elements)
  }

  /// Makes an F16 entry: each element rounded to the nearest half-precision number.
  public init(name: String, halfPrecision tensor: Tensor) {
    self.init(
      name: name, type: .float16, shape: tensor.shape,
      bytes: littleEndianBytes(tensor.elements.lazy.map(\.halfPrecisionBits)))
  }

  /// Makes a U8 entry of one axis, as run folders use for opaque state.
  public init(name: String, bytes: [UInt8]) {
    self.init(name: name, type: .uint8, shape: [bytes.count], bytes: bytes)
  }

  /// Makes an I64 entry of one axis.
  public init(name: String, integers: [Int64]) {
    self.init(name: name, type: .int64, shape: [integers.count], bytes: littleEndianBytes(integers))
  }

  /// Makes a U64 entry of one axis, as for counters and the state of random generators.
  public init(name: String, unsignedIntegers: [UInt64]) {
    self.init(
      name: name, type: .uint64, shape: [unsignedIntegers.count],
      bytes: littleEndianBytes(unsignedIntegers))
  }

  /// The elements as 32-bit floats, or nil when the type is not F32, F16, BF16 or F64.
  ///
  /// F32 keeps every bit; F16 and BF16 are exact; F64 is rounded to nearest.
  public var floats: [Float]? {
    if case .floats(let floats) = storage { return floats }
    return switch type {
    case .float32: map(UInt32.self) { Float(bitPattern: $0) }
    case .float16: map(UInt16.self) { Float(halfPrecisionBits: $0) }
    case .bfloat16: map(UInt16.self) { Float(bitPattern: UInt32($0) << 16) }
    case .float64: map(UInt64.self) { Float(Double(bitPattern: $0)) }
    default: nil
    }
  }

  /// The elements as signed integers, or nil when the type is not one of I8 … I64, U8, U16 or U32.
  public var integers: [Int64]? {
    switch type {
    case .int8: bytes.map { Int64(Int8(bitPattern: $0)) }
    case .uint8: bytes.map { Int64($0) }
    case .int16: map(UInt16.self) { Int64(Int16(bitPattern: $0)) }
    case .uint16: map(UInt16.self) { Int64($0) }
    case .int32: map(UInt32.self) { Int64(Int32(bitPattern: $0)) }
    case .uint32: map(UInt32.self) { Int64($0) }
    case .int64: map(UInt64.self) { Int64(bitPattern: $0) }
    default: nil
    }
  }

  /// The elements as unsigned integers, or nil when the type is not one of U8, U16, U32 or U64.
  public var unsignedIntegers: [UInt64]? {
    switch type {
    case .uint8: bytes.map { UInt64($0) }
    case .uint16: map(UInt16.self) { UInt64($0) }
    case .uint32: map(UInt32.self) { UInt64($0) }
    case .uint64: map(UInt64.self) { $0 }
    default: nil
    }
  }

  /// Loads each element's bits in the machine's order and converts them.
  @inline(__always)
  private func map<Bits: FixedWidthInteger, Value>(
    _: Bits.Type, _ convert: (Bits) -> Value
  ) -> [Value] {
    let width = MemoryLayout<Bits>.size
    let count = shape.count
    return withBytes { source in
      [Value](unsafeUninitializedCapacity: count) { target, initialized in
        for index in 0..<count {
          let bits = source.loadUnaligned(fromByteOffset: index * width, as: Bits.self)
          target.initializeElement(at: index, to: convert(Bits(littleEndian: bits)))
        }
        initialized = count
      }
    }
  }
}

extension SafetensorsEntry: Hashable {
  /// Whether name, type, shape and every bit are the same, NaN payloads too.
  public static func == (left: SafetensorsEntry, right: SafetensorsEntry) -> Bool {
    left.name == right.name && left.type == right.type && left.shape == right.shape
      && left.withBytes { one in right.withBytes { one.elementsEqual($0) } }
  }

  /// Feeds name, type, shape and bytes to `hasher`.
  public func hash(into hasher: inout Hasher) {
    hasher.combine(name)
    hasher.combine(type)
    hasher.combine(shape)
    withBytes { hasher.combine(bytes: $0) }
  }
}

extension Float {
  /// The bits of the nearest IEEE half-precision number, ties to even; infinity from 65520 on.
  var halfPrecisionBits: UInt16 {
    let sign = UInt16(bitPattern >> 16 & 0x8000)
    let magnitude = bitPattern & 0x7FFF_FFFF
    switch magnitude {
    case 0x7F80_0001...: return sign | 0x7E00
    case 0x477F_F000...: return sign | 0x7C00
    case ..<0x3880_0000:
      // Below 2^-14 numbers lie evenly, 2^-24 apart; 1024 of them are the smallest normal one.
      let steps = (Float(bitPattern: magnitude) * 0x1p24).rounded(.toNearestOrEven)
      return sign | UInt16(steps)
    default:
      let rounded = magnitude + 0x0FFF + (magnitude >> 13 & 1)
      return sign | UInt16((rounded - 0x3800_0000) >> 13)
    }
  }

  /// Widens IEEE half precision exactly (`Float16` does not exist on every platform).
  init(halfPrecisionBits half: UInt16) {
    let sign = UInt32(half & 0x8000) << 16
    let exponent = UInt32(half >> 10) & 0x1F
    let fraction = UInt32(half & 0x3FF)
    switch exponent {
    case 0:
      let magnitude = Float(fraction) * 0x1p-24
      self = Float(bitPattern: sign | magnitude.bitPattern)
    case 31: self = Float(bitPattern: sign | 0x7F80_0000 | fraction << 13)
    default: self = Float(bitPattern: sign | (exponent + 112) << 23 | fraction << 13)
    }
  }
}
