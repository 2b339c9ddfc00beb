// How a sample of a person looks: skin, eyes, mouth, hair and cloth under the key light and the room's light.

import Foundation

/// The place on the surface that one sample sees.
struct Fragment {
  /// In head space, as the expression has it.
  var place: Place
  /// The normal in view space, of length 1.
  var normal: Place
  /// Two coordinates on the surface; see `CharacterMesh`.
  var surface: SIMD4<Float>
  /// The share of the key light that gets here.
  var lit: Float
}

/// Everything that shading needs of one picture.
struct CharacterShader {
  let character: FictionalCharacter
  let curves: FaceCurves
  let camera: CharacterCamera
  /// The size of a sample in head units.
  let step: Float
  private let key = Color(1.0, 0.945, 0.87) * 2.05
  private let sky = Color(0.45, 0.465, 0.505)
  private let ground = Color(0.23, 0.19, 0.165)
  private let half: Place
  private let rimLight: Place
  private let gaze: Place
  private let skin: Color
  private let lip: Color
  private let iris: Color
  private let irisRim: Color
  private let hair: Color
  private let streak: Color
  private let cloth: Color
  private let clothAccent: Color
  private let blush: Color
  private let fibers: Noise
  private let threads: Noise

  init(_ character: FictionalCharacter, _ curves: FaceCurves, _ camera: CharacterCamera) {
    self.character = character
    self.curves = curves
    self.camera = camera
    step = 1 / camera.zoom
    half = normalized(camera.light + Place(0, 0, 1))
    rimLight = normalized(Place(camera.light.x > 0 ? -0.8 : 0.8, 0.45, -0.5))
    let across = curves.pose.gazeX * Float.pi / 6
    let down = curves.pose.gazeY * Float.pi / 10
    gaze = Place(sin(across) * cos(down), -sin(down), cos(across) * cos(down))
    skin = rgb(character.skin)
    lip = rgb(character.lip)
    iris = rgb(character.iris)
    irisRim = rgb(character.irisRim)
    hair = rgb(character.hair)
    streak = rgb(character.hairStreak)
    cloth = rgb(character.cloth)
    clothAccent = rgb(character.clothAccent)
    blush = rgb(character.blush)
    fibers = Noise(character.seed, 41)
    threads = Noise(character.seed, 42)
  }

  /// The room's light from a direction.
  @inline(__always)
  private func room(_ normal: Place) -> Color { mix(ground, sky, 0.5 + 0.5 * normal.y) }

  /// Light on skin: red reaches further round the edge of the shadow than blue, as blood does it.
  @inline(__always)
  func skinLight(
    _ albedo: Color, gloss: Float, _ f: Fragment, occlusion: Float = 1
  ) -> Color {
    let n = f.normal
    let facing = dot(n, camera.light)
    let wrapped = (Color(repeating: facing) + Color(0.32, 0.2, 0.15)) / Color(1.32, 1.2, 1.15)
    let front = wrapped.clamped(lowerBound: .zero, upperBound: .one)
    let lit = f.lit
    let through = Color(pow2(lit, 0.55), lit, lit)
    var color = albedo * (key * front * front.squareRoot() * through * 0.62 + room(n) * occlusion)
    let nh = max(dot(n, half), 0)
    let p2 = nh * nh
    let p4 = p2 * p2
    let p8 = p4 * p4
    let p16 = p8 * p8
    let p48 = p16 * p16 * p16
    let grazing = 1 - clamp(n.z)
    let fresnel = 0.35 + 0.65 * grazing * grazing
    let shine = (0.13 * p16 + 0.2 * p48) * lit * gloss * character.gloss * clamp(facing * 4)
    color += key * (shine * fresnel * 1.1)
    let rim =
      grazing * grazing * grazing * clamp(dot(n, rimLight) + 0.35) * smoothstep(-0.02, 0.12, n.z)
    return color + Color(0.62, 0.68, 0.8) * (rim * 0.3 * occlusion)
  }

  /// A cheap power for numbers in 0...1: between the number and its square root.
  @inline(__always)
  private func pow2(_ value: Float, _ t: Float) -> Float { mix(value, value.squareRoot(), t) }

  /// The face's skin with eyes, lips and the inside of the mouth.
  @inline(__always)
  func face(_ f: Fragment, paint: SIMD4<Float>) -> Color {
    let p = f.place
    let ax = abs(p.x)
    var albedo = Color(paint.x, paint.y, paint.z)
    var gloss = paint.w
    if f.surface.w > 0 {
      if abs(ax - curves.eyeball.x) < 0.24, abs(p.y - FaceCurves.eyeLevel) < 0.17 {
        return eye(f, ax, albedo, gloss)
      }
      if ax < curves.mouthWidth * 1.15, p.y < -0.4, p.y > -0.85 {
        if let inside = mouth(f, ax, &albedo, &gloss) { return inside }
      }
    }
    return skinLight(albedo, gloss: gloss, f)
  }

