// The one door for big memory: what is to be taken is held against what is left, and told when refused.

import Foundation
import Synchronization

/// Asks whether there is memory for something large before it is taken.
///
/// Systems promise more memory than they have and then kill whoever uses it; arrays that get none
/// end the process without a word. Work that needs much asks here first.
public enum MemoryDoor {
  /// What `--memory` allows the process; `Int.max` for no limit of that kind.
  private static let allowance = Atomic<Int>(Int.max)
  /// What is smaller is not asked for.
  private static let small = 32 << 20

  /// Limits the memory of the whole process, in bytes.
  public static func limit(to bytes: Int) { allowance.store(max(bytes, 0), ordering: .relaxed) }

  /// Throws `StudioError` of the kind `noMemory` that tells what needs how much, when that is more
  /// than what is left.
  public static func expect(_ bytes: Int, for what: @autoclosure () -> String) throws(StudioError) {
    if let line = refusal(of: bytes) { throw StudioError(.noMemory, "\(what()): \(line)") }
  }

  /// Why there is no memory of so many bytes, in words; nil where there is.
  public static func refusal(of bytes: Int) -> String? {
    guard bytes >= small else { return nil }
    let left = left
    guard bytes > left else { return nil }
    return "needs about \(text(bytes)) of memory; \(text(left)) are left"
  }

  /// The bytes that this process may still take: the least of its allowance, its limits, its control
  /// group's, and what the machine has.
  public static var left: Int {
    let pages = numbers(in: "/proc/self/statm")
    let pageSize = Int(sysconf(Int32(_SC_PAGESIZE)))
    // The first number is the address space, the second what lies in memory.
    let taken = pages.count > 1 ? (pages[0] * pageSize, pages[1] * pageSize) : (0, 0)
    var left = allowance.load(ordering: .relaxed)
    if left != Int.max { left -= taken.1 }
    var space = rlimit()
    #if canImport(Glibc)
    if getrlimit(__rlimit_resource_t(RLIMIT_AS.rawValue), &space) == 0, space.rlim_cur != UInt.max {
      left = min(left, Int(clamping: space.rlim_cur) - taken.0)
    }
    #endif
    if let machine = field("MemAvailable:", in: "/proc/meminfo") { left = min(left, machine << 10) }
    if let most = numbers(in: "/sys/fs/cgroup/memory.max").first,
      let used = numbers(in: "/sys/fs/cgroup/memory.current").first
    {
      left = min(left, most - used)
    }
    return max(left, 0)
  }

  /// A number of bytes for people.
  static func text(_ bytes: Int) -> String {
    let mega = Double(bytes) / 1e6
    return mega < 1000 ? "\(Int(mega.rounded())) MB" : String(format: "%.1f GB", mega / 1000)
  }

  private static func content(_ path: String) -> String? {
    // Foundation asks for the size first, which these files do not have.
    guard let file = fopen(path, "r") else { return nil }
    defer { fclose(file) }
    var bytes = [UInt8](repeating: 0, count: 4096)
    let count = fread(&bytes, 1, bytes.count, file)
    return String(decoding: bytes[..<count], as: UTF8.self)
  }

  private static func numbers(in path: String) -> [Int] {
    (content(path) ?? "").split(whereSeparator: \.isWhitespace).compactMap { Int($0) }
  }

  private static func field(_ name: String, in path: String) -> Int? {
    for line in (content(path) ?? "").split(separator: "\n") where line.hasPrefix(name) {
      return line.split(separator: " ").dropFirst().first.flatMap { Int($0) }
    }
    return nil
  }
}
