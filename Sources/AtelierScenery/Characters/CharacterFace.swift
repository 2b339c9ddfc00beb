// The shape of a face: a sculpted sphere, what stands out of it, and how expressions move it.

import Foundation

/// A place in head space: x to the picture's right, y up, z towards the camera; a head is 2 high.
typealias Place = SIMD3<Float>

/// exp(-(a² + b²)): the bump that faces are sculpted with.
@inline(__always)
func bump(_ a: Float, _ b: Float) -> Float {
  let square = a * a + b * b
  return square > 9 ? 0 : exp(-square)
}

/// The larger of two numbers with the corner between them rounded over `k`.
@inline(__always)
func smoothMaximum(_ a: Float, _ b: Float, _ k: Float) -> Float {
  let h = max(k - abs(a - b), 0) / k
  return max(a, b) + h * h * k * 0.25
}

/// The curves of eyes and mouth of one character in one expression, in head space.
struct FaceCurves {
  static let eyeLevel: Float = 0.05
  static let eyeRadius: Float = 0.17
  static let mouthLevel: Float = -0.535

  let character: FictionalCharacter
  let pose: CharacterPose
  /// The middle of the right eyeball (picture's right).
  let eyeball: Place
  /// Half the width of the mouth as it is now.
  let mouthWidth: Float
  /// How far the jaw has dropped.
  let jaw: Float

  init(_ character: FictionalCharacter, _ pose: CharacterPose, eyeDepth: Float) {
    self.character = character
    self.pose = pose
    eyeball = Place(character.eyeSpacing, Self.eyeLevel, eyeDepth)
    mouthWidth = character.mouthWidth * (1 + 0.2 * max(pose.smile, 0) - 0.1 * pose.mouthOpening)
    jaw = 0.15 * pose.mouthOpening
  }

  /// The lids' edges at a distance `ax` from the middle: upper, lower, whether between corners.
  @inline(__always)
  func lids(_ ax: Float) -> (upper: Float, lower: Float, u: Float) {
    let u = (ax - character.eyeSpacing) / character.eyeWidth
    let arch = max(0, 1 - u * u)
    let axis = Self.eyeLevel - 0.008 + character.eyeTilt * u
    let squint = 0.25 * max(pose.smile, 0) * character.eyeHeight
    let lower = axis - 0.6 * character.eyeHeight * arch + squint * arch
    // The upper lid is highest a little towards the nose.
    let crown = arch.squareRoot() * 0.35 + 0.65 * arch
    let top = axis + 1.02 * character.eyeHeight * crown * (1 - 0.12 * u)
    return (mix(lower, top, pose.eyeOpening), lower, u)
  }

  /// The mouth at a distance `ax` from the middle: where lips begin and end, from top to bottom.
  @inline(__always)
  func mouth(_ ax: Float) -> (top: Float, upper: Float, lower: Float, bottom: Float, u: Float) {
    let u = ax / mouthWidth
    let inside = max(0, 1 - u * u)
    let lift = pose.smile * (pose.smile > 0 ? 0.075 : 0.05) * u * u
    let line = Self.mouthLevel + lift - 0.012 * bump(u * 3, 0) + 0.006 * bump((u - 0.4) * 4, 0)
    let gap = pose.mouthOpening * inside.squareRoot()
    let upper = line + 0.028 * gap
    let lower = line - 0.16 * gap
    let stretch = 1 - 0.22 * max(pose.smile, 0) - 0.1 * pose.mouthOpening
    let full = character.lipFullness * stretch
    // Cupid's bow: two peaks beside a dip.
    let bow = 0.054 * inside.squareRoot() * (0.55 + 0.45 * inside) + 0.012 * bump((u - 0.24) * 5, 0)
    let top = upper + full * (bow - 0.006 * bump(u * 7, 0)) * (inside > 0 ? 1 : 0)
    let bottom = lower - full * 0.078 * pow(inside, 0.6)
    return (top, upper, lower, bottom, u)
  }
}

