// The fixed binary tree in which gradients of small batches are summed, whoever computed them.

/// A node of the tree: the sum over the shards from `index << level` on, `1 << level` of them, or
/// as many as there are.
package struct ShardNode: Hashable, Sendable {
  package var level: Int
  package var index: Int
}

/// A binary tree over shard numbers: the order of a sum that depends on their number alone.
///
/// Neighbours are added first, then neighbouring pairs, and so on; what has no neighbour goes up as
/// it is. Whoever has a range of shards adds up the nodes that lie in it; others add those up later,
/// and no bit tells who added what.
package struct ShardTree: Hashable, Sendable {
  /// The leaves.
  package let shards: Int
  private let height: Int

  /// A tree of at least one leaf.
  package init(_ shards: Int) {
    precondition(shards > 0, "a tree has at least one shard; received \(shards)")
    self.shards = shards
    height = shards == 1 ? 0 : Int.bitWidth - (shards - 1).leadingZeroBitCount
  }

  /// The sum over all.
  package var root: ShardNode { ShardNode(level: height, index: 0) }

  /// The node of a leaf.
  package func leaf(_ shard: Int) -> ShardNode { raised(ShardNode(level: 0, index: shard)) }

  /// The node as high as it goes without adding anything.
  private func raised(_ node: ShardNode) -> ShardNode {
    var node = node
    while node.level < height, node.index % 2 == 0, (node.index + 1) << node.level >= shards {
      node = ShardNode(level: node.level + 1, index: node.index / 2)
    }
    return node
  }

  /// The node of two neighbours that are to be added, nil where they are not.
  private func sum(_ left: ShardNode, _ right: ShardNode) -> ShardNode? {
    guard left.level == right.level, left.index % 2 == 0, right.index == left.index + 1 else {
      return nil
    }
    return raised(ShardNode(level: left.level + 1, index: left.index / 2))
  }

  /// Puts the next node, in order of shards, on a stack, and adds up what can be: how often the
  /// topmost two became one.
  package func push(_ node: ShardNode, on stack: inout [ShardNode]) -> Int {
    var node = node
    var merges = 0
    while let last = stack.last, let sum = sum(last, node) {
      stack.removeLast()
      node = sum
      merges += 1
    }
    stack.append(node)
    return merges
  }

  /// The nodes that whoever has these shards ends with, in order.
  package func nodes(_ range: Range<Int>) -> [ShardNode] {
    var stack: [ShardNode] = []
    for shard in range { _ = push(leaf(shard), on: &stack) }
    return stack
  }

  /// The shards of one of several ranks, whose numbers differ by at most one.
  package func range(rank: Int, of count: Int) -> Range<Int> {
    rank * shards / count..<(rank + 1) * shards / count
  }

  /// The sum of numbers, one a shard, in the order of the tree.
  package func sum(_ values: [Double]) -> Double {
    precondition(values.count == shards, "a value for each of \(shards) shards")
    var nodes: [ShardNode] = []
    var sums: [Double] = []
    for (shard, value) in values.enumerated() {
      sums.append(value)
      for _ in 0..<push(leaf(shard), on: &nodes) {
        let right = sums.removeLast()
        sums[sums.count - 1] += right
      }
    }
    return sums[0]
  }
}
