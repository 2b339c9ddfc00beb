// As much of the Protocol Buffers wire format as TensorBoard's events and ONNX take; nothing is read.

/// Encodes fields in the order of the calls.
///
/// As proto3 has it, callers leave out fields of value 0.
package struct ProtobufEncoder {
  /// The message so far.
  package private(set) var bytes: [UInt8] = []

  /// Starts an empty message.
  package init() {}

  private enum WireType: UInt64 {
    case variable = 0
    case eightBytes = 1
    case lengthDelimited = 2
    case fourBytes = 5
  }

  /// A field of type int32, int64, uint64 or bool.
  package mutating func integer(_ field: UInt64, _ value: Int64) {
    tag(field, .variable)
    variable(UInt64(bitPattern: value))
  }

  /// A field of type double.
  mutating func double(_ field: UInt64, _ value: Double) {
    tag(field, .eightBytes)
    bytes.append(contentsOf: littleEndianBytes([value.bitPattern]))
  }

  /// A field of type float.
  package mutating func float(_ field: UInt64, _ value: Float) {
    tag(field, .fourBytes)
    bytes.append(contentsOf: littleEndianBytes([value.bitPattern]))
  }

  /// A field of type string.
  package mutating func string(_ field: UInt64, _ value: String) { data(field, Array(value.utf8)) }

  /// A field of type bytes.
  package mutating func data(_ field: UInt64, _ value: [UInt8]) {
    tag(field, .lengthDelimited)
    variable(UInt64(value.count))
    bytes.append(contentsOf: value)
  }

  /// A field that is a message.
  package mutating func message(_ field: UInt64, _ encode: (inout ProtobufEncoder) -> Void) {
    var message = ProtobufEncoder()
    encode(&message)
    data(field, message.bytes)
  }

  private mutating func tag(_ field: UInt64, _ type: WireType) {
    variable(field << 3 | type.rawValue)
  }

  private mutating func variable(_ value: UInt64) {
    var rest = value
    while rest >= 0x80 {
      bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
      rest >>= 7
    }
    bytes.append(UInt8(rest))
  }
}
