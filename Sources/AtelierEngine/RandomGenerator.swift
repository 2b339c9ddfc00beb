// The one source of randomness: seeded, splittable, its state a value that run folders store.

#if canImport(Glibc)
import Glibc
#elseif canImport(Darwin)
import Darwin
#endif

/// A seeded generator (xoshiro256++, Blackman and Vigna 2019; seeded by SplitMix64) whose state can be saved.
public struct RandomGenerator: RandomNumberGenerator, Hashable, Sendable, Codable {
  private var a: UInt64
  private var b: UInt64
  private var c: UInt64
  private var d: UInt64

  /// Starts the sequence that belongs to `seed`.
  public init(seed: UInt64) {
    var state = seed
    func next() -> UInt64 {
      state &+= 0x9E37_79B9_7F4A_7C15
      return Self.mixed(state)
    }
    a = next()
    b = next()
    c = next()
    d = next()
  }

  /// Starts a sequence that belongs to `seed` and a path of indices (step, image, …): independent of every other path.
  public init(seed: UInt64, _ path: UInt64...) {
    var state = seed
    for index in path {
      state =
        Self.mixed(state &+ 0x9E37_79B9_7F4A_7C15) ^ Self.mixed(index &+ 0xD1B5_4A32_D192_ED03)
    }
    self.init(seed: state)
  }

  /// 64 random bits.
  public mutating func next() -> UInt64 {
    let result = Self.rotated(a &+ d, 23) &+ a
    let shifted = b << 17
    c ^= a
    d ^= b
    b ^= c
    a ^= d
    c ^= shifted
    d = Self.rotated(d, 45)
    return result
  }

  /// A number in [0, 1) with 24 random bits.
  public mutating func uniform() -> Float { Float(next() >> 40) * 0x1p-24 }

  /// A number in [range.lowerBound, range.upperBound).
  public mutating func uniform(_ range: ClosedRange<Float>) -> Float {
    range.lowerBound + (range.upperBound - range.lowerBound) * uniform()
  }

  /// An index in 0..<count.
  ///
  /// Precondition: `count > 0`.
  public mutating func index(below count: Int) -> Int { Int.random(in: 0..<count, using: &self) }

  /// A number of the standard normal distribution (Box and Muller 1958; one of the pair is dropped so that the state is the position).
  public mutating func normal() -> Float {
    let radius = (-2 * log(1 - Double(next() >> 11) * 0x1p-53)).squareRoot()
    return Float(radius * cos(2 * Double.pi * Double(next() >> 11) * 0x1p-53))
  }

  /// The numbers 0..<count in random order.
  public mutating func permutation(_ count: Int) -> [Int] {
    Array(0..<count).shuffled(using: &self)
  }

  private static func mixed(_ value: UInt64) -> UInt64 {
    var z = value
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }

  private static func rotated(_ value: UInt64, _ amount: UInt64) -> UInt64 {
    (value << amount) | (value >> (64 - amount))
  }
}
