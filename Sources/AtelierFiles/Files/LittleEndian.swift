// Integers as bytes in the order of every file here.

/// The bytes of integers, least significant first.
@inlinable package func littleEndianBytes<Integer: FixedWidthInteger>(
  _ values: some Collection<Integer>
) -> [UInt8] {
  let width = MemoryLayout<Integer>.size
  let count = values.count * width
  return [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
    let target = UnsafeMutableRawBufferPointer(buffer)
    var offset = 0
    for value in values {
      target.storeBytes(of: value.littleEndian, toByteOffset: offset, as: Integer.self)
      offset += width
    }
    filled = count
  }
}
