// The processes that make a training together, what they tell each other, and how a failure of one ends all.

import AtelierEngine
import AtelierFiles
import Foundation

/// Memory that goes to, or comes from, another rank.
public struct RankMessage {
  /// The other one.
  public var rank: Int
  /// What is sent, or where it comes.
  public var bytes: UnsafeMutableRawBufferPointer

  /// Makes a message.
  public init(rank: Int, bytes: UnsafeMutableRawBufferPointer) {
    self.rank = rank
    self.bytes = bytes
  }
}

/// The processes, called ranks, that make the steps of a training together.
///
/// Rank 0 decides, tells and writes. All make the same calls in the same order, from one thread at a
/// time. Outside the exchange of gradients there is one call alone, `gather`: so a rank that fails
/// anywhere answers the others' next call with its failure, and nobody waits for it (`abandon`).
public protocol RankGroup: AnyObject, Sendable {
  /// The number of this process, from 0.
  var rank: Int { get }
  /// How many there are.
  var count: Int { get }
  /// Whether all was said: no more calls are made.
  var isOver: Bool { get set }
  /// The machine of each rank, for messages.
  var hosts: [String] { get }

  /// Every rank's bytes, in their order.
  func gather(_ bytes: [UInt8]) throws -> [[UInt8]]

  /// Sends and receives; of several messages between two ranks the first one sent is the first one
  /// received, and both have the same size.
  func exchange(sending: [RankMessage], receiving: [RankMessage]) throws
}

/// The ranks that the trainings of this thread belong to.
public enum Ranks {
  /// Nil for a process of its own.
  @TaskLocal public static var current: (any RankGroup)?

  /// Whether this process decides, tells and writes.
  public static var isFirst: Bool { (current?.rank ?? 0) == 0 }
}

extension RankGroup {
  /// How a rank is named in messages.
  public func name(of rank: Int) -> String {
    let host = rank < hosts.count ? hosts[rank] : ""
    return host.isEmpty || Set(hosts).count == 1 ? "rank \(rank)" : "rank \(rank) on \(host)"
  }

  /// Tells the others what this rank has, or why it has nothing, and gives what all have.
  ///
  /// Throws this rank's own error, else `TrainingError` with the first one of the others.
  public func agree(
    _ result: Result<[UInt8], any Error>,
    describing describe: (any Error) -> StudioError = RankFailure.described
  ) throws -> [[UInt8]] {
    let message: [UInt8]
    switch result {
    case .success(let bytes): message = [UInt8(0)] + bytes
    case .failure(let error): message = RankFailure.encoded(describe(error))
    }
    let all = try gather(message)
    if let failed = all.firstIndex(where: { $0.first != 0 }) {
      isOver = true
      if case .failure(let error) = result { throw error }
      throw RankFailure.decoded(all[failed], name(of: failed))
    }
    return all.map { Array($0.dropFirst()) }
  }

  /// The same of work whose result nobody else needs.
  public func together<Value>(
    describing describe: (any Error) -> StudioError = RankFailure.described,
    _ work: () throws -> Value
  ) throws -> Value {
    let result = Result { try work() }
    _ = try agree(result.map { _ in [] }, describing: describe)
    return try result.get()
  }

  /// What rank 0 has, which alone makes it; the others wait.
  public func fromFirst(
    describing describe: (any Error) -> StudioError = RankFailure.described,
    _ make: () throws -> [UInt8]
  ) throws -> [UInt8] {
    try agree(rank == 0 ? Result { try make() } : .success([]), describing: describe)[0]
  }

  /// The last call, where all went well.
  public func settle() throws {
    guard !isOver else { return }
    try together {}
    isOver = true
  }

  /// Tells the others that this rank ends by an error, unless they know it.
  public func abandon(_ error: StudioError) {
    guard !isOver else { return }
    isOver = true
    // Where even this fails there is nobody left to be told.
    _ = try? gather(RankFailure.encoded(error))
  }
}

/// Failures as bytes that ranks tell each other.
public enum RankFailure {
  private static let kinds: [StudioError.Kind] = [
    .usage, .data, .missingInput, .cannotCreate, .noMemory,
  ]

  /// An error of a training's own modules as one line with its kind.
  public static func described(_ error: any Error) -> StudioError {
    switch error {
    case let error as StudioError: error
    case let error as TrainingError: StudioError(error.kind, error.description)
    case let error as FileError:
      StudioError(
        error.code == nil ? .data : error.isReading ? .missingInput : .cannotCreate, "\(error)")
    case let error as ShapeError: StudioError(error.isMemory ? .noMemory : .usage, "\(error)")
    default: StudioError(.data, String(describing: error))
    }
  }

  static func encoded(_ error: StudioError) -> [UInt8] {
    let kind = kinds.firstIndex(of: error.kind) ?? 0
    return [UInt8(1 + kind)] + Array(error.description.utf8)
  }

  static func decoded(_ bytes: [UInt8], _ name: String) -> TrainingError {
    let kind = kinds[min(max(Int(bytes.first ?? 1) - 1, 0), kinds.count - 1)]
    return TrainingError("\(name): \(String(decoding: bytes.dropFirst(), as: UTF8.self))", kind)
  }
}
