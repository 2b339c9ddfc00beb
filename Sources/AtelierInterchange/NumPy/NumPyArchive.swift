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
    guard ZipArchive.isArchive(data) else {
      throw FileError(file: name, message: "expected an .npz of NumPy, received something else")
    }
    let archive = try ZipArchive(data, file: name)
    let reader = NumPyReader(data: data, name: name)
    var result: [String: NumPyArray] = [:]
    for (entry, range) in archive.entries where entry.hasSuffix(".npy") {
      guard let range else {
        throw FileError(
          file: name, message: "its entries are compressed; write it with numpy.savez")
      }
      result[String(entry.dropLast(4))] = try reader.array(range, entry: entry)
    }
    guard !result.isEmpty else {
      throw FileError(file: name, message: "expected arrays of NumPy, received none")
    }
    arrays = result
  }
}

/// Reads the .npy entries of an archive.
private struct NumPyReader {
  let data: Data
  let name: String

  private func fault(_ message: String) -> FileError { FileError(file: name, message: message) }

  /// The array of an .npy entry.
  func array(_ range: Range<Int>, entry: String) throws(FileError) -> NumPyArray {
    let magic: [UInt8] = [0x93, 0x4E, 0x55, 0x4D, 0x50, 0x59]
    guard data[range].starts(with: magic) else { throw fault("\(quoted(entry)) is no array") }
    var bytes = ByteReader(data, range, file: name)
    _ = try bytes.skip(6)
    let version = try bytes.integer(UInt16.self) & 0xFF
    let length =
      version >= 2 ? Int(try bytes.integer(UInt32.self)) : Int(try bytes.integer(UInt16.self))
    let text = try bytes.skip(length)
    let header = String(decoding: data[text], as: UTF8.self)
    let begin = text.upperBound
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
    return NumPyArray(
      sizes: sizes,
      elements: ConstantTensor(
        dimensions: sizes,
        numbers: ONNXNumbers.numbers(data[begin..<range.upperBound], count, type)
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
