// The table of layers, output shapes and parameter counts, as Keras users know it.

extension Graph {
  /// One line of the summary.
  public struct SummaryRow: Sendable, Hashable {
    /// The layer's name.
    public let name: String
    /// The layer's type.
    public let type: String
    /// The output's sizes, the batch as None.
    public let outputShape: String
    /// The parameters that this row counts; those of a shared layer count at its first call.
    public let parameterCount: Int
    /// The names of the layers that it reads.
    public let inputs: [String]
  }

  /// The rows of the summary: inputs, then layers in running order.
  public func summaryRows() -> [SummaryRow] {
    var names = [String](repeating: "", count: values.count)
    var rows: [SummaryRow] = inputs.map { name, value in
      names[value] = name
      return SummaryRow(
        name: name, type: "Input", outputShape: Self.batchText(values[value].shape),
        parameterCount: 0, inputs: [])
    }
    var counted = Set<Int>()
    for node in nodes {
      var count = 0
      var sources: [String] = []
      for (position, input) in node.inputs.enumerated() {
        if case .parameter(let index) = values[input].source {
          if parameters[index].role != .constant, counted.insert(index).inserted {
            count += parameters[index].shape.count
          }
        } else if !node.operation.shapeOnlyInputs.contains(position),
          !sources.contains(names[input])
        {
          sources.append(names[input])
        }
      }
      // A helper, such as a layer's activation, belongs to the row of the layer before.
      guard let type = node.layerType else {
        for output in node.outputs { names[output] = sources.first ?? node.name }
        continue
      }
      for output in node.outputs { names[output] = node.name }
      rows.append(
        SummaryRow(
          name: node.name, type: type, outputShape: Self.batchText(values[node.outputs[0]].shape),
          parameterCount: count, inputs: sources))
    }
    return rows
  }

  /// The summary table of a model of this name, with total, trainable and non-trainable parameter counts.
  public func summary(title: String = "model") -> String {
    let rows = summaryRows()
    let isSequential = rows.indices.dropFirst().allSatisfy {
      rows[$0].inputs == [rows[$0 - 1].name]
    }
    var table = [["Layer (type)", "Output Shape", "Param #"]]
    if !isSequential { table[0].append("Connected to") }
    for row in rows {
      var cells = ["\(row.name) (\(row.type))", row.outputShape, Self.grouped(row.parameterCount)]
      if !isSequential {
        cells.append(row.inputs.isEmpty ? "-" : row.inputs.joined(separator: ", "))
      }
      table.append(cells)
    }
    let total = parameterCount
    let trainable = trainableParameterCount
    return """
      Model: "\(title)"
      \(Self.boxed(table))
       Total params: \(Self.grouped(total)) (\(Self.size(total)))
       Trainable params: \(Self.grouped(trainable)) (\(Self.size(trainable)))
       Non-trainable params: \(Self.grouped(total - trainable)) (\(Self.size(total - trainable)))
      """
  }

  private static func batchText(_ shape: Shape) -> String {
    guard shape.rank > 0 else { return "()" }
    let rest = shape.dimensions.dropFirst().map(String.init)
    return "(" + (["None"] + rest).joined(separator: ", ") + ")"
  }

  private static func boxed(_ table: [[String]]) -> String {
    let widths = table[0].indices.map { column in table.map { $0[column].count }.max() ?? 0 }
    func rule(_ left: String, _ middle: String, _ right: String, _ line: String) -> String {
      left + widths.map { String(repeating: line, count: $0 + 2) }.joined(separator: middle) + right
    }
    func line(_ cells: [String]) -> String {
      let padded = zip(cells, widths).enumerated().map { column, cell in
        let space = String(repeating: " ", count: cell.1 - cell.0.count)
        return column == 2 ? space + cell.0 : cell.0 + space
      }
      return "│ " + padded.joined(separator: " │ ") + " │"
    }
    var lines = [rule("┌", "┬", "┐", "─"), line(table[0]), rule("├", "┼", "┤", "─")]
    lines += table.dropFirst().map(line)
    lines.append(rule("└", "┴", "┘", "─"))
    return lines.joined(separator: "\n")
  }

  /// A number with commas between thousands.
  package static func grouped(_ number: Int) -> String {
    var text = ""
    for (index, digit) in String(number).reversed().enumerated() {
      if index > 0, index % 3 == 0 { text.append(",") }
      text.append(digit)
    }
    return String(text.reversed())
  }

  /// The size of this many floats, with two decimals.
  private static func size(_ count: Int) -> String {
    let units = ["B", "KB", "MB", "GB"]
    var value = Double(count * 4)
    var unit = 0
    while value >= 1024, unit < units.count - 1 {
      value /= 1024
      unit += 1
    }
    let hundredths = Int((value * 100).rounded())
    let fraction = hundredths % 100
    return "\(hundredths / 100).\(fraction < 10 ? "0" : "")\(fraction) \(units[unit])"
  }
}
