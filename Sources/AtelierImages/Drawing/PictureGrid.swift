// Pictures side by side with titles and captions, and two ways to show before and after.

/// A table of pictures with a title, column titles, row titles and captions.
public struct PictureGrid: Sendable {
  /// One picture with a line of text below it.
  public struct Cell: Sendable {
    /// The picture, any number of channels.
    public var picture: ByteImage
    /// The text below, none when empty.
    public var caption: String

    /// A picture and its caption.
    public init(_ picture: ByteImage, caption: String = "") {
      self.picture = picture
      self.caption = caption
    }
  }

  /// The line above everything, none when empty.
  public var title: String
  /// The lines above the columns; missing ones stay empty.
  public var columnTitles: [String]
  /// The lines beside the rows, written upwards; missing ones stay empty.
  public var rowTitles: [String]
  /// The pictures, row by row; rows may differ in length.
  public var rows: [[Cell]]
  /// How many pixels of the result a picture's pixel takes in each direction.
  public var magnification: Int
  /// Pixels between pictures and around all.
  public var padding: Int

  /// A table of cells.
  /// - Precondition: the magnification is positive, the padding not negative.
  public init(
    title: String = "", columnTitles: [String] = [], rowTitles: [String] = [], rows: [[Cell]],
    magnification: Int = 1, padding: Int = 12
  ) {
    precondition(magnification > 0 && padding >= 0, "a grid of negative measures")
    self.title = title
    self.columnTitles = columnTitles
    self.rowTitles = rowTitles
    self.rows = rows
    self.magnification = magnification
    self.padding = padding
  }

  /// One row of pictures, each with its title above.
  public static func row(_ pictures: [(title: String, picture: ByteImage)]) -> PictureGrid {
    PictureGrid(columnTitles: pictures.map(\.title), rows: [pictures.map { Cell($0.picture) }])
  }

  /// Where everything lies.
  private struct Layout {
    let widths: [Int]
    let heights: [Int]
    let captionHeights: [Int]
    let textScale: Double
    let left: Int
    let titleHeight: Int
    let headHeight: Int
    let width: Int
    let height: Int
  }

  /// Where one picture of the rendered table lies, in its pixels.
  public struct Place: Sendable, Hashable {
    /// Row and column from 0.
    public let row: Int, column: Int
    /// The upper left corner.
    public let x: Int, y: Int
    /// The size.
    public let width: Int, height: Int
  }

  private var layout: Layout {
    let columnCount = rows.map(\.count).max() ?? 0
    let widths = (0..<columnCount).map { column in
      rows.map { $0.count > column ? $0[column].picture.width * magnification : 0 }.max() ?? 0
    }
    let heights = rows.map { $0.map { $0.picture.height * magnification }.max() ?? 0 }
    let textScale = Self.textScale(widths)
    let line = Int((StrokeFont.lineHeight * textScale).rounded(.up))
    let left = padding + (rowTitles.contains { !$0.isEmpty } ? line + padding / 2 + 4 : 0)
    let titleHeight = title.isEmpty ? 0 : Int(1.3 * Double(line)) + padding
    let headHeight = columnTitles.contains { !$0.isEmpty } ? line + 6 : 0
    let captionHeights = rows.map { $0.contains { !$0.caption.isEmpty } ? line + 8 : 0 }
    let body = zip(heights, captionHeights).reduce(0) { $0 + $1.0 + $1.1 + padding }
    return Layout(
      widths: widths, heights: heights, captionHeights: captionHeights, textScale: textScale,
      left: left, titleHeight: titleHeight, headHeight: headHeight,
      width: left + widths.reduce(0) { $0 + $1 + padding },
      height: padding + titleHeight + headHeight + body)
  }

  /// Where each picture lies in the rendered table, row by row.
  public var places: [Place] {
    let layout = layout
    var places: [Place] = []
    var y = padding + layout.titleHeight + layout.headHeight
    for (row, cells) in rows.enumerated() {
      var x = layout.left
      for (column, cell) in cells.enumerated() {
        let width = cell.picture.width * magnification
        let height = cell.picture.height * magnification
        places.append(
          Place(
            row: row, column: column, x: x + (layout.widths[column] - width) / 2,
            y: y + (layout.heights[row] - height) / 2, width: width, height: height))
        x += layout.widths[column] + padding
      }
      y += layout.heights[row] + layout.captionHeights[row] + padding
    }
    return places
  }

