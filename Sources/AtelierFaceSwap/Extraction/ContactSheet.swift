// Contact sheets: all faces of an extraction on a few pages, with the figures that weeding needs.

import AtelierImages
import AtelierWorkbench
import Foundation

/// Lays faces on pages; each page is written as soon as it is full.
struct ContactSheet {
  /// Columns and rows of a page.
  static let columns = 10
  static let rows = 12
  /// The side of a face on a page, in pixels.
  private static let side = 96

  /// What the pages' names begin with.
  let stem: String
  private var cells: [PictureGrid.Cell] = []
  private var shown = 0
  /// The pages that were written.
  private(set) var files: [String] = []

  init(stem: String) { self.stem = stem }

  /// A face as it stands on a page.
  static func cell(
    _ crop: ByteImage, sharpness: Double, confidence: Double, basis: AlignedFace.Basis
  ) -> PictureGrid.Cell {
    let figures = String(format: "%.3f  %.2f", sharpness, confidence)
    return PictureGrid.Cell(
      crop.resized(width: side, height: side, filter: .area),
      caption: figures + (basis == .box ? " box" : ""))
  }

  /// Adds a face; writes the page when it is full.
  mutating func append(_ cell: PictureGrid.Cell) throws {
    cells.append(cell)
    if cells.count == Self.columns * Self.rows { try writePage() }
  }

  /// Writes what is left.
  mutating func finish() throws { if !cells.isEmpty { try writePage() } }

  private mutating func writePage() throws {
    let grid = PictureGrid(
      title: "faces \(shown + 1) to \(shown + cells.count): sharpness, confidence",
      rows: stride(from: 0, to: cells.count, by: Self.columns).map {
        Array(cells[$0..<min($0 + Self.columns, cells.count)])
      }, padding: 8)
    shown += cells.count
    cells = []
    let path = files.isEmpty ? "\(stem).png" : "\(stem)-\(files.count + 1).png"
    try ImageFile.write(
      grid.render(), to: path, options: .init(metadata: ["Software": StudioVersion.software]))
    files.append(path)
  }
}