/// The sculpted sphere of one character.
struct FaceShape {
  let character: FictionalCharacter

  /// The direction of a place of the face's grid: turn 0 is the nose, tilt 0 the crown.
  @inline(__always)
  static func direction(turn: Float, tilt: Float) -> Place {
    Place(sin(tilt) * sin(turn), cos(tilt), sin(tilt) * cos(turn))
  }

  /// The skull under a direction, before anything stands out of it.
  func skull(_ d: Place) -> Place {
    let low = smoothstep(0.15, -1, d.y)
    // A squarer section makes cheeks and jaw; the sphere alone is too round.
    let ring = max((d.x * d.x + d.z * d.z).squareRoot(), 1e-5)
    let fuller = pow(ring, -0.16 * smoothstep(0.3, -0.5, d.y))
    var p = Place(
      d.x * fuller * character.headWidth * (1 - character.jawTaper * low), d.y,
      d.z * (d.z > 0 ? 0.78 : 0.92) * fuller)
    p.x *= 1 + 0.03 * smoothstep(0.2, 0.7, d.y)
    p.z += 0.235 * low + 0.05 * smoothstep(0.2, 0.8, d.y) * max(d.z, 0)
    p.y *= d.y > 0 ? 1.03 : 1
    return p
  }

  /// How far the face at rest stands out of the skull towards the camera.
  func relief(_ p: Place, front: Float) -> Float {
    guard front > 0 else { return 0 }
    let c = character
    let ax = abs(p.x)
    let y = p.y
    var z: Float = 0
    z += c.browRidge * bump((ax - 0.24) / 0.2, (y - 0.22) / 0.085)
    z -= 0.105 * bump((ax - c.eyeSpacing + 0.015) / 0.17, (y - 0.07) / 0.115)
    z += c.cheekbones * bump((ax - 0.4) / 0.17, (y + 0.2) / 0.17)
    z -= 0.025 * bump((ax - 0.4) / 0.12, (y + 0.55) / 0.16)
    z += 0.05 * bump(ax / 0.26, (y + 0.52) / 0.17)
    z += c.chin * bump(ax / 0.2, (y + 0.86) / 0.13)
    z -= 0.03 * bump(ax / 0.16, (y + 0.7) / 0.045)
    z -= 0.014 * bump(ax / 0.03, (y + 0.44) / 0.06)
    z += 0.007 * bump((ax - 0.045) / 0.02, (y + 0.44) / 0.06)
    let fold = segmentDistance(Point(ax, y), Point(0.16, -0.33), Point(0.3, -0.56)).distance
    z -= (0.008 + 0.02 * c.wrinkles) * bump(fold / 0.035, 0)
    z += nose(ax, y)
    return z * front
  }

  /// The nose: bridge, tip and wings.
  private func nose(_ ax: Float, _ y: Float) -> Float {
    let c = character
    guard ax < 0.5, y < 0.4, y > -0.5 else { return 0 }
    let t = clamp((0.17 - y) / 0.45)
    let under = smoothstep(-0.375, -0.25, y)
    let height = mix(c.noseBridge, c.noseLength * 0.86, pow(t, 1.25)) * smoothstep(0.36, 0.1, y)
    let wide = mix(0.07, 0.088 * c.noseWidth, t) * (1 + 0.25 * (1 - t))
    let flank = ax / wide
    var z = height * under / (1 + flank * flank * (0.55 + 0.45 * flank * flank))
    let ball = 0.074 + 0.03 * (c.noseWidth - 1)
    z += 0.3 * c.noseLength * bump(ax / ball, (y + 0.272) / 0.068)
    z += 0.33 * c.noseLength * bump((ax - 0.108 * c.noseWidth) / 0.05, (y + 0.315) / 0.05)
    z -= 0.035 * bump((ax - 0.055 * c.noseWidth) / 0.03, (y + 0.365) / 0.02)
    z -= 0.02 * bump((ax - 0.108 * c.noseWidth - 0.075) / 0.03, (y + 0.32) / 0.06)
    return z
  }

