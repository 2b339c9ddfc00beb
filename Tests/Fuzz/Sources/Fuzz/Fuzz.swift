// The entry of libFuzzer: an input goes to the target that ATELIER_FUZZ names; JSON is changed as JSON.

import AtelierFiles
import Foundation

/// The target of this process.
private let target: FuzzTarget = {
  let name = ProcessInfo.processInfo.environment["ATELIER_FUZZ"] ?? ""
  guard let found = FuzzTargets.all.first(where: { $0.name == name }) else {
    print("ATELIER_FUZZ names a target: " + FuzzTargets.all.map(\.name).joined(separator: " "))
    exit(64)
  }
  // What asks for more than a plan may is refused, not taken.
  MemoryDoor.limit(to: 1 << 30)
  return found
}()

@_silgen_name("LLVMFuzzerRunDriver")
private func runFuzzer(
  _ count: UnsafeMutablePointer<Int32>,
  _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>>,
  _ read: @convention(c) (UnsafePointer<UInt8>, Int) -> Int32
) -> Int32

/// The package names its program's start itself, so that libFuzzer's own is not linked: called here.
@main enum Fuzz {
  static func main() {
    var (count, arguments) = (CommandLine.argc, CommandLine.unsafeArgv)
    exit(runFuzzer(&count, &arguments, readOneInput))
  }
}

/// Reads one input; whatever is thrown has to be a text of one line.
@_cdecl("LLVMFuzzerTestOneInput")
public func readOneInput(_ bytes: UnsafePointer<UInt8>, _ count: Int) -> Int32 {
  do { try target.read(Data(bytes: bytes, count: count)) } catch {
    let text = "\(error)"
    precondition(!text.isEmpty, "an error without a word")
  }
  return 0
}

@_silgen_name("LLVMFuzzerMutate")
private func mutateBytes(_ bytes: UnsafeMutablePointer<UInt8>, _ count: Int, _ most: Int) -> Int

/// Changes an input: JSON mostly by its values, so that it stays JSON; else by its bytes.
@_cdecl("LLVMFuzzerCustomMutator")
public func mutate(
  _ bytes: UnsafeMutablePointer<UInt8>, _ count: Int, _ most: Int, _ seed: UInt32
) -> Int {
  guard target.isJSON, seed % 8 != 0,
    let value = try? JSONSerialization.jsonObject(
      with: Data(bytes: bytes, count: count), options: [.fragmentsAllowed])
  else { return mutateBytes(bytes, count, most) }
  var change = JSONChange(seed: seed)
  let changed = change.apply(to: value)
  guard
    let data = try? JSONSerialization.data(
      withJSONObject: changed, options: [.fragmentsAllowed, .withoutEscapingSlashes]),
    data.count <= most
  else { return mutateBytes(bytes, count, most) }
  data.copyBytes(to: bytes, count: data.count)
  return data.count
}

/// One change of a JSON value at a place that is drawn.
struct JSONChange {
  private var state: UInt64

  init(seed: UInt32) { state = UInt64(seed) &* 0x9E37_79B9_7F4A_7C15 | 1 }

  private mutating func next(_ count: Int) -> Int {
    state ^= state << 13
    state ^= state >> 7
    state ^= state << 17
    return Int(state >> 33) % max(count, 1)
  }

  /// The value with something in it changed.
  mutating func apply(to value: Any) -> Any {
    switch value {
    case let object as [String: Any] where !object.isEmpty && next(12) > 0:
      var copy = object
      let keys = object.keys.sorted()
      let key = keys[next(keys.count)]
      switch next(16) {
      case 0: copy[key] = nil
      case 1: copy[key] = object[keys[next(keys.count)]]
      default: copy[key] = apply(to: object[key] ?? 0)
      }
      return copy
    case let list as [Any] where !list.isEmpty && next(12) > 0:
      var copy = list
      let index = next(list.count)
      switch next(16) {
      case 0: copy.remove(at: index)
      case 1: copy.insert(list[next(list.count)], at: index)
      case 2: copy.swapAt(index, next(list.count))
      default: copy[index] = apply(to: list[index])
      }
      return copy
    default: return replacement(of: value)
    }
  }

  private static var numbers: [Any] {
    [
      0, 1, -1, 2, 3, 4, 7, 8, 16, 127, 128, 255, 256, 4096, 65_535, 65_536, 1_000_000, 1 << 31,
      1 << 32, 1 << 53, Int.max, Int.min, 0.5, -0.5, 1e-300, 1e300, NSNull(), true, false, "", "0",
      [],
      [:] as [String: Any], "input", "output",
    ]
  }

  private mutating func replacement(of value: Any) -> Any {
    if let number = value as? NSNumber, next(2) == 0, abs(number.doubleValue) < 1e15 {
      return number.intValue + next(5) - 2
    }
    if let text = value as? String, next(2) == 0 { return text + String(text.suffix(1 + next(4))) }
    return Self.numbers[next(Self.numbers.count)]
  }
}