  /// Ears and neck.
  @inline(__always)
  func body(_ f: Fragment, material: Material) -> Color {
    var albedo = skin * (1 + 0.05 * fibers(Point(f.surface.x * 9, f.surface.y * 9)))
    var open: Float = 1
    if material == .ear {
      let r = f.surface.x
      albedo = mix(albedo, blush, 0.3 * character.blushStrength)
      open = 1 - 0.5 * bump((r - 0.3) / 0.3, 0) - 0.25 * bump((r - 0.66) / 0.07, 0)
    } else {
      // Below the jaw little of the room's light arrives.
      open = mix(0.42, 1, smoothstep(-0.8, -1.35, f.place.y))
      albedo *= Color(1, 0.4 + 0.6 * open.squareRoot(), 0.35 + 0.65 * open.squareRoot())
    }
    return skinLight(albedo * mix(0.75, 1, open), gloss: 0.4, f, occlusion: open)
  }

  /// Lids, lashes and, between the lids, the eyeball.
  @inline(__always)
  private func eye(_ f: Fragment, _ ax: Float, _ albedo: Color, _ gloss: Float) -> Color {
    let p = f.place
    let (upper, lower, u) = curves.lids(ax)
    let soft = max(step, 0.006)
    let between = abs(u) < 1 ? min(upper - p.y, p.y - lower) : -1
    let seen = smoothstep(-soft * 0.5, soft, between)
    var color = Color.zero
    if seen < 1 {
      var tone = albedo
      let open = clamp(curves.pose.eyeOpening)
      let reach = smoothstep(1.12, 0.9, abs(u))
      // The fold above the lid, which flattens as the eye closes.
      let fold = upper + 0.042 * mix(0.5, 1, 1 - u * u) - p.y
      tone *= 1 - 0.42 * open * bump(fold / 0.011, 0) * smoothstep(1.25, 0.7, abs(u))
      tone = mix(tone, tone * Color(0.96, 0.84, 0.82), 0.6 * bump((p.y - lower) / 0.02, u / 1.1))
      // Lashes: a dark edge that grows towards the outer corner.
      let long = character.lashes * (0.012 + 0.013 * smoothstep(-0.4, 1, u))
      let flick = abs(u) > 0.97 ? (u > 0 ? (abs(u) - 0.97) * 0.09 : -1) : 0
      let above = p.y - max(upper, lower) - flick
      let lash = smoothstep(long + soft, long * 0.4, above) * smoothstep(-0.012, -0.002, above)
      let dark: Float = 0.62 + 0.33 * character.lashes
      tone *= 1 - dark * lash * reach
      let below = lower - p.y
      let under = smoothstep(0.011 + soft, 0, below) * smoothstep(-0.006, 0, below)
      let shade: Float = 0.42 * character.lashes * under
      tone *= 1 - shade * smoothstep(-0.7, 0.6, u) * reach
      let corner = bump((u + 1) * 7, (p.y - lower) / 0.02)
      tone = mix(tone, blush * 0.75, 0.5 * corner * open)
      color = skinLight(tone, gloss: gloss, f)
    }
    if seen > 0 { color = mix(color, eyeball(f, ax, upper, lower, u), seen) }
    return color
  }

