// The confusion matrix as a picture: rows are the true classes, columns what they were taken for.

import AtelierImages

extension Report {
  /// Tells the tables of an evaluation, a line and the protocol, and draws the confusion matrix
  /// where a file is named.
  init(
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
  init(_ title: String, _ names: [String], _ confusion: [[Int]], cells: ([Int]) -> [String]) {
    self.init([title] + names.indices.map { "(\($0))" })
    for (index, row) in confusion.enumerated() {
      append(["(\(index)) \(names[index])"] + cells(row))
    }
  }
}

/// Draws confusion matrices.
public enum ConfusionPicture {
  /// Draws a report's matrix, RGB; each row's colours are shares of that class.
  public static func draw(_ report: ClassificationReport, title: String) -> ByteImage {
    draw(names: report.classes.map(\.name), report.confusion, title: title) { count, _ in
      "\(count)"
    }
  }

  /// Draws a report's matrix, RGB; colours and texts are shares of each class's pixels.
  public static func draw(_ report: SegmentationReport, title: String) -> ByteImage {
    draw(names: report.classes.map(\.name), report.confusion, title: title) { count, sum in
      let percent = 100 * Double(count) / Double(sum)
      return percent < 0.5 ? "" : "\(Int(percent.rounded()))%"
    }
  }

  /// Draws counts by class (rows) and by what they were taken for; `text` says what stands in a
  /// cell, by its count and its row's sum.
  private static func draw(
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
