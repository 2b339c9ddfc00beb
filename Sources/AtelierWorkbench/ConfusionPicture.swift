// The confusion matrix as a picture: rows are the true classes, columns what they were taken for.

import AtelierFiles
import AtelierImages

extension Report {
  /// Tells the tables of an evaluation, a line and the protocol, and draws the confusion matrix
  /// where a file is named.
  package init(
    _ value: some Encodable & Sendable, _ tables: [Table], _ line: String, protocol text: String,
    matrix: @autoclosure () -> ByteImage, to picture: String?, in place: JobPlace
  ) throws {
    self.init(value: value)
    if let picture {
      try PictureJob.write(matrix(), to: picture, place: place)
      files = [picture]
    }
    for table in tables {
      say(table)
      say("")
    }
    say(line)
    say("protocol: \(text)")
    if let picture { say("picture: \(picture)") }
  }
}

extension Table {
  /// A confusion matrix, whose columns carry the numbers of the classes, which keeps them narrow.
  package init(_ title: String, _ names: [String], _ confusion: [[Int]], cells: ([Int]) -> [String])
  {
    self.init([title] + names.indices.map { "(\($0))" })
    for (index, row) in confusion.enumerated() {
      append(["(\(index)) \(names[index])"] + cells(row))
    }
  }
}

extension [String] {
  /// The index of a class; throws `StudioError` that names some classes where there is none.
  package func index(ofClass name: String) throws(StudioError) -> Int {
    guard let index = firstIndex(of: name) else {
      throw StudioError(
        .usage, "there is no class '\(name)'; there are \(prefix(20).joined(separator: ", "))")
    }
    return index
  }
}

extension [[Int]] {
  /// What a confusion matrix says of a class: how many were found, are of it, were taken for it.
  package func counts(of index: Int) -> (correct: Int, own: Int, taken: Int) {
    (self[index][index], self[index].reduce(0, +), reduce(0) { $0 + $1[index] })
  }
}

/// A share of a whole; 0 where there is none.
package func share(_ part: Int, _ whole: Int) -> Double {
  whole > 0 ? Double(part) / Double(whole) : 0
}

/// Draws confusion matrices.
public enum ConfusionPicture {
  /// Draws counts by class (rows) and by what they were taken for; `text` says what stands in a
  /// cell, by its count and its row's sum.
  package static func draw(
    names: [String], _ confusion: [[Int]], title: String, text: (Int, Int) -> String
  ) -> ByteImage {
    let classes = names.count
    let cell = max(8, min(54, 1000 / classes))
    let hasText = cell >= 24
    let scale = 1.7
    let longest = names.map { Canvas.textSize($0, scale: scale).width }.max() ?? 0
    let margin = hasText ? Int(longest) + 26 : 26
    let head = 74
    let side = classes * cell
    let width = max(margin + side + 24, Int(Canvas.textSize(title, scale: 2).width) + 24)
    var canvas = Canvas(width: width, height: head + side + margin + 34)
    canvas.text(title, x: 12, y: 14, scale: 2, weight: 1)
    canvas.text(
      "rows: class, columns: taken for; colour: share of the row", x: 12, y: 42, scale: 1.5,
      .pencil)
    for row in 0..<classes {
      let sum = max(confusion[row].reduce(0, +), 1)
      for column in 0..<classes {
        let count = confusion[row][column]
        // The square root lets rare confusions be seen beside the diagonal.
        let share = (Float(count) / Float(sum)).squareRoot()
        let (x, y) = (margin + column * cell, head + row * cell)
        canvas.fill(x: x, y: y, width: cell - 1, height: cell - 1, ColorMap.viridis[share])
        guard hasText, count > 0 else { continue }
        let words = text(count, sum)
        let fit = min(1.6, Double(cell - 8) / max(Canvas.textSize(words, scale: 1).width, 1))
        canvas.text(
          words, x: Double(x) + Double(cell - 1) / 2, y: Double(y) + Double(cell) / 2 - 3.5 * fit,
          scale: fit, share > 0.6 ? .ink : .white, anchor: .center)
      }
      guard hasText else { continue }
      let middle = head + row * cell + cell / 2
      canvas.text(
        names[row], x: Double(margin - 8), y: Double(middle) - 3.5 * scale, scale: scale,
        anchor: .right)
      let length = Canvas.textSize(names[row], scale: scale).width
      canvas.textUpwards(
        names[row], x: margin + row * cell + cell / 2 - 8,
        y: head + side + 12 + Int(length / 2), scale: scale, .ink, background: .white)
    }
    return canvas.image
  }
}
