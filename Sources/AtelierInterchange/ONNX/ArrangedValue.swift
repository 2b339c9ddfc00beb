// A value of an imported graph under the axes that its file gives it, while its numbers lie otherwise.
//
// PyTorch and ONNX write [N, C, H, W]; here images are [N, H, W, C]. Instead of moving numbers, the
// importer remembers for each value how its axes there are made of the axes here. A transposition,
// a flattening or a pixel shuffle then changes what is remembered; numbers move only where an
// operation needs them in an order that they do not have.

import AtelierEngine

/// A value of the graph and how its foreign axes are made.
struct ArrangedValue {
  /// The value; its shape here groups the factors in their order.
  var value: ValueID
  /// The sizes of the factors that the numbers lie by, outermost first.
  ///
  /// All are above 1 but the batch, which stays even then, so that the graph takes other batches.
  var factors: [Int]
  /// Whether factor 0 is the batch.
  var isBatched: Bool
  /// For each foreign axis the factors that it is made of, outermost first; none for size 1.
  var axes: [[Int]]

  /// The foreign sizes.
  var dimensions: [Int] { axes.map { $0.reduce(1) { $0 * factors[$1] } } }
  /// The number of elements.
  var count: Int { factors.reduce(1, *) }
  /// The factors in the order of the foreign axes.
  var sequence: [Int] { axes.flatMap { $0 } }
  /// Whether the numbers lie in the foreign order.
  var isInForeignOrder: Bool { sequence == Array(factors.indices) }

  /// A value whose axes here, in the order `order` of axes there, are those of the file.
  init(_ value: ValueID, dimensions: [Int], order: [Int], isBatched: Bool) {
    self.value = value
    factors = []
    axes = dimensions.map { _ in [] }
    self.isBatched = isBatched && order.first == 0
    for (place, axis) in order.enumerated()
    where dimensions[axis] != 1 || (place == 0 && self.isBatched) {
      axes[axis] = [factors.count]
      factors.append(dimensions[axis])
    }
  }

  /// A value whose numbers lie by these factors.
  init(_ value: ValueID, factors: [Int], axes: [[Int]], isBatched: Bool) {
    (self.value, self.factors, self.axes) = (value, factors, axes)
    self.isBatched = isBatched
  }

  /// The same numbers, another value of the same arrangement.
  func with(_ value: ValueID) -> ArrangedValue {
    var result = self
    result.value = value
    return result
  }

  /// Axes of the file in another order.
  func transposed(_ order: [Int]) -> ArrangedValue {
    var result = self
    result.axes = order.map { axes[$0] }
    return result
  }

  /// The factors of all axes but `last`, then those of `last`, each in the order in which they lie.
  func order(endingWith last: [Int]) -> [Int] {
    let tail = Set(last.flatMap { axes[$0] })
    return factors.indices.filter { !tail.contains($0) } + tail.sorted()
  }

  /// The foreign index along some axes, taken as one in their order, of each place of the same axes
  /// as they lie here; nil when it is the place itself.
  func permutation(of places: [Int]) -> [Int]? {
    let foreign = places.flatMap { axes[$0] }
    let here = foreign.sorted()
    if foreign == here { return nil }
    var strides: [Int: Int] = [:]
    var stride = 1
    for factor in foreign.reversed() {
      strides[factor] = stride
      stride *= factors[factor]
    }
    var result = [0]
    for factor in here {
      let step = strides[factor] ?? 0
      result = result.flatMap { base in (0..<factors[factor]).map { base + $0 * step } }
    }
    return result
  }

  /// The same value with factor `index` in two, the first of `outer` elements.
  func splitting(_ index: Int, outer: Int) -> ArrangedValue {
    var result = self
    result.factors[index] = outer
    result.factors.insert(factors[index] / outer, at: index + 1)
    result.axes = axes.map { axis in
      axis.flatMap { factor in
        factor < index ? [factor] : factor == index ? [index, index + 1] : [factor + 1]
      }
    }
    return result
  }

  /// The same value with neighbouring factors that are neighbours in an axis there too as one.
  func merged() -> ArrangedValue {
    var result = self
    var index = isBatched ? 1 : 0
    while index + 1 < result.factors.count {
      let isNeighbour = result.axes.contains { axis in
        zip(axis, axis.dropFirst()).contains { $0 == index && $1 == index + 1 }
      }
      if isNeighbour {
        result.factors[index] *= result.factors[index + 1]
        result.factors.remove(at: index + 1)
        result.axes = result.axes.map { axis in
          axis.compactMap { $0 == index + 1 ? nil : $0 > index ? $0 - 1 : $0 }
        }
      } else {
        index += 1
      }
    }
    return result
  }

  /// The same numbers under other sizes there, nil where no factors make them and numbers have to move.
  ///
  /// The product of the sizes is that of the present ones.
  func reshaped(_ sizes: [Int]) -> ArrangedValue? {
    var whole = self
    whole.axes = [sequence]
    // A batch that stays the first axis stays apart.
    let keepsBatch = isBatched && sequence.first == 0 && sizes.first == factors[0]
    if isBatched && !keepsBatch {
      guard sequence.first == 0 else { return nil }
      if factors[0] > 1 { whole.isBatched = false }
    }
    whole = whole.merged()
    var rest = whole.axes[0]
    var axes: [[Int]] = []
    if whole.isBatched && !keepsBatch, whole.factors[0] == 1 { rest.removeFirst() }
    for size in sizes {
      var axis: [Int] = []
      var room = size
      if axes.isEmpty && keepsBatch {
        axes.append([rest.removeFirst()])
        continue
      }
      while room > 1 {
        guard let factor = rest.first else { return nil }
        let length = whole.factors[factor]
        if room % length == 0 {
          axis.append(factor)
          rest.removeFirst()
          room /= length
        } else if length % room == 0 {
          whole = whole.splitting(factor, outer: room)
          func moved(_ index: Int) -> Int { index > factor ? index + 1 : index }
          rest = [factor + 1] + rest.dropFirst().map(moved)
          axis = axis.map(moved) + [factor]
          axes = axes.map { $0.map(moved) }
          room = 1
        } else {
          return nil
        }
      }
      axes.append(axis)
    }
    guard rest.isEmpty else { return nil }
    if whole.isBatched && !keepsBatch, whole.factors[0] == 1, !axes.isEmpty {
      axes[0].insert(0, at: 0)
    }
    whole.axes = axes
    return whole
  }
}
