// The mean of the gradients of all shards of a step: summed in the order of the tree, here or over
// several ranks.

import AtelierEngine
import AtelierKernels
import Dispatch

/// Sums the gradients of one training step's program over shards, and the statistics that it moves.
///
/// Each rank adds up the nodes of the tree that its shards make. Of every bucket each rank gets a
/// segment of all nodes, ends the tree there, and gives the mean to all. What the last shard's
/// backward pass has done is exchanged while the rest of it runs.
final class GradientSum: @unchecked Sendable {
  /// The most floats of a bucket: 4 MiB.
  static let bucketLimit = 1 << 20

  let layout: GradientLayout
  private let step: TrainingStep
  private let statistics: [ParameterStore.Entry]
  private let tree: ShardTree
  private let own: Range<Int>
  private let group: (any RankGroup)?
  private let precision: GradientPrecision
  private let pool: ThreadPool
  /// Sums of nodes, as many as can wait at once; the first one holds the mean at the end.
  private let slots: [UnsafeMutablePointer<Float>]
  private let exchange: BucketExchange?
  private let queue = DispatchQueue(label: "atelier.gradients")
  /// Where the statistics stood before the first shard.
  private var formerStatistics: [[Float]] = []
  private var nodes: [ShardNode] = []
  /// The buckets of this step that are on their way.
  private var sent = 0
  private var fault: (any Error)?

  /// Prepares the sums of a step; throws `ShapeError` when there is no memory.
  init(
    _ step: TrainingStep, shards: Int, group: (any RankGroup)?, precision: GradientPrecision,
    kernels: Kernels, bucketLimit: Int = bucketLimit
  ) throws(ShapeError) {
    self.step = step
    self.group = group
    self.precision = precision
    pool = kernels.pool
    tree = ShardTree(shards)
    own = tree.range(rank: group?.rank ?? 0, of: group?.count ?? 1)
    let moved = Set(step.optimizers.flatMap(\.entries).map(\.name))
    statistics = step.program.movedEntries
    layout = GradientLayout(
      gradients: step.program.gradientSteps.filter { moved.contains($0.entry.name) },
      statistics: statistics, limit: bucketLimit)
    var stack: [ShardNode] = []
    var depth = 1
    for shard in own {
      // A node that is added to the one below it at once needs no memory.
      let merges = tree.push(tree.leaf(shard), on: &stack)
      depth = max(depth, stack.count + max(0, merges - 1))
    }
    var slots: [UnsafeMutablePointer<Float>] = []
    do throws(ShapeError) {
      for _ in 0..<depth { slots.append(try AlignedMemory.allocate(max(layout.count, 1))) }
      if let group {
        exchange = try BucketExchange(layout, tree, group: group, precision: precision)
      } else {
        exchange = nil
      }
    } catch {
      for slot in slots { AlignedMemory.free(slot) }
      throw error
    }
    self.slots = slots
  }

  deinit { for slot in slots { AlignedMemory.free(slot) } }

  // MARK: - A step

  /// Runs the program for every shard of this rank, of which `run` makes one, and puts the mean over
  /// all shards of all ranks into the program's gradients and into the store's statistics.
  ///
  /// An error ends the runs, but not the exchange, in which the others wait; it is given back.
  func run(_ run: (_ shard: Int) throws -> Void) throws -> (any Error)? {
    var failure: (any Error)?
    (nodes, sent) = ([], 0)
    let store = step.program.parameters
    formerStatistics = statistics.map { entry in
      Array(UnsafeBufferPointer(start: store.pointer + entry.offset, count: entry.shape.count))
    }
    for shard in own {
      if failure == nil {
        do { try add(shard, run) } catch { failure = error }
      } else {
        _ = tree.push(tree.leaf(shard), on: &nodes)
      }
    }
    try finish(isComplete: failure == nil)
    return failure
  }

  /// Runs one shard and adds its gradients.
  private func add(_ shard: Int, _ run: (Int) throws -> Void) throws {
    let program = step.program
    if shard > own.lowerBound { putBackStatistics() }
    let depth = nodes.count
    let merges = tree.push(tree.leaf(shard), on: &nodes)
    var next = 0
    if shard == own.upperBound - 1, exchange != nil {
      program.onStep = { [unowned self] index in
        while next < layout.buckets.count, let ready = layout.buckets[next].readyStep,
          ready <= index
        {
          add(next, depth: depth, merges: merges)
          send(next)
          next += 1
        }
      }
    }
    defer { program.onStep = nil }
    try run(shard)
    for entry in statistics {
      (program.gradients + entry.offset).update(
        from: program.parameters.pointer + entry.offset, count: entry.shape.count)
    }
    while next < layout.buckets.count {
      add(next, depth: depth, merges: merges)
      if shard == own.upperBound - 1 { send(next) }
      next += 1
    }
  }

  /// Adds a bucket of the program's gradients to the nodes that wait.
  private func add(_ index: Int, depth: Int, merges: Int) {
    let bucket = layout.buckets[index]
    let precision = bucket.isStatistic ? .float32 : precision
    let gradients = UnsafePointer(step.program.gradients)
    for piece in bucket.pieces {
      GradientArithmetic.parts(piece.count, pool) { first, count in
        let (place, values) = (piece.place + first, gradients + piece.store + first)
        guard merges > 0 else {
          return GradientArithmetic.copy(slots[depth] + place, values, count: count, precision)
        }
        GradientArithmetic.add(slots[depth - 1] + place, values, count: count, precision)
        var top = depth - 1
        for _ in 1..<merges {
          GradientArithmetic.add(
            slots[top - 1] + place, slots[top] + place, count: count, precision)
          top -= 1
        }
      }
    }
  }

  private func putBackStatistics() {
    let store = step.program.parameters
    for (entry, values) in zip(statistics, formerStatistics) {
      (store.pointer + entry.offset).update(from: values, count: values.count)
    }
    store.touch(statistics.map(\.name))
  }

  // MARK: - The mean

  /// Exchanges a bucket behind the computation's back.
  private func send(_ index: Int) {
    guard exchange != nil else { return }
    sent = index + 1
    queue.async { [self] in
      guard fault == nil else { return }
      do { try exchange?.run(index, slots) } catch { fault = error }
    }
  }

  private func finish(isComplete: Bool) throws {
    if exchange != nil {
      // After a failure the others still wait for what is left, whatever it is.
      for index in sent..<layout.buckets.count { send(index) }
      queue.sync {}
      if let fault { throw fault }
    }
    guard isComplete else { return putBackStatistics() }
    let factor = 1 / Float(tree.shards)
    let program = step.program
    for bucket in layout.buckets {
      let target = bucket.isStatistic ? program.parameters.pointer : program.gradients
      let precision = bucket.isStatistic ? .float32 : precision
      for piece in bucket.pieces {
        GradientArithmetic.parts(piece.count, pool) { first, count in
          let mean = slots[0] + piece.place + first
          if exchange == nil {
            GradientArithmetic.scale(mean, by: factor, count: count, precision)
          }
          (target + piece.store + first).update(from: mean, count: count)
        }
      }
    }
    program.parameters.touch(statistics.map(\.name))
  }
}
