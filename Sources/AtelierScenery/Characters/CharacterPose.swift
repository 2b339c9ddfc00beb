// What a fictional face does in one picture: head, mouth, eyes, brows and light, the same for all.

import AtelierEngine
import Foundation

/// Where a head is, how it looks, and from where it is lit; the same values mean the same for every character.
public struct CharacterPose: Hashable, Codable, Sendable {
  /// The head's turn to the picture's right, in degrees.
  public var yaw: Float
  /// The head's nod upwards, in degrees.
  public var pitch: Float
  /// The head's tilt, clockwise as seen in the picture, in degrees.
  public var roll: Float
  /// How far the head's centre lies right of the picture's centre, in picture widths.
  public var x: Float
  /// How far the head's centre lies below the picture's centre, in picture heights.
  public var y: Float
  /// The head's size: 1 is a head (chin to crown) of two thirds of the picture.
  public var scale: Float
  /// How far the mouth is open: 0 closed, 1 wide open.
  public var mouthOpening: Float
  /// The corners of the mouth: 1 a broad smile, 0 none, below 0 pulled down.
  public var smile: Float
  /// How far the eyes are open: 0 closed, 1 usual and 1.15 wide open.
  public var eyeOpening: Float
  /// The look to the picture's right: 1 is 30 degrees from straight ahead of the head.
  public var gazeX: Float
  /// The look downwards in the picture: 1 is 18 degrees from straight ahead of the head.
  public var gazeY: Float
  /// The brows: 1 raised, -1 lowered.
  public var browHeight: Float
  /// The key light's side: 0 is the camera's, positive comes from the picture's right; degrees.
  public var lightAzimuth: Float
  /// The key light's height above the camera's axis, in degrees.
  public var lightElevation: Float

  /// Makes a pose; the default looks into the camera, mouth closed, light from the upper left.
  public init(
    yaw: Float = 0, pitch: Float = 0, roll: Float = 0, x: Float = 0, y: Float = 0, scale: Float = 1,
    mouthOpening: Float = 0, smile: Float = 0.25, eyeOpening: Float = 1, gazeX: Float = 0,
    gazeY: Float = 0, browHeight: Float = 0, lightAzimuth: Float = -35, lightElevation: Float = 32
  ) {
    self.yaw = yaw
    self.pitch = pitch
    self.roll = roll
    self.x = x
    self.y = y
    self.scale = scale
    self.mouthOpening = mouthOpening
    self.smile = smile
    self.eyeOpening = eyeOpening
    self.gazeX = gazeX
    self.gazeY = gazeY
    self.browHeight = browHeight
    self.lightAzimuth = lightAzimuth
    self.lightElevation = lightElevation
  }

  /// One parameter of a pose: its name, where it lives and its range.
  public struct Parameter: Sendable {
    /// The property's name.
    public let name: String
    /// The property.
    public let path: any WritableKeyPath<CharacterPose, Float> & Sendable
    /// The smallest and the largest value.
    public let range: ClosedRange<Float>
    /// The value at rest, about which random poses vary.
    public let rest: Float
    /// How far random poses go from rest on average, as a share of the range.
    let spread: Float
  }

  /// All parameters, in the order in which random poses draw them.
  public static let parameters: [Parameter] = [
    Parameter(name: "yaw", path: \.yaw, range: -35...35, rest: 0, spread: 1),
    Parameter(name: "pitch", path: \.pitch, range: -20...20, rest: 0, spread: 0.85),
    Parameter(name: "roll", path: \.roll, range: -15...15, rest: 0, spread: 0.8),
    Parameter(name: "x", path: \.x, range: -0.06...0.06, rest: 0, spread: 1),
    Parameter(name: "y", path: \.y, range: -0.05...0.05, rest: 0, spread: 1),
    Parameter(name: "scale", path: \.scale, range: 0.9...1.12, rest: 1, spread: 1),
    Parameter(name: "mouthOpening", path: \.mouthOpening, range: 0...1, rest: 0.15, spread: 1),
    Parameter(name: "smile", path: \.smile, range: -0.4...1, rest: 0.25, spread: 0.9),
    Parameter(name: "eyeOpening", path: \.eyeOpening, range: 0...1.15, rest: 0.98, spread: 0.75),
    Parameter(name: "gazeX", path: \.gazeX, range: -1...1, rest: 0, spread: 0.9),
    Parameter(name: "gazeY", path: \.gazeY, range: -1...1, rest: 0, spread: 0.7),
    Parameter(name: "browHeight", path: \.browHeight, range: -1...1, rest: 0, spread: 0.8),
    Parameter(name: "lightAzimuth", path: \.lightAzimuth, range: -65...65, rest: -10, spread: 1),
    Parameter(name: "lightElevation", path: \.lightElevation, range: 5...55, rest: 30, spread: 0.9),
  ]

  /// The pose with every value brought into its range; not-a-number becomes the rest value.
  public var clamped: CharacterPose {
    var result = self
    for parameter in Self.parameters {
      let value = self[keyPath: parameter.path]
      result[keyPath: parameter.path] =
        value.isNaN
        ? parameter.rest : clamp(value, parameter.range.lowerBound, parameter.range.upperBound)
    }
    return result
  }

  /// A pose in range, usual ones more often than extreme ones; draws a number a parameter.
  public static func random(using generator: inout RandomGenerator) -> CharacterPose {
    var pose = CharacterPose()
    for parameter in parameters { pose.set(parameter, bell: generator.uniform(-1...1)) }
    return pose
  }

  /// A smooth clip: every parameter wanders along its own seeded path; faces blink now and then.
  public static func clip(
    count: Int, framesPerSecond: Float = 25, seed: UInt64
  ) -> [CharacterPose] {
    // Cycles per second of each parameter's wander: mouths and eyes are faster than heads.
    let rates: [Float] = [
      0.28, 0.25, 0.2, 0.1, 0.1, 0.06, 1.3, 0.3, 0.35, 0.4, 0.35, 0.45, 0.05, 0.04,
    ]
    return (0..<max(count, 0)).map { frame in
      let time = Float(frame) / max(framesPerSecond, 1)
      var pose = CharacterPose()
      for (index, parameter) in parameters.enumerated() {
        let noise = Noise(seed, UInt64(index) + 1)
        let place = Point(time * rates[index] + 0.37, 0.5 + Float(index))
        pose.set(parameter, bell: clamp(1.35 * noise.fbm(place, 2), -1, 1))
      }
      pose.eyeOpening = max(pose.eyeOpening, 0.7) * (1 - blink(at: time, Noise(seed, 99)))
      return pose.clamped
    }
  }

  /// A blink in the middle of most windows of three seconds, 0 (open) to 1 (closed).
  private static func blink(at time: Float, _ noise: Noise) -> Float {
    let window = (time / 3).rounded(.down)
    let middle = 3 * window + 0.5 + 2 * noise.random(Int(window), 1)
    return smoothstep(0.16, 0.03, abs(time - middle))
  }

  /// Sets a parameter from a number in -1...1 so that small numbers stay near the rest value.
  private mutating func set(_ parameter: Parameter, bell value: Float) {
    let bent = mix(value * abs(value), value, parameter.spread)
    let side =
      value < 0
      ? parameter.rest - parameter.range.lowerBound : parameter.range.upperBound - parameter.rest
    self[keyPath: parameter.path] = parameter.rest + side * bent
  }
}