  /// The wet ball: white, iris, pupil, the lid's shadow and two reflections.
  @inline(__always)
  private func eyeball(
    _ f: Fragment, _ ax: Float, _ upper: Float, _ lower: Float, _ u: Float
  ) -> Color {
    let p = f.place
    let side: Float = p.x < 0 ? -1 : 1
    let dx = (ax - curves.eyeball.x) / FaceCurves.eyeRadius
    let dy = (p.y - FaceCurves.eyeLevel) / FaceCurves.eyeRadius
    let n = Place(dx * side, dy, max(1 - dx * dx - dy * dy, 0.01).squareRoot())
    let offset = n - gaze
    let radius = length(offset)
    let softness = max(step / FaceCurves.eyeRadius, 0.03)
    // Pink towards the corners.
    var color = mix(Color(0.72, 0.7, 0.68), Color(0.66, 0.47, 0.43), smoothstep(0.55, 1.05, abs(u)))
    let rim: Float = 0.44
    if radius < rim + 0.1 {
      let ring = radius / rim
      let angle = atan2(offset.y, offset.x)
      let fiber =
        fibers(Point(angle * 7 + side, ring * 1.5)) * 0.5
        + fibers(Point(angle * 15, ring * 3 + side)) * 0.4
      var tone = iris * (1 + 0.45 * fiber)
      tone = mix(tone, iris * Color(1.5, 1.15, 0.6), 0.55 * smoothstep(0.75, 0.42, ring))
      // Light that entered at one side leaves brighter at the other.
      let across = dot(offset, camera.light) / rim
      tone *= 1 + 0.5 * clamp(-across, -0.5, 1)
      tone = mix(tone, irisRim, smoothstep(0.72, 0.98, ring) * 0.85)
      tone = mix(
        Color(0.006, 0.005, 0.005), tone, smoothstep(0.19 - softness, 0.19 + softness, radius))
      color = mix(tone, color, smoothstep(rim - softness, rim + softness * 1.2, radius))
    }
    let shade = 0.34 + 0.66 * smoothstep(-0.002, 0.05, upper - p.y)
    let ends = 1 - 0.35 * smoothstep(0.6, 1, abs(u))
    let normal = camera.turned(n)
    let facing = clamp((dot(normal, camera.light) + 0.35) / 1.35)
    color *= (key * (0.6 * facing * f.lit) + room(normal) * 1.15) * (shade * ends)
    let bulged = camera.turned(normalized(n * 0.62 + offset * 0.55))
    let cornea = radius < rim * 1.05 ? bulged : normal
    let nh = max(dot(cornea, half), 0)
    let spark = smoothstep(0.978, 0.992, nh) * (0.35 + 0.65 * f.lit)
    color += Color(1, 0.98, 0.95) * (1.5 * spark * smoothstep(0, 0.012, upper - p.y))
    // The wet line along the lower lid.
    let wet = bump((p.y - lower - 0.006) / 0.006, u)
    return color + key * (0.12 * wet * facing)
  }

  /// Lips (as a change of the skin) or, where the mouth is open, its inside.
  @inline(__always)
  private func mouth(
    _ f: Fragment, _ ax: Float, _ albedo: inout Color, _ gloss: inout Float
  ) -> Color? {
    let p = f.place
    let m = curves.mouth(ax)
    let soft = max(step, 0.008)
    let corner = bump((abs(m.u) - 1.02) * 9, (p.y - m.upper) / 0.03)
    albedo *= 1 - 0.45 * corner
    guard abs(m.u) < 1 else { return nil }
    let gap = min(m.upper - p.y, p.y - m.lower)
    let edge = min(m.top - p.y, p.y - m.bottom)
    let cover = smoothstep(-0.4 * soft, soft * 1.4, edge) * smoothstep(1, 0.86, abs(m.u))
    let crease = fibers(Point(p.x * 60, (p.y - m.upper) * 7))
    var tone = lip * (1 + 0.1 * crease) * (p.y > m.upper ? 0.86 : 1.02)
    // Where the lips meet it is dark.
    let line = p.y > (m.upper + m.lower) / 2 ? p.y - m.upper : m.lower - p.y
    tone *= 1 - 0.62 * smoothstep(0.02, 0, line)
    albedo = mix(albedo, tone, cover * 0.9)
    gloss = mix(gloss, p.y < m.lower ? 1.5 : 0.6, cover)
    let seen = smoothstep(-soft * 0.5, soft * 0.8, gap)
    guard seen > 0 else { return nil }
    let inside = mouthInside(f, m.upper, m.lower, m.u)
    return mix(skinLight(albedo, gloss: gloss, f), inside, seen)
  }

  /// Teeth, tongue and the dark behind them.
  @inline(__always)
  private func mouthInside(_ f: Fragment, _ upper: Float, _ lower: Float, _ u: Float) -> Color {
    let y = f.place.y
    let depth = upper - y
    let height = max(upper - lower, 0.001)
    var color = Color(0.055, 0.014, 0.012)
    let tongue = smoothstep(0.075, 0.0, y - lower - 0.01) * smoothstep(0.85, 0.45, abs(u))
    color = mix(color, Color(0.36, 0.11, 0.1), 0.75 * tongue)
    let bite = FaceCurves.mouthLevel + 0.02 - 0.055 + 0.012 * u * u
    let wide = f.place.x / 0.052
    let tooth = abs(wide - wide.rounded(.down) - 0.5) * 2
    let rounded = 0.006 * tooth * tooth
    let upperTeeth = smoothstep(-0.004, 0.005, y - bite - rounded) * smoothstep(0.97, 0.82, abs(u))
    let white = Color(0.74, 0.69, 0.6) * (1 - 0.16 * smoothstep(0.8, 1, tooth))
    color = mix(color, white * (1 - 0.55 * u * u), upperTeeth)
    let room = clamp(height / 0.1) * 0.55 + 0.3
    let shade = smoothstep(-0.012, 0.05, depth) * room
    return color * (key * (0.35 * f.lit) + sky) * shade
  }

