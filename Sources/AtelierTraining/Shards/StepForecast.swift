// How long a step takes on so many ranks over such a network, from times of one shard.

import Foundation

/// What lies between machines.
public struct NetworkForm: Sendable, Hashable, Codable {
  /// Bytes a second, in each direction at once.
  public var bandwidth: Double
  /// Seconds from one machine to another.
  public var delay: Double
  /// Seconds that each message costs the machine that sends it.
  public var perMessage = 2e-6
  /// Seconds that a wait lasts longer than what is waited for: ranks ask, and sleep in between.
  public var poll = 1e-4

  /// Describes a network.
  public init(bandwidth: Double, delay: Double) {
    self.bandwidth = bandwidth
    self.delay = delay
  }
}

/// The times of a step's parts on one machine, and what follows for many.
///
/// A rank computes its shards one after the other. A bucket of gradients can be exchanged from the
/// moment on when the last shard has it; buckets go one after the other beside the computation. Each
/// goes to the ranks that own its segments, is added up there, and its mean comes back.
public struct StepForecast: Sendable, Hashable {
  /// A bucket of gradients.
  public struct Bucket: Sendable, Hashable {
    /// Seconds from the beginning of the last shard to when it is there.
    public var ready: Double
    /// What is sent of it, once.
    public var bytes: Double

    /// Describes a bucket.
    public init(ready: Double, bytes: Double) {
      self.ready = ready
      self.bytes = bytes
    }
  }

  /// Seconds of a shard: forward, backward, and adding its gradients to the others'.
  public var shard: Double
  /// Seconds of what every rank does once a step: norm, optimizer.
  public var rest: Double
  /// Seconds to add up a byte of gradients on one core.
  public var adding: Double
  /// The buckets in the order in which they are there.
  public var buckets: [Bucket]
  /// The programs of a step; each waits for its gradients before the next begins.
  public var programs: Int

  /// Describes a step.
  public init(
    shard: Double, rest: Double, adding: Double, buckets: [Bucket], programs: Int = 1
  ) {
    self.shard = shard
    self.rest = rest
    self.adding = adding
    self.buckets = buckets
    self.programs = programs
  }

  /// Seconds to exchange so many bytes of a bucket.
  func exchange(_ bytes: Double, ranks: Int, nodes: Int, _ network: NetworkForm) -> Double {
    let others = Double(ranks - 1)
    let share = bytes * others / Double(ranks)
    func phase(_ bytes: Double, _ messages: Double) -> Double {
      network.poll + network.delay + messages * network.perMessage + bytes / network.bandwidth
    }
    let sums = Double(nodes) * bytes * adding
    return phase(Double(nodes) * share, Double(nodes) * others) + phase(share, others) + sums
  }

  /// Seconds of a step, and of those the ones in which ranks wait for the network alone.
  public func step(ranks: Int, shards: Int, over network: NetworkForm) -> (
    seconds: Double, waiting: Double
  ) {
    let tree = ShardTree(shards)
    let most = (shards + ranks - 1) / ranks
    let computed = Double(most) * shard
    guard ranks > 1 else { return (computed + rest, 0) }
    let nodes = (0..<ranks).map { tree.nodes(tree.range(rank: $0, of: ranks)).count }.max() ?? 1
    var end = 0.0
    for bucket in buckets {
      end =
        max(end, computed - shard + bucket.ready)
        + exchange(bucket.bytes, ranks: ranks, nodes: nodes, network)
    }
    // Before a step and after each program everyone tells everyone a few bytes.
    let rounds = Double(1 + programs)
    let talk =
      rounds
      * (network.poll + log2(Double(ranks)).rounded(.up) * (network.delay + network.perMessage))
    let seconds = max(end, computed) + talk + rest
    return (seconds, seconds - computed - rest)
  }
}
