// The IDX files of MNIST and its relatives: a magic number, sizes, bytes; plain or gzip.
//
//   byte 0  1  2     3      4                       4 + 4 · rank
//        ┌──┬──┬─────┬──────┬───────────────────────┬──────────────────────┐
//        │ 0│ 0│ 8   │ rank │ sizes, u32 big-endian │ bytes, last axis     │
//        │  │  │ u8  │ 1, 3 │ one an axis           │ fastest              │
//        └──┴──┴─────┴──────┴───────────────────────┴──────────────────────┘
// Format: http://yann.lecun.com/exdb/mnist/

import AtelierImages
import Foundation

/// One IDX file of bytes.
struct IDXFile {
  /// The sizes along its axes, outermost first.
  let sizes: [Int]
  /// The bytes, as many as the sizes say.
  let bytes: [UInt8]

  /// Reads a file, plain or gzip, of `rank` axes and at most `limit` bytes.
  /// - Throws: `DatasetError` that names the file and what differs.
  init(_ url: URL, rank: Int, limit: Int) throws(DatasetError) {
    let name = url.relativePath
    let content = try CompressedFile.read(url, limit: limit) { head throws(DatasetError) in
      head.count < 4 + 4 * rank
        ? nil : try Self.header(head, rank: rank, name: name).expected + 4 + 4 * rank
    }
    let (sizes, expected) = try Self.header(content, rank: rank, name: name)
    let head = 4 + 4 * rank
    guard content.count - head == expected else {
      throw DatasetError(
        "\(name): its header names \(sizes), which are \(expected) bytes; received "
          + "\(content.count - head)")
    }
    self.sizes = sizes
    bytes = Array(content[head...])
  }

  /// The sizes that a header names, and the bytes behind it that they are.
  private static func header(
    _ content: [UInt8], rank: Int, name: String
  ) throws(DatasetError) -> (sizes: [Int], expected: Int) {
    guard content.count >= 4 + 4 * rank, content[0] == 0, content[1] == 0 else {
      throw DatasetError("\(name): expected an IDX file, whose first bytes are 0 0 8 \(rank)")
    }
    guard content[2] == 8, content[3] == rank else {
      throw DatasetError(
        "\(name): expected IDX bytes (type 8) with \(rank) axes, received type \(content[2]) with "
          + "\(content[3])")
    }
    let sizes = (0..<rank).map { axis in
      content[4 + 4 * axis..<8 + 4 * axis].reduce(0) { $0 << 8 | Int($1) }
    }
    var expected = 1
    for size in sizes {
      let (product, isTooLarge) = expected.multipliedReportingOverflow(by: size)
      guard !isTooLarge, size > 0 else {
        throw DatasetError("\(name): its header names the impossible sizes \(sizes)")
      }
      expected = product
    }
    return (sizes, expected)
  }
}

extension LabeledImages {
  /// Reads a pair of IDX files, plain or gzip: pictures [count, rows, columns] and labels [count].
  ///
  /// Classes are named by their numbers.
  ///
  /// - Throws: `DatasetError` that names the file and what differs.
  public init(
    images: URL, labels: URL, memoryLimit: Int = LabeledImages.memoryLimit
  ) throws(DatasetError) {
    let pictures = try IDXFile(images, rank: 3, limit: memoryLimit)
    let classes = try IDXFile(labels, rank: 1, limit: memoryLimit)
    guard pictures.sizes[0] == classes.sizes[0] else {
      throw DatasetError(
        "\(labels.relativePath): expected \(pictures.sizes[0]) labels for the pictures of "
          + "\(images.lastPathComponent), received \(classes.sizes[0])")
    }
    let numbers = classes.bytes.map(Int.init)
    try self.init(
      name: images.lastPathComponent,
      size: PixelSize(width: pictures.sizes[2], height: pictures.sizes[1]), channels: 1,
      pixels: pictures.bytes, labels: numbers,
      // Ten at least, so that a part of a set without its last classes fits the same model.
      numberedClasses: max((numbers.max() ?? 0) + 1, 10))
  }
}