  /// Moves a place of the skull as the expression does: jaw, brows, corners of the mouth.
  @inline(__always)
  func moved(_ p: Place, front: Float, _ curves: FaceCurves) -> Place {
    var q = p
    let ax = abs(p.x)
    let pose = curves.pose
    let below = smoothstep(-0.5, -0.74, p.y)
    q.y -= curves.jaw * below * (0.45 + 0.55 * front)
    q.z -= 0.06 * pose.mouthOpening * below
    guard front > 0 else { return q }
    q.x *= 1 - 0.05 * pose.mouthOpening * smoothstep(-0.2, -0.6, p.y) * front
    q.y += 0.055 * pose.browHeight * bump((ax - 0.27) / 0.24, (p.y - 0.27) / 0.14) * front
    let corner = bump((ax - 0.27) / 0.12, (p.y + 0.52) / 0.12) * max(pose.smile, 0) * front
    q.x += 0.03 * corner * (p.x < 0 ? -1 : 1)
    q.y += 0.05 * corner
    return q
  }

  /// What the expression adds to the relief: cheeks, lips, the open mouth, lids over eyeballs.
  @inline(__always)
  func expressed(_ p: Place, front: Float, _ curves: FaceCurves) -> Float {
    var z = p.z
    let ax = abs(p.x)
    guard front > 0 else { return z }
    let smile = max(curves.pose.smile, 0)
    if smile > 0 {
      z += 0.045 * smile * bump((ax - 0.37) / 0.13, (p.y + 0.24) / 0.12) * front
      let a = Point(0.17, -0.32)
      let b = Point(curves.mouthWidth + 0.09, -0.52)
      z -= 0.025 * smile * bump(segmentDistance(Point(ax, p.y), a, b).distance / 0.04, 0) * front
    }
    if ax < curves.mouthWidth * 1.25, p.y < -0.3, p.y > -1 { z += lips(ax, p.y, curves) }
    let dx = ax - curves.eyeball.x
    let dy = p.y - curves.eyeball.y
    let square = FaceCurves.eyeRadius * FaceCurves.eyeRadius - dx * dx - dy * dy
    if square > 0 {
      let ball = curves.eyeball.z + square.squareRoot()
      let (upper, lower, _) = curves.lids(ax)
      let lid = smoothMaximum(z, ball + 0.02, 0.05)
      let open = min(upper - p.y, p.y - lower)
      z = mix(lid, ball, smoothstep(-0.004, 0.01, open))
    }
    return z
  }

  /// How far lips stand out, and how deep the open mouth goes.
  @inline(__always)
  private func lips(_ ax: Float, _ y: Float, _ curves: FaceCurves) -> Float {
    let m = curves.mouth(ax)
    let inside = max(0, 1 - m.u * m.u)
    // The corners are tucked in.
    var z = -0.03 * bump((m.u - 1) * 5, (y - m.upper) / 0.05)
    guard inside > 0 else { return z }
    let full = curves.character.lipFullness
    let round = inside.squareRoot()
    if y > m.upper {
      let s = (y - m.upper) / max(m.top - m.upper, 0.004)
      z += full * 0.036 * round * (s < 1.6 ? sin(.pi * pow(clamp(s / 1.6), 0.62)) : 0)
    } else if y < m.lower {
      let s = (m.lower - y) / max(m.lower - m.bottom, 0.004)
      z += full * 0.05 * round * (s < 1.5 ? sin(.pi * pow(clamp(s / 1.5), 0.7)) : 0)
    } else {
      z -= 0.1 * smoothstep(0, 0.05, min(m.upper - y, y - m.lower))
    }
    return z
  }
}
