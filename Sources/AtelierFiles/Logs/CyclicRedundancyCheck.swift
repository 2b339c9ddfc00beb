// CRC-32C (Castagnoli), the checksum of TFRecord files.

/// CRC-32C: reflected polynomial 0x82F63B78, as in iSCSI (RFC 3720) and TensorFlow's records.
package enum CyclicRedundancyCheck {
  private static let table: [UInt32] = (0..<256).map { index in
    var remainder = UInt32(index)
    for _ in 0..<8 {
      remainder = remainder >> 1 ^ (remainder & 1 == 1 ? 0x82F6_3B78 : 0)
    }
    return remainder
  }

  /// The checksum of bytes; 0 for none.
  package static func checksum(_ bytes: some Sequence<UInt8>) -> UInt32 {
    table.withUnsafeBufferPointer { table in
      var remainder = ~UInt32(0)
      for byte in bytes {
        remainder = remainder >> 8 ^ table[Int(UInt8(truncatingIfNeeded: remainder) ^ byte)]
      }
      return ~remainder
    }
  }

  /// The checksum as records store it, rotated and offset, so that one of checksums stays sound.
  package static func masked(_ bytes: some Sequence<UInt8>) -> UInt32 {
    let checksum = checksum(bytes)
    return (checksum >> 15 | checksum << 17) &+ 0xA282_EAD8
  }
}