  /// Draws the table on white in three channels.
  public func render() -> ByteImage {
    let layout = layout
    var canvas = Canvas(width: max(layout.width, 2 * padding + 1), height: max(1, layout.height))
    let middle = Double(layout.left + layout.width - padding) / 2
    if !title.isEmpty {
      let scale = Self.fit(title, layout.textScale * 1.25, Double(layout.width - 2 * padding))
      canvas.text(title, x: middle, y: Double(padding), scale: scale, anchor: .center, weight: 1)
    }
    draw(columnTitles, layout, y: padding + layout.titleHeight, color: .ink, on: &canvas)
    for place in places {
      let picture = rows[place.row][place.column].picture
      canvas.paste(
        picture.resized(width: place.width, height: place.height, filter: .nearest), x: place.x,
        y: place.y)
    }
    var y = padding + layout.titleHeight + layout.headHeight
    for (row, cells) in rows.enumerated() {
      let height = layout.heights[row]
      if row < rowTitles.count, !rowTitles[row].isEmpty {
        let scale = Self.fit(rowTitles[row], layout.textScale, Double(height))
        canvas.textUpwards(
          rowTitles[row], x: padding, y: y + height / 2, scale: scale, .ink, background: .white)
      }
      draw(cells.map(\.caption), layout, y: y + height + 6, color: .pencil, on: &canvas)
      y += height + layout.captionHeights[row] + padding
    }
    return canvas.image
  }

  /// Text grows a little with the pictures, to be readable in a large grid shown small.
  private static func textScale(_ widths: [Int]) -> Double {
    let mean = Double(widths.reduce(0, +)) / Double(max(1, widths.count))
    return max(1.5, min(4, (mean / 160).squareRoot() * 1.5))
  }

  /// The largest scale up to `scale` at which a text takes at most `width` pixels, not below 0.8.
  private static func fit(_ text: String, _ scale: Double, _ width: Double) -> Double {
    let needed = StrokeFont.width(text)
    return needed * scale <= width ? scale : max(0.8, width / max(needed, 1))
  }

  private func draw(
    _ texts: [String], _ layout: Layout, y: Int, color: PixelColor, on canvas: inout Canvas
  ) {
    let scale = layout.textScale
    // One scale for a whole line of titles looks calmer than one for each.
    let scales = zip(texts, layout.widths).map { Self.fit($0, scale, Double($1)) }
    let common = scales.min() ?? scale
    var x = layout.left
    for (text, width) in zip(texts, layout.widths) {
      canvas.text(
        text, x: Double(x) + Double(width) / 2, y: Double(y) + (scale - common) * 3.5,
        scale: common, color, anchor: .center)
      x += width + padding
    }
  }
}

/// Before and after in one picture.
public enum Comparison {
  /// Both pictures side by side under their names, in three channels.
  public static func pair(
    before: ByteImage, after: ByteImage, names: (String, String) = ("before", "after")
  ) -> ByteImage { PictureGrid.row([(names.0, before), (names.1, after)]).render() }

  /// One picture, left of a line as it was before, right of it as it is after; the line stands at
  /// `position`, 0 (left end) to 1.
  /// - Throws: `ImageError` when the sizes differ.
  public static func split(
    before: ByteImage, after: ByteImage, position: Double = 0.5
  ) throws -> ByteImage {
    guard before.size == after.size else {
      throw ImageError(
        .argument, name: "comparison", expected: "pictures of one size, \(before.size)",
        received: "\(after.size)")
    }
    let column = Int((Double(before.width) * max(0, min(1, position))).rounded())
    var canvas = Canvas(after)
    if column > 0 {
      canvas.paste(before.cropped(x: 0, y: 0, width: column, height: before.height), x: 0, y: 0)
    }
    let thickness = max(1, before.width / 400)
    canvas.fill(
      x: column - thickness / 2 - 1, y: 0, width: thickness + 2, height: before.height, .ink)
    canvas.fill(x: column - thickness / 2, y: 0, width: thickness, height: before.height, .white)
    return canvas.image
  }
}
