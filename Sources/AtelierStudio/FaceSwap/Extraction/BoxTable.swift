// Boxes of faces from a CSV file, as other detectors or people by hand give them.

import AtelierImages
import AtelierInterchange
import Foundation

/// The boxes of faces by picture, from a CSV file.
///
/// The first line names the columns, in any order: `file`, `x`, `y` and either `size` or `width` and
/// `height`, in pixels, brow to chin; optional are `folder`, which stands before `file`, and
/// `frame`, which counts for films alone, from 0. Further columns are left alone.
public struct BoxTable: Sendable {
  /// The largest file that is read, in bytes.
  static let largestSize = 256 << 20

  private let boxes: [Place: [PlaneBox]]
  private let index: SourceIndex
  /// The number of boxes.
  public let count: Int

  private struct Place: Hashable {
    let name: String
    let frame: Int?
  }

  /// Where the columns stand.
  private struct Columns {
    let file: Int
    let folder: Int?
    let frame: Int?
    let x: Int
    let y: Int
    let width: Int
    let height: Int
  }

  /// Reads a file; throws `StudioError` that names the file and the line.
  public init(contentsOf url: URL) throws {
    let data = try TextFile.data(url, limit: Self.largestSize, kind: "boxes")
    try self.init(text: String(decoding: data, as: UTF8.self), name: url.relativePath)
  }

  /// Reads the text of a file of this name; throws `StudioError` that names the file and the line.
  public init(text: String, name: String) throws {
    func failure(_ line: Int, _ expected: String, _ received: String) -> StudioError {
      StudioError(.data, "\(name) line \(line): expected \(expected), received \(received)")
    }
    let lines = text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline)
    let head = Self.fields(lines.first.map { $0.drop { $0 == "\u{FEFF}" } } ?? "")
    guard let columns = Self.columns(head) else {
      throw failure(
        1, "the columns file, x, y and size (or width and height)", head.joined(separator: ","))
    }
    var boxes: [Place: [PlaneBox]] = [:]
    var count = 0
    for (number, line) in lines.enumerated().dropFirst() where !line.allSatisfy(\.isWhitespace) {
      let fields = Self.fields(line)
      guard fields.count == head.count else {
        throw failure(number + 1, "\(head.count) fields", "\(fields.count)")
      }
      let numbers = [columns.x, columns.y, columns.width, columns.height].map {
        Double(fields[$0]).flatMap { abs($0) < 1e6 ? $0 : nil }
      }
      guard let x = numbers[0], let y = numbers[1], let width = numbers[2], let height = numbers[3],
        width > 0, height > 0
      else { throw failure(number + 1, "a box of numbers with a positive size", String(line)) }
      let folder = columns.folder.map { fields[$0] + "/" } ?? ""
      let place = SourceIndex.normal(folder + fields[columns.file])
      let box = PlaneBox(x: x, y: y, width: width, height: height)
      // The column also stands beside single pictures, where it says what they were cut from.
      let frame = columns.frame.flatMap { Int(fields[$0]) }
      boxes[Place(name: place, frame: nil), default: []].append(box)
      if let frame { boxes[Place(name: place, frame: frame), default: []].append(box) }
      count += 1
    }
    self.boxes = boxes
    self.count = count
    index = SourceIndex(boxes.keys.map(\.name))
  }

  /// The boxes of a picture, or of a film's frame from 0, in the file's order.
  public func boxes(of path: String, frame: Int? = nil) -> [PlaneBox] {
    index.name(for: path).flatMap { boxes[Place(name: $0, frame: frame)] } ?? []
  }

  private static func columns(_ head: [String]) -> Columns? {
    let names = head.map { $0.lowercased() }
    func place(_ name: String) -> Int? { names.firstIndex(of: name) }
    guard let file = place("file"), let x = place("x"), let y = place("y"),
      let width = place("size") ?? place("width"), let height = place("size") ?? place("height")
    else { return nil }
    return Columns(
      file: file, folder: place("folder"), frame: place("frame"), x: x, y: y, width: width,
      height: height)
  }

  /// The fields of a line; quotes hold commas together.
  private static func fields(_ line: some StringProtocol) -> [String] {
    var fields = [""]
    var isQuoted = false
    for character in line {
      if character == "\"" {
        isQuoted.toggle()
      } else if character == ",", !isQuoted {
        fields.append("")
      } else {
        fields[fields.count - 1].append(character)
      }
    }
    return fields.map { $0.trimmingCharacters(in: .whitespaces) }
  }
}
