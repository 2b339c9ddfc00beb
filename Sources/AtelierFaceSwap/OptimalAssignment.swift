// The assignment problem: which column each row takes so that all costs together are least.

import AtelierWorkbench

/// Assigns rows to columns, one to one, at the least total cost.
package enum OptimalAssignment {
  /// The column of each row, all different; costs are size × size, finite, row by row.
  ///
  /// Rows are added one after the other along the shortest augmenting path (Jonker and Volgenant
  /// 1987), in time that grows with the third power of `size` at worst: 1,000 rows take less than a
  /// second.
  package static func columns(costs: [Float], size: Int) -> [Int] {
    precondition(size >= 0 && costs.count == size * size, "a cost for each row and column")
    var search = Search(size: size)
    costs.withUnsafeBufferPointer { costs in for row in 0..<size { search.add(row, costs) } }
    return search.columnOfRow
  }

  /// The state between two rows.
  private struct Search {
    let size: Int
    /// The rows' columns, -1 for rows that have none yet, and the columns' rows.
    var columnOfRow: [Int]
    var rowOfColumn: [Int]
    /// What prices take off the columns' costs: no row has a cheaper column than its own.
    var prices: [Double]
    /// The length of the shortest path to each column, and the row that it comes from.
    var lengths: [Double]
    var rowBefore: [Int]
    /// The columns, those whose path is settled first.
    var order: [Int]

    init(size: Int) {
      self.size = size
      columnOfRow = [Int](repeating: -1, count: size)
      rowOfColumn = columnOfRow
      prices = [Double](repeating: 0, count: size)
      lengths = prices
      rowBefore = columnOfRow
      order = Array(0..<size)
    }

    /// Gives a new row a column and, where it must, other rows other columns.
    mutating func add(_ row: Int, _ costs: UnsafeBufferPointer<Float>) {
      for column in 0..<size {
        lengths[column] = Double(costs[row * size + column]) - prices[column]
        rowBefore[column] = row
      }
      var settled = 0
      var free = -1
      var shortest = 0.0
      while free < 0 {
        let column = settleNearest(settled)
        shortest = lengths[column]
        settled += 1
        let taker = rowOfColumn[column]
        guard taker >= 0 else {
          free = column
          break
        }
        // Beyond this column lie all others, by way of the row that has it now.
        let start = shortest - Double(costs[taker * size + column]) + prices[column]
        for place in settled..<size {
          let next = order[place]
          let length = start + Double(costs[taker * size + next]) - prices[next]
          if length < lengths[next] {
            lengths[next] = length
            rowBefore[next] = taker
          }
        }
      }
      for place in 0..<settled {
        let column = order[place]
        prices[column] += lengths[column] - shortest
      }
      while free >= 0 {
        let taker = rowBefore[free]
        let former = columnOfRow[taker]
        rowOfColumn[free] = taker
        columnOfRow[taker] = free
        free = taker == row ? -1 : former
      }
    }

    /// Moves the nearest column that is not settled to the end of those that are.
    private mutating func settleNearest(_ settled: Int) -> Int {
      var best = settled
      for place in settled..<size where lengths[order[place]] < lengths[order[best]] {
        best = place
      }
      order.swapAt(settled, best)
      return order[settled]
    }
  }
}