  /// Hair: strands with two shifted highlights (Kajiya and Kay 1989; Marschner and others 2003).
  @inline(__always)
  func hair(_ f: Fragment) -> Color {
    let n = f.normal
    let s = f.surface
    if character.hairStyle == .cropped {
      let place = Point(s.y, s.w)
      let curl = fibers.ridged(place * Point(21, 24), 3)
      let fine = fibers(place * 60)
      let tone = mix(hair * 0.3, mix(hair, streak, clamp(0.35 + 0.6 * fine)), clamp(curl * 1.3))
      let facing = clamp((dot(n, camera.light) + 0.3) / 1.3)
      let color = tone * (key * (0.62 * facing * (0.3 + 0.7 * f.lit)) + room(n) * 0.85)
      let grazing = 1 - clamp(abs(n.z))
      return color + sky * tone * (0.5 * grazing * grazing)
    }
    let flow = s.x + 0.06 * fibers(Point(s.x * 4, s.y * 2.2))
    let side: Float = s.w < 0 ? 37 : 0
    let broad = fibers(Point(flow * 13 + side, s.y * 0.7))
    let strand = fibers(Point(flow * 44 + side, s.y * 1.1))
    let fine = step < 0.012 ? fibers(Point(flow * 120 + side, s.y * 1.6)) : 0
    let depth = clamp(0.62 + 0.34 * broad + 0.3 * strand + 0.16 * fine, 0.1, 1.25)
    var tone = mix(hair * 0.42, hair, depth)
    tone = mix(tone, streak, clamp(0.75 * strand * (0.5 + broad)))
    let inward = n.z < 0 ? -n : n
    let strandSlope = Place(0.12 * (strand + 0.7 * fine) + 0.3 * broad, 0, 0)
    let normal = normalized(inward + strandSlope)
    // Strands hang down and lean away from the parting.
    let down = Place(0.35 * clamp(s.w * 5, -1, 1), -1, 0.1)
    let tangent = normalized(down - normal * dot(down, normal))
    let facing = clamp((dot(normal, camera.light) + 0.3) / 1.3)
    let shifted = dot(tangent, half) + 0.1 * strand
    let first = max(1 - shifted * shifted, 0).squareRoot()
    let second = max(1 - (shifted + 0.22) * (shifted + 0.22), 0).squareRoot()
    let gleam = pow(first, 60) * 0.3
    let glow = pow(second, 14) * 0.42
    let lit = 0.25 + 0.75 * f.lit
    let hollow = n.z < -0.05 ? Float(0.3) : 1
    var color = tone * (key * (0.58 * facing * lit) + room(normal) * 0.8)
    color += key * lit * facing * (streak * glow * depth + Color(repeating: gleam * 0.45 * depth))
    let grazing = 1 - clamp(abs(n.z))
    color += streak * (0.35 * grazing * grazing * grazing)
    // Under the hair that lies over it, at the neck and near the face's edge, it is darker.
    let edge = mix(0.6, 1, smoothstep(0, 0.05, s.x))
    return color * (hollow * edge)
  }

  /// Clothes: ribbed knit for long hair's wearer, woven cloth otherwise, both from the two colours.
  @inline(__always)
  func cloth(_ f: Fragment) -> Color {
    let s = f.surface
    let rib = sin(s.x * 90)
    let collar = smoothstep(0.13, 0.115, s.y)
    let weave = threads(Point(s.x * 60, s.y * 80))
    let fold = threads.fbm(Point(s.x * 3, s.y * 4), 3)
    var tone = mix(
      cloth, clothAccent, clamp(0.3 + 0.25 * rib * (0.35 + 0.65 * collar) + 0.2 * weave))
    tone *= 0.95 + 0.25 * fold
    tone *= 1 - 0.4 * bump((s.y - 0.125) / 0.012, 0)
    // The inside of the collar, seen past the neck, lies in the dark.
    tone *= mix(0.35, 1, max(smoothstep(-0.25, 0.05, f.normal.z), smoothstep(0.1, 0.16, s.y)))
    let facing = clamp((dot(f.normal, camera.light) + 0.25) / 1.25)
    return tone * (key * (0.6 * facing * f.lit) + room(f.normal))
  }
}
