// Where each buffer of a plan lies: lifetimes become offsets in one arena.

/// A piece of memory that lives from one step to another.
public struct BufferLifetime: Sendable, Hashable {
  /// Floats.
  public var count: Int
  /// The first step that writes it.
  public var first: Int
  /// The last step that reads it.
  public var last: Int

  /// Describes a buffer.
  public init(count: Int, first: Int, last: Int) {
    self.count = count
    self.first = first
    self.last = last
  }

  /// Whether both are alive at some step.
  public func overlaps(_ other: BufferLifetime) -> Bool {
    first <= other.last && other.first <= last
  }
}

/// Offsets for buffers so that no two that live at once share memory.
public struct MemoryPlan: Sendable, Hashable {
  /// One offset per buffer, in floats; all are multiples of `alignment`.
  public let offsets: [Int]
  /// The size of the arena in floats.
  public let count: Int

  /// Floats that offsets are multiples of: one cache line.
  public static let alignment = 16

  /// Places buffers largest first, each into the smallest gap that holds it among those alive at the same time.
  ///
  /// The rule is greedy by size (Pisarchyk and Lee 2020); ties go to the earlier buffer, so the plan is a function of the lifetimes.
  public init(_ buffers: [BufferLifetime]) {
    var offsets = [Int](repeating: 0, count: buffers.count)
    var placed: [Int] = []
    var total = 0
    let order = buffers.indices.sorted { (buffers[$1].count, $0) < (buffers[$0].count, $1) }
    for index in order where buffers[index].count > 0 {
      let size = Self.rounded(buffers[index].count)
      let neighbours = placed.filter { buffers[$0].overlaps(buffers[index]) }
        .map { (start: offsets[$0], end: offsets[$0] + Self.rounded(buffers[$0].count)) }
        .sorted { $0.start < $1.start }
      var best: (offset: Int, slack: Int)?
      var free = 0
      for neighbour in neighbours {
        let gap = neighbour.start - free
        if gap >= size, gap - size < best?.slack ?? .max { best = (free, gap - size) }
        free = max(free, neighbour.end)
      }
      offsets[index] = best?.offset ?? free
      total = max(total, offsets[index] + size)
      placed.append(index)
    }
    self.offsets = offsets
    count = total
  }

  private static func rounded(_ count: Int) -> Int {
    (count + alignment - 1) / alignment * alignment
  }
}
