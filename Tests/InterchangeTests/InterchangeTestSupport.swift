// What the tests of this module share: fixtures, scratch folders, and hand-made model files.

import AtelierEngine
import AtelierInterchange
import Foundation
import Testing

/// A model file of a hand-written header and so many bytes of data.
func handMade(_ header: some Sequence<UInt8>, dataCount: Int = 0, length: UInt64? = nil) -> Data {
  let header = Array(header)
  var data = Data()
  withUnsafeBytes(of: (length ?? UInt64(header.count)).littleEndian) {
    data.append(contentsOf: $0)
  }
  data.append(contentsOf: header)
  data.append(Data(repeating: 7, count: dataCount))
  return data
}

/// The text of the error that reading these bytes throws, or nil when they are read.
func failure(_ data: Data) -> SafetensorsError? {
  do throws(SafetensorsError) {
    _ = try SafetensorsFile(data: data, name: "hostile")
    return nil
  } catch {
    return error
  }
}

/// The file that the round trips, the truncations and the mutations use: every kind of content,
/// small.
func sampleFile() throws -> SafetensorsFile {
  var file = SafetensorsFile(
    metadata: ["graph": "{\"layers\": [\"a\\b\", \"é\u{2028}\"]}\t\0", "empty": ""])
  try file.append("ramp", Tensor([2, 3, 4], (0..<24).map { Float($0) * 0.5 - 3 }))
  try file.append("bits", Tensor([6], specialBits.map(Float.init(bitPattern:))))
  try file.append("scalar", Tensor(.scalar, [42.5]))
  try file.append("empty", Tensor([3, 0, 2]))
  try file.append(SafetensorsEntry(name: "state", bytes: [1, 2, 255]))
  try file.append(
    SafetensorsEntry(name: "counters", unsignedIntegers: [0, .max, 1 << 53 + 1]))
  try file.append(SafetensorsEntry(name: "steps", integers: [.min, .max]))
  try file.append("größe \"7\"\n\u{1}日本", Tensor([1], [7]))
  return file
}

/// A quiet and a signalling NaN with payloads, -0, the smallest and the largest denormal, infinity.
let specialBits: [UInt32] = [
  0x7FC0_1234, 0xFF80_0001, 0x8000_0000, 0x0000_0001, 0x007F_FFFF, 0x7F80_0000,
]
