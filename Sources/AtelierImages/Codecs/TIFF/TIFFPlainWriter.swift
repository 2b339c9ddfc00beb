// Pages without compression into a TIFF file: all samples first, then all directories.

import Foundation

/// What writes pages into a TIFF file.
protocol TIFFPageWriter {
  /// Writes a page: a picture, further gray planes of its size, tags.
  func append(
    _ image: StoredImage, planes: [StoredImage], storage: TIFFStorage, quality: Int,
    tags: TagDirectory) throws
  /// Ends the file.
  func finish() throws
}

extension TIFFStorage {
  /// Begins a file of pages that are stored so.
  func writer(path: String, name: String) throws -> any TIFFPageWriter {
    compression == 1 && tile == nil && !isPlanar
      ? try TIFFPlainWriter(path: path, name: name, storage: self)
      : try TIFFWriter(path: path, name: name, storage: self)
  }
}

/// One TIFF file of uncompressed strips being written.
///
/// The samples of all pages stand one behind the other: ImageJ and its like read a stack from its
/// first page's place on, and look at no other page.
final class TIFFPlainWriter: TIFFPageWriter {
  private let name: String
  private let file: FileHandle
  private let writer: TagWriter
  private var directories: [TagDirectory] = []
  private var end: Int

  /// Rows are gathered to about so many bytes.
  private static let portion = 1 << 20

  /// Begins a file of the byte order and offsets that `storage` has.
  init(path: String, name: String, storage: TIFFStorage) throws {
    self.name = name
    writer = TagWriter(isBigEndian: storage.isBigEndian, isWide: storage.isWide)
    guard FileManager.default.createFile(atPath: path, contents: nil),
      let file = FileHandle(forWritingAtPath: path)
    else {
      throw ImageError(
        .unwritable, name: name, expected: "a writable file",
        received: String(cString: strerror(errno))
      )
    }
    self.file = file
    let order: UInt8 = storage.isBigEndian ? 0x4d : 0x49
    var head = [order, order] + writer.number(storage.isWide ? 43 : 42, bytes: 2)
    // The first directory's place is not known yet.
    head +=
      storage.isWide ? writer.number(8, bytes: 2) + [UInt8](repeating: 0, count: 10) : [0, 0, 0, 0]
    end = head.count
    try write(Data(head))
  }

  deinit { try? file.close() }

  private func write(_ data: Data) throws {
    do {
      try file.write(contentsOf: data)
    } catch {
      throw ImageError(
        .unwritable, name: name, expected: "a writable file", received: error.localizedDescription)
    }
  }

  func append(
    _ image: StoredImage, planes: [StoredImage], storage: TIFFStorage, quality: Int,
    tags: TagDirectory
  ) throws {
    let first = storage.isPremultiplied ? image.premultiplied : image
    let parts = [first] + planes
    let samples = parts.reduce(0) { $0 + $1.channels }
    let (width, height) = (image.size.width, image.size.height)
    let bytes = storage.bits / 8
    let rowBytes = width * samples * bytes
    let start = end
    let portion = max(1, Self.portion / rowBytes)
    for top in stride(from: 0, to: height, by: portion) {
      let rows = min(portion, height - top)
      var block = [UInt8](repeating: 0, count: rows * rowBytes)
      block.withUnsafeMutableBytes { target in
        guard let base = target.baseAddress else { return }
        var sample = 0
        for part in parts {
          for channel in 0..<part.channels {
            for row in 0..<rows {
              storage.store(
                part, channel: channel, x: 0, y: top + row, count: width,
                into: base + row * rowBytes + sample * bytes, stride: samples * bytes)
            }
            sample += 1
          }
        }
      }
      if writer.isBigEndian { block.turnOver(by: bytes) }
      try write(Data(block))
      end += block.count
    }
    var directory = directory(of: image, samples: samples, storage: storage)
    let rows = min(storage.stripRows ?? height, height)
    let strips = (height + rows - 1) / rows
    func long(_ tag: UInt16, _ values: [Int]) -> TagDirectory.Entry {
      let width = writer.isWide ? 8 : 4
      return .init(
        tag: tag, kind: writer.isWide ? 16 : 4,
        data: values.flatMap { TagWriter().number($0, bytes: width) })
    }
    directory[273] = long(273, (0..<strips).map { start + $0 * rows * rowBytes })
    directory[278] = .long(278, rows)
    directory[279] = long(
      279, (0..<strips).map { min(rows, height - $0 * rows) * rowBytes })
    for entry in tags.entries where directory[entry.tag] == nil { directory[entry.tag] = entry }
    directories.append(directory)
  }

  /// The tags that say how the samples are stored, but for the strips.
  private func directory(
    of image: StoredImage, samples: Int, storage: TIFFStorage
  ) -> TagDirectory {
    let colors = image.channels - (image.hasAlpha ? 1 : 0)
    func shorts(_ tag: UInt16, _ values: [Int]) -> TagDirectory.Entry {
      .init(tag: tag, kind: 3, data: values.flatMap { TagWriter().number($0, bytes: 2) })
    }
    let format = storage.kind == .unsigned ? 1 : storage.kind == .signed ? 2 : 3
    var directory = TagDirectory(entries: [
      .long(256, image.size.width), .long(257, image.size.height),
      shorts(258, [Int](repeating: storage.bits, count: samples)), .short(259, 1),
      .short(262, colors == 1 ? 1 : 2), .short(277, samples), .short(284, 1),
      shorts(339, [Int](repeating: format, count: samples)),
    ])
    if samples > colors {
      let alpha = image.hasAlpha ? (storage.isPremultiplied ? 1 : 2) : 0
      directory[338] = shorts(338, [alpha] + [Int](repeating: 0, count: samples - colors - 1))
    }
    return directory
  }

  func finish() throws {
    if end % 2 == 1 {
      try write(Data([0]))
      end += 1
    }
    let (head, step, field) = writer.isWide ? (8, 20, 8) : (2, 12, 4)
    let first = end
    for (index, directory) in directories.enumerated() {
      var bytes = writer.bytes(of: directory, at: end)
      guard writer.isWide || end + bytes.count < 1 << 32 else {
        throw ImageError(
          .argument, name: name, expected: "a TIFF of at most 4 GiB", received: "\(end) bytes")
      }
      if index + 1 < directories.count {
        let link = head + directory.entries.count * step
        bytes.replaceSubrange(
          link..<link + field, with: writer.number(end + bytes.count, bytes: field))
      }
      try write(Data(bytes))
      end += bytes.count
    }
    do {
      try file.seek(toOffset: UInt64(field))
      try write(Data(writer.number(first, bytes: field)))
      try file.close()
    } catch let error as ImageError {
      throw error
    } catch {
      throw ImageError(
        .unwritable, name: name, expected: "a writable file", received: error.localizedDescription)
    }
  }
}
