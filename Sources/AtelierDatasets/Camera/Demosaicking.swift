// Bayer mosaics, and two ways back to three values a pixel.

/// How the two colours that a sensor's pixel does not see are filled in.
enum Demosaicking {
  /// The means of the nearest neighbours of each colour.
  case bilinear
  /// Green along the weaker gradient, the others by their difference from green (Hamilton and
  /// Adams, US patent 5,629,734, 1997, expired).
  case directed
}

/// One value a pixel behind a Bayer pattern of colours, with a border all around.
struct BayerMosaic {
  /// Reflected pixels on every side: as many as demosaicking reaches.
  static let border = 4

  let width: Int
  let height: Int
  /// Columns and rows that the pattern is moved by, 0 or 1; unmoved, red is at the top left.
  let phase: (x: Int, y: Int)
  /// [height + 2 · border, width + 2 · border].
  var values: [Float]

  var stride: Int { width + 2 * Self.border }
  private var rows: Int { height + 2 * Self.border }

  /// The plane that the pixel of a padded row and column belongs to: 0 red, 1 green, 2 blue.
  private func color(_ row: Int, _ column: Int) -> Int {
    (row + phase.y) & 1 + (column + phase.x) & 1
  }

  /// What the sensor sees of a picture; a reflected pixel has the colour of its original.
  init(_ planes: ColorPlanes, phase: (x: Int, y: Int)) {
    width = planes.width
    height = planes.height
    self.phase = phase
    values = []
    var seen = [Float](repeating: 0, count: stride * rows)
    let rowsInside = Self.reflected(height)
    let columnsInside = Self.reflected(width)
    for row in 0..<rows {
      for column in 0..<stride {
        seen[row * stride + column] =
          planes.values[
            color(row, column) * planes.area + rowsInside[row] * width + columnsInside[column]]
      }
    }
    values = seen
  }

  /// The pixels of a side of which the padded ones are copies.
  private static func reflected(_ count: Int) -> [Int] {
    (-border..<count + border).map { index in
      let inside = index < 0 ? -index : index >= count ? 2 * count - 2 - index : index
      return min(max(inside, 0), count - 1)
    }
  }

  /// Three values a pixel.
  func demosaicked(_ method: Demosaicking) -> ColorPlanes {
    var green = values
    fillGreen(&green, method)
    var result = ColorPlanes(width: width, height: height)
    for channel in [0, 2] {
      var sparse = [Float](repeating: 0, count: values.count)
      for row in 0..<rows {
        for column in 0..<stride where color(row, column) == channel {
          let index = row * stride + column
          sparse[index] = method == .directed ? values[index] - green[index] : values[index]
        }
      }
      fillSparse(&sparse)
      copy(sparse, adding: method == .directed ? green : nil, to: channel, of: &result)
    }
    copy(green, adding: nil, to: 1, of: &result)
    return result
  }

  /// Green where the sensor saw red or blue.
  private func fillGreen(_ green: inout [Float], _ method: Demosaicking) {
    let stride = stride
    values.withUnsafeBufferPointer { v in
      green.withUnsafeMutableBufferPointer { green in
        for row in 2..<rows - 2 {
          for column in 2..<stride - 2 where color(row, column) != 1 {
            let i = row * stride + column
            let across = (v[i - 1] + v[i + 1]) / 2
            let along = (v[i - stride] + v[i + stride]) / 2
            guard method == .directed else {
              green[i] = (across + along) / 2
              continue
            }
            let bendAcross = 2 * v[i] - v[i - 2] - v[i + 2]
            let bendAlong = 2 * v[i] - v[i - 2 * stride] - v[i + 2 * stride]
            let changeAcross = abs(v[i - 1] - v[i + 1]) + abs(bendAcross)
            let changeAlong = abs(v[i - stride] - v[i + stride]) + abs(bendAlong)
            if changeAcross < changeAlong {
              green[i] = across + bendAcross / 4
            } else if changeAlong < changeAcross {
              green[i] = along + bendAlong / 4
            } else {
              green[i] = (across + along) / 2 + (bendAcross + bendAlong) / 8
            }
          }
        }
      }
    }
  }

  /// Bilinear values between those of every second row and column, zeros elsewhere.
  private func fillSparse(_ plane: inout [Float]) {
    let stride = stride
    var rowsFilled = plane
    plane.withUnsafeMutableBufferPointer { plane in
      rowsFilled.withUnsafeMutableBufferPointer { filled in
        for index in 1..<plane.count - 1 {
          filled[index] = plane[index] + (plane[index - 1] + plane[index + 1]) / 2
        }
        for index in stride..<plane.count - stride {
          plane[index] = filled[index] + (filled[index - stride] + filled[index + stride]) / 2
        }
      }
    }
  }

  private func copy(
    _ plane: [Float], adding other: [Float]?, to channel: Int, of result: inout ColorPlanes
  ) {
    for row in 0..<height {
      let source = (row + Self.border) * stride + Self.border
      let target = channel * result.area + row * width
      for column in 0..<width {
        result.values[target + column] = plane[source + column] + (other?[source + column] ?? 0)
      }
    }
  }
}
