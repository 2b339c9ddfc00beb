// One bucket of gradients over several ranks: nodes to the ranks that own its segments, means back.

import AtelierEngine
import AtelierKernels

/// Ends the tree of each bucket: every rank for a segment of it.
///
/// Each rank sends and receives about two times the bucket in all, however many ranks there are, when
/// the shards of each make one node.
final class BucketExchange {
  private let layout: GradientLayout
  private let tree: ShardTree
  private let group: any RankGroup
  private let precision: GradientPrecision
  /// The nodes that each rank ends with.
  private let nodes: [[ShardNode]]
  /// Nodes of this rank's segment from the others.
  private let received: UnsafeMutablePointer<Float>
  /// Halves on their way out and in.
  private let outgoing: UnsafeMutablePointer<Float>?
  private let incoming: UnsafeMutablePointer<Float>?
  /// The largest segment.
  private let segment: Int

  init(
    _ layout: GradientLayout, _ tree: ShardTree, group: any RankGroup,
    precision: GradientPrecision
  ) throws(ShapeError) {
    self.layout = layout
    self.tree = tree
    self.group = group
    self.precision = precision
    nodes = (0..<group.count).map { tree.nodes(tree.range(rank: $0, of: group.count)) }
    let bucket = layout.buckets.map(\.range.count).max() ?? 0
    segment = (bucket / group.count + 32) / 16 * 16
    let others = nodes.enumerated().filter { $0.offset != group.rank }.map(\.element.count)
    received = try AlignedMemory.allocate(max(segment * others.reduce(0, +), 1))
    guard precision == .bfloat16 else {
      (outgoing, incoming) = (nil, nil)
      return
    }
    // Two halves take the room of a float; the mean goes the same way as the nodes.
    let most = max(nodes[group.rank].count, 1)
    outgoing = try AlignedMemory.allocate((bucket + 64 * group.count) * most)
    incoming = try AlignedMemory.allocate(max(segment * others.reduce(0, +), bucket) + 64)
  }

  deinit {
    AlignedMemory.free(received)
    if let outgoing { AlignedMemory.free(outgoing) }
    if let incoming { AlignedMemory.free(incoming) }
  }

  /// Exchanges a bucket; `slots` hold this rank's nodes, and then the first one the mean.
  func run(_ index: Int, _ slots: [UnsafeMutablePointer<Float>]) throws {
    let bucket = layout.buckets[index]
    let isHalf = precision == .bfloat16 && !bucket.isStatistic
    try sendNodes(bucket, slots, isHalf)
    end(bucket, slots, isHalf ? .bfloat16 : .float32)
    try spreadMean(bucket, slots[0], isHalf)
  }

  private func bytes(_ pointer: UnsafeMutablePointer<Float>, _ count: Int)
    -> UnsafeMutableRawBufferPointer
  { UnsafeMutableRawBufferPointer(start: pointer, count: 4 * count) }

  private func bytes(_ pointer: UnsafeMutablePointer<UInt16>, _ count: Int)
    -> UnsafeMutableRawBufferPointer
  { UnsafeMutableRawBufferPointer(start: pointer, count: 2 * count) }

  /// Memory of halves.
  private func halves(_ memory: UnsafeMutablePointer<Float>?) -> UnsafeMutablePointer<UInt16> {
    guard let memory else { preconditionFailure("halves are for bfloat16 alone") }
    return UnsafeMutableRawPointer(memory).assumingMemoryBound(to: UInt16.self)
  }

