// A preview picture of a training: where it lies and what each part of it is.

/// A preview that was written.
public struct PreviewReport: Sendable, Hashable {
  /// The steps made so far.
  public var step: Int
  /// Where the picture lies.
  public var path: String
  /// What each cell of the sheet is and where.
  public var cells: [PreviewCell]

  /// Makes a report.
  public init(step: Int, path: String, cells: [PreviewCell]) {
    self.step = step
    self.path = path
    self.cells = cells
  }
}

/// One picture of a preview sheet.
public struct PreviewCell: Sendable, Hashable, Codable {
  /// What it shows, such as `denoised`.
  public var title: String
  /// What is said of it, such as its PSNR; empty for nothing.
  public var caption: String
  /// Its row from 0.
  public var row: Int
  /// Its column from 0.
  public var column: Int
  /// Its left end, in pixels of the sheet.
  public var x: Int
  /// Its upper end, in pixels of the sheet.
  public var y: Int
  /// Its width in pixels of the sheet.
  public var width: Int
  /// Its height in pixels of the sheet.
  public var height: Int

  /// Makes a cell.
  public init(
    title: String, caption: String = "", row: Int, column: Int, x: Int, y: Int, width: Int,
    height: Int
  ) {
    self.title = title
    self.caption = caption
    self.row = row
    self.column = column
    self.x = x
    self.y = y
    self.width = width
    self.height = height
  }
}
