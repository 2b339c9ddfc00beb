// The numbers of all parameters in one contiguous block, shared by every program that names them.

/// The parameters of one or several graphs: one contiguous block, cut up by name.
///
/// Programs read it while they run; optimizers move it between runs. A store belongs to one training at a time: runs and
/// updates must not overlap, which the training loop guarantees.
public final class ParameterStore: @unchecked Sendable {
  /// One parameter of the store.
  public struct Entry: Sendable, Hashable {
    /// The unique name.
    public let name: String
    /// The sizes.
    public let shape: Shape
    /// What it is for.
    public let role: Graph.Role
    /// The first element in the block.
    public let offset: Int
    /// The elements in the block.
    public var range: Range<Int> { offset..<offset + shape.count }
  }

  /// All parameters in the order of the block.
  public let entries: [Entry]
  /// The number of floats in the block, padding between parameters included.
  public let count: Int
  private let indices: [String: Int]
  private let memory: UnsafeMutablePointer<Float>
  /// Counts the changes of each parameter, so that programs know when what they prepared is stale.
  private var versions: [UInt64]

  /// Makes a store for the parameters of several graphs, initialised by seed.
  ///
  /// Every parameter draws from a generator of its own (seed and name), so adding a layer leaves the others' start alone.
  ///
  /// - Parameters:
  ///   - graphs: Their parameters; equal names share one entry.
  ///   - seed: The seed of the initialisers.
  ///   - tensors: Parameters by name that start from these instead of their initialiser.
  /// - Throws: `ShapeError` when a name stands for two shapes or a tensor has another one.
  public init(
    for graphs: [Graph], seed: UInt64, startingFrom tensors: [String: Tensor] = [:]
  ) throws(ShapeError) {
    var entries: [Entry] = []
    var initializers: [Initializer] = []
    var indices: [String: Int] = [:]
    var offset = 0
    for parameter in graphs.flatMap(\.parameters) {
      if let known = indices[parameter.name] {
        guard entries[known].shape == parameter.shape else {
          throw ShapeError(
            "parameter \(parameter.name) is shared with shape \(entries[known].shape); received \(parameter.shape)"
          )
        }
        continue
      }
      indices[parameter.name] = entries.count
      entries.append(
        Entry(name: parameter.name, shape: parameter.shape, role: parameter.role, offset: offset))
      initializers.append(parameter.initializer)
      offset += (parameter.shape.count + 15) / 16 * 16
    }
    for (name, tensor) in tensors {
      guard let index = indices[name], entries[index].shape == tensor.shape else {
        throw ShapeError("there is no parameter named \(name) of shape \(tensor.shape)")
      }
    }
    self.entries = entries
    self.indices = indices
    count = offset
    versions = [UInt64](repeating: 1, count: entries.count)
    memory = try AlignedMemory.allocate(max(offset, 1))
    for (entry, initializer) in zip(entries, initializers) {
      var generator = RandomGenerator(seed: seed, Self.hash(entry.name))
      let values =
        tensors[entry.name]?.elements ?? initializer.values(shape: entry.shape, using: &generator)
      (memory + entry.offset).update(from: values, count: entry.shape.count)
    }
  }

  deinit { AlignedMemory.free(memory) }

  /// The entry of a name, nil when there is none.
  public func entry(named name: String) -> Entry? { indices[name].map { entries[$0] } }

  /// The index of a name in `entries`.
  func index(named name: String) -> Int? { indices[name] }

  /// The block; valid while the store lives.
  ///
  /// Call `touch` after writing.
  public var pointer: UnsafeMutablePointer<Float> { memory }

  /// How often the parameter of this index changed.
  func version(_ index: Int) -> UInt64 { versions[index] }

  /// Says that the parameters of these names changed in place; nil stands for all.
  public func touch(_ names: [String]? = nil) {
    for index in names?.compactMap({ indices[$0] }) ?? Array(versions.indices) {
      versions[index] += 1
    }
  }

  /// Says that a parameter changed in place.
  func touch(index: Int) { versions[index] += 1 }

  /// A copy of one parameter, nil when there is none of that name.
  public subscript(name: String) -> Tensor? {
    guard let entry = entry(named: name) else { return nil }
    return Tensor(
      entry.shape,
      Array(UnsafeBufferPointer(start: memory + entry.offset, count: entry.shape.count)))
  }

  /// Replaces one parameter.
  ///
  /// - Throws: `ShapeError` when there is none of that name or the shape differs.
  public func set(_ name: String, _ tensor: Tensor) throws(ShapeError) {
    guard let index = indices[name] else { throw ShapeError("there is no parameter named \(name)") }
    let entry = entries[index]
    guard entry.shape == tensor.shape else {
      throw ShapeError("parameter \(name) has shape \(entry.shape); received \(tensor.shape)")
    }
    (memory + entry.offset).update(from: tensor.elements, count: tensor.count)
    versions[index] += 1
  }

  /// A copy of the whole block, for run folders and for keeping the best state.
  public func snapshot() -> [Float] { Array(UnsafeBufferPointer(start: memory, count: count)) }

  /// Puts a copy of the whole block back.
  ///
  /// Precondition: it came from a store of the same entries.
  public func restore(_ snapshot: [Float]) {
    precondition(
      snapshot.count == count, "a snapshot has \(count) floats; received \(snapshot.count)")
    memory.update(from: snapshot, count: count)
    touch()
  }

  /// FNV-1a (Fowler, Noll, Vo), stable between processes, unlike `Hasher`.
  private static func hash(_ text: String) -> UInt64 {
    text.utf8.reduce(0xCBF2_9CE4_8422_2325) { ($0 ^ UInt64($1)) &* 0x100_0000_01B3 }
  }
}
