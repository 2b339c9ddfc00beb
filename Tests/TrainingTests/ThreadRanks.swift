// Ranks that are threads of this process, so that trainings on several ranks are tested without MPI.

import AtelierTraining
import Foundation
import Synchronization

/// What the ranks of one group share; the condition guards all of it.
private final class Meeting: @unchecked Sendable {
  let condition = NSCondition()
  let count: Int
  private var gathered: [[UInt8]?]
  private var given: [[UInt8]] = []
  private var left = 0
  private var letters: [[Int]: [[UInt8]]] = [:]

  init(_ count: Int) {
    self.count = count
    gathered = [[UInt8]?](repeating: nil, count: count)
  }

  func gather(_ rank: Int, _ bytes: [UInt8]) -> [[UInt8]] {
    condition.lock()
    defer { condition.unlock() }
    // The one before may not be read by all yet.
    while left > 0 { condition.wait() }
    gathered[rank] = bytes
    if gathered.allSatisfy({ $0 != nil }) {
      given = gathered.compactMap(\.self)
      left = count
      condition.broadcast()
    }
    while left == 0 { condition.wait() }
    let result = given
    left -= 1
    gathered[rank] = nil
    condition.broadcast()
    return result
  }

  func send(_ from: Int, _ to: Int, _ bytes: [UInt8]) {
    condition.lock()
    defer { condition.unlock() }
    letters[[from, to], default: []].append(bytes)
    condition.broadcast()
  }

  func receive(_ from: Int, _ to: Int) -> [UInt8] {
    condition.lock()
    defer { condition.unlock() }
    while letters[[from, to]]?.isEmpty ?? true { condition.wait() }
    return letters[[from, to]]?.removeFirst() ?? []
  }
}

/// One thread's place in a group.
private final class ThreadRank: RankGroup, @unchecked Sendable {
  let rank: Int
  let meeting: Meeting
  var isOver = false
  var count: Int { meeting.count }
  var hosts: [String] { [String](repeating: "here", count: count) }

  init(_ rank: Int, _ meeting: Meeting) { (self.rank, self.meeting) = (rank, meeting) }

  func gather(_ bytes: [UInt8]) -> [[UInt8]] { meeting.gather(rank, bytes) }

  func exchange(sending: [RankMessage], receiving: [RankMessage]) {
    for message in sending { meeting.send(rank, message.rank, Array(message.bytes)) }
    for message in receiving {
      let bytes = meeting.receive(message.rank, rank)
      precondition(bytes.count == message.bytes.count, "a message of another size")
      message.bytes.copyBytes(from: bytes)
    }
  }
}

/// Runs work on so many ranks, each a thread, and gives what each found; nil stands for no group.
func onRanks<Value: Sendable>(
  _ count: Int, _ work: @escaping @Sendable ((any RankGroup)?) throws -> Value
) throws -> [Value] {
  guard count > 1 else { return [try work(nil)] }
  let meeting = Meeting(count)
  let results = Mutex<[Int: Result<Value, any Error>]>([:])
  let ended = DispatchGroup()
  for rank in 0..<count {
    ended.enter()
    let thread = Thread {
      let result = Result { try work(ThreadRank(rank, meeting)) }
      results.withLock { $0[rank] = result }
      ended.leave()
    }
    thread.stackSize = 8 << 20
    thread.start()
  }
  ended.wait()
  return try results.withLock { results in
    try (0..<count).compactMap { try results[$0]?.get() }
  }
}
