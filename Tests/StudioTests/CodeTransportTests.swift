// The refined map between codes: assignments against every permutation, and a rotation that moments cannot see.

import AtelierEngine
import AtelierFaceSwap
import AtelierWorkbench
import Foundation
import Testing

struct CodeTransportTests {
  /// Every order of the numbers below `count`.
  private func permutations(_ count: Int) -> [[Int]] {
    guard count > 0 else { return [[]] }
    return permutations(count - 1).flatMap { shorter in
      (0..<count).map { place in
        Array(shorter[..<place]) + [count - 1] + Array(shorter[place...])
      }
    }
  }

  private func total(_ costs: [Float], _ columns: [Int]) -> Double {
    columns.enumerated().reduce(0) { $0 + Double(costs[$1.offset * columns.count + $1.element]) }
  }

  @Test(arguments: 0...6) func `no permutation costs less`(_ size: Int) {
    for seed in 0..<20 {
      var generator = RandomGenerator(seed: UInt64(seed), UInt64(size))
      // Whole numbers, so that many costs are equal; below nothing, too.
      let costs = (0..<size * size).map { _ in (4 * generator.normal()).rounded() }
      let columns = OptimalAssignment.columns(costs: costs, size: size)
      #expect(columns.sorted() == Array(0..<size))
      let least = permutations(size).map { total(costs, $0) }.min()
      #expect(total(costs, columns) == least)
    }
  }

  @Test(arguments: [12, 24, 40]) func `no exchange of many makes it cheaper`(_ size: Int) {
    for seed in 0..<30 {
      var generator = RandomGenerator(seed: UInt64(seed), UInt64(size))
      let costs = (0..<size * size).map { _ in (4 * generator.normal()).rounded() }
      let columns = OptimalAssignment.columns(costs: costs, size: size)
      // What it costs that one row takes another's column, by way of any others (Floyd and Warshall): no circle of rows may gain.
      var ways = (0..<size * size).map { place in
        costs[place / size * size + columns[place % size]]
          - costs[place / size * size + columns[place / size]]
      }
      for over in 0..<size {
        for from in 0..<size {
          for to in 0..<size {
            let way = ways[from * size + over] + ways[over * size + to]
            ways[from * size + to] = min(ways[from * size + to], way)
          }
        }
      }
      #expect((0..<size).allSatisfy { ways[$0 * size + $0] >= 0 }, "seed \(seed)")
    }
  }

  @Test func `a hidden order is found again`() {
    let size = 200
    var generator = RandomGenerator(seed: 5)
    let hidden = generator.permutation(size)
    let costs = (0..<size * size).map { place in
      hidden[place / size] == place % size ? Float(0) : 1e-3 + abs(generator.normal())
    }
    #expect(OptimalAssignment.columns(costs: costs, size: size) == hidden)
  }

  /// Codes of `size` numbers that are no normal ones, each seen through the same affine map.
  private func codes(
    _ count: Int, size: Int, seed: UInt64, through map: CodeMap? = nil
  ) -> [Float] {
    var generator = RandomGenerator(seed: seed)
    let plain = (0..<count * size).map { place in
      // Exponential: skewed; of another spread in each number.
      -Float(place % size + 2) * log(max(generator.uniform(), 1e-6))
    }
    return map.map { $0(plain) } ?? plain
  }

  /// Turns the first two numbers of codes, each in units of its spread, by 25 degrees: no covariance tells.
  private func turn(_ size: Int) -> CodeMap {
    var matrix = (0..<size * size).map { $0 % (size + 1) == 0 ? 1.0 : 0 }
    let (cosine, sine) = (cos(25 * Double.pi / 180), sin(25 * Double.pi / 180))
    (matrix[0], matrix[1]) = (cosine, 1.5 * sine)
    (matrix[size], matrix[size + 1]) = (-sine / 1.5, cosine)
    return CodeMap(matrix: matrix, offset: (0..<size).map { Double($0) - 1 })
  }

  private func error(_ map: CodeMap, _ truth: CodeMap, size: Int) -> Double {
    let fresh = codes(500, size: size, seed: 99)
    return zip(map(fresh), truth(fresh)).reduce(0) {
      $0 + Double(($1.0 - $1.1) * ($1.0 - $1.1))
    } / 500
  }

  @Test(arguments: [(600, 600), (1500, 2300)])
  func `codes without pairs show a turn that their moments hide`(_ from: Int, _ to: Int) {
    let size = 3
    let truth = turn(size)
    let source = codes(from, size: size, seed: 1)
    let target = codes(to, size: size, seed: 2, through: truth)
    let moments = CodeStatistics(source, size: size).map(
      to: CodeStatistics(target, size: size))
    let refined = CodeTransport.map(from: source, to: target, size: size)
    let (before, after) = (
      error(moments, truth, size: size), error(refined, truth, size: size)
    )
    #expect(after < 0.65 * before, "\(before), \(after)")
    // A fit to uncertain pairs shrinks; what is mapped must not.
    let (carried, wanted) = (
      CodeStatistics(refined(source), size: size), CodeStatistics(target, size: size)
    )
    let spread = (0..<size).reduce(0) { $0 + wanted.covariance[$1 * size + $1] }
    for (one, other) in zip(carried.covariance, wanted.covariance) {
      #expect(abs(one - other) < 0.01 * spread)
    }
    for (one, other) in zip(carried.mean, wanted.mean) { #expect(abs(one - other) < 1e-3) }
  }

  @Test func `codes stay where they are when both sets are one`() {
    let size = 4
    let same = codes(1700, size: size, seed: 3)
    let map = CodeTransport.map(from: same, to: same, size: size)
    for (place, value) in map.matrix.enumerated() {
      #expect(abs(value - (place % (size + 1) == 0 ? 1 : 0)) < 1e-5)
    }
    #expect(map.offset.allSatisfy { abs($0) < 1e-5 })
  }

  @Test func `fewer than two codes a number leave it at the moments`() {
    let size = 5
    let truth = turn(size)
    let (source, many) = (codes(9, size: size, seed: 4), codes(40, size: size, seed: 6))
    let target = truth(many)
    let moments = CodeStatistics(source, size: size).map(
      to: CodeStatistics(target, size: size))
    #expect(CodeTransport.map(from: source, to: target, size: size).matrix == moments.matrix)
    let enough = codes(10, size: size, seed: 4)
    #expect(
      CodeTransport.map(from: enough, to: target, size: size).matrix
        != CodeStatistics(enough, size: size).map(to: CodeStatistics(target, size: size)).matrix)
  }

  @Test func `one map after the other is one map`() {
    let size = 3
    let (first, second) = (
      turn(size), CodeMap(matrix: (0..<9).map(Double.init), offset: [1, 2, 3])
    )
    let some = codes(20, size: size, seed: 7)
    for (one, other) in zip(first.followed(by: second)(some), second(first(some))) {
      #expect(abs(one - other) < 1e-3)
    }
  }
}
