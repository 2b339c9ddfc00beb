// The ranks of one start by mpirun: what they tell each other goes over MPI.

import AtelierFiles
import AtelierTraining
import CMPI
import Foundation
import Synchronization

/// The processes that one `mpirun` started.
///
/// Waiting does not keep a core busy: it asks, and sleeps a little longer each time, up to a fifth of
/// a millisecond.
final class MessageGroup: RankGroup, @unchecked Sendable {
  let rank: Int
  let count: Int
  private(set) var hosts: [String] = []
  /// All calls are made from one thread at a time, as those of a group are.
  var isOver = false
  /// The most bytes that all ranks together send in one gathering.
  private static let mostBytes = 1 << 29
  /// Said once: that this process was told to end while others do not answer.
  private let hasComplained = Atomic(false)

  /// Begins MPI; throws `StudioError` where it cannot be used.
  init() throws {
    guard cmpi_is_of_its_header() != 0 else {
      throw StudioError(
        .usage,
        "this program was compiled for another MPI than it was linked with; remove the "
          + "build folder's ModuleCache and AtelierCluster.build, and build it again")
    }
    let level = cmpi_begin()
    guard level == 0 else {
      throw StudioError(.usage, "this MPI does not take calls from several threads (\(level - 1))")
    }
    rank = Int(cmpi_rank())
    count = Int(cmpi_count())
    var name = [CChar](repeating: 0, count: Int(cmpi_name_capacity()))
    cmpi_name(&name)
    let own = name.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }
    hosts = try gather(own).map { String(decoding: $0, as: UTF8.self) }
  }

  /// Ends MPI as far as this rank is concerned; where not all was said, all ranks end.
  func end() {
    if isOver { cmpi_end() } else { cmpi_abort(70) }
  }

  /// Bytes that go with the length of a message; what is longer comes after it.
  private static let slot = 248

  func gather(_ bytes: [UInt8]) throws -> [[UInt8]] {
    var own = [UInt8](repeating: 0, count: 8 + Self.slot)
    withUnsafeBytes(of: Int64(bytes.count)) { own.replaceSubrange(0..<8, with: $0) }
    let first = bytes.prefix(Self.slot)
    own.replaceSubrange(8..<8 + first.count, with: first)
    var all = [UInt8](repeating: 0, count: own.count * count)
    try own.withUnsafeBytes { own in
      try all.withUnsafeMutableBytes { all in
        try wait(1, asks: 200) {
          cmpi_gather(own.baseAddress, Int32(own.count), all.baseAddress, $0)
        }
      }
    }
    let lengths = (0..<count).map { rank in
      all.withUnsafeBytes {
        Int($0.loadUnaligned(fromByteOffset: rank * own.count, as: Int64.self))
      }
    }
    var parts = lengths.enumerated().map { rank, length in
      let start = rank * own.count + 8
      return Array(all[start..<start + min(length, Self.slot)])
    }
    try gatherRest(bytes, lengths, &parts)
    return parts
  }

  /// What did not fit into the slots, in rounds.
  private func gatherRest(
    _ bytes: [UInt8], _ lengths: [Int], _ parts: inout [[UInt8]]
  ) throws {
    let limit = Self.mostBytes / count
    var done = Self.slot
    while lengths.contains(where: { $0 > done }) {
      let sizes = lengths.map { Int32(min(max($0 - done, 0), limit)) }
      var places: [Int32] = []
      var end: Int32 = 0
      for size in sizes {
        places.append(end)
        end += size
      }
      var all = [UInt8](repeating: 0, count: max(Int(end), 1))
      try bytes.withUnsafeBytes { own in
        try all.withUnsafeMutableBytes { all in
          let first = own.baseAddress.map { $0 + min(done, own.count) }
          try wait(1) {
            cmpi_gather_rest(first, sizes[rank], all.baseAddress, sizes, places, $0)
          }
        }
      }
      for (rank, size) in sizes.enumerated() {
        parts[rank] += all[Int(places[rank])..<Int(places[rank] + size)]
      }
      done += limit
    }
  }

  func exchange(sending: [RankMessage], receiving: [RankMessage]) throws {
    try wait(sending.count + receiving.count) { requests in
      var next = requests
      var code: Int32 = 0
      // MPI keeps the order of messages between two ranks.
      for message in receiving {
        code |= cmpi_receive(
          message.bytes.baseAddress, Int32(message.bytes.count), Int32(message.rank), 0, next)
        next += 1
      }
      for message in sending {
        code |= cmpi_send(
          message.bytes.baseAddress, Int32(message.bytes.count), Int32(message.rank), 0, next)
        next += 1
      }
      return code
    }
  }

  /// Starts requests and waits for all of them; asks so often before it sleeps in between.
  private func wait(
    _ count: Int, asks: Int = 0, _ start: (UnsafeMutablePointer<cmpi_request>) -> Int32
  ) throws {
    guard count > 0 else { return }
    let requests = UnsafeMutablePointer<cmpi_request>.allocate(capacity: count)
    defer { requests.deallocate() }
    guard start(requests) == 0 else { throw StudioError(.data, "a call of MPI failed") }
    var pause: UInt32 = 5
    var waited = 0.0
    var asked = 0
    while true {
      let state = cmpi_are_done(Int32(count), requests)
      guard state == 0 else {
        if state < 0 { throw StudioError(.data, "a message between ranks was lost") }
        return
      }
      asked += 1
      if asked <= asks {
        sched_yield()
        continue
      }
      usleep(pause)
      waited += Double(pause) / 1e6
      pause = min(pause + pause / 4 + 1, 200)
      if waited > 0.05 { complainWhereTold() }
    }
  }

  /// Watches for the word to end, which mpirun gives when a rank is gone, and says so: a second later
  /// there may be no time for it.
  func watch() {
    guard rank == 0 else { return }
    let thread = Thread { [self] in
      while !InterruptFlag.hasReceivedSignal { usleep(20_000) }
      usleep(150_000)
      complainWhereTold()
    }
    thread.name = "atelier.watch"
    thread.start()
  }

  /// Where this process was told to end and is still there, the first one says so, once.
  private func complainWhereTold() {
    guard rank == 0, InterruptFlag.hasReceivedSignal,
      !hasComplained.exchange(true, ordering: .sequentiallyConsistent)
    else { return }
    let text =
      "atelier: told to end, by a signal or because a rank is gone; where no time is left to save, the "
      + "run folder has its last save, and --resume goes on from there\n"
    FileHandle.standardError.write(Data(text.utf8))
  }
}
