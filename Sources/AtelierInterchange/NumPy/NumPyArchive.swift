// NumPy's .npz files: arrays of other frameworks, by name, for comparison.
//
// A zip of .npy files; those that `numpy.savez` writes are stored as they are, and only such are read.
// Formats: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html, PKWARE's APPNOTE.

import AtelierFiles
import Foundation

/// An array of a file.
package struct NumPyArray: Sendable, Hashable {
  /// Its sizes, outermost first.
  package let sizes: [Int]
  /// Its numbers in row-major order.
  package let elements: [Float]

  /// Makes an array.
  package init(sizes: [Int], elements: [Float]) {
    (self.sizes, self.elements) = (sizes, elements)
  }

  /// Its axes in another order.
  package func transposed(_ order: [Int]) -> NumPyArray {
    guard order != Array(order.indices) else { return self }
    let constant = ConstantTensor(dimensions: sizes, numbers: .floats(elements)).transposed(order)
    return NumPyArray(sizes: constant.dimensions, elements: constant.floats)
  }
}

/// The arrays of an .npz file by name.
package struct NumPyArchive: Sendable {
  /// The arrays of numbers by name.
  package let arrays: [String: NumPyArray]

  /// Reads a file.
  ///
  /// - Throws: `FileError` when it is no .npz, is compressed, or holds something else than numbers.
  package init(_ url: URL) throws(FileError) {
    try self.init(try ONNXFile.bytes(of: url), name: url.relativePath)
  }

  /// Reads a file's bytes.
  package init(_ data: Data, name: String) throws(FileError) {
    var result: [String: NumPyArray] = [:]
    let reader = ZipReader(data: data, name: name)
    for (entry, range) in try reader.entries() {
      guard entry.hasSuffix(".npy") else { continue }
      let array = try reader.array(range, entry: entry)
      result[String(entry.dropLast(4))] = array
    }
    guard !result.isEmpty else {
      throw FileError(file: name, message: "expected arrays of NumPy, received none")
    }
    arrays = result
  }
}

/// The parts of a zip file whose entries are stored.
private struct ZipReader {
  let data: Data
  let name: String

  private func fault(_ message: String) -> FileError { FileError(file: name, message: message) }

  /// A little-endian number of so many bytes.
  private func number(_ at: Int, _ count: Int) throws(FileError) -> Int {
    guard at >= 0, at <= data.count - count else {
      throw fault("expected an .npz, which ends early")
    }
    var value = 0
    for index in (0..<count).reversed() {
      value = value << 8 | Int(data[data.startIndex + at + index])
    }
    return value
  }

  /// The names of the entries, and where their bytes lie.
  func entries() throws(FileError) -> [(String, Range<Int>)] {
    guard data.count >= 22, let end = endRecord() else {
      throw fault("expected an .npz of NumPy, received something else")
    }
    var position = try number(end + 16, 4)
    let count = try number(end + 10, 2)
    var result: [(String, Range<Int>)] = []
    for _ in 0..<count {
      guard try number(position, 4) == 0x0201_4B50 else {
        throw fault("its list of entries is broken")
      }
      let (method, size) = (try number(position + 10, 2), try number(position + 24, 4))
      let nameLength = try number(position + 28, 2)
      let skipped = try number(position + 30, 2) + (try number(position + 32, 2))
      let local = try number(position + 42, 4)
      guard method == 0 else {
        throw fault("its entries are compressed; write it with numpy.savez")
      }
      guard position + 46 + nameLength <= data.count else { throw fault("ends early") }
      let start = data.startIndex + position + 46
      let text = String(decoding: data[start..<start + nameLength], as: UTF8.self)
      guard try number(local, 4) == 0x0403_4B50 else { throw fault("an entry is broken") }
      let begin = local + 30 + (try number(local + 26, 2)) + (try number(local + 28, 2))
      guard begin <= data.count, size <= data.count - begin else {
        throw fault("an entry ends early")
      }
      result.append((text, begin..<begin + size))
      position += 46 + nameLength + skipped
    }
    return result
  }

  private func endRecord() -> Int? {
    for at in stride(from: data.count - 22, through: max(0, data.count - 65_557), by: -1) {
      if let mark = try? number(at, 4), mark == 0x0605_4B50 { return at }
    }
    return nil
  }

  /// The array of an .npy entry.
  func array(_ range: Range<Int>, entry: String) throws(FileError) -> NumPyArray {
    let magic: [UInt8] = [0x93, 0x4E, 0x55, 0x4D, 0x50, 0x59]
    let start = data.startIndex + range.lowerBound
    guard range.count >= 12, Array(data[start..<start + 6]) == magic else {
      throw fault("\(quoted(entry)) is not an array")
    }
    let isLong = data[start + 6] >= 2
    let length = try number(range.lowerBound + 8, isLong ? 4 : 2)
    let begin = range.lowerBound + (isLong ? 12 : 10) + length
    guard begin <= range.upperBound else { throw fault("\(quoted(entry)) ends early") }
    let header = String(
      decoding: data[(data.startIndex + begin - length)..<(data.startIndex + begin)], as: UTF8.self)
    let sizes = try sizes(header, entry)
    var count = 1
    for size in sizes {
      let (product, isTooLarge) = count.multipliedReportingOverflow(by: size)
      guard !isTooLarge, product <= range.count else {
        throw fault("\(quoted(entry)) has the sizes \(sizes)")
      }
      count = product
    }
    guard !header.contains("'fortran_order': True") || sizes.count < 2 else {
      throw fault("\(quoted(entry)) lies by columns; write it with numpy.ascontiguousarray")
    }
    let type: ONNXType
    switch header.components(separatedBy: "'descr': '").dropFirst().first?.prefix(3) {
    case "<f4": type = .float
    case "<f8": type = .double
    case "<f2": type = .float16
    case "<i8": type = .int64
    case "<i4": type = .int32
    case "|u1": type = .uint8
    case "|i1": type = .int8
    case "|b1": type = .bool
    default: throw fault("\(quoted(entry)) has elements of another type than numbers")
    }
    guard count * type.size == range.upperBound - begin else {
      throw fault("\(quoted(entry)) has not as many numbers as \(sizes)")
    }
    let bytes = data[(data.startIndex + begin)..<(data.startIndex + range.upperBound)]
    return NumPyArray(
      sizes: sizes,
      elements: ConstantTensor(
        dimensions: sizes, numbers: ONNXNumbers.numbers(bytes, count, type)
      ).floats)
  }

  private func sizes(_ header: String, _ entry: String) throws(FileError) -> [Int] {
    guard let open = header.range(of: "'shape': ("),
      let close = header[open.upperBound...].firstIndex(of: ")")
    else { throw fault("\(quoted(entry)) has no shape") }
    var sizes: [Int] = []
    for part in header[open.upperBound..<close].split(separator: ",") {
      let text = part.trimmingCharacters(in: .whitespaces)
      if text.isEmpty { continue }
      guard let size = Int(text), size >= 0, sizes.count < 32 else {
        throw fault("\(quoted(entry)) has the shape \(header[open.upperBound..<close])")
      }
      sizes.append(size)
    }
    return sizes
  }
}
