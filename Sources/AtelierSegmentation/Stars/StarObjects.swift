// From proposals to objects: the surest first, none twice, their masks drawn where stars and ground
// agree.

import AtelierDatasets
import AtelierImages
import AtelierWorkbench
import AtelierZoo
import Foundation

/// How proposals become objects.
package struct StarSelection: Sendable, Hashable {
  /// The least score.
  package var score: Float = 0.5
  /// The part of a proposal's pixels that surer objects may have already.
  package var overlap: Float = 0.4
  /// The most objects.
  package var limit = Int.max
  /// The least pixels of a mask.
  package var leastArea = 6
  /// How much likelier than one half a pixel must be on an object for each radius beyond the star's
  /// edge, and how much less likely inside.
  package var tightness: Float = 0.8
  /// How far beyond its star an object may reach, in radii.
  package var reach: Float = 1.35
  /// The power to which a score is weighed by how far star and ground agree.
  package var agreement: Float = 0.5

  package init() {}
}

/// Draws the objects of a field.
package struct StarObjects {
  private let field: StarField
  private let selection: StarSelection
  private let directions: [SIMD2<Float>]
  /// For every pixel how far it lies from the middle of its nearest object, in radii of the star.
  private var nearest: [Float]
  /// For every pixel the number of that object from 0; −1 for none.
  private var owners: [Int32]
  private var accepted: [(proposal: StarProposal, bounds: Bounds, agreement: Float)] = []

  /// The pixels that a star may reach.
  private struct Bounds {
    var columns: Range<Int>
    var rows: Range<Int>
  }

  /// The objects of a field, surest first.
  package static func found(
    in field: StarField, _ network: StarNetwork, _ selection: StarSelection
  ) -> [EncodedObject] {
    var drawing = StarObjects(field, network, selection)
    return drawing.objects()
  }

  private init(_ field: StarField, _ network: StarNetwork, _ selection: StarSelection) {
    self.field = field
    self.selection = selection
    directions = network.directions
    nearest = [Float](repeating: .infinity, count: field.cover.count)
    owners = [Int32](repeating: -1, count: field.cover.count)
  }

  private mutating func objects() -> [EncodedObject] {
    let order = field.proposals.indices.sorted {
      (-field.proposals[$0].score, $0) < (-field.proposals[$1].score, $1)
    }
    for index in order {
      let proposal = field.proposals[index]
      guard proposal.score >= selection.score else { break }
      accept(proposal)
    }
    let found = accepted.indices.compactMap(masked)
    return Array(
      found.sorted { $0.score > $1.score }.prefix(selection.limit))
  }

  /// Takes a proposal unless surer objects have its pixels.
  private mutating func accept(_ proposal: StarProposal) {
    let middle =
      min(Int(proposal.y), field.size.height - 1) * field.size.width
      + min(Int(proposal.x), field.size.width - 1)
    guard nearest[middle] > 0.8 else { return }
    let bounds = bounds(of: proposal)
    var radii: [Float] = []
    radii.reserveCapacity(bounds.columns.count * bounds.rows.count)
    var (area, taken, covered, joined) = (0, 0, 0, 0)
    for row in bounds.rows {
      for column in bounds.columns {
        let radius = radius(of: proposal, column, row)
        radii.append(radius)
        let at = row * field.size.width + column
        let isCovered = field.cover[at] >= 0.5 && nearest[at] > radius
        if radius <= 1 {
          area += 1
          if nearest[at] <= 1 { taken += 1 }
          if isCovered { covered += 1 }
        }
        if radius <= 1 || (radius <= selection.reach && isCovered) { joined += 1 }
      }
    }
    guard area > 0, Float(taken) <= selection.overlap * Float(area) else { return }
    let number = Int32(accepted.count)
    var index = 0
    for row in bounds.rows {
      for column in bounds.columns {
        let at = row * field.size.width + column
        if radii[index] < nearest[at], radii[index] <= selection.reach {
          nearest[at] = radii[index]
          owners[at] = number
        }
        index += 1
      }
    }
    accepted.append((proposal, bounds, Float(covered) / Float(max(joined, 1))))
  }

  private func bounds(of proposal: StarProposal) -> Bounds {
    var (left, right, top, bottom) = (proposal.x, proposal.x, proposal.y, proposal.y)
    for (ray, direction) in directions.enumerated() {
      let way = field.distances[proposal.start + ray] * selection.reach
      left = min(left, proposal.x + way * direction.x)
      right = max(right, proposal.x + way * direction.x)
      top = min(top, proposal.y + way * direction.y)
      bottom = max(bottom, proposal.y + way * direction.y)
    }
    func range(_ low: Float, _ high: Float, _ limit: Int) -> Range<Int> {
      let first = min(max(Int(low), 0), limit - 1)
      return first..<min(max(Int(high) + 1, first + 1), limit)
    }
    return Bounds(
      columns: range(left, right, field.size.width), rows: range(top, bottom, field.size.height))
  }

  /// How far a pixel's middle lies from a proposal's, as a part of the way to the star's edge.
  private func radius(of proposal: StarProposal, _ column: Int, _ row: Int) -> Float {
    let point = SIMD2(Float(column) + 0.5 - proposal.x, Float(row) + 0.5 - proposal.y)
    let rays = directions.count
    // The ray before the point: the sector by halving, since directions turn evenly.
    var (low, high) = (0, rays)
    let isBelow = point.y > 0 || (point.y == 0 && point.x >= 0)
    if isBelow { high = (rays + 1) / 2 } else { low = rays / 2 }
    while high - low > 1 {
      let middle = (low + high) / 2
      let direction = directions[middle]
      if direction.x * point.y - direction.y * point.x >= 0 { low = middle } else { high = middle }
    }
    let next = (low + 1) % rays
    let first = directions[low] * field.distances[proposal.start + low]
    let second = directions[next] * field.distances[proposal.start + next]
    // point = a first + b second; a + b is 1 on the edge between both corners.
    let determinant = first.x * second.y - first.y * second.x
    guard determinant > 1e-6 else { return .infinity }
    let a = (point.x * second.y - point.y * second.x) / determinant
    let b = (first.x * point.y - first.y * point.x) / determinant
    return a + b
  }

  /// The mask of an accepted proposal: its largest connected part.
  private func masked(_ number: Int) -> EncodedObject? {
    let (proposal, bounds, agreement) = accepted[number]
    let (columns, rows) = (bounds.columns, bounds.rows)
    var inside = [Bool](repeating: false, count: columns.count * rows.count)
    for row in rows {
      for column in columns {
        let at = row * field.size.width + column
        guard owners[at] == Int32(number) else { continue }
        let least = 0.5 + selection.tightness * (nearest[at] - 1)
        inside[(row - rows.lowerBound) * columns.count + column - columns.lowerBound] =
          field.cover[at] >= max(least, 0.1)
      }
    }
    let kept = Self.largestPart(of: inside, columns: columns.count)
    guard kept.count >= selection.leastArea else { return nil }
    var isKept = [Bool](repeating: false, count: inside.count)
    for place in kept { isKept[place] = true }
    let mask = RunLengthMask(
      width: field.size.width, height: field.size.height, left: columns.lowerBound,
      top: rows.lowerBound, columns: columns.count, pixels: isKept)
    return EncodedObject(
      classIndex: proposal.classIndex, mask: mask,
      score: Double(proposal.score * pow(agreement, selection.agreement)))
  }

  /// The places of the largest part that hangs together over sides.
  private static func largestPart(of inside: [Bool], columns: Int) -> [Int] {
    var isOpen = inside
    var best: [Int] = []
    for start in inside.indices where isOpen[start] {
      var part = [start]
      isOpen[start] = false
      var next = 0
      while next < part.count {
        let place = part[next]
        next += 1
        let column = place % columns
        for (other, isThere) in [
          (place - 1, column > 0), (place + 1, column + 1 < columns),
          (place - columns, place >= columns), (place + columns, place + columns < inside.count),
        ] where isThere && isOpen[other] {
          isOpen[other] = false
          part.append(other)
        }
      }
      if part.count > best.count { best = part }
    }
    return best
  }
}
