// The pictures of an evaluation that went worst, as a sheet: what there is to learn from figures.

import AtelierImages
import AtelierWorkbench

/// Keeps the rows of the pictures with the lowest figures.
struct WorstPictures {
  /// How many are kept.
  static let usualLimit = 8

  private var rows: [(figure: Double, cells: [PictureGrid.Cell])] = []
  private let limit: Int

  init(limit: Int = usualLimit) { self.limit = limit }

  /// Takes a picture's figure, and draws its row only where it is among the lowest so far; of equal
  /// ones the first stays.
  mutating func add(_ figure: Double, _ cells: () throws -> [PictureGrid.Cell]) rethrows {
    let place = rows.firstIndex { $0.figure > figure } ?? rows.count
    guard place < limit else { return }
    rows.insert((figure, try cells()), at: place)
    if rows.count > limit { rows.removeLast() }
  }

  /// The sheet, worst first.
  func drawn(title: String, columns: [String]) -> ByteImage {
    PictureGrid(title: title, columnTitles: columns, rows: rows.map(\.cells)).render()
  }
}