  private func sendNodes(
    _ bucket: GradientBucket, _ slots: [UnsafeMutablePointer<Float>], _ isHalf: Bool
  ) throws {
    var sending: [RankMessage] = []
    var receiving: [RankMessage] = []
    var place = 0
    for other in 0..<group.count where other != group.rank {
      let range = bucket.segment(other, of: group.count)
      guard !range.isEmpty else { continue }
      for slot in nodes[group.rank].indices {
        if isHalf {
          let half = halves(outgoing) + place
          GradientArithmetic.pack(half, slots[slot] + range.lowerBound, count: range.count)
          sending.append(RankMessage(rank: other, bytes: bytes(half, range.count)))
          place += (range.count + 31) / 32 * 32
        } else {
          sending.append(
            RankMessage(rank: other, bytes: bytes(slots[slot] + range.lowerBound, range.count)))
        }
      }
    }
    let count = bucket.segment(group.rank, of: group.count).count
    if count > 0 {
      for number in 0..<othersNodes.count {
        let bytes =
          isHalf
          ? bytes(halves(incoming) + number * segment, count)
          : bytes(received + number * segment, count)
        receiving.append(RankMessage(rank: othersNodes[number].rank, bytes: bytes))
      }
    }
    try group.exchange(sending: sending, receiving: receiving)
    guard isHalf, count > 0 else { return }
    for number in 0..<othersNodes.count {
      GradientArithmetic.unpack(
        received + number * segment, halves(incoming) + number * segment, count: count)
    }
  }

  /// The nodes of the other ranks in order, and whose they are.
  private var othersNodes: [(rank: Int, node: ShardNode)] {
    nodes.enumerated().filter { $0.offset != group.rank }.flatMap { rank, nodes in
      nodes.map { (rank, $0) }
    }
  }

  /// Adds up all nodes of this rank's segment, and leaves the mean in the first slot.
  private func end(
    _ bucket: GradientBucket, _ slots: [UnsafeMutablePointer<Float>],
    _ precision: GradientPrecision
  ) {
    let range = bucket.segment(group.rank, of: group.count)
    guard !range.isEmpty else { return }
    var stack: [ShardNode] = []
    var sums: [UnsafeMutablePointer<Float>] = []
    var number = 0
    for rank in 0..<group.count {
      for (slot, node) in nodes[rank].enumerated() {
        if rank == group.rank {
          sums.append(slots[slot] + range.lowerBound)
        } else {
          sums.append(received + number * segment)
          number += 1
        }
        for _ in 0..<tree.push(node, on: &stack) {
          let right = sums.removeLast()
          GradientArithmetic.add(sums[sums.count - 1], right, count: range.count, precision)
        }
      }
    }
    let mean = slots[0] + range.lowerBound
    if sums[0] != mean { mean.update(from: sums[0], count: range.count) }
    GradientArithmetic.scale(mean, by: 1 / Float(tree.shards), count: range.count, precision)
  }

  private func spreadMean(
    _ bucket: GradientBucket, _ mean: UnsafeMutablePointer<Float>, _ isHalf: Bool
  ) throws {
    let range = bucket.segment(group.rank, of: group.count)
    var sending: [RankMessage] = []
    var receiving: [RankMessage] = []
    if isHalf {
      GradientArithmetic.pack(halves(outgoing), mean + range.lowerBound, count: range.count)
    }
    let own =
      isHalf ? bytes(halves(outgoing), range.count) : bytes(mean + range.lowerBound, range.count)
    for other in 0..<group.count where other != group.rank {
      if !range.isEmpty { sending.append(RankMessage(rank: other, bytes: own)) }
      let theirs = bucket.segment(other, of: group.count)
      guard !theirs.isEmpty else { continue }
      receiving.append(
        RankMessage(
          rank: other,
          bytes: isHalf
            ? bytes(halves(incoming) + theirs.lowerBound - bucket.range.lowerBound, theirs.count)
            : bytes(mean + theirs.lowerBound, theirs.count)))
    }
    try group.exchange(sending: sending, receiving: receiving)
    guard isHalf else { return }
    for other in 0..<group.count where other != group.rank {
      let theirs = bucket.segment(other, of: group.count)
      GradientArithmetic.unpack(
        mean + theirs.lowerBound, halves(incoming) + theirs.lowerBound - bucket.range.lowerBound,
        count: theirs.count)
    }
  }
}
