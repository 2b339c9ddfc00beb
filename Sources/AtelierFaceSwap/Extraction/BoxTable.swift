// Boxes of faces from a CSV file, as other detectors or people by hand give them.

import AtelierFiles
import AtelierImages
import AtelierWorkbench
import Foundation

/// The boxes of faces by picture, from a CSV file.
///
/// The first line names the columns, in any order: `file`, `x`, `y` and `size` or `width` and
/// `height`, in pixels, brow to chin; optional are `folder`, which stands before `file`, and
/// `frame`, which counts for films alone, from 0. Further columns are left alone.
public struct BoxTable: Sendable {
  /// The largest file that is read, in bytes.
  static let largestSize = 256 << 20

  private var boxes = SourceTable<PlaneBox>()
  /// The number of boxes.
  public private(set) var count = 0

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
    let names = head.map { $0.lowercased() }
    func column(_ name: String) -> Int? { names.firstIndex(of: name) }
    let (folder, frame) = (column("folder"), column("frame"))
    guard let file = column("file"), let x = column("x"), let y = column("y"),
      let width = column("size") ?? column("width"), let height = column("size") ?? column("height")
    else {
      throw failure(
        1, "the columns file, x, y and size (or width and height)", head.joined(separator: ","))
    }
    for (number, line) in lines.enumerated().dropFirst() where !line.allSatisfy(\.isWhitespace) {
      let fields = Self.fields(line)
      guard fields.count == head.count else {
        throw failure(number + 1, "\(head.count) fields", "\(fields.count)")
      }
      let numbers = [x, y, width, height].compactMap {
        Double(fields[$0]).flatMap { abs($0) < 1e6 ? $0 : nil }
      }
      guard numbers.count == 4, numbers[2] > 0, numbers[3] > 0 else {
        throw failure(number + 1, "a box of numbers with a positive size", String(line))
      }
      let place = (folder.map { fields[$0] + "/" } ?? "") + fields[file]
      let box = PlaneBox(x: numbers[0], y: numbers[1], width: numbers[2], height: numbers[3])
      // The column also stands beside single pictures, where it says what they were cut from.
      boxes.append(box, to: place, frame: nil)
      if let frame = frame.flatMap({ Int(fields[$0]) }) {
        boxes.append(box, to: place, frame: frame)
      }
      count += 1
    }
  }

  /// The boxes of a picture, or of a film's frame from 0, in the file's order.
  public func boxes(of path: String, frame: Int? = nil) -> [PlaneBox] { boxes[path, frame] }

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
