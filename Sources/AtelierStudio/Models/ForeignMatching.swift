// Foreign tensors and a network's parameters side by side: what belongs to what, and what is left.

import AtelierEngine
import AtelierFiles
import AtelierInterchange
import AtelierWorkbench
import AtelierZoo
import Foundation

/// A regular expression for foreign names and what becomes of them: `^backbone\.=`.
struct NameRule {
  private let expression: NSRegularExpression
  private let template: String

  /// Reads `REGEX=NAME`; the last equals sign divides them, and `$1` stands for the first group.
  init(_ word: String) throws {
    guard let sign = word.lastIndex(of: "="), sign > word.startIndex,
      let expression = try? NSRegularExpression(pattern: String(word[..<sign]))
    else {
      throw FieldError("--map takes a regular expression, = and a name; received '\(word)'")
    }
    self.expression = expression
    template = String(word[word.index(after: sign)...])
  }

  /// The name with every match replaced.
  func applied(to name: String) -> String {
    expression.stringByReplacingMatches(
      in: name, range: NSRange(name.startIndex..., in: name), withTemplate: template)
  }
}

/// A network of the catalogue beside the tensors of a file.
struct ForeignMatching {
  /// What became of a name.
  enum State: String {
    case matched, missing, unused
    /// The sizes or the type are others.
    case different
  }

  /// One line of the table; shapes are in the file's layout.
  struct Row {
    var parameter: String?
    var expected: Shape?
    var name: String?
    var received: Shape?
    var state: State
  }

  let network: CataloguedNetwork
  let adopted: AdoptedNetwork
  private(set) var rows: [Row] = []
  private var found: [Int: ForeignTensor] = [:]
  private let layouts: [Int: ForeignLayout]
  private let conversion: ForeignConversion

  /// Matches by name; throws `ShapeError` when the names are those of another network.
  init(
    _ weights: ForeignWeights, names: [String], _ network: CataloguedNetwork, _ form: ForeignForm,
    _ settings: ForeignSettings
  ) throws {
    self.network = network
    adopted = try form.adopt(
      ForeignNames(
        zip(names, weights.tensors).map {
          .init($0, ForeignConversion(weights.framework).torchShape($1.shape))
        }), settings)
    layouts = adopted.graph.foreignLayouts()
    conversion = ForeignConversion(weights.framework)
    let tensors = Dictionary(zip(names, weights.tensors), uniquingKeysWith: { first, _ in first })
    var used: Set<String> = []
    for (index, parameter) in adopted.graph.parameters.enumerated()
    where parameter.role != .constant {
      let layout = layouts[index] ?? .plain
      let name = adopted.names[parameter.name] ?? parameter.name
      var row = Row(
        parameter: parameter.name, expected: conversion.shape(of: parameter.shape, layout),
        name: name, received: nil, state: .missing)
      if let tensor = tensors[name] {
        used.insert(name)
        row.received = tensor.shape
        let fits = conversion.fits(tensor.shape, parameter.shape, layout) && tensor.holdsFloats
        row.state = fits ? .matched : .different
        if fits { found[index] = tensor }
      }
      rows.append(row)
    }
    for (name, tensor) in zip(names, weights.tensors)
    // How many batches a normalization has seen is of no use here.
    where !used.contains(name) && !name.hasSuffix("num_batches_tracked") {
      rows.append(
        Row(
          parameter: nil, expected: nil, name: name, received: tensor.shape, state: .unused))
    }
  }

  /// How many rows have a state.
  func count(_ state: State) -> Int { rows.filter { $0.state == state }.count }

  /// Whether every parameter has its tensor.
  var isComplete: Bool { count(.missing) == 0 && count(.different) == 0 }

  /// The parameters in our layout; the file's channels may be in the order blue, green, red.
  func parameters(isBlueFirst: Bool) -> [String: Tensor] {
    var result: [String: Tensor] = [:]
    let first = isBlueFirst ? firstConvolution : nil
    for (index, tensor) in found {
      let parameter = adopted.graph.parameters[index]
      guard let numbers = tensor.tensor() else { continue }
      result[parameter.name] = conversion.convert(
        numbers, to: parameter.shape, layouts[index] ?? .plain,
        inputs: index == first ? [2, 1, 0] : adopted.inputOrders[parameter.name],
        outputs: adopted.outputOrders[parameter.name])
    }
    return result
  }

  /// The weights that read the picture's three channels.
  private var firstConvolution: Int? {
    layouts.filter {
      $0.value == .convolution && adopted.graph.parameters[$0.key].shape[2] == 3
    }.keys.min()
  }

  /// The table for people.
  var table: Table {
    var table = Table(
      ["parameter", "expected", "name in the file", "received", ""], leftColumns: 5)
    for row in rows {
      table.append([
        row.parameter ?? "–", row.expected?.description ?? "–",
        row.name.map { fitForLine($0, limit: 80) { _ in "?" } } ?? "–",
        row.received?.description ?? "–", row.state.rawValue,
      ])
    }
    return table
  }

  /// The table for programs.
  var entries: [JSONEntries] {
    rows.map {
      JSONEntries([
        ("parameter", $0.parameter), ("expected", $0.expected?.dimensions), ("name", $0.name),
        ("received", $0.received?.dimensions), ("state", $0.state.rawValue),
      ])
    }
  }
}
